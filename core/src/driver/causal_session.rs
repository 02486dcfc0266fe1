//! Who reads and writes in turns, at one node or several, and must never go back in time.
//!
//! Fish and effects in a session are in `pond/session`, accounts and claims in `session_deeds`.
//! Rule: whatever a session opens tells it what was given, when it is given (in key order what is
//! about to be, too); nothing is to be told by hand but what came from elsewhere.

use crate::driver::node::{Node, PublishOptions};
use crate::driver::pond::EffectTurn;
use crate::driver::reading::{After, QueryOptions};
use crate::driver::{KeySubscription, Subscription};
use crate::error::Result;
use crate::event::{KeyPosition, NewEvent, OffsetMap};
use crate::log::{Appended, Cursor};
use crate::pending::{Pending, pending};
use crate::query::Query;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Remembers what its owner has written and read, and reads and writes after that: it reads its own
/// writes, never sees less than before, and what it writes sorts after all that it has read.
///
/// What it opens (subscriptions, observers, accounts, claims) adds to it whatever it gives, for as
/// long as that lives. Clones are the same session. It belongs to no node: a person who goes from
/// one terminal to another takes the [`token`](CausalSession::token) along, and
/// [`sees`](CausalSession::sees) it there.
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

    /// Has seen this, too: a token from elsewhere.
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
        self.write(node, || node.publish(events, options))
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

    /// Subscribes at `node`, which has what the session has seen; it sees what is delivered.
    ///
    /// # Errors
    /// `not_yet_visible`, `closed`, `forked_process`.
    pub fn subscribe(&self, node: &Node, query: &Query, from: OffsetMap) -> Result<Subscription> {
        self.wait(node, Some(query)).wait()?;
        Ok(node.subscribe(query, from)?.within(self.into()))
    }

    /// As [`CausalSession::subscribe`], in key order. From the first step on, and from each rewind
    /// on, the session has seen all that was held then, also what is still to be delivered.
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
        Ok(node.subscribe_by_key(query, from)?.within(self.into()))
    }

    /// What `publish` does once `node` has all that was seen; the session sees it, too.
    pub(super) fn write(
        &self,
        node: &Node,
        publish: impl FnOnce() -> Pending<Appended>,
    ) -> Pending<Appended> {
        if let Err(error) = self.wait(node, None).wait() {
            return Pending::ready(Err(error));
        }
        let (queued, session) = (publish(), self.clone());
        // Who blocks for the answer commits the group itself.
        let (completer, answer) = pending(queued.helper());
        queued.on_done(move |appended| {
            if let Ok(appended) = &appended {
                session.sees(&appended.token());
            }
            completer.complete(appended);
        });
        answer
    }

    /// All that it has seen by now, and how long to wait for it.
    pub(super) fn after(&self) -> After {
        After { token: self.token(), timeout: self.timeout }
    }

    fn seen(&self) -> MutexGuard<'_, OffsetMap> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The session that something was opened in, if it was.
#[derive(Clone, Debug, Default)]
pub(crate) struct Within(Option<CausalSession>);

impl Within {
    /// This was given to its owner.
    pub(crate) fn sees(&self, seen: &OffsetMap) {
        if let Some(session) = &self.0 {
            session.sees(seen);
        }
    }

    /// Whether there is a session.
    pub(crate) fn is_one(&self) -> bool {
        self.0.is_some()
    }

    /// Blocks until `node` has what the session has seen.
    ///
    /// # Errors
    /// `not_yet_visible`, `closed`, `forked_process`.
    pub(super) fn wait(&self, node: &Node) -> Result<()> {
        self.0.as_ref().map_or(Ok(()), |session| session.wait(node, None).wait())
    }

    /// Whether `node` has what the session has seen by now; waits for nothing.
    ///
    /// # Errors
    /// As [`Within::wait`].
    pub(super) fn check(&self, node: &Node) -> Result<()> {
        let at_once = |after| After { timeout: Some(Duration::ZERO), ..after };
        self.after().map(at_once).map_or(Ok(()), |after| node.wait_for(&after, None).wait())
    }

    /// Whether the state of a turn, which is one of all that was `asked` for, is one of all that
    /// the session has seen by now.
    pub(super) fn is_shown(&self, asked: &OffsetMap, turn: &EffectTurn) -> bool {
        self.0.as_ref().is_none_or(|session| {
            let seen = session.token();
            asked.covers(&seen) || turn.covers(&seen)
        })
    }

    /// As [`CausalSession::write`]; at once where there is no session.
    pub(super) fn write(
        &self,
        node: &Node,
        publish: impl FnOnce() -> Pending<Appended>,
    ) -> Pending<Appended> {
        match &self.0 {
            Some(session) => session.write(node, publish),
            None => publish(),
        }
    }

    /// What is durable at `node`, which has all that the session has seen; none without one.
    ///
    /// # Errors
    /// `closed`, `forked_process`.
    pub(super) fn lower(&self, node: &Node) -> Result<Option<OffsetMap>> {
        self.0.as_ref().map(|_| node.offsets()).transpose()
    }

    /// What a read is to have seen; none without a session.
    pub(super) fn after(&self) -> Option<After> {
        self.0.as_ref().map(CausalSession::after)
    }
}

impl From<&CausalSession> for Within {
    fn from(session: &CausalSession) -> Within {
        Within(Some(session.clone()))
    }
}
