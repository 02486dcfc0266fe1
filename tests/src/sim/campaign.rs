//! Many seeds, on all processors: the ordinary run, twins, and the hunt for planted bugs.
//!
//! Not here: one run (`run`). Begin with [`Campaign::seeds`].

use crate::sim::run::{Outcome, RunOptions, run};
use crate::sim::world::Figures;
use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

/// Seeds within which a planted bug is found.
const BUDGET: u64 = 2000;

/// A bug on purpose.
#[derive(Clone, Copy, Debug)]
pub struct Planted {
    /// As in `planted!`.
    pub name: &'static str,
    /// What the violation must say that counts as finding it.
    pub shows: &'static str,
}

const fn planted(name: &'static str, shows: &'static str) -> Planted {
    Planted { name, shows }
}

/// How the checks say what they find: see `check`, `oracle`, `app` and `pond`.
const APART: &str = "the nodes do not come to the same";
const BULK_FIRST: &str = "sent bulk before what waited";
const EARLY: &str = "that go on from nothing";
const ELSEWHERE: &str = "was written elsewhere";
const FISH: &str = "its fish";
const GONE: &str = "was acknowledged and is not there";
const MISSING: &str = "are missing";
const NOT_SIGNED: &str = "that their author did not sign";
const NOT_DURABLE: &str = "and is not durable";
const PACELESS: &str = "dials nodes that are nowhere without a pace";
const ROTTEN: &str = "has a block that has rotted";
const SILENT: &str = "different events at the same place";
const TO_OLD: &str = "sends cargo to a peer that carries none";
const TOLD: &str = "told a peer of";

/// Every bug that is planted in core/src/sync, and in core/src/pond beside the rules of accounts,
/// which have a hunt of their own: the simulator runs that code. Each must be found
/// within `BUDGET` seeds.
pub const PLANTED: &[Planted] = &[
    planted("bulk_before_live", BULK_FIRST),
    planted("cargo_to_an_old_peer", TO_OLD),
    planted("chain_not_checked", NOT_SIGNED),
    planted("block_asked_for_only_once", ROTTEN),
    planted("credit_never_granted_again", APART),
    planted("dial_not_repeated", APART),
    planted("dispute_forgotten", SILENT),
    planted("failed_read_taken_for_a_fork", ELSEWHERE),
    planted("failed_store_not_rolled_back", APART),
    planted("fork_ignored", SILENT),
    planted("fork_not_told_to_peers", APART),
    planted("fold_does_not_go_back", FISH),
    planted("gap_accepted", "left: Gap"),
    planted("higher_number_moves_us", "would leave its stream because"),
    planted("lamport_bound_not_applied", "its clock was poisoned"),
    planted("made_up_nodes_dialled_without_pace", PACELESS),
    planted("one_peer_asked_for_ever", APART),
    planted("penalty_never_ends", APART),
    planted("ping_not_answered", "loses an honest peer when all is quiet"),
    planted("preview_goes_on_from_nothing", EARLY),
    planted("progress_told_before_durable", TOLD),
    planted("push_lost_with_a_failed_read", APART),
    planted("quarantine_never_released", "asks for a time that has passed"),
    planted("received_events_not_passed_on", APART),
    planted("request_not_repeated_after_a_lost_session", APART),
    planted("resumes_beyond_what_was_heard", APART),
    planted("secret_not_checked", "lets a stranger in"),
    planted("signature_not_checked", NOT_SIGNED),
    planted("summary_incomplete", APART),
];

/// Every bug that is planted in the simulator's stand-ins for the log, the driver and applications.
/// That these are found says nothing of the code they stand for: it shows that the check bites
/// which would see such a bug. Each must be found within `BUDGET` seeds, too.
pub const PLANTED_IN_STAND_INS: &[Planted] = &[
    planted("acknowledged_before_durable", NOT_DURABLE),
    planted("clock_not_raised_on_receipt", "its clock is"),
    planted("decision_forgets_what_is_in_flight", "and is not covered"),
    planted("failed_store_not_told", APART),
    planted("failed_sync_is_acknowledged", NOT_DURABLE),
    planted("fork_hides_one_event_more", GONE),
    planted("forks_forgotten_over_a_restart", "shows other forks than its log holds"),
    planted("late_event_delivered_without_a_way_back", "in key order, and was beyond it"),
    planted("older_head_told_in_place_of_the_latest", MISSING),
    planted("own_stream_elsewhere_ignored", APART),
    planted("retry_is_stored_again", "is there 2 times"),
    planted("session_does_not_wait", "and does not see it here"),
    planted("subscriber_skips_at_the_seam", "was not delivered"),
    planted("told_before_durable", TOLD),
    planted("torn_tail_goes_on_under_the_same_number", ELSEWHERE),
];

/// What several runs amounted to.
#[derive(Clone, Debug, Default)]
pub struct Campaign {
    /// All runs together.
    pub figures: Figures,
    /// Simulated and real time of the runs with five nodes, one processor each.
    pub of_five: (Duration, Duration),
    /// Runs without a violation.
    pub passed: u64,
    /// Those with one, by seed.
    pub failed: Vec<Outcome>,
}

impl Campaign {
    /// Runs `seeds` on all processors; `told` hears of each violation as it is found.
    pub fn seeds(seeds: &[u64], options: RunOptions, told: impl Fn(&Outcome) + Sync) -> Campaign {
        let (next, all) = (AtomicU64::new(0), Mutex::new(Campaign::default()));
        let work = || {
            while let Some(seed) = seeds.get(next.fetch_add(1, Ordering::Relaxed) as usize) {
                let outcome = run(*seed, options);
                if outcome.violation.is_some() {
                    told(&outcome);
                }
                all.lock().expect("no run panics here").add(outcome);
            }
        };
        on_all_processors(work);
        let mut all = all.into_inner().expect("no run panics here");
        all.failed.sort_by_key(|outcome| outcome.seed);
        all
    }

    fn add(&mut self, outcome: Outcome) {
        self.figures.add(&outcome.figures);
        if outcome.nodes == 5 {
            self.of_five.0 += outcome.figures.time;
            self.of_five.1 += outcome.spent;
        }
        match outcome.violation {
            None => self.passed += 1,
            Some(_) => self.failed.push(outcome),
        }
    }

    /// Adds what another campaign amounted to.
    pub fn join(&mut self, other: Campaign) {
        self.figures.add(&other.figures);
        self.of_five.0 += other.of_five.0;
        self.of_five.1 += other.of_five.1;
        self.passed += other.passed;
        self.failed.extend(other.failed);
    }
}

impl Figures {
    fn add(&mut self, other: &Figures) {
        self.time += other.time;
        self.steps += other.steps;
        self.events += other.events;
        self.crashes += other.crashes;
        self.faults += other.faults;
        self.restores += other.restores;
        self.forks += other.forks;
        self.frames += other.frames;
        self.early += other.early;
        self.repairs += other.repairs;
        self.cargo += other.cargo;
    }
}

/// Runs each of `seeds` twice; those whose traces differ.
pub fn twins(seeds: Range<u64>) -> Vec<u64> {
    let (next, differ) = (AtomicU64::new(seeds.start), Mutex::new(Vec::new()));
    on_all_processors(|| {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return;
            }
            let trace = || run(seed, RunOptions::default()).trace;
            if trace() != trace() {
                differ.lock().expect("no run panics here").push(seed);
            }
        }
    });
    differ.into_inner().expect("no run panics here")
}

/// The first violation that a planted bug causes and that shows it, in the order of seeds per
/// processor. Others that it causes before do not count.
pub fn hunt(bug: &Planted) -> Option<Outcome> {
    let (next, is_found) = (AtomicU64::new(0), AtomicBool::new(false));
    let found = Mutex::new(None::<Outcome>);
    on_all_processors(|| {
        choose(Some(bug.name));
        while !is_found.load(Ordering::Relaxed) {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= BUDGET {
                break;
            }
            let outcome = run(seed, RunOptions::default());
            let what = outcome.violation.as_ref().map(|violation| &violation.what);
            if what.is_some_and(|what| what.contains(bug.shows)) {
                is_found.store(true, Ordering::Relaxed);
                let mut first = found.lock().expect("no run panics here");
                if first.as_ref().is_none_or(|first| seed < first.seed) {
                    *first = Some(outcome);
                }
            }
        }
        choose(None);
    });
    found.into_inner().expect("no run panics here")
}

/// True in a build that has the planted bugs.
pub const HAS_PLANTED: bool = cfg!(millpond_planted);

#[cfg(millpond_planted)]
fn choose(name: Option<&str>) {
    millpond::planted::choose(name);
}

#[cfg(not(millpond_planted))]
fn choose(_: Option<&str>) {}

/// Simulated hours.
pub fn hours(time: Duration) -> f64 {
    time.as_secs_f64() / 3600.0
}

fn on_all_processors(work: impl Fn() + Sync) {
    let count = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        (0..count).for_each(|_| drop(scope.spawn(&work)));
    });
}
