//! The answer to something that is under way: a future, a blocking wait and a callback in one.
//!
//! Not here: who does the work. Rule: a `Completer` answers exactly once; dropped without an answer
//! it answers `closed`, so that nobody waits for ever. Executor-agnostic: nothing here needs a
//! runtime. Begin with `Pending::wait`.
// A deadline for a blocking wait is read where the thread blocks.
#![allow(clippy::disallowed_methods)]

use crate::error::{Error, ErrorKind, Result};
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

/// One answer, now or later.
///
/// Dropping it cancels nothing: the work goes on, only its answer is not looked at.
pub struct Pending<T> {
    slot: Arc<Slot<T>>,
    help: Option<Arc<dyn Help>>,
}

/// Work that a thread about to block can do itself instead of waiting for another thread to do it.
pub(crate) trait Help: Send + Sync {
    /// Does what is to be done now, if nobody is at it; returns without waiting for others.
    fn help(&self);
}

/// The other end of a `Pending`: gives the answer.
pub(crate) struct Completer<T> {
    slot: Option<Arc<Slot<T>>>,
}

struct Slot<T> {
    state: Mutex<State<T>>,
    ready: Condvar,
}

enum State<T> {
    Waiting {
        waker: Option<Waker>,
        callback: Option<Callback<T>>,
        blocked: bool,
        /// Called when nobody looks at the answer any more.
        abandoned: Option<Abandon>,
    },
    Done(Result<T>),
    Taken,
}

type Callback<T> = Box<dyn FnOnce(Result<T>) + Send>;
type Abandon = Box<dyn FnOnce() + Send>;

/// Makes both ends of one answer.
pub(crate) fn pending<T>(help: Option<Arc<dyn Help>>) -> (Completer<T>, Pending<T>) {
    let state = State::Waiting { waker: None, callback: None, blocked: false, abandoned: None };
    let slot = Arc::new(Slot { state: Mutex::new(state), ready: Condvar::new() });
    (Completer { slot: Some(slot.clone()) }, Pending { slot, help })
}

impl<T> Pending<T> {
    /// An answer that is there already.
    pub fn ready(result: Result<T>) -> Pending<T> {
        let slot = Slot { state: Mutex::new(State::Done(result)), ready: Condvar::new() };
        Pending { slot: Arc::new(slot), help: None }
    }

    /// Blocks until the answer is there.
    ///
    /// # Errors
    /// Whatever the work ended with; `closed` if it was given up.
    pub fn wait(self) -> Result<T> {
        if let Some(help) = &self.help
            && !self.is_done()
        {
            help.help();
        }
        let mut state = self.slot.lock();
        loop {
            if let Some(result) = state.take() {
                return result;
            }
            state.block();
            state = self.slot.ready.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Blocks for at most `timeout`; `None` when the answer is not there by then.
    ///
    /// The pending answer stays usable: wait again, or drop it.
    pub fn wait_timeout(&mut self, timeout: Duration) -> Option<Result<T>> {
        let deadline = Instant::now().checked_add(timeout);
        if let Some(help) = self.help.take()
            && !self.is_done()
        {
            help.help();
        }
        let mut state = self.slot.lock();
        loop {
            if let Some(result) = state.take() {
                return Some(result);
            }
            let left = match deadline {
                Some(deadline) => deadline.saturating_duration_since(Instant::now()),
                None => timeout,
            };
            if left.is_zero() {
                return None;
            }
            state.block();
            let woken = self.slot.ready.wait_timeout(state, left);
            state = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Calls `callback` with the answer: at once if it is there, else on the thread that gives it.
    ///
    /// The callback should not block: whoever is answered after it waits.
    pub fn on_done(self, callback: impl FnOnce(Result<T>) + Send + 'static) {
        let mut state = self.slot.lock();
        if let Some(result) = state.take() {
            drop(state);
            return callback(result);
        }
        if let State::Waiting { callback: place, .. } = &mut *state {
            *place = Some(Box::new(callback));
        }
    }

    /// The answer with `change` applied to it: at once if it is there, else on the thread that
    /// gives it. `change` should not block.
    pub fn map<U: Send + 'static>(
        self,
        change: impl FnOnce(T) -> Result<U> + Send + 'static,
    ) -> Pending<U> {
        let (completer, changed) = pending(None);
        self.on_done(move |result| completer.complete(result.and_then(change)));
        changed
    }

    /// The answer that `next` gives for this one. Who drops it drops this one, too, and whatever
    /// `next` holds: nothing goes on for it. `next` should not block.
    pub(crate) fn then<U: Send + 'static>(
        self,
        next: impl FnOnce(Result<T>) -> Pending<U> + Send + 'static,
    ) -> Pending<U>
    where
        T: Send + 'static,
    {
        let (completer, answer) = pending(None);
        // What is under way; none once nobody wants it any more.
        let current = Arc::new(Mutex::new(Some(self.abandon())));
        let under_way: Arc<Mutex<Option<Abandon>>> = current.clone();
        completer.on_abandoned(Box::new(move || {
            let abandon = under_way.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(abandon) = abandon {
                abandon();
            }
        }));
        self.on_done(move |result| {
            let made = next(result);
            let abandon = made.abandon();
            made.on_done(move |answer| completer.complete(answer));
            let mut current = current.lock().unwrap_or_else(PoisonError::into_inner);
            if current.is_some() {
                *current = Some(abandon);
            } else {
                drop(current);
                abandon();
            }
        });
        answer
    }

    /// Drops it from elsewhere, also once it has a callback, which is then never called.
    fn abandon(&self) -> Abandon
    where
        T: Send + 'static,
    {
        let slot = Arc::downgrade(&self.slot);
        Box::new(move || {
            if let Some(slot) = slot.upgrade() {
                slot.abandon();
            }
        })
    }

    /// What a thread that blocks for an answer made of this one can do meanwhile.
    pub(crate) fn helper(&self) -> Option<Arc<dyn Help>> {
        self.help.clone()
    }

    /// Whether the answer is there.
    pub fn is_done(&self) -> bool {
        !matches!(*self.slot.lock(), State::Waiting { .. })
    }
}

impl<T> Future for Pending<T> {
    type Output = Result<T>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<T>> {
        let mut state = self.slot.lock();
        if let Some(result) = state.take() {
            return Poll::Ready(result);
        }
        if let State::Waiting { waker, .. } = &mut *state {
            *waker = Some(context.waker().clone());
        }
        Poll::Pending
    }
}

impl<T> Drop for Pending<T> {
    /// Lets go of the task that waited: it must not live until the answer comes.
    fn drop(&mut self) {
        let mut state = self.slot.lock();
        let (waker, abandoned) = match &mut *state {
            State::Waiting { callback: Some(_), waker, .. } => (waker.take(), None),
            State::Waiting { waker, abandoned, .. } => (waker.take(), abandoned.take()),
            State::Done(_) | State::Taken => (None, None),
        };
        // Dropping a waker may drop a task, and that may drop anything.
        drop(state);
        drop(waker);
        if let Some(abandoned) = abandoned {
            abandoned();
        }
    }
}

impl<T> Completer<T> {
    /// Gives the answer, wakes who waits for it, and runs the callback.
    pub(crate) fn complete(mut self, result: Result<T>) {
        let Some(slot) = self.slot.take() else { return };
        if let Some(callback) = slot.complete(result) {
            slot.call(callback);
        }
    }

    /// Has this called when nobody looks at the answer any more before it is given.
    pub(crate) fn on_abandoned(&self, call: Box<dyn FnOnce() + Send>) {
        if let Some(slot) = &self.slot
            && let State::Waiting { abandoned, .. } = &mut *slot.lock()
        {
            *abandoned = Some(call);
        }
    }

    /// Whether anybody still looks at the answer.
    pub(crate) fn is_awaited(&self) -> bool {
        let Some(slot) = &self.slot else { return false };
        let has_callback = matches!(&*slot.lock(), State::Waiting { callback: Some(_), .. });
        has_callback || Arc::strong_count(slot) > 1
    }

    /// As `complete`, for a caller that holds a lock: the callback is returned instead of run.
    pub(crate) fn complete_later(mut self, result: Result<T>) -> Option<Deferred>
    where
        T: Send + 'static,
    {
        let slot = self.slot.take()?;
        let callback = slot.complete(result)?;
        Some(Box::new(move || slot.call(callback)))
    }
}

/// A callback that is yet to be run.
pub(crate) type Deferred = Box<dyn FnOnce() + Send>;

impl<T> Drop for Completer<T> {
    fn drop(&mut self) {
        if let Some(slot) = self.slot.take() {
            let closed = Error::new(ErrorKind::Closed, "the log was closed first");
            if let Some(callback) = slot.complete(Err(closed)) {
                slot.call(callback);
            }
        }
    }
}

impl<T> Slot<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn complete(&self, result: Result<T>) -> Option<Callback<T>> {
        let before = std::mem::replace(&mut *self.lock(), State::Done(result));
        let State::Waiting { waker, callback, blocked, abandoned } = before else {
            unreachable!("an answer is given once: the completer is consumed");
        };
        if blocked {
            self.ready.notify_all();
        }
        if let Some(waker) = waker {
            waker.wake();
        }
        // It is not abandoned any more; what it holds is dropped without the lock.
        drop(abandoned);
        callback
    }

    /// A panic of the callback ends here: the thread that gives answers has others to give.
    fn call(&self, callback: Callback<T>) {
        let result = self.lock().take();
        if let Some(result) = result
            && catch_unwind(AssertUnwindSafe(|| callback(result))).is_err()
        {
            tracing::error!("a callback panicked that takes an answer");
        }
    }

    fn abandon(&self) {
        let mut state = self.lock();
        let (callback, abandoned) = match &mut *state {
            State::Waiting { callback, abandoned, .. } => (callback.take(), abandoned.take()),
            State::Done(_) | State::Taken => (None, None),
        };
        drop(state);
        // What the callback holds may be anything.
        drop(callback);
        if let Some(abandoned) = abandoned {
            abandoned();
        }
    }
}

impl<T> State<T> {
    fn take(&mut self) -> Option<Result<T>> {
        match std::mem::replace(self, State::Taken) {
            State::Done(result) => Some(result),
            State::Taken => Some(Err(Error::new(ErrorKind::Internal, "the answer was taken"))),
            waiting => {
                *self = waiting;
                None
            }
        }
    }

    fn block(&mut self) {
        if let State::Waiting { blocked, .. } = self {
            *blocked = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_reaches_a_blocked_thread_a_future_and_a_callback() {
        let (completer, waiting) = pending::<u32>(None);
        let thread = std::thread::spawn(move || waiting.wait());
        completer.complete(Ok(7));
        assert_eq!(thread.join().unwrap().unwrap(), 7);

        let (completer, mut future) = pending::<u32>(None);
        let mut context = Context::from_waker(Waker::noop());
        assert!(Pin::new(&mut future).poll(&mut context).is_pending());
        completer.complete(Ok(8));
        assert!(matches!(Pin::new(&mut future).poll(&mut context), Poll::Ready(Ok(8))));

        let (completer, waiting) = pending::<u32>(None);
        let (send, receive) = std::sync::mpsc::channel();
        waiting.on_done(move |result| send.send(result).unwrap());
        completer.complete_later(Ok(9)).unwrap()();
        assert_eq!(receive.recv().unwrap().unwrap(), 9);
    }

    #[test]
    fn an_answer_is_awaited_until_its_pending_is_dropped_or_by_its_callback() {
        let (completer, waiting) = pending::<u32>(None);
        assert!(completer.is_awaited());
        drop(waiting);
        assert!(!completer.is_awaited());
        let (completer, waiting) = pending::<u32>(None);
        waiting.on_done(drop);
        assert!(completer.is_awaited());
    }

    #[test]
    fn who_drops_an_answer_lets_go_of_all_that_was_to_make_it() {
        let (first, waiting) = pending::<u32>(None);
        let (second, made) = pending::<u32>(None);
        let held = Arc::new(());
        let own = held.clone();
        let chain = waiting.then(move |_| {
            let _own = own;
            made
        });
        assert!(first.is_awaited() && Arc::strong_count(&held) == 2);
        drop(chain);
        assert!(!first.is_awaited() && Arc::strong_count(&held) == 1);
        assert!(!second.is_awaited());
        // The same on the second half of the way.
        let (first, waiting) = pending::<u32>(None);
        let (second, made) = pending::<u32>(None);
        let own = held.clone();
        let chain = waiting.then(|_| made).then(move |result| {
            let _own = own;
            Pending::ready(result)
        });
        first.complete(Ok(1));
        assert!(second.is_awaited() && !chain.is_done() && Arc::strong_count(&held) == 2);
        drop(chain);
        assert!(!second.is_awaited() && Arc::strong_count(&held) == 1);
    }

    #[test]
    fn an_answer_made_of_another_comes_with_it() {
        let (completer, waiting) = pending::<u32>(None);
        let chain = waiting.then(|result| Pending::ready(result.map(|number| number + 1)));
        completer.complete(Ok(7));
        assert_eq!(chain.wait().unwrap(), 8);
    }

    #[test]
    fn a_callback_that_panics_takes_nobody_along() {
        let (completer, waiting) = pending::<u32>(None);
        waiting.on_done(|_| panic!("no"));
        completer.complete(Ok(7));
    }

    #[test]
    fn a_given_up_answer_is_closed_and_a_late_one_times_out() {
        let (completer, mut waiting) = pending::<u32>(None);
        assert!(waiting.wait_timeout(Duration::from_millis(1)).is_none());
        drop(completer);
        let error = waiting.wait_timeout(Duration::from_secs(60)).unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Closed);
    }
}
