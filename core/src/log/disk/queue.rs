//! What waits for the committer, and who wakes whom.
//!
//! One thread leads at a time: the committer's own, or a caller that would block anyway. Rule: who
//! leads looks at the queue again before it stops, so whoever queues meanwhile wakes nobody; only
//! what is queued while nobody leads wakes the committer's thread, once.
//! Begin with `Shared::submit` and `Lead`.
#![allow(clippy::disallowed_methods)] // The rim: how long a leader waits for company.

use super::commit::Request;
use super::shared::Shared;
use crate::error::Result;
use crate::log::options::closed;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A group takes no further request beyond this.
const GROUP_BYTES_MAX: usize = 8 << 20;
/// A leader waits for company for at most this part of what a sync costs.
const COMPANY_SYNC_PART: u32 = 4;
/// And never longer than this.
const COMPANY_WAIT_MAX: Duration = Duration::from_micros(200);
/// A thread that has other duties commits by itself only where the last sync took less than this
#[cfg(feature = "net")]
const SHORT_SYNC_MAX: Duration = Duration::from_millis(2);
/// and fewer bytes wait than this.
#[cfg(feature = "net")]
const SHORT_COMMIT_BYTES_MAX: usize = 16 << 10;

/// What waits for the committer.
#[derive(Default)]
pub(crate) struct Queue {
    requests: VecDeque<Request>,
    bytes: usize,
    /// A thread leads, and will look here again.
    leading: bool,
    /// The committer's thread was woken and has not looked yet.
    woken: bool,
    /// When written records must be synced at the latest.
    pub(crate) sync_at: Option<Instant>,
    /// No more requests are taken; the committer ends when the rest is done.
    pub(crate) closing: bool,
    /// Number of threads that have ended.
    pub(crate) ended: u32,
}

/// The turn of one thread at the committer. Ends when dropped, also by a panic.
pub(crate) struct Lead<'a>(&'a Shared);

impl Queue {
    /// True when nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }

    /// True when a fork waits, which takes long.
    #[cfg(feature = "net")]
    fn has_fork(&self) -> bool {
        self.requests.iter().any(Request::is_fork)
    }

    /// True when something waits and nobody is at it. Only the committer's thread asks.
    pub(crate) fn needs_leader(&mut self) -> bool {
        self.woken = false;
        !self.requests.is_empty() && !self.leading
    }

    /// Takes everything away, unanswered.
    pub(crate) fn take_all(&mut self) -> VecDeque<Request> {
        self.bytes = 0;
        std::mem::take(&mut self.requests)
    }

    /// Puts a request that is not done yet behind the others. After the end it is dropped.
    pub(crate) fn put_back(&mut self, request: Request) {
        if !self.closing {
            self.bytes += request.bytes();
            self.requests.push_back(request);
        }
    }

    /// True when the committer's thread is to be woken.
    fn wake(&mut self) -> bool {
        !self.leading && !std::mem::replace(&mut self.woken, true)
    }

    fn take_group(&mut self) -> Vec<Request> {
        let mut group = Vec::new();
        let mut bytes = 0;
        while let Some(request) = self.requests.front() {
            bytes += request.bytes();
            // A fork comes alone: what was asked before it is done before it.
            let is_fork = request.is_fork();
            if !group.is_empty() && (bytes > GROUP_BYTES_MAX || is_fork) {
                break;
            }
            let request = self.requests.pop_front().expect("seen at the front");
            self.bytes -= request.bytes();
            group.push(request);
            if is_fork {
                break;
            }
        }
        group
    }
}

impl Shared {
    /// Queues a request; blocks only while more than `tail_bytes_max` bytes are queued.
    pub(crate) fn submit(self: &Arc<Self>, request: Request) -> Result<()> {
        self.queue_up(request)?;
        self.wake_committer();
        Ok(())
    }

    /// As `submit`, but nobody is woken: the caller sees to it with `commit_soon`.
    pub(crate) fn queue_up(self: &Arc<Self>, request: Request) -> Result<()> {
        let bytes = request.bytes();
        loop {
            let mut queue = self.queue();
            if queue.closing {
                return Err(closed());
            }
            if queue.bytes == 0 || queue.bytes + bytes <= self.options.tail_bytes_max {
                queue.bytes += bytes;
                queue.requests.push_back(request);
                return Ok(());
            }
            drop(queue);
            self.commit_waiting(self.committer()?);
        }
    }

    /// Whether `queue_up` of something short will hardly block.
    #[cfg(feature = "net")]
    pub(crate) fn has_queue_room(&self) -> bool {
        self.queue().bytes < self.options.tail_bytes_max / 2
    }

    /// Has what waits committed: by this thread if it has nothing else to do and the commit will
    /// probably be short, else by the committer's.
    #[cfg(feature = "net")] // Only the sync thread has other things to do.
    pub(crate) fn commit_soon(self: &Arc<Self>, idle: bool) {
        // While it syncs, nothing comes in that live subscribers wait for.
        let idle = idle && !self.live.is_wanted();
        if idle && let Ok(committer) = self.committer.try_lock() {
            let tail = self.state().tail_bytes + self.queue().bytes;
            let queue = self.queue();
            let is_little = queue.bytes < SHORT_COMMIT_BYTES_MAX && !queue.has_fork();
            drop(queue);
            let is_short = committer.sync_time < SHORT_SYNC_MAX
                && is_little
                && tail < self.options.tail_bytes_max / 2;
            if is_short {
                return self.commit_waiting(committer);
            }
        }
        self.wake_committer();
    }

    fn wake_committer(&self) {
        let mut queue = self.queue();
        let wake = !queue.is_empty() && queue.wake();
        drop(queue);
        if wake {
            self.queued.notify_one();
        }
    }

    /// Begins a turn with what waits, unless nothing does. The caller holds the committer.
    ///
    /// `callers` is how many appends may come at about the same time, `sync_time` what a sync
    /// costs: a short wait that brings them into one group saves a sync.
    pub(crate) fn lead(
        &self,
        callers: usize,
        sync_time: Duration,
    ) -> Option<(Lead<'_>, Vec<Request>)> {
        let mut queue = self.queue();
        if queue.requests.is_empty() {
            return None;
        }
        queue.leading = true;
        drop(queue);
        let lead = Lead(self);
        let mut queue = self.queue();
        if queue.requests.len() < callers {
            let until = Instant::now() + (sync_time / COMPANY_SYNC_PART).min(COMPANY_WAIT_MAX);
            while queue.requests.len() < callers && !queue.closing && Instant::now() < until {
                drop(queue);
                std::thread::yield_now();
                queue = self.queue();
            }
        }
        let group = queue.take_group();
        drop(queue);
        Some((lead, group))
    }
}

impl Lead<'_> {
    /// Number of appends that wait for the next turn.
    pub(crate) fn appends_waiting(&self) -> usize {
        self.0.queue().requests.iter().filter(|request| request.is_append()).count()
    }
}

impl Drop for Lead<'_> {
    fn drop(&mut self) {
        self.0.queue().leading = false;
        self.0.wake_committer();
    }
}
