//! Waiting for the log to grow: as a future, or blocking with a deadline.
//!
//! Not here: what grew; ask the log. Rule: look first, then wait with the number you saw, so that
//! nothing is missed between.

use crate::event::SignedHead;
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
    next_listener: AtomicU64,
    listeners: Mutex<BTreeMap<u64, Listening>>,
}

/// What is called with the latest heads of the streams that grew; with none when the log closes.
pub type Listening = Arc<dyn Fn(&[SignedHead]) + Send + Sync>;

/// Keeps a callback in place; dropping it takes the callback away.
#[must_use = "dropping it takes the callback away"]
pub struct ListenerGuard {
    signal: Signal,
    number: u64,
}

impl Drop for ListenerGuard {
    fn drop(&mut self) {
        self.signal.listeners().remove(&self.number);
    }
}

impl Signal {
    /// Wakes all who wait, and tells the listeners which streams grew.
    pub(crate) fn raise(&self, grown: &[SignedHead]) {
        self.0.version.fetch_add(1, Ordering::Release);
        self.0.event.notify(usize::MAX);
        let listeners: Vec<Listening> = self.listeners().values().cloned().collect();
        listeners.iter().for_each(|listener| listener(grown));
    }

    /// Calls `listener` at each growth until the guard is dropped.
    pub(crate) fn listen(&self, listener: Listening) -> ListenerGuard {
        let number = self.0.next_listener.fetch_add(1, Ordering::Relaxed);
        self.listeners().insert(number, listener);
        ListenerGuard { signal: self.clone(), number }
    }

    fn listeners(&self) -> MutexGuard<'_, BTreeMap<u64, Listening>> {
        self.0.listeners.lock().unwrap_or_else(PoisonError::into_inner)
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
