//! The front door for who reads: queries, subscriptions, and waiting for what was seen elsewhere.

use crate::driver::key_subscription::KeySubscription;
use crate::driver::node::Node;
use crate::driver::subscription::Subscription;
use crate::driver::waits;
use crate::error::Result;
use crate::event::{Columns, KeyPosition, OffsetMap};
use crate::log::{Cursor, CursorOptions, Log};
use crate::pending::Pending;
use crate::query::{Order, Query};
use std::time::Duration;

/// How to read.
#[derive(Clone, Debug, Default)]
pub struct QueryOptions {
    /// In which order.
    pub order: Order,
    /// Only events after this point in history.
    pub lower: OffsetMap,
    /// Only events up to this point; none means what is durable now.
    pub upper: Option<OffsetMap>,
    /// What is decoded of the events; a column that is left out costs nothing.
    pub columns: Columns,
    /// Only once the log covers a point in history.
    pub after: Option<After>,
}

/// Which point in history a read needs, and for how long it waits for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct After {
    /// What was seen or written before: of a publish [`Appended::token`](crate::Appended::token),
    /// of a cursor its `upper`, of a subscription its position, or what came as a text from
    /// elsewhere. Several make one by [`OffsetMap::join`].
    pub token: OffsetMap,
    /// How long to wait; zero does not wait, none waits for ever.
    pub timeout: Option<Duration>,
}

impl Node {
    /// Reads the events that `query` selects, over one consistent view of the log.
    ///
    /// Blocks with `options.after` until the log covers that point, as far as the query can tell;
    /// who must not block awaits [`Node::wait_for`] first.
    ///
    /// # Errors
    /// `not_yet_visible`: `upper` reaches beyond what is held, or the time of `after` is over; with
    /// what is [missing](crate::Error::missing). `closed`, `forked_process`.
    pub fn query(&self, query: &Query, options: QueryOptions) -> Result<Cursor> {
        let QueryOptions { order, lower, upper, columns, after } = options;
        if let Some(after) = after {
            self.wait_for(&after, Some(query)).wait()?;
        }
        self.log()?.cursor(query, CursorOptions { order, lower, upper, columns })
    }

    /// Delivers the events that `query` selects, everything after `from`, then live.
    ///
    /// # Errors
    /// `closed`, `forked_process`.
    pub fn subscribe(&self, query: &Query, from: OffsetMap) -> Result<Subscription> {
        Ok(Subscription::new(self.log()?.subscribe(query, from)?))
    }

    /// As [`Node::subscribe`], once the log covers `after`, as far as the query can tell.
    ///
    /// # Errors
    /// In the answer. `not_yet_visible`: it does not after `after.timeout`. `closed`,
    /// `forked_process`.
    pub fn subscribe_after(
        &self,
        query: &Query,
        from: OffsetMap,
        after: &After,
    ) -> Pending<Subscription> {
        let query = query.clone();
        self.once_covered(after, &query.clone(), move |log| {
            Ok(Subscription::new(log.subscribe(&query, from)?))
        })
    }

    /// As [`Node::subscribe_by_key`], once the log covers `after`, as far as the query can tell.
    ///
    /// # Errors
    /// In the answer. `not_yet_visible`: it does not after `after.timeout`. `closed`,
    /// `forked_process`.
    pub fn subscribe_by_key_after(
        &self,
        query: &Query,
        from: KeyPosition,
        after: &After,
    ) -> Pending<KeySubscription> {
        let query = query.clone();
        self.once_covered(after, &query.clone(), move |log| {
            Ok(KeySubscription::new(log.subscribe_by_key(&query, from)?))
        })
    }

    fn once_covered<T: Send + 'static>(
        &self,
        after: &After,
        query: &Query,
        begin: impl FnOnce(&Log) -> Result<T> + Send + 'static,
    ) -> Pending<T> {
        let log = match self.log() {
            Ok(log) => log.clone(),
            Err(error) => return Pending::ready(Err(error)),
        };
        let visible = self.wait_for(after, Some(query));
        visible.then(move |visible| Pending::ready(visible.and_then(|()| begin(&log))))
    }

    /// Delivers the events that `query` selects in key order, everything after `from`, then live;
    /// where one comes late, the way back: see [`KeySubscription`].
    ///
    /// A position that counts events which are not held here leads back to the beginning.
    ///
    /// # Errors
    /// `closed`, `forked_process`.
    pub fn subscribe_by_key(&self, query: &Query, from: KeyPosition) -> Result<KeySubscription> {
        Ok(KeySubscription::new(self.log()?.subscribe_by_key(query, from)?))
    }

    /// What is durable here: how many events of each stream. Of a branch, in which a stream with
    /// two histories goes on, what comes before it counts, too.
    ///
    /// # Errors
    /// `closed`, `forked_process`.
    pub fn offsets(&self) -> Result<OffsetMap> {
        Ok((*self.log()?.durable_map()?).clone())
    }

    /// Answers when the log covers `after.token`: whatever is read then has seen it. At once where
    /// it does already. A subscription that begins then has caught up only beyond it.
    ///
    /// With a query only for what can match it, where that is known: a query for events of this
    /// node (`isLocal`) waits for no other, and one for keys below a bound for no stream that is
    /// held beyond it. Of a stream with two histories either may be meant, so it waits for both.
    ///
    /// Dropping the answer ends the wait.
    ///
    /// # Errors
    /// In the answer. `not_yet_visible`: it does not after `after.timeout`; names what is
    /// [missing](crate::Error::missing). `closed`, `forked_process`.
    pub fn wait_for(&self, after: &After, query: Option<&Query>) -> Pending<()> {
        match self.log() {
            Ok(log) => {
                waits::wait_for(log.coverage(&after.token, query), after.timeout, self.closed())
            }
            Err(error) => Pending::ready(Err(error)),
        }
    }
}
