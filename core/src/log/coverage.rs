//! Whether the log covers a point in history, and what it lacks.
//!
//! Rule: what is durable here never goes, so what is covered once stays covered. Of a read that
//! says what it asks for, only streams count that can have an answer.

use super::bell::Bell;
use super::disk::{Filter, Shared};
use super::log::Log;
use super::watch::Callback;
use crate::error::Result;
use crate::event::{Behind, Lamport, OffsetMap};
use crate::query::Query;
use std::sync::Arc;

/// A point in history that somebody waits for.
pub(crate) struct Coverage {
    shared: Arc<Shared>,
    token: OffsetMap,
    filter: Option<Filter>,
    bell: Bell,
}

impl Log {
    /// What the log lacks of `token`, by rising stream id; nothing when it covers it. With a query
    /// only streams that can have a match among the missing events, which is known where the query
    /// asks for events of this node (`isLocal`), or for keys below a bound.
    ///
    /// Of a stream with two histories either may be meant, so both count up to there.
    ///
    /// # Errors
    /// `closed`, `forked_process`.
    pub fn missing(&self, token: &OffsetMap, query: Option<&Query>) -> Result<Vec<Behind>> {
        self.coverage(token, query).missing()
    }

    /// The same point in history under the names that streams have now.
    ///
    /// # Errors
    /// `closed`, `forked_process`.
    pub(crate) fn translate(&self, map: &mut OffsetMap) -> Result<()> {
        self.shared().check_open()?;
        let (durable, windows) = self.shared().state().visible();
        if !windows.is_empty() {
            windows.translate(map, &durable);
        }
        Ok(())
    }

    /// To wait for `token`.
    pub(crate) fn coverage(&self, token: &OffsetMap, query: Option<&Query>) -> Coverage {
        let shared = self.shared().clone();
        let filter = query.map(|query| Filter::new(query, shared.node));
        Coverage { bell: Bell::durable(shared.clone()), shared, token: token.clone(), filter }
    }
}

impl Coverage {
    /// As [`Log::missing`].
    pub(crate) fn missing(&self) -> Result<Vec<Behind>> {
        self.shared.check_open()?;
        let state = self.shared.state();
        if state.durable.covers(&self.token) {
            return Ok(Vec::new());
        }
        let (durable, windows) = state.visible();
        let mut token = self.token.clone();
        windows.translate(&mut token, &durable);
        let mut missing = missing(&token, &durable);
        if let Some(filter) = &self.filter {
            missing.retain(|behind| {
                let held = state.streams.get(&behind.stream);
                let lamport = held.map_or(Lamport::ZERO, |held| held.head.lamport);
                filter.admits_after(&behind.stream, lamport)
            });
        }
        Ok(missing)
    }

    /// Calls `callback` when the log has grown or was closed, as long as this lives; from the
    /// thread that commits, so it must not block.
    pub(crate) fn on_growth(&self, callback: Callback) {
        self.bell.on_ready(callback, || false);
    }
}

/// What `durable` lacks of `upper`.
pub(super) fn missing(upper: &OffsetMap, durable: &OffsetMap) -> Vec<Behind> {
    let lacking = upper.beyond(durable);
    lacking.map(|(stream, range)| Behind { stream, missing: range.end - range.start }).collect()
}
