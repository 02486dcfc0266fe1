//! Something about blobs that takes time: how far it is, what came of it, and calling it off.
//!
//! Rule: progress is a value with a number, not a queue: who looks rarely sees the latest. Work
//! that is dropped before it has ended answers `closed` to all who wait for anything of it.

use crate::error::{Error, ErrorKind, Result};
use crate::pending::{Completer, Pending, pending};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How far something is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BlobProgress {
    /// Rises with each change; 0 before the first.
    pub number: u64,
    /// Bytes that are done.
    pub done_bytes: u64,
    /// Bytes that there are to do, when that is known.
    pub total_bytes: Option<u64>,
    /// Why nothing of it comes, when nothing does: of what is fetched.
    pub stalled: Option<BlobStall>,
    /// Whether it has ended.
    pub is_done: bool,
}

/// Why nothing of a blob comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BlobStall {
    /// Nobody who is connected has what is missing. It goes on when somebody comes who has.
    NoProvider,
    /// There is no room for it here.
    StorageFull,
    /// Writing fails here.
    StorageFailed,
}

/// Work that is under way. Dropped, it is called off, unless [`BlobWork::finish`] took it.
pub struct BlobWork<T> {
    shared: Arc<WorkState>,
    answer: Option<Pending<T>>,
}

/// Looks on at work, also while somebody waits for what comes of it. Dropping it does nothing.
#[derive(Clone)]
pub struct BlobWatch {
    shared: Arc<WorkState>,
}

/// What worker and observer share.
pub(super) struct WorkState {
    state: Mutex<State>,
    cancelled: AtomicBool,
    /// Called when it is called off.
    on_cancel: Mutex<Option<OnCancel>>,
    /// The node closes.
    ended: Arc<AtomicBool>,
}

type OnCancel = Box<dyn FnOnce() + Send>;

/// The side of who works. Dropped before it has ended the work, everybody is told `closed`.
pub(super) struct Doer<T> {
    shared: Arc<WorkState>,
    /// None once it is answered.
    answer: Option<Completer<T>>,
}

struct State {
    progress: BlobProgress,
    waiting: Vec<Completer<BlobProgress>>,
}

impl<T> BlobWork<T> {
    /// How far it is now.
    pub fn progress(&self) -> BlobProgress {
        self.shared.lock().progress.clone()
    }

    /// How far it is once that is not progress `number` any more, and at once when it has ended.
    ///
    /// # Errors
    /// `closed`: the node was closed before it ended.
    pub fn next(&self, number: u64) -> Pending<BlobProgress> {
        self.shared.next(number)
    }

    /// Somebody else who looks on, and may call it off.
    pub fn watch(&self) -> BlobWatch {
        BlobWatch { shared: self.shared.clone() }
    }

    /// What comes of it. It goes on also when the answer is dropped.
    ///
    /// # Errors
    /// In the answer: those of the call that began it; `closed`: the node was closed first.
    pub fn finish(mut self) -> Pending<T> {
        self.answer.take().expect("it is taken once: by this call")
    }

    /// Calls it off; what was done by then leaves nothing.
    pub fn cancel(self) {
        drop(self);
    }
}

impl BlobWatch {
    /// As [`BlobWork::progress`].
    pub fn progress(&self) -> BlobProgress {
        self.shared.lock().progress.clone()
    }

    /// As [`BlobWork::next`].
    ///
    /// # Errors
    /// As there.
    pub fn next(&self, number: u64) -> Pending<BlobProgress> {
        self.shared.next(number)
    }

    /// Calls the work off, also when its answer is awaited: that is `cancelled` then, unless the
    /// work was done first.
    pub fn cancel(&self) {
        self.shared.cancel();
    }
}

impl<T> Drop for BlobWork<T> {
    fn drop(&mut self) {
        if self.answer.is_some() {
            self.shared.cancel();
        }
    }
}

/// Begins work on so many bytes: the handle of who wants it, and the side of who does it.
pub(super) fn begin<T>(
    total_bytes: Option<u64>,
    ended: &Arc<AtomicBool>,
) -> (BlobWork<T>, Doer<T>) {
    let progress = BlobProgress { total_bytes, ..BlobProgress::default() };
    let shared = Arc::new(WorkState {
        state: Mutex::new(State { progress, waiting: Vec::new() }),
        cancelled: AtomicBool::new(false),
        on_cancel: Mutex::default(),
        ended: ended.clone(),
    });
    let (completer, answer) = pending(None);
    let work = BlobWork { shared: shared.clone(), answer: Some(answer) };
    (work, Doer { shared, answer: Some(completer) })
}

/// Work that has failed before it began.
pub(super) fn failed<T>(error: Error) -> BlobWork<T> {
    let (work, doer) = begin(None, &Arc::default());
    doer.end(Err(error));
    work
}

impl<T> Doer<T> {
    /// What it asks whether to go on, and tells how far it is.
    pub(super) fn state(&self) -> &Arc<WorkState> {
        &self.shared
    }

    /// The work has ended with this.
    pub(super) fn end(mut self, result: Result<T>) {
        self.shared.change(|progress| progress.is_done = true);
        if let Some(answer) = self.answer.take() {
            answer.complete(result);
        }
    }
}

impl<T> Drop for Doer<T> {
    fn drop(&mut self) {
        if self.answer.is_none() {
            return;
        }
        let mut state = self.shared.lock();
        state.progress.is_done = true;
        state.progress.number += 1;
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        // Nobody else would drop them while the handle lives.
        drop(waiting);
    }
}

impl WorkState {
    /// Notes how much is done.
    ///
    /// # Errors
    /// `cancelled`, `closed`: it is not to go on.
    pub(super) fn go_on(&self, done_bytes: u64) -> Result<()> {
        if self.ended.load(Ordering::Acquire) {
            return Err(crate::driver::node::closed_node());
        }
        if self.cancelled.load(Ordering::Acquire) {
            return Err(Error::new(ErrorKind::Cancelled, "the work on a blob was called off"));
        }
        self.change(|progress| progress.done_bytes = done_bytes);
        Ok(())
    }

    /// Says how many bytes there are to do.
    pub(super) fn expect(&self, total_bytes: u64) {
        self.change(|progress| progress.total_bytes = Some(total_bytes));
    }

    fn next(&self, number: u64) -> Pending<BlobProgress> {
        let mut state = self.lock();
        if state.progress.number != number || state.progress.is_done {
            return Pending::ready(Ok(state.progress.clone()));
        }
        let (completer, answer) = pending(None);
        state.waiting.retain(|waiting| waiting.is_awaited());
        state.waiting.push(completer);
        answer
    }

    fn cancel(&self) {
        self.cancelled.store(true, Ordering::Release);
        let call = self.hook().take();
        if let Some(call) = call {
            call();
        }
    }

    /// Has this called when it is called off, and at once if it was.
    pub(super) fn on_cancel(&self, call: OnCancel) {
        let mut hook = self.hook();
        if self.cancelled.load(Ordering::Acquire) {
            drop(hook);
            return call();
        }
        *hook = Some(call);
    }

    /// Says why nothing comes, or that something does.
    #[cfg_attr(not(feature = "net"), allow(dead_code))] // Only what a network brings can stall.
    pub(super) fn stall(&self, why: Option<BlobStall>) {
        self.change(|progress| progress.stalled = why);
    }

    fn hook(&self) -> MutexGuard<'_, Option<OnCancel>> {
        self.on_cancel.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut BlobProgress)) {
        let mut state = self.lock();
        let before = state.progress.clone();
        change(&mut state.progress);
        if state.progress == before {
            return;
        }
        state.progress.number += 1;
        let (progress, waiting) = (state.progress.clone(), std::mem::take(&mut state.waiting));
        drop(state);
        // All of them waited for what was before this.
        waiting.into_iter().for_each(|completer| completer.complete(Ok(progress.clone())));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
