//! What a node knows of others at a moment: whom it reaches, and how far their streams go.
//!
//! Not here: how that is known; the driver says it. Rule: a new one takes the place of the old
//! one, so who keeps one has a consistent picture of its moment.

use super::disk::lock;
use super::log::Log;
use crate::event::{Behind, NodeId, OffsetMap, StreamId, WallTime};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What is known of other nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outlook {
    /// When the log was opened.
    pub opened: WallTime,
    /// Some peer has said since then how far all streams go that it holds: what there is more than
    /// here is in `known`.
    pub has_compared: bool,
    /// Nodes that are in reach: peers with a session, and the nodes that they have sessions with.
    pub reachable: BTreeSet<NodeId>,
    /// When others were last heard of: a session with them or with a peer of theirs ended, or
    /// events of theirs came here, by whatever way. The log keeps the latest 1,024 over openings; a
    /// power loss may take back what was heard since the last checkpoint.
    pub heard: BTreeMap<NodeId, WallTime>,
    /// How many events of a stream are signed for, where more are than were held at that moment.
    pub known: BTreeMap<StreamId, u64>,
}

/// A node that was heard of and is not in reach: a suspected partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unheard {
    /// Which.
    pub node: NodeId,
    /// Since when nothing was heard of it; when the store was opened, if that is not known.
    pub since: WallTime,
}

impl Outlook {
    /// Nobody was heard of yet.
    pub fn new(opened: WallTime) -> Outlook {
        Outlook {
            opened,
            has_compared: false,
            reachable: BTreeSet::new(),
            heard: BTreeMap::new(),
            known: BTreeMap::new(),
        }
    }

    /// Nodes besides `us` that are not in reach, by rising id: those that were heard of, or wrote a
    /// stream that is known or in `held`.
    pub fn unheard(&self, us: NodeId, held: &OffsetMap) -> Vec<Unheard> {
        let authors = held.iter().map(|(stream, _)| stream.node);
        let authors = authors.chain(self.known.keys().map(|stream| stream.node));
        let nodes: BTreeSet<NodeId> = authors.chain(self.heard.keys().copied()).collect();
        let gone = nodes.into_iter().filter(|node| *node != us && !self.reachable.contains(node));
        gone.map(|node| {
            let since = self.heard.get(&node).copied().unwrap_or(self.opened);
            Unheard { node, since }
        })
        .collect()
    }

    /// Streams of which more is signed for than is in `held`, by rising id.
    pub fn behind(&self, held: &OffsetMap) -> Vec<Behind> {
        let behind = self.known.iter().map(|(stream, known)| {
            let missing = known.saturating_sub(held.count(stream));
            Behind { stream: *stream, missing }
        });
        behind.filter(|behind| behind.missing > 0).collect()
    }
}

impl Log {
    /// What is known of other nodes.
    pub fn outlook(&self) -> Arc<Outlook> {
        lock(&self.shared().outlook).clone()
    }

    /// Says what is known of other nodes from now on.
    pub fn set_outlook(&self, outlook: Outlook) {
        *lock(&self.shared().outlook) = Arc::new(outlook);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(node: u8) -> StreamId {
        StreamId { node: NodeId::from_bytes([node; 32]), number: 0 }
    }

    #[test]
    fn who_wrote_or_was_heard_of_and_is_not_in_reach_is_unheard() {
        let at = WallTime::from_micros;
        let mut outlook = Outlook::new(at(5));
        let mut held = OffsetMap::new();
        (1..=3).for_each(|node| held.set(stream(node), 1));
        outlook.reachable.insert(stream(2).node);
        outlook.heard.insert(stream(2).node, at(6));
        outlook.heard.insert(stream(4).node, at(7));
        outlook.known.insert(stream(5), 9);
        let unheard = outlook.unheard(stream(1).node, &held);
        let expected = [(3, 5), (4, 7), (5, 5)];
        let expected = expected.map(|(node, since)| (stream(node).node, at(since)));
        let found: Vec<_> = unheard.iter().map(|gone| (gone.node, gone.since)).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_stream_is_behind_by_what_is_signed_for_and_not_held() {
        let mut outlook = Outlook::new(WallTime::from_micros(0));
        outlook.known.extend([(stream(1), 5), (stream(2), 5)]);
        let mut held = OffsetMap::new();
        held.set(stream(1), 5);
        held.set(stream(2), 3);
        assert_eq!(outlook.behind(&held), [Behind { stream: stream(2), missing: 2 }]);
    }
}
