//! The fish that is made of the first event of a query, which may be yet to come.

use crate::driver::causal_session::Within;
use crate::driver::node::{Handle, Node, closed_node};
use crate::driver::pond::all::{made, ready, ring_on, wait_for};
use crate::driver::pond::first_seed::FirstSeed;
use crate::driver::pond::observer::{Observed, Observer};
use crate::driver::pond::polled::{Polled, Ready, Source};
use crate::error::{Error, Result};
use crate::event::{EventView, OffsetMap};
use crate::log::Signal;
use crate::pond::{CodeError, Fish};
use crate::query::Query;
use futures_core::Stream;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

pub(super) type Made<S> = std::result::Result<Fish<S>, CodeError>;
type MakeFish<S> = Box<dyn FnMut(EventView<'_>) -> Made<S> + Send>;

impl Node {
    /// The states of the fish that `make_fish` makes of the event with the least key which `seed`
    /// selects; nothing until there is one. Where an older one arrives later, the fish of that
    /// takes its place: so all nodes end with the same.
    ///
    /// `make_fish` must be a function of the event. It runs on the thread that asks for states.
    ///
    /// # Errors
    /// `closed`, `forked_process`. Later ones are in [`OneObserver::next_state`].
    pub fn observe_one<S: Send + 'static>(
        &self,
        seed: &Query,
        make_fish: impl FnMut(EventView<'_>) -> Made<S> + Send + 'static,
    ) -> Result<OneObserver<S>> {
        self.observe_one_within(seed, make_fish, Within::default())
    }

    /// As [`Node::observe_one`]; in a session that `node` has all of.
    pub(super) fn observe_one_within<S: Send + 'static>(
        &self,
        seed: &Query,
        make_fish: impl FnMut(EventView<'_>) -> Made<S> + Send + 'static,
        session: Within,
    ) -> Result<OneObserver<S>> {
        let (changed, seeds) = (Signal::default(), self.first_seed(seed)?);
        let rung = changed.clone();
        seeds.on_ready(Arc::new(move || rung.raise()));
        let one = One {
            lower: session.lower(self)?,
            session,
            node: self.weak(),
            seeds,
            make_fish: Box::new(make_fish),
            observer: None,
            changed,
            error: None,
        };
        Ok(OneObserver { one, polled: Polled::default() })
    }
}

/// The states of a fish that is made of an event: as [`Observer`], once there is one.
pub struct OneObserver<S> {
    one: One<S>,
    polled: Polled,
}

impl<S: Send + 'static> OneObserver<S> {
    /// The newest state, if there is a fish and it was not given yet; never waits.
    ///
    /// # Errors
    /// `user_code`, reason `make_fish`: that failed; the message names the event. Those of
    /// [`Node::observe`] and [`Observer::next_state`]. After an error each call gives that.
    pub fn next_state(&mut self) -> Result<Option<Observed<S>>> {
        self.one.pull()
    }

    /// Blocks for the next state, or for `timeout` (none waits for ever); `None` when that passed
    /// first.
    ///
    /// # Errors
    /// As [`OneObserver::next_state`].
    pub fn wait_for_state(&mut self, timeout: Option<Duration>) -> Result<Option<Observed<S>>> {
        let changed = self.one.changed.clone();
        wait_for(&changed, timeout, || self.one.pull())
    }
}

impl<S: Send + 'static> Stream for OneObserver<S> {
    type Item = Result<Observed<S>>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let OneObserver { one, polled } = self.get_mut();
        polled.poll(one, context)
    }
}

struct One<S> {
    node: Weak<Handle>,
    seeds: FirstSeed,
    make_fish: MakeFish<S>,
    observer: Option<Observer<S>>,
    changed: Signal,
    error: Option<Error>,
    session: Within,
    /// The first state of its fish has at least this; none without a session.
    lower: Option<OffsetMap>,
}

impl<S: Send + 'static> Source for One<S> {
    type Item = Observed<S>;

    fn pull(&mut self) -> Result<Option<Observed<S>>> {
        if let Some(error) = &self.error {
            return Err(error.clone());
        }
        let state = self.look();
        if let Err(error) = &state {
            (self.error, self.observer) = (Some(error.clone()), None);
        }
        state
    }

    fn ready(&self) -> Ready {
        ready(&self.changed)
    }
}

impl<S: Send + 'static> One<S> {
    fn look(&mut self) -> Result<Option<Observed<S>>> {
        let seed = self.seeds.try_next()?;
        if let Some(first) = seed.as_ref().and_then(|seed| seed.get(0)) {
            let fish = made(first, || (self.make_fish)(first))?;
            self.change_to(&fish)?;
        }
        self.observer.as_mut().map_or(Ok(None), Observer::next_state)
    }

    fn change_to(&mut self, fish: &Fish<S>) -> Result<()> {
        let is_same =
            |own: &Observer<S>| own.subscription().definition().is_same(fish.definition());
        if self.observer.as_ref().is_some_and(is_same) {
            return Ok(());
        }
        let node = self.node.upgrade().map(Node::of).ok_or_else(closed_node)?;
        self.observer = None;
        let observer = node.observe(fish)?.within(self.session.clone());
        let observer = match &self.lower {
            Some(lower) => observer.not_before(lower.clone()),
            None => observer,
        };
        ring_on(observer.subscription(), &self.changed);
        self.observer = Some(observer);
        Ok(())
    }
}
