//! What goes over a cable: when all is quiet, when two meet again that have nothing new, and where
//! none of it may go.

use super::{DIALLED, NOTICED, are_apart, converge, lab, link_all, publish_all, started};
use super::{until, until_within};
use crate::nodes::PATIENCE;
use crate::support::Scratch;
use millpond_tests::netlab::{Host, PORT};
use std::time::{Duration, Instant};

/// For a reconnect, in frames.
const RECONNECT_BYTES_MAX: u64 = 1024;
/// For each stream that grew meanwhile, beside its events.
const STREAM_BYTES_MAX: u64 = 200;
/// What an event of this test takes itself: its record.
const EVENT_BYTES: u64 = 150;
/// Of IP, in both directions together, on a link on which nothing happens.
const IDLE_BYTES_PER_SECOND_MAX: u64 = 100;
const IDLE: Duration = Duration::from_secs(20);
const CALM: Duration = Duration::from_secs(8);

/// Counts what a host and its peers say to each other over the cable: `a` what comes, `b` what
/// goes.
fn count(host: &Host) {
    let rule = |way, counter| format!("{way} eth0 udp sport {PORT} counter name {counter}");
    host.filter(&rule("iif", "a"), &rule("oif", "b"));
}

/// Lets nothing of that pass.
fn cut(host: &Host) {
    let rule = format!("udp sport {PORT} drop");
    host.filter(&rule, &rule);
}

#[test]
fn a_reconnect_with_nothing_new_costs_little() {
    let scratch = Scratch::new("reconnect");
    let Some(mut lab) = lab(&scratch) else { return };
    let mut hosts: [Host; 2] = started(&mut lab);
    link_all(&mut hosts);
    publish_all(&mut hosts, 500, 100);
    converge(&mut hosts, PATIENCE);
    for grown in [0, 1, 2] {
        cut(&hosts[0]);
        until_within(NOTICED, "both see that they are apart", || are_apart(&mut hosts));
        hosts[..grown].iter_mut().for_each(|host| host.publish(1, 8));
        count(&hosts[0]);
        let [first, second] = &mut hosts;
        until_within(DIALLED, "a session", || first.is_connected(second));
        let (frames, took) = settled(first, second);
        let ip = first.counted("a").1 + first.counted("b").1;
        println!(
            "networks: a reconnect with {grown} grown streams: {frames} bytes of frames, {ip} of \
             IP, within {took:?}"
        );
        let most = RECONNECT_BYTES_MAX + grown as u64 * (STREAM_BYTES_MAX + EVENT_BYTES);
        assert!(frames <= most, "{frames} bytes of frames; the most is {most}");
        converge(&mut hosts, PATIENCE);
    }
}

/// Bytes of frames of the session between two once they know the same, and how long it took.
fn settled(first: &mut Host, second: &mut Host) -> (u64, Duration) {
    let took = until("they hold the same", || first.held().map == second.held().map);
    // Acknowledgements wait for company, 50 ms (docs/protocol.md).
    pass(Duration::from_millis(200));
    let peer = first.peer(second).expect("it is a peer");
    (peer.bytes_in + peer.bytes_out, took)
}

/// What is measured is a time, so there is nothing else to wait for.
fn pass(time: Duration) {
    let begun = Instant::now();
    until("a time has passed", || begun.elapsed() >= time);
}

#[test]
fn a_link_on_which_nothing_happens_is_quiet() {
    let scratch = Scratch::new("idle");
    let Some(mut lab) = lab(&scratch) else { return };
    let mut hosts: [Host; 2] = started(&mut lab);
    link_all(&mut hosts);
    publish_all(&mut hosts, 500, 100);
    converge(&mut hosts, PATIENCE);
    let [first, second] = &mut hosts;
    settled(first, second);
    // Questions become rarer, and the QUIC library stops looking for other paths.
    pass(CALM);
    let before = first.peer(second).expect("it is a peer");
    count(first);
    // What is measured is time in which nothing happens.
    pass(IDLE);
    let after = first.peer(second).expect("it is a peer");
    let (incoming, outgoing) = (first.counted("a"), first.counted("b"));
    assert!(after.connected_for >= IDLE, "it was one session throughout");
    let frames = after.bytes_in + after.bytes_out - before.bytes_in - before.bytes_out;
    let seconds = IDLE.as_secs();
    println!(
        "networks: a quiet link: {:.1} bytes of frames a second, of IP {} in and {} out, in {} \
         packets",
        frames as f64 / seconds as f64,
        incoming.1 / seconds,
        outgoing.1 / seconds,
        (incoming.0 + outgoing.0) as f64 / seconds as f64
    );
    let bytes = incoming.1 + outgoing.1;
    assert!(bytes <= IDLE_BYTES_PER_SECOND_MAX * seconds, "{bytes} bytes in {IDLE:?}");
}

#[test]
fn no_packet_goes_beyond_the_networks_of_the_nodes() {
    /// What the lab is: its addresses, the group of mDNS, and what systems say by themselves.
    const INSIDE: &str = "oif lo accept
        ip daddr 10.77.0.0/16 accept
        ip daddr 224.0.0.251 udp dport 5353 accept
        ip daddr 224.0.0.22 accept
        ip6 daddr fe80::/10 accept
        ip6 daddr ff02::fb udp dport 5353 accept
        ip6 daddr ff02::/16 meta l4proto ipv6-icmp accept
        counter name c";
    let scratch = Scratch::new("outside");
    let Some(mut lab) = lab(&scratch) else { return };
    let mut hosts: [Host; 3] = std::array::from_fn(|_| lab.host(&[0]).discovers());
    for host in &mut hosts {
        host.filter("", INSIDE);
        host.start();
    }
    publish_all(&mut hosts, 200, 100);
    converge(&mut hosts, PATIENCE);
    // Dials into the void, and a peer that comes back.
    hosts[2].kill();
    publish_all(&mut hosts[..2], 200, 100);
    hosts[2].start();
    converge(&mut hosts, PATIENCE);
    for host in &hosts {
        let (packets, bytes) = host.counted("c");
        assert_eq!(packets, 0, "{packets} packets ({bytes} bytes) went out of the lab");
    }
    hosts[0].shell("bash -c 'echo counted >/dev/udp/192.0.2.1/9'");
    assert_eq!(hosts[0].counted("c").0, 1, "the counter counts");
}
