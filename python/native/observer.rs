//! States of a fish as they come, and the right to act on one.

use crate::arguments::{Seconds, limit};
use crate::errors::raise;
use crate::event_key::EventKey;
use crate::kept::Kept;
use crate::node::OpenNode;
use crate::offsets::Offsets;
use crate::payload_out::read_payload;
use crate::queue::{Operation, Queue, begin};
use crate::session::Session;
use crate::texts::Texts;
use crate::turn::Turn;
use millpond_facade::{ObserverHandle, StateView, TurnKind, cbor};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use std::sync::Arc;

/// A state of a fish, as bytes.
#[pyclass(frozen, module = "millpond._native")]
pub(crate) struct State {
    view: StateView,
}

impl State {
    pub(crate) fn new(view: StateView) -> State {
        State { view }
    }
}

#[pymethods]
impl State {
    /// True when no state will come any more.
    #[getter]
    fn is_end(&self) -> bool {
        self.view.is_end()
    }

    #[getter]
    fn data<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.view.bytes())
    }

    #[getter]
    fn token(&self) -> Offsets {
        Offsets::new(self.view.offsets().clone())
    }

    #[getter]
    fn last(&self) -> Option<EventKey> {
        self.view.last().and_then(EventKey::parse)
    }

    #[getter]
    fn number(&self) -> u64 {
        self.view.number()
    }

    /// The state as a value of its own, where the fish has no codec.
    fn decoded<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        read_payload(py, cbor::Reader::new(self.view.bytes()), &mut Texts::default())
    }
}

fn kind(is_new: bool) -> TurnKind {
    if is_new { TurnKind::New } else { TurnKind::Any }
}

/// Who observes a fish. Dropped, it ends.
#[pyclass(frozen, module = "millpond._native")]
pub(crate) struct Observer {
    handle: ObserverHandle,
    kept: Kept<StateView>,
    /// The node stays open as long as its fish is observed.
    _node: Option<Arc<OpenNode>>,
}

impl Observer {
    pub(crate) fn new(handle: ObserverHandle, node: Option<Arc<OpenNode>>) -> Observer {
        Observer { handle, kept: Kept::new(), _node: node }
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        // In a forked child this is refused, and there is nothing to free.
        let _ = self.handle.close();
    }
}

#[pymethods]
impl Observer {
    /// A state that was not given yet: the newest.
    fn next_state(&self, py: Python<'_>, timeout: Option<Seconds>) -> PyResult<State> {
        let handle = self.handle;
        self.kept.wait(py, limit(timeout), move |wait| handle.next_state(wait)).map(State::new)
    }

    fn next_state_start(
        &self,
        queue: &Bound<'_, Queue>,
        number: u64,
        timeout: Option<Seconds>,
    ) -> PyResult<Operation> {
        begin(queue, number, timeout, |limit, done| self.handle.next_state_start(limit, done))
    }

    /// The state of all that is durable here now, or of more.
    fn state(&self, py: Python<'_>, timeout: Option<Seconds>) -> PyResult<State> {
        let handle = self.handle;
        Kept::new().wait(py, limit(timeout), move |wait| handle.state(wait)).map(State::new)
    }

    fn state_start(
        &self,
        queue: &Bound<'_, Queue>,
        number: u64,
        timeout: Option<Seconds>,
    ) -> PyResult<Operation> {
        begin(queue, number, timeout, |limit, done| self.handle.state_start(limit, done))
    }

    /// The right to act: on whatever the state is, or only on one that differs from the last turn.
    /// Once the node has what the session has seen.
    fn turn(
        &self,
        py: Python<'_>,
        is_new: bool,
        session: Option<&Bound<'_, Session>>,
        timeout: Option<Seconds>,
    ) -> PyResult<Turn> {
        let (handle, session) = (self.handle, session.map(|session| session.get().handle()));
        // Of a turn that an interrupt meets nobody hears: dropped, it goes to the next one.
        Kept::new().wait(py, limit(timeout), move |wait| {
            handle.turn(kind(is_new), session, wait).map(Turn::new)
        })
    }

    fn turn_start(
        &self,
        queue: &Bound<'_, Queue>,
        number: u64,
        is_new: bool,
        session: Option<&Bound<'_, Session>>,
        timeout: Option<Seconds>,
    ) -> PyResult<Operation> {
        let session = session.map(|session| session.get().handle());
        begin(queue, number, timeout, |limit, done| {
            self.handle.turn_start(kind(is_new), session, limit, done);
        })
    }

    fn fileno(&self, py: Python<'_>) -> PyResult<i32> {
        self.handle.fd().map_err(|error| raise(py, error))
    }

    fn close(&self, py: Python<'_>) -> PyResult<()> {
        drop(self.kept.take());
        self.handle.close().map(drop).map_err(|error| raise(py, error))
    }
}
