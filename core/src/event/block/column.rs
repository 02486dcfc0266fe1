//! Finds the shortest coding for the values of one slot.
//!
//! Not here: reading them back (`shape`). No I/O. Rule: what is chosen gives each value back to the
//! byte; whatever fits nothing else goes on the heap.

use super::bits;
use super::number::Number;
use super::shape::{
    DECIMAL, DECIMALS_MAX, DICTIONARY, DIGITS, DIGITS_MAX, FLOAT, HEAP, INTEGER, decimal,
};
use super::text::{Domain, number_of};
use crate::event::cbor::half_to_f64;
use crate::event::codec::{put_counted, put_varint};

/// The values of one slot, coded.
#[derive(Debug)]
pub(super) struct Column {
    /// As it stands in the shape.
    pub(super) slot: Vec<u8>,
    pub(super) width: u32,
    /// What is packed for each value.
    pub(super) packed: Vec<u64>,
    pub(super) is_heap: bool,
}

/// A value and the position of its event in the block.
pub(super) type Valued<'a> = (u32, &'a [u8]);

impl Column {
    /// The shortest coding of the values.
    pub(super) fn of(domain: Domain, values: &[Valued<'_>]) -> Column {
        let mut best = Column::heap(values);
        let mut cost = best.bits() + 8 * values.iter().map(|(_, value)| value.len()).sum::<usize>();
        let numbers = Column::integers(domain, values)
            .or_else(|| Column::floats(domain, values))
            .or_else(|| Column::digits(domain, values));
        for column in [numbers, Column::dictionary(values)].into_iter().flatten() {
            if column.bits() < cost {
                cost = column.bits();
                best = column;
            }
        }
        best
    }

    fn bits(&self) -> usize {
        8 * self.slot.len() + self.packed.len() * self.width as usize
    }

    fn numbers(points: &[(u32, i64)], coding: u8) -> Column {
        let number = Number::fit(points);
        let packed = points.iter().map(|(position, value)| number.pack(*position, *value));
        let mut column = Column {
            slot: Vec::new(),
            width: number.width,
            packed: packed.collect(),
            is_heap: false,
        };
        number.encode(&mut column.slot);
        column.slot.push(coding);
        column
    }

    fn heap(values: &[Valued<'_>]) -> Column {
        let lengths: Vec<(u32, i64)> =
            values.iter().map(|(position, value)| (*position, value.len() as i64)).collect();
        Column { is_heap: true, ..Column::numbers(&lengths, HEAP) }
    }

    fn integers(domain: Domain, values: &[Valued<'_>]) -> Option<Column> {
        let points = points(domain, values, integer_of)?;
        Some(Column::numbers(&points, INTEGER))
    }

    fn floats(domain: Domain, values: &[Valued<'_>]) -> Option<Column> {
        let points = points(domain, values, |value| Some(float_of(value)?.to_bits() as i64))?;
        for places in 0..=DECIMALS_MAX {
            let parts: Option<Vec<(u32, i64)>> = points
                .iter()
                .map(|(position, bits)| {
                    Some((*position, parts_of(f64::from_bits(*bits as u64), places)?))
                })
                .collect();
            if let Some(parts) = parts {
                let mut column = Column::numbers(&parts, DECIMAL);
                column.slot.push(places);
                return Some(column);
            }
        }
        Some(Column::numbers(&points, FLOAT))
    }

    fn digits(domain: Domain, values: &[Valued<'_>]) -> Option<Column> {
        let texts: Option<Vec<&[u8]>> =
            values.iter().map(|(_, value)| text_of(domain, value)).collect();
        let texts = texts?;
        let (prefix, suffix) = frame_of_digits(&texts)?;
        let inner = |text: &'_ [u8]| prefix..text.len() - suffix;
        let pad = texts.iter().map(|text| text.len() - suffix - prefix).min()?;
        let pad = u8::try_from(pad).ok().filter(|pad| (1..=DIGITS_MAX).contains(pad))?;
        let points: Option<Vec<(u32, i64)>> = texts
            .iter()
            .zip(values)
            .map(|(text, (position, _))| Some((*position, number_of(&text[inner(text)], pad)?)))
            .collect();
        let mut column = Column::numbers(&points?, DIGITS);
        let first = texts[0];
        put_counted(&mut column.slot, &first[..prefix]);
        put_counted(&mut column.slot, &first[first.len() - suffix..]);
        column.slot.push(pad);
        Some(column)
    }

    /// Nothing when most values are different.
    fn dictionary(values: &[Valued<'_>]) -> Option<Column> {
        let mut order: Vec<u64> = values
            .iter()
            .zip(0u64..)
            .map(|((_, value), row)| u64::from(crc32c::crc32c(value)) << 32 | row)
            .collect();
        order.sort_unstable();
        let mut packed = vec![0; values.len()];
        let (mut starts, mut entries) = (vec![0u64], Vec::new());
        let mut last: Option<(u64, &[u8])> = None;
        for item in order {
            let (hash, row) = (item >> 32, (item & u64::from(u32::MAX)) as usize);
            let value = values[row].1;
            match last {
                Some((other, text)) if other == hash && text == value => {}
                // Two texts of one hash could stand in turns, each many times, and a search finds
                // an entry once. So unlikely that the heap will do.
                Some((other, _)) if other == hash => return None,
                _ => {
                    entries.extend_from_slice(value);
                    starts.push(entries.len() as u64);
                    last = Some((hash, value));
                    if starts.len() > 8 + values.len() * 3 / 4 {
                        return None;
                    }
                }
            }
            packed[row] = starts.len() as u64 - 2;
        }
        let count = starts.len() - 1;
        let number = Number::up_to(count as u64 - 1);
        let mut slot = Vec::with_capacity(16 + entries.len() + 2 * count);
        number.encode(&mut slot);
        slot.push(DICTIONARY);
        put_varint(&mut slot, count as u64);
        put_varint(&mut slot, entries.len() as u64);
        bits::put(&mut slot, bits::width_of(entries.len() as u64), starts.into_iter());
        slot.extend_from_slice(&entries);
        Some(Column { slot, width: number.width, packed, is_heap: false })
    }
}

/// The number of each value; nothing when one has none, or the values are not of a payload.
fn points(
    domain: Domain,
    values: &[Valued<'_>],
    number: impl Fn(&[u8]) -> Option<i64>,
) -> Option<Vec<(u32, i64)>> {
    if domain == Domain::Header {
        return None;
    }
    values.iter().map(|(position, value)| Some((*position, number(value)?))).collect()
}

/// Bytes that all texts have before and behind a run of digits.
fn frame_of_digits(texts: &[&[u8]]) -> Option<(usize, usize)> {
    let first = *texts.first()?;
    let mut prefix = first.len();
    for text in texts {
        let common = first[..prefix].iter().zip(*text).take_while(|(one, other)| one == other);
        prefix = common.count();
    }
    prefix -= first[..prefix].iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    let mut suffix = first.len() - prefix;
    for text in texts {
        let (one, other) = (first[prefix..].iter().rev(), text[prefix..].iter().rev());
        suffix = suffix.min(one.zip(other).take_while(|(one, other)| one == other).count());
    }
    let end = &first[first.len() - suffix..];
    suffix -= end.iter().take_while(|byte| byte.is_ascii_digit()).count();
    Some((prefix, suffix))
}

/// The text that is the whole value; what is kept whole may only begin like one.
fn text_of(domain: Domain, value: &[u8]) -> Option<&[u8]> {
    let (length, text) = match (domain, value) {
        (Domain::Header, [length @ 0..0x80, text @ ..]) => (usize::from(*length), text),
        (Domain::Header, [low, 1, text @ ..]) => (usize::from(*low), text),
        (Domain::Payload, [head @ 0x60..0x78, text @ ..]) => (usize::from(head - 0x60), text),
        (Domain::Payload, [0x78, length, text @ ..]) => (usize::from(*length), text),
        _ => return None,
    };
    (text.len() == length).then_some(text)
}

fn integer_of(value: &[u8]) -> Option<i64> {
    let (head, rest) = value.split_first()?;
    let argument = match (head & 31, rest.len()) {
        (short @ 0..24, 0) => u64::from(short),
        (24, 1) | (25, 2) | (26, 4) | (27, 8) => {
            rest.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
        }
        _ => return None,
    };
    let argument = i64::try_from(argument).ok()?;
    match head >> 5 {
        0 => Some(argument),
        1 => Some(!argument),
        _ => None,
    }
}

fn float_of(value: &[u8]) -> Option<f64> {
    match value {
        [0xf9, bits @ ..] => Some(half_to_f64(u16::from_be_bytes(bits.try_into().ok()?))),
        [0xfa, bits @ ..] => Some(f64::from(f32::from_be_bytes(bits.try_into().ok()?))),
        [0xfb, bits @ ..] => Some(f64::from_be_bytes(bits.try_into().ok()?)),
        _ => None,
    }
}

/// How many tenths, hundredths … the float is, if that gives it back to the bit.
fn parts_of(value: f64, places: u8) -> Option<i64> {
    let parts = (value * 10f64.powi(i32::from(places))).round();
    if parts.abs() > 9_007_199_254_740_992.0 {
        return None;
    }
    let parts = parts as i64;
    (decimal(parts, places).to_bits() == value.to_bits()).then_some(parts)
}
