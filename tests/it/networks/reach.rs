//! Who finds whom: changed addresses, no multicast, and networks that only one node is in.

use super::{DIALLED, converge, lab, link_all, publish_all, started, until, until_within};
use crate::nodes::PATIENCE;
use crate::support::Scratch;
use millpond_tests::netlab::{Host, MULTICAST};
use std::time::{Duration, Instant};

/// How long a session may be interrupted by a changed address.
const ROAMING_MAX: Duration = Duration::from_secs(2);

#[test]
fn who_changes_the_address_and_had_dialled_goes_on() {
    roam(1, 0);
}

#[test]
fn who_changes_the_address_and_had_been_dialled_goes_on() {
    roam(0, 1);
}

/// Host `from` has dialled host `to`; host 1 gets another address, as a radio does that roams.
fn roam(from: usize, to: usize) {
    let scratch = Scratch::new("roaming");
    let Some(mut lab) = lab(&scratch) else { return };
    let mut hosts: [Host; 2] = started(&mut lab);
    let address = format!("10.77.0.{}", hosts[to].number());
    let (first, second) = hosts.split_at_mut(1);
    match from {
        0 => first[0].connect_at(&second[0], &address),
        _ => second[0].connect_at(&first[0], &address),
    }
    publish_all(&mut hosts, 100, 100);
    converge(&mut hosts, PATIENCE);
    let [first, second] = &mut hosts;
    second.shell("ip addr del 10.77.0.2/24 dev eth0; ip addr add 10.77.0.52/24 dev eth0");
    let changed = Instant::now();
    first.publish(1, 8);
    second.publish(1, 8);
    until_within(DIALLED, "what was published at the new address arrives", || {
        first.held().map == second.held().map
    });
    let took = changed.elapsed();
    let kept = second.peer(first).is_some_and(|peer| peer.connected_for > took);
    let not = if from == 1 { "" } else { " not" };
    let verb = if kept { "kept" } else { "resumed" };
    println!("networks: who had{not} dialled moved: {verb}, both ways after {took:?}");
    assert!(took <= ROAMING_MAX, "it took {took:?}");
}

#[test]
fn nodes_find_each_other_by_multicast_also_late_ones() {
    let scratch = Scratch::new("multicast");
    let Some(mut lab) = lab(&scratch) else { return };
    let mut hosts: [Host; 3] = std::array::from_fn(|_| lab.host(&[0]).discovers());
    let begun = Instant::now();
    hosts[..2].iter_mut().for_each(Host::start);
    publish_all(&mut hosts[..2], 100, 100);
    converge(&mut hosts[..2], PATIENCE);
    println!("networks: two nodes found each other and were equal after {:?}", begun.elapsed());
    hosts[2].start();
    let took = converge(&mut hosts, PATIENCE);
    println!("networks: a third found them and was equal after {took:?}");
}

#[test]
fn without_multicast_named_and_learned_peers_are_reached() {
    let scratch = Scratch::new("no-multicast");
    let Some(mut lab) = lab(&scratch) else { return };
    let mut hosts: [Host; 3] = std::array::from_fn(|_| {
        let mut host = lab.host(&[0]).discovers();
        host.filter("", MULTICAST);
        host.start();
        host
    });
    publish_all(&mut hosts, 100, 100);
    let begun = Instant::now();
    until("nobody is found by multicast", || {
        assert!(hosts.iter_mut().all(|host| host.peers().is_empty()), "somebody was found");
        begun.elapsed() > Duration::from_secs(3)
    });
    link_all(&mut hosts);
    let took = converge(&mut hosts, DIALLED);
    println!("networks: without multicast: equal {took:?} after a chain was named");
    let [first, middle, last] = &mut hosts;
    let took = until_within(DIALLED, "the ends learn of each other", || first.is_connected(last));
    println!("networks: the ends of the chain found each other {took:?} later");
    middle.kill();
    first.publish(10, 10);
    let took = until_within(PATIENCE, "they go on without the middle", || {
        first.held().map == last.held().map
    });
    println!("networks: and were equal {took:?} after the middle was killed");
    // It comes back and dials nobody: one had dialled it, one was dialled by it.
    hosts[1].start();
    let took = converge(&mut hosts, DIALLED);
    println!("networks: equal {took:?} after the middle of the chain came back");
}

/// A tablet in two networks, for instance, that is never in both, and whom nobody can dial.
#[test]
fn a_node_that_only_dials_carries_events_between_networks_that_are_apart() {
    const OUTBOUND: &str = "oif lo accept
        ct state established,related accept
        meta l4proto udp counter name a drop";
    let scratch = Scratch::new("carrier");
    let Some(mut lab) = lab(&scratch) else { return };
    let mut hosts = [lab.host(&[0]), lab.host(&[1]), lab.host(&[0, 1])];
    let [left, right, carrier] = &mut hosts;
    carrier.filter(&OUTBOUND.replace("oif", "iif"), "");
    for host in [&mut *left, &mut *right, &mut *carrier] {
        host.start();
        host.publish(200, 100);
    }
    carrier.shell("ip link set eth1 down");
    carrier.connect_at(left, "10.77.0.1");
    carrier.connect_at(right, "10.77.1.2");
    until("it has what is left", || {
        let (here, there) = (carrier.held(), left.held());
        here.total == 400 && here.map == there.map
    });
    carrier.shell("ip link set eth0 down; ip link set eth1 up");
    let took = until_within(DIALLED, "it is carried to the right", || right.held().total == 600);
    println!("networks: carried to the other network {took:?} after coming there");
    assert!(!left.is_connected(right) && left.held().total == 400, "the left heard of the right");
    carrier.shell("ip link set eth1 down; ip link set eth0 up");
    let took = converge(&mut hosts, DIALLED);
    println!("networks: and back {took:?} after coming back");
}
