//! What the transport claims, shown over loopback.

#[cfg(target_os = "linux")]
mod alone;
mod bench;
mod bulk;
mod channel;
#[cfg(target_os = "linux")]
mod finding;
#[cfg(target_os = "linux")]
mod roaming;
#[cfg(target_os = "linux")]
mod silence;
mod strangers;

use crate::event::{NodeId, NodeKey};
use crate::net::{ClosedBy, TransportOptions};
use crate::net::{ConnectionId, Credit, EventSink, IrohTransport, NetEvent, Transport};
use crate::sync::Lane;
use bytes::Bytes;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// What every wait of these tests is bounded by.
const PATIENCE: Duration = Duration::from_secs(20);

/// A node with a transport on loopback and an inbox.
struct Peer {
    id: NodeId,
    net: IrohTransport,
    inbox: Receiver<NetEvent>,
}

fn options(seed: u8) -> TransportOptions {
    let mut options = TransportOptions::new(NodeKey::from_seed(&[seed; 32]));
    options.bind = vec![(Ipv4Addr::LOCALHOST, 0).into()];
    options
}

impl Peer {
    fn start(seed: u8) -> Peer {
        Peer::start_with(options(seed))
    }

    fn start_with(options: TransportOptions) -> Peer {
        let (outbox, inbox) = channel();
        let sink: EventSink = Arc::new(move |event| {
            // A test that is over listens no more.
            let _ = outbox.send(event);
        });
        let id = options.node_key.node_id();
        let net = IrohTransport::start(options, sink).unwrap();
        assert_eq!(net.node_id(), id);
        Peer { id, net, inbox }
    }

    fn addresses(&self) -> Vec<SocketAddr> {
        self.net.local_addresses()
    }

    /// The port it listens on for IPv4.
    #[cfg(target_os = "linux")]
    fn port(&self) -> u16 {
        let bound = self.net.bound_addresses();
        bound.iter().find(|address| address.is_ipv4()).expect("IPv4").port()
    }

    /// The next event that is neither `Sent` nor `Heard`.
    fn next(&self) -> NetEvent {
        loop {
            match self.inbox.recv_timeout(PATIENCE).expect("an event in time") {
                NetEvent::Sent { .. } | NetEvent::Heard { .. } => {}
                event => return event,
            }
        }
    }

    fn connected(&self) -> (ConnectionId, NodeId, [u8; 32], bool) {
        match self.next() {
            NetEvent::Connected { connection, peer, binding, dialed, remote } => {
                assert!(!remote.ip().is_unspecified() && remote.port() != 0, "{remote}");
                (connection, peer, binding, dialed)
            }
            other => panic!("expected a connection, got {other:?}"),
        }
    }

    fn frame(&self) -> (Bytes, Credit) {
        match self.next() {
            NetEvent::Frame { bytes, credit, .. } => (bytes, credit),
            other => panic!("expected a frame, got {other:?}"),
        }
    }

    fn disconnected(&self) -> (String, Option<u32>, ClosedBy) {
        match self.next() {
            NetEvent::Disconnected { reason, code, by, .. } => (reason, code, by),
            other => panic!("expected the end, got {other:?}"),
        }
    }
}

/// Connects `a` to `b`; admitted on both sides.
fn connect(a: &Peer, b: &Peer) -> (ConnectionId, ConnectionId) {
    a.net.dial(b.id, b.addresses(), vec![]);
    let (here, ..) = a.connected();
    let (there, ..) = b.connected();
    a.net.admit(here, false);
    b.net.admit(there, false);
    (here, there)
}

fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < until, "not in time: {what}");
        std::thread::yield_now();
    }
}
