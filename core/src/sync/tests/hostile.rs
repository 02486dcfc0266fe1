//! A peer can be refused, and can be slow; it cannot make us store, forget, panic or wait for ever.

use super::log::{MemoryLog, record};
use super::preview::preview;
use super::puppet::{Author, Puppet};
use super::world::SECRET;
use crate::event::limits::STREAMS_PER_NODE_MAX;
use crate::event::{
    Chain, EventRange, Lamport, NodeKey, SignedHead, StreamEnd, StreamId, WallTime,
};
use crate::sync::constants::CREDIT_BYTES_INITIAL;
use crate::sync::message::Message;
use crate::sync::{Input, Lane, LogRead, RefusalReason, STREAMS_PER_PEER_MAX, SwarmEvent};
use bytes::Bytes;
use proptest::prelude::*;
use std::time::Duration;

#[test]
fn one_flipped_bit_anywhere_in_a_relayed_range_is_refused_and_the_relayer_named() {
    let mut author = Author::new(7);
    author.write(&["one", "two", "three"]);
    let frame = author.range(0).encode();
    // The first byte says that it is a range at all.
    for bit in 8..frame.len() * 8 {
        let mut flipped = frame.to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let mut puppet = Puppet::admitted();
        puppet.say_bytes(flipped.into());
        assert!(puppet.stored.is_empty(), "bit {bit} was stored");
        // The name of a branch is not signed: it shows whether it is one.
        let name = (1 + 32 + 32) * 8..(1 + 32 + 32) * 8 + 52;
        if name.contains(&(bit / 8 * 8 + 7 - bit % 8)) {
            continue;
        }
        assert!(puppet.closed.is_some_and(RefusalReason::is_misbehaviour), "bit {bit}");
        let misbehaved = puppet.told.iter().find_map(|event| match event {
            SwarmEvent::Misbehaved { peer, error } => Some((*peer, error.clone())),
            _ => None,
        });
        let (peer, error) = misbehaved.expect("it is told");
        assert_eq!(peer, puppet.peer);
        assert!(error.message().contains(&peer.short()), "{error}");
        let names_stream = error.message().contains("of stream");
        assert!(names_stream || error.message().contains("does not decode"), "{error}");
    }
    let mut puppet = Puppet::admitted();
    puppet.say_bytes(frame);
    assert_eq!(puppet.stored.len(), 1);
}

#[test]
fn a_peer_that_misbehaved_waits_longer_each_time() {
    let mut puppet = Puppet::admitted();
    for round in 0..8u32 {
        puppet.say_bytes(Bytes::from_static(&[0x05]));
        assert_eq!(puppet.closed, Some(RefusalReason::Malformed));
        puppet.connect(10 + u64::from(round) * 2);
        assert_eq!(puppet.closed, Some(RefusalReason::BackingOff));
        puppet.pass(Duration::from_secs(60).min(Duration::from_secs(1 << round)));
        puppet.connect(11 + u64::from(round) * 2);
        puppet.admit();
    }
}

/// A range of one event of stream 0 of `seed` at this lamport.
pub(super) fn poisoned(seed: u8, lamport: u64) -> (Message, SignedHead) {
    let key = NodeKey::from_seed(&[seed; 32]);
    let stream = StreamId { node: key.node_id(), number: 0 };
    let start = StreamEnd::empty(&SECRET.swarm_id(), &stream);
    let record = record(lamport, WallTime::from_micros(0), "poison");
    let chain = start.chain.extend(&record.leaf());
    let lamport = Lamport::new(lamport).unwrap();
    let head = key.sign_head(&SECRET.swarm_id(), 0, 1, lamport, chain);
    let range = EventRange::new(0, vec![record], head.clone());
    (Message::Range { before: start.chain, range }, head)
}

#[test]
fn a_poisoned_lamport_is_not_stored_and_stops_nobody_else() {
    for lamport in [(1 << 16) + 200_000, 1_000_000_000, (1 << 53) - 1] {
        let mut puppet = Puppet::admitted();
        let (range, head) = poisoned(7, lamport);
        puppet.say(&Message::Summary { is_last: false, heads: vec![head.clone()] });
        puppet.say(&range);
        puppet.pass_alive(1);
        assert!(puppet.stored.is_empty());
        assert_eq!(puppet.closed, None, "the relayer may be honest");
        let quarantined = puppet.swarm.status().quarantined;
        assert_eq!((quarantined[0].stream, quarantined[0].required), (head.stream, lamport));
        assert!(quarantined[0].bound < lamport);

        let mut honest = Author::new(8);
        honest.write(&["bread"]);
        puppet.say(&honest.range(0));
        assert_eq!(puppet.stored.len(), 1);
        assert_eq!(puppet.log.lamport, 1);
    }
}

#[test]
fn events_whose_causes_are_lost_are_delayed_and_not_lost() {
    let mut puppet = Puppet::admitted();
    let (range, _) = poisoned(7, (1 << 16) + 500_000);
    puppet.say(&range);
    assert!(puppet.stored.is_empty());
    puppet.pass_alive(4);
    assert!(puppet.wants().is_empty());
    puppet.pass_alive(2);
    assert_eq!(puppet.wants().len(), 1);
    puppet.say(&range);
    assert_eq!(puppet.stored.len(), 1);
    assert!(puppet.swarm.status().quarantined.is_empty());
}

#[test]
fn a_claim_of_2_to_the_60_events_raises_the_bound_by_a_block() {
    let mut puppet = Puppet::admitted();
    let key = NodeKey::from_seed(&[9; 32]);
    let lamport = Lamport::new((1 << 53) - 1).unwrap();
    let chain = Chain::from_bytes([1; 32]);
    let count = (1 << 53) - 1;
    let head = key.sign_head(&SECRET.swarm_id(), 0, count, lamport, chain);
    puppet.say(&Message::Summary { is_last: true, heads: vec![head.clone()] });
    let limit = puppet.swarm.shared.streams.bound.limit(&head.stream, puppet.now);
    assert_eq!(limit, (1 << 16) + 1024);
    // Nobody can deliver it: it is asked for again ever more rarely, and all else goes on.
    puppet.pass_alive(300);
    assert!((2..=8).contains(&puppet.wants().len()), "{}", puppet.wants().len());
    assert_eq!(puppet.swarm.status().missing, [(head.stream, count)]);
}

#[test]
fn a_head_that_its_node_did_not_sign_counts_nothing() {
    let mut author = Author::new(7);
    let mut head = author.write(&["one"]);
    head.signature[3] ^= 1;
    let mut puppet = Puppet::admitted();
    puppet.say(&Message::Summary { is_last: true, heads: vec![head] });
    assert_eq!(puppet.closed, Some(RefusalReason::Forged));
    assert!(puppet.swarm.status().missing.is_empty());
}

#[test]
fn what_is_held_is_dropped_before_its_signature_is_looked_at() {
    let mut author = Author::new(7);
    author.write(&["one"]);
    let mut puppet = Puppet::admitted();
    puppet.say(&author.range(0));
    let Message::Range { before, mut range } = author.range(0) else { unreachable!() };
    range.head.signature = [0; 64];
    puppet.say(&Message::Range { before, range });
    assert_eq!((puppet.closed, puppet.stored.len()), (None, 1));
}

#[test]
fn events_that_bring_nothing_are_counted() {
    let mut author = Author::new(7);
    author.write(&["one"]);
    let mut puppet = Puppet::admitted();
    let waste = |puppet: &mut Puppet| puppet.swarm.take_waste(puppet.connection);
    let held = author.range(0);
    puppet.say(&held);
    assert_eq!(waste(&mut puppet), 0);
    author.write(&["two"]);
    author.write(&["three"]);
    let gap = author.range(2);
    let (poison, _) = poisoned(9, 1 << 40);
    for message in [held, gap, poison] {
        puppet.say(&message);
        waste(&mut puppet);
        for _ in 0..10 {
            puppet.say(&message);
        }
        assert!(waste(&mut puppet) >= 10 * 256);
    }
}

#[test]
fn heads_of_what_is_held_cost_one_comparison_at_a_time() {
    let mut author = Author::new(7);
    let heads: Vec<SignedHead> = (0..200).map(|_| author.write(&["one"])).collect();
    let mut puppet = Puppet::admitted_to(author.log.clone());
    puppet.log.chains_read.set(0);
    for _ in 0..5 {
        puppet.say(&Message::Summary { is_last: false, heads: heads[..199].to_vec() });
        puppet.pass(Duration::from_millis(20));
    }
    let reads = puppet.log.chains_read.get();
    assert!((1..10).contains(&reads), "{reads} reads");
    // Many streams wait for their turns; a false head among them is found all the same.
    let mut false_head = heads[199].clone();
    false_head.signature[3] ^= 1;
    false_head.chain = Chain::from_bytes([9; 32]);
    puppet.say(&Message::Summary { is_last: false, heads: vec![false_head] });
    puppet.pass(Duration::from_millis(40));
    assert_eq!(puppet.closed, Some(RefusalReason::Forged));
}

#[test]
fn an_overlapping_range_is_trimmed_to_what_is_new() {
    let mut author = Author::new(7);
    author.write(&["one", "two"]);
    let mut puppet = Puppet::admitted();
    puppet.say(&author.range(0));
    author.write(&["three"]);
    puppet.say(&author.range(0));
    assert_eq!((puppet.stored[1].first, puppet.stored[1].records().len()), (2, 1));
}

#[test]
fn a_range_across_the_end_of_a_block_names_its_sender_and_others_are_asked() {
    let texts: Vec<String> = (0..1100).map(|number| format!("grain {number}")).collect();
    let mut author = Author::new(7);
    author.log.append(&author.key, 0, &texts[..1000]);
    let mut puppet = Puppet::admitted();
    puppet.say(&author.range(0));
    author.log.append(&author.key, 0, &texts[1000..]);
    let Message::Range { before, range } = author.range(1000) else { unreachable!() };
    let Message::Range { range: next, .. } = author.range(1024) else { unreachable!() };
    assert_eq!((range.head.count, next.head.count), (1024, 1100));
    let records = [range.records(), next.records()].concat();
    let range = EventRange::new(range.first, records, next.head);
    puppet.say(&Message::Range { before, range });
    assert_eq!((puppet.closed, puppet.stored.len()), (Some(RefusalReason::Malformed), 1));
    let misbehaved = |event: &SwarmEvent| matches!(event, SwarmEvent::Misbehaved { .. });
    assert!(puppet.told.iter().any(misbehaved));

    puppet.peer = NodeKey::from_seed(&[3; 32]).node_id();
    puppet.connect(2);
    puppet.admit();
    puppet.say(&author.range(1000));
    puppet.say(&author.range(1024));
    assert_eq!((puppet.closed, puppet.stored.len()), (None, 3));
}

#[test]
fn more_than_the_credit_is_refused() {
    let mut author = Author::new(7);
    author.write(&[&"x".repeat(1000)]);
    let range = author.range(0);
    let size = range.encode().len();
    let mut puppet = Puppet::admitted();
    // Grants are not applied, as if the peer did not care for them.
    puppet.swarm.sessions.values_mut().for_each(|session| session.credit.set_window(0));
    let connection = puppet.connection;
    // So much is granted, and one frame may overdraw.
    let most = CREDIT_BYTES_INITIAL as usize + crate::event::limits::FRAME_BYTES_MAX;
    for _ in 0..most / size + 2 {
        let session = puppet.swarm.sessions.get_mut(&connection);
        if let Some(session) = session
            && !session.credit.receive(size)
        {
            return;
        }
    }
    panic!("the credit has no end");
}

/// Node 1 as it was with one event, and what it has signed since.
fn restored() -> (Puppet, Author) {
    let mut former = Author::new(1);
    former.write(&["before the backup"]);
    let puppet = Puppet::admitted_to(former.log.clone());
    former.write(&["after the backup"]);
    (puppet, former)
}

#[test]
fn a_restored_node_learns_that_its_stream_has_gone_on_elsewhere() {
    let (mut puppet, former) = restored();
    puppet.say(&Message::Summary { is_last: true, heads: former.log.heads() });
    let elsewhere = |puppet: &Puppet| {
        let told = puppet.told.iter();
        let is_it = |event: &&SwarmEvent| matches!(event, SwarmEvent::OwnStreamElsewhere { .. });
        told.filter(is_it).count()
    };
    assert_eq!(elsewhere(&puppet), 1);
    // What it appends there in ignorance reaches nobody.
    let head = puppet.log.append(&former.key, 0, &["in ignorance".to_owned()]);
    puppet.heard.clear();
    puppet.give(Input::Durable(head));
    puppet.pass_alive(1);
    assert!(!puppet.messages().iter().any(|message| matches!(message, Message::Range { .. })));
    // In the next stream it goes on.
    let own = StreamId { node: former.key.node_id(), number: 1 };
    puppet.give(Input::OwnStream(own));
    let head = puppet.log.append(&former.key, 1, &["anew".to_owned()]);
    puppet.give(Input::Durable(head));
    assert!(puppet.messages().iter().any(|message| matches!(message, Message::Range { .. })));
    assert_eq!(elsewhere(&puppet), 1);
}

#[test]
fn an_older_head_of_our_own_stream_is_nothing_special() {
    let (_, former) = restored();
    let mut puppet = Puppet::admitted_to(former.log.clone());
    let mut past = Author::new(1);
    past.write(&["before the backup"]);
    puppet.say(&Message::Summary { is_last: true, heads: past.log.heads() });
    assert!(
        !puppet.told.iter().any(|event| matches!(event, SwarmEvent::OwnStreamElsewhere { .. }))
    );
    let mut other = Author::new(1);
    other.write(&["something else"]);
    puppet.say(&Message::Summary { is_last: true, heads: other.log.heads() });
    assert!(puppet.told.iter().any(|event| matches!(event, SwarmEvent::OwnStreamElsewhere { .. })));
}

#[test]
fn a_stream_with_a_number_that_nobody_can_write_is_passed_over() {
    let mut author = Author::new(7);
    author.log.append(&author.key, STREAMS_PER_NODE_MAX - 1, &["last".to_owned()]);
    let mut puppet = Puppet::admitted();
    let last = StreamId { number: STREAMS_PER_NODE_MAX - 1, ..author.stream() };
    let far = StreamId { number: 2 * STREAMS_PER_NODE_MAX - 1, ..last };
    let mut heads = author.log.heads();
    heads.push(heads[0].on(far));
    puppet.say(&Message::Summary { is_last: true, heads });
    assert_eq!(puppet.wants(), [(last, 0, 1)]);
    let before = Chain::start(&SECRET.swarm_id(), &far);
    let mut range = author.log.read_range(&last, 0).unwrap().unwrap();
    range.head = range.head.on(far);
    puppet.say(&Message::Range { before, range });
    assert_eq!((puppet.closed, puppet.stored.len()), (None, 0), "nobody is to blame");
}

#[test]
fn one_peer_can_tell_of_ten_thousand_streams_and_no_more() {
    let mut puppet = Puppet::admitted();
    let mut told = 0;
    while told < STREAMS_PER_PEER_MAX + 300 {
        let heads = (told..told + 250).map(|index| {
            let seed = *blake3::hash(&index.to_le_bytes()).as_bytes();
            let chain = Chain::from_bytes(seed);
            let (key, lamport) = (NodeKey::from_seed(&seed), Lamport::new(1).unwrap());
            key.sign_head(&SECRET.swarm_id(), 0, 1, lamport, chain)
        });
        puppet.say(&Message::Summary { is_last: false, heads: heads.collect() });
        told += 250;
    }
    assert_eq!(puppet.swarm.shared.streams.iter().count(), STREAMS_PER_PEER_MAX);
    let connection = puppet.connection;
    puppet.give(Input::Disconnected { connection, code: None });
    assert_eq!(puppet.swarm.shared.streams.iter().count(), 0);
    let mut author = Author::new(7);
    author.write(&["still works"]);
    puppet.connect(2);
    puppet.admit();
    puppet.say(&author.range(0));
    assert_eq!(puppet.stored.len(), 1);
}

#[test]
fn a_peer_that_withholds_is_left_for_one_that_delivers() {
    let mut author = Author::new(7);
    let head = author.write(&["one"]);
    let mut puppet = Puppet::admitted();
    puppet.say(&Message::Summary { is_last: true, heads: vec![head.clone()] });
    assert_eq!(puppet.wants().len(), 1);
    puppet.heard.clear();
    let liar = puppet.connection;
    puppet.peer = NodeKey::from_seed(&[3; 32]).node_id();
    puppet.connect(2);
    puppet.say(&Message::Hello(puppet.hello()));
    puppet.say(&Message::Summary { is_last: true, heads: vec![head] });
    for _ in 0..11 {
        puppet.pass(Duration::from_secs(1));
        for connection in [liar, puppet.connection] {
            let bytes = Message::Pong(0).encode();
            puppet.give(Input::Frame { connection, lane: Lane::Live, bytes });
        }
    }
    assert_eq!(puppet.wants().len(), 1, "the other one is asked");
    puppet.say(&author.range(0));
    assert_eq!(puppet.stored.len(), 1);
}

/// Frames that are nearly right: a type byte that exists, and then anything.
fn any_frame() -> impl Strategy<Value = Vec<u8>> {
    let mut author = Author::new(7);
    author.write(&["one", "two"]);
    let good: Vec<Bytes> = vec![
        author.range(0).encode(),
        Message::Summary { is_last: true, heads: author.log.heads() }.encode(),
        Message::Progress { credit: 5, held: vec![(author.stream(), 9)] }.encode(),
        Message::Want { stream: author.stream(), from: 0, to: 5 }.encode(),
        Message::Peers(vec![author.key.node_id()]).encode(),
        Message::Goodbye(RefusalReason::Silent).encode(),
        Message::Live(true).encode(),
        Message::Preview(preview(&author, 0)).encode(),
    ];
    let mutated = (0..good.len(), any::<prop::sample::Index>(), any::<u8>(), any::<bool>())
        .prop_map(move |(which, at, byte, cuts)| {
            let mut bytes = good[which].to_vec();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            bytes.truncate(if cuts { at } else { usize::MAX });
            bytes
        });
    let typed = (1u8..12, prop::collection::vec(any::<u8>(), 0..300)).prop_map(|(kind, rest)| {
        let mut bytes = vec![kind];
        bytes.extend(rest);
        bytes
    });
    prop_oneof![prop::collection::vec(any::<u8>(), 0..200), typed, mutated]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn whatever_a_peer_sends_we_neither_panic_nor_believe_it(
        admitted: bool,
        frames in prop::collection::vec(any_frame(), 1..6),
    ) {
        let log = MemoryLog::new(SECRET.swarm_id());
        let mut puppet = Puppet::with_log(log, None);
        if admitted {
            puppet.admit();
        }
        for frame in frames {
            puppet.say_bytes(frame.into());
            puppet.pass(Duration::from_millis(700));
        }
        // Only the genuine range can have been stored.
        for range in &puppet.stored {
            prop_assert!(range.head.verify(&SECRET.swarm_id()).is_ok());
        }
    }
}

#[test]
fn only_events_travel_on_the_backlog_lane_and_only_once_admitted() {
    let mut author = Author::new(7);
    author.write(&["one"]);
    let on_backlog = |puppet: &mut Puppet, message: &Message| {
        let (connection, bytes) = (puppet.connection, message.encode());
        puppet.give(Input::Frame { connection, lane: Lane::Backlog, bytes });
    };
    let mut puppet = Puppet::admitted();
    on_backlog(&mut puppet, &author.range(0));
    assert_eq!((puppet.stored.len(), puppet.closed), (1, None));
    on_backlog(&mut puppet, &Message::Ping(1));
    assert_eq!(puppet.closed, Some(RefusalReason::Unexpected));
    let mut puppet = Puppet::stranger();
    let hello = Message::Hello(puppet.hello());
    on_backlog(&mut puppet, &hello);
    assert_eq!(puppet.closed, Some(RefusalReason::Unexpected));
}
