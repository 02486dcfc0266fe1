//! Opening a node.

use crate::entry::{entry, guard};
use crate::errors::Result;
use crate::lifecycle::Presence;
use crate::node::{NodeHandle, NodeState};
use crate::options::OpenOptions;
use crate::publish::refuse_cancelled;
use crate::wait::{Limit, Wait};
use crate::{close, core, log, registry, workers};
use std::sync::Arc;

impl NodeHandle {
    /// Opens a node. Close it with [`NodeHandle::close`].
    ///
    /// A store that is open in this process already is shared; it closes with its last handle.
    ///
    /// # Errors
    /// `invalid_argument`: the options. `store_locked`: another process has it. `format_too_new`,
    /// `corrupt`, `storage_failed`, `storage_full`, `timeout`, `cancelled`.
    pub fn open(options: OpenOptions, wait: &Wait<'_>) -> Result<NodeHandle> {
        entry("node_open", 0, || {
            refuse_cancelled(wait.limit)?;
            let job = move || guard("node_open_work", 0, || open(&options));
            workers::block(wait, job, close::quietly)
        })
    }

    /// As [`NodeHandle::open`], without waiting.
    pub fn open_start(
        options: OpenOptions,
        limit: Limit,
        done: impl FnOnce(Result<NodeHandle>) + Send + 'static,
    ) {
        let job = move || entry("node_open", 0, || open(&options));
        workers::start(limit, Box::new(done), job, close::quietly);
    }
}

fn open(options: &OpenOptions) -> Result<NodeHandle> {
    log::install();
    let presence = Presence::new();
    let core = core::Node::open(options.resolve()?)?;
    registry::insert(Arc::new(NodeState::new(core, presence))).map(NodeHandle::from_id)
}
