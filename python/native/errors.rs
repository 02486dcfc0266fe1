//! A facade error becomes the exception class of its name.
//!
//! The classes are in `millpond/_errors.py`. They have no Python constructor, so that raising one
//! runs no bytecode.

use crate::payload_out::read_payload;
use crate::texts::Texts;
use millpond_facade::{FacadeError, cbor};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyDict;

static CLASSES: PyOnceLock<Py<PyDict>> = PyOnceLock::new();

/// The exception for `error`: class by name, message as its only argument; `reason`, `position`,
/// `missing` and `details` as attributes.
pub(crate) fn raise(py: Python<'_>, error: FacadeError) -> PyErr {
    build(py, error).unwrap_or_else(|failure| failure)
}

/// An argument that a value of Python cannot stand for: `invalid_argument`.
pub(crate) fn refuse(py: Python<'_>, message: impl Into<String>) -> PyErr {
    raise(py, millpond_facade::host_error(message))
}

fn build(py: Python<'_>, error: FacadeError) -> PyResult<PyErr> {
    let classes = CLASSES.get_or_try_init(py, || -> PyResult<Py<PyDict>> {
        let by_name = py.import("millpond._errors")?.getattr("BY_NAME")?;
        Ok(by_name.cast_into::<PyDict>()?.unbind())
    })?;
    let class = classes.bind(py).as_any().get_item(error.name)?;
    let value = class.call1((error.message,))?;
    if let Some(reason) = error.reason {
        value.setattr("reason", reason)?;
    }
    if let Some(position) = error.position {
        value.setattr("position", position)?;
    }
    if !error.missing.is_empty() {
        let missing = PyDict::new(py);
        for (stream, count) in error.missing {
            missing.set_item(stream, count)?;
        }
        value.setattr("missing", missing)?;
    }
    if let Some(details) = error.details {
        let details = read_payload(py, cbor::Reader::new(&details), &mut Texts::default())?;
        value.setattr("details", details)?;
    }
    Ok(PyErr::from_value(value))
}
