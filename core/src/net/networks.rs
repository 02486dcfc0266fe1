//! The networks this machine is on, as its interfaces say at the moment.

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, SocketAddr};

/// An address of ours with the network it is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Network {
    /// Ours.
    pub(crate) address: IpAddr,
    /// Bits that all addresses of the network have in common.
    pub(crate) prefix: u8,
}

impl Network {
    /// True when the machine still has it, as `own` says. Loopback addresses need not be listed.
    pub(crate) fn is_there(&self, own: &BTreeSet<Network>) -> bool {
        own.contains(self) || self.address.is_loopback()
    }

    /// True when `other` is in this network: no router is needed to get there.
    pub(crate) fn contains(&self, other: &IpAddr) -> bool {
        match (self.address, other) {
            (IpAddr::V4(ours), IpAddr::V4(other)) => {
                let differing = (ours.to_bits() ^ other.to_bits()).leading_zeros();
                differing >= u32::from(self.prefix)
            }
            (IpAddr::V6(ours), IpAddr::V6(other)) => {
                let differing = (ours.to_bits() ^ other.to_bits()).leading_zeros();
                differing >= u32::from(self.prefix)
            }
            _ => false,
        }
    }
}

/// Every address of this machine at the moment, without link-local ones of IPv6: they mean nothing
/// without the name of an interface, which QUIC addresses do not carry.
///
/// # Errors
/// Those of the system.
pub(crate) fn own() -> io::Result<BTreeSet<Network>> {
    let networks = if_addrs::get_if_addrs()?.into_iter().map(|interface| match interface.addr {
        if_addrs::IfAddr::V4(v4) => Network { address: v4.ip.into(), prefix: v4.prefixlen },
        if_addrs::IfAddr::V6(v6) => Network { address: v6.ip.into(), prefix: v6.prefixlen },
    });
    let usable = |network: &Network| match network.address {
        IpAddr::V4(ip) => !ip.is_unspecified(),
        IpAddr::V6(ip) => !ip.is_unspecified() && !ip.is_unicast_link_local(),
    };
    Ok(networks.filter(usable).collect())
}

/// The networks that the bind `wanted` names: all of `own` of its family when it is unspecified.
/// An address that no interface lists is in the network of one that does, as 127.0.0.2 is, or
/// alone; binding it will say whether it is ours.
pub(crate) fn named_by(wanted: &SocketAddr, own: &BTreeSet<Network>) -> BTreeSet<Network> {
    let is_meant = |network: &&Network| match wanted.ip().is_unspecified() {
        true => network.address.is_ipv4() == wanted.is_ipv4(),
        false => network.address == wanted.ip(),
    };
    let mut named: BTreeSet<Network> = own.iter().filter(is_meant).copied().collect();
    if named.is_empty() && !wanted.ip().is_unspecified() {
        let around = own.iter().find(|network| network.contains(&wanted.ip()));
        let alone = if wanted.is_ipv4() { 32 } else { 128 };
        let prefix = around.map_or(alone, |network| network.prefix);
        named.insert(Network { address: wanted.ip(), prefix });
    }
    named
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(address: &str, prefix: u8) -> Network {
        Network { address: address.parse().unwrap(), prefix }
    }

    #[test]
    fn a_network_holds_what_has_its_prefix_and_nothing_else() {
        for (ours, prefix, inside, outside) in [
            ("10.1.2.3", 24, "10.1.2.254", "10.1.3.3"),
            ("10.1.2.3", 8, "10.99.0.1", "11.1.2.3"),
            ("10.1.2.3", 32, "10.1.2.3", "10.1.2.2"),
            ("127.0.0.1", 8, "127.7.7.7", "128.0.0.1"),
            ("10.1.2.3", 30, "10.1.2.1", "::ffff:10.1.2.1"),
            ("fd00::1", 64, "fd00::2", "fd00:0:0:1::1"),
            ("::1", 128, "::1", "127.0.0.1"),
        ] {
            let network = network(ours, prefix);
            assert!(network.contains(&inside.parse().unwrap()), "{inside} in {network:?}");
            assert!(!network.contains(&outside.parse().unwrap()), "{outside} in {network:?}");
        }
        assert!(network("10.1.2.3", 0).contains(&"192.0.2.1".parse().unwrap()));
    }

    #[test]
    fn a_bind_names_one_address_or_all_of_its_family() {
        let own = [network("127.0.0.1", 8), network("10.1.2.3", 24), network("::1", 128)];
        let own = BTreeSet::from(own);
        let named = |bind: &str| named_by(&bind.parse().unwrap(), &own);
        assert_eq!(named("0.0.0.0:0").len(), 2);
        assert_eq!(named("[::]:0"), BTreeSet::from([network("::1", 128)]));
        assert_eq!(named("10.1.2.3:7"), BTreeSet::from([network("10.1.2.3", 24)]));
        assert_eq!(named("127.0.0.2:7"), BTreeSet::from([network("127.0.0.2", 8)]));
        assert_eq!(named("10.9.9.9:7"), BTreeSet::from([network("10.9.9.9", 32)]));
    }

    #[test]
    fn this_machine_is_on_a_loopback_network() {
        assert!(own().unwrap().contains(&network("127.0.0.1", 8)));
    }
}
