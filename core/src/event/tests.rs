//! Claims about records, chains, heads and ranges.

use super::*;
use crate::error::ErrorKind;
use bytes::Bytes;
use proptest::prelude::*;

pub(super) fn secret() -> SwarmSecret {
    SwarmSecret::from_bytes([7; 32])
}

pub(super) fn key() -> NodeKey {
    NodeKey::from_seed(&[1; 32])
}

pub(super) fn record(lamport: u64, tags: &[&str], value: cbor::Value) -> Record {
    let header = Header {
        kind: EventKind::Application,
        lamport: Lamport::new(lamport).unwrap(),
        time: WallTime::from_micros(1_700_000_000_000_000),
        app_id: AppId::parse("com.example.mill").unwrap(),
        tags: TagSet::new(tags).unwrap(),
    };
    Record::encode(&header, &Payload::from_value(&value).unwrap())
}

pub(super) fn range(first_lamport: u64, before: &StreamEnd, count: u64) -> EventRange {
    let records: Vec<Record> = (0..count)
        .map(|i| record(first_lamport + i, &["grain", "mill:3"], cbor::Value::from(i)))
        .collect();
    let chain = records.iter().fold(before.chain, |chain, record| chain.extend(&record.leaf()));
    let lamport = Lamport::new(first_lamport + count - 1).unwrap();
    let head = key().sign_head(&secret().swarm_id(), 0, before.count + count, lamport, chain);
    EventRange::new(before.count, records, head)
}

pub(super) fn empty() -> StreamEnd {
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
        // What tells branches of a trunk apart: a branch shows in the chain, and is not signed.
        let is_branch = (256..320).contains(&bit) && bit / 8 != 39 && !(304..308).contains(&bit);
        assert_eq!(accepted, is_branch, "bit {bit}");
    }
}

#[test]
fn an_erased_payload_leaves_the_chain_verifiable() {
    // Lengths of headers below and above those that are hashed in one piece.
    for tag_bytes in 1..255 {
        let tags = ["grain".to_owned(), "m".repeat(tag_bytes), "n".repeat(255)];
        let tags: Vec<&str> = tags[..1 + tag_bytes % 3].iter().map(String::as_str).collect();
        let record = record(1, &tags, cbor::Value::from("rye"));
        let payload_hash = blake3::hash(record.payload_bytes());
        let mut hasher = blake3::Hasher::new();
        hasher.update(record.header_bytes());
        hasher.update(payload_hash.as_bytes());
        assert_eq!(record.leaf().as_bytes(), hasher.finalize().as_bytes());
    }
}

#[test]
fn blocks_end_by_events_or_by_bytes() {
    let mut rule = SealRule::new();
    let ends: Vec<u64> = (1..=3000).filter(|_| rule.push(10)).collect();
    assert_eq!(ends, [1024, 2048]);
    let mut rule = SealRule::new();
    let ends: Vec<u64> = (1..=10).filter(|_| rule.push(300_000)).collect();
    assert_eq!(ends, [3, 6, 9]);
}

#[test]
fn a_range_that_alone_shows_the_end_of_a_block_inside_is_refused() {
    let of = |sizes: &[usize]| {
        let records: Vec<Record> = sizes
            .iter()
            .zip(1..)
            .map(|(size, lamport)| record(lamport, &[], cbor::Value::Bytes(vec![7; *size])))
            .collect();
        let lamport = records.last().unwrap().lamport();
        let count = records.len() as u64;
        let head = key().sign_head(&secret().swarm_id(), 0, count, lamport, empty().chain);
        let mut bytes = Vec::new();
        EventRange::new(0, records, head).encode(&mut bytes);
        EventRange::decode(&bytes.into()).map(|range| range.records().len())
    };
    let half = limits::BLOCK_BYTES_SEAL / 2;
    assert_eq!(of(&[half - 100, half - 100, 2 * half - 100]).unwrap(), 3);
    assert_eq!(of(&[half, half]).unwrap(), 2);
    let error = of(&[half, half, 1]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LimitExceeded);
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

/// The bytes of a record with this header and this payload, whatever they are.
fn raw(header: &[u8], payload: &[u8]) -> Bytes {
    let mut bytes = Vec::new();
    codec::put_counted(&mut bytes, header);
    bytes.extend_from_slice(payload);
    bytes.into()
}

/// An event of a millpond to come, of which only what every version has can be read.
pub(crate) fn later(version: u8, kind: u8, lamport: u64) -> Record {
    let mut header = vec![version, kind];
    codec::put_varint(&mut header, lamport);
    header.extend_from_slice(&[2, 2, 0xff, 0xff]);
    Record::take(&mut raw(&header, &[0xff, 0xff])).unwrap()
}

fn raw_header(tags: &[&[u8]]) -> Vec<u8> {
    let mut header = vec![0, 0, 9, 2, 1, 1, b'm'];
    codec::put_varint(&mut header, tags.len() as u64);
    tags.iter().for_each(|tag| codec::put_counted(&mut header, tag));
    header
}

#[test]
fn a_trusted_record_may_lie_only_in_its_payload() {
    let broken = [
        raw(&raw_header(&[b"b", b"a"]), &[0xf6]),
        raw(&raw_header(&[b"a", b"a"]), &[0xf6]),
        raw(&raw_header(&[b""]), &[0xf6]),
        raw(&raw_header(&[&[0xff]]), &[0xf6]),
        raw(&[0, 0, 9, 2, 1, 0, 0], &[0xf6]),
        raw(&[0, 0, 9, 2, 1, 1, b' ', 0], &[0xf6]),
        raw(&[0, 0, 0, 2, 1, 1, b'm', 0], &[0xf6]),
        raw(&[0, 0x80, 0, 2, 1], &[0xf6]),
        raw(&[1, 0, 9, 2], &[0xf6]),
        raw(&[1, 0, 9, 2, 2], &[0xf6]),
        raw(&[0, 0, 9, 2, 1, 1, b'm', 0, 0], &[0xf6]),
        raw(&[], &[0xf6]),
    ];
    for bytes in broken {
        let mut rest = bytes.clone();
        assert!(Record::take_trusted(&mut rest).is_err(), "{bytes:?}");
        assert_eq!(rest, bytes, "what is refused stays");
    }
    let wrong_payload = raw(&raw_header(&[b"a"]), &[0xf7]);
    assert!(Record::take(&mut wrong_payload.clone()).is_err());
    let record = Record::take_trusted(&mut wrong_payload.clone()).unwrap();
    let event = record.to_event(range(1, &empty(), 1).stream(), Offset::new(0));
    assert_eq!(event.payload.to_value().unwrap_err().kind(), ErrorKind::InvalidArgument);
}

#[test]
fn of_a_later_event_only_what_every_version_has_is_read() {
    let kinds = [
        ([0, 0], EventKind::Application),
        ([0, 1], EventKind::Opening),
        ([0, 2], EventKind::TooNew),
        ([0, 0x7f], EventKind::TooNew),
        ([1, 0], EventKind::TooNew),
        ([0, 0x80], EventKind::Unread),
        ([1, 0x80], EventKind::Unread),
        ([255, 255], EventKind::Unread),
    ];
    for (first, kind) in kinds {
        let mut header = raw_header(&[b"a"]);
        header[..2].copy_from_slice(&first);
        let bytes = raw(&header, &[0xf6]);
        let record = Record::take(&mut bytes.clone()).unwrap();
        assert_eq!((record.kind(), record.lamport().value()), (kind, 9));
        assert_eq!((record.time().micros(), record.has_tag("a")), (1, kind.is_readable()));
        assert_eq!(record.as_bytes(), &bytes);
        if !kind.is_readable() {
            assert_eq!(later(first[0], first[1], 300).time().micros(), 1);
        }
    }
}

#[test]
fn a_tag_of_another_unicode_version_is_read_as_it_was_published() {
    // U+0065 U+0301 has a shorter form that we know. A later Unicode may give one to any
    // characters that have none today, so what an author of that day calls NFC we may not.
    let decomposed = "caf\u{65}\u{301}";
    let bytes = raw(&raw_header(&[decomposed.as_bytes()]), &[0xf6]);
    let record = Record::take(&mut bytes.clone()).unwrap();
    assert_eq!(record.tags().collect::<Vec<_>>(), [decomposed]);
    let again = Record::encode(&record.header(), &record.payload());
    assert_eq!(again.as_bytes(), &bytes);
}

#[test]
fn the_largest_event_fits_every_limit() {
    let tags: Vec<String> = (0..limits::TAGS_PER_EVENT_MAX)
        .map(|i| format!("{i:02}{}", "t".repeat(limits::TAG_BYTES_MAX - 2)))
        .collect();
    let header = Header {
        kind: EventKind::Application,
        lamport: Lamport::new(limits::LAMPORT_MAX).unwrap(),
        time: WallTime::from_micros(i64::MIN),
        app_id: AppId::parse(&"a".repeat(limits::APP_ID_BYTES_MAX)).unwrap(),
        tags: TagSet::new(&tags).unwrap(),
    };
    let text = "x".repeat(limits::PAYLOAD_BYTES_MAX - 5);
    let payload = Payload::from_value(&cbor::Value::from(text)).unwrap();
    assert_eq!(payload.as_bytes().len(), limits::PAYLOAD_BYTES_MAX);
    let record = Record::encode(&header, &payload);
    assert!(record.header_bytes().len() <= limits::HEADER_BYTES_MAX);
    assert!(record.as_bytes().len() <= limits::RECORD_BYTES_MAX);
    assert_eq!(Record::take(&mut record.as_bytes().clone()).unwrap(), record);
    assert_eq!(record.header(), header);
}

#[test]
fn the_whole_range_of_wall_time_comes_back() {
    for micros in [i64::MIN, -1, 0, 1, i64::MAX] {
        let mut header = record(1, &[], cbor::Value::Null).header();
        header.time = WallTime::from_micros(micros);
        let record = Record::encode(&header, &Payload::from_value(&cbor::Value::Null).unwrap());
        let after = Record::take(&mut record.as_bytes().clone()).unwrap();
        assert_eq!((after.time(), after.header()), (header.time, header));
    }
}

#[test]
fn a_head_cannot_be_moved_to_another_swarm_stream_or_count() {
    let swarm = secret().swarm_id();
    let head = range(1, &empty(), 3).head;
    head.verify(&swarm).unwrap();
    assert!(head.verify(&SwarmSecret::from_bytes([8; 32]).swarm_id()).is_err());
    let lies: [fn(&mut SignedHead); 6] = [
        |head| head.stream.number = 1,
        |head| head.stream.node = NodeKey::from_seed(&[2; 32]).node_id(),
        |head| head.count = 2,
        |head| head.lamport = Lamport::new(4).unwrap(),
        |head| head.chain = Chain::from_bytes([0; 32]),
        |head| head.signature[40] ^= 1,
    ];
    for lie in lies {
        let mut lying = head.clone();
        lie(&mut lying);
        assert_eq!(lying.verify(&swarm).unwrap_err().reason(), Some("forged"), "{lying:?}");
    }
}

#[test]
fn a_branch_is_named_by_its_first_event_and_verifies_as_its_trunk() {
    let key = NodeKey::from_seed(&[3; 32]);
    let (swarm, trunk) =
        (SwarmId::from_bytes([7; 32]), StreamId { node: key.node_id(), number: 5 });
    let mut first = [0x11; 32];
    first[..8].copy_from_slice(&[0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef]);
    let branch = trunk.branch(&Chain::from_bytes(first));
    assert_eq!(branch.number, 0x0123_4567_89ab_c005);
    assert!(branch.is_branch() && !trunk.is_branch());
    assert_eq!((branch.trunk(), trunk.trunk()), (trunk, trunk));
    assert_eq!(branch.branch(&Chain::from_bytes(first)), branch, "also from a branch of it");
    assert_ne!(trunk.branch(&Chain::from_bytes([0; 32])), trunk);
    assert_eq!(Chain::start(&swarm, &branch), Chain::start(&swarm, &trunk));
    let head = key.sign_head(&swarm, 5, 1, Lamport::new(1).unwrap(), Chain::from_bytes([9; 32]));
    head.on(branch).verify(&swarm).unwrap();
    let stranger = StreamId { number: branch.number + 1, ..branch };
    assert!(SignedHead { stream: stranger, ..head }.verify(&swarm).is_err());
}

#[test]
fn a_node_id_for_which_anybody_can_sign_vouches_for_nothing() {
    // The neutral element as public key, and as commitment with the scalar 0: without strictness
    // this is a valid signature of everything.
    let mut neutral = [0; 32];
    neutral[0] = 1;
    let stream = StreamId { node: NodeId::from_bytes(neutral), number: 0 };
    let (mut signature, chain) = ([0; 64], Chain::from_bytes([5; 32]));
    signature[..32].copy_from_slice(&neutral);
    let head = SignedHead { stream, count: 1, lamport: Lamport::new(1).unwrap(), chain, signature };
    assert_eq!(head.verify(&secret().swarm_id()).unwrap_err().reason(), Some("forged"));
}

#[test]
fn a_head_that_claims_what_no_stream_can_have_is_refused() {
    let bytes = range(1, &empty(), 3).head.to_bytes();
    let with = |count: u64, lamport: u64| {
        let mut bytes = bytes;
        bytes[40..48].copy_from_slice(&count.to_be_bytes());
        bytes[48..56].copy_from_slice(&lamport.to_be_bytes());
        SignedHead::read(&mut codec::Reader::new(&bytes)).map_err(|error| error.kind())
    };
    assert!(with(3, 3).is_ok() && with(limits::LAMPORT_MAX, limits::LAMPORT_MAX).is_ok());
    assert_eq!(with(0, 3), Err(ErrorKind::Corrupt));
    assert_eq!(with(4, 3), Err(ErrorKind::Corrupt));
    assert_eq!(with(3, limits::LAMPORT_MAX + 1), Err(ErrorKind::LimitExceeded));
    assert_eq!(with(u64::MAX, u64::MAX), Err(ErrorKind::LimitExceeded));
}

#[test]
fn a_range_cut_short_or_drawn_out_is_refused() {
    let mut bytes = Vec::new();
    range(1, &empty(), 3).encode(&mut bytes);
    for end in 0..bytes.len() {
        let cut = Bytes::copy_from_slice(&bytes[..end]);
        assert!(EventRange::decode(&cut).is_err(), "cut at {end}");
    }
    bytes.push(0);
    assert!(EventRange::decode(&bytes.into()).is_err());
    let three = range(1, &empty(), 3);
    let mut fewer = EventRange::new(0, three.records()[..2].to_vec(), three.head);
    let error = fewer.verify(&secret().swarm_id(), &empty()).unwrap_err();
    assert_eq!(error.reason(), Some("gap"));
    fewer.head.count = 2;
    let error = fewer.verify(&secret().swarm_id(), &empty()).unwrap_err();
    assert_eq!(error.reason(), Some("forged"));
}

/// What can be read is in its one form; of the rest no tag and no app id is made up.
fn check_reading(record: &Record) -> std::result::Result<(), TestCaseError> {
    if record.kind().is_readable() {
        let again = Record::encode(&record.header(), &record.payload());
        prop_assert_eq!(again.as_bytes(), record.as_bytes());
    } else {
        prop_assert_eq!((record.app_id(), record.tags().count()), ("", 0));
    }
    Ok(())
}

proptest! {
    #[test]
    fn whatever_decodes_as_a_record_is_in_its_one_form(
        bytes in prop::collection::vec(any::<u8>(), 0..64),
    ) {
        let mut rest = Bytes::from(bytes.clone());
        if let Ok(record) = Record::take(&mut rest) {
            check_reading(&record)?;
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
            check_reading(&record)?;
        }
    }
}
