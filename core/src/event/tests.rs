//! Claims about records, chains, heads and ranges.

use super::*;
use crate::error::ErrorKind;
use bytes::Bytes;
use proptest::prelude::*;

fn secret() -> SwarmSecret {
    SwarmSecret::from_bytes([7; 32])
}

fn key() -> NodeKey {
    NodeKey::from_seed(&[1; 32])
}

fn record(lamport: u64, tags: &[&str], value: cbor::Value) -> Record {
    let header = Header {
        kind: EventKind::Application,
        lamport: Lamport::new(lamport).unwrap(),
        time: WallTime::from_micros(1_700_000_000_000_000),
        app_id: AppId::parse("com.example.mill").unwrap(),
        tags: TagSet::new(tags).unwrap(),
    };
    Record::encode(&header, &Payload::from_value(&value).unwrap())
}

fn range(first_lamport: u64, before: &StreamEnd, count: u64) -> EventRange {
    let records: Vec<Record> = (0..count)
        .map(|i| record(first_lamport + i, &["grain", "mill:3"], cbor::Value::from(i)))
        .collect();
    let chain = records.iter().fold(before.chain, |chain, record| chain.extend(&record.leaf()));
    let lamport = Lamport::new(first_lamport + count - 1).unwrap();
    let head = key().sign_head(&secret().swarm_id(), 0, before.count + count, lamport, chain);
    EventRange { first: before.count, records, head }
}

fn empty() -> StreamEnd {
    StreamEnd::empty(&secret().swarm_id(), &StreamId { node: key().node_id(), number: 0 })
}

#[test]
fn a_record_comes_back_with_everything_it_said() {
    let before = record(9, &["mill:3", "grain"], cbor::Value::from("rye"));
    let mut bytes = before.as_bytes().clone();
    let after = Record::take(&mut bytes).unwrap();
    assert!(bytes.is_empty());
    assert_eq!(after, before);
    assert_eq!(after.tags().collect::<Vec<_>>(), ["grain", "mill:3"]);
    assert_eq!(after.app_id(), "com.example.mill");
    assert_eq!(after.header().lamport.value(), 9);
    let stream = StreamId { node: key().node_id(), number: 0 };
    let event = after.to_event(stream, Offset::new(4));
    assert_eq!(event.payload.to_value().unwrap(), cbor::Value::from("rye"));
    assert_eq!(event.key, EventKey { lamport: Lamport::new(9).unwrap(), stream });
}

#[test]
fn a_range_verifies_only_where_it_fits_on() {
    let swarm = secret().swarm_id();
    let first = range(10, &empty(), 3);
    first.verify(&swarm, &empty()).unwrap();
    let second = range(20, &StreamEnd::from(&first.head), 2);
    second.verify(&swarm, &StreamEnd::from(&first.head)).unwrap();
    assert_eq!(second.verify(&swarm, &empty()).unwrap_err().reason(), Some("gap"));
    let other = SwarmSecret::from_bytes([8; 32]).swarm_id();
    assert_eq!(first.verify(&other, &empty()).unwrap_err().reason(), Some("forged"));
    let early = range(11, &StreamEnd::from(&first.head), 2);
    let error = early.verify(&swarm, &StreamEnd::from(&first.head)).unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::PeerMisbehaved, Some("lamport_order")));
}

#[test]
fn one_flipped_bit_anywhere_in_a_range_is_refused() {
    let swarm = secret().swarm_id();
    let mut bytes = Vec::new();
    range(1, &empty(), 3).encode(&mut bytes);
    EventRange::decode(&Bytes::from(bytes.clone())).unwrap().verify(&swarm, &empty()).unwrap();
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let accepted = EventRange::decode(&Bytes::from(flipped)).is_ok_and(|range| {
            let swarm_start = StreamEnd::empty(&swarm, &range.stream());
            range.verify(&swarm, &swarm_start).is_ok()
        });
        assert!(!accepted, "bit {bit} was flipped and nobody noticed");
    }
}

#[test]
fn an_erased_payload_leaves_the_chain_verifiable() {
    let record = record(1, &["grain"], cbor::Value::from("rye"));
    let payload_hash = blake3::hash(record.payload_bytes());
    let mut hasher = blake3::Hasher::new();
    hasher.update(record.header_bytes());
    hasher.update(payload_hash.as_bytes());
    assert_eq!(record.leaf().as_bytes(), hasher.finalize().as_bytes());
}

#[test]
fn blocks_end_by_events_or_by_bytes() {
    let mut rule = SealRule::new();
    let ends: Vec<u64> = (1..=3000).filter(|_| rule.push(10)).collect();
    assert_eq!(ends, [1024, 2048]);
    let mut rule = SealRule::new();
    let ends: Vec<u64> = (1..=10).filter(|_| rule.push(300_000)).collect();
    assert_eq!(ends, [4, 8]);
}

#[test]
fn a_secret_never_shows_in_debug_output() {
    let texts = format!("{:?} {:?}", secret(), key());
    assert!(!texts.contains("0707") && !texts.contains("0101"), "{texts}");
}

#[test]
fn a_record_refused_leaves_the_bytes_as_they_were() {
    let mut wrong = record(9, &["b", "a"], cbor::Value::Null).as_bytes().to_vec();
    let last = wrong.len() - 1;
    wrong[last] = 0xf7;
    wrong.extend_from_slice(b"more");
    let mut bytes = Bytes::from(wrong.clone());
    assert!(Record::take(&mut bytes).is_err());
    assert_eq!(&bytes[..], &wrong[..]);
}

proptest! {
    #[test]
    fn whatever_decodes_as_a_record_is_in_its_one_form(
        bytes in prop::collection::vec(any::<u8>(), 0..64),
    ) {
        let mut rest = Bytes::from(bytes.clone());
        if let Ok(record) = Record::take(&mut rest) {
            let again = Record::encode(&record.header(), &record.payload());
            prop_assert_eq!(again.as_bytes(), record.as_bytes());
        }
    }

    #[test]
    fn a_changed_record_never_panics(
        at in 0usize..60, byte: u8, cut in 0usize..60,
    ) {
        let record = record(300, &["grain", "mill:3"], cbor::Value::from("rye"));
        let mut bytes = record.as_bytes().to_vec();
        let length = bytes.len();
        bytes[at % length] = byte;
        bytes.truncate(length - cut % length);
        if let Ok(record) = Record::take(&mut Bytes::from(bytes)) {
            let again = Record::encode(&record.header(), &record.payload());
            prop_assert_eq!(again.as_bytes(), record.as_bytes());
        }
    }
}
