//! Effects: what an application publishes in answer to a state.

// The rim: what is kept running has a thread of its own, which waits for states.
#![allow(clippy::disallowed_methods)]

use crate::driver::node::{Handle, Node, PublishOptions, closed_node};
use crate::driver::pond::observe::decode_of;
use crate::driver::pond::observer::Decode;
use crate::driver::pond::state_subscription::StateSubscription;
use crate::error::{Error, ErrorKind, Result};
use crate::event::NewEvent;
use crate::log::Appended;
use crate::pending::{Pending, pending};
use crate::pond::{CodeError, Fish};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::Weak;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// What an effect gives: the events to publish, none for nothing to do.
type Wanted = std::result::Result<Vec<NewEvent>, CodeError>;

/// How long it takes at most until something that is to end notices.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

impl Node {
    /// Runs `effect` once on the state of `fish`, and publishes what it gives; `None` when that is
    /// nothing. Blocks until that is durable.
    ///
    /// Effects on a fish run one at a time in a process, and each sees a state that has all events
    /// which those before it have published. Other nodes may act at the same time. `effect` runs on
    /// the calling thread.
    ///
    /// # Errors
    /// `user_code`, reason `effect`: the effect failed, and nothing was published. As
    /// [`Node::observe`], [`StateSubscription::next_state`] and [`Node::publish`].
    pub fn run<S: Send + 'static>(
        &self,
        fish: &Fish<S>,
        effect: impl FnOnce(&S) -> Wanted,
    ) -> Result<Option<Appended>> {
        let subscription = self.observe_bytes(fish)?;
        let turn = subscription.effect_turn().wait()?;
        let state = fish.decode(&turn.emission().state)?;
        let events = guarded(fish, || effect(&state))?;
        if events.is_empty() {
            return Ok(None);
        }
        turn.publish(self, events, PublishOptions::default()).wait().map(Some)
    }

    /// Runs `effect` on the state of `fish`, now and whenever it has changed, until `cancel_when`
    /// holds for a state; each time as [`Node::run`] does, on a thread of its own.
    ///
    /// # Errors
    /// As [`Node::observe`]; `internal`: the system gives no thread. What ends it later is in
    /// [`Running::wait`].
    pub fn keep_running<S: Send + 'static>(
        &self,
        fish: &Fish<S>,
        effect: impl FnMut(&S) -> Wanted + Send + 'static,
        cancel_when: impl FnMut(&S) -> bool + Send + 'static,
    ) -> Result<Running> {
        let (completer, answer) = pending(None);
        let is_wanted = Arc::new(AtomicBool::new(true));
        let kept = Kept {
            node: self.weak(),
            subscription: self.observe_bytes(fish)?,
            decode: decode_of(fish),
            fish: fish.clone(),
            is_wanted: is_wanted.clone(),
            effect,
            cancel_when,
        };
        let keep = move || {
            let mut kept = kept;
            completer.complete(kept.run());
        };
        match thread::Builder::new().name("millpond-effect".into()).spawn(keep) {
            Ok(_) => Ok(Running { is_wanted, answer }),
            Err(error) => {
                let message = format!("the system gives no thread for an effect: {error}");
                Err(Error::new(ErrorKind::Internal, message))
            }
        }
    }
}

/// An effect that is kept running. Dropping it ends that, after the run that is under way.
pub struct Running {
    is_wanted: Arc<AtomicBool>,
    answer: Pending<()>,
}

impl Running {
    /// Ends it, after the run that is under way. [`Running::wait`] says when.
    pub fn stop(&self) {
        self.is_wanted.store(false, Ordering::Release);
    }

    /// Blocks until it has ended, or for `timeout` (none waits for ever); `None` when that passed
    /// first.
    ///
    /// # Errors
    /// What ended it other than `stop`, `cancel_when` or the node's close.
    pub fn wait(&mut self, timeout: Option<Duration>) -> Option<Result<()>> {
        self.answer.wait_timeout(timeout.unwrap_or(Duration::MAX))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop();
    }
}

struct Kept<S, E, C> {
    node: Weak<Handle>,
    subscription: StateSubscription,
    fish: Fish<S>,
    decode: Decode<S>,
    is_wanted: Arc<AtomicBool>,
    effect: E,
    cancel_when: C,
}

impl<S, E, C> Kept<S, E, C>
where
    S: Send + 'static,
    E: FnMut(&S) -> Wanted,
    C: FnMut(&S) -> bool,
{
    fn run(&mut self) -> Result<()> {
        while self.is_wanted.load(Ordering::Acquire) {
            let ran = self.run_once();
            match ran {
                Ok(true) => {}
                Ok(false) => return Ok(()),
                Err(error) if StateSubscription::is_end(&error) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Waits for the next state, and acts on it; false when that was the last one.
    fn run_once(&mut self) -> Result<bool> {
        if !self.subscription.wait(Some(LOOK_INTERVAL))? {
            return Ok(true);
        }
        // The state of the turn is this one or a newer one, which is then not looked at again.
        self.subscription.next_state()?;
        let mut turn = self.subscription.effect_turn();
        let turn = loop {
            match turn.wait_timeout(LOOK_INTERVAL) {
                Some(turn) => break turn?,
                None if self.is_wanted.load(Ordering::Acquire) => {}
                None => return Ok(false),
            }
        };
        self.subscription.skip(turn.emission().number);
        let state = (self.decode)(&turn.emission().state)?;
        let mut is_last = false;
        let events = guarded(&self.fish, || {
            is_last = (self.cancel_when)(&state);
            if is_last { Ok(Vec::new()) } else { (self.effect)(&state) }
        })?;
        if !events.is_empty() {
            let node = self.node.upgrade().map(Node::of).ok_or_else(closed_node)?;
            turn.publish(&node, events, PublishOptions::default()).wait()?;
        }
        Ok(!is_last)
    }
}

/// Runs code of the application; a panic in it is a failure of its own.
fn guarded<S: Send + 'static>(
    fish: &Fish<S>,
    code: impl FnOnce() -> Wanted,
) -> Result<Vec<NewEvent>> {
    let message = match catch_unwind(AssertUnwindSafe(code)) {
        Ok(Ok(events)) => return Ok(events),
        Ok(Err(error)) => error.to_string(),
        Err(_) => "it panicked".to_owned(),
    };
    let message = format!("an effect on {} failed: {message}", fish.definition());
    Err(Error::new(ErrorKind::UserCode, message).with_reason("effect"))
}
