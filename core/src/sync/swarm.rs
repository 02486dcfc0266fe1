//! All sessions: who is let in, who is dialled, who is told and asked what.
//!
//! Not here: the conversation with one peer (`session`), whom to ask (`fetch`), who relays
//! (`relay`).
//! Rule: after each `handle`, call `poll` until it returns `Wait`; equal inputs give equal outputs.
//! Begin with [`Swarm::handle`].

use crate::error::{Error, Result};
use crate::event::{HeldFork, NodeId, SignedHead, StreamId};
use crate::planted;
use crate::sync::book::{PeerBook, doubled};
use crate::sync::constants::{
    FLUSH_DELAY, PROBE_GRACE, REFUSALS_KEPT_MAX, STORE_RETRY, STORE_RETRY_MAX, STRANGERS_MAX,
};
use crate::sync::fetch;
use crate::sync::going_on::GoingOn;
use crate::sync::io::{ConnectionId, Input, Output, Refused, SwarmEvent};
use crate::sync::lane::Lane;
use crate::sync::mesh::Mesh;
use crate::sync::message::{Hello, Message};
use crate::sync::opening::OpenedBlock;
use crate::sync::options::SwarmOptions;
use crate::sync::push::Growth;
use crate::sync::refusal::{Refusal, RefusalReason};
use crate::sync::relay::{self, Source};
use crate::sync::repair;
use crate::sync::session::{Effect, Session};
use crate::sync::shared::Shared;
use crate::sync::stream::Storing;
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Instant;

/// The swarm as a state machine without I/O.
#[derive(Debug)]
pub struct Swarm {
    pub(crate) shared: Shared,
    pub(crate) sessions: BTreeMap<ConnectionId, Session>,
    pub(crate) book: PeerBook,
    pub(crate) mesh: Mesh,
    pub(crate) refusals: VecDeque<Refused>,
    /// Sessions that may have something to send.
    pub(crate) ready: BTreeSet<ConnectionId>,
    /// Whose turn it was last.
    pub(crate) served: ConnectionId,
    /// No dispute is due before the next input.
    pub(crate) disputes_are_seen: bool,
    pub(crate) is_shut_down: bool,
}

/// Why and by whom a session ends.
pub(crate) enum End {
    /// We refuse it.
    ByUs(Refusal),
    /// The peer said goodbye, or the transport reported its close code.
    ByThem(RefusalReason),
    /// The connection is gone.
    Lost,
}

impl Swarm {
    /// A swarm of one, whose log durably holds the streams of `heads` up to them, and `forks`, in
    /// any order.
    pub fn new(
        options: SwarmOptions,
        heads: Vec<SignedHead>,
        forks: Vec<HeldFork>,
        now: Instant,
    ) -> Swarm {
        assert!(options.own_stream.node == options.node, "a node writes its own stream");
        Swarm {
            book: PeerBook::new(options.node),
            mesh: Mesh::new(&options.node, &options.instance),
            shared: Shared::new(options, heads, forks, now),
            sessions: BTreeMap::new(),
            refusals: VecDeque::new(),
            ready: BTreeSet::new(),
            served: ConnectionId::new(0),
            disputes_are_seen: false,
            is_shut_down: false,
        }
    }

    /// Whether `Input::AddPeer` would be heard for this peer.
    ///
    /// # Errors
    /// `limit_exceeded`: as many others are known as can be.
    pub fn check_room_for(&self, peer: &NodeId) -> Result<()> {
        self.book.check_room_for(peer)
    }

    /// Takes what happened at `now`. A `now` before that of the last input counts as the same time.
    pub fn handle(&mut self, input: Input, now: Instant) {
        self.shared.now = self.shared.now.max(now);
        self.disputes_are_seen = false;
        self.take(input);
        self.check_times();
        while let Some(stream) = self.shared.streams.bound.next_free(self.shared.now) {
            self.shared.fetches.ask_from(stream, self.shared.now);
        }
        self.ask();
        self.dial();
    }

    /// Asks for what is lacking.
    pub(crate) fn ask(&mut self) {
        fetch::run(&mut self.shared, &mut self.sessions);
        repair::run(&mut self.shared, &mut self.sessions);
        let has_news = |session: &&Session| session.has_news();
        self.ready
            .extend(self.sessions.values().filter(has_news).map(|session| session.connection));
    }

    fn take(&mut self, input: Input) {
        let now = self.shared.now;
        match input {
            Input::Connected { connection, peer, binding, dialed } => {
                self.on_connected(connection, peer, binding, dialed);
            }
            Input::Seen { connection, address } => self.on_seen(connection, address),
            Input::Frame { connection, lane, bytes } => self.on_frame(connection, lane, &bytes),
            Input::Heard { connection, bytes } => {
                if let Some(session) = self.sessions.get_mut(&connection) {
                    session.on_part(bytes, now);
                }
            }
            Input::Sent { connection, lane, bytes } => {
                if let Some(session) = self.sessions.get_mut(&connection) {
                    session.on_sent(lane, bytes, now);
                    self.ready.insert(connection);
                }
            }
            Input::Disconnected { connection, code } => {
                let end = match code.map(RefusalReason::from_code) {
                    None | Some(RefusalReason::Unknown) => End::Lost,
                    Some(reason) => End::ByThem(reason),
                };
                self.end(connection, end);
            }
            Input::DialFailed { peer } => self.book.failed(peer, now),
            Input::Opened(block) => self.on_opened(block),
            Input::Durable(head) => self.on_durable(head),
            Input::StoreFailed { stream, end, error } => self.on_store_failed(stream, end, &error),
            Input::Forked { of, at, branches } => self.on_forked(HeldFork { of, at, branches }),
            Input::ForkFailed { branch, error } => self.on_fork_failed(branch, &error),
            Input::Damaged(blocks) => self.shared.repairs.set(&blocks, now),
            Input::Repaired { stream, first, result } => {
                self.shared.repairs.answered(stream, first, &result, now);
            }
            Input::OwnStream(stream) => self.on_own_stream(stream),
            Input::Secrets(secrets) => self.on_secrets(secrets),
            Input::Live(wanted) => self.set_live(wanted),
            Input::Carry { connection, lane, bytes } => self.carry(connection, lane, bytes),
            Input::Blame { connection, reason, detail } => self.blame(connection, reason, detail),
            Input::AddPeer { peer, addresses } if !self.is_shut_down => {
                self.book.name(peer, &addresses, now);
            }
            Input::Discovered { peer, addresses } if !self.is_shut_down => {
                if self.book.discover(peer, &addresses, now) {
                    self.mesh.unsettle(now);
                }
            }
            Input::RemovePeer { peer } => self.remove_peer(peer),
            Input::Shutdown => self.shut_down(),
            Input::AddPeer { .. } | Input::Discovered { .. } | Input::Tick => {}
        }
    }

    fn on_connected(
        &mut self,
        connection: ConnectionId,
        peer: NodeId,
        binding: [u8; 32],
        dialed: bool,
    ) {
        let now = self.shared.now;
        if self.sessions.contains_key(&connection) {
            return;
        }
        if dialed {
            self.book.connected(&peer);
        }
        let former = self.shared.admitted.get(&peer).copied();
        let mut session = Session::new(connection, peer, binding, dialed, now);
        let standing = former.and_then(|former| self.sessions.get(&former));
        session.going_on = GoingOn::new(standing, &peer, &self.shared);
        // Our dial comes too late, since nobody is dialled with whom there is a session.
        let is_late = dialed && standing.is_some_and(|former| !former.liveness.is_stalled(now));
        if let Some(former) = former
            && let Some(session) = self.sessions.get_mut(&former)
        {
            // Why would it come again, or answer as if there were none?
            session.liveness.doubt();
            self.ready.insert(former);
        }
        let strangers = self.sessions.len() - self.shared.admitted.len();
        self.sessions.insert(connection, session);
        self.ready.insert(connection);
        let allowed = &self.shared.options.allowed;
        let reason = if self.is_shut_down {
            RefusalReason::ShuttingDown
        } else if peer == self.shared.options.node {
            RefusalReason::SameNode
        } else if allowed.as_ref().is_some_and(|allowed| !allowed.contains(&peer)) {
            RefusalReason::NotAllowed
        } else if self.book.is_blocked(&peer, now) {
            RefusalReason::BackingOff
        } else if is_late {
            RefusalReason::DuplicateConnection
        } else if strangers >= STRANGERS_MAX {
            RefusalReason::TooManyPeers
        } else {
            return;
        };
        self.end(connection, End::ByUs(reason.into()));
    }

    fn on_frame(&mut self, connection: ConnectionId, lane: Lane, bytes: &Bytes) {
        let Some(session) = self.sessions.get_mut(&connection) else { return };
        self.ready.insert(connection);
        match session.on_frame(lane, bytes, &mut self.shared) {
            Ok(Effect::Nothing) => {}
            Ok(Effect::Greeted(hello)) => self.on_greeted(connection, &hello),
            Ok(Effect::Addresses(listed)) => self.on_addresses(connection, &listed),
            Ok(Effect::Cargo) => {
                let bytes = bytes.clone();
                self.shared.outputs.push_back(Output::Cargo { connection, lane, bytes });
            }
            Ok(Effect::Goodbye(reason)) => self.end(connection, End::ByThem(reason)),
            Err(refusal) => self.end(connection, End::ByUs(refusal)),
        }
    }

    fn on_opened(&mut self, block: OpenedBlock) {
        let connection = block.connection;
        // Without its session nobody knows what it was to go on from: it is asked for again.
        let Some(session) = self.sessions.get_mut(&connection) else { return };
        self.ready.insert(connection);
        if let Err(refusal) = session.on_opened(block, &mut self.shared) {
            self.end(connection, End::ByUs(refusal));
        }
    }

    /// The peer holds the secret: let it in, unless another connection is kept or we are full.
    fn on_greeted(&mut self, connection: ConnectionId, hello: &Hello) {
        let session = &self.sessions[&connection];
        let peer = session.peer;
        let former = self.shared.admitted.get(&peer).copied();
        if let Some(former) = former {
            let kept = self.kept_of(former, connection, hello.instance);
            let lost = if kept == former { connection } else { former };
            if kept == connection {
                self.shared.admitted.insert(peer, connection);
            }
            self.end(lost, End::ByUs(RefusalReason::DuplicateConnection.into()));
            if kept == former {
                return;
            }
        } else if self.is_full() {
            self.end(connection, End::ByUs(RefusalReason::TooManyPeers.into()));
            return;
        }
        self.shared.admitted.insert(peer, connection);
        let session = self.sessions.get_mut(&connection).expect("it has just greeted");
        session.admit(hello, &self.shared);
        self.book.up(peer, session.dialed, self.shared.now);
        self.plan_trim();
        self.note_remote(connection);
        self.tell_admitted(connection);
        if former.is_none() {
            self.shared.repairs.peer_came(self.shared.now + PROBE_GRACE);
            self.shared.tell(SwarmEvent::PeerUp(peer));
            self.peers_changed();
        }
    }

    /// Which of two connections with one peer to keep. Both sides come to the same result, unless
    /// the former is silent here: then the peer has lost it, since it came back.
    fn kept_of(
        &self,
        former: ConnectionId,
        latter: ConnectionId,
        instance: [u8; 8],
    ) -> ConnectionId {
        let (old, new) = (&self.sessions[&former], &self.sessions[&latter]);
        let is_restarted = old.instance != instance;
        let newest_wins =
            is_restarted || old.dialed == new.dialed || old.liveness.is_stalled(self.shared.now);
        let smaller_dialed = new.dialed == (self.shared.options.node < new.peer);
        if newest_wins || smaller_dialed { latter } else { former }
    }

    fn on_durable(&mut self, head: SignedHead) {
        let (stream, count) = (head.stream, head.count);
        let (before, stored) = self.shared.streams.made_durable(head);
        self.release(&stored);
        if count <= before || self.shared.streams.is_frozen(&stream) {
            return;
        }
        let source = stored.last().map(|storing| self.source(storing));
        let us = self.shared.options.node;
        let now = self.shared.now;
        let growth = Some((before, count));
        for offered in self.shared.streams.families.wake(stream.trunk(), growth) {
            self.shared.fetches.ask_from(offered, now + FLUSH_DELAY);
        }
        let is_received = source.is_some() || stream.is_branch();
        let growth = Growth { stream, before, count, is_received };
        if stream.is_branch() && before == 0 && planted!("fork_not_told_to_peers") {
            return;
        }
        for session in self.sessions.values_mut().filter(|session| session.is_admitted()) {
            let wait = relay::delay(us, stream.node, source.as_ref(), session.peer, &session.peers);
            session.stream_grew(growth, wait, now);
            self.ready.insert(session.connection);
        }
    }

    /// Where stored events came from, and whom that peer reaches itself.
    fn source(&self, storing: &Storing) -> Source {
        let session = self.shared.admitted.get(&storing.node);
        let session = session.and_then(|connection| self.sessions.get(connection));
        let peers = session.map(|session| session.peers.clone()).unwrap_or_default();
        Source { node: storing.node, peers }
    }

    fn on_store_failed(&mut self, stream: StreamId, end: u64, error: &Error) {
        if planted!("failed_store_not_rolled_back") {
            return;
        }
        let lost = self.shared.streams.roll_back(&stream);
        self.release(&lost);
        if error.reason() == Some(RefusalReason::Malformed.name())
            && let Some(sent) = lost.iter().find(|storing| storing.end == end)
        {
            let refusal = Refusal::new(RefusalReason::Malformed, error.message());
            self.end(sent.connection, End::ByUs(refusal));
        }
        let failures = self.shared.streams.get(&stream).map_or(0, |state| state.store_failures);
        let pause = doubled(STORE_RETRY, failures.saturating_sub(1), STORE_RETRY_MAX);
        self.shared.fetches.ask_again_at(stream, self.shared.now + pause);
    }

    /// Received bytes are stored or lost: their senders may send as many again.
    pub(crate) fn release(&mut self, done: &[Storing]) {
        for storing in done {
            if let Some(session) = self.sessions.get_mut(&storing.connection) {
                session.credit.processed(storing.cost);
                self.ready.insert(storing.connection);
            }
        }
    }

    fn on_own_stream(&mut self, stream: StreamId) {
        assert!(stream.node == self.shared.options.node, "a node writes its own stream");
        let former = self.shared.streams.own();
        self.shared.set_own(stream);
        if former == stream {
            return;
        }
        // What others hold of the stream we left may be had from them now.
        self.shared.fetches.ask_from(former, self.shared.now);
        let mut refused = Vec::new();
        for session in self.sessions.values_mut().filter(|session| session.is_admitted()) {
            if let Err(refusal) = session.hear_own_again(former, &mut self.shared) {
                refused.push((session.connection, refusal));
            }
        }
        for (connection, refusal) in refused {
            self.end(connection, End::ByUs(refusal));
        }
    }

    fn peers_changed(&mut self) {
        let now = self.shared.now;
        for session in self.sessions.values_mut().filter(|session| session.is_admitted()) {
            session.announcements.peers_changed = true;
            session.flush_soon(now);
        }
    }

    pub(crate) fn is_full(&self) -> bool {
        self.shared.admitted.len() >= self.shared.options.peers_max
    }

    fn remove_peer(&mut self, peer: NodeId) {
        let theirs = self.sessions.values().filter(|session| session.peer == peer);
        let connections: Vec<ConnectionId> = theirs.map(|session| session.connection).collect();
        for connection in connections {
            self.end(connection, End::ByUs(RefusalReason::Removed.into()));
        }
        self.book.remove(&peer);
    }

    fn shut_down(&mut self) {
        self.is_shut_down = true;
        let connections: Vec<ConnectionId> = self.sessions.keys().copied().collect();
        for connection in connections {
            self.end(connection, End::ByUs(RefusalReason::ShuttingDown.into()));
        }
        self.book.stop();
    }

    pub(crate) fn end(&mut self, connection: ConnectionId, mut end: End) {
        let Some(mut session) = self.sessions.remove(&connection) else { return };
        let peer = session.peer;
        let mut is_honest = !matches!(&end, End::ByUs(refusal) if refusal.reason.is_misbehaviour());
        if is_honest && let Err(refusal) = session.settle_rest(&mut self.shared) {
            is_honest = !refusal.reason.is_misbehaviour();
            end = End::ByUs(refusal);
        }
        self.ready.remove(&connection);
        self.end_cargo(&session);
        let (by_us, reason, detail) = match end {
            End::ByUs(refusal) => (true, Some(refusal.reason), refusal.detail),
            End::ByThem(reason) => (false, Some(reason), String::new()),
            End::Lost => (false, None, String::new()),
        };
        if let Some(reason) = reason {
            if by_us {
                let bytes = Message::Goodbye(reason).encode();
                let lane = Lane::Live;
                self.shared.outputs.push_back(Output::Send { connection, lane, bytes });
            }
            self.shared.outputs.push_back(Output::Close { connection, reason });
        }
        session.going_on.is_void |= !is_honest;
        session.going_on.is_spoilt |= self.shared.comparisons.await_one_of(connection);
        self.shared.comparisons.ended(connection);
        self.shared.fetches.connection_ended(connection, self.shared.now);
        self.forget(session, reason);
        if let Some(reason) = reason.filter(|reason| !reason.is_benign()) {
            self.record(peer, by_us, reason, &detail);
        }
    }

    /// Takes an ended session out of the account of its peer.
    fn forget(&mut self, session: Session, reason: Option<RefusalReason>) {
        let (peer, now) = (session.peer, self.shared.now);
        if self.shared.admitted.get(&peer) == Some(&session.connection) {
            self.shared.admitted.remove(&peer);
            self.shared.remotes.remove(&peer);
            let since = session.admitted_at.unwrap_or(now);
            let seen = session.remote.filter(|_| may_be_dialled_back(reason));
            self.book.down(peer, now.saturating_duration_since(since), seen, now);
            let others = &self.sessions;
            let lost = self.shared.streams.forget_claims(&peer, |stream| {
                others.values().any(|other| other.known.count(stream) > 0)
            });
            self.remember(session);
            let streams = &self.shared.streams;
            let is_awaited = self.sessions.values().any(|other| other.going_on.awaits_word());
            let has_account = |stream: &StreamId| streams.get(stream).is_some();
            self.shared.memories.lose(lost, is_awaited, has_account);
            self.shared.tell(SwarmEvent::PeerDown { peer, reason });
            self.ask_in_place_of(&peer);
            if may_be_dialled_back(reason) {
                self.mesh.unsettle(now);
            }
            self.peers_changed();
        } else if session.is_admitted() {
            // Another one has taken its place.
            self.remember(session);
        } else if !self.shared.admitted.contains_key(&peer) && self.book.get(&peer).is_some() {
            self.book.failed(peer, now);
        }
    }

    /// What of an ended session holds for the next one is kept, also for one that has begun.
    fn remember(&mut self, session: Session) {
        let peer = session.peer;
        let Some(memory) = session.remember(&mut self.shared) else { return };
        let others = self.sessions.values_mut().filter(|other| other.peer == peer);
        others.for_each(|other| other.going_on.former_ended(&memory));
    }

    fn record(&mut self, peer: NodeId, by_us: bool, reason: RefusalReason, detail: &str) {
        let error = reason.to_error(&peer, by_us, detail);
        self.book.refused(peer, by_us, reason, self.shared.now);
        if by_us && reason.is_misbehaviour() {
            self.shared.tell(SwarmEvent::Misbehaved { peer, error: error.clone() });
        }
        let refused = Refused { peer, by_us, reason, error };
        self.shared.tell(SwarmEvent::Refused(refused.clone()));
        self.refusals.push_back(refused);
        if self.refusals.len() > REFUSALS_KEPT_MAX {
            self.refusals.pop_front();
        }
    }
}

/// Who said goodbye wants to be left alone, or will come back by itself. A peer that takes us for a
/// duplicate has a connection that we have lost, and will see that soon.
fn may_be_dialled_back(reason: Option<RefusalReason>) -> bool {
    matches!(reason, None | Some(RefusalReason::Silent | RefusalReason::DuplicateConnection))
}
