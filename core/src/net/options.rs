//! What a transport can be told when it starts.

use crate::event::NodeKey;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

/// An address to listen on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bind {
    /// Address and port; port 0 takes a free one.
    pub address: SocketAddr,
    /// Length in bits of the network's prefix, such as 24 for 255.255.255.0. When given, nothing
    /// that we begin goes beyond that network: no dial, and no probe that a peer asks for.
    ///
    /// Without it a peer that has completed TLS can make the QUIC library send a few probes to
    /// addresses of the peer's choice, which is how it looks for shorter paths.
    pub network_prefix: Option<u8>,
}

impl Bind {
    /// Listens on `address` and sends wherever the system has a route to.
    pub fn any(address: SocketAddr) -> Bind {
        Bind { address, network_prefix: None }
    }
}

/// How to start an [`IrohTransport`](crate::net::IrohTransport).
#[derive(Clone, Debug)]
pub struct TransportOptions {
    /// The node's key: peers see its node id, proved by TLS.
    pub node_key: NodeKey,
    /// Where to listen: at most one address for each of IPv4 and IPv6. An unspecified IPv6 address
    /// is tried and may fail.
    pub bind: Vec<Bind>,
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
            bind: vec![
                Bind::any((Ipv4Addr::UNSPECIFIED, 0).into()),
                Bind::any((Ipv6Addr::UNSPECIFIED, 0).into()),
            ],
            handshake_deadline: Duration::from_secs(5),
            dial_deadline: Duration::from_secs(5),
            admission_deadline: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(15),
        }
    }
}
