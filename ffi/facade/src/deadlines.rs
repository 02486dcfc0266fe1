//! Ends calls whose deadline has passed, for calls that park no thread.
//!
//! One thread, `millpond-time`, created with the first deadline; it ends when no node is open and
//! nothing is left to watch.

use crate::entry::lock;
use crate::operation::{WeakStop, timed_out};
use crate::{lifecycle, process};
use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

struct Deadlines {
    watched: BTreeMap<(Instant, u64), WeakStop>,
    next: u64,
    is_running: bool,
}

static DEADLINES: Mutex<Deadlines> =
    Mutex::new(Deadlines { watched: BTreeMap::new(), next: 0, is_running: false });
static CHANGED: Condvar = Condvar::new();

/// Watches one deadline while it lives.
#[derive(Debug)]
pub(crate) struct Timer(Instant, u64);

/// Stops `operation` at `at`, unless the timer is dropped first.
pub(crate) fn watch(at: Instant, operation: WeakStop) -> Timer {
    let mut all = lock(&DEADLINES);
    let number = all.next;
    all.next += 1;
    all.watched.insert((at, number), operation);
    if !all.is_running {
        all.is_running =
            std::thread::Builder::new().name("millpond-time".into()).spawn(run).is_ok();
    }
    CHANGED.notify_one();
    Timer(at, number)
}

impl Drop for Timer {
    fn drop(&mut self) {
        // In a forked process there is nobody who would look at it, or give the lock back.
        if process::check().is_err() {
            return;
        }
        lock(&DEADLINES).watched.remove(&(self.0, self.1));
    }
}

/// The last node was closed: the thread has a look whether to end.
pub(crate) fn nudge() {
    CHANGED.notify_one();
}

/// Whether the thread is there.
pub(crate) fn is_running() -> bool {
    lock(&DEADLINES).is_running
}

fn run() {
    let mut all = lock(&DEADLINES);
    loop {
        let Some(((at, number), _)) = all.watched.first_key_value() else {
            drop(all);
            let is_busy = lifecycle::is_busy();
            all = lock(&DEADLINES);
            if !all.watched.is_empty() {
                continue;
            }
            if !is_busy {
                all.is_running = false;
                return;
            }
            all = wait(all, None);
            continue;
        };
        let (at, number, now) = (*at, *number, Instant::now());
        if at > now {
            all = wait(all, Some(at - now));
            continue;
        }
        let operation = all.watched.remove(&(at, number));
        drop(all);
        if let Some(operation) = operation.and_then(|weak| weak.upgrade()) {
            operation.stop(timed_out());
        }
        all = lock(&DEADLINES);
    }
}

/// Sleeps until something changes. Without a bound it still looks once a second: a nudge can fall
/// between the look at the open nodes and the sleep.
fn wait(
    all: MutexGuard<'static, Deadlines>,
    time: Option<std::time::Duration>,
) -> MutexGuard<'static, Deadlines> {
    let time = time.unwrap_or(std::time::Duration::from_secs(1));
    CHANGED.wait_timeout(all, time).unwrap_or_else(PoisonError::into_inner).0
}
