//! What the crash campaigns publish, and how they tell that nothing acknowledged is missing.
//!
//! Every event's payload follows from a seed and the event's offset, so a store can be checked
//! without a second copy of what was published. Begin with [`publish`] and [`verify`].

use millpond::event::cbor::Value;
use millpond::event::{AppId, Event, NewEvent, Payload, SwarmSecret, TagSet};
use millpond::query::{Order, Query};
use millpond::{
    Durability, Error, EventView, Node, NodeOptions, PublishOptions, QueryOptions, Result,
    StorageOptions,
};
use std::ops::Range;
use std::path::Path;
use std::time::{Duration, Instant};

/// Journal segments this small make every campaign pass through recycling and checkpoints.
pub const SEGMENT_BYTES: u64 = 64 << 10;

/// Different tags of small events.
const SMALL_TAGS: u64 = 5000;

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
        former_secrets: Vec::new(),
        network: None,
        storage: StorageOptions { segment_bytes: SEGMENT_BYTES, ..StorageOptions::default() },
    })
}

/// Opens the store of format 0 that is kept in tests/stores, which makes it one of today's.
///
/// # Errors
/// As `Node::open`.
pub fn open_former(path: &Path) -> Result<Node> {
    Node::open(NodeOptions {
        path: path.to_owned(),
        app_id: AppId::parse("com.example.mill")?,
        swarm: SwarmSecret::from_bytes([0x5a; 32]),
        former_secrets: Vec::new(),
        network: None,
        storage: StorageOptions::default(),
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
        idempotency_key: commit
            .is_multiple_of(3)
            .then(|| format!("{commit} of {}", std::process::id()).into()),
        expected: None,
    };
    match node.publish(batch, options).wait() {
        Ok(_) => Acknowledged::Yes,
        Err(error) => Acknowledged::No(error),
    }
}

/// Checks the whole store: its own checks, no gap in any stream, and every event as [`batch`] made
/// it, in order. A node whose journal was torn goes on in its next stream; that is as it must be.
/// Returns the number of events.
///
/// # Errors
/// What is wrong, in words.
pub fn verify(node: &Node, seed: u64) -> std::result::Result<u64, String> {
    node.check().map_err(|error| format!("check: {error}"))?;
    let found = read(node, &Query::all(), Order::Stream)?;
    let mut before: Option<&Event> = None;
    for (number, found) in (0..).zip(&found) {
        let expected = event(seed, number);
        if (&found.tags, &found.payload) != (&expected.tags, &expected.payload) {
            return Err(format!("event {number} is not what was published"));
        }
        // A stream after the first begins with its opening record, which no query delivers.
        let first = u64::from(found.key.stream.number > 0);
        let same = before.filter(|before| before.key.stream == found.key.stream);
        let offset = same.map_or(first, |before| before.offset.value() + 1);
        if found.offset.value() != offset {
            return Err(format!("offset {offset} of {} is missing", found.key.stream));
        }
        before = Some(found);
    }
    let tagged = Query::parse("FROM 'third'").map_err(|error| error.to_string())?;
    let thirds = read(node, &tagged, Order::Stream)?;
    let expected: Vec<&Event> = found.iter().step_by(3).collect();
    if thirds.iter().ne(expected) {
        return Err("the index does not equal a scan".into());
    }
    Ok(found.len() as u64)
}

/// Events of the campaign about groups of segments that stand at these offsets: each has one tag.
pub fn small_events(offsets: Range<u64>) -> Vec<NewEvent> {
    let payload = Payload::from_value(&Value::Null).expect("a small payload");
    let tags = |offset| TagSet::new([small_tag(offset)]).expect("a short tag");
    offsets.map(|offset| NewEvent { tags: tags(offset), payload: payload.clone() }).collect()
}

/// The tag of the small event at an offset.
pub fn small_tag(offset: u64) -> String {
    format!("lot:{}", mix(5, offset) % SMALL_TAGS)
}

/// Checks a store of small events: its own checks, and what a few tags are answered with. Returns
/// the number of events.
///
/// # Errors
/// What is wrong, in words.
pub fn verify_small(node: &Node) -> std::result::Result<u64, String> {
    let report = node.verify(|| true).wait().map_err(|error| format!("verify: {error}"))?;
    if report.damage_count > 0 {
        return Err(format!("damaged: {:?}", report.damages));
    }
    for lot in [0, 1, SMALL_TAGS - 1, SMALL_TAGS] {
        let query = Query::parse(&format!("FROM 'lot:{lot}'")).expect("it is one");
        let found = read(node, &query, Order::Ascending)?;
        let offsets = found.iter().map(|event| event.offset.value());
        let expected = (0..report.events).filter(|offset| mix(5, *offset) % SMALL_TAGS == lot);
        if offsets.ne(expected) {
            return Err(format!("another answer for lot {lot}: {} events", found.len()));
        }
    }
    Ok(report.events)
}

/// Waits until groups of segments have been made.
///
/// # Panics
/// When that takes a minute.
pub fn await_group(node: &Node) {
    let deadline = Instant::now() + Duration::from_secs(60);
    let rows = || {
        let tables = node.stats().expect("an open node has its sizes").tables;
        tables.iter().find(|table| table.name == "groups").map_or(0, |table| table.rows)
    };
    while rows() == 0 {
        assert!(Instant::now() < deadline, "no group of segments is made");
        std::thread::yield_now();
    }
}

fn read(node: &Node, query: &Query, order: Order) -> std::result::Result<Vec<Event>, String> {
    let options = QueryOptions { order, ..QueryOptions::default() };
    let mut cursor = node.query(query, options).map_err(|error| error.to_string())?;
    let mut events = Vec::new();
    loop {
        let batch = cursor.next_batch(256).map_err(|error| error.to_string())?;
        if batch.is_empty() {
            return Ok(events);
        }
        events.extend(batch.iter().map(EventView::to_event));
    }
}

fn event(seed: u64, offset: u64) -> NewEvent {
    let random = mix(seed, offset);
    let size = if random.is_multiple_of(61) { 9_000 } else { random % 300 };
    let fill: Vec<u8> = (0..size).map(|at| (random >> (at % 8)) as u8 ^ at as u8).collect();
    let value = Value::map([("n", Value::from(offset)), ("fill", Value::Bytes(fill))]);
    let mut tags = vec![format!("kind:{}", random % 5)];
    if offset.is_multiple_of(3) {
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
