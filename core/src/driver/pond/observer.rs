//! The states of a fish of Rust code, as a stream for any executor.

use crate::driver::causal_session::Within;
use crate::driver::node::Node;
use crate::driver::pond::polled::{Polled, Ready, Source};
use crate::driver::pond::state_subscription::StateSubscription;
use crate::driver::reading::After;
use crate::error::Result;
use crate::event::{EventKey, OffsetMap};
use crate::pending::Pending;
use crate::pond::{Emission, FoldCounts};
use futures_core::Stream;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

/// Decodes a state.
pub(super) type Decode<S> = Arc<dyn Fn(&[u8]) -> Result<S> + Send + Sync>;

/// The states of a fish, each new one once; of several that came since the last one, the newest.
///
/// As a stream it ends when the node closes; after any other error, which is its last item and
/// comes behind the last good state. Each observer has its own copy of a state.
pub struct Observer<S> {
    own: Own<S>,
    polled: Polled,
}

struct Own<S> {
    subscription: StateSubscription,
    decode: Decode<S>,
}

/// A state of a fish, and what it is the state of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observed<S> {
    /// The state.
    pub state: S,
    /// It is the fold of the matching events of this offset map.
    pub offsets: OffsetMap,
    /// The last event in it; `None` when nothing matched.
    pub last: Option<EventKey>,
    /// Counts the states that the fold has shown, from 1.
    pub number: u64,
}

impl<S> Observer<S> {
    pub(super) fn new(subscription: StateSubscription, decode: Decode<S>) -> Observer<S> {
        Observer { own: Own { subscription, decode }, polled: Polled::default() }
    }

    /// The same observer, whose states the session sees.
    pub(super) fn within(self, session: Within) -> Observer<S> {
        let Own { subscription, decode } = self.own;
        Observer::new(subscription.within(session), decode)
    }

    /// As [`StateSubscription::not_before`].
    pub(super) fn not_before(self, offsets: OffsetMap) -> Observer<S> {
        let Own { subscription, decode } = self.own;
        Observer::new(subscription.not_before(offsets), decode)
    }

    pub(super) fn subscription(&self) -> &StateSubscription {
        &self.own.subscription
    }

    /// The same observer once the log covers `after`, as far as the fish's query can tell, and the
    /// fold shows it: each state that it gives from then on is of all that.
    ///
    /// Dropping the answer drops the observer.
    ///
    /// # Errors
    /// In the answer, those of [`StateSubscription::after`].
    pub fn after(self, node: &Node, after: &After) -> Pending<Observer<S>>
    where
        S: Send + 'static,
    {
        let Own { subscription, decode } = self.own;
        let answer = subscription.after(node, after);
        answer.then(|own| Pending::ready(own.map(|own| Observer::new(own, decode))))
    }

    /// The newest state, if it was not given yet; never waits.
    ///
    /// # Errors
    /// As [`StateSubscription::next_state`].
    pub fn next_state(&mut self) -> Result<Option<Observed<S>>> {
        self.own.pull()
    }

    /// Blocks for the next state, or for `timeout` (none waits for ever); `None` when that passed
    /// first.
    ///
    /// # Errors
    /// As [`StateSubscription::next_state`].
    pub fn wait_for_state(&mut self, timeout: Option<Duration>) -> Result<Option<Observed<S>>> {
        loop {
            let is_ready = self.own.subscription.wait(timeout)?;
            let next = self.next_state()?;
            // Another one comes and goes only if somebody else asks with the same observer.
            if next.is_some() || !is_ready {
                return Ok(next);
            }
        }
    }

    /// What the fold has done until its last state.
    pub fn counts(&self) -> FoldCounts {
        self.own.subscription.counts()
    }
}

pub(super) fn observed<S>(emission: Emission, decode: &Decode<S>) -> Result<Observed<S>> {
    let Emission { state, offsets, last, number } = emission;
    Ok(Observed { state: decode(&state)?, offsets, last, number })
}

impl<S> Source for Own<S> {
    type Item = Observed<S>;

    fn pull(&mut self) -> Result<Option<Observed<S>>> {
        let emission = self.subscription.next_state()?;
        emission.map(|emission| observed(emission, &self.decode)).transpose()
    }

    fn ready(&self) -> Ready {
        Box::pin(self.subscription.ready())
    }
}

impl<S> Stream for Observer<S> {
    type Item = Result<Observed<S>>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Observer { own, polled } = self.get_mut();
        polled.poll(own, context)
    }
}
