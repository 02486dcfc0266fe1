//! What a node can be told when it opens.

use crate::blob::limits::COLLECT_GRACE;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{AppId, NodeId, SwarmSecret, Ticket};
use crate::query::Query;
#[cfg(feature = "net")] // Only who has a network sends.
use crate::sync::SendCaps;
use std::collections::BTreeSet;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// How to open a node.
#[derive(Clone, Debug)]
pub struct NodeOptions {
    /// The folder of the store; created when absent. One process at a time owns it.
    pub path: PathBuf,
    /// Stamped on every event that is published here.
    pub app_id: AppId,
    /// What the nodes of the swarm share. It is not kept in the store: say the current one at each
    /// opening.
    pub swarm: SwarmSecret,
    /// Secrets that `swarm` replaces and that still admit, too: up to 4 of the same swarm. None in
    /// the ordinary course of things; see [`Node::set_secrets`](crate::Node::set_secrets).
    pub former_secrets: Vec<SwarmSecret>,
    /// How to reach peers; `None` opens no socket at all.
    pub network: Option<NetworkOptions>,
    /// Sizes of the journal and of caches.
    pub storage: StorageOptions,
}

/// Sizes and permissions of the store.
#[derive(Clone, Debug)]
pub struct StorageOptions {
    /// Bytes of each of the two journal segments, at least 64 KiB; they grow to this as needed.
    pub segment_bytes: u64,
    /// Most bytes of events in memory that are only in the journal; publishers wait beyond it.
    pub tail_bytes_max: usize,
    /// Most bytes of decoded blocks that are kept for readers.
    pub cache_bytes_max: usize,
    /// Most bytes of the saved states of all fish, on disk. With 0 none is saved.
    pub snapshot_bytes_max: u64,
    /// Open a store on a network file system all the same. Their locks and syncs cannot be relied
    /// on: a power cut may lose acknowledged events.
    pub allow_network_fs: bool,
    /// How much of the disk blobs may take.
    pub blobs: BlobOptions,
}

/// How much of the disk blobs may take, and when one may go that nothing keeps.
#[derive(Clone, Debug)]
pub struct BlobOptions {
    /// Most bytes of all blobs here; none is no bound. What would exceed it is refused with
    /// `limit_exceeded`, reason `blob_quota`.
    pub bytes_max: Option<u64>,
    /// Bytes of the file system that blobs leave free, for the events; else they are refused with
    /// `storage_full`. None is 256 MiB, or 5 % of the file system if that is less.
    pub free_bytes_min: Option<u64>,
    /// How long after it was added or last read a blob stays at least, without any event that
    /// refers to it; reads of the last minute before a crash may not count. With none, a blob may
    /// be gone before the event is published that was to refer to it.
    pub collect_grace: Duration,
}

impl Default for BlobOptions {
    fn default() -> BlobOptions {
        BlobOptions { bytes_max: None, free_bytes_min: None, collect_grace: COLLECT_GRACE }
    }
}

impl Default for StorageOptions {
    fn default() -> StorageOptions {
        StorageOptions {
            segment_bytes: 32 << 20,
            tail_bytes_max: 64 << 20,
            cache_bytes_max: 16 << 20,
            snapshot_bytes_max: 64 << 20,
            allow_network_fs: false,
            blobs: BlobOptions::default(),
        }
    }
}

/// The least that a cap on what is sent may be, in bytes a second.
pub const SEND_BYTES_PER_SECOND_MIN: u64 = 1000;

/// How a node reaches its peers.
#[derive(Clone, Debug, Default)]
pub struct NetworkOptions {
    /// Where to listen, at most one address for each of IPv4 and IPv6; empty listens on every
    /// interface at free ports.
    pub bind: Vec<SocketAddr>,
    /// Find peers of the same swarm on the local network by multicast (mDNS), and where other peers
    /// say that they are.
    pub discovery: bool,
    /// When given, only these nodes are admitted, whoever else holds the secret.
    pub allow: Option<BTreeSet<NodeId>>,
    /// Peers to connect to, now and whenever the connection is lost: at most 1,024.
    pub peers: Vec<PeerAddress>,
    /// Most bytes of frames a second that are sent to all peers together, on average: 0 is no cap,
    /// another is at least [`SEND_BYTES_PER_SECOND_MIN`]. Live events go before a backlog. A frame
    /// goes out whole, so a block of up to 2 MiB may leave ahead of its time.
    pub send_bytes_per_second_max: u64,
    /// The same for each peer.
    pub send_bytes_per_second_per_peer_max: u64,
    /// What peers are asked to send first when there is much to catch up with: streams in which
    /// they see such events among the next 8,192 go before all others. Of tags, app ids,
    /// `allEvents` and `isLocal` (the sender's own events), at most 1,024 bytes of text and 16
    /// alternatives. None: all streams take turns.
    pub priority: Option<Query>,
}

impl NetworkOptions {
    /// What the swarm keeps to.
    ///
    /// # Errors
    /// `invalid_argument`: a cap is below [`SEND_BYTES_PER_SECOND_MIN`], and not 0.
    #[cfg(feature = "net")] // Here as well.
    pub(crate) fn send_caps(&self) -> Result<SendCaps> {
        let cap = |bytes: u64, name: &str| match bytes {
            0 => Ok(None),
            SEND_BYTES_PER_SECOND_MIN.. => Ok(Some(bytes)),
            _ => Err(Error::new(
                ErrorKind::InvalidArgument,
                format!(
                    "{name} is {bytes}; it is at least {SEND_BYTES_PER_SECOND_MIN} bytes a second, \
                     or 0 for no cap"
                ),
            )),
        };
        Ok(SendCaps {
            all_peers: cap(self.send_bytes_per_second_max, "send_bytes_per_second_max")?,
            each_peer: cap(
                self.send_bytes_per_second_per_peer_max,
                "send_bytes_per_second_per_peer_max",
            )?,
        })
    }
}

/// A peer and where it may be reached. Text form: `<node id>@<ip>:<port>[,<ip>:<port>…]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerAddress {
    /// Who must answer there.
    pub node: NodeId,
    /// Up to 16 addresses; without one, discovery must find it.
    pub addresses: Vec<SocketAddr>,
}

/// Most addresses of one peer.
const ADDRESSES_MAX: usize = 16;

impl PeerAddress {
    /// Checks that somebody may answer there; without an address only discovery can find the peer.
    ///
    /// # Errors
    /// `invalid_argument`, reason `no_address`: there is none, and no discovery. Without a reason:
    /// one of them names no host or no port.
    #[cfg(any(feature = "net", test))] // Without a network nobody is dialled.
    pub(crate) fn check(&self, discovery: bool) -> Result<()> {
        let lacking = |address: &&SocketAddr| address.port() == 0 || address.ip().is_unspecified();
        if let Some(address) = self.addresses.iter().find(lacking) {
            let message = format!("peer {}: {address} names no host or port", self.node.short());
            return Err(Error::new(ErrorKind::InvalidArgument, message));
        }
        if self.addresses.is_empty() && !discovery {
            let message = format!(
                "peer {} comes without an address, and this node was opened without discovery; \
                 give an address, or a ticket that was made while its node was on the network",
                self.node.short()
            );
            return Err(Error::new(ErrorKind::InvalidArgument, message).with_reason("no_address"));
        }
        Ok(())
    }
}

impl FromStr for PeerAddress {
    type Err = Error;

    fn from_str(text: &str) -> Result<PeerAddress> {
        let parsed = text.split_once('@').and_then(|(node, addresses)| {
            let addresses: Vec<SocketAddr> =
                addresses.split(',').map(|one| one.parse().ok()).collect::<Option<_>>()?;
            let fits = addresses.len() <= ADDRESSES_MAX;
            fits.then_some(PeerAddress { node: node.parse().ok()?, addresses })
        });
        parsed.ok_or_else(|| {
            let shown: String = text.chars().take(200).collect();
            let message = format!(
                "a peer is `<node id>@<ip>:<port>`, up to {ADDRESSES_MAX} addresses separated by \
                 commas, not {shown:?}; a host name must be resolved by the application"
            );
            Error::new(ErrorKind::InvalidArgument, message)
        })
    }
}

impl fmt::Display for PeerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let addresses: Vec<String> = self.addresses.iter().map(SocketAddr::to_string).collect();
        write!(f, "{}@{}", self.node, addresses.join(","))
    }
}

impl From<&Ticket> for PeerAddress {
    fn from(ticket: &Ticket) -> PeerAddress {
        PeerAddress { node: ticket.node(), addresses: ticket.addresses().to_vec() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_without_an_address_needs_discovery_and_one_without_a_port_is_nowhere() {
        let peer = |addresses: &[&str]| PeerAddress {
            node: NodeId::from_bytes([9; 32]),
            addresses: addresses.iter().map(|text| text.parse().unwrap()).collect(),
        };
        assert!(peer(&[]).check(true).is_ok());
        assert_eq!(peer(&[]).check(false).unwrap_err().reason(), Some("no_address"));
        assert!(peer(&["10.0.0.12:4100"]).check(false).is_ok());
        for nowhere in ["10.0.0.12:0", "0.0.0.0:4100", "[::]:4100"] {
            let error = peer(&["10.0.0.12:4100", nowhere]).check(true).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
        }
    }

    #[test]
    fn a_peer_has_one_text_form() {
        let node = NodeId::from_bytes([9; 32]);
        let text = format!("{node}@10.0.0.12:4100,[fe80::1]:4100");
        let peer: PeerAddress = text.parse().unwrap();
        assert_eq!(peer.addresses.len(), 2);
        assert_eq!(peer.to_string(), text);
        for wrong in ["", "10.0.0.12:4100", &format!("{node}@"), &format!("{node}@mill:4100")] {
            let error = wrong.parse::<PeerAddress>().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{wrong}");
        }
    }
}
