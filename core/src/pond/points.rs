//! The states that a fold can go back to.
//!
//! There are two kinds: states that were saved, and *resets*, where the initial state is the right
//! one whatever came before. The beginning is always one.
//!
//! Rule: a saved point holds exactly the matching events up to its key. What comes late below that
//! key voids it. A reset is voided by nothing, unless its own event has moved.

use crate::event::{EventKey, KeyPosition, Lamport, NodeId, StreamId};
use crate::pond::snapshot::{Snapshot, SnapshotChange};
use std::collections::{BTreeMap, BTreeSet};

/// Most resets that are remembered.
const RESETS_MAX: usize = 16;

/// Where a fold can go back to.
#[derive(Clone, Debug)]
pub(super) struct Point {
    /// Up to where its state goes; of a reset only `last` counts.
    pub(super) position: KeyPosition,
    /// The last reset in it.
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
        let position = KeyPosition::default();
        Point { position, reset: None, event_count: 0, state: None, is_old: false }
    }
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
}

impl Points {
    /// What was kept, in any order.
    pub(super) fn restore(snapshots: Vec<Snapshot>) -> Points {
        let mut points = Points::default();
        for Snapshot { position, reset, event_count, state } in snapshots {
            let Some(key) = position.last else { continue };
            let state = Some(state);
            points.saved.insert(key, Point { position, reset, event_count, state, is_old: true });
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
        self.drop_saved(|key, _| is_after(key));
        if moved {
            self.resets.retain(|key, _| !is_after(key));
        }
        let saved = self.newest();
        match self.resets.last_key_value() {
            Some((reset, count)) if Some(*reset) > saved.position.last => {
                let last = before(reset);
                let position = KeyPosition { last, ..KeyPosition::default() };
                let event_count = *count;
                Point { position, reset: None, event_count, state: None, is_old: false }
            }
            _ => saved,
        }
    }

    /// The saved point of this key is not readable.
    pub(super) fn discard(&mut self, key: &EventKey) {
        self.drop_saved(|own, _| own == key);
    }

    /// Remembers a state.
    pub(super) fn save(&mut self, key: EventKey, point: Point) {
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
        let size = |point: &Point| point.state.as_ref().map_or(0, |state| state.len());
        let mut bytes: usize = self.saved.values().map(size).sum();
        while self.saved.len() > count_max || bytes > bytes_max {
            let counts: Vec<u64> = self.saved.values().map(|point| point.event_count).collect();
            let at = least_useful(&counts, now, step);
            let (key, point) = self.saved.iter().nth(at).expect("the index is of a point");
            bytes -= size(point);
            let key = *key;
            self.drop_saved(|own, _| *own == key);
        }
    }

    /// What the disk is to be told since the last time.
    pub(super) fn take_change(&mut self) -> SnapshotChange {
        let dropped: Vec<EventKey> = std::mem::take(&mut self.dropped).into_iter().collect();
        let new = self.saved.iter().filter(|(key, _)| !self.stored.contains(key));
        let saved: Vec<Snapshot> = new.filter_map(|(_, point)| point.snapshot()).collect();
        self.stored.extend(self.saved.keys());
        SnapshotChange { dropped, saved }
    }

    fn drop_saved(&mut self, is_gone: impl Fn(&EventKey, &Point) -> bool) {
        let gone: Vec<EventKey> =
            self.saved.iter().filter(|(key, point)| is_gone(key, point)).map(|(k, _)| *k).collect();
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
        let (position, reset, event_count) = (self.position.clone(), self.reset, self.event_count);
        let state = self.state.clone()?;
        Some(Snapshot { position, reset, event_count, state })
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

    fn filled(events: u64, step: u64) -> Points {
        let mut points = Points::default();
        for count in (step..=events).step_by(step as usize) {
            let position = KeyPosition { last: Some(key(count, 1, 0)), ..KeyPosition::default() };
            let state = Some(bytes::Bytes::from_static(b"0123456789"));
            let point = Point { position, reset: None, event_count: count, state, is_old: false };
            points.save(key(count, 1, 0), point);
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
        assert_eq!((point.position.last, point.event_count), (before(&key(500, 1, 0)), 499));
        assert!(point.state.is_none());
        let point = points.rewind(Some(key(600, 1, 0)), false);
        assert_eq!(point.position.last, before(&key(500, 1, 0)), "nearer than any state");
        let point = points.rewind(Some(key(150, 1, 0)), true);
        assert_eq!(point.position.last, Some(key(100, 1, 0)));
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
        points.save(key(8_000, 1, 0), points.newest());
        points.rewind(Some(key(7_500, 1, 0)), false);
        assert!(points.take_change().is_empty(), "the disk never heard of it");
    }
}
