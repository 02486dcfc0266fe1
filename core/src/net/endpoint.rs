//! The QUIC endpoint: air-gapped, with windows that bound what a peer can make us hold.
//!
//! Source: docs/protocol.md, "Carrier"; every call here removes a way to leave the local network
//! or bounds memory.

use crate::error::{Error, ErrorKind, Result};
use crate::net::TransportOptions;
use crate::net::congestion::DualConfig;
use crate::net::networks::Network;
use iroh::dns::DnsResolver;
use iroh::endpoint::{
    BindOpts, IdleTimeout, MtuDiscoveryConfig, PortmapperConfig, QuicTransportConfig,
    QuicTransportConfigBuilder, VarInt, presets,
};
use iroh::{Endpoint, NetReportConfig, RelayMode, SecretKey};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// The application protocol in the TLS handshake: another version is refused there.
pub(crate) const ALPN: &[u8] = b"millpond/0";

/// Most bytes a peer may send ahead of our reading, once admitted. Never above 1.25 MB: with more
/// than about 2,048 packets in flight one loss makes the QUIC library give up the connection.
pub(crate) const WINDOW_BYTES: u32 = 1_250_000;
const _: () = assert!(WINDOW_BYTES <= 1_250_000);

/// The same on one channel: so the backlog lane leaves some of the window to the live one, however
/// late its reader is. Of the bulk lane no more comes than was asked for, which is read ahead.
const LANE_WINDOW_BYTES: u32 = 1_000_000;
const _: () = assert!(LANE_WINDOW_BYTES < WINDOW_BYTES);

/// Most bytes a stranger may send ahead of our reading.
const STRANGER_WINDOW_BYTES: u32 = 64 << 10;

/// Most bytes on their way to a peer, kept for sending again.
const SEND_WINDOW_BYTES: u64 = 2 << 20;

/// A packet at least this often keeps a quiet path open, through routers that forget. The QUIC
/// library takes no longer time.
const KEEP_ALIVE: Duration = Duration::from_secs(5);

/// The connection needs nothing beside that and the questions of its session.
const NO_KEEP_ALIVE: Duration = Duration::from_secs(24 * 60 * 60);

/// Packets grow to what a path carries in steps of no less than this: each step is a packet that
/// carries nothing.
const MTU_STEP: u16 = 64;

/// A path of a connection without packets for this long is left for another.
const PATH_IDLE: Duration = Duration::from_secs(10);

/// How far an endpoint goes by itself. Whoever it is answers, it answers.
pub(crate) enum Reach {
    /// Listens at these addresses of ours, each for the network it is in.
    Networks(BTreeMap<Network, SocketAddr>),
    /// Wherever the system's routes lead, from free ports.
    Anywhere,
}

/// Binds an endpoint that talks to nobody by itself.
///
/// # Errors
/// `invalid_argument`: an address cannot be bound.
pub(crate) async fn bind(options: &TransportOptions, reach: &Reach) -> Result<Endpoint> {
    let mut builder = Endpoint::builder(presets::Minimal)
        .secret_key(SecretKey::from_bytes(&options.node_key.to_seed()))
        .relay_mode(RelayMode::Disabled)
        .clear_address_lookup()
        .portmapper_config(PortmapperConfig::Disabled)
        .net_report_config(NetReportConfig::minimal())
        .dns_resolver(DnsResolver::builder().disable_fallback().build())
        .transport_config(channel(options.idle_timeout, 1)?)
        .alpns(vec![ALPN.to_vec()])
        .clear_ip_transports();
    for (address, how) in sockets(options, reach) {
        builder = builder
            .bind_addr_with_opts(address, how)
            .map_err(|error| cannot_bind(&options.bind, &error))?;
    }
    builder.bind().await.map_err(|error| cannot_bind(&options.bind, &error))
}

/// The sockets of an endpoint. IPv6 is tried unless it was named: not every system has it.
fn sockets(options: &TransportOptions, reach: &Reach) -> Vec<(SocketAddr, BindOpts)> {
    match reach {
        Reach::Networks(addresses) => {
            let confined = |(network, at): (&Network, &SocketAddr)| {
                let is_required = at.is_ipv4() || options.bind.contains(at);
                let how = BindOpts::default().set_is_required(is_required);
                (*at, how.set_prefix_len(network.prefix).set_is_default_route(false))
            };
            addresses.iter().map(confined).collect()
        }
        Reach::Anywhere => {
            let any_port = |at: &SocketAddr| {
                let is_required = at.is_ipv4() || !at.ip().is_unspecified();
                let how = BindOpts::default().set_is_required(is_required);
                (SocketAddr::new(at.ip(), 0), how)
            };
            let outward = options.bind.iter().filter(|at| !at.ip().is_loopback());
            outward.map(any_port).collect()
        }
    }
}

/// The settings of a connection that we dial: until it is admitted the peer opens no stream at all.
///
/// # Errors
/// `invalid_argument`: the idle timeout is out of range.
pub(crate) fn dialed_channel(options: &TransportOptions) -> Result<QuicTransportConfig> {
    channel(options.idle_timeout, 0)
}

fn channel(idle: Duration, streams: u32) -> Result<QuicTransportConfig> {
    let idle = IdleTimeout::try_from(idle).map_err(|error| {
        Error::new(ErrorKind::InvalidArgument, format!("idle_timeout: {error}"))
    })?;
    let mut mtu = MtuDiscoveryConfig::default();
    mtu.minimum_change(MTU_STEP);
    let builder: QuicTransportConfigBuilder = QuicTransportConfig::builder();
    Ok(builder
        .max_concurrent_bidi_streams(VarInt::from_u32(streams))
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .stream_receive_window(VarInt::from_u32(LANE_WINDOW_BYTES))
        .receive_window(VarInt::from_u32(STRANGER_WINDOW_BYTES))
        .send_window(SEND_WINDOW_BYTES)
        .datagram_receive_buffer_size(None)
        .max_idle_timeout(Some(idle))
        .keep_alive_interval(NO_KEEP_ALIVE)
        .mtu_discovery_config(Some(mtu))
        .congestion_controller_factory(Arc::new(DualConfig))
        .default_path_keep_alive_interval(KEEP_ALIVE)
        .default_path_max_idle_timeout(PATH_IDLE)
        .build())
}

fn cannot_bind(addresses: &[SocketAddr], error: &impl std::fmt::Display) -> Error {
    let message = format!(
        "cannot listen on {addresses:?}: {error}. Choose another port, or 0 for any free one"
    );
    Error::new(ErrorKind::InvalidArgument, message).with_reason("address_unavailable")
}
