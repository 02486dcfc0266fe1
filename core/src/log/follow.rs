//! A subscription: everything from an offset map on, then live, in order of arrival.
//!
//! It is a position in the log, not a queue: a slow one lags and costs nothing. Rule: `position` is
//! exact, so that a new follower from there goes on without gap or duplicate.
// A deadline for a blocking wait is read where the thread blocks.
#![allow(clippy::disallowed_methods)]

use super::batch::EventBatch;
use super::counters::{Counted, Reader};
use super::cursor::Cursor;
use super::disk::{Filter, Windows};
use super::registry::Handle;
use super::watch::Watch;
use crate::error::Result;
use crate::event::OffsetMap;
use crate::query::{Order, Query};
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A subscription, pulled in batches.
pub struct Follower {
    handle: Arc<Handle>,
    filter: Arc<Filter>,
    /// Everything below was delivered or does not match, except what `window` walks over.
    position: OffsetMap,
    /// Where it began: what lies between was read here, of the histories that are held here.
    origin: OffsetMap,
    /// What was durable when the walk began, in key order.
    window: Option<Cursor>,
    /// What was durable at the start.
    start: OffsetMap,
    caught_up: bool,
    /// Of the forks that position and start know of.
    version: u64,
    /// Names the callback.
    number: u64,
    _counted: Counted,
}

/// What a follower found.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// Matching events; those of one stream come in order, and none twice.
    pub events: EventBatch,
    /// True once all of the log as it was at the start is delivered, and in every batch after.
    pub caught_up: bool,
    /// Durable events that are not looked at yet.
    pub lag: u64,
    /// Where a new follower goes on after these events.
    pub position: OffsetMap,
}

impl Follower {
    pub(super) fn open(handle: Arc<Handle>, query: &Query, from: OffsetMap) -> Follower {
        let start = (*handle.shared.state().durable).clone();
        let filter = Arc::new(Filter::new(query, handle.shared.node));
        let number = handle.shared.signal.number();
        let _counted = Counted::new(&handle, Reader::Subscription);
        Follower {
            handle,
            filter,
            position: from.clone(),
            origin: from,
            window: None,
            start,
            caught_up: false,
            version: 0,
            number,
            _counted,
        }
    }

    /// What is there now: up to `count_max` events (at least 1); never waits. Without events there
    /// is nothing new that matches; see [`Follower::wait`] and its kin.
    ///
    /// # Errors
    /// `corrupt`, `storage_failed`: the follower stands where it stood. `closed`,
    /// `forked_process`.
    pub fn next_batch(&mut self, count_max: usize) -> Result<Batch> {
        self.handle.shared.check_open()?;
        loop {
            let (durable, windows) = self.handle.shared.state().visible();
            if windows.version != self.version {
                self.meet_forks(&windows, &durable);
            }
            if self.window.is_none() {
                if self.position.covers(&durable) {
                    return Ok(self.batch(EventBatch::default(), &durable));
                }
                let (handle, filter) = (self.handle.clone(), self.filter.clone());
                let upper = (*durable).clone();
                let window =
                    Cursor::within(handle, filter, Order::Ascending, &self.position, upper);
                self.window = Some(window);
            }
            let window = self.window.as_mut().expect("set above");
            let events = window.next_batch(count_max)?;
            // What was found is delivered whatever comes next; the next call meets an error again.
            let _ = window.settle();
            self.position.join(&window.position());
            if events.is_empty() {
                self.window = None;
                continue;
            }
            if window.position().covers(window.upper()) {
                self.window = None;
            }
            return Ok(self.batch(events, &durable));
        }
    }

    /// Goes on in the branches. What was delivered of a stream beyond its seal is in that branch
    /// which has its history; of what was delivered elsewhere nobody can tell, and it comes again.
    fn meet_forks(&mut self, windows: &Windows, durable: &OffsetMap) {
        windows.follow(&self.origin, &mut self.position);
        windows.clamp(&mut self.position);
        windows.translate(&mut self.start, durable);
        (self.window, self.version) = (None, windows.version);
    }

    /// Blocks until there may be more to pull, or for `timeout`; false when that passed first.
    ///
    /// # Errors
    /// `closed`, `forked_process`.
    pub fn wait(&self, timeout: Option<Duration>) -> Result<bool> {
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        loop {
            let mut watch = self.watch();
            self.handle.shared.check_open()?;
            if self.has_more() {
                return Ok(true);
            }
            let at = deadline.unwrap_or_else(|| Instant::now() + Duration::from_secs(3600));
            if !watch.wait_until(at) && deadline.is_some() {
                return Ok(false);
            }
        }
    }

    /// Done when there may be more to pull, or the log has closed.
    pub fn ready(&self) -> impl Future<Output = ()> + Send + use<> {
        let (handle, position) = (self.handle.clone(), self.position.clone());
        let at_once = self.window.is_some();
        let mut watch = self.watch();
        async move {
            let waits = || {
                let open = !at_once && handle.shared.check_open().is_ok();
                open && position.covers(&handle.shared.state().durable)
            };
            while waits() {
                watch.changed().await;
            }
        }
    }

    /// Calls `callback` whenever there may be more to pull, or the log closed, and once now if so;
    /// from the thread that commits, so it must not block. Replaces an earlier one.
    pub fn on_ready(&self, callback: Arc<dyn Fn() + Send + Sync>) {
        self.handle.shared.signal.set_callback(self.number, Some(callback.clone()));
        if self.has_more() || self.handle.shared.check_open().is_err() {
            callback();
        }
    }

    /// Where a new follower goes on after what this one delivered.
    pub fn position(&self) -> OffsetMap {
        self.position.clone()
    }

    fn watch(&self) -> Watch {
        Watch::new(self.handle.shared.signal.clone())
    }

    fn has_more(&self) -> bool {
        self.window.is_some() || !self.position.covers(&self.handle.shared.state().durable)
    }

    fn batch(&mut self, events: EventBatch, durable: &OffsetMap) -> Batch {
        self.caught_up |= self.position.covers(&self.start);
        let behind = durable.beyond(&self.position).map(|(_, range)| range.end - range.start);
        Batch {
            events,
            caught_up: self.caught_up,
            lag: behind.sum(),
            position: self.position.clone(),
        }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        if !self.handle.shared.is_forked() {
            self.handle.shared.signal.set_callback(self.number, None);
        }
    }
}
