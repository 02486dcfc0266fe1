//! Connections that we open.
//!
//! A peer may be dialled again while it is dialled, where it is said to be now. That is one dial:
//! the first answer counts, and it has failed when nobody answered anywhere.

use crate::event::NodeId;
use crate::net::close::printable;
use crate::net::endpoint::{ALPN, dialed_channel};
use crate::net::frame_writer::OPENING;
use crate::net::iroh_transport::Shared;
use crate::net::link::{self, Opened};
use crate::net::transport::NetEvent;
use iroh::endpoint::{ConnectOptions, Connection, QuicTransportConfig};
use iroh::{Endpoint, EndpointAddr, PublicKey, TransportAddr};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::runtime::Handle;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::timeout;

/// Most addresses of one dial.
const ADDRESSES_MAX: usize = 32;

/// The attempts of a dial. One that is being started has no handle yet.
type Attempts = BTreeMap<u64, Option<AbortHandle>>;

/// The dials under way, each with its attempts.
#[derive(Default)]
pub(crate) struct Dials {
    attempts: Mutex<BTreeMap<NodeId, Attempts>>,
    /// Of the next attempt: none has a number that another one had.
    next: AtomicU64,
}

/// An attempt that is under way: it has failed when it ends without an answer, however it ends.
struct Attempt {
    shared: Arc<Shared>,
    peer: NodeId,
    number: u64,
    reason: String,
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if self.shared.dials.failed(self.peer, self.number) {
            let reason = printable(&self.reason);
            self.shared.emit(NetEvent::DialFailed { peer: self.peer, reason });
        }
    }
}

/// No task is started or ended under the lock: a runtime that shuts down drops it there and then.
impl Dials {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<NodeId, Attempts>> {
        self.attempts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of a new attempt.
    fn begin(&self, peer: NodeId) -> u64 {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.lock().entry(peer).or_default().insert(number, None);
        number
    }

    /// The attempt can be ended by this, unless it has ended already.
    fn keep(&self, peer: NodeId, attempt: u64, handle: AbortHandle) {
        let mut attempts = self.lock();
        if let Some(kept) = attempts.get_mut(&peer).and_then(|known| known.get_mut(&attempt)) {
            *kept = Some(handle);
        }
    }

    /// An attempt is answered: the others end. False when another one was sooner.
    fn answered(&self, peer: NodeId, attempt: u64) -> bool {
        let mut attempts = self.lock();
        if !attempts.get(&peer).is_some_and(|known| known.contains_key(&attempt)) {
            return false;
        }
        let known = attempts.remove(&peer);
        drop(attempts);
        let others = known.into_iter().flatten().filter(|(other, _)| *other != attempt);
        others.filter_map(|(_, handle)| handle).for_each(|handle| handle.abort());
        true
    }

    /// An attempt came to nothing. True when it was the last of its dial.
    fn failed(&self, peer: NodeId, attempt: u64) -> bool {
        let mut attempts = self.lock();
        let Some(known) = attempts.get_mut(&peer) else { return false };
        let is_last = known.remove(&attempt).is_some() && known.is_empty();
        if is_last {
            attempts.remove(&peer);
        }
        is_last
    }
}

/// Dials `peer`, and runs the connection if there is one.
pub(crate) fn start(
    handle: &Handle,
    shared: &Arc<Shared>,
    peer: NodeId,
    named: Vec<SocketAddr>,
    discovered: Vec<SocketAddr>,
) {
    let number = shared.dials.begin(peer);
    let reason = "the dial was given up".to_owned();
    let attempt = Attempt { shared: Arc::clone(shared), peer, number, reason };
    let task = handle.spawn(run(attempt, named, discovered));
    shared.dials.keep(peer, number, task.abort_handle());
}

async fn run(mut attempt: Attempt, mut named: Vec<SocketAddr>, mut discovered: Vec<SocketAddr>) {
    let (shared, peer) = (Arc::clone(&attempt.shared), attempt.peer);
    named.truncate(ADDRESSES_MAX);
    discovered.truncate(ADDRESSES_MAX - named.len());
    let deadline = shared.options.dial_deadline;
    match timeout(deadline, open(&shared, peer, &named, &discovered)).await {
        Ok(Ok(opened)) => {
            if shared.dials.answered(peer, attempt.number) {
                link::run(shared, opened).await;
            }
        }
        Ok(Err(reason)) => attempt.reason = reason,
        Err(_) => {
            let addresses: Vec<&SocketAddr> = named.iter().chain(&discovered).collect();
            attempt.reason = format!("no answer from {addresses:?} within {deadline:?}");
        }
    }
}

/// Dials from every socket that leads to one of the addresses; the first answer counts.
async fn open(
    shared: &Arc<Shared>,
    peer: NodeId,
    named: &[SocketAddr],
    discovered: &[SocketAddr],
) -> Result<Opened, String> {
    let key = PublicKey::from_bytes(peer.as_bytes())
        .map_err(|_| "the node id is not an Ed25519 public key".to_owned())?;
    if named.is_empty() && discovered.is_empty() {
        return Err("no address is known; add one or wait for discovery".to_owned());
    }
    shared.look().await;
    let routes = shared.sockets.routes(named, discovered).await;
    let mut reason = format!(
        "none of {named:?} and {discovered:?} is on our networks; a peer behind a router must be \
         named, and the node not be bound to loopback"
    );
    let mut attempts = JoinSet::new();
    for (endpoint, addresses) in routes.map_err(|error| error.to_string())? {
        let channel = dialed_channel(&shared.options).map_err(|error| error.to_string())?;
        attempts.spawn(connect(endpoint, key, addresses, channel));
    }
    while let Some(attempt) = attempts.join_next().await {
        match attempt {
            Ok(Ok(opened)) => return Ok(opened),
            Ok(Err(failure)) => reason = failure,
            Err(_) => "the dial was given up".clone_into(&mut reason),
        }
    }
    Err(reason)
}

async fn connect(
    endpoint: Endpoint,
    key: PublicKey,
    addresses: Vec<SocketAddr>,
    channel: QuicTransportConfig,
) -> Result<Opened, String> {
    let target = EndpointAddr::from_parts(key, addresses.iter().copied().map(TransportAddr::Ip));
    let options = ConnectOptions::new().with_transport_config(channel);
    let connecting = endpoint
        .connect_with_opts(target, ALPN, options)
        .await
        .map_err(|error| format!("{error:#}"))?;
    let connection = connecting.await.map_err(|error| format!("{error:#}"))?;
    let (mut send, recv) = connection.open_bi().await.map_err(|error| error.to_string())?;
    send.write_all(&OPENING).await.map_err(|error| error.to_string())?;
    let remote = remote_address(&connection).unwrap_or_else(|| addresses[0]);
    Ok(Opened { connection, send, recv, remote, dialed: true, slot: None })
}

fn remote_address(connection: &Connection) -> Option<SocketAddr> {
    let paths = connection.paths();
    let ip = |address: &TransportAddr| match address {
        TransportAddr::Ip(address) => Some(*address),
        _ => None,
    };
    let selected = paths.iter().find(|path| path.is_selected());
    let path = selected.or_else(|| paths.iter().next())?;
    let address = ip(path.remote_addr())?;
    let unknown = address.ip() == IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    (!unknown).then_some(address)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::NodeKey;
    use crate::net::{IrohTransport, Transport, TransportOptions};
    use std::net::UdpSocket;
    use std::sync::mpsc::channel;
    use std::time::Duration;

    const PATIENCE: Duration = Duration::from_secs(20);

    #[test]
    fn a_dial_whose_task_is_gone_has_failed_and_the_next_one_is_told_of_too() {
        let mut options = TransportOptions::new(NodeKey::from_seed(&[1; 32]));
        options.bind = vec![(Ipv4Addr::LOCALHOST, 0).into()];
        let (say, said) = channel();
        let sink = Arc::new(move |event| {
            // A test that is over listens no more.
            let _ = say.send(event);
        });
        let net = IrohTransport::start(options, sink).unwrap();
        let silent = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let at = vec![silent.local_addr().unwrap()];
        let peer = NodeKey::from_seed(&[2; 32]).node_id();
        for _ in 0..2 {
            net.dial(peer, at.clone(), Vec::new());
            let attempts = net.shared().dials.lock().get(&peer).cloned().unwrap();
            attempts.values().flatten().for_each(AbortHandle::abort);
            let failed = said.recv_timeout(PATIENCE).unwrap();
            assert!(matches!(failed, NetEvent::DialFailed { peer: of, .. } if of == peer));
            assert!(net.shared().dials.lock().is_empty());
        }
    }
}
