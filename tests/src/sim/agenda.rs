//! What is to happen and when: the earliest first, and of one moment what was put in first.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::time::Duration;

/// Events by their time.
pub(super) struct Agenda<E> {
    entries: BinaryHeap<Reverse<Entry<E>>>,
    /// How many were put in.
    count: u64,
}

struct Entry<E> {
    at: Duration,
    number: u64,
    event: E,
}

impl<E> Agenda<E> {
    pub(super) fn new() -> Agenda<E> {
        Agenda { entries: BinaryHeap::new(), count: 0 }
    }

    /// `event` happens at `at`.
    pub(super) fn put(&mut self, at: Duration, event: E) {
        self.count += 1;
        self.entries.push(Reverse(Entry { at, number: self.count, event }));
    }

    /// The next one that happens until `end`, and when.
    pub(super) fn next_until(&mut self, end: Duration) -> Option<(Duration, E)> {
        self.entries.peek().filter(|Reverse(entry)| entry.at <= end)?;
        self.entries.pop().map(|Reverse(entry)| (entry.at, entry.event))
    }
}

impl<E> PartialEq for Entry<E> {
    fn eq(&self, other: &Entry<E>) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<E> Eq for Entry<E> {}

impl<E> PartialOrd for Entry<E> {
    fn partial_cmp(&self, other: &Entry<E>) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<E> Ord for Entry<E> {
    fn cmp(&self, other: &Entry<E>) -> Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}
