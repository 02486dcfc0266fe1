//! Memory is bounded whatever the other side does, and live events go first.

use super::log::MemoryLog;
use super::puppet::{Author, Puppet};
use super::world::{SECRET, World};
use crate::event::StreamId;
use crate::event::limits::{FRAME_BYTES_MAX, LAMPORT_MAX};
use crate::sync::constants::{CREDIT_BYTES_INITIAL, PART_BYTES_MIN, SHORT_ANSWERS_MAX};
use crate::sync::message::{Message, peek_range};
use crate::sync::{Input, Lane, RefusalReason, SEND_QUEUE_BYTES_MAX, SendCaps, SwarmEvent};
use std::time::Duration;

/// A log with one stream of about `megabytes` MB in blocks of 1 MiB.
fn big_author(megabytes: usize) -> Author {
    let mut author = Author::new(7);
    for number in 0..megabytes {
        author.log.append(&author.key, 0, &noise(number, 125));
    }
    author
}

/// Texts of 8,000 bytes that a block does not make much shorter.
pub(super) fn noise(seed: usize, count: usize) -> Vec<String> {
    let mut source = blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof();
    let mut text = || {
        let mut bytes = [0; 8000];
        source.fill(&mut bytes);
        bytes.iter().map(|byte| char::from(b'0' + byte % 64)).collect()
    };
    (0..count).map(|_| text()).collect()
}

/// What the events that were sent cost of the credit.
fn events_cost(puppet: &Puppet) -> usize {
    puppet.heard.iter().filter_map(peek_range).map(|claims| claims.cost).sum()
}

#[test]
fn a_peer_that_does_not_read_costs_a_bounded_queue() {
    let author = big_author(20);
    let mut puppet = Puppet::admitted_to(author.log.clone());
    puppet.takes_frames = false;
    puppet.say(&Message::Progress { credit: u64::MAX, held: Vec::new() });
    puppet.say(&Message::Want { stream: author.stream(), from: 0, to: LAMPORT_MAX });
    for number in 0..10_000 {
        puppet.say(&Message::Ping(number));
    }
    let queued: usize = puppet.heard.iter().map(|frame| frame.len()).sum();
    assert!(queued <= SEND_QUEUE_BYTES_MAX + FRAME_BYTES_MAX, "{queued}");
}

#[test]
fn no_more_is_sent_than_was_granted_and_one_frame() {
    let author = big_author(20);
    let mut puppet = Puppet::admitted_to(author.log.clone());
    puppet.say(&Message::Want { stream: author.stream(), from: 0, to: LAMPORT_MAX });
    let first = events_cost(&puppet);
    assert!(first <= CREDIT_BYTES_INITIAL as usize + FRAME_BYTES_MAX, "{first}");
    puppet.say(&Message::Progress { credit: 3 << 20, held: Vec::new() });
    let second = events_cost(&puppet);
    assert!(second > first && second <= first + (3 << 20) + FRAME_BYTES_MAX, "{second}");
}

#[test]
fn a_live_event_overtakes_a_backlog() {
    let author = big_author(20);
    let mut puppet = Puppet::admitted_to(author.log.clone());
    puppet.takes_frames = false;
    puppet.say(&Message::Progress { credit: 100 << 20, held: Vec::new() });
    puppet.say(&Message::Want { stream: author.stream(), from: 0, to: LAMPORT_MAX });
    let head = puppet.log.append(&puppet.key.clone(), 0, &["live".to_owned()]);
    let queued = puppet.heard.len();
    puppet.give(Input::Durable(head.clone()));
    let connection = puppet.connection;
    puppet.give(Input::Sent { connection, lane: Lane::Backlog, bytes: 4 << 20 });
    let messages = puppet.messages();
    let mut later = messages[queued..].iter();
    let next = later.find(|message| matches!(message, Message::Range { .. }));
    let Some(Message::Range { range, .. }) = next else { panic!("no events followed") };
    assert_eq!(range.head, head);
}

#[test]
fn streams_are_served_in_turn() {
    let mut log = MemoryLog::new(SECRET.swarm_id());
    for round in 0..4 {
        for number in 0..3 {
            log.append(&Author::new(7).key, number, &noise(round, 132));
        }
    }
    let mut puppet = Puppet::admitted_to(log);
    puppet.say(&Message::Progress { credit: u64::MAX >> 1, held: Vec::new() });
    let stream = Author::new(7).stream();
    puppet.takes_frames = false;
    for number in 0..3 {
        let stream = crate::event::StreamId { number, ..stream };
        puppet.say(&Message::Want { stream, from: 0, to: LAMPORT_MAX });
    }
    puppet.takes_frames = true;
    let connection = puppet.connection;
    puppet.give(Input::Sent { connection, lane: Lane::Backlog, bytes: 4 << 20 });
    let order: Vec<u64> = puppet
        .messages()
        .iter()
        .filter_map(|message| match message {
            Message::Range { range, .. } => Some(range.stream().number),
            _ => None,
        })
        .collect();
    assert!(order.len() >= 12);
    assert_eq!(order[..9], [0, 1, 2, 0, 1, 2, 0, 1, 2]);
}

#[test]
fn a_reader_that_stalls_is_closed_as_silent_and_catches_up_later() {
    let mut world = World::with_nodes(1, 2);
    let texts = vec!["x".repeat(8000); 125];
    for _ in 0..8 {
        world.publish_texts(0, &texts);
    }
    world.slow.insert(1);
    world.link(0, 1);
    world.pass(Duration::from_secs(10));
    assert!(world.nodes[0].unsent_max <= SEND_QUEUE_BYTES_MAX + FRAME_BYTES_MAX);
    world.slow.clear();
    world.assert_converges(Duration::from_secs(60));
}

#[test]
fn a_large_frame_on_a_slow_link_is_not_silence() {
    let mut puppet = Puppet::admitted();
    for _ in 0..20 {
        puppet.pass(Duration::from_secs(1));
        let connection = puppet.connection;
        puppet.give(Input::Heard { connection, bytes: PART_BYTES_MIN });
    }
    assert_eq!(puppet.closed, None);
    puppet.pass(Duration::from_secs(4));
    assert_eq!(puppet.closed, Some(RefusalReason::Silent));
}

#[test]
fn a_peer_that_drips_is_ended_as_silent() {
    let mut puppet = Puppet::admitted();
    let begun = puppet.now;
    while puppet.closed.is_none() {
        puppet.pass(Duration::from_millis(250));
        let connection = puppet.connection;
        puppet.give(Input::Heard { connection, bytes: PART_BYTES_MIN / 32 });
        assert!(puppet.now < begun + Duration::from_secs(5));
    }
    assert_eq!(puppet.closed, Some(RefusalReason::Silent));
    assert!(puppet.now >= begun + Duration::from_secs(3));
    assert!(puppet.swarm.sessions.is_empty());
}

/// Two in a session, of which the first has 1 MB for the second and a link of so many bytes a
/// second towards it.
fn one_megabyte_over(bytes_a_second: u64) -> World {
    let mut world = World::with_nodes(4, 2);
    world.link(0, 1);
    world.pass(Duration::from_secs(1));
    assert!(world.are_connected(0, 1));
    world.bandwidth.insert((0, 1), bytes_a_second);
    world.publish_texts(0, &vec!["x".repeat(8000); 125]);
    world
}

fn was_ended(world: &World) -> bool {
    let told = world.nodes.iter().flat_map(|node| &node.told);
    told.into_iter().any(|event| matches!(event, SwarmEvent::PeerDown { .. }))
}

#[test]
fn a_frame_that_takes_longer_than_the_silence_arrives_in_one_session() {
    for kilobits in [10, 100, 1000, 3000] {
        let mut world = one_megabyte_over(kilobits * 125);
        world.assert_converges(Duration::from_secs(1000));
        assert!(!was_ended(&world), "{kilobits} kbit/s");
        assert_eq!(world.nodes[1].events_received, 125);
        println!("{kilobits} kbit/s: {:?}", world.elapsed());
    }
}

#[test]
fn a_link_that_drips_is_given_up_and_another_attempt_is_made_when_it_is_better() {
    let mut world = one_megabyte_over(100);
    let given_up = world.drive(Duration::from_secs(5), |world| !world.are_connected(1, 0));
    assert!(given_up, "100 bytes a second are no sign of life");
    assert_eq!(world.nodes[1].log.event_count(), 0);
    world.bandwidth.clear();
    world.assert_converges(Duration::from_secs(30));
}

#[test]
fn a_quiet_session_costs_a_small_frame_now_and_then_and_is_still_known_to_stand() {
    let mut world = World::with_nodes(2, 2);
    world.link(0, 1);
    world.pass(Duration::from_secs(5));
    let bytes = |world: &World| -> u64 {
        let sessions = world.nodes.iter().flat_map(|node| node.swarm.sessions.values());
        sessions.map(|session| session.bytes_out).sum()
    };
    let before = bytes(&world);
    world.pass(Duration::from_secs(100));
    let per_second = (bytes(&world) - before) / 100;
    assert!(per_second <= 4, "{per_second} bytes a second");
    assert!(!was_ended(&world) && world.are_connected(0, 1));
    let begun = world.elapsed();
    world.muted.insert((0, 1));
    assert!(world.drive(Duration::from_secs(12), |world| !world.are_connected(0, 1)));
    println!("a cut of a quiet link is noticed after {:?}", world.elapsed() - begun);
}

#[test]
fn a_cut_is_noticed_three_seconds_after_something_was_said() {
    let mut world = World::with_nodes(2, 2);
    world.link(0, 1);
    world.pass(Duration::from_secs(60));
    world.muted.insert((0, 1));
    world.publish(0, 1);
    assert!(world.drive(Duration::from_millis(3100), |world| !world.are_connected(0, 1)));
}

#[test]
fn on_a_long_path_silence_takes_longer() {
    let mut world = World::with_nodes(2, 2);
    world.latency = Duration::from_millis(1900);
    world.link(0, 1);
    world.pass(Duration::from_secs(60));
    world.publish(0, 10);
    world.assert_converges(Duration::from_secs(20));
    assert!(!was_ended(&world));
}

/// Which lane each frame with events of `stream` came by, and the offset after its last one.
fn lanes_of(puppet: &Puppet, stream: StreamId) -> Vec<(Lane, u64)> {
    let claims = puppet.heard.iter().zip(&puppet.lanes);
    let claims = claims.filter_map(|(frame, lane)| Some((*lane, peek_range(frame)?.head)));
    claims
        .filter(|(_, head)| head.stream == stream)
        .map(|(lane, head)| (lane, head.count))
        .collect()
}

#[test]
fn what_goes_on_from_a_backlog_follows_it_until_that_is_acknowledged() {
    let mut author = Author::new(7);
    author.write(&["one"; 100]);
    let stream = author.stream();
    let mut puppet = Puppet::admitted_to(author.log.clone());
    puppet.say(&Message::Want { stream, from: 0, to: 100 });
    let grow = |puppet: &mut Puppet| {
        let head = puppet.log.append(&Author::new(7).key, 0, &["more".to_owned()]);
        puppet.give(Input::Durable(head));
    };
    grow(&mut puppet);
    puppet.say(&Message::Progress { credit: 0, held: vec![(stream, 100)] });
    grow(&mut puppet);
    puppet.say(&Message::Progress { credit: 0, held: vec![(stream, 102)] });
    grow(&mut puppet);
    let (backlog, live) = (Lane::Backlog, Lane::Live);
    let expected = [(backlog, 100), (backlog, 101), (backlog, 102), (live, 103)];
    assert_eq!(lanes_of(&puppet, stream), expected);
}

#[test]
fn what_goes_on_from_a_backlog_does_not_follow_it_for_ever() {
    let mut author = Author::new(7);
    author.write(&["one"; 100]);
    let stream = author.stream();
    let mut puppet = Puppet::admitted_to(author.log.clone());
    // The peer asks, and never says what became of the answer.
    puppet.say(&Message::Want { stream, from: 0, to: 100 });
    for (seconds, expected) in [(170, Lane::Backlog), (170, Lane::Backlog), (181, Lane::Live)] {
        puppet.pass_alive(seconds);
        let head = puppet.log.append(&author.key, 0, &["more".to_owned()]);
        puppet.give(Input::Durable(head));
        puppet.pass_alive(1);
        assert_eq!(lanes_of(&puppet, stream).last().map(|(lane, _)| *lane), Some(expected));
    }
}

#[test]
fn who_lacks_a_few_events_of_a_stream_waits_for_no_backlog_of_another() {
    let mut log = big_author(20).log;
    for number in 1..=20 {
        log.append(&Author::new(7).key, number, &["little".to_owned()]);
    }
    let mut puppet = Puppet::admitted_to(log);
    puppet.takes_frames = false;
    puppet.say(&Message::Progress { credit: 100 << 20, held: Vec::new() });
    let stream = |number| StreamId { number, ..Author::new(7).stream() };
    for number in 0..=20 {
        puppet.say(&Message::Want { stream: stream(number), from: 0, to: LAMPORT_MAX });
    }
    let lanes = |puppet: &Puppet, number| lanes_of(puppet, stream(number));
    let live = (1..=20).filter(|number| lanes(&puppet, *number) == [(Lane::Live, 1)]);
    let live: Vec<u64> = live.collect();
    assert_eq!(live.len(), SHORT_ANSWERS_MAX, "no more at a time");
    assert!(lanes(&puppet, 0).iter().all(|(lane, _)| *lane == Lane::Backlog));
    let late = (1..=20).find(|number| lanes(&puppet, *number).is_empty()).unwrap();
    let held = live.iter().map(|number| (stream(*number), 1)).collect();
    puppet.say(&Message::Progress { credit: 0, held });
    puppet.say(&Message::Want { stream: stream(late), from: 0, to: 1 });
    assert_eq!(lanes(&puppet, late), [(Lane::Live, 1)]);
}

#[test]
fn a_cap_is_kept_and_what_is_live_goes_first() {
    const CAP: u64 = 20_000;
    let mut log = MemoryLog::new(SECRET.swarm_id());
    for number in 0..40 {
        log.append(&Author::new(7).key, number, &noise(number as usize, 1));
    }
    let caps = SendCaps { all_peers: None, each_peer: Some(CAP) };
    for caps in [caps, SendCaps { all_peers: Some(CAP), each_peer: None }] {
        let mut puppet = Puppet::with_options(log.clone(), |options| options.send_caps = caps);
        puppet.admit();
        puppet.say(&Message::Progress { credit: 1 << 30, held: Vec::new() });
        for number in 0..40 {
            let stream = StreamId { number, ..Author::new(7).stream() };
            puppet.say(&Message::Want { stream, from: 0, to: 1 });
        }
        for _ in 0..10 {
            puppet.pass_alive(1);
            let head = puppet.log.append(&puppet.key.clone(), 0, &["live".to_owned()]);
            let stream = head.stream;
            puppet.give(Input::Durable(head.clone()));
            let last = lanes_of(&puppet, stream).last().copied();
            assert_eq!(last, Some((Lane::Live, head.count)), "it went out at once");
        }
        let sent: usize = puppet.heard.iter().map(|frame| frame.len() + 4).sum();
        let most = CAP as usize * 10 + CAP as usize / 4 + 10_000;
        assert!(sent <= most && sent >= CAP as usize * 9, "{sent} bytes in 10 s");
        assert_eq!(puppet.closed, None);
    }
}

#[test]
fn short_answers_stay_live_also_for_who_acknowledges_none() {
    let mut log = MemoryLog::new(SECRET.swarm_id());
    let key = Author::new(7).key;
    for number in 0..50 {
        log.append(&key, number, &["one".to_owned()]);
    }
    let mut puppet = Puppet::admitted_to(log);
    let stream = |number: u64| StreamId { number, ..Author::new(7).stream() };
    // The past of one stream is asked for again and again, then others, each once.
    for number in [0; 20].into_iter().chain(1..=7) {
        puppet.say(&Message::Want { stream: stream(number), from: 0, to: 1 });
        assert_eq!(lanes_of(&puppet, stream(number)).last(), Some(&(Lane::Live, 1)));
    }
    puppet.say(&Message::Want { stream: stream(8), from: 0, to: 1 });
    assert_eq!(lanes_of(&puppet, stream(8)), [(Lane::Backlog, 1)], "a few at a time");
    puppet.pass_alive(11);
    puppet.say(&Message::Want { stream: stream(9), from: 0, to: 1 });
    assert_eq!(lanes_of(&puppet, stream(9)), [(Lane::Live, 1)]);
}

#[test]
fn many_streams_are_caught_up_without_asking_for_all_at_once() {
    let mut world = World::with_nodes(3, 2);
    for number in 0..60 {
        for seed in 100..110 {
            let key = crate::event::NodeKey::from_seed(&[seed; 32]);
            let head = world.nodes[0].log.append(&key, number, &["one".to_owned()]);
            world.give(0, Input::Durable(head));
        }
    }
    world.link(1, 0);
    world.assert_converges(Duration::from_secs(30));
    assert_eq!(world.nodes[1].events_received, 600);
}

#[test]
fn a_live_event_that_could_not_be_read_is_fetched_once_it_can_be() {
    let mut world = World::with_nodes(12, 2);
    world.link(0, 1);
    world.pass(Duration::from_secs(1));
    world.nodes[0].log.is_broken = true;
    world.publish(0, 1);
    world.pass(Duration::from_millis(20));
    world.nodes[0].log.is_broken = false;
    world.assert_converges(Duration::from_secs(30));
}

#[test]
fn a_read_that_failed_is_no_proof_that_our_stream_was_written_elsewhere() {
    let mut world = World::with_nodes(13, 2);
    world.link(0, 1);
    world.publish(0, 1);
    world.assert_converges(Duration::from_secs(1));
    world.cut(0, 1);
    world.publish(0, 1);
    world.publish(0, 1);
    world.nodes[0].log.is_broken = true;
    world.heal();
    assert!(world.drive(Duration::from_secs(10), |world| world.are_connected(0, 1)));
    world.pass(Duration::from_millis(500));
    world.nodes[0].log.is_broken = false;
    world.assert_converges(Duration::from_secs(30));
    let is_wrong = |event: &SwarmEvent| {
        matches!(event, SwarmEvent::Forked(_) | SwarmEvent::OwnStreamElsewhere { .. })
    };
    assert!(!world.nodes[0].told.iter().any(is_wrong), "{:?}", world.nodes[0].told);
}
