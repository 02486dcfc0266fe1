//! The transport over iroh: QUIC, node keys as identities, a runtime of its own.

use crate::error::{Error, ErrorKind, Result};
use crate::event::NodeId;
use crate::net::close::{Closing, code};
use crate::net::gate::Gate;
use crate::net::link::Link;
use crate::net::sockets::{LOOK_EVERY, Sockets};
use crate::net::transport::{ConnectionId, EventSink, NetEvent, Transport};
use crate::net::{TransportOptions, accept, dial};
use crate::sync::Lane;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::time::sleep;

/// How long dropping a transport that was not shut down may take.
const DROP_DEADLINE: Duration = Duration::from_secs(2);
/// How long the threads have for their last step at least. They take moments, unless others have
/// the processors; until then the sockets are open, and their ports taken when the network is
/// switched on again.
const THREADS_END: Duration = Duration::from_secs(2);

/// QUIC connections on the local network, behind [`Transport`].
///
/// Dropping it shuts it down and may take up to two seconds; call `shutdown` to choose.
pub struct IrohTransport {
    shared: Arc<Shared>,
    handle: Handle,
    runtime: Mutex<Option<Runtime>>,
}

/// What the tasks share.
pub(crate) struct Shared {
    pub(crate) sockets: Sockets,
    pub(crate) options: TransportOptions,
    pub(crate) gate: Arc<Gate>,
    sink: EventSink,
    pub(crate) dials: dial::Dials,
    links: Mutex<BTreeMap<ConnectionId, Arc<Link>>>,
    last_connection: AtomicU64,
    silent: AtomicBool,
}

impl IrohTransport {
    /// Binds the sockets and begins to accept. Events go to `sink` from then on.
    ///
    /// # Errors
    /// `invalid_argument`: an address cannot be bound, or a deadline is out of range; `internal`:
    /// the system gives no thread.
    pub fn start(options: TransportOptions, sink: EventSink) -> Result<IrohTransport> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("millpond-net")
            .enable_all()
            .build()
            .map_err(|error| {
                Error::new(ErrorKind::Internal, format!("cannot start network threads: {error}"))
            })?;
        let handle = runtime.handle().clone();
        // Not `block_on`: the caller may itself be a task of some other runtime.
        let (bound, waiting) = mpsc::sync_channel(1);
        let task_options = options.clone();
        handle.spawn(async move {
            // The receiver waits for this one answer.
            let _ = bound.send(Sockets::bind(task_options).await);
        });
        let sockets = match waiting.recv() {
            Ok(Ok(sockets)) => sockets,
            Ok(Err(error)) => {
                runtime.shutdown_background();
                return Err(error);
            }
            Err(_) => {
                runtime.shutdown_background();
                return Err(Error::new(ErrorKind::Internal, "the network did not start"));
            }
        };
        let shared = Arc::new(Shared {
            sockets,
            options,
            gate: Arc::default(),
            sink,
            dials: dial::Dials::default(),
            links: Mutex::default(),
            last_connection: AtomicU64::new(0),
            silent: AtomicBool::new(false),
        });
        for endpoint in shared.sockets.endpoints() {
            handle.spawn(accept::run(Arc::clone(&shared), endpoint));
        }
        handle.spawn(watch(Arc::clone(&shared)));
        Ok(IrohTransport { shared, handle, runtime: Mutex::new(Some(runtime)) })
    }

    #[cfg(test)]
    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// The node id under which peers know us.
    pub fn node_id(&self) -> NodeId {
        self.shared.options.node_key.node_id()
    }

    /// What the sockets are bound to: an unspecified address stays one, with the port it got.
    pub fn bound_addresses(&self) -> Vec<SocketAddr> {
        self.shared.sockets.bound().to_vec()
    }
}

impl Transport for IrohTransport {
    fn dial(&self, peer: NodeId, named: Vec<SocketAddr>, discovered: Vec<SocketAddr>) {
        dial::start(&self.handle, &self.shared, peer, named, discovered);
    }

    fn admit(&self, connection: ConnectionId, has_bulk: bool) {
        if let Some(link) = self.shared.link(connection) {
            link.admit(has_bulk);
        }
    }

    fn send(&self, connection: ConnectionId, lane: Lane, frame: Bytes) {
        if let Some(link) = self.shared.link(connection) {
            link.outbox.push(lane, frame);
        }
    }

    fn close(&self, connection: ConnectionId, code: u32, reason: &str) {
        if let Some(link) = self.shared.link(connection) {
            link.outbox.close(Closing::new(code, reason));
        }
    }

    fn local_addresses(&self) -> Vec<SocketAddr> {
        self.shared.sockets.listening()
    }

    fn shutdown(&self, deadline: Duration) {
        let until = Instant::now() + deadline;
        self.shared.silent.store(true, Ordering::Release);
        let runtime = self.runtime.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(runtime) = runtime else { return };
        if deadline.is_zero() {
            return end(runtime, until);
        }
        for link in self.shared.links().values() {
            link.outbox.close(Closing::new(code::CLOSED, "the node is closing"));
        }
        let shared = Arc::clone(&self.shared);
        let (closed, waiting) = mpsc::sync_channel(1);
        runtime.spawn(async move {
            shared.flushed().await;
            for endpoint in shared.sockets.endpoints() {
                endpoint.close().await;
            }
            // Nobody waits any more when the deadline has passed.
            let _ = closed.send(());
        });
        // Whether it closed or the deadline passed, the threads end now.
        let _ = waiting.recv_timeout(deadline);
        end(runtime, until);
    }
}

/// Listens at addresses that the machine gets later, until the runtime ends.
async fn watch(shared: Arc<Shared>) {
    loop {
        sleep(LOOK_EVERY).await;
        shared.look().await;
    }
}

/// Ends the threads of `runtime`, on a thread that is no task of another runtime.
fn end(runtime: Runtime, until: Instant) {
    let left = until.saturating_duration_since(Instant::now()).max(THREADS_END);
    let ending = std::thread::Builder::new()
        .name("millpond-net-end".to_owned())
        .spawn(move || runtime.shutdown_timeout(left));
    if let Ok(ending) = ending {
        // A panic there has nothing more to say here.
        let _ = ending.join();
    }
}

impl Drop for IrohTransport {
    fn drop(&mut self) {
        self.shutdown(DROP_DEADLINE);
    }
}

impl Shared {
    /// Hands an event to the driver, until the shutdown begins.
    pub(crate) fn emit(&self, event: NetEvent) {
        if !self.silent.load(Ordering::Acquire) {
            (self.sink)(event);
        }
    }

    /// Looks at the interfaces, and listens at what is new. Connections of an address that is gone
    /// end when there is a new one: nothing can come there any more, and a dial is sooner than the
    /// silence is noticed. Without a new one they stay, since a cable may be put in again.
    pub(crate) async fn look(self: &Arc<Self>) {
        let Some(endpoint) = self.sockets.look().await else { return };
        tokio::spawn(accept::run(Arc::clone(self), endpoint));
        let links: Vec<Arc<Link>> = self.links().values().cloned().collect();
        for link in links {
            link.end_if(|address| self.sockets.is_gone(address));
        }
    }

    pub(crate) fn next_connection_id(&self) -> ConnectionId {
        ConnectionId(self.last_connection.fetch_add(1, Ordering::Relaxed) + 1)
    }

    pub(crate) fn insert(&self, id: ConnectionId, link: Arc<Link>) {
        self.links().insert(id, link);
    }

    pub(crate) fn remove(&self, id: ConnectionId) {
        self.links().remove(&id);
    }

    fn link(&self, id: ConnectionId) -> Option<Arc<Link>> {
        self.links().get(&id).cloned()
    }

    /// Waits until every connection has flushed and closed; each does within its own deadline.
    async fn flushed(&self) {
        loop {
            let Some(link) = self.links().values().next().cloned() else { return };
            link.ended().await;
        }
    }

    fn links(&self) -> MutexGuard<'_, BTreeMap<ConnectionId, Arc<Link>>> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
