//! A subscription: a cursor over the log that can be waited for.

use crate::driver::clock;
use crate::error::Result;
use crate::event::OffsetMap;
use crate::log::{FollowBatch, Follower, ListenerGuard};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

/// Longest single wait below an unbounded one; waking now and then costs nothing that shows.
const WAIT_MAX: Duration = Duration::from_secs(3600);

/// Events from a point in history on, then live. Pull it; nothing queues up while you do not.
///
/// Ends with a `closed` error when its node closes.
pub struct Subscription {
    follower: Follower,
    listening: Option<ListenerGuard>,
}

impl Subscription {
    pub(crate) fn new(follower: Follower) -> Subscription {
        Subscription { follower, listening: None }
    }

    /// Up to `count_max` further events; never waits, so there may be none.
    ///
    /// # Errors
    /// `closed`: the node is closed. `corrupt`, `storage_failed`: the log cannot be read there;
    /// the position stays, so that it can be tried again.
    pub fn next_batch(&mut self, count_max: usize) -> Result<FollowBatch> {
        self.follower.next_batch(count_max)
    }

    /// Blocks until there is more to look at, the node has closed, or `timeout` has passed (none
    /// waits for ever); false when nothing is there.
    ///
    /// # Errors
    /// `closed`: the node is closed. `forked_process`.
    pub fn wait(&self, timeout: Option<Duration>) -> Result<bool> {
        let deadline = timeout.and_then(|timeout| clock::now().checked_add(timeout));
        let mut watch = self.follower.watch();
        loop {
            if self.follower.has_more()? {
                return Ok(true);
            }
            let until = deadline.unwrap_or_else(|| clock::now() + WAIT_MAX);
            if !watch.wait_until(until) && deadline.is_some() {
                return self.follower.has_more();
            }
        }
    }

    /// Done when there is more to look at, or the node has closed. Needs no particular executor.
    pub fn ready(&self) -> impl Future<Output = ()> + Send + '_ {
        let mut watch = self.follower.watch();
        async move {
            while matches!(self.follower.has_more(), Ok(false)) {
                watch.changed().await;
            }
        }
    }

    /// Calls `callback` whenever there may be more to pull, and when the node closes, from a
    /// thread of millpond's; it must not block. Replaces an earlier one.
    pub fn on_ready(&mut self, callback: Arc<dyn Fn() + Send + Sync>) {
        self.listening = Some(self.follower.on_growth(Arc::new(move |_| callback())));
    }

    /// How far this subscription has come: subscribing from here continues without gap or
    /// duplicate.
    pub fn position(&self) -> &OffsetMap {
        self.follower.position()
    }
}
