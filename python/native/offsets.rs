//! Offset maps and their text form, the token.

use crate::arguments::Token;
use crate::errors::raise;
use millpond_facade as facade;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};
use std::hash::{DefaultHasher, Hash, Hasher};

/// An offset map: for each stream how many events of it are meant. A point in history.
///
/// `Offsets()` is the beginning, `Offsets({stream: count})` takes a dict (stream ids as text,
/// counts from 0 to 2**53 - 1), `Offsets(token)` reads the text that `str()` gives: compact, with
/// a checksum, meant to be stored or shown as a QR code. Values do not change.
///
/// Raises `InvalidArgument`: neither a token nor stream ids and counts.
#[pyclass(frozen, eq, module = "millpond")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Offsets {
    pub(crate) inner: facade::Offsets,
}

impl Offsets {
    pub(crate) fn new(inner: facade::Offsets) -> Offsets {
        Offsets { inner }
    }
}

#[pymethods]
impl Offsets {
    #[new]
    #[pyo3(signature = (value=None, /))]
    fn make(py: Python<'_>, value: Option<&Bound<'_, PyAny>>) -> PyResult<Offsets> {
        let Some(value) = value else {
            return Ok(Offsets::new(facade::Offsets::default()));
        };
        if let Ok(same) = value.cast::<Offsets>() {
            return Ok(same.get().clone());
        }
        let made = if let Ok(token) = value.cast::<PyString>() {
            facade::Offsets::parse(token.to_str()?)
        } else if let Ok(counts) = value.cast::<PyDict>() {
            let mut entries: Vec<(String, u64)> = Vec::with_capacity(counts.len());
            for (stream, count) in counts {
                entries.push((stream.extract()?, count.extract()?));
            }
            facade::Offsets::from_entries(entries)
        } else {
            return Err(PyTypeError::new_err("Offsets() takes a token, a dict or nothing"));
        };
        made.map(Offsets::new).map_err(|error| raise(py, error))
    }

    /// Several tokens as one: the smallest map that covers each of `tokens`.
    ///
    /// `tokens`: a list or other sequence of `Offsets` or their texts; none gives the beginning.
    /// Raises `InvalidArgument`: one of them is no token.
    #[staticmethod]
    fn merge(tokens: Vec<Token>) -> Offsets {
        let mut merged = facade::Offsets::default();
        for token in tokens {
            merged.join(&token.0);
        }
        Offsets::new(merged)
    }

    /// The compact text, the same as `str()`.
    #[getter]
    fn token(&self) -> String {
        self.inner.token()
    }

    /// Number of events over all streams.
    #[getter]
    fn total(&self) -> u64 {
        self.inner.total()
    }

    /// Number of events of `stream`; 0 for a stream that is not in the map.
    ///
    /// Raises `InvalidArgument`: `stream` is no stream id.
    fn count(&self, py: Python<'_>, stream: &str) -> PyResult<u64> {
        self.inner.count(stream).map_err(|error| raise(py, error))
    }

    /// True when every event that `other` means is also meant by this one.
    fn covers(&self, other: &Bound<'_, Offsets>) -> bool {
        self.inner.covers(&other.get().inner)
    }

    /// The counts by stream id, as a new dict in the order of the stream ids.
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let counts = PyDict::new(py);
        for (stream, count) in self.inner.entries() {
            counts.set_item(stream, count)?;
        }
        Ok(counts)
    }

    /// The smallest map that covers both.
    fn __or__(&self, other: &Bound<'_, Offsets>) -> Offsets {
        let mut joined = self.inner.clone();
        joined.join(&other.get().inner);
        Offsets::new(joined)
    }

    fn __hash__(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.inner.entries().hash(&mut hasher);
        hasher.finish()
    }

    fn __str__(&self) -> String {
        self.inner.token()
    }

    fn __repr__(&self) -> String {
        let streams = self.inner.entries().len();
        format!("<Offsets of {} events in {streams} streams>", self.inner.total())
    }

    fn __getnewargs__(&self) -> (String,) {
        (self.inner.token(),)
    }
}
