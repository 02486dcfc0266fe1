//! Two that meet again tell each other what has changed, and not what there is.

use super::log::MemoryLog;
use super::puppet::{Author, Puppet};
use super::world::{SECRET, World};
use crate::event::{NodeKey, StreamId};
use crate::sync::admission::Side;
use crate::sync::memory::Heard;
use crate::sync::message::{Decoded, Hello, Message};
use crate::sync::session::Session;
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

/// What `world` sends of this kind is lost, from now on.
fn lose(world: &mut World, is_lost: impl Fn(usize, &Message) -> bool + 'static) {
    world.tamper = Some(Box::new(move |from, _, frame| match Message::decode(frame) {
        // What comes in its place is skipped, on any lane.
        Ok(Decoded::Message(message)) if is_lost(from, &message) => vec![0xff].into(),
        _ => frame.clone(),
    }));
}

#[test]
fn streams_of_another_peer_that_leaves_before_the_word_comes_are_gone_on_from() {
    let (us, peer, other) = (0, 1, 2);
    let mut world = World::new(1);
    let mut log = MemoryLog::new(SECRET.swarm_id());
    let author = NodeKey::from_seed(&[77; 32]);
    for number in 0..STREAMS {
        log.append(&author, number, &["grain".to_owned()]);
    }
    let empty = MemoryLog::new(SECRET.swarm_id());
    for (seed, log) in [(1, empty), (2, log.clone()), (3, log)] {
        world.add_with(&SECRET, NodeKey::from_seed(&[seed; 32]), log, 0);
    }
    world.latency = Duration::from_millis(50);
    // No event comes, whoever is asked.
    lose(&mut world, move |from, message| from == us && matches!(message, Message::Want { .. }));
    let has_told = |world: &World, who: usize| {
        let id = world.id(who);
        let mut sessions = world.nodes[us].swarm.sessions.values();
        sessions.any(|own| own.peer == id && own.summary_is_complete)
    };
    // The other one first: they are counted as its own.
    for who in [other, peer] {
        world.link(us, who);
        assert!(world.drive(SOON, |world| has_told(world, who)));
    }
    world.cut(us, peer);
    world.cut(us, other);
    world.heal();
    let comes_back = |world: &World| {
        let id = world.id(peer);
        world.nodes[us].swarm.sessions.values().any(|own| own.peer == id && !own.is_admitted())
    };
    world.cut(us, peer);
    assert!(world.drive(SOON, |world| has_told(world, other)), "the other one is back first");
    world.heal();
    assert!(world.drive(SOON, comes_back));
    world.keep_frames(us);
    world.nodes[us].frames_received.clear();
    world.cut(us, other);
    world.pass(Duration::from_secs(2));
    assert!(world.are_connected(us, peer), "it goes on");
    let told = heads_told(&mut world);
    assert!(told <= 2, "{told} heads were told again");
    world.tamper = None;
    world.assert_converges(SOON);
}

#[test]
fn who_was_asked_for_the_past_is_told_again_how_far_the_asker_is() {
    let mut world = World::new(1);
    let author = NodeKey::from_seed(&[77; 32]);
    let texts: Vec<String> = (0..1024).map(|number| format!("grain {number}")).collect();
    let mut log = MemoryLog::new(SECRET.swarm_id());
    let behind = {
        log.append(&author, 0, &texts);
        log.clone()
    };
    let head = log.append(&author, 0, &texts);
    let key = |seed: u8| NodeKey::from_seed(&[seed; 32]);
    world.add_with(&SECRET, key(1), log, 0);
    world.add_with(&SECRET, key(2), behind, 0);
    // Nobody is given events until it is told so.
    lose(&mut world, |_, message| matches!(message, Message::Range { .. } | Message::Want { .. }));
    world.link(1, 0);
    let has_compared = |world: &World| {
        let mut nodes = world.nodes.iter();
        nodes.all(|node| node.swarm.sessions.values().any(|own| own.summary_is_complete))
    };
    assert!(world.drive(SOON, has_compared));
    world.pass(Duration::from_secs(1));
    // From now on questions arrive, and answers do not.
    lose(&mut world, |from, message| match message {
        Message::Want { .. } => from == 1,
        message => matches!(message, Message::Range { .. }),
    });
    world.give(0, Input::Damaged(vec![(head.stream, 0, 1024)]));
    world.pass(Duration::from_secs(1));
    let asked = world.nodes[1].swarm.sessions.values().next().expect("they are connected");
    let known = asked.known.count(&head.stream);
    assert!(known <= 1024, "it takes the question for what is held: {known}");
    world.cut(0, 1);
    world.tamper = None;
    world.heal();
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

/// How much the node says in its last hello that it has heard.
fn said_heard(puppet: &Puppet) -> Option<u64> {
    let mut hellos = puppet.messages().into_iter().filter_map(|message| match message {
        Message::Hello(hello) => Some(hello),
        _ => None,
    });
    let keys = [SECRET.admission_key()];
    let us = puppet.side();
    let node = Side { prover: us.verifier, verifier: us.prover, dialed: false, ..us };
    let hello = hellos.next_back().expect("it says hello");
    node.heard(&keys, &hello).map(|heard| heard.count)
}

#[test]
fn who_comes_back_twice_before_its_loss_was_noticed_goes_on_from_what_was_heard() {
    let mut puppet = Puppet::admitted();
    let mut author = Author::new(7);
    puppet.say(&Message::Summary { is_last: false, heads: vec![author.write(&["grain"])] });
    puppet.connect(2);
    assert_eq!(said_heard(&puppet), Some(1));
    puppet.say(&Message::Hello(puppet.hello()));
    // What it says there is lost.
    puppet.connect(3);
    assert_eq!(said_heard(&puppet), Some(1), "nothing came in place of it");
    puppet.say(&Message::Hello(puppet.hello()));
    puppet.heard.clear();
    puppet.say(&Message::GoingOn);
    assert_eq!((puppet.closed, puppet.goodbye()), (None, None), "it goes on");
    assert_eq!(puppet.wants(), [(author.stream(), 0, 1)], "what the first session heard is known");
    // What it begins to tell anew there it goes on from no more.
    puppet.connect(4);
    assert_eq!(said_heard(&puppet), Some(1), "that it goes on is a word, too");
    puppet.say(&Message::Hello(puppet.hello()));
    puppet.say(&Message::Summary { is_last: true, heads: Vec::new() });
    puppet.connect(5);
    assert_eq!(said_heard(&puppet), None);
}

#[test]
fn two_of_which_one_is_asked_to_begin_again_end_equal() {
    let (us, peer) = (1, 0);
    let mut world = apart();
    world.latency = Duration::from_millis(50);
    lose(&mut world, move |from, message| from == us && matches!(message, Message::Want { .. }));
    let session = |world: &World, is_it: fn(&Session) -> bool| {
        world.nodes[us].swarm.sessions.values().any(is_it)
    };
    world.link(us, peer);
    assert!(world.drive(SOON, |world| session(world, |own| own.summary_is_complete)));
    world.cut(us, peer);
    world.heal();
    assert!(world.drive(SOON, |world| session(world, |own| !own.is_admitted())), "it comes back");
    // Of the streams that it said it had heard of nothing is kept any more.
    world.nodes[us].swarm.shared.memories.clear();
    (0..2).for_each(|node| world.keep_frames(node));
    world.nodes.iter_mut().for_each(|node| node.frames_received.clear());
    let is_asked = |world: &World| {
        let goodbye = Message::Goodbye(RefusalReason::DuplicateConnection).encode();
        world.nodes[peer].frames_received.contains(&goodbye)
    };
    assert!(world.drive(SOON, is_asked), "it is asked to begin again");
    world.tamper = None;
    world.assert_converges(SOON);
    assert!(world.are_connected(us, peer) && world.are_connected(peer, us));
    assert!(heads_told(&mut world) >= STREAMS as usize, "everything was told again");
}

#[test]
fn who_goes_on_from_what_is_not_kept_any_more_is_asked_to_begin_again() {
    let mut puppet = Puppet::admitted();
    let mut author = Author::new(7);
    let head = author.write(&["grain"]);
    puppet.say(&Message::Summary { is_last: false, heads: vec![head.clone()] });
    let first = puppet.connection;
    puppet.connect(2);
    assert_eq!(said_heard(&puppet), Some(1), "it says what it heard");
    let second = std::mem::replace(&mut puppet.connection, first);
    // What ends for misbehaviour is not gone on from.
    puppet.say_bytes(vec![0x08].into());
    assert_eq!(puppet.goodbye(), Some(RefusalReason::Malformed));
    puppet.heard.clear();
    puppet.connection = second;
    puppet.say(&Message::Hello(puppet.hello()));
    puppet.say(&Message::GoingOn);
    assert_eq!(puppet.goodbye(), Some(RefusalReason::DuplicateConnection));
    // Once what misbehaved is forgiven it says that nothing is kept, and is told everything.
    puppet.pass(Duration::from_secs(2));
    puppet.heard.clear();
    puppet.connect(3);
    assert_eq!(said_heard(&puppet), None);
    puppet.say(&Message::Hello(puppet.hello()));
    puppet.say(&Message::Summary { is_last: true, heads: vec![head] });
    assert_eq!(puppet.wants(), [(author.stream(), 0, 1)]);
    puppet.say(&author.range(0));
    assert_eq!((puppet.closed, puppet.log.count(&author.stream())), (None, 1));
}

/// What the puppet's first session heard, and then was told that is not settled when it ends; the
/// second says that it goes on from there.
fn go_on_after(question: impl FnOnce(&mut Puppet)) -> Puppet {
    let (mut ours, mut theirs, new) =
        (Author::new(8), Author::new(8), Author::new(7).write(&["x"]));
    ours.write(&["grain", "flour"]);
    theirs.write(&["grain", "bread"]);
    let mut puppet = Puppet::admitted_to(ours.log.clone());
    puppet.say(&Message::Summary { is_last: false, heads: vec![new] });
    assert_eq!(puppet.wants().len(), 1, "what is new is asked for");
    let first = puppet.connection;
    puppet.connect(2);
    let second = std::mem::replace(&mut puppet.connection, first);
    let heads = vec![theirs.log.head(&theirs.stream()).unwrap()];
    puppet.say(&Message::Summary { is_last: false, heads });
    question(&mut puppet);
    puppet.heard.clear();
    puppet.connection = second;
    puppet.say(&Message::Hello(puppet.hello()));
    puppet.say(&Message::GoingOn);
    puppet
}

#[test]
fn a_question_that_came_up_after_the_hello_does_not_end_what_goes_on() {
    let puppet = go_on_after(|_| {});
    assert_eq!(puppet.closed, None, "it goes on");
    let new = Author::new(7).stream();
    let is_new = |want: &(StreamId, u64, u64)| want.0 == new;
    assert!(puppet.wants().iter().any(is_new), "what the first session heard is asked for");
}

#[test]
fn what_came_up_after_the_hello_is_found_when_it_is_told_again() {
    let mut puppet = go_on_after(|puppet| {
        let connection = puppet.connection;
        puppet.give(Input::Disconnected { connection, code: None });
    });
    assert_eq!(puppet.closed, None, "it goes on, although the former session was lost before");
    assert!(!puppet.wants().is_empty(), "what the first session heard is asked for");
    puppet.heard.clear();
    let mut theirs = Author::new(8);
    let heads = vec![theirs.write(&["grain", "bread"])];
    puppet.say(&Message::Summary { is_last: true, heads });
    puppet.pass(Duration::from_secs(1));
    assert!(puppet.wants().iter().any(|(stream, ..)| *stream == theirs.stream()));
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
