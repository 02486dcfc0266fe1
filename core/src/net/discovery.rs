//! Finding nodes of our swarm on the local network by multicast DNS.
//!
//! What is announced: a tag of the swarm (which says nothing about its secret), the node id, the
//! ports. Nodes of other swarms are heard and passed over. Nothing here is trusted.
//!
//! Source: docs/protocol.md, "Discovery".

use crate::error::{Error, ErrorKind, Result};
use crate::event::{NodeId, SwarmId, hex};
use crate::net::directory::{AddressRule, Announcement, Directory};
use crate::net::transport::EventSink;
use mdns_sd::{IfKind, Receiver, ResolvedService, ServiceDaemon, ServiceEvent, ServiceInfo};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The DNS-SD service type.
const SERVICE: &str = "_millpond._udp.local.";
/// TXT keys: the swarm's tag, the node id, the port for IPv6.
const TXT_SWARM: &str = "s";
const TXT_NODE: &str = "n";
const TXT_PORT_V6: &str = "p6";
/// BLAKE3 context of the swarm's tag.
const TAG_CONTEXT: &str = "millpond mdns";
/// How long dropping a discovery that was not shut down may take.
const DROP_DEADLINE: Duration = Duration::from_secs(1);

/// What to announce, and where.
#[derive(Clone, Debug)]
pub struct DiscoveryOptions {
    /// The swarm to look for.
    pub swarm: SwarmId,
    /// The node that is announced; it is not discovered by itself.
    pub node: NodeId,
    /// The transport's port for IPv4.
    pub port: u16,
    /// The transport's port for IPv6, if it listens there.
    pub port_v6: Option<u16>,
    /// Addresses of the interfaces to use; empty means all. With loopback addresses only, nodes on
    /// this machine are found under loopback addresses.
    pub interfaces: Vec<IpAddr>,
    /// True to believe addresses outside the private ranges too, where a site uses others.
    pub any_address: bool,
}

/// Announces a node and listens for others, until it is shut down or dropped.
pub struct Discovery {
    daemon: ServiceDaemon,
    full_name: String,
    listener: Mutex<Option<JoinHandle<()>>>,
}

impl Discovery {
    /// Begins to announce and to listen. `Discovered` and `Lost` go to `sink`.
    ///
    /// # Errors
    /// `internal`: the system gives no thread or socket.
    pub fn start(options: &DiscoveryOptions, sink: EventSink) -> Result<Discovery> {
        let daemon = ServiceDaemon::new().map_err(failed)?;
        let started = Discovery::run(&daemon, options, sink);
        if started.is_err() {
            // The error that is returned says more than this one could.
            let _ = daemon.shutdown();
        }
        let (full_name, listener) = started?;
        Ok(Discovery { daemon, full_name, listener: Mutex::new(Some(listener)) })
    }

    fn run(
        daemon: &ServiceDaemon,
        options: &DiscoveryOptions,
        sink: EventSink,
    ) -> Result<(String, JoinHandle<()>)> {
        if !options.interfaces.is_empty() {
            daemon.disable_interface(IfKind::All).map_err(failed)?;
            let chosen: Vec<IfKind> =
                options.interfaces.iter().copied().map(IfKind::Addr).collect();
            daemon.enable_interface(chosen).map_err(failed)?;
        }
        let info = announcement_of(options)?;
        let full_name = info.get_fullname().to_owned();
        let events = daemon.browse(SERVICE).map_err(failed)?;
        daemon.register(info).map_err(failed)?;
        let tag = swarm_tag(&options.swarm);
        let loopback =
            !options.interfaces.is_empty() && options.interfaces.iter().all(IpAddr::is_loopback);
        let rule = AddressRule { loopback, outside: options.any_address };
        let directory = Directory::new(options.node, rule);
        let listener = std::thread::Builder::new()
            .name("millpond-mdns".to_owned())
            .spawn(move || listen(&events, &tag, directory, &sink))
            .map_err(failed)?;
        Ok((full_name, listener))
    }

    /// Says goodbye to the network and gives back threads and sockets, within `deadline`. A second
    /// call does nothing.
    pub fn shutdown(&self, deadline: Duration) {
        let until = Instant::now() + deadline;
        let listener = self.listener.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(listener) = listener else { return };
        if let Ok(unregistered) = self.daemon.unregister(&self.full_name) {
            // Without the goodbye others notice by the time to live.
            let _ = unregistered.recv_timeout(deadline / 2);
        }
        while let Err(mdns_sd::Error::Again) = self.daemon.shutdown() {
            if Instant::now() >= until {
                return;
            }
            std::thread::yield_now();
        }
        // The daemon's end ends the listener's channel. A panic there has nothing more to say.
        let _ = listener.join();
    }
}

impl Drop for Discovery {
    fn drop(&mut self) {
        self.shutdown(DROP_DEADLINE);
    }
}

fn announcement_of(options: &DiscoveryOptions) -> Result<ServiceInfo> {
    let node = options.node.to_string();
    // A DNS label has at most 63 bytes, so the name carries half of the node id; TXT has all.
    let label = &node[..32];
    let mut properties = vec![
        (TXT_SWARM.to_owned(), swarm_tag(&options.swarm)),
        (TXT_NODE.to_owned(), node.clone()),
    ];
    if let Some(port) = options.port_v6 {
        properties.push((TXT_PORT_V6.to_owned(), port.to_string()));
    }
    let host = format!("millpond-{label}.local.");
    let mut info = ServiceInfo::new(SERVICE, label, &host, "", options.port, &properties[..])
        .map_err(failed)?
        .enable_addr_auto();
    if !options.interfaces.is_empty() {
        info.set_interfaces(options.interfaces.iter().copied().map(IfKind::Addr).collect());
    }
    Ok(info)
}

fn listen(events: &Receiver<ServiceEvent>, tag: &str, mut directory: Directory, sink: &EventSink) {
    while let Ok(event) = events.recv() {
        let told = match event {
            ServiceEvent::ServiceResolved(service) => {
                read_announcement(&service, tag).and_then(|heard| directory.heard(heard))
            }
            ServiceEvent::ServiceRemoved(_, name) => directory.gone(&name),
            _ => None,
        };
        if let Some(event) = told {
            sink(event);
        }
    }
}

/// What a node of our swarm announces; `None` for other swarms and for nonsense.
fn read_announcement(service: &ResolvedService, tag: &str) -> Option<Announcement> {
    if service.get_property_val_str(TXT_SWARM)? != tag {
        return None;
    }
    let node: NodeId = service.get_property_val_str(TXT_NODE)?.parse().ok()?;
    if !is_named_after(&service.fullname, &node) {
        return None;
    }
    let port_v6: Option<u16> =
        service.get_property_val_str(TXT_PORT_V6).and_then(|text| text.parse().ok());
    let address = |ip: IpAddr| match ip {
        IpAddr::V4(_) => Some(SocketAddr::new(ip, service.port)),
        IpAddr::V6(_) => port_v6.map(|port| SocketAddr::new(ip, port)),
    };
    #[allow(clippy::iter_over_hash_type)] // Into a sorted set.
    let addresses =
        service.addresses.iter().filter_map(|scoped| address(scoped.to_ip_addr())).collect();
    Some(Announcement { name: service.fullname.clone(), node, addresses })
}

/// Whether an announcement's name is that of `node`, so that nobody takes the name of another. What
/// follows is the service, perhaps after a number that a clash of names adds.
fn is_named_after(full_name: &str, node: &NodeId) -> bool {
    let label = &node.to_string()[..32];
    full_name.get(..32).is_some_and(|start| start.eq_ignore_ascii_case(label))
}

/// What tells swarms apart on the network: 16 hex digits that give nothing away.
fn swarm_tag(swarm: &SwarmId) -> String {
    hex(&blake3::derive_key(TAG_CONTEXT, swarm.as_bytes())[..8])
}

fn failed(error: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Internal, format!("discovery on the local network: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::SwarmSecret;

    #[test]
    fn nobody_announces_itself_under_the_name_of_another() {
        let [own, other] = [1, 2].map(|byte| NodeId::from_bytes([byte; 32]));
        let name = format!("{}._millpond._udp.local.", "01".repeat(16));
        assert!(
            is_named_after(&name, &own) && is_named_after(&name.replace("._m", " (2)._m"), &own)
        );
        assert!(!is_named_after(&name, &other) && !is_named_after("0101", &own));
    }

    #[test]
    fn the_tag_of_a_swarm_is_the_one_of_the_page() {
        let page = include_str!("../../../docs/protocol.md");
        let tag = swarm_tag(&SwarmSecret::from_bytes([0x2a; 32]).swarm_id());
        assert!(page.contains(&format!("is `{tag}`")), "the page lacks {tag}");
    }
}
