//! Events as Python sees them: views into one batch that the facade handed over.
//!
//! Nothing is copied or decoded until it is asked for; an event keeps its batch in memory.

use crate::errors::raise;
use crate::event_key::EventKey;
use crate::payload_out::read_payload;
use crate::texts::Texts;
use millpond_facade::{self as facade, EventBatch, EventView};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyString, PyTuple};
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// One batch of the facade, with one Python string for each of its streams and app ids.
pub(crate) struct Held {
    pub(crate) batch: EventBatch,
    streams: Vec<Py<PyString>>,
    app_ids: Vec<Py<PyString>>,
    /// Empty while in use: making objects may run Python code, and that may come back here.
    texts: Mutex<Texts>,
}

impl Held {
    pub(crate) fn new(py: Python<'_>, batch: EventBatch) -> Held {
        let text = |text: &str| PyString::new(py, text).unbind();
        let streams = batch.streams().iter().map(|stream| text(stream)).collect();
        let app_ids = batch.app_ids().map(text).collect();
        Held { batch, streams, app_ids, texts: Mutex::new(Texts::default()) }
    }

    /// Runs `make` with the strings that were made before.
    fn with_texts<T>(&self, make: impl FnOnce(&mut Texts) -> T) -> T {
        let lock = || self.texts.lock().unwrap_or_else(PoisonError::into_inner);
        let mut texts = std::mem::take(&mut *lock());
        let made = make(&mut texts);
        *lock() = texts;
        made
    }

    pub(crate) fn view(&self, index: usize) -> EventView<'_> {
        self.batch.get(index).expect("events are only made for what is in the batch")
    }

    /// The offset map after the first `count` events, when `before` was the one before the batch.
    pub(crate) fn position(&self, before: &facade::Offsets, count: usize) -> facade::Offsets {
        // What is not durable does not count; the batch's own position knows.
        if count == self.batch.len() || !self.batch.is_durable() {
            return self.batch.position().clone();
        }
        let seen = self.batch.iter().take(count).map(|event| (event.stream(), event.offset() + 1));
        // A stream's events come in order, so its last one counts; the ids came from the facade.
        let entries: BTreeMap<&str, u64> = seen.collect();
        let mut position = before.clone();
        if let Ok(seen) = facade::Offsets::from_entries(entries) {
            position.join(&seen);
        }
        position
    }
}

/// One event: an immutable fact. Equal to another event with the same key.
// A loop over events lets go of one after the other: each is made where the last one was.
#[pyclass(frozen, freelist = 256, module = "millpond")]
pub(crate) struct Event {
    held: Arc<Held>,
    index: usize,
    payload: OnceLock<Py<PyAny>>,
}

impl Event {
    pub(crate) fn new(held: Arc<Held>, index: usize) -> Event {
        Event { held, index, payload: OnceLock::new() }
    }

    fn view(&self) -> EventView<'_> {
        self.held.view(self.index)
    }
}

static EPOCH: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
static BLOBS_OF: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
static TIMEDELTA: PyOnceLock<Py<PyAny>> = PyOnceLock::new();

fn epoch(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    let made = EPOCH.get_or_try_init(py, || -> PyResult<Py<PyAny>> {
        let datetime = py.import("datetime")?;
        let utc = datetime.getattr("timezone")?.getattr("utc")?;
        let zero = datetime.getattr("datetime")?.call1((1970, 1, 1, 0, 0, 0, 0, utc))?;
        Ok(zero.unbind())
    })?;
    Ok(made.bind(py).clone())
}

#[pymethods]
impl Event {
    /// The event key: sorting by it is the one order on all nodes.
    #[getter]
    fn key(&self) -> EventKey {
        let view = self.view();
        EventKey::new(view.lamport(), view.stream().to_owned())
    }

    /// Logical time, from 1 to 2**53 - 1: greater than everything its author had seen.
    #[getter]
    fn lamport(&self) -> u64 {
        self.view().lamport()
    }

    /// The stream id as text: `<node id>-<number>`.
    #[getter]
    fn stream(&self, py: Python<'_>) -> Py<PyString> {
        self.held.streams[self.view().stream_index()].clone_ref(py)
    }

    /// Position in its stream; the first is 0.
    #[getter]
    fn offset(&self) -> u64 {
        self.view().offset()
    }

    /// The author's wall clock as an aware UTC `datetime`; a claim, never used to order.
    ///
    /// Raises `OverflowError`: the author claims a year that `datetime` does not have;
    /// `time_micros` always works.
    #[getter]
    fn time<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let timedelta = TIMEDELTA.import(py, "datetime", "timedelta")?;
        epoch(py)?.add(timedelta.call1((0, 0, self.view().time_micros()))?)
    }

    /// The author's wall clock in microseconds since 1970, UTC.
    #[getter]
    fn time_micros(&self) -> i64 {
        self.view().time_micros()
    }

    /// The app id of its author.
    #[getter]
    fn app<'py>(&self, py: Python<'py>) -> Bound<'py, PyString> {
        self.held.app_ids[self.view().app_id_index()].bind(py).clone()
    }

    /// The tags, sorted and distinct.
    ///
    /// Raises `InvalidArgument`: the query's `columns` leave them out.
    #[getter]
    fn tags<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let tags = self.view().tags().map_err(|error| raise(py, error))?;
        self.held.with_texts(|texts| PyTuple::new(py, tags.map(|tag| texts.get(py, tag))))
    }

    /// The blobs that it refers to, by id, with what its publisher said of them: `Blob` each.
    ///
    /// Raises `InvalidArgument`: the query's `columns` leave the tags out.
    #[getter]
    fn blobs(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let told = self.view().blobs_json().map_err(|error| raise(py, error))?;
        Ok(BLOBS_OF.import(py, "millpond._blob", "blobs_of")?.call1((told,))?.unbind())
    }

    /// The payload as dict, list, str, int, float, bool, None or bytes.
    ///
    /// Decoded when first asked for, and the same object afterwards. Raises `InvalidArgument`: the
    /// query's `columns` leave it out.
    #[getter]
    fn payload(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        if let Some(payload) = self.payload.get() {
            return Ok(payload.clone_ref(py));
        }
        let reader = self.view().payload_reader().map_err(|error| raise(py, error))?;
        let decoded = self.held.with_texts(|texts| read_payload(py, reader, texts))?.unbind();
        Ok(self.payload.get_or_init(|| decoded).clone_ref(py))
    }

    /// The payload as bytes of CBOR, without any decoding.
    ///
    /// Raises `InvalidArgument`: the query's `columns` leave it out.
    #[getter]
    fn payload_bytes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let payload = self.view().payload().map_err(|error| raise(py, error))?;
        Ok(PyBytes::new(py, payload))
    }

    fn __eq__(&self, other: &Bound<'_, PyAny>) -> bool {
        let Ok(other) = other.cast::<Event>() else { return false };
        let (mine, other) = (self.view(), other.get().view());
        mine.lamport() == other.lamport() && mine.stream() == other.stream()
    }

    fn __hash__(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        (self.view().lamport(), self.view().stream()).hash(&mut hasher);
        hasher.finish()
    }

    fn __repr__(&self) -> String {
        let key = self.view().key();
        match self.view().tags() {
            Ok(tags) => format!("<Event {key} tags={:?}>", tags.collect::<Vec<_>>()),
            Err(_) => format!("<Event {key}>"),
        }
    }
}
