//! A node as shells hold it: who it is, its peers, its state.
//!
//! Not here: opening (`open`), closing (`close`), publishing (`publish`), reading (`cursor`,
//! `subscription`).

use crate::callback::CallbackThreads;
use crate::close::Phase;
use crate::core;
use crate::entry::entry;
use crate::errors::{FacadeError, Result};
use crate::handles::handle;
use crate::lifecycle::Presence;
use crate::line::Line;
use crate::offsets::Offsets;
use crate::operation::{Calls, Operation, Slot};
use crate::publish::refuse_cancelled;
use crate::text::{self, Target};
use crate::wait::{Limit, Wait};
use crate::{registry, status};
use millpond::{ErrorKind, Pending};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};

handle! {
    /// An open node. Any thread may use it, several at once.
    NodeHandle
}

/// Says whether an answer is still wanted: neither cancelled nor too late.
pub(crate) type Wanted = Box<dyn Fn() -> bool + Send + Sync>;

/// What a node handle stands for.
pub(crate) struct NodeState {
    core: core::Node,
    poisoned: AtomicBool,
    /// Whatever reads or acts through this handle and ends with it.
    pub(crate) readers: Mutex<BTreeSet<u64>>,
    /// Calls that wait for something and end with it.
    pub(crate) calls: Calls,
    /// What is decided from its log without anybody's thread.
    pub(crate) line: Line,
    /// Who calls code of the application for it.
    pub(crate) threads: Arc<CallbackThreads>,
    pub(crate) phase: Mutex<Phase>,
    pub(crate) closed: Condvar,
    pub(crate) presence: Mutex<Option<Presence>>,
}

impl NodeState {
    pub(crate) fn new(core: core::Node, presence: Presence) -> NodeState {
        NodeState {
            core,
            poisoned: AtomicBool::new(false),
            readers: Mutex::new(BTreeSet::new()),
            calls: Calls::default(),
            line: Line::default(),
            threads: Arc::default(),
            phase: Mutex::new(Phase::Open),
            closed: Condvar::new(),
            presence: Mutex::new(Some(presence)),
        }
    }

    /// The node behind a handle, if it may be worked with.
    ///
    /// # Errors
    /// `closed`, `invalid_argument`: the handle is stale or none. `internal`: an earlier call on
    /// this node panicked.
    pub(crate) fn usable(id: u64) -> Result<Arc<NodeState>> {
        let node = registry::get::<NodeState>(id)?;
        node.check_poison()?;
        Ok(node)
    }

    pub(crate) fn check_poison(&self) -> Result<()> {
        if !self.poisoned.load(Ordering::Acquire) {
            return Ok(());
        }
        let message = "an earlier call on this node failed by a bug in millpond, so it refuses \
                       further work; close it and open it again";
        Err(FacadeError::new(ErrorKind::Internal, message).with_reason("poisoned"))
    }

    pub(crate) fn poison(&self) {
        self.poisoned.store(true, Ordering::Release);
    }

    pub(crate) fn core(&self) -> &core::Node {
        &self.core
    }
}

impl NodeHandle {
    /// Whether it can be used: not closed, and not in a forked child.
    pub fn is_open(self) -> bool {
        entry("node_is_open", self.id(), || registry::get::<NodeState>(self.id())).is_ok()
    }

    /// Whether its closing has begun: from then on what waits ends, also while
    /// [`NodeHandle::is_open`] still says that it can be used. True of what is no open node.
    pub fn is_closing(self) -> bool {
        let ask = || Ok(!registry::get::<NodeState>(self.id())?.is_open());
        // Not a default: what cannot be asked for is not there any more.
        entry("node_is_closing", self.id(), ask).unwrap_or(true)
    }

    /// The node id: 64 hex digits.
    ///
    /// # Errors
    /// As every call: `closed`, `invalid_argument`, `forked_process`, `internal`.
    pub fn node_id(self) -> Result<String> {
        self.ask("node_node_id", |core| Ok(core.node_id().to_string()))
    }

    /// The swarm id: 64 hex digits. It gives nothing away about the secret.
    ///
    /// # Errors
    /// As [`NodeHandle::node_id`].
    pub fn swarm_id(self) -> Result<String> {
        self.ask("node_swarm_id", |core| Ok(core.swarm_id().to_string()))
    }

    /// The folder of the store.
    ///
    /// # Errors
    /// As [`NodeHandle::node_id`].
    pub fn path(self) -> Result<PathBuf> {
        self.ask("node_path", |core| Ok(core.path().to_path_buf()))
    }

    /// The id of the stream that this node writes.
    ///
    /// # Errors
    /// As [`NodeHandle::node_id`].
    pub fn stream(self) -> Result<String> {
        self.ask("node_stream", |core| Ok(core.own_stream().to_string()))
    }

    /// What is durable here. Of a branch, in which a stream with two histories goes on, what comes
    /// before it counts, too.
    ///
    /// # Errors
    /// As [`NodeHandle::node_id`].
    pub fn offsets(self) -> Result<Offsets> {
        self.ask("node_offsets", |core| Ok(core.offsets()?.into()))
    }

    /// A text with which other nodes find this one and join its swarm. It holds the secret.
    ///
    /// # Errors
    /// As [`NodeHandle::node_id`]; `invalid_argument`: the node was opened without a network.
    pub fn ticket(self, wait: &Wait<'_>) -> Result<String> {
        self.answer("node_ticket", wait, |core| Ok(ticket(core)))
    }

    /// As [`NodeHandle::ticket`], without waiting.
    pub fn ticket_start(self, limit: Limit, done: impl FnOnce(Result<String>) + Send + 'static) {
        self.start("node_ticket", limit, done, |core| Ok(ticket(core)));
    }

    /// Replaces the swarm's secret without cutting anybody off: `current` for tickets, and peers
    /// that hold it or one of `former` are admitted from now on. Sessions go on, but for those of
    /// peers that have shown neither: they end with `wrong_secret`. Not kept in the store: say it
    /// when the node is opened again.
    ///
    /// # Errors
    /// As [`NodeHandle::node_id`]; `invalid_argument`: a text is no secret, or one of another swarm
    /// (reason `other_swarm`). `limit_exceeded`: more than 4 are former ones.
    pub fn set_secrets(self, current: &str, former: &[String], wait: &Wait<'_>) -> Result<()> {
        self.answer("node_set_secrets", wait, |core| set_secrets(core, current, former))
    }

    /// As [`NodeHandle::set_secrets`], without waiting.
    pub fn set_secrets_start(
        self,
        current: &str,
        former: &[String],
        limit: Limit,
        done: impl FnOnce(Result<()>) + Send + 'static,
    ) {
        self.start("node_set_secrets", limit, done, |core| set_secrets(core, current, former));
    }

    /// Everything there is to know about the node, as one JSON object.
    ///
    /// # Errors
    /// As [`NodeHandle::node_id`].
    pub fn status_json(self, wait: &Wait<'_>) -> Result<String> {
        self.answer("node_status_json", wait, |core| Ok(status_json(core)))
    }

    /// As [`NodeHandle::status_json`], without waiting.
    pub fn status_json_start(
        self,
        limit: Limit,
        done: impl FnOnce(Result<String>) + Send + 'static,
    ) {
        self.start("node_status_json", limit, done, |core| Ok(status_json(core)));
    }

    /// The status, as one JSON object, once its version is not `version` any more: at once for 0,
    /// then each time something in it changed. It comes with its version.
    ///
    /// # Errors
    /// As [`NodeHandle::node_id`]; `timeout`, `cancelled`: no change is lost.
    pub fn next_status(self, version: u64, wait: &Wait<'_>) -> Result<(u64, String)> {
        self.wait_while("node_next_status", wait, |core, wanted| {
            Ok(next_status(core, version, wanted))
        })
    }

    /// As [`NodeHandle::next_status`], without waiting; the version is in the text, too.
    pub fn next_status_start(
        self,
        version: u64,
        limit: Limit,
        done: impl FnOnce(Result<String>) + Send + 'static,
    ) {
        self.start_while("node_next_status", limit, done, |core, wanted| {
            Ok(next_status(core, version, wanted).map(|(_, json)| Ok(json)))
        });
    }

    /// The node's figures for Prometheus, as text in its exposition format, version 0.0.4.
    ///
    /// # Errors
    /// As [`NodeHandle::node_id`].
    pub fn metrics(self, wait: &Wait<'_>) -> Result<String> {
        self.answer("node_metrics", wait, |core| Ok(core.metrics()))
    }

    /// As [`NodeHandle::metrics`], without waiting.
    pub fn metrics_start(self, limit: Limit, done: impl FnOnce(Result<String>) + Send + 'static) {
        self.start("node_metrics", limit, done, |core| Ok(core.metrics()));
    }

    /// Ends all sessions and talks to nobody (`false`), or to everybody again (`true`).
    ///
    /// # Errors
    /// As [`NodeHandle::node_id`]; `invalid_argument`: the node was opened without a network, or
    /// its addresses cannot be bound any more.
    pub fn set_network(self, enabled: bool, wait: &Wait<'_>) -> Result<()> {
        self.answer("node_set_network", wait, |core| Ok(core.set_network(enabled)))
    }

    /// As [`NodeHandle::set_network`], without waiting.
    pub fn set_network_start(
        self,
        enabled: bool,
        limit: Limit,
        done: impl FnOnce(Result<()>) + Send + 'static,
    ) {
        self.start("node_set_network", limit, done, |core| Ok(core.set_network(enabled)));
    }

    /// Forgets the addresses of a peer (64 hex digits) and ends its session. It may still connect
    /// to us. Nothing is done for a peer that is not known.
    ///
    /// # Errors
    /// As [`NodeHandle::node_id`]; `invalid_argument`: the text is no node id, or the node was
    /// opened without a network.
    pub fn disconnect(self, node_id: &str, wait: &Wait<'_>) -> Result<()> {
        self.answer("node_disconnect", wait, |core| Ok(core.disconnect(node_id.trim().parse()?)))
    }

    /// As [`NodeHandle::disconnect`], without waiting.
    pub fn disconnect_start(
        self,
        node_id: &str,
        limit: Limit,
        done: impl FnOnce(Result<()>) + Send + 'static,
    ) {
        self.start("node_disconnect", limit, done, |core| {
            Ok(core.disconnect(node_id.trim().parse()?))
        });
    }

    /// Connects to a peer (`<node id>@<ip>:<port>[,…]`) or along a ticket, and waits for admission.
    /// The address is kept and tried again, also after a refusal or a timeout.
    ///
    /// # Errors
    /// `peer_refused`: with the reason. `timeout`, `cancelled`; `invalid_argument`: the text, a
    /// ticket for another swarm, or a node without a network. `limit_exceeded`: it knows 1,024
    /// other peers, connected or not.
    pub fn connect(self, target: &str, wait: &Wait<'_>) -> Result<()> {
        self.answer("node_connect", wait, |core| dial(core, target))
    }

    /// As [`NodeHandle::connect`], without waiting.
    pub fn connect_start(
        self,
        target: &str,
        limit: Limit,
        done: impl FnOnce(Result<()>) + Send + 'static,
    ) {
        self.start("node_connect", limit, done, |core| dial(core, target));
    }

    /// Asks for what takes its time, and waits for it.
    fn answer<T: Send + 'static>(
        self,
        name: &'static str,
        wait: &Wait<'_>,
        question: impl FnOnce(&core::Node) -> Result<Pending<T>>,
    ) -> Result<T> {
        self.wait_while(name, wait, |core, _| question(core))
    }

    /// As `answer`; the question is told how to find out whether the answer is still wanted.
    pub(crate) fn wait_while<T: Send + 'static>(
        self,
        name: &'static str,
        wait: &Wait<'_>,
        question: impl FnOnce(&core::Node, Wanted) -> Result<Pending<T>>,
    ) -> Result<T> {
        entry(name, self.id(), || {
            refuse_cancelled(wait.limit)?;
            let node = NodeState::usable(self.id())?;
            let (slot, operation) = Slot::begin(wait);
            node.calls.watch(&operation);
            let asking = operation.clone();
            let pending = question(node.core(), Box::new(move || asking.is_waiting()))?;
            let ending = operation.clone();
            pending.on_done(move |result| {
                ending.complete(result.map_err(FacadeError::from));
            });
            slot.wait(&operation, wait, || {})
        })
    }

    /// As `answer`, without waiting.
    fn start<T: Send + 'static>(
        self,
        name: &'static str,
        limit: Limit,
        done: impl FnOnce(Result<T>) + Send + 'static,
        question: impl FnOnce(&core::Node) -> Result<Pending<T>>,
    ) {
        self.start_while(name, limit, done, |core, _| question(core));
    }

    /// As `wait_while`, without waiting.
    pub(crate) fn start_while<T: Send + 'static>(
        self,
        name: &'static str,
        limit: Limit,
        done: impl FnOnce(Result<T>) + Send + 'static,
        question: impl FnOnce(&core::Node, Wanted) -> Result<Pending<T>>,
    ) {
        let operation = Operation::begin(limit, Box::new(done));
        if !operation.is_waiting() {
            return;
        }
        let asking = operation.clone();
        let wanted: Wanted = Box::new(move || asking.is_waiting());
        let asked = entry(name, self.id(), || {
            let node = NodeState::usable(self.id())?;
            node.calls.watch(&operation);
            question(node.core(), wanted)
        });
        match asked {
            Ok(pending) => pending.on_done(move |result| {
                operation.complete(result.map_err(FacadeError::from));
            }),
            Err(error) => {
                operation.complete(Err(error));
            }
        }
    }

    pub(crate) fn ask<T>(
        self,
        name: &'static str,
        question: impl FnOnce(&core::Node) -> Result<T>,
    ) -> Result<T> {
        entry(name, self.id(), || question(NodeState::usable(self.id())?.core()))
    }
}

fn ticket(core: &core::Node) -> Pending<String> {
    core.ticket().map(|ticket| Ok(ticket.to_string()))
}

fn set_secrets(core: &core::Node, current: &str, former: &[String]) -> Result<Pending<()>> {
    let former = text::each(Some(former), text::swarm_secret)?;
    Ok(core.set_secrets(text::swarm_secret(current)?, former))
}

fn status_json(core: &core::Node) -> Pending<String> {
    core.status().map(|status| Ok(status::json(&status)))
}

fn next_status(core: &core::Node, version: u64, wanted: Wanted) -> Pending<(u64, String)> {
    core.next_status(version, wanted).map(|status| Ok((status.version, status::json(&status))))
}

fn dial(core: &core::Node, target: &str) -> Result<Pending<()>> {
    let peer = match text::target(target)? {
        Target::Peer(peer) => peer,
        Target::Ticket(ticket) => {
            if ticket.secret().swarm_id() != core.swarm_id() {
                let error = FacadeError::invalid("the ticket is for another swarm");
                return Err(error.with_reason("other_swarm"));
            }
            text::peer_of(&ticket)
        }
    };
    Ok(core.connect(peer))
}
