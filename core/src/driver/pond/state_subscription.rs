//! What a fish shows, as bytes, and waiting for it: what observers in every language are made of.

use crate::driver::causal_session::Within;
use crate::driver::clock;
use crate::driver::node::Node;
use crate::driver::pond::turn::{Acting, EffectTurn};
use crate::driver::pond::watched::Watched;
use crate::driver::reading::After;
use crate::error::{Error, ErrorKind, Result};
use crate::event::OffsetMap;
use crate::log::{Interest, Log, Signal, Watch};
use crate::pending::Pending;
use crate::pond::{Definition, Emission, FoldCounts};
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// The states of a fish, each new one once; of several that came since the last one, the newest.
///
/// The fold lives as long as one of them. After an error, which comes behind the last good state,
/// each call ends with it; observing the fish again tries again.
pub struct StateSubscription {
    watched: Arc<Watched>,
    log: Log,
    /// The number of the emission that was given last.
    seen: u64,
    /// Names the callback.
    number: u64,
    /// False as long as nothing is given, since the fold does not show yet what it must.
    is_open: Arc<AtomicBool>,
    session: Within,
}

impl StateSubscription {
    /// Takes over one observer.
    pub(super) fn new(watched: Arc<Watched>, log: Log) -> StateSubscription {
        let number = watched.shown.number();
        let (is_open, session) = (Arc::new(AtomicBool::new(true)), Within::default());
        StateSubscription { watched, log, seen: 0, number, is_open, session }
    }

    /// Another observer of the same fold, which was given nothing yet.
    pub fn another(&self) -> StateSubscription {
        self.watched.add_observer();
        StateSubscription::new(self.watched.clone(), self.log.clone()).within(self.session.clone())
    }

    /// The same subscription, whose states the session sees.
    pub(super) fn within(mut self, session: Within) -> StateSubscription {
        self.session = session;
        self
    }

    /// The same subscription, which gives nothing until the fold shows these events, all durable.
    pub(super) fn not_before(mut self, offsets: OffsetMap) -> StateSubscription {
        self.is_open = Arc::default();
        let (is_open, shown) = (self.is_open.clone(), self.watched.shown.clone());
        self.watched.read(offsets).on_done(move |_| {
            is_open.store(true, Ordering::Release);
            shown.raise();
        });
        self
    }

    /// The fish.
    pub fn definition(&self) -> &Arc<Definition> {
        &self.watched.fish
    }

    /// The newest state, if it was not given yet; never waits.
    ///
    /// # Errors
    /// `user_code`: the fish's code failed; reason and message say where; reason `fold_closed`:
    /// whoever had its code run has let go of it. `limit_exceeded`, reason `state`: the state is
    /// too large. `closed`: the node is closed. `corrupt`, `storage_failed`: the log cannot be
    /// read. `forked_process`.
    pub fn next_state(&mut self) -> Result<Option<Emission>> {
        self.log.check_process()?;
        if !self.is_open.load(Ordering::Acquire) {
            return Ok(None);
        }
        let newer = self.watched.newer(self.seen)?;
        if let Some(emission) = &newer {
            self.seen = emission.number;
            self.session.sees(&emission.offsets);
        }
        Ok(newer)
    }

    /// Blocks until [`StateSubscription::next_state`] has something to give, or for `timeout` (none
    /// waits for ever); false when that passed first.
    ///
    /// # Errors
    /// `forked_process`.
    pub fn wait(&self, timeout: Option<Duration>) -> Result<bool> {
        self.wait_while(timeout, || true)
    }

    /// As `wait`, while that holds; it is asked when the fish's signal rings.
    pub(super) fn wait_while(
        &self,
        timeout: Option<Duration>,
        is_wanted: impl Fn() -> bool,
    ) -> Result<bool> {
        let deadline = timeout.and_then(|timeout| clock::now().checked_add(timeout));
        loop {
            let mut watch = Watch::new(self.watched.shown.clone());
            self.log.check_process()?;
            if !is_wanted() {
                return Ok(false);
            }
            if self.has_newer() {
                return Ok(true);
            }
            let at = deadline.unwrap_or_else(|| clock::now() + Duration::from_secs(3600));
            if !watch.wait_until(at) && deadline.is_some() {
                return Ok(false);
            }
        }
    }

    /// Done when [`StateSubscription::next_state`] has something to give. Needs no particular
    /// executor.
    pub fn ready(&self) -> impl Future<Output = ()> + Send + use<> {
        let (watched, seen, is_open) = (self.watched.clone(), self.seen, self.is_open.clone());
        let mut watch = Watch::new(watched.shown.clone());
        async move {
            // In a forked process the next call says so.
            let is_ready = || is_open.load(Ordering::Acquire) && watched.has_newer(seen);
            while !watched.log.is_forked() && !is_ready() {
                watch.changed().await;
            }
        }
    }

    /// Calls `callback` whenever there may be something to give, from a thread of millpond's, and
    /// once now if there is; it must not block. Replaces an earlier one.
    pub fn on_ready(&self, callback: Arc<dyn Fn() + Send + Sync>) {
        if self.log.is_forked() {
            return callback();
        }
        let interest = Interest::All;
        self.watched.shown.set_callback(self.number, Some((callback.clone(), interest)));
        if self.has_newer() {
            callback();
        }
    }

    /// The state once it is that of at least these events, whether it was given or not.
    ///
    /// # Errors
    /// As [`StateSubscription::next_state`].
    pub fn state_after(&self, offsets: OffsetMap) -> Pending<Emission> {
        match self.log.check_process() {
            Ok(()) => self.watched.read(offsets),
            Err(error) => Pending::ready(Err(error)),
        }
    }

    /// The same subscription once the log covers `after`, as far as the fish's query can tell, and
    /// the fold shows it: each state that it gives from then on is of all that. Whoever owns the
    /// code goes on doing the fold's work meanwhile.
    ///
    /// Dropping the answer drops the subscription.
    ///
    /// # Errors
    /// In the answer. `not_yet_visible`: the log does not after `after.timeout`. Those of
    /// [`StateSubscription::next_state`].
    pub fn after(mut self, node: &Node, after: &After) -> Pending<StateSubscription> {
        self.covering(node, after).then(move |emission| {
            let number = emission.map(|emission| emission.number);
            Pending::ready(number.map(|number| {
                self.seen = number.saturating_sub(1);
                self
            }))
        })
    }

    /// The state once the log covers `after` and the fold shows it.
    pub(super) fn covering(&self, node: &Node, after: &After) -> Pending<Emission> {
        let visible = node.wait_for(after, Some(self.definition().query()));
        // Code of the application that hangs on the answer is not to hold up all who wait.
        let is_at_once = visible.is_done();
        let (log, watched) = (self.log.clone(), self.watched.clone());
        visible.then(move |visible| {
            let durable = match visible.and_then(|()| log.durable_map()) {
                Ok(durable) => (*durable).clone(),
                Err(error) => return Pending::ready(Err(error)),
            };
            match is_at_once {
                true => watched.read(durable),
                false => watched.read_later(durable),
            }
        })
    }

    /// The right to act on the state, once all who asked before are done.
    ///
    /// # Errors
    /// In the answer. `invalid_argument`, reason `nested_effect`: an effect runs on this thread.
    /// Those of [`StateSubscription::next_state`].
    pub fn effect_turn(&self) -> Pending<EffectTurn> {
        match Acting::check_none() {
            Ok(()) => self.effect_turn_for_another_thread(),
            Err(error) => Pending::ready(Err(error)),
        }
    }

    /// The same for who asks on another thread, where [`Acting::check_none`] was called.
    pub fn effect_turn_for_another_thread(&self) -> Pending<EffectTurn> {
        match self.log.check_process() {
            Ok(()) => self.watched.turn(),
            Err(error) => Pending::ready(Err(error)),
        }
    }

    /// What the fold has done until its last emission.
    pub fn counts(&self) -> FoldCounts {
        match self.log.is_forked() {
            true => FoldCounts::default(),
            false => self.watched.counts(),
        }
    }

    fn has_newer(&self) -> bool {
        self.is_open.load(Ordering::Acquire) && self.watched.has_newer(self.seen)
    }

    /// Rings when there may be something to give.
    pub(super) fn signal(&self) -> &Signal {
        &self.watched.shown
    }

    /// States up to this one are as given.
    pub(super) fn skip(&mut self, number: u64) {
        self.seen = self.seen.max(number);
    }

    pub(super) fn is_end(error: &Error) -> bool {
        error.kind() == ErrorKind::Closed
    }
}

impl Drop for StateSubscription {
    fn drop(&mut self) {
        if !self.log.is_forked() {
            self.watched.shown.set_callback(self.number, None);
            self.watched.drop_observer();
        }
    }
}
