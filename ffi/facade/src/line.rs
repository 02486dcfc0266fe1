//! Work of one node that workers do one piece after another, in the order in which it was asked.
//!
//! It is for what decides from the log: that may fold much first, under a lock for which all the
//! workers could come to wait, and two deeds of one caller keep their order.

use crate::entry::lock;
use crate::node::NodeState;
use crate::{log, workers};
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};

type Job = Box<dyn FnOnce() + Send>;

/// What waits to be done.
#[derive(Default)]
pub(crate) struct Line(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    jobs: VecDeque<Job>,
    /// Somebody is at it, and goes on until nothing is left.
    is_served: bool,
}

impl NodeState {
    /// Has `job` done on a worker, when all that was put here before is done.
    pub(crate) fn in_line(self: &Arc<Self>, job: impl FnOnce() + Send + 'static) {
        {
            let mut waiting = lock(&self.line.0);
            waiting.jobs.push_back(Box::new(job));
            if std::mem::replace(&mut waiting.is_served, true) {
                return;
            }
        }
        let own = self.clone();
        if workers::submit(move || own.serve_line()).is_err() {
            // Without a thread for it, here: whoever asked must have an answer.
            self.serve_line();
        }
    }

    fn serve_line(&self) {
        while let Some(job) = self.first_in_line() {
            if catch_unwind(AssertUnwindSafe(job)).is_err() {
                self.poison();
                log::note_panic("a deed");
            }
        }
    }

    fn first_in_line(&self) -> Option<Job> {
        let mut waiting = lock(&self.line.0);
        let first = waiting.jobs.pop_front();
        waiting.is_served = first.is_some();
        first
    }
}
