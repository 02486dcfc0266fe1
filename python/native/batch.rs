//! Several events at once, as a sequence.

use crate::errors::raise;
use crate::event::{Event, Held};
use crate::event_key::EventKey;
use crate::offsets::Offsets;
use millpond_facade as facade;
use pyo3::exceptions::PyIndexError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

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
        let Some(held) = &self.held else { return 0 };
        held.batch.len() - self.end
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

    /// False when these events came before they were on this node's disk (`delivery="live"`).
    ///
    /// Then `position` does not count them, and a power cut may take them back.
    #[getter]
    fn is_durable(&self) -> bool {
        self.held.as_ref().is_none_or(|held| held.batch.is_durable())
    }

    /// True when events in key order came late (`order="key"`): what was delivered behind
    /// `rewind_to` is to be forgotten, and comes again in order. There is no event in it.
    #[getter]
    fn is_rewind(&self) -> bool {
        self.held.as_ref().is_some_and(|held| held.batch.is_rewind())
    }

    /// Of a rewind: the key of the last event that stays; None when none does.
    #[getter]
    fn rewind_to(&self) -> Option<EventKey> {
        self.held.as_ref().and_then(|held| EventKey::parse(&held.batch.rewind_to()?))
    }

    /// True when the subscription has reached the end of the log as it was at the start.
    #[getter]
    fn caught_up(&self) -> bool {
        self.left_count() == 0 && self.held.as_ref().is_some_and(|held| held.batch.caught_up())
    }

    /// How many events of the log come after this batch, matching or not; 0 for queries.
    #[getter]
    fn lag(&self) -> u64 {
        let Some(held) = &self.held else { return 0 };
        held.batch.lag() + self.left_count() as u64
    }

    /// The offset map after the last event of this batch: pass it as `start` to go on.
    #[getter]
    fn position(&self) -> Offsets {
        let position = match &self.held {
            Some(held) => held.position(&self.before, self.end),
            None => self.before.clone(),
        };
        Offsets::new(position)
    }

    /// The payloads of all its events as bytes of CBOR, in order, without any decoding.
    ///
    /// What `payload_bytes` of each event gives, and the fastest way to it; a new list each time.
    /// Raises `InvalidArgument`: the query's `columns` leave it out, and there is an event.
    #[getter]
    fn payload_bytes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let Some(held) = &self.held else { return Ok(PyList::empty(py)) };
        let events = held.batch.iter().skip(self.first).take(self.__len__());
        let payloads = events.map(|event| event.payload());
        let payloads: Vec<&[u8]> =
            payloads.collect::<facade::Result<_>>().map_err(|error| raise(py, error))?;
        PyList::new(py, payloads.into_iter().map(|payload| PyBytes::new(py, payload)))
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
