//! The state of a built-in fold, and what an event does to it.

use super::definition::{BuiltIn, By, Rule, Scale};
use super::number::{Number, Sum};
use super::path::Path;
use crate::error::{Error, ErrorKind, Result};
use crate::event::cbor::{Item, Value};
use crate::event::{EventBatch, EventView};
use crate::pond::job::{Answer, Failure, Function, Job, STATE_BYTES_MAX};
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// The state of a built-in fold.
#[derive(Clone, Debug)]
pub struct Tally {
    fold: BuiltIn,
    pub(super) part: Part,
    pub(super) count: Count,
}

/// What all parts of a state count together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Count {
    /// How often a fold passed over an event, because it lacks a value of the type.
    pub(super) skipped: u64,
    /// At least the bytes of keys and values that are held.
    pub(super) bytes: usize,
}

/// The state of one fold of the definition.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Part {
    Count(u64),
    Sum(Sum),
    Number(Option<Number>),
    Text(Option<String>),
    /// The bytes of a value.
    Value(Option<Vec<u8>>),
    Group(BTreeMap<String, Part>),
    All(Vec<Part>),
}

/// What a key costs beside its text and its fold.
const KEY_BYTES: usize = 16;

impl Tally {
    /// The state before the first event.
    pub fn new(fold: BuiltIn) -> Tally {
        let part = Part::of(&fold.rule);
        Tally { fold, part, count: Count::default() }
    }

    /// Does a job as the owner of this state.
    pub fn work(&mut self, job: Job) -> Answer {
        match job {
            Job::Load(None) => {
                *self = Tally::new(self.fold.clone());
                Answer::Loaded
            }
            Job::Load(Some(state)) => match Tally::decode(&self.fold, &state) {
                Ok(state) => {
                    *self = state;
                    Answer::Loaded
                }
                Err(error) => {
                    let message = error.message().to_owned();
                    Answer::Failed(Failure { function: Function::Decode, index: None, message })
                }
            },
            Job::Apply(events) => match self.apply(&events) {
                Ok(()) => Answer::Applied { last_reset: None },
                Err(error) => Answer::Stopped(error),
            },
            Job::Save => match self.encode() {
                Ok(state) => Answer::Saved(state.into()),
                Err(error) => Answer::Stopped(error),
            },
        }
    }

    /// Folds these events, which come next in key order.
    ///
    /// # Errors
    /// `limit_exceeded`: the state is larger than [`STATE_BYTES_MAX`].
    pub fn apply(&mut self, events: &EventBatch) -> Result<()> {
        for event in events.iter() {
            self.part.apply(&self.fold.rule, event, &mut self.count);
            if self.count.bytes > STATE_BYTES_MAX {
                let message = format!(
                    "a built-in fold holds more than {STATE_BYTES_MAX} bytes at event {}; group by \
                     something of which there is less",
                    event.key()
                );
                return Err(Error::new(ErrorKind::LimitExceeded, message).with_reason("state"));
            }
        }
        Ok(())
    }

    /// The state as a value: a map of `value` and `skipped`.
    ///
    /// # Errors
    /// `limit_exceeded`: it is larger than [`STATE_BYTES_MAX`].
    pub fn to_value(&self) -> Result<Value> {
        Value::decode(&self.encode()?)
    }

    pub(super) fn fold(&self) -> &BuiltIn {
        &self.fold
    }
}

impl Part {
    pub(super) fn of(rule: &Rule) -> Part {
        match rule {
            Rule::Count(_) => Part::Count(0),
            Rule::Sum(_) => Part::Sum(Sum::Integer(0)),
            Rule::Extreme { scale: Scale::Number, .. } => Part::Number(None),
            Rule::Extreme { scale: Scale::Text, .. } => Part::Text(None),
            Rule::Pick { .. } => Part::Value(None),
            Rule::Group { .. } => Part::Group(BTreeMap::new()),
            Rule::All(rules) => Part::All(rules.iter().map(|(_, rule)| Part::of(rule)).collect()),
        }
    }

    /// Recursion is bounded by `FOLD_NESTING_MAX`.
    fn apply(&mut self, rule: &Rule, event: EventView<'_>, count: &mut Count) {
        let is_used = match (self, rule) {
            (Part::Count(number), Rule::Count(path)) => {
                let has_value = path.as_ref().is_none_or(|path| value_at(path, event).is_some());
                *number += u64::from(has_value);
                has_value
            }
            (Part::Sum(sum), Rule::Sum(path)) => match number_at(path, event) {
                Some(number) => {
                    *sum = sum.add(number);
                    true
                }
                None => false,
            },
            (Part::Number(own), Rule::Extreme { of, is_max, .. }) => match number_at(of, event) {
                Some(new) => {
                    let is_better = |own: &Number| is_beyond(new.compare(*own), *is_max);
                    if own.as_ref().is_none_or(is_better) {
                        *own = Some(new);
                    }
                    true
                }
                None => false,
            },
            (Part::Text(own), Rule::Extreme { of, is_max, .. }) => match value_at(of, event) {
                Some(Item::Text(new)) => {
                    let is_better = |own: &String| is_beyond(new.cmp(own.as_str()), *is_max);
                    if own.as_ref().is_none_or(is_better) {
                        hold(own, new.to_owned(), String::len, count);
                    }
                    true
                }
                _ => false,
            },
            (Part::Value(own), Rule::Pick { of, is_latest }) => match bytes_at(of, event) {
                Some(bytes) => {
                    if *is_latest || own.is_none() {
                        hold(own, bytes.to_vec(), Vec::len, count);
                    }
                    true
                }
                None => false,
            },
            (Part::Group(parts), Rule::Group { by, each }) => {
                with_key(by, event, |key| apply_to_group(parts, key, each, event, count))
            }
            (Part::All(parts), Rule::All(rules)) => {
                let pairs = parts.iter_mut().zip(rules);
                pairs.for_each(|(part, (_, rule))| part.apply(rule, event, count));
                true
            }
            _ => unreachable!("a part is made by its rule"),
        };
        count.skipped += u64::from(!is_used);
    }
}

fn apply_to_group(
    parts: &mut BTreeMap<String, Part>,
    key: &str,
    each: &Rule,
    event: EventView<'_>,
    count: &mut Count,
) {
    match parts.get_mut(key) {
        Some(part) => part.apply(each, event, count),
        None => {
            count.bytes += key_bytes(key, each);
            let mut part = Part::of(each);
            part.apply(each, event, count);
            parts.insert(key.to_owned(), part);
        }
    }
}

/// What a key of a group costs.
pub(super) fn key_bytes(key: &str, each: &Rule) -> usize {
    let folds = match each {
        Rule::All(rules) => rules.len(),
        _ => 1,
    };
    key.len() + KEY_BYTES * (1 + folds)
}

fn hold<T>(place: &mut Option<T>, new: T, size: impl Fn(&T) -> usize, count: &mut Count) {
    count.bytes += size(&new);
    if let Some(old) = place.replace(new) {
        count.bytes -= size(&old);
    }
}

fn is_beyond(new: Ordering, is_max: bool) -> bool {
    new == if is_max { Ordering::Greater } else { Ordering::Less }
}

/// Null is no value.
fn value_at<'a>(path: &Path, event: EventView<'a>) -> Option<Item<'a>> {
    path.item(event.payload_bytes()).filter(|item| *item != Item::Null)
}

fn number_at(path: &Path, event: EventView<'_>) -> Option<Number> {
    path.item(event.payload_bytes()).and_then(Number::of)
}

fn bytes_at<'a>(path: &Path, event: EventView<'a>) -> Option<&'a [u8]> {
    const NULL: &[u8] = &[0xf6];
    path.bytes(event.payload_bytes()).filter(|bytes| *bytes != NULL)
}

/// Calls `then` with the key of the event's group; false when it has none.
fn with_key(by: &By, event: EventView<'_>, then: impl FnOnce(&str)) -> bool {
    match by {
        By::Text(path) => match value_at(path, event) {
            Some(Item::Text(key)) => then(key),
            _ => return false,
        },
        By::Integer(path) => match value_at(path, event) {
            Some(Item::Integer(key)) => then(&key.value().to_string()),
            _ => return false,
        },
        By::Tag(prefix) => {
            let mut keys = event.tags().filter_map(|tag| tag.strip_prefix(prefix.as_str()));
            match (keys.next(), keys.next()) {
                (Some(key), None) => then(key),
                _ => return false,
            }
        }
    }
    true
}
