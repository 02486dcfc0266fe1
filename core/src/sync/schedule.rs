//! Things with a time each, by thing and by time.
//!
//! Invariant: `times` and `order` hold the same pairs, and `order` no empty set.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::time::Instant;

/// At most one time per key; the earliest is found at once.
#[derive(Clone, Debug)]
pub(crate) struct Schedule<K> {
    times: BTreeMap<K, Instant>,
    order: BTreeMap<Instant, BTreeSet<K>>,
}

impl<K> Default for Schedule<K> {
    fn default() -> Schedule<K> {
        Schedule { times: BTreeMap::new(), order: BTreeMap::new() }
    }
}

impl<K: Copy + Ord> Schedule<K> {
    /// Sets the time of `key`, whatever it was.
    pub(crate) fn set(&mut self, key: K, at: Instant) {
        self.remove(&key);
        self.times.insert(key, at);
        self.order.entry(at).or_default().insert(key);
    }

    /// Sets the time of `key` unless it has an earlier one.
    pub(crate) fn set_earliest(&mut self, key: K, at: Instant) {
        if self.times.get(&key).is_none_or(|earlier| at < *earlier) {
            self.set(key, at);
        }
    }

    /// Forgets `key`.
    pub(crate) fn remove(&mut self, key: &K) {
        let Some(at) = self.times.remove(key) else { return };
        let keys = self.order.get_mut(&at).expect("both hold the same pairs");
        keys.remove(key);
        if keys.is_empty() {
            self.order.remove(&at);
        }
    }

    /// The time of `key`.
    pub(crate) fn get(&self, key: &K) -> Option<Instant> {
        self.times.get(key).copied()
    }

    /// All keys, rising.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &K> {
        self.times.keys()
    }

    /// All keys, the one with the earliest time first.
    pub(crate) fn in_order(&self) -> impl Iterator<Item = &K> + Clone {
        self.order.values().flatten()
    }

    /// How many keys there are.
    pub(crate) fn len(&self) -> usize {
        self.times.len()
    }

    /// The key with the earliest time, if that is due.
    pub(crate) fn first_due(&self, now: Instant) -> Option<K> {
        let (at, keys) = self.order.first_key_value()?;
        keys.first().filter(|_| *at <= now).copied()
    }

    /// The earliest time.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.order.first_key_value().map(|(at, _)| *at)
    }

    /// The earliest time after `now`.
    pub(crate) fn next_after(&self, now: Instant) -> Option<Instant> {
        let later = (Bound::Excluded(now), Bound::Unbounded);
        self.order.range(later).next().map(|(at, _)| *at)
    }
}
