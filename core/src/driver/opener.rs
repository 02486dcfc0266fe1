//! Threads that open blocks, so that a catch-up uses all processors.
//!
//! Not here: which blocks, and how many at a time; credit bounds them. They start with the first
//! block. A panic is passed on to the loop, which ends with it. What nobody wants any more when its
//! turn comes is dropped unopened, and nothing is answered.
//! Begin with [`Opener::open`].

// The rim: threads that compute.
#![allow(clippy::disallowed_methods)]

use crate::sync::{ClosedBlock, OpenedBlock};
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

/// More threads are not needed for as much as a network brings.
const THREADS_MAX: usize = 4;

/// What came of opening, or a panic on the way.
pub(crate) type Opened = thread::Result<OpenedBlock>;

/// The threads, and what they are to do.
pub(crate) struct Opener {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared {
    queue: Mutex<Queue>,
    filled: Condvar,
    answer: Box<dyn Fn(u64, Opened) + Send + Sync>,
}

#[derive(Default)]
struct Queue {
    /// Each with what it is answered with.
    blocks: VecDeque<(u64, ClosedBlock)>,
    ended: bool,
}

impl Opener {
    /// An opener that gives each `answer` with the number that its block was given with, on any of
    /// its threads.
    pub(crate) fn new(answer: impl Fn(u64, Opened) + Send + Sync + 'static) -> Opener {
        let (queue, filled) = (Mutex::default(), Condvar::new());
        let shared = Arc::new(Shared { queue, filled, answer: Box::new(answer) });
        Opener { shared, threads: Vec::new() }
    }

    /// Has `block` opened. Without a thread, that is done here and now.
    pub(crate) fn open(&mut self, number: u64, block: ClosedBlock) {
        if self.threads.is_empty() {
            self.start();
        }
        if self.threads.is_empty() {
            return self.shared.open(number, block);
        }
        self.shared.lock().blocks.push_back((number, block));
        self.shared.filled.notify_one();
    }

    fn start(&mut self) {
        // One may have the loop's turn for as long as something comes in.
        let count = thread::available_parallelism().map_or(1, usize::from).clamp(2, THREADS_MAX);
        for _ in 0..count {
            let shared = self.shared.clone();
            let thread = thread::Builder::new().name("millpond-open".into());
            self.threads.extend(thread.spawn(move || shared.run()));
        }
    }
}

impl Drop for Opener {
    /// What was not begun is left; waits for what was.
    fn drop(&mut self) {
        let mut queue = self.shared.lock();
        queue.ended = true;
        queue.blocks.clear();
        drop(queue);
        self.shared.filled.notify_all();
        for thread in self.threads.drain(..) {
            // One of them has the loop's turn when the loop ends by a panic there.
            if thread.thread().id() != thread::current().id() {
                // It catches panics of opening; another's turn of the loop is the loop's.
                let _ = thread.join();
            }
        }
    }
}

impl Shared {
    fn run(&self) {
        let mut queue = self.lock();
        while !queue.ended {
            let Some((number, block)) = queue.blocks.pop_front() else {
                queue = self.filled.wait(queue).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            if block.is_wanted() {
                drop(queue);
                self.open(number, block);
                queue = self.lock();
            }
        }
    }

    fn open(&self, number: u64, block: ClosedBlock) {
        (self.answer)(number, catch_unwind(AssertUnwindSafe(|| block.open())));
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{RecvTimeoutError, channel};
    use std::time::Duration;

    const DEADLINE: Duration = Duration::from_secs(60);

    #[test]
    fn blocks_of_an_ended_session_are_dropped_unopened() {
        let (told, answers) = channel();
        let (release, released) = channel::<()>();
        let released = Mutex::new(released);
        let mut opener = Opener::new(move |number, _| {
            told.send(number).unwrap();
            if number == 0 {
                let _ = released.lock().unwrap().recv();
            }
        });
        let (ended, going_on) = (Arc::new(()), Arc::new(()));
        // Keeps each thread at one block.
        opener.open(0, ClosedBlock::empty(&going_on));
        for _ in 1..opener.threads.len() {
            opener.open(0, ClosedBlock::empty(&going_on));
        }
        for _ in 0..opener.threads.len() {
            assert_eq!(answers.recv_timeout(DEADLINE), Ok(0));
        }
        for _ in 0..8 {
            opener.open(1, ClosedBlock::empty(&ended));
            opener.open(2, ClosedBlock::empty(&going_on));
        }
        drop(ended);
        drop(release);
        for _ in 0..8 {
            assert_eq!(answers.recv_timeout(DEADLINE), Ok(2));
        }
        assert!(opener.shared.lock().blocks.is_empty());
        drop(opener);
        assert_eq!(answers.recv_timeout(DEADLINE), Err(RecvTimeoutError::Disconnected));
    }
}
