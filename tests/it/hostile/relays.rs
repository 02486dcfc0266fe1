//! What one bad node can do to real ones over the real transport: be refused, be held back.
//!
//! Every bit and every message is tried without a network, in `core/src/sync/tests/hostile.rs`;
//! here is that nodes as they ship do the same.

use super::forge::signed;
use crate::liar::Liar;
use crate::nodes::{
    address, converge, event, everything, held, link, open, publish, secret, until,
};
use crate::support::Scratch;
use millpond::event::cbor::Value;
use millpond::event::{Event, NodeKey, Payload, StreamId, SwarmSecret, WallTime};
use millpond::log::{Log, LogOptions};
use millpond::{Node, PublishOptions};
use std::path::PathBuf;
use std::sync::Arc;

/// The type of a frame that carries events. Source: docs/protocol.md, "Messages".
const RANGE: u8 = 0x08;
/// Where in such a frame the author's head begins: after the type and the chain before it.
const HEAD_AT: usize = 1 + 32;
/// Where the first record begins, when there are fewer than 128: after the head and their number.
const RECORDS_AT: usize = HEAD_AT + 152 + 1;

#[test]
fn a_relay_that_flips_one_bit_is_refused_and_named_by_a_real_node() {
    let scratch = Scratch::new("relay");
    let [author, reader] = ["author", "reader"].map(|name| open(&scratch, name, &secret(1)));
    publish(&author, "grain", 20, 20);
    // In the chain before, the stream's node, the count, the signature, a header, the last payload.
    let places = [1, HEAD_AT, HEAD_AT + 47, HEAD_AT + 100, RECORDS_AT + 6, usize::MAX];
    for (place, seed) in places.into_iter().zip(50..) {
        let flip = move |frame: &mut Vec<u8>| {
            if frame[0] == RANGE {
                let at = place.min(frame.len() - 1);
                frame[at] ^= 1;
            }
        };
        let relay = Liar::start(&scratch, seed, &secret(1), Box::new(flip));
        relay.connect(address(&author));
        relay.until_held(20);
        relay.connect(address(&reader));
        until(&reader, &format!("the refusal of byte {place}"), |reader| {
            let refusals = reader.status().wait().unwrap().refusals;
            let named = |reason| reason == "forged" || reason == "malformed";
            refusals.iter().any(|one| one.peer == relay.node && one.by_us && named(one.reason))
        });
        assert_eq!(held(&reader), 0, "byte {place}");
    }
    // Nothing of it clings to the author: it is taken from somebody else at once.
    link(&reader, &author).unwrap();
    converge(&[&author, &reader], 20);
}

#[test]
fn a_relay_that_alters_nothing_is_believed() {
    let scratch = Scratch::new("honest");
    let [author, reader] = ["author", "reader"].map(|name| open(&scratch, name, &secret(1)));
    publish(&author, "grain", 20, 20);
    let relay = Liar::start(&scratch, 60, &secret(1), Box::new(|_| {}));
    relay.connect(address(&author));
    relay.connect(address(&reader));
    converge(&[&author, &reader], 20);
    assert!(reader.status().wait().unwrap().refusals.is_empty());
}

/// 1 January 2100, in microseconds since 1970.
const YEAR_2100: i64 = 4_102_444_800_000_000;
/// 22 November 2026.
const TODAY: i64 = 1_795_305_600_000_000;

#[test]
fn a_real_node_whose_clock_says_2100_changes_no_order() {
    let [right, wrong] = [TODAY, YEAR_2100].map(story_with_clock);
    let told = |events: &[Event]| -> Vec<_> {
        events.iter().map(|event| (event.key, event.tags.clone(), event.payload.clone())).collect()
    };
    assert_eq!(told(&right), told(&wrong));
    let early = wrong.iter().position(|event| event.time.micros() >= YEAR_2100);
    let late = wrong.iter().rposition(|event| event.time.micros() < YEAR_2100);
    assert!(early < late, "an event of the year 2100 sorts before one of today");
}

/// Three nodes write apart, meet, and write in turns; the clock of one stands at `micros`.
fn story_with_clock(micros: i64) -> Vec<Event> {
    let scratch = Scratch::new("clock");
    let nodes = [(1, TODAY), (2, micros), (3, TODAY)].map(|(seed, micros)| {
        let log = log_with(&scratch, &format!("n{seed}"), seed, micros);
        // The log is open already, so the node takes it as it is: with its key and its clock.
        (open(&scratch, &format!("n{seed}"), &secret(1)), log)
    });
    let [a, b, c] = [&nodes[0].0, &nodes[1].0, &nodes[2].0];
    for (node, tag) in [(a, "grain"), (b, "flour"), (c, "bread")] {
        publish(node, tag, 5, 1);
    }
    link(a, b).unwrap();
    link(b, c).unwrap();
    converge(&[a, b, c], 15);
    for (node, count) in [(b, 16), (a, 17), (c, 18), (b, 19), (a, 20)] {
        publish(node, "turn", 1, 1);
        converge(&[a, b, c], count);
    }
    everything(a)
}

#[test]
fn a_real_peer_with_a_poisoned_lamport_is_held_back_and_stops_nobody_else() {
    let scratch = Scratch::new("poison");
    let [a, b] = ["a", "b"].map(|name| open(&scratch, name, &secret(1)));
    let (poisoned, stream) = poisoned_node(&scratch, 1_000_000_000);
    let appended = poisoned.publish(vec![event("weed", 1)], PublishOptions::default()).wait();
    assert_eq!(appended.unwrap().first_lamport.value(), 1_000_000_001, "its clock is poisoned");
    link(&poisoned, &a).unwrap();
    let streams = [stream, poisoned.own_stream()];
    until(&a, "both streams to be held back", |a| {
        let quarantined = a.status().wait().unwrap().quarantined;
        streams.iter().all(|stream| quarantined.contains(stream))
    });
    link(&a, &b).unwrap();
    publish(&a, "grain", 30, 3);
    publish(&b, "flour", 30, 3);
    converge(&[&a, &b], 60);
    let lamport = |node: &Node| everything(node).last().unwrap().key.lamport.value();
    assert!(lamport(&a) <= 60, "no clock jumped: {}", lamport(&a));
    // It may be honest itself, so it is served as before.
    until(&poisoned, "what the others wrote", |poisoned| held(poisoned) == 62);
    assert!(a.status().wait().unwrap().refusals.is_empty());
}

/// A node that has taken in one event of somebody else at `lamport`, and that event's stream.
fn poisoned_node(scratch: &Scratch, lamport: u64) -> (Node, StreamId) {
    let log = log_with(scratch, "poisoned", 4, TODAY);
    let null = Payload::from_value(&Value::Null).unwrap();
    let range = signed(&NodeKey::from_seed(&[5; 32]), [(lamport, null)]);
    let stream = range.stream();
    log.append_range(range).wait().unwrap();
    (open(scratch, "poisoned", &secret(1)), stream)
}

/// The log that the node `name` will open, made with this key and a clock that stands at `micros`.
fn log_with(scratch: &Scratch, name: &str, seed: u8, micros: i64) -> Log {
    let path: PathBuf = scratch.path().join(name);
    let swarm: SwarmSecret = secret(1);
    let clock = Arc::new(move || WallTime::from_micros(micros));
    let mut options = LogOptions::new(path, swarm.swarm_id(), [0; 32], clock);
    options.node_key = Some(NodeKey::from_seed(&[seed; 32]));
    Log::open(options).unwrap()
}
