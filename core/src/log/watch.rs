//! Waiting for the log to grow: as a future, or blocking with a deadline.
//!
//! Not here: what grew; ask the log. Rule: look first, then wait with the number you saw, so that
//! nothing is missed between.

use super::interest::{Interest, News};
use event_listener::{Event, Listener};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// The sending side.
#[derive(Clone, Default)]
pub(crate) struct Signal(Arc<Inner>);

#[derive(Default)]
struct Inner {
    version: AtomicU64,
    event: Event,
    /// Callbacks by the number of their follower, and of what they are to hear.
    callbacks: Mutex<BTreeMap<u64, (Callback, Interest)>>,
    /// How many of them are not to hear of everything.
    choosy: AtomicUsize,
    next: AtomicU64,
}

/// Called when there may be more; must not block.
pub(crate) type Callback = Arc<dyn Fn() + Send + Sync>;

impl Signal {
    /// Wakes all who wait.
    pub(crate) fn raise(&self) {
        self.raise_for(&News::ANYTHING);
    }

    /// As `raise`, but callbacks only where this may matter.
    pub(crate) fn raise_for(&self, news: &News) {
        self.0.version.fetch_add(1, Ordering::Release);
        self.0.event.notify(usize::MAX);
        let callbacks = self.callbacks();
        let met = callbacks.values().filter(|(_, interest)| interest.meets(news));
        let called: Vec<Callback> = met.map(|(callback, _)| callback.clone()).collect();
        drop(callbacks);
        for callback in called {
            if catch_unwind(AssertUnwindSafe(|| callback())).is_err() {
                tracing::error!("a callback panicked that is told when there may be more");
            }
        }
    }

    /// Whether anybody is not to hear of everything.
    pub(crate) fn is_choosy(&self) -> bool {
        self.0.choosy.load(Ordering::Acquire) > 0
    }

    /// A number for `set_callback`.
    pub(crate) fn number(&self) -> u64 {
        self.0.next.fetch_add(1, Ordering::Relaxed)
    }

    /// Sets, replaces or removes the callback of this number.
    pub(crate) fn set_callback(&self, number: u64, callback: Option<(Callback, Interest)>) {
        let mut callbacks = self.callbacks();
        let is_choosy = |own: &Option<(Callback, Interest)>| {
            usize::from(own.as_ref().is_some_and(|(_, interest)| interest.is_choosy()))
        };
        let more = is_choosy(&callback);
        let before = match callback {
            Some(callback) => callbacks.insert(number, callback),
            None => callbacks.remove(&number),
        };
        self.0.choosy.fetch_add(more, Ordering::AcqRel);
        self.0.choosy.fetch_sub(is_choosy(&before), Ordering::AcqRel);
        // What is in a callback may ring here when it is dropped.
        drop(callbacks);
        drop(before);
    }

    fn callbacks(&self) -> MutexGuard<'_, BTreeMap<u64, (Callback, Interest)>> {
        self.0.callbacks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Wakes when the log has grown or was closed.
#[derive(Clone)]
pub struct Watch {
    signal: Signal,
    seen: u64,
}

impl Watch {
    pub(crate) fn new(signal: Signal) -> Watch {
        let seen = signal.0.version.load(Ordering::Acquire);
        Watch { signal, seen }
    }

    /// Ends as soon as the log has grown, or was closed, since this last ended or was made.
    /// Cancel-safe; needs no particular executor.
    pub async fn changed(&mut self) {
        loop {
            let listener = self.signal.0.event.listen();
            if self.take() {
                return;
            }
            listener.await;
        }
    }

    /// As [`Watch::changed`], blocking until `deadline`; `false` when it came first.
    pub fn wait_until(&mut self, deadline: Instant) -> bool {
        loop {
            let listener = self.signal.0.event.listen();
            if self.take() {
                return true;
            }
            if listener.wait_deadline(deadline).is_none() {
                return self.take();
            }
        }
    }

    fn take(&mut self) -> bool {
        let version = self.signal.0.version.load(Ordering::Acquire);
        std::mem::replace(&mut self.seen, version) != version
    }
}
