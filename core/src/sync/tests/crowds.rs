//! What those who prove nothing can make us keep: little, and never in the place of others.

use super::puppet::Puppet;
use crate::event::{NodeId, NodeKey};
use crate::sync::book::PeerBook;
use crate::sync::constants::{BOOK_PEERS_MAX, HEARSAY_PER_PEER_MAX, STRANGERS_KEPT_MAX};
use crate::sync::message::Message;
use crate::sync::{Input, LinkState, RefusalReason};
use bytes::Bytes;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

fn node(number: usize) -> NodeId {
    NodeId::from_bytes(*blake3::hash(&number.to_le_bytes()).as_bytes())
}

fn address() -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 2], 4100))
}

/// Whom the book has, so that it is tried whatever else is in it.
fn is_dialled(puppet: &mut Puppet, peer: NodeId) -> bool {
    puppet.give(Input::AddPeer { peer, addresses: vec![address()] });
    let peers = puppet.swarm.status().peers;
    peers.iter().any(|known| known.peer == peer && known.state == LinkState::Dialing)
}

#[test]
fn strangers_without_number_fill_no_book() {
    let mut puppet = Puppet::stranger();
    for number in 0..BOOK_PEERS_MAX + 10 {
        puppet.peer = node(number);
        puppet.connect(2 + number as u64);
        puppet.say(&Message::Goodbye(RefusalReason::WrongSecret));
        assert_eq!(puppet.closed, Some(RefusalReason::WrongSecret));
    }
    let kept = puppet.swarm.status().peers.len();
    assert!(kept <= STRANGERS_KEPT_MAX + 1, "{kept} strangers are kept");
    assert!(puppet.swarm.check_room_for(&node(5_000)).is_ok());
    assert!(is_dialled(&mut puppet, node(5_000)));
}

#[test]
fn peers_that_nobody_but_discovery_knows_make_room_for_members_and_named_ones() {
    let mut puppet = Puppet::stranger();
    for number in 0..BOOK_PEERS_MAX + 10 {
        puppet.give(Input::Discovered { peer: node(number), addresses: vec![address()] });
    }
    assert_eq!(puppet.swarm.book.iter().count(), BOOK_PEERS_MAX);
    assert!(is_dialled(&mut puppet, node(5_000)));
    puppet.peer = NodeKey::from_seed(&[9; 32]).node_id();
    puppet.connect(2);
    puppet.admit();
    assert!(puppet.swarm.book.get(&puppet.peer).is_some(), "a member is remembered");
    assert!(puppet.swarm.book.get(&node(5_000)).is_some(), "and nobody named is forgotten");
    assert_eq!(puppet.swarm.book.iter().count(), BOOK_PEERS_MAX);
}

#[test]
fn a_book_full_of_named_peers_has_room_for_no_other() {
    let mut puppet = Puppet::stranger();
    for number in 0..BOOK_PEERS_MAX {
        puppet.give(Input::AddPeer { peer: node(number), addresses: Vec::new() });
    }
    assert!(puppet.swarm.check_room_for(&node(0)).is_ok());
    assert!(puppet.swarm.check_room_for(&node(5_000)).is_err());
    puppet.give(Input::Discovered { peer: node(5_000), addresses: vec![address()] });
    assert!(puppet.swarm.book.get(&node(5_000)).is_none());
    assert_eq!(puppet.swarm.book.iter().count(), BOOK_PEERS_MAX);
}

#[test]
fn who_had_a_session_is_dialled_soon_whoever_else_is_announced() {
    let mut puppet = Puppet::stranger();
    let member = NodeKey::from_seed(&[9; 32]).node_id();
    let mut book = PeerBook::new(puppet.swarm.shared.options.node);
    for number in 0..BOOK_PEERS_MAX - 1 {
        book.discover(node(number), &[address()], puppet.now);
    }
    book.up(member, false, puppet.now);
    book.discover(member, &[address()], puppet.now);
    book.down(member, Duration::from_secs(60), Some(address()), puppet.now);
    puppet.now += Duration::from_secs(1);
    assert_eq!(book.next_dial(puppet.now, |_| false), None);
    let last = |count: usize| count - 1;
    let dialled = [(); 4].map(|()| book.dial_waiting(puppet.now, |_| false, last).unwrap());
    assert!(dialled.contains(&member));
    assert_eq!(dialled.iter().filter(|peer| **peer == member).count(), 1);
    // Nobody of the others is dialled twice before all were dialled once.
    let mut others: BTreeSet<NodeId> = dialled.into_iter().collect();
    while let Some(peer) = book.dial_waiting(puppet.now, |_| false, |_| 0) {
        assert!(others.insert(peer));
        book.failed(peer, puppet.now);
    }
    assert_eq!(others.len(), BOOK_PEERS_MAX);
}

#[test]
fn one_teller_of_made_up_nodes_fills_no_book() {
    let now = Puppet::stranger().now;
    let mut book = PeerBook::new(NodeId::from_bytes([1; 32]));
    let [liar, honest] = [2, 3].map(|byte| NodeId::from_bytes([byte; 32]));
    for number in 0..BOOK_PEERS_MAX * 2 {
        book.learn(node(number), liar, &[address()], now);
    }
    assert_eq!(book.iter().count(), HEARSAY_PER_PEER_MAX);
    book.learn(node(5_000), honest, &[address()], now);
    assert!(book.get(&node(5_000)).is_some());
    // Whom nobody answers for in the end gives up its place.
    let mut later = now;
    for _ in 0..20 {
        later += Duration::from_secs(60);
        assert_eq!(book.next_dial(later, |_| false), None);
        while let Some(peer) = book.dial_waiting(later, |_| false, |_| 0) {
            book.failed(peer, later);
        }
    }
    assert!(book.iter().all(|(_, entry)| !entry.is_learned()));
    book.learn(node(5_001), liar, &[address()], later);
    assert!(book.get(&node(5_001)).is_some());
}

#[test]
fn sessions_that_end_at_once_are_sought_ever_more_rarely() {
    let [us, peer] = [1, 2].map(|byte| NodeId::from_bytes([byte; 32]));
    let mut now = Puppet::stranger().now;
    let mut book = PeerBook::new(us);
    book.name(peer, &[address()], now);
    let mut pause_after = |lasted: Duration| {
        assert_eq!(book.next_dial(now, |_| false), Some(peer));
        book.connected(&peer);
        book.up(peer, true, now);
        now += lasted;
        book.down(peer, lasted, None, now);
        let at = book.next().expect("it is dialled again");
        let pause = at - now;
        now = at;
        pause
    };
    let pauses: Vec<Duration> = (0..8).map(|_| pause_after(Duration::ZERO)).collect();
    assert!(pauses.is_sorted_by_key(|pause| pause.as_millis() / 500), "{pauses:?}");
    let last = Duration::from_millis(1_500)..Duration::from_millis(2_001);
    assert!(last.contains(&pauses[7]), "a bad link is not left for long: {pauses:?}");
    let pause = pause_after(Duration::from_secs(5));
    assert!(pause < Duration::from_secs(1), "one that was of use is sought at once: {pause:?}");
}

#[test]
fn a_stranger_may_say_only_so_much_that_may_be_skipped() {
    let mut puppet = Puppet::stranger();
    let mut said = 0;
    while puppet.closed.is_none() {
        puppet.say_bytes(Bytes::from_static(&[0xff]));
        said += 1;
        assert!(said < 100, "there is no end of it");
    }
    assert_eq!(puppet.closed, Some(RefusalReason::Unexpected));
    assert!(said > 8, "a later millpond may have something to say first");
}
