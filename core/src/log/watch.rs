//! Waiting for the log to grow: as a future, or blocking with a deadline.
//!
//! Not here: what grew; ask the log. Rule: look first, then wait with the number you saw, so that
//! nothing is missed between.

use event_listener::{Event, Listener};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// The sending side.
#[derive(Clone, Default)]
pub(crate) struct Signal(Arc<Inner>);

#[derive(Default)]
struct Inner {
    version: AtomicU64,
    event: Event,
    /// Callbacks by the number of their follower.
    callbacks: Mutex<BTreeMap<u64, Callback>>,
    next: AtomicU64,
}

/// Called when there may be more; must not block.
pub(crate) type Callback = Arc<dyn Fn() + Send + Sync>;

impl Signal {
    /// Wakes all who wait.
    pub(crate) fn raise(&self) {
        self.0.version.fetch_add(1, Ordering::Release);
        self.0.event.notify(usize::MAX);
        let callbacks = self.callbacks();
        let called: Vec<Callback> = callbacks.values().cloned().collect();
        drop(callbacks);
        called.iter().for_each(|callback| callback());
    }

    /// A number for `set_callback`.
    pub(crate) fn number(&self) -> u64 {
        self.0.next.fetch_add(1, Ordering::Relaxed)
    }

    /// Sets, replaces or removes the callback of this number.
    pub(crate) fn set_callback(&self, number: u64, callback: Option<Callback>) {
        match callback {
            Some(callback) => self.callbacks().insert(number, callback),
            None => self.callbacks().remove(&number),
        };
    }

    fn callbacks(&self) -> MutexGuard<'_, BTreeMap<u64, Callback>> {
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
