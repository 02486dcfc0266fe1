//! The truth about a node, as far as it knows it: peers, lag, refusals, store.

use crate::driver::contact::{Contact, Refused};
use crate::driver::network::NetworkStatus;
use crate::error::Result;
use crate::event::{HeldFork, NodeId, OffsetMap, StreamId, SwarmId, WallTime};
use crate::log::{Log, LogStatus};
use crate::sync::{LinkState, PeerStatus as SwarmPeer, Proved, SwarmStatus};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How a node stands at a moment.
#[derive(Clone, Debug)]
pub struct Status {
    /// The version of what there is to know that this is of; see [`StatusSubscription`].
    ///
    /// [`StatusSubscription`]: crate::StatusSubscription
    pub version: u64,
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
    /// Every stream that is held or known of, by rising id.
    pub streams: Vec<StreamStatus>,
    /// Nodes that were heard of and are not in reach now, by rising id: suspected partitions.
    pub unheard: Vec<UnheardNode>,
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
    /// Streams that have more histories than the 16 that are kept: what is beyond does not sync.
    pub crowded: Vec<StreamId>,
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
    /// Bytes of frames received in all its sessions since the node opened.
    pub total_bytes_in: u64,
    /// Bytes of frames sent in all its sessions since the node opened.
    pub total_bytes_out: u64,
    /// True when a person, a ticket or the options named it.
    pub named: bool,
    /// True when discovery sees it now.
    pub discovered: bool,
    /// True when other peers told where it is.
    pub learned: bool,
    /// How long it has been dialled in vain; none while there is a session or nothing to dial.
    pub trying_for: Option<Duration>,
    /// Why the last attempt was refused, until a session comes about.
    pub refused: Option<PeerRefusal>,
    /// How long ago it was last heard in a session; none when there was none since the node opened.
    pub last_contact: Option<Duration>,
    /// Events that it has and we lack.
    pub lag: u64,
    /// Events that we have and it lacks.
    pub behind: u64,
    /// How long the session stands.
    pub connected_for: Option<Duration>,
    /// Which of our secrets it has shown that it holds: `current`, or only a `former` one; none
    /// without a session.
    pub secret: Option<&'static str>,
    /// How long it has been out of reach after it was in reach: a suspected partition.
    pub gone_for: Option<Duration>,
}

/// One stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamStatus {
    /// Which.
    pub stream: StreamId,
    /// How many events of it are durable here; of a branch what comes before it counts, too.
    pub held: u64,
    /// How many are signed for, as far as is known; never less than `held`.
    pub known: u64,
    /// The difference.
    pub lag: u64,
    /// Connected peers that say they have more of it than is held here, by rising id.
    pub ahead: Vec<NodeId>,
}

/// A node that was heard of and is not in reach: neither connected nor in the list of a connected
/// peer. A node further away, that writes nothing for a while, is one, too.
///
/// It was heard of as a peer, in a peer's list, or as the author of events, which count when they
/// come here, by whatever way and however old they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnheardNode {
    /// Which.
    pub node: NodeId,
    /// Since when, by our wall clock: when it was last heard of, also before this opening; when the
    /// store was opened, if that is not known.
    pub since: WallTime,
    /// How long ago that is.
    pub ago: Duration,
}

/// Why the last attempt at a session was refused.
#[derive(Clone, Debug)]
pub struct PeerRefusal {
    /// Why, by its stable name, such as `wrong_secret`.
    pub reason: &'static str,
    /// The same as a sentence.
    pub message: String,
    /// True when we refused, false when we were refused.
    pub by_us: bool,
    /// How long ago.
    pub ago: Duration,
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
    (now, wall, version): (Instant, WallTime, u64),
) -> Result<Status> {
    let offsets = log.durable_map()?;
    let outlook = log.outlook();
    let unheard = outlook.unheard(log.node_id(), &offsets).into_iter().map(|gone| {
        let ago = wall.micros().saturating_sub(gone.since.micros());
        let ago = Duration::from_micros(u64::try_from(ago).unwrap_or(0));
        UnheardNode { node: gone.node, since: gone.since, ago }
    });
    let mut status = Status {
        version: network.as_ref().map_or(version, |own| own.version),
        node_id: log.node_id(),
        swarm_id,
        path,
        events: 0,
        offsets: (*offsets).clone(),
        lag: 0,
        streams: streams(&offsets, &outlook.known, network.as_ref().map(|own| &own.swarm)),
        unheard: unheard.collect(),
        own_stream: log.own_stream(),
        network: false,
        local_addresses: Vec::new(),
        peers: Vec::new(),
        refusals: Vec::new(),
        forked: Vec::new(),
        forks: log.forks(),
        crowded: Vec::new(),
        quarantined: Vec::new(),
        too_new: Vec::new(),
        store: log.status()?,
    };
    status.events = u64::try_from(status.store.event_count).unwrap_or(u64::MAX);
    status.forked = status.forks.iter().map(|fork| fork.of).collect();
    status.forked.dedup();
    status.lag = status.streams.iter().map(|stream| stream.lag).fold(0, u64::saturating_add);
    let Some(network) = network else { return Ok(status) };
    let none = Contact::default();
    let peers = network.swarm.peers.iter().map(|peer| {
        let contact = network.contacts.get(&peer.peer).unwrap_or(&none);
        let mut status = peer_status(peer, contact, now);
        status.named = network.named.contains(&peer.peer);
        status.discovered = network.discovered.contains(&peer.peer);
        status
    });
    status.peers = peers.collect();
    let NetworkStatus { swarm, local_addresses, enabled, .. } = network;
    status.network = enabled;
    status.local_addresses = local_addresses;
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
    status.crowded = swarm.crowded;
    status.too_new = swarm.too_new;
    Ok(status)
}

fn streams(
    offsets: &OffsetMap,
    known: &BTreeMap<StreamId, u64>,
    swarm: Option<&SwarmStatus>,
) -> Vec<StreamStatus> {
    let mut streams = BTreeMap::new();
    let counts = offsets.iter().chain(known.iter().map(|(stream, known)| (stream, *known)));
    for (stream, known) in counts {
        let held = offsets.count(stream);
        let known = known.max(held);
        let status =
            StreamStatus { stream: *stream, held, known, lag: known - held, ahead: Vec::new() };
        streams.insert(*stream, status);
    }
    for peer in swarm.into_iter().flat_map(|swarm| &swarm.peers) {
        for (stream, _) in &peer.we_lack {
            if let Some(status) = streams.get_mut(stream) {
                status.ahead.push(peer.peer);
            }
        }
    }
    streams.into_values().collect()
}

fn peer_status(peer: &SwarmPeer, contact: &Contact, now: Instant) -> PeerStatus {
    // Peers may claim more events than there are numbers for.
    let sum = |streams: &[(StreamId, u64)]| {
        streams.iter().map(|(_, events)| *events).fold(0, u64::saturating_add)
    };
    let since = |at: Instant| now.saturating_duration_since(at);
    let is_tried =
        matches!(peer.state, LinkState::Dialing | LinkState::Waiting(_) | LinkState::Greeting);
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
        total_bytes_in: contact.bytes_in,
        total_bytes_out: contact.bytes_out,
        named: false,
        discovered: false,
        learned: peer.learned,
        trying_for: contact.trying_since.filter(|_| is_tried).map(since),
        refused: contact.refused.as_ref().map(|refused| peer_refusal(refused, now)),
        last_contact: contact.heard_at.map(since),
        lag: sum(&peer.we_lack),
        behind: sum(&peer.they_lack),
        connected_for: peer.since.map(since),
        secret: peer.proved.filter(|_| peer.since.is_some()).map(|proved| match proved {
            Proved::Current => "current",
            Proved::Former => "former",
        }),
        gone_for: peer.gone_since.map(since),
    }
}

fn peer_refusal(refused: &Refused, now: Instant) -> PeerRefusal {
    PeerRefusal {
        reason: refused.reason.name(),
        message: refused.error.message().to_owned(),
        by_us: refused.by_us,
        ago: now.saturating_duration_since(refused.at),
    }
}
