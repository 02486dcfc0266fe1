//! The node: opening, publishing, asking and closing, each blocking and for asyncio.
//!
//! The Python layer has the signatures that users see; here every argument is given.

use crate::arguments::{Seconds, Token, Whole, limit};
use crate::blobs::Blobs;
use crate::cursor::{self, Cursor};
use crate::doing::Doings;
use crate::drafts::drafts;
use crate::errors::raise;
use crate::gate::{abandon, blocking, blocking_within, forget, remember};
use crate::offsets::Offsets;
use crate::options::{Options, publish_options, query_options, subscribe_options};
use crate::pond::Pond;
use crate::queue::{Operation, Queue, begin};
use crate::scarce::Scarce;
use crate::session::Session;
use crate::subscription;
use millpond_facade::{self as facade, NodeHandle, Wait};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyList;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A node handle that is closed when nobody refers to it any more.
pub(crate) struct OpenNode {
    handle: NodeHandle,
    closed: AtomicBool,
}

impl OpenNode {
    fn new(handle: NodeHandle) -> OpenNode {
        remember(handle);
        OpenNode { handle, closed: AtomicBool::new(false) }
    }

    pub(crate) fn handle(&self) -> NodeHandle {
        self.handle
    }
}

impl Drop for OpenNode {
    fn drop(&mut self) {
        if !self.closed.load(Ordering::SeqCst) {
            abandon(self);
        }
    }
}

/// A node of this process.
#[pyclass(frozen, module = "millpond._native")]
pub(crate) struct Node {
    open: Arc<OpenNode>,
}

impl Node {
    pub(crate) fn new(handle: NodeHandle) -> Node {
        Node { open: Arc::new(OpenNode::new(handle)) }
    }

    /// What a call on this node gives; see `blocking`.
    fn wait<T: Send>(
        &self,
        py: Python<'_>,
        timeout: Option<Seconds>,
        call: impl FnOnce(NodeHandle, &Wait<'_>) -> facade::Result<T> + Send,
    ) -> PyResult<T> {
        let handle = self.open.handle;
        blocking(py, limit(timeout), move |wait| call(handle, wait)).into_result(py)
    }
}

/// `(stream, first offset, first lamport, count, time in µs, token, replayed)`.
pub(crate) type PublishedTuple = (String, u64, u64, u64, i64, Offsets, bool);

pub(crate) fn published_tuple(published: facade::Published) -> PublishedTuple {
    let token = Offsets::new(published.token);
    let (stream, count) = (published.stream, published.count);
    let (offset, lamport) = (published.first_offset, published.first_lamport);
    (stream, offset, lamport, count, published.time_micros, token, published.replayed)
}

/// Opens a node and waits for it.
#[pyfunction]
pub(crate) fn open_node(
    py: Python<'_>,
    options: &Bound<'_, Options>,
    timeout: Option<Seconds>,
) -> PyResult<Node> {
    let options = options.get().inner.clone();
    let opened =
        blocking(py, limit(timeout), move |wait| NodeHandle::open(options, wait).map(Node::new));
    opened.into_result(py)
}

/// Starts to open a node.
#[pyfunction]
pub(crate) fn open_start(
    queue: &Bound<'_, Queue>,
    number: u64,
    options: &Bound<'_, Options>,
    timeout: Option<Seconds>,
) -> PyResult<Operation> {
    let options = options.get().inner.clone();
    begin(queue, number, timeout, |limit, done| NodeHandle::open_start(options, limit, done))
}

#[pymethods]
impl Node {
    /// True until the node is closed.
    fn is_open(&self) -> bool {
        self.open.handle.is_open()
    }

    /// Whether its closing has begun.
    fn is_closing(&self) -> bool {
        self.open.handle.is_closing()
    }

    fn pond(&self) -> Pond {
        Pond::new(self.open.clone())
    }

    fn blobs(&self) -> Blobs {
        Blobs::new(self.open.clone())
    }

    fn doings(&self) -> Doings {
        Doings::new(self.open.clone())
    }

    fn scarce(&self) -> Scarce {
        Scarce::new(self.open.clone())
    }

    fn node_id(&self, py: Python<'_>) -> PyResult<String> {
        self.open.handle.node_id().map_err(|error| raise(py, error))
    }

    fn swarm_id(&self, py: Python<'_>) -> PyResult<String> {
        self.open.handle.swarm_id().map_err(|error| raise(py, error))
    }

    fn path(&self, py: Python<'_>) -> PyResult<PathBuf> {
        self.open.handle.path().map_err(|error| raise(py, error))
    }

    fn stream(&self, py: Python<'_>) -> PyResult<String> {
        self.open.handle.stream().map_err(|error| raise(py, error))
    }

    fn ticket(&self, py: Python<'_>, timeout: Option<Seconds>) -> PyResult<String> {
        self.wait(py, timeout, NodeHandle::ticket)
    }

    fn ticket_start(
        &self,
        queue: &Bound<'_, Queue>,
        number: u64,
        timeout: Option<Seconds>,
    ) -> PyResult<Operation> {
        begin(queue, number, timeout, |limit, done| {
            self.open.handle.ticket_start(limit, done);
        })
    }

    fn offsets(&self, py: Python<'_>) -> PyResult<Offsets> {
        let handle = self.open.handle;
        blocking(py, None, move |_| handle.offsets()).into_result(py).map(Offsets::new)
    }

    fn status_json(&self, py: Python<'_>, timeout: Option<Seconds>) -> PyResult<String> {
        self.wait(py, timeout, NodeHandle::status_json)
    }

    fn status_json_start(
        &self,
        queue: &Bound<'_, Queue>,
        number: u64,
        timeout: Option<Seconds>,
    ) -> PyResult<Operation> {
        begin(queue, number, timeout, |limit, done| {
            self.open.handle.status_json_start(limit, done);
        })
    }

    fn next_status_json(
        &self,
        py: Python<'_>,
        version: u64,
        stop: &Bound<'_, Operation>,
        timeout: Option<Seconds>,
    ) -> PyResult<String> {
        let (handle, limit) = (self.open.handle, stop.get().limit(timeout));
        let next = blocking_within(py, limit, move |wait| handle.next_status(version, wait));
        next.into_result(py).map(|(_, json)| json)
    }

    fn next_status_json_start(
        &self,
        queue: &Bound<'_, Queue>,
        number: u64,
        version: u64,
        timeout: Option<Seconds>,
    ) -> PyResult<Operation> {
        begin(queue, number, timeout, |limit, done| {
            self.open.handle.next_status_start(version, limit, done);
        })
    }

    fn metrics(&self, py: Python<'_>, timeout: Option<Seconds>) -> PyResult<String> {
        self.wait(py, timeout, NodeHandle::metrics)
    }

    fn metrics_start(
        &self,
        queue: &Bound<'_, Queue>,
        number: u64,
        timeout: Option<Seconds>,
    ) -> PyResult<Operation> {
        begin(queue, number, timeout, |limit, done| {
            self.open.handle.metrics_start(limit, done);
        })
    }

    fn verify_json(&self, py: Python<'_>, timeout: Option<Seconds>) -> PyResult<String> {
        self.wait(py, timeout, NodeHandle::verify_json)
    }

    fn verify_json_start(
        &self,
        queue: &Bound<'_, Queue>,
        number: u64,
        timeout: Option<Seconds>,
    ) -> PyResult<Operation> {
        begin(queue, number, timeout, |limit, done| {
            self.open.handle.verify_json_start(limit, done);
        })
    }

    fn compact_json(&self, py: Python<'_>, timeout: Option<Seconds>) -> PyResult<String> {
        self.wait(py, timeout, NodeHandle::compact_json)
    }

    fn compact_json_start(
        &self,
        queue: &Bound<'_, Queue>,
        number: u64,
        timeout: Option<Seconds>,
    ) -> PyResult<Operation> {
        begin(queue, number, timeout, |limit, done| {
            self.open.handle.compact_json_start(limit, done);
        })
    }

    fn stats_json(&self, py: Python<'_>) -> PyResult<String> {
        let handle = self.open.handle;
        blocking(py, None, move |_| handle.stats_json()).into_result(py)
    }

    fn set_network(&self, py: Python<'_>, enabled: bool, timeout: Option<Seconds>) -> PyResult<()> {
        self.wait(py, timeout, move |node, wait| node.set_network(enabled, wait))
    }

    fn set_network_start(
        &self,
        queue: &Bound<'_, Queue>,
        number: u64,
        enabled: bool,
        timeout: Option<Seconds>,
    ) -> PyResult<Operation> {
        begin(queue, number, timeout, |limit, done| {
            self.open.handle.set_network_start(enabled, limit, done);
        })
    }

    fn set_secrets(
        &self,
        py: Python<'_>,
        current: String,
        former: Vec<String>,
        timeout: Option<Seconds>,
    ) -> PyResult<()> {
        self.wait(py, timeout, move |node, wait| node.set_secrets(&current, &former, wait))
    }

    fn set_secrets_start(
        &self,
        queue: &Bound<'_, Queue>,
        number: u64,
        current: &str,
        former: Vec<String>,
        timeout: Option<Seconds>,
    ) -> PyResult<Operation> {
        begin(queue, number, timeout, |limit, done| {
            self.open.handle.set_secrets_start(current, &former, limit, done);
        })
    }

    fn disconnect(
        &self,
        py: Python<'_>,
        node_id: String,
        timeout: Option<Seconds>,
    ) -> PyResult<()> {
        self.wait(py, timeout, move |node, wait| node.disconnect(&node_id, wait))
    }

    fn disconnect_start(
        &self,
        queue: &Bound<'_, Queue>,
        number: u64,
        node_id: &str,
        timeout: Option<Seconds>,
    ) -> PyResult<Operation> {
        begin(queue, number, timeout, |limit, done| {
            self.open.handle.disconnect_start(node_id, limit, done);
        })
    }

    #[expect(clippy::too_many_arguments, reason = "keyword arguments of one call in Python")]
    fn publish(
        &self,
        py: Python<'_>,
        pairs: &Bound<'_, PyList>,
        durability: Option<String>,
        idempotency_key: Option<PyBackedBytes>,
        expected: Option<Whole>,
        session: Option<&Bound<'_, Session>>,
        timeout: Option<Seconds>,
    ) -> PyResult<PublishedTuple> {
        let options = publish_options(durability, idempotency_key, expected, session);
        let (handle, drafts) = (self.open.handle, drafts(pairs)?);
        let published =
            blocking(py, limit(timeout), move |wait| handle.publish(drafts, options, wait));
        published.into_result(py).map(published_tuple)
    }

    #[expect(clippy::too_many_arguments, reason = "as publish, and where to put the outcome")]
    fn publish_start(
        &self,
        queue: &Bound<'_, Queue>,
        number: u64,
        pairs: &Bound<'_, PyList>,
        durability: Option<String>,
        idempotency_key: Option<PyBackedBytes>,
        expected: Option<Whole>,
        session: Option<&Bound<'_, Session>>,
        timeout: Option<Seconds>,
    ) -> PyResult<Operation> {
        let options = publish_options(durability, idempotency_key, expected, session);
        let drafts = drafts(pairs)?;
        begin(queue, number, timeout, |limit, done| {
            self.open.handle.publish_start(drafts, options, limit, done);
        })
    }

    #[expect(clippy::too_many_arguments, reason = "keyword arguments of one call in Python")]
    fn query(
        &self,
        py: Python<'_>,
        text: String,
        order: Option<String>,
        lower: Option<&Bound<'_, Offsets>>,
        upper: Option<&Bound<'_, Offsets>>,
        columns: Option<Vec<String>>,
        after: Option<Token>,
        session: Option<&Bound<'_, Session>>,
        timeout: Option<Seconds>,
    ) -> PyResult<Cursor> {
        let options = query_options(order, lower, upper, columns, after, session);
        let handle = self.open.handle;
        let asked = blocking(py, limit(timeout), move |wait| {
            handle.query(&text, options, wait).map(cursor::flow)
        });
        Cursor::new(py, asked.into_result(py)?, Some(self.open.clone()))
    }

    #[expect(clippy::too_many_arguments, reason = "as query, and where to put the outcome")]
    fn query_start(
        &self,
        queue: &Bound<'_, Queue>,
        number: u64,
        text: &str,
        order: Option<String>,
        lower: Option<&Bound<'_, Offsets>>,
        upper: Option<&Bound<'_, Offsets>>,
        columns: Option<Vec<String>>,
        after: Option<Token>,
        session: Option<&Bound<'_, Session>>,
        timeout: Option<Seconds>,
    ) -> PyResult<Operation> {
        let options = query_options(order, lower, upper, columns, after, session);
        begin(queue, number, timeout, |limit, done| {
            self.open.handle.query_start(text, options, limit, done);
        })
    }

    #[expect(clippy::too_many_arguments, reason = "keyword arguments of one call in Python")]
    fn subscribe(
        &self,
        py: Python<'_>,
        text: String,
        start: Option<&Bound<'_, PyAny>>,
        delivery: Option<String>,
        order: Option<String>,
        after: Option<Token>,
        session: Option<&Bound<'_, Session>>,
        timeout: Option<Seconds>,
    ) -> PyResult<Py<PyAny>> {
        let options = subscribe_options(py, start, delivery, order, after, session)?;
        let handle = self.open.handle;
        let subscribed = blocking(py, limit(timeout), move |wait| {
            handle.subscribe(&text, options, wait).and_then(subscription::begun)
        });
        subscribed.into_result(py)?.into_python(py, Some(self.open.clone()))
    }

    #[expect(clippy::too_many_arguments, reason = "as subscribe, and where to put the outcome")]
    fn subscribe_start(
        &self,
        queue: &Bound<'_, Queue>,
        number: u64,
        text: &str,
        start: Option<&Bound<'_, PyAny>>,
        delivery: Option<String>,
        order: Option<String>,
        after: Option<Token>,
        session: Option<&Bound<'_, Session>>,
        timeout: Option<Seconds>,
    ) -> PyResult<Operation> {
        let options = subscribe_options(queue.py(), start, delivery, order, after, session)?;
        begin(queue, number, timeout, |limit, done| {
            self.open.handle.subscribe_start(text, options, limit, done);
        })
    }

    fn connect(&self, py: Python<'_>, target: String, timeout: Option<Seconds>) -> PyResult<()> {
        self.wait(py, timeout, move |node, wait| node.connect(&target, wait))
    }

    fn connect_start(
        &self,
        queue: &Bound<'_, Queue>,
        number: u64,
        target: &str,
        timeout: Option<Seconds>,
    ) -> PyResult<Operation> {
        begin(queue, number, timeout, |limit, done| {
            self.open.handle.connect_start(target, limit, done);
        })
    }

    fn close(&self, py: Python<'_>, timeout: Option<Seconds>) -> PyResult<()> {
        let open = self.open.clone();
        let closed = blocking(py, limit(timeout), move |wait| {
            open.handle.close(wait)?;
            open.closed.store(true, Ordering::SeqCst);
            forget(open.handle);
            Ok(())
        });
        closed.into_result(py)
    }

    fn close_start(
        &self,
        queue: &Bound<'_, Queue>,
        number: u64,
        timeout: Option<Seconds>,
    ) -> PyResult<Operation> {
        begin(queue, number, timeout, |limit, done| {
            self.open.handle.close_start(limit, done);
        })
    }
}
