//! A query that stays open.

use crate::arguments::{Seconds, Whole, limit};
use crate::batch::Batch;
use crate::errors::raise;
use crate::flow::{Flow, Step};
use crate::key_subscription::KeySubscription;
use crate::node::OpenNode;
use crate::offsets::Offsets;
use crate::reader::Reader;
use millpond_facade::{self as facade, SubscriptionHandle};
use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use std::sync::Arc;

/// A query that stays open: first what the log holds, then what arrives, without gap or double.
///
/// Iterate over it: a cursor over the log, not a queue, so a slow reader lags and loses nothing.
/// Iteration ends when the subscription or its node is closed. Usable from any thread, by one at a
/// time; `close` may be called while another thread waits.
#[pyclass(frozen, module = "millpond")]
pub(crate) struct Subscription {
    handle: SubscriptionHandle,
    flow: Py<Flow>,
    /// The node stays open as long as it is listened to.
    _node: Option<Arc<OpenNode>>,
}

/// A new subscription of either order. Closed when dropped.
pub(crate) enum Begun {
    Arrival(SubscriptionHandle, Flow),
    Key(SubscriptionHandle, Flow),
}

/// What is to be made of a new handle.
pub(crate) fn begun(handle: SubscriptionHandle) -> facade::Result<Begun> {
    let reader = Reader::Subscription(handle);
    let text = handle.position_text().inspect_err(|_| drop(handle.close()))?;
    // Only in key order a position says more than an offset map.
    if text.contains('@') {
        return Ok(Begun::Key(handle, Flow::by_key(reader, text)));
    }
    let before = handle.position().inspect_err(|_| drop(handle.close()))?;
    Ok(Begun::Arrival(handle, Flow::new(reader, before)))
}

impl Begun {
    pub(crate) fn into_python(
        self,
        py: Python<'_>,
        node: Option<Arc<OpenNode>>,
    ) -> PyResult<Py<PyAny>> {
        match self {
            Begun::Arrival(handle, flow) => {
                Subscription::new(py, (handle, flow), node)?.into_py_any(py)
            }
            Begun::Key(handle, flow) => {
                KeySubscription::new(py, (handle, flow), node)?.into_py_any(py)
            }
        }
    }
}

impl Subscription {
    fn new(
        py: Python<'_>,
        (handle, flow): (SubscriptionHandle, Flow),
        node: Option<Arc<OpenNode>>,
    ) -> PyResult<Subscription> {
        Ok(Subscription { handle, flow: Py::new(py, flow)?, _node: node })
    }
}

#[pymethods]
impl Subscription {
    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<Step>> {
        self.next(py, None)
    }

    /// Waits for the next event; None when the subscription has ended.
    ///
    /// `timeout`: seconds, None for no limit. Raises `Timeout` (no event is lost), `Corrupt`,
    /// `StorageFailed`.
    #[pyo3(signature = (timeout=None))]
    fn next(&self, py: Python<'_>, timeout: Option<Seconds>) -> PyResult<Option<Step>> {
        self.flow.get().next_step(py, limit(timeout))
    }

    /// Waits for one to `count_max` events; empty when it has just caught up, or at the end.
    ///
    /// `count_max`: 1 to 4,096, None for 1,024. `timeout`: seconds, None for no limit.
    /// Raises `Timeout` (no event is lost), `InvalidArgument`, `Corrupt`, `StorageFailed`.
    #[pyo3(signature = (count_max=None, timeout=None))]
    fn next_batch(
        &self,
        py: Python<'_>,
        count_max: Option<Whole>,
        timeout: Option<Seconds>,
    ) -> PyResult<Batch> {
        self.flow.get().next_batch(py, count_max.map(Whole::count), limit(timeout))
    }

    /// True when every event that the log held at the start has been handed out.
    #[getter]
    fn caught_up(&self) -> bool {
        self.flow.get().caught_up()
    }

    /// How many events of the log it has not handed out yet, matching or not: an upper bound.
    ///
    /// Raises `Closed`.
    #[getter]
    fn lag(&self, py: Python<'_>) -> PyResult<u64> {
        let lag = self.handle.lag().map_err(|error| raise(py, error))?;
        Ok(lag + self.flow.get().unread_count())
    }

    /// The offset map after the last event that was handed out: pass it as `start` to go on.
    #[getter]
    fn position(&self) -> Offsets {
        Offsets::new(self.flow.get().position())
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
        self.flow.get().close(py, true)
    }

    fn __enter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    #[pyo3(signature = (*_error))]
    fn __exit__(&self, py: Python<'_>, _error: &Bound<'_, PyAny>) -> PyResult<()> {
        self.close(py)
    }

    /// For asyncio.
    #[getter]
    fn _flow(&self, py: Python<'_>) -> Py<Flow> {
        self.flow.clone_ref(py)
    }
}
