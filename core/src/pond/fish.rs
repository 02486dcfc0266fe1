//! A fish of Rust code: what it is, and what it does.

use crate::error::{Error, ErrorKind, Result};
use crate::event::{EventBatch, EventView};
use crate::pond::code::guarded;
use crate::pond::definition::{CODEC_DEFAULT, Definition};
use crate::pond::grow_only::check_grow_only;
use crate::pond::job::{Failure, Function};
use crate::pond::state::{self, FishState};
use crate::query::Query;
use std::cell::RefCell;
use std::sync::Arc;

/// Whatever code of the application fails with.
pub type CodeError = Box<dyn std::error::Error + Send + Sync>;

type Step<S> = dyn Fn(&mut S, EventView<'_>) -> std::result::Result<(), CodeError> + Send + Sync;
type IsReset = dyn Fn(EventView<'_>) -> bool + Send + Sync;
type Encode<S> = dyn Fn(&S) -> std::result::Result<Vec<u8>, CodeError> + Send + Sync;
type Decode<S> = dyn Fn(&[u8]) -> std::result::Result<S, CodeError> + Send + Sync;
type Merge<S> = dyn Fn(&S, &S) -> S + Send + Sync;

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
    merge: Option<Arc<Merge<S>>>,
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
            merge: self.merge.clone(),
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
            merge: None,
        })
    }
}

impl<S: Send + 'static> Fish<S> {
    /// A fish whose states are kept as this codec, of 1 to 64 bytes, writes them. `decode` must
    /// give back what `encode` was given, and `encode` the same bytes for equal states, on all
    /// nodes: what has no order, such as a `HashMap`, is to be sorted.
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
            merge: None,
        }
    }

    /// The same fish, for which an event that `is_reset` holds for makes everything before it
    /// irrelevant: the state is the initial one before it steps over such an event.
    ///
    /// # Errors
    /// `invalid_argument`, reason `grow_only`: it is declared to grow only.
    pub fn with_reset(
        mut self,
        is_reset: impl Fn(EventView<'_>) -> bool + Send + Sync + 'static,
    ) -> Result<Fish<S>> {
        self.is_reset = Some(Arc::new(is_reset));
        self.checked()
    }

    /// What it is, without its code.
    pub fn definition(&self) -> &Arc<Definition> {
        &self.definition
    }

    /// The same fish, declared to grow only: `merge` gives the least state that holds both, and a
    /// step merges what its event makes alone into the state. Then no answer that is made of it is
    /// ever taken back.
    ///
    /// Declare it where that is so: [`Fish::check_grow_only`] finds examples against it, and
    /// [`Definition::monotonicity`] believes what was checked.
    ///
    /// # Errors
    /// `invalid_argument`, reason `grow_only`: it has resets.
    pub fn grow_only(
        mut self,
        merge: impl Fn(&S, &S) -> S + Send + Sync + 'static,
    ) -> Result<Fish<S>> {
        self.definition = Arc::new(Definition::clone(&self.definition).grow_only());
        self.merge = Some(Arc::new(merge));
        self.checked()
    }

    fn checked(self) -> Result<Fish<S>> {
        match self.is_reset.is_some() && self.definition.is_grow_only() {
            true => Err(resets_take_back(&self.definition)),
            false => Ok(self),
        }
    }

    /// Checks on these events that the fish only grows as it is declared to, by the laws of
    /// [`check_grow_only`]; for tests. Further events than
    /// [`GROW_ONLY_EVENTS_MAX`](crate::pond::GROW_ONLY_EVENTS_MAX) are left out.
    ///
    /// Gives on how many events.
    ///
    /// # Errors
    /// `invalid_argument`, reason `grow_only`: a law does not hold, and which events show it; or it
    /// is not declared; reason `no_examples`: there are no two events that make different states.
    /// `user_code`, reason `step`: code of the fish failed.
    pub fn check_grow_only(&self, events: &EventBatch) -> Result<usize>
    where
        S: Clone + PartialEq,
    {
        let Some(merge) = &self.merge else {
            let message = format!("{} is not declared to grow only", self.definition);
            return Err(Error::new(ErrorKind::InvalidArgument, message).with_reason("grow_only"));
        };
        let events: Vec<EventView<'_>> = events.iter().collect();
        let failed = RefCell::new(None);
        let step = |mut state: S, event: &EventView<'_>| {
            if let Err(error) = (self.step)(&mut state, *event) {
                failed.borrow_mut().get_or_insert_with(|| error.to_string());
            }
            state
        };
        let checked =
            guarded(|| Ok(check_grow_only(&(self.initial)(), step, |a, b| merge(a, b), &events)));
        let checked = match failed.into_inner() {
            Some(message) => Err(message),
            None => checked,
        };
        match checked {
            Ok(Ok(count)) => Ok(count),
            Ok(Err(not_shown)) => Err(not_shown.error(&self.definition)),
            Err(message) => Err(self.failed(Function::Step, &message)),
        }
    }

    /// The state that these bytes are, as its codec reads them.
    ///
    /// # Errors
    /// `user_code`, reason `decode`: the codec cannot read them, or panics.
    pub fn decode(&self, bytes: &[u8]) -> Result<S> {
        let decoded = guarded(|| (self.decode)(bytes).map_err(|error| error.to_string()));
        decoded.map_err(|message| self.failed(Function::Decode, &message))
    }

    fn failed(&self, function: Function, message: &str) -> Error {
        let failure = Failure { function, index: None, message: message.to_owned() };
        failure.error(&self.definition, None)
    }
}

/// `invalid_argument`, reason `grow_only`: of a fish that is declared to grow only and has resets.
pub fn resets_take_back(fish: &Definition) -> Error {
    let message = format!(
        "{fish} has resets, which take back what was before them, and is declared to grow only: \
         give it one of the two"
    );
    Error::new(ErrorKind::InvalidArgument, message).with_reason("grow_only")
}
