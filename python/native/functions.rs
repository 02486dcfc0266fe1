//! Functions without a node.

use crate::errors::{raise, refuse};
use crate::payload_in::{write_payload, write_state};
use crate::payload_out::read_payload;
use crate::texts::Texts;
use millpond_facade::{self as facade, FacadeError, cbor, log::Level};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

/// Makes a swarm secret: 64 hex digits from the system's randomness. Keep it like a password:
/// whoever has it can join the swarm.
///
/// Raises `InternalError`: the system gives no randomness.
#[pyfunction]
pub(crate) fn new_swarm_secret(py: Python<'_>) -> PyResult<String> {
    facade::swarm_secret_new().map_err(|error| raise(py, error))
}

/// Makes a secret to take the place of `secret` while the swarm stays the same: 128 hex digits.
/// See `Node.set_secrets`.
///
/// Raises `InvalidArgument`: it is no secret.
#[pyfunction]
pub(crate) fn next_swarm_secret(py: Python<'_>, secret: &str) -> PyResult<String> {
    facade::swarm_secret_next(secret).map_err(|error| raise(py, error))
}

/// What a ticket says: `(swarm id, node id, addresses)`. The secret stays inside.
#[pyfunction]
pub(crate) fn parse_ticket(py: Python<'_>, text: &str) -> PyResult<(String, String, Vec<String>)> {
    let parts = facade::ticket_parse(text).map_err(|error| raise(py, error))?;
    Ok((parts.swarm_id, parts.node_id, parts.addresses))
}

/// The payload bytes of a value: deterministic CBOR.
///
/// `value`: dict with str keys, list, tuple, str, int from -2**63 to 2**64 - 1, finite float, bool,
/// None, bytes, bytearray or memoryview. Raises `InvalidArgument` or `LimitExceeded`, naming the
/// place inside the value.
#[pyfunction]
#[pyo3(signature = (value, /))]
pub(crate) fn encode<'py>(value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyBytes>> {
    let py = value.py();
    let bytes = write_payload(value)?.finish();
    let bytes = bytes.map_err(|error| raise(py, FacadeError::from(error)))?;
    Ok(PyBytes::new(py, &bytes))
}

/// The bytes of the state of a fish, as its observers get it when it has no codec of its own.
///
/// `value`: as for `encode`, but up to 16 MiB. Raises `InvalidArgument` or `LimitExceeded`, naming
/// the place inside the value.
#[pyfunction]
#[pyo3(signature = (value, /))]
pub(crate) fn encode_state<'py>(value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyBytes>> {
    let py = value.py();
    let bytes = write_state(value)?.finish();
    let bytes = bytes.map_err(|error| raise(py, FacadeError::from(error)))?;
    Ok(PyBytes::new(py, &bytes))
}

/// The value that JSON text of the facade stands for.
///
/// Raises `InvalidArgument`: it is none.
#[pyfunction]
pub(crate) fn value_of_json<'py>(py: Python<'py>, text: &str) -> PyResult<Bound<'py, PyAny>> {
    let bytes = facade::json::to_cbor(text).map_err(|error| raise(py, error))?;
    read_payload(py, cbor::Reader::new(&bytes), &mut Texts::default())
}

/// The error for what code of the application raised: `function` is "effect", "make_fish" or
/// "decode".
///
/// Raises `InvalidArgument`: another one.
#[pyfunction]
pub(crate) fn user_code_error(
    py: Python<'_>,
    function: &str,
    message: String,
) -> PyResult<Py<PyAny>> {
    let names =
        ["make_fish", "initial", "step", "is_reset", "encode", "decode", "grow_only", "effect"];
    let known = names.into_iter().find(|known| *known == function);
    let function = known.ok_or_else(|| refuse(py, format!("no code is named {function:?}")))?;
    let error = raise(py, facade::user_code_error(function, message));
    Ok(error.into_value(py).into_any())
}

/// The error for an effect inside of an effect.
#[pyfunction]
pub(crate) fn nested_effect_error(py: Python<'_>) -> Py<PyAny> {
    raise(py, facade::nested_effect_error()).into_value(py).into_any()
}

/// Whether a machine may follow who shows `fence`; `highest` is the highest fence that it has
/// followed (None: none yet). Keep `fence` in its place when this returns.
///
/// A fence is the text of a claim's `own_fence`. Raises `Conflict`, reason "fenced": it is below
/// the highest one, so its holder has handed the claim over and does not know it;
/// `InvalidArgument`: a text is no fence.
#[pyfunction]
#[pyo3(signature = (highest, fence))]
pub(crate) fn fence_admits(py: Python<'_>, highest: Option<&str>, fence: &str) -> PyResult<()> {
    facade::fence_admits(highest, fence).map_err(|error| raise(py, error))
}

/// The value of payload bytes: what `encode` takes, with lists for tuples.
///
/// Raises `InvalidArgument`: not one value in its deterministic encoding.
#[pyfunction]
#[pyo3(signature = (data, /))]
pub(crate) fn decode<'py>(py: Python<'py>, data: &[u8]) -> PyResult<Bound<'py, PyAny>> {
    read_payload(py, cbor::Reader::new(data), &mut Texts::default())
}

/// The version of the native library.
#[pyfunction]
pub(crate) fn version() -> &'static str {
    facade::version()
}

/// Every kind of error: `(number, name, retryable, summary, advice)`.
#[pyfunction]
pub(crate) fn error_table() -> Vec<(i32, &'static str, bool, &'static str, &'static str)> {
    let rows = facade::errors::table().into_iter();
    rows.map(|row| (row.number, row.name, row.retryable, row.summary, row.advice)).collect()
}

/// Which traces are kept for `log_drain`: "off", "error", "warn", "info", "debug" or "trace".
#[pyfunction]
pub(crate) fn log_set_level(py: Python<'_>, level: &str) -> PyResult<()> {
    let found = Level::from_name(level).ok_or_else(|| {
        refuse(py, format!("log level {level:?}: give off, error, warn, info, debug or trace"))
    })?;
    facade::log::set_level(found);
    Ok(())
}

/// One trace: `(sequence, time in µs, level, target, message)`.
type Trace = (u64, i64, &'static str, &'static str, String);

/// Takes up to `count_max` traces, and how many were dropped since the last call.
#[pyfunction]
pub(crate) fn log_drain(count_max: usize) -> (Vec<Trace>, u64) {
    let drained = facade::log::drain(count_max);
    let flat = |record: facade::log::Record| {
        let level = name(record.level);
        (record.sequence, record.time_micros, level, record.target, record.message)
    };
    (drained.records.into_iter().map(flat).collect(), drained.dropped)
}

fn name(level: Level) -> &'static str {
    match level {
        Level::Off => "off",
        Level::Error => "error",
        Level::Warn => "warn",
        Level::Info => "info",
        Level::Debug => "debug",
        Level::Trace => "trace",
    }
}
