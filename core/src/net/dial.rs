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
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::runtime::Handle;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::timeout;

/// Most addresses of one dial.
const ADDRESSES_MAX: usize = 32;

/// The dials under way, each with its attempts.
#[derive(Default)]
pub(crate) struct Dials {
    attempts: Mutex<BTreeMap<NodeId, BTreeMap<u64, AbortHandle>>>,
}

impl Dials {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<NodeId, BTreeMap<u64, AbortHandle>>> {
        self.attempts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An attempt is answered: the others end. False when another one was sooner.
    fn answered(&self, peer: NodeId, attempt: u64) -> bool {
        let mut attempts = self.lock();
        if !attempts.get(&peer).is_some_and(|known| known.contains_key(&attempt)) {
            return false;
        }
        let others = attempts.remove(&peer).into_iter().flatten();
        others.filter(|(other, _)| *other != attempt).for_each(|(_, other)| other.abort());
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
    // Held until the attempt is known: it cannot end before.
    let mut attempts = shared.dials.lock();
    let known = attempts.entry(peer).or_default();
    let number = known.last_key_value().map_or(0, |(last, _)| last + 1);
    let task = handle.spawn(run(Arc::clone(shared), peer, number, named, discovered));
    known.insert(number, task.abort_handle());
}

async fn run(
    shared: Arc<Shared>,
    peer: NodeId,
    attempt: u64,
    mut named: Vec<SocketAddr>,
    mut discovered: Vec<SocketAddr>,
) {
    named.truncate(ADDRESSES_MAX);
    discovered.truncate(ADDRESSES_MAX - named.len());
    let deadline = shared.options.dial_deadline;
    let opened = match timeout(deadline, open(&shared, peer, &named, &discovered)).await {
        Ok(Ok(opened)) => opened,
        Ok(Err(reason)) => return failed(&shared, peer, attempt, reason),
        Err(_) => {
            let addresses: Vec<&SocketAddr> = named.iter().chain(&discovered).collect();
            let reason = format!("no answer from {addresses:?} within {deadline:?}");
            return failed(&shared, peer, attempt, reason);
        }
    };
    if shared.dials.answered(peer, attempt) {
        link::run(shared, opened).await;
    }
}

fn failed(shared: &Shared, peer: NodeId, attempt: u64, reason: String) {
    if shared.dials.failed(peer, attempt) {
        shared.emit(NetEvent::DialFailed { peer, reason: printable(&reason) });
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
