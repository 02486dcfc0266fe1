//! A subscription as a stream, for any executor.

use crate::driver::key_subscription::KeySubscription;
use crate::driver::subscription::Subscription;
use crate::error::{ErrorKind, Result};
use crate::log::{Batch, KeyStep};
use futures_core::Stream;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// Done when there may be more to pull.
type Ready = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What can be pulled, and waited for.
trait Pull: Unpin {
    type Item;

    /// The next item, if there is one now.
    fn pull(&mut self, count_max: usize) -> Result<Option<Self::Item>>;

    fn ready(&self) -> Ready;
}

/// Batches of a subscription, one after the other, each of at least one event.
///
/// Ends when the node closes; after any other error, which is its last item. Nothing is read ahead,
/// so a stream that is not polled costs nothing, and dropping a `next` half-way loses nothing.
pub struct Batches(Pulled<Subscription>);

/// Steps of a subscription in key order, one after the other: events, and rewinds.
///
/// Ends as [`Batches`] does.
pub struct KeySteps(Pulled<KeySubscription>);

struct Pulled<S> {
    source: S,
    count_max: usize,
    waiting: Option<Ready>,
    ended: bool,
}

impl Batches {
    pub(crate) fn new(subscription: Subscription, count_max: usize) -> Batches {
        Batches(Pulled::new(subscription, count_max))
    }
}

impl KeySteps {
    pub(crate) fn new(subscription: KeySubscription, count_max: usize) -> KeySteps {
        KeySteps(Pulled::new(subscription, count_max))
    }
}

impl Pull for Subscription {
    type Item = Batch;

    fn pull(&mut self, count_max: usize) -> Result<Option<Batch>> {
        Ok(Some(self.next_batch(count_max)?).filter(|batch| !batch.events.is_empty()))
    }

    fn ready(&self) -> Ready {
        Box::pin(Subscription::ready(self))
    }
}

impl Pull for KeySubscription {
    type Item = KeyStep;

    fn pull(&mut self, count_max: usize) -> Result<Option<KeyStep>> {
        Ok(Some(self.next_step(count_max)?).filter(|step| *step != KeyStep::Nothing))
    }

    fn ready(&self) -> Ready {
        Box::pin(KeySubscription::ready(self))
    }
}

impl<S: Pull> Pulled<S> {
    fn new(source: S, count_max: usize) -> Pulled<S> {
        Pulled { source, count_max, waiting: None, ended: false }
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<S::Item>>> {
        while !self.ended {
            if let Some(waiting) = &mut self.waiting {
                ready!(waiting.as_mut().poll(context));
                self.waiting = None;
            }
            match self.source.pull(self.count_max) {
                Ok(None) => self.waiting = Some(self.source.ready()),
                Ok(Some(item)) => return Poll::Ready(Some(Ok(item))),
                Err(error) => {
                    self.ended = true;
                    let is_end = error.kind() == ErrorKind::Closed;
                    return Poll::Ready((!is_end).then_some(Err(error)));
                }
            }
        }
        Poll::Ready(None)
    }
}

impl Stream for Batches {
    type Item = Result<Batch>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Batch>>> {
        self.get_mut().0.poll_next(context)
    }
}

impl Stream for KeySteps {
    type Item = Result<KeyStep>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<KeyStep>>> {
        self.get_mut().0.poll_next(context)
    }
}
