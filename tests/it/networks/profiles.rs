//! The paths of the simulator, with real nodes and real packets: a backlog on all sides, a SIGKILL
//! in the midst, then a partition that heals.

use super::{DIALLED, NOTICED, are_apart, converge, lab, link_all, publish_all};
use super::{until, until_within};
use crate::support::Scratch;
use millpond_tests::netlab::{Ether, Host};
use millpond_tests::sim::link::{LinkProfile, Loss};
use std::time::{Duration, Instant};

/// What an event costs beside its noise: header, tag, signature, frames, packets. Generous.
const EVENT_BYTES: u64 = 150;
/// A bound is this many times what the link would need at 0.7 of its rate.
const FACTOR: u32 = 4;
/// Of one QUIC packet.
const PACKET_BYTES: f64 = 1200.0;

/// What is published in a lab.
struct Load {
    hosts: usize,
    /// By each, at a time.
    events: u64,
    /// Of each.
    bytes: u64,
}

#[test]
fn nodes_on_a_lan_meet() {
    meet("lan", &Load { hosts: 4, events: 2000, bytes: 400 });
}

#[test]
fn nodes_on_the_wifi_of_a_shop_floor_meet() {
    meet("shop_floor", &Load { hosts: 3, events: 150, bytes: 300 });
}

#[test]
fn nodes_on_weak_4g_meet() {
    meet("weak_4g", &Load { hosts: 2, events: 300, bytes: 400 });
}

#[test]
fn nodes_behind_a_satellite_meet() {
    meet("satellite", &Load { hosts: 3, events: 300, bytes: 400 });
}

#[test]
fn nodes_on_an_absurd_path_meet() {
    meet("absurd", &Load { hosts: 2, events: 20, bytes: 200 });
}

#[test]
fn nodes_meet_where_packets_travel_in_pieces_of_576_bytes() {
    meet("mtu_576", &Load { hosts: 3, events: 400, bytes: 400 });
}

/// With MILLPOND_LONG all of those that no other test has, and more than once.
#[test]
fn nodes_meet_on_the_other_paths() {
    meet("good_wifi", &Load { hosts: 3, events: 1000, bytes: 400 });
    if std::env::var_os("MILLPOND_LONG").is_some() {
        meet("congested_wifi", &Load { hosts: 4, events: 1000, bytes: 400 });
        meet("barely", &Load { hosts: 3, events: 300, bytes: 400 });
        meet("shop_floor", &Load { hosts: 4, events: 1000, bytes: 400 });
        meet("weak_4g", &Load { hosts: 4, events: 1000, bytes: 400 });
        meet("satellite", &Load { hosts: 4, events: 1000, bytes: 400 });
        meet("absurd", &Load { hosts: 3, events: 200, bytes: 400 });
    }
}

#[test]
fn nodes_on_a_path_of_one_way_wait_for_the_other() {
    let scratch = Scratch::new("one-way-path");
    let Some((mut hosts, ether)) = on_path(&scratch, "one_way", 2) else { return };
    publish_all(&mut hosts, 200, 100);
    link_all(&mut hosts);
    let begun = Instant::now();
    until("nobody has taken it for a session", || {
        assert!(are_apart(&mut hosts), "a session one way");
        begun.elapsed() > Duration::from_secs(6)
    });
    let carried = ether.carried();
    println!("networks: one_way: nodes that cannot answer each other sent {carried:?} in 6 s");
    ether.change(&named("lan"), 2);
    let took = converge(&mut hosts, DIALLED);
    println!("networks: one_way: equal {took:?} after there were both ways");
}

fn meet(name: &str, load: &Load) {
    let scratch = Scratch::new(name);
    let Some((mut hosts, ether)) = on_path(&scratch, name, load.hosts) else { return };
    publish_all(&mut hosts, load.events, load.bytes);
    link_all(&mut hosts);
    let published = load.events;
    let last = load.hosts - 1;
    let begun = Instant::now();
    until("the last has got something", || hosts[last].held().total > published);
    println!("networks: {name}: the first events came after {:?}", begun.elapsed());
    let order = format!("publish lab {} {}", load.events, load.bytes);
    hosts.iter_mut().for_each(|host| host.order(&order));
    hosts[last].kill();
    hosts[..last].iter_mut().for_each(|host| assert_eq!(host.answer(), "A"));
    hosts[last].start();
    link_all(&mut hosts[last - 1..]);
    let ideal = ideal(name, load, 2);
    let took = converge(&mut hosts, ideal * FACTOR + NOTICED + DIALLED);
    let carried = ether.carried();
    println!("networks: {name}: equal {took:?} after a SIGKILL, at best {ideal:?}; {carried:?}");
    heal(name, load, &mut hosts, &ether);
}

/// Cuts all paths until everybody has noticed, publishes on all sides, and heals.
fn heal(name: &str, load: &Load, hosts: &mut [Host], ether: &Ether) {
    let nothing = Loss { alone: 1.0, ..Loss::default() };
    let cut = named(name).map(|profile| LinkProfile { loss: nothing, ..profile });
    ether.change(&cut, 3);
    until_within(NOTICED, "all see that they are apart", || are_apart(hosts));
    publish_all(hosts, load.events, load.bytes);
    ether.change(&named(name), 4);
    let ideal = ideal(name, load, 1);
    let met = until("the first two have met", || {
        let (before, after) = hosts.split_at_mut(1);
        before[0].is_connected(&after[0])
    });
    let took = met + converge(hosts, ideal * FACTOR + DIALLED);
    println!(
        "networks: {name}: after a partition: a session after {met:?}, equal after {took:?}; at \
         best {ideal:?}"
    );
}

/// Two round trips, and what comes to a host from all others in `batches`, at 0.7 of what the worse
/// direction carries.
fn ideal(name: &str, load: &Load, batches: u64) -> Duration {
    let round_trip: Duration = named(name).iter().map(|way| way.delay + way.jitter).sum();
    let rate = named(name).iter().map(|way| attainable(way, round_trip)).fold(f64::MAX, f64::min);
    let bytes = (load.hosts as u64 - 1) * batches * load.events * (load.bytes + EVENT_BYTES);
    round_trip * 2 + Duration::from_secs_f64(bytes as f64 / (0.7 * rate))
}

/// Bytes a second that one sender gets through who takes each loss for a queue: the rate, or less
/// where packets are lost or overtaken. Source: Mathis and others, "The macroscopic behavior of the
/// TCP congestion avoidance algorithm", 1997.
fn attainable(way: &LinkProfile, round_trip: Duration) -> f64 {
    let rate = way.rate.expect("each has a rate") as f64;
    let troubles = way.loss.alone + way.loss.burst + way.reorder;
    rate.min(1.22 * PACKET_BYTES / (round_trip.as_secs_f64() * troubles.sqrt()))
}

/// Running nodes that are not connected, and the path between them.
fn on_path(scratch: &Scratch, name: &str, count: usize) -> Option<(Vec<Host>, Ether)> {
    on_path_of(scratch, &named(name), count)
}

/// As `on_path`, with a path of this profile.
pub(super) fn on_path_of(
    scratch: &Scratch,
    profile: &[LinkProfile; 2],
    count: usize,
) -> Option<(Vec<Host>, Ether)> {
    let mut lab = lab(scratch)?;
    let mut hosts: Vec<Host> = (0..count).map(|_| lab.bare_host()).collect();
    let ether = match Ether::between(&hosts, profile, 1) {
        Ok(ether) => ether,
        Err(why) => {
            crate::support::skip(&format!("no path with faults can be built: {why}"));
            return None;
        }
    };
    hosts.iter_mut().for_each(Host::start);
    Some((hosts, ether))
}

fn named(name: &str) -> [LinkProfile; 2] {
    LinkProfile::named(name).expect("there is such a profile")
}
