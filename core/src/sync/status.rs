//! What can be said about the swarm at a moment.

use crate::event::{NodeId, SignedHead, StreamId};
use crate::sync::admission::Proved;
use crate::sync::io::{ConnectionId, Refused};
use crate::sync::refusal::RefusalReason;
use crate::sync::stream::StreamState;
use crate::sync::swarm::Swarm;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// The swarm as one node sees it.
#[derive(Clone, Debug)]
pub struct SwarmStatus {
    /// Every peer in the book or with a connection, by rising node id.
    pub peers: Vec<PeerStatus>,
    /// The last 64 refusals, oldest first.
    pub refusals: Vec<Refused>,
    /// Streams that are held back for their lamport, by rising id.
    pub quarantined: Vec<QuarantineStatus>,
    /// Streams that wait for an upgrade of this node, by rising id.
    pub too_new: Vec<StreamId>,
    /// Every fork that is held, by rising stream id and offset.
    pub forks: Vec<ForkStatus>,
    /// Streams with more branches than are kept, by rising id: what is beyond does not sync.
    pub crowded: Vec<StreamId>,
    /// Streams that are signed for further than we hold them: stream and missing events.
    pub missing: Vec<(StreamId, u64)>,
}

/// How we stand with one peer.
#[derive(Clone, Debug)]
pub struct PeerStatus {
    /// Who.
    pub peer: NodeId,
    /// How far a session has come.
    pub state: LinkState,
    /// The connection, while there is one.
    pub connection: Option<ConnectionId>,
    /// True when we dialled it, false when it dialled us; none without a connection.
    pub dialed: Option<bool>,
    /// Where it may be reached; what discovery saw last first.
    pub addresses: Vec<SocketAddr>,
    /// True when other peers told where it is.
    pub learned: bool,
    /// Time for a small message there and back.
    pub round_trip: Option<Duration>,
    /// Bytes of frames received in this session.
    pub bytes_in: u64,
    /// Bytes of frames given to the transport in this session.
    pub bytes_out: u64,
    /// Which of our secrets the peer has shown that it holds, in this session.
    pub proved: Option<Proved>,
    /// Since when the session stands.
    pub since: Option<Instant>,
    /// When it was last heard in this session.
    pub heard_at: Option<Instant>,
    /// Since when it is out of reach after it was in reach: a suspected partition.
    pub gone_since: Option<Instant>,
    /// Why the last session was refused, if none came about since.
    pub last_refusal: Option<RefusalReason>,
    /// Streams of which the peer lacks events that we hold, and how many.
    pub they_lack: Vec<(StreamId, u64)>,
    /// Streams of which we lack events that the peer says it holds, and how many.
    pub we_lack: Vec<(StreamId, u64)>,
}

/// How far a session has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkState {
    /// The peer was admitted.
    Connected,
    /// A connection stands; the peer has not proved anything yet.
    Greeting,
    /// A dial is under way.
    Dialing,
    /// The next dial is at this time.
    Waiting(Instant),
    /// We do not dial it, because we cannot or have peers enough; it may dial us.
    Idle,
}

/// A stream that has several histories: a store was restored, or copied, and went on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForkStatus {
    /// The stream that shows what comes before the fork: a trunk, or a branch of an earlier fork.
    pub of: StreamId,
    /// Offset of the first events that differ.
    pub at: u64,
    /// The branches that begin there, and how many events each shows.
    pub branches: Vec<(StreamId, u64)>,
    /// Two heads that the node signed and that cannot both belong to one history.
    pub proof: [SignedHead; 2],
}

/// A stream that is held back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuarantineStatus {
    /// Which.
    pub stream: StreamId,
    /// The lamport of its range.
    pub required: u64,
    /// The largest lamport that would be taken now.
    pub bound: u64,
    /// Since when.
    pub since: Instant,
}

impl Swarm {
    /// How things stand. Costs time in proportion to peers × streams.
    pub fn status(&self) -> SwarmStatus {
        let streams = &self.shared.streams;
        let held_back = streams.bound.waiting();
        let quarantined = held_back.map(|(stream, held)| QuarantineStatus {
            stream: *stream,
            required: held.required,
            bound: streams.bound.limit(stream, self.shared.now),
            since: held.since,
        });
        let missing = streams.notable.missing.iter();
        let missing = missing.filter_map(|stream| {
            let state = streams.get(stream)?;
            Some((*stream, state.missing_count()))
        });
        SwarmStatus {
            peers: self.peer_ids().iter().map(|peer| self.peer_status(peer)).collect(),
            refusals: self.refusals.iter().cloned().collect(),
            quarantined: quarantined.collect(),
            too_new: streams.notable.too_new.iter().copied().collect(),
            forks: self.fork_statuses(),
            crowded: streams.families.crowded().collect(),
            missing: missing.collect(),
        }
    }

    fn fork_statuses(&self) -> Vec<ForkStatus> {
        let streams = &self.shared.streams;
        let visible = |stream: &StreamId| {
            let state = streams.get(stream);
            (*stream, state.map_or(0, |state| state.window.visible(state.durable_count())))
        };
        let forks = streams.families.forks();
        let status = |(of, at, branches): (StreamId, u64, &Vec<StreamId>)| {
            let proofs = branches.iter().filter_map(|branch| streams.families.branch(branch));
            let proof = proofs.map(|branch| branch.proof.clone()).next()?;
            Some(ForkStatus { of, at, branches: branches.iter().map(visible).collect(), proof })
        };
        forks.filter_map(status).collect()
    }

    fn peer_ids(&self) -> std::collections::BTreeSet<NodeId> {
        let known = self.book.iter().map(|(peer, _)| *peer);
        known.chain(self.sessions.values().map(|session| session.peer)).collect()
    }

    fn peer_status(&self, peer: &NodeId) -> PeerStatus {
        let entry = self.book.get(peer).cloned().unwrap_or_default();
        let kept = self.shared.admitted.get(peer).and_then(|kept| self.sessions.get(kept));
        let session = kept.or_else(|| self.sessions.values().find(|session| session.peer == *peer));
        let state = match (kept, session, self.book.dial_at(peer)) {
            (Some(_), _, _) => LinkState::Connected,
            (_, Some(_), _) => LinkState::Greeting,
            _ if self.book.is_dialing(peer) => LinkState::Dialing,
            (_, _, Some(at)) => LinkState::Waiting(at),
            _ => LinkState::Idle,
        };
        let mut status = PeerStatus {
            peer: *peer,
            state,
            connection: session.map(|session| session.connection),
            dialed: session.map(|session| session.dialed),
            addresses: entry.addresses(),
            learned: entry.is_learned(),
            round_trip: session.and_then(|session| session.liveness.round_trip()),
            bytes_in: session.map_or(0, |session| session.bytes_in),
            bytes_out: session.map_or(0, |session| session.bytes_out),
            proved: session.and_then(|session| session.proved),
            since: session.and_then(|session| session.admitted_at),
            heard_at: session.map(|session| session.liveness.heard_at()),
            gone_since: entry.gone_since,
            last_refusal: entry.last_refusal,
            they_lack: Vec::new(),
            we_lack: Vec::new(),
        };
        if let Some(session) = kept {
            let unsealed = |entry: &(&StreamId, &StreamState)| !entry.1.is_sealed();
            for (stream, state) in self.shared.streams.iter().filter(unsealed) {
                let theirs = session.known.count(stream).max(state.window.floor);
                let ours = state.durable_count().max(state.window.floor);
                if theirs < ours {
                    status.they_lack.push((*stream, ours - theirs));
                } else if ours < theirs {
                    status.we_lack.push((*stream, theirs - ours));
                }
            }
        }
        status
    }
}
