//! A subscription: everything from an offset map on, then live, in order of arrival.
//!
//! It is a position in the log, not a queue: a slow one lags and costs nothing. Rule: `position` is
//! exact, so that a new follower from there goes on without gap or duplicate.

use super::cursor::Cursor;
use super::disk::Filter;
use super::registry::Handle;
use super::watch::{ListenerGuard, Listening, Watch};
use crate::error::Result;
use crate::event::{Event, OffsetMap};
use crate::query::{Order, Query};
use std::sync::Arc;

/// A subscription, pulled in batches.
pub struct Follower {
    handle: Arc<Handle>,
    filter: Arc<Filter>,
    /// Everything below was delivered or does not match, except what `window` walks over.
    position: OffsetMap,
    /// What was durable when the walk began, in key order.
    window: Option<Cursor>,
    /// What was durable at the start.
    start: OffsetMap,
    caught_up: bool,
}

/// What a follower found.
#[derive(Clone, Debug, PartialEq)]
pub struct FollowBatch {
    /// Matching events; those of one stream come in order, and none twice.
    pub events: Vec<Event>,
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
        Follower { handle, filter, position: from, window: None, start, caught_up: false }
    }

    /// What is there now: up to `count_max` events (at least 1); never waits. Without events there
    /// is nothing new that matches; wait with [`Follower::watch`], made before this call.
    ///
    /// # Errors
    /// `corrupt`, `storage_failed`: the follower stands where it stood. `closed`,
    /// `forked_process`.
    pub fn next_batch(&mut self, count_max: usize) -> Result<FollowBatch> {
        self.handle.shared.check_open()?;
        loop {
            let durable = self.handle.shared.state().durable.clone();
            if self.window.is_none() {
                if self.position.covers(&durable) {
                    return Ok(self.batch(Vec::new(), &durable));
                }
                let (handle, filter) = (self.handle.clone(), self.filter.clone());
                let upper = (*durable).clone();
                let window =
                    Cursor::within(handle, filter, Order::Ascending, &self.position, upper);
                self.window = Some(window);
            }
            let window = self.window.as_mut().expect("set above");
            let events = window.next_batch(count_max)?;
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

    /// Whether there are durable events that are not looked at yet.
    ///
    /// # Errors
    /// `closed`, `forked_process`.
    pub fn has_more(&self) -> Result<bool> {
        self.handle.shared.check_open()?;
        let durable = self.handle.shared.state().durable.clone();
        Ok(self.window.is_some() || !self.position.covers(&durable) || !self.caught_up)
    }

    /// Wakes when there may be more.
    pub fn watch(&self) -> Watch {
        Watch::new(self.handle.shared.signal.clone())
    }

    /// Calls `listener` when there may be more, until the guard is dropped. It runs on the thread
    /// that committed and must not block.
    pub fn on_growth(&self, listener: Listening) -> ListenerGuard {
        self.handle.shared.signal.listen(listener)
    }

    /// Where a new follower goes on after what this one delivered.
    pub fn position(&self) -> &OffsetMap {
        &self.position
    }

    fn batch(&mut self, events: Vec<Event>, durable: &OffsetMap) -> FollowBatch {
        self.caught_up |= self.position.covers(&self.start);
        let behind = durable.beyond(&self.position).map(|(_, range)| range.end - range.start);
        FollowBatch {
            events,
            caught_up: self.caught_up,
            lag: behind.sum(),
            position: self.position.clone(),
        }
    }
}
