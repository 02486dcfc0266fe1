//! What is measured: stores that take events and acknowledge them when they are durable.

use crate::archive::Archive;
use crate::workload::WorkEvent;
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

/// Events of one run; a store is told by positions in them what to publish.
pub(crate) type Workload = Arc<Vec<WorkEvent>>;

/// Something that publishes durably, catches up, or delivers. Each run opens it in a fresh folder.
pub(crate) trait Subject {
    /// The name in tables and results.
    fn name(&self) -> &'static str;

    /// An empty store in `folder`, or nothing when this subject does not publish.
    fn open(&self, folder: &Path, workload: &Workload) -> Option<Box<dyn Store>>;

    /// Opens what a closed store left, for reading; or nothing when this subject is not read.
    fn archive(&self, _folder: &Path) -> Option<Box<dyn Archive>> {
        None
    }

    /// How long a second, empty instance takes until it holds and has verified the whole workload,
    /// and how many bytes it received for it; or nothing when this subject knows no second one.
    fn catch_up(&self, _folder: &Path, _workload: &Workload) -> Option<(Duration, u64)> {
        None
    }

    /// For each event of the workload, one after the other: the time from the call that publishes
    /// it to its arrival at a second instance; or nothing when this subject delivers nothing.
    fn deliver(&self, _folder: &Path, _workload: &Workload) -> Option<Vec<Duration>> {
        None
    }
}

/// An open store. Callers share it.
pub(crate) trait Store: Send + Sync {
    /// Publishes these events of the workload; they are on disk when this returns.
    fn publish(&self, events: Range<usize>);

    /// From now on positions are those of `workload`.
    fn turn_to(&mut self, workload: &Workload);

    /// Ends all work, so that dropping it leaves nothing to do.
    fn close(&self) {}
}

/// Events that are published together where batches are measured.
const BATCH: usize = 1_000;

/// Publishes the first `count` events of the store's workload, batch after batch.
pub(crate) fn publish_in_batches(store: &dyn Store, count: usize) {
    for start in (0..count).step_by(BATCH) {
        store.publish(start..count.min(start + BATCH));
    }
}

/// A writer with one caller; [`Group`] makes a store of it.
pub(crate) trait Writer: Send {
    /// Writes these events and returns when they are on disk.
    fn commit(&mut self, events: &[Range<usize>]);

    /// As [`Store::turn_to`].
    fn turn_to(&mut self, workload: &Workload);
}

/// Group commit: what waits while one commit runs is written by the next one, together.
pub(crate) struct Group<W> {
    writer: Mutex<W>,
    queue: Mutex<Queue>,
    committed: Condvar,
}

#[derive(Default)]
struct Queue {
    waiting: Vec<Range<usize>>,
    /// How many calls have queued, and how many of them are on disk.
    queued: u64,
    durable: u64,
    writing: bool,
}

impl<W: Writer> Group<W> {
    pub(crate) fn new(writer: W) -> Group<W> {
        let queue = Mutex::new(Queue::default());
        Group { writer: Mutex::new(writer), queue, committed: Condvar::new() }
    }
}

impl<W: Writer> Store for Group<W> {
    fn publish(&self, events: Range<usize>) {
        let mut queue = self.queue.lock().expect("no caller panicked");
        queue.waiting.push(events);
        queue.queued += 1;
        let ours = queue.queued;
        while queue.durable < ours {
            if queue.writing {
                queue = self.committed.wait(queue).expect("no caller panicked");
                continue;
            }
            queue.writing = true;
            let batch = std::mem::take(&mut queue.waiting);
            let reaches = queue.queued;
            drop(queue);
            self.writer.lock().expect("no caller panicked").commit(&batch);
            queue = self.queue.lock().expect("no caller panicked");
            queue.durable = reaches;
            queue.writing = false;
            self.committed.notify_all();
        }
    }

    fn turn_to(&mut self, workload: &Workload) {
        self.writer.get_mut().expect("no caller panicked").turn_to(workload);
    }
}
