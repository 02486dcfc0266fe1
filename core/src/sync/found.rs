//! Found peers that may be dialled and wait until one is needed: which of them comes first.
//!
//! - Each rank has its turn, so that no crowd of made-up nodes keeps us from those that had a
//!   session. Of a rank come first those that were dialled least, and chance picks which.
//! - Where peers are lacking for long, every other dial of one that never had a session goes to the
//!   one of them that waits longest. New ones that are made up without end were all dialled less
//!   than an honest one; but here what comes later cannot overtake.
//!
//! Not here: how many are dialled, and how fast (`mesh`); pauses between dials (`book`).
//! Begin with [`PeerBook::dial_waiting`]. Source: docs/protocol.md, "Connections".

use crate::event::NodeId;
use crate::sync::book::PeerBook;
use crate::sync::entry::Entry;
use crate::sync::schedule::Schedule;
use std::collections::BTreeSet;
use std::time::Instant;

/// Those that wait.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    /// Those that had a session.
    met: BTreeSet<NodeId>,
    /// The others, and since when they wait.
    unmet: Schedule<NodeId>,
}

/// Which of them may be dialled, and who comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    /// One that had a session.
    Met,
    /// Anyone; of a rank those that were dialled least.
    Least,
    /// Of those that never had a session the one that waits longest.
    Longest,
}

impl Waiting {
    /// `peer` may be dialled from `now` on; it keeps its place if it waits already.
    pub(super) fn insert(&mut self, peer: NodeId, is_met: bool, now: Instant) {
        if is_met {
            self.met.insert(peer);
        } else {
            self.unmet.set_earliest(peer, now);
        }
    }

    pub(super) fn remove(&mut self, peer: &NodeId) {
        self.met.remove(peer);
        self.unmet.remove(peer);
    }

    pub(super) fn contains(&self, peer: &NodeId) -> bool {
        self.met.contains(peer) || self.unmet.get(peer).is_some()
    }

    /// How many of them had a session.
    pub(crate) fn met_count(&self) -> usize {
        self.met.len()
    }

    /// How many of them never had one.
    pub(crate) fn unmet_count(&self) -> usize {
        self.unmet.len()
    }

    /// Those that had a session, then, if `unmet_too`, the others, who waits longest first.
    fn iter(&self, unmet_too: bool) -> impl Iterator<Item = &NodeId> + Clone {
        let unmet = unmet_too.then(|| self.unmet.in_order());
        self.met.iter().chain(unmet.into_iter().flatten())
    }
}

impl PeerBook {
    /// Which found peer to dial now that one is needed; `pick` chooses one of so many.
    pub(crate) fn dial_waiting(
        &mut self,
        now: Instant,
        choice: Choice,
        is_taken: impl Fn(&NodeId) -> bool,
        mut pick: impl FnMut(usize) -> usize,
    ) -> Option<NodeId> {
        loop {
            let best = self.best_waiting(choice);
            let peer = (!best.is_empty()).then(|| best[pick(best.len())])?;
            self.waiting.remove(&peer);
            if self.may_dial(&peer, now, is_taken(&peer)) {
                if choice != Choice::Longest {
                    self.turn = self.entries[&peer].rank;
                }
                return Some(self.begin_dial(peer, now));
            }
        }
    }

    /// Those that come first: of the rank whose turn it is those that were dialled least.
    fn best_waiting(&self, choice: Choice) -> Vec<NodeId> {
        if choice == Choice::Longest
            && let Some(first) = self.waiting.unmet.in_order().next()
        {
            return vec![*first];
        }
        let waiting = self.waiting.iter(choice != Choice::Met);
        let known = waiting.filter_map(|peer| Some((peer, self.entries.get(peer)?)));
        // The next lower rank, and after the lowest the highest.
        let after = |entry: &Entry| (entry.rank < self.turn, entry.rank);
        let best = known.clone().map(|(_, entry)| after(entry)).max();
        let of_turn = known.filter(|(_, entry)| Some(after(entry)) == best);
        let least = of_turn.clone().map(|(_, entry)| entry.attempts).min();
        let of_turn = of_turn.filter(|(_, entry)| Some(entry.attempts) == least);
        of_turn.map(|(peer, _)| *peer).collect()
    }

    /// As `dial_waiting`, by chance alone, one of those that `is_wanted`.
    pub(crate) fn dial_waiting_of(
        &mut self,
        now: Instant,
        unmet_too: bool,
        is_wanted: impl Fn(&NodeId) -> bool,
        pick: impl FnOnce(usize) -> usize,
    ) -> Option<NodeId> {
        let wanted = self.waiting.iter(unmet_too).copied().filter(|peer| is_wanted(peer));
        let wanted: Vec<NodeId> = wanted.collect();
        let peer = (!wanted.is_empty()).then(|| wanted[pick(wanted.len())])?;
        self.waiting.remove(&peer);
        self.may_dial(&peer, now, false).then(|| self.begin_dial(peer, now))
    }

    /// The found peers that wait until they are needed.
    pub(crate) fn waiting(&self) -> &Waiting {
        &self.waiting
    }
}
