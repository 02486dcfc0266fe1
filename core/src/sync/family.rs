//! Families: a trunk and its branches, and the forks between them.
//!
//! Two histories that a node signed for one stream are shown side by side: the stream is sealed
//! where they part, and each goes on as a branch. Which events each name shows is a function of the
//! histories that are held, so all nodes come to the same. Source: docs/protocol.md, "Forks".
//! Not here: finding forks (`dispute`, `history`), windows (`stream`).

use crate::event::limits::BRANCHES_PER_TRUNK_MAX;
use crate::event::{Branch, HeldFork, StreamId};
use crate::sync::stream::Storing;
use std::collections::{BTreeMap, BTreeSet};

/// All forks that are held, being stored, or waited for.
#[derive(Debug, Default)]
pub(crate) struct Families {
    /// Branches that are held, by trunk.
    branches: BTreeMap<StreamId, BTreeMap<StreamId, Branch>>,
    /// The branches that begin at an offset of a stream. Each fork is kept under the stream that
    /// shows the events before it.
    forks: BTreeMap<(StreamId, u64), Vec<StreamId>>,
    /// By trunk, the fork that the log is storing.
    storing: BTreeMap<StreamId, StoringFork>,
    /// Trunks with more branches than are kept.
    crowded: BTreeSet<StreamId>,
    /// Offered branches that could not be told from a piece of what is held, and the count that
    /// some stream of the family must exceed first.
    undecided: BTreeMap<StreamId, u64>,
}

/// A fork that the log is storing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StoringFork {
    /// The new branch.
    pub(crate) branch: StreamId,
    /// The stream that is to be sealed.
    pub(crate) of: StreamId,
    /// What the peer that showed it calls it.
    pub(crate) told_as: StreamId,
    pub(crate) storing: Storing,
}

impl Families {
    /// The branches of `trunk` that are held.
    pub(crate) fn branches(&self, trunk: &StreamId) -> impl Iterator<Item = &Branch> {
        self.branches.get(trunk).into_iter().flat_map(BTreeMap::values)
    }

    /// The branch with this name, if it is held.
    pub(crate) fn branch(&self, stream: &StreamId) -> Option<&Branch> {
        self.branches.get(&stream.trunk())?.get(stream)
    }

    /// Each fork: the stream, the offset, and the branches.
    pub(crate) fn forks(&self) -> impl Iterator<Item = (StreamId, u64, &Vec<StreamId>)> {
        self.forks.iter().map(|((of, at), branches)| (*of, *at, branches))
    }

    /// Trunks with more branches than are kept.
    pub(crate) fn crowded(&self) -> impl Iterator<Item = StreamId> {
        self.crowded.iter().copied()
    }

    /// Keeps a branch. True when it is new.
    pub(crate) fn insert(&mut self, branch: &Branch) -> bool {
        self.undecided.remove(&branch.stream);
        let family = self.branches.entry(branch.stream.trunk()).or_default();
        let is_new = !family.contains_key(&branch.stream);
        family.entry(branch.stream).or_insert_with(|| branch.clone());
        is_new
    }

    /// Notes that `branches` begin at offset `at` of `of`.
    pub(crate) fn note_fork(&mut self, of: StreamId, at: u64, branches: &[Branch]) {
        let known = self.forks.entry((of, at)).or_default();
        for branch in branches {
            if !known.contains(&branch.stream) {
                known.push(branch.stream);
            }
        }
    }

    /// `of` is now sealed at `at`, and shown as `ours` from there on: with the forks beyond.
    pub(crate) fn move_forks(&mut self, of: StreamId, at: u64, ours: StreamId) {
        let beyond = self.forks.range((of, at + 1)..=(of, u64::MAX));
        let beyond: Vec<(StreamId, u64)> = beyond.map(|(key, _)| *key).collect();
        for key in beyond {
            let branches = self.forks.remove(&key).expect("it was just listed");
            self.forks.insert((ours, key.1), branches);
        }
    }

    /// True when `count` more branches of `trunk` can be kept; else that is noted.
    pub(crate) fn has_room_for(&mut self, trunk: StreamId, count: usize) -> bool {
        let has_room = self.branches(&trunk).count() + count <= BRANCHES_PER_TRUNK_MAX;
        if !has_room {
            self.crowded.insert(trunk);
        }
        has_room
    }

    pub(crate) fn begin(&mut self, fork: StoringFork) {
        let former = self.storing.insert(fork.branch.trunk(), fork);
        assert!(former.is_none(), "one fork of a trunk at a time");
    }

    /// The fork of this trunk that the log is storing.
    pub(crate) fn storing(&self, trunk: &StreamId) -> Option<&StoringFork> {
        self.storing.get(trunk)
    }

    /// The log has stored the fork, or has not.
    pub(crate) fn finish(&mut self, trunk: &StreamId) -> Option<StoringFork> {
        self.storing.remove(trunk)
    }

    /// True when the log is about to seal `stream`.
    pub(crate) fn is_closing(&self, stream: &StreamId) -> bool {
        self.storing.get(&stream.trunk()).is_some_and(|fork| fork.of == *stream)
    }

    /// Leaves the offered branch `stream` until some stream of its family exceeds `needs` events or
    /// forks.
    pub(crate) fn leave(&mut self, stream: StreamId, needs: u64) {
        self.undecided.insert(stream, needs);
    }

    pub(crate) fn is_undecided(&self, stream: &StreamId) -> bool {
        self.undecided.contains_key(stream)
    }

    pub(crate) fn forget(&mut self, stream: &StreamId) {
        self.undecided.remove(stream);
    }

    /// Offered branches that may be decided now that a stream of `trunk` grew from `before` to
    /// `count` events; without counts, because it forked.
    pub(crate) fn wake(&mut self, trunk: StreamId, growth: Option<(u64, u64)>) -> Vec<StreamId> {
        if self.undecided.is_empty() {
            return Vec::new();
        }
        let last = StreamId { number: u64::MAX, ..trunk };
        let of_trunk = self.undecided.range(trunk..=last);
        let is_due =
            |needs: u64| growth.is_none_or(|(before, count)| (before..count).contains(&needs));
        let due = of_trunk.filter(|(stream, needs)| stream.trunk() == trunk && is_due(**needs));
        let due: Vec<StreamId> = due.map(|(stream, _)| *stream).collect();
        due.iter().for_each(|stream| self.forget(stream));
        due
    }
}

/// `forks` so that each stream is sealed ever lower and no branch comes before its fork, whatever
/// the order in which the log gives them.
pub(crate) fn in_order(forks: Vec<HeldFork>) -> Vec<HeldFork> {
    let mut by_stream: BTreeMap<StreamId, Vec<HeldFork>> = BTreeMap::new();
    for fork in forks {
        by_stream.entry(fork.of).or_default().push(fork);
    }
    let mut ordered = Vec::new();
    let trunks = by_stream.keys().filter(|stream| !stream.is_branch());
    let mut next: Vec<StreamId> = trunks.copied().collect();
    while let Some(stream) = next.pop() {
        let mut forks = by_stream.remove(&stream).unwrap_or_default();
        forks.sort_by_key(|fork| std::cmp::Reverse(fork.at));
        for fork in forks {
            next.extend(fork.branches.iter().map(|branch| branch.stream));
            ordered.push(fork);
        }
    }
    ordered.extend(by_stream.into_values().flatten());
    ordered
}
