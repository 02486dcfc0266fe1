//! The states of a fish of Rust code, as a stream for any executor.

use crate::driver::pond::state_subscription::StateSubscription;
use crate::error::Result;
use crate::event::{EventKey, OffsetMap};
use crate::pond::{Emission, FoldCounts};
use futures_core::Stream;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

/// Decodes a state.
pub(super) type Decode<S> = Arc<dyn Fn(&[u8]) -> Result<S> + Send + Sync>;

/// The states of a fish, each new one once; of several that came since the last one, the newest.
///
/// As a stream it ends when the node closes; after any other error, which is its last item and
/// comes behind the last good state. Each observer has its own copy of a state.
pub struct Observer<S> {
    subscription: StateSubscription,
    decode: Decode<S>,
    waiting: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    has_ended: bool,
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
        Observer { subscription, decode, waiting: None, has_ended: false }
    }

    /// The newest state, if it was not given yet; never waits.
    ///
    /// # Errors
    /// As [`StateSubscription::next_state`].
    pub fn next_state(&mut self) -> Result<Option<Observed<S>>> {
        let emission = self.subscription.next_state()?;
        emission.map(|emission| observed(emission, &self.decode)).transpose()
    }

    /// Blocks for the next state, or for `timeout` (none waits for ever); `None` when that passed
    /// first.
    ///
    /// # Errors
    /// As [`StateSubscription::next_state`].
    pub fn wait_for_state(&mut self, timeout: Option<Duration>) -> Result<Option<Observed<S>>> {
        loop {
            let is_ready = self.subscription.wait(timeout)?;
            let next = self.next_state()?;
            // Another one comes and goes only if somebody else asks with the same observer.
            if next.is_some() || !is_ready {
                return Ok(next);
            }
        }
    }

    /// What the fold has done until its last state.
    pub fn counts(&self) -> FoldCounts {
        self.subscription.counts()
    }
}

pub(super) fn observed<S>(emission: Emission, decode: &Decode<S>) -> Result<Observed<S>> {
    let Emission { state, offsets, last, number } = emission;
    Ok(Observed { state: decode(&state)?, offsets, last, number })
}

impl<S> Stream for Observer<S> {
    type Item = Result<Observed<S>>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        while !this.has_ended {
            if let Some(waiting) = &mut this.waiting {
                ready!(waiting.as_mut().poll(context));
                this.waiting = None;
            }
            match this.next_state() {
                Ok(None) => this.waiting = Some(Box::pin(this.subscription.ready())),
                Ok(Some(state)) => return Poll::Ready(Some(Ok(state))),
                Err(error) => {
                    this.has_ended = true;
                    let is_end = StateSubscription::is_end(&error);
                    return Poll::Ready((!is_end).then_some(Err(error)));
                }
            }
        }
        Poll::Ready(None)
    }
}
