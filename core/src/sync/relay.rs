//! Who passes new events on, and when: each event crosses a node about once.
//!
//! An author pushes its events to all its peers at once. Everyone else relays, and knows from the
//! lists of peers (`Peers`) who can be reached by whom:
//!
//! - A peer that the sender of the events is connected with gets them from the sender. We only
//!   stand in for it: after `RELAY_DELAY`, and only when that peer has not acknowledged them by
//!   then.
//! - Any other peer needs a relay at once; in a line A–B–C nothing is waited for. When several of
//!   the sender's peers could do it, all of them put themselves into the same order (by node id,
//!   turned by the author's id so that the work spreads), the first pushes at once and each later
//!   one stands in after one more delay.
//!
//! Acknowledgements go out after `FLUSH_DELAY`, well inside `RELAY_DELAY`; with a slower disk or
//! link than that, some events cross twice and are dropped before their signature is looked at.

use crate::event::NodeId;
use crate::sync::constants::{RELAY_DELAY, RELAY_RANK_MAX};
use std::time::Duration;

/// Where events came from.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub(crate) node: NodeId,
    /// The source's peers, rising; they include us.
    pub(crate) peers: Vec<NodeId>,
}

/// How long `us` waits before pushing events of `author` to `target`, whose peers are
/// `target_peers`. Without a source they are our own.
pub(crate) fn delay(
    us: NodeId,
    author: NodeId,
    source: Option<&Source>,
    target: NodeId,
    target_peers: &[NodeId],
) -> Duration {
    let Some(source) = source else { return Duration::ZERO };
    let reaches = |peers: &[NodeId], node: &NodeId| peers.binary_search(node).is_ok();
    let ours = turned(us, author);
    let before_us = |node: &&NodeId| {
        **node != us && reaches(target_peers, node) && turned(**node, author) < ours
    };
    let rank = source.peers.iter().filter(before_us).count() as u32;
    let is_served = target == source.node || reaches(&source.peers, &target);
    RELAY_DELAY * (rank + u32::from(is_served)).min(RELAY_RANK_MAX)
}

/// The place of `node` in the order of relays for events of `author`.
fn turned(node: NodeId, author: NodeId) -> [u8; 32] {
    let mut place = *node.as_bytes();
    place.iter_mut().zip(author.as_bytes()).for_each(|(byte, turn)| *byte ^= turn);
    place
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(byte: u8) -> NodeId {
        NodeId::from_bytes([byte; 32])
    }

    #[test]
    fn in_a_line_nothing_is_waited_for() {
        let source = Source { node: node(1), peers: vec![node(2)] };
        let wait = delay(node(2), node(1), Some(&source), node(3), &[node(2)]);
        assert_eq!(wait, Duration::ZERO);
    }

    #[test]
    fn a_peer_of_the_source_is_left_to_it_for_a_while() {
        let source = Source { node: node(1), peers: vec![node(2), node(3)] };
        let wait = delay(node(2), node(1), Some(&source), node(3), &[node(1), node(2)]);
        assert_eq!(wait, RELAY_DELAY);
    }

    #[test]
    fn of_several_relays_exactly_one_goes_at_once() {
        let source = Source { node: node(1), peers: vec![node(2), node(3), node(4)] };
        let target_peers = [node(2), node(3), node(4)];
        for author in [node(1), node(7), node(255)] {
            let mut waits: Vec<Duration> = (2..=4)
                .map(|us| delay(node(us), author, Some(&source), node(9), &target_peers))
                .collect();
            waits.sort();
            assert_eq!(waits, [Duration::ZERO, RELAY_DELAY, RELAY_DELAY * 2]);
        }
    }
}
