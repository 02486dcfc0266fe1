//! What has to be looked at: so that an input costs what it may change, and not all that there is.
//!
//! Rule: whoever changes what a look depends on notes it here. A look that was missed is what tests
//! search for: after each of their inputs everything is looked at, and nothing may come of it.

use super::exchange::Exchange;
use super::io::ConnectionNumber;
use crate::blob::id::BlobId;
use std::collections::BTreeSet;
use std::time::Instant;

/// What is to be looked at by the next `poll`.
#[derive(Debug, Default)]
pub(super) struct Work {
    /// Which blobs are wanted, or in which order, is other than before.
    pub(super) wants: bool,
    /// Blobs of which there may be something to grant, to ask for, or to tell.
    pub(super) blobs: Touched,
    /// Blobs whose copies may be other than before.
    pub(super) copies: Touched,
    /// Somebody may be given a piece.
    pub(super) serve: bool,
    /// A question may have been answered by all.
    pub(super) questions: bool,
    /// Connections on whose bulk lane something may be ready.
    pub(super) ship: BTreeSet<ConnectionNumber>,
}

/// Some blobs, or all.
#[derive(Debug, Default)]
pub(super) struct Touched {
    all: bool,
    some: BTreeSet<BlobId>,
}

impl Touched {
    pub(super) fn one(&mut self, id: BlobId) {
        if !self.all {
            self.some.insert(id);
        }
    }

    pub(super) fn all(&mut self) {
        self.all = true;
        self.some.clear();
    }

    pub(super) fn is_empty(&self) -> bool {
        !self.all && self.some.is_empty()
    }

    /// Those of `ids` that are meant, rising like them.
    pub(super) fn of<'a>(&'a self, ids: impl Iterator<Item = &'a BlobId>) -> Vec<BlobId> {
        ids.filter(|id| self.has(id)).copied().collect()
    }

    pub(super) fn has(&self, id: &BlobId) -> bool {
        self.all || self.some.contains(id)
    }
}

impl Work {
    fn is_empty(&self) -> bool {
        let Work { wants, blobs, copies, serve, questions, ship } = self;
        let some = *wants || *serve || *questions || !ship.is_empty();
        !some && blobs.is_empty() && copies.is_empty()
    }
}

impl Exchange {
    /// Whether there is anything to look at.
    pub(super) fn has_work(&self) -> bool {
        !self.work.is_empty()
            || self.is_curious
            || !self.changed.is_empty()
            || !self.keep_asked.is_empty()
            || self.is_due()
            || self.next_tell().is_some_and(|at| at <= self.now)
    }

    /// Whether the time has come for something.
    pub(super) fn is_due(&self) -> bool {
        self.due.is_some_and(|at| at <= self.now)
    }

    /// When a peer is to be told what it asked about, of those who read what they are told.
    pub(super) fn next_tell(&self) -> Option<Instant> {
        let open = self.peers.values().filter(|peer| peer.may_be_told());
        open.filter_map(|peer| peer.next_tell).min()
    }

    /// When something is to be done without any input.
    pub(super) fn wake(&self) -> Option<Instant> {
        self.due.into_iter().chain(self.next_tell()).min()
    }

    /// Everything is to be looked at; for tests. Gives what the deadline was.
    #[cfg(test)]
    pub(super) fn look_again(&mut self) -> Option<Instant> {
        self.is_curious = true;
        self.work.blobs.all();
        self.work.copies.all();
        (self.work.wants, self.work.serve, self.work.questions) = (true, true, true);
        self.work.ship = self.peers.keys().copied().collect();
        self.wake()
    }
}
