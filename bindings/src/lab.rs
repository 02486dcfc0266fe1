//! The testing kit: a swarm in memory, and the jobs of its fish.

use crate::answer::Published;
use crate::batch::Batch;
use crate::failure::{Answer, call};
use crate::fish::{FishSpec, JobAnswer};
use crate::options::{PublishOptions, ReadOptions, of_millis};
use crate::pond_answer::{Job, StateBytes};
use millpond_facade::{self as facade, LabTask, Offsets, drafts_from_packed};
use std::sync::Arc;

/// How a lab is made.
#[derive(Clone, Debug, uniffi::Record)]
pub struct LabOptions {
    /// Number of nodes.
    pub nodes: Option<u64>,
    /// Where all chance comes from.
    pub seed: Option<u64>,
    /// Who publishes.
    pub app: Option<String>,
    /// Most that wall clocks are wrong, in milliseconds.
    pub skew_ms_max: Option<u64>,
    /// One in so many publishes dies.
    pub faults: Option<u64>,
    /// What does not befall, by its numbers.
    pub without: Vec<u64>,
}

/// What befell by chance.
#[derive(Clone, Debug, uniffi::Record)]
pub struct LabBefall {
    /// Its number.
    pub number: u64,
    /// What it was.
    pub what: String,
}

/// A job for the code of a fish of a lab.
#[derive(Clone, Debug, uniffi::Record)]
pub struct LabJob {
    /// Number of the fish.
    pub fish: u64,
    /// Which of its states.
    pub owner: u64,
    /// What to do.
    pub job: Job,
}

/// A swarm in memory. Any thread may use it, one at a time.
#[derive(uniffi::Object)]
pub struct Lab {
    pub(crate) inner: facade::Lab,
}

#[uniffi::export]
impl Lab {
    /// Makes a lab.
    #[uniffi::constructor]
    pub fn new(options: LabOptions) -> Answer<Arc<Lab>> {
        let LabOptions { nodes, seed, app, skew_ms_max, faults, without } = options;
        let skew_max = of_millis(skew_ms_max);
        let options = facade::LabOptions { nodes, seed, app, skew_max, faults, without };
        let inner = call("bridge_lab_new", || facade::Lab::new(options))?;
        Ok(Arc::new(Lab { inner }))
    }
}

#[uniffi::export]
impl Lab {
    /// The seed.
    pub fn seed(&self) -> Answer<u64> {
        call("bridge_lab_seed", || self.inner.seed())
    }

    /// Number of nodes.
    pub fn node_count(&self) -> Answer<u64> {
        call("bridge_lab_node_count", || self.inner.node_count())
    }

    /// The id of a node; the first is 0.
    pub fn node_id(&self, node: u64) -> Answer<String> {
        call("bridge_lab_node_id", || self.inner.node_id(node))
    }

    /// Whether a node runs.
    pub fn is_up(&self, node: u64) -> Answer<bool> {
        call("bridge_lab_is_up", || self.inner.is_up(node))
    }

    /// A node's wall clock, µs since 1970 UTC.
    pub fn time_micros(&self, node: u64) -> Answer<i64> {
        call("bridge_lab_time_micros", || self.inner.time_micros(node))
    }

    /// Virtual time since the beginning, in microseconds.
    pub fn elapsed_micros(&self) -> Answer<u64> {
        call("bridge_lab_elapsed_micros", || Ok(self.inner.elapsed()?.as_micros() as u64))
    }

    /// What is durable at a node, as token text.
    pub fn offsets(&self, node: u64) -> Answer<String> {
        call("bridge_lab_offsets", || Ok(self.inner.offsets(node)?.token()))
    }

    /// What happened, line by line.
    pub fn trace(&self) -> Answer<Vec<String>> {
        call("bridge_lab_trace", || self.inner.trace())
    }

    /// What befell by chance.
    pub fn befell(&self) -> Answer<Vec<LabBefall>> {
        call("bridge_lab_befell", || {
            Ok(self.inner.befell()?.into_iter().map(LabBefall::from).collect())
        })
    }

    /// A number by the seed, from 0 to below `end`.
    pub fn below(&self, end: u64) -> Answer<u64> {
        call("bridge_lab_below", || self.inner.below(end))
    }

    /// Which life of a node this is.
    pub fn life(&self, node: u64) -> Answer<u64> {
        call("bridge_lab_life", || self.inner.life(node))
    }

    /// Publishes the events that `drafts` hold: see `packed.rs` of the facade; in that life of the
    /// node.
    pub fn publish(
        &self,
        node: u64,
        life: Option<u64>,
        drafts: Vec<u8>,
        options: PublishOptions,
    ) -> Answer<Published> {
        call("bridge_lab_publish", || {
            Ok(self.inner.publish(node, life, drafts_from_packed(&drafts)?, options.into())?.into())
        })
    }

    /// The events of a query that a node holds.
    pub fn query(&self, node: u64, text: String, options: ReadOptions) -> Answer<Batch> {
        call("bridge_lab_query", || Ok(self.inner.query(node, &text, options.to_facade()?)?.into()))
    }

    /// The events of a query that any node holds.
    pub fn events(&self, text: String) -> Answer<Batch> {
        call("bridge_lab_events", || Ok(self.inner.events(&text)?.into()))
    }

    /// Throws unless a node holds what this token says, and can match the query.
    pub fn wait_for(&self, node: u64, token: String, query: Option<String>) -> Answer<()> {
        call("bridge_lab_wait_for", || {
            self.inner.wait_for(node, &Offsets::parse(&token)?, query.as_deref())
        })
    }

    /// Leaves what is left of a task undone.
    pub fn abandon(&self) -> Answer<()> {
        call("bridge_lab_abandon", || self.inner.abandon())
    }

    /// Parts the network into these groups of nodes.
    pub fn cut(&self, groups: Vec<Vec<u64>>) -> Answer<()> {
        call("bridge_lab_cut", || self.inner.cut(&groups))
    }

    /// All nodes reach each other.
    pub fn heal(&self) -> Answer<()> {
        call("bridge_lab_heal", || self.inner.heal())
    }

    /// The process of a node ends.
    pub fn crash(&self, node: u64) -> Answer<()> {
        call("bridge_lab_crash", || self.inner.crash(node))
    }

    /// A node loses its power.
    pub fn cut_power(&self, node: u64) -> Answer<()> {
        call("bridge_lab_cut_power", || self.inner.cut_power(node))
    }

    /// A node runs again.
    pub fn start(&self, node: u64) -> Answer<()> {
        call("bridge_lab_start", || self.inner.start(node))
    }

    /// Begins to let so many microseconds pass.
    pub fn begin_advance(&self, micros: u64) -> Answer<()> {
        call("bridge_lab_begin_advance", || {
            self.inner.begin(LabTask::Advance(std::time::Duration::from_micros(micros))).map(drop)
        })
    }

    /// Begins to let time pass until nodes that reach each other hold the same.
    pub fn begin_settle(&self) -> Answer<()> {
        call("bridge_lab_begin_settle", || self.inner.begin(LabTask::Settle).map(drop))
    }

    /// Begins to heal the network, start all nodes, and settle.
    pub fn begin_calm(&self) -> Answer<()> {
        call("bridge_lab_begin_calm", || self.inner.begin(LabTask::Calm).map(drop))
    }

    /// Begins chaos of so many steps.
    pub fn begin_chaos(&self, steps: Option<u64>) -> Answer<()> {
        call("bridge_lab_begin_chaos", || self.inner.begin(LabTask::Chaos(steps)).map(drop))
    }

    /// Begins to ask for a state; the number of the fish.
    pub fn begin_state(
        &self,
        node: u64,
        fish: FishSpec,
        options: ReadOptions,
    ) -> Answer<Option<u64>> {
        call("bridge_lab_begin_state", || {
            let (fish, options) = (fish.into(), options.to_facade()?);
            self.inner.begin(LabTask::State { node, fish, options })
        })
    }

    /// Begins to check a fish at each node that runs; its number.
    pub fn begin_check(&self, fish: FishSpec) -> Answer<Option<u64>> {
        call("bridge_lab_begin_check", || self.inner.begin(LabTask::Check(fish.into())))
    }

    /// Takes the answer to the last job, and gives the next one.
    pub fn next_job(&self, answer: Option<JobAnswer>) -> Answer<Option<LabJob>> {
        call("bridge_lab_next_job", || {
            let answer = answer.map(JobAnswer::into_facade).transpose()?;
            Ok(self.inner.next_job(answer)?.map(LabJob::from))
        })
    }

    /// The state that was asked for.
    pub fn shown(&self) -> Answer<StateBytes> {
        call("bridge_lab_shown", || Ok(self.inner.shown()?.into()))
    }
}

impl From<facade::LabBefall> for LabBefall {
    fn from(befall: facade::LabBefall) -> LabBefall {
        LabBefall { number: befall.number, what: befall.what }
    }
}

impl From<LabBefall> for facade::LabBefall {
    fn from(befall: LabBefall) -> facade::LabBefall {
        facade::LabBefall { number: befall.number, what: befall.what }
    }
}

impl From<facade::LabJob> for LabJob {
    fn from(own: facade::LabJob) -> LabJob {
        LabJob { fish: own.fish, owner: own.owner, job: own.job.into() }
    }
}
