//! The right to act on a state of a fish: one at a time in a process.

use crate::arguments::{Seconds, limit};
use crate::drafts::drafts;
use crate::errors::raise;
use crate::gate::blocking;
use crate::node::{PublishedTuple, published_tuple};
use crate::observer::State;
use crate::queue::{Operation, Queue, begin};
use crate::session::Session;
use millpond_facade::{PublishOptions, TurnHandle};
use pyo3::prelude::*;
use pyo3::types::PyList;

/// A turn. Dropped, it ends without having published.
#[pyclass(frozen, module = "millpond._native")]
pub(crate) struct Turn {
    handle: TurnHandle,
}

impl Turn {
    pub(crate) fn new(handle: TurnHandle) -> Turn {
        Turn { handle }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        // In a forked child this is refused, and there is nothing to free.
        let _ = self.handle.close();
    }
}

fn options(durability: Option<String>, session: Option<&Bound<'_, Session>>) -> PublishOptions {
    let session = session.map(|session| session.get().handle());
    PublishOptions { durability, session, ..PublishOptions::default() }
}

#[pymethods]
impl Turn {
    /// What to act on.
    fn state(&self, py: Python<'_>) -> PyResult<State> {
        self.handle.state().map(State::new).map_err(|error| raise(py, error))
    }

    /// Publishes, and ends the turn when that is durable.
    fn publish(
        &self,
        py: Python<'_>,
        pairs: &Bound<'_, PyList>,
        durability: Option<String>,
        session: Option<&Bound<'_, Session>>,
        timeout: Option<Seconds>,
    ) -> PyResult<PublishedTuple> {
        let (handle, options, drafts) = (self.handle, options(durability, session), drafts(pairs)?);
        let published =
            blocking(py, limit(timeout), move |wait| handle.publish(drafts, options, wait));
        published.into_result(py).map(published_tuple)
    }

    fn publish_start(
        &self,
        queue: &Bound<'_, Queue>,
        number: u64,
        pairs: &Bound<'_, PyList>,
        durability: Option<String>,
        session: Option<&Bound<'_, Session>>,
        timeout: Option<Seconds>,
    ) -> PyResult<Operation> {
        let (options, drafts) = (options(durability, session), drafts(pairs)?);
        begin(queue, number, timeout, |limit, done| {
            self.handle.publish_start(drafts, options, limit, done);
        })
    }

    /// Ends it without publishing.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        self.handle.close().map(drop).map_err(|error| raise(py, error))
    }
}
