//! What goes into the swarm and what comes out: the whole of its world.
//!
//! Rule: after each `handle`, call `poll` until it returns `Wait`.

use crate::error::{Error, Result};
use crate::event::{
    Branch, Chain, EventRange, HeldFork, NodeId, PackedRange, Preview, SignedHead, StreamEnd,
    StreamId, SwarmSecrets,
};
use crate::query::Query;
use crate::sync::lane::Lane;
use crate::sync::opening::{ClosedBlock, OpenedBlock};
use crate::sync::refusal::RefusalReason;
use bytes::Bytes;
use std::fmt;
use std::net::SocketAddr;
use std::time::Instant;

/// One connection of the transport. The driver numbers them and never uses a number again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(u64);

impl ConnectionId {
    /// The connection with this number.
    pub const fn new(number: u64) -> ConnectionId {
        ConnectionId(number)
    }

    /// The number.
    pub const fn value(self) -> u64 {
        self.0
    }
}

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What happened.
#[derive(Clone, Debug)]
pub enum Input {
    /// A connection stands, and TLS has shown that the other end has the key of `peer`.
    Connected {
        /// Its number.
        connection: ConnectionId,
        /// Who is at the other end.
        peer: NodeId,
        /// 32 bytes exported from the TLS session, equal on both ends and in no other session.
        binding: [u8; 32],
        /// True when we dialled.
        dialed: bool,
    },
    /// The other end of a connection is at this address. Once its session is lost, the peer may
    /// still be there: it is dialled a few times, also if it had dialled us.
    Seen {
        /// Which connection.
        connection: ConnectionId,
        /// Where.
        address: SocketAddr,
    },
    /// A whole frame came, without its length prefix.
    Frame {
        /// On which connection.
        connection: ConnectionId,
        /// On which of its channels.
        lane: Lane,
        /// At most `FRAME_BYTES_MAX` bytes; the transport must not gather more.
        bytes: Bytes,
    },
    /// A part of a frame came, on either channel. Tell it about every 250 ms while a large frame
    /// arrives, so that a slow link is not taken for a dead one.
    Heard {
        /// On which connection.
        connection: ConnectionId,
        /// Bytes of the frame that came since it was last told.
        bytes: usize,
    },
    /// This many bytes of frames have left the transport's queue.
    Sent {
        /// On which connection.
        connection: ConnectionId,
        /// On which of its channels.
        lane: Lane,
        /// Bytes of frames, without length prefixes; each `Send` is accounted for once in all.
        bytes: usize,
    },
    /// The connection ended. Not needed after our own `Close`.
    Disconnected {
        /// Which.
        connection: ConnectionId,
        /// The close code of the other side, a `RefusalReason::code`, if it gave one.
        code: Option<u64>,
    },
    /// A dial came to nothing.
    DialFailed {
        /// Whom we dialled.
        peer: NodeId,
    },
    /// What came of a block; see `Output::Open`.
    Opened(OpenedBlock),
    /// Our log durably holds the stream up to this head; own events and received ones alike.
    /// Several steps may be told as one.
    Durable(SignedHead),
    /// The log could not store a range of this stream.
    StoreFailed {
        /// Which stream.
        stream: StreamId,
        /// The count of the range's head.
        end: u64,
        /// Why; of kind `peer_misbehaved` with reason `malformed` when its sender is to blame.
        error: Error,
    },
    /// Our log holds a fork: the stream `of` is sealed at offset `at`, and shown as `branches` from
    /// there on. How far each of them is durable comes as `Durable`, after this.
    Forked {
        /// Which stream.
        of: StreamId,
        /// Offset of the first events that differ.
        at: u64,
        /// The branches that begin there and that are now held; the one that goes on with the
        /// events of `of` is first.
        branches: Vec<Branch>,
    },
    /// The log could not store a fork: nothing has changed.
    ForkFailed {
        /// The branch that it was given.
        branch: StreamId,
        /// Why; of kind `peer_misbehaved` with reason `malformed` when the sender is to blame.
        error: Error,
    },
    /// Whether somebody here wants events before they are durable, ours or others'.
    Live(bool),
    /// These blocks of our log are damaged, each with its stream, the offset at which it begins,
    /// and the one behind it. All that are known: those of before that are not among them are good.
    Damaged(Vec<(StreamId, u64, u64)>),
    /// The log put a block back, or could not.
    Repaired {
        /// Its stream.
        stream: StreamId,
        /// The offset at which it begins.
        first: u64,
        /// Whether it is good now.
        result: Result<()>,
    },
    /// Our node now writes this stream.
    OwnStream(StreamId),
    /// Our node takes these secrets now, of the same swarm as before.
    Secrets(SwarmSecrets),
    /// The user named a peer, or a ticket did: dial it and go on trying.
    AddPeer {
        /// Who.
        peer: NodeId,
        /// Where it may be reached.
        addresses: Vec<SocketAddr>,
    },
    /// Discovery says where a peer may be. A hint, worth nothing until TLS and admission.
    Discovered {
        /// Who.
        peer: NodeId,
        /// Where; replaces what was discovered before.
        addresses: Vec<SocketAddr>,
    },
    /// The user is done with a peer: its addresses are forgotten and its session ends. It may still
    /// come by itself.
    RemovePeer {
        /// Who.
        peer: NodeId,
    },
    /// Close all sessions and take up no more.
    Shutdown,
    /// Cargo for a peer: it goes behind what the session itself has to say. `Carried` answers it,
    /// unless the session ends before: then it is dropped, as is what comes for such a session.
    /// Whoever hands it over keeps at most `CARGO_BYTES_LIVE_MAX` and `CARGO_BYTES_BULK_MAX` bytes
    /// waiting for a connection.
    Carry {
        /// On which connection.
        connection: ConnectionId,
        /// `Live`, or `Bulk`: it is at most `Lane::frame_bytes_max` long.
        lane: Lane,
        /// The frame, without a length prefix; of a type from `90` to `97`.
        bytes: Bytes,
    },
    /// The cargo of a peer is what no honest one sends: its session ends.
    Blame {
        /// Which connection; one whose cargo has ended is passed over.
        connection: ConnectionId,
        /// Why: the goodbye.
        reason: RefusalReason,
        /// For our own people.
        detail: String,
    },
    /// The deadline of the last `Wait` passed.
    Tick,
}

/// What to do.
#[allow(clippy::large_enum_variant)] // A fork is rare, and moved once.
#[derive(Clone, Debug)]
pub enum Output {
    /// Send a frame, after those that went before on the same channel.
    Send {
        /// On which connection.
        connection: ConnectionId,
        /// On which of its channels. While both have something to send, the live one goes first.
        lane: Lane,
        /// The frame, without a length prefix.
        bytes: Bytes,
    },
    /// Open a block, on any thread, and answer with `Opened`. Several may be opened at a time and
    /// answered in any order. What its session does meanwhile is no different for it; one whose
    /// session has ended is not wanted any more, see `ClosedBlock::is_wanted`.
    Open(ClosedBlock),
    /// Store a verified range; answer with `Durable` or `StoreFailed`. Ranges of one stream come in
    /// order and may be given while earlier ones are still being stored.
    Store {
        /// What to store; it goes on exactly where the last one of its stream ended.
        range: EventRange,
        /// That end: what the range was verified to go on from.
        before: StreamEnd,
        /// Who sent it.
        from: ConnectionId,
    },
    /// Show events that are durable nowhere yet to those who want them; see `Input::Live`. They go
    /// on from what was given out as `Store` or `Preview` before, and may never come again.
    Preview(Preview),
    /// Store a fork; answer with `Forked` and `Durable`, or with `ForkFailed`. It comes after every
    /// `Store` of the stream in which it forks, and no other follows until it is answered.
    Fork {
        /// The branch that another history is. The events that we hold of `branch.of` from
        /// `branch.floor` on become one as well, unless there is a fork at that offset already.
        branch: Branch,
        /// Its first events, verified, from `branch.base` on. They are labelled with its name.
        range: EventRange,
        /// Who sent it.
        from: ConnectionId,
    },
    /// Put a damaged block back that begins where this range does; answer with `Repaired`. A peer
    /// says that these are its events, and nothing of it was verified.
    Repair {
        /// Events from the start of the block on, perhaps too few or too many.
        range: EventRange,
    },
    /// Connect to a peer; answer with `Connected` or `DialFailed`. Where a dial of it is under way,
    /// go on with that one, too, and answer once for both.
    Dial {
        /// Who must answer.
        peer: NodeId,
        /// Where a person or a ticket says it is.
        named: Vec<SocketAddr>,
        /// Where discovery says it is. Only for networks that we are on: anybody can announce
        /// anything.
        discovered: Vec<SocketAddr>,
    },
    /// The peer has proved that it belongs to the swarm: the transport may let it send frames of up
    /// to `FRAME_BYTES_MAX` bytes. Comes before anything but a hello is sent to it.
    Admitted {
        /// On which connection.
        connection: ConnectionId,
        /// Whether it may also send on a bulk lane.
        has_bulk: bool,
    },
    /// Cargo passes between us and this peer from now on.
    CargoOpen {
        /// On which connection.
        connection: ConnectionId,
        /// Who is at the other end.
        peer: NodeId,
    },
    /// Cargo came from an admitted peer that carries it. Nobody has looked into it.
    Cargo {
        /// On which connection.
        connection: ConnectionId,
        /// `Live` or `Bulk`.
        lane: Lane,
        /// The frame; of a type from `90` to `97`, and no longer than `Lane::frame_bytes_max`.
        bytes: Bytes,
    },
    /// Cargo that was given as `Carry` left for the transport: there is room for as much.
    Carried {
        /// On which connection.
        connection: ConnectionId,
        /// On which of its channels.
        lane: Lane,
        /// Bytes of one frame.
        bytes: usize,
    },
    /// The session ended: cargo passes no more, and what was not carried is dropped.
    CargoEnd {
        /// On which connection.
        connection: ConnectionId,
        /// Who was at the other end.
        peer: NodeId,
    },
    /// Send what is queued, for at most a second, and close. Say nothing more of this connection.
    Close {
        /// Which.
        connection: ConnectionId,
        /// Its code is the transport's close code.
        reason: RefusalReason,
    },
    /// For the application and the traces.
    Tell(SwarmEvent),
    /// Nothing to do until an input comes or this time; without one, until an input comes.
    Wait(Option<Instant>),
}

/// What the application may want to know.
#[derive(Clone, Debug)]
pub enum SwarmEvent {
    /// A session with this peer began.
    PeerUp(NodeId),
    /// The session with this peer ended, and no other took its place.
    PeerDown {
        /// Who.
        peer: NodeId,
        /// Why, if it was said.
        reason: Option<RefusalReason>,
    },
    /// A session was refused, by us or by them.
    Refused(Refused),
    /// A peer sent what no honest peer sends. The error names the peer, the stream and the offsets.
    Misbehaved {
        /// Who sent it; not necessarily who wrote it.
        peer: NodeId,
        /// What, as `peer_misbehaved`.
        error: Error,
    },
    /// A peer holds more of the stream that we write than we do, or something else: our store is a
    /// copy or was restored. Nothing may be appended to our stream any more: move to the number
    /// `number + 1 + chance`, chance being from 0 to 7, so that two copies of one store part ways,
    /// and say so with `OwnStream`.
    OwnStreamElsewhere {
        /// The highest number of a stream of ours that anybody is known to have written.
        number: u64,
        /// What was signed with our key.
        head: SignedHead,
    },
    /// A stream has several histories. All of them are held, and go on as branches.
    Forked(HeldFork),
    /// A stream is held back, because its lamport exceeds what signed heads account for.
    Quarantined {
        /// Which.
        stream: StreamId,
        /// The lamport that the bound must reach.
        required: u64,
    },
    /// A later millpond wrote in this stream what must be understood: it is not asked for again.
    TooNew(StreamId),
}

/// A session that did not come about, or was ended with a reason.
#[derive(Clone, Debug)]
pub struct Refused {
    /// The other side.
    pub peer: NodeId,
    /// True when we refused, false when we were.
    pub by_us: bool,
    /// Why.
    pub reason: RefusalReason,
    /// The same as a sentence.
    pub error: Error,
}

/// What the swarm reads from the log while it is polled. Branches are read like other streams, from
/// their base on; of a sealed stream also the events beyond its seal.
pub trait LogRead {
    /// Events of `stream` from offset `from` to the end of their block, or to the latest head if
    /// that comes first; none when fewer than `from + 1` are held.
    ///
    /// # Errors
    /// Those of the log; the peer that asked is then left waiting and asks another.
    fn read_range(&self, stream: &StreamId, from: u64) -> Result<Option<EventRange>>;

    /// The full block of `stream` that begins at offset `from`, as it is stored; none when none
    /// does, or when it is longer than its records. Cheap, unlike [`LogRead::read_range`].
    ///
    /// # Errors
    /// As for [`LogRead::read_range`].
    fn read_block(&self, stream: &StreamId, from: u64) -> Result<Option<PackedRange>>;

    /// The chain after the first `count` events of `stream`; none when fewer are held, or when
    /// it is a branch that begins later.
    ///
    /// # Errors
    /// Those of the log.
    fn chain_at(&self, stream: &StreamId, count: u64) -> Result<Option<Chain>>;

    /// The start of the block of `stream` that contains `offset`; none when that event is not held
    /// under this name.
    ///
    /// # Errors
    /// Those of the log.
    fn block_start(&self, stream: &StreamId, offset: u64) -> Result<Option<u64>>;

    /// Where the last of the events `from..to` of `stream` ends that `query` selects; none when it
    /// selects none of them, or nobody knows. A look into an index.
    ///
    /// # Errors
    /// Those of the log.
    fn last_match(
        &self,
        _query: &Query,
        _stream: &StreamId,
        _from: u64,
        _to: u64,
    ) -> Result<Option<u64>> {
        Ok(None)
    }
}
