//! Python values in, payload bytes out, in one pass without a tree between.
//!
//! Not here: which values a payload may hold and its limits (`PayloadWriter`). A refusal names the
//! place: `payload["orders"][3]`. Runs no Python code: subclasses of the built-in types are read as
//! the built-in type they are, and other types are refused.

use crate::errors::raise;
use millpond_facade::{FacadeError, PayloadWriter, cbor, host_error, state_writer};
use pyo3::prelude::*;
use pyo3::types::{
    PyBool, PyByteArray, PyBytes, PyDict, PyFloat, PyInt, PyList, PyMemoryView, PyString, PyTuple,
};
use std::fmt::Write;

/// Writes `value` as one payload.
pub(crate) fn write_payload(value: &Bound<'_, PyAny>) -> PyResult<PayloadWriter> {
    write_as("payload", value, PayloadWriter::new())
}

/// Writes `value` as the state of a fish.
pub(crate) fn write_state(value: &Bound<'_, PyAny>) -> PyResult<PayloadWriter> {
    write_as("state", value, state_writer())
}

/// `what` is what a refusal calls it.
fn write_as(
    what: &str,
    value: &Bound<'_, PyAny>,
    mut writer: PayloadWriter,
) -> PyResult<PayloadWriter> {
    match write(value, &mut writer) {
        Ok(()) => Ok(writer),
        Err(refusal) => Err(raise(value.py(), refusal.into_error(what))),
    }
}

/// Why a value was refused, and the way to it, innermost step first.
struct Refusal {
    error: FacadeError,
    path: Vec<Step>,
}

enum Step {
    Key(String),
    Index(usize),
}

type Written = Result<(), Box<Refusal>>;

impl Refusal {
    fn new(error: FacadeError) -> Box<Refusal> {
        Box::new(Refusal { error, path: Vec::new() })
    }

    fn host(message: impl Into<String>) -> Box<Refusal> {
        Refusal::new(host_error(message))
    }

    fn of<E: Into<FacadeError>>(error: E) -> Box<Refusal> {
        Refusal::new(error.into())
    }

    fn into_error(self, what: &str) -> FacadeError {
        let mut place = what.to_owned();
        for step in self.path.iter().rev() {
            // Writing to a string cannot fail.
            let _ = match step {
                Step::Key(key) => write!(place, "[{key:?}]"),
                Step::Index(index) => write!(place, "[{index}]"),
            };
        }
        let mut error = self.error;
        let said = error.message.strip_prefix(what).and_then(|rest| rest.strip_prefix(": "));
        let reason = said.unwrap_or(&error.message);
        error.message = format!("{place}: {reason}");
        error
    }
}

fn at(step: impl FnOnce() -> Step) -> impl FnOnce(Box<Refusal>) -> Box<Refusal> {
    move |mut refusal| {
        refusal.path.push(step());
        refusal
    }
}

/// Recursion is bounded: the writer refuses nesting beyond its limit.
fn write(value: &Bound<'_, PyAny>, writer: &mut PayloadWriter) -> Written {
    if let Ok(text) = value.cast::<PyString>() {
        return writer.text(utf8(text)?).map_err(Refusal::of);
    }
    if let Ok(map) = value.cast::<PyDict>() {
        return write_map(map, writer);
    }
    if let Ok(value) = value.cast::<PyBool>() {
        return writer.bool(value.is_true()).map_err(Refusal::of);
    }
    if value.is_instance_of::<PyInt>() {
        return writer.integer(integer(value)?).map_err(Refusal::of);
    }
    if let Ok(value) = value.cast::<PyFloat>() {
        return writer.float(value.value()).map_err(Refusal::of);
    }
    if value.is_none() {
        return writer.null().map_err(Refusal::of);
    }
    if let Ok(list) = value.cast::<PyList>() {
        return write_array(list.iter(), writer);
    }
    if let Ok(tuple) = value.cast::<PyTuple>() {
        return write_array(tuple.iter(), writer);
    }
    write_bytes(value, writer)
}

fn write_map(map: &Bound<'_, PyDict>, writer: &mut PayloadWriter) -> Written {
    writer.begin_map().map_err(Refusal::of)?;
    for (key, value) in map {
        let Ok(key) = key.cast::<PyString>() else {
            let message = format!("a key is {}, but map keys are str", described(&key));
            return Err(Refusal::host(message));
        };
        let key = utf8(key)?;
        let step = || Step::Key(key.to_owned());
        writer.key(key).map_err(Refusal::of).map_err(at(step))?;
        write(&value, writer).map_err(at(step))?;
    }
    writer.end_map().map_err(Refusal::of)
}

fn write_array<'py>(
    values: impl Iterator<Item = Bound<'py, PyAny>>,
    writer: &mut PayloadWriter,
) -> Written {
    writer.begin_array().map_err(Refusal::of)?;
    for (index, value) in values.enumerate() {
        write(&value, writer).map_err(at(|| Step::Index(index)))?;
    }
    writer.end_array().map_err(Refusal::of)
}

fn write_bytes(value: &Bound<'_, PyAny>, writer: &mut PayloadWriter) -> Written {
    if let Ok(bytes) = value.cast::<PyBytes>() {
        return writer.bytes(bytes.as_bytes()).map_err(Refusal::of);
    }
    if let Ok(bytes) = value.cast::<PyByteArray>() {
        return writer.bytes(&bytes.to_vec()).map_err(Refusal::of);
    }
    if value.is_instance_of::<PyMemoryView>() {
        let bytes = value.call_method0("tobytes");
        let bytes = bytes.map_err(|error| Refusal::host(error.to_string()))?;
        if let Ok(bytes) = bytes.cast::<PyBytes>() {
            return writer.bytes(bytes.as_bytes()).map_err(Refusal::of);
        }
    }
    let message = format!(
        "{} is not part of a payload; use dict, list, tuple, str, int, float, bool, None or bytes",
        described(value)
    );
    Err(Refusal::host(message))
}

fn integer(value: &Bound<'_, PyAny>) -> Result<cbor::Integer, Box<Refusal>> {
    if let Ok(number) = value.extract::<i64>() {
        return Ok(cbor::Integer::from(number));
    }
    if let Ok(number) = value.extract::<u64>() {
        return Ok(cbor::Integer::from(number));
    }
    match cbor::Integer::new(i128::MAX) {
        Ok(integer) => Ok(integer),
        Err(error) => {
            let mut refusal = Refusal::of(error);
            refusal.error.message =
                "the int does not fit 64 bits (from -2**63 to 2**64 - 1)".to_owned();
            Err(refusal)
        }
    }
}

fn utf8<'a>(text: &'a Bound<'_, PyString>) -> Result<&'a str, Box<Refusal>> {
    text.to_str()
        .map_err(|_| Refusal::host("a str holds a lone surrogate, which is no Unicode text"))
}

/// The type of `value` for a message.
pub(crate) fn described(value: &Bound<'_, PyAny>) -> String {
    match value.get_type().name() {
        Ok(name) => name.to_string(),
        Err(_) => "an object".to_owned(),
    }
}
