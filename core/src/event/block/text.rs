//! Scalars as they stand in a header or in a payload, written quickly.
//!
//! Rule: the forms are those of `cbor::Writer` and of a record's header, to the byte. No I/O.

use crate::error::Result;
use crate::event::cbor::f64_to_half;
use crate::event::codec::bad;

/// Whose rules a text follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Domain {
    /// Of a header: a varint length goes before it.
    Header,
    /// Of a payload: a CBOR head goes before it.
    Payload,
}

/// One to nine bytes: a head, or any scalar but a text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Short {
    first: u8,
    /// The others, from the highest byte on.
    rest: u64,
    length: usize,
}

impl Short {
    /// Most bytes.
    pub(super) const ROOM: usize = 9;

    /// Number of bytes.
    #[inline]
    pub(super) fn len(self) -> usize {
        self.length
    }

    /// The bytes, and zeros behind them.
    #[inline]
    pub(super) fn write(self, out: &mut [u8; Short::ROOM]) {
        out[0] = self.first;
        out[1..].copy_from_slice(&self.rest.to_be_bytes());
    }

    #[inline]
    pub(super) fn put(self, out: &mut Vec<u8>) {
        out.push(self.first);
        let end = out.len() + self.length - 1;
        out.extend_from_slice(&self.rest.to_be_bytes());
        out.truncate(end);
    }
}

/// The head of a text of `length` bytes, less than 2^32.
#[inline]
pub(super) fn text_head(domain: Domain, length: usize) -> Short {
    match domain {
        Domain::Header => varint(length as u64),
        Domain::Payload => cbor_head(3, length as u64),
    }
}

/// A varint of a number below 2^63.
#[inline]
pub(super) fn varint(value: u64) -> Short {
    if value < 0x80 {
        return Short { first: value as u8, rest: 0, length: 1 };
    }
    let (mut rest, mut left, mut length) = (0, value >> 7, 1);
    while left > 0 {
        let more = if left >= 0x80 { 0x80 } else { 0 };
        rest |= (left & 0x7f | more) << (64 - 8 * length);
        left >>= 7;
        length += 1;
    }
    Short { first: value as u8 | 0x80, rest, length }
}

#[inline]
fn cbor_head(major: u8, argument: u64) -> Short {
    let major = major << 5;
    match argument {
        0..24 => Short { first: major | argument as u8, rest: 0, length: 1 },
        24..0x100 => Short { first: major | 24, rest: argument << 56, length: 2 },
        0x100..0x1_0000 => Short { first: major | 25, rest: argument << 48, length: 3 },
        0x1_0000..0x1_0000_0000 => Short { first: major | 26, rest: argument << 32, length: 5 },
        _ => Short { first: major | 27, rest: argument, length: 9 },
    }
}

/// A CBOR integer.
#[inline]
pub(super) fn integer(value: i64) -> Short {
    let (major, argument) = if value < 0 { (1, !value as u64) } else { (0, value as u64) };
    cbor_head(major, argument)
}

/// A CBOR float in its shortest form.
///
/// # Errors
/// `corrupt`: it is not finite.
#[inline]
pub(super) fn float(value: f64) -> Result<Short> {
    let narrow = value as f32;
    if f64::from(narrow) != value {
        if !value.is_finite() {
            return Err(bad("a column has a float that is not finite"));
        }
        return Ok(Short { first: 0xfb, rest: value.to_bits(), length: 9 });
    }
    match f64_to_half(value) {
        Some(half) => Ok(Short { first: 0xf9, rest: u64::from(half) << 48, length: 3 }),
        None if value.is_finite() => {
            Ok(Short { first: 0xfa, rest: u64::from(narrow.to_bits()) << 32, length: 5 })
        }
        None => Err(bad("a column has a float that is not finite")),
    }
}

/// Below this, eight digits are enough.
pub(super) const EIGHT_DIGITS: u64 = 100_000_000;

/// Eight digits of a number below [`EIGHT_DIGITS`], with zeros in front.
#[inline]
pub(super) fn eight_digits(value: u64) -> u64 {
    // Halves, then quarters, then digits: each step divides all parts at once. The digit in front
    // is the lowest byte.
    let halves = (value / 10_000) | ((value % 10_000) << 32);
    let hundreds = ((halves * 10_486) >> 20) & 0x7f_0000_007f;
    let quarters = hundreds | ((halves - 100 * hundreds) << 16);
    let tens = ((quarters * 103) >> 10) & 0x000f_000f_000f_000f;
    tens | ((quarters - 10 * tens) << 8) | EIGHT_ZEROS
}

/// Below this, four digits are enough.
pub(super) const FOUR_DIGITS: u64 = 10_000;

/// The same for a number below [`FOUR_DIGITS`]: the last four of eight digits, four zeros in front.
#[inline]
pub(super) fn four_digits(value: u64) -> u64 {
    let value = value as u32;
    let hundreds = (value * 5_243) >> 19;
    let halves = hundreds | ((value - 100 * hundreds) << 16);
    let tens = ((halves * 103) >> 10) & 0x000f_000f;
    (u64::from(tens | ((halves - 10 * tens) << 8)) << 32) | EIGHT_ZEROS
}

const EIGHT_ZEROS: u64 = 0x3030_3030_3030_3030;

/// How many of eight digits a number has, with zeros in front up to `pad` of them.
#[inline]
pub(super) fn count_of(eight: u64, pad: usize) -> usize {
    (8 - (eight ^ EIGHT_ZEROS).trailing_zeros() as usize / 8).max(pad)
}

/// The last `count` of eight digits, 1 to 8, and zeros behind them.
#[inline]
pub(super) fn last_of(eight: u64, count: usize) -> [u8; 8] {
    (eight >> (8 * (8 - count))).to_le_bytes()
}

/// Writes the digits of a number at `at`, with zeros in front up to `pad` of them, and returns
/// where they end. Needs [`DIGITS_ROOM`].
#[inline]
pub(super) fn write_digits(out: &mut [u8], at: usize, value: u64, pad: usize) -> usize {
    if value >= EIGHT_DIGITS {
        let at = write_digits(out, at, value / EIGHT_DIGITS, pad.saturating_sub(8));
        return write_digits(out, at, value % EIGHT_DIGITS, 8);
    }
    let zeros = pad.saturating_sub(8);
    out[at..at + zeros].fill(b'0');
    let eight = eight_digits(value);
    let count = count_of(eight, pad.clamp(1, 8));
    out[at + zeros..at + zeros + 8].copy_from_slice(&last_of(eight, count));
    at + zeros + count
}

/// Bytes that [`write_digits`] may touch.
pub(super) const DIGITS_ROOM: usize = 28;

/// How many digits a number has, with zeros in front up to `pad` of them.
#[inline]
pub(super) fn digits_of(value: u64, pad: u8) -> usize {
    usize::from(pad).max(1 + value.checked_ilog10().unwrap_or(0) as usize)
}

/// The number whose digits these are, if there is one.
pub(super) fn number_of(digits: &[u8], pad: u8) -> Option<i64> {
    let length = digits.len();
    let padded = length == usize::from(pad);
    let natural = length > usize::from(pad) && (length == 1 || digits.first() != Some(&b'0'));
    if length > usize::from(super::shape::DIGITS_MAX) || !(padded || natural) || length == 0 {
        return None;
    }
    digits.iter().try_fold(0i64, |value, digit| {
        digit.is_ascii_digit().then(|| value * 10 + i64::from(digit - b'0'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::cbor::{Integer, Value};
    use crate::event::codec::put_varint;
    use proptest::prelude::*;

    fn bytes_of(short: Short) -> Vec<u8> {
        let (mut room, mut put) = ([0xff; Short::ROOM], Vec::new());
        short.write(&mut room);
        short.put(&mut put);
        assert_eq!(room[..short.len()], put);
        put
    }

    proptest! {
        #[test]
        fn integers_and_floats_are_written_as_payloads_have_them(integer: i64, bits: u64) {
            let value = Value::Integer(Integer::new(integer.into()).unwrap());
            prop_assert_eq!(bytes_of(super::integer(integer)), value.encode().unwrap());
            let narrow = f64::from(f32::from_bits(bits as u32));
            for float in [f64::from_bits(bits), narrow, integer as f64] {
                match Value::Float(float).encode() {
                    Ok(encoded) => prop_assert_eq!(bytes_of(super::float(float).unwrap()), encoded),
                    Err(_) => prop_assert!(super::float(float).is_err()),
                }
            }
        }

        #[test]
        fn texts_have_the_heads_that_payloads_and_headers_have(length in 0usize..70_000) {
            let mut out = bytes_of(text_head(Domain::Payload, length));
            out.resize(out.len() + length, b'x');
            let text = "x".repeat(length);
            prop_assert_eq!(out, Value::from(text.as_str()).encode().unwrap());
            let mut varint = Vec::new();
            put_varint(&mut varint, length as u64);
            prop_assert_eq!(bytes_of(text_head(Domain::Header, length)), varint);
        }

        #[test]
        fn digits_and_numbers_belong_together(
            (value, by) in (0u64..1_000_000_000_000_000_000, 0u32..60),
            pad in 0u8..=18,
        ) {
            let value = value >> by;
            let mut room = [0; DIGITS_ROOM];
            let count = digits_of(value, pad);
            let end = write_digits(&mut room, 0, value, count);
            let expected = format!("{value:0width$}", width = usize::from(pad));
            prop_assert_eq!(str::from_utf8(&room[..end]).unwrap(), expected.as_str());
            prop_assert_eq!((count, number_of(&room[..end], pad)), (end, Some(value as i64)));
        }
    }

    #[test]
    fn four_digits_are_the_last_of_eight() {
        (0..FOUR_DIGITS).for_each(|value| assert_eq!(four_digits(value), eight_digits(value)));
    }

    #[test]
    fn digits_that_another_number_or_none_would_write_are_no_number() {
        for (digits, pad) in
            [("", 0), ("007", 0), ("00", 0), ("12", 3), ("0123", 3), ("1a", 0), ("-1", 0)]
        {
            assert_eq!(number_of(digits.as_bytes(), pad), None, "{digits:?} padded to {pad}");
        }
        assert_eq!(number_of(b"0", 0), Some(0));
        assert_eq!(number_of(b"007", 3), Some(7));
    }
}
