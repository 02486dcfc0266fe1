//! The work of a fish with code of the application: jobs out, answers in, one crossing for a batch.
//!
//! Rule: whoever got a fold works it on one thread, or in one loop, until it has ended; it lives as
//! long as anybody observes the fish. No lock is held while the code runs.

use crate::batch::EventBatch;
use crate::callback::{CallbackThread, ThreadPlace};
use crate::close::Closed;
use crate::core::{Pump, PumpEnding, PumpStep};
use crate::entry::{entry, guard, lock};
use crate::errors::{FacadeError, Result};
use crate::handles::handle;
use crate::node::NodeState;
use crate::operation::Stoppable;
use crate::position::Position;
use crate::puller::{Item, Pulled, Puller, Source};
use crate::subscription::waker;
use crate::wait::{Limit, Wait};
use crate::{deadlines, defaults, log, registry};
use bytes::Bytes;
use millpond::ErrorKind;
use millpond::event::cbor;
pub use millpond::pond::Function as FishFunction;
use millpond::pond::{Answer, CODEC_DEFAULT, Failure, Job};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

handle! {
    /// The fold of a fish whose code the application has. Work it until it has ended.
    FoldHandle
}

/// What to do next with the one state that the worker of a fold holds.
#[derive(Clone, Debug)]
pub enum FishJob {
    /// Replace the state by the initial one (`None`), or by the one that these bytes encode.
    Load(Option<Bytes>),
    /// Step over these events in this order; where one is a reset, begin with the initial state
    /// before stepping over it. 1 to 1,024 events, with all columns.
    Apply(EventBatch),
    /// Encode the state.
    Save,
    /// Nothing any more: nobody observes the fish, its code failed, or the node was closed.
    Ended,
}

/// How a job ended.
#[derive(Clone, Debug)]
pub enum JobAnswer {
    /// The state is loaded.
    Loaded,
    /// All events are in the state.
    Applied {
        /// Index of the last event that was a reset, the first of the batch is 0.
        last_reset: Option<usize>,
    },
    /// The state's bytes, at most 16 MiB; with the default codec one CBOR value in its
    /// deterministic encoding.
    Saved(Bytes),
    /// Code of the application failed.
    Failed {
        /// Which function.
        function: FishFunction,
        /// At which event of the batch, the first is 0.
        index: Option<usize>,
        /// What the language says about it; its first 2,000 characters are shown.
        message: String,
    },
}

/// Does the jobs of a fold.
pub type FishWork = Box<dyn FnMut(FishJob) -> JobAnswer + Send>;

/// What a fold handle stands for.
pub(crate) struct FoldState {
    puller: Arc<Puller<FishJob>>,
    desk: Arc<Mutex<Desk>>,
    /// Its states are CBOR values.
    is_cbor: bool,
    ending: PumpEnding,
    /// Present when a thread of ours works it.
    thread: ThreadPlace,
}

/// A fold that nobody was given yet. Dropped, it is closed: else nobody who observes the fish would
/// ever see a state. Never dropped under a lock.
pub(crate) struct OwnedFold(Option<FoldHandle>);

impl OwnedFold {
    /// Gives the fold that `pump` drives to whoever takes it.
    ///
    /// # Errors
    /// `closed`, `limit_exceeded`.
    pub(crate) fn new(node: &Arc<NodeState>, pump: Pump) -> Result<OwnedFold> {
        let id = node.keep_reader(FoldState::new(node, pump))?;
        Ok(OwnedFold(Some(FoldHandle::from_id(id))))
    }

    /// From now on it is to be closed by who gets this.
    pub(crate) fn take(mut self) -> FoldHandle {
        self.0.take().expect("it is taken once")
    }
}

impl Drop for OwnedFold {
    fn drop(&mut self) {
        if let Some(fold) = self.0.take() {
            let _ = fold.close();
        }
    }
}

/// Where answers are left for the fold.
#[derive(Default)]
struct Desk {
    /// A job that was given out and not answered.
    owed: Option<Owed>,
    answer: Option<Answer>,
}

/// Which job an answer is owed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owed {
    Load,
    Apply,
    Save,
}

impl Owed {
    /// Which answer a job needs; `None` for the end.
    pub(crate) fn of(job: &FishJob) -> Option<Owed> {
        match job {
            FishJob::Load(_) => Some(Owed::Load),
            FishJob::Apply(_) => Some(Owed::Apply),
            FishJob::Save => Some(Owed::Save),
            FishJob::Ended => None,
        }
    }

    /// What the core takes of an answer; `None` when there is none and none is owed. `is_cbor` when
    /// the states of the fish are CBOR values.
    ///
    /// # Errors
    /// `invalid_argument`: a job was given out and is not answered, or the reverse, or it is the
    /// answer to another job.
    pub(crate) fn checked(
        owed: Option<Owed>,
        answer: Option<JobAnswer>,
        is_cbor: bool,
    ) -> Result<Option<Answer>> {
        let failed = |function, index, message| Failure { function, index, message };
        Ok(Some(match (owed, answer) {
            (None, None) => return Ok(None),
            (Some(Owed::Load), Some(JobAnswer::Loaded)) => Answer::Loaded,
            (Some(Owed::Apply), Some(JobAnswer::Applied { last_reset })) => {
                Answer::Applied { last_reset }
            }
            (Some(Owed::Save), Some(JobAnswer::Saved(bytes))) => match cbor::check(&bytes) {
                Err(error) if is_cbor => {
                    let message = format!("what it saved is not one CBOR value: {error}");
                    Answer::Failed(failed(FishFunction::Encode, None, message))
                }
                _ => Answer::Saved(bytes),
            },
            (Some(_), Some(JobAnswer::Failed { function, index, message })) => {
                Answer::Failed(failed(function, index, message))
            }
            (Some(_), None) => {
                let message = "answer the last job of the fold before the next one is asked for";
                return Err(FacadeError::invalid(message));
            }
            (None, Some(_)) => {
                let message = "the fold waits for no answer; after a timeout go on without one";
                return Err(FacadeError::invalid(message));
            }
            (Some(owed), Some(_)) => {
                let message = format!("the fold waits for the answer to another job: {owed:?}");
                return Err(FacadeError::invalid(message));
            }
        }))
    }
}

impl From<Job> for FishJob {
    fn from(job: Job) -> FishJob {
        match job {
            Job::Load(state) => FishJob::Load(state),
            Job::Apply(events) => FishJob::Apply(EventBatch::of_job(events)),
            Job::Save => FishJob::Save,
        }
    }
}

/// Gives the jobs.
struct Jobs {
    pump: Pump,
    desk: Arc<Mutex<Desk>>,
    /// The job that was pulled last waits for its answer.
    is_under_way: bool,
    puller: Weak<Puller<FishJob>>,
    /// Wakes the puller when the fold said how long it waits at most.
    alarm: Option<(Arc<Alarm>, deadlines::Timer)>,
}

/// A deadline that wakes a puller.
struct Alarm(Weak<Puller<FishJob>>);

impl Stoppable for Alarm {
    fn stop(&self, _: FacadeError) {
        if let Some(puller) = self.0.upgrade() {
            puller.wake();
        }
    }
}

impl Item for FishJob {
    fn end(_: Position) -> FishJob {
        FishJob::Ended
    }

    fn is_end(&self) -> bool {
        matches!(self, FishJob::Ended)
    }
}

impl Jobs {
    fn ring_after(&mut self, time: Duration) {
        let alarm = Arc::new(Alarm(self.puller.clone()));
        let shared: Arc<dyn Stoppable> = alarm.clone();
        let at = Instant::now() + time;
        self.alarm = Some((alarm, deadlines::watch(at, Arc::downgrade(&shared))));
    }
}

impl Source<FishJob> for Jobs {
    fn pull(&mut self, _: usize) -> Result<Pulled<FishJob>> {
        self.alarm = None;
        let answer = lock(&self.desk).answer.take();
        if self.is_under_way && answer.is_none() {
            return Ok(Pulled::nothing());
        }
        self.is_under_way = false;
        let job = match self.pump.next_step(answer) {
            PumpStep::Run(job) => job.into(),
            PumpStep::Ended => FishJob::Ended,
            PumpStep::Wait(time) => {
                if let Some(time) = time {
                    self.ring_after(time);
                }
                return Ok(Pulled::nothing());
            }
        };
        self.is_under_way = true;
        Ok(Pulled { item: Some(job), more: false })
    }
}

impl FoldState {
    /// The fold that `pump` drives.
    fn new(node: &Arc<NodeState>, pump: Pump) -> FoldState {
        let desk: Arc<Mutex<Desk>> = Arc::default();
        let owed = desk.clone();
        let puller = Puller::new(node.clone(), Position::default(), false);
        let puller = Arc::new(puller.telling(Box::new(move |job: &FishJob| {
            lock(&owed).owed = Owed::of(job);
        })));
        pump.on_ready(waker(&puller));
        let (is_cbor, ending) = (pump.definition().codec() == CODEC_DEFAULT, pump.ending());
        let jobs = Jobs {
            pump,
            desk: desk.clone(),
            is_under_way: false,
            puller: Arc::downgrade(&puller),
            alarm: None,
        };
        puller.set_source(Box::new(jobs));
        FoldState { puller, desk, is_cbor, ending, thread: ThreadPlace::default() }
    }

    pub(crate) fn node(&self) -> &Arc<NodeState> {
        self.puller.node()
    }

    /// Who still observes the fish gets `user_code`, reason `fold_closed`, unless it had ended.
    pub(crate) fn end(&self) {
        self.puller.end();
    }

    /// If nobody observes the fish any more: waits until its thread has returned from the code and
    /// has dropped it. False when that takes longer than `time`.
    pub(crate) fn wait_unobserved(&self, time: Duration) -> bool {
        !self.ending.end_unobserved() || self.thread.wait_until_gone(time)
    }

    /// Leaves an answer for the fold.
    ///
    /// # Errors
    /// `invalid_argument`: a job was given out and is not answered, or the reverse.
    fn hand_in(&self, answer: Option<JobAnswer>) -> Result<()> {
        let mut desk = lock(&self.desk);
        if let Some(answer) = Owed::checked(desk.owed, answer, self.is_cbor)? {
            (desk.answer, desk.owed) = (Some(answer), None);
        }
        Ok(())
    }
}

impl FoldHandle {
    /// Hands in the answer to the last job, and waits for the next one.
    ///
    /// The first call has no answer. A call that ended with `timeout` or `cancelled` has taken the
    /// answer, and loses no job: go on without one. One call at a time.
    ///
    /// # Errors
    /// `invalid_argument`: the last job is not answered, or nothing was to be answered, or another
    /// call waits; nothing was taken. `timeout`, `cancelled`; `closed`: this handle was closed
    /// before the call.
    pub fn next_job(self, answer: Option<JobAnswer>, wait: &Wait<'_>) -> Result<FishJob> {
        entry("fold_next_job", self.id(), || {
            let state = self.state()?;
            state.puller.next_after(None, wait, || state.hand_in(answer))
        })
    }

    /// As [`FoldHandle::next_job`], without waiting; no thread is parked for it.
    pub fn next_job_start(
        self,
        answer: Option<JobAnswer>,
        limit: Limit,
        done: impl FnOnce(Result<FishJob>) + Send + 'static,
    ) {
        let puller = entry("fold_next_job", self.id(), || Ok(self.state()?.puller.clone()));
        let hand_in = || guard("fold_hand_in", self.id(), || self.state()?.hand_in(answer));
        Puller::start_after(puller, None, limit, Box::new(done), hand_in);
    }

    /// Has all jobs done by `work`, on a thread of this fold alone, which then drops that and
    /// closes the handle; the end is not given to it. A panic in it is a failure of the fish.
    ///
    /// # Errors
    /// `closed`; `invalid_argument`: a thread works it already. `internal`: the system gives no
    /// thread; another try may succeed.
    pub fn work_on_thread(self, work: FishWork) -> Result<()> {
        entry("fold_work", self.id(), || {
            let state = self.state()?;
            let own = state.clone();
            let job = move || self.work(&own, work);
            CallbackThread::spawn(state.node(), &state.thread, "millpond-fish", job)
        })
    }

    fn work(self, state: &FoldState, mut work: FishWork) {
        let mut answer = None;
        loop {
            let next = state.hand_in(answer.take());
            let next = next.and_then(|()| state.puller.next(None, &Wait::forever()));
            let Ok(job) = next else { break };
            let Some(owed) = Owed::of(&job) else { break };
            let done = catch_unwind(AssertUnwindSafe(|| work(job)));
            answer = Some(done.unwrap_or_else(|_| {
                let function = match owed {
                    Owed::Load => FishFunction::Initial,
                    Owed::Apply => FishFunction::Step,
                    Owed::Save => FishFunction::Encode,
                };
                JobAnswer::Failed { function, index: None, message: "it panicked".into() }
            }));
        }
        // Who finds the handle closed finds that code dropped; dropping it may panic.
        if catch_unwind(AssertUnwindSafe(|| drop(work))).is_err() {
            log::note_panic("dropping the code of a fish");
        }
        let _ = self.close();
    }

    /// Ends the work. Before the fold has ended, its observers get `user_code`, reason
    /// `fold_closed`, then, and whoever observes the fish anew gets another fold. With a thread:
    /// when this returns, its code is not running and never will again, unless this is called in
    /// it.
    ///
    /// # Errors
    /// `invalid_argument`: it never was a fold. `timeout`: the code did not return within the
    /// default deadline of a close.
    pub fn close(self) -> Result<Closed> {
        entry("fold_close", self.id(), || {
            let Some(state) = registry::remove::<FoldState>(self.id())? else {
                return Ok(Closed::Before);
            };
            lock(&state.node().readers).remove(&self.id());
            state.end();
            if state.thread.wait_until_gone(defaults::CLOSE_DEADLINE) {
                return Ok(Closed::Now);
            }
            let message = "the code of the fish does not return";
            Err(FacadeError::new(ErrorKind::Timeout, message))
        })
    }

    pub(crate) fn state(self) -> Result<Arc<FoldState>> {
        let state = registry::get::<FoldState>(self.id())?;
        state.node().check_poison()?;
        Ok(state)
    }
}
