//! A subscription in key order: everything from a position on, then what comes, and where what
//! comes belongs before what was delivered, the way back.
//!
//! It is a position in the log, not a queue: a slow one lags and costs nothing. Rule: of what
//! `offsets` count exactly the matching events with a key up to `last` are delivered, after each
//! step; so a new follower goes on from there without gap or duplicate. Begin with
//! [`KeyFollower::next`].

use super::bell::Bell;
use super::counters::{Counted, Reader};
use super::cursor::Cursor;
use super::disk::{Filter, Windows};
use super::log::Log;
use super::options::invalid;
use super::registry::Handle;
use crate::error::Result;
use crate::event::{EventBatch, EventKey, KeyPosition, OffsetMap};
use crate::query::{Interval, Order, Query};
use std::future::Future;
use std::ops::Bound;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// A subscription in key order, pulled in steps.
pub struct KeyFollower {
    handle: Arc<Handle>,
    query: Query,
    /// Of the query, and of keys from `ignored_before` on.
    filter: OnceLock<Arc<Filter>>,
    /// Events before this key are not looked at.
    ignored_before: Option<EventKey>,
    /// What was looked at. Of this the events that match are delivered, up to `last`.
    offsets: OffsetMap,
    /// The greatest key that was delivered.
    last: Option<EventKey>,
    /// True: no event of `offsets` that matches has a key behind `last`.
    complete: bool,
    /// What comes next of `offsets`.
    window: Option<Cursor>,
    /// At least `offsets`: nothing beyond those and below these belongs before `last`.
    seen: OffsetMap,
    /// The least key of what matches there.
    arrival: Option<EventKey>,
    /// The last rewind came of a fork.
    has_moved: bool,
    /// The greatest key that was delivered before the last rewind, until more is delivered.
    before_rewind: Option<EventKey>,
    /// Of the forks that the maps know of; none before the first step.
    version: Option<u64>,
    bell: Bell,
    _counted: Counted,
}

/// What a follower in key order has to tell.
#[derive(Clone, Debug, PartialEq)]
pub enum KeyStep {
    /// An event belongs before some that were delivered: those with a key behind `to` are to be
    /// forgotten, and come again in order with what came late. Nothing was delivered between `to`
    /// and the late event.
    Rewind {
        /// The greatest delivered key that stays; none when all are to be forgotten.
        to: Option<EventKey>,
    },
    /// What comes next.
    Events(KeyBatch),
    /// Nothing now: all that is durable and matches was delivered. See [`KeyFollower::wait`] and
    /// its kin.
    Nothing,
}

/// Events in key order.
#[derive(Clone, Debug, PartialEq)]
pub struct KeyBatch {
    /// At least one matching event, by rising key, behind all that were delivered.
    pub events: EventBatch,
    /// True when all matching events that `position.offsets` count are delivered. That is all that
    /// was durable at some moment after the subscription began, or after the last rewind.
    pub caught_up: bool,
    /// Durable events that may have to be looked at yet.
    pub lag: u64,
    /// Where a new follower goes on after these events.
    pub position: KeyPosition,
}

impl Log {
    /// Follows the events that `query` selects in key order, from that position on.
    ///
    /// A position that counts events which are not held here (of another node, or of a store that
    /// was restored since) leads to a rewind to the beginning.
    ///
    /// # Errors
    /// `closed`, `forked_process`.
    pub fn subscribe_by_key(&self, query: &Query, from: KeyPosition) -> Result<KeyFollower> {
        self.shared().check_open()?;
        Ok(KeyFollower::open(self.handle.clone(), query, from))
    }
}

impl KeyFollower {
    fn open(handle: Arc<Handle>, query: &Query, from: KeyPosition) -> KeyFollower {
        let KeyPosition { mut offsets, last } = from;
        if last.is_none() {
            // Whatever was looked at, nothing of it was delivered.
            offsets = OffsetMap::new();
        }
        let bell = Bell::durable(handle.shared.clone());
        let _counted = Counted::new(&handle, Reader::Subscription);
        KeyFollower {
            query: query.clone(),
            filter: OnceLock::new(),
            ignored_before: None,
            seen: offsets.clone(),
            offsets,
            last,
            complete: false,
            window: None,
            arrival: None,
            has_moved: false,
            before_rewind: None,
            version: None,
            bell,
            _counted,
            handle,
        }
    }

    /// What there is to do now, up to `count_max` events (at least 1); never waits.
    ///
    /// What arrives while much is being delivered is looked at with each call: where it is late the
    /// rewind comes at once, else it comes in its place. After a rewind nothing is read before the
    /// next call, so who waits a little with that gathers what else comes late; then it may be told
    /// of another rewind, further back.
    ///
    /// # Errors
    /// `corrupt`, `storage_failed`: the follower stands where it stood. `closed`,
    /// `forked_process`.
    pub fn next(&mut self, count_max: usize) -> Result<KeyStep> {
        self.step(count_max, false)
    }

    /// As [`KeyFollower::next`], but what arrives while much is being delivered is looked at behind
    /// that: so the end comes, however much arrives, and then a rewind.
    ///
    /// # Errors
    /// As [`KeyFollower::next`].
    pub fn finish(&mut self, count_max: usize) -> Result<KeyStep> {
        self.step(count_max, true)
    }

    fn step(&mut self, count_max: usize, finishes: bool) -> Result<KeyStep> {
        self.handle.shared.check_open()?;
        loop {
            let (durable, windows) = self.handle.shared.state().visible();
            if self.version != Some(windows.version)
                && let Some(step) = self.meet_forks(&windows, &durable)?
            {
                return Ok(step);
            }
            if self.complete && self.arrival.is_none() {
                return self.go_on(count_max, &durable, &windows);
            }
            let looks = !finishes || self.window.is_none();
            if looks
                && !self.seen.covers(&durable)
                && let Some(step) = self.look_at_arrivals(&durable, &windows)?
            {
                return Ok(step);
            }
            let window = match &mut self.window {
                Some(window) => window,
                None => {
                    let behind = Interval { lower: lower(self.last), upper: Bound::Unbounded };
                    let window = self.walk(behind, Order::Ascending, &floors(&windows), &durable);
                    (self.offsets, self.complete, self.arrival) = ((*durable).clone(), false, None);
                    self.window.insert(window)
                }
            };
            let events = window.next_batch(count_max)?;
            let last = events.iter().next_back().map(|last| last.key());
            match last {
                None => self.end_window(),
                // What has arrived comes in its place: it is read again, with that.
                Some(last) if self.arrival.is_some_and(|arrival| arrival < last) => {
                    self.window = None;
                }
                Some(last) => return Ok(self.deliver(events, last, &durable)),
            }
        }
    }

    /// Takes what became durable since all before was delivered.
    fn go_on(
        &mut self,
        count_max: usize,
        durable: &OffsetMap,
        windows: &Windows,
    ) -> Result<KeyStep> {
        if self.offsets.covers(durable) {
            return Ok(KeyStep::Nothing);
        }
        let mut window = self.walk(Interval::ALL, Order::Ascending, &self.offsets, durable);
        let events = window.next_batch(count_max)?;
        let ends = (events.get(0), events.iter().next_back());
        let (Some(first), Some(last)) = ends else {
            (self.offsets, self.seen) = (durable.clone(), durable.clone());
            return Ok(KeyStep::Nothing);
        };
        if self.is_late(first.key()) {
            let late = first.key();
            return self.rewind(late, &self.offsets.clone(), durable, windows);
        }
        let last = last.key();
        (self.offsets, self.seen) = (durable.clone(), durable.clone());
        (self.window, self.complete) = (Some(window), false);
        Ok(self.deliver(events, last, durable))
    }

    /// Looks whether anything that became durable meanwhile is late.
    fn look_at_arrivals(
        &mut self,
        durable: &OffsetMap,
        windows: &Windows,
    ) -> Result<Option<KeyStep>> {
        let first = match (self.last, &self.window) {
            // All of it is still to come.
            (None, None) => None,
            _ => first_key(self.walk(Interval::ALL, Order::Ascending, &self.seen, durable))?,
        };
        if let Some(first) = first {
            if self.is_late(first) {
                let offsets = self.offsets.clone();
                return self.rewind(first, &offsets, durable, windows).map(Some);
            }
            self.arrival = Some(self.arrival.map_or(first, |arrival| arrival.min(first)));
        }
        self.seen = durable.clone();
        Ok(None)
    }

    /// The maps under the names that streams have now. What was delivered of a stream beyond its
    /// seal is in branches now, under other keys.
    fn meet_forks(&mut self, windows: &Windows, durable: &OffsetMap) -> Result<Option<KeyStep>> {
        let mut offsets = self.offsets.clone();
        windows.clamp(&mut offsets);
        let mut step = None;
        if !self.is_held() {
            step = self.last.map(|_| KeyStep::Rewind { to: None });
            self.before_rewind = None;
            (self.offsets, self.seen) = (OffsetMap::new(), OffsetMap::new());
            (self.last, self.complete) = (None, false);
        } else if let Some(late) = self.first_moved(&offsets, durable)? {
            step = Some(self.rewind(late, &offsets, durable, windows)?);
        } else {
            (self.offsets, self.seen) = (offsets.clone(), offsets);
        }
        (self.window, self.arrival) = (None, None);
        (self.version, self.has_moved) = (Some(windows.version), true);
        Ok(step)
    }

    /// The least key of what was delivered and is elsewhere now, or of what is new there; none when
    /// nothing that was delivered has moved. `offsets` counts what is where it was.
    fn first_moved(&self, offsets: &OffsetMap, durable: &OffsetMap) -> Result<Option<EventKey>> {
        if offsets.covers(&self.offsets) {
            return Ok(None);
        }
        let first = |upper| first_key(self.walk(Interval::ALL, Order::Ascending, offsets, upper));
        let Some(moved) = first(&self.offsets)?.filter(|key| self.is_late(*key)) else {
            return Ok(None);
        };
        // In its branch it may be a little further back.
        Ok(Some(first(durable)?.map_or(moved, |new| new.min(moved))))
    }

    /// Whether all that was looked at is held here.
    fn is_held(&self) -> bool {
        let state = self.handle.shared.state();
        let count = |stream| state.shown(stream).map_or(0, |held| held.head.count);
        self.offsets.iter().all(|(stream, looked_at)| looked_at <= count(stream))
    }

    /// Goes back before an event that is late, which is durable. What was delivered is in
    /// `offsets`, as far as it stays.
    fn rewind(
        &mut self,
        late: EventKey,
        offsets: &OffsetMap,
        durable: &OffsetMap,
        windows: &Windows,
    ) -> Result<KeyStep> {
        let before = Interval { lower: Bound::Unbounded, upper: Bound::Excluded(late) };
        let to = first_key(self.walk(before, Order::Descending, &floors(windows), offsets))?;
        (self.before_rewind, self.has_moved) = (self.before_rewind.max(self.last), false);
        (self.offsets, self.seen) = (durable.clone(), durable.clone());
        (self.last, self.arrival) = (to, None);
        (self.window, self.complete) = (None, false);
        Ok(KeyStep::Rewind { to })
    }

    /// Goes on at `key`: what comes next comes right after it, as after a rewind there. For an
    /// owner that cannot go back as little as a rewind asks. Right after a rewind it may also be a
    /// key up to the last one that was delivered before: for an owner to whom nothing up to there
    /// matters.
    ///
    /// # Errors
    /// `invalid_argument`: nothing was delivered so far up.
    pub fn resume_at(&mut self, key: Option<EventKey>) -> Result<()> {
        if key > self.last.max(self.before_rewind) {
            return invalid("a follower can go back, and not beyond the last event it delivered");
        }
        if key != self.last {
            (self.last, self.window, self.complete) = (key, None, false);
        }
        Ok(())
    }

    /// Whether the last rewind came of a stream that turned out to have two histories: what was
    /// delivered of it comes again, and under other keys.
    pub fn has_moved(&self) -> bool {
        self.has_moved
    }

    /// From now on events before `key` do not matter: they are neither delivered nor late. For an
    /// owner that forgets what was before an event of that key, which was delivered, or comes next.
    pub fn ignore_before(&mut self, key: Option<EventKey>) {
        if key != self.ignored_before {
            (self.ignored_before, self.filter) = (key, OnceLock::new());
        }
    }

    fn filter(&self) -> &Arc<Filter> {
        self.filter.get_or_init(|| self.filter_of(Interval::ALL))
    }

    fn filter_of(&self, keys: Interval<EventKey>) -> Arc<Filter> {
        let lower = self.ignored_before.map_or(Bound::Unbounded, Bound::Included);
        let keys = keys.intersection(&Interval { lower, upper: Bound::Unbounded });
        Arc::new(Filter::between(&self.query, self.handle.shared.node, keys))
    }

    fn deliver(&mut self, events: EventBatch, last: EventKey, durable: &OffsetMap) -> KeyStep {
        (self.last, self.before_rewind) = (Some(last), None);
        let (mut lag, mut is_over) = (beyond(durable, &self.offsets), true);
        if let Some(window) = &mut self.window {
            // What was found is delivered whatever comes next; the next call meets an error again.
            let _ = window.settle();
            let left = beyond(window.upper(), &window.position());
            (lag, is_over) = (lag.saturating_add(left), left == 0);
        }
        if is_over {
            self.end_window();
        }
        let (caught_up, position) = (self.complete, self.position());
        KeyStep::Events(KeyBatch { events, caught_up, lag, position })
    }

    fn end_window(&mut self) {
        (self.window, self.complete) = (None, true);
        if self.arrival.is_none() {
            // Nothing that came meanwhile matches.
            self.offsets.clone_from(&self.seen);
        }
    }

    fn is_late(&self, key: EventKey) -> bool {
        Some(key) <= self.last
    }

    /// A walk over the places of matching events with such keys.
    fn walk(
        &self,
        keys: Interval<EventKey>,
        order: Order,
        lower: &OffsetMap,
        upper: &OffsetMap,
    ) -> Cursor {
        let filter = match keys == Interval::ALL {
            true => self.filter().clone(),
            false => self.filter_of(keys),
        };
        Cursor::within(self.handle.clone(), filter, order, lower, upper.clone())
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
        let (handle, offsets, at_once) =
            (self.handle.clone(), self.offsets.clone(), !self.is_done());
        self.bell.ready(move || at_once || !offsets.covers(&handle.shared.state().durable))
    }

    /// Calls `callback` whenever there may be more to pull, or the log closed, and once now if so;
    /// from the thread that commits, so it must not block. Replaces an earlier one.
    pub fn on_ready(&self, callback: Arc<dyn Fn() + Send + Sync>) {
        self.bell.on_ready(callback, || self.has_more());
    }

    /// As [`KeyFollower::on_ready`], but not for what cannot match. So what is held and does not
    /// match is looked at only when something else is.
    pub fn on_match(&self, callback: Arc<dyn Fn() + Send + Sync>) {
        self.bell.on_match(callback, self.filter(), || self.has_more());
    }

    /// Where a new follower goes on after what this one delivered.
    pub fn position(&self) -> KeyPosition {
        KeyPosition { offsets: self.offsets.clone(), last: self.last }
    }

    /// What was looked at: the offsets of the position.
    pub fn offsets(&self) -> &OffsetMap {
        &self.offsets
    }

    /// The query whose events are delivered.
    pub fn query(&self) -> &Query {
        &self.query
    }

    fn is_done(&self) -> bool {
        self.complete && self.arrival.is_none()
    }

    fn has_more(&self) -> bool {
        !self.is_done() || !self.offsets.covers(&self.handle.shared.state().durable)
    }
}

/// The key of the first event of a walk.
fn first_key(walk: Cursor) -> Result<Option<EventKey>> {
    Ok(walk.keys_only().next_batch(1)?.get(0).map(|event| event.key()))
}

/// Where each stream begins to be visible.
fn floors(windows: &Windows) -> OffsetMap {
    let mut floors = OffsetMap::new();
    windows.clamp(&mut floors);
    floors
}

fn lower(last: Option<EventKey>) -> Bound<EventKey> {
    last.map_or(Bound::Unbounded, Bound::Excluded)
}

fn beyond(map: &OffsetMap, other: &OffsetMap) -> u64 {
    let behind = map.beyond(other).map(|(_, range)| range.end - range.start);
    behind.fold(0, u64::saturating_add)
}
