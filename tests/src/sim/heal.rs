//! How long a heal takes on a path of a profile, and what of the profile it is that takes it.
//!
//! Three nodes in a row publish while all are apart; then the paths come back. What is timed is as
//! in tests/it/networks/profiles.rs: from then until each has a session with the one before it, and
//! from there until all hold the same, beside two round trips and the backlog at 0.7 of the link.
//! The swarms are real; the carrier stands for QUIC, so what QUIC itself takes shows only beside
//! real networks. Begin with [`play`].

use crate::sim::draw::Plan;
use crate::sim::group::{Publish, Request};
use crate::sim::link::{LinkProfile, Loss};
use crate::sim::random::Random;
use crate::sim::world::World;
use millpond::sync::LinkState;
use std::time::Duration;

const NODES: usize = 3;
const EVENTS: u32 = 150;
const PADDING: u32 = 300;
/// What an event costs beside its padding, as tests/it/networks/profiles.rs counts it.
const EVENT_BYTES: u64 = 150;
const SEEDS: u64 = 100;
const STEP: Duration = Duration::from_millis(20);
const LIMIT: Duration = Duration::from_secs(300);

/// What some heals amounted to.
pub struct Heals {
    /// Their times, in a sentence.
    pub said: String,
    /// How many of them were not done within `LIMIT` and count with it.
    pub given_up: usize,
}

/// Heals of the profile of this name as it is, and of the same without this and that.
///
/// # Errors
/// A sentence: something did not hold, or a heal was given up where nothing is lost.
pub fn play(name: &str) -> Result<Heals, String> {
    let whole = LinkProfile::named(name).ok_or("there is no such profile")?;
    let steady = |way: &LinkProfile| LinkProfile { flap: None, ..way.clone() };
    let apart = |way: &LinkProfile| {
        let in_bursts = way.loss.burst * way.burst_packets();
        let alone = 1.0 - (1.0 - way.loss.alone) / (1.0 + in_bursts);
        LinkProfile { loss: Loss { alone, ..Loss::default() }, ..way.clone() }
    };
    let lossless = |way: &LinkProfile| LinkProfile { loss: Loss::default(), ..way.clone() };
    let variants = [
        ("as it is", whole.clone()),
        ("always there", whole.each_ref().map(steady)),
        ("losses one by one", whole.each_ref().map(apart)),
        ("no losses", whole.each_ref().map(lossless)),
        ("always there, no losses", whole.each_ref().map(|way| lossless(&steady(way)))),
    ];
    let (mut said, mut given_up) = (Vec::new(), 0);
    for (what, profile) in &variants {
        let mut heals = (0..SEEDS)
            .map(|seed| heal(profile, seed))
            .collect::<Result<Vec<_>, String>>()
            .map_err(|why| format!("{what}: {why}"))?;
        let late = heals.iter().filter(|it| it.is_given_up).count();
        if late > 0 && profile.iter().all(|way| way.loss == Loss::default()) {
            return Err(format!("{what}: {late} of {SEEDS} heals were given up"));
        }
        given_up += late;
        let floor = floor(profile);
        let mut sessions: Vec<f64> = heals.iter().map(|it| it.met.as_secs_f64()).collect();
        sessions.sort_by(f64::total_cmp);
        heals.sort_by_key(|it| it.equal);
        let times =
            |part: usize| heals[heals.len() * part / 100].equal.as_secs_f64() / floor.as_secs_f64();
        said.push(format!(
            "{what}: floor {:.2} s, session after {:.1} s (median; p90 {:.1}), equal ÷ floor \
             median {:.1}, p90 {:.1}, most {:.1}, {late} given up",
            floor.as_secs_f64(),
            sessions[sessions.len() / 2],
            sessions[sessions.len() * 9 / 10],
            times(50),
            times(90),
            times(99),
        ));
    }
    Ok(Heals { said: format!("{SEEDS} heals each; {}", said.join("; ")), given_up })
}

/// How long a heal took.
struct Heal {
    /// Until all had sessions.
    met: Duration,
    /// From then until all were equal.
    equal: Duration,
    /// One of the two, or what had to come before, took more than `LIMIT`.
    is_given_up: bool,
}

fn heal(profile: &[LinkProfile; 2], seed: u64) -> Result<Heal, String> {
    let mut random = Random::new(seed);
    let plan = Plan::bare(NODES, profile.clone());
    let mut world = World::new(plan, random.fork(), false, (false, random.fork()));
    world.begin();
    world.publish_everywhere();
    let linked = until(&mut world, |world| world.are_linked() && world.is_settled())?;
    world.cut_all(true);
    let apart = until(&mut world, |world| world.are_apart())?;
    world.publish_everywhere();
    let written = until(&mut world, |world| world.nodes.iter().all(|node| !node.is_writing()))?;
    let after = random.time(Duration::ZERO, Duration::from_secs(20));
    world.run_until(world.now + after, u64::MAX);
    world.cut_all(false);
    let met = until(&mut world, World::are_linked)?;
    let equal = until(&mut world, |world| world.is_settled())?;
    let is_given_up = [linked, apart, written, met, equal].contains(&LIMIT);
    Ok(Heal { met, equal, is_given_up })
}

/// Lets time pass until it is so, `LIMIT` at most; how much.
fn until(world: &mut World, is_so: impl Fn(&World) -> bool) -> Result<Duration, String> {
    let begun = world.now;
    while !is_so(world) {
        if world.now > begun + LIMIT {
            return Ok(LIMIT);
        }
        world.run_until(world.now + STEP, u64::MAX);
        if let Some(violation) = &world.violation {
            return Err(violation.to_string());
        }
    }
    Ok(world.now - begun)
}

fn floor(profile: &[LinkProfile; 2]) -> Duration {
    let carries = |way: &LinkProfile| {
        let in_bursts = way.loss.burst * way.burst_packets();
        let gone = way.flap.map_or(0.0, |flap| flap.gone.as_secs_f64() / flap.every.as_secs_f64());
        let rate = way.rate.expect("each has a rate") as f64;
        rate * (1.0 - way.loss.alone) / (1.0 + in_bursts) * (1.0 - gone)
    };
    let rate = profile.iter().map(carries).fold(f64::MAX, f64::min);
    let round_trip: Duration = profile.iter().map(|way| way.delay + way.jitter).sum();
    let bytes = (NODES as u64 - 1) * u64::from(EVENTS) * (u64::from(PADDING) + EVENT_BYTES);
    round_trip * 2 + Duration::from_secs_f64(bytes as f64 / (0.7 * rate))
}

impl World {
    fn publish_everywhere(&mut self) {
        self.run_until(self.now + Duration::from_secs(3), u64::MAX);
        for node in 0..self.nodes.len() {
            let key = self.next_key;
            self.next_key += 1;
            let publish = Publish { key, count: EVENTS, padding: PADDING, deed: None };
            self.request(node, Request::Append(publish));
        }
    }

    fn cut_all(&mut self, is_cut: bool) {
        let size = self.nodes.len();
        for (from, to) in (0..size).flat_map(|from| (0..size).map(move |to| (from, to))) {
            match is_cut {
                true => self.net.cut(from, to),
                false => self.net.mend(from, to),
            }
        }
    }

    /// True when each has a session with those that it was told to have one with.
    fn are_linked(&self) -> bool {
        self.nodes.iter().all(|node| {
            let status = node.live.as_ref().expect("it runs").swarm.status();
            node.links.iter().all(|to| {
                let peer = status.peers.iter().find(|peer| peer.peer == self.nodes[*to].id);
                peer.is_some_and(|peer| peer.state == LinkState::Connected)
            })
        })
    }

    fn are_apart(&self) -> bool {
        self.nodes.iter().all(|node| {
            let status = node.live.as_ref().expect("it runs").swarm.status();
            status.peers.iter().all(|peer| peer.state != LinkState::Connected)
        })
    }
}
