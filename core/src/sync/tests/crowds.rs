//! What those who prove nothing can make us keep: little, and never in the place of others.

use super::puppet::Puppet;
use crate::event::{NodeId, NodeKey};
use crate::planted;
use crate::sync::book::PeerBook;
use crate::sync::constants::{
    BOOK_PEERS_MAX, HEARSAY_PER_PEER_MAX, STRANGERS_KEPT_MAX, UNMET_DIAL_BURST, UNMET_DIAL_PACE,
};
use crate::sync::found::Choice;
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

/// What a node may dial in a second of nodes that never had a session.
const DIALS_A_SECOND_MAX: usize = UNMET_DIAL_BURST as usize
    + Duration::from_secs(1).as_millis() as usize / UNMET_DIAL_PACE.as_millis() as usize;

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
    let dialled =
        [(); 4].map(|()| book.dial_waiting(puppet.now, Choice::Least, |_| false, last).unwrap());
    assert!(dialled.contains(&member));
    assert_eq!(dialled.iter().filter(|peer| **peer == member).count(), 1);
    // Nobody of the others is dialled twice before all were dialled once.
    let mut others: BTreeSet<NodeId> = dialled.into_iter().collect();
    while let Some(peer) = book.dial_waiting(puppet.now, Choice::Least, |_| false, |_| 0) {
        assert!(others.insert(peer));
        book.failed(peer, puppet.now);
    }
    assert_eq!(others.len(), BOOK_PEERS_MAX);
}

/// Somebody else answers each dial at once, as long as there are any; how often `node` was dialled,
/// or with none, anybody.
fn answer_dials(puppet: &mut Puppet, node: Option<NodeId>) -> usize {
    let mut count = 0;
    while !puppet.dialed.is_empty() {
        for peer in std::mem::take(&mut puppet.dialed) {
            count += usize::from(node.is_none_or(|node| node == peer));
            puppet.give(Input::DialFailed { peer });
        }
        assert!(count <= 100_000, "there is no end of it");
    }
    count
}

/// Announces for a second, and answers whatever is dialled for it; how many dials that were.
fn dials_in_a_second(announce: impl Fn(&mut Puppet, u16)) -> usize {
    let mut puppet = Puppet::stranger();
    let mut count = 0;
    for step in 0..100 {
        announce(&mut puppet, step);
        count += answer_dials(&mut puppet, None);
        puppet.pass(Duration::from_millis(10));
        count += answer_dials(&mut puppet, None);
    }
    count
}

/// Dials in a second with the pace, and without it.
fn with_and_without_pace(announce: impl Fn(&mut Puppet, u16)) -> (usize, usize) {
    let with = dials_in_a_second(&announce);
    planted::choose(Some("made_up_nodes_dialled_without_pace"));
    let without = dials_in_a_second(&announce);
    planted::choose(None);
    (with, without)
}

fn discover(puppet: &mut Puppet, peer: NodeId, port: u16) {
    let addresses = vec![SocketAddr::from(([10, 0, 0, 2], port))];
    puppet.give(Input::Discovered { peer, addresses });
}

#[test]
fn a_made_up_node_that_is_ever_elsewhere_is_dialled_at_its_pauses() {
    let us = Puppet::stranger().swarm.shared.options.node;
    // One that we dial without courtesy.
    let peer = (0..).map(node).find(|peer| us < *peer).expect("half of them are");
    let (with, without) = with_and_without_pace(|puppet, step| {
        discover(puppet, peer, 4100 + step);
    });
    assert!((1..=4).contains(&with), "{with} dials");
    assert!(without > DIALS_A_SECOND_MAX, "{without} dials show nothing");
}

#[test]
fn made_up_nodes_that_come_one_by_one_are_dialled_at_a_pace() {
    let (with, without) = with_and_without_pace(|puppet, step| {
        discover(puppet, node(usize::from(step)), 4100);
    });
    assert!((10..=DIALS_A_SECOND_MAX).contains(&with), "{with} dials");
    assert!(without > DIALS_A_SECOND_MAX, "{without} dials show nothing");
}

#[test]
fn a_thousand_made_up_nodes_at_once_are_dialled_at_a_pace() {
    let (with, without) = with_and_without_pace(|puppet, step| {
        let all = if step == 0 { 0..1000 } else { 0..0 };
        all.for_each(|number| discover(puppet, node(number), 4100));
    });
    assert!((10..=DIALS_A_SECOND_MAX).contains(&with), "{with} dials");
    assert!(without > DIALS_A_SECOND_MAX, "{without} dials show nothing");
}

#[test]
fn who_is_found_late_is_dialled_at_once_and_who_had_a_session_whatever_is_made_up() {
    let mut puppet = Puppet::admitted();
    let (member, connection) = (puppet.peer, puppet.connection);
    discover(&mut puppet, node(1), 4100);
    puppet.pass(Duration::from_millis(250));
    assert_eq!(puppet.dialed, [node(1)], "it was started late");
    // A crowd has used up the pace, and goes on.
    let storm = |puppet: &mut Puppet, step: u16| {
        (0..200).for_each(|number| discover(puppet, node(2 + number), 4100 + step % 2));
        answer_dials(puppet, Some(member))
    };
    let storm_for = |puppet: &mut Puppet, time: Duration, port: Option<u16>| {
        let (end, mut count, mut step) = (puppet.now + time, 0, 0);
        while puppet.now < end {
            step += 1;
            if let Some(port) = port {
                discover(puppet, member, port + step);
            }
            count += storm(puppet, step);
            puppet.pass(Duration::from_millis(100));
            count += answer_dials(puppet, Some(member));
        }
        count
    };
    discover(&mut puppet, member, 4101);
    puppet.give(Input::Disconnected { connection, code: None });
    // It is away for so long that it is dialled every 15 seconds.
    assert!(storm_for(&mut puppet, Duration::from_secs(60), None) > 3);
    while storm_for(&mut puppet, Duration::from_millis(100), None) == 0 {}
    assert_eq!(storm_for(&mut puppet, Duration::from_secs(2), None), 0, "it is not due yet");
    discover(&mut puppet, member, 4102);
    let dials = storm_for(&mut puppet, Duration::from_secs(2), None);
    assert_eq!(dials, 1, "it is elsewhere now");
    // Who pretends that it is ever elsewhere gains a dial a second.
    let dials = storm_for(&mut puppet, Duration::from_secs(10), Some(5000));
    assert!((5..=11).contains(&dials), "{dials} dials");
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
        while let Some(peer) = book.dial_waiting(later, Choice::Least, |_| false, |_| 0) {
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
