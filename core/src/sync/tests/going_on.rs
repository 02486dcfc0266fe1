//! Two that meet again tell each other what has changed, and not what there is.

use super::log::MemoryLog;
use super::puppet::{Author, Puppet};
use super::world::{SECRET, World};
use crate::event::NodeKey;
use crate::sync::admission::Side;
use crate::sync::memory::Heard;
use crate::sync::message::{Decoded, Hello, Message};
use crate::sync::{Input, RefusalReason};
use std::time::Duration;

const STREAMS: u64 = 300;
const SOON: Duration = Duration::from_secs(30);
/// What a reconnect may cost, and each stream that grew meanwhile beside its events.
const RECONNECT_BYTES_MAX: usize = 1024;
const STREAM_BYTES_MAX: usize = 200;
/// What the events of these tests take.
const EVENT_BYTES: usize = 120;

/// Two nodes of which one holds many streams and the other one nothing.
fn apart() -> World {
    let mut world = World::new(1);
    let mut log = MemoryLog::new(SECRET.swarm_id());
    let author = NodeKey::from_seed(&[77; 32]);
    for number in 0..STREAMS {
        log.append(&author, number, &["grain".to_owned()]);
    }
    let key = |seed: u8| NodeKey::from_seed(&[seed; 32]);
    world.add_with(&SECRET, key(1), log, 0);
    world.add_with(&SECRET, key(2), MemoryLog::new(SECRET.swarm_id()), 0);
    world
}

/// The two, connected and equal.
fn met() -> World {
    let mut world = apart();
    world.mesh();
    world.assert_converges(SOON);
    world.pass(Duration::from_secs(2));
    (0..2).for_each(|node| world.keep_frames(node));
    // Who has caught up tells the heads of what it got once.
    meet_again(&mut world, |_| {});
    world
}

/// How many heads of streams the two were told since somebody last asked.
fn heads_told(world: &mut World) -> usize {
    let frames = world.nodes.iter_mut().flat_map(|node| std::mem::take(&mut node.frames_received));
    frames
        .map(|frame| match Message::decode(&frame) {
            Ok(Decoded::Message(message)) => match *message {
                Message::Summary { heads, .. } => heads.len(),
                _ => 0,
            },
            _ => 0,
        })
        .sum()
}

/// Cuts the two apart, lets `meanwhile` happen, and heals; bytes that both heard for it.
fn meet_again(world: &mut World, meanwhile: impl FnOnce(&mut World)) -> usize {
    world.cut(0, 1);
    world.drive(SOON, |world| !world.are_connected(0, 1) && !world.are_connected(1, 0));
    meanwhile(world);
    world.nodes.iter_mut().for_each(|node| node.frames_received.clear());
    world.heal();
    assert!(world.drive(SOON, |world| world.are_connected(0, 1) && world.are_connected(1, 0)));
    world.assert_converges(SOON);
    world.pass(Duration::from_secs(1));
    let frames = world.nodes.iter().flat_map(|node| &node.frames_received);
    frames.map(|frame| frame.len()).sum()
}

#[test]
fn a_reconnect_costs_what_has_changed_and_not_what_there_is() {
    let mut world = met();
    let nothing = meet_again(&mut world, |_| {});
    assert!(nothing <= RECONNECT_BYTES_MAX, "{nothing} bytes for nothing new");
    let grown = meet_again(&mut world, |world| {
        world.publish(0, 1);
        world.publish(1, 1);
    });
    let most = RECONNECT_BYTES_MAX + 2 * (STREAM_BYTES_MAX + EVENT_BYTES);
    assert!(grown <= most, "{grown} bytes for two streams that grew; the most is {most}");
}

#[test]
fn who_began_anew_is_told_everything() {
    let mut world = met();
    let log = MemoryLog::new(SECRET.swarm_id());
    let bytes = meet_again(&mut world, |world| {
        world.restart(1, log);
        world.link(1, 0);
    });
    assert!(bytes > STREAMS as usize * STREAM_BYTES_MAX, "{bytes} bytes");
}

#[test]
fn two_histories_of_one_length_are_seen_when_two_meet_again() {
    let mut world = World::with_nodes(3, 3);
    let author = NodeKey::from_seed(&[77; 32]);
    let texts = |word: &str| vec![word.to_owned(); 10];
    // Nodes 0 and 1 hold one stream with two histories of one length, and are not connected.
    for (node, word) in [(0, "grain"), (1, "flour")] {
        let head = world.nodes[node].log.append(&author, 0, &texts(word));
        world.give(node, Input::Durable(head));
    }
    world.link(2, 0);
    world.link(2, 1);
    world.pass(Duration::from_secs(5));
    for round in 0..3 {
        for node in [0, 1] {
            world.cut(2, node);
            world.pass(Duration::from_secs(1));
            world.heal();
            world.pass(Duration::from_secs(20));
        }
        if world.nodes.iter().all(|node| !node.log.forks().is_empty()) {
            return;
        }
        assert!(round < 2, "a stream has two histories and nobody sees it");
    }
}

#[test]
fn words_that_were_lost_with_the_connection_are_told_again() {
    let mut world = met();
    // Each is told of the other's events into a connection that is dead already.
    world.muted.insert((0, 1));
    for _ in 0..20 {
        world.publish(0, 1);
        world.publish(1, 2000);
    }
    world.pass(Duration::from_secs(2));
    assert!(!world.is_equal_everywhere());
    meet_again(&mut world, |_| {});
}

#[test]
fn who_comes_back_before_its_loss_was_noticed_is_told_what_has_changed() {
    for who in [0, 1] {
        let mut world = met();
        world.link(who, 1 - who);
        world.pass(Duration::from_secs(2));
        heads_told(&mut world);
        world.give_up(who, 1 - who);
        let connected = |world: &World| world.are_connected(0, 1) && world.are_connected(1, 0);
        assert!(!connected(&world));
        assert!(world.drive(SOON, connected), "it comes back");
        world.pass(Duration::from_secs(20));
        assert!(connected(&world));
        let told = heads_told(&mut world);
        assert!(told <= 2, "{told} heads were told again");
        // And so with the next one.
        let nothing = meet_again(&mut world, |_| {});
        assert!(nothing <= RECONNECT_BYTES_MAX, "{nothing} bytes for nothing new");
    }
}

#[test]
fn a_catch_up_that_is_cut_before_any_event_came_goes_on() {
    let mut world = apart();
    (0..2).for_each(|node| world.keep_frames(node));
    // What is stored takes longer than the link stands.
    world.link(1, 0);
    for round in 0..4 {
        let has_heard = |world: &World| {
            let mut sessions = world.nodes[1].swarm.sessions.values();
            // At first it hears a part.
            let is_cut = round == 0;
            sessions.any(|own| own.summary_is_complete || (is_cut && own.going_on.heard > 0))
        };
        assert!(world.drive(SOON, has_heard), "round {round}");
        assert_eq!(world.nodes[1].log.event_count(), 0, "no event came");
        world.cut(0, 1);
        world.heal();
    }
    assert_eq!(heads_told(&mut world), STREAMS as usize, "each was told once");
    world.assert_converges(SOON);
}

#[test]
fn a_session_in_which_nothing_was_heard_makes_nobody_forget() {
    for who in [0, 1] {
        let mut world = met();
        heads_told(&mut world);
        for _ in 0..3 {
            world.cut(0, 1);
            world.heal();
            assert!(world.drive(SOON, |world| world.are_connected(who, 1 - who)));
        }
        let nothing = meet_again(&mut world, |_| {});
        assert!(nothing <= RECONNECT_BYTES_MAX, "{nothing} bytes for nothing new");
    }
}

#[test]
fn who_goes_on_from_what_is_not_kept_any_more_is_asked_to_begin_again() {
    let mut puppet = Puppet::admitted();
    let head = Author::new(7).write(&["grain"]);
    puppet.say(&Message::Summary { is_last: false, heads: vec![head] });
    let first = puppet.connection;
    puppet.connect(2);
    let messages = puppet.messages();
    let mut hellos = messages.into_iter().filter_map(|message| match message {
        Message::Hello(hello) => Some(hello),
        _ => None,
    });
    let keys = [SECRET.admission_key()];
    let us = puppet.side();
    let node = Side { prover: us.verifier, verifier: us.prover, dialed: false, ..us };
    let heard = hellos.next_back().and_then(|hello| node.heard(&keys, &hello));
    assert_eq!(heard.map(|heard| heard.count), Some(1), "it says what it heard");
    let second = std::mem::replace(&mut puppet.connection, first);
    // What ends for misbehaviour is not gone on from.
    puppet.say_bytes(vec![0x08].into());
    assert_eq!(puppet.goodbye(), Some(RefusalReason::Malformed));
    puppet.heard.clear();
    puppet.connection = second;
    puppet.say(&Message::Hello(puppet.hello()));
    puppet.say(&Message::GoingOn);
    assert_eq!(puppet.goodbye(), Some(RefusalReason::DuplicateConnection));
}

#[test]
fn who_goes_on_from_what_was_never_said_is_refused() {
    let mut puppet = Puppet::stranger();
    puppet.say(&Message::Hello(puppet.hello()));
    puppet.say(&Message::GoingOn);
    assert_eq!(puppet.goodbye(), Some(RefusalReason::Unexpected));
}

#[test]
fn a_peer_that_claims_to_have_heard_another_session_is_told_everything() {
    let mut log = MemoryLog::new(SECRET.swarm_id());
    let author = NodeKey::from_seed(&[77; 32]);
    for number in 0..5 {
        log.append(&author, number, &["grain".to_owned()]);
    }
    let mut puppet = Puppet::admitted_to(log);
    let connection = puppet.connection;
    puppet.give(Input::Disconnected { connection, code: None });
    puppet.connect(9);
    let heard = Some(Heard { session: [0xee; 8], count: u64::MAX });
    puppet.say(&Message::Hello(Hello { heard, ..puppet.hello() }));
    puppet.pass(Duration::from_secs(1));
    let told: usize = puppet
        .messages()
        .iter()
        .map(|message| match message {
            Message::Summary { heads, .. } => heads.len(),
            Message::GoingOn => panic!("there is nothing to go on from"),
            _ => 0,
        })
        .sum();
    assert!(told >= 5, "{told} heads");
}

#[test]
fn what_was_heard_stands_once_in_a_hello_and_has_one_form() {
    let hello = Puppet::stranger().hello();
    let heard = Some(Heard { session: [3; 8], count: 7 });
    let whole = Hello { heard, ..hello };
    let bytes = Message::Hello(whole.clone()).encode();
    assert_eq!(Message::decode(&bytes), Ok(Decoded::Message(Box::new(Message::Hello(whole)))));
    let shorter = [&bytes[..bytes.len() - 17], &[15], &bytes[bytes.len() - 16..][..15]].concat();
    Message::decode(&shorter.into()).unwrap_err();
}
