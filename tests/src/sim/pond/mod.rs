//! The Pond on simulated nodes: an application with an escrow account, a fish, a subscription in
//! key order on each, and a session that goes from node to node.
//!
//! The folds, the rules of accounts and what they decide are millpond's own; readers and the way
//! from a decision to the disk stand for those of the log and the driver.
//! Rule: nothing here changes what else a seed does, beside the events that are published.
//! Begin with `World::pond_looks`; what must hold at the end is in `check`.

mod check;
mod decide;
mod desk;
mod fish;
mod keyed;
mod reader;
mod session;
mod shown;

pub(super) use decide::Decision;
pub(super) use session::Session;

use crate::sim::node::Node;
use crate::sim::random::Random;
use crate::sim::world::{Event, World};
use desk::Desk;
use fish::FishAtWork;
use keyed::Keyed;
use shown::Shown;

/// What a process and its applications know of the log.
#[derive(Default)]
pub(super) struct Pond {
    shown: Shown,
    fish: Option<FishAtWork>,
    keyed: Keyed,
    desk: Desk,
}

impl Pond {
    /// The disk holds less than it did.
    pub(super) fn go_back(&mut self) {
        self.keyed = Keyed::default();
    }
}

impl World {
    /// A process has begun: what it knew is to be read again.
    pub(super) fn pond_starts(&mut self, node: usize) {
        if !self.has_pond || !self.nodes[node].is_honest() {
            return;
        }
        let at = &mut self.nodes[node];
        at.pond.shown = Shown::default();
        at.pond.keyed.restart();
        at.pond.desk = Desk::default();
        at.pond.fish = Some(FishAtWork::new(&at.log, &mut self.pond_random));
        let run = self.nodes[node].run;
        let after = self.pond_random.around(self.plan.publish_every);
        self.schedule(self.now + after, Event::Decide { node, run });
    }

    /// The applications of the Pond take what is there.
    pub(super) fn pond_looks(&mut self, node: usize) {
        if !self.has_pond || !self.nodes[node].is_honest() {
            return;
        }
        let (now, run) = (self.instant(), self.nodes[node].run);
        let (random, skipped) = (&mut self.pond_random, &self.oracle.incomparable);
        let Node { log, pond, .. } = &mut self.nodes[node];
        if !pond.shown.refresh(log, skipped) {
            return;
        }
        let keyed = pond.keyed.take(&pond.shown, log, random);
        let fish = pond.fish.as_mut().expect("the process has begun");
        let worked = fish.work(&pond.shown, log, now, Some(random));
        match keyed.and(worked) {
            Err(what) => self.violated(Some(node), what),
            Ok(emitted) => {
                if let Some(until) = emitted.until {
                    let at = self.time_of(until);
                    self.schedule(at, Event::Deliver { node, run });
                    self.nodes[node].pond.shown.look_again();
                }
                if let Some(state) = emitted.state {
                    self.observe(node, 6, &state);
                }
            }
        }
    }
}

/// Chance of the Pond alone.
pub(super) fn chance(seed: u64) -> Random {
    Random::new(!seed ^ 2 << 32)
}
