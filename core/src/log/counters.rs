//! What a log has done since it was opened, counted where it is done.
//!
//! Rule: counting is an addition and no more.

use super::disk::Shared;
use super::log::Log;
use super::registry::Handle;
use crate::event::{EventRange, StreamId};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What a log has done since it was opened, and what is open on it now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogCounts {
    /// Events of the own stream that became durable.
    pub published: u64,
    /// Events of other streams that became durable.
    pub received: u64,
    /// Records that were written to the journal.
    pub commits: u64,
    /// Syncs of the journal that succeeded.
    pub syncs: u64,
    /// What they took together.
    pub sync_time: Duration,
    /// Checkpoints that succeeded.
    pub checkpoints: u64,
    /// Cursors that are open now.
    pub cursors: u64,
    /// Subscriptions that are open now.
    pub subscriptions: u64,
}

/// The same, being counted.
#[derive(Default)]
pub(crate) struct Counters {
    published: AtomicU64,
    received: AtomicU64,
    commits: AtomicU64,
    syncs: AtomicU64,
    sync_nanos: AtomicU64,
    checkpoints: AtomicU64,
    cursors: AtomicU64,
    subscriptions: AtomicU64,
}

impl Counters {
    /// A record was written to the journal.
    pub(crate) fn committed(&self) {
        self.commits.fetch_add(1, Ordering::Relaxed);
    }

    /// The journal was synced.
    pub(crate) fn synced(&self, took: Duration) {
        self.syncs.fetch_add(1, Ordering::Relaxed);
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.sync_nanos.fetch_add(nanos, Ordering::Relaxed);
    }

    /// A range became durable; `own` is the stream that this node writes.
    pub(crate) fn stored(&self, range: &EventRange, own: &StreamId) {
        let counter = if range.stream() == *own { &self.published } else { &self.received };
        counter.fetch_add(range.head.count - range.first, Ordering::Relaxed);
    }

    /// A checkpoint succeeded.
    pub(crate) fn checkpointed(&self) {
        self.checkpoints.fetch_add(1, Ordering::Relaxed);
    }

    fn reader(&self, kind: Reader) -> &AtomicU64 {
        match kind {
            Reader::Cursor => &self.cursors,
            Reader::Subscription => &self.subscriptions,
        }
    }
}

/// What is open on a log.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Reader {
    Cursor,
    Subscription,
}

/// Counts a reader for as long as it is there.
pub(super) struct Counted {
    shared: Arc<Shared>,
    kind: Reader,
}

impl Counted {
    pub(super) fn new(handle: &Handle, kind: Reader) -> Counted {
        let shared = handle.shared.clone();
        shared.counters.reader(kind).fetch_add(1, Ordering::Relaxed);
        Counted { shared, kind }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.shared.counters.reader(self.kind).fetch_sub(1, Ordering::Relaxed);
    }
}

impl Log {
    /// What was done since the log was opened.
    pub fn counts(&self) -> LogCounts {
        let counters = &self.shared().counters;
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        LogCounts {
            published: read(&counters.published),
            received: read(&counters.received),
            commits: read(&counters.commits),
            syncs: read(&counters.syncs),
            sync_time: Duration::from_nanos(read(&counters.sync_nanos)),
            checkpoints: read(&counters.checkpoints),
            cursors: read(&counters.cursors),
            subscriptions: read(&counters.subscriptions),
        }
    }
}
