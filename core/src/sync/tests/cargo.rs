//! Cargo passes between those who carry it, behind all else, and no session looks into it.

use super::flow::noise;
use super::log::MemoryLog;
use super::puppet::{Author, Puppet};
use super::world::SECRET;
use crate::event::limits::LAMPORT_MAX;
use crate::sync::message::{Hello, Message};
use crate::sync::{
    BULK_FRAME_BYTES_MAX, CARGO_BYTES_BULK_MAX, ConnectionId, Input, Lane, Output, RefusalReason,
    SEND_QUEUE_BYTES_BULK, SendCaps, SwarmEvent,
};
use bytes::Bytes;

/// A puppet with such a swarm; it says hello, and whether it carries cargo, as the swarm does.
fn meet(log: MemoryLog, we: bool, they: bool, caps: SendCaps) -> Puppet {
    let mut puppet = Puppet::with_options(log, |options| {
        options.carries_cargo = we;
        options.send_caps = caps;
    });
    puppet.say(&Message::Hello(Hello { carries_cargo: they, ..puppet.hello() }));
    puppet.say(&Message::Summary { is_last: true, heads: Vec::new() });
    assert_eq!(puppet.closed, None);
    puppet
}

fn carriers() -> Puppet {
    meet(MemoryLog::new(SECRET.swarm_id()), true, true, SendCaps::default())
}

/// A frame of cargo of this type and length, which means nothing.
fn frame(kind: u8, length: usize) -> Bytes {
    let mut bytes = vec![0xff; length];
    bytes[0] = kind;
    bytes.into()
}

fn carry(puppet: &mut Puppet, lane: Lane, bytes: &Bytes) {
    let (connection, bytes) = (puppet.connection, bytes.clone());
    puppet.give(Input::Carry { connection, lane, bytes });
}

fn say_on(puppet: &mut Puppet, lane: Lane, bytes: Bytes) {
    let connection = puppet.connection;
    puppet.give(Input::Frame { connection, lane, bytes });
}

/// Cargo that the puppet heard, and on which lane.
fn heard(puppet: &Puppet) -> Vec<(Lane, Bytes)> {
    let all = puppet.lanes.iter().copied().zip(puppet.heard.iter().cloned());
    all.filter(|(_, frame)| matches!(frame.first(), Some(0x90..=0x97))).collect()
}

/// What is to be done about cargo, as text: one letter each, and how often it was carried.
fn told(puppet: &Puppet) -> Vec<String> {
    let one = |output: &Output| match output {
        Output::CargoOpen { connection, peer } => {
            assert_eq!((*connection, *peer), (puppet.connection, puppet.peer));
            "open".to_owned()
        }
        Output::Cargo { lane, bytes, .. } => {
            format!("{} {:02x} {}", lane.name(), bytes[0], bytes.len())
        }
        Output::Carried { lane, bytes, .. } => format!("carried {} {bytes}", lane.name()),
        Output::CargoEnd { connection, peer } => {
            assert_eq!((*connection, *peer), (puppet.connection, puppet.peer));
            "end".to_owned()
        }
        other => panic!("not of cargo: {other:?}"),
    };
    puppet.cargo.iter().map(one).collect()
}

#[test]
fn cargo_passes_between_two_that_carry_it_and_no_session_looks_into_it() {
    let mut puppet = carriers();
    say_on(&mut puppet, Lane::Live, frame(0x90, 1));
    say_on(&mut puppet, Lane::Bulk, frame(0x93, BULK_FRAME_BYTES_MAX));
    say_on(&mut puppet, Lane::Bulk, frame(0x97, 5));
    let (short, long) = (frame(0x95, 40), frame(0x93, BULK_FRAME_BYTES_MAX));
    carry(&mut puppet, Lane::Live, &short);
    carry(&mut puppet, Lane::Bulk, &long);
    assert_eq!(heard(&puppet), [(Lane::Live, short), (Lane::Bulk, long)]);
    let expected = [
        "open",
        "live 90 1",
        "bulk 93 67584",
        "bulk 97 5",
        "carried live 40",
        "carried bulk 67584",
    ];
    assert_eq!(told(&puppet), expected);
    assert_eq!(puppet.closed, None);
    let connection = puppet.connection;
    puppet.give(Input::Disconnected { connection, code: None });
    assert_eq!(told(&puppet).last().map(String::as_str), Some("end"));
    let before = (puppet.heard.len(), puppet.cargo.len());
    carry(&mut puppet, Lane::Live, &frame(0x90, 1));
    assert_eq!((puppet.heard.len(), puppet.cargo.len()), before, "it came too late");
}

#[test]
fn who_carries_no_cargo_is_sent_none_and_what_it_sends_is_skipped() {
    for (we, they) in [(true, false), (false, true), (false, false)] {
        let log = MemoryLog::new(SECRET.swarm_id());
        let mut puppet = meet(log, we, they, SendCaps::default());
        assert_eq!(puppet.heard[0].ends_with(&[6, 1, 1]), we, "the hello says so");
        carry(&mut puppet, Lane::Live, &frame(0x90, 10));
        carry(&mut puppet, Lane::Bulk, &frame(0x93, 10));
        for lane in [Lane::Live, Lane::Backlog] {
            say_on(&mut puppet, lane, frame(0x91, 10));
        }
        assert_eq!((puppet.closed, heard(&puppet)), (None, Vec::new()));
        assert!(puppet.cargo.is_empty(), "{:?}", told(&puppet));
        say_on(&mut puppet, Lane::Bulk, frame(0x93, 10));
        assert_eq!(puppet.closed, Some(RefusalReason::Unexpected));
    }
}

#[test]
fn on_the_bulk_lane_comes_cargo_and_what_is_unknown_and_nothing_else() {
    use RefusalReason::{Malformed, MessageUnsupported, Oversized, Unexpected};
    let mut author = Author::new(7);
    author.write(&["one"]);
    let cases = [
        (Lane::Bulk, author.range(0).encode(), Some(Unexpected)),
        (Lane::Bulk, Message::Ping(1).encode(), Some(Unexpected)),
        (Lane::Bulk, Message::Ping(1).encode().slice(..4), Some(Malformed)),
        (Lane::Bulk, Bytes::new(), Some(Malformed)),
        (Lane::Bulk, frame(0x7f, 3), Some(MessageUnsupported)),
        (Lane::Bulk, frame(0xfe, 3), None),
        (Lane::Bulk, frame(0x93, BULK_FRAME_BYTES_MAX + 1), Some(Oversized)),
        (Lane::Live, frame(0x93, BULK_FRAME_BYTES_MAX + 1), None),
        (Lane::Backlog, frame(0x93, 100), Some(Unexpected)),
    ];
    for (lane, bytes, expected) in cases {
        let what = (lane, bytes.first().copied(), bytes.len());
        let mut puppet = carriers();
        say_on(&mut puppet, lane, bytes);
        assert_eq!(puppet.closed, expected, "{what:?}");
        let ends = told(&puppet).iter().filter(|told| *told == "end").count();
        assert_eq!(ends, usize::from(expected.is_some()), "{what:?}");
    }
}

#[test]
fn a_stranger_has_no_bulk_lane_and_its_cargo_goes_nowhere() {
    let mut puppet = Puppet::with_options(MemoryLog::new(SECRET.swarm_id()), |options| {
        options.carries_cargo = true;
    });
    say_on(&mut puppet, Lane::Live, frame(0x90, 10));
    carry(&mut puppet, Lane::Bulk, &frame(0x93, 10));
    assert_eq!((puppet.closed, puppet.cargo.len()), (None, 0));
    say_on(&mut puppet, Lane::Bulk, frame(0x93, 10));
    assert_eq!(puppet.closed, Some(RefusalReason::Unexpected));
    assert!(puppet.cargo.is_empty() && heard(&puppet).is_empty());
}

/// The author's log in blocks of about 1 MB.
fn long_log() -> MemoryLog {
    let mut log = MemoryLog::new(SECRET.swarm_id());
    for number in 0..4 {
        log.append(&Author::new(7).key, 0, &noise(number, 80));
    }
    log
}

#[test]
fn bulk_goes_behind_a_backlog_and_that_behind_what_is_live() {
    let mut puppet = meet(long_log(), true, true, SendCaps::default());
    puppet.say(&Message::Progress { credit: 100 << 20, held: Vec::new() });
    puppet.takes_frames = false;
    let (connection, stream) = (puppet.connection, Author::new(7).stream());
    puppet.say(&Message::Want { stream, from: 0, to: LAMPORT_MAX });
    let piece = frame(0x93, BULK_FRAME_BYTES_MAX);
    (0..6).for_each(|_| carry(&mut puppet, Lane::Bulk, &piece));
    let from = puppet.lanes.len();
    // The next block waits, and two pieces. Then there is room, and something that is live.
    let head = puppet.log.append(&puppet.key.clone(), 0, &["live".to_owned()]);
    puppet.swarm.handle(Input::Sent { connection, lane: Lane::Bulk, bytes: 4 << 20 }, puppet.now);
    puppet
        .swarm
        .handle(Input::Sent { connection, lane: Lane::Backlog, bytes: 4 << 20 }, puppet.now);
    puppet.give(Input::Durable(head));
    let mut lanes = puppet.lanes[from..].to_vec();
    let all = lanes.clone();
    lanes.dedup();
    assert_eq!(lanes, Lane::ALL, "{all:?}");
}

#[test]
fn bulk_that_the_transport_does_not_take_waits_and_its_room_with_it() {
    let mut puppet = carriers();
    puppet.takes_frames = false;
    let piece = frame(0x93, BULK_FRAME_BYTES_MAX);
    let carried = |puppet: &Puppet| puppet.cargo.len() - 1;
    for _ in 0..SEND_QUEUE_BYTES_BULK / piece.len() + 1 {
        carry(&mut puppet, Lane::Bulk, &piece);
    }
    let out = heard(&puppet).len();
    assert_eq!((out, carried(&puppet)), (4, 4));
    for _ in 0..CARGO_BYTES_BULK_MAX / piece.len() {
        carry(&mut puppet, Lane::Bulk, &piece);
    }
    assert_eq!((heard(&puppet).len(), carried(&puppet)), (4, 4), "no room");
    let connection = puppet.connection;
    puppet.give(Input::Sent { connection, lane: Lane::Bulk, bytes: piece.len() });
    assert_eq!((heard(&puppet).len(), carried(&puppet)), (5, 5), "as much as has left");
    carry(&mut puppet, Lane::Live, &frame(0x90, 10));
    assert_eq!(heard(&puppet).last().map(|(lane, _)| *lane), Some(Lane::Live));
}

#[test]
#[should_panic(expected = "bytes of cargo wait for a session")]
fn who_hands_over_more_cargo_than_there_is_room_for_has_a_bug() {
    let mut puppet = carriers();
    puppet.takes_frames = false;
    for _ in 0..20 {
        carry(&mut puppet, Lane::Bulk, &frame(0x93, BULK_FRAME_BYTES_MAX));
    }
}

#[test]
fn under_a_cap_bulk_waits_for_all_and_nothing_waits_for_it() {
    const CAP: u64 = 100_000;
    let each = SendCaps { all_peers: None, each_peer: Some(CAP) };
    for caps in [each, SendCaps { all_peers: Some(CAP), each_peer: None }] {
        let mut puppet = meet(long_log(), true, true, caps);
        puppet.say(&Message::Progress { credit: 100 << 20, held: Vec::new() });
        let piece = frame(0x93, BULK_FRAME_BYTES_MAX);
        let (mut live, mut given) = (0, 0);
        for second in 0..20 {
            puppet.pass_alive(1);
            let head = puppet.log.append(&puppet.key.clone(), 0, &["live".to_owned()]);
            puppet.give(Input::Durable(head));
            live = puppet.lanes.iter().filter(|lane| **lane == Lane::Live).count();
            assert_eq!(puppet.lanes.last(), Some(&Lane::Live), "second {second}");
            while given < heard(&puppet).len() + 4 {
                carry(&mut puppet, Lane::Bulk, &piece);
                given += 1;
            }
            if second == 10 {
                // From here on a backlog of more than a second each goes before bulk.
                let stream = Author::new(7).stream();
                puppet.say(&Message::Want { stream, from: 0, to: LAMPORT_MAX });
            }
        }
        let sent: usize = puppet.heard.iter().map(|frame| frame.len() + 4).sum();
        assert!(sent <= CAP as usize * 21 + (1 << 20), "{sent} bytes in 20 s");
        let bulk = heard(&puppet).len();
        assert!((13..=17).contains(&bulk) && live >= 20, "{bulk} of bulk, {live} live");
    }
}

#[test]
fn who_is_blamed_for_its_cargo_is_refused_as_for_anything_else() {
    let mut puppet = carriers();
    let connection = puppet.connection;
    let blame = |connection| Input::Blame {
        connection,
        reason: RefusalReason::Forged,
        detail: "group 7 is not of its blob".to_owned(),
    };
    puppet.give(blame(ConnectionId::new(99)));
    assert_eq!(puppet.closed, None);
    puppet.give(blame(connection));
    let forged = Some(RefusalReason::Forged);
    assert_eq!((puppet.closed, puppet.goodbye()), (forged, forged));
    assert_eq!(told(&puppet), ["open", "end"]);
    let is_told = |event: &SwarmEvent| match event {
        SwarmEvent::Misbehaved { peer, error } => {
            *peer == puppet.peer && error.message().contains("group 7 is not of its blob")
        }
        _ => false,
    };
    assert!(puppet.told.iter().any(is_told), "{:?}", puppet.told);
    puppet.connect(2);
    assert_eq!(puppet.closed, Some(RefusalReason::BackingOff));
}

#[test]
fn a_connection_that_takes_the_place_of_another_has_cargo_of_its_own() {
    let mut puppet = carriers();
    puppet.connect(2);
    puppet.say(&Message::Hello(Hello { carries_cargo: true, ..puppet.hello() }));
    let numbers: Vec<(bool, u64)> = puppet
        .cargo
        .iter()
        .map(|output| match output {
            Output::CargoOpen { connection, .. } => (true, connection.value()),
            Output::CargoEnd { connection, .. } => (false, connection.value()),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(numbers, [(true, 1), (false, 1), (true, 2)]);
}
