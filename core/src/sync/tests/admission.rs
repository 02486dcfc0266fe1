//! Who is let in, and what those learn who are not.

use super::log::MemoryLog;
use super::puppet::{BINDING, Puppet};
use super::world::{SECRET, World};
use crate::error::ErrorKind;
use crate::event::{NodeId, NodeKey, SwarmSecret};
use crate::sync::admission::Side;
use crate::sync::book::PeerBook;
use crate::sync::constants::{BOOK_PEERS_MAX, SEEN_DIALS_MAX};
use crate::sync::found::Choice;
use crate::sync::message::Message;
use crate::sync::{ConnectionId, Input, RefusalReason, SwarmEvent};
use bytes::Bytes;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

const OTHER_SECRET: SwarmSecret = SwarmSecret::from_bytes([43; 32]);

/// A log with one event of node 1, so that there is something to keep from strangers.
fn some_log() -> MemoryLog {
    let mut log = MemoryLog::new(SECRET.swarm_id());
    log.append(&NodeKey::from_seed(&[1; 32]), 0, &["secret recipe".to_owned()]);
    log
}

/// True for a hello and a goodbye: what says nothing of the log, of peers or of names.
fn is_harmless(frame: &Bytes) -> bool {
    matches!(frame.first(), Some(0x01 | 0x02)) && frame.len() < 100
}

#[test]
fn a_stranger_with_another_secret_gets_nothing_and_both_sides_know_why() {
    let mut world = World::new(1);
    world.add(&SECRET);
    world.add(&OTHER_SECRET);
    world.keep_frames(0);
    world.keep_frames(1);
    world.publish(0, 20);
    world.publish(1, 20);
    world.link(0, 1);
    world.link(1, 0);
    world.pass(Duration::from_secs(100));
    for node in &world.nodes {
        assert!(!node.frames_received.is_empty());
        assert!(node.frames_received.iter().all(is_harmless));
        assert_eq!(node.log.event_count(), 20);
        let refused = node.swarm.status().refusals;
        assert!(!refused.is_empty());
        for refused in refused {
            assert_eq!(refused.reason, RefusalReason::WrongSecret);
            assert_eq!(refused.error.reason(), Some("wrong_secret"));
        }
        assert!(!node.told.iter().any(|event| matches!(event, SwarmEvent::PeerUp(_))));
    }
}

#[test]
fn two_swarms_on_one_network_do_not_mix() {
    let mut world = World::new(2);
    for secret in [&SECRET, &OTHER_SECRET, &SECRET, &OTHER_SECRET] {
        world.add(secret);
    }
    for node in 0..4 {
        world.publish(node, 7);
    }
    world.mesh();
    world.pass(Duration::from_secs(20));
    for (one, other) in [(0, 2), (1, 3)] {
        let order = world.nodes[one].log.total_order();
        assert_eq!(order.len(), 14);
        assert_eq!(order, world.nodes[other].log.total_order());
    }
}

#[test]
fn a_peer_of_another_version_is_refused_whatever_its_hello_goes_on_with() {
    let mut puppet = Puppet::with_log(some_log(), None);
    puppet.say_bytes(Bytes::from_static(&[0x01, 7, 9, 0xff, 0xff, 0xff]));
    assert_eq!(puppet.closed, Some(RefusalReason::VersionUnsupported));
    assert_eq!(puppet.goodbye(), Some(RefusalReason::VersionUnsupported));
    assert!(puppet.heard.iter().all(is_harmless));
}

#[test]
fn a_newer_peer_that_also_speaks_our_version_is_let_in() {
    let mut puppet = Puppet::stranger();
    let mut hello = puppet.hello();
    hello.version_max = 9;
    hello.limits.push(77);
    puppet.say(&Message::Hello(hello));
    assert_eq!(puppet.closed, None);
    assert_eq!(puppet.swarm.shared.admitted.len(), 1);
}

#[test]
fn nothing_but_a_hello_is_taken_from_a_stranger() {
    let head = some_log().heads().remove(0);
    let stream = head.stream;
    let messages = [
        Message::Ping(1),
        Message::Summary { is_last: true, heads: vec![head] },
        Message::Want { stream, from: 0, to: 1 },
        Message::Progress { credit: 1, held: Vec::new() },
        Message::Peers(Vec::new()),
    ];
    for message in messages {
        let mut puppet = Puppet::with_log(some_log(), None);
        puppet.say(&message);
        assert_eq!(puppet.closed, Some(RefusalReason::Unexpected));
        puppet.say(&message);
        puppet.pass(Duration::from_secs(20));
        assert!(puppet.heard.iter().all(is_harmless));
    }
}

#[test]
fn a_frame_may_not_be_larger_than_its_sender_is_trusted() {
    let mut puppet = Puppet::with_log(some_log(), None);
    puppet.say_bytes(vec![0x80; 4097].into());
    assert_eq!(puppet.closed, Some(RefusalReason::Oversized));

    let mut puppet = Puppet::admitted();
    puppet.say_bytes(vec![0x80; 4097].into());
    assert_eq!(puppet.closed, None);
    puppet.say_bytes(vec![0x80; crate::event::limits::FRAME_BYTES_MAX + 1].into());
    assert_eq!(puppet.closed, Some(RefusalReason::Oversized));
}

#[test]
fn a_stranger_that_says_nothing_is_gone_after_five_seconds() {
    let mut puppet = Puppet::with_log(some_log(), None);
    puppet.pass(Duration::from_millis(4999));
    assert_eq!(puppet.closed, None);
    puppet.pass(Duration::from_millis(1));
    assert_eq!(puppet.closed, Some(RefusalReason::AdmissionTimeout));
    assert!(puppet.swarm.sessions.is_empty());
}

#[test]
fn only_those_on_the_allow_list_are_let_in() {
    let nobody = Some(BTreeSet::new());
    let puppet = Puppet::with_log(some_log(), nobody);
    assert_eq!(puppet.closed, Some(RefusalReason::NotAllowed));
    assert_eq!(puppet.goodbye(), Some(RefusalReason::NotAllowed));
    assert_eq!(puppet.heard.len(), 1, "not even our hello");
}

#[test]
fn the_newest_peer_beyond_the_bound_is_refused_and_the_others_stay() {
    let mut puppet = Puppet::admitted();
    for seed in 3..6 {
        puppet.peer = NodeKey::from_seed(&[seed; 32]).node_id();
        puppet.connect(u64::from(seed));
        puppet.say(&Message::Hello(puppet.hello()));
    }
    assert_eq!(puppet.closed, Some(RefusalReason::TooManyPeers));
    assert_eq!(puppet.swarm.shared.admitted.len(), 2);
}

#[test]
fn a_restarted_peer_need_not_wait_until_its_former_connection_is_found_dead() {
    let mut puppet = Puppet::admitted();
    puppet.connect(2);
    let mut hello = puppet.hello();
    hello.instance = [9; 8];
    puppet.say(&Message::Hello(hello));
    assert_eq!(puppet.closed, None);
    assert_eq!(puppet.swarm.shared.admitted.values().next(), Some(&puppet.connection));
    assert_eq!(puppet.swarm.sessions.len(), 1);
    assert!(!puppet.told.iter().any(|event| matches!(event, SwarmEvent::PeerDown { .. })));
}

#[test]
fn an_unknown_message_is_skipped_or_refused_as_its_type_says() {
    let mut puppet = Puppet::admitted();
    puppet.say_bytes(Bytes::from_static(&[0x80, 1, 2, 3]));
    assert_eq!(puppet.closed, None);
    puppet.say_bytes(Bytes::from_static(&[0x7f, 1, 2, 3]));
    assert_eq!(puppet.closed, Some(RefusalReason::MessageUnsupported));
}

#[test]
fn a_node_does_not_talk_to_itself() {
    let mut world = World::with_nodes(3, 1);
    world.connect(0, 0);
    assert!(world.nodes[0].swarm.sessions.is_empty());
    assert_eq!(world.nodes[0].swarm.refusals[0].reason, RefusalReason::SameNode);
}

#[test]
fn after_shutdown_all_peers_are_told_and_nobody_is_let_in() {
    let mut puppet = Puppet::admitted();
    puppet.give(Input::Shutdown);
    assert_eq!(puppet.closed, Some(RefusalReason::ShuttingDown));
    puppet.connect(9);
    assert_eq!(puppet.closed, Some(RefusalReason::ShuttingDown));
    assert_eq!(puppet.deadline, None);
}

#[test]
fn a_peer_that_the_user_removed_is_not_dialled_again() {
    let mut world = World::with_nodes(4, 2);
    world.link(0, 1);
    world.pass(Duration::from_secs(1));
    assert!(world.are_connected(0, 1));
    let peer = world.id(1);
    world.give(0, Input::RemovePeer { peer });
    world.pass(Duration::from_secs(60));
    assert!(!world.are_connected(0, 1) && !world.are_connected(1, 0));
    assert!(world.nodes[1].swarm.status().refusals.is_empty());
}

#[test]
fn a_full_book_takes_no_new_peer_and_says_so() {
    let mut world = World::with_nodes(5, 2);
    let known = |number: u16| {
        let mut id = [9; 32];
        id[..2].copy_from_slice(&number.to_be_bytes());
        NodeId::from_bytes(id)
    };
    for number in 0..BOOK_PEERS_MAX as u16 {
        world.nodes[0].swarm.check_room_for(&known(number)).unwrap();
        world.give(0, Input::AddPeer { peer: known(number), addresses: Vec::new() });
    }
    let (swarm, new) = (&world.nodes[0].swarm, world.id(1));
    assert_eq!(swarm.check_room_for(&new).unwrap_err().kind(), ErrorKind::LimitExceeded);
    swarm.check_room_for(&known(0)).unwrap();
    world.give(0, Input::RemovePeer { peer: known(0) });
    world.nodes[0].swarm.check_room_for(&new).unwrap();
}

#[test]
fn a_peer_named_without_an_address_is_dialled_once_discovery_finds_it() {
    let mut world = World::with_nodes(5, 2);
    let peer = world.id(1);
    world.give(0, Input::AddPeer { peer, addresses: Vec::new() });
    world.pass(Duration::from_secs(60));
    assert!(!world.are_connected(0, 1));
    let addresses = vec![SocketAddr::from(([10, 0, 0, 1], 1))];
    world.give(0, Input::Discovered { peer, addresses });
    world.pass(Duration::from_secs(2));
    assert!(world.are_connected(0, 1));
}

/// A connection over which the swarm has dialled, or the puppet; the puppet proves itself.
fn greet(puppet: &mut Puppet, number: u64, dialed: bool) {
    puppet.connection = ConnectionId::new(number);
    let (connection, peer) = (puppet.connection, puppet.peer);
    puppet.give(Input::Connected { connection, peer, binding: BINDING, dialed });
    let side =
        Side { prover: peer, verifier: puppet.key.node_id(), dialed: !dialed, binding: BINDING };
    puppet.say(&Message::Hello(side.hello(&[SECRET.admission_key()], [2; 8])));
}

/// Which connection with the puppet the swarm has.
fn kept(puppet: &Puppet) -> Option<ConnectionId> {
    let status = puppet.swarm.status();
    status.peers.iter().find(|peer| peer.peer == puppet.peer).and_then(|peer| peer.connection)
}

#[test]
fn who_lost_its_connection_is_let_in_again_once_ours_has_gone_silent() {
    // It is asked after a second, and owes the answer for another.
    for silence in [100, 2200] {
        let mut puppet = Puppet::stranger();
        // So that of two connections that live the former is the one to keep.
        let smaller_is_us = puppet.key.node_id() < puppet.peer;
        greet(&mut puppet, 2, smaller_is_us);
        puppet.say(&Message::Pong(1));
        puppet.pass(Duration::from_millis(silence));
        greet(&mut puppet, 3, !smaller_is_us);
        let expected = if silence < 1000 { 2 } else { 3 };
        assert_eq!(kept(&puppet), Some(ConnectionId::new(expected)), "after {silence} ms");
    }
}

#[test]
fn who_was_lost_is_dialled_where_it_was_but_not_for_ever() {
    let [us, peer] = [1, 2].map(|byte| NodeId::from_bytes([byte; 32]));
    let begun = Puppet::stranger().now;
    let (mut book, mut now) = (PeerBook::new(us), begun);
    let address = SocketAddr::from(([10, 0, 0, 2], 4100));
    let mut dials = |book: &mut PeerBook| {
        let mut count = 0;
        while let Some(at) = book.next() {
            now = now.max(at);
            assert_eq!(book.next_dial(now, |_| false), None, "nobody named it");
            if let Some(dialled) = book.dial_waiting(now, Choice::Least, |_| false, |_| 0) {
                assert_eq!(book.get(&dialled).unwrap().unnamed(), [address]);
                count += 1;
                book.failed(dialled, now);
            }
        }
        count
    };
    book.up(peer, true, begun);
    book.down(peer, Duration::ZERO, Some(address), begun);
    assert_eq!(dials(&mut book), SEEN_DIALS_MAX);
    book.up(peer, true, begun);
    book.down(peer, Duration::ZERO, None, begun);
    assert_eq!(dials(&mut book), 0, "it said goodbye");
}

#[test]
fn a_dial_that_is_answered_late_takes_no_place_of_a_session_that_is_well() {
    let mut puppet = Puppet::admitted();
    let (peer, first) = (puppet.peer, puppet.connection);
    let late = |puppet: &mut Puppet, number: u64| {
        puppet.connection = ConnectionId::new(number);
        puppet.closed = None;
        let connection = puppet.connection;
        puppet.give(Input::Connected { connection, peer, binding: BINDING, dialed: true });
        puppet.closed
    };
    let last_ping = |puppet: &Puppet| {
        let ping = |message| match message {
            Message::Ping(number) => Some(number),
            _ => None,
        };
        puppet.messages().into_iter().rev().find_map(ping)
    };
    let answer = |puppet: &mut Puppet| {
        puppet.connection = first;
        let ping = last_ping(puppet).expect("it asks whether anybody is there");
        puppet.say(&Message::Pong(ping));
    };
    puppet.pass(Duration::from_secs(1));
    answer(&mut puppet);
    let before = last_ping(&puppet);
    assert_eq!(late(&mut puppet, 2), Some(RefusalReason::DuplicateConnection));
    assert_eq!(puppet.swarm.shared.admitted.get(&peer), Some(&first));
    // Did it answer because it has lost the session?
    assert_ne!(last_ping(&puppet), before, "it is asked at once");
    answer(&mut puppet);
    // Who owes an answer may have lost it.
    puppet.pass(Duration::from_millis(2900));
    assert_eq!(late(&mut puppet, 3), None, "it may be the better one");
}
