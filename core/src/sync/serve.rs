//! Answering a peer's requests, stream by stream in turn, as fast as it can take it.

use crate::event::limits::BLOCK_EVENTS_MAX;
use crate::event::{Chain, StreamId};
use crate::sync::constants::{
    FETCH_TIMEOUT, SHORT_ANSWER_BYTES_MAX, SHORT_ANSWER_EVENTS_MAX, SHORT_ANSWERS_MAX, STREAMS_MAX,
};
use crate::sync::io::LogRead;
use crate::sync::priority::Priority;
use crate::sync::push::{Outgoing, read_backlog, read_live};
use crate::sync::session::Session;
use crate::sync::shared::Shared;
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::time::Instant;

/// What a peer asked for and has not been sent.
#[derive(Debug, Default)]
pub(crate) struct Wanted {
    requests: BTreeMap<StreamId, Request>,
    /// Whose turn it was last.
    last: Option<StreamId>,
    /// Requests for so little that they are answered as if it were live.
    short: BTreeSet<StreamId>,
    /// The ends of such answers that were not acknowledged, and until when that is waited for: who
    /// asked for the past, or drops what comes, acknowledges nothing.
    short_sent: BTreeMap<StreamId, (u64, Instant)>,
    priority: Priority,
}

#[derive(Clone, Copy, Debug)]
struct Request {
    next: u64,
    to: u64,
    /// The chain before `next`, once we sent what ends there.
    chain: Option<Chain>,
}

impl Wanted {
    /// The stream whose turn it is, in a circle: of the urgent ones, if there are any.
    fn turn(&mut self, log: &dyn LogRead) -> Option<(StreamId, Request)> {
        let requests = &self.requests;
        self.priority.look(log, |stream| requests.get(stream).map(|own| (own.next, own.to)));
        let urgent = next_in_circle(self.priority.urgent(), self.last);
        let next = urgent.or_else(|| next_in_circle(&self.requests, self.last))?;
        self.last = Some(next);
        self.requests.remove(&next).map(|request| (next, request))
    }

    /// `request` waits for its turn.
    fn insert(&mut self, stream: StreamId, request: Request) {
        self.priority.goes_on(stream, request.next);
        self.requests.insert(stream, request);
    }

    fn remove(&mut self, stream: &StreamId) {
        self.priority.ends(stream);
        self.requests.remove(stream);
        self.short.remove(stream);
    }

    /// The peer wants first what `text` selects.
    pub(crate) fn set_priority(&mut self, text: &str) {
        self.priority.set(text, self.requests.keys().copied());
    }

    /// The peer holds `count` events of `stream`.
    pub(crate) fn acknowledge(&mut self, stream: &StreamId, count: u64) {
        if self.short_sent.get(stream).is_some_and(|(end, _)| *end <= count) {
            self.short_sent.remove(stream);
        }
    }

    /// True when the peer waits for nothing.
    pub(crate) fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }

    /// True when the peer waits for events of `stream`.
    pub(crate) fn contains(&self, stream: &StreamId) -> bool {
        self.requests.contains_key(stream)
    }
}

/// The key after `last`, or the first one.
fn next_in_circle<V>(map: &BTreeMap<StreamId, V>, last: Option<StreamId>) -> Option<StreamId> {
    let after = last.map_or(Bound::Unbounded, Bound::Excluded);
    let mut later = map.range((after, Bound::Unbounded));
    later.next().or_else(|| map.first_key_value()).map(|(stream, _)| *stream)
}

impl Session {
    /// The peer lacks events `from..to` of `stream` and wants them from us.
    pub(crate) fn on_want(&mut self, stream: StreamId, from: u64, to: u64, shared: &Shared) {
        self.wanted.remove(&stream);
        if from == to {
            return;
        }
        self.pushes.remove(&stream);
        // Pieces of the past are asked for to examine them, or to mend a disk.
        if from >= self.known.count(&stream) {
            self.tree.is_asked_for(stream);
        }
        let held = shared.streams.get(&stream).map_or(0, |state| state.durable_count());
        let next = from.max(shared.streams.base(&stream));
        let is_served = from < held && !shared.streams.is_frozen(&stream);
        if !is_served || self.wanted.requests.len() >= STREAMS_MAX {
            // Tell it what there is, so that it looks elsewhere.
            if held > 0 && self.announcements.heads.insert(stream) {
                self.flush_soon(shared.now);
            }
            return;
        }
        self.peer_holds(stream, from);
        self.end_trails(shared.now);
        self.known.set(stream, from);
        let to = to.max(next + 1);
        self.wanted.insert(stream, Request { next, to, chain: None });
        let is_short = to.min(held).saturating_sub(next) <= SHORT_ANSWER_EVENTS_MAX;
        self.wanted.short_sent.retain(|own, (_, until)| *own != stream && *until > shared.now);
        let short_count = self.wanted.short.len() + self.wanted.short_sent.len();
        if is_short && self.trailing.count(&stream) == 0 && short_count < SHORT_ANSWERS_MAX {
            self.wanted.short.insert(stream);
        }
    }

    /// The answer to a request for very little, for the live lane: who lacks a few events of a
    /// stream waits for no backlog of another one. A few at a time, so that what is live waits for
    /// few of them.
    pub(crate) fn make_short_answer(
        &mut self,
        shared: &Shared,
        log: &dyn LogRead,
    ) -> Option<Bytes> {
        while self.credit.has_for_backlog() {
            let stream = self.wanted.short.pop_first()?;
            let Some(request) = self.wanted.requests.get(&stream).copied() else { continue };
            if shared.streams.is_frozen(&stream) {
                continue;
            }
            let outgoing = read_live(&stream, request.next, request.chain, shared, log);
            let held = shared.streams.get(&stream).map_or(0, |state| state.durable_count());
            // What is not so little, or cannot be read, is left to its turn.
            let is_little = |outgoing: &Outgoing| {
                outgoing.end >= request.to.min(held)
                    && outgoing.frame.len() <= SHORT_ANSWER_BYTES_MAX
            };
            let Some(outgoing) = outgoing.filter(is_little) else { continue };
            self.wanted.remove(&stream);
            let until = shared.now + FETCH_TIMEOUT;
            self.wanted.short_sent.insert(stream, (outgoing.end, until));
            self.known.raise(stream, outgoing.end);
            self.after_answer(stream, outgoing.end, shared);
            self.credit.spend(outgoing.cost);
            return Some(outgoing.frame);
        }
        None
    }

    /// The next piece of what the peer asked for, or of what goes on from there.
    pub(crate) fn make_answer(&mut self, shared: &Shared, log: &dyn LogRead) -> Option<Bytes> {
        while self.credit.has_for_backlog() {
            let (stream, request) = self.wanted.turn(log)?;
            if shared.streams.is_frozen(&stream) {
                continue;
            }
            let outgoing = read_backlog(&stream, request.next, request.chain, shared, log);
            let Some(outgoing) = outgoing else {
                self.wanted.priority.ends(&stream);
                // It could not be read now: the peer learns that it is there, and asks for it.
                self.announcements.heads.insert(stream);
                self.flush_soon(shared.now);
                continue;
            };
            self.known.raise(stream, outgoing.end);
            self.trailing.raise(stream, outgoing.end);
            let (next, chain) = (outgoing.end, Some(outgoing.chain));
            match next < request.to {
                true => self.wanted.insert(stream, Request { next, chain, ..request }),
                false => self.wanted.priority.ends(&stream),
            }
            self.after_answer(stream, next, shared);
            self.credit.spend(outgoing.cost);
            return Some(outgoing.frame);
        }
        None
    }

    /// Events of `stream` from `from` on follow those that are on the backlog lane.
    pub(crate) fn trail(&mut self, stream: StreamId, from: u64, to: u64) {
        self.wanted.insert(stream, Request { next: from, to, chain: None });
    }

    /// Having been brought to the end of what it asked for, the peer is pushed what came since; if
    /// it asked for a piece of the past, it is told of the rest.
    fn after_answer(&mut self, stream: StreamId, end: u64, shared: &Shared) {
        let held = shared.streams.get(&stream).map_or(0, |state| state.durable_count());
        if self.wanted.contains(&stream) || end >= held {
            return;
        }
        if held - end <= BLOCK_EVENTS_MAX {
            self.push_rest(stream, shared.now);
        } else if self.announcements.heads.insert(stream) {
            self.flush_soon(shared.now);
        }
    }
}
