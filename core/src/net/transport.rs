//! What a driver needs of a network, and what a network tells it.

use crate::event::NodeId;
use crate::net::{ClosedBy, Credit};
use crate::sync::Lane;
use bytes::Bytes;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// One connection of this process, never reused while it runs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ConnectionId(pub u64);

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Where events go. Called on a network thread: it must return quickly (put the event in an inbox
/// of your own) and must not call [`Transport::shutdown`].
pub type EventSink = Arc<dyn Fn(NetEvent) + Send + Sync>;

/// Something the network has to tell.
///
/// Per connection: one `Connected`, then `Frame`, `Heard` and `Sent`, in order for each channel,
/// then one `Disconnected`.
#[derive(Debug)]
pub enum NetEvent {
    /// A connection is up; the peer has proved that it holds the key `peer`, and nothing more.
    Connected {
        /// The new connection.
        connection: ConnectionId,
        /// The peer's node id, proved by TLS.
        peer: NodeId,
        /// 32 bytes that only the two ends of this very session know: what a proof of membership
        /// is bound to.
        binding: [u8; 32],
        /// True when we dialled, false when the peer did.
        dialed: bool,
        /// Where the peer was when it connected.
        remote: SocketAddr,
    },
    /// A frame arrived, whole.
    Frame {
        /// The connection it came from.
        connection: ConnectionId,
        /// The channel it came by.
        lane: Lane,
        /// The frame without its length: at most `Lane::frame_bytes_max` bytes, before
        /// [`Transport::admit`] at most 4 KiB.
        bytes: Bytes,
        /// Keep it as long as the frame occupies you. While too much of it is kept, the connection
        /// is not read.
        credit: Credit,
    },
    /// A frame is arriving and is not whole yet. Told at most four times a second, and not of
    /// frames that arrive faster than that.
    Heard {
        /// The connection it comes from.
        connection: ConnectionId,
        /// Bytes that came since the last of these events, or since the frame began.
        bytes: usize,
    },
    /// Frames left the send queue, in the order in which they were sent. Told in steps of some
    /// ten thousand bytes, so the last few frames of a quiet connection may stay untold.
    Sent {
        /// The connection they left by.
        connection: ConnectionId,
        /// The channel.
        lane: Lane,
        /// The sum of the lengths of the frames since the last time, as given to
        /// [`Transport::send`].
        bytes: usize,
    },
    /// The connection is gone. Nothing about it follows.
    Disconnected {
        /// The connection that ended.
        connection: ConnectionId,
        /// Why, for people. Text from a peer is shortened and has no control characters.
        reason: String,
        /// The close code, where one end closed it on purpose: `by` says which. The transport's
        /// own are in [`code`](crate::net::code).
        code: Option<u32>,
        /// Which end closed it, or the network.
        by: ClosedBy,
    },
    /// A dial did not lead to a connection.
    DialFailed {
        /// Whom we wanted.
        peer: NodeId,
        /// Why, for people.
        reason: String,
    },
    /// A node that says it belongs to our swarm may be reached here. A hint that nobody proved.
    Discovered {
        /// Who it says it is.
        peer: NodeId,
        /// All addresses known now: 1 to 16.
        addresses: Vec<SocketAddr>,
    },
    /// A discovered node said goodbye or has been silent for too long.
    Lost {
        /// Whom.
        peer: NodeId,
    },
}

/// Moves frames between nodes. The simulator implements it too.
///
/// Every method returns at once except `shutdown`, and may be called from any thread. A connection
/// that is gone is ignored: its `Disconnected` is on its way.
pub trait Transport: Send + Sync {
    /// Tries to connect to `peer` at any address that a person `named`, or that was `discovered`
    /// and is on a network of ours (the first 32 count). Answered by `Connected` or `DialFailed`
    /// within the dial deadline. A peer that is being dialled is dialled there as well: the two are
    /// one dial, with one answer, within the deadline of the later.
    fn dial(&self, peer: NodeId, named: Vec<SocketAddr>, discovered: Vec<SocketAddr>);

    /// Says that the peer has proved its membership: larger frames, more credit, no deadline, and
    /// a backlog lane; a bulk lane as well when it `has_bulk`. Only the first time counts. A
    /// connection that is not admitted within the admission deadline is closed.
    fn admit(&self, connection: ConnectionId, has_bulk: bool);

    /// Queues a frame of at most `Lane::frame_bytes_max` bytes. `Sent` tells that it has left.
    /// While the live lane has something, nothing of the others leaves, and while the backlog lane
    /// has, nothing of the bulk lane. What is on the bulk lane of a peer that grants none stays.
    ///
    /// The caller keeps at most 1 MiB and one frame in the queue of a lane; beyond that the
    /// connection is closed with [`code::INTERNAL`](crate::net::code::INTERNAL), because a bound
    /// that is not kept is a bug of ours.
    fn send(&self, connection: ConnectionId, lane: Lane, frame: Bytes);

    /// Sends what is queued on the live lane, for at most a second, then closes. The peer learns
    /// `code` and `reason` (at most 512 bytes of it).
    fn close(&self, connection: ConnectionId, code: u32, reason: &str);

    /// Addresses under which peers on the local network may reach us; unspecified binds are given
    /// as the addresses of the interfaces.
    fn local_addresses(&self) -> Vec<SocketAddr>;

    /// Closes every connection and gives back every thread and socket. Events end at once. Takes
    /// at most `deadline`; a second call does nothing. A deadline of zero says no farewell: to the
    /// peers it is a cable that was pulled.
    fn shutdown(&self, deadline: Duration);
}
