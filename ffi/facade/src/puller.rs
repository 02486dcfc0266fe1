//! Takes batches from a source for whoever waits: a blocked thread, a closure, or a poll loop.
//!
//! Invariants: the source is asked by one thread at a time, under no lock; a batch that was taken
//! for a call that ended first, or ahead, is kept for the next call; after `end` every call is
//! answered with the end. Begin with `Puller::next` and `Puller::pump`.

use crate::batch::EventBatch;
use crate::defaults::{BATCH_COUNT_DEFAULT, BATCH_COUNT_MAX, READ_AHEAD_BYTES_MAX, READ_AHEAD_MAX};
use crate::entry::{caught, lock};
use crate::errors::{FacadeError, Result};
use crate::node::NodeState;
use crate::offsets::Offsets;
use crate::operation::{Done, Operation, Slot};
use crate::signal::Signal;
use crate::wait::{Limit, Wait};
use crate::{fault, workers};
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard};

/// Where batches come from.
pub(crate) trait Source: Send {
    /// The next batch of at most `count_max` events; `None` when there is nothing now.
    fn pull(&mut self, count_max: usize) -> Result<Pulled>;
}

/// One answer of a source.
pub(crate) struct Pulled {
    pub(crate) batch: Option<EventBatch>,
    /// True when another pull may give more at once.
    pub(crate) more: bool,
}

/// A source, and who waits for it.
pub(crate) struct Puller {
    inner: Mutex<Inner>,
    node: Arc<NodeState>,
    /// Its batches are those of a query: they may be read before they are asked for, and split.
    is_query: bool,
}

struct Inner {
    /// Absent while a thread asks it, and after the end.
    source: Option<Box<dyn Source>>,
    is_pulling: bool,
    /// Something may have come since the pull in progress began.
    is_dirty: bool,
    is_ended: bool,
    waiter: Option<Waiter>,
    /// In order; the next call gets the first.
    kept: VecDeque<Result<EventBatch>>,
    /// A worker reads ahead, and goes on until enough is kept.
    is_reading_ahead: bool,
    signal: Signal,
    position: Offsets,
    /// Full batches that were given out.
    full_batches: usize,
}

struct Waiter {
    operation: Arc<Operation<EventBatch>>,
    count_max: usize,
    /// How to make a blocked thread pull by itself; else a worker does.
    nudge: Option<Box<dyn Fn() + Send>>,
}

impl Puller {
    /// A puller that waits for nobody. Its descriptor is readable at first.
    pub(crate) fn new(node: Arc<NodeState>, position: Offsets, is_query: bool) -> Puller {
        let mut signal = Signal::default();
        signal.raise();
        let inner = Inner {
            source: None,
            is_pulling: false,
            is_dirty: false,
            is_ended: false,
            waiter: None,
            kept: VecDeque::new(),
            is_reading_ahead: false,
            signal,
            position,
            full_batches: 0,
        };
        Puller { inner: Mutex::new(inner), node, is_query }
    }

    /// Gives it its source.
    pub(crate) fn set_source(&self, source: Box<dyn Source>) {
        self.lock().source = Some(source);
    }

    /// The node it reads from.
    pub(crate) fn node(&self) -> &Arc<NodeState> {
        &self.node
    }

    /// Blocks for the next batch.
    pub(crate) fn next(
        self: &Arc<Self>,
        count_max: Option<usize>,
        wait: &Wait<'_>,
    ) -> Result<EventBatch> {
        let count_max = checked_count(count_max)?;
        let (slot, operation) = Slot::begin(wait);
        let nudged = slot.clone();
        let nudge: Box<dyn Fn() + Send> = Box::new(move || nudged.nudge());
        self.enqueue(Waiter { operation: operation.clone(), count_max, nudge: Some(nudge) })?;
        self.pump();
        slot.wait(&operation, wait, || self.pump())
    }

    /// Ends with the next batch of a puller, or with the error that there is in its place; never
    /// blocks.
    pub(crate) fn start(
        puller: Result<Arc<Puller>>,
        count_max: Option<usize>,
        limit: Limit,
        done: Done<EventBatch>,
    ) {
        let operation = Operation::begin(limit, done);
        let waiter = |count_max| Waiter { operation: operation.clone(), count_max, nudge: None };
        let started = puller.and_then(|puller| {
            puller.enqueue(waiter(checked_count(count_max)?))?;
            let mut inner = puller.lock();
            if !inner.kept.is_empty() {
                drop(inner);
                puller.pump();
                return Ok(());
            }
            if inner.is_pulling {
                inner.is_dirty = true; // Who asks the source serves this call next.
                return Ok(());
            }
            drop(inner);
            puller.pump_on_worker()
        });
        if let Err(error) = started {
            operation.complete(Err(error));
        }
    }

    /// Something may have come. Called from threads of the core: never blocks on reading.
    pub(crate) fn wake(self: &Arc<Self>) {
        let mut inner = self.lock();
        inner.is_dirty = true;
        inner.signal.raise();
        if inner.is_pulling {
            return;
        }
        match &inner.waiter {
            Some(Waiter { nudge: Some(nudge), .. }) => nudge(),
            Some(Waiter { operation, .. }) => {
                let operation = operation.clone();
                drop(inner);
                if let Err(error) = self.pump_on_worker() {
                    operation.complete(Err(error));
                }
            }
            None => {}
        }
    }

    /// From now on every call is answered with the end; a waiting one is so at once.
    pub(crate) fn end(self: &Arc<Self>) {
        let source = {
            let mut inner = self.lock();
            inner.is_ended = true;
            inner.kept.clear();
            inner.signal.raise();
            inner.source.take()
        };
        drop(source); // May call into the core, hence under no lock.
        self.pump();
    }

    /// The descriptor that is readable while a call would not wait.
    pub(crate) fn fd(&self) -> Result<i32> {
        self.lock().signal.fd()
    }

    /// Where it stands after the last batch that was given out.
    pub(crate) fn position(&self) -> Offsets {
        self.lock().position.clone()
    }

    /// Serves the waiter, if there is one and there is something for it.
    pub(crate) fn pump(self: &Arc<Self>) {
        let mut inner = self.lock();
        loop {
            let Some(count_max) = inner.count_wanted() else { return };
            if inner.kept.is_empty() {
                if inner.is_ended {
                    let end = EventBatch::end(inner.position.clone());
                    inner.kept.push_back(Ok(end));
                } else if inner.is_pulling {
                    inner.is_dirty = true;
                    return;
                } else {
                    let found;
                    (inner, found) = self.pull(inner, count_max);
                    if !found && !inner.is_dirty && !inner.is_ended {
                        return;
                    }
                    continue;
                }
            }
            let waiter = inner.waiter.take().expect("it wants a count");
            let Some(claim) = waiter.operation.claim() else { continue };
            let result = inner.give(count_max, self.is_query);
            let reads_ahead = self.is_query && inner.reads_ahead(&result, count_max);
            let begins = reads_ahead && !inner.is_reading_ahead;
            inner.is_reading_ahead |= begins;
            drop(inner);
            if begins {
                self.read_ahead_on_worker(count_max);
            }
            return claim.finish(result);
        }
    }

    /// Has the next batches taken while the caller looks at the last one.
    fn read_ahead_on_worker(self: &Arc<Self>, count_max: usize) {
        let this = self.clone();
        if workers::submit(move || this.read_ahead(count_max)).is_err() {
            // Without a thread for it, the batch is taken when it is asked for.
            self.lock().is_reading_ahead = false;
        }
    }

    /// Reads until enough is kept. A thread that waits is told and takes its batch itself; another
    /// worker calls a closure, so that this one reads on.
    fn read_ahead(self: &Arc<Self>, count_max: usize) {
        loop {
            let inner = self.lock();
            let (mut inner, found) = match inner.may_read_ahead() {
                true => self.pull(inner, count_max),
                false => (inner, false),
            };
            let reads_on = found && inner.may_read_ahead();
            inner.is_reading_ahead = reads_on;
            let is_wanted = inner.count_wanted().is_some();
            let mut has_closure = is_wanted;
            if let Some(Waiter { nudge: Some(nudge), .. }) = &inner.waiter {
                nudge();
                has_closure = false;
            }
            drop(inner);
            if !reads_on {
                return self.pump();
            }
            if has_closure && self.pump_on_worker().is_err() {
                self.pump();
            }
        }
    }

    /// Asks the source, under no lock, and keeps what it gives; true when that is something.
    fn pull<'a>(
        &'a self,
        mut inner: MutexGuard<'a, Inner>,
        count_max: usize,
    ) -> (MutexGuard<'a, Inner>, bool) {
        let Some(mut source) = inner.source.take() else { return (inner, false) };
        inner.is_pulling = true;
        inner.is_dirty = false;
        inner.signal.lower();
        drop(inner);
        let pulled = catch_unwind(AssertUnwindSafe(|| {
            fault::trip("read");
            source.pull(count_max)
        }));
        let pulled = pulled.unwrap_or_else(|panic| {
            self.node.poison();
            Err(caught("a read", panic.as_ref(), true))
        });
        let mut inner = self.lock();
        inner.is_pulling = false;
        if inner.is_ended {
            drop(inner);
            drop(source); // May call into the core, hence under no lock.
            return (self.lock(), true);
        }
        inner.source = Some(source);
        let (kept, more) = match pulled {
            Ok(Pulled { batch, more }) => (batch.map(Ok), more),
            Err(error) => (Some(Err(error)), true),
        };
        if more {
            inner.signal.raise();
        }
        inner.is_ended = matches!(&kept, Some(Ok(batch)) if batch.is_end());
        if kept.is_some() {
            inner.signal_if_unwanted();
        }
        let found = kept.is_some();
        inner.kept.extend(kept);
        (inner, found)
    }

    fn enqueue(&self, waiter: Waiter) -> Result<()> {
        self.node.check_poison()?;
        let mut inner = self.lock();
        if inner.waiter.as_ref().is_some_and(|other| other.operation.is_waiting()) {
            let message = "another call already waits for the next batch; one at a time";
            return Err(FacadeError::invalid(message));
        }
        inner.waiter = Some(waiter);
        Ok(())
    }

    fn pump_on_worker(self: &Arc<Self>) -> Result<()> {
        let this = self.clone();
        workers::submit(move || this.pump())
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        lock(&self.inner)
    }
}

impl Inner {
    /// How many events the waiter wants, if it still waits. A waiter whose call ended is dropped.
    fn count_wanted(&mut self) -> Option<usize> {
        let waiter = self.waiter.as_ref()?;
        if waiter.operation.is_waiting() {
            return Some(waiter.count_max);
        }
        self.waiter = None;
        if !self.kept.is_empty() {
            self.signal.raise();
        }
        None
    }

    /// What is kept, or its first `count_max` events when it may be split.
    fn give(&mut self, count_max: usize, may_split: bool) -> Result<EventBatch> {
        let mut result = self.kept.pop_front().expect("just seen or made");
        if let Ok(batch) = &mut result {
            self.position = batch.position().clone();
            if may_split && batch.len() > count_max {
                self.kept.push_front(Ok(batch.split_off(count_max)));
            }
            self.full_batches += usize::from(batch.len() == count_max);
        }
        result
    }

    /// Whether who got `given` will want more: they came back once, or take many at a time; and
    /// there is more to get.
    fn reads_ahead(&self, given: &Result<EventBatch>, count_max: usize) -> bool {
        let Ok(batch) = given else { return false };
        let goes_on = self.full_batches > 1 || count_max >= BATCH_COUNT_DEFAULT;
        let is_full = batch.len() == count_max;
        goes_on && is_full && batch.byte_count() <= READ_AHEAD_BYTES_MAX && self.may_read_ahead()
    }

    /// Whether there is more to get, and less kept than is worth while.
    fn may_read_ahead(&self) -> bool {
        let bytes = self.kept.iter().map(|kept| kept.as_ref().map_or(0, EventBatch::byte_count));
        let is_enough = self.kept.len() >= READ_AHEAD_MAX
            || bytes.sum::<usize>() > READ_AHEAD_BYTES_MAX
            || matches!(self.kept.back(), Some(Err(_)));
        !is_enough && !self.is_pulling && !self.is_ended
    }

    /// What was taken for a call that has ended meanwhile can be had by the next without waiting.
    fn signal_if_unwanted(&mut self) {
        let is_wanted = self.waiter.as_ref().is_some_and(|waiter| waiter.operation.is_waiting());
        if !is_wanted || self.is_ended {
            self.signal.raise();
        }
    }
}

fn checked_count(count_max: Option<usize>) -> Result<usize> {
    let count = count_max.unwrap_or(BATCH_COUNT_DEFAULT);
    if (1..=BATCH_COUNT_MAX).contains(&count) {
        return Ok(count);
    }
    let message = format!("a batch has 1 to {BATCH_COUNT_MAX} events, not {count}");
    Err(FacadeError::invalid(message))
}
