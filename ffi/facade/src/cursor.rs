//! A query's answer, batch by batch.

use crate::batch::{self, EventBatch};
use crate::close::Closed;
use crate::core;
use crate::entry::{entry, guard, lock};
use crate::errors::{FacadeError, Result};
use crate::explanation::Explanation;
use crate::handles::handle;
use crate::needs::Needs;
use crate::node::{NodeHandle, NodeState};
use crate::offsets::Offsets;
use crate::operation::Done;
use crate::options::QueryOptions;
use crate::publish::refuse_cancelled;
use crate::puller::{Pulled, Puller, Source};
use crate::wait::{Limit, Wait};
use crate::{registry, status, workers};
use millpond::log::Outlook;
use millpond::query::Query;
use millpond::{Completeness, Looks};
use std::sync::{Arc, Mutex};

handle! {
    /// The answer to one query, over the log as it was when the query was asked.
    CursorHandle
}

/// What a cursor handle stands for.
pub(crate) struct CursorState {
    puller: Arc<Puller<EventBatch>>,
    upper: Offsets,
    cursor: Shared,
    /// What was known of other nodes when it was asked.
    outlook: Arc<Outlook>,
}

/// Locked while a batch is read, and while it is explained.
type Shared = Arc<Mutex<core::Cursor>>;

struct Answer {
    cursor: Shared,
    upper: Offsets,
}

impl Source<EventBatch> for Answer {
    fn pull(&mut self, count_max: usize) -> Result<Pulled<EventBatch>> {
        let mut cursor = lock(&self.cursor);
        let mut events = batch::spare();
        cursor.next_batch_into(&mut events, count_max)?;
        let batch = if events.is_empty() {
            batch::keep(events);
            EventBatch::end(self.upper.clone().into())
        } else {
            EventBatch::of_query(events, self.upper.clone())
        };
        Ok(Pulled { item: Some(batch.with_looks(cursor.looks())), more: true })
    }
}

impl CursorState {
    pub(crate) fn node(&self) -> &Arc<NodeState> {
        self.puller.node()
    }

    pub(crate) fn end(&self) {
        self.puller.end();
    }
}

impl NodeHandle {
    /// Asks a query. Close the cursor with [`CursorHandle::close`]; it also ends with its node.
    ///
    /// # Errors
    /// `query_invalid`: with `position` and a picture. `not_yet_visible`: the log does not cover
    /// `upper`, or in time what `after` or the session names. `invalid_argument`, `closed`,
    /// `timeout`, `cancelled`.
    pub fn query(self, text: &str, options: QueryOptions, wait: &Wait<'_>) -> Result<CursorHandle> {
        entry("node_query", self.id(), || {
            refuse_cancelled(wait.limit)?;
            let needs = options.needs()?;
            let wait = self.covered(&needs, Some(text), wait)?;
            let text = text.to_owned();
            let ask = move || self.ask_query(&text, options, &needs);
            workers::block(&wait, move || guard("node_query_work", self.id(), ask), close_quietly)
        })
    }

    /// As [`NodeHandle::query`], without waiting.
    pub fn query_start(
        self,
        text: &str,
        options: QueryOptions,
        limit: Limit,
        done: impl FnOnce(Result<CursorHandle>) + Send + 'static,
    ) {
        let (needs, own) = (options.needs(), text.to_owned());
        let read = move |needs: Needs, limit, done: Done<CursorHandle>| {
            let ask = move || self.ask_query(&own, options, &needs);
            let job = move || entry("node_query", self.id(), ask);
            workers::start(limit, done, job, close_quietly);
        };
        self.covered_start("node_query", needs, Some(text), limit, Box::new(done), read);
    }

    fn ask_query(self, text: &str, options: QueryOptions, needs: &Needs) -> Result<CursorHandle> {
        let node = NodeState::usable(self.id())?;
        let query = Query::parse(text)?;
        let cursor = node.core().query(&query, options.resolve()?)?;
        needs.sees(cursor.upper());
        let upper = Offsets::from(cursor.upper().clone());
        let outlook = cursor.outlook().clone();
        let cursor = Arc::new(Mutex::new(cursor));
        let puller = Arc::new(Puller::new(node.clone(), upper.clone().into(), true));
        puller.set_source(Box::new(Answer { cursor: cursor.clone(), upper: upper.clone() }));
        let id = node.keep_reader(CursorState { puller, upper, cursor, outlook })?;
        Ok(CursorHandle::from_id(id))
    }

    /// As [`CursorHandle::explain_start`], for a cursor of this query that was closed when it had
    /// looked at `actual`.
    pub fn explain_start(
        self,
        text: &str,
        options: QueryOptions,
        actual: Looks,
        limit: Limit,
        done: impl FnOnce(Result<Explanation>) + Send + 'static,
    ) {
        let text = text.to_owned();
        let explain = move || {
            let node = NodeState::usable(self.id())?;
            let cursor = node.core().query(&Query::parse(&text)?, options.resolve()?)?;
            Ok(millpond::Explanation { actual, ..cursor.explain()? }.into())
        };
        let job = move || entry("node_explain", self.id(), explain);
        workers::start(limit, Box::new(done), job, drop);
    }
}

impl CursorHandle {
    /// The next events, at most `count_max` (default 1,024, at most 4,096). After the last one the
    /// batch says `is_end`, again and again.
    ///
    /// A call that ended with `timeout` or `cancelled` loses nothing: what was read for it is given
    /// to the next calls. From the second full batch on, or the first of 1,024 events or more, the
    /// next two are read ahead.
    ///
    /// # Errors
    /// `closed`: the cursor or its node. `corrupt`, `storage_failed`: a block could not be read.
    pub fn next_batch(self, count_max: Option<usize>, wait: &Wait<'_>) -> Result<EventBatch> {
        entry("cursor_next_batch", self.id(), || self.state()?.puller.next(count_max, wait))
    }

    /// As [`CursorHandle::next_batch`], without waiting.
    pub fn next_batch_start(
        self,
        count_max: Option<usize>,
        limit: Limit,
        done: impl FnOnce(Result<EventBatch>) + Send + 'static,
    ) {
        let puller = entry("cursor_next_batch", self.id(), || Ok(self.state()?.puller.clone()));
        Puller::start(puller, count_max, limit, Box::new(done));
    }

    /// The offset map that the query is answered at.
    ///
    /// # Errors
    /// `closed`, `invalid_argument`.
    pub fn upper(self) -> Result<Offsets> {
        entry("cursor_upper", self.id(), || Ok(self.state()?.upper.clone()))
    }

    /// How complete the answer is, as one JSON object: the offset map that it is read at, streams
    /// that were known to be behind, nodes that were not in reach; as of when it was asked.
    ///
    /// # Errors
    /// `closed`, `invalid_argument`.
    pub fn completeness_json(self) -> Result<String> {
        entry("cursor_completeness", self.id(), || {
            let state = self.state()?;
            let us = state.node().core().node_id();
            let offsets = state.upper.map();
            Ok(status::completeness(&Completeness::new(us, offsets.clone(), &state.outlook)))
        })
    }

    /// How the query is answered: what the index expects, and what was looked at so far, which is
    /// nothing before the first batch. A batch that is read ahead counts when it is read. Costs a
    /// look into each segment of the postings.
    ///
    /// # Errors
    /// `closed`: the cursor or its node. `corrupt`: a segment is damaged. `storage_failed`,
    /// `timeout`, `cancelled`.
    pub fn explain(self, wait: &Wait<'_>) -> Result<Explanation> {
        entry("cursor_explain", self.id(), || {
            refuse_cancelled(wait.limit)?;
            let job = move || guard("cursor_explain_work", self.id(), || self.explained());
            workers::block(wait, job, drop)
        })
    }

    /// As [`CursorHandle::explain`], without waiting.
    pub fn explain_start(
        self,
        limit: Limit,
        done: impl FnOnce(Result<Explanation>) + Send + 'static,
    ) {
        let job = move || entry("cursor_explain", self.id(), || self.explained());
        workers::start(limit, Box::new(done), job, drop);
    }

    fn explained(self) -> Result<Explanation> {
        Ok(lock(&self.state()?.cursor).explain()?.into())
    }

    /// Ends the cursor. Calls that wait for it get the end.
    ///
    /// # Errors
    /// `invalid_argument`: it never was a cursor.
    pub fn close(self) -> Result<Closed> {
        entry("cursor_close", self.id(), || {
            let Some(state) = registry::remove::<CursorState>(self.id())? else {
                return Ok(Closed::Before);
            };
            lock(&state.node().readers).remove(&self.id());
            state.end();
            Ok(Closed::Now)
        })
    }

    fn state(self) -> Result<Arc<CursorState>> {
        let state = registry::get::<CursorState>(self.id())?;
        state.node().check_poison()?;
        Ok(state)
    }
}

impl NodeState {
    /// Gives a handle to something that ends with this node.
    pub(crate) fn keep_reader<S: registry::Registered>(self: &Arc<Self>, state: S) -> Result<u64> {
        self.keep_shared(Arc::new(state))
    }

    /// As `keep_reader`, of something that is shared already.
    pub(crate) fn keep_shared<S: registry::Registered>(
        self: &Arc<Self>,
        state: Arc<S>,
    ) -> Result<u64> {
        let mut readers = lock(&self.readers);
        if !self.is_open() {
            let message = "the node is being closed";
            return Err(FacadeError::new(millpond::ErrorKind::Closed, message));
        }
        let id = registry::insert(state)?;
        readers.insert(id);
        Ok(id)
    }
}

/// Nobody waits for the cursor any more.
fn close_quietly(cursor: CursorHandle) {
    let _ = cursor.close();
}
