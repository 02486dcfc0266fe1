//! Observers: the states of a fish, as they come or once.

use crate::awaited::{self, Place};
use crate::callback::{Callback, CallbackThread, ThreadPlace};
use crate::close::Closed;
use crate::core::{Emission, StateSubscription};
use crate::entry::{entry, guard, lock};
use crate::errors::{FacadeError, Result};
use crate::fish::FishSpec;
use crate::fold::{FoldHandle, OwnedFold};
use crate::handles::handle;
use crate::needs::{Needs, rest};
use crate::node::{NodeHandle, NodeState};
use crate::offsets::Offsets;
use crate::operation::{Calls, Done, Operation, Slot};
use crate::options::ReadOptions;
use crate::position::Position;
use crate::publish::refuse_cancelled;
use crate::puller::{Item, Pulled, Puller, Source};
use crate::state::StateView;
use crate::subscription::waker;
use crate::turn::Turns;
use crate::wait::{Limit, Wait, deadline};
use crate::{defaults, registry, workers};
use millpond::event::OffsetMap;
use millpond::{ErrorKind, Pending};
use std::sync::{Arc, Mutex};

handle! {
    /// An observer of a fish. It costs nothing: a slow one skips states.
    ObserverHandle
}

/// What observing gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Observation {
    /// Gives the states.
    pub observer: ObserverHandle,
    /// Who is the first to observe a fish with code of the application gets its fold, and must work
    /// it: for all observers, and as long as there is one. Who closes it before gives all others
    /// `user_code`, reason `fold_closed`.
    pub fold: Option<FoldHandle>,
}

/// What an observer handle stands for.
pub(crate) struct ObserverState {
    puller: Arc<Puller<StateView>>,
    /// What is asked of the fish. Gone when the observer has ended, so that the fold can end.
    fish: Mutex<Option<Arc<StateSubscription>>>,
    pub(crate) needs: Needs,
    /// The first state is one of this or more.
    pub(crate) lower: Option<OffsetMap>,
    pub(crate) turns: Mutex<Turns>,
    /// Calls that end with it.
    pub(crate) calls: Calls,
    /// Present when states go to a callback, or an effect is kept running.
    pub(crate) callback: ThreadPlace,
}

/// Gives the states of a fish, each new one once, from the first one that covers what is needed.
pub(crate) struct States {
    subscription: StateSubscription,
    first: Option<First>,
    /// Number of the state that was given last.
    seen: u64,
}

/// The states of one observer.
struct Watching {
    states: States,
    /// Where the state stands that was given last.
    place: Position,
}

/// The first state, where it is one that covers something: nothing is in it until it is there.
type First = Arc<Mutex<Option<millpond::Result<Emission>>>>;

impl Source<StateView> for Watching {
    fn pull(&mut self, _: usize) -> Result<Pulled<StateView>> {
        match self.states.next() {
            Ok(None) => Ok(Pulled::nothing()),
            Ok(Some(emission)) => {
                self.place = Offsets::from(emission.offsets.clone()).into();
                Ok(Pulled { item: Some(StateView::new(emission)), more: false })
            }
            Err(error) if error.kind() == ErrorKind::Closed => {
                let end = StateView::end(self.place.clone());
                Ok(Pulled { item: Some(end), more: true })
            }
            Err(error) => Err(error.into()),
        }
    }
}

impl States {
    /// The states of `subscription`, the first of `lower` or more; `wake` is called whenever there
    /// may be one.
    pub(crate) fn begin(
        subscription: StateSubscription,
        lower: Option<OffsetMap>,
        wake: Arc<dyn Fn() + Send + Sync>,
    ) -> States {
        subscription.on_ready(wake.clone());
        let first = lower.map(|lower| {
            let first = First::default();
            let place = first.clone();
            subscription.state_after(lower).on_done(move |emission| {
                *lock(&place) = Some(emission);
                wake();
            });
            first
        });
        States { subscription, first, seen: 0 }
    }

    /// The newest state, if it was not given yet; never waits.
    pub(crate) fn next(&mut self) -> millpond::Result<Option<Emission>> {
        let next = loop {
            if let Some(first) = &self.first {
                let Some(first) = lock(first).take() else { return Ok(None) };
                self.first = None;
                break Some(first?);
            }
            match self.subscription.next_state()? {
                Some(emission) if emission.number <= self.seen => {}
                next => break next,
            }
        };
        if let Some(emission) = &next {
            self.seen = emission.number;
        }
        Ok(next)
    }
}

/// The observer is closed.
fn over() -> millpond::Error {
    millpond::Error::new(ErrorKind::Closed, "the observer is closed")
}

impl ObserverState {
    /// An observer, whose first state covers all that is durable now where anything was needed.
    ///
    /// # Errors
    /// `closed`, `forked_process`.
    fn open(
        node: &Arc<NodeState>,
        subscription: StateSubscription,
        needs: Needs,
    ) -> Result<Arc<ObserverState>> {
        let lower = match needs.are_said() {
            true => Some(node.core().offsets()?),
            false => None,
        };
        let seen = needs.clone();
        let puller = Puller::new(node.clone(), Position::default(), false);
        let seen = move |state: &StateView| seen.sees(state.offsets().map());
        let puller = Arc::new(puller.telling(Box::new(seen)));
        let state = Arc::new(ObserverState {
            puller: puller.clone(),
            fish: Mutex::new(Some(Arc::new(subscription.another()))),
            needs,
            lower: lower.clone(),
            turns: Mutex::default(),
            calls: Calls::default(),
            callback: ThreadPlace::default(),
        });
        // Weak, because the core keeps the closure as long as the subscription lives.
        let (wake, told) = (waker(&puller), Arc::downgrade(&state));
        let wake = Arc::new(move || {
            wake();
            if let Some(state) = told.upgrade() {
                state.look_for_turn();
            }
        });
        let states = States::begin(subscription, lower, wake);
        puller.set_source(Box::new(Watching { states, place: Position::default() }));
        Ok(state)
    }

    pub(crate) fn node(&self) -> &Arc<NodeState> {
        self.puller.node()
    }

    /// From now on there is no state, and calls that wait for one or for a turn end.
    pub(crate) fn end(&self) {
        let fish = lock(&self.fish).take();
        drop(fish); // Calls into the core, hence under no lock.
        self.puller.end();
        self.calls.end(over().into());
    }

    /// It was closed, or its node is.
    pub(crate) fn is_over(&self) -> bool {
        lock(&self.fish).is_none() || !self.node().is_open()
    }

    /// The fish, while it is observed.
    ///
    /// # Errors
    /// `closed`.
    pub(crate) fn fish(&self) -> millpond::Result<Arc<StateSubscription>> {
        lock(&self.fish).clone().ok_or_else(over)
    }

    /// A call that also ends when the observer does.
    pub(crate) fn watch<T: Send + 'static>(&self, operation: &Arc<Operation<T>>) {
        self.calls.watch(operation);
    }

    /// The state of all that is durable here now, or of more.
    fn state_now(&self) -> Result<Pending<Emission>> {
        let durable = self.node().core().offsets()?;
        Ok(self.fish()?.state_after(durable))
    }
}

impl NodeHandle {
    /// Observes a fish: its states, each new one once. Close the observer with
    /// [`ObserverHandle::close`]; when its node is closed it comes to a normal end.
    ///
    /// All observers of a fish in a process share one fold. Of a fish with code of the application
    /// the first observer gets the fold, too, and must have it worked: see [`FoldHandle`]. A call
    /// that is called off has observed nothing, or ends with the observer that it has made.
    ///
    /// # Errors
    /// `query_invalid`, `invalid_argument`, `limit_exceeded`: there can be no such fish.
    /// `conflict`, reason `other_definition`: another fish of this id is observed here.
    /// `not_yet_visible`: the log does not cover in time what the options name. `closed`,
    /// `timeout`, `cancelled`.
    pub fn observe(
        self,
        fish: FishSpec,
        options: ReadOptions,
        wait: &Wait<'_>,
    ) -> Result<Observation> {
        entry("node_observe", self.id(), || {
            refuse_cancelled(wait.limit)?;
            let needs = options.needs()?;
            let wait = self.covered(&needs, Some(fish.query()), wait)?;
            let join = move || self.join(&fish, needs);
            // Nobody but the caller could work the fold that comes of it, so that is not lost.
            workers::block_to_the_end(&wait, move || guard("node_observe_work", self.id(), join))
        })
    }

    /// As [`NodeHandle::observe`], without waiting.
    pub fn observe_start(
        self,
        fish: FishSpec,
        options: ReadOptions,
        limit: Limit,
        done: impl FnOnce(Result<Observation>) + Send + 'static,
    ) {
        let query = fish.query().to_owned();
        let read = move |needs: Needs, limit, done: Done<Observation>| {
            let join = move || self.join(&fish, needs);
            let job = move || entry("node_observe", self.id(), join);
            workers::start_to_the_end(limit, done, job);
        };
        let needs = options.needs();
        self.covered_start("node_observe", needs, Some(&query), limit, Box::new(done), read);
    }

    /// The state of a fold that takes no code, once: of all that is durable here now, or of more.
    /// Of a fish with code: observe it, work its fold, and ask [`ObserverHandle::state`].
    ///
    /// # Errors
    /// As [`NodeHandle::observe`] and [`ObserverHandle::state`]; `invalid_argument`: the fish has
    /// code.
    pub fn state(self, fish: FishSpec, options: ReadOptions, wait: &Wait<'_>) -> Result<StateView> {
        entry("node_state", self.id(), || {
            check_built_in(&fish)?;
            let end = deadline(wait.limit.timeout);
            let observer = self.observe(fish, options, wait)?.observer;
            let state = observer.state(&Wait { limit: rest(wait.limit, end), ..*wait });
            observer.close()?;
            state
        })
    }

    /// As [`NodeHandle::state`], without waiting.
    pub fn state_start(
        self,
        fish: FishSpec,
        options: ReadOptions,
        limit: Limit,
        done: impl FnOnce(Result<StateView>) + Send + 'static,
    ) {
        if let Err(error) = entry("node_state", self.id(), || check_built_in(&fish)) {
            return done(Err(error));
        }
        let end = deadline(limit.timeout);
        self.observe_start(fish, options, limit, move |observed| {
            let observer = match observed {
                Ok(observation) => observation.observer,
                Err(error) => return done(Err(error)),
            };
            observer.state_start(rest(limit, end), move |state| {
                let _ = observer.close();
                done(state);
            });
        });
    }

    /// Joins those who observe the fish.
    pub(crate) fn join(self, fish: &FishSpec, needs: Needs) -> Result<Observation> {
        let node = NodeState::usable(self.id())?;
        let (subscription, fold) = node.join(fish)?;
        let id = node.keep_shared(ObserverState::open(&node, subscription, needs)?)?;
        let observer = ObserverHandle::from_id(id);
        Ok(Observation { observer, fold: fold.map(OwnedFold::take) })
    }
}

impl NodeState {
    /// Joins those who observe the fish; who is the first gets its fold, too.
    ///
    /// # Errors
    /// As [`NodeHandle::observe`].
    pub(crate) fn join(
        self: &Arc<Self>,
        fish: &FishSpec,
    ) -> Result<(StateSubscription, Option<OwnedFold>)> {
        let definition = fish.definition()?;
        if let Some(fold) = definition.builtin() {
            return Ok((self.core().observe_builtin_bytes(definition.query(), fold)?, None));
        }
        let (subscription, pump) = self.core().join_fish(&definition)?;
        let fold = pump.map(|pump| OwnedFold::new(self, pump)).transpose()?;
        Ok((subscription, fold))
    }
}

impl ObserverHandle {
    /// The next state: the newest one, if this observer has not been given it.
    ///
    /// A call that ended with `timeout` or `cancelled` loses nothing. One call at a time.
    ///
    /// # Errors
    /// `timeout`: there was none in time. `user_code`: code of the fish failed; reason and message
    /// say where, and it comes at each call, after the last good state; reason `fold_closed`: who
    /// worked its fold has closed that: observe the fish again. `limit_exceeded`, reason
    /// `state`: a state is too large. `corrupt`, `storage_failed`, `cancelled`; `closed`: this
    /// handle was closed before the call.
    pub fn next_state(self, wait: &Wait<'_>) -> Result<StateView> {
        entry("observer_next_state", self.id(), || self.state_of()?.puller.next(None, wait))
    }

    /// As [`ObserverHandle::next_state`], without waiting; no thread is parked for it.
    pub fn next_state_start(
        self,
        limit: Limit,
        done: impl FnOnce(Result<StateView>) + Send + 'static,
    ) {
        let puller =
            entry("observer_next_state", self.id(), || Ok(self.state_of()?.puller.clone()));
        Puller::start(puller, None, limit, Box::new(done));
    }

    /// The state of all that is durable here now, or of more, whether it was given before or not.
    ///
    /// # Errors
    /// As [`ObserverHandle::next_state`]; `closed` also when it is closed meanwhile.
    pub fn state(self, wait: &Wait<'_>) -> Result<StateView> {
        entry("observer_state", self.id(), || {
            refuse_cancelled(wait.limit)?;
            let (slot, operation) = Slot::begin(wait);
            let place = Place::default();
            let state = self.state_of()?;
            state.watch(&operation);
            ask_state(&state, &operation, &place);
            let given = slot.wait(&operation, wait, || {});
            place.let_go();
            given
        })
    }

    /// As [`ObserverHandle::state`], without waiting.
    pub fn state_start(self, limit: Limit, done: impl FnOnce(Result<StateView>) + Send + 'static) {
        let place = Place::default();
        let held = place.clone();
        let done = Box::new(move |state| {
            held.let_go();
            done(state);
        });
        let operation = Operation::begin(limit, done);
        let asked = entry("observer_state", self.id(), || {
            let state = self.state_of()?;
            state.watch(&operation);
            ask_state(&state, &operation, &place);
            Ok(())
        });
        if let Err(error) = asked {
            operation.complete(Err(error));
        }
    }

    /// A descriptor for `poll`, `select` or an event loop: readable while `next_state` would not
    /// wait. It may rarely be readable although nothing is there, never the other way round.
    ///
    /// It belongs to the observer and is valid until `close`. Never read or write it.
    ///
    /// # Errors
    /// `closed`; `limit_exceeded`: the process has too many open files.
    pub fn fd(self) -> Result<i32> {
        entry("observer_fd", self.id(), || self.state_of()?.puller.fd())
    }

    /// Has `callback` called with each state, on a thread of this observer alone; the last call has
    /// the end, or an error. It may call everything, also close its observer or node.
    ///
    /// # Errors
    /// `closed`; `invalid_argument`: it has a callback, or keeps an effect running. `internal`: the
    /// system gives no thread.
    pub fn call_back(self, callback: Callback<StateView>) -> Result<()> {
        entry("observer_call_back", self.id(), || {
            let state = self.state_of()?;
            CallbackThread::call(&state.callback, state.puller.clone(), None, callback)
        })
    }

    /// Ends the observer. Calls that wait for a state get the end. The fold ends when this was the
    /// last observer of the fish. With a callback: when this returns, it is not running and never
    /// will again, unless this is called inside it.
    ///
    /// # Errors
    /// `invalid_argument`: it never was an observer. `timeout`: the callback did not return within
    /// the default deadline of a close.
    pub fn close(self) -> Result<Closed> {
        entry("observer_close", self.id(), || {
            let Some(state) = registry::remove::<ObserverState>(self.id())? else {
                return Ok(Closed::Before);
            };
            lock(&state.node().readers).remove(&self.id());
            state.end();
            if state.callback.wait_until_gone(defaults::CLOSE_DEADLINE) {
                return Ok(Closed::Now);
            }
            let message = "the callback of the observer does not return";
            Err(FacadeError::new(ErrorKind::Timeout, message))
        })
    }

    pub(crate) fn state_of(self) -> Result<Arc<ObserverState>> {
        let state = registry::get::<ObserverState>(self.id())?;
        state.node().check_poison()?;
        Ok(state)
    }
}

fn ask_state(state: &Arc<ObserverState>, operation: &Arc<Operation<StateView>>, place: &Place) {
    let needs = state.needs.clone();
    let then = move |emission: Emission| {
        needs.sees(&emission.offsets);
        Ok(StateView::new(emission))
    };
    awaited::start(operation, place, then, || Ok((state.node().clone(), state.state_now()?)));
}

fn check_built_in(fish: &FishSpec) -> Result<()> {
    if matches!(fish, FishSpec::BuiltIn { .. }) {
        return Ok(());
    }
    let message = "the state of a fish with code needs its fold worked: observe the fish";
    Err(FacadeError::invalid(message))
}

/// Closes what nobody will ever close.
pub(crate) fn close_observation(observation: &Observation) {
    let _ = observation.observer.close();
    if let Some(fold) = observation.fold {
        let _ = fold.close();
    }
}
