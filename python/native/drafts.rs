//! Events to publish: `(payload, tags)` as Python gives them, checked by the facade.

use crate::errors::{raise, refuse};
use crate::payload_in::{described, write_payload};
use millpond_facade::Draft;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyFrozenSet, PyList, PySet, PyString, PyTuple};

/// A payload that is encoded already: bytes of one CBOR value, taken as they are.
///
/// `Cbor(data)`; `data` are the bytes. They are checked when they are published: one value of the
/// payload subset. Not usable inside another payload.
#[pyclass(frozen, eq, hash, module = "millpond")]
#[derive(PartialEq, Eq, Hash)]
pub(crate) struct Cbor {
    data: Vec<u8>,
}

#[pymethods]
impl Cbor {
    #[new]
    fn new(data: Vec<u8>) -> Cbor {
        Cbor { data }
    }

    /// The bytes.
    #[getter]
    fn data<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.data)
    }

    fn __repr__(&self) -> String {
        format!("<Cbor of {} bytes>", self.data.len())
    }

    fn __getnewargs__<'py>(&self, py: Python<'py>) -> (Bound<'py, PyBytes>,) {
        (self.data(py),)
    }
}

/// Every draft of a list of `(payload, tags)` pairs; an error names the pair.
pub(crate) fn drafts(pairs: &Bound<'_, PyList>) -> PyResult<Vec<Draft>> {
    let mut drafts = Vec::with_capacity(pairs.len());
    for (index, pair) in pairs.iter().enumerate() {
        let made = pair_of(&pair).and_then(|(payload, tags)| draft(&payload, &tags));
        drafts.push(made.map_err(|error| in_draft(pairs.py(), index, pairs.len(), error))?);
    }
    Ok(drafts)
}

fn pair_of<'py>(pair: &Bound<'py, PyAny>) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyAny>)> {
    match pair.cast::<PyTuple>() {
        Ok(pair) if pair.len() == 2 => Ok((pair.get_item(0)?, pair.get_item(1)?)),
        _ => {
            let message =
                format!("a Draft or a pair (payload, tags) is needed, not {}", described(pair));
            Err(refuse(pair.py(), message))
        }
    }
}

/// Says which of several drafts was refused, and keeps the exception otherwise.
fn in_draft(py: Python<'_>, index: usize, count: usize, error: PyErr) -> PyErr {
    if count == 1 {
        return error;
    }
    let value = error.value(py);
    let said = value.str().map(|text| format!("event {index}: {text}"));
    if let Ok(said) = said {
        // Without the number the message is still true.
        let _ = value.setattr("args", (said,));
    }
    error
}

fn draft(payload: &Bound<'_, PyAny>, tags: &Bound<'_, PyAny>) -> PyResult<Draft> {
    let py = payload.py();
    let held = tag_strings(tags)?;
    let mut tags = Vec::with_capacity(held.len());
    for tag in &held {
        tags.push(tag.to_str().map_err(|_| refuse(py, "a tag holds a lone surrogate"))?);
    }
    let draft = match payload.cast::<Cbor>() {
        Ok(encoded) => Draft::from_cbor(tags, &encoded.get().data),
        Err(_) => Draft::new(tags, write_payload(payload)?),
    };
    draft.map_err(|error| raise(py, error))
}

fn tag_strings<'py>(tags: &Bound<'py, PyAny>) -> PyResult<Vec<Bound<'py, PyString>>> {
    if let Ok(tags) = tags.cast::<PyList>() {
        return tags.iter().map(tag_string).collect();
    }
    if let Ok(tags) = tags.cast::<PyTuple>() {
        return tags.iter().map(tag_string).collect();
    }
    if let Ok(tags) = tags.cast::<PySet>() {
        return tags.iter().map(tag_string).collect();
    }
    if let Ok(tags) = tags.cast::<PyFrozenSet>() {
        return tags.iter().map(tag_string).collect();
    }
    let message = format!("tags: a list, tuple or set of str is needed, not {}", described(tags));
    Err(refuse(tags.py(), message))
}

fn tag_string(tag: Bound<'_, PyAny>) -> PyResult<Bound<'_, PyString>> {
    let py = tag.py();
    tag.cast_into::<PyString>().map_err(|error| {
        refuse(py, format!("a tag is {}, not str", described(&error.into_inner())))
    })
}
