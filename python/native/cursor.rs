//! The answer to a query.

use crate::arguments::{Seconds, Whole, limit};
use crate::batch::Batch;
use crate::errors::raise;
use crate::event::Event;
use crate::flow::{Flow, Ready};
use crate::gate::blocking;
use crate::node::OpenNode;
use crate::offsets::Offsets;
use crate::queue::{Operation, Queue};
use millpond_facade::{self as facade, CursorHandle};
use pyo3::prelude::*;
use pyo3::types::PyList;
use std::sync::Arc;
use std::time::Instant;

/// The answer to a query: an iterator over events, read in batches from one view of the log.
///
/// What is published after the query was asked is not in it. Usable from any thread, by one at a
/// time. Close it, or leave its `with` block, or read it to the end, to free what it holds.
#[pyclass(frozen, module = "millpond")]
pub(crate) struct Cursor {
    handle: CursorHandle,
    flow: Flow,
    /// The node stays open as long as its answer is read.
    _node: Option<Arc<OpenNode>>,
}

impl Cursor {
    pub(crate) fn new(handle: CursorHandle, node: Option<Arc<OpenNode>>) -> Cursor {
        Cursor { handle, flow: Flow::new(facade::Offsets::default()), _node: node }
    }
}

impl Drop for Cursor {
    fn drop(&mut self) {
        // In a forked child this is refused, and there is nothing to free.
        let _ = self.handle.close();
    }
}

#[pymethods]
impl Cursor {
    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<Event>> {
        self.next(py, None)
    }

    /// The next event, or None after the last one.
    ///
    /// `timeout`: seconds, None for no limit. Raises `Timeout` (no event is lost), `Closed`.
    #[pyo3(signature = (timeout=None))]
    fn next(&self, py: Python<'_>, timeout: Option<Seconds>) -> PyResult<Option<Event>> {
        let handle = self.handle;
        self.flow.next_event(py, limit(timeout), move |wait| handle.next_batch(None, wait))
    }

    /// Up to `count_max` events at once; a batch whose `is_end` is true after the last one.
    ///
    /// `count_max`: None for a good size. `timeout`: seconds, None for no limit.
    /// Raises `Timeout` (no event is lost), `Closed`, `InvalidArgument`.
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

    /// All remaining events.
    ///
    /// `timeout`: seconds for the whole call, None for no limit. Raises `Timeout`, `Closed`.
    #[pyo3(signature = (timeout=None))]
    fn to_list<'py>(
        &self,
        py: Python<'py>,
        timeout: Option<Seconds>,
    ) -> PyResult<Bound<'py, PyList>> {
        let deadline = limit(timeout).and_then(|limit| Instant::now().checked_add(limit));
        let events = PyList::empty(py);
        loop {
            match self.flow.pop() {
                Ready::Event(event) => events.append(event)?,
                Ready::End => return Ok(events),
                Ready::Nothing => {
                    let left = deadline.map(|at| at.saturating_duration_since(Instant::now()));
                    let handle = self.handle;
                    let next = move |wait: &facade::Wait<'_>| handle.next_batch(None, wait);
                    self.flow.wait_for_batch(py, left, next)?;
                }
            }
        }
    }

    /// The offset map that the query is answered at.
    ///
    /// Raises `Closed`.
    #[getter]
    fn upper(&self, py: Python<'_>) -> PyResult<Offsets> {
        self.handle.upper().map(Offsets::new).map_err(|error| raise(py, error))
    }

    /// Frees what the cursor holds. Does nothing the second time.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        let handle = self.handle;
        // What reads on is refused: a cut answer must not look like a whole one.
        self.flow.discard(false);
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
