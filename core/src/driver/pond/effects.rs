//! Effects: what an application publishes in answer to a state.

// The rim: what is kept running has a thread of its own, which waits for states.
#![allow(clippy::disallowed_methods)]

use crate::driver::causal_session::Within;
use crate::driver::clock;
use crate::driver::node::{Handle, Node, PublishOptions, closed_node};
use crate::driver::pond::observe::decode_of;
use crate::driver::pond::observer::Decode;
use crate::driver::pond::state_subscription::StateSubscription;
use crate::driver::pond::turn::{Acting, EffectTurn, TURN_ROUNDS_MAX};
use crate::driver::reading::After;
use crate::error::{Error, ErrorKind, Result};
use crate::event::NewEvent;
use crate::log::{Appended, Log, Signal};
use crate::pending::{Pending, pending};
use crate::pond::{CodeError, Fish, guarded};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::{Duration, Instant};

/// What an effect gives: the events to publish, none for nothing to do.
pub(in crate::driver) type Wanted = std::result::Result<Vec<NewEvent>, CodeError>;

/// How long it takes at most until one that waits for its turn and is to end notices.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// How to run an effect.
#[derive(Clone, Debug, Default)]
pub struct RunOptions {
    /// It sees a state of at least this point in history. By default of what is held.
    pub after: After,
    /// How long to wait until the effect may begin; none waits for ever. Once it has begun it runs
    /// to its end, and what it gives is published.
    pub timeout: Option<Duration>,
    /// How to publish what it gives.
    pub publish: PublishOptions,
}

impl Node {
    /// Runs `effect` once on the state of `fish`, and publishes what it gives; `None` when that is
    /// nothing. Blocks until that is durable.
    ///
    /// Effects on a fish run one at a time in a process, and each sees a state that has all events
    /// which those before it have published. Other nodes may act at the same time. `effect` runs on
    /// the calling thread, where no other effect can be run meanwhile.
    ///
    /// # Errors
    /// As [`Node::run_with`], but for those that only its options lead to.
    pub fn run<S: Send + 'static>(
        &self,
        fish: &Fish<S>,
        effect: impl FnOnce(&S) -> Wanted,
    ) -> Result<Option<Appended>> {
        self.run_with(fish, RunOptions::default(), effect)
    }

    /// As [`Node::run`], as `options` say.
    ///
    /// # Errors
    /// `user_code`, reason `effect`: the effect failed, and nothing was published.
    /// `invalid_argument`, reason `nested_effect`: an effect runs on this thread already.
    /// `timeout`, `not_yet_visible`: the time was over first; the effect did not run. As
    /// [`Node::observe`], [`StateSubscription::next_state`] and [`Node::publish`].
    pub fn run_with<S: Send + 'static>(
        &self,
        fish: &Fish<S>,
        options: RunOptions,
        effect: impl FnOnce(&S) -> Wanted,
    ) -> Result<Option<Appended>> {
        self.run_within(fish, options, effect, &Within::default())
    }

    /// As [`Node::run_with`], in a session.
    pub(super) fn run_within<S: Send + 'static>(
        &self,
        fish: &Fish<S>,
        options: RunOptions,
        effect: impl FnOnce(&S) -> Wanted,
        session: &Within,
    ) -> Result<Option<Appended>> {
        Acting::check_none()?;
        let RunOptions { after, timeout, publish } = options;
        session.wait(self)?;
        let deadline = timeout.and_then(|timeout| clock::now().checked_add(timeout));
        let (_observed, turn) = self.turn_within(fish, after, deadline, session)?;
        session.sees(&turn.emission().offsets);
        let state = fish.decode(&turn.emission().state)?;
        let events = guarded_effect(fish, &turn, || effect(&state))?;
        if events.is_empty() {
            return Ok(None);
        }
        // Not waited for: the turn would be kept meanwhile.
        session.check(self)?;
        let appended = turn.publish(self, events, publish).wait()?;
        session.sees(&appended.token());
        Ok(Some(appended))
    }

    /// A turn on a state of all that `after` and the session name by then, and what observes the
    /// fish meanwhile.
    fn turn_within<S: Send + 'static>(
        &self,
        fish: &Fish<S>,
        mut after: After,
        deadline: Option<Instant>,
        session: &Within,
    ) -> Result<(StateSubscription, EffectTurn)> {
        let mut subscription = self.observe_bytes(fish)?;
        let mut rounds = 1;
        loop {
            if let Some(own) = session.after() {
                // What it publishes sorts after all of that, whatever can match.
                within(self.wait_for(&own, None), deadline)?;
                after.token.join(&own.token);
            }
            if after != After::default() {
                subscription = within(subscription.after(self, &after), deadline)?;
            }
            let turn = within(subscription.effect_turn(), deadline)?;
            if rounds == TURN_ROUNDS_MAX || session.is_shown(&after.token, &turn) {
                return Ok((subscription, turn));
            }
            // The session has seen more since it asked. Nobody waits for that with the turn.
            rounds += 1;
        }
    }

    /// Runs `effect` on the state of `fish`, now and whenever it has changed, until `cancel_when`
    /// holds for a state; each time as [`Node::run`] does, on a thread of its own.
    ///
    /// # Errors
    /// As [`Node::observe`]; `internal`: the system gives no thread; `invalid_argument`, reason
    /// `nested_effect`: an effect runs on this thread. What ends it later is in [`Running::wait`].
    pub fn keep_running<S: Send + 'static>(
        &self,
        fish: &Fish<S>,
        effect: impl FnMut(&S) -> Wanted + Send + 'static,
        cancel_when: impl FnMut(&S) -> bool + Send + 'static,
    ) -> Result<Running> {
        self.keep_running_within(fish, effect, cancel_when, Within::default())
    }

    /// As [`Node::keep_running`], in a session.
    pub(super) fn keep_running_within<S: Send + 'static>(
        &self,
        fish: &Fish<S>,
        effect: impl FnMut(&S) -> Wanted + Send + 'static,
        cancel_when: impl FnMut(&S) -> bool + Send + 'static,
        session: Within,
    ) -> Result<Running> {
        Acting::check_none()?;
        let (completer, answer) = pending(None);
        let is_wanted = Arc::new(AtomicBool::new(true));
        let (log, subscription) = (self.log()?.clone(), self.observe_bytes(fish)?);
        let shown = subscription.signal().clone();
        let kept = Kept {
            node: self.weak(),
            subscription,
            decode: decode_of(fish),
            fish: fish.clone(),
            is_wanted: is_wanted.clone(),
            effect,
            cancel_when,
            session,
        };
        let keep = move || {
            let mut kept = kept;
            completer.complete(kept.run());
        };
        match thread::Builder::new().name("millpond-effect".into()).spawn(keep) {
            Ok(_) => Ok(Running { is_wanted, shown, log, answer }),
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
    /// Wakes it.
    shown: Signal,
    log: Log,
    answer: Pending<()>,
}

impl Running {
    /// Ends it, after the run that is under way. [`Running::wait`] says when.
    pub fn stop(&self) {
        self.is_wanted.store(false, Ordering::Release);
        if !self.log.is_forked() {
            self.shown.raise();
        }
    }

    /// Blocks until it has ended, or for `timeout` (none waits for ever); `None` when that passed
    /// first.
    ///
    /// # Errors
    /// What ended it other than `stop`, `cancel_when` or the node's close: `user_code`, reason
    /// `effect`, those of [`StateSubscription::next_state`] and of [`Node::publish`].
    /// `forked_process`.
    pub fn wait(&mut self, timeout: Option<Duration>) -> Option<Result<()>> {
        if let Err(error) = self.log.check_process() {
            return Some(Err(error));
        }
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
    session: Within,
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
        let is_wanted = || self.is_wanted.load(Ordering::Acquire);
        if !self.subscription.wait_while(None, is_wanted)? {
            return Ok(false);
        }
        let Some(turn) = self.turn()? else { return Ok(false) };
        self.subscription.skip(turn.emission().number);
        self.session.sees(&turn.emission().offsets);
        let state = (self.decode)(&turn.emission().state)?;
        let mut is_last = false;
        let events = guarded_effect(&self.fish, &turn, || {
            is_last = (self.cancel_when)(&state);
            if is_last { Ok(Vec::new()) } else { (self.effect)(&state) }
        })?;
        if !events.is_empty() {
            let node = self.node.upgrade().map(Node::of).ok_or_else(closed_node)?;
            self.session.check(&node)?;
            let appended = turn.publish(&node, events, PublishOptions::default()).wait()?;
            self.session.sees(&appended.token());
        }
        Ok(!is_last)
    }

    /// A turn on a state of all that the session has seen by then; none when this is to end first.
    fn turn(&mut self) -> Result<Option<EffectTurn>> {
        let mut rounds = 1;
        loop {
            let asked = self.session.after().unwrap_or_default();
            if !self.wait_for_session(&asked)? {
                return Ok(None);
            }
            // The state of the turn is this one or a newer one, which is not looked at again.
            self.subscription.next_state()?;
            match self.while_wanted(self.subscription.effect_turn())? {
                // The session has seen more since; nobody waits for that with the turn.
                Some(turn)
                    if rounds < TURN_ROUNDS_MAX && !self.session.is_shown(&asked.token, &turn) =>
                {
                    drop(turn);
                }
                turn => return Ok(turn),
            }
            rounds += 1;
        }
    }

    /// Waits until the node and the fold have what the session has seen, without a turn that others
    /// wait for; false when this is to end first.
    fn wait_for_session(&self, after: &After) -> Result<bool> {
        if !self.session.is_one() {
            return Ok(true);
        }
        // Not kept: the node is to close when its owner drops it.
        let node = || self.node.upgrade().map(Node::of).ok_or_else(closed_node);
        let visible = node()?.wait_for(after, None);
        if self.while_wanted(visible)?.is_none() {
            return Ok(false);
        }
        let shown = self.subscription.covering(&node()?, after);
        Ok(self.while_wanted(shown)?.is_some())
    }

    /// The answer; none when this is to end first.
    fn while_wanted<T>(&self, mut answer: Pending<T>) -> Result<Option<T>> {
        loop {
            match answer.wait_timeout(LOOK_INTERVAL) {
                Some(answer) => return answer.map(Some),
                None if self.is_wanted.load(Ordering::Acquire) => {}
                None => return Ok(None),
            }
        }
    }
}

/// The answer, if it comes in time.
///
/// # Errors
/// `timeout`; those of the answer.
fn within<T>(mut answer: Pending<T>, deadline: Option<Instant>) -> Result<T> {
    let Some(deadline) = deadline else { return answer.wait() };
    let left = deadline.saturating_duration_since(clock::now());
    answer.wait_timeout(left).unwrap_or_else(|| {
        let message = "the effect could not begin in time: the state was not there yet, or another \
                       effect on the fish had the turn";
        Err(Error::new(ErrorKind::Timeout, message))
    })
}

/// Runs an effect; a panic in it is a failure of its own.
fn guarded_effect<S: Send + 'static>(
    fish: &Fish<S>,
    turn: &EffectTurn,
    effect: impl FnOnce() -> Wanted,
) -> Result<Vec<NewEvent>> {
    let _acting = turn.acting();
    let ran = guarded(|| effect().map_err(|error| error.to_string()));
    ran.map_err(|message| {
        let message = format!("an effect on {} failed: {message}", fish.definition());
        Error::new(ErrorKind::UserCode, message).with_reason("effect")
    })
}
