//! The notation of commands and answers, and the values that it stands for.

use millpond::event::cbor::{Integer, Value};
use millpond::event::{NewEvent, Payload, TagSet};
use millpond::{Error, ErrorKind, Result};
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// What `key=value` words say.
pub(crate) type Options = BTreeMap<String, String>;

/// An error as an answer.
pub(crate) fn error_text(error: &Error) -> String {
    let kind = error.kind();
    let mut text = format!("error {} {}", kind.number(), kind.name());
    if kind.is_retryable() {
        text.push_str(" retryable");
    }
    if let Some(reason) = error.reason() {
        write!(text, " reason={reason}").expect("a text grows");
    }
    if let Some(position) = error.position() {
        write!(text, " position={position}").expect("a text grows");
    }
    text.push('\n');
    if kind == ErrorKind::QueryInvalid {
        error.message().lines().for_each(|line| text += &format!("| {line}\n"));
    }
    text
}

/// Leading `key=value` words, and what follows them.
pub(crate) fn options(mut rest: &str) -> (Options, &str) {
    let mut found = Options::new();
    loop {
        let (word, after) = rest.split_once(' ').unwrap_or((rest, ""));
        match word.split_once('=') {
            Some((key, value))
                if key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_') && !key.is_empty() =>
            {
                found.insert(key.into(), value.into());
                rest = after;
            }
            _ => return (found, rest),
        }
    }
}

/// What a JSON value of the notation stands for.
fn natural(json: Json) -> Result<Value> {
    Ok(match json {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Bool(value),
        Json::Number(number) => match number.as_i64().map(i128::from) {
            Some(value) => Value::Integer(Integer::new(value)?),
            None => Value::Float(number.as_f64().expect("a float")),
        },
        Json::String(text) => Value::Text(text),
        Json::Array(items) => Value::Array(items.into_iter().map(natural).collect::<Result<_>>()?),
        Json::Object(pairs) if pairs.len() == 1 => {
            let (key, value) = pairs.into_iter().next().expect("one");
            match key.as_str() {
                "$integer" => {
                    let digits = value.as_str().expect("digits");
                    Value::Integer(Integer::new(digits.parse().expect("an integer"))?)
                }
                "$bytes" => Value::Bytes(base64(value.as_str().expect("base64"))),
                key if key.starts_with("$$") => Value::map([(&key[1..], natural(value)?)]),
                key => Value::map([(key, natural(value)?)]),
            }
        }
        Json::Object(pairs) => {
            Value::Map(pairs.into_iter().map(|(k, v)| Ok((k, natural(v)?))).collect::<Result<_>>()?)
        }
    })
}

fn base64(text: &str) -> Vec<u8> {
    const DIGITS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut bytes, mut held, mut bits) = (Vec::new(), 0u32, 0);
    for digit in text.trim_end_matches('=').chars() {
        held = held << 6 | u32::try_from(DIGITS.find(digit).expect("base64")).expect("small");
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push((held >> bits & 0xff) as u8);
        }
    }
    bytes
}

/// One event of a publish.
pub(crate) fn draft(tags: &str, payload: &str) -> Result<NewEvent> {
    let tags: Vec<String> = serde_json::from_str(tags).expect("tags are a JSON array");
    let value = natural(serde_json::from_str(payload).expect("a payload is JSON"))?;
    Ok(NewEvent { tags: TagSet::new(&tags)?, payload: Payload::from_value(&value)? })
}

/// Every kind, by number.
pub(crate) fn errors() -> String {
    let row =
        |kind: &ErrorKind| format!("{} {} {}\n", kind.number(), kind.name(), kind.is_retryable());
    ErrorKind::ALL.iter().map(row).collect()
}
