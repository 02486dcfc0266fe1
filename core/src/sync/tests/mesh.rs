//! How many peers a node has, and how an event comes to each of them about once.

use super::log::MemoryLog;
use super::puppet::{Author, Puppet};
use super::world::{SECRET, World};
use crate::event::{NodeId, NodeKey, StreamId};
use crate::sync::constants::{HEARSAY_PER_PEER_MAX, MESH_DEGREE, MESH_DEGREE_MAX};
use crate::sync::message::Message;
use crate::sync::{ConnectionId, Input, Lane, RefusalReason, SwarmEvent};
use std::net::SocketAddr;
use std::time::Duration;

const FLUSHED: Duration = Duration::from_millis(60);

/// `node` discovers `other`.
fn discover(world: &mut World, node: usize, other: usize) {
    let address = ([127, 0, 0, 1], other as u16 + 1).into();
    let (peer, addresses) = (world.id(other), vec![address]);
    world.give(node, Input::Discovered { peer, addresses });
}

fn discover_all(world: &mut World) {
    for node in 0..world.nodes.len() {
        (0..world.nodes.len()).filter(|other| *other != node).for_each(|other| {
            discover(world, node, other);
        });
    }
}

fn degrees(world: &World) -> Vec<usize> {
    world.nodes.iter().map(|node| node.swarm.shared.admitted.len()).collect()
}

#[test]
fn up_to_nine_nodes_that_find_each_other_are_all_connected() {
    let mut world = World::with_nodes(1, 9);
    discover_all(&mut world);
    world.pass(Duration::from_secs(5));
    assert_eq!(degrees(&world), [8; 9]);
}

#[test]
fn forty_nodes_that_find_each_other_keep_to_the_degree_and_call_nothing_an_error() {
    let mut world = World::with_nodes(2, 40);
    discover_all(&mut world);
    world.pass(Duration::from_secs(120));
    let degrees = degrees(&world);
    let mean = degrees.iter().sum::<usize>() / degrees.len();
    assert!(degrees.iter().all(|degree| *degree >= MESH_DEGREE - 1), "{degrees:?}");
    assert!(mean <= MESH_DEGREE_MAX, "{degrees:?}");
    let is_refusal = |event: &SwarmEvent| matches!(event, SwarmEvent::Refused(_));
    assert!(!world.nodes.iter().flat_map(|node| &node.told).any(is_refusal));
    world.publish(0, 1);
    world.assert_converges(Duration::from_secs(3));
}

#[test]
fn whom_a_person_named_is_dialled_and_kept_beyond_the_degree() {
    let mut world = World::with_nodes(3, 20);
    (1..20).for_each(|other| world.link(0, other));
    discover_all(&mut world);
    world.pass(Duration::from_secs(60));
    assert_eq!(degrees(&world)[0], 19);
}

#[test]
fn a_peer_that_was_ended_and_comes_back_at_once_is_kept() {
    let mut world = World::with_nodes(4, 30);
    // The others named 0, and 0 does not know that: it has found them.
    (1..30).for_each(|other| world.link(other, 0));
    discover_all(&mut world);
    world.pass(Duration::from_secs(240));
    let ends = |world: &World| {
        let is_end = |event: &&SwarmEvent| matches!(event, SwarmEvent::PeerDown { .. });
        world.nodes[0].told.iter().filter(is_end).count()
    };
    let before = ends(&world);
    world.pass(Duration::from_secs(60));
    assert_eq!(ends(&world), before, "nobody is ended again and again");
    assert_eq!(degrees(&world)[0], 29);
}

#[test]
fn when_a_peer_is_lost_another_one_takes_its_place() {
    let mut world = World::with_nodes(5, 14);
    (1..14).for_each(|other| discover(&mut world, 0, other));
    world.pass(Duration::from_secs(5));
    assert_eq!(degrees(&world)[0], MESH_DEGREE);
    for other in 1..14 {
        if world.are_connected(0, other) {
            world.cut(0, other);
            break;
        }
    }
    assert_eq!(degrees(&world)[0], MESH_DEGREE - 1);
    world.pass(Duration::from_secs(1));
    assert_eq!(degrees(&world)[0], MESH_DEGREE);
}

#[test]
fn a_newcomer_asks_several_peers_at_once_and_the_loss_of_one_costs_only_its_requests() {
    let (mut world, newcomer, needed) = (World::with_nodes(6, 11), 10, 65_536);
    for holder in [8, 9] {
        (0..8).for_each(|author| world.link(holder, author));
        world.keep_frames(holder);
    }
    for author in 0..8 {
        // Nothing makes them smaller.
        let text = |number: u64| blake3::hash(&(number << 3 | author).to_le_bytes()).to_string();
        let texts: Vec<String> = (0..8192).map(text).collect();
        world.publish_texts(author as usize, &texts);
    }
    let is_held = |world: &World| [8, 9].map(|at| world.nodes[at].log.event_count()) == [needed; 2];
    assert!(world.drive(Duration::from_secs(30), is_held));
    for holder in [8, 9] {
        world.nodes[holder].frames_received.clear();
        world.bandwidth.insert((holder, newcomer), 2_000_000);
        world.link(newcomer, holder);
    }
    let half = |world: &World| world.nodes[newcomer].log.event_count() >= needed / 2;
    assert!(world.drive(Duration::from_secs(30), half));
    for holder in [8, 9] {
        let is_want = |frame: &&bytes::Bytes| frame[0] == 7;
        assert!(world.nodes[holder].frames_received.iter().filter(is_want).count() >= 3);
    }
    world.cut(newcomer, 9);
    world.assert_converges(Duration::from_secs(30));
    // What was on its way when the second one told what it holds.
    let again = world.nodes[newcomer].events_received - needed as u64;
    assert!(again <= needed as u64 / 4, "{again} events came twice");
}

/// A swarm with two admitted peers, the second of which the puppet speaks for.
fn with_two_peers() -> (Puppet, ConnectionId) {
    let mut puppet = Puppet::admitted();
    let first = puppet.connection;
    puppet.peer = NodeKey::from_seed(&[3; 32]).node_id();
    puppet.connect(2);
    puppet.admit();
    (puppet, first)
}

/// What the puppet was told of where nodes are.
fn told(puppet: &mut Puppet) -> Vec<Vec<(NodeId, Vec<SocketAddr>)>> {
    let addresses = |message| match message {
        Message::Addresses(listed) => Some(listed),
        _ => None,
    };
    let told = puppet.messages().into_iter().filter_map(addresses).collect();
    puppet.heard.clear();
    told
}

#[test]
fn where_a_peer_is_is_told_to_others_soon_and_then_not_for_ten_seconds() {
    let (mut puppet, first) = with_two_peers();
    let at = |port: u16| SocketAddr::from(([10, 0, 0, 9], port));
    let node = NodeKey::from_seed(&[2; 32]).node_id();
    puppet.give(Input::Seen { connection: first, address: at(1) });
    puppet.pass(FLUSHED);
    assert_eq!(told(&mut puppet), [[(node, vec![at(1)])]]);
    puppet.give(Input::Seen { connection: first, address: at(2) });
    puppet.give(Input::Seen { connection: first, address: at(2) });
    for _ in 0..9 {
        puppet.pass_alive(1);
        puppet.give(Input::Frame {
            connection: first,
            lane: Lane::Live,
            bytes: Message::Pong(9).encode(),
        });
    }
    assert!(told(&mut puppet).is_empty());
    puppet.pass(Duration::from_secs(1));
    assert_eq!(told(&mut puppet), [[(node, vec![at(2)])]]);
}

#[test]
fn what_a_liar_tells_costs_a_few_dials_and_no_room() {
    let mut puppet = Puppet::admitted();
    let node = |index: u32| NodeId::from_bytes(*blake3::hash(&index.to_le_bytes()).as_bytes());
    let address = SocketAddr::from(([10, 0, 0, 9], 4100));
    for part in 0..5 {
        let mut listed: Vec<_> =
            (0..256).map(|index| (node(part * 256 + index), vec![address])).collect();
        listed.sort();
        puppet.say(&Message::Addresses(listed));
    }
    assert_eq!(puppet.swarm.book.iter().count(), HEARSAY_PER_PEER_MAX + 1);
    assert!(puppet.swarm.book.dialing().count() <= MESH_DEGREE);
    let friend = NodeKey::from_seed(&[77; 32]).node_id();
    puppet.swarm.check_room_for(&friend).unwrap();
    puppet.give(Input::AddPeer { peer: friend, addresses: vec![address] });
    assert!(puppet.swarm.book.is_dialing(&friend));
    // Nobody is there: one node at a time is given up after a few dials.
    let mut puppet = Puppet::admitted();
    puppet.say(&Message::Addresses(vec![(node(1), vec![address])]));
    puppet.pass_alive(300);
    assert!(!puppet.swarm.book.get(&node(1)).unwrap().is_learned());
    assert!(!puppet.swarm.book.is_dialing(&node(1)));
}

fn prunes(puppet: &Puppet) -> Vec<Vec<StreamId>> {
    let prune = |message| match message {
        Message::Prune(streams) => Some(streams),
        _ => None,
    };
    puppet.messages().into_iter().filter_map(prune).collect()
}

#[test]
fn who_pushes_what_is_held_is_told_once_and_asked_when_the_other_is_gone() {
    let (mut puppet, first) = with_two_peers();
    let mut author = Author::new(7);
    author.write(&["one"]);
    let bytes = author.range(0).encode();
    puppet.give(Input::Frame { connection: first, lane: Lane::Live, bytes });
    puppet.say(&author.range(0));
    puppet.say(&author.range(0));
    puppet.pass(FLUSHED);
    assert_eq!(prunes(&puppet), [[author.stream()]]);
    // While the first brings the stream, the second is left in peace for a while.
    author.write(&["two"]);
    puppet.say(&Message::Progress { credit: 0, held: vec![(author.stream(), 2)] });
    puppet.pass(FLUSHED);
    assert!(puppet.wants().is_empty());
    puppet.give(Input::Disconnected { connection: first, code: None });
    assert_eq!(puppet.wants(), [(author.stream(), 1, 2)]);
    puppet.say(&author.range(1));
    author.write(&["three"]);
    puppet.say(&author.range(2));
    assert_eq!(puppet.stored.len(), 3);
}

#[test]
fn who_brings_a_stream_is_never_told_to_stop() {
    let mut puppet = Puppet::admitted();
    let mut author = Author::new(7);
    author.write(&["one"]);
    (0..3).for_each(|_| puppet.say(&author.range(0)));
    puppet.pass(FLUSHED);
    assert!(prunes(&puppet).is_empty());
}

#[test]
fn who_gets_a_stream_from_others_is_told_of_it_until_it_asks() {
    let mut puppet = Puppet::admitted_to(MemoryLog::new(SECRET.swarm_id()));
    let own = StreamId { node: puppet.key.node_id(), number: 0 };
    let publish = |puppet: &mut Puppet| {
        let head = puppet.log.append(&puppet.key, 0, &["said".to_owned()]);
        puppet.heard.clear();
        puppet.give(Input::Durable(head));
        puppet.pass(FLUSHED);
        let is_range = |message: &Message| matches!(message, Message::Range { .. });
        puppet.messages().iter().any(is_range)
    };
    assert!(publish(&mut puppet), "live events are pushed");
    puppet.say(&Message::Prune(vec![own]));
    assert!(!publish(&mut puppet));
    let told = Message::Progress { credit: 0, held: vec![(own, 2)] };
    assert!(puppet.messages().contains(&told), "{:?}", puppet.messages());
    puppet.say(&Message::Want { stream: own, from: 1, to: 2 });
    assert!(publish(&mut puppet), "who asked is pushed again");
}

#[test]
fn a_prune_of_streams_that_nobody_knows_changes_nothing() {
    let mut puppet = Puppet::admitted();
    let node = NodeKey::from_seed(&[9; 32]).node_id();
    for turn in 0..100 {
        let streams = (0..512).map(|number| StreamId { node, number: turn * 512 + number });
        puppet.say(&Message::Prune(streams.collect()));
    }
    assert_eq!(puppet.closed, None);
    assert_eq!(puppet.swarm.shared.streams.iter().count(), 0);
    assert_eq!(
        puppet.swarm.sessions[&puppet.connection].tree.manner(&StreamId { node, number: 1 }),
        None
    );
}

#[test]
fn to_have_enough_peers_is_no_error() {
    let reason = RefusalReason::EnoughPeers;
    assert!(reason.is_benign() && !reason.is_lasting() && !reason.is_misbehaviour());
}
