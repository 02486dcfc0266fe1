//! The testing kit: a swarm in memory, and the jobs of its fish. `src/testing.ts` is its surface.

use crate::answer::JsPublished;
use crate::batch::JsBatch;
use crate::failure::thrown;
use crate::options::{JsPublishOptions, JsReadOptions};
use crate::pond::{JsFish, JsJobAnswer};
use crate::pond_answer::{JsJob, JsState};
use millpond_facade::{
    self as facade, Bytes, LabBefall, LabTask, LawQuestion, Offsets, Result, drafts_from_packed,
    host_error,
};
use napi::bindgen_prelude::{BufferSlice, Env};
use napi_derive::napi;
use std::time::Duration;

/// How a lab is made.
#[napi(object, object_to_js = false)]
pub struct JsLabOptions {
    /// Number of nodes.
    pub nodes: Option<i64>,
    /// Where all chance comes from.
    pub seed: Option<i64>,
    /// Who publishes.
    pub app: Option<String>,
    /// Most that wall clocks are wrong, in milliseconds.
    pub skew_ms_max: Option<f64>,
    /// One in so many publishes dies.
    pub faults: Option<i64>,
    /// What does not befall, by its numbers.
    pub without: Vec<i64>,
}

/// What befell by chance.
#[napi(object)]
pub struct JsBefall {
    /// Its number.
    pub number: i64,
    /// What it was.
    pub what: String,
}

/// A job for the code of a fish.
#[napi(object, object_from_js = false)]
pub struct JsLabJob<'a> {
    /// Number of the fish.
    pub fish: i64,
    /// Which of its states.
    pub owner: i64,
    /// What to do.
    pub job: JsJob<'a>,
}

/// A swarm in memory.
#[napi]
pub struct Lab {
    pub(crate) inner: facade::Lab,
}

#[napi]
impl Lab {
    /// Makes a lab.
    #[napi(constructor, catch_unwind)]
    pub fn new(env: Env, options: JsLabOptions) -> napi::Result<Lab> {
        let made = options.into_facade().and_then(facade::Lab::new);
        let made = made.and_then(|lab| {
            exact(lab.seed()?)?;
            Ok(lab)
        });
        Ok(Lab { inner: thrown(&env, made)? })
    }

    /// The seed.
    #[napi(catch_unwind)]
    pub fn seed(&self, env: Env) -> napi::Result<i64> {
        thrown(&env, self.inner.seed().and_then(exact))
    }

    /// Number of nodes.
    #[napi(catch_unwind)]
    pub fn node_count(&self, env: Env) -> napi::Result<i64> {
        Ok(thrown(&env, self.inner.node_count())? as i64)
    }

    /// The id of a node.
    #[napi(catch_unwind)]
    pub fn node_id(&self, env: Env, node: i64) -> napi::Result<String> {
        thrown(&env, index(node).and_then(|node| self.inner.node_id(node)))
    }

    /// Whether a node runs.
    #[napi(catch_unwind)]
    pub fn is_up(&self, env: Env, node: i64) -> napi::Result<bool> {
        thrown(&env, index(node).and_then(|node| self.inner.is_up(node)))
    }

    /// A node's wall clock.
    #[napi(catch_unwind)]
    pub fn time_micros(&self, env: Env, node: i64) -> napi::Result<i64> {
        thrown(&env, index(node).and_then(|node| self.inner.time_micros(node)))
    }

    /// Virtual time, in milliseconds.
    #[napi(catch_unwind)]
    pub fn elapsed_ms(&self, env: Env) -> napi::Result<f64> {
        Ok(thrown(&env, self.inner.elapsed())?.as_secs_f64() * 1000.0)
    }

    /// What is durable at a node, as token text.
    #[napi(catch_unwind)]
    pub fn offsets(&self, env: Env, node: i64) -> napi::Result<String> {
        let offsets = index(node).and_then(|node| self.inner.offsets(node));
        Ok(thrown(&env, offsets)?.token())
    }

    /// What happened.
    #[napi(catch_unwind)]
    pub fn trace(&self, env: Env) -> napi::Result<Vec<String>> {
        thrown(&env, self.inner.trace())
    }

    /// What befell.
    #[napi(catch_unwind)]
    pub fn befell(&self, env: Env) -> napi::Result<Vec<JsBefall>> {
        let plain = |own: LabBefall| JsBefall { number: own.number as i64, what: own.what };
        Ok(thrown(&env, self.inner.befell())?.into_iter().map(plain).collect())
    }

    /// A number by the seed.
    #[napi(catch_unwind)]
    pub fn below(&self, env: Env, end: i64) -> napi::Result<i64> {
        let drawn = index(end).and_then(|end| self.inner.below(end));
        Ok(thrown(&env, drawn)? as i64)
    }

    /// Which life of a node this is.
    #[napi(catch_unwind)]
    pub fn life(&self, env: Env, node: i64) -> napi::Result<i64> {
        Ok(thrown(&env, index(node).and_then(|node| self.inner.life(node)))? as i64)
    }

    /// Publishes the events that `bytes` hold, as `packed.rs` of the facade says, in that life of
    /// the node.
    #[napi(catch_unwind)]
    pub fn publish(
        &self,
        env: Env,
        node: i64,
        life: Option<i64>,
        bytes: &[u8],
        options: JsPublishOptions,
    ) -> napi::Result<JsPublished> {
        let published = drafts_from_packed(bytes).and_then(|drafts| {
            let life = life.map(index).transpose()?;
            self.inner.publish(index(node)?, life, drafts, options.to_options()?)
        });
        thrown(&env, published).map(JsPublished::from)
    }

    /// The events of a query.
    #[napi(catch_unwind)]
    pub fn query<'a>(
        &self,
        env: &'a Env,
        node: i64,
        query: String,
        options: JsReadOptions,
    ) -> napi::Result<JsBatch<'a>> {
        let events =
            index(node).and_then(|node| self.inner.query(node, &query, options.to_options()?));
        JsBatch::new(env, thrown(env, events)?)
    }

    /// The events of a query that any node holds.
    #[napi(catch_unwind)]
    pub fn events<'a>(&self, env: &'a Env, query: String) -> napi::Result<JsBatch<'a>> {
        let events = thrown(env, self.inner.events(&query))?;
        JsBatch::new(env, events)
    }

    /// Fails unless a node holds what this token text says, and can match the query.
    #[napi(catch_unwind)]
    pub fn wait_for(
        &self,
        env: Env,
        node: i64,
        token: String,
        query: Option<String>,
    ) -> napi::Result<()> {
        let held = Offsets::parse(&token)
            .and_then(|token| self.inner.wait_for(index(node)?, &token, query.as_deref()));
        thrown(&env, held)
    }

    /// Leaves what is left of a task undone.
    #[napi(catch_unwind)]
    pub fn abandon(&self, env: Env) -> napi::Result<()> {
        thrown(&env, self.inner.abandon())
    }

    /// Parts the network.
    #[napi(catch_unwind)]
    pub fn cut(&self, env: Env, groups: Vec<Vec<i64>>) -> napi::Result<()> {
        let groups: Result<Vec<Vec<u64>>> =
            groups.into_iter().map(|group| group.into_iter().map(index).collect()).collect();
        thrown(&env, groups.and_then(|groups| self.inner.cut(&groups)))
    }

    /// All nodes reach each other.
    #[napi(catch_unwind)]
    pub fn heal(&self, env: Env) -> napi::Result<()> {
        thrown(&env, self.inner.heal())
    }

    /// A process ends.
    #[napi(catch_unwind)]
    pub fn crash(&self, env: Env, node: i64) -> napi::Result<()> {
        thrown(&env, index(node).and_then(|node| self.inner.crash(node)))
    }

    /// A node loses its power.
    #[napi(catch_unwind)]
    pub fn cut_power(&self, env: Env, node: i64) -> napi::Result<()> {
        thrown(&env, index(node).and_then(|node| self.inner.cut_power(node)))
    }

    /// A node runs again.
    #[napi(catch_unwind)]
    pub fn start(&self, env: Env, node: i64) -> napi::Result<()> {
        thrown(&env, index(node).and_then(|node| self.inner.start(node)))
    }

    /// Begins to let time pass.
    #[napi(catch_unwind)]
    pub fn begin_advance(&self, env: Env, milliseconds: f64) -> napi::Result<()> {
        let begun = match duration(Some(milliseconds)) {
            Ok(Some(time)) => self.inner.begin(LabTask::Advance(time)),
            Ok(None) => Err(host_error("advance: that many milliseconds are too many")),
            Err(error) => Err(error),
        };
        thrown(&env, begun.map(drop))
    }

    /// Begins to settle.
    #[napi(catch_unwind)]
    pub fn begin_settle(&self, env: Env) -> napi::Result<()> {
        thrown(&env, self.inner.begin(LabTask::Settle).map(drop))
    }

    /// Begins to calm.
    #[napi(catch_unwind)]
    pub fn begin_calm(&self, env: Env) -> napi::Result<()> {
        thrown(&env, self.inner.begin(LabTask::Calm).map(drop))
    }

    /// Begins chaos.
    #[napi(catch_unwind)]
    pub fn begin_chaos(&self, env: Env, steps: Option<i64>) -> napi::Result<()> {
        let steps = steps.map(index).transpose();
        thrown(&env, steps.and_then(|steps| self.inner.begin(LabTask::Chaos(steps))).map(drop))
    }

    /// Begins to ask for a state; the number of the fish.
    #[napi(catch_unwind)]
    pub fn begin_state(
        &self,
        env: Env,
        node: i64,
        fish: JsFish,
        options: JsReadOptions,
    ) -> napi::Result<Option<i64>> {
        let begun = fish.to_spec().and_then(|fish| {
            let (node, options) = (index(node)?, options.to_options()?);
            self.inner.begin(LabTask::State { node, fish, options })
        });
        Ok(thrown(&env, begun)?.map(|number| number as i64))
    }

    /// Begins a check; the number of the fish.
    #[napi(catch_unwind)]
    pub fn begin_check(&self, env: Env, fish: JsFish) -> napi::Result<Option<i64>> {
        let begun = fish.to_spec().and_then(|fish| self.inner.begin(LabTask::Check(fish)));
        Ok(thrown(&env, begun)?.map(|number| number as i64))
    }

    /// Takes the answer to the last job, and gives the next one.
    #[napi(catch_unwind)]
    pub fn next_job<'a>(
        &self,
        env: &'a Env,
        answer: Option<JsJobAnswer>,
    ) -> napi::Result<Option<JsLabJob<'a>>> {
        let answer = answer.as_ref().map(JsJobAnswer::to_answer).transpose();
        let job = answer.and_then(|answer| self.inner.next_job(answer));
        let Some(own) = thrown(env, job)? else { return Ok(None) };
        let (fish, owner) = (own.fish as i64, own.owner as i64);
        Ok(Some(JsLabJob { fish, owner, job: JsJob::new(env, own.job)? }))
    }

    /// The state that was asked for.
    #[napi(catch_unwind)]
    pub fn shown<'a>(&self, env: &'a Env) -> napi::Result<JsState<'a>> {
        JsState::new(env, &thrown(env, self.inner.shown())?)
    }
}

impl JsLabOptions {
    fn into_facade(self) -> Result<facade::LabOptions> {
        Ok(facade::LabOptions {
            nodes: self.nodes.map(index).transpose()?,
            seed: self.seed.map(index).transpose()?,
            app: self.app,
            skew_max: duration(self.skew_ms_max)?,
            faults: self.faults.map(index).transpose()?,
            without: self.without.into_iter().map(index).collect::<Result<Vec<u64>>>()?,
        })
    }
}

/// Looks for a smaller failure of a scenario.
#[napi]
pub struct LabShrink {
    inner: facade::LabShrink,
}

#[napi]
impl LabShrink {
    /// Of a run that failed, and in which this befell.
    #[napi(constructor, catch_unwind)]
    pub fn new(env: Env, befell: Vec<JsBefall>) -> napi::Result<LabShrink> {
        let inner = befalls(befell).and_then(facade::LabShrink::new);
        Ok(LabShrink { inner: thrown(&env, inner)? })
    }

    /// What the next run leaves out.
    #[napi(catch_unwind)]
    pub fn next_run(&self, env: Env) -> napi::Result<Option<Vec<i64>>> {
        let without = thrown(&env, self.inner.next_run())?;
        Ok(without.map(|numbers| numbers.into_iter().map(|number| number as i64).collect()))
    }

    /// How that ended: what befell, if it failed in the same way.
    #[napi(catch_unwind)]
    pub fn ended(&self, env: Env, befell: Option<Vec<JsBefall>>) -> napi::Result<()> {
        let befell = befell.map(befalls).transpose();
        thrown(&env, befell.and_then(|befell| self.inner.ended(befell)))
    }

    /// What it takes to fail.
    #[napi(catch_unwind)]
    pub fn summary(&self, env: Env, seed: i64) -> napi::Result<Option<String>> {
        thrown(&env, index(seed).and_then(|seed| self.inner.summary(seed)))
    }
}

fn befalls(befell: Vec<JsBefall>) -> Result<Vec<LabBefall>> {
    let own = |own: JsBefall| Ok(LabBefall { number: index(own.number)?, what: own.what });
    befell.into_iter().map(own).collect()
}

/// What the environment says to leave out.
#[napi(catch_unwind)]
pub fn lab_without(env: Env) -> napi::Result<Option<Vec<i64>>> {
    let without = thrown(&env, facade::without_wanted())?;
    Ok(without.map(|numbers| numbers.into_iter().map(|number| number as i64).collect()))
}

/// A question of the law: two of the fields, or none for the initial state.
#[napi(object, object_from_js = false)]
pub struct JsLawQuestion<'a> {
    /// A state.
    pub state: Option<BufferSlice<'a>>,
    /// The event that it steps over.
    pub event: Option<i64>,
    /// The state that it is merged with.
    pub other: Option<BufferSlice<'a>>,
}

/// The law of fish that only grow.
#[napi]
pub struct LawCheck {
    inner: facade::LawCheck,
}

#[napi]
impl LawCheck {
    /// Of a fish, on so many events.
    #[napi(constructor, catch_unwind)]
    pub fn new(env: Env, fish: JsFish, event_count: u32) -> napi::Result<LawCheck> {
        let fish = fish.to_spec();
        let inner = fish.and_then(|fish| facade::LawCheck::new(&fish, event_count.into()));
        Ok(LawCheck { inner: thrown(&env, inner)? })
    }

    /// Takes answers and asks on.
    #[napi(catch_unwind)]
    pub fn next_questions<'a>(
        &self,
        env: &'a Env,
        answers: Vec<BufferSlice<'_>>,
    ) -> napi::Result<Vec<JsLawQuestion<'a>>> {
        let answers = answers.iter().map(|answer| Bytes::copy_from_slice(answer)).collect();
        let questions = thrown(env, self.inner.next_questions(answers))?;
        let copy = |bytes: &Bytes| BufferSlice::copy_from(env, bytes).map(Some);
        let plain = |question: LawQuestion| {
            Ok(match question {
                LawQuestion::Initial => JsLawQuestion { state: None, event: None, other: None },
                LawQuestion::Step(state, event) => {
                    JsLawQuestion { state: copy(&state)?, event: Some(event as i64), other: None }
                }
                LawQuestion::Merge(one, other) => {
                    JsLawQuestion { state: copy(&one)?, event: None, other: copy(&other)? }
                }
            })
        };
        questions.into_iter().map(plain).collect()
    }
}

/// Whether an answer can be taken back.
#[napi(object, object_from_js = false)]
pub struct JsMonotone {
    /// `monotone`, `one_way` or `not_monotone`.
    pub verdict: String,
    /// Never retracted.
    pub is_monotone: bool,
    /// Why.
    pub reason: String,
    /// As one line.
    pub text: String,
}

impl From<facade::Monotone> for JsMonotone {
    fn from(monotone: facade::Monotone) -> JsMonotone {
        let facade::Monotone { verdict, is_monotone, reason, text } = monotone;
        JsMonotone { verdict: verdict.to_owned(), is_monotone, reason, text }
    }
}

/// Judges a query.
#[napi(catch_unwind)]
pub fn lint_query(env: Env, query: String) -> napi::Result<JsMonotone> {
    thrown(&env, facade::lint_query(&query)).map(JsMonotone::from)
}

/// Judges a fish, as far as it was checked.
#[napi(catch_unwind)]
pub fn lint_fish(env: Env, fish: JsFish, checked: Option<&LawCheck>) -> napi::Result<JsMonotone> {
    let checked = checked.map(|check| &check.inner);
    let monotone = fish.to_spec().and_then(|fish| facade::lint_fish(&fish, checked));
    thrown(&env, monotone).map(JsMonotone::from)
}

/// The seeds to run a scenario with.
#[napi(catch_unwind)]
pub fn lab_seeds(env: Env, count: Option<i64>) -> napi::Result<Vec<i64>> {
    let seeds = count.map(index).transpose().and_then(facade::seeds);
    thrown(&env, seeds.and_then(|seeds| seeds.into_iter().map(exact).collect()))
}

/// How to see a failure again.
#[napi(catch_unwind)]
pub fn replay_hint(env: Env, seed: i64) -> napi::Result<String> {
    thrown(&env, index(seed).map(facade::replay_hint))
}

/// So many milliseconds; `None` for more than can be said.
fn duration(milliseconds: Option<f64>) -> Result<Option<Duration>> {
    facade::timeout_from_seconds(milliseconds.map(|milliseconds| milliseconds / 1000.0))
}

/// A seed as JavaScript can hold it.
///
/// # Errors
/// `invalid_argument`: it would be another one there.
fn exact(seed: u64) -> Result<i64> {
    i64::try_from(seed).ok().filter(|seed| *seed <= SEED_MAX).ok_or_else(|| {
        let message = format!(
            "the seed {seed} is beyond {SEED_MAX}, the last one that JavaScript can hold; run it \
             in another language"
        );
        host_error(message)
    })
}

/// 2^53 − 1.
const SEED_MAX: i64 = (1 << 53) - 1;

pub(crate) fn index(number: i64) -> Result<u64> {
    u64::try_from(number).map_err(|_| host_error("a whole number from 0 on is needed"))
}
