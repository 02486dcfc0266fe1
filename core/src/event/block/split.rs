//! Where a header and a payload differ from others like them: their tags, and their scalars.
//!
//! The rest is their outline. Things with equal outlines have one shape.
//! Rule: the outline and the slots' bytes together are the whole; any bytes may come in. No I/O.

use super::shape::SLOTS_MAX;
use crate::event::codec::Reader;
use crate::event::limits::{APP_ID_BYTES_MAX, NESTING_MAX, TAG_BYTES_MAX};
use std::ops::Range;

/// Longest outline; what has a longer one is kept whole.
const OUTLINE_BYTES_MAX: usize = 4096;
/// Stands in an outline where a slot is; no item of a payload and no text begins with it.
const SLOT: u8 = 0xff;

/// An outline and the places of its slots.
#[derive(Debug, Default)]
pub(super) struct Split {
    pub(super) outline: Vec<u8>,
    pub(super) slots: Vec<Range<usize>>,
}

impl Split {
    /// Of all bytes together: one slot.
    pub(super) fn whole(&mut self, bytes: &[u8]) {
        self.outline.clear();
        self.slots.clear();
        self.outline.push(SLOT);
        self.slots.push(0..bytes.len());
    }

    /// Of a header from its app id on: each tag is a slot. Tags that begin alike up to their first
    /// colon have the same place in the outline. False: it cannot be split.
    pub(super) fn header(&mut self, fields: &[u8]) -> bool {
        self.outline.clear();
        self.slots.clear();
        self.tags(fields).is_some() && self.fits()
    }

    fn tags(&mut self, fields: &[u8]) -> Option<()> {
        let mut reader = Reader::new(fields);
        reader.counted(APP_ID_BYTES_MAX, "an app id").ok()?;
        let count = reader.varint().ok()?;
        let place = |reader: &Reader<'_>| fields.len() - reader.rest().len();
        self.outline.extend_from_slice(&fields[..place(&reader)]);
        for _ in 0..count {
            let start = place(&reader);
            let tag = reader.counted(TAG_BYTES_MAX, "a tag").ok()?;
            self.slots.push(start..place(&reader));
            let name = tag.iter().position(|byte| *byte == b':').map_or(0, |colon| colon + 1);
            self.outline.extend_from_slice(&tag[..name]);
            self.outline.push(SLOT);
        }
        reader.is_empty().then_some(())
    }

    /// Of a payload: each scalar is a slot, each key and each head of a map or an array is not.
    /// False: it cannot be split.
    pub(super) fn payload(&mut self, payload: &[u8]) -> bool {
        self.outline.clear();
        self.slots.clear();
        self.scalars(payload).is_some() && self.fits()
    }

    fn scalars(&mut self, payload: &[u8]) -> Option<()> {
        // Items that are still to come, innermost last; of a map also its keys.
        let mut open: Vec<(u64, bool)> = Vec::with_capacity(4);
        let (mut at, mut literal) = (0, 0);
        loop {
            let item = Item::at(payload, at)?;
            let is_key = open.last().is_some_and(|(left, is_map)| *is_map && left % 2 == 0);
            match item.major {
                4 | 5 if !is_key => {
                    let is_map = item.major == 5;
                    at = item.start;
                    open.push((item.argument.checked_mul(1 + u64::from(is_map))?, is_map));
                    if open.len() > NESTING_MAX {
                        return None;
                    }
                }
                _ => {
                    if !is_key {
                        self.outline.extend_from_slice(&payload[literal..at]);
                        self.outline.push(SLOT);
                        self.slots.push(at..item.end);
                        literal = item.end;
                        if self.slots.len() > SLOTS_MAX {
                            return None;
                        }
                    }
                    at = item.end;
                    if let Some((left, _)) = open.last_mut() {
                        *left -= 1;
                    }
                }
            }
            while open.last().is_some_and(|(left, _)| *left == 0) {
                open.pop();
                if let Some((left, _)) = open.last_mut() {
                    *left -= 1;
                }
            }
            if open.is_empty() {
                break;
            }
        }
        self.outline.extend_from_slice(&payload[literal..at]);
        (at == payload.len()).then_some(())
    }

    fn fits(&self) -> bool {
        self.slots.len() <= SLOTS_MAX && self.outline.len() <= OUTLINE_BYTES_MAX
    }
}

/// One CBOR item, as far as its length goes.
struct Item {
    major: u8,
    argument: u64,
    /// Behind the head.
    start: usize,
    /// Behind the item, if it is a scalar.
    end: usize,
}

impl Item {
    fn at(payload: &[u8], at: usize) -> Option<Item> {
        let head = *payload.get(at)?;
        let (major, short) = (head >> 5, head & 31);
        let follow = |count: usize| payload.get(at + 1..at + 1 + count);
        let (argument, bytes) = match short {
            0..24 => (u64::from(short), 0),
            24 => (u64::from(*follow(1)?.first()?), 1),
            25 => (u64::from(u16::from_be_bytes(follow(2)?.try_into().ok()?)), 2),
            26 => (u64::from(u32::from_be_bytes(follow(4)?.try_into().ok()?)), 4),
            27 => (u64::from_be_bytes(follow(8)?.try_into().ok()?), 8),
            _ => return None,
        };
        let start = at + 1 + bytes;
        let end = match major {
            2 | 3 => start.checked_add(usize::try_from(argument).ok()?)?,
            6 => return None,
            _ => start,
        };
        (end <= payload.len()).then_some(Item { major, argument, start, end })
    }
}
