//! The truth about a node, as far as it knows it: peers, lag, refusals, store.

use crate::driver::network::NetworkStatus;
use crate::error::Result;
use crate::event::{HeldFork, NodeId, OffsetMap, StreamId, SwarmId};
use crate::log::{Log, LogStatus};
use crate::sync::{LinkState, PeerStatus as SwarmPeer};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How a node stands at a moment.
#[derive(Clone, Debug)]
pub struct Status {
    /// Who we are.
    pub node_id: NodeId,
    /// Which swarm we belong to.
    pub swarm_id: SwarmId,
    /// The folder of the store.
    pub path: PathBuf,
    /// How many events of each stream are durable here.
    pub offsets: OffsetMap,
    /// How many events are durable here.
    pub events: u64,
    /// Events that signed heads account for and that are not here yet. Unknown events are not
    /// counted: a node that is cut off can show 0.
    pub lag: u64,
    /// The stream that our events go to now.
    pub own_stream: StreamId,
    /// False while the node is off the network or was opened without one.
    pub network: bool,
    /// Where peers can reach us.
    pub local_addresses: Vec<SocketAddr>,
    /// Peers that are connected or known, by rising node id.
    pub peers: Vec<PeerStatus>,
    /// The last 64 refusals, oldest first.
    pub refusals: Vec<Refusal>,
    /// Streams with two histories, each once.
    pub forked: Vec<StreamId>,
    /// Each fork that is kept: where, the branches in which all histories go on, and the proof: two
    /// heads that one node signed. How far a branch is held says `offsets`.
    pub forks: Vec<HeldFork>,
    /// Streams that are held back because their lamport runs ahead of what is accounted for.
    pub quarantined: Vec<StreamId>,
    /// Streams in which a later millpond wrote what this one would have to understand. They stay as
    /// they are until this node is upgraded; all else goes on.
    pub too_new: Vec<StreamId>,
    /// How the store is.
    pub store: LogStatus,
}

/// How we stand with one peer.
#[derive(Clone, Debug)]
pub struct PeerStatus {
    /// Who.
    pub node: NodeId,
    /// `connected`, `greeting` (not admitted yet), `dialing`, `waiting` (for the next dial) or
    /// `idle` (it may connect to us).
    pub state: &'static str,
    /// Where it may be reached.
    pub addresses: Vec<SocketAddr>,
    /// Time for a small message there and back.
    pub round_trip: Option<Duration>,
    /// Bytes of frames received in this session.
    pub bytes_in: u64,
    /// Bytes of frames sent in this session.
    pub bytes_out: u64,
    /// Events that it has and we lack.
    pub lag: u64,
    /// Events that we have and it lacks.
    pub behind: u64,
    /// How long the session stands.
    pub connected_for: Option<Duration>,
    /// How long it has been out of reach after it was in reach: a suspected partition.
    pub gone_for: Option<Duration>,
}

/// A session that did not come about or was ended with a reason.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// The other side.
    pub peer: NodeId,
    /// Why, by its stable name, such as `wrong_secret`.
    pub reason: &'static str,
    /// True when we refused, false when we were refused.
    pub by_us: bool,
}

/// Puts together what the log and the loop know.
pub(crate) fn gather(
    log: &Log,
    swarm_id: SwarmId,
    path: PathBuf,
    network: Option<NetworkStatus>,
    now: Instant,
) -> Result<Status> {
    let offsets = log.durable_map()?;
    let mut status = Status {
        node_id: log.node_id(),
        swarm_id,
        path,
        events: 0,
        offsets: (*offsets).clone(),
        lag: 0,
        own_stream: log.own_stream(),
        network: false,
        local_addresses: Vec::new(),
        peers: Vec::new(),
        refusals: Vec::new(),
        forked: Vec::new(),
        forks: log.forks(),
        quarantined: Vec::new(),
        too_new: Vec::new(),
        store: log.status()?,
    };
    status.events = u64::try_from(status.store.event_count).unwrap_or(u64::MAX);
    status.forked = status.forks.iter().map(|fork| fork.of).collect();
    status.forked.dedup();
    let Some(NetworkStatus { swarm, local_addresses, enabled }) = network else {
        return Ok(status);
    };
    status.network = enabled;
    status.local_addresses = local_addresses;
    status.lag = swarm.missing.iter().map(|(_, missing)| missing).sum();
    status.peers = swarm.peers.iter().map(|peer| peer_status(peer, now)).collect();
    let refusals = swarm.refusals.iter().map(|refused| Refusal {
        peer: refused.peer,
        reason: refused.reason.name(),
        by_us: refused.by_us,
    });
    status.refusals = refusals.collect();
    status.forked.extend(swarm.forks.iter().map(|fork| fork.of));
    status.forked.sort_unstable();
    status.forked.dedup();
    status.quarantined = swarm.quarantined.iter().map(|held| held.stream).collect();
    status.too_new = swarm.too_new;
    Ok(status)
}

fn peer_status(peer: &SwarmPeer, now: Instant) -> PeerStatus {
    let sum = |streams: &[(StreamId, u64)]| streams.iter().map(|(_, events)| events).sum();
    let since = |at: Instant| now.saturating_duration_since(at);
    PeerStatus {
        node: peer.peer,
        state: match peer.state {
            LinkState::Connected => "connected",
            LinkState::Greeting => "greeting",
            LinkState::Dialing => "dialing",
            LinkState::Waiting(_) => "waiting",
            LinkState::Idle => "idle",
        },
        addresses: peer.addresses.clone(),
        round_trip: peer.round_trip,
        bytes_in: peer.bytes_in,
        bytes_out: peer.bytes_out,
        lag: sum(&peer.we_lack),
        behind: sum(&peer.they_lack),
        connected_for: peer.since.map(since),
        gone_for: peer.gone_since.map(since),
    }
}
