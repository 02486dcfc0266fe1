//! A claim that may lose, and how it stands.

use crate::arguments::{Seconds, limit};
use crate::errors::raise;
use crate::event_key::EventKey;
use crate::gate::blocking;
use crate::kept::Kept;
use crate::node::OpenNode;
use crate::offsets::Offsets;
use crate::payload_out::read_payload;
use crate::queue::{Operation, Queue, begin};
use crate::texts::Texts;
use millpond_facade::{DoingHandle, StandingView, cbor};
use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use std::sync::Arc;

/// A claim of this node, and who listens for how it stands. Dropped, only the listening ends.
#[pyclass(frozen, module = "millpond._native")]
pub(crate) struct Doing {
    own: Arc<Own>,
    kept: Kept<StandingView>,
    /// The node stays open as long as it is listened to.
    _node: Option<Arc<OpenNode>>,
}

/// Waits for the loss of a claim. Keeps what it stands for, and not the node open.
#[pyclass(frozen, module = "millpond._native")]
pub(crate) struct Loss {
    own: Arc<Own>,
}

/// A claim, closed when nobody has it any more.
struct Own {
    handle: DoingHandle,
}

impl Doing {
    pub(crate) fn new(handle: DoingHandle, node: Option<Arc<OpenNode>>) -> Doing {
        Doing { own: Arc::new(Own { handle }), kept: Kept::new(), _node: node }
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        // In a forked child this is refused, and there is nothing to free.
        let _ = self.handle.close();
    }
}

/// `(standing, key of the winner, its note, as of)`, or None at the end.
pub(crate) fn standing_of(py: Python<'_>, view: StandingView) -> PyResult<Py<PyAny>> {
    if view.is_end {
        return Ok(py.None());
    }
    let (mut winner, mut note) = (None, py.None());
    if let Some((key, noted)) = view.winner {
        winner = EventKey::parse(&key);
        if let Some(noted) = noted {
            let reader = cbor::Reader::new(&noted);
            note = read_payload(py, reader, &mut Texts::default())?.unbind();
        }
    }
    (view.standing, winner, note, Offsets::new(view.as_of)).into_py_any(py)
}

#[pymethods]
impl Doing {
    fn key(&self, py: Python<'_>) -> PyResult<Option<EventKey>> {
        let key = self.own.handle.key().map_err(|error| raise(py, error))?;
        Ok(EventKey::parse(&key))
    }

    fn next_standing(&self, py: Python<'_>, timeout: Option<Seconds>) -> PyResult<Py<PyAny>> {
        let handle = self.own.handle;
        let view = self.kept.wait(py, limit(timeout), move |wait| handle.next_standing(wait))?;
        standing_of(py, view)
    }

    fn next_standing_start(
        &self,
        queue: &Bound<'_, Queue>,
        number: u64,
        timeout: Option<Seconds>,
    ) -> PyResult<Operation> {
        begin(queue, number, timeout, |limit, done| {
            self.own.handle.next_standing_start(limit, done);
        })
    }

    fn loss(&self) -> Loss {
        Loss { own: self.own.clone() }
    }

    fn fileno(&self, py: Python<'_>) -> PyResult<i32> {
        self.own.handle.fd().map_err(|error| raise(py, error))
    }

    fn close(&self, py: Python<'_>) -> PyResult<()> {
        drop(self.kept.take());
        self.own.handle.close().map(drop).map_err(|error| raise(py, error))
    }
}

#[pymethods]
impl Loss {
    fn wait(&self, py: Python<'_>, timeout: Option<Seconds>) -> PyResult<Py<PyAny>> {
        let handle = self.own.handle;
        let view = blocking(py, limit(timeout), move |wait| handle.lost(wait));
        standing_of(py, view.into_result(py)?)
    }

    fn wait_start(
        &self,
        queue: &Bound<'_, Queue>,
        number: u64,
        timeout: Option<Seconds>,
    ) -> PyResult<Operation> {
        begin(queue, number, timeout, |limit, done| self.own.handle.lost_start(limit, done))
    }
}
