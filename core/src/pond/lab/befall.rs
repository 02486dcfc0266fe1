//! What befalls the nodes of a lab by chance, numbered so that any of it can be left out.
//!
//! Not here: what a scenario does itself, such as [`Lab::crash`].
//! Rule: what befalls follows from the seed and its number alone. So a run that leaves some of it
//! out draws the rest as before.

use crate::planted;
use crate::pond::lab::chance::Chance;
use crate::pond::lab::lab::Lab;
use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

/// So many are remembered, the first ones.
const BEFALLS_KEPT_MAX: usize = 10_000;
/// The numbers of what `chaos` draws are below this; the deaths of node `n` in its publishes have
/// those after `n + 1` times as many.
const NUMBERS: u64 = 1_000_000;
/// The chance that is drawn from is named by these.
const CHAOS: u64 = 0x6368_616f_7300_0001;
const DEATHS: u64 = 0x6465_6174_6800_0002;

/// Something that befell a node or the network by chance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabBefall {
    /// Its own, with this seed: [`LabOptions::without`](super::LabOptions::without) takes it.
    pub number: u64,
    /// What it was, for people.
    pub what: String,
}

/// Hears of whatever befalls.
type Ear = Box<dyn FnMut(&LabBefall) + Send>;

/// What befell a lab, and what is left out.
#[derive(Default)]
pub(super) struct Befalls {
    without: BTreeSet<u64>,
    /// Steps of chaos so far.
    steps: u64,
    /// Of those, the ones in which more than time passed.
    drawn: u64,
    befell: Vec<LabBefall>,
    ear: Option<Ear>,
    /// What is happening: lines of the trace name it.
    pub(super) in_hand: Option<u64>,
}

impl Befalls {
    pub(super) fn new(without: BTreeSet<u64>) -> Befalls {
        Befalls { without, ..Befalls::default() }
    }

    /// Whether it happens; then it is remembered.
    fn takes(&mut self, number: u64, what: String) -> bool {
        if self.without.contains(&number) && !planted!("lab_leaves_nothing_out") {
            return false;
        }
        let befall = LabBefall { number, what };
        if let Some(ear) = &mut self.ear {
            ear(&befall);
        }
        if self.befell.len() < BEFALLS_KEPT_MAX {
            self.befell.push(befall);
        }
        true
    }
}

/// What a step of chaos is.
enum Blow {
    Cut(Vec<Vec<usize>>),
    Heal,
    Crash(usize),
    CutPower(usize),
    Start(usize),
    Clock(usize),
}

impl fmt::Display for Blow {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Blow::Cut(groups) => write!(to, "the network is cut into {groups:?}"),
            Blow::Heal => write!(to, "the network is healed"),
            Blow::Crash(node) => write!(to, "node {node} crashes"),
            Blow::CutPower(node) => write!(to, "node {node} loses its power"),
            Blow::Start(node) => write!(to, "node {node} is started"),
            Blow::Clock(node) => write!(to, "the clock of node {node} is set"),
        }
    }
}

impl Lab {
    /// What befell by chance, in order; the first 10,000. What could not befall, such as the crash
    /// of a node that does not run, is not among it.
    pub fn befell(&self) -> &[LabBefall] {
        &self.befalls.befell
    }

    /// Has `ear` called with whatever befalls from now on.
    pub(crate) fn listen(&mut self, ear: impl FnMut(&LabBefall) + Send + 'static) {
        self.befalls.ear = Some(Box::new(ear));
    }

    /// Cuts, heals, crashes or starts something, sets a clock, or lets some time pass: then for how
    /// long. Nothing, if what is drawn cannot be.
    pub(super) fn befall(&mut self) -> Option<Duration> {
        let step = self.befalls.steps;
        self.befalls.steps += 1;
        let chance = &mut Chance::of([CHAOS, self.seed, step, 0]);
        let nodes = self.node_count();
        let blow = match chance.below(16) {
            0 | 1 => {
                let mut groups = vec![Vec::new(); 2 + chance.index(2)];
                for node in 0..nodes {
                    let group = chance.index(groups.len());
                    groups[group].push(node);
                }
                groups.retain(|group| !group.is_empty());
                Blow::Cut(groups)
            }
            2 => Blow::Heal,
            3..=5 if chance.one_in(2) => Blow::Crash(chance.index(nodes)),
            3..=5 => Blow::CutPower(chance.index(nodes)),
            6..=9 => Blow::Start(chance.index(nodes)),
            10 => Blow::Clock(chance.index(nodes)),
            11 => return Some(Duration::from_millis(chance.between(1_000, 60_000))),
            _ => return Some(Duration::from_millis(chance.between(1, 300))),
        };
        self.befalls.drawn += 1;
        let number = self.befalls.drawn;
        // What has no number of its own left cannot be left out.
        if self.can_be(&blow) && (number >= NUMBERS || self.takes(number, &blow)) {
            self.befalls.in_hand = Some(number);
            self.strike(blow, chance);
            self.befalls.in_hand = None;
        }
        None
    }

    /// Whether the node dies in the publish that it begins: then whether the events are stored.
    pub(super) fn death(&mut self, node: usize) -> Option<bool> {
        if self.faults == 0 {
            return None;
        }
        let turn = &mut self.members[node].publishes;
        *turn += 1;
        let turn = *turn;
        let mut chance = Chance::of([DEATHS, self.seed, node as u64, turn]);
        let (dies, is_stored) = (chance.one_in(self.faults), chance.one_in(2));
        let number = (node as u64 + 1) * NUMBERS + turn;
        let what = format!("node {node} dies in its publish {turn}");
        let dies = dies && (turn >= NUMBERS || self.takes(number, &what));
        self.befalls.in_hand = dies.then_some(number);
        dies.then_some(is_stored)
    }

    fn takes(&mut self, number: u64, what: &dyn fmt::Display) -> bool {
        let is_taken = self.befalls.takes(number, what.to_string());
        if !is_taken {
            self.note(format!("[{number}] left out: {what}"));
        }
        is_taken
    }

    fn can_be(&self, blow: &Blow) -> bool {
        let up = |node: usize| self.members[node].is_up;
        match blow {
            Blow::Cut(_) | Blow::Clock(_) => true,
            Blow::Heal => self.members.iter().any(|member| member.group != 0),
            // One goes on, so that there is somebody to publish.
            Blow::Crash(node) | Blow::CutPower(node) => {
                up(*node) && self.those(|member| member.is_up).len() > 1
            }
            Blow::Start(node) => !up(*node),
        }
    }

    fn strike(&mut self, blow: Blow, chance: &mut Chance) {
        let done = match blow {
            Blow::Cut(groups) => self.cut(&groups),
            Blow::Heal => {
                self.heal();
                Ok(())
            }
            Blow::Crash(node) => self.crash(node),
            Blow::CutPower(node) => self.lose_power(node, chance),
            Blow::Start(node) => self.start(node),
            Blow::Clock(node) => {
                let skew = self.some_skew(chance);
                self.set_clock(node, skew);
                Ok(())
            }
        };
        done.expect("each node is there, and in one group");
    }

    /// By how much a wall clock may be wrong.
    pub(super) fn some_skew(&self, chance: &mut Chance) -> i64 {
        chance.between(0, self.skew_micros * 2) as i64 - self.skew_micros as i64
    }

    /// The node's wall clock is set, also back: by a person, by a server, or for want of a battery.
    pub(super) fn set_clock(&mut self, node: usize, skew_micros: i64) {
        self.members[node].skew_micros = skew_micros;
        self.note(format!("the clock of node {node} is set"));
    }
}
