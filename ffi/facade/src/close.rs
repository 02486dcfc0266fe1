//! Closing: idempotent, from any thread and callback, bounded by a deadline.

use crate::blob_reader::BlobReaderState;
use crate::blob_writer::BlobWriterState;
use crate::entry::{entry, guard, lock};
use crate::errors::{FacadeError, Result};
use crate::node::{NodeHandle, NodeState};
use crate::operation::{Slot, timed_out};
use crate::registry::Entry;
use crate::wait::{Limit, Wait};
use crate::{defaults, registry, workers};
use std::sync::PoisonError;
use std::time::{Duration, Instant};

/// Whether a close did it, or found it done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closed {
    /// This call closed it.
    Now,
    /// It was closed, or is being closed, by another call.
    Before,
}

impl Closed {
    pub(crate) fn from_removed(removed: bool) -> Closed {
        if removed { Closed::Now } else { Closed::Before }
    }
}

/// How far a node handle's closing has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Open,
    Closing,
    Closed,
}

impl NodeHandle {
    /// Closes the node: its cursors and turns end, its subscriptions, observers and folds come to a
    /// normal end, calls that wait for something end with `closed`, what was published is on disk,
    /// its threads and sockets are gone, its callbacks have returned and are dropped.
    ///
    /// From inside a callback of this node it does not wait for that callback.
    ///
    /// # Errors
    /// `timeout`: something did not end within the deadline (default 10 s); the handle is closed
    /// all the same and the rest ends by itself. `cancelled`: the closing goes on without this
    /// call. `invalid_argument`: it never was a node. `storage_failed`: the last writes.
    pub fn close(self, wait: &Wait<'_>) -> Result<Closed> {
        entry("node_close", self.id(), || {
            let limit = time_of(wait.limit);
            if wait.limit.cancel.is_none() && wait.interrupted.is_none() {
                return self.close_within(limit);
            }
            let (slot, operation) = Slot::begin(wait);
            let (ending, id) = (operation.clone(), self.id());
            workers::submit(move || {
                ending.complete(guard("node_close_work", id, || self.close_within(limit)));
            })?;
            slot.wait(&operation, wait, || {})
        })
    }

    /// As [`NodeHandle::close`], without waiting.
    pub fn close_start(self, limit: Limit, done: impl FnOnce(Result<Closed>) + Send + 'static) {
        let time = time_of(limit);
        let job = move || entry("node_close", self.id(), || self.close_within(time));
        workers::start(Limit { timeout: None, ..limit }, Box::new(done), job, |_| {});
    }

    fn close_within(self, time: Duration) -> Result<Closed> {
        let end = Instant::now().checked_add(time);
        let left = || end.map_or(time, |end| end.saturating_duration_since(Instant::now()));
        let state = match registry::get::<NodeState>(self.id()) {
            Ok(state) => state,
            Err(error) if error.is(millpond::ErrorKind::Closed) => return Ok(Closed::Before),
            Err(error) => return Err(error),
        };
        if !state.begin_closing(left())? {
            return Ok(Closed::Before);
        }
        let ended = state.end_readers(left());
        let closed = guard("node_close_core", 0, || Ok(state.core().close(left())?));
        let removed = registry::remove::<NodeState>(self.id());
        drop(lock(&state.presence).take());
        *lock(&state.phase) = Phase::Closed;
        state.closed.notify_all();
        workers::wait_until_gone(left());
        closed.and(ended).and(removed).map(|_| Closed::Now)
    }
}

impl NodeState {
    pub(crate) fn is_open(&self) -> bool {
        *lock(&self.phase) == Phase::Open
    }

    /// True when the caller is the one to close it; false when another has, after waiting for that.
    fn begin_closing(&self, time: Duration) -> Result<bool> {
        let end = Instant::now().checked_add(time);
        let is_own_callback = self.threads.has_current();
        let mut phase = lock(&self.phase);
        if *phase == Phase::Open {
            *phase = Phase::Closing;
            return Ok(true);
        }
        while *phase == Phase::Closing && !is_own_callback {
            let left = end.map_or(time, |end| end.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                return Err(timed_out());
            }
            let woken = self.closed.wait_timeout(phase, left);
            phase = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
        Ok(false)
    }

    /// Everything that hangs on this handle.
    fn hanging(&self) -> Vec<(u64, Entry)> {
        let ids: Vec<u64> = lock(&self.readers).iter().copied().collect();
        ids.into_iter().filter_map(|id| Some((id, registry::get_any(id)?))).collect()
    }

    /// Ends all that hangs on this handle, and waits until code of the application that it was
    /// given has returned and is dropped.
    fn end_readers(&self, time: Duration) -> Result<()> {
        // A callback that waits for something could not return.
        let over = FacadeError::new(millpond::ErrorKind::Closed, "the node is being closed");
        self.calls.end(over);
        let is_fold = |(_, entry): &(u64, Entry)| matches!(entry, Entry::Fold(_));
        let (folds, others): (Vec<_>, Vec<_>) = self.hanging().into_iter().partition(is_fold);
        // Who observes comes to a normal end; a fold that ends before is an error to them.
        // None is kept while threads are waited for: what is closed meanwhile goes with its close.
        others.into_iter().chain(folds).for_each(|(id, entry)| entry.end(id));
        if self.threads.wait_until_gone(time.min(defaults::CLOSE_DEADLINE)) {
            return Ok(());
        }
        let message = "a callback of the node does not return";
        Err(FacadeError::new(millpond::ErrorKind::Timeout, message))
    }
}

impl Entry {
    /// Its node is being closed: what gives a series comes to its end and stays a handle, what
    /// answers once is closed.
    fn end(&self, id: u64) {
        match self {
            Entry::Subscription(subscription) => subscription.end(),
            Entry::Observer(observer) => observer.end(),
            Entry::Fold(fold) => fold.end(),
            Entry::Group(group) => group.end(),
            Entry::Doing(doing) => doing.end(),
            Entry::Cursor(cursor) => {
                drop(registry::remove::<crate::cursor::CursorState>(id));
                cursor.end();
            }
            Entry::Turn(turn) => {
                drop(registry::remove::<crate::turn::TurnState>(id));
                turn.end();
            }
            Entry::BlobWork(work) => work.end(),
            Entry::BlobReader(_) => drop(registry::remove::<BlobReaderState>(id)),
            Entry::BlobWriter(writer) => {
                drop(registry::remove::<BlobWriterState>(id));
                writer.end();
            }
            Entry::Node(_) | Entry::Cancel(_) | Entry::Session(_) => {}
        }
    }
}

fn time_of(limit: Limit) -> Duration {
    limit.timeout.unwrap_or(defaults::CLOSE_DEADLINE)
}

/// Nobody waits for the node any more.
pub(crate) fn quietly(node: NodeHandle) {
    let _ = node.close(&Wait::forever());
}
