//! Which of the streams that a peer asked for go first: those with events that it named.
//!
//! A stream is only ever sent in order, so what is urgent in it takes along what stands before. We
//! look a few blocks ahead: so it costs little, whatever the peer named.

use crate::error::{Error, ErrorKind, Result};
use crate::event::StreamId;
use crate::event::limits::BLOCK_EVENTS_MAX;
use crate::query::{Interval, Query};
use crate::sync::io::LogRead;
use std::collections::{BTreeMap, BTreeSet};

/// Longest canonical text of a priority, in bytes of UTF-8.
pub const PRIORITY_BYTES_MAX: usize = 1024;
/// Most alternatives of a priority: sets of tags of which an event must have one.
pub const PRIORITY_ALTERNATIVES_MAX: usize = 16;
/// How far ahead of what is sent next we look, in events.
const LOOK_AHEAD: u64 = 8 * BLOCK_EVENTS_MAX;
/// Streams that are looked at before something is sent.
const LOOKS_MAX: usize = 8;

/// What one peer wants first, and of which of its requests that is known.
#[derive(Debug, Default)]
pub(crate) struct Priority {
    query: Option<Query>,
    /// A session says it once: so nobody has us plan queries all day.
    is_set: bool,
    /// Requests that were not looked at, from where they stand.
    unseen: BTreeSet<StreamId>,
    /// Streams with events that go first, and where the last one of them that we saw ends.
    urgent: BTreeMap<StreamId, u64>,
    /// Of the others, up to where there is none.
    plain: BTreeMap<StreamId, u64>,
}

impl Priority {
    /// The peer wants first what `text` selects; nothing in particular, when it says what a peer
    /// may not ask for, or we do not understand. `requests`: what the peer waits for.
    pub(crate) fn set(&mut self, text: &str, requests: impl Iterator<Item = StreamId>) {
        if std::mem::replace(&mut self.is_set, true) {
            return;
        }
        self.query = Query::parse(text).and_then(|query| checked(&query)).ok();
        if self.query.is_some() {
            self.unseen.extend(requests);
        }
    }

    /// `stream` goes on at `next`, or begins to be asked for from there.
    pub(crate) fn goes_on(&mut self, stream: StreamId, next: u64) {
        if self.query.is_none() {
            return;
        }
        let is_known = self.urgent.get(&stream).is_some_and(|end| *end > next)
            || self.plain.get(&stream).is_some_and(|end| *end > next);
        if !is_known {
            self.ends(&stream);
            self.unseen.insert(stream);
        }
    }

    /// `stream` is not asked for any more, or anew.
    pub(crate) fn ends(&mut self, stream: &StreamId) {
        self.unseen.remove(stream);
        self.urgent.remove(stream);
        self.plain.remove(stream);
    }

    /// Looks at some of the requests that were not looked at; `span` says from where to where each
    /// of them goes.
    pub(crate) fn look(
        &mut self,
        log: &dyn LogRead,
        span: impl Fn(&StreamId) -> Option<(u64, u64)>,
    ) {
        let Some(query) = &self.query else { return };
        for _ in 0..LOOKS_MAX {
            let Some(stream) = self.unseen.pop_first() else { return };
            let Some((from, to)) = span(&stream) else { continue };
            let to = to.min(from.saturating_add(LOOK_AHEAD));
            // What cannot be read has no priority; it may be read later.
            match log.last_match(query, &stream, from, to) {
                Ok(Some(end)) if end > from => drop(self.urgent.insert(stream, end)),
                _ => drop(self.plain.insert(stream, to)),
            }
        }
    }

    /// The streams that go first.
    pub(crate) fn urgent(&self) -> &BTreeMap<StreamId, u64> {
        &self.urgent
    }
}

/// The query as it is looked up, if it may be a priority.
///
/// # Errors
/// `limit_exceeded`: its text or the number of its alternatives. `invalid_argument`: it bounds keys
/// or times, which no index finds.
pub(crate) fn checked(query: &Query) -> Result<Query> {
    if query.to_string().len() > PRIORITY_BYTES_MAX {
        let message = format!("a priority has at most {PRIORITY_BYTES_MAX} bytes of text");
        return Err(Error::new(ErrorKind::LimitExceeded, message));
    }
    let plan = query.plan();
    if !plan.is_exact || plan.conjunctions.len() > PRIORITY_ALTERNATIVES_MAX {
        let message = format!("a priority has at most {PRIORITY_ALTERNATIVES_MAX} alternatives");
        return Err(Error::new(ErrorKind::LimitExceeded, message));
    }
    if plan.conjunctions.iter().any(|own| own.keys != Interval::ALL || own.times != Interval::ALL) {
        let message = "a priority names tags and app ids; bounds of keys and times cannot be \
                       looked up in other nodes' streams";
        return Err(Error::new(ErrorKind::InvalidArgument, message));
    }
    Ok(query.normal_form())
}
