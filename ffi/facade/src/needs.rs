//! What a read must have seen: waiting until the log covers it.
//!
//! Rule: a call that names a token or a session has its timeout for that wait, whose end is
//! `not_yet_visible`; what is left of it is for the call itself, which then reads a log that covers
//! all of it.

use crate::awaited::{self, Place};
use crate::core::{self, After};
use crate::entry::{entry, lock};
use crate::errors::{FacadeError, Result};
use crate::node::{NodeHandle, NodeState};
use crate::offsets::Offsets;
use crate::operation::{Done, Operation};
use crate::publish::refuse_cancelled;
use crate::session::{SessionHandle, SessionState};
use crate::wait::{Limit, Wait, deadline};
use crate::workers;
use millpond::event::OffsetMap;
use millpond::query::Query;
use millpond::{ErrorKind, Pending};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// What a read must have seen, and who is told of what it gave.
#[derive(Clone, Default)]
pub(crate) struct Needs {
    token: Option<OffsetMap>,
    session: Option<Arc<SessionState>>,
}

impl Needs {
    /// # Errors
    /// `closed`, `invalid_argument`: it is not an open session.
    pub(crate) fn new(after: Option<Offsets>, session: Option<SessionHandle>) -> Result<Needs> {
        let session = session.map(SessionHandle::state).transpose()?;
        Ok(Needs { token: after.map(Offsets::into_map), session })
    }

    /// Whether there is anything to wait for.
    pub(crate) fn are_said(&self) -> bool {
        self.token.is_some() || self.session.is_some()
    }

    /// All of it, as of now.
    pub(crate) fn token(&self) -> OffsetMap {
        // Not a default: nothing said is the beginning of history.
        let mut token = self.token.clone().unwrap_or_default();
        if let Some(session) = &self.session {
            token.join(&session.token());
        }
        token
    }

    /// The session has seen this, too.
    pub(crate) fn sees(&self, seen: &OffsetMap) {
        if let Some(session) = &self.session {
            session.sees(seen);
        }
    }

    /// The answer when the log covers it; as far as the query can tell, if one is given.
    fn coverage(
        &self,
        core: &core::Node,
        query: Option<&str>,
        timeout: Option<Duration>,
    ) -> Result<Pending<()>> {
        let query = query.map(Query::parse).transpose()?;
        Ok(core.wait_for(&After { token: self.token(), timeout }, query.as_ref()))
    }

    /// Why the log does not cover all of it now; `None` when it does. Never waits.
    pub(crate) fn missing_here(&self, node: &NodeState) -> Option<FacadeError> {
        if !self.are_said() {
            return None;
        }
        let looked =
            self.coverage(node.core(), None, Some(Duration::ZERO)).and_then(|own| Ok(own.wait()?));
        looked.err()
    }

    /// The error of a call that waited for it: a timeout says what was missing, if anything was.
    pub(crate) fn blamed(&self, node: &NodeState, error: FacadeError) -> FacadeError {
        let is_late = error.is(ErrorKind::Timeout);
        let missing = is_late.then(|| self.missing_here(node)).flatten();
        missing.filter(|missing| missing.is(ErrorKind::NotYetVisible)).unwrap_or(error)
    }
}

/// What is left until `end` for the rest of a call.
pub(crate) fn rest(limit: Limit, end: Option<Instant>) -> Limit {
    let timeout = end.map(|end| end.saturating_duration_since(Instant::now()));
    Limit { timeout, ..limit }
}

/// Waits until the log covers what a read needs, at most as long as `wait` says; gives what is left
/// of that for the read itself.
///
/// # Errors
/// `not_yet_visible`: names what is missing. `cancelled`, `query_invalid`; `closed`: the node is
/// being closed.
pub(crate) fn covered<'w>(
    node: &Arc<NodeState>,
    needs: &Needs,
    query: Option<&str>,
    wait: &Wait<'w>,
) -> Result<Wait<'w>> {
    if !needs.are_said() {
        return Ok(*wait);
    }
    let pending = needs.coverage(node.core(), query, wait.limit.timeout)?;
    let end = deadline(wait.limit.timeout);
    let unbounded = Wait { limit: Limit { timeout: None, ..wait.limit }, ..*wait };
    awaited::block_within(&[&node.calls], node, pending, &unbounded, Ok)?;
    Ok(Wait { limit: rest(wait.limit, end), ..*wait })
}

/// Has `work` done on a worker: the thread that gave an answer gives those of others, too.
pub(crate) fn on_worker<T: 'static>(done: Done<T>, work: impl FnOnce(Done<T>) + Send + 'static) {
    let kept = Arc::new(Mutex::new(Some((done, work))));
    let taken = kept.clone();
    let submitted = workers::submit(move || {
        let taken = lock(&taken).take();
        if let Some((done, work)) = taken {
            work(done);
        }
    });
    let left = submitted.err().and_then(|error| Some((error, lock(&kept).take()?)));
    if let Some((error, (done, _))) = left {
        done(Err(error));
    }
}

/// As [`on_worker`], for a call whose result may be dropped: it ends within `limit` also while all
/// workers are busy.
pub(crate) fn call_on_worker<T: Send + 'static>(
    limit: Limit,
    done: Done<T>,
    work: impl FnOnce(Done<T>) + Send + 'static,
) {
    let call = Operation::begin(limit, done);
    let own = call.clone();
    let ended = Box::new(move |result| drop(own.complete(result)));
    on_worker(ended, move |done| {
        if call.is_waiting() {
            work(done);
        }
    });
}

impl NodeHandle {
    /// As [`covered`], for a call on this node.
    ///
    /// # Errors
    /// As there; `closed`.
    pub(crate) fn covered<'w>(
        self,
        needs: &Needs,
        query: Option<&str>,
        wait: &Wait<'w>,
    ) -> Result<Wait<'w>> {
        match needs.are_said() {
            true => covered(&NodeState::usable(self.id())?, needs, query, wait),
            false => Ok(*wait),
        }
    }

    /// As `covered`, without waiting; then `read` goes on with what is left: here when nothing is
    /// needed, else on a worker.
    pub(crate) fn covered_start<T: Send + 'static>(
        self,
        name: &'static str,
        needs: Result<Needs>,
        query: Option<&str>,
        limit: Limit,
        done: Done<T>,
        read: impl FnOnce(Needs, Limit, Done<T>) + Send + 'static,
    ) {
        let needs = match needs {
            Ok(needs) if needs.are_said() => needs,
            Ok(needs) => return read(needs, limit, done),
            Err(error) => return done(Err(error)),
        };
        let (end, unbounded) = (deadline(limit.timeout), Limit { timeout: None, ..limit });
        let asking = needs.clone();
        let place = Place::default();
        let held = place.clone();
        let ending = Box::new(move |visible: Result<()>| {
            held.let_go();
            match visible {
                Ok(()) => on_worker(done, move |done| read(needs, rest(limit, end), done)),
                Err(error) => done(Err(error)),
            }
        });
        let operation = Operation::begin(unbounded, ending);
        let watched = operation.clone();
        awaited::start(&operation, &place, Ok, || {
            entry(name, self.id(), || {
                let node = NodeState::usable(self.id())?;
                node.calls.watch(&watched);
                let pending = asking.coverage(node.core(), query, limit.timeout)?;
                Ok((node, pending))
            })
        });
    }

    /// Waits until the log covers `token`: whatever is read then has seen it. With a query only for
    /// what can match it, where that is known.
    ///
    /// # Errors
    /// As [`NodeHandle::node_id`]; `not_yet_visible`: it does not within the timeout; names the
    /// streams that are [missing](crate::FacadeError::missing). `query_invalid`, `cancelled`.
    pub fn wait_for(self, token: &Offsets, query: Option<&str>, wait: &Wait<'_>) -> Result<()> {
        entry("node_wait_for", self.id(), || {
            let needs = Needs { token: Some(token.map().clone()), session: None };
            refuse_cancelled(wait.limit)?;
            self.covered(&needs, query, wait).map(drop)
        })
    }

    /// As [`NodeHandle::wait_for`], without waiting.
    pub fn wait_for_start(
        self,
        token: &Offsets,
        query: Option<&str>,
        limit: Limit,
        done: impl FnOnce(Result<()>) + Send + 'static,
    ) {
        let needs = Needs { token: Some(token.map().clone()), session: None };
        let done: Done<()> = Box::new(done);
        self.covered_start("node_wait_for", Ok(needs), query, limit, done, |_, _, done| {
            done(Ok(()));
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_of_a_call_has_what_is_left_and_no_more() {
        let limit = Limit { timeout: Some(Duration::from_secs(60)), cancel: None };
        assert_eq!(rest(limit, None).timeout, None);
        let over = Instant::now();
        assert_eq!(rest(limit, Some(over)).timeout, Some(Duration::ZERO));
        let left = rest(limit, deadline(limit.timeout)).timeout.unwrap();
        assert!(left <= Duration::from_secs(60));
    }
}
