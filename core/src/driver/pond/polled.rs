//! Anything that is pulled and waited for, as a stream for any executor.

use crate::driver::pond::state_subscription::StateSubscription;
use crate::error::Result;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// Done when there may be more to pull.
pub(super) type Ready = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What can be pulled.
pub(super) trait Source {
    type Item;

    /// What is new, if anything is; never waits.
    fn pull(&mut self) -> Result<Option<Self::Item>>;

    fn ready(&self) -> Ready;
}

/// How far the polling of a source has come.
#[derive(Default)]
pub(super) struct Polled {
    waiting: Option<Ready>,
    has_ended: bool,
}

impl Polled {
    /// The next item. Ends when the node closes; after any other error, which is the last item.
    pub(super) fn poll<S: Source>(
        &mut self,
        source: &mut S,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<S::Item>>> {
        while !self.has_ended {
            if let Some(waiting) = &mut self.waiting {
                ready!(waiting.as_mut().poll(context));
                self.waiting = None;
            }
            // Made before the look, so that nothing is missed between.
            let waiting = source.ready();
            match source.pull() {
                Ok(None) => self.waiting = Some(waiting),
                Ok(Some(item)) => return Poll::Ready(Some(Ok(item))),
                Err(error) => {
                    self.has_ended = true;
                    let is_end = StateSubscription::is_end(&error);
                    return Poll::Ready((!is_end).then_some(Err(error)));
                }
            }
        }
        Poll::Ready(None)
    }
}
