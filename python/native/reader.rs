//! Where batches come from: a cursor or a subscription of the facade.

use millpond_facade::{Closed, CursorHandle, EventBatch, Limit, Result, SubscriptionHandle, Wait};

/// A handle that gives batches; the facade has the same calls for both.
#[derive(Clone, Copy)]
pub(crate) enum Reader {
    Cursor(CursorHandle),
    Subscription(SubscriptionHandle),
}

impl Reader {
    pub(crate) fn next_batch(
        self,
        count_max: Option<usize>,
        wait: &Wait<'_>,
    ) -> Result<EventBatch> {
        match self {
            Reader::Cursor(handle) => handle.next_batch(count_max, wait),
            Reader::Subscription(handle) => handle.next_batch(count_max, wait),
        }
    }

    pub(crate) fn next_batch_start(
        self,
        count_max: Option<usize>,
        limit: Limit,
        done: impl FnOnce(Result<EventBatch>) + Send + 'static,
    ) {
        match self {
            Reader::Cursor(handle) => handle.next_batch_start(count_max, limit, done),
            Reader::Subscription(handle) => handle.next_batch_start(count_max, limit, done),
        }
    }

    pub(crate) fn close(self) -> Result<Closed> {
        match self {
            Reader::Cursor(handle) => handle.close(),
            Reader::Subscription(handle) => handle.close(),
        }
    }
}
