//! What the owner of a fish's code is asked to do, and what it answers.

use crate::error::{Error, ErrorKind};
use crate::event::EventBatch;
use crate::event::cbor::Value;
use crate::pond::definition::Definition;
use bytes::Bytes;
use std::sync::Arc;

/// Largest state of a fish, in bytes as its codec writes it.
pub const STATE_BYTES_MAX: usize = 16 << 20;

/// What the owner of a fish's code does next, with the one state that it holds.
#[derive(Clone, Debug)]
pub enum Job {
    /// Replace the state by the initial one (`None`), or by the one that these bytes encode.
    Load(Option<Bytes>),
    /// Step over these events, in this order; where one is a reset, begin with the initial state
    /// before stepping over it. At least one event.
    Apply(Arc<EventBatch>),
    /// Encode the state.
    Save,
}

/// How a job ended.
#[derive(Clone, Debug)]
pub enum Answer {
    /// The state is loaded.
    Loaded,
    /// All events are in the state.
    Applied {
        /// Index of the last event that was a reset, the first of the batch is 0.
        last_reset: Option<usize>,
    },
    /// The state's bytes, at most [`STATE_BYTES_MAX`].
    Saved(Bytes),
    /// Code of the application failed. The state is whatever it is.
    Failed(Failure),
    /// It cannot go on, and not because of code of the application.
    Stopped(Error),
}

/// A function of a fish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    /// Makes the initial state.
    Initial,
    /// Steps over an event.
    Step,
    /// Says whether an event is a reset.
    IsReset,
    /// Encodes a state.
    Encode,
    /// Decodes a state.
    Decode,
}

impl Function {
    /// The stable name, the same in every language; it is the reason of a `user_code` error.
    pub const fn name(self) -> &'static str {
        match self {
            Function::Initial => "initial",
            Function::Step => "step",
            Function::IsReset => "is_reset",
            Function::Encode => "encode",
            Function::Decode => "decode",
        }
    }
}

/// Code of the application failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Which code.
    pub function: Function,
    /// At which event of the batch, the first is 0.
    pub index: Option<usize>,
    /// What the language says about it. Its first 2,000 characters are shown.
    pub message: String,
}

/// As much of a message as is shown.
const MESSAGE_CHARACTERS_MAX: usize = 2_000;

impl Failure {
    /// What observers of the fish get.
    pub(crate) fn error(&self, fish: &Definition, batch: Option<&EventBatch>) -> Error {
        let name = self.function.name();
        let event = self.index.zip(batch).and_then(|(index, batch)| batch.get(index));
        let place = event.map_or(String::new(), |event| {
            format!(" at event {}, offset {}", event.key(), event.offset())
        });
        let shown: String = self.message.chars().take(MESSAGE_CHARACTERS_MAX).collect();
        let message = format!("{fish} failed in {name}{place}: {shown}");
        let details = Value::map([("fish", Value::from(fish.id()))]);
        let details = details.encode().expect("an id is short");
        Error::new(ErrorKind::UserCode, message).with_reason(name).with_details(details)
    }
}
