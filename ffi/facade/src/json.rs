//! Payloads as JSON text, both ways, without loss.
//!
//! Integers: a JSON number without `.` and `e` is an integer and must be within −2^63 … 2^64 − 1;
//! one with either is a float, and floats are always written with one of them.
//! Bytes: `{"$bytes":"<base64>"}`. A real map whose only key is `$bytes`, `$$bytes`, … is written
//! with one `$` more, which is taken off again when reading.

use crate::entry::{entry, guard};
use crate::errors::{FacadeError, Result};
use data_encoding::BASE64;
use millpond::event::cbor::{Integer, Item, Reader, Writer};
use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use std::cell::{Cell, RefCell};
use std::fmt;

const BYTES_KEY: &str = "$bytes";

/// JSON text as deterministic CBOR.
///
/// # Errors
/// `invalid_argument`: it is not JSON, or a key stands twice. `limit_exceeded`: an integer beyond
/// 64 bits, or too large or too deep.
pub fn to_cbor(text: &str) -> Result<Vec<u8>> {
    entry("json_to_cbor", 0, || Ok(write(text)?.finish()?))
}

/// A payload as JSON text, keys in the order of the payload.
///
/// # Errors
/// `invalid_argument`: the bytes are not a payload in its deterministic encoding.
pub fn from_cbor(payload: &[u8]) -> Result<String> {
    entry("json_from_cbor", 0, || read(payload))
}

/// As [`from_cbor`], also in a forked process: of what the caller holds, and no node is asked for.
pub(crate) fn text_of(payload: &[u8]) -> Result<String> {
    guard("json_from_cbor", 0, || read(payload))
}

/// A writer that holds what `text` says.
pub(crate) fn write(text: &str) -> Result<Writer> {
    let state = State {
        writer: RefCell::new(Writer::new()),
        refused: RefCell::new(None),
        is_huge: Cell::new(false),
    };
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let parsed = Seed(&state).deserialize(&mut deserializer).and_then(|()| deserializer.end());
    if let Some(error) = state.refused.into_inner() {
        return Err(error);
    }
    parsed.map_err(|error| FacadeError::invalid(format!("the payload is not JSON: {error}")))?;
    if state.is_huge.get() {
        check_integers(text)?;
    }
    Ok(state.writer.into_inner())
}

struct State {
    writer: RefCell<Writer>,
    /// What the writer refused; serde's own error would only keep its words.
    refused: RefCell<Option<FacadeError>>,
    /// A float was so large that it may have been an integer of more than 64 bits.
    is_huge: Cell<bool>,
}

impl State {
    fn put<E: de::Error>(
        &self,
        put: impl FnOnce(&mut Writer) -> millpond::Result<()>,
    ) -> std::result::Result<(), E> {
        put(&mut self.writer.borrow_mut()).map_err(|error| self.refuse(error.into()))
    }

    fn refuse<E: de::Error>(&self, error: FacadeError) -> E {
        let words = E::custom(&error.message);
        self.refused.borrow_mut().get_or_insert(error);
        words
    }
}

#[derive(Clone, Copy)]
struct Seed<'s>(&'s State);

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> std::result::Result<(), D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: de::Error>(self) -> std::result::Result<(), E> {
        self.0.put(Writer::null)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> std::result::Result<(), E> {
        self.0.put(|writer| writer.bool(value))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> std::result::Result<(), E> {
        self.0.put(|writer| writer.integer(Integer::from(value)))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> std::result::Result<(), E> {
        self.0.put(|writer| writer.integer(Integer::from(value)))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> std::result::Result<(), E> {
        // Also `-0` comes here, which is an integer literal: looked at again with the others.
        if value.abs() >= 9.2e18 || value == 0.0 {
            self.0.is_huge.set(true);
        }
        self.0.put(|writer| writer.float(value))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> std::result::Result<(), E> {
        self.0.put(|writer| writer.text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> std::result::Result<(), A::Error> {
        self.0.put(Writer::begin_array)?;
        while items.next_element_seed(self)?.is_some() {}
        self.0.put(Writer::end_array)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut pairs: A) -> std::result::Result<(), A::Error> {
        let Some(first) = pairs.next_key::<String>()? else {
            self.0.put(Writer::begin_map)?;
            return self.0.put(Writer::end_map);
        };
        if is_marked(&first) {
            return self.marked(&first, pairs);
        }
        self.0.put(Writer::begin_map)?;
        self.0.put(|writer| writer.key(&first))?;
        pairs.next_value_seed(self)?;
        self.rest(pairs)
    }
}

impl Seed<'_> {
    /// A map that begins with a key such as `$bytes`: bytes, or a map of one pair with a `$` more.
    fn marked<'de, A: MapAccess<'de>>(
        self,
        first: &str,
        mut pairs: A,
    ) -> std::result::Result<(), A::Error> {
        let value = pairs.next_value_seed(Whole(self.0))?;
        let second = pairs.next_key::<String>()?;
        if second.is_none() && first == BYTES_KEY {
            let decoded = value.as_str().and_then(|text| BASE64.decode(text.as_bytes()).ok());
            let message = "payload: `$bytes` alone in a map must be base64 with padding";
            let refused = || self.0.refuse(FacadeError::invalid(message));
            let bytes = decoded.ok_or_else(refused)?;
            return self.0.put(|writer| writer.bytes(&bytes));
        }
        let key = if second.is_none() { &first[1..] } else { first };
        self.0.put(Writer::begin_map)?;
        self.0.put(|writer| writer.key(key))?;
        self.deserialize(value).map_err(de::Error::custom)?;
        let Some(second) = second else { return self.0.put(Writer::end_map) };
        self.0.put(|writer| writer.key(&second))?;
        pairs.next_value_seed(self)?;
        self.rest(pairs)
    }

    fn rest<'de, A: MapAccess<'de>>(self, mut pairs: A) -> std::result::Result<(), A::Error> {
        while let Some(key) = pairs.next_key::<String>()? {
            self.0.put(|writer| writer.key(&key))?;
            pairs.next_value_seed(self)?;
        }
        self.0.put(Writer::end_map)
    }
}

/// Reads a value whole, for where its meaning shows only afterwards. A key that stands twice is
/// refused: `serde_json::Value` alone would keep the last.
#[derive(Clone, Copy)]
struct Whole<'s>(&'s State);

impl<'de> DeserializeSeed<'de> for Whole<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> std::result::Result<Value, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Whole<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: de::Error>(self) -> std::result::Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> std::result::Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> std::result::Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> std::result::Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> std::result::Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E: de::Error>(self, value: &str) -> std::result::Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> std::result::Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(self)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut pairs: A) -> std::result::Result<Value, A::Error> {
        let mut map = serde_json::Map::new();
        while let Some(key) = pairs.next_key::<String>()? {
            if map.contains_key(&key) {
                let message = format!("payload: the key {key:.80?} stands twice in a map");
                return Err(self.0.refuse(FacadeError::invalid(message)));
            }
            let value = pairs.next_value_seed(self)?;
            map.insert(key, value);
        }
        Ok(Value::Object(map))
    }
}

/// `$bytes` with any number of `$` more in front.
fn is_marked(key: &str) -> bool {
    key.ends_with(BYTES_KEY) && key[..key.len() - BYTES_KEY.len()].bytes().all(|b| b == b'$')
}

/// Refuses integers beyond 64 bits, which the JSON parser took for floats. `text` is JSON.
fn check_integers(text: &str) -> Result<()> {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => {
                at += 1;
                while bytes[at] != b'"' {
                    at += if bytes[at] == b'\\' { 2 } else { 1 };
                }
                at += 1;
            }
            b'-' | b'0'..=b'9' => {
                let rest = &bytes[at..];
                let is_part = |byte: &u8| byte.is_ascii_digit() || b"+-.eE".contains(byte);
                let length = rest.iter().position(|byte| !is_part(byte)).unwrap_or(rest.len());
                check_integer(&text[at..at + length], at)?;
                at += length;
            }
            _ => at += 1,
        }
    }
    Ok(())
}

fn check_integer(literal: &str, position: usize) -> Result<()> {
    if literal.contains(['.', 'e', 'E']) || literal == "-0" {
        return Ok(());
    }
    let fits = literal.parse::<i128>().is_ok_and(|value| Integer::new(value).is_ok());
    if fits {
        return Ok(());
    }
    let kind = millpond::ErrorKind::LimitExceeded;
    let mut error = FacadeError::new(kind, "payload: an integer does not fit 64 bits");
    error.position = Some(position);
    Err(error)
}

fn read(payload: &[u8]) -> Result<String> {
    millpond::event::cbor::check(payload)?;
    let mut reader = Reader::new(payload);
    let mut out = String::with_capacity(payload.len() * 2);
    let item = reader.next_item()?.expect("checked: there is one value");
    read_value(&mut reader, item, &mut out)?;
    Ok(out)
}

/// Recursion is bounded by `NESTING_MAX`.
fn read_value(reader: &mut Reader<'_>, item: Item<'_>, out: &mut String) -> Result<()> {
    match item {
        Item::Null => out.push_str("null"),
        Item::Bool(value) => out.push_str(if value { "true" } else { "false" }),
        Item::Integer(value) => out.push_str(&value.value().to_string()),
        Item::Float(value) => out.push_str(&Value::from(value).to_string()),
        Item::Text(value) => push_text(out, value),
        Item::Bytes(value) => {
            out.push_str("{\"$bytes\":\"");
            BASE64.encode_append(value, out);
            out.push_str("\"}");
        }
        Item::Array(count) => {
            out.push('[');
            for index in 0..count {
                out.push_str(if index > 0 { "," } else { "" });
                let item = reader.next_item()?.expect("checked: the array is whole");
                read_value(reader, item, out)?;
            }
            out.push(']');
        }
        Item::Map(count) => {
            out.push('{');
            for index in 0..count {
                out.push_str(if index > 0 { "," } else { "" });
                let key = reader.next_item()?.expect("checked: the map is whole");
                let Item::Text(key) = key else { unreachable!("checked: keys are text") };
                if count == 1 && is_marked(key) {
                    push_text(out, &format!("${key}"));
                } else {
                    push_text(out, key);
                }
                out.push(':');
                let item = reader.next_item()?.expect("checked: the map is whole");
                read_value(reader, item, out)?;
            }
            out.push('}');
        }
    }
    Ok(())
}

fn push_text(out: &mut String, text: &str) {
    out.push_str(&Value::from(text).to_string());
}

#[cfg(test)]
mod tests {
    use super::*;
    use millpond::event::cbor::Value;
    use proptest::prelude::*;

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Bool),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(|value| Value::Integer(Integer::from(value))),
            prop::num::f64::NORMAL.prop_map(Value::Float),
            Just(Value::Float(-0.0)),
            ".{0,8}".prop_map(Value::Text),
            prop::collection::vec(any::<u8>(), 0..8).prop_map(Value::Bytes),
        ];
        leaf.prop_recursive(4, 24, 5, |inner| {
            let key = prop_oneof![".{0,3}", "\\$*bytes"];
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
                prop::collection::btree_map(key, inner, 0..4).prop_map(Value::Map),
            ]
        })
    }

    proptest! {
        #[test]
        fn every_payload_comes_back_from_its_json(value in any_value()) {
            let payload = value.encode().unwrap();
            let text = from_cbor(&payload).unwrap();
            prop_assert_eq!(to_cbor(&text).unwrap(), payload, "{}", text);
        }

        #[test]
        fn any_text_is_taken_or_refused(text in "[-0-9.eE\"\\\\${}\\[\\]:,a-z ]{0,40}") {
            let _ = to_cbor(&text);
        }
    }

    #[test]
    fn integers_keep_64_bits_and_are_never_rounded() {
        for text in [
            "9007199254740991",
            "9007199254740992",
            "9007199254740993",
            "-1",
            "18446744073709551615",
            "-9223372036854775808",
        ] {
            assert_eq!(from_cbor(&to_cbor(text).unwrap()).unwrap(), text);
        }
        for text in
            ["18446744073709551616", "-9223372036854775809", "[\"9\", 99999999999999999999]"]
        {
            let error = to_cbor(text).unwrap_err();
            assert_eq!(error.name, "limit_exceeded", "{text}");
        }
        assert_eq!(
            from_cbor(&to_cbor("18446744073709551616.0").unwrap()).unwrap(),
            "1.8446744073709552e+19"
        );
        assert_eq!(from_cbor(&to_cbor("1.0").unwrap()).unwrap(), "1.0");
    }

    #[test]
    fn bytes_have_a_form_of_their_own_that_real_maps_cannot_take() {
        assert_eq!(to_cbor("{\"$bytes\":\"AQI=\"}").unwrap(), [0x42, 1, 2]);
        assert_eq!(from_cbor(&[0x42, 1, 2]).unwrap(), "{\"$bytes\":\"AQI=\"}");
        let map = to_cbor("{\"$$bytes\":\"AQI=\"}").unwrap();
        assert_eq!(map, Value::map([("$bytes", Value::from("AQI="))]).encode().unwrap());
        assert_eq!(from_cbor(&map).unwrap(), "{\"$$bytes\":\"AQI=\"}");
        for text in ["{\"$bytes\":1}", "{\"$bytes\":\"x\"}", "{\"a\":1,\"a\":2}", "", "1 2", "{"] {
            assert_eq!(to_cbor(text).unwrap_err().name, "invalid_argument", "{text}");
        }
        for map in ["{\"x\":1,\"x\":2}", "[{\"x\":1,\"x\":2}]", "{\"$bytes\":{\"x\":1,\"x\":2}}"] {
            for rest in ["", ",\"b\":1"] {
                let error = to_cbor(&format!("{{\"$$bytes\":{map}{rest}}}")).unwrap_err();
                assert_eq!(error.message, "payload: the key \"x\" stands twice in a map");
            }
        }
        assert_eq!(to_cbor(&"[".repeat(40)).unwrap_err().name, "limit_exceeded");
    }
}
