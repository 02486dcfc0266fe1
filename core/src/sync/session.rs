//! One peer, from hello to goodbye, as a state machine without I/O.
//!
//! ```text
//! Greeting --their proof holds, the swarm admits--> Admitted --goodbye, silence, refusal--> gone
//!     `------ anything but a hello or a goodbye, 5 s ------------------------------------^
//! ```
//! Not here: choosing peers and whom to ask (`swarm`, `fetch`), sockets (`net`), storing (`log`).
//! Rule: nothing is queued but frames; what else is to be said is kept as flags and sets and put
//! into words when there is room, so a slow reader costs no memory and hears the latest.
//! Invariant: before the peer is admitted, it was sent a hello and perhaps a goodbye.
//! Begin with [`Session::on_frame`] and [`Session::next_frame`], which is in `saying`.

use crate::event::{NodeId, OffsetMap, SignedHead, StreamId};
use crate::sync::admission::{Proved, Side};
use crate::sync::announce::Announcements;
use crate::sync::cap::Cap;
use crate::sync::cargo::Cargo;
use crate::sync::constants::{
    ADMISSION_DEADLINE, FLUSH_DELAY, STRANGER_FRAME_BYTES_MAX, STRANGER_SKIPS_MAX,
};
use crate::sync::credit::Credit;
use crate::sync::dispute::Disputes;
use crate::sync::going_on::GoingOn;
use crate::sync::io::ConnectionId;
use crate::sync::lane::Lane;
use crate::sync::learned::Telling;
use crate::sync::liveness::Liveness;
use crate::sync::message::{Decoded, Hello, Message, peek_range};
use crate::sync::opening::Arrivals;
use crate::sync::preview::Previews;
use crate::sync::push::Pushes;
use crate::sync::refusal::{Refusal, RefusalReason};
use crate::sync::serve::Wanted;
use crate::sync::shared::Shared;
use crate::sync::tree::Tree;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Instant;

/// Bytes of the length before each frame.
pub(crate) const LENGTH_BYTES: usize = 4;

/// All we owe one peer while it is connected.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) connection: ConnectionId,
    pub(crate) peer: NodeId,
    pub(crate) dialed: bool,
    /// Where the peer is.
    pub(crate) remote: Option<SocketAddr>,
    pub(super) binding: [u8; 32],
    pub(crate) opened_at: Instant,
    pub(crate) admitted_at: Option<Instant>,
    /// The peer's run, from its hello.
    pub(crate) instance: [u8; 8],
    pub(super) hello_sent: bool,
    pub(super) priority_sent: bool,
    /// Our secrets have changed since our proofs were sent.
    pub(crate) proofs_due: bool,
    /// The proofs that the peer sent last.
    proofs: Vec<[u8; 32]>,
    /// Which of our secrets they show.
    pub(crate) proved: Option<Proved>,
    /// Messages that were skipped while the peer was a stranger.
    skipped: u32,
    pub(crate) liveness: Liveness,
    pub(crate) credit: Credit,
    /// Bytes given to the transport and not sent yet, by lane.
    pub(super) unsent: [usize; 3],
    /// What may be sent to this peer, and whether something waits for it or for the cap of all.
    pub(crate) cap: Cap,
    pub(crate) is_held: bool,
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
    pub(crate) announcements: Announcements,
    /// Requests to be sent: stream and range.
    pub(crate) requests: BTreeMap<StreamId, (u64, u64)>,
    /// Events of each stream that the peer has or was sent, as far as we know.
    pub(crate) known: OffsetMap,
    /// How far streams went out on the backlog lane that the peer has not acknowledged: what goes
    /// on from there must not overtake it.
    pub(crate) trailing: OffsetMap,
    /// When anything last went out on the backlog lane.
    pub(super) backlog_at: Instant,
    /// Events of each stream of which the peer was seen to hold what we hold.
    pub(crate) agreed: OffsetMap,
    /// What the peer holds and we do not, under a name that we know.
    pub(crate) disputes: Disputes,
    /// What the peer holds of the stream that we write, and of branches of it.
    pub(crate) own_heads: BTreeMap<StreamId, SignedHead>,
    pub(crate) going_on: GoingOn,
    /// True when the peer has told us all it holds.
    pub(crate) summary_is_complete: bool,
    /// Nodes that the peer has sessions with, rising.
    pub(crate) peers: Vec<NodeId>,
    pub(crate) pushes: Pushes,
    pub(crate) previews: Previews,
    /// When to tell the peer where others are.
    pub(crate) telling: Telling,
    /// Who passes which stream on to whom.
    pub(crate) tree: Tree,
    pub(crate) wanted: Wanted,
    pub(crate) arrivals: Arrivals,
    pub(super) cargo: Cargo,
    pub(crate) ranges_received: u64,
    pub(crate) range_at: Instant,
    /// When enough of a large frame last came to count.
    pub(crate) part_at: Option<Instant>,
}

/// What a frame asks of the swarm.
#[derive(Debug)]
pub(crate) enum Effect {
    Nothing,
    /// The peer holds the secret and may be admitted.
    Greeted(Hello),
    /// The peer ends the session.
    Goodbye(RefusalReason),
    /// The peer says where other nodes are.
    Addresses(Vec<(NodeId, Vec<SocketAddr>)>),
    /// It is not for us, but for who looks into cargo.
    Cargo,
}

impl Session {
    pub(crate) fn new(
        connection: ConnectionId,
        peer: NodeId,
        binding: [u8; 32],
        dialed: bool,
        now: Instant,
    ) -> Session {
        Session {
            connection,
            peer,
            dialed,
            remote: None,
            binding,
            opened_at: now,
            admitted_at: None,
            instance: [0; 8],
            hello_sent: false,
            priority_sent: false,
            proofs_due: false,
            proofs: Vec::new(),
            proved: None,
            skipped: 0,
            liveness: Liveness::new(now),
            credit: Credit::new(),
            unsent: [0; 3],
            cap: Cap::new(None, now),
            is_held: false,
            bytes_in: 0,
            bytes_out: 0,
            announcements: Announcements::default(),
            requests: BTreeMap::new(),
            known: OffsetMap::new(),
            trailing: OffsetMap::new(),
            backlog_at: now,
            agreed: OffsetMap::new(),
            disputes: Disputes::default(),
            own_heads: BTreeMap::new(),
            going_on: GoingOn::default(),
            summary_is_complete: false,
            peers: Vec::new(),
            pushes: Pushes::default(),
            previews: Previews::default(),
            telling: Telling::default(),
            tree: Tree::default(),
            wanted: Wanted::default(),
            arrivals: Arrivals::default(),
            cargo: Cargo::default(),
            ranges_received: 0,
            range_at: now,
            part_at: None,
        }
    }

    pub(crate) fn is_admitted(&self) -> bool {
        self.admitted_at.is_some()
    }

    /// The swarm lets the peer in: from now on it hears what we hold.
    pub(crate) fn admit(&mut self, hello: &Hello, shared: &Shared) {
        self.instance = hello.instance;
        self.admitted_at = Some(shared.now);
        self.cap = Cap::new(shared.options.send_caps.each_peer, shared.now);
        self.liveness = Liveness::new(shared.now);
        self.open_cargo(hello, shared);
        self.begin_telling(hello, shared);
    }

    /// Takes one frame.
    ///
    /// # Errors
    /// The session is to be ended for this reason.
    pub(crate) fn on_frame(
        &mut self,
        lane: Lane,
        frame: &Bytes,
        shared: &mut Shared,
    ) -> Result<Effect, Refusal> {
        self.bytes_in += frame.len() as u64;
        if !self.is_admitted() {
            if lane != Lane::Live {
                return Err(RefusalReason::Unexpected.into());
            }
            return self.on_stranger_frame(frame, shared);
        }
        if frame.len() > lane.frame_bytes_max() {
            return Err(RefusalReason::Oversized.into());
        }
        self.liveness.heard(shared.now);
        if let Some(effect) = self.take_cargo(lane, frame, shared.now)? {
            return Ok(effect);
        }
        if lane != Lane::Bulk
            && let Some(claims) = peek_range(frame)
        {
            self.liveness.heard_news(shared.now);
            return self.on_range(frame, claims, shared).map(|()| Effect::Nothing);
        }
        match Message::decode(frame).map_err(Refusal::malformed)? {
            Decoded::Skip => Ok(Effect::Nothing),
            Decoded::Unsupported(_) => Err(RefusalReason::MessageUnsupported.into()),
            Decoded::Message(_) if lane != Lane::Live => Err(RefusalReason::Unexpected.into()),
            Decoded::Message(message) => match *message {
                Message::Preview(preview) => {
                    self.liveness.heard_news(shared.now);
                    self.on_preview(preview, frame.len(), shared).map(|()| Effect::Nothing)
                }
                message => self.on_message(message, shared),
            },
        }
    }

    /// Only a hello and a goodbye are read from those who have not proved anything.
    fn on_stranger_frame(&mut self, frame: &Bytes, shared: &Shared) -> Result<Effect, Refusal> {
        if frame.len() > STRANGER_FRAME_BYTES_MAX {
            return Err(RefusalReason::Oversized.into());
        }
        let message = match Message::decode(frame).map_err(Refusal::malformed)? {
            Decoded::Message(message) => *message,
            Decoded::Skip if self.skipped < STRANGER_SKIPS_MAX => {
                self.skipped += 1;
                return Ok(Effect::Nothing);
            }
            Decoded::Skip => return Err(RefusalReason::Unexpected.into()),
            Decoded::Unsupported(_) => return Err(RefusalReason::MessageUnsupported.into()),
        };
        match message {
            Message::Hello(hello) => {
                let proved = self.side(shared, false).check(&shared.admission_keys, &hello)?;
                self.proved = Some(proved);
                self.proofs.clone_from(&hello.proofs);
                Ok(Effect::Greeted(hello))
            }
            Message::ForeignHello => Err(RefusalReason::VersionUnsupported.into()),
            Message::Goodbye(reason) => Ok(Effect::Goodbye(reason)),
            _ => Err(RefusalReason::Unexpected.into()),
        }
    }

    fn on_message(&mut self, message: Message, shared: &mut Shared) -> Result<Effect, Refusal> {
        if !matches!(message, Message::Ping(_) | Message::Pong(_)) {
            self.liveness.heard_news(shared.now);
        }
        match message {
            Message::Hello(_) | Message::ForeignHello => Err(RefusalReason::Unexpected.into()),
            Message::Goodbye(reason) => Ok(Effect::Goodbye(reason)),
            Message::Ping(number) => {
                self.liveness.on_ping(number);
                Ok(Effect::Nothing)
            }
            Message::Pong(number) => {
                self.liveness.on_pong(number, shared.now);
                Ok(Effect::Nothing)
            }
            Message::Summary { is_last, heads } => self.on_summary(is_last, &heads, shared),
            Message::Progress { credit, held } => Ok(self.on_progress(credit, &held, shared)),
            Message::Want { stream, from, to } => {
                self.on_want(stream, from, to, shared);
                Ok(Effect::Nothing)
            }
            Message::Range { .. } | Message::Preview(_) => unreachable!("they were taken before"),
            Message::Live(wanted) => {
                self.previews.is_wanted = wanted;
                Ok(Effect::Nothing)
            }
            Message::Addresses(listed) => Ok(Effect::Addresses(listed)),
            Message::Prune(streams) => {
                self.on_prune(&streams, shared);
                Ok(Effect::Nothing)
            }
            Message::Peers(nodes) => {
                self.peers = nodes;
                Ok(Effect::Nothing)
            }
            Message::Priority(text) => {
                self.wanted.set_priority(&text);
                Ok(Effect::Nothing)
            }
            Message::Proofs(proofs) => {
                self.proofs = proofs;
                self.check_proofs(shared).map(|()| Effect::Nothing)
            }
            Message::GoingOn => self.on_going_on(shared),
        }
    }

    /// The peer said that it holds `count` events of `stream`.
    pub(crate) fn peer_holds(&mut self, stream: StreamId, count: u64) {
        self.known.raise(stream, count);
        if count >= self.trailing.count(&stream) {
            self.trailing.set(stream, 0);
        }
        self.wanted.acknowledge(&stream, count);
    }

    /// `bytes` of a frame came that is not whole yet.
    pub(crate) fn on_part(&mut self, bytes: usize, now: Instant) {
        if self.is_admitted() && self.liveness.heard_part(bytes, now) {
            self.part_at = Some(now);
        }
    }

    /// The transport sent `bytes` of our frames on `lane`.
    pub(crate) fn on_sent(&mut self, lane: Lane, bytes: usize, now: Instant) {
        self.note_backlog(lane, now);
        let unsent = &mut self.unsent[lane.index()];
        *unsent = unsent.saturating_sub(bytes);
    }

    /// Ends the session when it is due.
    pub(crate) fn check_time(&self, now: Instant) -> Result<(), Refusal> {
        if !self.is_admitted() && now >= self.opened_at + ADMISSION_DEADLINE {
            return Err(RefusalReason::AdmissionTimeout.into());
        }
        if self.is_admitted() && self.liveness.is_silent(now) {
            return Err(RefusalReason::Silent.into());
        }
        Ok(())
    }

    /// True when there is something to send that other sessions may have caused.
    pub(crate) fn has_news(&self) -> bool {
        self.is_admitted() && (!self.requests.is_empty() || self.credit.grant_is_due())
    }

    /// True when time alone gives the session something to send.
    pub(crate) fn has_due_work(&self, now: Instant) -> bool {
        self.is_admitted()
            && (self.is_held
                || self.liveness.ping_is_due(now)
                || self.announcements.flush_at().is_some_and(|at| at <= now)
                || self.telling.is_due(now)
                || self.pushes.is_due(now))
    }

    /// When time alone next changes something. What waits for room or credit does not wait for
    /// time.
    pub(crate) fn next_deadline(&self, shared: &Shared) -> Instant {
        let now = shared.now;
        if !self.is_admitted() {
            return self.opened_at + ADMISSION_DEADLINE;
        }
        let later = |at: &Instant| *at > now;
        let flush = self.announcements.flush_at().filter(later);
        let push = self.pushes.next_after(now);
        let silence = self.liveness.next_after(now);
        let dispute = self.disputes.next();
        let (cap, telling) = (self.let_out_at(shared), self.telling.due().filter(later));
        let due = [flush, push, dispute, cap, telling];
        due.into_iter().flatten().fold(silence, Instant::min)
    }

    /// Soon, but with whatever else comes up until then.
    pub(crate) fn flush_soon(&mut self, now: Instant) {
        self.announcements.flush_by(now + FLUSH_DELAY);
    }

    /// Our secrets have changed, or the peer's proofs: whether it still holds one of ours.
    ///
    /// # Errors
    /// `wrong_secret`: it does not.
    pub(crate) fn check_proofs(&mut self, shared: &Shared) -> Result<(), Refusal> {
        self.proved = Some(self.side(shared, false).proved(&shared.admission_keys, &self.proofs)?);
        Ok(())
    }

    /// True once the peer may know what we proved.
    pub(crate) fn has_greeted(&self) -> bool {
        self.hello_sent
    }

    /// This session as seen by the prover, who is us or the peer.
    pub(super) fn side(&self, shared: &Shared, we_prove: bool) -> Side {
        let us = shared.options.node;
        let (prover, verifier) = if we_prove { (us, self.peer) } else { (self.peer, us) };
        Side { prover, verifier, dialed: self.dialed == we_prove, binding: self.binding }
    }
}
