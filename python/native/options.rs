//! What a node is opened with.
//!
//! Rule: what was not said stays unsaid; the facade knows every default.

use crate::arguments::Whole;
use millpond_facade::OpenOptions;
use pyo3::prelude::*;
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
        priority, segment_bytes, tail_bytes_max, cache_bytes, allow_network_file_system))]
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
            allow_network_file_system,
            ..OpenOptions::default()
        };
        Options { inner }
    }
}
