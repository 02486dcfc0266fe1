//! A built-in fold, said as a value: checked, and with one form as bytes.

use super::path::Path;
use super::{FOLD_NESTING_MAX, FOLDS_MAX};
use crate::error::{Error, ErrorKind, Result};
use crate::event::cbor::Value;
use crate::event::limits::TAG_BYTES_MAX;
use crate::event::{Payload, Tag};
use std::collections::BTreeMap;

/// A built-in fold.
///
/// Said as a map, such as `{"fold": "sum", "of": "/amount"}`; docs/pond.md, "Built-in folds", lists
/// them all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuiltIn {
    pub(super) rule: Rule,
    bytes: Vec<u8>,
}

/// What to do with each event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    /// Counts events, or those that have a value there.
    Count(Option<Path>),
    Sum(Path),
    /// The least or greatest value there.
    Extreme {
        of: Path,
        scale: Scale,
        is_max: bool,
    },
    /// The value there of the first or last event that has one.
    Pick {
        of: Path,
        is_latest: bool,
    },
    /// A fold for each key.
    Group {
        by: By,
        each: Box<Rule>,
    },
    /// Several folds of the same events, by name.
    All(Vec<(String, Rule)>),
}

/// What the least and greatest are taken of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scale {
    Number,
    Text,
}

/// What events are grouped by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum By {
    /// The text there.
    Text(Path),
    /// The whole number there, as decimal text.
    Integer(Path),
    /// What follows this prefix in the only tag that has it.
    Tag(String),
}

impl BuiltIn {
    /// Reads a definition.
    ///
    /// # Errors
    /// `invalid_argument`: it is none; the message says where. `limit_exceeded`: it has more than
    /// [`FOLDS_MAX`] folds, or nests them deeper than [`FOLD_NESTING_MAX`].
    pub fn from_value(value: &Value) -> Result<BuiltIn> {
        let mut folds = 0;
        let rule = Rule::read(value, 1, &mut folds)?;
        Ok(BuiltIn { rule, bytes: value.encode()? })
    }

    /// As [`BuiltIn::from_value`], from the bytes of a CBOR value in its deterministic encoding.
    ///
    /// # Errors
    /// As [`BuiltIn::from_value`]; `invalid_argument`: the bytes are not such a value.
    pub fn from_cbor(bytes: &[u8]) -> Result<BuiltIn> {
        BuiltIn::from_value(&Payload::from_cbor(bytes.to_vec())?.to_value()?)
    }

    /// The definition as the bytes of a CBOR value.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl Rule {
    /// Recursion is bounded by `depth`.
    fn read(value: &Value, depth: usize, folds: &mut usize) -> Result<Rule> {
        *folds += 1;
        if depth > FOLD_NESTING_MAX || *folds > FOLDS_MAX {
            let message = format!(
                "a built-in fold has more than {FOLDS_MAX} folds, or nests them deeper than \
                 {FOLD_NESTING_MAX}"
            );
            return Err(Error::new(ErrorKind::LimitExceeded, message));
        }
        let Value::Map(fields) = value else {
            return bad("is a map such as {\"fold\": \"count\"}");
        };
        let mut fields = Fields { fields: fields.clone() };
        let rule = match fields.text("fold")?.as_deref() {
            Some("count") => Rule::Count(fields.path("of")?),
            Some("sum") => Rule::Sum(fields.needed_path("of")?),
            Some(name @ ("min" | "max")) => {
                let scale = match fields.text("type")?.as_deref() {
                    None | Some("number") => Scale::Number,
                    Some("text") => Scale::Text,
                    Some(_) => return bad("of least or greatest has the type number or text"),
                };
                let is_max = name == "max";
                Rule::Extreme { of: fields.needed_path("of")?, scale, is_max }
            }
            Some(name @ ("latest" | "earliest")) => {
                let of = fields.path("of")?.map_or_else(|| Path::parse(""), Ok)?;
                Rule::Pick { of, is_latest: name == "latest" }
            }
            Some("group") => {
                let by = fields.by()?;
                let each = fields.take("each").unwrap_or(Value::Null);
                Rule::Group { by, each: Box::new(Rule::read(&each, depth + 1, folds)?) }
            }
            Some("all") => {
                let Some(Value::Map(named)) = fields.take("folds") else {
                    return bad("of the kind `all` has `folds`, a map of folds by name");
                };
                let read = |(name, value): (String, Value)| {
                    Ok((name, Rule::read(&value, depth + 1, folds)?))
                };
                Rule::All(named.into_iter().map(read).collect::<Result<_>>()?)
            }
            _ => {
                return bad(
                    "names under `fold` what it does: count, sum, min, max, latest, earliest, \
                     group or all",
                );
            }
        };
        fields.finish()?;
        Ok(rule)
    }
}

/// The entries of one definition that were not looked at yet.
struct Fields {
    fields: BTreeMap<String, Value>,
}

impl Fields {
    fn take(&mut self, name: &str) -> Option<Value> {
        self.fields.remove(name)
    }

    fn text(&mut self, name: &str) -> Result<Option<String>> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Text(text)) => Ok(Some(text)),
            Some(_) => bad(&format!("has a text under `{name}`")),
        }
    }

    fn path(&mut self, name: &str) -> Result<Option<Path>> {
        self.text(name)?.map(|text| Path::parse(&text)).transpose()
    }

    fn needed_path(&mut self, name: &str) -> Result<Path> {
        let missing =
            || bad(&format!("of this kind has a path under `{name}`, such as \"/amount\""));
        self.path(name)?.map_or_else(missing, Ok)
    }

    fn by(&mut self) -> Result<By> {
        if let Some(Value::Map(mut tag)) = self.fields.get("by").cloned() {
            self.take("by");
            return match (tag.remove("tag"), tag.is_empty()) {
                (Some(Value::Text(prefix)), true) if prefix.len() <= TAG_BYTES_MAX => {
                    // Brings it to NFC, as the tags are.
                    let prefix = Tag::new(&prefix)?.as_str().to_owned();
                    Ok(By::Tag(prefix))
                }
                _ => bad("groups by a path, or by {\"tag\": \"machine:\"}"),
            };
        }
        let path = self.needed_path("by")?;
        match self.text("type")?.as_deref() {
            None | Some("text") => Ok(By::Text(path)),
            Some("integer") => Ok(By::Integer(path)),
            Some(_) => bad("groups by values of the type text or integer"),
        }
    }

    /// What is left was misspelt, or belongs to another kind.
    fn finish(self) -> Result<()> {
        match self.fields.keys().next() {
            None => Ok(()),
            Some(name) => {
                let shown: String = name.chars().take(80).collect();
                bad(&format!("of this kind has nothing under {shown:?}"))
            }
        }
    }
}

fn bad<T>(rule: &str) -> Result<T> {
    Err(Error::new(ErrorKind::InvalidArgument, format!("a built-in fold {rule}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(pairs: &[(&str, &str)]) -> Value {
        Value::map(pairs.iter().map(|(key, value)| (*key, Value::from(*value))))
    }

    #[test]
    fn a_definition_that_says_anything_else_is_refused() {
        let count = text(&[("fold", "count")]);
        let group = |by: Value, each: Value| {
            Value::map([("fold", Value::from("group")), ("by", by), ("each", each)])
        };
        BuiltIn::from_value(&group(Value::from("/a"), count.clone())).unwrap();
        BuiltIn::from_value(&group(text(&[("tag", "machine:")]), count.clone())).unwrap();
        for wrong in [
            Value::Null,
            text(&[]),
            text(&[("fold", "median"), ("of", "/a")]),
            text(&[("fold", "sum")]),
            text(&[("fold", "sum"), ("of", "a")]),
            text(&[("fold", "count"), ("by", "/a")]),
            text(&[("fold", "max"), ("of", "/a"), ("type", "bytes")]),
            Value::map([("fold", Value::from("sum")), ("of", Value::from(1u64))]),
            group(Value::Null, count.clone()),
            group(text(&[("tag", "a"), ("x", "y")]), count.clone()),
            group(Value::from("/a"), Value::Null),
            text(&[("fold", "all")]),
        ] {
            let error = BuiltIn::from_value(&wrong).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{wrong:?}");
        }
    }

    #[test]
    fn folds_are_bounded_in_number_and_depth() {
        let count = || text(&[("fold", "count")]);
        let nested = |depth: usize| {
            (1..depth).fold(count(), |each, _| {
                let by = Value::from("/a");
                Value::map([("fold", Value::from("group")), ("by", by), ("each", each)])
            })
        };
        let all = |folds: usize| {
            let folds = Value::map((0..folds).map(|at| (at.to_string(), count())));
            Value::map([("fold", Value::from("all")), ("folds", folds)])
        };
        BuiltIn::from_value(&nested(FOLD_NESTING_MAX)).unwrap();
        BuiltIn::from_value(&all(FOLDS_MAX - 1)).unwrap();
        for large in [nested(FOLD_NESTING_MAX + 1), all(FOLDS_MAX)] {
            let error = BuiltIn::from_value(&large).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::LimitExceeded);
        }
    }

    #[test]
    fn a_definition_comes_back_from_its_bytes() {
        let fold = BuiltIn::from_value(&text(&[("fold", "sum"), ("of", "/amount")])).unwrap();
        assert_eq!(BuiltIn::from_cbor(fold.as_bytes()).unwrap(), fold);
        assert!(BuiltIn::from_cbor(&[0xff]).is_err());
    }
}
