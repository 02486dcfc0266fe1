//! What the model log is asked, what it answers, and a group of writes between the two.
//!
//! Not here: what becomes of it (`log`, `disk`).

use crate::sim::forks::Forked;
use millpond::Error;
use millpond::event::{Branch, EventRange, Payload, StreamEnd, StreamId};

/// What is asked of the log.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant)] // Few wait at a time.
pub(super) enum Request {
    Append(Publish),
    Store {
        range: EventRange,
        before: StreamEnd,
    },
    /// The last word is added to the number.
    NewStream {
        at_least: u64,
        step: u64,
    },
    Fork {
        branch: Branch,
        range: EventRange,
        step: u64,
    },
}

/// Events that an application wants published at once.
#[derive(Clone, Debug)]
pub(super) struct Publish {
    /// Its idempotency key; no other publish of the world has it.
    pub(super) key: u64,
    pub(super) count: u32,
    /// Characters added to each event.
    pub(super) padding: u32,
    /// What happens to the account, in place of a text: then it is one event.
    pub(super) deed: Option<Payload>,
}

/// Where a publish went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Receipt {
    pub(super) stream: StreamId,
    pub(super) first: u64,
    pub(super) count: u64,
}

/// What a group commit answers once it is durable.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant)] // As for requests.
pub(super) enum Answer {
    Appended(u64, Receipt),
    Stored(StreamId, u64),
    Refused(Request, Error),
    /// The sync failed, and this publish or range with it.
    NotAppended(u64),
    NotStored(StreamId, u64, Error),
    Moved(StreamId),
    Forked(Forked),
    NotForked(Forked, Error),
}

/// What was written and is not synced.
#[derive(Clone, Debug, Default)]
pub(super) struct Group {
    pub(super) answers: Vec<Answer>,
    /// Streams that it extends.
    pub(super) streams: Vec<StreamId>,
    pub(super) receipts: Vec<(u64, Receipt)>,
}

impl Group {
    pub(super) fn note(&mut self, stream: StreamId) {
        if !self.streams.contains(&stream) {
            self.streams.push(stream);
        }
    }
}
