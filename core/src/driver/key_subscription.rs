//! A subscription in key order that can be waited for.

use crate::driver::batches::KeySteps;
use crate::driver::causal_session::Within;
use crate::error::Result;
use crate::event::{EventKey, KeyPosition};
use crate::log::{KeyFollower, KeyStep};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

/// Events in key order, and the way back where one comes late. Pull it; nothing queues up while you
/// do not.
///
/// Whoever applies each step, forgetting at a rewind and adding events, holds after a step that has
/// caught up all matching events of `position.offsets` in the one order that all nodes agree on.
/// Ends with a `closed` error when its node closes.
pub struct KeySubscription {
    follower: KeyFollower,
    session: Within,
}

impl KeySubscription {
    pub(crate) fn new(follower: KeyFollower) -> KeySubscription {
        KeySubscription { follower, session: Within::default() }
    }

    /// The same subscription, whose batches the session sees.
    pub(super) fn within(self, session: Within) -> KeySubscription {
        KeySubscription { session, ..self }
    }

    /// What there is to do now, with up to `count_max` events; never waits. See
    /// [`KeyFollower::next`].
    ///
    /// # Errors
    /// `closed`: the node is closed. `corrupt`, `storage_failed`: the log cannot be read there;
    /// the position stays, so that it can be tried again.
    pub fn next_step(&mut self, count_max: usize) -> Result<KeyStep> {
        let step = self.follower.next(count_max)?;
        match &step {
            KeyStep::Events(batch) => self.session.sees(&batch.position.offsets),
            KeyStep::Nothing if self.session.is_one() => {
                self.session.sees(&self.follower.position().offsets);
            }
            KeyStep::Nothing | KeyStep::Rewind { .. } => {}
        }
        Ok(step)
    }

    /// Goes back to `key`, as after a rewind there; none is the beginning.
    ///
    /// # Errors
    /// `invalid_argument`: it is behind the last event that was delivered.
    pub fn resume_at(&mut self, key: Option<EventKey>) -> Result<()> {
        self.follower.resume_at(key)
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

    /// The same as a stream of steps, of up to `count_max` events each, which ends when the node
    /// closes. [`KeyStep::Nothing`] is none of them.
    pub fn into_steps(self, count_max: usize) -> KeySteps {
        KeySteps::new(self, count_max)
    }

    /// How far this subscription has come: subscribing from here continues without gap or
    /// duplicate.
    pub fn position(&self) -> KeyPosition {
        self.follower.position()
    }
}
