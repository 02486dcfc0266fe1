//! Streams of which we hold nothing, kept account of on the word of a peer: so many, and no more.
//!
//! Rule: what only one peer told us of is forgotten with its session.

use crate::event::limits::BRANCHES_PER_TRUNK_MAX;
use crate::event::{NodeId, SignedHead, StreamId};
use crate::sync::bound::Contribution;
use crate::sync::constants::{STREAMS_MAX, STREAMS_PER_PEER_MAX};
use crate::sync::stream::StreamState;
use crate::sync::streams::Streams;
use std::collections::BTreeMap;
use std::time::Instant;

/// How many streams without a held event each peer was the first to tell us of.
#[derive(Debug, Default)]
pub(super) struct Offers {
    streams: BTreeMap<NodeId, usize>,
    /// Those of them that are branches, by trunk.
    branches: BTreeMap<(NodeId, StreamId), usize>,
}

impl Streams {
    /// Keeps account of a branch that `from` offered and whose lamport is beyond the bound. True
    /// when that is new; none when there is no room for it.
    pub(crate) fn hold_back_offered(
        &mut self,
        branch: StreamId,
        from: &NodeId,
        required: u64,
        now: Instant,
    ) -> Option<bool> {
        if !self.has_room_for(&branch, from) {
            return None;
        }
        self.introduce(branch, from);
        Some(self.bound.hold_back(branch, required, now))
    }

    /// Forgets streams that only `node` told us of and of which we hold nothing, and says which,
    /// with the furthest head of each.
    pub(crate) fn forget_claims(
        &mut self,
        node: &NodeId,
        told_by_others: impl Fn(&StreamId) -> bool,
    ) -> Vec<(StreamId, Option<SignedHead>)> {
        let mut forgotten = Vec::new();
        if self.offers.streams.remove(node).is_none() {
            return forgotten;
        }
        self.offers.branches.retain(|(from, _), _| from != node);
        let theirs =
            self.table.iter().filter(|(_, state)| state.introduced_by.as_ref() == Some(node));
        let streams: Vec<StreamId> = theirs.map(|(stream, _)| *stream).collect();
        for stream in streams {
            let state = self.table.get_mut(&stream).expect("it was just listed");
            state.introduced_by = None;
            if state.end.is_none() && !told_by_others(&stream) {
                self.bound.change(state.contribution(), Contribution::default());
                self.bound.release(&stream);
                self.families.forget(&stream);
                let state = self.table.remove(&stream);
                self.notable.note(stream, None);
                forgotten.push((stream, state.and_then(|state| state.claimed)));
            }
        }
        forgotten
    }

    /// True when we keep account of `stream`, or may begin to on the word of `from`.
    pub(super) fn has_room_for(&self, stream: &StreamId, from: &NodeId) -> bool {
        if self.table.contains_key(stream) {
            return true;
        }
        let introduced = self.offers.streams.get(from).copied().unwrap_or(0);
        let offered = self.offers.branches.get(&(*from, stream.trunk())).copied().unwrap_or(0);
        if stream.is_branch() && offered >= BRANCHES_PER_TRUNK_MAX {
            return false;
        }
        introduced < STREAMS_PER_PEER_MAX && self.table.len() < STREAMS_MAX
    }

    pub(super) fn introduce(&mut self, stream: StreamId, from: &NodeId) {
        self.table.entry(stream).or_insert_with(|| {
            *self.offers.streams.entry(*from).or_default() += 1;
            if stream.is_branch() {
                *self.offers.branches.entry((*from, stream.trunk())).or_default() += 1;
            }
            StreamState::introduced_by(*from)
        });
    }

    /// The stream is more than a claim now.
    pub(super) fn settle(&mut self, stream: &StreamId) {
        let introduced_by = self.table.get_mut(stream).and_then(|state| state.introduced_by.take());
        let Some(node) = introduced_by else { return };
        if let Some(count) = self.offers.streams.get_mut(&node) {
            *count = count.saturating_sub(1);
        }
        if stream.is_branch()
            && let Some(count) = self.offers.branches.get_mut(&(node, stream.trunk()))
        {
            *count = count.saturating_sub(1);
        }
    }
}
