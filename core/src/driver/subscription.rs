//! A subscription: a cursor over the log that can be waited for.

use crate::driver::batches::Batches;
use crate::driver::causal_session::Within;
use crate::error::Result;
use crate::event::OffsetMap;
use crate::log::{Batch, Delivery, Follower};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

/// Events from a point in history on, then live. Pull it; nothing queues up while you do not.
///
/// Ends with a `closed` error when its node closes.
pub struct Subscription {
    follower: Follower,
    session: Within,
}

impl Subscription {
    pub(crate) fn new(follower: Follower) -> Subscription {
        Subscription { follower, session: Within::default() }
    }

    /// The same subscription, whose batches the session sees.
    pub(super) fn within(self, session: Within) -> Subscription {
        Subscription { session, ..self }
    }

    /// The same subscription, which gets events as `delivery` says; by default when they are
    /// durable. See [`Follower::deliver`].
    #[must_use]
    pub fn deliver(self, delivery: Delivery) -> Subscription {
        Subscription { follower: self.follower.deliver(delivery), session: self.session }
    }

    /// Up to `count_max` further events; never waits, so there may be none.
    ///
    /// # Errors
    /// `closed`: the node is closed. `corrupt`, `storage_failed`: the log cannot be read there;
    /// the position stays, so that it can be tried again.
    pub fn next_batch(&mut self, count_max: usize) -> Result<Batch> {
        let batch = self.follower.next_batch(count_max)?;
        self.session.sees(&batch.position);
        Ok(batch)
    }

    /// Blocks until there may be more to pull, or for `timeout` (none waits for ever); false when
    /// that passed first.
    ///
    /// # Errors
    /// `closed`: the node is closed. `forked_process`.
    pub fn wait(&self, timeout: Option<Duration>) -> Result<bool> {
        self.follower.wait(timeout)
    }

    /// Done when there may be more to pull, or the node has closed. Needs no particular executor.
    pub fn ready(&self) -> impl Future<Output = ()> + Send + use<> {
        self.follower.ready()
    }

    /// Calls `callback` whenever there may be more to pull, and when the node closes, from a
    /// thread of millpond's, and once now if so; it must not block. Replaces an earlier one.
    pub fn on_ready(&self, callback: Arc<dyn Fn() + Send + Sync>) {
        self.follower.on_ready(callback);
    }

    /// The same as a stream of batches of 1 to `count_max` events, which ends when the node closes.
    pub fn into_batches(self, count_max: usize) -> Batches {
        Batches::new(self, count_max)
    }

    /// How far this subscription has come: subscribing from here continues without gap or
    /// duplicate.
    pub fn position(&self) -> OffsetMap {
        self.follower.position()
    }
}
