//! What a transport can be told when it starts.

use crate::event::NodeKey;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

/// How to start an [`IrohTransport`](crate::net::IrohTransport).
#[derive(Clone, Debug)]
pub struct TransportOptions {
    /// The node's key: peers see its node id, proved by TLS.
    pub node_key: NodeKey,
    /// Where to listen: at most one address for each of IPv4 and IPv6. Port 0 takes a free one. An
    /// unspecified address means every address that the machine has and will have; one of IPv6 is
    /// tried and may fail.
    ///
    /// Nothing that we begin goes beyond the networks of these addresses, except to addresses that
    /// a person named: no dial, and no probe that a peer asks for.
    pub bind: Vec<SocketAddr>,
    /// How long a TLS handshake and the opening of the channel may take.
    pub handshake_deadline: Duration,
    /// How long a dial may take over all its addresses.
    pub dial_deadline: Duration,
    /// How long a connected peer may take to be admitted.
    pub admission_deadline: Duration,
    /// A connection without any packet for this long is gone. 10 to 30 seconds are sensible;
    /// sessions notice a dead peer sooner by their own heartbeat.
    pub idle_timeout: Duration,
}

impl TransportOptions {
    /// Listens on every interface at free ports, with the deadlines of docs/protocol.md.
    pub fn new(node_key: NodeKey) -> TransportOptions {
        TransportOptions {
            node_key,
            bind: vec![(Ipv4Addr::UNSPECIFIED, 0).into(), (Ipv6Addr::UNSPECIFIED, 0).into()],
            handshake_deadline: Duration::from_secs(5),
            dial_deadline: Duration::from_secs(5),
            admission_deadline: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(15),
        }
    }
}
