//! The answer to a query.

use crate::arguments::{Seconds, Whole, limit};
use crate::batch::Batch;
use crate::errors::raise;
use crate::explanation::Explanation;
use crate::flow::{Deadline, Flow, Ready, Step};
use crate::gate::blocking;
use crate::node::OpenNode;
use crate::offsets::Offsets;
use crate::queue::{Operation, Queue, begin};
use crate::reader::Reader;
use millpond_facade::{self as facade, CursorHandle};
use pyo3::prelude::*;
use pyo3::types::PyList;
use std::sync::Arc;

/// The answer to a query: an iterator over events, read in batches from one view of the log.
///
/// What is published after the query was asked is not in it. Usable from any thread, by one at a
/// time. Close it, or leave its `with` block, or read it to the end, to free what it holds.
#[pyclass(frozen, module = "millpond")]
pub(crate) struct Cursor {
    handle: CursorHandle,
    flow: Py<Flow>,
    /// The node stays open as long as its answer is read.
    _node: Option<Arc<OpenNode>>,
}

/// The flow of a new cursor; closes it when dropped.
pub(crate) fn flow(handle: CursorHandle) -> (CursorHandle, Flow) {
    (handle, Flow::new(Reader::Cursor(handle), facade::Offsets::default()))
}

impl Cursor {
    pub(crate) fn new(
        py: Python<'_>,
        (handle, flow): (CursorHandle, Flow),
        node: Option<Arc<OpenNode>>,
    ) -> PyResult<Cursor> {
        Ok(Cursor { handle, flow: Py::new(py, flow)?, _node: node })
    }
}

#[pymethods]
impl Cursor {
    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<Step>> {
        self.next(py, None)
    }

    /// The next event, or None after the last one.
    ///
    /// `timeout`: seconds, None for no limit. Raises `Timeout` (no event is lost), `Closed`,
    /// `Corrupt`, `StorageFailed`.
    #[pyo3(signature = (timeout=None))]
    fn next(&self, py: Python<'_>, timeout: Option<Seconds>) -> PyResult<Option<Step>> {
        self.flow.get().next_step(py, limit(timeout))
    }

    /// Up to `count_max` events at once; a batch whose `is_end` is true after the last one.
    ///
    /// `count_max`: 1 to 4,096, None for 1,024. `timeout`: seconds, None for no limit.
    /// Raises `Timeout` (no event is lost), `Closed`, `InvalidArgument`, `Corrupt`,
    /// `StorageFailed`.
    #[pyo3(signature = (count_max=None, timeout=None))]
    fn next_batch(
        &self,
        py: Python<'_>,
        count_max: Option<Whole>,
        timeout: Option<Seconds>,
    ) -> PyResult<Batch> {
        self.flow.get().next_batch(py, count_max.map(Whole::count), limit(timeout))
    }

    /// All remaining events.
    ///
    /// `timeout`: seconds for the whole call, None for no limit. Raises `Timeout`, `Closed`,
    /// `Corrupt`, `StorageFailed`; what it had read until then is lost.
    #[pyo3(signature = (timeout=None))]
    fn to_list<'py>(
        &self,
        py: Python<'py>,
        timeout: Option<Seconds>,
    ) -> PyResult<Bound<'py, PyList>> {
        let (flow, deadline) = (self.flow.get(), Deadline::of(limit(timeout)));
        let events = PyList::empty(py);
        loop {
            match flow.pop() {
                Ready::Step(event) => events.append(event)?,
                Ready::End => return Ok(events),
                Ready::Nothing => drop(flow.wait_for_batch(py, None, deadline.left())?),
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

    /// How complete the answer is: the `offsets` that it is read at, streams that were known to
    /// be `behind`, and nodes that were `unheard`, all as of when the query was asked.
    ///
    /// Raises `Closed`.
    #[getter]
    fn completeness<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let json = self.handle.completeness_json().map_err(|error| raise(py, error))?;
        let completeness = py.import("json")?.call_method1("loads", (json,))?;
        completeness.set_item("offsets", self.upper(py)?)?;
        Ok(completeness)
    }

    /// How the query is answered: what is looked up, what the index expects that this takes, and
    /// what it took so far; nothing before the first event, so that explaining costs no reading.
    ///
    /// Events that were read ahead count as delivered. `timeout`: seconds, None for no limit.
    /// Raises `Timeout`, `Closed`, `Corrupt`, `StorageFailed`.
    #[pyo3(signature = (timeout=None))]
    fn explain(&self, py: Python<'_>, timeout: Option<Seconds>) -> PyResult<Explanation> {
        let handle = self.handle;
        let explained = blocking(py, limit(timeout), move |wait| handle.explain(wait));
        explained.into_result(py).map(Explanation::from)
    }

    /// Frees what the cursor holds. Does nothing the second time.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        // What reads on is refused: a cut answer must not look like a whole one.
        self.flow.get().close(py, false)
    }

    fn __enter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    #[pyo3(signature = (*_error))]
    fn __exit__(&self, py: Python<'_>, _error: &Bound<'_, PyAny>) -> PyResult<()> {
        self.close(py)
    }

    /// For asyncio.
    fn _explain_start(
        &self,
        queue: &Bound<'_, Queue>,
        number: u64,
        timeout: Option<Seconds>,
    ) -> PyResult<Operation> {
        begin(queue, number, timeout, |limit, done| self.handle.explain_start(limit, done))
    }

    /// For asyncio.
    #[getter]
    fn _flow(&self, py: Python<'_>) -> Py<Flow> {
        self.flow.clone_ref(py)
    }
}
