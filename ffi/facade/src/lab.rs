//! The testing kit as shells hold it: a swarm in memory whose fish have their code in the shell.
//!
//! A shell begins a task, and does one job after the other until there is none: so the code of its
//! fish runs on the thread that asked. A lab is no node and has no handle: who drops it ends it.
//! Source: docs/testing.md.

use crate::batch::EventBatch;
use crate::defaults::{CHAOS_STEPS, LAB_NODES};
use crate::draft::Draft;
use crate::entry::{guard, lock};
use crate::errors::{FacadeError, Result};
use crate::lab_work::{LabAnswer, LabFish, LabJob, LabTask, LabWork, index};
use crate::offsets::Offsets;
use crate::options::PublishOptions;
use crate::publish::Published;
use bytes::Bytes;
use millpond::event::AppId;
use millpond::pond::builtin::{BuiltIn, Tally};
use millpond::pond::{CODEC_DEFAULT, Job};
use millpond::query::Query;
use millpond::{ErrorKind, testing};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How a lab is made; what is not said has its default.
#[derive(Clone, Debug, Default)]
pub struct LabOptions {
    /// Number of nodes, 1 to 64; 3.
    pub nodes: Option<u64>,
    /// All chance follows from it; 1, or what the environment says in `MILLPOND_SEED`.
    pub seed: Option<u64>,
    /// The application that publishes.
    pub app: Option<String>,
    /// The wall clocks of the nodes are wrong by at most this; 5 minutes.
    pub skew_max: Option<Duration>,
}

/// A state that a lab has judged.
#[derive(Clone, Debug)]
pub struct LabState {
    /// As its codec writes it.
    pub bytes: Bytes,
    /// What it is the fold of.
    pub offsets: Offsets,
}

/// A swarm in memory. Any thread may use it, one at a time.
pub struct Lab(Mutex<State>);

struct State {
    lab: testing::Lab,
    fish: BTreeMap<usize, Code>,
    /// Of the job that was given out.
    fish_in_hand: usize,
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
            let seed = match options.seed {
                Some(seed) => seed,
                None => testing::seed_wanted()?.unwrap_or(1),
            };
            let mut own = testing::LabOptions::new(index(options.nodes.unwrap_or(LAB_NODES)), seed);
            own.app_id = options.app.map(|app| AppId::parse(&app)).transpose()?;
            own.skew_max = options.skew_max.unwrap_or(own.skew_max);
            let lab = testing::Lab::new(&own)?;
            Ok(Lab(Mutex::new(State { lab, fish: BTreeMap::new(), fish_in_hand: 0 })))
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

    /// A number below `end` by the seed.
    ///
    /// # Errors
    /// `invalid_argument`: `end` is 0.
    pub fn below(&self, end: u64) -> Result<u64> {
        if end == 0 {
            return Err(FacadeError::invalid("there is no number below 0"));
        }
        self.ask("lab_below", |lab| Ok(lab.below(end)))
    }

    /// A node publishes 1 to 65,536 events. `durability` is `power` (the default) or `process`:
    /// then nobody sees them before some time passes, and a power cut before that takes them back.
    ///
    /// # Errors
    /// `closed`: the node does not run. `invalid_argument`, `limit_exceeded`: nothing was stored.
    pub fn publish(
        &self,
        node: u64,
        drafts: Vec<Draft>,
        durability: Option<&str>,
    ) -> Result<Published> {
        let durability = durability.map(str::to_owned);
        let options = PublishOptions { durability, ..PublishOptions::default() }.resolve()?;
        let is_durable = options.durability == crate::core::Durability::Power;
        let events = drafts.into_iter().map(Draft::into_event).collect();
        self.ask("lab_publish", |lab| {
            let published = match is_durable {
                true => lab.publish(index(node), events)?,
                false => lab.publish_unsynced(index(node), events)?,
            };
            let first = published.keys[0];
            Ok(Published {
                stream: first.stream.to_string(),
                first_offset: published.first.value(),
                first_lamport: first.lamport.value(),
                count: published.keys.len() as u64,
                time_micros: published.time.micros(),
                token: published.offsets.into(),
                replayed: false,
            })
        })
    }

    /// The events that a node holds durably and a query selects, in key order.
    ///
    /// # Errors
    /// `closed`: the node does not run. `query_invalid`, `invalid_argument`.
    pub fn query(&self, node: u64, query: &str) -> Result<EventBatch> {
        let query = Query::parse(query)?;
        self.ask("lab_query", |lab| {
            let (node, offsets) = (index(node), lab.offsets(index(node))?);
            Ok(batch(lab.query(node, &query)?, offsets.into()))
        })
    }

    /// Parts the network into these groups of nodes; those in none are one more.
    ///
    /// # Errors
    /// `invalid_argument`: there is no such node, or it is in two groups.
    pub fn cut(&self, groups: &[Vec<u64>]) -> Result<()> {
        let groups: Vec<Vec<usize>> =
            groups.iter().map(|group| group.iter().map(|node| index(*node)).collect()).collect();
        self.ask("lab_cut", |lab| Ok(lab.cut(&groups)?))
    }

    /// All nodes reach each other again.
    ///
    /// # Errors
    /// `internal`.
    pub fn heal(&self) -> Result<()> {
        self.ask("lab_heal", |lab| {
            lab.heal();
            Ok(())
        })
    }

    /// A node's process ends: what it has in memory is lost.
    ///
    /// # Errors
    /// As [`Lab::node_id`].
    pub fn crash(&self, node: u64) -> Result<()> {
        self.ask("lab_crash", |lab| Ok(lab.crash(index(node))?))
    }

    /// A node's power is cut: what was not durable is lost, too.
    ///
    /// # Errors
    /// As [`Lab::node_id`].
    pub fn cut_power(&self, node: u64) -> Result<()> {
        self.ask("lab_cut_power", |lab| Ok(lab.cut_power(index(node))?))
    }

    /// A node runs again, if it does not.
    ///
    /// # Errors
    /// As [`Lab::node_id`].
    pub fn start(&self, node: u64) -> Result<()> {
        self.ask("lab_start", |lab| Ok(lab.start(index(node))?))
    }

    /// Begins a task, in the place of what is left of an earlier one. Gives the number of its fish,
    /// if it names one: jobs say it. Then [`Lab::next_job`] until it gives none.
    ///
    /// # Errors
    /// `invalid_argument`, `limit_exceeded`, `query_invalid`: the task is refused. `closed`: the
    /// node does not run.
    pub fn begin(&self, task: LabTask) -> Result<Option<u64>> {
        self.with("lab_begin", |state| {
            let (task, fish) = state.read(task)?;
            state.lab.begin(task)?;
            Ok(fish.map(|fish| fish as u64))
        })
    }

    /// Takes the answer to the last job, and gives the next one; `None` when the task is done.
    ///
    /// # Errors
    /// `user_code`: code of a fish failed or is wrong; the reason says which. `conflict`: another
    /// fish of the same id is at work at that node. The task has ended then.
    pub fn next_job(&self, answer: Option<LabAnswer>) -> Result<Option<LabJob>> {
        self.with("lab_next_job", |state| state.next_job(answer))
    }

    /// The state that the last task [`LabTask::State`] came to.
    ///
    /// # Errors
    /// `not_found`: the last task was none, or it failed.
    pub fn shown(&self) -> Result<LabState> {
        self.ask("lab_shown", |lab| {
            let none = || FacadeError::new(ErrorKind::NotFound, "no state was asked for last");
            let shown = lab.shown().ok_or_else(none)?;
            Ok(LabState { bytes: shown.state.clone(), offsets: shown.offsets.clone().into() })
        })
    }

    fn ask<T>(
        &self,
        name: &'static str,
        question: impl FnOnce(&mut testing::Lab) -> Result<T>,
    ) -> Result<T> {
        self.with(name, |state| question(&mut state.lab))
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
    fn read(&mut self, task: LabTask) -> Result<(testing::LabTask, Option<usize>)> {
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
            LabTask::State { node, fish } => {
                let fish = self.declare(&fish)?;
                (testing::LabTask::State { node: index(node), fish }, Some(fish))
            }
            LabTask::Check(fish) => {
                let fish = self.declare(&fish)?;
                (testing::LabTask::Check { fish }, Some(fish))
            }
        })
    }

    fn declare(&mut self, fish: &LabFish) -> Result<usize> {
        let definition = fish.definition()?;
        let number = self.lab.declare(&Arc::new(definition.clone()));
        self.fish.entry(number).or_insert_with(|| match definition.builtin() {
            Some(fold) => Code::BuiltIn { fold: fold.clone(), states: BTreeMap::new() },
            None => Code::Shell { is_cbor: definition.codec() == CODEC_DEFAULT },
        });
        Ok(number)
    }

    fn next_job(&mut self, answer: Option<LabAnswer>) -> Result<Option<LabJob>> {
        let in_hand = self.fish.get(&self.fish_in_hand);
        let is_cbor = matches!(in_hand, Some(Code::Shell { is_cbor: true }));
        let mut answer = answer.map(|answer| answer.checked(is_cbor)).transpose()?;
        loop {
            let Some(own) = self.lab.next_job(answer.take())? else { return Ok(None) };
            let testing::LabJob { fish, owner, job } = own;
            self.fish_in_hand = fish;
            if let Some(Code::BuiltIn { fold, states }) = self.fish.get_mut(&fish) {
                let tally = states.entry(owner).or_insert_with(|| Tally::new(fold.clone()));
                answer = Some(tally.work(job));
                continue;
            }
            let work = match job {
                Job::Load(state) => LabWork::Load(state),
                Job::Apply(events) => LabWork::Apply(batch((*events).clone(), Offsets::default())),
                Job::Save => LabWork::Save,
            };
            return Ok(Some(LabJob { fish: fish as u64, owner: owner as u64, work }));
        }
    }
}

fn batch(events: millpond::EventBatch, position: Offsets) -> EventBatch {
    EventBatch::of_query(events, position, &Arc::default())
}
