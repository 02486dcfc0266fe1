//! Threads for what may block: openings, closings and reads that a shell did not want to wait for.
//!
//! At most `WORKERS_MAX`, named `millpond-work`, created on demand; they end when no node is open
//! and no work is left.

use crate::entry::{caught, lock};
use crate::errors::{FacadeError, Result};
use crate::operation::{Done, Operation, Slot};
use crate::wait::{Limit, Wait};
use crate::{deadlines, defaults, lifecycle, log};
use millpond::ErrorKind;
use std::cell::Cell;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

type Job = Box<dyn FnOnce() + Send>;

struct Pool {
    jobs: VecDeque<Job>,
    threads: usize,
    idle: usize,
}

static POOL: Mutex<Pool> = Mutex::new(Pool { jobs: VecDeque::new(), threads: 0, idle: 0 });
static CHANGED: Condvar = Condvar::new();
static GONE: Condvar = Condvar::new();

thread_local! {
    static IS_WORKER: Cell<bool> = const { Cell::new(false) };
}

/// Runs `job` on a worker.
///
/// # Errors
/// `internal`: the system gives no thread, and there is none yet.
pub(crate) fn submit(job: impl FnOnce() + Send + 'static) -> Result<()> {
    let mut pool = lock(&POOL);
    if pool.jobs.len() >= pool.idle && pool.threads < defaults::WORKERS_MAX {
        match std::thread::Builder::new().name("millpond-work".into()).spawn(run) {
            Ok(_) => pool.threads += 1,
            Err(error) if pool.threads == 0 => {
                let message = format!("the system gives no thread: {error}");
                return Err(FacadeError::new(ErrorKind::Internal, message));
            }
            Err(_) => {}
        }
    }
    pool.jobs.push_back(Box::new(job));
    CHANGED.notify_one();
    Ok(())
}

/// Runs `job` on a worker and ends with `done`. What is made too late is given to `dispose`.
pub(crate) fn start<T: Send + 'static>(
    limit: Limit,
    done: Done<T>,
    job: impl FnOnce() -> Result<T> + Send + 'static,
    dispose: fn(T),
) {
    submit_operation(Operation::begin(limit, done), job, dispose);
}

/// Runs `job` here when nothing can end the wait early, else on a worker while this thread waits.
pub(crate) fn block<T: Send + 'static>(
    wait: &Wait<'_>,
    job: impl FnOnce() -> Result<T> + Send + 'static,
    dispose: fn(T),
) -> Result<T> {
    if wait.is_unbounded() {
        return job();
    }
    let (slot, operation) = Slot::begin(wait);
    submit_operation(operation.clone(), job, dispose);
    slot.wait(&operation, wait, || {})
}

/// As `start`; once `job` has begun the call is not called off any more, so what it makes is always
/// given to the caller. For jobs that do not wait.
pub(crate) fn start_to_the_end<T: Send + 'static>(
    limit: Limit,
    done: Done<T>,
    job: impl FnOnce() -> Result<T> + Send + 'static,
) {
    submit_claimed(Operation::begin(limit, done), job);
}

/// As `block`, and as `start_to_the_end`.
pub(crate) fn block_to_the_end<T: Send + 'static>(
    wait: &Wait<'_>,
    job: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    if wait.is_unbounded() {
        return job();
    }
    let (slot, operation) = Slot::begin(wait);
    submit_claimed(operation.clone(), job);
    slot.wait(&operation, wait, || {})
}

fn submit_claimed<T: Send + 'static>(
    operation: Arc<Operation<T>>,
    job: impl FnOnce() -> Result<T> + Send + 'static,
) {
    let late = operation.clone();
    let submitted = submit(move || {
        let Some(claim) = operation.claim() else { return };
        claim.finish(done_of(job));
    });
    if let Err(error) = submitted {
        late.complete(Err(error));
    }
}

fn done_of<T>(job: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(job))
        .unwrap_or_else(|panic| Err(caught("a worker", panic.as_ref(), false)))
}

fn submit_operation<T: Send + 'static>(
    operation: Arc<Operation<T>>,
    job: impl FnOnce() -> Result<T> + Send + 'static,
    dispose: fn(T),
) {
    let late = operation.clone();
    let submitted = submit(move || {
        if !operation.is_waiting() {
            return;
        }
        if let Some(Ok(unwanted)) = operation.complete(done_of(job)) {
            dispose(unwanted);
        }
    });
    if let Err(error) = submitted {
        late.complete(Err(error));
    }
}

/// The last node was closed: idle workers have a look whether to end.
pub(crate) fn nudge() {
    CHANGED.notify_all();
}

/// Waits until no thread of ours is left, if no node is open; at most `time`.
pub(crate) fn wait_until_gone(time: Duration) {
    if IS_WORKER.get() {
        return;
    }
    let end = Instant::now() + time;
    let mut pool = lock(&POOL);
    while (pool.threads > 0 || deadlines::is_running()) && Instant::now() < end {
        drop(pool);
        if lifecycle::is_busy() {
            return;
        }
        nudge();
        deadlines::nudge();
        pool = lock(&POOL);
        let moment = Duration::from_millis(1);
        pool = GONE.wait_timeout(pool, moment).unwrap_or_else(PoisonError::into_inner).0;
    }
}

fn run() {
    IS_WORKER.set(true);
    let mut pool = lock(&POOL);
    loop {
        if let Some(job) = pool.jobs.pop_front() {
            drop(pool);
            if catch_unwind(AssertUnwindSafe(job)).is_err() {
                log::note_panic("a worker");
            }
            pool = lock(&POOL);
            continue;
        }
        drop(pool);
        let is_busy = lifecycle::is_busy();
        pool = lock(&POOL);
        if !pool.jobs.is_empty() {
            continue;
        }
        if !is_busy {
            pool.threads -= 1;
            GONE.notify_all();
            return;
        }
        pool.idle += 1;
        let second = Duration::from_secs(1); // A nudge can fall between the look and the sleep.
        pool = CHANGED.wait_timeout(pool, second).unwrap_or_else(PoisonError::into_inner).0;
        pool.idle -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cancel::{CancelHandle, CancelState};
    use crate::registry;
    use std::sync::mpsc;

    /// Whether a call that is called off while its job runs is given what that makes.
    fn is_given(
        start: impl FnOnce(Limit, Done<u8>, Box<dyn FnOnce() -> Result<u8> + Send>),
    ) -> bool {
        let cancel = CancelHandle::new().expect("a handle is free");
        let token = registry::get::<CancelState>(cancel.id()).expect("it was just made");
        let limit = Limit { timeout: None, cancel: Some(cancel) };
        let (begin, begun) = mpsc::channel();
        let (give, given) = mpsc::channel();
        let done = Box::new(move |result: Result<u8>| {
            let _ = give.send(result.is_ok());
        });
        let job = Box::new(move || {
            let _ = begin.send(());
            while !token.is_cancelled() {
                std::thread::yield_now();
            }
            Ok(7)
        });
        start(limit, done, job);
        begun.recv().expect("it begins");
        cancel.cancel().expect("it is a token");
        let is_given = given.recv().expect("it ends");
        cancel.free().expect("it is a token");
        is_given
    }

    #[test]
    fn what_was_begun_to_the_end_is_given_to_its_caller_also_when_it_is_called_off() {
        for _ in 0..100 {
            assert!(is_given(start_to_the_end));
        }
    }
}
