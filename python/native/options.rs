//! What a node is opened with, and what its calls are told.
//!
//! Rule: what was not said stays unsaid; the facade knows every default.

use crate::arguments::{Token, Whole, read_options};
use crate::errors::raise;
use crate::offsets::Offsets;
use crate::session::Session;
use millpond_facade::{
    OpenOptions, PublishOptions, QueryOptions, ReadOptions, StartAt, SubscribeOptions,
};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyString;
use std::path::PathBuf;

/// What a node is opened with; None is "not said".
#[pyclass(frozen, module = "millpond._native")]
pub(crate) struct Options {
    pub(crate) inner: OpenOptions,
}

#[pymethods]
impl Options {
    #[new]
    #[expect(clippy::too_many_arguments, reason = "keyword arguments of one call in Python")]
    #[pyo3(signature = (path, *, app, swarm, former_secrets, ticket, network, bind, discovery,
        peers, allow, send_bytes_per_second_max, send_bytes_per_second_per_peer_max,
        priority, segment_bytes, tail_bytes_max, cache_bytes, snapshot_bytes_max,
        allow_network_file_system))]
    fn new(
        path: PathBuf,
        app: String,
        swarm: Option<String>,
        former_secrets: Option<Vec<String>>,
        ticket: Option<String>,
        network: Option<bool>,
        bind: Option<Vec<String>>,
        discovery: Option<bool>,
        peers: Option<Vec<String>>,
        allow: Option<Vec<String>>,
        send_bytes_per_second_max: Option<Whole>,
        send_bytes_per_second_per_peer_max: Option<Whole>,
        priority: Option<String>,
        segment_bytes: Option<Whole>,
        tail_bytes_max: Option<Whole>,
        cache_bytes: Option<Whole>,
        snapshot_bytes_max: Option<Whole>,
        allow_network_file_system: Option<bool>,
    ) -> Options {
        let bytes = |whole: Option<Whole>| whole.map(|whole| whole.0);
        let inner = OpenOptions {
            path,
            app_id: app,
            swarm,
            former_secrets,
            ticket,
            network,
            bind,
            discovery,
            peers,
            allow,
            send_bytes_per_second_max: bytes(send_bytes_per_second_max),
            send_bytes_per_second_per_peer_max: bytes(send_bytes_per_second_per_peer_max),
            priority,
            segment_bytes: bytes(segment_bytes),
            tail_bytes_max: bytes(tail_bytes_max),
            cache_bytes: bytes(cache_bytes),
            snapshot_bytes_max: bytes(snapshot_bytes_max),
            allow_network_file_system,
        };
        Options { inner }
    }
}

pub(crate) fn publish_options(
    durability: Option<String>,
    idempotency_key: Option<PyBackedBytes>,
    expected: Option<Whole>,
    session: Option<&Bound<'_, Session>>,
) -> PublishOptions {
    let idempotency_key = idempotency_key.map(|key| key.to_vec());
    let expected = expected.map(|count| count.0);
    let session = session.map(|session| session.get().handle());
    PublishOptions { durability, idempotency_key, expected, session }
}

pub(crate) fn query_options(
    order: Option<String>,
    lower: Option<&Bound<'_, Offsets>>,
    upper: Option<&Bound<'_, Offsets>>,
    columns: Option<Vec<String>>,
    after: Option<Token>,
    session: Option<&Bound<'_, Session>>,
) -> QueryOptions {
    let offsets = |map: &Bound<'_, Offsets>| map.get().inner.clone();
    let (lower, upper) = (lower.map(offsets), upper.map(offsets));
    let ReadOptions { after, session } = read_options(after, session);
    QueryOptions { order, lower, upper, columns, after, session }
}

/// Where a subscription begins, a text for the facade or an offset map; when and in which order it
/// delivers.
pub(crate) fn subscribe_options(
    py: Python<'_>,
    start: Option<&Bound<'_, PyAny>>,
    delivery: Option<String>,
    order: Option<String>,
    after: Option<Token>,
    session: Option<&Bound<'_, Session>>,
) -> PyResult<SubscribeOptions> {
    let ReadOptions { after, session } = read_options(after, session);
    let from = start.map(|start| start_at(py, start)).transpose()?;
    Ok(SubscribeOptions { from, delivery, order, after, session })
}

fn start_at(py: Python<'_>, start: &Bound<'_, PyAny>) -> PyResult<StartAt> {
    if let Ok(offsets) = start.cast::<Offsets>() {
        return Ok(StartAt::from(offsets.get().inner.clone()));
    }
    let text = start.cast::<PyString>()?.to_str()?;
    StartAt::parse(text).map_err(|error| raise(py, error))
}
