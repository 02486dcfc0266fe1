//! The front door: open, publish, connect, look after, close. Not here: reading (`reading`).

use crate::driver::blob::{self, BlobRoom};
use crate::driver::contact::Tally;
use crate::driver::coordination::Coordination;
use crate::driver::network::{Network, NetworkStatus};
use crate::driver::options::{NodeOptions, PeerAddress};
use crate::driver::pond::Ponds;
use crate::driver::registry::{self, Shared};
use crate::driver::status::Status;
use crate::driver::status_subscription::StatusSubscription;
use crate::driver::{clock, metrics, status, waits};
use crate::error::{Error, ErrorKind, Result};
use crate::event::{AppId, NewEvent, NodeId, StreamId, SwarmId, SwarmSecret, SwarmSecrets, Ticket};
use crate::log::{
    AppendOptions, Appended, Compacted, Durability, Log, LogOptions, LogStats, VerifyReport,
};
use crate::pending::{Pending, pending};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

/// How long dropping the last handle of a node may take to close it.
const DROP_DEADLINE: Duration = Duration::from_secs(5);

/// A node: its own durable log, in sync with every peer it can reach.
///
/// Cloning gives another reference to the same handle; it is closed by [`Node::close`] or when the
/// last clone is dropped. All methods may be called from any thread.
#[derive(Clone)]
pub struct Node {
    handle: Arc<Handle>,
}

pub(crate) struct Handle {
    shared: Arc<Shared>,
    app_id: AppId,
    closed: Arc<AtomicBool>,
}

/// How to publish.
#[derive(Clone, Debug, Default)]
pub struct PublishOptions {
    /// When the publish is acknowledged; [`Durability::Process`] is so before anybody sees it.
    pub durability: Durability,
    /// 1 to 255 bytes that name this publish: a retry with the same key and the same events returns
    /// the first receipts and stores nothing.
    pub idempotency_key: Option<Vec<u8>>,
    /// Publish only if our stream holds exactly this many events, else `conflict`.
    pub expected: Option<u64>,
}

impl Node {
    /// Opens the store at `options.path`, creating it when absent, and joins the network.
    ///
    /// A folder that this process has open already gives the same node; its secrets, network and
    /// storage options stay what they were. Blocks for disk and sockets, typically a few
    /// milliseconds.
    ///
    /// # Errors
    /// `store_locked`: another process owns the store. `invalid_argument`: it belongs to another
    /// swarm, a former secret does, it is open with secrets of which `swarm` is none, or an address
    /// cannot be bound. `limit_exceeded`: too many peers or former secrets are named. `corrupt`,
    /// `format_too_new`, `storage_failed`, `storage_full`: the store cannot be used; the message
    /// says why.
    pub fn open(options: NodeOptions) -> Result<Node> {
        let secrets = SwarmSecrets::new(options.swarm.clone(), options.former_secrets.clone())?;
        let (path, secret) = (options.path.clone(), &options.swarm);
        let shared = registry::open(&path, secret, || start(&options, secrets))?;
        let handle = Handle { shared, app_id: options.app_id, closed: Arc::default() };
        Ok(Node { handle: Arc::new(handle) })
    }

    /// Who we are.
    pub fn node_id(&self) -> NodeId {
        self.shared().log.node_id()
    }

    /// Which swarm we belong to.
    pub fn swarm_id(&self) -> SwarmId {
        self.shared().log.swarm_id()
    }

    /// The stream that our events go to now.
    pub fn own_stream(&self) -> StreamId {
        self.shared().log.own_stream()
    }

    /// The folder of the store.
    pub fn path(&self) -> &Path {
        &self.shared().path
    }

    /// Appends `events` to our own stream: 1 to `BATCH_EVENTS_MAX` events of at most
    /// `BATCH_BYTES_MAX` bytes together. They get consecutive offsets and lamports, all or none.
    ///
    /// Returns at once; the answer comes when the events are as durable as asked. Dropping it
    /// does not take the events back.
    ///
    /// # Errors
    /// `limit_exceeded` (with the reason `streams_per_node`: the store was copied or cut too often,
    /// go on in a new folder), `conflict`, `storage_full`, `storage_failed`, `closed`,
    /// `forked_process`; `invalid_argument`, reason `reserved_tag`: a tag begins with `millpond:`,
    /// and is none that [`NewEvent::with_blobs`] makes. `not_found`, reason `blob_not_here`: a blob
    /// that an event refers to is neither here whole nor referred to by an event that is held.
    /// Nothing was stored.
    pub fn publish(&self, events: Vec<NewEvent>, options: PublishOptions) -> Pending<Appended> {
        let checked = self.log().and_then(|log| Ok((log, blob::check_tags(&events)?)));
        let (log, referred) = match checked {
            Ok(checked) => checked,
            Err(error) => return Pending::ready(Err(error)),
        };
        let options = AppendOptions {
            app_id: self.handle.app_id.clone(),
            durability: options.durability,
            idempotency_key: options.idempotency_key,
            expected: options.expected,
        };
        if referred.is_empty() {
            return log.append(events, options);
        }
        let shared = self.shared().clone();
        let found = move |appended: &Appended, leases| {
            shared.blobs.keep_until_found(appended, leases);
        };
        blob::append(&self.shared().blobs, &referred, (events, options), found)
    }

    /// Connects to a peer and stays connected while both can reach each other.
    ///
    /// The answer comes when a session was admitted or refused; while nobody answers at the
    /// addresses it stays pending and the node goes on trying, also when the answer is dropped. A
    /// peer without an address is waited for until discovery finds it.
    ///
    /// # Errors
    /// `peer_refused` with a reason such as `wrong_secret`; `invalid_argument`: it is ourselves, it
    /// has no address and discovery is off (reason `no_address`), an address names no host or port,
    /// or this node was opened without a network; `limit_exceeded`: it knows 1,024 other peers,
    /// connected or not: see [`Node::disconnect`]. `cancelled`: by that call.
    pub fn connect(&self, peer: PeerAddress) -> Pending<()> {
        self.ask(|network| network.connect(peer))
    }

    /// Forgets the addresses of a peer and ends its session, or the attempts to get one. It may
    /// still connect to us. Does nothing for a peer that is not known.
    ///
    /// # Errors
    /// `closed`, `forked_process`; `invalid_argument`: the node has no network.
    pub fn disconnect(&self, peer: NodeId) -> Pending<()> {
        self.ask(|network| network.disconnect(peer))
    }

    /// Takes the node off the network, as if its cable were pulled, or puts it back on. The log
    /// goes on meanwhile.
    ///
    /// # Errors
    /// `invalid_argument`: the addresses cannot be bound any more, or the node has no network.
    pub fn set_network(&self, enabled: bool) -> Pending<()> {
        self.ask(|network| network.set_enabled(enabled))
    }

    /// Replaces the swarm's secret: `current` for tickets, and peers that hold it or one of
    /// `former`, up to 4 of the same swarm, are admitted from now on. Sessions go on, but for those
    /// of peers that have shown neither: they end with `wrong_secret`. Not kept in the store: the
    /// next opening says its own.
    ///
    /// To replace the secret of a whole swarm without cutting anybody off: make the next one with
    /// [`SwarmSecret::next`](crate::event::SwarmSecret::next), give it to one node after the other
    /// with the old one as a former one, and when each peer's status says `current`, take the old
    /// one from each.
    ///
    /// # Errors
    /// `invalid_argument`, reason `other_swarm`: one of them is of another swarm. `limit_exceeded`:
    /// more than 4 are former ones. `closed`, `forked_process`. Nothing has changed then.
    pub fn set_secrets(&self, current: SwarmSecret, former: Vec<SwarmSecret>) -> Pending<()> {
        match self.log().and_then(|log| {
            log.check_process()?;
            self.shared().set_secrets(SwarmSecrets::new(current, former)?)
        }) {
            Ok(set) => set,
            Err(error) => Pending::ready(Err(error)),
        }
    }

    /// A text that lets another node join this swarm through us. It holds the swarm's secret.
    ///
    /// # Errors
    /// `invalid_argument`: the node has no network, so there is no address to tell.
    pub fn ticket(&self) -> Pending<Ticket> {
        let (secret, node) = (self.shared().secrets().current().clone(), self.node_id());
        self.ask(Network::status)
            .map(move |status| Ticket::new(secret, node, status.local_addresses))
    }

    /// Peers, lag, refusals, and the state of the store.
    ///
    /// # Errors
    /// `closed`, `forked_process`.
    pub fn status(&self) -> Pending<Status> {
        self.gather(|_, status, _| status)
    }

    /// A status that stays open: the first at once, then one each time something in it changed.
    /// Ends when this handle is closed.
    pub fn subscribe_status(&self) -> StatusSubscription {
        StatusSubscription::new(Arc::downgrade(&self.handle))
    }

    /// The status once its version is not `version` any more: at once for 0. What
    /// [`Node::subscribe_status`] is made of.
    ///
    /// `wanted` is asked now and then; once it says `false`, nobody is answered.
    ///
    /// # Errors
    /// `closed`, `forked_process`.
    pub fn next_status(
        &self,
        version: u64,
        wanted: impl Fn() -> bool + Send + Sync + 'static,
    ) -> Pending<Status> {
        let log = match self.log() {
            Ok(log) => log,
            Err(error) => return Pending::ready(Err(error)),
        };
        let (completer, answer) = pending(None);
        // Not the handle: were it dropped by the loop, that would wait for itself.
        let (shared, closed) = (self.handle.shared.clone(), self.handle.closed.clone());
        log.news_after(version, Box::new(wanted)).on_done(move |told| match told {
            Ok(()) if closed.load(Ordering::Acquire) => completer.complete(Err(closed_node())),
            Ok(()) => shared
                .gather(|_, status, _| status)
                .on_done(move |status| completer.complete(status)),
            Err(error) => completer.complete(Err(error)),
        });
        answer
    }

    /// The figures of this node for Prometheus: text in its exposition format, version 0.0.4.
    ///
    /// Names begin with `millpond_` and have their units; what only grows ends in `_total` and
    /// begins anew when the node opens. At most 64 peers have series of their own.
    ///
    /// # Errors
    /// `closed`, `forked_process`.
    pub fn metrics(&self) -> Pending<String> {
        self.gather(|log, status, tally| metrics::text(&status, &tally, &log.counts()))
    }

    fn gather<T: Send + 'static>(
        &self,
        finish: impl FnOnce(&Log, Status, Tally) -> T + Send + 'static,
    ) -> Pending<T> {
        match self.log().and_then(Log::check_process) {
            Ok(()) => self.shared().gather(finish),
            Err(error) => Pending::ready(Err(error)),
        }
    }

    /// Reads and verifies the whole store: every checksum, chain and head, and the index against
    /// the events. Takes as long as reading it takes.
    ///
    /// # Errors
    /// `corrupt`: names the first place that does not hold.
    pub fn check(&self) -> Result<()> {
        self.log()?.check()
    }

    /// Goes through the whole store once and says what is damaged; see [`Log::verify`]. The node
    /// goes on meanwhile.
    ///
    /// `wanted` is asked now and then; once it says `false`, the answer comes soon.
    ///
    /// # Errors
    /// `cancelled`: it was not wanted any more. `closed`, `forked_process`, `storage_failed`.
    /// Damage is no error.
    pub fn verify(
        &self,
        wanted: impl Fn() -> bool + Send + Sync + 'static,
    ) -> Pending<VerifyReport> {
        match self.log() {
            Ok(log) => log.verify(wanted),
            Err(error) => Pending::ready(Err(error)),
        }
    }

    /// Makes the store's file of tables as small as it can be; see [`Log::compact`]. The node goes
    /// on meanwhile.
    ///
    /// `wanted` is asked now and then; once it says `false`, the answer comes soon.
    ///
    /// # Errors
    /// `storage_full`: there is not room for the old file and the new one. `cancelled`: it was not
    /// wanted any more. `closed`, `forked_process`, `storage_failed`, `corrupt`: the file stays as
    /// it was.
    pub fn compact(&self, wanted: impl Fn() -> bool + Send + Sync + 'static) -> Pending<Compacted> {
        match self.log() {
            Ok(log) => log.compact(wanted),
            Err(error) => Pending::ready(Err(error)),
        }
    }

    /// How large everything in the store is; see [`Log::stats`].
    ///
    /// # Errors
    /// `closed`, `forked_process`, `corrupt`, `storage_failed`.
    pub fn stats(&self) -> Result<LogStats> {
        self.log()?.stats()
    }

    /// Closes this handle; the last one of a node ends its sessions and closes the store.
    ///
    /// A second call does nothing. What was published is durable when this returns.
    ///
    /// # Errors
    /// `timeout`: the deadline passed first; the rest ends in the background.
    pub fn close(&self, deadline: Duration) -> Result<()> {
        self.handle.close(deadline)
    }

    /// The handle, for who must not keep it.
    pub(crate) fn weak(&self) -> Weak<Handle> {
        Arc::downgrade(&self.handle)
    }

    /// The node of a handle that is still there.
    pub(crate) fn of(handle: Arc<Handle>) -> Node {
        Node { handle }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.handle.shared
    }

    pub(super) fn app_id(&self) -> &AppId {
        &self.handle.app_id
    }

    /// True once this handle is closed.
    pub(super) fn closed(&self) -> &Arc<AtomicBool> {
        &self.handle.closed
    }

    pub(crate) fn log(&self) -> Result<&Log> {
        if self.handle.closed.load(Ordering::Acquire) {
            return Err(closed_node());
        }
        Ok(&self.shared().log)
    }

    fn ask<T>(&self, question: impl FnOnce(&Network) -> Pending<T>) -> Pending<T> {
        match self.network() {
            Ok(network) => question(network),
            Err(error) => Pending::ready(Err(error)),
        }
    }

    fn network(&self) -> Result<&Network> {
        self.log()?.check_process()?;
        self.shared().network.as_ref().ok_or_else(|| {
            let message = "this node was opened without a network";
            Error::new(ErrorKind::InvalidArgument, message).with_reason("no_network")
        })
    }
}

impl Shared {
    fn set_secrets(&self, secrets: SwarmSecrets) -> Result<Pending<()>> {
        if secrets.swarm_id() != self.log.swarm_id() {
            let message = format!(
                "the secret is of swarm {}, and this node is of {}; make the next secret from the \
                 one in use",
                secrets.swarm_id().short(),
                self.log.swarm_id().short()
            );
            return Err(Error::new(ErrorKind::InvalidArgument, message).with_reason("other_swarm"));
        }
        // Under the lock, so that tickets and sessions see changes in one order.
        let mut own = self.secrets();
        own.clone_from(&secrets);
        Ok(match &self.network {
            Some(network) => network.set_secrets(secrets),
            None => Pending::ready(Ok(())),
        })
    }

    /// Asks the loop, and puts together what it and the log know.
    fn gather<T: Send + 'static>(
        &self,
        finish: impl FnOnce(&Log, Status, Tally) -> T + Send + 'static,
    ) -> Pending<T> {
        // Not the node: were it dropped by the loop, that would wait for itself.
        let (log, path) = (self.log.clone(), self.path.clone());
        let version = log.news_version();
        let gather = move |mut network: Option<NetworkStatus>| {
            let tally = network.as_mut().map(|own| std::mem::take(&mut own.tally));
            let now = (clock::now(), clock::wall(), version);
            let status = status::gather(&log, log.swarm_id(), path, network, now)?;
            Ok(finish(&log, status, tally.unwrap_or_default()))
        };
        match &self.network {
            Some(network) => network.status().map(|network| gather(Some(network))),
            None => Pending::ready(gather(None)),
        }
    }
}

impl Handle {
    fn close(&self, deadline: Duration) -> Result<()> {
        self.shared.log.check_process()?;
        if self.closed.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        // Who waits through this handle is told that it is closed.
        self.shared.log.tell_news();
        waits::ring();
        registry::close(&self.shared, deadline)
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // Nobody is left to be told; what was acknowledged is durable either way.
        if let Err(error) = self.close(DROP_DEADLINE) {
            tracing::warn!(%error, "a node was dropped and did not close cleanly");
        }
    }
}

pub(crate) fn closed_node() -> Error {
    Error::new(ErrorKind::Closed, "the node is closed")
}

fn start(options: &NodeOptions, secrets: SwarmSecrets) -> Result<Shared> {
    let storage = &options.storage;
    let log = Log::open(LogOptions {
        path: options.path.clone(),
        swarm: secrets.swarm_id(),
        node_key: None,
        random: clock::random()?,
        segment_bytes: storage.segment_bytes,
        tail_bytes_max: storage.tail_bytes_max,
        cache_bytes_max: storage.cache_bytes_max,
        snapshot_bytes_max: storage.snapshot_bytes_max,
        clock: Arc::new(clock::wall),
        allow_network_fs: storage.allow_network_fs,
    })?;
    let path = options.path.clone();
    let blobs = Arc::new(BlobRoom::new(log.clone(), path.clone(), storage.blobs.clone()));
    // What a crash has left is settled before a peer can say anything.
    blobs.open_early();
    let network = options
        .network
        .clone()
        .map(|network| Network::start(network, log.clone(), secrets.clone(), blobs.clone()));
    let network = match network.transpose() {
        Ok(network) => network,
        Err(error) => {
            // The network's error says what to do; the log closes as if it had not been opened.
            let _ = log.close(DROP_DEADLINE);
            return Err(error);
        }
    };
    let (secrets, ponds) = (Mutex::new(secrets), Ponds::default());
    let coordination = Coordination::default();
    Ok(Shared { log, network, secrets, path, ponds, coordination, blobs })
}
