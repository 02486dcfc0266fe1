//! Blocks that a peer made by hand: what gives its records back may still mislead a search.

use super::number::Number;
use super::shape::{DICTIONARY, HEAP, INTEGER};
use super::{BlockReader, bits};
use crate::error::ErrorKind;
use crate::event::codec::{put_counted, put_varint};

/// A slot of a header, with what its column has for each of two events.
struct Crafted {
    parameters: Vec<u8>,
    values: [u64; 2],
}

impl Crafted {
    fn dictionary(entries: &[&[u8]], values: [u64; 2]) -> Crafted {
        let all = entries.concat();
        let mut starts = vec![0];
        entries.iter().for_each(|entry| starts.push(starts[starts.len() - 1] + entry.len() as u64));
        let mut parameters = vec![DICTIONARY];
        put_varint(&mut parameters, entries.len() as u64);
        put_varint(&mut parameters, all.len() as u64);
        bits::put(&mut parameters, bits::width_of(all.len() as u64), starts.into_iter());
        parameters.extend_from_slice(&all);
        Crafted { parameters, values }
    }
}

/// A block of two events with these tags, which have `tag_count` tags and the payload null.
fn block(tag_count: u8, slots: &[Crafted], heap: Option<&[u8]>, raw_bytes: u64) -> Vec<u8> {
    let (flat, narrow) = (Number::default(), Number::up_to(255));
    let mut head = Vec::new();
    put_varint(&mut head, 2);
    put_varint(&mut head, raw_bytes);
    Number::fit(&[(0, 1), (1, 2)]).encode(&mut head);
    (0..3).for_each(|_| flat.encode(&mut head));
    head.extend_from_slice(&[1, 0, 0, slots.len() as u8]);
    let mut frame = Vec::new();
    for (index, slot) in slots.iter().enumerate() {
        let literal: &[u8] = if index == 0 { &[1, b'a', tag_count] } else { &[] };
        put_counted(&mut head, literal);
        narrow.encode(&mut head);
        head.extend_from_slice(&slot.parameters);
        bits::put(&mut frame, 8, slot.values.into_iter());
    }
    put_counted(&mut head, &[]);
    head.extend_from_slice(&[1, 0]);
    put_counted(&mut head, &[0xf6]);
    if let Some(heap) = heap {
        frame.push(0);
        frame.extend_from_slice(heap);
    }
    head.extend_from_slice(&(frame.len() as u32).to_le_bytes());
    head.extend_from_slice(&crc32c::crc32c(&frame).to_le_bytes());
    [&(head.len() as u32).to_le_bytes()[..], &head, &frame].concat()
}

/// Bytes of two records with tags of `tag_bytes` bytes, lengths included.
fn raw_bytes(tag_bytes: u64) -> u64 {
    // Length, version, kind, lamport, time, payload's length, app id, number of tags; the payload.
    2 * (1 + 2 + 1 + 1 + 1 + 2 + 1 + tag_bytes + 1)
}

#[test]
fn a_block_whose_tags_a_search_would_miss_is_refused_though_its_records_come_back() {
    let (a, b): (&[u8], &[u8]) = (b"\x01a", b"\x01b");
    let both: &[u8] = b"\x01a\x01b";
    let heap = |values| Crafted { parameters: vec![HEAP], values };
    let integer = |values| Crafted { parameters: vec![INTEGER], values };
    let cases = [
        ("an entry twice", block(1, &[Crafted::dictionary(&[a, a], [0, 1])], None, raw_bytes(2))),
        (
            "two tags in one entry, none in another",
            block(
                2,
                &[Crafted::dictionary(&[both], [0, 0]), Crafted::dictionary(&[b""], [0, 0])],
                None,
                raw_bytes(4),
            ),
        ),
        (
            "two tags in one value of a heap, none in another",
            block(2, &[heap([4, 4]), heap([0, 0])], Some(b"\x01a\x01b\x01a\x01b"), raw_bytes(4)),
        ),
        (
            "a number as the length of a tag",
            block(
                2,
                &[integer([1, 1]), Crafted::dictionary(&[b"a\x01b"], [0, 0])],
                None,
                raw_bytes(4),
            ),
        ),
    ];
    for (why, block) in cases {
        let reader = BlockReader::open(&block).expect(why);
        let records = reader.records(true).expect(why);
        assert!(records.iter().all(|record| record.has_tag("a")), "{why}");
        let error = reader.records(false).expect_err(why);
        assert_eq!(error.message(), "a slot of a header is not one tag", "{why}");
    }
    let good = block(1, &[Crafted::dictionary(&[a, b], [0, 1])], None, raw_bytes(2));
    let records = BlockReader::open(&good).unwrap().records(false).unwrap();
    assert!(records[0].has_tag("a") && records[1].has_tag("b"));
}

#[test]
fn a_block_that_claims_too_much_or_has_bytes_behind_it_is_refused() {
    let slots = || [Crafted::dictionary(&[b"\x01a"], [0, 0])];
    let good = block(1, &slots(), None, raw_bytes(2));
    assert_eq!(BlockReader::claims(&good).unwrap(), (2, raw_bytes(2) as usize));
    let longer = [&good[..], &[0]].concat();
    assert_eq!(BlockReader::open(&longer).unwrap_err().kind(), ErrorKind::Corrupt);
    for wrong in [raw_bytes(2) - 1, raw_bytes(2) + 1] {
        let block = block(1, &slots(), None, wrong);
        assert!(BlockReader::open(&block).unwrap().records(false).is_err(), "{wrong}");
    }
    let beyond = block(1, &slots(), None, 1 << 30);
    assert_eq!(BlockReader::claims(&beyond).unwrap_err().kind(), ErrorKind::LimitExceeded);
    assert_eq!(BlockReader::open(&beyond).unwrap_err().kind(), ErrorKind::LimitExceeded);
}

#[test]
fn shapes_that_would_take_more_memory_than_their_block_are_refused() {
    let narrow = Number::default();
    let bomb = |shapes: u64, slots: u8, entries: u64| {
        let mut head = Vec::new();
        put_varint(&mut head, 1);
        put_varint(&mut head, 100);
        (0..4).for_each(|_| narrow.encode(&mut head));
        head.extend_from_slice(&[1, 0, 0, 0]);
        put_counted(&mut head, &[1, b'a', 0]);
        put_varint(&mut head, shapes);
        for _ in 0..shapes {
            head.push(slots);
            for _ in 0..slots {
                put_counted(&mut head, &[]);
                narrow.encode(&mut head);
                head.push(DICTIONARY);
                put_varint(&mut head, entries);
                put_varint(&mut head, 0);
            }
            put_counted(&mut head, &[0xf6]);
        }
        head.extend_from_slice(&[0; 4]);
        head.extend_from_slice(&crc32c::crc32c(&[]).to_le_bytes());
        [&(head.len() as u32).to_le_bytes()[..], &head].concat()
    };
    let refused = |block: &[u8]| BlockReader::open(block).unwrap_err().message().to_owned();
    assert_eq!(refused(&bomb(1, 1, 1024)), "a dictionary has more entries than bytes");
    assert_eq!(refused(&bomb(1, 1, 2)), "a dictionary has more entries than bytes");
    let slots = refused(&bomb(1024, 9, 1));
    assert_eq!(slots, "a block has more slots than its events can use");
    BlockReader::open(&bomb(128, 64, 1)).unwrap();
}
