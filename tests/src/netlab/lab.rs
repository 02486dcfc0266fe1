//! Hosts joined by bridges that stand in a namespace of their own.

use crate::netlab::host::Host;
use crate::netlab::namespace::Namespace;
use std::path::{Path, PathBuf};

/// Where nodes listen; each has a network of its own, so nobody else can have it.
pub const PORT: u16 = 4100;
/// Rules: nothing of multicast leaves or comes.
pub const MULTICAST: &str = "ip daddr 224.0.0.0/4 drop\nip6 daddr ff00::/8 udp dport 5353 drop";

/// A place for hosts and the bridges between them.
pub struct Lab {
    bridges: Namespace,
    program: PathBuf,
    folder: PathBuf,
    hosts: u8,
}

impl Lab {
    /// Where bridges can be built. Hosts run `program`, tests/src/bin/lab_node.rs, with stores
    /// below `folder`.
    ///
    /// # Errors
    /// What is missing here, in words: root, a tool, or a part of the kernel.
    pub fn new(program: &Path, folder: &Path) -> Result<Lab, String> {
        let bridges = Namespace::new()?;
        let trial = "ip link add trial type bridge; ip link del trial
            ip link add trial type veth peer name other
            tc qdisc add dev trial root tbf rate 1mbit burst 3000 latency 300ms
            ip link del trial
            nft 'add table inet trial'; nft 'delete table inet trial'";
        bridges.shell(trial)?;
        let (program, folder) = (program.to_owned(), folder.to_owned());
        Ok(Lab { bridges, program, folder, hosts: 0 })
    }

    /// A host without a cable.
    pub fn bare_host(&mut self) -> Host {
        self.hosts += 1;
        let namespace = Namespace::new().expect("a second namespace can be had, too");
        Host::new(namespace, self.hosts, &self.program, &self.folder)
    }

    /// A host with one cable to each of these networks: the first is its `eth0`. In network `n` it
    /// has the address 10.77.`n`.`number`, and a default route that leads nowhere.
    pub fn host(&mut self, networks: &[u8]) -> Host {
        let host = self.bare_host();
        for (index, network) in networks.iter().enumerate() {
            self.cable(&host, &format!("eth{index}"), *network);
            let address = format!("10.77.{network}.{}", host.number());
            host.shell(&format!("ip addr add {address}/24 dev eth{index}"));
        }
        if let Some(first) = networks.first() {
            host.shell(&format!(
                "ip neigh add 10.77.{first}.254 lladdr 02:00:00:00:00:fe dev eth0
                ip route add default via 10.77.{first}.254"
            ));
        }
        host
    }

    /// Another cable of `host`, as its interface `name`, without an address.
    pub fn cable(&self, host: &Host, name: &str, network: u8) {
        let (number, holder) = (host.number(), host.namespace().id());
        let script = format!(
            "ip link show br{network} >/dev/null 2>&1 ||
                ip link add br{network} type bridge forward_delay 0 mcast_snooping 0
            ip link set br{network} up
            ip link add h{number}{name} type veth peer name {name} netns {holder}
            ip link set h{number}{name} master br{network} up"
        );
        self.bridges.shell(&script).expect("a cable can be laid");
        host.shell(&format!("ip link set {name} up"));
    }
}
