//! A subscription as a stream, for any executor.

use crate::driver::subscription::Subscription;
use crate::error::{ErrorKind, Result};
use crate::log::Batch;
use futures_core::Stream;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// Batches of a subscription, one after the other, each of at least one event.
///
/// Ends when the node closes; after any other error, which is its last item. Nothing is read ahead,
/// so a stream that is not polled costs nothing, and dropping a `next` half-way loses nothing.
pub struct Batches {
    subscription: Subscription,
    count_max: usize,
    waiting: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    ended: bool,
}

impl Batches {
    pub(crate) fn new(subscription: Subscription, count_max: usize) -> Batches {
        Batches { subscription, count_max, waiting: None, ended: false }
    }
}

impl Stream for Batches {
    type Item = Result<Batch>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Batch>>> {
        let this = self.get_mut();
        while !this.ended {
            if let Some(waiting) = &mut this.waiting {
                ready!(waiting.as_mut().poll(context));
                this.waiting = None;
            }
            match this.subscription.next_batch(this.count_max) {
                Ok(batch) if batch.events.is_empty() => {
                    this.waiting = Some(Box::pin(this.subscription.ready()));
                }
                Ok(batch) => return Poll::Ready(Some(Ok(batch))),
                Err(error) => {
                    this.ended = true;
                    let is_end = error.kind() == ErrorKind::Closed;
                    return Poll::Ready((!is_end).then_some(Err(error)));
                }
            }
        }
        Poll::Ready(None)
    }
}
