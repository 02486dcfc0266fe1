//! Subscriptions that call back: one thread each, serial.
//!
//! Rule: the callback is called by its own thread only, under no lock, and dropped by it after the
//! last call. It may call everything, also close its own subscription or node.

use crate::batch::EventBatch;
use crate::entry::{entry, lock};
use crate::errors::{FacadeError, Result};
use crate::log;
use crate::node::NodeHandle;
use crate::options::SubscribeOptions;
use crate::puller::Puller;
use crate::subscription::SubscriptionHandle;
use crate::wait::Wait;
use millpond::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::ThreadId;
use std::time::{Duration, Instant};

/// Takes batches; the last call has `is_end`, or an error. Dropped after it, once.
pub type BatchCallback = Box<dyn FnMut(Result<EventBatch>) + Send>;

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

impl NodeHandle {
    /// Subscribes; batches go to `callback`, on a thread of this subscription alone.
    ///
    /// # Errors
    /// As [`NodeHandle::subscribe`]; `internal`: the system gives no thread.
    pub fn subscribe_callback(
        self,
        text: &str,
        options: SubscribeOptions,
        count_max: Option<usize>,
        callback: BatchCallback,
    ) -> Result<SubscriptionHandle> {
        entry("node_subscribe", self.id(), || {
            let subscription = self.follow(text, options)?;
            let started = start(subscription, count_max, callback);
            if started.is_err() {
                let _ = subscription.close();
            }
            started.map(|()| subscription)
        })
    }
}

impl CallbackThread {
    /// True on the callback's own thread.
    pub(crate) fn is_current(&self) -> bool {
        lock(&self.state).thread == Some(std::thread::current().id())
    }

    /// Waits until the callback was called and dropped for the last time; false when that takes
    /// longer than `time`. True at once on the callback's own thread.
    pub(crate) fn wait_until_gone(&self, time: Duration) -> bool {
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
    let thread = Arc::new(CallbackThread::default());
    let (puller, own) = (state.puller.clone(), thread.clone());
    let is_first = state.callback.set(thread.clone()).is_ok();
    assert!(is_first, "a new subscription has no callback yet");
    let job = move || run(&puller, &own, count_max, callback);
    let spawned = std::thread::Builder::new().name("millpond-call".into()).spawn(job);
    spawned.map(drop).map_err(|error| {
        lock(&thread.state).is_gone = true;
        let message = format!("the system gives no thread: {error}");
        FacadeError::new(ErrorKind::Internal, message)
    })
}

fn run(
    puller: &Arc<Puller>,
    thread: &CallbackThread,
    count_max: Option<usize>,
    mut callback: BatchCallback,
) {
    lock(&thread.state).thread = Some(std::thread::current().id());
    loop {
        let batch = puller.next(count_max, &Wait::forever());
        let is_last = batch.as_ref().map_or(true, EventBatch::is_end);
        // A panic of a callback ends its subscription and nothing else.
        let called = catch_unwind(AssertUnwindSafe(|| callback(batch)));
        if called.is_err() {
            log::note_panic("a callback");
        }
        if is_last || called.is_err() {
            break;
        }
    }
    puller.end();
    if catch_unwind(AssertUnwindSafe(|| drop(callback))).is_err() {
        log::note_panic("the end of a callback");
    }
    lock(&thread.state).is_gone = true;
    thread.gone.notify_all();
}
