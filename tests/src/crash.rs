//! What the crash campaigns publish, and how they tell that nothing acknowledged is missing.
//!
//! Every event's payload follows from a seed and the event's offset, so a store can be checked
//! without a second copy of what was published. Begin with [`publish`] and [`verify`].

use millpond::event::cbor::Value;
use millpond::event::{AppId, NewEvent, OffsetMap, Payload, SwarmSecret, TagSet};
use millpond::query::{Order, Query};
use millpond::{
    Durability, Error, Node, NodeOptions, PublishOptions, QueryOptions, Result, StorageOptions,
};
use std::path::Path;

/// Journal segments this small make every campaign pass through recycling and checkpoints.
pub const SEGMENT_BYTES: u64 = 64 << 10;

/// What became of one publish.
pub enum Acknowledged {
    /// It is durable, or will be.
    Yes,
    /// It failed, and nothing of it may be there.
    No(Error),
}

/// Opens the store at `path` without a network and with small segments.
///
/// # Errors
/// As `Node::open`.
pub fn open(path: &Path) -> Result<Node> {
    Node::open(NodeOptions {
        path: path.to_owned(),
        app_id: AppId::parse("com.example.crash")?,
        swarm: SwarmSecret::from_bytes([0x33; 32]),
        network: None,
        storage: StorageOptions { segment_bytes: SEGMENT_BYTES, ..StorageOptions::default() },
    })
}

/// The events that stand at offsets `held..` of a campaign's stream: 1 to 7 of them, some large.
pub fn batch(seed: u64, held: u64, commit: u64) -> Vec<NewEvent> {
    let count = 1 + mix(seed, held ^ commit << 32) % 7;
    (held..held + count).map(|offset| event(seed, offset)).collect()
}

/// Publishes one batch and waits; every third commit carries an idempotency key.
pub fn publish(node: &Node, batch: Vec<NewEvent>, commit: u64, power: bool) -> Acknowledged {
    let options = PublishOptions {
        durability: if power { Durability::Power } else { Durability::Process },
        idempotency_key: (commit % 3 == 0).then(|| format!("{commit} of {}", std::process::id()).into()),
        expected: None,
    };
    match node.publish(batch, options).wait() {
        Ok(_) => Acknowledged::Yes,
        Err(error) => Acknowledged::No(error),
    }
}

/// Checks the whole store: its own checks, no gap, and every event as [`batch`] made it. Returns
/// the number of events.
///
/// # Errors
/// What is wrong, in words.
pub fn verify(node: &Node, seed: u64) -> std::result::Result<u64, String> {
    node.check().map_err(|error| format!("check: {error}"))?;
    let stream = node.status().map_err(|error| error.to_string())?.own_stream;
    let options =
        QueryOptions { order: Order::Stream, lower: OffsetMap::new(), upper: None };
    let mut cursor = node.query(&Query::all(), options).map_err(|error| error.to_string())?;
    let mut next = 0;
    loop {
        let events = cursor.next_batch(256).map_err(|error| error.to_string())?;
        if events.is_empty() {
            break;
        }
        for found in events {
            let expected = event(seed, next);
            if found.key.stream != stream || found.offset.value() != next {
                return Err(format!("event {next} is missing: found {} instead", found.offset));
            }
            if (&found.tags, &found.payload) != (&expected.tags, &expected.payload) {
                return Err(format!("event {next} is not what was published"));
            }
            next += 1;
        }
    }
    let tagged = Query::parse("FROM 'third'").map_err(|error| error.to_string())?;
    let options =
        QueryOptions { order: Order::Ascending, lower: OffsetMap::new(), upper: None };
    let mut cursor = node.query(&tagged, options).map_err(|error| error.to_string())?;
    let mut thirds = Vec::new();
    loop {
        let events = cursor.next_batch(256).map_err(|error| error.to_string())?;
        if events.is_empty() {
            break;
        }
        thirds.extend(events.iter().map(|event| event.offset.value()));
    }
    if thirds != (0..next).filter(|offset| offset % 3 == 0).collect::<Vec<_>>() {
        return Err("the index does not equal a scan".into());
    }
    Ok(next)
}

fn event(seed: u64, offset: u64) -> NewEvent {
    let random = mix(seed, offset);
    let size = if random.is_multiple_of(61) { 9_000 } else { random % 300 };
    let fill: Vec<u8> = (0..size).map(|at| (random >> (at % 8)) as u8 ^ at as u8).collect();
    let value = Value::map([("n", Value::from(offset)), ("fill", Value::Bytes(fill))]);
    let mut tags = vec![format!("kind:{}", random % 5)];
    if offset % 3 == 0 {
        tags.push("third".into());
    }
    NewEvent {
        tags: TagSet::new(tags).expect("short tags"),
        payload: Payload::from_value(&value).expect("a small payload"),
    }
}

/// SplitMix64 of two numbers: the same on every machine.
pub fn mix(seed: u64, index: u64) -> u64 {
    let mut z = seed.wrapping_add(index.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    z = (z ^ z >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ z >> 31
}
