//! A subscription: everything from an offset map on, then live, in order of arrival.
//!
//! It is a position in the log, not a queue: a slow one lags and costs nothing. Rule: `position` is
//! exact, so that a new follower from there goes on without gap or duplicate.

use super::bell::Bell;
use super::counters::{Counted, Reader};
use super::cursor::Cursor;
use super::disk::{Filter, Windows};
use super::options::Delivery;
use super::registry::Handle;
use super::shown::Shown;
use crate::error::Result;
use crate::event::{EventBatch, OffsetMap};
use crate::query::{Order, Query};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

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
    /// What was shown before it was durable; none when only durable events are delivered.
    live: Option<Shown>,
    bell: Bell,
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
    /// False when these events were delivered live: they are verified and not on our disk yet. Then
    /// `position` does not count them.
    pub is_durable: bool,
    /// Where a new follower goes on after these events.
    pub position: OffsetMap,
}

impl Follower {
    pub(super) fn open(handle: Arc<Handle>, query: &Query, from: OffsetMap) -> Follower {
        let start = (*handle.shared.state().durable).clone();
        let filter = Arc::new(Filter::new(query, handle.shared.node));
        let bell = Bell::durable(handle.shared.clone());
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
            live: None,
            bell,
            _counted,
        }
    }

    /// The same follower, which gets events as `delivery` says from now on.
    ///
    /// Live, it delivers each event once, and those of one stream in order; a batch says whether it
    /// is durable. What was shown and then lost is followed by what its stream has there instead.
    /// Everything durable comes first, and what comes faster than up to 4 MiB ahead of the disk
    /// comes when it is durable. Set it before `on_ready`.
    #[must_use]
    pub fn deliver(mut self, delivery: Delivery) -> Follower {
        if delivery == Delivery::Live && self.live.is_none() {
            self.live = Some(Shown::default());
            self.bell = Bell::live(self.handle.shared.clone());
            self.handle.shared.live.begin();
        }
        self
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
            let (durable, windows) = match &mut self.live {
                Some(shown) => shown.settle(&self.handle.shared, &mut self.position)?,
                None => self.handle.shared.state().visible(),
            };
            if windows.version != self.version {
                self.meet_forks(&windows, &durable);
            }
            if self.window.is_none() {
                if self.position.covers(&durable) {
                    let (live, count_max) = (&self.handle.shared.live, count_max.max(1));
                    let shown = self
                        .live
                        .as_mut()
                        .map(|shown| shown.take(live, &self.filter, &self.position, count_max));
                    let events = shown.unwrap_or_default();
                    let is_durable = events.is_empty();
                    return Ok(self.batch(events, &durable, is_durable));
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
            return Ok(self.batch(events, &durable, true));
        }
    }

    /// Goes on in the branches. What was delivered of a stream beyond its seal is in that branch
    /// which has its history; of what was delivered elsewhere nobody can tell, and it comes again.
    fn meet_forks(&mut self, windows: &Windows, durable: &OffsetMap) {
        windows.follow(&self.origin, &mut self.position);
        windows.clamp(&mut self.position);
        windows.translate(&mut self.start, durable);
        if let Some(shown) = &mut self.live {
            shown.meet_forks(windows);
        }
        (self.window, self.version) = (None, windows.version);
    }

    /// Blocks until there may be more to pull, or for `timeout`; false when that passed first.
    ///
    /// # Errors
    /// `closed`, `forked_process`.
    pub fn wait(&self, timeout: Option<Duration>) -> Result<bool> {
        self.bell.wait(timeout, || self.has_more())
    }

    /// Done when there may be more to pull, or the log has closed.
    pub fn ready(&self) -> impl Future<Output = ()> + Send + use<> {
        let (handle, position) = (self.handle.clone(), self.position.clone());
        let at_once = self.window.is_some();
        let mark = self.live.as_ref().map(Shown::mark);
        self.bell.ready(move || {
            let live = &handle.shared.live;
            let is_early = || mark.as_ref().is_some_and(|mark| mark.is_behind(live, &position));
            at_once || is_early() || !position.covers(&handle.shared.state().durable)
        })
    }

    /// Calls `callback` whenever there may be more to pull, or the log closed, and once now if so;
    /// from the thread that commits, so it must not block. Replaces an earlier one.
    pub fn on_ready(&self, callback: Arc<dyn Fn() + Send + Sync>) {
        self.bell.on_ready(callback, || self.has_more());
    }

    /// Where a new follower goes on after what this one delivered.
    pub fn position(&self) -> OffsetMap {
        self.position.clone()
    }

    fn has_more(&self) -> bool {
        let shared = &self.handle.shared;
        let mark = self.live.as_ref().map(Shown::mark);
        let is_early = mark.is_some_and(|mark| mark.is_behind(&shared.live, &self.position));
        is_early || self.window.is_some() || !self.position.covers(&shared.state().durable)
    }

    fn batch(&mut self, events: EventBatch, durable: &OffsetMap, is_durable: bool) -> Batch {
        self.caught_up |= self.position.covers(&self.start);
        let behind = durable.beyond(&self.position).map(|(_, range)| range.end - range.start);
        Batch {
            events,
            caught_up: self.caught_up,
            lag: behind.fold(0, u64::saturating_add),
            is_durable,
            position: self.position.clone(),
        }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        if self.live.is_some() && !self.handle.shared.is_forked() {
            self.handle.shared.live.end();
        }
    }
}
