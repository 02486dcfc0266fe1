//! Numbers and durations as Python gives them. Each refusal is `InvalidArgument`.

use crate::errors::{raise, refuse};
use crate::offsets::Offsets;
use crate::session::Session;
use millpond_facade::{self as facade, ReadOptions};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyFloat, PyInt, PyString};
use std::time::Duration;

/// A `timeout=` argument in seconds (`float` or `int`).
#[derive(Clone, Copy)]
pub(crate) struct Seconds(pub(crate) Option<Duration>);

impl<'a, 'py> FromPyObject<'a, 'py> for Seconds {
    type Error = PyErr;

    fn extract(value: Borrowed<'a, 'py, PyAny>) -> PyResult<Seconds> {
        if !value.is_instance_of::<PyFloat>() && !value.is_instance_of::<PyInt>() {
            return Err(PyTypeError::new_err("a number of seconds or None is needed"));
        }
        let seconds = value.extract::<f64>()?;
        let limit = millpond_facade::timeout_from_seconds(Some(seconds));
        limit.map(Seconds).map_err(|error| raise(value.py(), error))
    }
}

/// The limit that an optional `timeout=` stands for.
pub(crate) fn limit(timeout: Option<Seconds>) -> Option<Duration> {
    timeout.and_then(|seconds| seconds.0)
}

/// A count or size: a whole number from 0 to 2^64 − 1.
#[derive(Clone, Copy)]
pub(crate) struct Whole(pub(crate) u64);

impl<'a, 'py> FromPyObject<'a, 'py> for Whole {
    type Error = PyErr;

    fn extract(value: Borrowed<'a, 'py, PyAny>) -> PyResult<Whole> {
        if !value.is_instance_of::<PyInt>() || value.is_instance_of::<PyBool>() {
            return Err(PyTypeError::new_err("a whole number is needed"));
        }
        let refused = |_| refuse(value.py(), "a whole number from 0 to 2^64 - 1 is needed");
        value.extract::<u64>().map(Whole).map_err(refused)
    }
}

impl Whole {
    /// As a number of things in memory; more than memory can hold is as good as the most.
    pub(crate) fn count(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

/// A quantity of an account: a whole number of 64 bits. What is too much of one, the facade says.
#[derive(Clone, Copy)]
pub(crate) struct Quantity(pub(crate) i64);

impl<'a, 'py> FromPyObject<'a, 'py> for Quantity {
    type Error = PyErr;

    fn extract(value: Borrowed<'a, 'py, PyAny>) -> PyResult<Quantity> {
        if !value.is_instance_of::<PyInt>() || value.is_instance_of::<PyBool>() {
            return Err(PyTypeError::new_err("a whole number is needed"));
        }
        let refused = |_| refuse(value.py(), "a whole number of 64 bits is needed");
        value.extract::<i64>().map(Quantity).map_err(refused)
    }
}

/// A token: an offset map, or the text of one.
#[derive(Clone)]
pub(crate) struct Token(pub(crate) facade::Offsets);

impl<'a, 'py> FromPyObject<'a, 'py> for Token {
    type Error = PyErr;

    fn extract(value: Borrowed<'a, 'py, PyAny>) -> PyResult<Token> {
        if let Ok(offsets) = value.cast::<Offsets>() {
            return Ok(Token(offsets.get().inner.clone()));
        }
        let Ok(text) = value.cast::<PyString>() else {
            return Err(PyTypeError::new_err("a token is needed: Offsets, or their text"));
        };
        let parsed = facade::Offsets::parse(text.to_str()?);
        parsed.map(Token).map_err(|error| raise(value.py(), error))
    }
}

/// What a read must have seen.
pub(crate) fn read_options(
    after: Option<Token>,
    session: Option<&Bound<'_, Session>>,
) -> ReadOptions {
    ReadOptions {
        after: after.map(|token| token.0),
        session: session.map(|session| session.get().handle()),
    }
}
