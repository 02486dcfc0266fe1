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
    /// unspecified IPv6 address is tried and may fail.
    pub bind: Vec<SocketAddr>,
    /// Length in bits of the prefix of the network that the IPv4 bind belongs to, such as 24 for
    /// 255.255.255.0. When given, nothing that we begin goes beyond that network: no dial, and no
    /// probe that a peer asks for.
    ///
    /// Without it a peer that has completed TLS can make the QUIC library send a few probes to
    /// addresses of the peer's choice, which is how it looks for shorter paths. Loopback binds
    /// never leave loopback.
    pub network_prefix_v4: Option<u8>,
    /// The same for the IPv6 bind.
    pub network_prefix_v6: Option<u8>,
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
            network_prefix_v4: None,
            network_prefix_v6: None,
            handshake_deadline: Duration::from_secs(5),
            dial_deadline: Duration::from_secs(5),
            admission_deadline: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(15),
        }
    }
}
