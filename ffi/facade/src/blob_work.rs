//! Something about blobs that takes time: how far it is, what comes of it, calling it off.
//!
//! Rule: progress is a value, not a queue: who looks rarely sees the latest. Closing a handle calls
//! the work off; a call that ended with `timeout` or `cancelled` does not.

use crate::blob_view::Told;
use crate::close::Closed;
use crate::entry::{entry, lock};
use crate::errors::{FacadeError, Result};
use crate::handles::handle;
use crate::node::NodeState;
use crate::operation::{Done, Operation, Slot, cancelled};
use crate::position::Position;
use crate::publish::refuse_cancelled;
use crate::puller::{Item, Pulled, Puller, Source};
use crate::registry;
use crate::subscription::waker;
use crate::wait::{Limit, Wait};
use millpond::{BlobWatch, BlobWork, ErrorKind, Pending};
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

handle! {
    /// Work on blobs that is under way, or has ended.
    BlobWorkHandle
}

/// How far work is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BlobProgress {
    /// Rises with each change; 0 before the first.
    pub number: u64,
    /// Bytes that are done.
    pub done_bytes: u64,
    /// Bytes that there are to do, when that is known.
    pub total_bytes: Option<u64>,
    /// True when the work has ended, whatever came of it: nothing will follow.
    pub is_end: bool,
}

/// What a work handle stands for.
pub(crate) struct BlobWorkState {
    puller: Arc<Puller<BlobProgress>>,
    course: Arc<Course>,
}

/// Work that goes its way.
pub(crate) struct Course {
    watch: BlobWatch,
    answer: Arc<Answer>,
}

/// What comes of it, for all who ask.
struct Answer(Mutex<Answered>);

enum Answered {
    /// By whom it is awaited.
    Not(Vec<Arc<Operation<String>>>),
    With(Result<String>),
}

/// Tells how far it is, now and when that changes.
struct Progresses {
    watch: BlobWatch,
    /// The number of what was told last.
    told: Option<u64>,
    next: Option<Pending<millpond::BlobProgress>>,
    waker: Waker,
}

/// Wakes a puller.
struct Woken(Arc<dyn Fn() + Send + Sync>);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        (self.0)();
    }
}

impl From<millpond::BlobProgress> for BlobProgress {
    fn from(progress: millpond::BlobProgress) -> BlobProgress {
        let millpond::BlobProgress { number, done_bytes, total_bytes, is_done, .. } = progress;
        BlobProgress { number, done_bytes, total_bytes, is_end: is_done }
    }
}

impl Item for BlobProgress {
    fn end(_: Position) -> BlobProgress {
        BlobProgress { is_end: true, ..BlobProgress::default() }
    }

    fn is_end(&self) -> bool {
        self.is_end
    }
}

impl Source<BlobProgress> for Progresses {
    fn pull(&mut self, _: usize) -> Result<Pulled<BlobProgress>> {
        let progress = match self.told {
            None => self.watch.progress(),
            Some(number) => {
                let next = self.next.get_or_insert_with(|| self.watch.next(number));
                let polled = Pin::new(next).poll(&mut Context::from_waker(&self.waker));
                let Poll::Ready(result) = polled else { return Ok(Pulled::nothing()) };
                self.next = None;
                // An error is that the node closed before it ended: what came of it says so.
                result.unwrap_or_else(|_| self.watch.progress())
            }
        };
        self.told = Some(progress.number);
        Ok(Pulled { item: Some(progress.into()), more: true })
    }
}

impl Course {
    /// Lets work go its way.
    pub(crate) fn of<T: Told>(work: BlobWork<T>) -> Course {
        let watch = work.watch();
        let answer = Arc::new(Answer(Mutex::new(Answered::Not(Vec::new()))));
        let own = answer.clone();
        work.finish().on_done(move |result| {
            own.give(result.map(|what| what.told()).map_err(FacadeError::from));
        });
        Course { watch, answer }
    }

    /// What comes of it.
    pub(crate) fn result(&self, node: &NodeState, wait: &Wait<'_>) -> Result<String> {
        let (slot, operation) = Slot::begin(wait);
        node.calls.watch(&operation);
        self.answer.tell(&operation);
        slot.wait(&operation, wait, || {})
    }

    /// Calls it off; who waits for it is told this.
    pub(crate) fn end(&self, error: FacadeError) {
        self.watch.cancel();
        self.answer.give(Err(error));
    }
}

impl Answer {
    /// The first one counts.
    fn give(&self, result: Result<String>) {
        let mut answered = lock(&self.0);
        let Answered::Not(waiting) = &mut *answered else { return };
        let waiting = mem::take(waiting);
        *answered = Answered::With(result.clone());
        drop(answered);
        for operation in waiting {
            operation.complete(result.clone());
        }
    }

    fn tell(&self, operation: &Arc<Operation<String>>) {
        let mut answered = lock(&self.0);
        let result = match &mut *answered {
            Answered::With(result) => result.clone(),
            Answered::Not(waiting) => {
                waiting.retain(|other| other.is_waiting());
                return waiting.push(operation.clone());
            }
        };
        drop(answered);
        operation.complete(result);
    }
}

impl NodeState {
    /// A handle of this work.
    pub(crate) fn keep_work<T: Told>(
        self: &Arc<Self>,
        work: BlobWork<T>,
    ) -> Result<BlobWorkHandle> {
        let watch = work.watch();
        let course = Arc::new(Course::of(work));
        let puller = Arc::new(Puller::new(self.clone(), Position::default(), false));
        let waker = Waker::from(Arc::new(Woken(waker(&puller))));
        puller.set_source(Box::new(Progresses { watch, told: None, next: None, waker }));
        let state = Arc::new(BlobWorkState { puller, course });
        let kept = self.keep_shared(state.clone()).inspect_err(|error| state.stop(error.clone()));
        Ok(BlobWorkHandle::from_id(kept?))
    }
}

impl BlobWorkState {
    pub(crate) fn node(&self) -> &Arc<NodeState> {
        self.puller.node()
    }

    /// Its node is being closed.
    pub(crate) fn end(&self) {
        self.stop(FacadeError::new(ErrorKind::Closed, "the node is being closed"));
    }

    fn stop(&self, error: FacadeError) {
        self.course.end(error);
        self.puller.end();
    }
}

impl BlobWorkHandle {
    /// How far it is: first now, then each time that has changed; at the end the last one, again
    /// and again. A call that ended with `timeout` or `cancelled` loses nothing. One call at a
    /// time.
    ///
    /// # Errors
    /// `timeout`: nothing changed in time. `cancelled`; `closed`: this handle was closed.
    pub fn next_progress(self, wait: &Wait<'_>) -> Result<BlobProgress> {
        entry("blob_work_next", self.id(), || self.state()?.puller.next(None, wait))
    }

    /// As [`BlobWorkHandle::next_progress`], without waiting; no thread is parked for it.
    pub fn next_progress_start(
        self,
        limit: Limit,
        done: impl FnOnce(Result<BlobProgress>) + Send + 'static,
    ) {
        let puller = entry("blob_work_next", self.id(), || Ok(self.state()?.puller.clone()));
        Puller::start(puller, None, limit, Box::new(done));
    }

    /// What comes of it, as one JSON object: see the call that began it. Any number of calls may
    /// wait, also beside one for progress.
    ///
    /// # Errors
    /// Those of the work. `timeout`, `cancelled`: of this call; the work goes on. `cancelled` also
    /// when the handle was closed meanwhile; `closed`: the handle or its node was closed before.
    pub fn result_json(self, wait: &Wait<'_>) -> Result<String> {
        entry("blob_work_result", self.id(), || {
            refuse_cancelled(wait.limit)?;
            let state = self.state()?;
            state.course.result(state.node(), wait)
        })
    }

    /// As [`BlobWorkHandle::result_json`], without waiting; no thread is parked for it.
    pub fn result_json_start(
        self,
        limit: Limit,
        done: impl FnOnce(Result<String>) + Send + 'static,
    ) {
        let state = || {
            let state = self.state()?;
            Ok((state.node().clone(), state.course.clone()))
        };
        start_result(entry("blob_work_result", self.id(), state), limit, Box::new(done));
    }

    /// A descriptor for `poll`, `select` or an event loop: readable while `next_progress` may not
    /// wait. It belongs to the handle and is valid until `close`. Never read or write it.
    ///
    /// # Errors
    /// `closed`; `limit_exceeded`: the process has too many open files.
    pub fn fd(self) -> Result<i32> {
        entry("blob_work_fd", self.id(), || self.state()?.puller.fd())
    }

    /// Ends the handle; calls the work off if it is under way. Calls that wait end: for progress
    /// with the end, for the result with `cancelled`.
    ///
    /// # Errors
    /// `invalid_argument`: it never was work.
    pub fn close(self) -> Result<Closed> {
        entry("blob_work_close", self.id(), || {
            let Some(state) = registry::remove::<BlobWorkState>(self.id())? else {
                return Ok(Closed::Before);
            };
            lock(&state.node().readers).remove(&self.id());
            state.stop(cancelled());
            Ok(Closed::Now)
        })
    }

    fn state(self) -> Result<Arc<BlobWorkState>> {
        let state = registry::get::<BlobWorkState>(self.id())?;
        state.node().check_poison()?;
        Ok(state)
    }
}

/// Ends `done` with what comes of work.
pub(crate) fn start_result(
    asked: Result<(Arc<NodeState>, Arc<Course>)>,
    limit: Limit,
    done: Done<String>,
) {
    let operation = Operation::begin(limit, done);
    match asked {
        Ok((node, course)) => {
            node.calls.watch(&operation);
            course.answer.tell(&operation);
        }
        Err(error) => drop(operation.complete(Err(error))),
    }
}
