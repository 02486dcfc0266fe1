//! The state of a built-in fold as a value, and back: what observers see is what is kept.

use super::definition::{BuiltIn, Rule, Scale};
use super::number::{Number, Sum};
use super::tally::{Count, Part, Tally, key_bytes};
use crate::error::{Error, ErrorKind, Result};
use crate::event::cbor::{Integer, Value, Writer};
use crate::pond::job::STATE_BYTES_MAX;

impl Tally {
    /// The state as bytes: one CBOR value in its deterministic encoding, a map of `value` and
    /// `skipped`.
    ///
    /// # Errors
    /// `limit_exceeded`: it is larger than [`STATE_BYTES_MAX`].
    pub fn encode(&self) -> Result<Vec<u8>> {
        let mut writer = Writer::within(STATE_BYTES_MAX);
        writer.begin_map()?;
        writer.key("value")?;
        self.part.write(&self.fold().rule, &mut writer)?;
        writer.key("skipped")?;
        writer.integer(Integer::from(self.count.skipped))?;
        writer.end_map()?;
        writer.finish()
    }

    /// The state of `fold` that [`Tally::encode`] wrote.
    ///
    /// # Errors
    /// `invalid_argument`, `limit_exceeded`: it is no state of this fold.
    pub fn decode(fold: &BuiltIn, bytes: &[u8]) -> Result<Tally> {
        let mut tally = Tally::new(fold.clone());
        let Value::Map(mut fields) = Value::decode(bytes)? else { return Err(no_state()) };
        let (Some(value), Some(Value::Integer(skipped))) =
            (fields.remove("value"), fields.remove("skipped"))
        else {
            return Err(no_state());
        };
        let skipped = u64::try_from(skipped.value()).map_err(|_| no_state())?;
        tally.count = Count { skipped, bytes: 0 };
        tally.part = Part::read(&fold.rule, value, &mut tally.count)?;
        Ok(tally)
    }
}

impl Part {
    fn write(&self, rule: &Rule, writer: &mut Writer) -> Result<()> {
        match (self, rule) {
            (Part::Count(number), _) => writer.integer(Integer::from(*number)),
            (Part::Sum(sum), _) => write_sum(*sum, writer),
            (Part::Number(Some(Number::Integer(number))), _) => {
                writer.integer(Integer::new(*number)?)
            }
            (Part::Number(Some(Number::Float(number))), _) => writer.float(*number),
            (Part::Text(Some(text)), _) => writer.text(text),
            (Part::Value(Some(bytes)), _) => writer.checked_value(bytes),
            (Part::Number(None) | Part::Text(None) | Part::Value(None), _) => writer.null(),
            (Part::Group(parts), Rule::Group { each, .. }) => {
                writer.begin_map()?;
                for (key, part) in parts {
                    writer.key(key)?;
                    part.write(each, writer)?;
                }
                writer.end_map()
            }
            (Part::All(parts), Rule::All(rules)) => {
                writer.begin_map()?;
                for (part, (name, rule)) in parts.iter().zip(rules) {
                    writer.key(name)?;
                    part.write(rule, writer)?;
                }
                writer.end_map()
            }
            _ => unreachable!("a part is made by its rule"),
        }
    }

    /// Recursion is bounded by `FOLD_NESTING_MAX`.
    fn read(rule: &Rule, value: Value, count: &mut Count) -> Result<Part> {
        Ok(match (rule, value) {
            (Rule::Count(_), Value::Integer(number)) => {
                Part::Count(u64::try_from(number.value()).map_err(|_| no_state())?)
            }
            (Rule::Sum(_), value) => Part::Sum(read_sum(&value)?),
            (Rule::Extreme { scale: Scale::Number, .. }, value) => Part::Number(match value {
                Value::Null => None,
                Value::Integer(number) => Some(Number::Integer(number.value())),
                Value::Float(number) => Some(Number::Float(number)),
                _ => return Err(no_state()),
            }),
            (Rule::Extreme { scale: Scale::Text, .. }, Value::Null) => Part::Text(None),
            (Rule::Extreme { scale: Scale::Text, .. }, Value::Text(text)) => {
                count.bytes += text.len();
                Part::Text(Some(text))
            }
            (Rule::Pick { .. }, Value::Null) => Part::Value(None),
            (Rule::Pick { .. }, value) => {
                let bytes = value.encode()?;
                count.bytes += bytes.len();
                Part::Value(Some(bytes))
            }
            (Rule::Group { each, .. }, Value::Map(pairs)) => {
                let mut read = |(key, value): (String, Value)| {
                    count.bytes += key_bytes(&key, each);
                    Ok((key, Part::read(each, value, count)?))
                };
                Part::Group(pairs.into_iter().map(&mut read).collect::<Result<_>>()?)
            }
            (Rule::All(rules), Value::Map(mut pairs)) if pairs.len() == rules.len() => {
                let read = |(name, rule): &(String, Rule)| {
                    let value = pairs.remove(name).ok_or_else(no_state)?;
                    Part::read(rule, value, count)
                };
                Part::All(rules.iter().map(read).collect::<Result<_>>()?)
            }
            _ => return Err(no_state()),
        })
    }
}

/// A whole number, as decimal text beyond 64 bits; a float; null once it was infinite.
fn write_sum(sum: Sum, writer: &mut Writer) -> Result<()> {
    match (sum, sum.integer()) {
        (_, Some(integer)) => writer.integer(integer),
        (Sum::Integer(large), None) => writer.text(&large.to_string()),
        (Sum::Float(float), None) => writer.float(float),
        (Sum::Infinite, None) => writer.null(),
    }
}

fn read_sum(value: &Value) -> Result<Sum> {
    Ok(match value {
        Value::Integer(number) => Sum::Integer(number.value()),
        Value::Text(large) => Sum::Integer(large.parse().map_err(|_| no_state())?),
        Value::Float(float) => Sum::Float(*float),
        Value::Null => Sum::Infinite,
        _ => return Err(no_state()),
    })
}

fn no_state() -> Error {
    Error::new(ErrorKind::InvalidArgument, "the bytes are no state of this built-in fold")
}
