//! The wire: QUIC connections to peers on the local network, and finding them there.
//!
//! Not here: what frames mean and whom to trust (`sync`), whom to dial when (`sync`, `driver`).
//! Rule: nothing leaves the local network unless somebody names an address: no relay, no name
//! service, no port mapping, no reports. A test counts the packets.
//! Begin with [`Transport`] and [`NetEvent`]; [`IrohTransport`] is the real one, and [`Discovery`]
//! finds addresses to dial by multicast.
//!
//! Source: docs/protocol.md, "Carrier".

// The rim: sockets, clocks and threads are allowed in this room and below it.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

mod accept;
mod close;
mod congestion;
mod credit;
mod dial;
mod directory;
mod discovery;
mod endpoint;
mod frame_reader;
mod frame_writer;
mod gate;
mod iroh_transport;
mod link;
mod networks;
mod options;
mod outbox;
mod sockets;
mod transport;

#[cfg(test)]
mod tests;

pub use close::{ClosedBy, code};
pub use credit::Credit;
pub use discovery::{Discovery, DiscoveryOptions};
pub use iroh_transport::IrohTransport;
pub use options::TransportOptions;
pub use transport::{ConnectionId, EventSink, NetEvent, Transport};
