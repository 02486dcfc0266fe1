//! Calls that wait until the log covers a point in history, or until their time is over.
//!
//! One thread for the process, `millpond-waits`, which ends when nothing waits. Who commits only
//! rings: answers are given here, because they run what callers hang on them. Rule: no lock is held
//! while an answer is given.

// The rim: a thread of its own.
#![allow(clippy::disallowed_methods)]

use crate::driver::clock;
use crate::driver::node::closed_node;
use crate::error::{Error, ErrorKind, Result};
use crate::event::not_yet_visible;
use crate::log::Coverage;
use crate::pending::{Completer, Pending, pending};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Somebody who waits.
struct Wait {
    coverage: Coverage,
    /// None waits for ever.
    deadline: Option<Instant>,
    /// The handle through which it was asked.
    closed: Arc<AtomicBool>,
    completer: Completer<()>,
}

struct Waits {
    all: Vec<Wait>,
    /// Something may have changed since the thread looked.
    is_rung: bool,
    /// The process whose thread there is; 0 is none.
    running: u32,
}

static WAITS: Mutex<Waits> = Mutex::new(Waits { all: Vec::new(), is_rung: false, running: 0 });
static RUNG: Condvar = Condvar::new();

/// Answers when the point in history is covered.
///
/// # Errors
/// In the answer. `not_yet_visible`: it is not after `timeout`. `closed`, `forked_process`.
pub(super) fn wait_for(
    coverage: Coverage,
    timeout: Option<Duration>,
    closed: &Arc<AtomicBool>,
) -> Pending<()> {
    match coverage.missing() {
        Err(error) => return Pending::ready(Err(error)),
        Ok(missing) if missing.is_empty() => return Pending::ready(Ok(())),
        Ok(missing) if timeout == Some(Duration::ZERO) => {
            return Pending::ready(Err(not_yet_visible(&missing)));
        }
        Ok(_) => coverage.on_growth(Arc::new(ring)),
    }
    let deadline = timeout.and_then(|timeout| clock::now().checked_add(timeout));
    let (completer, answer) = pending(None);
    completer.on_abandoned(Box::new(ring));
    let wait = Wait { coverage, deadline, closed: closed.clone(), completer };
    match begin(wait) {
        Ok(()) => answer,
        Err(error) => Pending::ready(Err(error)),
    }
}

/// Something changed that somebody may wait for.
pub(super) fn ring() {
    let mut waits = lock();
    // In a forked process nobody listens.
    if waits.running == std::process::id() {
        waits.is_rung = true;
        RUNG.notify_one();
    }
}

fn begin(wait: Wait) -> Result<()> {
    let mut waits = lock();
    let process = std::process::id();
    if waits.running != process {
        // What a forked process finds here is its parent's, and is not to be touched.
        std::mem::forget(std::mem::take(&mut waits.all));
        let thread = std::thread::Builder::new().name("millpond-waits".into()).spawn(run);
        thread.map_err(|error| {
            let message = format!("cannot start the thread that waits: {error}");
            Error::new(ErrorKind::Internal, message)
        })?;
        waits.running = process;
    }
    waits.all.push(wait);
    // It may have come between the first look and now.
    waits.is_rung = true;
    drop(waits);
    RUNG.notify_one();
    Ok(())
}

/// Ends the thread's turn, also by a panic of what hangs on an answer.
struct Running;

impl Drop for Running {
    fn drop(&mut self) {
        if std::thread::panicking() {
            lock().running = 0;
        }
    }
}

fn run() {
    let _running = Running;
    let mut kept = Vec::new();
    loop {
        let mut waits = lock();
        waits.all.append(&mut kept);
        if waits.all.is_empty() {
            waits.running = 0;
            return;
        }
        let due = waits.all.iter().filter_map(|wait| wait.deadline).min();
        while !waits.is_rung && due.is_none_or(|due| clock::now() < due) {
            waits = sleep(waits, due);
        }
        waits.is_rung = false;
        let all = std::mem::take(&mut waits.all);
        drop(waits);
        kept.extend(all.into_iter().filter_map(Wait::look));
    }
}

impl Wait {
    /// Answers if there is an answer; else it goes on.
    fn look(self) -> Option<Wait> {
        let answer = if self.closed.load(Ordering::Acquire) {
            Err(closed_node())
        } else {
            match self.coverage.missing() {
                Ok(missing) if missing.is_empty() => Ok(()),
                Ok(missing) if self.deadline.is_some_and(|at| at <= clock::now()) => {
                    Err(not_yet_visible(&missing))
                }
                Ok(_) => return self.completer.is_awaited().then_some(self),
                Err(error) => Err(error),
            }
        };
        let Wait { coverage, completer, .. } = self;
        drop(coverage);
        completer.complete(answer);
        None
    }
}

fn sleep(waits: MutexGuard<'static, Waits>, due: Option<Instant>) -> MutexGuard<'static, Waits> {
    match due {
        None => RUNG.wait(waits).unwrap_or_else(PoisonError::into_inner),
        Some(due) => {
            let left = due.saturating_duration_since(clock::now());
            RUNG.wait_timeout(waits, left).unwrap_or_else(PoisonError::into_inner).0
        }
    }
}

fn lock() -> MutexGuard<'static, Waits> {
    WAITS.lock().unwrap_or_else(PoisonError::into_inner)
}
