//! The states that a fold can go back to.
//!
//! There are two kinds: states that were saved, and *resets*, where the initial state is the right
//! one whatever came before. The beginning is always one.
//!
//! Rule: a saved point holds exactly the matching events of its offset map up to its key; what
//! comes late below that key voids it. Who goes on from one asks the log whether anything did, so
//! one that was not told of costs time and nothing else. A reset is voided by nothing, unless its
//! own event has moved.

use crate::event::{EventKey, KeyPosition, Lamport, NodeId, OffsetMap, StreamId};
use crate::pond::snapshot::{Snapshot, SnapshotChange};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Most resets that are remembered.
const RESETS_MAX: usize = 16;

/// What an offset map takes for each stream: the id and the count.
const STREAM_BYTES: usize = StreamId::BYTES + 8;

/// Where a fold can go back to.
#[derive(Clone, Debug)]
pub(super) struct Point {
    /// Up to where its state goes.
    pub(super) last: Option<EventKey>,
    /// Of which events; nothing where it is a reset. Points that were saved on one way share it.
    pub(super) offsets: Arc<OffsetMap>,
    /// The last reset in it; of a point that is one, that.
    pub(super) reset: Option<EventKey>,
    /// Number of events that were folded.
    pub(super) event_count: u64,
    /// The saved state; `None` is the initial one.
    pub(super) state: Option<bytes::Bytes>,
    /// It was there when the fold began.
    pub(super) is_old: bool,
}

impl Point {
    fn beginning() -> Point {
        Point::initial(None, None, 0)
    }

    /// The initial state is right there.
    fn initial(last: Option<EventKey>, reset: Option<EventKey>, event_count: u64) -> Point {
        Point { last, offsets: Arc::default(), reset, event_count, state: None, is_old: false }
    }

    /// As a reader understands it.
    pub(super) fn position(&self) -> KeyPosition {
        KeyPosition { offsets: (*self.offsets).clone(), last: self.last }
    }

    /// What it takes of the bound.
    fn bytes(&self) -> usize {
        self.state.as_ref().map_or(0, |state| state.len()) + position_bytes(&self.offsets)
    }
}

/// What the position of a snapshot takes.
pub(super) fn position_bytes(offsets: &OffsetMap) -> usize {
    offsets.stream_count() * STREAM_BYTES
}

/// Saved points by rising key, resets by rising key, and what the disk is to be told.
#[derive(Debug, Default)]
pub(super) struct Points {
    saved: BTreeMap<EventKey, Point>,
    /// Resets, and how many events were folded before them.
    resets: BTreeMap<EventKey, u64>,
    /// Saved points that the disk has.
    stored: BTreeSet<EventKey>,
    /// What the disk has and is to drop.
    dropped: BTreeSet<EventKey>,
    /// The disk is to drop all behind this key: it may have points that are not known here.
    dropped_behind: Option<Option<EventKey>>,
}

impl Points {
    /// What was kept, in any order.
    pub(super) fn restore(snapshots: Vec<Snapshot>) -> Points {
        let mut points = Points::default();
        for Snapshot { position, reset, event_count, state } in snapshots {
            let Some(key) = position.last else { continue };
            let (last, offsets, state) = (position.last, Arc::new(position.offsets), Some(state));
            let point = Point { last, offsets, reset, event_count, state, is_old: true };
            points.saved.insert(key, point);
            points.stored.insert(key);
        }
        if let Some((_, newest)) = points.saved.last_key_value()
            && let Some(reset) = newest.reset
        {
            points.resets.insert(reset, newest.event_count);
        }
        points
    }

    /// Where a fold begins: at the newest saved point.
    pub(super) fn newest(&self) -> Point {
        let newest = self.saved.last_key_value();
        newest.map_or_else(Point::beginning, |(_, point)| point.clone())
    }

    /// Number of events that the newest saved point has.
    pub(super) fn newest_count(&self) -> u64 {
        self.saved.last_key_value().map_or(0, |(_, point)| point.event_count)
    }

    /// What is late comes right after `to` in the order; the nearest point that is right then, and
    /// all others are gone. If events `moved` in the order, so may have the resets after `to`.
    pub(super) fn rewind(&mut self, to: Option<EventKey>, moved: bool) -> Point {
        let is_after = |key: &EventKey| Some(*key) > to;
        self.drop_saved(is_after);
        let least = self.dropped_behind.map_or(to, |before| before.min(to));
        self.dropped_behind = Some(least);
        if moved {
            self.resets.retain(|key, _| !is_after(key));
        }
        self.nearest()
    }

    /// The event of this reset is not there any more; the nearest point that is right then.
    pub(super) fn forget_reset(&mut self, reset: &EventKey) -> Point {
        self.resets.remove(reset);
        self.rewind(before(reset), true)
    }

    fn nearest(&self) -> Point {
        let saved = self.newest();
        match self.resets.last_key_value() {
            Some((reset, count)) if Some(*reset) > saved.last => {
                Point::initial(before(reset), Some(*reset), *count)
            }
            _ => saved,
        }
    }

    /// The saved point with this key is not readable, so a new reader goes on from an earlier one:
    /// it comes to the resets behind that again.
    pub(super) fn discard(&mut self, key: Option<EventKey>) {
        self.drop_saved(|own| Some(*own) == key);
        let last = self.newest().last;
        self.resets.retain(|reset, _| Some(*reset) <= last);
    }

    /// Remembers a state. Those before its last reset are of no more use.
    pub(super) fn save(&mut self, key: EventKey, mut point: Point) {
        let nearest = self.saved.range(..key).next_back().map(|(_, point)| &point.offsets);
        if let Some(offsets) = nearest.filter(|own| **own == point.offsets) {
            point.offsets = offsets.clone();
        }
        let reset = point.reset;
        self.drop_saved(|own| Some(*own) < reset);
        self.saved.insert(key, point);
    }

    /// Remembers that this event is a reset, before which `count` events were folded.
    pub(super) fn note_reset(&mut self, reset: EventKey, count: u64, step: u64) {
        self.resets.insert(reset, count);
        if self.resets.len() > RESETS_MAX {
            let counts: Vec<u64> = self.resets.values().copied().collect();
            let key = *self.resets.keys().nth(least_useful(&counts, count, step)).expect("in it");
            self.resets.remove(&key);
        }
    }

    /// Forgets what helps least until there are at most so many points and bytes. `now` is how many
    /// events were folded, `step` how many lie between two points at least.
    pub(super) fn thin(&mut self, now: u64, step: u64, count_max: usize, bytes_max: usize) {
        let mut bytes: usize = self.saved.values().map(Point::bytes).sum();
        while self.saved.len() > count_max || bytes > bytes_max {
            let counts: Vec<u64> = self.saved.values().map(|point| point.event_count).collect();
            let at = least_useful(&counts, now, step);
            let (key, point) = self.saved.iter().nth(at).expect("the index is of a point");
            bytes -= point.bytes();
            let key = *key;
            self.drop_saved(|own| *own == key);
        }
    }

    /// What the disk is to be told since the last time.
    pub(super) fn take_change(&mut self) -> SnapshotChange {
        let dropped: Vec<EventKey> = std::mem::take(&mut self.dropped).into_iter().collect();
        let dropped_behind = self.dropped_behind.take();
        let new = self.saved.iter().filter(|(key, _)| !self.stored.contains(key));
        let saved: Vec<Snapshot> = new.filter_map(|(_, point)| point.snapshot()).collect();
        self.stored.extend(self.saved.keys());
        SnapshotChange { dropped, dropped_behind, saved }
    }

    fn drop_saved(&mut self, is_gone: impl Fn(&EventKey) -> bool) {
        let gone: Vec<EventKey> = self.saved.keys().filter(|key| is_gone(key)).copied().collect();
        for key in gone {
            self.saved.remove(&key);
            if self.stored.remove(&key) {
                self.dropped.insert(key);
            }
        }
    }
}

impl Point {
    fn snapshot(&self) -> Option<Snapshot> {
        let state = self.state.clone()?;
        let (reset, event_count) = (self.reset, self.event_count);
        Some(Snapshot { position: self.position(), reset, event_count, state })
    }
}

/// Which of these points, by rising number of folded events, is missed least: the one between whose
/// neighbours the way back grows by the smallest factor. So the distances to `now` end up growing
/// from each point to the one before it by about the same factor.
///
/// # Panics
/// There is none.
fn least_useful(counts: &[u64], now: u64, step: u64) -> usize {
    let depth = |count: u64| u128::from(now.saturating_sub(count)) + u128::from(step.max(1));
    let cost = |at: usize| {
        let before = depth(if at == 0 { 0 } else { counts[at - 1] });
        let after = depth(counts.get(at + 1).copied().unwrap_or(now));
        (before, after)
    };
    // before / after, compared without dividing.
    (0..counts.len())
        .min_by(|a, b| {
            let ((before_a, after_a), (before_b, after_b)) = (cost(*a), cost(*b));
            (before_a * after_b).cmp(&(before_b * after_a))
        })
        .expect("there is a point to forget")
}

/// The greatest key below `key`: delivery that goes on after it begins with the event of `key`.
fn before(key: &EventKey) -> Option<EventKey> {
    let EventKey { lamport, stream } = *key;
    if let Some(number) = stream.number.checked_sub(1) {
        return Some(EventKey { lamport, stream: StreamId { number, ..stream } });
    }
    let mut node = *stream.node.as_bytes();
    for byte in node.iter_mut().rev() {
        let (less, borrowed) = byte.overflowing_sub(1);
        *byte = less;
        if !borrowed {
            let stream = StreamId { node: NodeId::from_bytes(node), number: u64::MAX };
            return Some(EventKey { lamport, stream });
        }
    }
    let lamport = Lamport::new(lamport.value().checked_sub(1)?).ok()?;
    Some(EventKey {
        lamport,
        stream: StreamId { node: NodeId::from_bytes(node), number: u64::MAX },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(lamport: u64, node: u8, number: u64) -> EventKey {
        let stream = StreamId { node: NodeId::from_bytes([node; 32]), number };
        EventKey { lamport: Lamport::new(lamport).unwrap(), stream }
    }

    /// A point after the event with this lamport, as many as that.
    fn saved(count: u64, offsets: OffsetMap) -> Point {
        let state = Some(bytes::Bytes::from_static(b"0123456789"));
        let (last, offsets) = (Some(key(count, 1, 0)), Arc::new(offsets));
        Point { last, offsets, reset: None, event_count: count, state, is_old: false }
    }

    fn filled(events: u64, step: u64) -> Points {
        let mut points = Points::default();
        for count in (step..=events).step_by(step as usize) {
            points.save(key(count, 1, 0), saved(count, OffsetMap::new()));
            points.thin(count, step, 24, 1 << 20);
        }
        points
    }

    #[test]
    fn few_points_lie_ever_further_apart_so_that_the_way_back_is_at_most_half_longer() {
        for events in [10_000, 100_000, 1_000_000] {
            let points = filled(events, 1_000);
            assert!(points.saved.len() <= 24);
            for late in (1..events).step_by(997) {
                let below = points.saved.range(..key(late, 1, 0)).next_back();
                let nearest = below.map_or(0, |(_, point)| point.event_count);
                let (needed, done) = (events - late, events - nearest);
                assert!(done <= needed + needed / 2 + 2_000, "{late} of {events}: {done}");
            }
        }
    }

    #[test]
    fn points_keep_within_bytes() {
        let mut points = filled(100_000, 1_000);
        points.thin(100_000, 1_000, 24, 55);
        assert_eq!(points.saved.len(), 5);
        points.thin(100_000, 1_000, 24, 9);
        assert!(points.saved.is_empty());
    }

    #[test]
    fn a_reset_outlives_what_comes_late_before_it_unless_its_event_has_moved() {
        let mut points = filled(300, 100);
        points.note_reset(key(500, 1, 0), 499, 1);
        let point = points.rewind(Some(key(150, 1, 0)), false);
        assert_eq!((point.last, point.event_count), (before(&key(500, 1, 0)), 499));
        assert!(point.state.is_none());
        let point = points.rewind(Some(key(600, 1, 0)), false);
        assert_eq!(point.last, before(&key(500, 1, 0)), "nearer than any state");
        let point = points.rewind(Some(key(150, 1, 0)), true);
        assert_eq!(point.last, Some(key(100, 1, 0)));
        assert!(point.state.is_some());
    }

    #[test]
    fn nothing_lies_between_a_key_and_the_one_before_it() {
        for (own, expected) in [
            (key(3, 1, 7), Some(key(3, 1, 6))),
            (key(3, 0, 0), Some(key(2, 0xff, u64::MAX))),
            (key(0, 0, 0), None),
        ] {
            assert_eq!(before(&own), expected);
        }
        let low = before(&key(3, 1, 0)).unwrap();
        assert!(low < key(3, 1, 0) && low > key(3, 0, u64::MAX));
        assert_eq!(low.stream.node.as_bytes()[31], 0);
    }

    #[test]
    fn the_disk_is_told_of_each_point_once_and_of_the_ones_that_went_only_if_it_has_them() {
        let mut points = filled(10_000, 1_000);
        let change = points.take_change();
        assert_eq!((change.saved.len(), change.dropped.len()), (10, 0));
        assert!(points.take_change().is_empty());
        points.rewind(Some(key(7_500, 1, 0)), false);
        let change = points.take_change();
        assert_eq!(change.dropped, [8_000, 9_000, 10_000].map(|count| key(count, 1, 0)));
        assert_eq!(change.dropped_behind, Some(Some(key(7_500, 1, 0))));
        points.save(key(8_000, 1, 0), points.newest());
        points.rewind(Some(key(7_500, 1, 0)), false);
        assert!(points.take_change().dropped.is_empty(), "the disk never heard of it");
    }

    #[test]
    fn the_disk_is_told_of_the_furthest_way_back_since_the_last_time() {
        let mut points = filled(10_000, 1_000);
        for (lamport, least) in [(9_500, 9_500), (4_500, 4_500), (6_500, 4_500)] {
            points.rewind(Some(key(lamport, 1, 0)), false);
            assert_eq!(points.dropped_behind, Some(Some(key(least, 1, 0))));
        }
        points.rewind(None, false);
        assert_eq!(points.take_change().dropped_behind, Some(None));
        assert_eq!(points.take_change().dropped_behind, None);
    }

    #[test]
    fn what_a_snapshot_is_of_counts_as_the_state_does_and_points_of_one_way_share_it() {
        let offsets = |count: u64| {
            let streams = (0..1_000).map(|number| (key(1, 1, number).stream, count));
            streams.collect::<OffsetMap>()
        };
        let mut points = Points::default();
        for count in 1..=20u64 {
            points.save(key(count, 1, 0), saved(count, offsets(count / 11 + 1)));
        }
        let maps: Vec<_> = points.saved.values().map(|point| point.offsets.clone()).collect();
        assert!(Arc::ptr_eq(&maps[0], &maps[9]) && Arc::ptr_eq(&maps[10], &maps[19]));
        assert!(!Arc::ptr_eq(&maps[9], &maps[10]));
        points.thin(20, 1, 24, 5 * (10 + 1_000 * STREAM_BYTES));
        assert_eq!(points.saved.len(), 5);
    }

    #[test]
    fn what_is_saved_after_a_reset_takes_the_place_of_what_was_saved_before_it() {
        let mut points = filled(300, 100);
        points.take_change();
        points.note_reset(key(350, 1, 0), 349, 1);
        assert_eq!(points.newest_count(), 300, "opening again has something to go on from");
        points.save(
            key(400, 1, 0),
            Point { reset: Some(key(350, 1, 0)), ..saved(400, OffsetMap::new()) },
        );
        let change = points.take_change();
        assert_eq!((change.dropped.len(), change.saved.len()), (3, 1));
    }

    #[test]
    fn a_point_that_cannot_be_read_takes_the_resets_behind_the_one_before_it_along() {
        let mut points = filled(300, 100);
        for lamport in [50, 150, 250] {
            points.note_reset(key(lamport, 1, 0), lamport - 1, 1);
        }
        points.discard(Some(key(300, 1, 0)));
        points.discard(Some(key(200, 1, 0)));
        let point = points.rewind(Some(key(90, 1, 0)), false);
        assert_eq!(point.last, before(&key(50, 1, 0)), "it was not delivered further");
    }
}
