//! What one cable does: it is cut, comes and goes, is slow, carries one way only, or small packets.

use super::{
    DIALLED, NOTICED, are_apart, converge, lab, link_all, publish_all, started, until, until_within,
};
use crate::nodes::PATIENCE;
use crate::support::Scratch;
use millpond_tests::netlab::Host;
use std::time::{Duration, Instant};

#[test]
fn two_halves_that_were_cut_off_hold_the_same_after_healing() {
    let scratch = Scratch::new("cut");
    let Some(mut lab) = lab(&scratch) else { return };
    let mut hosts: [Host; 4] = started(&mut lab);
    link_all(&mut hosts);
    publish_all(&mut hosts, 20, 100);
    converge(&mut hosts, PATIENCE);
    let halves = "ip saddr { 10.77.0.3, 10.77.0.4 } drop";
    hosts[0].filter(halves, "");
    hosts[1].filter(halves, "");
    until("the halves see that they are apart", || {
        let (left, right) = hosts.split_at_mut(2);
        left.iter_mut().all(|host| right.iter().all(|other| !host.is_connected(other)))
    });
    publish_all(&mut hosts, 1000, 100);
    hosts[0].filter("", "");
    hosts[1].filter("", "");
    let took = converge(&mut hosts, DIALLED + NOTICED);
    println!("networks: healed after a cut: equal on 4 nodes after {took:?}, dials included");
}

#[test]
fn a_cable_that_comes_and_goes_delays_and_loses_nothing() {
    let scratch = Scratch::new("flap");
    let Some(mut lab) = lab(&scratch) else { return };
    let mut hosts: [Host; 3] = started(&mut lab);
    link_all(&mut hosts);
    for round in 0..4 {
        publish_all(&mut hosts, 100, 100);
        let [first, second, third] = &mut hosts;
        // Shorter and longer than the silence after which a session is given up.
        let gone = Duration::from_millis(if round % 2 == 0 { 500 } else { 4500 });
        second.shell("ip link set eth0 down");
        let down_at = Instant::now();
        second.publish(50, 100);
        until("the cable has been out for a while", || down_at.elapsed() >= gone);
        second.shell("ip link set eth0 up");
        if round == 1 {
            third.kill();
            third.start();
            third.connect(first);
        }
    }
    let took = converge(&mut hosts, DIALLED + NOTICED);
    println!("networks: equal on 3 nodes {took:?} after the last flap");
}

#[test]
fn what_passes_one_way_only_is_no_session_and_heals() {
    let scratch = Scratch::new("one-way");
    let Some(mut lab) = lab(&scratch) else { return };
    let mut hosts: [Host; 2] = started(&mut lab);
    hosts[0].filter("ip saddr 10.77.0.2 drop", "");
    link_all(&mut hosts);
    publish_all(&mut hosts, 200, 100);
    let begun = Instant::now();
    until("nobody has taken it for a session", || {
        assert!(are_apart(&mut hosts), "a session one way");
        begun.elapsed() > Duration::from_secs(6)
    });
    hosts[0].filter("", "");
    let took = converge(&mut hosts, DIALLED);
    println!("networks: equal {took:?} after a one-way link got its other way");
    hosts[1].filter("ip saddr 10.77.0.1 drop", "");
    let took = until_within(NOTICED, "both see that one way is gone", || are_apart(&mut hosts));
    println!("networks: a link that became one-way is given up after {took:?}");
}

#[test]
fn a_slow_cable_is_used_for_most_of_what_it_carries() {
    const KBITS: u64 = 1000;
    let scratch = Scratch::new("slow");
    let Some(mut lab) = lab(&scratch) else { return };
    let mut hosts: [Host; 2] = started(&mut lab);
    for host in &hosts {
        host.shell(&format!(
            "tc qdisc add dev eth0 root tbf rate {KBITS}kbit burst 3000 latency 400ms"
        ));
    }
    hosts[0].publish(1000, 900);
    link_all(&mut hosts);
    let bytes = 1000 * 900;
    let ideal = Duration::from_millis(bytes * 8 / KBITS);
    let [first, second] = &mut hosts;
    until_within(DIALLED, "a session", || first.is_connected(second));
    // Of what it carries at least 0.7, the looks at both stores included.
    let took = converge(&mut hosts, ideal * 10 / 7);
    println!("networks: {bytes} bytes over {KBITS} kbit/s took {took:?}, {ideal:?} at best");
}

#[test]
fn packets_of_1280_bytes_are_enough() {
    let scratch = Scratch::new("mtu");
    let Some(mut lab) = lab(&scratch) else { return };
    let mut hosts: [Host; 2] = started(&mut lab);
    hosts.iter().for_each(|host| drop(host.shell("ip link set eth0 mtu 1280")));
    publish_all(&mut hosts, 500, 100);
    link_all(&mut hosts);
    let took = converge(&mut hosts, DIALLED);
    println!("networks: equal after {took:?} with packets of 1280 bytes");
}

/// QUIC asks for packets of 1,200 bytes that nobody fragments (RFC 9000, section 14).
#[test]
fn an_interface_of_576_bytes_is_no_network_and_does_no_harm() {
    let scratch = Scratch::new("mtu-576");
    let Some(mut lab) = lab(&scratch) else { return };
    let mut hosts: [Host; 2] = started(&mut lab);
    hosts.iter().for_each(|host| drop(host.shell("ip link set eth0 mtu 576")));
    link_all(&mut hosts);
    publish_all(&mut hosts, 500, 100);
    let begun = Instant::now();
    until("nobody has taken it for a session", || {
        assert!(are_apart(&mut hosts), "a session");
        begun.elapsed() > Duration::from_secs(6)
    });
    hosts.iter().for_each(|host| drop(host.shell("ip link set eth0 mtu 1500")));
    let took = converge(&mut hosts, DIALLED);
    println!("networks: equal {took:?} after an interface of 576 bytes got its 1500");
}
