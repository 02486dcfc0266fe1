//! A query that stays open.

use crate::arguments::{Seconds, Whole, limit};
use crate::batch::Batch;
use crate::errors::raise;
use crate::event::Event;
use crate::flow::{Flow, Ready};
use crate::gate::blocking;
use crate::node::OpenNode;
use crate::offsets::Offsets;
use crate::queue::{Operation, Queue};
use millpond_facade::{self as facade, SubscriptionHandle};
use pyo3::prelude::*;
use std::sync::Arc;

/// A query that stays open: first what the log holds, then what arrives, without gap or duplicate.
///
/// Iterate over it: a cursor over the log, not a queue, so a slow reader lags and loses nothing.
/// Iteration ends when the subscription or its node is closed. Usable from any thread, by one at a
/// time; `close` may be called while another thread waits.
#[pyclass(frozen, module = "millpond")]
pub(crate) struct Subscription {
    handle: SubscriptionHandle,
    flow: Flow,
    /// The node stays open as long as it is listened to.
    _node: Option<Arc<OpenNode>>,
}

impl Subscription {
    pub(crate) fn new(
        handle: SubscriptionHandle,
        node: Option<Arc<OpenNode>>,
    ) -> facade::Result<Subscription> {
        let before = handle.position().inspect_err(|_| drop(handle.close()))?;
        Ok(Subscription { handle, flow: Flow::new(before), _node: node })
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        // In a forked child this is refused, and there is nothing to free.
        let _ = self.handle.close();
    }
}

#[pymethods]
impl Subscription {
    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<Event>> {
        self.next(py, None)
    }

    /// Waits for the next event; None when the subscription has ended.
    ///
    /// `timeout`: seconds, None for no limit. Raises `Timeout` (no event is lost).
    #[pyo3(signature = (timeout=None))]
    fn next(&self, py: Python<'_>, timeout: Option<Seconds>) -> PyResult<Option<Event>> {
        let handle = self.handle;
        self.flow.next_event(py, limit(timeout), move |wait| handle.next_batch(None, wait))
    }

    /// Waits for one to `count_max` events; empty when it has just caught up, or at the end.
    ///
    /// `count_max`: None for a good size. `timeout`: seconds, None for no limit.
    /// Raises `Timeout` (no event is lost), `InvalidArgument`.
    #[pyo3(signature = (count_max=None, timeout=None))]
    fn next_batch(
        &self,
        py: Python<'_>,
        count_max: Option<Whole>,
        timeout: Option<Seconds>,
    ) -> PyResult<Batch> {
        let (handle, count_max) = (self.handle, count_max.map(Whole::count));
        let next = move |wait: &facade::Wait<'_>| handle.next_batch(count_max, wait);
        self.flow.next_batch(py, count_max, limit(timeout), next)
    }

    /// True when every event that the log held at the start has been handed out.
    #[getter]
    fn caught_up(&self) -> bool {
        self.flow.caught_up()
    }

    /// How many events of the log it has not handed out yet, matching or not: an upper bound.
    ///
    /// Raises `Closed`.
    #[getter]
    fn lag(&self, py: Python<'_>) -> PyResult<u64> {
        let lag = self.handle.lag().map_err(|error| raise(py, error))?;
        Ok(lag + self.flow.unread_count())
    }

    /// The offset map after the last event that was handed out: pass it as `start` to go on.
    #[getter]
    fn position(&self) -> Offsets {
        Offsets::new(self.flow.position())
    }

    /// A file descriptor for `select` and the like: readable while `next_batch` would not wait.
    ///
    /// It belongs to the subscription: never read, write or close it. Events that already arrived
    /// in a batch do not make it readable: read until `next_batch(timeout=0)` raises `Timeout`.
    /// Raises `Closed`.
    fn fileno(&self, py: Python<'_>) -> PyResult<i32> {
        self.handle.fd().map_err(|error| raise(py, error))
    }

    /// Ends the subscription: whoever waits for its next event sees the end. May be repeated.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        let handle = self.handle;
        self.flow.discard(true);
        blocking(py, None, move |_| handle.close()).into_result(py).map(drop)
    }

    fn __enter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    #[pyo3(signature = (*_error))]
    fn __exit__(&self, py: Python<'_>, _error: &Bound<'_, PyAny>) -> PyResult<()> {
        self.close(py)
    }

    /// For asyncio: the next event, if one is here.
    fn _pop(&self) -> Option<Event> {
        match self.flow.pop() {
            Ready::Event(event) => Some(event),
            Ready::Nothing | Ready::End => None,
        }
    }

    /// For asyncio: true when nothing is left and nothing will come.
    #[getter]
    fn _ended(&self) -> bool {
        self.flow.ended()
    }

    /// For asyncio: as `next_batch`, but never waits and gives None then.
    #[pyo3(signature = (count_max))]
    fn _take(&self, count_max: Option<Whole>) -> Option<Batch> {
        self.flow.take(count_max.map(Whole::count))
    }

    /// For asyncio: starts to fetch a batch; `_keep` must get what it ends with.
    #[pyo3(signature = (queue, number, count_max, timeout))]
    fn _fetch(
        &self,
        py: Python<'_>,
        queue: &Bound<'_, Queue>,
        number: u64,
        count_max: Option<Whole>,
        timeout: Option<Seconds>,
    ) -> PyResult<Operation> {
        self.flow.begin_wait(py)?;
        let (handle, count_max) = (self.handle, count_max.map(Whole::count));
        let operation = Operation::new(py).inspect_err(|_| self.flow.end_wait())?;
        let done = queue.get().done(number);
        handle.next_batch_start(count_max, operation.limit(timeout), done);
        Ok(operation)
    }

    /// For asyncio: keeps a batch that arrived, or only notes that the fetch is over.
    fn _keep(&self, batch: Option<&Bound<'_, Batch>>) {
        self.flow.keep(batch);
    }
}
