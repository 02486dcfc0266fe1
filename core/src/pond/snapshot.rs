//! A state that is kept over the end of the process.

use crate::event::{EventKey, KeyPosition};
use bytes::Bytes;

/// A remembered state of a fish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// What the state is the fold of: matching events up to `last`. Names the snapshot, by `last`,
    /// which is there.
    pub position: KeyPosition,
    /// The last reset that is in it; what comes before that does not matter.
    pub reset: Option<EventKey>,
    /// Number of events that were folded: says how far apart two snapshots are.
    pub event_count: u64,
    /// The state as the codec of its fish writes it.
    pub state: Bytes,
}

/// What to do with kept snapshots of a fish: as a whole, or in this order.
///
/// Rule: changes take effect in the order in which they are given out. Any number of the latest may
/// be lost.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SnapshotChange {
    /// These are no longer states of the fish, or not needed: the keys of their last events.
    pub dropped: Vec<EventKey>,
    /// Nor is any whose last event comes after this, whoever saved it; `Some(None)` is all.
    pub dropped_behind: Option<Option<EventKey>>,
    /// These are to be kept.
    pub saved: Vec<Snapshot>,
}

impl SnapshotChange {
    /// True when there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.dropped.is_empty() && self.dropped_behind.is_none() && self.saved.is_empty()
    }
}
