//! Publishing: the one call whose speed everybody measures.

use crate::cancel::CancelState;
use crate::core::Appended;
use crate::draft::Draft;
use crate::entry::entry;
use crate::errors::{FacadeError, Result};
use crate::needs::Needs;
use crate::node::{NodeHandle, NodeState};
use crate::offsets::Offsets;
use crate::operation::{Done, Operation, Slot, cancelled};
use crate::options::PublishOptions;
use crate::registry;
use crate::wait::{Limit, Wait};
use millpond::event::NewEvent;
use millpond::event::limits::BATCH_EVENTS_MAX;
use millpond::{BlobId, BlobRef, ErrorKind, Pending};
use std::sync::Arc;
use std::time::Duration;

/// Where published events stand. Event `i` has offset `first_offset + i` and lamport
/// `first_lamport + i`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// The stream that they are in: this node's own.
    pub stream: String,
    /// Offset of the first.
    pub first_offset: u64,
    /// Lamport of the first.
    pub first_lamport: u64,
    /// How many.
    pub count: u64,
    /// This node's wall clock, µs since 1970 UTC.
    pub time_micros: i64,
    /// What a later read must cover to see them and what they could have been based on.
    pub token: Offsets,
    /// True when an earlier call with this idempotency key published them.
    pub replayed: bool,
}

impl Published {
    /// The event key of event `index`, `<lamport>/<stream id>`; `None` past the last.
    pub fn key(&self, index: u64) -> Option<String> {
        (index < self.count).then(|| format!("{}/{}", self.first_lamport + index, self.stream))
    }
}

impl From<Appended> for Published {
    fn from(published: Appended) -> Published {
        Published {
            stream: published.stream.to_string(),
            first_offset: published.first_offset.value(),
            first_lamport: published.first_lamport.value(),
            count: published.count,
            time_micros: published.time.micros(),
            token: published.token().into(),
            replayed: published.replayed,
        }
    }
}

impl NodeHandle {
    /// Publishes 1 to `BATCH_EVENTS_MAX` events together: all of them or none.
    ///
    /// A call that ends with `cancelled` or `timeout` may have been handed over already: its events
    /// may be stored all the same. A retry with an idempotency key is safe.
    ///
    /// # Errors
    /// `limit_exceeded`, `invalid_argument`: nothing was stored. `conflict`: the stream is not as
    /// `expected`, or the key was used for other events. `not_found`, reason `blob_not_here`: a
    /// blob of an event is neither here whole nor referred to by an event that is.
    /// `not_yet_visible`: the log does not cover in time what the session has seen; nothing was
    /// stored. `storage_full`, `storage_failed`, `timeout`, `cancelled`, `closed`.
    pub fn publish(
        self,
        drafts: Vec<Draft>,
        options: PublishOptions,
        wait: &Wait<'_>,
    ) -> Result<Published> {
        entry("node_publish", self.id(), || {
            refuse_cancelled(wait.limit)?;
            let needs = options.needs()?;
            let wait = &self.covered(&needs, None, wait)?;
            let pending = self.hand_over(drafts, options)?;
            wait_published(pending, &needs, wait)
        })
    }

    /// As [`NodeHandle::publish`], without waiting.
    pub fn publish_start(
        self,
        drafts: Vec<Draft>,
        options: PublishOptions,
        limit: Limit,
        done: impl FnOnce(Result<Published>) + Send + 'static,
    ) {
        let needs = options.needs();
        let publish = move |needs: Needs, limit, done: Done<Published>| {
            let ask = || entry("node_publish", self.id(), || self.hand_over(drafts, options));
            start_published(ask, needs, limit, done);
        };
        self.covered_start("node_publish", needs, None, limit, Box::new(done), publish);
    }

    fn hand_over(self, drafts: Vec<Draft>, options: PublishOptions) -> Result<Pending<Appended>> {
        let node = NodeState::usable(self.id())?;
        let options = options.resolve()?;
        let events = events_of(drafts, |id| node.blob_said(id))?;
        Ok(node.core().publish(events, options))
    }
}

/// Waits for what was published.
pub(crate) fn wait_published(
    mut pending: Pending<Appended>,
    needs: &Needs,
    wait: &Wait<'_>,
) -> Result<Published> {
    let needs = needs.clone();
    let published = move |appended: Appended| {
        needs.sees(&appended.token());
        Published::from(appended)
    };
    if wait.is_unbounded() {
        return Ok(published(pending.wait()?));
    }
    // The thread that waits may do the commit itself, which saves a switch of threads.
    if let Some(result) = pending.wait_timeout(Duration::ZERO) {
        return Ok(published(result?));
    }
    let (slot, operation) = Slot::begin(wait);
    let ending = operation.clone();
    pending.on_done(move |result| {
        ending.complete(result.map(published).map_err(FacadeError::from));
    });
    slot.wait(&operation, wait, || {})
}

/// Ends `done` with what `ask` publishes.
pub(crate) fn start_published(
    ask: impl FnOnce() -> Result<Pending<Appended>>,
    needs: Needs,
    limit: Limit,
    done: Done<Published>,
) {
    publish_for(&Operation::begin(limit, done), ask, needs);
}

/// Ends `operation` with what `ask` publishes; `ask` is not called for one that has ended.
pub(crate) fn publish_for(
    operation: &Arc<Operation<Published>>,
    ask: impl FnOnce() -> Result<Pending<Appended>>,
    needs: Needs,
) {
    if !operation.is_waiting() {
        return;
    }
    let operation = operation.clone();
    match ask() {
        Ok(pending) => pending.on_done(move |result| {
            let published = result.map(|appended| {
                needs.sees(&appended.token());
                Published::from(appended)
            });
            operation.complete(published.map_err(FacadeError::from));
        }),
        Err(error) => {
            operation.complete(Err(error));
        }
    }
}

/// The events of drafts, if they can be published together; `said` gives a blob as they are to
/// speak of it.
///
/// # Errors
/// `invalid_argument`: there is none. `limit_exceeded`: there are too many. Those of `said`; an
/// event cannot refer to its blobs.
pub(crate) fn events_of(
    drafts: Vec<Draft>,
    said: impl Fn(&BlobId) -> Result<BlobRef>,
) -> Result<Vec<NewEvent>> {
    if drafts.is_empty() {
        return Err(FacadeError::invalid("publish at least one event"));
    }
    if drafts.len() > BATCH_EVENTS_MAX {
        return Err(too_many_events(drafts.len()));
    }
    drafts.into_iter().map(|draft| draft.into_event(&said)).collect()
}

/// `limit_exceeded`, for a shell that sees the count before it makes drafts.
pub fn too_many_events(count: usize) -> FacadeError {
    let message = format!(
        "{count} events in one publish; the limit is {BATCH_EVENTS_MAX}. Publish them in parts"
    );
    FacadeError::new(ErrorKind::LimitExceeded, message)
}

/// What was cancelled before it began does not begin.
pub(crate) fn refuse_cancelled(limit: Limit) -> Result<()> {
    let Some(token) = limit.cancel else { return Ok(()) };
    let token = registry::get::<CancelState>(token.id())?;
    if token.is_cancelled() { Err(cancelled()) } else { Ok(()) }
}
