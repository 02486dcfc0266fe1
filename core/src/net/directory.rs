//! Who was heard on the local network: bounded, whatever anybody announces.
//!
//! Announcements are hints. A lie costs a dial at most, because only TLS proves who a peer is.

use crate::event::NodeId;
use crate::net::NetEvent;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

/// Most nodes that are remembered; later ones wait until one is lost.
pub(crate) const PEERS_MAX: usize = 1024;
/// Most addresses of one node; those heard first are kept.
pub(crate) const ADDRESSES_PER_PEER_MAX: usize = 16;

/// What one announcement says.
#[derive(Clone, Debug)]
pub(crate) struct Announcement {
    /// The announcement's own name: a later one with this name replaces it.
    pub(crate) name: String,
    pub(crate) node: NodeId,
    pub(crate) addresses: BTreeSet<SocketAddr>,
}

/// Which addresses are taken from announcements.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct AddressRule {
    pub(crate) loopback: bool,
    pub(crate) outside: bool,
}

impl AddressRule {
    fn allows(self, address: &SocketAddr) -> bool {
        if address.port() == 0 {
            return false;
        }
        match address.ip() {
            ip if ip.is_unspecified() || ip.is_multicast() => false,
            ip if ip.is_loopback() => self.loopback,
            IpAddr::V4(ip) => self.outside || ip.is_private() || ip.is_link_local(),
            // Link-local addresses of IPv6 need an interface, which QUIC addresses do not carry.
            IpAddr::V6(ip) if ip.is_unicast_link_local() => false,
            IpAddr::V6(ip) => self.outside || ip.is_unique_local(),
        }
    }
}

/// The nodes heard so far.
pub(crate) struct Directory {
    own: NodeId,
    rule: AddressRule,
    names: BTreeMap<String, NodeId>,
    peers: BTreeMap<NodeId, Vec<(String, SocketAddr)>>,
}

impl Directory {
    pub(crate) fn new(own: NodeId, rule: AddressRule) -> Directory {
        Directory { own, rule, names: BTreeMap::new(), peers: BTreeMap::new() }
    }

    /// Takes an announcement in; gives an event when something new is known.
    pub(crate) fn heard(&mut self, announcement: Announcement) -> Option<NetEvent> {
        let Announcement { name, node, addresses } = announcement;
        if node == self.own {
            return None;
        }
        match self.names.get(&name) {
            Some(named) if *named != node => return None,
            None if self.names.len() >= PEERS_MAX => return None,
            _ => {}
        }
        let known = self.peers.get(&node).cloned().unwrap_or_default();
        let mut now = known.clone();
        now.retain(|(from, address)| *from != name || addresses.contains(address));
        for address in addresses.into_iter().filter(|address| self.rule.allows(address)) {
            let is_new = now.iter().all(|(_, held)| *held != address);
            if is_new && now.len() < ADDRESSES_PER_PEER_MAX {
                now.push((name.clone(), address));
            }
        }
        if now.is_empty() || now == known {
            return None;
        }
        let addresses = now.iter().map(|(_, address)| *address).collect();
        self.names.insert(name, node);
        self.peers.insert(node, now);
        Some(NetEvent::Discovered { peer: node, addresses })
    }

    /// Takes back what was announced under `name`.
    pub(crate) fn gone(&mut self, name: &str) -> Option<NetEvent> {
        let node = self.names.remove(name)?;
        let held = self.peers.get_mut(&node)?;
        held.retain(|(from, _)| from != name);
        if !held.is_empty() {
            return None;
        }
        self.peers.remove(&node);
        Some(NetEvent::Lost { peer: node })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn announcement(name: &str, node: u8, addresses: &[&str]) -> Announcement {
        let addresses = addresses.iter().map(|text| text.parse().unwrap()).collect();
        Announcement { name: name.to_owned(), node: NodeId::from_bytes([node; 32]), addresses }
    }

    fn directory() -> Directory {
        Directory::new(NodeId::from_bytes([0; 32]), AddressRule::default())
    }

    fn discovered(event: Option<NetEvent>) -> Vec<String> {
        match event {
            Some(NetEvent::Discovered { addresses, .. }) => {
                addresses.iter().map(SocketAddr::to_string).collect()
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn addresses_are_merged_and_an_unchanged_announcement_says_nothing() {
        let mut directory = directory();
        let first = announcement("a", 1, &["10.0.0.1:7"]);
        assert_eq!(discovered(directory.heard(first.clone())), ["10.0.0.1:7"]);
        assert!(directory.heard(first).is_none());
        let more = announcement("a", 1, &["10.0.0.1:7", "[fd00::1]:8"]);
        assert_eq!(discovered(directory.heard(more)), ["10.0.0.1:7", "[fd00::1]:8"]);
        let moved = announcement("a", 1, &["10.0.0.9:7"]);
        assert_eq!(discovered(directory.heard(moved)), ["10.0.0.9:7"]);
        assert!(matches!(directory.gone("a"), Some(NetEvent::Lost { .. })));
        assert!(directory.gone("a").is_none());
    }

    #[test]
    fn only_addresses_of_local_networks_are_believed() {
        let outside = ["8.8.8.8:53", "127.0.0.1:7", "[2001:db8::1]:7", "0.0.0.0:7", "10.0.0.1:0"];
        let mut directory = directory();
        assert!(directory.heard(announcement("a", 1, &outside)).is_none());
        let mixed = ["8.8.8.8:53", "192.168.0.4:7"];
        assert_eq!(discovered(directory.heard(announcement("a", 1, &mixed))), ["192.168.0.4:7"]);
        let own = announcement("b", 0, &["10.0.0.1:7"]);
        assert!(directory.heard(own).is_none(), "our own announcement is no peer");
    }

    #[test]
    fn a_storm_of_announcements_is_bounded_and_displaces_nobody() {
        let mut directory = directory();
        let honest = announcement("honest", 1, &["10.0.0.1:7"]);
        assert!(directory.heard(honest).is_some());
        for number in 0..5000u16 {
            let [high, low] = number.to_be_bytes();
            let name = format!("storm {number}");
            let address = SocketAddr::from(([10, 1, high, low], 7));
            let mut bytes = [2; 32];
            bytes[..2].copy_from_slice(&[high, low]);
            let addresses = BTreeSet::from([address]);
            for node in [NodeId::from_bytes(bytes), NodeId::from_bytes([1; 32])] {
                let addresses = addresses.clone();
                let heard = Announcement { name: format!("{name} {node}"), node, addresses };
                let _ = directory.heard(heard);
            }
        }
        assert!(directory.names.len() <= PEERS_MAX && directory.peers.len() <= PEERS_MAX);
        let held = &directory.peers[&NodeId::from_bytes([1; 32])];
        assert_eq!(held.len(), ADDRESSES_PER_PEER_MAX);
        assert_eq!(held[0].1, "10.0.0.1:7".parse().unwrap());
    }
}
