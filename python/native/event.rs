//! Events and batches as Python sees them: views into one batch that the facade handed over.
//!
//! Nothing is copied or decoded until it is asked for; an event keeps its batch in memory.

use crate::offsets::Offsets;
use crate::payload_out::read_payload;
use millpond_facade::{self as facade, EventBatch, EventView};
use pyo3::exceptions::PyIndexError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyString, PyTuple};
use std::cmp::Ordering;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

/// One batch of the facade, with one Python string for each of its streams.
pub(crate) struct Held {
    pub(crate) batch: EventBatch,
    streams: Vec<Py<PyString>>,
}

impl Held {
    pub(crate) fn new(py: Python<'_>, batch: EventBatch) -> Held {
        let text = |stream: &String| PyString::new(py, stream).unbind();
        let streams = batch.streams().iter().map(text).collect();
        Held { batch, streams }
    }

    fn view(&self, index: usize) -> EventView<'_> {
        self.batch.get(index).expect("events are only made for what is in the batch")
    }

    /// The offset map after the first `count` events, when `before` was the one before the batch.
    pub(crate) fn position(&self, before: &facade::Offsets, count: usize) -> facade::Offsets {
        if count == self.batch.len() {
            return self.batch.position().clone();
        }
        let seen = self.batch.iter().take(count).map(|event| (event.stream(), event.offset() + 1));
        // A stream's events come in order, so its last one counts; the ids came from the facade.
        let entries: std::collections::BTreeMap<&str, u64> = seen.collect();
        let seen = facade::Offsets::from_entries(entries).unwrap_or_default();
        let mut position = before.clone();
        position.join(&seen);
        position
    }
}

/// One event: an immutable fact. Equal to another event with the same key.
#[pyclass(frozen, module = "millpond")]
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
        EventKey { lamport: view.lamport(), stream: view.stream().to_owned() }
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
        PyString::new(py, self.view().app_id())
    }

    /// The tags, sorted and distinct.
    #[getter]
    fn tags<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.view().tags())
    }

    /// The payload as dict, list, str, int, float, bool, None or bytes.
    ///
    /// Decoded when first asked for, and the same object afterwards.
    #[getter]
    fn payload(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        if let Some(payload) = self.payload.get() {
            return Ok(payload.clone_ref(py));
        }
        let decoded = read_payload(py, self.view().payload_reader())?.unbind();
        Ok(self.payload.get_or_init(|| decoded).clone_ref(py))
    }

    /// The payload as bytes of CBOR, without any decoding.
    #[getter]
    fn payload_bytes<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.view().payload())
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
        let tags: Vec<&str> = self.view().tags().collect();
        format!("<Event {} tags={tags:?}>", self.view().key())
    }
}

/// An event's place in the one order: `lamport` first, then `stream`. `str()` is its text form.
#[pyclass(frozen, eq, ord, hash, module = "millpond")]
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct EventKey {
    /// Logical time, from 1 to 2**53 - 1.
    #[pyo3(get)]
    lamport: u64,
    /// The stream id as text: `<node id>-<number>`.
    #[pyo3(get)]
    stream: String,
}

impl EventKey {
    /// The stream id in parts that sort like it: the number counts as a number, not as text.
    fn parts(&self) -> (u64, &str, u64) {
        let (node, number) = self.stream.rsplit_once('-').unwrap_or((&self.stream, ""));
        (self.lamport, node, number.parse().unwrap_or(u64::MAX))
    }
}

impl Ord for EventKey {
    fn cmp(&self, other: &EventKey) -> Ordering {
        self.parts().cmp(&other.parts())
    }
}

impl PartialOrd for EventKey {
    fn partial_cmp(&self, other: &EventKey) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[pymethods]
impl EventKey {
    #[new]
    fn new(lamport: u64, stream: String) -> EventKey {
        EventKey { lamport, stream }
    }

    fn __getnewargs__(&self) -> (u64, &str) {
        (self.lamport, &self.stream)
    }

    fn __str__(&self) -> String {
        format!("{}/{}", self.lamport, self.stream)
    }

    fn __repr__(&self) -> String {
        format!("<EventKey {self}>", self = self.__str__())
    }
}

/// Several events that came in one piece: a sequence of `Event`.
#[pyclass(frozen, sequence, module = "millpond")]
pub(crate) struct Batch {
    /// `None` for an end that no batch of the facade said.
    pub(crate) held: Option<Arc<Held>>,
    pub(crate) first: usize,
    pub(crate) end: usize,
    /// The offset map before `held`.
    pub(crate) before: facade::Offsets,
}

impl Batch {
    /// All of a batch that nobody has seen a part of.
    pub(crate) fn whole(held: Arc<Held>) -> Batch {
        let (end, before) = (held.batch.len(), facade::Offsets::default());
        Batch { held: Some(held), first: 0, end, before }
    }

    /// No events: what `held` says, or else the end, at `position`.
    pub(crate) fn empty(held: Option<Arc<Held>>, position: facade::Offsets) -> Batch {
        Batch { held, first: 0, end: 0, before: position }
    }

    /// How many events of the facade's batch come after these.
    fn left_count(&self) -> usize {
        self.held.as_ref().map_or(0, |held| held.batch.len() - self.end)
    }
}

#[pymethods]
impl Batch {
    fn __len__(&self) -> usize {
        self.end - self.first
    }

    fn __getitem__(&self, index: isize) -> PyResult<Event> {
        let length = self.__len__();
        let index = match usize::try_from(index) {
            Ok(index) => Some(index),
            Err(_) => length.checked_sub(index.unsigned_abs()),
        };
        match (&self.held, index) {
            (Some(held), Some(index)) if index < length => {
                Ok(Event::new(held.clone(), self.first + index))
            }
            _ => Err(PyIndexError::new_err("batch index out of range")),
        }
    }

    fn __iter__(&self) -> BatchIterator {
        let next = AtomicUsize::new(self.first);
        BatchIterator { held: self.held.clone(), next, end: self.end }
    }

    /// True when this is the end: the query is answered, or the subscription is closed.
    #[getter]
    fn is_end(&self) -> bool {
        self.held.as_ref().is_none_or(|held| held.batch.is_end())
    }

    /// True when the subscription has reached the end of the log as it was at the start.
    #[getter]
    fn caught_up(&self) -> bool {
        self.left_count() == 0 && self.held.as_ref().is_some_and(|held| held.batch.caught_up())
    }

    /// How many events of the log come after this batch, matching or not; 0 for queries.
    #[getter]
    fn lag(&self) -> u64 {
        self.held.as_ref().map_or(0, |held| held.batch.lag()) + self.left_count() as u64
    }

    /// The offset map after the last event of this batch: pass it as `start` to go on from here.
    #[getter]
    fn position(&self) -> Offsets {
        let position = match &self.held {
            Some(held) => held.position(&self.before, self.end),
            None => self.before.clone(),
        };
        Offsets::new(position)
    }

    fn __repr__(&self) -> String {
        format!("<Batch of {} events>", self.__len__())
    }
}

/// The events of a batch, one after the other.
#[pyclass(frozen, module = "millpond._native")]
pub(crate) struct BatchIterator {
    held: Option<Arc<Held>>,
    next: AtomicUsize,
    end: usize,
}

#[pymethods]
impl BatchIterator {
    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__(&self) -> Option<Event> {
        let held = self.held.as_ref()?;
        let index = self.next.fetch_add(1, Relaxed);
        (index < self.end).then(|| Event::new(held.clone(), index))
    }

    fn __length_hint__(&self) -> usize {
        self.end.saturating_sub(self.next.load(Relaxed))
    }
}
