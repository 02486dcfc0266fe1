//! What large swarms must keep to, each as a scene that is played and says what it measured.
//!
//! Begin with [`SCENES`].

use crate::sim::mesh::world::World;
use std::collections::BTreeSet;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
/// Events received for each event needed.
const REDUNDANCY_MAX: f64 = 1.2;
/// Sessions of a node on average, and what a publish puts out on average over its authors.
const DEGREE_MEAN_MAX: f64 = 12.5;
/// Sessions of each node, or all others where there are fewer.
const DEGREE_MIN: usize = 7;
/// Peers that a node takes at all.
const PEERS_MAX: usize = 64;
/// Nodes that publish in a crowd.
const AUTHORS: usize = 10;

/// One scene: its name, and what plays it.
pub struct Scene {
    /// A claim.
    pub name: &'static str,
    /// What was measured, or what did not hold.
    pub play: fn() -> Outcome,
    /// Too long to be played in each run.
    pub is_long: bool,
}

/// What was measured, or what did not hold.
pub type Outcome = Result<String, String>;

/// All of them.
pub const SCENES: &[Scene] = &[
    scene("each event crosses each of 50 nodes about once", || redundancy(false)),
    scene("and while nodes come and go", || redundancy(true)),
    scene("ten nodes that find each other", || crowd(10, 9)),
    scene("a hundred nodes that find each other", || crowd(100, 99)),
    scene("a thousand nodes that find 64 each", || crowd(1000, 64)),
    Scene { is_long: true, ..scene("a thousand nodes that find each other", || crowd(1000, 999)) },
    scene("two parts that are full in themselves meet", islands),
    scene("who knows one peer comes to the degree", late_comer),
    scene("two that know the same peer go on without it", go_between),
    scene("an idle node with 10,000 streams is as idle as with 10", idle),
];

const fn scene(name: &'static str, play: fn() -> Outcome) -> Scene {
    Scene { name, play, is_long: false }
}

/// 50 nodes, of which 20 publish for a minute; with `churn` five of the others are killed and come
/// back.
pub fn redundancy(churn: bool) -> Outcome {
    let mut world = found(World::new(1, 50), 49);
    world.run(20 * SECOND);
    (world.received, world.stored) = (0, 0);
    let end = world.now + 60 * SECOND;
    let mut next: Vec<Duration> =
        (0..20).map(|_| world.now + world.random.time(Duration::ZERO, SECOND)).collect();
    let mut churns: Vec<(Duration, usize, bool)> = Vec::new();
    for turn in (0..5).filter(|_| churn) {
        let at = world.now + 10 * SECOND * (turn as u32 + 1);
        churns.extend([(at, 30 + turn, false), (at + 5 * SECOND, 30 + turn, true)]);
    }
    churns.sort();
    let mut churns = churns.into_iter().peekable();
    while world.now < end {
        let author = (0..20).min_by_key(|author| next[*author]).expect("there are twenty");
        while let Some((at, node, is_back)) = churns.next_if(|churn| churn.0 <= next[author]) {
            world.run(at);
            if is_back { come(&mut world, node, 49) } else { world.kill(node) }
        }
        world.run(next[author]);
        world.publish(author);
        next[author] += world.random.time(SECOND / 2, SECOND * 3 / 2);
    }
    let is_same = world.run_until(end + 20 * SECOND, all_hold_the_same);
    let redundancy = world.received as f64 / world.stored as f64;
    let events = world.nodes[0].log.event_count;
    let said = format!(
        "{events} events, {} needed, {} received: redundancy {redundancy:.3}",
        world.stored, world.received
    );
    check(is_same, || format!("not all hold the same; {said}"))?;
    check(redundancy <= REDUNDANCY_MAX, || said.clone())?;
    Ok(said)
}

/// `count` nodes start within five seconds, each discovers `known` others, and come to one mesh.
pub fn crowd(count: usize, known: usize) -> Outcome {
    let mut world = found(World::new(count as u64, count), known);
    let is_one = world.run_until(60 * SECOND, |world| component(world, 0).len() == count);
    check(is_one, || format!("{} are connected", component(&world, 0).len()))?;
    let after = world.now.as_secs_f64();
    world.run(world.now + 30 * SECOND);
    let degrees: Vec<usize> = world.nodes.iter().map(|node| node.peers.len()).collect();
    let mean = degrees.iter().sum::<usize>() as f64 / count as f64;
    let least = *degrees.iter().min().expect("there are nodes");
    let most = degrees.iter().max().expect("there are nodes");
    let mut said = format!(
        "one mesh after {after:.1} s; sessions {least} to {most}, {mean:.1} on average, {} at most \
         ever",
        world.degree_max
    );
    let is_bounded = least >= DEGREE_MIN.min(count - 1) && world.degree_max <= PEERS_MAX;
    check(is_bounded && mean <= DEGREE_MEAN_MAX, || said.clone())?;
    check(component(&world, 0).len() == count, || format!("it fell apart; {said}"))?;
    let (mut slowest, mut ratios, mut frames) = (Duration::ZERO, Vec::new(), Vec::new());
    // The first of an author's events shows who needs which links, its tenth goes by those alone.
    let authors = (0..AUTHORS).map(|turn| turn * count / AUTHORS);
    for (number, author) in (1..).zip(std::iter::repeat_n(0, 10).chain(authors)) {
        let before = world.nodes[author].peers.len();
        let (took, ratio) = publish(&mut world, author, number)
            .ok_or_else(|| format!("event {number} is not everywhere; {said}"))?;
        slowest = slowest.max(took);
        ratios.push(ratio);
        // Some may go or come while it is on its way.
        let (out, degree) = (world.last_publish, before.max(world.nodes[author].peers.len()));
        let what = || format!("a publish of node {author} puts out {out:?} to {degree}; {said}");
        check(out.frames <= degree && out.outputs <= 2 * degree, what)?;
        frames.push(out.frames);
    }
    let of_authors = &frames[10..];
    let mean = of_authors.iter().sum::<usize>() as f64 / AUTHORS as f64;
    said.push_str(&format!(
        "; a publish puts out {} frames at the oldest node, {mean:.1} on average over {AUTHORS} \
         ({of_authors:?}), is everywhere within {slowest:?}; redundancy of a node's first event \
         {:.2}, of its tenth {:.2}",
        frames[9], ratios[0], ratios[9]
    ));
    check(mean <= DEGREE_MEAN_MAX, || said.clone())?;
    Ok(said)
}

/// `author` publishes what is event `number` of the world: how long until it is everywhere, and
/// how many were received for each one needed. Nothing when it is not everywhere within 5 s.
fn publish(world: &mut World, author: usize, number: u64) -> Option<(Duration, f64)> {
    (world.received, world.stored) = (0, 0);
    let begun = world.now;
    world.publish(author);
    let mut is_there = false;
    while !is_there && world.now < begun + 5 * SECOND {
        world.run(world.now + Duration::from_millis(5));
        is_there = world.nodes.iter().all(|node| node.log.event_count == number);
    }
    let took = world.now - begun;
    world.run(world.now + 2 * SECOND);
    is_there.then(|| (took, world.received as f64 / world.stored as f64))
}

/// Two parts of 20 nodes, which know of each other and are apart for twenty minutes.
pub fn islands() -> Outcome {
    let mut world = World::new(3, 40);
    for node in 0..40 {
        world.nodes[node].side = u8::from(node >= 20);
    }
    let mut world = found(world, 39);
    world.run(20 * 60 * SECOND);
    check(component(&world, 0).len() == 20, || "a part is not one mesh".to_owned())?;
    world.nodes.iter_mut().for_each(|node| node.side = 0);
    let healed = world.now;
    world.publish(0);
    let is_same = world.run_until(healed + 120 * SECOND, all_hold_the_same);
    let took = (world.now - healed).as_secs_f64();
    check(is_same, || "the parts do not meet".to_owned())?;
    Ok(format!("{took:.1} s after they could"))
}

/// Into a mesh of 30 comes one that knows one of them, and that nobody discovers.
pub fn late_comer() -> Outcome {
    let mut world = World::new(4, 31);
    for node in 0..30 {
        come(&mut world, node, 30);
    }
    world.run(30 * SECOND);
    world.start(30);
    world.link(30, 0);
    let begun = world.now;
    let has_degree = world.run_until(begun + 60 * SECOND, |world| world.nodes[30].peers.len() >= 8);
    let (peers, took) = (world.nodes[30].peers.len(), (world.now - begun).as_secs_f64());
    check(has_degree, || format!("it has {peers} peers"))?;
    Ok(format!("{peers} peers after {took:.1} s"))
}

/// A and C know only B; then B is gone.
pub fn go_between() -> Outcome {
    let mut world = World::new(5, 3);
    (0..3).for_each(|node| world.start(node));
    world.link(0, 1);
    world.link(2, 1);
    let met = world.run_until(30 * SECOND, |world| world.nodes[0].peers.contains(&2));
    check(met, || "they do not find each other".to_owned())?;
    let after = world.now.as_secs_f64();
    world.kill(1);
    world.publish(0);
    let goes_on = world.run_until(world.now + SECOND, |world| world.nodes[2].log.event_count == 1);
    check(goes_on, || "without it nothing goes on".to_owned())?;
    Ok(format!("they met after {after:.1} s"))
}

/// Nine nodes with nothing to say, looked at four times a second as the driver does.
pub fn idle() -> Outcome {
    let cost = |streams: u64| {
        let mut world = World::new(6, 9);
        world.fill(streams);
        let mut world = found(world, 8);
        world.run(20 * SECOND);
        let (steps, spent) = (world.steps, time_spent());
        for _ in 0..4 * 60 {
            world.run(world.now + SECOND / 4);
            for node in &world.nodes {
                let reach = node.swarm.as_ref().map(millpond::sync::Swarm::reach);
                assert!(reach.is_some_and(|reach| reach.known.is_empty()), "nothing is missing");
            }
        }
        (world.steps - steps, time_spent() - spent)
    };
    let rounds = [(); 3].map(|()| (cost(10), cost(10_000)));
    let least = |times: [f64; 3]| times.into_iter().fold(f64::INFINITY, f64::min);
    let few = least(rounds.map(|(few, _)| few.1));
    let many = least(rounds.map(|(_, many)| many.1));
    let (few_steps, many_steps) = (rounds[0].0.0, rounds[0].1.0);
    let said = format!(
        "nine nodes for a minute: {few_steps} steps and {:.1} ms of a processor with 10 streams, \
         {many_steps} and {:.1} ms with 10,000",
        few * 1e3,
        many * 1e3
    );
    check(many_steps <= few_steps && many <= few * 3.0, || said.clone())?;
    Ok(said)
}

/// Seconds of a processor that this thread has used, whatever else the machine does. Where the
/// system does not say, those of a clock.
fn time_spent() -> f64 {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanos = told.and_then(|told| told.split(' ').next()?.parse::<u64>().ok());
    #[allow(clippy::disallowed_methods)] // What is measured is real.
    let clock = || std::time::UNIX_EPOCH.elapsed().map_or(0.0, |time| time.as_secs_f64());
    nanos.map_or_else(clock, |nanos| nanos as f64 / 1e9)
}

/// All nodes start within five seconds, and each discovers `known` others.
fn found(mut world: World, known: usize) -> World {
    let count = world.nodes.len();
    for node in 0..count {
        world.run(5 * SECOND * node as u32 / count as u32);
        come(&mut world, node, known);
    }
    world
}

/// `node` starts. It and `known` others discover each other, as far as they are up.
fn come(world: &mut World, node: usize, known: usize) {
    world.start(node);
    let count = world.nodes.len();
    let mut others: Vec<usize> = (0..count).filter(|other| *other != node).collect();
    while others.len() > known {
        let lost = world.random.below(others.len() as u64) as usize;
        others.swap_remove(lost);
    }
    for other in others {
        if world.nodes[other].swarm.is_some() {
            world.discover(node, other);
            world.discover(other, node);
        }
    }
}

/// Nodes that are connected with `from` in any number of steps.
fn component(world: &World, from: usize) -> BTreeSet<usize> {
    let (mut reached, mut next) = (BTreeSet::from([from]), vec![from]);
    while let Some(node) = next.pop() {
        for peer in &world.nodes[node].peers {
            if reached.insert(*peer) {
                next.push(*peer);
            }
        }
    }
    reached
}

fn all_hold_the_same(world: &World) -> bool {
    let first = world.nodes[0].log.event_count;
    // An event is published a moment after it was asked for.
    first > 0 && world.nodes.iter().all(|node| node.log.event_count == first)
}

fn check(holds: bool, what: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what()) }
}
