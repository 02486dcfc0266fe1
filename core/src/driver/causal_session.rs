//! Who reads and writes in turns, at one node or several, and must never go back in time.

use crate::driver::node::{Node, PublishOptions};
use crate::driver::reading::{After, QueryOptions};
use crate::driver::{KeySubscription, Observed, Observer, Subscription};
use crate::error::Result;
use crate::event::{KeyPosition, NewEvent, OffsetMap};
use crate::log::{Appended, Cursor};
use crate::pending::Pending;
use crate::pond::Fish;
use crate::query::Query;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Remembers what its owner has written and read, and reads and writes after that: it reads its own
/// writes, never sees less than before, and what it writes sorts after all that it has read.
///
/// Clones are the same session. It belongs to no node: a person who goes from one terminal to
/// another takes the [`token`](CausalSession::token) along, and [`sees`](CausalSession::sees) it
/// there.
///
/// Calls block until the node has what the session has seen, for up to the timeout; where nothing
/// came from elsewhere that is at once. Who must not block awaits [`CausalSession::wait`] first.
#[derive(Clone, Debug)]
pub struct CausalSession {
    seen: Arc<Mutex<OffsetMap>>,
    timeout: Option<Duration>,
}

impl CausalSession {
    /// A session that has seen nothing. Its calls wait for at most `timeout`; none waits for ever.
    pub fn new(timeout: Option<Duration>) -> CausalSession {
        CausalSession { seen: Arc::default(), timeout }
    }

    /// What it has seen.
    pub fn token(&self) -> OffsetMap {
        self.seen().clone()
    }

    /// Has seen this, too: a token from elsewhere, or the position of a batch that a subscription
    /// delivered.
    pub fn sees(&self, token: &OffsetMap) {
        self.seen().join(token);
    }

    /// Answers when the node has what the session has seen by now; with a query what can match it.
    ///
    /// # Errors
    /// As [`Node::wait_for`].
    pub fn wait(&self, node: &Node, query: Option<&Query>) -> Pending<()> {
        node.wait_for(&self.after(), query)
    }

    /// The state of `fish` at `node`, of all that the session has seen and that can match; and sees
    /// what it is the state of.
    ///
    /// # Errors
    /// In the answer, those of [`Node::state`].
    pub fn state<S: Send + 'static>(&self, node: &Node, fish: &Fish<S>) -> Pending<Observed<S>> {
        let session = self.clone();
        node.state(fish, &self.after()).then(move |observed| {
            if let Ok(observed) = &observed {
                session.sees(&observed.offsets);
            }
            Pending::ready(observed)
        })
    }

    /// Observes `fish` at `node`: each state is of all that the session has seen by now and that
    /// can match. Say what came by [`CausalSession::sees`].
    ///
    /// # Errors
    /// As [`Node::observe`]; in the answer, those of [`Observer::after`].
    pub fn observe<S: Send + 'static>(
        &self,
        node: &Node,
        fish: &Fish<S>,
    ) -> Result<Pending<Observer<S>>> {
        Ok(node.observe(fish)?.after(node, &self.after()))
    }

    fn after(&self) -> After {
        After { token: self.token(), timeout: self.timeout }
    }

    /// Publishes at `node`, whose events then sort after all that the session has seen; the answer
    /// is seen as soon as it is there.
    ///
    /// # Errors
    /// In the answer. `not_yet_visible`: the node does not have what was seen. Those of
    /// [`Node::publish`].
    pub fn publish(
        &self,
        node: &Node,
        events: Vec<NewEvent>,
        options: PublishOptions,
    ) -> Pending<Appended> {
        if let Err(error) = self.wait(node, None).wait() {
            return Pending::ready(Err(error));
        }
        let session = self.clone();
        node.publish(events, options).map(move |appended| {
            session.sees(&appended.token());
            Ok(appended)
        })
    }

    /// Reads at `node` what includes all that the session has seen and that can match, and sees
    /// what the answer is read over. `options.after` is waited for, too.
    ///
    /// # Errors
    /// As [`Node::query`].
    pub fn query(&self, node: &Node, query: &Query, mut options: QueryOptions) -> Result<Cursor> {
        let mut after =
            options.after.unwrap_or(After { timeout: self.timeout, ..After::default() });
        after.token.join(&self.seen());
        options.after = Some(after);
        let cursor = node.query(query, options)?;
        self.sees(cursor.upper());
        Ok(cursor)
    }

    /// Subscribes at `node`, which has what the session has seen. Say what is delivered by
    /// [`CausalSession::sees`].
    ///
    /// # Errors
    /// `not_yet_visible`, `closed`, `forked_process`.
    pub fn subscribe(&self, node: &Node, query: &Query, from: OffsetMap) -> Result<Subscription> {
        self.wait(node, Some(query)).wait()?;
        node.subscribe(query, from)
    }

    /// As [`CausalSession::subscribe`], in key order.
    ///
    /// # Errors
    /// `not_yet_visible`, `closed`, `forked_process`.
    pub fn subscribe_by_key(
        &self,
        node: &Node,
        query: &Query,
        from: KeyPosition,
    ) -> Result<KeySubscription> {
        self.wait(node, Some(query)).wait()?;
        node.subscribe_by_key(query, from)
    }

    fn seen(&self) -> MutexGuard<'_, OffsetMap> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
