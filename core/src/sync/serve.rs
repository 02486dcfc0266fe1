//! Answering a peer's requests, stream by stream in turn, as fast as it can take it.

use crate::event::limits::BLOCK_EVENTS_MAX;
use crate::event::{Chain, StreamId};
use crate::sync::constants::{SEND_QUEUE_BYTES_BACKLOG, STREAMS_MAX};
use crate::sync::io::LogRead;
use crate::sync::push::read_backlog;
use crate::sync::session::Session;
use crate::sync::shared::Shared;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::ops::Bound;

/// What a peer asked for and has not been sent.
#[derive(Debug, Default)]
pub(crate) struct Wanted {
    requests: BTreeMap<StreamId, Request>,
    /// Whose turn it was last.
    last: Option<StreamId>,
}

#[derive(Clone, Copy, Debug)]
struct Request {
    next: u64,
    to: u64,
    /// The chain before `next`, once we sent what ends there.
    chain: Option<Chain>,
}

impl Wanted {
    /// The stream whose turn it is, in a circle.
    fn turn(&self) -> Option<(StreamId, Request)> {
        let after = self.last.map_or(Bound::Unbounded, Bound::Excluded);
        let mut later = self.requests.range((after, Bound::Unbounded));
        let found = later.next().or_else(|| self.requests.first_key_value());
        found.map(|(stream, request)| (*stream, *request))
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

impl Session {
    /// The peer lacks events `from..to` of `stream` and wants them from us.
    pub(crate) fn on_want(&mut self, stream: StreamId, from: u64, to: u64, shared: &Shared) {
        self.wanted.requests.remove(&stream);
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
        self.known.set(stream, from);
        self.wanted.requests.insert(stream, Request { next, to: to.max(next + 1), chain: None });
    }

    /// The next piece of what the peer asked for; `unsent` bytes are queued already.
    pub(crate) fn make_answer(
        &mut self,
        unsent: usize,
        shared: &Shared,
        log: &dyn LogRead,
    ) -> Option<Bytes> {
        while unsent < SEND_QUEUE_BYTES_BACKLOG && self.credit.has_for_backlog() {
            let (stream, request) = self.wanted.turn()?;
            self.wanted.last = Some(stream);
            self.wanted.requests.remove(&stream);
            if shared.streams.is_frozen(&stream) {
                continue;
            }
            let outgoing = read_backlog(&stream, request.next, request.chain, shared, log);
            let Some(outgoing) = outgoing else { continue };
            self.known.raise(stream, outgoing.end);
            let (next, chain) = (outgoing.end, Some(outgoing.chain));
            if next < request.to {
                self.wanted.requests.insert(stream, Request { next, chain, ..request });
            }
            self.after_answer(stream, next, shared);
            self.credit.spend(outgoing.cost);
            return Some(outgoing.frame);
        }
        None
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
