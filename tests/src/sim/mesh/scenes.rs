//! What large swarms must keep to, each as a scene that is played and says what it measured.
//!
//! Begin with [`SCENES`].

use crate::sim::mesh::world::World;
use std::collections::BTreeSet;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
/// Events received for each event needed.
const REDUNDANCY_MAX: f64 = 1.2;
/// Sessions of a node on average.
const DEGREE_MEAN_MAX: f64 = 12.5;
/// Peers that a node takes at all.
const PEERS_MAX: usize = 64;

/// One scene: its name, and what plays it.
pub struct Scene {
    /// A claim.
    pub name: &'static str,
    /// What was measured, or what did not hold.
    pub play: fn() -> Outcome,
}

type Outcome = Result<String, String>;

/// All of them.
pub const SCENES: &[Scene] = &[
    Scene { name: "each event crosses each of 50 nodes about once", play: || redundancy(false) },
    Scene { name: "and while nodes come and go", play: || redundancy(true) },
    Scene { name: "ten nodes that find each other", play: || crowd(10, 9) },
    Scene { name: "a hundred nodes that find each other", play: || crowd(100, 99) },
    Scene { name: "a thousand nodes that find each other", play: || crowd(1000, 999) },
    Scene { name: "a thousand nodes that find 64 each", play: || crowd(1000, 64) },
    Scene { name: "two parts that are full in themselves meet", play: islands },
];

/// 50 nodes, of which 20 publish for a minute; with `churn` five of the others are killed and come
/// back.
fn redundancy(churn: bool) -> Outcome {
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
fn crowd(count: usize, known: usize) -> Outcome {
    let mut world = found(World::new(count as u64, count), known);
    let is_one = world.run_until(60 * SECOND, |world| component(world, 0).len() == count);
    check(is_one, || format!("{} are connected", component(&world, 0).len()))?;
    let after = world.now.as_secs_f64();
    world.run(world.now + 30 * SECOND);
    let degrees: Vec<usize> = world.nodes.iter().map(|node| node.peers.len()).collect();
    let mean = degrees.iter().sum::<usize>() as f64 / count as f64;
    let (least, most) = (degrees.iter().min(), degrees.iter().max());
    let mut said = format!(
        "one mesh after {after:.1} s; sessions {least:?} to {most:?}, {mean:.1} on average, {} at \
         most ever",
        world.degree_max
    )
    .replace("Some(", "")
    .replace(')', "");
    check(world.degree_max <= PEERS_MAX && mean <= DEGREE_MEAN_MAX, || said.clone())?;
    check(component(&world, 0).len() == count, || format!("it fell apart; {said}"))?;
    let mut slowest = Duration::ZERO;
    let mut redundancies = Vec::new();
    for round in 1..=10 {
        (world.received, world.stored) = (0, 0);
        let begun = world.now;
        world.publish(0);
        let mut is_there = false;
        while !is_there && world.now < begun + 5 * SECOND {
            world.run(world.now + Duration::from_millis(5));
            is_there = world.nodes.iter().all(|node| node.log.event_count == round);
        }
        check(is_there, || format!("event {round} is not everywhere; {said}"))?;
        slowest = slowest.max(world.now - begun);
        world.run(world.now + 2 * SECOND);
        redundancies.push(world.received as f64 / world.stored as f64);
    }
    let (publish, degree) = (world.last_publish, world.nodes[0].peers.len());
    let (first, last) = (redundancies[0], redundancies[9]);
    said.push_str(&format!(
        "; a publish puts out {} ({} frames with events, {degree} peers), is everywhere within \
         {slowest:?}; redundancy of the first event {first:.2}, of the tenth {last:.2}",
        publish.outputs, publish.frames
    ));
    check(publish.frames <= degree && publish.outputs <= 2 * degree, || said.clone())?;
    Ok(said)
}

/// Two parts of 20 nodes, which know of each other and are apart for twenty minutes.
fn islands() -> Outcome {
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
