//! Effects: the right to act on a state of a fish, one at a time in a process.
//! Longer than 500 lines because what takes a turn, acts on it and publishes is one choreography.
//!
//! Rule: a turn is dropped by whoever cannot use it, and the next one gets it at once: it is never
//! kept while its call waits for a newer state, or for what a session has seen.

use crate::awaited::Place;
use crate::callback::CallbackThread;
use crate::close::Closed;
use crate::core::{Acting, After, EffectTurn, TURN_ROUNDS_MAX};
use crate::draft::Draft;
use crate::entry::{entry, guard_node, lock};
use crate::errors::{FacadeError, Result, user_code_error};
use crate::handles::handle;
use crate::needs::{Needs, covered};
use crate::node::NodeState;
use crate::observer::{ObserverHandle, ObserverState};
use crate::operation::{Operation, Slot};
use crate::options::PublishOptions;
use crate::publish::{Published, events_of, refuse_cancelled, start_published, wait_published};
use crate::session::SessionHandle;
use crate::state::StateView;
use crate::wait::{Limit, Wait};
use crate::{registry, workers};
use millpond::event::OffsetMap;
use millpond::{ErrorKind, Pending};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

handle! {
    /// A turn: a state of a fish, and the right to publish on it before anybody else in this
    /// process does.
    TurnHandle
}

/// Which states a turn is wanted on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TurnKind {
    /// Whatever the state is.
    Any,
    /// One that differs from the state of the last turn of this observer.
    New,
}

/// What an effect that is kept running wants.
#[derive(Clone, Debug, Default)]
pub struct Effect {
    /// What to publish; none for nothing to do.
    pub drafts: Vec<Draft>,
    /// True when it shall not run again.
    pub is_last: bool,
}

/// An effect that is kept running: it gets each state, at last `None` (its observer or node was
/// closed, or it said so) or the error that ended it. Dropped after that.
pub type EffectCallback = Box<dyn FnMut(Result<Option<&StateView>>) -> Result<Effect> + Send>;

/// What a turn handle stands for.
pub(crate) struct TurnState {
    /// Gone when it was used.
    turn: Mutex<Option<EffectTurn>>,
    view: StateView,
    needs: Needs,
    node: Arc<NodeState>,
}

/// The turns of one observer.
#[derive(Default)]
pub(crate) struct Turns {
    /// Number of the state of the last one.
    last: u64,
    /// Counts the moments at which there may be a new state.
    moment: u64,
    call: Option<Arc<Call>>,
    /// The call waits for such a moment.
    is_parked: bool,
}

/// A call that waits for a turn.
struct Call {
    operation: Arc<Operation<TurnHandle>>,
    place: Place,
    kind: TurnKind,
    /// What the node and the state must have seen.
    needs: Needs,
    /// How much of that was asked for last.
    asked: Mutex<OffsetMap>,
    /// How many turns lacked what was seen since.
    lacking: AtomicU32,
}

impl TurnState {
    pub(crate) fn node(&self) -> &Arc<NodeState> {
        &self.node
    }

    /// Runs code of an effect on its state, on this thread; a panic in it is a failure of its own.
    fn act<T>(&self, code: impl FnOnce(&StateView) -> Result<T>) -> Result<T> {
        let _acting = lock(&self.turn).as_ref().map(EffectTurn::acting);
        caught_in_effect(|| code(&self.view))
    }

    /// Gives the turn to who is next.
    pub(crate) fn end(&self) {
        let turn = lock(&self.turn).take();
        drop(turn); // Calls into the core, hence under no lock.
    }
}

impl Call {
    fn new(
        operation: Arc<Operation<TurnHandle>>,
        place: Place,
        kind: TurnKind,
        needs: Needs,
    ) -> Call {
        Call { operation, place, kind, needs, asked: Mutex::default(), lacking: AtomicU32::new(0) }
    }

    /// Waits for an answer of `node` on the way to the turn; `then` goes on with it, unless the
    /// call has ended.
    fn hold<T: Send + 'static>(
        self: &Arc<Self>,
        node: &Arc<NodeState>,
        pending: Pending<T>,
        then: impl FnOnce(T) + Send + 'static,
    ) {
        let (own, asked) = (self.clone(), node.clone());
        self.place.hold(pending, move |answer| {
            own.go_on(&asked, || {
                then(answer?);
                Ok(())
            });
        });
        if !self.operation.is_waiting() {
            self.place.let_go(); // It ended before the answer was held.
        }
    }

    /// Takes the next step, on a thread of the core or a worker, which no panic must reach.
    fn go_on(&self, node: &NodeState, step: impl FnOnce() -> Result<()>) {
        if let Err(error) = guard_node("observer_take_turn", node, step) {
            self.operation.complete(Err(error));
        }
    }
}

impl ObserverState {
    /// Waits for a turn.
    ///
    /// # Errors
    /// `invalid_argument`: another call waits for one; reason `nested_effect`.
    fn begin_turn(self: &Arc<Self>, call: Call) -> Result<()> {
        Acting::check_none()?;
        if !call.operation.is_waiting() {
            return Ok(()); // It was called off before it began.
        }
        let call = Arc::new(call);
        {
            let mut turns = lock(&self.turns);
            if turns.call.as_ref().is_some_and(|other| other.operation.is_waiting()) {
                let message = "another call waits for a turn already; one at a time";
                return Err(FacadeError::invalid(message));
            }
            (turns.call, turns.is_parked) = (Some(call.clone()), false);
        }
        self.watch(&call.operation);
        self.node().calls.watch(&call.operation);
        if call.needs.are_said() {
            self.ask_once_covered(&call);
            return Ok(());
        }
        match &self.lower {
            Some(lower) => self.ask_once_shown(&call, lower.clone()),
            None => {
                self.ask_for_turn(&call);
                Ok(())
            }
        }
    }

    /// Goes on when the node has what is needed by now, if anything is.
    fn ask_once_covered(self: &Arc<Self>, call: &Arc<Call>) {
        if !call.needs.are_said() {
            return self.ask_for_turn(call);
        }
        let asked = After { token: call.needs.token(), timeout: None };
        let visible = self.node().core().wait_for(&asked, None);
        *lock(&call.asked) = asked.token;
        let is_at_once = visible.is_done();
        let (own, asking) = (self.clone(), call.clone());
        call.hold(self.node(), visible, move |()| {
            let (node, next) = (own.node().clone(), asking.clone());
            let ask = move || {
                let durable = own.node().core().offsets().map_err(FacadeError::from);
                durable.and_then(|durable| own.ask_once_shown(&next, durable))
            };
            if is_at_once {
                return asking.go_on(&node, ask);
            }
            // The thread that tells so tells others, too, and this may call code of a shell.
            let later = asking.clone();
            if let Err(error) = workers::submit(move || later.go_on(&node, ask)) {
                asking.operation.complete(Err(error));
            }
        });
    }

    /// Goes on when the fish shows a state of at least this.
    ///
    /// # Errors
    /// `closed`: the observer is.
    fn ask_once_shown(self: &Arc<Self>, call: &Arc<Call>, lower: OffsetMap) -> Result<()> {
        let (own, asking) = (self.clone(), call.clone());
        let covering = self.fish()?.state_after(lower);
        call.hold(self.node(), covering, move |_| own.ask_for_turn(&asking));
        Ok(())
    }

    fn ask_for_turn(self: &Arc<Self>, call: &Arc<Call>) {
        let moment = lock(&self.turns).moment;
        match self.fish() {
            Ok(fish) => {
                let (own, asking) = (self.clone(), call.clone());
                let turn = fish.effect_turn_for_another_thread();
                call.hold(self.node(), turn, move |turn| own.take_turn(&asking, turn, moment));
            }
            Err(error) => drop(call.operation.complete(Err(error.into()))),
        }
    }

    fn take_turn(self: &Arc<Self>, call: &Arc<Call>, turn: EffectTurn, moment: u64) {
        let number = turn.emission().number;
        let mut turns = lock(&self.turns);
        if call.kind == TurnKind::New && number <= turns.last {
            let is_missed = turns.moment != moment;
            turns.is_parked = !is_missed;
            drop(turns);
            drop(turn);
            if is_missed {
                self.ask_once_covered(call);
            }
            return;
        }
        drop(turns);
        let needed = call.needs.token();
        let is_lacking = !lock(&call.asked).covers(&needed) && !turn.covers(&needed);
        if is_lacking && call.lacking.fetch_add(1, Relaxed) + 1 < TURN_ROUNDS_MAX {
            // The session has seen more since it was asked.
            drop(turn);
            return self.ask_once_covered(call);
        }
        let Some(claim) = call.operation.claim() else { return };
        let state = TurnState {
            view: StateView::new(turn.emission().clone()),
            turn: Mutex::new(Some(turn)),
            needs: self.needs.clone(),
            node: self.node().clone(),
        };
        let shown = state.view.offsets().clone();
        let kept = self.node().keep_reader(state).map(TurnHandle::from_id);
        if kept.is_ok() {
            // Who is refused the handle has not seen the state.
            self.needs.sees(shown.map());
            call.needs.sees(shown.map());
            lock(&self.turns).last = number;
        }
        claim.finish(kept);
    }

    /// There may be a new state.
    pub(crate) fn look_for_turn(self: &Arc<Self>) {
        let mut turns = lock(&self.turns);
        turns.moment += 1;
        if !std::mem::take(&mut turns.is_parked) {
            return;
        }
        let call = turns.call.clone().filter(|call| call.operation.is_waiting());
        drop(turns);
        if let Some(call) = call {
            self.ask_once_covered(&call);
        }
    }
}

impl ObserverHandle {
    /// The right to act on a state of this kind, once all who asked before are done. The state has
    /// all events that turns before it have published in this process, and all that `session` has
    /// seen by now: that is waited for first, because nobody else has a turn while this one is
    /// kept. What the session sees during that is waited for, too, but not without end: the third
    /// turn is given on what it had seen when that was asked for.
    ///
    /// Use it by [`TurnHandle::publish`], or end it by [`TurnHandle::close`]. One call at a time.
    ///
    /// # Errors
    /// As [`ObserverHandle::next_state`]; `not_yet_visible` in place of `timeout` where the node
    /// lacks what the session has seen. `closed`: the session is. `invalid_argument`, reason
    /// `nested_effect`: code of an effect asks for it.
    pub fn turn(
        self,
        kind: TurnKind,
        session: Option<SessionHandle>,
        wait: &Wait<'_>,
    ) -> Result<TurnHandle> {
        entry("observer_turn", self.id(), || self.wait_for_turn(kind, session, wait))
    }

    /// As [`ObserverHandle::turn`], without waiting.
    pub fn turn_start(
        self,
        kind: TurnKind,
        session: Option<SessionHandle>,
        limit: Limit,
        done: impl FnOnce(Result<TurnHandle>) + Send + 'static,
    ) {
        let asked = entry("observer_turn", self.id(), || {
            Ok((self.state_of()?, Needs::new(None, session)?))
        });
        let (state, needs) = match asked {
            Ok(asked) => asked,
            Err(error) => return done(Err(error)),
        };
        let place = Place::default();
        let (held, node, asking) = (place.clone(), state.node().clone(), needs.clone());
        let done = Box::new(move |turn: Result<TurnHandle>| {
            held.let_go();
            done(turn.map_err(|error| asking.blamed(&node, error)));
        });
        let operation = Operation::begin(limit, done);
        let begun = entry("observer_turn", self.id(), || {
            state.begin_turn(Call::new(operation.clone(), place, kind, needs))
        });
        if let Err(error) = begun {
            operation.complete(Err(error));
        }
    }

    fn wait_for_turn(
        self,
        kind: TurnKind,
        session: Option<SessionHandle>,
        wait: &Wait<'_>,
    ) -> Result<TurnHandle> {
        refuse_cancelled(wait.limit)?;
        let (state, needs) = (self.state_of()?, Needs::new(None, session)?);
        let (slot, operation) = Slot::begin(wait);
        let place = Place::default();
        let asking = needs.clone();
        state.begin_turn(Call::new(operation.clone(), place.clone(), kind, needs))?;
        let turn = slot.wait(&operation, wait, || {});
        place.let_go();
        turn.map_err(|error| asking.blamed(state.node(), error))
    }

    /// Waits until what the session of the options has seen is here and then for a turn, runs
    /// `effect` on its state on this thread, and publishes what it gives; `None` when that is
    /// nothing.
    ///
    /// # Errors
    /// As [`ObserverHandle::turn`] and [`TurnHandle::publish`]: `not_yet_visible` also when the
    /// session saw something while `effect` ran that is not here, and nothing was published. What
    /// `effect` fails with; nothing was published. `user_code`, reason `effect`: it panicked.
    pub fn run(
        self,
        kind: TurnKind,
        options: PublishOptions,
        effect: &mut dyn FnMut(&StateView) -> Result<Vec<Draft>>,
        wait: &Wait<'_>,
    ) -> Result<Option<Published>> {
        entry("observer_run", self.id(), || {
            let turn = self.wait_for_turn(kind, options.session, wait)?;
            let drafts = turn.get().and_then(|turn| turn.act(|state| effect(state)));
            // The timeout is until the effect may begin.
            let to_its_end = Limit { timeout: None, ..wait.limit };
            turn.finish(drafts, options, &Wait { limit: to_its_end, ..*wait })
        })
    }

    /// Runs `effect` on the state, now and whenever it has changed, on a thread of this observer
    /// alone, until it says so, fails, or the observer or its node is closed. Each time as
    /// [`ObserverHandle::run`] does. That the session of the options is closed is a failure.
    ///
    /// # Errors
    /// `closed`; `invalid_argument`: the observer has a callback, or keeps another effect running.
    /// `internal`: the system gives no thread; another try may succeed.
    pub fn keep_running(self, options: PublishOptions, effect: EffectCallback) -> Result<()> {
        entry("observer_keep_running", self.id(), || {
            let state = self.state_of()?;
            let own = state.clone();
            let node = state.node().clone();
            let job = move || self.keep(&node, &own, &options, effect);
            CallbackThread::spawn(state.node(), &state.callback, "millpond-effect", job)
        })
    }

    fn keep(
        self,
        node: &NodeState,
        own: &ObserverState,
        options: &PublishOptions,
        mut effect: EffectCallback,
    ) {
        let mut kind = TurnKind::Any;
        let ended = loop {
            let run = || self.run_once(kind, options, &mut effect);
            match guard_node("observer_keep", node, run) {
                Ok(true) => break Ok(None),
                Ok(false) => kind = TurnKind::New,
                // Something else may be closed: a session, or what the effect asks.
                Err(error) if error.is(ErrorKind::Closed) && own.is_over() => break Ok(None),
                Err(error) => break Err(error),
            }
        };
        // What it wants at its end is nothing.
        let _ = caught_in_effect(|| effect(ended));
    }

    /// True when that was the last time.
    fn run_once(
        self,
        kind: TurnKind,
        options: &PublishOptions,
        effect: &mut EffectCallback,
    ) -> Result<bool> {
        let turn = self.wait_for_turn(kind, options.session, &Wait::forever())?;
        let wanted = turn.get().and_then(|turn| turn.act(|state| effect(Ok(Some(state)))));
        let is_last = wanted.as_ref().is_ok_and(|wanted| wanted.is_last);
        let drafts = wanted.map(|wanted| wanted.drafts);
        turn.finish(drafts, options.clone(), &Wait::forever())?;
        Ok(is_last)
    }
}

impl TurnHandle {
    /// The state to act on.
    ///
    /// # Errors
    /// `closed`: the turn was used, or its node closed.
    pub fn state(self) -> Result<StateView> {
        entry("turn_state", self.id(), || Ok(self.get()?.view.clone()))
    }

    /// Publishes what follows from the state: 1 to `BATCH_EVENTS_MAX` events. Ends the turn when
    /// that is durable, and at once with any error. What the session of the options has seen is not
    /// waited for: the turn would be kept meanwhile.
    ///
    /// # Errors
    /// As [`crate::NodeHandle::publish`]; `closed`: the turn was used.
    pub fn publish(
        self,
        drafts: Vec<Draft>,
        options: PublishOptions,
        wait: &Wait<'_>,
    ) -> Result<Published> {
        entry("turn_publish", self.id(), || {
            let (state, turn) = self.take()?;
            // The handle is gone from here on.
            guard_node("turn_publish_work", &state.node, || {
                refuse_cancelled(wait.limit)?;
                let needs = options.needs()?;
                covered(&state.node, &needs, None, &Wait::none_at_all())?;
                let events = events_of(drafts, |id| state.node.blob_said(id))?;
                let options = options.resolve()?;
                let pending = turn.publish(state.node.core(), events, options);
                let published = wait_published(pending, &needs, wait)?;
                state.needs.sees(published.token.map());
                Ok(published)
            })
        })
    }

    /// As [`TurnHandle::publish`], without waiting. What the session of the options has seen is not
    /// waited for.
    pub fn publish_start(
        self,
        drafts: Vec<Draft>,
        options: PublishOptions,
        limit: Limit,
        done: impl FnOnce(Result<Published>) + Send + 'static,
    ) {
        let taken = entry("turn_publish", self.id(), || Ok((self.take()?, options.needs()?)));
        let ((state, turn), needs) = match taken {
            Ok(taken) => taken,
            Err(error) => return done(Err(error)),
        };
        let own = state.needs.clone();
        let done = Box::new(move |published: Result<Published>| {
            if let Ok(published) = &published {
                own.sees(published.token.map());
            }
            done(published);
        });
        let ask = || {
            guard_node("turn_publish_work", &state.node, || {
                covered(&state.node, &needs, None, &Wait::none_at_all())?;
                let events = events_of(drafts, |id| state.node.blob_said(id))?;
                let options = options.resolve()?;
                Ok(turn.publish(state.node.core(), events, options))
            })
        };
        start_published(ask, needs.clone(), limit, done);
    }

    /// Ends the turn without publishing.
    ///
    /// # Errors
    /// `invalid_argument`: it never was a turn.
    pub fn close(self) -> Result<Closed> {
        entry("turn_close", self.id(), || {
            let Some(state) = registry::remove::<TurnState>(self.id())? else {
                return Ok(Closed::Before);
            };
            lock(&state.node.readers).remove(&self.id());
            state.end();
            Ok(Closed::Now)
        })
    }

    fn get(self) -> Result<Arc<TurnState>> {
        registry::get::<TurnState>(self.id())
    }

    fn take(self) -> Result<(Arc<TurnState>, EffectTurn)> {
        let used = || FacadeError::new(ErrorKind::Closed, "the turn was used");
        let state = registry::remove::<TurnState>(self.id())?.ok_or_else(used)?;
        lock(&state.node.readers).remove(&self.id());
        let turn = lock(&state.turn).take().ok_or_else(used)?;
        Ok((state, turn))
    }

    /// Publishes what an effect gave, and ends the turn in any case.
    fn finish(
        self,
        drafts: Result<Vec<Draft>>,
        options: PublishOptions,
        wait: &Wait<'_>,
    ) -> Result<Option<Published>> {
        match drafts {
            Ok(drafts) if !drafts.is_empty() => self.publish(drafts, options, wait).map(Some),
            other => {
                self.close()?;
                other.map(|_| None)
            }
        }
    }
}

/// `invalid_argument`, reason `nested_effect`: for shells whose effects do not run on one thread.
pub fn nested_effect_error() -> FacadeError {
    let message = "code of an effect asks for a turn, which would wait for itself; publish what \
                   the effect gives, or act outside of it";
    FacadeError::invalid(message).with_reason("nested_effect")
}

fn caught_in_effect<T>(code: impl FnOnce() -> Result<T>) -> Result<T> {
    let done = catch_unwind(AssertUnwindSafe(code));
    done.unwrap_or_else(|_| Err(user_code_error("effect", "the effect panicked")))
}
