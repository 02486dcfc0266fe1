//! What a peer is still to be told: heads, acknowledgements, our peers.
//!
//! Sets of names, not messages: what is said is the state at the time of saying it.

use crate::event::StreamId;
use crate::planted;
use std::collections::BTreeSet;
use std::time::Instant;

/// What is to be said to one peer.
#[derive(Debug, Default)]
pub(crate) struct Announcements {
    /// Streams whose head is to be told.
    pub(crate) heads: BTreeSet<StreamId>,
    /// True when the first full account of our heads is out.
    pub(crate) all_told: bool,
    /// Streams of which the peer has enough and is to know that we have it too.
    pub(crate) held: BTreeSet<StreamId>,
    /// Streams of which the peer need not push live events.
    pub(crate) prunes: BTreeSet<StreamId>,
    /// True when our peers are others than the peer knows.
    pub(crate) peers_changed: bool,
    flush_at: Option<Instant>,
}

impl Announcements {
    /// The peer knows nothing yet.
    pub(crate) fn begin(&mut self, streams: impl Iterator<Item = StreamId>) {
        let left_out = usize::from(planted!("summary_incomplete"));
        self.heads = streams.skip(left_out).collect();
        self.all_told = false;
        self.peers_changed = true;
    }

    /// What waits is said by `at` at the latest.
    pub(crate) fn flush_by(&mut self, at: Instant) {
        self.flush_at = Some(self.flush_at.map_or(at, |earlier| earlier.min(at)));
    }

    /// When what waits is to be said.
    pub(crate) fn flush_at(&self) -> Option<Instant> {
        self.flush_at
    }

    /// True when what waits is to be said now.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        !self.all_told || self.flush_at.is_some_and(|at| at <= now)
    }

    /// Everything was said.
    pub(crate) fn flushed(&mut self) {
        let is_told = self.heads.is_empty() && self.held.is_empty() && self.prunes.is_empty();
        if is_told && !self.peers_changed {
            self.flush_at = None;
        }
    }
}
