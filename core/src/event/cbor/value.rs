//! A payload as a tree, for Rust callers and for tests. Shells build their own objects instead.

use super::{Item, Reader, Writer};
use crate::error::{Error, ErrorKind, Result};
use std::collections::BTreeMap;

/// A whole number from −2^63 to 2^64 − 1: what a signed or an unsigned 64-bit integer can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Integer(i128);

impl Integer {
    /// The number, if it is in range.
    ///
    /// # Errors
    /// `limit_exceeded`: it is below −2^63 or above 2^64 − 1.
    pub fn new(value: i128) -> Result<Integer> {
        if (i128::from(i64::MIN)..=i128::from(u64::MAX)).contains(&value) {
            return Ok(Integer(value));
        }
        let message = format!("payload: the integer {value} does not fit 64 bits");
        Err(Error::new(ErrorKind::LimitExceeded, message))
    }

    /// The number.
    pub const fn value(self) -> i128 {
        self.0
    }
}

impl From<i64> for Integer {
    fn from(value: i64) -> Integer {
        Integer(value.into())
    }
}

impl From<u64> for Integer {
    fn from(value: u64) -> Integer {
        Integer(value.into())
    }
}

/// One CBOR value of the subset that payloads use.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// No value.
    Null,
    /// A truth value.
    Bool(bool),
    /// A whole number of 64 bits.
    Integer(Integer),
    /// A finite float.
    Float(f64),
    /// Text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// Values in order.
    Array(Vec<Value>),
    /// Values by key.
    Map(BTreeMap<String, Value>),
}

impl Value {
    /// Builds a map from pairs; of equal keys the last one stays.
    pub fn map<K: Into<String>>(pairs: impl IntoIterator<Item = (K, Value)>) -> Value {
        Value::Map(pairs.into_iter().map(|(key, value)| (key.into(), value)).collect())
    }

    /// Writes this value with `writer`.
    ///
    /// # Errors
    /// As the methods of [`Writer`].
    pub fn write(&self, writer: &mut Writer) -> Result<()> {
        match self {
            Value::Null => writer.null(),
            Value::Bool(value) => writer.bool(*value),
            Value::Integer(value) => writer.integer(*value),
            Value::Float(value) => writer.float(*value),
            Value::Text(value) => writer.text(value),
            Value::Bytes(value) => writer.bytes(value),
            Value::Array(values) => {
                writer.begin_array()?;
                values.iter().try_for_each(|value| value.write(writer))?;
                writer.end_array()
            }
            Value::Map(pairs) => {
                writer.begin_map()?;
                for (key, value) in pairs {
                    writer.key(key)?;
                    value.write(writer)?;
                }
                writer.end_map()
            }
        }
    }

    /// The deterministic encoding.
    ///
    /// # Errors
    /// `limit_exceeded`: too large or nested too deep; `invalid_argument`: a float is not finite.
    pub fn encode(&self) -> Result<Vec<u8>> {
        let mut writer = Writer::new();
        self.write(&mut writer)?;
        writer.finish()
    }

    /// The value that `bytes` encode. The tree takes up to some hundred times as much memory.
    ///
    /// # Errors
    /// As [`Reader::next_item`].
    pub fn decode(bytes: &[u8]) -> Result<Value> {
        let mut reader = Reader::new(bytes);
        let first = reader.next_item()?.ok_or_else(incomplete)?;
        let value = Value::read(first, &mut reader)?;
        match reader.next_item()? {
            None => Ok(value),
            Some(_) => Err(incomplete()),
        }
    }

    /// Recursion is bounded: the reader refuses nesting beyond `NESTING_MAX`.
    fn read(item: Item<'_>, reader: &mut Reader<'_>) -> Result<Value> {
        Ok(match item {
            Item::Null => Value::Null,
            Item::Bool(value) => Value::Bool(value),
            Item::Integer(value) => Value::Integer(value),
            Item::Float(value) => Value::Float(value),
            Item::Text(value) => Value::Text(value.to_owned()),
            Item::Bytes(value) => Value::Bytes(value.to_vec()),
            Item::Array(count) => {
                let mut values = Vec::with_capacity(count);
                for _ in 0..count {
                    let item = reader.next_item()?.ok_or_else(incomplete)?;
                    values.push(Value::read(item, reader)?);
                }
                Value::Array(values)
            }
            Item::Map(count) => {
                let mut pairs = BTreeMap::new();
                for _ in 0..count {
                    let Some(Item::Text(key)) = reader.next_item()? else {
                        return Err(incomplete());
                    };
                    let item = reader.next_item()?.ok_or_else(incomplete)?;
                    pairs.insert(key.to_owned(), Value::read(item, reader)?);
                }
                Value::Map(pairs)
            }
        })
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Value {
        Value::Bool(value)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Value {
        Value::Integer(value.into())
    }
}

impl From<u64> for Value {
    fn from(value: u64) -> Value {
        Value::Integer(value.into())
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Value {
        Value::Float(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Value {
        Value::Text(value.to_owned())
    }
}

impl From<String> for Value {
    fn from(value: String) -> Value {
        Value::Text(value)
    }
}

fn incomplete() -> Error {
    Error::new(ErrorKind::InvalidArgument, "payload: the bytes are not one complete value")
}

#[cfg(test)]
mod tests {
    use super::super::check;
    use super::*;
    use crate::event::ids::hex;
    use crate::event::limits::NESTING_MAX;
    use proptest::prelude::*;

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<f32>().prop_map(|value| Value::Float(f64::from(value))),
            any::<f64>().prop_map(Value::from),
            ".{0,12}".prop_map(Value::from),
            prop::collection::vec(any::<u8>(), 0..30).prop_map(Value::Bytes),
        ];
        let finite = leaf.prop_filter("finite", |value| match value {
            Value::Float(float) => float.is_finite(),
            _ => true,
        });
        finite.prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::Array),
                prop::collection::btree_map(".{0,4}", inner, 0..6).prop_map(Value::Map),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_value_comes_back_from_its_one_encoding(value in any_value()) {
            let bytes = value.encode().unwrap();
            check(&bytes).unwrap();
            prop_assert_eq!(Value::decode(&bytes).unwrap(), value);
        }

        #[test]
        fn bytes_that_decode_are_the_encoding_of_what_they_decode_to(
            bytes in prop::collection::vec(any::<u8>(), 0..24),
        ) {
            match Value::decode(&bytes) {
                Ok(value) => prop_assert_eq!(value.encode().unwrap(), bytes),
                Err(_) => prop_assert!(check(&bytes).is_err()),
            }
        }
    }

    #[test]
    fn the_examples_of_the_standard_encode_as_printed_there() {
        let integer = |value: i128| Value::Integer(Integer::new(value).unwrap());
        for (value, expected) in [
            (integer(0), "00"),
            (integer(23), "17"),
            (integer(24), "1818"),
            (integer(1000), "1903e8"),
            (integer(i128::from(u64::MAX)), "1bffffffffffffffff"),
            (integer(-1), "20"),
            (integer(-1000), "3903e7"),
            (integer(i128::from(i64::MIN)), "3b7fffffffffffffff"),
            (Value::Float(0.0), "f90000"),
            (Value::Float(-0.0), "f98000"),
            (Value::Float(1.1), "fb3ff199999999999a"),
            (Value::Float(65504.0), "f97bff"),
            (Value::Float(100_000.0), "fa47c35000"),
            (Value::Float(5.960464477539063e-8), "f90001"),
            (Value::Float(0.00006103515625), "f90400"),
            (Value::from("\u{fc}"), "62c3bc"),
            (Value::Array(vec![integer(1), Value::Array(vec![integer(2)])]), "82018102"),
            (Value::map([("bb", integer(2)), ("a", integer(1))]), "a2616101626262 02"),
        ] {
            assert_eq!(hex(&value.encode().unwrap()), expected.replace(' ', ""), "{value:?}");
        }
    }

    #[test]
    fn a_map_may_be_written_in_any_order_but_no_key_twice() {
        let mut writer = Writer::new();
        writer.begin_map().unwrap();
        for key in ["ccc", "b", "aa"] {
            writer.key(key).unwrap();
            writer.text(key).unwrap();
        }
        writer.end_map().unwrap();
        let bytes = writer.finish().unwrap();
        check(&bytes).unwrap();
        assert_eq!(hex(&bytes[..4]), "a3616261");

        let mut writer = Writer::new();
        writer.begin_map().unwrap();
        for key in ["b", "a", "b"] {
            writer.key(key).unwrap();
            writer.null().unwrap();
        }
        assert_eq!(writer.end_map().unwrap_err().kind(), ErrorKind::InvalidArgument);
    }

    #[test]
    fn every_other_encoding_is_refused() {
        for (bytes, why) in [
            (&[0x18, 0x17][..], "a longer integer"),
            (&[0x3b, 0x80, 0, 0, 0, 0, 0, 0, 0], "an integer below -2^63"),
            (&[0xf9, 0x7c, 0x00], "infinity"),
            (&[0xf9, 0x7e, 0x00], "NaN"),
            (&[0xfa, 0x3f, 0x80, 0, 0], "1.0 in 32 bits"),
            (&[0xfb, 0x3f, 0xf0, 0, 0, 0, 0, 0, 0], "1.0 in 64 bits"),
            (&[0xf7], "undefined"),
            (&[0xc0, 0x00], "a CBOR tag"),
            (&[0x9f, 0xff], "an array of indefinite length"),
            (&[0xa1, 0x01, 0x02], "an integer key"),
            (&[0xa2, 0x61, b'b', 0, 0x61, b'a', 0], "keys out of order"),
            (&[0xa2, 0x61, b'a', 0, 0x61, b'a', 0], "a key twice"),
            (&[0x61, 0xff], "text that is not UTF-8"),
            (&[0x5b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], "a length of 2^64 - 1"),
            (&[0x9b, 0, 0, 0, 1, 0, 0, 0, 0], "an array of 2^32 in nine bytes"),
            (&[0x00, 0x00], "two values"),
            (&[], "nothing"),
        ] {
            let error = Value::decode(bytes).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{why}");
        }
    }

    #[test]
    fn nesting_ends_at_the_limit_when_writing_and_when_reading() {
        let nested =
            |depth: usize| (0..depth).fold(Value::Null, |inner, _| Value::Array(vec![inner]));
        let bytes = nested(NESTING_MAX).encode().unwrap();
        assert_eq!(Value::decode(&bytes).unwrap(), nested(NESTING_MAX));
        assert_eq!(nested(NESTING_MAX + 1).encode().unwrap_err().kind(), ErrorKind::LimitExceeded);
        let bomb = vec![0x81; 100_000];
        assert_eq!(Value::decode(&bomb).unwrap_err().kind(), ErrorKind::LimitExceeded);
    }

    #[test]
    fn arrays_within_arrays_cannot_claim_the_same_bytes_again() {
        let mut bytes = vec![0x98, 100, 0x98, 60];
        bytes.resize(4 + 120, 0xf6);
        let mut reader = Reader::new(&bytes);
        assert_eq!(reader.next_item().unwrap(), Some(Item::Array(100)));
        let error = reader.next_item().unwrap_err();
        assert!(error.message().contains("a length exceeds"), "{error}");
        assert!(reader.next_item().is_err(), "an error is the end");
    }

    #[test]
    fn numbers_around_two_to_the_53_keep_every_bit() {
        for value in [(1i64 << 53) - 1, 1 << 53, (1 << 53) + 1, i64::MAX, i64::MIN] {
            let bytes = Value::from(value).encode().unwrap();
            assert_eq!(Value::decode(&bytes).unwrap(), Value::from(value));
        }
    }
}
