//! Interfaces that come and change, and routers between networks. These tests run alone in network
//! namespaces: each is a machine with a cable to the next.

use super::alone::{again, alone, role, shell};
use super::finding::{on_any_interface, seek};
use super::*;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

const NAMESPACE: &[&str] = &["unshare", "--net"];

/// Waits until `other` is on a network of its own, and gives it one end of a cable.
fn plug(other: &Child, end: &str) {
    let own = std::fs::read_link("/proc/self/ns/net").unwrap();
    let theirs = format!("/proc/{}/ns/net", other.id());
    wait_until("the other machine", || std::fs::read_link(&theirs).is_ok_and(|net| net != own));
    shell(&format!("ip link set {end} netns {}", other.id()));
}

fn wait_for_cable(end: &str) {
    let end = format!("{end}:");
    wait_until("the cable", || {
        std::fs::read_to_string("/proc/self/net/dev").unwrap().contains(&end)
    });
}

/// The next connection that comes about, whatever becomes of others.
fn next_connected(peer: &Peer) -> ConnectionId {
    loop {
        match peer.next() {
            NetEvent::Connected { connection, .. } => return connection,
            NetEvent::Disconnected { .. } => {}
            other => panic!("{other:?}"),
        }
    }
}

/// Sends a frame and waits until it comes back.
fn ask(peer: &Peer, connection: ConnectionId) {
    peer.net.send(connection, Lane::Live, Bytes::from_static(b"are you there?"));
    loop {
        match peer.next() {
            NetEvent::Frame { bytes, .. } => return assert_eq!(&bytes[..], b"are you there?"),
            NetEvent::Disconnected { connection: ended, .. } if ended != connection => {}
            other => panic!("{other:?}"),
        }
    }
}

/// Sends back whatever comes, until a connection is closed with 256.
fn echo(peer: &Peer) {
    loop {
        match peer.next() {
            NetEvent::Frame { connection, bytes, .. } => {
                peer.net.send(connection, Lane::Live, bytes)
            }
            NetEvent::Disconnected { code: Some(256), .. } => return,
            NetEvent::Connected { .. } | NetEvent::Disconnected { .. } => {}
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_node_without_a_cable_meets_others_once_it_has_one_and_when_its_address_changes() {
    let name = "roaming::a_node_without_a_cable_meets_others_once_it_has_one_and_when_its_address_\
                changes";
    if !alone(name, NAMESPACE) {
        return;
    }
    shell("ip link set lo up");
    if role() == "other" {
        let b = on_any_interface(88);
        let (_discovery, _heard) = seek(b.id, 1, b.port(), vec![]);
        wait_for_cable("there");
        shell("ip addr add 10.78.0.2/24 dev there; ip link set there up");
        return echo(&b);
    }
    let a = on_any_interface(87);
    let (_discovery, heard) = seek(a.id, 1, a.port(), vec![]);
    assert!(a.addresses().iter().all(|address| address.ip().is_loopback()));
    let mut other = again(name, NAMESPACE, "other").stdout(Stdio::null()).spawn().unwrap();
    shell("ip link add here type veth peer name there");
    plug(&other, "there");
    shell("ip addr add 10.78.0.1/24 dev here; ip link set here up");
    let at = |last: u8| SocketAddr::from(([10, 78, 0, last], a.port()));
    let begin = Instant::now();
    wait_until("listening at the new address", || a.addresses() == [at(1)]);
    println!("listened {:?} after the address came", begin.elapsed());
    let event = heard.recv_timeout(PATIENCE).unwrap();
    let NetEvent::Discovered { peer, addresses } = event else { panic!("{event:?}") };
    a.net.dial(peer, vec![], addresses.clone());
    let first = next_connected(&a);
    ask(&a, first);
    // The lease ends and the next one is another.
    shell("ip addr del 10.78.0.1/24 dev here; ip addr add 10.78.0.9/24 dev here");
    a.net.dial(peer, vec![], addresses);
    let second = next_connected(&a);
    ask(&a, second);
    assert_eq!(a.addresses(), [at(9)]);
    a.net.close(second, 256, "done");
    assert!(other.wait().unwrap().success());
}

#[test]
fn a_node_that_starts_again_at_the_ports_it_had_listens_at_every_address_again() {
    let name = "roaming::a_node_that_starts_again_at_the_ports_it_had_listens_at_every_address_\
                again";
    if !alone(name, NAMESPACE) {
        return;
    }
    shell("ip link set lo up; ip link add one type veth peer name two; ip link set one up");
    shell("ip addr add 10.83.0.1/24 dev one; ip addr add 10.83.0.2/24 dev one");
    let mut options = TransportOptions::new(NodeKey::from_seed(&[91; 32]));
    let first = Peer::start_with(options.clone());
    let (bound, addresses) = (first.net.bound_addresses(), first.addresses());
    let at = |last: u8| SocketAddr::from(([10, 83, 0, last], first.port()));
    assert!(addresses.contains(&at(1)) && addresses.contains(&at(2)), "{addresses:?}");
    first.net.shutdown(PATIENCE);
    drop(first);
    options.bind = bound.clone();
    let again = Peer::start_with(options.clone());
    assert_eq!((again.net.bound_addresses(), again.addresses()), (bound, addresses));
    // A second node cannot have the same.
    options.node_key = NodeKey::from_seed(&[92; 32]);
    let error = IrohTransport::start(options, Arc::new(|_| {})).err().unwrap();
    assert_eq!(error.reason(), Some("address_unavailable"));
}

/// A machine that only forwards; it ends with its standard input.
fn start_router() -> Child {
    let mut router = Command::new("unshare");
    router.args(["--net", "sh", "-c", "read line"]).stdin(Stdio::piped());
    router.spawn().unwrap()
}

#[test]
fn a_named_address_behind_a_router_is_reached_and_a_discovered_one_is_not_tried() {
    let name = "roaming::a_named_address_behind_a_router_is_reached_and_a_discovered_one_is_not_\
                tried";
    if !alone(name, NAMESPACE) {
        return;
    }
    shell("ip link set lo up");
    if role() == "far" {
        wait_for_cable("far");
        shell(
            "ip addr add 10.82.0.1/24 dev far; ip link set far up
            ip route add default via 10.82.0.254",
        );
        let b = on_any_interface(90);
        println!("port {}", b.port());
        return echo(&b);
    }
    let mut router = start_router();
    let mut far = again(name, NAMESPACE, "far").stdout(Stdio::piped()).spawn().unwrap();
    shell("ip link add near type veth peer name r0; ip link add far type veth peer name r1");
    plug(&router, "r0");
    plug(&router, "r1");
    plug(&far, "far");
    shell(&format!(
        "nsenter --net=/proc/{}/ns/net sh -ec '
            ip addr add 10.81.0.254/24 dev r0; ip link set r0 up
            ip addr add 10.82.0.254/24 dev r1; ip link set r1 up
            echo 1 >/proc/sys/net/ipv4/ip_forward'
        ip addr add 10.81.0.1/24 dev near; ip link set near up
        ip route add default via 10.81.0.254",
        router.id()
    ));
    let mut said = BufReader::new(far.stdout.take().unwrap()).lines().map(Result::unwrap);
    let port = said.find_map(|line| line.split_once("port ")?.1.parse::<u16>().ok());
    let there = SocketAddr::from(([10, 82, 0, 1], port.expect("it says where it listens")));
    let b = NodeKey::from_seed(&[90; 32]).node_id();
    let a = on_any_interface(89);
    a.net.dial(b, vec![], vec![there]);
    let NetEvent::DialFailed { reason, .. } = a.next() else { panic!("it was dialled") };
    assert!(reason.contains("must be named"), "{reason}");
    a.net.dial(b, vec![there], vec![]);
    let connection = next_connected(&a);
    ask(&a, connection);
    a.net.close(connection, 256, "done");
    assert!(far.wait().unwrap().success());
    drop(router.stdin.take());
    router.wait().unwrap();
}
