//! Nothing leaves the local network, no name is asked for, and nothing stays behind.
//!
//! These tests run alone in a network namespace, where every packet can be counted.

use super::alone::{alone, shell};
use super::strangers::Stranger;
use super::*;
use crate::event::SwarmId;
use crate::net::endpoint::ALPN;
use crate::net::{Discovery, DiscoveryOptions};
use std::net::UdpSocket;

const NAMESPACE: &[&str] = &["unshare", "--net"];

/// An interface with a default route behind which nobody is, so that whatever leaves is counted.
const OUTSIDE: &str = "
    ip link set lo up
    ip link add out type veth peer name sink
    for interface in out sink; do
        if [ -e /proc/sys/net/ipv6/conf/$interface/disable_ipv6 ]; then
            echo 1 > /proc/sys/net/ipv6/conf/$interface/disable_ipv6
        fi
        ip link set $interface up
    done
    ip addr add 10.77.0.1/24 dev out
    ip neigh add 10.77.0.2 lladdr 02:00:00:00:00:02 dev out
    ip route add default via 10.77.0.2";

/// Packets sent so far over `interface` of this network.
fn packets_sent(interface: &str) -> u64 {
    let table = std::fs::read_to_string("/proc/self/net/dev").unwrap();
    let row = table.lines().find_map(|line| line.trim().strip_prefix(interface)?.strip_prefix(':'));
    row.expect("the interface").split_whitespace().nth(9).unwrap().parse().unwrap()
}

/// Two nodes with the default options meet, talk, rest and part; one dials a node nobody knows.
fn a_working_day() {
    let peers = [71, 72]
        .map(|seed| Peer::start_with(TransportOptions::new(NodeKey::from_seed(&[seed; 32]))));
    let [a, b] = &peers;
    let port = b.port();
    a.net.dial(b.id, vec![(Ipv4Addr::LOCALHOST, port).into()], vec![]);
    let ((here, ..), (there, ..)) = (a.connected(), b.connected());
    a.net.admit(here, false);
    b.net.admit(there, false);
    for _ in 0..100 {
        a.net.send(here, Lane::Live, Bytes::from_static(b"are you there?"));
        b.net.send(there, Lane::Live, b.frame().0);
        drop(a.frame());
    }
    a.net.dial(NodeKey::from_seed(&[73; 32]).node_id(), vec![], vec![]);
    assert!(matches!(a.next(), NetEvent::DialFailed { .. }));
    // Nothing is to happen now, for as long as nothing happens.
    let quiet = Duration::from_secs(3);
    while let Ok(event) = a.inbox.recv_timeout(quiet) {
        assert!(matches!(event, NetEvent::Sent { .. }), "{event:?}");
    }
    a.net.close(here, 256, "enough for today");
    assert_eq!(b.disconnected().1, Some(256));
    peers.iter().for_each(|peer| peer.net.shutdown(PATIENCE));
}

#[test]
fn no_packet_leaves_the_machine_when_nobody_names_an_address_outside() {
    let name = "silence::no_packet_leaves_the_machine_when_nobody_names_an_address_outside";
    if !alone(name, NAMESPACE) {
        return;
    }
    shell(OUTSIDE);
    let before = packets_sent("out");
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    socket.send_to(b"counted?", "192.0.2.1:9").unwrap();
    assert_eq!(packets_sent("out"), before + 1, "the counter counts");
    let inside = packets_sent("lo");
    a_working_day();
    assert!(packets_sent("lo") > inside + 200, "the nodes did talk");
    assert_eq!(packets_sent("out"), before + 1, "packets left the machine");
}

#[test]
fn no_name_is_asked_for() {
    let name = "silence::no_name_is_asked_for";
    let trace = std::env::temp_dir().join(format!("millpond-trace-{}", std::process::id()));
    let path = trace.to_str().unwrap();
    let wrapper = ["unshare", "--net", "strace", "-f", "-qq", "-e", "trace=%network", "-o", path];
    if alone(name, &wrapper) {
        shell(OUTSIDE);
        return a_working_day();
    }
    let Ok(calls) = std::fs::read_to_string(&trace) else { return };
    std::fs::remove_file(&trace).unwrap();
    assert!(calls.contains("sendmsg") || calls.contains("sendmmsg"), "nothing was traced");
    let asking = |line: &&str| {
        ["htons(53)", "htons(853)", "htons(5353)", "nscd", "systemd/resolve"]
            .iter()
            .any(|sign| line.contains(sign))
    };
    let asked: Vec<&str> = calls.lines().filter(asking).collect();
    assert!(asked.is_empty(), "names were asked for: {asked:#?}");
}

#[test]
fn a_shutdown_leaves_no_thread_and_no_socket() {
    let name = "silence::a_shutdown_leaves_no_thread_and_no_socket";
    if !alone(name, NAMESPACE) {
        return;
    }
    shell("ip link set lo up");
    let count = |what: &str| std::fs::read_dir(format!("/proc/self/{what}")).unwrap().count();
    let before = (count("task"), count("fd"));
    let (a, b) = (Peer::start(74), Peer::start(75));
    let discovery = Discovery::start(
        &DiscoveryOptions {
            swarm: SwarmId::from_bytes([1; 32]),
            node: a.id,
            port: 7001,
            port_v6: None,
            interfaces: vec![],
            any_address: false,
        },
        Arc::new(|_| {}),
    )
    .unwrap();
    let _ends = connect(&a, &b);
    assert!(count("task") >= before.0 + 6, "threads were at work");
    let begin = Instant::now();
    a.net.shutdown(PATIENCE);
    b.net.shutdown(PATIENCE);
    discovery.shutdown(PATIENCE);
    println!("shutdown of two transports and a discovery took {:?}", begin.elapsed());
    drop((a, b, discovery));
    wait_until("threads and sockets are gone", || (count("task"), count("fd")) == before);
}

#[test]
fn a_peer_cannot_make_us_send_beyond_the_networks_we_are_on() {
    let name = "silence::a_peer_cannot_make_us_send_beyond_the_networks_we_are_on";
    if !alone(name, NAMESPACE) {
        return;
    }
    shell(OUTSIDE);
    let here = SocketAddr::from(([10, 77, 0, 1], 0));
    let elsewhere = SocketAddr::from(([192, 0, 2, 55], 9));
    for (seed, bind) in [(76, None), (78, Some(here))] {
        let mut options = TransportOptions::new(NodeKey::from_seed(&[seed; 32]));
        options.bind = bind.map_or(options.bind, |bind| vec![bind]);
        let peer = Peer::start_with(options);
        let before = packets_sent("out");
        // It says that it can also be reached elsewhere, and will be asked there.
        let liar = Stranger::start_with(seed + 1, here, Some(elsewhere));
        peer.net.dial(liar.id(), liar.endpoint.bound_sockets(), vec![]);
        let connection = liar.accept();
        let (link, ..) = peer.connected();
        peer.net.admit(link, false);
        let dialled = liar.dial(&peer, ALPN).unwrap();
        // Somebody announces that it is elsewhere.
        peer.net.dial(NodeKey::from_seed(&[99; 32]).node_id(), vec![], vec![elsewhere]);
        let next = || peer.inbox.recv_timeout(Duration::from_secs(3)).ok();
        let events: Vec<NetEvent> = std::iter::from_fn(next).collect();
        let refused = events.iter().filter_map(|event| match event {
            NetEvent::DialFailed { reason, .. } => Some(reason),
            _ => None,
        });
        let refused: Vec<&String> = refused.collect();
        assert!(refused.len() == 1 && refused[0].contains("our networks"), "{events:?}");
        assert_eq!(packets_sent("out"), before, "packets left the network");
        // What a person names is dialled, wherever it is.
        peer.net.dial(NodeKey::from_seed(&[99; 32]).node_id(), vec![elsewhere], vec![]);
        wait_until("a packet to what was named", || packets_sent("out") > before);
        drop((connection, dialled));
    }
}
