//! Payload bytes in, Python values out, in one pass without a tree between. Keys that repeat are
//! the same string.

use crate::errors::{raise, refuse};
use crate::texts::Texts;
use millpond_facade::{FacadeError, cbor};
use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyDict, PyFloat, PyList, PyString};

/// The value that `reader` stands before: maps as `dict` in key order, arrays as `list`.
pub(crate) fn read_payload<'py>(
    py: Python<'py>,
    mut reader: cbor::Reader<'_>,
    keys: &mut Texts,
) -> PyResult<Bound<'py, PyAny>> {
    let value = read(py, &mut reader, keys)?;
    match reader.next_item() {
        Ok(None) => Ok(value),
        Ok(Some(_)) => Err(refuse(py, "payload: bytes are left over after the value")),
        Err(error) => Err(raise(py, FacadeError::from(error))),
    }
}

/// Recursion is bounded: the reader refuses nesting beyond its limit.
fn read<'py>(
    py: Python<'py>,
    reader: &mut cbor::Reader<'_>,
    keys: &mut Texts,
) -> PyResult<Bound<'py, PyAny>> {
    let item = item(py, reader)?;
    match item {
        cbor::Item::Null => Ok(py.None().into_bound(py)),
        cbor::Item::Bool(value) => Ok(PyBool::new(py, value).to_owned().into_any()),
        cbor::Item::Integer(value) => integer(py, value),
        cbor::Item::Float(value) => Ok(PyFloat::new(py, value).into_any()),
        cbor::Item::Text(value) => Ok(PyString::new(py, value).into_any()),
        cbor::Item::Bytes(value) => Ok(PyBytes::new(py, value).into_any()),
        cbor::Item::Array(count) => {
            let list = PyList::empty(py);
            for _ in 0..count {
                list.append(read(py, reader, keys)?)?;
            }
            Ok(list.into_any())
        }
        cbor::Item::Map(count) => {
            let map = PyDict::new(py);
            for _ in 0..count {
                let cbor::Item::Text(key) = self::item(py, reader)? else {
                    return Err(refuse(py, "payload: a map key is not text"));
                };
                let key = keys.get(py, key);
                map.set_item(key, read(py, reader, keys)?)?;
            }
            Ok(map.into_any())
        }
    }
}

fn item<'a>(py: Python<'_>, reader: &mut cbor::Reader<'a>) -> PyResult<cbor::Item<'a>> {
    match reader.next_item() {
        Ok(Some(item)) => Ok(item),
        Ok(None) => Err(refuse(py, "payload: the bytes end too early")),
        Err(error) => Err(raise(py, FacadeError::from(error))),
    }
}

fn integer(py: Python<'_>, value: cbor::Integer) -> PyResult<Bound<'_, PyAny>> {
    let number = value.value();
    match i64::try_from(number) {
        Ok(number) => number.into_bound_py_any(py),
        Err(_) => number.into_bound_py_any(py),
    }
}
