//! Which histories of a stream share which past, and which streams nobody writes any more.

use crate::event::limits::BRANCHES_PER_TRUNK_MAX;
use crate::event::{HeldFork, NodeId, StreamId};
use std::collections::{BTreeMap, BTreeSet};
use std::iter;

/// Branches hang deeper in each other than this only by a bug of ours; a walk ends there.
const DEPTH_MAX: usize = 64;

/// What a log knows of its streams beside their events: forks, and the latest stream of each node.
#[derive(Clone, Debug, Default)]
pub struct Lineage {
    forks: Vec<HeldFork>,
    parents: BTreeMap<StreamId, StreamId>,
    forked: BTreeSet<StreamId>,
    newest: BTreeMap<NodeId, u64>,
}

impl Lineage {
    /// Of a log with these forks and streams.
    pub fn new(forks: Vec<HeldFork>, streams: impl IntoIterator<Item = StreamId>) -> Lineage {
        let mut lineage = Lineage::default();
        for fork in &forks {
            lineage.forked.insert(fork.of.trunk());
            for branch in &fork.branches {
                lineage.parents.insert(branch.stream, fork.of);
            }
        }
        lineage.forks = forks;
        for stream in streams {
            let newest = lineage.newest.entry(stream.node).or_default();
            *newest = (*newest).max(stream.trunk().number);
        }
        lineage
    }

    /// The stream itself, then the one that it is a branch of, and so on up to its trunk: together
    /// one history of the trunk.
    pub fn path(&self, stream: StreamId) -> impl Iterator<Item = StreamId> + '_ {
        let parent = move |own: &StreamId| match own.is_branch() {
            true => Some(self.parents.get(own).copied().unwrap_or(own.trunk())),
            false => None,
        };
        iter::successors(Some(stream), parent).take(DEPTH_MAX)
    }

    /// True when `trunk` has two histories.
    pub fn is_forked(&self, trunk: &StreamId) -> bool {
        self.forked.contains(trunk)
    }

    /// True when `trunk` has so many histories that another one may not have been kept. A fork may
    /// take two branches more.
    pub fn is_crowded(&self, trunk: &StreamId) -> bool {
        let last = StreamId { number: u64::MAX, ..*trunk };
        let is_of = |branch: &&StreamId| branch.trunk() == *trunk;
        self.is_forked(trunk)
            && self.parents.range(*trunk..=last).map(|(own, _)| own).filter(is_of).count() + 1
                >= BRANCHES_PER_TRUNK_MAX
    }

    /// True when the node of `trunk` writes a later stream.
    pub fn is_left(&self, trunk: &StreamId) -> bool {
        self.newest.get(&trunk.node).is_some_and(|newest| *newest > trunk.number)
    }

    /// The stream that `node` writes, as far as is known; its first when none is.
    pub fn newest(&self, node: NodeId) -> StreamId {
        StreamId { node, number: self.newest.get(&node).copied().unwrap_or(0) }
    }

    /// The forks of `trunk` and its branches, with what proves them.
    pub fn forks_of(&self, trunk: StreamId) -> impl Iterator<Item = &HeldFork> {
        self.forks.iter().filter(move |fork| fork.of.trunk() == trunk)
    }

    /// True when these are the forks it was made of.
    pub fn has_forks(&self, forks: &[HeldFork]) -> bool {
        self.forks == forks
    }

    /// True when the same streams are cut at the same places; what proves that may differ from node
    /// to node.
    pub fn has_same_forks(&self, other: &Lineage) -> bool {
        self.parents == other.parents && self.forked == other.forked
    }
}

/// Equal up to what proves the forks, and up to streams without events, which only their writer
/// knows of.
impl PartialEq for Lineage {
    fn eq(&self, other: &Lineage) -> bool {
        self.has_same_forks(other)
    }
}

impl Eq for Lineage {}
