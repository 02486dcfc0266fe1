//! Who announces nodes that are nowhere: whoever dials one finds somebody else, at once.
//!
//! So a node that keeps to no pace dials without end. Not here: the pace itself (core), liars of
//! other kinds (`hostile`). Begin with `World::lie`. Source: docs/protocol.md, "Connections".

use crate::sim::random::Random;
use crate::sim::world::{Event, World};
use millpond::event::NodeId;
use millpond::sync::Input;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

/// Mean time between two storms of announcements, of all nodes.
const LIES_EVERY: Duration = Duration::from_secs(4);
/// Announcements in a storm, and nodes that are made up.
const MADE_UP: u64 = 64;
/// Ports of nowhere: from this one on, and so many. Machines have lower ones.
const NOWHERE: (u16, u64) = (10_000, 1000);
/// Dials at once of nodes that never had a session …
const DIALS_AT_ONCE: u32 = 32;
/// … and how much later the next one.
const DIAL_PACE: Duration = Duration::from_millis(100);
/// How long it takes until somebody else has answered.
const ANSWERED: Duration = Duration::from_micros(200);

/// True for the addresses of a node that was made up.
pub(super) fn is_nowhere(addresses: &[SocketAddr]) -> bool {
    addresses.first().is_some_and(|address| address.port() >= NOWHERE.0)
}

impl World {
    /// An honest node hears of many nodes that are nowhere, each ever elsewhere.
    pub(super) fn lie(&mut self) {
        if self.is_quiet {
            return;
        }
        let again = self.lie_random.around(LIES_EVERY);
        self.schedule(self.now + again, Event::Lie);
        let node = self.lie_random.below(self.plan.honest as u64) as usize;
        self.figures.faults += 1;
        self.note(node, format_args!("hears of nodes that are nowhere"));
        for number in 0..MADE_UP {
            let mut bytes = [0xaa; 32];
            bytes[..8].copy_from_slice(&Random::new(number).next().to_le_bytes());
            let peer = NodeId::from_bytes(bytes);
            let port = NOWHERE.0 + self.lie_random.below(NOWHERE.1) as u16;
            let addresses = vec![SocketAddr::from((Ipv4Addr::LOCALHOST, port))];
            self.give(node, Input::Discovered { peer, addresses });
        }
    }

    /// `node` dials a node that is nowhere, no faster than it may.
    pub(super) fn dial_nobody(&mut self, node: usize, peer: NodeId) {
        let (now, run) = (self.now, self.nodes[node].run);
        let live = self.nodes[node].live.as_mut().expect("it has just been polled");
        let until = live.nobody_until.max(now);
        live.nobody_until = until + DIAL_PACE;
        if until >= now + DIAL_PACE * DIALS_AT_ONCE {
            self.violated(Some(node), "dials nodes that are nowhere without a pace");
        }
        self.schedule(now + ANSWERED, Event::DialFailed { node, run, peer });
    }
}
