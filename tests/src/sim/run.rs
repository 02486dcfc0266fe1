//! One seed from its beginning to its verdict.
//!
//! Chaos first; then all is quiet, and the nodes must come to the same within `QUIET_MAX`.
//! Begin with [`run`].

use crate::sim::draw::Plan;
use crate::sim::pond;
use crate::sim::random::Random;
use crate::sim::world::{Figures, Violation, World};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

/// Simulated time that every run has at least.
const RUN_MIN: Duration = Duration::from_secs(60);
/// How long it may take until all nodes hold the same once nothing is in their way. Longer than the
/// longest pause of the protocol for a peer that misbehaved, and for one that did not deliver.
const QUIET_MAX: Duration = Duration::from_secs(200);
/// How often that is looked at.
const QUIET_STEP: Duration = Duration::from_millis(500);
/// What is left to do once they do: acknowledgements, subscribers, connections.
const SETTLE: Duration = Duration::from_secs(20);
/// Within it nothing that stands may fall any more.
const STAND: Duration = Duration::from_secs(4);

/// What became of a seed.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The seed.
    pub seed: u64,
    /// What happened in it.
    pub figures: Figures,
    /// A hash of everything that could be observed.
    pub trace: u64,
    /// Honest and hostile nodes, without a copy's machine.
    pub nodes: usize,
    /// Real time that it took.
    pub spent: Duration,
    /// What did not hold.
    pub violation: Option<Violation>,
}

/// How to run a seed.
#[derive(Clone, Copy, Debug)]
pub struct RunOptions {
    /// Stop after this step.
    pub until: u64,
    /// Show what happens on standard error.
    pub is_shown: bool,
    /// Without the applications of the Pond, as seeds were that were kept before there were any.
    pub is_bare: bool,
}

impl Default for RunOptions {
    fn default() -> RunOptions {
        RunOptions { until: u64::MAX, is_shown: false, is_bare: false }
    }
}

/// Runs `seed`. A panic of millpond or of the simulator is a violation, too.
pub fn run(seed: u64, options: RunOptions) -> Outcome {
    #[allow(clippy::disallowed_methods)] // Only how long the run took.
    let started = Instant::now();
    let mut random = Random::new(seed);
    let plan = Plan::draw(&mut random, seed);
    if options.is_shown {
        eprintln!("{plan:?}");
    }
    let nodes = plan.honest + plan.hostile.len();
    let mut world =
        World::new(plan, random, options.is_shown, (!options.is_bare, pond::chance(seed)));
    let played = catch_unwind(AssertUnwindSafe(|| play(&mut world, options.until)));
    if let Err(panic) = played {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        world.violated(None, format!("a panic: {}", text.unwrap_or_default()));
    }
    world.figures.time = world.now;
    let (figures, trace) = (world.figures, world.fingerprint());
    let spent = started.elapsed();
    Outcome { seed, figures, trace, nodes, spent, violation: world.violation }
}

fn play(world: &mut World, until: u64) {
    world.begin();
    if !world.run_until(world.plan.chaos, until) {
        return;
    }
    world.calm();
    let limit = world.now + QUIET_MAX;
    while !world.is_settled() {
        if world.now >= limit {
            return world.violated(None, world.difference());
        }
        if !world.run_until(world.now + QUIET_STEP, until) {
            return;
        }
    }
    let end = (world.now + SETTLE).max(RUN_MIN);
    if !world.run_until(end - STAND, until) {
        return;
    }
    world.is_settled_for_good = true;
    if world.run_until(end, until) {
        world.check_end();
    }
}
