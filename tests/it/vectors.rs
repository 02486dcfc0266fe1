//! Vectors: inputs with exact expected bytes, in `tests/vectors/*.json`.
//!
//! The core must give exactly these bytes; `tests/reference/check.py`, a second reader written from
//! the documents alone, must read them the same way. `UPDATE=1 cargo test` writes them anew; review
//! the difference as a change of format.

mod blobs;
mod broken;
mod escrow;
mod frames;
mod texts;

use crate::support::repository;
use millpond::event::cbor::{Integer, Value};
use millpond::event::codec::{put_counted, put_varint};
use millpond::event::{
    AppId, Chain, EventKey, EventKind, EventRange, Header, Lamport, NodeId, NodeKey, Payload,
    Record, StreamEnd, StreamId, SwarmId, SwarmSecret, TagSet, Ticket, WallTime, hex,
};
use serde_json::{Value as Json, json};

#[test]
fn payloads_have_the_bytes_of_the_vectors() {
    let integer = |value: i128| Value::Integer(Integer::new(value).unwrap());
    let values = [
        Value::Null,
        Value::Bool(true),
        Value::Bool(false),
        integer(0),
        integer(23),
        integer(24),
        integer(-1),
        integer(255),
        integer(256),
        integer(65_536),
        integer(1 << 32),
        integer((1 << 53) - 1),
        integer(1 << 53),
        integer((1 << 53) + 1),
        integer(1 - (1 << 53)),
        integer(-(1 << 53)),
        integer(-1 - (1 << 53)),
        integer(i64::MAX.into()),
        integer(i64::MIN.into()),
        integer(u64::MAX.into()),
        Value::Float(0.0),
        Value::Float(-0.0),
        Value::Float(1.0),
        Value::Float(1.5),
        Value::Float(0.1),
        Value::Float(100_000.0),
        Value::Float(5.960464477539063e-8),
        Value::Float(f64::MAX),
        Value::Float(f64::MIN_POSITIVE),
        Value::from(""),
        Value::from("grain"),
        Value::from("Mühle 🌾"),
        Value::Bytes(vec![]),
        Value::Bytes(vec![0, 255, 7]),
        Value::Array(vec![]),
        Value::Array(vec![integer(1), Value::Null, Value::from("x")]),
        Value::Map(Default::default()),
        Value::map([
            ("kg", Value::Float(12.25)),
            ("a", Value::Null),
            ("grain", Value::from("rye")),
        ]),
        Value::map([("mill", Value::map([("id", integer(3)), ("on", Value::Bool(true))]))]),
    ];
    let list: Vec<Json> = values
        .iter()
        .map(|value| json!({ "value": to_json(value), "bytes": hex(&value.encode().unwrap()) }))
        .collect();
    hold("payloads.json", &Json::Array(list));
}

#[test]
fn events_chains_and_heads_have_the_bytes_of_the_vectors() {
    let secret = SwarmSecret::from_bytes([0x5a; 32]);
    let key = NodeKey::from_seed(&[0x11; 32]);
    let stream = StreamId { node: key.node_id(), number: 0 };
    let swarm = secret.swarm_id();
    let mut end = StreamEnd::empty(&swarm, &stream);
    let mut ranges = Vec::new();
    for (first_lamport, count) in [(1, 1), (2, 3), (900, 2)] {
        let records: Vec<Record> = (first_lamport..first_lamport + count).map(record).collect();
        let before = end;
        let mut leaves = Vec::new();
        for record in &records {
            leaves.push(hex(record.leaf().as_bytes()));
            end.chain = end.chain.extend(&record.leaf());
            end.count += 1;
            end.lamport = record.lamport();
        }
        let head = key.sign_head(&swarm, 0, end.count, end.lamport, end.chain);
        let range = EventRange::new(before.count, records, head);
        range.verify(&swarm, &before).unwrap();
        let mut bytes = Vec::new();
        range.encode(&mut bytes);
        ranges.push(json!({
            "first": before.count,
            "chain_before": hex(before.chain.as_bytes()),
            "chain_after": hex(end.chain.as_bytes()),
            "leaves": leaves,
            "events": range.records().iter().map(describe).collect::<Vec<_>>(),
            "bytes": hex(&bytes),
        }));
    }
    let start = Chain::start(&swarm, &stream);
    hold(
        "events.json",
        &json!({
            "swarm_secret": hex(secret.as_bytes()),
            "swarm_id": swarm.to_string(),
            "node_seed": hex(&key.to_seed()),
            "node_id": key.node_id().to_string(),
            "stream": stream.to_string(),
            "stream_bytes": hex(&stream.to_bytes()),
            "chain_start": hex(start.as_bytes()),
            "ranges": ranges,
            "branches": branches(&stream, &key, &swarm),
            "later": later_events(),
        }),
    );
}

/// Branches by the chain after their first event, each with a head of it.
fn branches(stream: &StreamId, key: &NodeKey, swarm: &SwarmId) -> Vec<Json> {
    let chains = [[0; 32], [1; 32], [0xff; 32]].map(Chain::from_bytes);
    let lamport = Lamport::new(9).unwrap();
    let told = |chain: &Chain| {
        let branch = stream.branch(chain);
        let head = key.sign_head(swarm, stream.number, 5, lamport, *chain).on(branch);
        json!({
            "first_chain": hex(chain.as_bytes()),
            "branch": branch.to_string(),
            "branch_bytes": hex(&branch.to_bytes()),
            "head": hex(&head.to_bytes()),
        })
    };
    chains.iter().map(told).collect()
}

#[test]
fn event_keys_sort_as_in_the_vectors() {
    let mut keys = Vec::new();
    for lamport in [1, 2, 255, 256, (1 << 53) - 1] {
        for node in [0x00, 0x01, 0x7f, 0x80, 0xff] {
            for number in [0, 1, 9, 10, 255, 256] {
                let stream = StreamId { node: NodeId::from_bytes([node; 32]), number };
                keys.push(EventKey { lamport: Lamport::new(lamport).unwrap(), stream });
            }
        }
    }
    keys.sort();
    let texts: Vec<String> = keys.iter().map(EventKey::to_string).collect();
    hold("order.json", &json!(texts));
}

#[test]
fn tickets_have_the_texts_of_the_vectors() {
    let secret = SwarmSecret::from_bytes([0x5a; 32]);
    let node = NodeKey::from_seed(&[0x11; 32]).node_id();
    let lists: [&[&str]; 3] =
        [&[], &["10.0.0.12:4100"], &["192.168.1.7:1", "10.0.0.12:4100", "[fd00::1]:65535"]];
    let list: Vec<Json> = lists
        .iter()
        .map(|addresses| {
            let parsed = addresses.iter().map(|address| address.parse().unwrap());
            let ticket = Ticket::new(secret.clone(), node, parsed).unwrap();
            let kept: Vec<String> = ticket.addresses().iter().map(ToString::to_string).collect();
            json!({
                "secret": hex(secret.as_bytes()),
                "node_id": node.to_string(),
                "addresses": kept,
                "text": ticket.to_string(),
            })
        })
        .chain(std::iter::once({
            let later = secret.next([0x5b; 32]);
            let address = "10.0.0.12:4100".parse().unwrap();
            json!({
                "swarm_id": later.swarm_id().to_string(),
                "secret": hex(later.as_bytes()),
                "node_id": node.to_string(),
                "addresses": ["10.0.0.12:4100"],
                "text": Ticket::new(later, node, [address]).unwrap().to_string(),
            })
        }))
        .collect();
    hold("tickets.json", &Json::Array(list));
}

/// Events that differ in everything a header can say.
fn record(lamport: u64) -> Record {
    let tags: &[&str] = match lamport % 3 {
        0 => &[],
        1 => &["grain", "mill:3"],
        _ => &["Mühle", "grain", "🌾"],
    };
    let header = Header {
        kind: if lamport == 1 { EventKind::Opening } else { EventKind::Application },
        lamport: Lamport::new(lamport).unwrap(),
        time: WallTime::from_micros(match lamport {
            2 => -1,
            3 => 0,
            4 => 4_102_444_800_000_000,
            _ => 1_760_000_000_123_456,
        }),
        app_id: AppId::parse(if lamport < 900 { "com.example.mill" } else { "m" }).unwrap(),
        tags: TagSet::new(tags).unwrap(),
    };
    let value = Value::map([("lamport", Value::from(lamport)), ("kind", Value::from("flour"))]);
    Record::encode(&header, &Payload::from_value(&value).unwrap())
}

/// What versions to come may write: to be kept unread, or too new.
fn later_events() -> Vec<Json> {
    let firsts = [(0, 0x80), (0, 0xff), (1, 0x80), (0xff, 0xff), (0, 2), (0, 0x7f), (1, 0), (9, 1)];
    firsts
        .iter()
        .map(|(version, kind)| {
            let record = later(*version, *kind, 300);
            json!({
                "kind": if record.kind() == EventKind::Unread { "unread" } else { "too_new" },
                "lamport": record.lamport().value(),
                "time": record.time().micros(),
                "leaf": hex(record.leaf().as_bytes()),
                "bytes": hex(record.as_bytes()),
            })
        })
        .collect()
}

/// An event whose header has only what every version has, then bytes without a meaning; its payload
/// is none of ours.
fn later(version: u8, kind: u8, lamport: u64) -> Record {
    let (mut header, mut bytes) = (vec![version, kind], Vec::new());
    put_varint(&mut header, lamport);
    put_varint(&mut header, 7);
    put_varint(&mut header, 2);
    header.extend_from_slice(b"\xff from then");
    put_counted(&mut bytes, &header);
    bytes.extend_from_slice(b"\xff\xff");
    let record = Record::take(&mut bytes.into()).unwrap();
    assert!(!record.kind().is_readable());
    record
}

fn describe(record: &Record) -> Json {
    let header = record.header();
    json!({
        "kind": if header.kind == EventKind::Opening { "opening" } else { "application" },
        "lamport": header.lamport.value(),
        "time": header.time.micros(),
        "app_id": header.app_id.as_str(),
        "tags": record.tags().collect::<Vec<_>>(),
        "payload": hex(record.payload_bytes()),
        "bytes": hex(record.as_bytes()),
    })
}

/// JSON that keeps every value apart: integers and floats are objects with their text.
fn to_json(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Bool(value) => json!(value),
        Value::Integer(value) => json!({ "integer": value.value().to_string() }),
        Value::Float(value) => json!({ "float": format!("{value:?}") }),
        Value::Text(value) => json!(value),
        Value::Bytes(value) => json!({ "bytes": hex(value) }),
        Value::Array(values) => Json::Array(values.iter().map(to_json).collect()),
        Value::Map(pairs) => {
            let pairs: Vec<Json> = pairs.iter().map(|(key, v)| json!([key, to_json(v)])).collect();
            json!({ "map": pairs })
        }
    }
}

/// Fails when the file differs from `expected`; writes it when `UPDATE` is set.
pub(crate) fn hold(name: &str, expected: &Json) {
    let path = repository().join("tests/vectors").join(name);
    let text = format!("{}\n", serde_json::to_string_pretty(expected).unwrap());
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let held = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(held == text, "{name} differs from what the core gives; see UPDATE in vectors.rs");
}
