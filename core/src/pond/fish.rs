//! A fish of Rust code: what it is, and what it does.

use crate::error::{Error, ErrorKind, Result};
use crate::event::EventView;
use crate::pond::definition::{CODEC_DEFAULT, Definition};
use crate::pond::state::{self, FishState};
use crate::query::Query;
use std::sync::Arc;

/// Whatever code of the application fails with.
pub type CodeError = Box<dyn std::error::Error + Send + Sync>;

type Step<S> = dyn Fn(&mut S, EventView<'_>) -> std::result::Result<(), CodeError> + Send + Sync;
type IsReset = dyn Fn(EventView<'_>) -> bool + Send + Sync;
type Encode<S> = dyn Fn(&S) -> std::result::Result<Vec<u8>, CodeError> + Send + Sync;
type Decode<S> = dyn Fn(&[u8]) -> std::result::Result<S, CodeError> + Send + Sync;

/// A fold of the events that a query selects, in key order, into a state of type `S`.
///
/// Its functions must be functions of their arguments: they run again and again, and on other
/// nodes. They run on one thread of their own, one at a time. A panic in them stops the fish, as an
/// error does.
pub struct Fish<S> {
    pub(super) definition: Arc<Definition>,
    pub(super) initial: Arc<dyn Fn() -> S + Send + Sync>,
    pub(super) step: Arc<Step<S>>,
    pub(super) is_reset: Option<Arc<IsReset>>,
    pub(super) encode: Arc<Encode<S>>,
    pub(super) decode: Arc<Decode<S>>,
}

impl<S> Clone for Fish<S> {
    fn clone(&self) -> Fish<S> {
        Fish {
            definition: self.definition.clone(),
            initial: self.initial.clone(),
            step: self.step.clone(),
            is_reset: self.is_reset.clone(),
            encode: self.encode.clone(),
            decode: self.decode.clone(),
        }
    }
}

impl<S: FishState> Fish<S> {
    /// A fish whose states are kept as CBOR values.
    ///
    /// `id` has 1 to `FISH_ID_BYTES_MAX` bytes of UTF-8. Give it another `version` whenever its
    /// functions or `S` change their meaning: what was kept of the old one is not looked at then.
    ///
    /// # Errors
    /// As [`Definition::new`].
    pub fn new(
        id: &str,
        version: u64,
        query: Query,
        initial: impl Fn() -> S + Send + Sync + 'static,
        step: impl Fn(&mut S, EventView<'_>) -> std::result::Result<(), CodeError>
        + Send
        + Sync
        + 'static,
    ) -> Result<Fish<S>> {
        Ok(Fish {
            definition: Arc::new(Definition::new(id, version, query, CODEC_DEFAULT)?),
            initial: Arc::new(initial),
            step: Arc::new(step),
            is_reset: None,
            encode: Arc::new(|state| Ok(state::encode(state)?)),
            decode: Arc::new(|bytes| Ok(state::decode(bytes)?)),
        })
    }
}

impl<S: Send + 'static> Fish<S> {
    /// A fish whose states are kept as this codec, of 1 to 64 bytes, writes them. `decode` must
    /// give back what `encode` was given.
    ///
    /// # Errors
    /// As [`Definition::new`].
    pub fn with_codec(
        definition: Definition,
        initial: impl Fn() -> S + Send + Sync + 'static,
        step: impl Fn(&mut S, EventView<'_>) -> std::result::Result<(), CodeError>
        + Send
        + Sync
        + 'static,
        encode: impl Fn(&S) -> std::result::Result<Vec<u8>, CodeError> + Send + Sync + 'static,
        decode: impl Fn(&[u8]) -> std::result::Result<S, CodeError> + Send + Sync + 'static,
    ) -> Fish<S> {
        Fish {
            definition: Arc::new(definition),
            initial: Arc::new(initial),
            step: Arc::new(step),
            is_reset: None,
            encode: Arc::new(encode),
            decode: Arc::new(decode),
        }
    }

    /// The same fish, for which an event that `is_reset` holds for makes everything before it
    /// irrelevant: the state is the initial one before it steps over such an event.
    #[must_use]
    pub fn with_reset(
        mut self,
        is_reset: impl Fn(EventView<'_>) -> bool + Send + Sync + 'static,
    ) -> Fish<S> {
        self.is_reset = Some(Arc::new(is_reset));
        self
    }

    /// What it is, without its code.
    pub fn definition(&self) -> &Arc<Definition> {
        &self.definition
    }

    /// The state that these bytes are, as its codec reads them.
    ///
    /// # Errors
    /// `user_code`, reason `decode`: the codec cannot read them.
    pub fn decode(&self, bytes: &[u8]) -> Result<S> {
        (self.decode)(bytes).map_err(|error| {
            let message = format!("{} cannot read its state: {error}", self.definition);
            Error::new(ErrorKind::UserCode, message).with_reason("decode")
        })
    }
}
