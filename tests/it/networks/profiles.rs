//! The paths of the simulator, with real nodes and real packets: a backlog on all sides, a SIGKILL
//! in the midst, then a partition that heals.
//!
//! The floor is that all hold the same two round trips and the backlog at 0.7 of the link after
//! they can talk again: once a session stands, since nobody can know before that they can. Each
//! path says how many times that it is given; docs/performance.md says what was measured.

use super::{DIALLED, NOTICED, NOTICED_FAR, are_apart, converge, lab, link_all, publish_all};
use super::{until, until_within};
use crate::support::Scratch;
use millpond_tests::netlab::{Ether, Host};
use millpond_tests::sim::link::{LinkProfile, Loss};
use std::time::{Duration, Instant};

/// What an event costs beside its noise: header, tag, signature, frames, packets. Generous.
const EVENT_BYTES: u64 = 150;
/// What the machine takes for it beside the link.
const MACHINE: Duration = Duration::from_secs(1);

/// What is published in a lab.
struct Load {
    hosts: usize,
    /// By each, at a time.
    events: u64,
    /// Of each.
    bytes: u64,
    /// How many times the floor a heal may take.
    times: f64,
}

#[test]
fn nodes_on_a_lan_meet() {
    meet("lan", &Load { hosts: 4, events: 2000, bytes: 400, times: 1.0 });
}

#[test]
fn nodes_on_the_wifi_of_a_shop_floor_meet() {
    meet("shop_floor", &Load { hosts: 3, events: 150, bytes: 300, times: 30.0 });
}

#[test]
fn nodes_on_weak_4g_meet() {
    meet("weak_4g", &Load { hosts: 2, events: 300, bytes: 400, times: 2.0 });
}

#[test]
fn nodes_behind_a_satellite_meet() {
    meet("satellite", &Load { hosts: 3, events: 300, bytes: 400, times: 3.0 });
}

#[test]
fn nodes_meet_where_packets_travel_in_pieces_of_576_bytes() {
    meet("mtu_576", &Load { hosts: 3, events: 400, bytes: 400, times: 1.0 });
}

/// With MILLPOND_LONG all of those that no other test has, and more than once.
#[test]
fn nodes_meet_on_the_other_paths() {
    meet("good_wifi", &Load { hosts: 3, events: 1000, bytes: 400, times: 1.0 });
    if std::env::var_os("MILLPOND_LONG").is_some() {
        meet("congested_wifi", &Load { hosts: 4, events: 1000, bytes: 400, times: 9.0 });
        meet("barely", &Load { hosts: 3, events: 300, bytes: 400, times: 9.0 });
        meet("shop_floor", &Load { hosts: 4, events: 1000, bytes: 400, times: 30.0 });
        meet("weak_4g", &Load { hosts: 4, events: 1000, bytes: 400, times: 9.0 });
        meet("satellite", &Load { hosts: 4, events: 1000, bytes: 400, times: 9.0 });
        meet("absurd", &Load { hosts: 2, events: 20, bytes: 200, times: 9.0 });
        meet("absurd", &Load { hosts: 3, events: 200, bytes: 400, times: 9.0 });
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
    // Both batches of all others, as if nothing had come before the end.
    all_hold_the_same(name, load, 2, &mut hosts, "a SIGKILL");
    println!("networks: {name}: carried {:?}", ether.carried());
    heal(name, load, &mut hosts, &ether);
}

/// Cuts all paths until everybody has noticed, publishes on all sides, and heals.
fn heal(name: &str, load: &Load, hosts: &mut [Host], ether: &Ether) {
    let nothing = Loss { alone: 1.0, ..Loss::default() };
    let cut = named(name).map(|profile| LinkProfile { loss: nothing, ..profile });
    ether.change(&cut, 3);
    // The last question may have waited for the path to come back.
    let gone = named(name)[0].flap.map_or(Duration::ZERO, |flap| flap.gone);
    let is_far = round_trip(name) + gone > Duration::from_millis(600);
    let limit = if is_far { NOTICED_FAR } else { NOTICED };
    let took = until_within(limit, "all see that they are apart", || are_apart(hosts));
    println!("networks: {name}: a cut was noticed after {took:?}");
    publish_all(hosts, load.events, load.bytes);
    ether.change(&named(name), 4);
    all_hold_the_same(name, load, 1, hosts, "a partition");
}

/// Waits until each has had a session with the one before it, as the last one to start or to come
/// back says, then until all hold the same: that is what the floor is about.
fn all_hold_the_same(name: &str, load: &Load, batches: u64, hosts: &mut [Host], after: &str) {
    let met = until_within(NOTICED_FAR + DIALLED, "all have met", || {
        (1..hosts.len()).all(|index| {
            let (before, after) = hosts.split_at_mut(index);
            after[0].is_connected(&before[index - 1])
        })
    });
    let floor = floor(name, load, batches);
    let took = converge(hosts, floor.mul_f64(load.times) + MACHINE);
    println!(
        "networks: {name}: after {after}: sessions after {met:?}, equal {took:?} later, {:.2} of \
         the floor of {floor:?}",
        took.as_secs_f64() / floor.as_secs_f64()
    );
}

/// Two round trips, and what comes to a host from all others in `batches`, at 0.7 of what the worse
/// direction carries.
fn floor(name: &str, load: &Load, batches: u64) -> Duration {
    let rate = named(name).iter().map(carries).fold(f64::MAX, f64::min);
    let bytes = (load.hosts as u64 - 1) * batches * load.events * (load.bytes + EVENT_BYTES);
    round_trip(name) * 2 + Duration::from_secs_f64(bytes as f64 / (0.7 * rate))
}

/// The longest without a queue.
fn round_trip(name: &str) -> Duration {
    named(name).iter().map(|way| way.delay + way.jitter).sum()
}

/// Bytes a second that arrive of a full link: what it does not lose, while it is there.
fn carries(way: &LinkProfile) -> f64 {
    let in_bursts = way.loss.burst * way.burst_packets();
    let arrive = (1.0 - way.loss.alone) / (1.0 + in_bursts);
    let gone = way.flap.map_or(0.0, |flap| flap.gone.as_secs_f64() / flap.every.as_secs_f64());
    way.rate.expect("each has a rate") as f64 * arrive * (1.0 - gone)
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
