//! Scalars as they stand in a header or in a payload, written quickly.
//!
//! Rule: the forms are those of `cbor::Writer` and of a record's header, to the byte. No I/O.

use crate::error::Result;
use crate::event::cbor::f64_to_half;
use crate::event::codec::{bad, put_varint};

/// Whose rules a text follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Domain {
    /// Of a header: a varint length goes before it.
    Header,
    /// Of a payload: a CBOR head goes before it.
    Payload,
}

/// Appends the head of a text of `length` bytes.
#[inline]
pub(super) fn put_text_head(out: &mut Vec<u8>, domain: Domain, length: usize) {
    match domain {
        Domain::Header => put_varint(out, length as u64),
        Domain::Payload => put_cbor_head(out, 3, length as u64),
    }
}

#[inline]
fn put_cbor_head(out: &mut Vec<u8>, major: u8, argument: u64) {
    let major = major << 5;
    match argument {
        0..24 => out.push(major | argument as u8),
        24..0x100 => out.extend_from_slice(&[major | 24, argument as u8]),
        0x100..0x1_0000 => {
            out.push(major | 25);
            out.extend_from_slice(&(argument as u16).to_be_bytes());
        }
        0x1_0000..0x1_0000_0000 => {
            out.push(major | 26);
            out.extend_from_slice(&(argument as u32).to_be_bytes());
        }
        _ => {
            out.push(major | 27);
            out.extend_from_slice(&argument.to_be_bytes());
        }
    }
}

/// Appends a CBOR integer.
#[inline]
pub(super) fn put_integer(out: &mut Vec<u8>, value: i64) {
    let (major, argument) = if value < 0 { (1, !value as u64) } else { (0, value as u64) };
    put_cbor_head(out, major, argument);
}

/// Appends a CBOR float in its shortest form.
///
/// # Errors
/// `corrupt`: it is not finite.
#[inline]
pub(super) fn put_float(out: &mut Vec<u8>, value: f64) -> Result<()> {
    let narrow = value as f32;
    if f64::from(narrow) != value {
        if !value.is_finite() {
            return Err(bad("a column has a float that is not finite"));
        }
        out.push(0xfb);
        out.extend_from_slice(&value.to_be_bytes());
        return Ok(());
    }
    match f64_to_half(value) {
        Some(half) => {
            out.push(0xf9);
            out.extend_from_slice(&half.to_be_bytes());
        }
        None if value.is_finite() => {
            out.push(0xfa);
            out.extend_from_slice(&narrow.to_be_bytes());
        }
        None => return Err(bad("a column has a float that is not finite")),
    }
    Ok(())
}

/// Two digits for each number below 100.
const PAIRS: [[u8; 2]; 100] = {
    let mut pairs = [[0; 2]; 100];
    let mut number = 0;
    while number < 100 {
        pairs[number] = [b'0' + (number / 10) as u8, b'0' + (number % 10) as u8];
        number += 1;
    }
    pairs
};

/// The digits of `value`, with zeros in front up to `pad` of them.
#[inline]
pub(super) fn put_digits(buffer: &mut [u8; 20], mut value: u64, pad: u8) -> &[u8] {
    *buffer = [b'0'; 20];
    let mut start = buffer.len();
    while value >= 10 {
        start -= 2;
        buffer[start..start + 2].copy_from_slice(&PAIRS[(value % 100) as usize]);
        value /= 100;
    }
    if value > 0 {
        start -= 1;
        buffer[start] = b'0' + value as u8;
    }
    start = start.min(buffer.len() - usize::from(pad.max(1)));
    &buffer[start..]
}

/// The number that `put_digits` writes as these bytes, if there is one.
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
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn integers_and_floats_are_written_as_payloads_have_them(integer: i64, bits: u64) {
            let mut out = Vec::new();
            put_integer(&mut out, integer);
            let value = Value::Integer(Integer::new(integer.into()).unwrap());
            prop_assert_eq!(out, value.encode().unwrap());
            let narrow = f64::from(f32::from_bits(bits as u32));
            for float in [f64::from_bits(bits), narrow, integer as f64] {
                let mut out = Vec::new();
                match Value::Float(float).encode() {
                    Ok(encoded) => {
                        put_float(&mut out, float).unwrap();
                        prop_assert_eq!(out, encoded);
                    }
                    Err(_) => prop_assert!(put_float(&mut out, float).is_err()),
                }
            }
        }

        #[test]
        fn texts_have_the_head_that_payloads_have(length in 0usize..70_000) {
            let mut out = Vec::new();
            put_text_head(&mut out, Domain::Payload, length);
            out.resize(out.len() + length, b'x');
            let text = "x".repeat(length);
            prop_assert_eq!(out, Value::from(text.as_str()).encode().unwrap());
        }

        #[test]
        fn digits_and_numbers_belong_together(
            value in 0u64..1_000_000_000_000_000_000,
            pad in 0u8..=18,
        ) {
            let mut buffer = [0; 20];
            let digits = put_digits(&mut buffer, value, pad).to_vec();
            prop_assert_eq!(number_of(&digits, pad), Some(value as i64));
        }
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
