//! The front door to fish: observe, ask once, and what shells build both of.

// The rim: each fish of Rust code has a thread of its own while it is observed.
#![allow(clippy::disallowed_methods)]

use crate::driver::node::Node;
use crate::driver::pond::observer::{Decode, Observed, Observer, observed};
use crate::driver::pond::pump::{Pump, PumpStep};
use crate::driver::pond::state_subscription::StateSubscription;
use crate::driver::reading::After;
use crate::error::{Error, ErrorKind, Result};
use crate::event::cbor::Value;
use crate::pending::Pending;
use crate::pond::builtin::{BuiltIn, Tally};
use crate::pond::{Answer, Definition, Fish, Job, Owner};
use crate::query::Query;
use std::sync::Arc;
use std::thread;

impl Node {
    /// The states of `fish`, now and whenever they change: the newest one at once if the fish is
    /// observed already.
    ///
    /// All observers of a fish share one fold, which runs on a thread of its own while there is
    /// one, and goes on from snapshots in the store.
    ///
    /// # Errors
    /// `conflict`, reason `other_definition`: a fish of the same id is observed that is another
    /// version of it, or has another query or codec. `closed`, `forked_process`.
    pub fn observe<S: Send + 'static>(&self, fish: &Fish<S>) -> Result<Observer<S>> {
        Ok(Observer::new(self.observe_bytes(fish)?, decode_of(fish)))
    }

    /// The state of `fish` once, of all that is durable here now or of more; and only once the log
    /// covers `after`, as far as the fish's query can tell. Dropping the answer lets go of the
    /// fish.
    ///
    /// # Errors
    /// In the answer, those of [`Node::observe`], [`StateSubscription::next_state`] and
    /// [`Node::wait_for`].
    pub fn state<S: Send + 'static>(&self, fish: &Fish<S>, after: &After) -> Pending<Observed<S>> {
        self.once(self.observe_bytes(fish), decode_of(fish), after)
    }

    /// As [`Node::observe`], of a fold that takes no code: `fold` of the events that `query`
    /// selects. The states are maps of `value` and `skipped`; see docs/pond.md.
    ///
    /// # Errors
    /// `closed`, `forked_process`.
    pub fn observe_builtin(&self, query: &Query, fold: &BuiltIn) -> Result<Observer<Value>> {
        Ok(Observer::new(self.observe_builtin_bytes(query, fold)?, Arc::new(Value::decode)))
    }

    /// As [`Node::state`], of a fold that takes no code.
    ///
    /// # Errors
    /// As [`Node::observe_builtin`], [`StateSubscription::next_state`] and [`Node::wait_for`].
    pub fn state_of_builtin(
        &self,
        query: &Query,
        fold: &BuiltIn,
        after: &After,
    ) -> Pending<Observed<Value>> {
        self.once(self.observe_builtin_bytes(query, fold), Arc::new(Value::decode), after)
    }

    /// As [`Node::observe_builtin`], with the states as bytes: what shells are made of.
    ///
    /// # Errors
    /// `closed`, `forked_process`.
    pub fn observe_builtin_bytes(
        &self,
        query: &Query,
        fold: &BuiltIn,
    ) -> Result<StateSubscription> {
        let definition = Arc::new(Definition::of_builtin(query.clone(), fold.clone()));
        let (subscription, pump) = self.join_fish(&definition)?;
        let mut tally = Tally::new(fold.clone());
        start(pump, move |job| tally.work(job))?;
        Ok(subscription)
    }

    /// Observes a fish whose code the caller has, with the states as bytes. Who is the first to
    /// observe it gets its fold, too, and must pull it: its jobs are then done for all observers,
    /// who get `user_code`, reason `fold_closed`, when it is dropped. Never waits for the disk.
    ///
    /// # Errors
    /// As [`Node::observe`].
    pub fn join_fish(&self, fish: &Arc<Definition>) -> Result<(StateSubscription, Option<Pump>)> {
        let log = self.log()?;
        log.check_process()?;
        let (watched, is_new) = self.shared().ponds.join(fish, log)?;
        let subscription = StateSubscription::new(watched.clone(), log.clone());
        if !is_new {
            return Ok((subscription, None));
        }
        Ok((subscription, Some(Pump::new(watched, self.shared()))))
    }

    pub(super) fn observe_bytes<S: Send + 'static>(
        &self,
        fish: &Fish<S>,
    ) -> Result<StateSubscription> {
        let (subscription, pump) = self.join_fish(fish.definition())?;
        let mut owner = Owner::new(fish.clone());
        start(pump, move |job| owner.work(job))?;
        Ok(subscription)
    }

    fn once<S: Send + 'static>(
        &self,
        subscription: Result<StateSubscription>,
        decode: Decode<S>,
        after: &After,
    ) -> Pending<Observed<S>> {
        let subscription = match subscription {
            Ok(subscription) => subscription,
            Err(error) => return Pending::ready(Err(error)),
        };
        subscription.after(self, after).then(move |own| {
            // The subscription keeps the fold going until here.
            let emission = own.and_then(|mut own| own.next_state());
            let none = || Error::new(ErrorKind::Internal, "a state is there and is not given");
            let emission = emission.and_then(|emission| emission.ok_or_else(none));
            Pending::ready(emission.and_then(|emission| observed(emission, &decode)))
        })
    }
}

pub(super) fn decode_of<S: Send + 'static>(fish: &Fish<S>) -> Decode<S> {
    let fish = fish.clone();
    Arc::new(move |bytes| fish.decode(bytes))
}

/// Has the fold pulled by a thread.
///
/// # Errors
/// `internal`: the system gives no thread.
fn start(pump: Option<Pump>, mut work: impl FnMut(Job) -> Answer + Send + 'static) -> Result<()> {
    let Some(mut pump) = pump else { return Ok(()) };
    let pull = move || {
        let mut answer = None;
        loop {
            match pump.next_step(answer.take()) {
                PumpStep::Run(job) => answer = Some(work(job)),
                PumpStep::Wait(_) => pump.wait(),
                PumpStep::Ended => break,
            }
        }
    };
    match thread::Builder::new().name("millpond-fish".into()).spawn(pull) {
        Ok(_) => Ok(()),
        Err(error) => {
            let message = format!("the system gives no thread for a fish: {error}");
            Err(Error::new(ErrorKind::Internal, message))
        }
    }
}
