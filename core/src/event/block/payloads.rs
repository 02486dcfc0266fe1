//! Whether all payloads of a block are in their one form, asked once for each shape.
//!
//! A payload is literals and slots in turns. If the literals are deterministic CBOR with any scalar
//! in each slot, and each slot only ever holds one scalar, then so is every payload.
//! Rule: "no" costs a look at each payload, a wrong "yes" would let in what nobody may publish; so
//! whatever is not plain is "no". No I/O.

use super::frame::Frame;
use super::reader::BlockReader;
use super::shape::{Coding, Shape, Slot};
use crate::event::cbor;
use crate::event::limits::{BLOCK_BYTES_SEAL, RECORD_BYTES_MAX};
use std::cell::Cell;

/// Stands in each slot: the integer 0.
const ANY_SCALAR: u8 = 0;
/// Most bytes of entries that are looked at; a block of ours has fewer.
const ENTRIES_BYTES_MAX: usize = BLOCK_BYTES_SEAL + RECORD_BYTES_MAX;

impl BlockReader<'_> {
    /// True when every payload is one value in its deterministic form, but for what is on the heap.
    pub(super) fn are_payloads_sound(&self) -> bool {
        // Entries of a dictionary may lie over each other: without a bound they would hang us.
        let mut bytes_left = ENTRIES_BYTES_MAX;
        self.payloads.iter().all(|shape| {
            let mut slots = shape.parts.iter();
            is_outline_sound(shape) && slots.all(|(_, slot)| is_slot_sound(slot, &mut bytes_left))
        })
    }

    /// The same for what the frame has on the heap.
    pub(super) fn are_payloads_on_heap_sound(&self, frame: &Frame<'_>) -> bool {
        self.payloads.iter().enumerate().all(|(id, shape)| {
            let first = frame.shape_starts[self.headers.len() + id] as usize;
            let rows = frame.payloads.rows(id, frame.count).count_ones() as usize;
            shape.parts.iter().enumerate().all(|(index, (_, slot))| {
                let mut ranks = 0..rows;
                !slot.is_heap() || ranks.all(|rank| is_scalar(frame.on_heap(first + index, rank)))
            })
        })
    }
}

fn is_outline_sound(shape: &Shape<'_>) -> bool {
    let (mut sample, mut places) = (Vec::new(), Vec::with_capacity(shape.parts.len()));
    for (literal, _) in &shape.parts {
        sample.extend_from_slice(literal);
        places.push(sample.len());
        sample.push(ANY_SCALAR);
    }
    sample.extend_from_slice(shape.tail);
    cbor::check_with_items_at(&sample, &places).is_ok()
}

fn is_slot_sound(slot: &Slot<'_>, bytes_left: &mut usize) -> bool {
    match &slot.coding {
        Coding::Dictionary(dictionary) => {
            let left = Cell::new(*bytes_left);
            let is_unsound = |entry: &[u8]| {
                let is_within = left.get() >= entry.len();
                left.set(left.get().saturating_sub(entry.len()));
                !is_within || !is_scalar(entry)
            };
            let unsound = dictionary.position(is_unsound);
            *bytes_left = left.get();
            matches!(unsound, Ok(None))
        }
        // The digits between them are ASCII.
        Coding::Digits(digits) => {
            [digits.prefix, digits.suffix].iter().all(|text| std::str::from_utf8(text).is_ok())
        }
        // Written in their one form, or refused.
        Coding::Integer | Coding::Float | Coding::Decimal(_) => true,
        // Looked at frame by frame.
        Coding::Heap => true,
    }
}

/// True for one value that holds no others.
fn is_scalar(bytes: &[u8]) -> bool {
    let is_container = bytes.first().is_some_and(|head| matches!(head >> 5, 4 | 5));
    !is_container && cbor::check(bytes).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::block;
    use crate::event::cbor::Value;
    use crate::event::tests::record;

    /// The block of events with such payloads.
    fn block_of(payload: impl Fn(u64) -> Value) -> Vec<u8> {
        let records: Vec<_> =
            (1..=200).map(|lamport| record(lamport, &[], payload(lamport))).collect();
        block::encode(&records)
    }

    fn chance(number: u64) -> [u8; 32] {
        *blake3::hash(&number.to_le_bytes()).as_bytes()
    }

    fn is_sound(block: &[u8]) -> bool {
        let reader = BlockReader::open(block).unwrap();
        let mut frame = Frame::default();
        reader.are_payloads_sound()
            && (0..reader.frame_count()).all(|index| {
                reader.load(index, &mut frame).unwrap();
                reader.are_payloads_on_heap_sound(&frame)
            })
    }

    #[test]
    fn usual_payloads_are_told_sound_by_their_shapes() {
        let noise = |number: u64| Value::Bytes(chance(number)[..19].to_vec());
        assert!(is_sound(&block_of(|number| Value::map([
            ("kind", Value::from(["grain", "flour"][number as usize % 2])),
            ("order", Value::Text(format!("order-{number:05}"))),
            ("weight", Value::Float(number as f64 / 4.0)),
            ("parts", Value::Array(vec![Value::from(number), Value::Null])),
            ("noise", noise(number)),
        ]))));
        assert!(is_sound(&block_of(Value::from)));
        // Kept whole, so not told by its shape.
        assert!(!is_sound(&block_of(|number| {
            Value::Array((0..=number % 90).map(Value::from).collect())
        })));
    }

    #[test]
    fn what_a_changed_head_makes_of_payloads_is_one_value_each_or_refused() {
        let texts = ["grain", "flour", "bran ä"];
        let block = block_of(|number| {
            Value::map([
                ("a", Value::from(texts[number as usize % 3])),
                ("b", Value::Text(format!("ä-{number:03}"))),
                ("c", Value::Float(number as f64 / 10.0)),
                ("d", Value::Bytes(chance(number)[..5].to_vec())),
            ])
        });
        let head = BlockReader::head_bytes(&block).unwrap().len();
        let mut taken = 0;
        for bit in 32..head * 8 {
            let mut flipped = block.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let read = BlockReader::open(&flipped).and_then(|reader| reader.records(false));
            for record in read.iter().flatten() {
                cbor::check(record.payload_bytes())
                    .unwrap_or_else(|error| panic!("{bit}: {error}"));
            }
            taken += usize::from(read.is_ok());
        }
        assert!(taken > 50, "{taken} of {} are other events, with payloads", head * 8);
    }

    #[test]
    fn entries_that_lie_over_each_other_cost_no_more_than_a_block() {
        use super::super::bits;
        use super::super::shape::DICTIONARY;
        use crate::event::codec::{Reader, put_counted, put_varint};
        let text = cbor::Value::Text("x".repeat(900_000)).encode().unwrap();
        let mut bytes = vec![1];
        put_counted(&mut bytes, &[]);
        bytes.extend_from_slice(&[0, 0, 10, DICTIONARY]);
        put_varint(&mut bytes, 1023);
        put_varint(&mut bytes, text.len() as u64);
        let starts = (0..1024u64).map(|index| index % 2 * text.len() as u64);
        bits::put(&mut bytes, bits::width_of(text.len() as u64), starts);
        bytes.extend_from_slice(&text);
        put_counted(&mut bytes, &[]);
        let shape = Shape::read(&mut Reader::new(&bytes)).unwrap();
        let mut left = ENTRIES_BYTES_MAX;
        assert!(!is_slot_sound(&shape.parts[0].1, &mut left));
    }

    #[test]
    fn a_slot_that_is_a_key_or_part_of_an_item_is_not_sound() {
        for (sample, places) in [
            // A key, and a part of a text.
            (&[0xa1, 0x00, 0x01][..], &[1][..]),
            (&[0x62, b'a', 0x00], &[2]),
            // The argument of an integer, and behind the value.
            (&[0x18, 0x00], &[1]),
            (&[0x01, 0x00], &[1]),
            // Two of three places.
            (&[0x82, 0x00, 0x00], &[1, 3]),
        ] {
            assert!(cbor::check_with_items_at(sample, places).is_err(), "{sample:?}");
        }
        let map = [0xa2, 0x61, b'a', 0x00, 0x61, b'b', 0x82, 0x00, 0x05];
        cbor::check_with_items_at(&map, &[3, 7]).unwrap();
        cbor::check_with_items_at(&[0], &[0]).unwrap();
    }
}
