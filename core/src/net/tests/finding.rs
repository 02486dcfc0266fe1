//! Nodes find each other by multicast. These tests run alone in namespaces, so that no machine
//! around hears them.

use super::alone::{again, alone, role, shell};
use super::*;
use crate::event::SwarmId;
use crate::net::{Discovery, DiscoveryOptions};
use std::net::IpAddr;

const NAMESPACE: &[&str] = &["unshare", "--net"];

pub(super) fn seek(
    node: NodeId,
    swarm: u8,
    port: u16,
    interfaces: Vec<IpAddr>,
) -> (Discovery, Receiver<NetEvent>) {
    let (outbox, inbox) = channel();
    let swarm = SwarmId::from_bytes([swarm; 32]);
    let options =
        DiscoveryOptions { swarm, node, port, port_v6: None, interfaces, any_address: false };
    let sink: EventSink = Arc::new(move |event| {
        // A test that is over listens no more.
        let _ = outbox.send(event);
    });
    (Discovery::start(&options, sink).unwrap(), inbox)
}

#[test]
fn nodes_of_one_swarm_find_each_other_and_no_others() {
    if !alone("finding::nodes_of_one_swarm_find_each_other_and_no_others", NAMESPACE) {
        return;
    }
    shell("ip link set lo up");
    let local = || vec![Ipv4Addr::LOCALHOST.into()];
    let [a, b, c] = [81, 82, 83].map(|seed| NodeKey::from_seed(&[seed; 32]).node_id());
    let (_a, heard_by_a) = seek(a, 1, 7001, local());
    let (discovery_b, heard_by_b) = seek(b, 1, 7002, local());
    let (_c, heard_by_c) = seek(c, 2, 7003, local());
    for (inbox, wanted, port) in [(&heard_by_a, b, 7002), (&heard_by_b, a, 7001)] {
        let event = inbox.recv_timeout(PATIENCE).unwrap();
        let NetEvent::Discovered { peer, addresses } = event else { panic!("{event:?}") };
        assert_eq!(peer, wanted);
        assert_eq!(addresses, [SocketAddr::from(([127, 0, 0, 1], port))]);
    }
    discovery_b.shutdown(Duration::from_secs(2));
    loop {
        match heard_by_a.recv_timeout(PATIENCE).unwrap() {
            NetEvent::Lost { peer } if peer == b => break,
            NetEvent::Discovered { peer, .. } => assert_eq!(peer, b),
            other => panic!("{other:?}"),
        }
    }
    assert!(heard_by_c.try_recv().is_err(), "another swarm hears nothing");
}

#[test]
fn two_machines_on_a_network_without_a_way_out_find_each_other_and_talk() {
    let name = "finding::two_machines_on_a_network_without_a_way_out_find_each_other_and_talk";
    if !alone(name, NAMESPACE) {
        return;
    }
    if role() == "other" {
        return the_other_machine();
    }
    shell("ip link set lo up; ip link add here type veth peer name there");
    let mut other = again(name, NAMESPACE, "other").spawn().unwrap();
    let own = std::fs::read_link("/proc/self/ns/net").unwrap();
    let theirs = format!("/proc/{}/ns/net", other.id());
    wait_until("the other machine", || std::fs::read_link(&theirs).is_ok_and(|net| net != own));
    shell(&format!(
        "ip link set there netns {}; ip addr add 10.78.0.1/24 dev here; ip link set here up",
        other.id()
    ));
    let begin = Instant::now();
    let a = on_any_interface(84);
    assert_eq!(a.addresses(), [SocketAddr::from(([10, 78, 0, 1], a.port()))]);
    let (_discovery, heard) = seek(a.id, 1, a.port(), vec![]);
    let event = heard.recv_timeout(PATIENCE).unwrap();
    let NetEvent::Discovered { peer, addresses } = event else { panic!("{event:?}") };
    println!("found {addresses:?} after {:?}", begin.elapsed());
    assert!(addresses.iter().all(|address| address.ip() == IpAddr::from([10, 78, 0, 2])));
    a.net.dial(peer, vec![], addresses);
    let NetEvent::Connected { connection, .. } = a.next() else { panic!("connected") };
    a.net.send(connection, Lane::Live, Bytes::from_static(b"hello over there"));
    assert_eq!(&a.frame().0[..], b"hello over there");
    a.net.close(connection, 256, "done");
    assert!(other.wait().unwrap().success());
}

fn the_other_machine() {
    wait_until("the cable", || {
        std::fs::read_to_string("/proc/self/net/dev").unwrap().contains("there:")
    });
    shell("ip link set lo up; ip addr add 10.78.0.2/24 dev there; ip link set there up");
    let b = on_any_interface(85);
    let (_discovery, _heard) = seek(b.id, 1, b.port(), vec![]);
    let NetEvent::Connected { connection, .. } = b.next() else { panic!("connected") };
    b.net.send(connection, Lane::Live, b.frame().0);
    assert_eq!(b.disconnected().1, Some(256));
}

pub(super) fn on_any_interface(seed: u8) -> Peer {
    Peer::start_with(TransportOptions::new(NodeKey::from_seed(&[seed; 32])))
}
