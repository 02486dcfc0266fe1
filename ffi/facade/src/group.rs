//! Several fish that are made of events: all of them together, or the one of the first event.
//!
//! Rule: what is shown are states of all fish that the seeds so far make, each of a caught-up
//! moment; first when all seeds are looked at and each fish has shown a state.

use crate::batch::EventBatch;
use crate::close::Closed;
use crate::core::{FirstSeed, Subscription};
use crate::entry::{entry, guard, lock};
use crate::errors::{FacadeError, Result, user_code_error};
use crate::fish::FishSpec;
use crate::fold::{FoldHandle, OwnedFold};
use crate::group_worked::Maker;
use crate::handles::handle;
use crate::needs::Needs;
use crate::node::{NodeHandle, NodeState};
use crate::observer::States;
use crate::operation::Done;
use crate::options::ReadOptions;
use crate::position::Position;
use crate::publish::refuse_cancelled;
use crate::puller::{Item, Pulled, Puller, Source};
use crate::state::StateView;
use crate::subscription::waker;
use crate::wait::{Limit, Wait};
use crate::{defaults, registry, workers};
use millpond::ErrorKind;
use millpond::event::OffsetMap;
use millpond::query::Query;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, Weak};

handle! {
    /// Fish that are made of events: those of all seeds, or that of the first one.
    GroupHandle
}

/// What to do next for a group, or what it shows.
#[derive(Clone, Debug)]
pub enum GroupStep {
    /// Make a fish of each of these events, and answer.
    Seeds(EventBatch),
    /// Work these folds, each by the code of the fish with this id. No answer.
    Folds(Vec<(String, FoldHandle)>),
    /// What the fish show.
    States(GroupView),
    /// Nothing any more: the group or its node was closed.
    Ended,
}

/// What became of seeds.
#[derive(Clone, Debug)]
pub enum GroupAnswer {
    /// A fish for each event, or none.
    Made(Vec<Option<FishSpec>>),
    /// Code of the application failed.
    Failed {
        /// At which event, the first is 0.
        index: usize,
        /// What the language says about it.
        message: String,
    },
}

/// What the fish of a group show at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupView {
    /// The state of each fish, by rising id. [`StateView::number`] tells which have changed.
    pub states: Vec<(String, StateView)>,
    /// Counts the views of the group, from 1.
    pub number: u64,
}

/// What a group handle stands for.
pub(crate) struct GroupState {
    puller: Arc<Puller<Step>>,
    desk: Arc<Mutex<Desk>>,
    /// Present when code that was given along makes the fish.
    pub(crate) maker: OnceLock<Mutex<Maker>>,
}

/// Where answers are left for the group.
#[derive(Default)]
struct Desk {
    /// So many seeds were given out and not answered.
    owed: Option<usize>,
    answer: Option<GroupAnswer>,
}

enum Seeds {
    All(Box<Subscription>),
    /// Only the first in key order.
    First(Box<FirstSeed>),
}

struct Member {
    states: States,
    view: Option<StateView>,
    fish: FishSpec,
}

/// Gives the steps.
struct Steps {
    node: Weak<NodeState>,
    seeds: Seeds,
    desk: Arc<Mutex<Desk>>,
    /// What was given out and is not answered.
    under_way: Option<EventBatch>,
    members: BTreeMap<String, Member>,
    folds: Vec<(String, OwnedFold)>,
    /// All seeds were looked at.
    is_whole: bool,
    /// It shows something else than the last view did.
    is_changed: bool,
    number: u64,
    lower: Option<OffsetMap>,
    wake: Arc<dyn Fn() + Send + Sync>,
    /// Why it is over.
    failed: Option<FacadeError>,
}

/// A step that nobody was given yet.
enum Step {
    Seeds(EventBatch),
    Folds(Vec<(String, OwnedFold)>),
    States(GroupView),
    Ended,
}

impl From<Step> for GroupStep {
    /// For who gets it: the folds are theirs now.
    fn from(step: Step) -> GroupStep {
        match step {
            Step::Seeds(seeds) => GroupStep::Seeds(seeds),
            Step::Folds(folds) => {
                GroupStep::Folds(folds.into_iter().map(|(id, fold)| (id, fold.take())).collect())
            }
            Step::States(view) => GroupStep::States(view),
            Step::Ended => GroupStep::Ended,
        }
    }
}

impl Item for Step {
    fn end(_: Position) -> Step {
        Step::Ended
    }

    fn is_end(&self) -> bool {
        matches!(self, Step::Ended)
    }
}

impl Source<Step> for Steps {
    fn pull(&mut self, _: usize) -> Result<Pulled<Step>> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        match self.step() {
            Ok(Some(step)) => Ok(Pulled { item: Some(step), more: true }),
            Ok(None) => Ok(Pulled::nothing()),
            Err(error) => {
                self.members.clear();
                self.folds.clear();
                // A fish is closed only with the node.
                if error.is(ErrorKind::Closed) {
                    return Ok(Pulled { item: Some(Step::Ended), more: true });
                }
                self.failed = Some(error.clone());
                Err(error)
            }
        }
    }
}

impl Steps {
    fn step(&mut self) -> Result<Option<Step>> {
        if let Some(seeds) = self.under_way.take() {
            let answer = lock(&self.desk).answer.take();
            match answer {
                None => {
                    self.under_way = Some(seeds);
                    return Ok(None);
                }
                Some(GroupAnswer::Made(fish)) => self.join(fish)?,
                Some(GroupAnswer::Failed { index, message }) => {
                    return Err(failed(&seeds, index, &message));
                }
            }
        }
        if !self.folds.is_empty() {
            return Ok(Some(Step::Folds(std::mem::take(&mut self.folds))));
        }
        if let Some(seeds) = self.next_seeds()? {
            self.under_way = Some(seeds.clone());
            return Ok(Some(Step::Seeds(seeds)));
        }
        self.next_view()
    }

    fn next_seeds(&mut self) -> Result<Option<EventBatch>> {
        let batch = |events| EventBatch::new(events, false, 0, Position::default());
        match &mut self.seeds {
            Seeds::All(subscription) => {
                let seeds = subscription.next_batch(defaults::BATCH_COUNT_DEFAULT)?;
                self.is_whole |= seeds.caught_up;
                Ok((!seeds.events.is_empty()).then(|| batch(seeds.events)))
            }
            Seeds::First(first) => {
                let seed = first.try_next()?;
                self.is_whole |= seed.is_some();
                Ok(seed.map(batch))
            }
        }
    }

    /// The only fish there is to be, unless it is the one that there is.
    fn change_to(&mut self, made: Option<&FishSpec>) -> Result<()> {
        let (own, made) =
            (self.members.values().next(), made.map(FishSpec::definition).transpose()?);
        let is_same = match (own, made) {
            (Some(own), Some(made)) => own.fish.definition()?.is_same(&made),
            (own, made) => own.is_none() && made.is_none(),
        };
        if !is_same {
            self.members.clear();
            self.is_changed = true;
        }
        Ok(())
    }

    /// Observes the fish that seeds have made.
    fn join(&mut self, fish: Vec<Option<FishSpec>>) -> Result<()> {
        let over = || FacadeError::new(ErrorKind::Closed, "the node is closed");
        let node = self.node.upgrade().ok_or_else(over)?;
        if matches!(self.seeds, Seeds::First(_)) {
            self.change_to(fish.iter().flatten().next())?;
        }
        for fish in fish.into_iter().flatten() {
            let id = fish.id()?;
            if let Some(member) = self.members.get(&id) {
                member.fish.definition()?.check_same(&*fish.definition()?)?;
                continue;
            }
            if self.members.len() == defaults::GROUP_FISH_MAX {
                let message = format!(
                    "the seeds make more than {} fish; observe fewer, or one that groups",
                    defaults::GROUP_FISH_MAX
                );
                let error = FacadeError::new(ErrorKind::LimitExceeded, message);
                return Err(error.with_reason("fish"));
            }
            let (subscription, fold) = node.join(&fish)?;
            let states = States::begin(subscription, self.lower.clone(), self.wake.clone());
            self.folds.extend(fold.map(|fold| (id.clone(), fold)));
            self.members.insert(id, Member { states, view: None, fish });
            self.is_changed = true;
        }
        Ok(())
    }

    fn next_view(&mut self) -> Result<Option<Step>> {
        for member in self.members.values_mut() {
            if let Some(emission) = member.states.next()? {
                member.view = Some(StateView::new(emission));
                self.is_changed = true;
            }
        }
        let views = self.members.iter().map(|(id, member)| {
            let view = member.view.clone()?;
            Some((id.clone(), view))
        });
        let Some(states) = views.collect::<Option<Vec<_>>>() else { return Ok(None) };
        if !self.is_whole || !self.is_changed {
            return Ok(None);
        }
        self.is_changed = false;
        self.number += 1;
        Ok(Some(Step::States(GroupView { states, number: self.number })))
    }
}

fn failed(seeds: &EventBatch, index: usize, message: &str) -> FacadeError {
    let shown: String = message.chars().take(2_000).collect();
    let place = seeds.get(index).map_or_else(String::new, |event| format!(" of {}", event.key()));
    user_code_error("make_fish", format!("making a fish{place} failed: {shown}"))
}

impl GroupState {
    pub(crate) fn node(&self) -> &Arc<NodeState> {
        self.puller.node()
    }

    pub(crate) fn end(&self) {
        self.puller.end();
    }

    pub(crate) fn fd(&self) -> Result<i32> {
        self.puller.fd()
    }

    fn hand_in(&self, answer: Option<GroupAnswer>) -> Result<()> {
        let mut desk = lock(&self.desk);
        match (desk.owed, &answer) {
            (None, None) => return Ok(()),
            (Some(count), Some(GroupAnswer::Made(fish))) if fish.len() != count => {
                let message = format!("{} fish for {count} seeds: answer each", fish.len());
                return Err(FacadeError::invalid(message));
            }
            (Some(_), Some(_)) => {}
            (Some(_), None) => {
                return Err(FacadeError::invalid("answer the seeds before the next step"));
            }
            (None, Some(_)) => {
                let message = "no seeds wait for an answer; after a timeout go on without one";
                return Err(FacadeError::invalid(message));
            }
        }
        (desk.owed, desk.answer) = (None, answer);
        Ok(())
    }
}

impl NodeHandle {
    /// Observes the fish that are made of the events which `seeds` selects, one for each for which
    /// there is one (`observe_all`), or of the one with the least key (`observe_one`): another one
    /// when an older seed arrives, or none where that makes none. The caller makes the fish: see
    /// [`GroupHandle::next_step`].
    ///
    /// # Errors
    /// `query_invalid`, `closed`, `timeout`, `cancelled`; `not_yet_visible`: the log does not cover
    /// in time what the options name.
    pub fn observe_group(
        self,
        seeds: &str,
        only_first: bool,
        options: ReadOptions,
        wait: &Wait<'_>,
    ) -> Result<GroupHandle> {
        entry("node_observe_group", self.id(), || {
            refuse_cancelled(wait.limit)?;
            let needs = options.needs()?;
            let wait = self.covered(&needs, Some(seeds), wait)?;
            let seeds = seeds.to_owned();
            let begin = move || self.begin_group(&seeds, only_first, needs);
            let job = move || guard("node_observe_group_work", self.id(), begin);
            workers::block(&wait, job, give_up)
        })
    }

    /// As [`NodeHandle::observe_group`], without waiting.
    pub fn observe_group_start(
        self,
        seeds: &str,
        only_first: bool,
        options: ReadOptions,
        limit: Limit,
        done: impl FnOnce(Result<GroupHandle>) + Send + 'static,
    ) {
        let own = seeds.to_owned();
        let read = move |needs: Needs, limit, done: Done<GroupHandle>| {
            let begin = move || self.begin_group(&own, only_first, needs);
            let job = move || entry("node_observe_group", self.id(), begin);
            workers::start(limit, done, job, give_up);
        };
        let (needs, done) = (options.needs(), Box::new(done));
        self.covered_start("node_observe_group", needs, Some(seeds), limit, done, read);
    }

    fn begin_group(self, seeds: &str, only_first: bool, needs: Needs) -> Result<GroupHandle> {
        let node = NodeState::usable(self.id())?;
        let query = Query::parse(seeds)?;
        let lower = match needs.are_said() {
            true => Some(node.core().offsets()?),
            false => None,
        };
        let desk: Arc<Mutex<Desk>> = Arc::default();
        let owed = desk.clone();
        let puller = Puller::new(node.clone(), Position::default(), false);
        let puller = Arc::new(puller.telling(Box::new(move |step: &Step| match step {
            Step::Seeds(seeds) => lock(&owed).owed = Some(seeds.len()),
            Step::States(view) => {
                view.states.iter().for_each(|(_, state)| needs.sees(state.offsets().map()));
            }
            Step::Folds(_) | Step::Ended => {}
        })));
        let wake = waker(&puller);
        let seeds = if only_first {
            let seeds = node.core().first_seed(&query)?;
            seeds.on_ready(wake.clone());
            Seeds::First(Box::new(seeds))
        } else {
            let seeds = node.core().subscribe(&query, OffsetMap::new())?;
            seeds.on_ready(wake.clone());
            Seeds::All(Box::new(seeds))
        };
        let steps = Steps {
            node: Arc::downgrade(&node),
            seeds,
            desk: desk.clone(),
            under_way: None,
            members: BTreeMap::new(),
            folds: Vec::new(),
            is_whole: false,
            is_changed: true,
            number: 0,
            lower,
            wake,
            failed: None,
        };
        puller.set_source(Box::new(steps));
        Ok(GroupHandle::from_id(node.keep_reader(GroupState {
            puller,
            desk,
            maker: OnceLock::new(),
        })?))
    }
}

impl GroupHandle {
    /// Hands in what became of the last seeds, and waits for the next step.
    ///
    /// Only a step with seeds has an answer. A call that ended with `timeout` or `cancelled` has
    /// taken it, and loses no step: go on without one. One call at a time. When the group is over
    /// its folds end by themselves, and are still to be worked until then.
    ///
    /// # Errors
    /// `invalid_argument`: the last seeds are not answered one by one, or nothing was to be
    /// answered, or another call waits; nothing was taken. `limit_exceeded`, reason `fish`: more
    /// than 1,024 fish. `user_code`, reason `make_fish`; `conflict`: a fish of the same id is
    /// another one; whatever a fish ends with. After any of these the group is over. `timeout`,
    /// `cancelled`; `closed`: this handle was closed before the call.
    pub fn next_step(self, answer: Option<GroupAnswer>, wait: &Wait<'_>) -> Result<GroupStep> {
        entry("group_next_step", self.id(), || {
            let state = self.state()?;
            let step = state.puller.next_after(None, wait, || state.hand_in(answer));
            step.map(GroupStep::from)
        })
    }

    /// As [`GroupHandle::next_step`], without waiting; no thread is parked for it.
    pub fn next_step_start(
        self,
        answer: Option<GroupAnswer>,
        limit: Limit,
        done: impl FnOnce(Result<GroupStep>) + Send + 'static,
    ) {
        let puller = entry("group_next_step", self.id(), || Ok(self.state()?.puller.clone()));
        let hand_in = || guard("group_hand_in", self.id(), || self.state()?.hand_in(answer));
        let given = move |step: Result<Step>| done(step.map(GroupStep::from));
        Puller::start_after(puller, None, limit, Box::new(given), hand_in);
    }

    /// Ends the group: a call that waits gets the end. Its folds end by themselves; those that were
    /// not given out are closed.
    ///
    /// # Errors
    /// `invalid_argument`: it never was a group.
    pub fn close(self) -> Result<Closed> {
        entry("group_close", self.id(), || {
            let Some(state) = registry::remove::<GroupState>(self.id())? else {
                return Ok(Closed::Before);
            };
            lock(&state.node().readers).remove(&self.id());
            state.end();
            Ok(Closed::Now)
        })
    }

    pub(crate) fn state(self) -> Result<Arc<GroupState>> {
        let state = registry::get::<GroupState>(self.id())?;
        state.node().check_poison()?;
        Ok(state)
    }
}

/// Nobody waits for the group any more.
fn give_up(group: GroupHandle) {
    let _ = group.close();
}

/// Closes the folds of a step that nobody will work.
pub(crate) fn close_step(step: &GroupStep) {
    if let GroupStep::Folds(folds) = step {
        for (_, fold) in folds {
            let _ = fold.close();
        }
    }
}
