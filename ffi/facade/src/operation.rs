//! One call under way: it ends once, by its result, its deadline or its cancel token.
//!
//! Invariant: `done` is called exactly once, under no lock of ours; when `stop` has returned, it
//! has been called and has returned (except for a stop from inside `done` itself). An operation
//! that was dropped on its way, by a panic say, ends with `internal`; nobody can stop that any
//! more, so a `stop` that comes meanwhile does not wait for its `done`.

use crate::cancel::CancelState;
use crate::entry::lock;
use crate::errors::{FacadeError, Result};
use crate::wait::{Limit, Wait, deadline};
use crate::{deadlines, defaults, log, process, registry};
use millpond::ErrorKind;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};
use std::thread::ThreadId;
use std::time::Instant;

/// What is called with the result.
pub(crate) type Done<T> = Box<dyn FnOnce(Result<T>) + Send>;

/// Something that can be called off from outside.
pub(crate) trait Stoppable: Send + Sync {
    /// Ends it with `error`, unless it has ended; waits for an end that is just happening.
    fn stop(&self, error: FacadeError);
}

/// One call under way.
pub(crate) struct Operation<T: Send + 'static> {
    state: Mutex<State<T>>,
    finished: Condvar,
}

struct State<T> {
    phase: Phase<T>,
    timer: Option<deadlines::Timer>,
}

enum Phase<T> {
    Waiting(Done<T>),
    Ending(ThreadId),
    Ended,
}

/// The right to end an operation, won by one.
pub(crate) struct Claim<T: Send + 'static> {
    operation: Arc<Operation<T>>,
    done: Option<Done<T>>,
}

impl<T: Send + 'static> Operation<T> {
    /// A call that ends with `done`, within `limit`. It may have ended already when this returns.
    pub(crate) fn begin(limit: Limit, done: Done<T>) -> Arc<Operation<T>> {
        let state = State { phase: Phase::Waiting(done), timer: None };
        let operation = Arc::new(Operation { state: Mutex::new(state), finished: Condvar::new() });
        let shared: Arc<dyn Stoppable> = operation.clone();
        if let Some(cancel) = limit.cancel {
            match registry::get::<CancelState>(cancel.id()) {
                Ok(token) => token.watch(&shared),
                Err(error) => shared.stop(error),
            }
        }
        if let Some(at) = deadline(limit.timeout).filter(|_| operation.is_waiting()) {
            let timer = deadlines::watch(at, Arc::downgrade(&shared));
            let mut state = lock(&operation.state);
            if matches!(state.phase, Phase::Waiting(_)) {
                state.timer = Some(timer);
            }
        }
        operation
    }

    /// Whether nobody has won the right to end it.
    pub(crate) fn is_waiting(&self) -> bool {
        matches!(lock(&self.state).phase, Phase::Waiting(_))
    }

    /// Wins the right to end it, once.
    pub(crate) fn claim(self: &Arc<Self>) -> Option<Claim<T>> {
        let done = self.take()?;
        Some(Claim { operation: self.clone(), done: Some(done) })
    }

    /// Ends it with `result`, or gives the result back when it has ended before.
    pub(crate) fn complete(self: &Arc<Self>, result: Result<T>) -> Option<Result<T>> {
        match self.claim() {
            Some(claim) => {
                claim.finish(result);
                None
            }
            None => Some(result),
        }
    }

    fn take(&self) -> Option<Done<T>> {
        let mut state = lock(&self.state);
        if !matches!(state.phase, Phase::Waiting(_)) {
            return None;
        }
        let ending = Phase::Ending(std::thread::current().id());
        let Phase::Waiting(done) = mem::replace(&mut state.phase, ending) else {
            unreachable!("it was seen to wait, under the same lock");
        };
        let timer = state.timer.take();
        drop(state);
        drop(timer);
        Some(done)
    }

    fn run(&self, done: Done<T>, result: Result<T>) {
        // A panic of the shell's closure must not reach a thread of the core.
        if catch_unwind(AssertUnwindSafe(|| done(result))).is_err() {
            log::note_panic("a completion");
        }
        lock(&self.state).phase = Phase::Ended;
        self.finished.notify_all();
    }
}

impl<T: Send + 'static> Stoppable for Operation<T> {
    fn stop(&self, error: FacadeError) {
        if let Some(done) = self.take() {
            return self.run(done, Err(error));
        }
        let own = std::thread::current().id();
        let mut state = lock(&self.state);
        while matches!(state.phase, Phase::Ending(thread) if thread != own) {
            state = self.finished.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl<T: Send + 'static> Claim<T> {
    /// Ends the operation with `result`.
    pub(crate) fn finish(mut self, result: Result<T>) {
        let done = self.done.take().expect("a claim is finished once");
        self.operation.run(done, result);
    }
}

impl<T: Send + 'static> Drop for Claim<T> {
    fn drop(&mut self) {
        if let Some(done) = self.done.take() {
            self.operation.run(done, Err(lost()));
        }
    }
}

impl<T: Send + 'static> Drop for Operation<T> {
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        let Phase::Waiting(done) = mem::replace(&mut state.phase, Phase::Ended) else { return };
        match process::check() {
            Ok(()) => self.run(done, Err(lost())),
            // It is its parent's, and goes on there. What it would let go of may take locks.
            Err(_) => mem::forget(done),
        }
    }
}

fn lost() -> FacadeError {
    FacadeError::new(ErrorKind::Internal, "a call was lost on its way")
}

/// Where a blocking call waits for its result.
pub(crate) struct Slot<T> {
    state: Mutex<SlotState<T>>,
    changed: Condvar,
}

struct SlotState<T> {
    result: Option<Result<T>>,
    nudged: bool,
}

impl<T: Send + 'static> Slot<T> {
    /// A slot, and the operation whose result will be in it. The deadline is the waiter's.
    pub(crate) fn begin(wait: &Wait<'_>) -> (Arc<Slot<T>>, Arc<Operation<T>>) {
        let state = SlotState { result: None, nudged: false };
        let slot = Arc::new(Slot { state: Mutex::new(state), changed: Condvar::new() });
        let place = slot.clone();
        let done = Box::new(move |result| {
            lock(&place.state).result = Some(result);
            place.changed.notify_all();
        });
        let limit = Limit { timeout: None, cancel: wait.limit.cancel };
        (slot, Operation::begin(limit, done))
    }

    /// Makes the waiting thread run its `work` once more.
    pub(crate) fn nudge(&self) {
        lock(&self.state).nudged = true;
        self.changed.notify_all();
    }

    /// Waits for the result; runs `work` on this thread whenever it was nudged.
    pub(crate) fn wait(
        &self,
        operation: &Arc<Operation<T>>,
        wait: &Wait<'_>,
        work: impl Fn(),
    ) -> Result<T> {
        let end = deadline(wait.limit.timeout);
        let mut state = lock(&self.state);
        loop {
            if let Some(result) = state.result.take() {
                return result;
            }
            if mem::take(&mut state.nudged) {
                drop(state);
                work();
                state = lock(&self.state);
                continue;
            }
            let now = Instant::now();
            let left = end.map(|end| end.saturating_duration_since(now));
            if left.is_some_and(|left| left.is_zero()) {
                drop(state);
                operation.stop(timed_out());
                state = lock(&self.state);
                continue;
            }
            let Some(interrupted) = wait.interrupted else {
                state = match left {
                    Some(left) => self.wait_for(state, left),
                    None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
                };
                continue;
            };
            let period = left.unwrap_or(defaults::INTERRUPT_PERIOD);
            state = self.wait_for(state, period.min(defaults::INTERRUPT_PERIOD));
            if state.result.is_none() {
                drop(state);
                if interrupted() {
                    operation.stop(cancelled());
                }
                state = lock(&self.state);
            }
        }
    }

    fn wait_for<'a>(
        &self,
        state: std::sync::MutexGuard<'a, SlotState<T>>,
        time: std::time::Duration,
    ) -> std::sync::MutexGuard<'a, SlotState<T>> {
        self.changed.wait_timeout(state, time).unwrap_or_else(PoisonError::into_inner).0
    }
}

/// The deadline passed.
pub(crate) fn timed_out() -> FacadeError {
    FacadeError::new(ErrorKind::Timeout, "the call took longer than its timeout")
}

/// The caller called it off.
pub(crate) fn cancelled() -> FacadeError {
    FacadeError::new(ErrorKind::Cancelled, "the call was cancelled")
}

/// Calls that end with something: a node, an observer.
#[derive(Default)]
pub(crate) struct Calls(Mutex<Watched>);

#[derive(Default)]
struct Watched {
    calls: Vec<WeakStop>,
    /// Ended calls are forgotten when the list has grown to this.
    prune_at: usize,
    /// Why they have ended.
    over: Option<FacadeError>,
}

impl Calls {
    /// Ends `operation` with the others; at once if they have ended.
    pub(crate) fn watch<T: Send + 'static>(&self, operation: &Arc<Operation<T>>) {
        let shared: Arc<dyn Stoppable> = operation.clone();
        let mut watched = lock(&self.0);
        if let Some(over) = watched.over.clone() {
            drop(watched);
            return shared.stop(over);
        }
        if watched.calls.len() >= watched.prune_at {
            watched.calls.retain(|call| call.strong_count() > 0);
            watched.prune_at = 16.max(watched.calls.len() * 2);
        }
        watched.calls.push(Arc::downgrade(&shared));
    }

    /// Ends all of them, and those that come later.
    pub(crate) fn end(&self, error: FacadeError) {
        let calls = {
            let mut watched = lock(&self.0);
            watched.over.get_or_insert_with(|| error.clone());
            mem::take(&mut watched.calls)
        };
        for call in calls.iter().filter_map(WeakStop::upgrade) {
            call.stop(error.clone());
        }
    }
}

/// A weak way to call an operation off.
pub(crate) type WeakStop = Weak<dyn Stoppable>;

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn a_call_that_is_dropped_on_its_way_ends_all_the_same_and_once() {
        let (send, ended) = mpsc::channel();
        let done = Box::new(move |result: Result<u8>| send.send(result).unwrap());
        let operation = Operation::begin(Limit::default(), done.clone());
        let other = operation.clone();
        drop(operation);
        assert!(ended.try_recv().is_err(), "somebody has it");
        drop(other);
        assert_eq!(ended.recv().unwrap().unwrap_err().name, "internal");
        let operation = Operation::begin(Limit::default(), done);
        assert!(operation.complete(Ok(7)).is_none());
        drop(operation);
        assert_eq!(ended.iter().collect::<Vec<_>>(), [Ok(7)]);
    }
}
