//! The way to a value inside a payload.

use crate::error::{Error, ErrorKind, Result};
use crate::event::cbor::{Item, Reader, Value, container, end_of};
use crate::event::limits::NESTING_MAX;
use std::cmp::Ordering;
use std::fmt;

/// Longest text of a path, in bytes.
pub const PATH_BYTES_MAX: usize = 1024;

/// The way to a value inside a payload: keys of maps and indexes of arrays.
///
/// Text form, as JSON Pointer (RFC 6901): empty for the whole payload, else each step after a `/`,
/// with `~1` for `/` and `~0` for `~` in keys. In an array a step is the index, the first is `0`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    steps: Vec<Step>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Step {
    key: String,
    /// The same as it stands in a payload.
    encoded: Vec<u8>,
    /// The same in an array, if it is a decimal number in its one form.
    index: Option<u64>,
}

impl Path {
    /// Reads the text form.
    ///
    /// # Errors
    /// `invalid_argument`: it does not begin with `/`, or a `~` is neither `~0` nor `~1`.
    /// `limit_exceeded`: it is longer than [`PATH_BYTES_MAX`], or goes deeper than payloads do.
    pub fn parse(text: &str) -> Result<Path> {
        if text.len() > PATH_BYTES_MAX {
            let message = format!("a path is longer than {PATH_BYTES_MAX} bytes");
            return Err(Error::new(ErrorKind::LimitExceeded, message));
        }
        if text.is_empty() {
            return Ok(Path { steps: Vec::new() });
        }
        let Some(rest) = text.strip_prefix('/') else {
            return Err(bad(text, "begins with `/`, or is empty for the whole payload"));
        };
        let steps: Vec<Step> =
            rest.split('/').map(|step| Step::parse(text, step)).collect::<Result<_>>()?;
        if steps.len() > NESTING_MAX {
            let message = format!("a path has more than {NESTING_MAX} steps");
            return Err(Error::new(ErrorKind::LimitExceeded, message));
        }
        Ok(Path { steps })
    }

    /// The item that the path leads to; of an array or map its head.
    pub(super) fn item<'a>(&self, payload: &'a [u8]) -> Option<Item<'a>> {
        Reader::new(self.bytes(payload)?).next_item().ok()?
    }

    /// The bytes of the value that the path leads to.
    pub(super) fn bytes<'a>(&self, payload: &'a [u8]) -> Option<&'a [u8]> {
        if self.steps.is_empty() {
            return Some(payload);
        }
        let start = self.steps.iter().try_fold(0, |at, step| step.enter(payload, at))?;
        payload.get(start..end_of(payload, start)?)
    }
}

impl Step {
    /// Where the value begins that this step leads to, inside of the one that begins at `at`.
    fn enter(&self, payload: &[u8], at: usize) -> Option<usize> {
        let container = container(payload, at)?;
        let mut at = container.first;
        if !container.is_map {
            let index = self.index.filter(|index| *index < container.count)?;
            return (0..index).try_fold(at, |at, _| end_of(payload, at));
        }
        for _ in 0..container.count {
            let value = end_of(payload, at)?;
            match payload.get(at..value)?.cmp(&self.encoded) {
                Ordering::Less => at = end_of(payload, value)?,
                Ordering::Equal => return Some(value),
                // Keys rise.
                Ordering::Greater => return None,
            }
        }
        None
    }

    fn parse(path: &str, text: &str) -> Result<Step> {
        let mut key = String::with_capacity(text.len());
        let mut letters = text.chars();
        while let Some(letter) = letters.next() {
            match (letter, letter == '~') {
                (_, false) => key.push(letter),
                (_, true) => match letters.next() {
                    Some('0') => key.push('~'),
                    Some('1') => key.push('/'),
                    _ => return Err(bad(path, "has `~0` for `~` and `~1` for `/` in its keys")),
                },
            }
        }
        let index = key.parse::<u64>().ok().filter(|index| index.to_string() == key);
        let encoded = Value::from(key.as_str()).encode()?;
        Ok(Step { key, encoded, index })
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let escaped = |step: &Step| step.key.replace('~', "~0").replace('/', "~1");
        self.steps.iter().try_for_each(|step| write!(f, "/{}", escaped(step)))
    }
}

fn bad(path: &str, rule: &str) -> Error {
    let shown: String = path.chars().take(80).collect();
    Error::new(ErrorKind::InvalidArgument, format!("a path {rule}, not {shown:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(value: &Value, path: &str) -> Option<Value> {
        let payload = value.encode().unwrap();
        let path = Path::parse(path).unwrap();
        let bytes = path.bytes(&payload)?;
        assert!(path.item(&payload).is_some());
        Some(Value::decode(bytes).unwrap())
    }

    #[test]
    fn a_path_leads_through_maps_and_arrays_to_a_value() {
        let inner = Value::map([("a/b~", Value::from(1u64)), ("0", Value::from(2u64))]);
        let list = Value::Array(vec![Value::Null, inner.clone(), Value::from("x")]);
        let whole = Value::map([("list", list.clone()), ("other", Value::Bool(true))]);
        assert_eq!(found(&whole, ""), Some(whole.clone()));
        assert_eq!(found(&whole, "/list"), Some(list));
        assert_eq!(found(&whole, "/list/1"), Some(inner));
        assert_eq!(found(&whole, "/list/1/a~1b~0"), Some(Value::from(1u64)));
        assert_eq!(found(&whole, "/list/1/0"), Some(Value::from(2u64)));
        assert_eq!(found(&whole, "/list/2"), Some(Value::from("x")));
        assert_eq!(found(&whole, "/other"), Some(Value::Bool(true)));
        for nowhere in ["/", "/lis", "/list/3", "/list/01", "/list/-", "/other/0", "/list/0/x"] {
            assert_eq!(found(&whole, nowhere), None, "{nowhere}");
        }
    }

    #[test]
    fn a_path_has_one_text_form_and_bounds() {
        for text in ["", "/", "/a/0", "/a~1b/~0", "//"] {
            assert_eq!(Path::parse(text).unwrap().to_string(), text);
        }
        for (wrong, kind) in [
            ("a", ErrorKind::InvalidArgument),
            ("/~", ErrorKind::InvalidArgument),
            ("/~2", ErrorKind::InvalidArgument),
            (&"/x".repeat(33), ErrorKind::LimitExceeded),
            (&format!("/{}", "x".repeat(1024)), ErrorKind::LimitExceeded),
        ] {
            assert_eq!(Path::parse(wrong).unwrap_err().kind(), kind, "{wrong}");
        }
    }

    #[test]
    fn bytes_that_are_no_payload_lead_nowhere() {
        let path = Path::parse("/a/3/b").unwrap();
        for first in 0..=255u8 {
            for rest in [&[][..], &[0x61, b'a', 0x84], &[0xff; 9]] {
                let bytes = [&[first], rest].concat();
                assert_eq!(path.item(&bytes), None);
                assert_eq!(path.bytes(&bytes), None);
            }
        }
    }
}
