//! The testing kit as shells hold it: a swarm in memory whose fish have their code in the shell.
//!
//! A shell begins a task, and does one job after the other until there is none: so the code of its
//! fish runs on the thread that asked. A lab is no node and has no handle: who drops it ends it.
//! Source: docs/testing.md.

use crate::batch::EventBatch;
use crate::blob_view::unsaid;
use crate::defaults::{CHAOS_STEPS, LAB_NODES};
use crate::draft::Draft;
use crate::entry::{guard, lock};
use crate::errors::{FacadeError, Result};
use crate::fish::FishSpec;
use crate::fold::{FishJob, JobAnswer, Owed};
use crate::lab_work::{LabJob, LabTask, index};
use crate::needs::Needs;
use crate::offsets::Offsets;
use crate::options::{PublishOptions, ReadOptions};
use crate::publish::{Published, events_of};
use crate::state::StateView;
use millpond::event::AppId;
use millpond::pond::CODEC_DEFAULT;
use millpond::pond::builtin::{BuiltIn, Tally};
use millpond::query::Query;
use millpond::testing::LabBefall;
use millpond::{ErrorKind, testing};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::time::Duration;

/// How a lab is made; what is not said has its default.
#[derive(Clone, Debug, Default)]
pub struct LabOptions {
    /// Number of nodes, 1 to 64; 3.
    pub nodes: Option<u64>,
    /// All chance follows from it; 1, or what the environment says in `MILLPOND_SEED`, and then
    /// `MILLPOND_WITHOUT` says what is left out.
    pub seed: Option<u64>,
    /// The application that publishes.
    pub app: Option<String>,
    /// The wall clocks of the nodes are wrong by at most this; 5 minutes.
    pub skew_max: Option<Duration>,
    /// One in so many publishes, also of accounts and claims, is the last thing that its node does:
    /// `closed`, and the events are stored or not; 0, none.
    pub faults: Option<u64>,
    /// Numbers of what does not befall, though it is drawn: see [`Lab::befell`].
    pub without: Vec<u64>,
}

/// A swarm in memory. Any thread may use it, one at a time.
pub struct Lab(Mutex<State>);

pub(crate) struct State {
    pub(crate) lab: testing::Lab,
    fish: BTreeMap<usize, Code>,
    /// The job that was given out and is not answered: of which fish, and what it needs.
    owed: Option<(usize, Owed)>,
    /// Who hears of the state that is asked for.
    needs: Needs,
}

enum Code {
    /// The shell's; whether its states are one CBOR value each.
    Shell {
        is_cbor: bool,
    },
    BuiltIn {
        fold: BuiltIn,
        states: BTreeMap<usize, Tally>,
    },
}

impl Lab {
    /// Makes a lab.
    ///
    /// # Errors
    /// `invalid_argument`, `limit_exceeded`: an option is refused.
    pub fn new(options: LabOptions) -> Result<Lab> {
        guard("lab_new", 0, || {
            let mut without: BTreeSet<u64> = options.without.into_iter().collect();
            let seed = match options.seed {
                Some(seed) => seed,
                None => {
                    without.extend(testing::without_wanted()?.unwrap_or_default());
                    testing::seed_wanted()?.unwrap_or(1)
                }
            };
            let mut own = testing::LabOptions::new(index(options.nodes.unwrap_or(LAB_NODES)), seed);
            own.app_id = options.app.map(|app| AppId::parse(&app)).transpose()?;
            own.skew_max = options.skew_max.unwrap_or(own.skew_max);
            own.faults = options.faults.unwrap_or(own.faults);
            own.without = without;
            let lab = testing::Lab::new(&own)?;
            let (fish, needs) = (BTreeMap::new(), Needs::default());
            Ok(Lab(Mutex::new(State { lab, fish, owed: None, needs })))
        })
    }

    /// The seed that all of it follows from.
    ///
    /// # Errors
    /// `internal`.
    pub fn seed(&self) -> Result<u64> {
        self.ask("lab_seed", |lab| Ok(lab.seed()))
    }

    /// Number of nodes.
    ///
    /// # Errors
    /// `internal`.
    pub fn node_count(&self) -> Result<u64> {
        self.ask("lab_node_count", |lab| Ok(lab.node_count() as u64))
    }

    /// The id of a node: 64 hex digits.
    ///
    /// # Errors
    /// `invalid_argument`: there is no such node.
    pub fn node_id(&self, node: u64) -> Result<String> {
        self.ask("lab_node_id", |lab| Ok(lab.node_id(index(node))?.to_string()))
    }

    /// Whether a node runs.
    ///
    /// # Errors
    /// As [`Lab::node_id`].
    pub fn is_up(&self, node: u64) -> Result<bool> {
        self.ask("lab_is_up", |lab| Ok(lab.is_up(index(node))?))
    }

    /// A node's wall clock, µs since 1970 UTC.
    ///
    /// # Errors
    /// As [`Lab::node_id`].
    pub fn time_micros(&self, node: u64) -> Result<i64> {
        self.ask("lab_time_micros", |lab| Ok(lab.time(index(node))?.micros()))
    }

    /// How much virtual time has passed.
    ///
    /// # Errors
    /// `internal`.
    pub fn elapsed(&self) -> Result<Duration> {
        self.ask("lab_elapsed", |lab| Ok(lab.elapsed()))
    }

    /// What is durable at a node.
    ///
    /// # Errors
    /// As [`Lab::node_id`].
    pub fn offsets(&self, node: u64) -> Result<Offsets> {
        self.ask("lab_offsets", |lab| Ok(lab.offsets(index(node))?.into()))
    }

    /// What happened, in order; the last 1,000 lines.
    ///
    /// # Errors
    /// `internal`.
    pub fn trace(&self) -> Result<Vec<String>> {
        self.ask("lab_trace", |lab| Ok(lab.trace().map(str::to_owned).collect()))
    }

    /// What befell by chance, in order, with its numbers; the first 10,000.
    ///
    /// # Errors
    /// `internal`.
    pub fn befell(&self) -> Result<Vec<LabBefall>> {
        self.ask("lab_befell", |lab| Ok(lab.befell().to_vec()))
    }

    /// A number below `end` by the seed.
    ///
    /// # Errors
    /// `invalid_argument`: `end` is 0.
    pub fn below(&self, end: u64) -> Result<u64> {
        if end == 0 {
            return Err(FacadeError::invalid("there is no number below 0"));
        }
        self.change("lab_below", |state| Ok(state.lab.below(end)))
    }

    /// Which life of the node this is: another one after each end of its process.
    ///
    /// # Errors
    /// As [`Lab::node_id`].
    pub fn life(&self, node: u64) -> Result<u64> {
        self.ask("lab_life", |lab| Ok(lab.life(index(node))?))
    }

    /// A node publishes 1 to 65,536 events, as [`NodeHandle::publish`](crate::NodeHandle::publish)
    /// does. With the durability `process` nobody sees them before some time passes, and a power
    /// cut before that takes them back. `life` is the one in which what is published was begun.
    ///
    /// # Errors
    /// `closed`: the node does not run, or this is another life of it; or it dies in the middle,
    /// and the events are stored or not. `not_yet_visible`: it does
    /// not hold what the session has seen, and a lab does not wait. `invalid_argument`,
    /// `limit_exceeded`, `conflict`. But for a death, nothing was stored.
    pub fn publish(
        &self,
        node: u64,
        life: Option<u64>,
        drafts: Vec<Draft>,
        options: PublishOptions,
    ) -> Result<Published> {
        self.change("lab_publish", |state| {
            let needs = options.needs()?;
            state.check_covered(node, &needs, None)?;
            // No node of a lab has any.
            let events = events_of(drafts, |id| Ok(unsaid(id)))?;
            let options = options.resolve()?;
            if life.is_some_and(|life| state.lab.life(index(node)).is_ok_and(|own| own != life)) {
                let message = format!("node {node} ended before this was published");
                return Err(FacadeError::new(ErrorKind::Closed, message));
            }
            let appended = state.lab.node(index(node))?.publish(events, options).wait()?;
            needs.sees(&appended.token());
            Ok(appended.into())
        })
    }

    /// The events that a node holds durably and a query selects, in key order.
    ///
    /// # Errors
    /// `closed`: the node does not run. `not_yet_visible`: it does not hold what is needed, and a
    /// lab does not wait. `query_invalid`, `invalid_argument`.
    pub fn query(&self, node: u64, query: &str, options: ReadOptions) -> Result<EventBatch> {
        let query = Query::parse(query)?;
        self.change("lab_query", |state| {
            let needs = options.needs()?;
            state.check_covered(node, &needs, Some(&query))?;
            let events = state.lab.node(index(node))?.query(&query)?;
            let offsets = state.lab.offsets(index(node))?;
            needs.sees(&offsets);
            Ok(EventBatch::of_query(events, offsets.into()))
        })
    }

    /// The events that any node holds durably and a query selects, in key order; `isLocal` is what
    /// the first node published.
    ///
    /// # Errors
    /// `query_invalid`, `invalid_argument`.
    pub fn events(&self, query: &str) -> Result<EventBatch> {
        let query = Query::parse(query)?;
        self.change("lab_events", |state| {
            let events = state.lab.events(&query);
            Ok(EventBatch::of_query(events, Offsets::default()))
        })
    }

    /// Refuses what a node refuses with `not_yet_visible` at the end of its wait; with a query only
    /// for what can match it, where that is known.
    ///
    /// # Errors
    /// `not_yet_visible`, `query_invalid`; `closed`: the node does not run; as [`Lab::node_id`].
    pub fn wait_for(&self, node: u64, token: &Offsets, query: Option<&str>) -> Result<()> {
        let query = query.map(Query::parse).transpose()?;
        self.change("lab_wait_for", |state| {
            let needs = Needs::new(Some(token.clone()), None)?;
            state.check_covered(node, &needs, query.as_ref())
        })
    }

    /// Parts the network into these groups of nodes; those in none are one more.
    ///
    /// # Errors
    /// `invalid_argument`: there is no such node, or it is in two groups.
    pub fn cut(&self, groups: &[Vec<u64>]) -> Result<()> {
        let groups: Vec<Vec<usize>> =
            groups.iter().map(|group| group.iter().map(|node| index(*node)).collect()).collect();
        self.change("lab_cut", |state| Ok(state.lab.cut(&groups)?))
    }

    /// All nodes reach each other again.
    ///
    /// # Errors
    /// `internal`.
    pub fn heal(&self) -> Result<()> {
        self.change("lab_heal", |state| {
            state.lab.heal();
            Ok(())
        })
    }

    /// A node's process ends: what it has in memory is lost.
    ///
    /// # Errors
    /// As [`Lab::node_id`].
    pub fn crash(&self, node: u64) -> Result<()> {
        self.change("lab_crash", |state| Ok(state.lab.crash(index(node))?))
    }

    /// A node's power is cut: what was not durable is lost, too.
    ///
    /// # Errors
    /// As [`Lab::node_id`].
    pub fn cut_power(&self, node: u64) -> Result<()> {
        self.change("lab_cut_power", |state| Ok(state.lab.cut_power(index(node))?))
    }

    /// A node runs again, if it does not.
    ///
    /// # Errors
    /// As [`Lab::node_id`].
    pub fn start(&self, node: u64) -> Result<()> {
        self.change("lab_start", |state| Ok(state.lab.start(index(node))?))
    }

    /// Begins a task. Gives the number of its fish, if it names one: jobs say it. Then
    /// [`Lab::next_job`] until it gives none.
    ///
    /// # Errors
    /// `invalid_argument`, `limit_exceeded`, `query_invalid`: the task is refused; with the reason
    /// `nested_call`: code of a fish calls this. `closed`: the node does not run.
    /// `not_yet_visible`: it does not hold what the state must have seen.
    pub fn begin(&self, task: LabTask) -> Result<Option<u64>> {
        self.change("lab_begin", |state| {
            let (task, fish) = state.read(task)?;
            state.lab.begin(task)?;
            Ok(fish.map(|fish| fish as u64))
        })
    }

    /// Takes the answer to the last job, and gives the next one; `None` when the task is done.
    ///
    /// # Errors
    /// `invalid_argument`: the last job is not answered, or nothing was to be answered; nothing was
    /// taken. `user_code`: code of a fish failed or is wrong; the reason says which. `conflict`:
    /// another fish of the same id is at work at that node. The task has ended then.
    pub fn next_job(&self, answer: Option<JobAnswer>) -> Result<Option<LabJob>> {
        self.with("lab_next_job", |state| state.next_job(answer))
    }

    /// Leaves what is left of a task undone if the last job of it is not answered, for who cannot
    /// answer it any more: an interrupt ended it, say.
    ///
    /// # Errors
    /// `internal`.
    pub fn abandon(&self) -> Result<()> {
        self.with("lab_abandon", |state| {
            if state.owed.take().is_some() {
                state.lab.abandon();
            }
            Ok(())
        })
    }

    /// The state that the last task [`LabTask::State`] came to.
    ///
    /// # Errors
    /// `not_found`: the last task was none, or it failed.
    pub fn shown(&self) -> Result<StateView> {
        self.with("lab_shown", |state| {
            let none = || FacadeError::new(ErrorKind::NotFound, "no state was asked for last");
            let shown = state.lab.shown().ok_or_else(none)?;
            state.needs.sees(&shown.offsets);
            Ok(StateView::new(shown.clone()))
        })
    }

    fn ask<T>(
        &self,
        name: &'static str,
        question: impl FnOnce(&mut testing::Lab) -> Result<T>,
    ) -> Result<T> {
        self.with(name, |state| question(&mut state.lab))
    }

    /// What code of a fish must not do.
    pub(crate) fn change<T>(
        &self,
        name: &'static str,
        change: impl FnOnce(&mut State) -> Result<T>,
    ) -> Result<T> {
        self.with(name, |state| match state.owed {
            None => change(state),
            Some(_) => {
                let message = "code of a fish uses the lab that runs it; it must be a function of \
                               its arguments: it runs again and again, and on other nodes";
                Err(FacadeError::invalid(message).with_reason("nested_call"))
            }
        })
    }

    fn with<T>(
        &self,
        name: &'static str,
        question: impl FnOnce(&mut State) -> Result<T>,
    ) -> Result<T> {
        guard(name, 0, || question(&mut lock(&self.0)))
    }
}

impl State {
    /// With a query only for what can match it, where that is known.
    ///
    /// # Errors
    /// `not_yet_visible`: the node does not hold what is needed. `closed`: it does not run.
    pub(crate) fn check_covered(
        &mut self,
        node: u64,
        needs: &Needs,
        query: Option<&Query>,
    ) -> Result<()> {
        let covered = self.lab.node(index(node))?.wait_for(&needs.token(), query);
        covered.map_err(|error| match error.kind() {
            ErrorKind::NotYetVisible => {
                let said = "events are not held yet, and a lab does not wait for them: let time \
                            pass";
                FacadeError { message: said.to_owned(), ..FacadeError::from(error) }
            }
            _ => error.into(),
        })
    }

    fn read(&mut self, task: LabTask) -> Result<(testing::LabTask, Option<usize>)> {
        self.needs = Needs::default();
        Ok(match task {
            LabTask::Advance(duration) => (testing::LabTask::Advance(duration), None),
            LabTask::Settle => (testing::LabTask::Settle, None),
            LabTask::Calm => {
                self.lab.heal();
                (0..self.lab.node_count()).try_for_each(|node| self.lab.start(node))?;
                (testing::LabTask::Settle, None)
            }
            LabTask::Chaos(steps) => {
                let steps = index(steps.unwrap_or(CHAOS_STEPS));
                (testing::LabTask::Chaos { steps }, None)
            }
            LabTask::State { node, fish, options } => {
                let needs = options.needs()?;
                self.check_covered(node, &needs, None)?;
                self.needs = needs;
                let fish = self.declare(&fish)?;
                (testing::LabTask::State { node: index(node), fish }, Some(fish))
            }
            LabTask::Check(fish) => {
                let fish = self.declare(&fish)?;
                (testing::LabTask::Check { fish }, Some(fish))
            }
        })
    }

    fn declare(&mut self, fish: &FishSpec) -> Result<usize> {
        let definition = fish.definition()?;
        let number = self.lab.declare(&definition);
        self.fish.entry(number).or_insert_with(|| match definition.builtin() {
            Some(fold) => Code::BuiltIn { fold: fold.clone(), states: BTreeMap::new() },
            None => Code::Shell { is_cbor: definition.codec() == CODEC_DEFAULT },
        });
        Ok(number)
    }

    fn next_job(&mut self, answer: Option<JobAnswer>) -> Result<Option<LabJob>> {
        let in_hand = self.owed.and_then(|(fish, _)| self.fish.get(&fish));
        let is_cbor = matches!(in_hand, Some(Code::Shell { is_cbor: true }));
        let mut answer = Owed::checked(self.owed.map(|(_, owed)| owed), answer, is_cbor)?;
        self.owed = None;
        loop {
            let Some(own) = self.lab.next_job(answer.take())? else { return Ok(None) };
            let testing::LabJob { fish, owner, job } = own;
            if let Some(Code::BuiltIn { fold, states }) = self.fish.get_mut(&fish) {
                let tally = states.entry(owner).or_insert_with(|| Tally::new(fold.clone()));
                answer = Some(tally.work(job));
                continue;
            }
            let job = FishJob::from(job);
            self.owed = Owed::of(&job).map(|owed| (fish, owed));
            return Ok(Some(LabJob { fish: fish as u64, owner: owner as u64, job }));
        }
    }
}
