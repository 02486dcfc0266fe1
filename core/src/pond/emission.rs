//! A state as observers get it.

use crate::event::{EventKey, OffsetMap};
use bytes::Bytes;

/// A state: the fold of all matching events of one offset map, in key order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Emission {
    /// The state as the codec of its fish writes it.
    pub state: Bytes,
    /// What it is the fold of. Each emission of a fold covers the ones before, but for streams that
    /// turned out to have two histories.
    pub offsets: OffsetMap,
    /// The last event that is in it; `None` when nothing matched.
    pub last: Option<EventKey>,
    /// Counts the emissions of its fold, from 1.
    pub number: u64,
}
