//! Blocks give their records back, whatever is in them, and refuse what is not a block.

use super::bits;
use super::*;
use crate::event::cbor::{Integer, Value};
use crate::event::codec::{put_counted, put_varint, zigzag};
use crate::event::{AppId, EventKind, Header, Lamport, Payload, Record, TagSet, WallTime};
use bytes::Bytes;
use proptest::prelude::*;

/// A scalar of the sorts that machines publish, and of those that they should not.
fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        (0u64..50).prop_map(Value::from),
        any::<i64>().prop_map(|number| Value::Integer(Integer::new(number.into()).unwrap())),
        any::<u64>().prop_map(Value::from),
        (-1000i32..1000).prop_map(|tenths| Value::Float(f64::from(tenths) / 10.0)),
        any::<f64>().prop_filter("finite", |float| float.is_finite()).prop_map(Value::Float),
        Just(Value::Float(-0.0)),
        (0u32..2000).prop_map(|number| Value::from(format!("M-{number:03}").as_str())),
        (any::<u64>(), 4u32..64).prop_map(|(number, bits)| {
            Value::from(format!("batch {:06} of today", number >> bits).as_str())
        }),
        "[a-c]{0,3}".prop_map(|text| Value::from(text.as_str())),
        "\\PC{0,40}".prop_map(|text| Value::from(text.as_str())),
        prop::collection::vec(any::<u8>(), 0..300).prop_map(Value::Bytes),
    ]
}

fn payload() -> impl Strategy<Value = Value> {
    let tree = scalar().prop_recursive(3, 24, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::Array),
            prop::collection::btree_map("[ab]{1,2}", inner, 0..4).prop_map(Value::map),
        ]
    });
    let reading = (scalar(), scalar(), scalar()).prop_map(|(one, two, three)| {
        Value::map([("at", one), ("value", two), ("more", Value::Array(vec![three]))])
    });
    prop_oneof![1 => tree, 4 => reading]
}

fn tags() -> impl Strategy<Value = Vec<String>> {
    let tag = prop_oneof![
        4 => (0u32..40).prop_map(|machine| format!("machine:M-{machine:03}")),
        4 => (0u32..500).prop_map(|order| format!("order:{order}")),
        1 => "[a-z]{1,8}".prop_map(String::from),
        1 => "\\PC{1,30}".prop_map(|text| format!("x{text}")),
    ];
    prop::collection::vec(tag, 0..4)
}

prop_compose! {
    fn event()(
        step in 1u64..5,
        time in prop_oneof![0i64..10_000, any::<i64>()],
        app in 0usize..2,
        opening in prop::bool::weighted(0.02),
        unread in prop::option::weighted(0.02, prop::collection::vec(any::<u8>(), 0..40)),
        tags in tags(),
        payload in payload(),
    ) -> (u64, i64, usize, bool, Option<Vec<u8>>, Vec<String>, Value) {
        (step, time, app, opening, unread, tags, payload)
    }
}

/// Records as a stream has them: lamports rise.
fn records(count: usize) -> impl Strategy<Value = Vec<Record>> {
    prop::collection::vec(event(), 1..count).prop_map(|events| {
        let mut lamport = 0;
        let made = events.into_iter().map(|(step, time, app, opening, unread, tags, payload)| {
            lamport += step;
            if let Some(rest) = unread {
                return later(lamport, time, &rest);
            }
            let header = Header {
                kind: if opening { EventKind::Opening } else { EventKind::Application },
                lamport: Lamport::new(lamport).unwrap(),
                time: WallTime::from_micros(time),
                app_id: AppId::parse(["com.example.mill", "b"][app]).unwrap(),
                tags: TagSet::new(tags).unwrap(),
            };
            Record::encode(&header, &Payload::from_value(&payload).unwrap())
        });
        made.collect()
    })
}

/// An event of a later millpond, which we pass on unread.
fn later(lamport: u64, time: i64, rest: &[u8]) -> Record {
    let mut header = vec![7, 0x80];
    put_varint(&mut header, lamport);
    put_varint(&mut header, zigzag(time));
    put_varint(&mut header, rest.len() as u64);
    header.extend_from_slice(&[1, 2, 3]);
    let mut bytes = Vec::new();
    put_counted(&mut bytes, &header);
    bytes.extend_from_slice(rest);
    Record::take(&mut Bytes::from(bytes)).unwrap()
}

/// Tags and payload of each event, one by one.
fn parts(reader: &BlockReader<'_>) -> Vec<(String, Vec<u8>, Vec<u8>)> {
    let (mut found, mut frame, mut scratch) = (Vec::new(), Frame::default(), Vec::new());
    for index in 0..reader.frame_count() {
        reader.load(index, &mut frame).unwrap();
        for row in 0..frame.count() {
            if !reader.kind(&frame, row).is_readable() {
                continue;
            }
            let (mut tags, mut payload) = (Vec::new(), Vec::new());
            let app_id = reader.app_id(&frame, row, &mut scratch).unwrap().to_owned();
            reader.put_tags(&frame, row, &mut tags, &mut scratch).unwrap();
            reader.put_payload(&frame, row, &mut payload).unwrap();
            found.push((app_id, tags, payload));
        }
    }
    found
}

/// The same, each frame written out at once, where that is done.
fn parts_at_once(
    reader: &BlockReader<'_>,
    (with_tags, with_payload): (bool, bool),
) -> Vec<(String, Vec<u8>, Vec<u8>)> {
    let (mut found, mut frame, mut scratch) = (Vec::new(), Frame::default(), Vec::new());
    let mut rows = FrameRows::new(reader).unwrap();
    for index in 0..reader.frame_count() {
        reader.load(index, &mut frame).unwrap();
        let is_filled = rows.fill(reader, &frame, (with_tags, with_payload)).unwrap();
        assert!(is_filled, "the rows are short");
        for row in 0..frame.count() {
            let (tag_count, tags) = rows.tags(row);
            if !reader.kind(&frame, row).is_readable() {
                assert_eq!((tag_count, tags), (0, &[][..]));
                continue;
            }
            let (mut own, payload) = (Vec::new(), rows.payload(row).to_vec());
            let count = reader.put_tags(&frame, row, &mut own, &mut scratch).unwrap();
            assert_eq!(tag_count, if with_tags { count } else { 0 });
            let app_id = reader.app_id(&frame, row, &mut scratch).unwrap().to_owned();
            found.push((app_id, tags.to_vec(), payload));
        }
    }
    found
}

proptest! {
    #[test]
    fn a_frame_written_out_at_once_has_the_events_that_are_read_one_by_one(
        records in records(200),
    ) {
        let block = encode(&records);
        let reader = BlockReader::open(&block).unwrap();
        let one_by_one = parts(&reader);
        prop_assert_eq!(&parts_at_once(&reader, (true, true)), &one_by_one);
        let tags = parts_at_once(&reader, (true, false));
        let payloads = parts_at_once(&reader, (false, true));
        for ((tags, payload), own) in tags.iter().zip(&payloads).zip(&one_by_one) {
            prop_assert_eq!((&tags.1, &tags.2), (&own.1, &vec![]));
            prop_assert_eq!((&payload.1, &payload.2), (&vec![], &own.2));
        }
        let (mut one_by_one, mut frame) = (Vec::new(), Frame::default());
        for index in 0..reader.frame_count() {
            reader.load(index, &mut frame).unwrap();
            (0..frame.count())
                .for_each(|row| reader.put_record(&frame, row, &mut one_by_one).unwrap());
        }
        let mut at_once = Vec::new();
        reader.put_records(&mut at_once).unwrap();
        prop_assert_eq!(at_once, one_by_one);
    }

    #[test]
    fn the_records_of_a_block_come_back_to_the_byte(records in records(200)) {
        let block = encode(&records);
        let reader = BlockReader::open(&block).unwrap();
        prop_assert_eq!(reader.records(false).unwrap(), records);
    }

    #[test]
    fn an_event_is_read_without_the_others(records in records(200)) {
        let block = encode(&records);
        let reader = BlockReader::open(&block).unwrap();
        let readable = records.iter().filter(|record| record.kind().is_readable());
        let expected: Vec<(String, Vec<u8>, Vec<u8>)> = readable
            .map(|record| {
                let mut tags = Vec::new();
                record.tags().for_each(|tag| put_counted(&mut tags, tag.as_bytes()));
                (record.app_id().to_owned(), tags, record.payload_bytes().to_vec())
            })
            .collect();
        prop_assert_eq!(parts(&reader), expected);
    }

    #[test]
    fn a_frame_knows_which_events_carry_a_tag_and_an_app_id(
        records in records(150),
        tag in prop_oneof![Just("machine:M-007".to_owned()), tags().prop_map(|tags| tags.concat())],
    ) {
        let block = encode(&records);
        let reader = BlockReader::open(&block).unwrap();
        let mut frame = Frame::default();
        for (index, chunk) in records.chunks(FRAME_EVENTS).enumerate() {
            reader.load(index, &mut frame).unwrap();
            let own = chunk.iter().flat_map(|record| record.tags()).map(String::from);
            let own: Vec<String> = own.collect();
            for tag in own.iter().chain([&tag]) {
                let rows = rows(chunk, |record| record.has_tag(tag));
                prop_assert_eq!(reader.rows_with_tag(&frame, tag).unwrap(), rows, "{}", tag);
            }
            for app_id in ["com.example.mill", "b", "c"] {
                let rows = rows(chunk, |record| record.app_id() == app_id);
                prop_assert_eq!(reader.rows_with_app_id(&frame, app_id).unwrap(), rows);
            }
            let rows = rows(chunk, |record| record.kind() == EventKind::Application);
            prop_assert_eq!(reader.application_rows(&frame), rows);
        }
    }

    #[test]
    fn a_damaged_block_is_refused_or_read_and_never_panics(
        records in records(100),
        hits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        heals in any::<bool>(),
    ) {
        let mut block = encode(&records);
        for (place, value) in &hits {
            let at = place.index(block.len());
            block[at] = *value;
        }
        if heals {
            heal(&mut block);
        }
        if let Ok(reader) = BlockReader::open(&block) {
            if let Ok(records) = reader.records(false) {
                searches_find_what_is_there(&reader, &records);
            }
            let (mut frame, mut out) = (Frame::default(), Vec::new());
            for index in 0..reader.frame_count() + 1 {
                if reader.load(index, &mut frame).is_ok() {
                    let _ = reader.rows_with_tag(&frame, "machine:M-007");
                    let _ = reader.put_tags(&frame, 0, &mut out, &mut Vec::new());
                    let rows = FrameRows::new(&reader);
                    let _ = rows.and_then(|mut rows| rows.fill(&reader, &frame, (true, true)));
                }
            }
        }
    }

    #[test]
    fn any_bytes_are_refused_or_read_and_never_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..400),
    ) {
        if let Ok(reader) = BlockReader::open(&bytes) {
            let _ = reader.records(false);
        }
    }
}

/// What another writer made is read by the same means.
fn searches_find_what_is_there(reader: &BlockReader<'_>, records: &[Record]) {
    let mut frame = Frame::default();
    for (index, chunk) in records.chunks(FRAME_EVENTS).enumerate() {
        reader.load(index, &mut frame).unwrap();
        for tag in chunk.iter().flat_map(|record| record.tags()) {
            let rows = rows(chunk, |record| record.has_tag(tag));
            assert_eq!(reader.rows_with_tag(&frame, tag).unwrap(), rows, "{tag}");
        }
        for app_id in chunk.iter().map(Record::app_id).filter(|app_id| !app_id.is_empty()) {
            let rows = rows(chunk, |record| record.app_id() == app_id);
            assert_eq!(reader.rows_with_app_id(&frame, app_id).unwrap(), rows, "{app_id}");
        }
    }
}

fn rows(chunk: &[Record], meets: impl Fn(&Record) -> bool) -> u64 {
    (0..).zip(chunk).map(|(row, record)| u64::from(meets(record)) << row).sum()
}

/// Gives each frame the checksum that its bytes have, as far as the head can be found.
fn heal(block: &mut [u8]) {
    let Some(head) = block.first_chunk().map(|bytes| u32::from_le_bytes(*bytes) as usize) else {
        return;
    };
    let frames = block.len().saturating_sub(4 + head);
    let mut table = 4usize.saturating_add(head);
    // From behind: the last entry of the table names the end of the frames.
    let mut end = frames;
    while table >= 12 && table <= block.len() {
        let start = if table >= 16 {
            u32::from_le_bytes(block[table - 16..table - 12].try_into().unwrap()) as usize
        } else {
            0
        };
        let start = if start < end { start } else { 0 };
        let crc = crc32c::crc32c(&block[4 + head + start..4 + head + end]);
        block[table - 4..table].copy_from_slice(&crc.to_le_bytes());
        if start == 0 {
            return;
        }
        (end, table) = (start, table - 8);
    }
}

#[test]
fn what_events_share_is_written_once() {
    let made: Vec<Record> = (0..1024u64)
        .map(|number| {
            let payload = Value::map([
                ("machine", Value::from(format!("M-{:03}", number % 200).as_str())),
                ("note", Value::from("within tolerance, no operator action is needed")),
                ("sequence", Value::from(format!("{number:010}").as_str())),
                ("tenths", Value::Float((number % 100) as f64 / 10.0)),
            ]);
            let header = Header {
                kind: EventKind::Application,
                lamport: Lamport::new(number + 1).unwrap(),
                time: WallTime::from_micros(1_700_000_000_000_000),
                app_id: AppId::parse("com.example.mill").unwrap(),
                tags: TagSet::new([format!("machine:M-{:03}", number % 200)]).unwrap(),
            };
            Record::encode(&header, &Payload::from_value(&payload).unwrap())
        })
        .collect();
    let raw: usize = made.iter().map(|record| record.as_bytes().len()).sum();
    let block = encode(&made);
    // Two times eight bits for machines, seven for tenths; the rest is constant or a straight line.
    assert!(block.len() < 4 * 1024 && raw > 140 * 1024, "{} of {raw} bytes", block.len());
}

#[test]
fn large_payloads_are_compressed_and_come_back() {
    let made: Vec<Record> = (0..3u64)
        .map(|number| {
            let text = format!("{number} ").repeat(100_000);
            let header = Header {
                kind: EventKind::Application,
                lamport: Lamport::new(number + 1).unwrap(),
                time: WallTime::from_micros(0),
                app_id: AppId::parse("a").unwrap(),
                tags: TagSet::default(),
            };
            Record::encode(&header, &Payload::from_value(&Value::from(text.as_str())).unwrap())
        })
        .collect();
    let block = encode(&made);
    assert!(block.len() < 10_000, "{} bytes", block.len());
    assert_eq!(BlockReader::open(&block).unwrap().records(false).unwrap(), made);
    assert_eq!(bits::width_of(0), 0);
}

#[test]
fn rows_that_are_too_long_to_be_written_at_once_are_read_one_by_one() {
    let records: Vec<Record> = (1..=100)
        .map(|lamport| {
            let header = Header {
                kind: EventKind::Application,
                lamport: Lamport::new(lamport).unwrap(),
                time: WallTime::from_micros(0),
                app_id: AppId::parse("b").unwrap(),
                tags: TagSet::new(["machine:M-007"]).unwrap(),
            };
            let bytes = Value::Bytes(vec![lamport as u8; 8_000]);
            Record::encode(&header, &Payload::from_value(&bytes).unwrap())
        })
        .collect();
    let block = encode(&records);
    let (reader, mut frame) = (BlockReader::open(&block).unwrap(), Frame::default());
    reader.load(0, &mut frame).unwrap();
    assert!(!FrameRows::new(&reader).unwrap().fill(&reader, &frame, (true, true)).unwrap());
    assert_eq!(reader.records(false).unwrap(), records);
}
