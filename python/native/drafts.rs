//! Events to publish: `(payload, tags)` as Python gives them, checked by the facade.

use crate::errors::{raise, refuse};
use crate::payload_in::{described, write_payload};
use millpond_facade::Draft;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyBytes, PyFrozenSet, PyList, PySet, PyString, PyTuple};
use std::hash::{DefaultHasher, Hash, Hasher};

/// A payload that is encoded already: bytes of one CBOR value, taken as they are.
///
/// `Cbor(data)`; `data` are the bytes. They are checked when they are published: one value of the
/// payload subset. Not usable inside another payload.
// As many as one publish usually takes are made anew without asking for memory. PyO3 0.30 has no
// `eq` and `hash` beside `freelist`.
#[pyclass(frozen, freelist = 1024, module = "millpond")]
pub(crate) struct Cbor {
    pub(crate) data: PyBackedBytes,
}

#[pymethods]
impl Cbor {
    #[new]
    fn new(data: Data) -> Cbor {
        Cbor { data: data.0 }
    }

    /// The bytes.
    #[getter]
    fn data(&self) -> &PyBackedBytes {
        &self.data
    }

    fn __eq__(&self, other: &Cbor) -> bool {
        self.data == other.data
    }

    fn __hash__(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.data.hash(&mut hasher);
        hasher.finish()
    }

    fn __repr__(&self) -> String {
        format!("<Cbor of {} bytes>", self.data.len())
    }

    fn __getnewargs__(&self) -> (&PyBackedBytes,) {
        (&self.data,)
    }
}

/// Bytes as an argument: an immutable object as it is, a copy of any other.
struct Data(PyBackedBytes);

impl<'py> FromPyObject<'_, 'py> for Data {
    type Error = PyErr;

    fn extract(given: Borrowed<'_, 'py, PyAny>) -> PyResult<Data> {
        let bytes = match given.cast_exact::<PyBytes>() {
            Ok(bytes) => bytes.to_owned(),
            Err(_) => PyBytes::new(given.py(), &given.extract::<Vec<u8>>()?),
        };
        Ok(Data(bytes.into()))
    }
}

/// Every draft of a list of `(payload, tags)` or `(payload, tags, blob ids)`; an error names it.
pub(crate) fn drafts(pairs: &Bound<'_, PyList>) -> PyResult<Vec<Draft>> {
    let mut drafts = Vec::with_capacity(pairs.len());
    let mut tag_strings = Vec::new();
    for (index, pair) in pairs.iter().enumerate() {
        let made = pair_of(&pair).and_then(|(payload, tags, blobs)| {
            let draft = draft(&payload, &tags, &mut tag_strings)?;
            let Some(blobs) = blobs else { return Ok(draft) };
            draft
                .with_blobs(blobs.extract::<Vec<String>>()?)
                .map_err(|error| raise(pairs.py(), error))
        });
        drafts.push(made.map_err(|error| in_draft(pairs.py(), index, pairs.len(), error))?);
    }
    Ok(drafts)
}

type Pair<'a, 'py> =
    (Borrowed<'a, 'py, PyAny>, Borrowed<'a, 'py, PyAny>, Option<Borrowed<'a, 'py, PyAny>>);

fn pair_of<'a, 'py>(pair: &'a Bound<'py, PyAny>) -> PyResult<Pair<'a, 'py>> {
    match pair.cast::<PyTuple>() {
        Ok(pair) if pair.len() == 2 || pair.len() == 3 => {
            let blobs = (pair.len() == 3).then(|| pair.get_borrowed_item(2)).transpose()?;
            Ok((pair.get_borrowed_item(0)?, pair.get_borrowed_item(1)?, blobs))
        }
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

/// `held`: used for the strings, so that not every draft asks for memory for them.
fn draft<'py>(
    payload: &Bound<'py, PyAny>,
    tags: &Bound<'py, PyAny>,
    held: &mut Vec<Bound<'py, PyString>>,
) -> PyResult<Draft> {
    let py = payload.py();
    held.clear();
    hold_tags(tags, held)?;
    let mut tags = Vec::with_capacity(held.len());
    for tag in held {
        tags.push(tag.to_str().map_err(|_| refuse(py, "a tag holds a lone surrogate"))?);
    }
    let draft = match payload.cast::<Cbor>() {
        Ok(encoded) => Draft::from_cbor(tags, encoded.get().data.to_vec()),
        Err(_) => Draft::new(tags, write_payload(payload)?),
    };
    draft.map_err(|error| raise(py, error))
}

fn hold_tags<'py>(tags: &Bound<'py, PyAny>, held: &mut Vec<Bound<'py, PyString>>) -> PyResult<()> {
    let mut hold = |tag| tag_string(tag).map(|tag| held.push(tag));
    if let Ok(tags) = tags.cast::<PyList>() {
        return tags.iter().try_for_each(&mut hold);
    }
    if let Ok(tags) = tags.cast::<PyTuple>() {
        return tags.iter().try_for_each(&mut hold);
    }
    if let Ok(tags) = tags.cast::<PySet>() {
        return tags.iter().try_for_each(&mut hold);
    }
    if let Ok(tags) = tags.cast::<PyFrozenSet>() {
        return tags.iter().try_for_each(&mut hold);
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

/// Whether each of `pairs` is a plain tuple of two, the second a built-in collection: then there is
/// nothing to be made of them before they become drafts.
#[pyfunction]
pub(crate) fn are_plain(pairs: &Bound<'_, PyList>) -> bool {
    pairs.iter().all(|pair| {
        let Ok(pair) = pair.cast::<PyTuple>() else { return false };
        pair.len() == 2 && pair.get_borrowed_item(1).is_ok_and(|tags| is_collection(&tags))
    })
}

fn is_collection(tags: &Bound<'_, PyAny>) -> bool {
    tags.is_exact_instance_of::<PyTuple>()
        || tags.is_exact_instance_of::<PyList>()
        || tags.is_exact_instance_of::<PySet>()
        || tags.is_exact_instance_of::<PyFrozenSet>()
}
