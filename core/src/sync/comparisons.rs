//! Heads that peers have of what we hold, on their way to be compared with our log.
//!
//! A comparison may read and hash a whole block, and who tells heads pays nothing for it: so of
//! each peer's stream only the furthest head waits, peers and streams have their turns, and there
//! are only so many in a while.

use crate::event::{SignedHead, StreamId};
use crate::sync::io::ConnectionId;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::time::{Duration, Instant};

/// Comparisons at most in each `PAUSE`.
pub(crate) const COMPARISONS_MAX: usize = 16;
/// Begins with the first of them.
pub(crate) const PAUSE: Duration = Duration::from_millis(20);

/// A head that a peer has and that may not be what we hold. Its signature was not checked.
#[derive(Clone, Debug)]
pub(crate) struct Comparison {
    pub(crate) connection: ConnectionId,
    pub(crate) head: SignedHead,
}

/// Those that wait.
#[derive(Debug)]
pub(crate) struct Comparisons {
    waiting: BTreeMap<(ConnectionId, StreamId), SignedHead>,
    /// The last one that had its turn.
    last: Option<(ConnectionId, StreamId)>,
    /// How many since.
    count: usize,
    since: Instant,
}

impl Comparisons {
    pub(crate) fn new(now: Instant) -> Comparisons {
        Comparisons { waiting: BTreeMap::new(), last: None, count: 0, since: now }
    }

    pub(crate) fn push(&mut self, connection: ConnectionId, head: SignedHead) {
        let waiting = self.waiting.entry((connection, head.stream));
        let kept = waiting.or_insert_with(|| head.clone());
        if kept.count < head.count {
            *kept = head;
        }
    }

    /// The next one, if there may be one now.
    pub(crate) fn pop(&mut self, now: Instant) -> Option<Comparison> {
        let after = self.last.map_or(Bound::Unbounded, Bound::Excluded);
        let next = self.waiting.range((after, Bound::Unbounded)).next();
        let next = *next.or_else(|| self.waiting.first_key_value())?.0;
        if now >= self.since + PAUSE {
            (self.count, self.since) = (0, now);
        }
        if self.count >= COMPARISONS_MAX {
            return None;
        }
        self.count += 1;
        self.last = Some(next);
        let head = self.waiting.remove(&next)?;
        Some(Comparison { connection: next.0, head })
    }

    /// When there may be one that may not be now.
    pub(crate) fn next(&self) -> Option<Instant> {
        (!self.waiting.is_empty()).then(|| self.since + PAUSE)
    }

    /// True while a head of this connection's peer waits.
    pub(crate) fn await_one_of(&self, connection: ConnectionId) -> bool {
        let mut own = self.waiting.keys().filter(|(from, _)| *from == connection);
        own.next().is_some()
    }

    /// The connection is gone.
    pub(crate) fn ended(&mut self, connection: ConnectionId) {
        self.waiting.retain(|(from, _), _| *from != connection);
    }
}
