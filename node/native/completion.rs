//! The one queue per environment through which every operation comes back to JavaScript.
//!
//! Invariants: the event loop is kept alive exactly while operations are pending that somebody
//! waits for, so not by the work of a fold; after the environment's cleanup began, nothing touches
//! it any more, and every node it opened is closed.
//! The completions run on millpond threads (or on ours, inside a start); only `drain` and `answer`
//! hand them out.

use crate::failure::{Failure, thrown};
use crate::outcome::{IntoOutcome, Outcome};
use millpond_facade::{Result, Tickets, close_any};
use napi::bindgen_prelude::{BigInt, Env, Function};
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Runs `onReady` on the event loop; weak, so that it alone keeps no process alive.
type Waker = ThreadsafeFunction<(), (), (), napi::Status, false, true>;

/// One operation that ended, under the ticket that JavaScript gave it.
pub(crate) struct Completion {
    pub(crate) ticket: i64,
    pub(crate) outcome: std::result::Result<Outcome, Failure>,
    /// Somebody waited for it.
    keeps_alive: bool,
}

/// This many operations in a row are answered by their start; the next one comes through the event
/// loop, so that a loop over what is there already holds up no timer and no socket for long.
const ANSWERS_MAX: usize = 8;

/// The queue of one environment.
pub(crate) struct Completions {
    state: Mutex<State>,
    /// Of operations that can be called off.
    pub(crate) tickets: Tickets,
}

struct State {
    /// `None` after the environment's cleanup began.
    waker: Option<Waker>,
    ended: Vec<Completion>,
    /// Operations that JavaScript waits for: started, and not drained.
    pending: usize,
    /// Handles that this environment was given and has not closed: nodes, and all else.
    nodes: BTreeSet<u64>,
    handles: BTreeSet<u64>,
    /// The operation that is being started, if its start may answer it, and what it ended with.
    starting: Option<i64>,
    answer: Option<Completion>,
    /// Operations that were answered by their start since the event loop had its turn.
    answered: usize,
}

impl Completions {
    /// A queue that runs `ready` on the event loop when there is something to drain.
    pub(crate) fn new(env: &Env, ready: &Function<'_, (), ()>) -> napi::Result<Arc<Completions>> {
        let waker = ready.build_threadsafe_function().weak::<true>().build()?;
        let state = State {
            waker: Some(waker),
            ended: Vec::new(),
            pending: 0,
            nodes: BTreeSet::new(),
            handles: BTreeSet::new(),
            starting: None,
            answer: None,
            answered: 0,
        };
        let completions =
            Arc::new(Completions { state: Mutex::new(state), tickets: Tickets::default() });
        // Hooks run in reverse order, so ours runs while the waker is still valid.
        env.add_env_cleanup_hook(Arc::clone(&completions), |completions| completions.shut())?;
        Ok(completions)
    }

    /// Registers an operation and returns what to pass as its `done`.
    pub(crate) fn begin<T: IntoOutcome>(
        self: &Arc<Completions>,
        env: &Env,
        ticket: i64,
    ) -> napi::Result<impl FnOnce(Result<T>) + Send + 'static> {
        let mut state = self.lock();
        if state.pending == 0 {
            keep_alive(&mut state, env, true)?;
        }
        state.pending += 1;
        Ok(self.pending(ticket, true))
    }

    /// What to pass as the `done` of an operation.
    fn pending<T: IntoOutcome>(
        self: &Arc<Completions>,
        ticket: i64,
        keeps_alive: bool,
    ) -> impl FnOnce(Result<T>) + Send + use<T> + 'static {
        let completions = Some(Arc::clone(self));
        let mut pending = Pending { completions, ticket, keeps_alive };
        move |result: Result<T>| pending.end(result)
    }

    /// As [`Completions::begin`], when [`Completions::answer`] is called after the start.
    pub(crate) fn begin_here<T: IntoOutcome>(
        self: &Arc<Completions>,
        env: &Env,
        ticket: i64,
    ) -> napi::Result<impl FnOnce(Result<T>) + Send + 'static> {
        let done = self.begin(env, ticket)?;
        self.may_answer(ticket);
        Ok(done)
    }

    /// As [`Completions::begin_here`] for what nobody waits for, so that it keeps no process alive.
    pub(crate) fn begin_unheeded<T: IntoOutcome>(
        self: &Arc<Completions>,
        ticket: i64,
    ) -> impl FnOnce(Result<T>) + Send + use<T> + 'static {
        self.may_answer(ticket);
        self.pending(ticket, false)
    }

    fn may_answer(&self, ticket: i64) {
        let mut state = self.lock();
        state.starting = (state.answered < ANSWERS_MAX).then_some(ticket);
    }

    /// What the operation came to that was just started, if it is over already.
    pub(crate) fn answer(&self, env: &Env) -> napi::Result<Option<Completion>> {
        let mut state = self.lock();
        state.starting = None;
        let answer = state.answer.take();
        if let Some(completion) = &answer {
            state.answered += 1;
            heard(&mut state, env, usize::from(completion.keeps_alive))?;
        }
        Ok(answer)
    }

    /// Everything that ended since the last call.
    pub(crate) fn drain(&self, env: &Env) -> napi::Result<Vec<Completion>> {
        let mut state = self.lock();
        let ended = std::mem::take(&mut state.ended);
        state.answered = 0;
        let heeded = ended.iter().filter(|completion| completion.keeps_alive).count();
        heard(&mut state, env, heeded)?;
        Ok(ended)
    }

    /// Gives a handle, which is closed with the environment at the latest.
    pub(crate) fn keep(&self, env: &Env, handle: Result<u64>) -> napi::Result<BigInt> {
        let handle = thrown(env, handle)?;
        self.lock().handles.insert(handle);
        Ok(handle.into())
    }

    /// Forgets a handle that was closed.
    pub(crate) fn forget(&self, handle: u64) {
        let mut state = self.lock();
        state.nodes.remove(&handle);
        state.handles.remove(&handle);
    }

    fn end(&self, completion: Completion) {
        let mut state = self.lock();
        if state.waker.is_none() {
            drop(state);
            if let Ok(outcome) = completion.outcome {
                outcome.dispose();
            }
            return;
        }
        match &completion.outcome {
            Ok(Outcome::Node(node)) => drop(state.nodes.insert(node.id())),
            Ok(outcome) => state.handles.extend(outcome.handles()),
            Err(_) => {}
        }
        if state.starting == Some(completion.ticket) {
            state.answer = Some(completion);
            return;
        }
        let was_empty = state.ended.is_empty();
        state.ended.push(completion);
        if let Some(waker) = state.waker.as_ref().filter(|_| was_empty) {
            waker.call((), ThreadsafeFunctionCallMode::NonBlocking);
        }
    }

    /// The environment ends: closes its nodes, within the deadline that the facade sets for it, and
    /// then whatever else it left behind.
    fn shut(&self) {
        let mut state = self.lock();
        let waker = state.waker.take();
        let nodes = std::mem::take(&mut state.nodes);
        let handles = std::mem::take(&mut state.handles);
        state.ended.clear();
        drop(state);
        drop(waker);
        for handle in nodes.into_iter().chain(handles) {
            // Nobody is left to tell: what was acknowledged is durable either way.
            let _ = close_any(handle);
        }
    }

    /// A panic while the lock is held leaves a state that is still consistent.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A started operation: ends once, at the latest when it is dropped.
struct Pending {
    completions: Option<Arc<Completions>>,
    ticket: i64,
    keeps_alive: bool,
}

impl Pending {
    fn end<T: IntoOutcome>(&mut self, result: Result<T>) {
        self.complete(result.map(T::into_outcome).map_err(Failure::from));
    }

    fn complete(&mut self, outcome: std::result::Result<Outcome, Failure>) {
        if let Some(completions) = self.completions.take() {
            let Pending { ticket, keeps_alive, .. } = *self;
            completions.end(Completion { ticket, outcome, keeps_alive });
            completions.tickets.end(ticket as u64);
        }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if self.completions.is_some() {
            let failure = Failure::internal("the operation was given up; the log says why");
            self.complete(Err(failure));
        }
    }
}

/// JavaScript has heard of so many operations that it waited for.
fn heard(state: &mut State, env: &Env, count: usize) -> napi::Result<()> {
    state.pending -= count;
    if state.pending == 0 {
        keep_alive(state, env, false)?;
    }
    Ok(())
}

#[expect(deprecated, reason = "no other call refs a weak function while operations are pending")]
fn keep_alive(state: &mut State, env: &Env, alive: bool) -> napi::Result<()> {
    match &mut state.waker {
        Some(waker) if alive => waker.refer(env),
        Some(waker) => waker.unref(env),
        None => Ok(()),
    }
}
