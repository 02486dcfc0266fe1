//! Operations for asyncio: started here, finished on threads of millpond, collected by the loop.
//!
//! A finished operation waits in a queue whose file descriptor the event loop watches. The loop
//! drains it on its own thread; no other thread touches Python.

use crate::arguments::{Seconds, limit};
use crate::batch::Batch;
use crate::blobs::{BlobReader, BlobWriter, progress_tuple};
use crate::cursor::{self, Cursor};
use crate::errors::raise;
use crate::event::Held;
use crate::explanation::Explanation;
use crate::fold::job_of;
use crate::group::{Group, step_of};
use crate::node::{Node, published_tuple};
use crate::observer::State;
use crate::pond::observed;
use crate::standing::{Doing, standing_of};
use crate::subscription;
use crate::turn::Turn;
use millpond_facade::{self as facade, CancelHandle, CompletionQueue, Limit, Outcome};
use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use std::sync::Arc;

/// One value or one exception for the number that an operation was started with.
type Collected = (u64, Py<PyAny>, Option<Py<PyAny>>);

/// Finished operations of one event loop.
#[pyclass(frozen, module = "millpond._native")]
pub(crate) struct Queue {
    inner: CompletionQueue,
    fd: i32,
}

/// What is called with the outcome.
type Done<T> = Box<dyn FnOnce(facade::Result<T>) + Send>;

/// Starts an operation whose outcome goes to `queue` under `number`.
pub(crate) fn begin<T: Into<Outcome> + 'static>(
    queue: &Bound<'_, Queue>,
    number: u64,
    timeout: Option<Seconds>,
    work: impl FnOnce(Limit, Done<T>),
) -> PyResult<Operation> {
    let operation = Operation::new(queue.py())?;
    work(operation.limit(timeout), Box::new(queue.get().done(number)));
    Ok(operation)
}

impl Queue {
    pub(crate) fn done<T: Into<Outcome>>(
        &self,
        number: u64,
    ) -> impl FnOnce(facade::Result<T>) + Send + use<T> {
        self.inner.done::<T>(number)
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        self.inner.close();
    }
}

#[pymethods]
impl Queue {
    #[new]
    fn new(py: Python<'_>) -> PyResult<Queue> {
        let made = CompletionQueue::new().and_then(|inner| Ok((inner.fd()?, inner)));
        let (fd, inner) = made.map_err(|error| raise(py, error))?;
        Ok(Queue { inner, fd })
    }

    /// Readable while `drain` would give something.
    fn fileno(&self) -> i32 {
        self.fd
    }

    /// What has finished since the last call: `(number, value, exception or None)` each.
    fn drain(&self, py: Python<'_>) -> Vec<Collected> {
        let finished = self.inner.drain();
        let collect = |completion: facade::Completion| {
            let value = completion.outcome.map_err(|error| raise(py, error));
            match value.and_then(|outcome| to_python(py, outcome)) {
                Ok(value) => (completion.ticket, value, None),
                Err(error) => (completion.ticket, py.None(), Some(error.into_value(py).into_any())),
            }
        };
        finished.into_iter().map(collect).collect()
    }

    /// What finishes later is disposed of.
    fn close(&self) {
        self.inner.close();
    }
}

fn to_python(py: Python<'_>, outcome: Outcome) -> PyResult<Py<PyAny>> {
    match outcome {
        Outcome::Unit | Outcome::Closed(_) | Outcome::NoDoing => Ok(py.None()),
        Outcome::Node(handle) => Node::new(handle).into_py_any(py),
        Outcome::Cursor(handle) => Cursor::new(py, cursor::flow(handle), None)?.into_py_any(py),
        Outcome::Subscription(handle) => {
            let begun = subscription::begun(handle).map_err(|error| raise(py, error))?;
            begun.into_python(py, None)
        }
        Outcome::Text(text) => text.into_py_any(py),
        Outcome::Explanation(explanation) => Explanation::from(explanation).into_py_any(py),
        Outcome::Published(published) => published_tuple(published).into_py_any(py),
        Outcome::Batch(batch) => {
            let held = Arc::new(Held::new(py, batch));
            Batch::whole(held).into_py_any(py)
        }
        Outcome::Observation(observation) => observed(observation, None).into_py_any(py),
        Outcome::State(view) => State::new(view).into_py_any(py),
        Outcome::Job(job) => job_of(py, job),
        Outcome::Turn(handle) => Turn::new(handle).into_py_any(py),
        Outcome::Group(handle) => Group::new(handle, None).into_py_any(py),
        Outcome::GroupStep(step) => step_of(py, step),
        Outcome::Doing(handle) => Doing::new(handle, None).into_py_any(py),
        Outcome::Standing(view) => standing_of(py, view),
        Outcome::BlobProgress(progress) => progress_tuple(&progress).into_py_any(py),
        Outcome::BlobReader(handle) => BlobReader::new(handle).into_py_any(py),
        Outcome::BlobWriter(handle) => BlobWriter::new(handle).into_py_any(py),
        Outcome::Bytes(bytes) => Ok(PyBytes::new(py, &bytes).into_any().unbind()),
    }
}

/// What is under way: only good for calling it off.
#[pyclass(frozen, module = "millpond._native")]
pub(crate) struct Operation {
    handle: CancelHandle,
}

impl Operation {
    pub(crate) fn new(py: Python<'_>) -> PyResult<Operation> {
        let handle = CancelHandle::new().map_err(|error| raise(py, error))?;
        Ok(Operation { handle })
    }

    pub(crate) fn limit(&self, timeout: Option<Seconds>) -> Limit {
        Limit { timeout: limit(timeout), cancel: Some(self.handle) }
    }
}

impl Drop for Operation {
    fn drop(&mut self) {
        // In a forked child this is refused, and there is nothing to free.
        let _ = self.handle.free();
    }
}

#[pymethods]
impl Operation {
    /// What calls that block are given, so that another thread may call them off.
    #[new]
    fn begin(py: Python<'_>) -> PyResult<Operation> {
        Operation::new(py)
    }

    /// Calls it off. When this returns, what it ended with is in the queue.
    fn cancel(&self, py: Python<'_>) -> PyResult<()> {
        let handle = self.handle;
        py.detach(move || handle.cancel()).map_err(|error| raise(py, error))
    }
}
