//! Threads that work on blobs.
//!
//! Rule: a job asks now and then whether it is still wanted; what was not begun when the crew
//! closes is dropped, and its answer is `closed`.

// The rim: threads that read, hash and write.
#![allow(clippy::disallowed_methods)]

use crate::driver::clock;
use std::cell::Cell;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

/// Something to do.
pub(super) type Job = Box<dyn FnOnce() + Send>;

/// Some threads, started as they are needed, and what they are to do.
pub(super) struct Crew {
    shared: Arc<Shared>,
    threads_max: usize,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    threads: usize,
    idle: usize,
    ended: bool,
}

thread_local! {
    /// The crew that this thread works for, as the address of what it shares; 0 is none.
    static CREW: Cell<usize> = const { Cell::new(0) };
}

impl Crew {
    /// At most so many threads.
    pub(super) fn new(threads_max: usize) -> Crew {
        Crew { shared: Arc::default(), threads_max }
    }

    /// Has a job done. After the end it is dropped; where the system gives no thread it is done
    /// here and now.
    pub(super) fn work(&self, job: Job) {
        let mut state = self.shared.lock();
        if state.ended {
            drop(state);
            return drop(job);
        }
        state.jobs.push_back(job);
        if state.idle < state.jobs.len() && state.threads < self.threads_max {
            let shared = self.shared.clone();
            let thread = thread::Builder::new().name("millpond-blob".into());
            match thread.spawn(move || shared.run()) {
                Ok(_) => state.threads += 1,
                Err(error) if state.threads == 0 => {
                    tracing::warn!(%error, "a caller works on its blob itself: there is no thread");
                    let job = state.jobs.pop_back();
                    drop(state);
                    return job.into_iter().for_each(|job| job());
                }
                Err(_) => {}
            }
        }
        drop(state);
        self.shared.changed.notify_all();
    }

    /// Drops what was not begun, and waits for what was, until then at most. A thread of the crew
    /// does not wait for itself: it may be in code that was told an answer.
    pub(super) fn close(&self, end: Instant) {
        let mut state = self.shared.lock();
        state.ended = true;
        let jobs = std::mem::take(&mut state.jobs);
        drop(state);
        // Their answers may run code of others.
        drop(jobs);
        self.shared.changed.notify_all();
        let mut state = self.shared.lock();
        let own = usize::from(CREW.get() == self.shared.address());
        while state.threads > own {
            let left = end.saturating_duration_since(clock::now());
            if left.is_zero() {
                return tracing::warn!("work on a blob goes on while the node closes");
            }
            let woken = self.shared.changed.wait_timeout(state, left);
            state = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Shared {
    fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    fn run(&self) {
        CREW.set(self.address());
        let mut state = self.lock();
        loop {
            if let Some(job) = state.jobs.pop_front() {
                drop(state);
                // Its answer is dropped with it, which says `closed`; the thread has others to do.
                if catch_unwind(AssertUnwindSafe(job)).is_err() {
                    tracing::error!("work on a blob panicked");
                }
                state = self.lock();
            } else if state.ended {
                state.threads -= 1;
                drop(state);
                return self.changed.notify_all();
            } else {
                state.idle += 1;
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                state.idle -= 1;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Crew {
    /// Threads that are still there end by themselves.
    fn drop(&mut self) {
        self.shared.lock().ended = true;
        self.shared.changed.notify_all();
    }
}
