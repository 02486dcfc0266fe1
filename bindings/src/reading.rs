//! Calls of cursors and subscriptions.

use crate::answer::Completion;
use crate::batch::Looks;
use crate::bridge::Bridge;
use crate::options::QueryOptions;
use millpond_facade::{CursorHandle, NodeHandle, SubscriptionHandle};

#[uniffi::export]
impl Bridge {
    /// The next events of a cursor.
    pub fn next_of_cursor(
        &self,
        ticket: u64,
        cursor: u64,
        count_max: Option<u32>,
        limit_ms: Option<u64>,
    ) -> Option<Completion> {
        self.start("bridge_next_of_cursor", ticket, limit_ms, |limit, done| {
            let count_max = count_max.map(|count| count as usize);
            CursorHandle::from_id(cursor).next_batch_start(count_max, limit, done);
            Ok(())
        })
    }

    /// How a cursor answers its query, as JSON text.
    pub fn explain_cursor(
        &self,
        ticket: u64,
        cursor: u64,
        limit_ms: Option<u64>,
    ) -> Option<Completion> {
        self.start("bridge_explain_cursor", ticket, limit_ms, |limit, done| {
            CursorHandle::from_id(cursor).explain_start(limit, done);
            Ok(())
        })
    }

    /// The same for a query that is over and had looked at so much.
    pub fn explain_query(
        &self,
        ticket: u64,
        node: u64,
        text: String,
        options: QueryOptions,
        actual: Looks,
        limit_ms: Option<u64>,
    ) -> Option<Completion> {
        self.start("bridge_explain_query", ticket, limit_ms, |limit, done| {
            let options = options.to_facade()?;
            NodeHandle::from_id(node).explain_start(&text, options, actual.into(), limit, done);
            Ok(())
        })
    }

    /// The next events of a subscription.
    pub fn next_of_subscription(
        &self,
        ticket: u64,
        subscription: u64,
        count_max: Option<u32>,
        limit_ms: Option<u64>,
    ) -> Option<Completion> {
        self.start("bridge_next_of_subscription", ticket, limit_ms, |limit, done| {
            let count_max = count_max.map(|count| count as usize);
            SubscriptionHandle::from_id(subscription).next_batch_start(count_max, limit, done);
            Ok(())
        })
    }
}
