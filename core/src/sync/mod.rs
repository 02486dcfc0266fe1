//! Bringing logs together: a protocol as state machines without I/O.
//!
//! Streams are only extended by their author, so two logs are reconciled by telling each other how
//! far each stream is held, and sending what the other lacks. New events are pushed at once.
//!
//! Not here: sockets and discovery (`net`), storing (`log`), the loop that connects them
//! (`driver`).
//! Rule: nothing a peer sends makes us panic, hang, or hold more than the bounds in `constants`;
//! nothing counts before its author's signature verified; nothing is told before it is durable.
//! Begin with [`Swarm`]; one peer is `session`, bytes are `message`. Source: docs/protocol.md.

mod admission;
mod announce;
mod book;
mod bound;
mod cap;
mod cargo;
mod comparisons;
mod constants;
mod credit;
mod dispute;
mod entry;
mod family;
mod fetch;
mod found;
mod gap;
mod going_on;
mod heal;
mod history;
mod io;
mod lane;
mod learned;
mod liveness;
mod memory;
mod mesh;
mod message;
mod notable;
mod offers;
mod opening;
mod options;
mod preview;
mod priority;
mod push;
mod reach;
mod receive;
mod refusal;
mod relay;
mod repair;
mod room;
mod saying;
mod schedule;
mod secrets;
mod serve;
mod session;
mod shared;
mod status;
mod stream;
mod streams;
mod summary;
mod swarm;
#[cfg(test)]
mod tests;
mod tree;
mod turns;

pub use admission::Proved;
pub use cap::SendCaps;
#[cfg(feature = "net")] // Only the driver of a network asks.
pub(crate) use constants::BOOK_PEERS_MAX;
pub use constants::{
    BULK_FRAME_BYTES_MAX, CARGO_BYTES_BULK_MAX, CARGO_BYTES_LIVE_MAX, SEND_QUEUE_BYTES_BULK,
    SEND_QUEUE_BYTES_MAX, STRANGER_FRAME_BYTES_MAX, STREAMS_MAX, STREAMS_PER_PEER_MAX, VERSION_MAX,
    VERSION_MIN,
};
pub use io::{ConnectionId, Input, LogRead, Output, Refused, SwarmEvent};
pub use lane::Lane;
pub use memory::Heard;
pub use message::{Decoded, Hello, Message};
#[cfg(feature = "net")] // Here as well.
pub(crate) use message::{carries_events, is_bounded};
pub use opening::{ClosedBlock, OpenedBlock};
pub use options::{PEERS_MAX_DEFAULT, SwarmOptions};
#[cfg(feature = "net")] // Here as well.
pub(crate) use priority::checked as checked_priority;
pub use priority::{PRIORITY_ALTERNATIVES_MAX, PRIORITY_BYTES_MAX};
pub use reach::{Link, Reach};
pub use refusal::RefusalReason;
pub use status::{ForkStatus, LinkState, PeerStatus, QuarantineStatus, SwarmStatus};
pub use swarm::Swarm;
