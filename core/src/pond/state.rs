//! What a fish of Rust code can hold without a codec of its own.

use crate::error::{Error, ErrorKind, Result};
use crate::event::cbor::{Integer, Value, Writer};
use crate::pond::job::STATE_BYTES_MAX;
use std::collections::BTreeMap;

/// A state that can be said as a CBOR value, and read back from it.
///
/// Rule: what `from_value` gives for what `to_value` gave is equal for every step that follows.
pub trait FishState: Sized + Send + 'static {
    /// The state as a value.
    fn to_value(&self) -> Value;

    /// The state that is said so.
    ///
    /// # Errors
    /// Any: it is no such state.
    fn from_value(value: Value) -> Result<Self>;
}

/// A writer of a state: as of a payload, but of up to [`STATE_BYTES_MAX`] bytes.
pub fn state_writer() -> Writer {
    Writer::within(STATE_BYTES_MAX)
}

/// The bytes of a state: one CBOR value in its deterministic encoding.
///
/// # Errors
/// `limit_exceeded`: more than [`STATE_BYTES_MAX`], or nested too deep. `invalid_argument`: a float
/// is not finite.
pub(super) fn encode(state: &impl FishState) -> Result<Vec<u8>> {
    let mut writer = state_writer();
    state.to_value().write(&mut writer)?;
    writer.finish()
}

/// The state of these bytes.
///
/// # Errors
/// As [`FishState::from_value`] and [`Value::decode`].
pub(super) fn decode<S: FishState>(bytes: &[u8]) -> Result<S> {
    S::from_value(Value::decode(bytes)?)
}

fn other(what: &str) -> Error {
    Error::new(ErrorKind::InvalidArgument, format!("the value is not {what}"))
}

impl FishState for Value {
    fn to_value(&self) -> Value {
        self.clone()
    }

    fn from_value(value: Value) -> Result<Value> {
        Ok(value)
    }
}

impl FishState for u64 {
    fn to_value(&self) -> Value {
        Value::from(*self)
    }

    fn from_value(value: Value) -> Result<u64> {
        let number = integer(&value).and_then(|number| number.value().try_into().ok());
        number.ok_or_else(|| other("a whole number of at least 0"))
    }
}

impl FishState for i64 {
    fn to_value(&self) -> Value {
        Value::from(*self)
    }

    fn from_value(value: Value) -> Result<i64> {
        let number = integer(&value).and_then(|number| number.value().try_into().ok());
        number.ok_or_else(|| other("a whole number below 2^63"))
    }
}

impl FishState for bool {
    fn to_value(&self) -> Value {
        Value::from(*self)
    }

    fn from_value(value: Value) -> Result<bool> {
        match value {
            Value::Bool(value) => Ok(value),
            _ => Err(other("a truth value")),
        }
    }
}

impl FishState for String {
    fn to_value(&self) -> Value {
        Value::from(self.as_str())
    }

    fn from_value(value: Value) -> Result<String> {
        match value {
            Value::Text(text) => Ok(text),
            _ => Err(other("a text")),
        }
    }
}

impl<T: FishState> FishState for Vec<T> {
    fn to_value(&self) -> Value {
        Value::Array(self.iter().map(T::to_value).collect())
    }

    fn from_value(value: Value) -> Result<Vec<T>> {
        match value {
            Value::Array(values) => values.into_iter().map(T::from_value).collect(),
            _ => Err(other("an array")),
        }
    }
}

impl<T: FishState> FishState for BTreeMap<String, T> {
    fn to_value(&self) -> Value {
        Value::map(self.iter().map(|(key, value)| (key.clone(), value.to_value())))
    }

    fn from_value(value: Value) -> Result<BTreeMap<String, T>> {
        match value {
            Value::Map(pairs) => {
                let read = |(key, value)| Ok((key, T::from_value(value)?));
                pairs.into_iter().map(read).collect()
            }
            _ => Err(other("a map")),
        }
    }
}

fn integer(value: &Value) -> Option<Integer> {
    match value {
        Value::Integer(number) => Some(*number),
        _ => None,
    }
}
