//! Callbacks: one thread for each of them, serial.
//!
//! Rule: a callback is called by its own thread only, under no lock, and dropped by it after the
//! last call. It may call everything, also close its own subscription, observer or node.

use crate::batch::EventBatch;
use crate::entry::{entry, lock};
use crate::errors::{FacadeError, Result};
use crate::needs::Needs;
use crate::node::{NodeHandle, NodeState};
use crate::options::SubscribeOptions;
use crate::puller::{Item, Puller};
use crate::subscription::SubscriptionHandle;
use crate::wait::Wait;
use crate::{fault, log};
use millpond::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::ThreadId;
use std::time::{Duration, Instant};

/// Takes batches; the last call has `is_end`, or an error. Dropped after it, once.
pub type BatchCallback = Box<dyn FnMut(Result<EventBatch>) + Send>;

/// A callback for items of any kind; the last call has the end, or an error.
pub(crate) type Callback<T> = Box<dyn FnMut(Result<T>) + Send>;

/// The thread that calls one callback.
#[derive(Default)]
pub(crate) struct CallbackThread {
    state: Mutex<State>,
    gone: Condvar,
}

#[derive(Default)]
struct State {
    thread: Option<ThreadId>,
    is_gone: bool,
}

/// Where a subscription, an observer or a fold has its thread, if it has one.
#[derive(Default)]
pub(crate) struct ThreadPlace(Mutex<Place>);

#[derive(Default)]
struct Place {
    thread: Option<Arc<CallbackThread>>,
    /// What it belongs to was closed.
    is_closed: bool,
}

/// The threads of a node that call code of the application, until that is dropped.
#[derive(Default)]
pub(crate) struct CallbackThreads(Mutex<Vec<Arc<CallbackThread>>>);

impl NodeHandle {
    /// Subscribes; batches go to `callback`, on a thread of this subscription alone. What `after`
    /// and the session of the options name is not waited for.
    ///
    /// # Errors
    /// As [`NodeHandle::subscribe`]; `not_yet_visible`: the log does not cover now what `after` and
    /// the session name. `internal`: the system gives no thread.
    pub fn subscribe_callback(
        self,
        text: &str,
        options: SubscribeOptions,
        count_max: Option<usize>,
        callback: BatchCallback,
    ) -> Result<SubscriptionHandle> {
        entry("node_subscribe", self.id(), || {
            let needs: Needs = options.needs()?;
            self.covered(&needs, Some(text), &Wait::none_at_all())?;
            let subscription = self.follow(text, &options, needs)?;
            let started = start(subscription, count_max, callback);
            if started.is_err() {
                let _ = subscription.close();
            }
            started.map(|()| subscription)
        })
    }
}

impl ThreadPlace {
    /// # Errors
    /// `invalid_argument`: there is one already. `closed`: none may come any more.
    fn take(&self, thread: &Arc<CallbackThread>) -> Result<()> {
        let mut place = lock(&self.0);
        if place.is_closed {
            return Err(FacadeError::new(ErrorKind::Closed, "it was closed meanwhile"));
        }
        if place.thread.is_some() {
            return Err(FacadeError::invalid("there is a callback already"));
        }
        place.thread = Some(thread.clone());
        Ok(())
    }

    fn clear(&self) {
        lock(&self.0).thread = None;
    }

    /// What has this place ends: lets no thread come any more, and waits as
    /// [`CallbackThread::wait_until_gone`] does for the one that there is.
    pub(crate) fn wait_until_gone(&self, time: Duration) -> bool {
        let thread = {
            let mut place = lock(&self.0);
            place.is_closed = true;
            place.thread.clone()
        };
        thread.is_none_or(|thread| thread.wait_until_gone(time))
    }
}

impl CallbackThreads {
    /// # Errors
    /// `closed`: the node is being closed, and waits for no other thread.
    fn add(&self, thread: &Arc<CallbackThread>, node: &NodeState) -> Result<()> {
        let mut threads = lock(&self.0);
        if !node.is_open() {
            return Err(FacadeError::new(ErrorKind::Closed, "the node is being closed"));
        }
        threads.push(thread.clone());
        Ok(())
    }

    fn remove(&self, thread: &Arc<CallbackThread>) {
        lock(&self.0).retain(|other| !Arc::ptr_eq(other, thread));
    }

    /// True on one of them.
    pub(crate) fn has_current(&self) -> bool {
        lock(&self.0).iter().any(|thread| thread.is_current())
    }

    /// As [`CallbackThread::wait_until_gone`], for all of them. None comes any more once the node
    /// is not open.
    pub(crate) fn wait_until_gone(&self, time: Duration) -> bool {
        let (end, threads) = (Instant::now() + time, lock(&self.0).clone());
        let left = || end.saturating_duration_since(Instant::now());
        // Each is waited for, whatever became of those before.
        let gone = threads.iter().map(|thread| thread.wait_until_gone(left()));
        gone.filter(|is_gone| !is_gone).count() == 0
    }
}

impl CallbackThread {
    /// True on the callback's own thread.
    fn is_current(&self) -> bool {
        lock(&self.state).thread == Some(std::thread::current().id())
    }

    /// Waits until the callback was called and dropped for the last time; false when that takes
    /// longer than `time`. True at once on the callback's own thread.
    fn wait_until_gone(&self, time: Duration) -> bool {
        let end = Instant::now() + time;
        let mut state = lock(&self.state);
        while !state.is_gone {
            let left = end.saturating_duration_since(Instant::now());
            if state.thread == Some(std::thread::current().id()) {
                return true;
            }
            if left.is_zero() {
                return false;
            }
            state = self.gone.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }
}

fn start(
    subscription: SubscriptionHandle,
    count_max: Option<usize>,
    callback: BatchCallback,
) -> Result<()> {
    let state = subscription.state()?;
    CallbackThread::call(&state.callback, state.puller.clone(), count_max, callback)
}

impl CallbackThread {
    /// Has `callback` called with all that `puller` gives, to its end or the first error; `place`
    /// gets the thread.
    ///
    /// # Errors
    /// `invalid_argument`: there is a callback already. `internal`: the system gives no thread;
    /// another try may succeed. `closed`: the node is being closed.
    pub(crate) fn call<T: Item>(
        place: &ThreadPlace,
        puller: Arc<Puller<T>>,
        count_max: Option<usize>,
        callback: Callback<T>,
    ) -> Result<()> {
        let node = puller.node().clone();
        let work = move || run(&puller, count_max, callback);
        CallbackThread::spawn(&node, place, "millpond-call", work)
    }

    /// Runs `work` on a thread of this name; `place` gets the thread before it begins. The node
    /// waits for it before it has closed.
    ///
    /// # Errors
    /// As [`CallbackThread::call`].
    pub(crate) fn spawn(
        node: &NodeState,
        place: &ThreadPlace,
        name: &str,
        work: impl FnOnce() + Send + 'static,
    ) -> Result<()> {
        let thread = Arc::new(CallbackThread::default());
        place.take(&thread)?;
        let refused = |_: &FacadeError| {
            place.clear();
            thread.leave(); // Whoever closes what it is for may wait for it by now.
        };
        node.threads.add(&thread, node).inspect_err(refused)?;
        let (own, all) = (thread.clone(), node.threads.clone());
        let job = move || {
            lock(&own.state).thread = Some(std::thread::current().id());
            if catch_unwind(AssertUnwindSafe(work)).is_err() {
                log::note_panic("the end of a callback");
            }
            own.leave();
            all.remove(&own);
        };
        let spawned = match fault::fails("thread") {
            true => Err(std::io::Error::other("injected failure")),
            false => std::thread::Builder::new().name(name.into()).spawn(job),
        };
        spawned.map(drop).map_err(|error| {
            place.clear();
            node.threads.remove(&thread);
            thread.leave();
            let message = format!("the system gives no thread: {error}");
            FacadeError::new(ErrorKind::Internal, message)
        })
    }

    fn leave(&self) {
        lock(&self.state).is_gone = true;
        self.gone.notify_all();
    }
}

fn run<T: Item>(puller: &Arc<Puller<T>>, count_max: Option<usize>, mut callback: Callback<T>) {
    loop {
        let item = puller.next(count_max, &Wait::forever());
        let is_last = item.as_ref().map_or(true, T::is_end);
        // A panic of a callback ends its subscription and nothing else.
        let called = catch_unwind(AssertUnwindSafe(|| callback(item)));
        if called.is_err() {
            log::note_panic("a callback");
        }
        if is_last || called.is_err() {
            break;
        }
    }
    puller.end();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_was_closed_while_its_thread_was_refused_gets_no_other_one() {
        let (place, thread) = (ThreadPlace::default(), Arc::new(CallbackThread::default()));
        place.take(&thread).unwrap();
        let other = Arc::new(CallbackThread::default());
        assert_eq!(place.take(&other).unwrap_err().name, "invalid_argument");
        assert!(!place.wait_until_gone(Duration::ZERO), "it may still come");
        // The system gave none.
        place.clear();
        thread.leave();
        assert!(place.wait_until_gone(Duration::ZERO));
        assert_eq!(place.take(&other).unwrap_err().name, "closed");
    }
}
