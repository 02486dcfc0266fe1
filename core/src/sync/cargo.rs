//! What a session carries for another room: frames of which it knows the type and nothing more.
//!
//! Not here: what they say, and which of them goes first; whoever hands them over decides that.
//! Rule: cargo passes between two who both said in their hellos that they carry it, and stands
//! behind all else that a session has to say: the short frames on the live lane, the long ones on
//! the bulk lane. Begin with [`Cargo`]. Source: docs/protocol.md, "Messages".

use crate::planted;
use crate::sync::constants::{CARGO_BYTES_BULK_MAX, CARGO_BYTES_LIVE_MAX, SEND_QUEUE_BYTES_BULK};
use crate::sync::io::{ConnectionId, Output};
use crate::sync::lane::Lane;
use crate::sync::message::Hello;
use crate::sync::refusal::{Refusal, RefusalReason};
use crate::sync::session::{Effect, Session};
use crate::sync::shared::Shared;
use crate::sync::swarm::{End, Swarm};
use bytes::Bytes;
use std::collections::VecDeque;
use std::ops::RangeInclusive;
use std::time::Instant;

/// Types of messages that are cargo.
const TYPES: RangeInclusive<u8> = 0x90..=0x97;

/// Whether a frame claims to be cargo.
pub(crate) fn is_cargo(frame: &[u8]) -> bool {
    frame.first().is_some_and(|kind| TYPES.contains(kind))
}

/// The cargo of one session that waits to be sent.
#[derive(Debug, Default)]
pub(crate) struct Cargo {
    /// Both sides carry it, and the peer is admitted.
    is_open: bool,
    live: Hold,
    bulk: Hold,
}

#[derive(Debug, Default)]
struct Hold {
    frames: VecDeque<Bytes>,
    bytes: usize,
}

impl Hold {
    fn put(&mut self, frame: Bytes, bytes_max: usize) {
        self.bytes += frame.len();
        assert!(self.bytes <= bytes_max, "{} bytes of cargo wait for a session", self.bytes);
        self.frames.push_back(frame);
    }

    fn take(&mut self) -> Option<Bytes> {
        let frame = self.frames.pop_front()?;
        self.bytes -= frame.len();
        Some(frame)
    }
}

impl Session {
    /// The peer is let in: cargo passes from now on, if it said that it carries it and we do.
    pub(super) fn open_cargo(&mut self, hello: &Hello, shared: &Shared) {
        let they = hello.carries_cargo || planted!("cargo_to_an_old_peer");
        self.cargo.is_open = shared.options.carries_cargo && they;
    }

    /// True when cargo passes between the two.
    pub(crate) fn carries_cargo(&self) -> bool {
        self.cargo.is_open
    }

    /// A frame of an admitted peer, if it is cargo.
    ///
    /// # Errors
    /// `unexpected`: it came on the lane of a backlog; or it is none, and came on the bulk lane of
    /// a peer that carries none.
    pub(super) fn take_cargo(
        &mut self,
        lane: Lane,
        frame: &Bytes,
        now: Instant,
    ) -> Result<Option<Effect>, Refusal> {
        match lane {
            Lane::Bulk if !self.cargo.is_open => Err(RefusalReason::Unexpected.into()),
            _ if !self.cargo.is_open || !is_cargo(frame) => Ok(None),
            Lane::Backlog => Err(RefusalReason::Unexpected.into()),
            Lane::Live | Lane::Bulk => {
                self.liveness.heard_news(now);
                Ok(Some(Effect::Cargo))
            }
        }
    }

    /// Cargo for the live lane, which goes behind all else there.
    pub(super) fn make_live_cargo(&mut self) -> Option<Bytes> {
        self.cargo.live.take()
    }

    /// What goes on the bulk lane.
    pub(super) fn make_bulk(&mut self) -> Option<Bytes> {
        let has_room = self.unsent[Lane::Bulk.index()] < SEND_QUEUE_BYTES_BULK;
        if has_room { self.cargo.bulk.take() } else { None }
    }

    fn carry(&mut self, lane: Lane, frame: Bytes) {
        assert!(is_cargo(&frame), "nothing but cargo is carried");
        assert!(frame.len() <= lane.frame_bytes_max(), "{} bytes of cargo", frame.len());
        match lane {
            Lane::Live => self.cargo.live.put(frame, CARGO_BYTES_LIVE_MAX),
            Lane::Bulk => self.cargo.bulk.put(frame, CARGO_BYTES_BULK_MAX),
            Lane::Backlog => panic!("no cargo goes on the lane of a backlog"),
        }
    }
}

impl Swarm {
    /// Somebody has cargo for a peer. What comes too late is dropped: its session has ended.
    pub(super) fn carry(&mut self, connection: ConnectionId, lane: Lane, frame: Bytes) {
        let session = self.sessions.get_mut(&connection);
        if let Some(session) = session.filter(|session| session.carries_cargo()) {
            session.carry(lane, frame);
            self.ready.insert(connection);
        }
    }

    /// Who looks into the cargo of a peer found what no honest one sends.
    pub(super) fn blame(
        &mut self,
        connection: ConnectionId,
        reason: RefusalReason,
        detail: String,
    ) {
        if self.sessions.get(&connection).is_some_and(Session::carries_cargo) {
            self.end(connection, End::ByUs(Refusal::new(reason, detail)));
        }
    }

    /// The peer was let in.
    pub(super) fn tell_admitted(&mut self, connection: ConnectionId) {
        let session = &self.sessions[&connection];
        let (peer, has_bulk) = (session.peer, session.carries_cargo());
        self.shared.outputs.push_back(Output::Admitted { connection, has_bulk });
        if has_bulk {
            self.shared.outputs.push_back(Output::CargoOpen { connection, peer });
        }
    }

    /// A session has ended, and what it had to carry is dropped.
    pub(super) fn end_cargo(&mut self, session: &Session) {
        if session.carries_cargo() {
            let (connection, peer) = (session.connection, session.peer);
            self.shared.outputs.push_back(Output::CargoEnd { connection, peer });
        }
    }

    /// A frame leaves its session for the transport: if it is cargo there is room for more.
    pub(super) fn note_carried(&mut self, connection: ConnectionId, lane: Lane, frame: &Bytes) {
        if is_cargo(frame) {
            let bytes = frame.len();
            self.shared.outputs.push_back(Output::Carried { connection, lane, bytes });
        }
    }
}
