//! The reader of `tests/scenarios`: a line is a thing done to the small world, or a claim about it.
//!
//! The language is in `tests/scenarios/README.md`. A line that cannot be read or does not hold ends
//! the test with its file and number. Not here: the world itself.

use super::log::MemoryLog;
use super::world::{SECRET, World};
use crate::event::{StreamId, SwarmSecret, WallTime};
use crate::sync::SwarmEvent;
use crate::sync::message::peek_range;
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

const STRANGERS_SECRET: SwarmSecret = SwarmSecret::from_bytes([43; 32]);
/// 2100-01-01 in microseconds.
const YEAR_2100: i64 = 4_102_444_800_000_000;
/// How often a claim is looked at while time passes.
const STEP: Duration = Duration::from_millis(20);

macro_rules! scenarios {
    ($($name:ident)*) => {
        const ALL: &[&str] = &[$(stringify!($name)),*];
        $(#[test] fn $name() { play(stringify!($name)); })*
    };
}

scenarios! {
    a_backup_that_was_restored_goes_on_under_a_higher_number
    a_clock_in_the_year_2100_orders_nothing
    a_killed_process_goes_on_where_its_disk_ended
    a_lamport_out_of_the_blue_is_held_back_and_stops_nobody_else
    a_link_that_died_silently_is_noticed_and_made_anew
    a_relay_that_flips_a_bit_is_blamed_and_the_author_is_not
    a_stranger_gets_nothing_and_both_know_why
    an_interrupted_catch_up_goes_on_where_durable_data_ended
    partitions_that_go_on_publishing_end_in_one_order
    slow_links_carry_a_backlog
    three_nodes_in_a_line_end_with_one_log
    two_swarms_do_not_mix
}

#[test]
fn every_scenario_file_is_played() {
    let files = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let scenarios = files.filter(|path| path.extension().is_some_and(|ending| ending == "txt"));
    let found: BTreeSet<_> =
        scenarios.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
    assert_eq!(found, ALL.iter().map(|name| (*name).to_owned()).collect());
}

#[test]
fn a_line_that_makes_no_sense_is_shown_with_its_number() {
    let read = |line: &str| {
        let mut stage = Stage::new();
        stage.read("nodes press orders").and_then(|()| stage.read(line)).unwrap_err()
    };
    assert_eq!(read("press dances"), "no such line in the language");
    assert_eq!(read("link press oven"), "no node is called oven");
    assert_eq!(read("press publishes many"), "many is no number");
    assert_eq!(read("within 3 weeks all hold 1"), "no unit of time: weeks");
    assert_eq!(read("all hold 1"), "press holds 0 events, not 1");
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/scenarios")
}

fn play(name: &str) {
    let path = folder().join(format!("{name}.txt"));
    let text = std::fs::read_to_string(&path).expect("the scenario can be read");
    let mut stage = Stage::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.split('#').next().unwrap_or_default().trim();
        if !line.is_empty()
            && let Err(trouble) = stage.read(line)
        {
            let after = stage.world.elapsed();
            panic!("tests/scenarios/{name}.txt:{number}: {line}\n{trouble}, after {after:?}");
        }
    }
}

/// The world with the names of its nodes.
struct Stage {
    world: World,
    names: BTreeMap<String, usize>,
    /// Who dials whom, also after a restart.
    links: Vec<(usize, usize)>,
    /// What each node's log was after each of its own events.
    backups: BTreeMap<(usize, u64), MemoryLog>,
}

type Outcome = Result<(), String>;

impl Stage {
    fn new() -> Stage {
        Stage {
            world: World::new(1),
            names: BTreeMap::new(),
            links: Vec::new(),
            backups: BTreeMap::new(),
        }
    }

    fn read(&mut self, line: &str) -> Outcome {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["seed", seed] => self.world = World::new(number(seed)?),
            ["nodes", ref names @ ..] => names.iter().for_each(|name| self.add(name, &SECRET)),
            ["strangers", ref names @ ..] => {
                names.iter().for_each(|name| self.add(name, &STRANGERS_SECRET));
            }
            ["link", from, to] => {
                let (from, to) = (self.node(from)?, self.node(to)?);
                self.links.push((from, to));
                self.world.link(from, to);
            }
            ["cut", a, b] => self.world.cut(self.node(a)?, self.node(b)?),
            ["mute", a, b] => {
                let (a, b) = (self.node(a)?, self.node(b)?);
                self.world.muted.insert((a.min(b), a.max(b)));
            }
            ["heal"] => self.world.heal(),
            ["link", a, b, "carries", rate, "bytes", "a", "second"] => {
                let (a, b, rate) = (self.node(a)?, self.node(b)?, number(rate)?);
                self.world.bandwidth.extend([((a, b), rate), ((b, a), rate)]);
            }
            ["pass", amount, unit] => {
                let _ = self.drive(time(amount, unit)?, |_| Err(String::new()));
            }
            ["within", amount, unit, ref claim @ ..] => {
                let claim: Vec<String> = claim.iter().map(|word| (*word).to_owned()).collect();
                return self.drive(time(amount, unit)?, |stage| {
                    stage.claim(&claim.iter().map(String::as_str).collect::<Vec<_>>())
                });
            }
            [name, ref deed @ ..] if self.names.contains_key(name) => {
                let node = self.names[name];
                return self.deed(node, deed).unwrap_or_else(|| self.claim(&words));
            }
            _ => return self.claim(&words),
        }
        Ok(())
    }

    /// What a node does, or is done to it; none when the words are no such thing.
    fn deed(&mut self, node: usize, deed: &[&str]) -> Option<Outcome> {
        let done = match deed {
            ["publishes", count] => number(count).map(|count| self.publish(node, count)),
            ["restarts"] => {
                let log = self.world.nodes[node].log.clone();
                self.restart(node, log);
                Ok(())
            }
            ["is", "restored", "to", count, "events"] => number(count).and_then(|count| {
                let backup = self.backups.get(&(node, count)).cloned();
                let log = backup.ok_or(format!("there is no backup of {count} events"))?;
                self.restart(node, log);
                Ok(())
            }),
            ["thinks", "it", "is", "2100"] => {
                self.world.nodes[node].log.time = WallTime::from_micros(YEAR_2100);
                Ok(())
            }
            ["skips", "to", "lamport", lamport] => number(lamport).map(|lamport| {
                self.world.nodes[node].log.lamport = lamport - 1;
            }),
            ["flips", "a", "bit", "of", "what", "it", "relays"] => {
                let own = self.world.id(node);
                self.world.tamper = Some(Box::new(move |from, _, frame| match peek_range(frame) {
                    Some(claims) if from == node && claims.head.stream.node != own => {
                        flipped(frame)
                    }
                    _ => frame.clone(),
                }));
                Ok(())
            }
            ["is", "honest", "again"] => {
                self.world.tamper = None;
                Ok(())
            }
            _ => return None,
        };
        Some(done)
    }

    /// Whether a claim holds now, and if not, what is the case.
    fn claim(&self, words: &[&str]) -> Outcome {
        match words {
            ["all", "hold", count] => self.hold(self.members(), number(count)?),
            [names @ .., "hold" | "holds", count] if !names.is_empty() => {
                let nodes = names.iter().map(|name| self.node(name));
                self.hold(nodes.collect::<Result<_, _>>()?, number(count)?)
            }
            [name, "got", "at", "most", count, "events"] => {
                let (got, most) = (self.at(name)?.events_received, number(count)?);
                check(got <= most, || format!("{name} got {got} events"))
            }
            [name, "blames", blamed] => {
                let is_it = |event: &SwarmEvent| match event {
                    SwarmEvent::Misbehaved { peer, .. } => Some(self.name(peer)),
                    _ => None,
                };
                let told: BTreeSet<&str> = self.at(name)?.told.iter().filter_map(is_it).collect();
                let expected: BTreeSet<&str> = [*blamed].into();
                let nobody = *blamed == "nobody" && told.is_empty();
                check(nobody || told == expected, || format!("{name} blames {told:?}"))
            }
            [name, "and", other, "know", "of", "each", "other:", reason] => {
                self.refused(name, other, reason)?;
                self.refused(other, name, reason)
            }
            [name, "holds", "back", author] => {
                let held_back = self.at(name)?.swarm.status().quarantined;
                let author = self.world.id(self.node(author)?);
                let is_held_back = held_back.iter().any(|held| held.stream.node == author);
                check(is_held_back, || format!("{name} holds back {held_back:?}"))
            }
            [name, "writes", "stream", count] => {
                let (own, expected) = (self.at(name)?.number, number(count)?);
                check(own == expected, || format!("{name} writes stream {own}"))
            }
            [name, "has", "left", "stream", left] => {
                let (own, left) = (self.at(name)?.number, number(left)?);
                check(own > left, || format!("{name} writes stream {own}"))
            }
            ["the", "order", "is", names @ ..] => self.members().iter().try_for_each(|node| {
                let order = self.world.nodes[*node].log.total_order();
                let found: Vec<&str> = order.iter().map(|event| self.author(&event.1)).collect();
                check(found == names, || format!("the order is {}", found.join(" ")))
            }),
            _ => Err("no such line in the language".to_owned()),
        }
    }

    fn hold(&self, nodes: Vec<usize>, count: u64) -> Outcome {
        for node in &nodes {
            let held = self.world.nodes[*node].log.event_count() as u64;
            let name = self.name(&self.world.id(*node));
            check(held == count, || format!("{name} holds {held} events, not {count}"))?;
        }
        let orders = nodes.iter().map(|node| self.world.nodes[*node].log.total_order());
        let orders: BTreeSet<_> = orders.collect();
        check(orders.len() <= 1, || "they hold them in different orders".to_owned())
    }

    fn refused(&self, name: &str, other: &str, reason: &str) -> Outcome {
        let other = self.world.id(self.node(other)?);
        let refusals = self.at(name)?.swarm.status().refusals;
        let found =
            refusals.iter().any(|refused| refused.peer == other && refused.reason.name() == reason);
        check(found, || format!("{name} knows of {} refusals, not this one", refusals.len()))
    }

    fn publish(&mut self, node: usize, count: u64) {
        for _ in 0..count.div_ceil(100) {
            let at = &self.world.nodes[node];
            let before = at.log.count(&self.world.stream(node));
            self.backups.insert((node, before), at.log.clone());
            self.world.publish(node, count.min(100) as usize);
        }
    }

    fn restart(&mut self, node: usize, log: MemoryLog) {
        self.world.restart(node, log);
        for (from, to) in self.links.clone() {
            if from == node {
                self.world.link(from, to);
            }
        }
    }

    /// Lets time pass until `claim` holds.
    fn drive(&mut self, limit: Duration, claim: impl Fn(&Stage) -> Outcome) -> Outcome {
        let end = self.world.elapsed() + limit;
        loop {
            let outcome = claim(self);
            let left = end.saturating_sub(self.world.elapsed());
            if outcome.is_ok() || left.is_zero() {
                return outcome;
            }
            self.world.pass(left.min(STEP));
        }
    }

    fn add(&mut self, name: &str, secret: &SwarmSecret) {
        let node = self.world.add(secret);
        self.names.insert(name.to_owned(), node);
    }

    fn node(&self, name: &str) -> Result<usize, String> {
        self.names.get(name).copied().ok_or(format!("no node is called {name}"))
    }

    fn at(&self, name: &str) -> Result<&super::world::Node, String> {
        self.node(name).map(|node| &self.world.nodes[node])
    }

    /// The nodes of our swarm.
    fn members(&self) -> Vec<usize> {
        let ours = |node: &usize| self.world.nodes[*node].log.swarm == SECRET.swarm_id();
        (0..self.world.nodes.len()).filter(ours).collect()
    }

    fn name(&self, id: &crate::event::NodeId) -> &str {
        let known = self.names.iter().find(|(_, node)| self.world.id(**node) == *id);
        known.map_or("a node without a name", |(name, _)| name)
    }

    fn author(&self, stream: &StreamId) -> &str {
        self.name(&stream.node)
    }
}

fn flipped(frame: &Bytes) -> Bytes {
    let mut bytes = frame.to_vec();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    bytes.into()
}

fn check(holds: bool, trouble: impl FnOnce() -> String) -> Outcome {
    if holds { Ok(()) } else { Err(trouble()) }
}

fn number(word: &str) -> Result<u64, String> {
    word.parse().map_err(|_| format!("{word} is no number"))
}

fn time(amount: &str, unit: &str) -> Result<Duration, String> {
    let amount = number(amount)?;
    match unit {
        "ms" => Ok(Duration::from_millis(amount)),
        "s" => Ok(Duration::from_secs(amount)),
        _ => Err(format!("no unit of time: {unit}")),
    }
}
