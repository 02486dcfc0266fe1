//! Takes items from a source for whoever waits: a blocked thread, a closure, or a poll loop. Items
//! are batches of events, states of a fish, jobs of a fold.
//!
//! Invariants: the source is asked by one thread at a time, under no lock; an item that was taken
//! for a call that ended first, or ahead, is kept for the next call; after `end` every call is
//! answered with the end. Begin with `Puller::next` and `Puller::pump`.

use crate::defaults::{BATCH_COUNT_DEFAULT, BATCH_COUNT_MAX, READ_AHEAD_BYTES_MAX, READ_AHEAD_MAX};
use crate::entry::{caught, lock};
use crate::errors::{FacadeError, Result};
use crate::node::NodeState;
use crate::operation::{Done, Operation, Slot};
use crate::position::Position;
use crate::signal::Signal;
use crate::wait::{Limit, Wait};
use crate::{fault, workers};
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard};

/// What is pulled.
pub(crate) trait Item: Sized + Send + 'static {
    /// Says that nothing will follow; `position` is that of the last item that was given out.
    fn end(position: Position) -> Self;

    fn is_end(&self) -> bool;

    /// Where the reader stands after it; `None` where it was before.
    fn position(&self) -> Option<&Position> {
        None
    }

    /// How many of what is counted are in it.
    fn count(&self) -> usize {
        1
    }

    /// Bytes that it keeps in memory.
    fn byte_count(&self) -> usize {
        0
    }

    /// Keeps the first `count` and returns the rest, if it can be divided.
    fn split_off(&mut self, _count: usize) -> Option<Self> {
        None
    }
}

/// Where items come from.
pub(crate) trait Source<T: Item>: Send {
    /// The next item, of at most `count_max`; `None` when there is nothing now.
    fn pull(&mut self, count_max: usize) -> Result<Pulled<T>>;
}

/// One answer of a source.
pub(crate) struct Pulled<T> {
    pub(crate) item: Option<T>,
    /// True when another pull may give more at once.
    pub(crate) more: bool,
}

impl<T> Pulled<T> {
    /// There is nothing now.
    pub(crate) fn nothing() -> Pulled<T> {
        Pulled { item: None, more: false }
    }
}

/// What is told of each item that is given to a caller, under a lock: it must not call back.
pub(crate) type OnGiven<T> = Box<dyn Fn(&T) + Send + Sync>;

/// A source, and who waits for it.
pub(crate) struct Puller<T: Item> {
    inner: Mutex<Inner<T>>,
    node: Arc<NodeState>,
    /// Its items are those of a query: they may be read before they are asked for, and split.
    is_query: bool,
    on_given: Option<OnGiven<T>>,
}

struct Inner<T: Item> {
    /// Absent while a thread asks it, and after the end.
    source: Option<Box<dyn Source<T>>>,
    is_pulling: bool,
    /// Something may have come since the pull in progress began.
    is_dirty: bool,
    is_ended: bool,
    waiter: Option<Waiter<T>>,
    /// In order; the next call gets the first.
    kept: VecDeque<Result<T>>,
    /// A worker reads ahead, and goes on until enough is kept.
    is_reading_ahead: bool,
    signal: Signal,
    position: Position,
    /// Full items that were given out.
    full_items: usize,
}

struct Waiter<T: Item> {
    operation: Arc<Operation<T>>,
    count_max: usize,
    /// How to make a blocked thread pull by itself; else a worker does.
    nudge: Option<Box<dyn Fn() + Send>>,
}

impl<T: Item> Puller<T> {
    /// A puller that waits for nobody. Its descriptor is readable at first.
    pub(crate) fn new(node: Arc<NodeState>, position: Position, is_query: bool) -> Puller<T> {
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
            full_items: 0,
        };
        Puller { inner: Mutex::new(inner), node, is_query, on_given: None }
    }

    /// The same, which tells of each item that is given to a caller.
    pub(crate) fn telling(self, on_given: OnGiven<T>) -> Puller<T> {
        Puller { on_given: Some(on_given), ..self }
    }

    /// Gives it its source.
    pub(crate) fn set_source(&self, source: Box<dyn Source<T>>) {
        self.lock().source = Some(source);
    }

    /// The node it reads from.
    pub(crate) fn node(&self) -> &Arc<NodeState> {
        &self.node
    }

    /// Blocks for the next item.
    pub(crate) fn next(self: &Arc<Self>, count_max: Option<usize>, wait: &Wait<'_>) -> Result<T> {
        self.next_after(count_max, wait, || Ok(()))
    }

    /// As [`Puller::next`], after `first`, which is called only if no other call waits, and whose
    /// error is that of the call.
    pub(crate) fn next_after(
        self: &Arc<Self>,
        count_max: Option<usize>,
        wait: &Wait<'_>,
        first: impl FnOnce() -> Result<()>,
    ) -> Result<T> {
        let count_max = checked_count(count_max)?;
        let (slot, operation) = Slot::begin(wait);
        let nudged = slot.clone();
        let nudge: Box<dyn Fn() + Send> = Box::new(move || nudged.nudge());
        self.enqueue(Waiter { operation: operation.clone(), count_max, nudge: Some(nudge) })?;
        match first() {
            Ok(()) => self.pump(),
            Err(error) => drop(operation.complete(Err(error))),
        }
        slot.wait(&operation, wait, || self.pump())
    }

    /// Ends with the next item of a puller, or with the error that there is in its place; never
    /// blocks.
    pub(crate) fn start(
        puller: Result<Arc<Puller<T>>>,
        count_max: Option<usize>,
        limit: Limit,
        done: Done<T>,
    ) {
        Puller::start_after(puller, count_max, limit, done, || Ok(()));
    }

    /// As [`Puller::start`], after `first`: see [`Puller::next_after`].
    pub(crate) fn start_after(
        puller: Result<Arc<Puller<T>>>,
        count_max: Option<usize>,
        limit: Limit,
        done: Done<T>,
        first: impl FnOnce() -> Result<()>,
    ) {
        let operation = Operation::begin(limit, done);
        let waiter = |count_max| Waiter { operation: operation.clone(), count_max, nudge: None };
        let started = puller.and_then(|puller| {
            puller.enqueue(waiter(checked_count(count_max)?))?;
            first()?;
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
        let left = {
            let mut inner = self.lock();
            inner.is_ended = true;
            inner.signal.raise();
            (std::mem::take(&mut inner.kept), inner.source.take())
        };
        drop(left); // May call into the core, hence under no lock.
        self.pump();
    }

    /// The descriptor that is readable while a call would not wait.
    pub(crate) fn fd(&self) -> Result<i32> {
        self.lock().signal.fd()
    }

    /// Where it stands after the last item that was given out.
    pub(crate) fn position(&self) -> Position {
        self.lock().position.clone()
    }

    /// Serves the waiter, if there is one and there is something for it.
    pub(crate) fn pump(self: &Arc<Self>) {
        let mut inner = self.lock();
        loop {
            let Some(count_max) = inner.count_wanted() else { return };
            if inner.kept.is_empty() {
                if inner.is_ended {
                    let end = T::end(inner.position.clone());
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
            if let (Ok(item), Some(on_given)) = (&result, &self.on_given) {
                on_given(item);
            }
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
        mut inner: MutexGuard<'a, Inner<T>>,
        count_max: usize,
    ) -> (MutexGuard<'a, Inner<T>>, bool) {
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
            drop((source, pulled)); // May call into the core, hence under no lock.
            return (self.lock(), true);
        }
        inner.source = Some(source);
        let (kept, more) = match pulled {
            Ok(Pulled { item, more }) => (item.map(Ok), more),
            Err(error) => (Some(Err(error)), true),
        };
        if more {
            inner.signal.raise();
        }
        inner.is_ended = matches!(&kept, Some(Ok(item)) if item.is_end());
        if kept.is_some() {
            inner.signal_if_unwanted();
        }
        let found = kept.is_some();
        inner.kept.extend(kept);
        (inner, found)
    }

    fn enqueue(&self, waiter: Waiter<T>) -> Result<()> {
        self.node.check_poison()?;
        let mut inner = self.lock();
        if inner.waiter.as_ref().is_some_and(|other| other.operation.is_waiting()) {
            let message = "another call waits with this handle already; one at a time";
            return Err(FacadeError::invalid(message));
        }
        inner.waiter = Some(waiter);
        Ok(())
    }

    fn pump_on_worker(self: &Arc<Self>) -> Result<()> {
        let this = self.clone();
        workers::submit(move || this.pump())
    }

    fn lock(&self) -> MutexGuard<'_, Inner<T>> {
        lock(&self.inner)
    }
}

impl<T: Item> Inner<T> {
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

    /// What is kept, or its first `count_max` when it may be split.
    fn give(&mut self, count_max: usize, may_split: bool) -> Result<T> {
        let mut result = self.kept.pop_front().expect("just seen or made");
        if let Ok(item) = &mut result {
            if let Some(position) = item.position() {
                self.position = position.clone();
            }
            if may_split
                && item.count() > count_max
                && let Some(rest) = item.split_off(count_max)
            {
                self.kept.push_front(Ok(rest));
            }
            self.full_items += usize::from(item.count() == count_max);
        }
        result
    }

    /// Whether who got `given` will want more: they came back once, or take many at a time; and
    /// there is more to get.
    fn reads_ahead(&self, given: &Result<T>, count_max: usize) -> bool {
        let Ok(item) = given else { return false };
        let goes_on = self.full_items > 1 || count_max >= BATCH_COUNT_DEFAULT;
        let is_full = item.count() == count_max;
        goes_on && is_full && item.byte_count() <= READ_AHEAD_BYTES_MAX && self.may_read_ahead()
    }

    /// Whether there is more to get, and less kept than is worth while.
    fn may_read_ahead(&self) -> bool {
        let bytes = self.kept.iter().map(|kept| kept.as_ref().map_or(0, T::byte_count));
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
