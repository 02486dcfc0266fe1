//! Where peers are, told by other peers: so that nodes find each other where nothing is announced.
//!
//! Who has a session with a peer knows its address, and tells its other peers. It is a hint like
//! any announcement: who is there shows in TLS and at admission. A liar costs a few dials.
//! Not here: the book that keeps them (`book`), whether anybody is dialled (`mesh`).
//! Rule: nobody is told an address that means something else, or nothing, where it is.
//! Begin with [`Session::make_addresses`]. Source: docs/protocol.md, "Connections".

use crate::event::NodeId;
use crate::sync::constants::{ADDRESSES_LISTED_MAX, ADDRESSES_PAUSE, FLUSH_DELAY};
use crate::sync::io::ConnectionId;
use crate::sync::message::Message;
use crate::sync::session::Session;
use crate::sync::shared::Shared;
use crate::sync::swarm::Swarm;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

/// When a peer is to be told where others are.
#[derive(Debug, Default)]
pub(crate) struct Telling {
    told_at: Option<Instant>,
    due: Option<Instant>,
}

impl Telling {
    /// Somebody is where the peer does not know it to be.
    fn changed(&mut self, now: Instant) {
        let soon = now + FLUSH_DELAY;
        let at = self.told_at.map_or(soon, |told| soon.max(told + ADDRESSES_PAUSE));
        self.due.get_or_insert(at);
    }

    pub(crate) fn is_due(&self, now: Instant) -> bool {
        self.due.is_some_and(|due| due <= now)
    }

    pub(crate) fn due(&self) -> Option<Instant> {
        self.due
    }
}

impl Session {
    /// Where our other peers are, when that is due.
    pub(crate) fn make_addresses(&mut self, shared: &Shared) -> Option<Bytes> {
        if !self.telling.is_due(shared.now) {
            return None;
        }
        self.telling = Telling { told_at: Some(shared.now), due: None };
        let is_near = self.remote.is_some_and(|remote| remote.ip().to_canonical().is_loopback());
        let others = shared
            .remotes
            .iter()
            .filter(|(node, at)| **node != self.peer && means_the_same(at.ip(), is_near));
        let listed: Vec<(NodeId, Vec<SocketAddr>)> =
            others.take(ADDRESSES_LISTED_MAX).map(|(node, at)| (*node, vec![*at])).collect();
        (!listed.is_empty()).then(|| Message::Addresses(listed).encode())
    }
}

impl Swarm {
    /// A peer is at this address; others are told once it is admitted.
    pub(crate) fn on_seen(&mut self, connection: ConnectionId, address: SocketAddr) {
        let Some(session) = self.sessions.get_mut(&connection) else { return };
        session.remote = Some(address);
        if self.shared.admitted.get(&session.peer) == Some(&connection) {
            self.note_remote(connection);
        }
    }

    /// The session of `connection` is the one with its peer: that is where the peer is.
    pub(crate) fn note_remote(&mut self, connection: ConnectionId) {
        let now = self.shared.now;
        let Some(session) = self.sessions.get_mut(&connection) else { return };
        session.telling.changed(now);
        let (peer, Some(remote)) = (session.peer, session.remote) else { return };
        let remote = SocketAddr::new(remote.ip().to_canonical(), remote.port());
        if self.shared.remotes.insert(peer, remote) == Some(remote) {
            return;
        }
        let others = self.sessions.values_mut().filter(|other| other.is_admitted());
        others.filter(|other| other.peer != peer).for_each(|other| other.telling.changed(now));
    }

    /// `teller` says where other nodes are.
    pub(crate) fn on_addresses(
        &mut self,
        connection: ConnectionId,
        listed: &[(NodeId, Vec<SocketAddr>)],
    ) {
        if self.is_shut_down || !self.shared.options.learns {
            return;
        }
        let Some(session) = self.sessions.get(&connection) else { return };
        let is_near = session.remote.is_some_and(|at| at.ip().to_canonical().is_loopback());
        let (teller, now) = (session.peer, self.shared.now);
        for (node, addresses) in listed {
            let usable = addresses.iter().filter(|at| at.port() > 0);
            let usable = usable.filter(|at| means_the_same(at.ip(), is_near));
            self.book.learn(*node, teller, &usable.copied().collect::<Vec<_>>(), now);
        }
    }
}

/// Where admitted peers are.
pub(crate) type Remotes = BTreeMap<NodeId, SocketAddr>;

/// True when an address names the same place for two nodes; `is_near` when both are on one machine.
fn means_the_same(ip: IpAddr, is_near: bool) -> bool {
    let is_link_local = match ip {
        IpAddr::V4(ip) => ip.is_link_local() || ip.is_broadcast(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    };
    let is_special = ip.is_unspecified() || ip.is_multicast() || is_link_local;
    !is_special && (is_near || !ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_means_something_else_elsewhere_is_not_told() {
        let told = |text: &str, is_near| means_the_same(text.parse().unwrap(), is_near);
        for ip in ["10.0.0.1", "192.168.7.1", "fd00::1", "2001:db8::1"] {
            assert!(told(ip, false) && told(ip, true));
        }
        for ip in ["169.254.3.4", "fe80::1", "0.0.0.0", "::", "224.0.0.251", "ff02::fb"] {
            assert!(!told(ip, false) && !told(ip, true));
        }
        for ip in ["127.0.0.1", "::1"] {
            assert!(!told(ip, false) && told(ip, true));
        }
    }
}
