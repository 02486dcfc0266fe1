//! What a peer holds under a name of ours and we do not: examined until its histories are known.
//!
//! The peer is asked for a block here and there in the past, from the end backwards in steps that
//! double, until one goes on from what we hold; there the histories part.
//! Not here: what comes of an answer (`heal`), where it belongs (`history`).
//! Rule: a dispute ends when what the peer was known to hold is held here too, or with the session;
//! until then it has a time at which it is looked at again.

use crate::event::limits::BLOCK_EVENTS_MAX;
use crate::event::{Chain, SignedHead, StreamId};
use crate::planted;
use crate::sync::constants::{
    DISPUTES_PER_SESSION_MAX, FETCH_TIMEOUT, PROBE_PAUSE, PROBE_RETRY, PROBE_RETRY_MAX,
};
use crate::sync::schedule::Schedule;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// The disputes of one session, by the stream as the peer names it.
#[derive(Debug, Default)]
pub(crate) struct Disputes {
    open: BTreeMap<StreamId, Dispute>,
    /// When each is looked at again.
    due: Schedule<StreamId>,
}

/// What is known of a peer's history of one stream.
#[derive(Clone, Debug)]
pub(crate) struct Dispute {
    /// What the peer holds and we did not find: the head with the largest count.
    pub(crate) head: SignedHead,
    /// A point that the peer's history and one of ours have in common: events, and the chain.
    pub(crate) low: (u64, Chain),
    /// A larger count at which they have not.
    pub(crate) high: u64,
    /// How many events before `high` to ask next.
    pub(crate) back: u64,
    /// True while it may be that the head belongs to what is on its way to our disk.
    pub(crate) is_doubt: bool,
    /// The offset from which on we asked for events, and when.
    probe: Option<(u64, Instant)>,
    /// The next pause after a question that led nowhere.
    pause: Duration,
}

impl Disputes {
    /// The peer holds `head`, and we nothing that it vouches for. Both hold what is before `low`.
    pub(crate) fn open(&mut self, head: SignedHead, low: (u64, Chain), at: Instant) {
        let stream = head.stream;
        if let Some(known) = self.open.get_mut(&stream) {
            known.is_doubt = false;
            return self.see(&head);
        }
        if self.open.len() < DISPUTES_PER_SESSION_MAX {
            let (high, pause) = (head.count, PROBE_RETRY);
            let dispute = Dispute { head, low, high, back: 0, is_doubt: false, probe: None, pause };
            self.open.insert(stream, dispute);
            if !planted!("dispute_forgotten") {
                self.due.set(stream, at);
            }
        }
    }

    /// What was told may be on its way to our disk.
    pub(crate) fn doubt(&mut self, stream: &StreamId) {
        if let Some(dispute) = self.open.get_mut(stream) {
            dispute.is_doubt = true;
        }
    }

    /// The peer has shown events up to `head`.
    pub(crate) fn see(&mut self, head: &SignedHead) {
        if let Some(known) = self.open.get_mut(&head.stream)
            && head.count > known.head.count
        {
            known.head = head.clone();
        }
    }

    pub(crate) fn close(&mut self, stream: &StreamId) {
        self.open.remove(stream);
        self.due.remove(stream);
    }

    pub(crate) fn get(&self, stream: &StreamId) -> Option<&Dispute> {
        self.open.get(stream)
    }

    /// True when none is open.
    pub(crate) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// True while the peer's history of `stream` is not what we hold.
    pub(crate) fn contains(&self, stream: &StreamId) -> bool {
        self.open.contains_key(stream)
    }

    /// True when events from `first` on were asked for to find out about the past of `stream`.
    pub(crate) fn expects(&self, stream: &StreamId, first: u64) -> bool {
        self.asked(stream).is_some_and(|(at, _)| at == first)
    }

    /// The offset from which on events of `stream` were asked for, and when.
    pub(crate) fn asked(&self, stream: &StreamId) -> Option<(u64, Instant)> {
        self.open.get(stream)?.probe
    }

    /// Events from `first` on are asked for.
    pub(crate) fn ask(&mut self, stream: StreamId, first: u64, now: Instant) {
        let Some(dispute) = self.open.get_mut(&stream) else { return };
        dispute.probe = Some((first, now));
        self.due.set(stream, now + FETCH_TIMEOUT);
    }

    /// The dispute is looked at again at `at`; what was asked, if anything, is answered.
    pub(crate) fn look_at(&mut self, stream: StreamId, at: Instant) {
        let Some(dispute) = self.open.get_mut(&stream) else { return };
        dispute.probe = None;
        self.due.set(stream, at);
    }

    /// The answer is still awaited.
    pub(crate) fn wait_on(&mut self, stream: StreamId, now: Instant) {
        if self.open.contains_key(&stream) {
            self.due.set(stream, now + FETCH_TIMEOUT);
        }
    }

    /// The question led nowhere.
    pub(crate) fn back_off(&mut self, stream: StreamId, now: Instant) {
        let Some(dispute) = self.open.get_mut(&stream) else { return };
        let pause = dispute.pause;
        dispute.pause = (pause * 2).min(PROBE_RETRY_MAX);
        (dispute.back, dispute.high) = (0, dispute.head.count);
        self.look_at(stream, now + pause);
    }

    /// The peer's history agrees with one of ours up to `count` events, with this chain.
    pub(crate) fn agrees(&mut self, stream: StreamId, count: u64, chain: Chain, now: Instant) {
        let Some(dispute) = self.open.get_mut(&stream) else { return };
        let is_all = (count, chain) == (dispute.head.count, dispute.head.chain);
        if !is_all && (count <= dispute.low.0 || count >= dispute.head.count) {
            return self.back_off(stream, now);
        }
        dispute.low = (count, chain);
        dispute.back = 0;
        if dispute.high <= count {
            dispute.high = dispute.head.count;
        }
        self.look_at(stream, now + PROBE_PAUSE);
    }

    /// The peer's history has nothing in common with ours after `count` events.
    pub(crate) fn differs(&mut self, stream: StreamId, count: u64, now: Instant) {
        let Some(dispute) = self.open.get_mut(&stream) else { return };
        if count <= dispute.low.0 {
            return self.back_off(stream, now);
        }
        dispute.high = dispute.high.min(count);
        // Whatever comes of that stream differs, also what was not asked for: any number of times.
        dispute.back = dispute.back.saturating_mul(2).max(BLOCK_EVENTS_MAX);
        self.look_at(stream, now + PROBE_PAUSE);
    }

    /// The family of `trunk` has changed: whatever waits is looked at now.
    pub(crate) fn wake(&mut self, trunk: StreamId, now: Instant) {
        let waiting = self
            .open
            .iter()
            .filter(|(stream, dispute)| stream.trunk() == trunk && dispute.probe.is_none());
        for stream in waiting.map(|(stream, _)| *stream).collect::<Vec<_>>() {
            self.due.set_earliest(stream, now);
        }
    }

    pub(crate) fn first_due(&self, now: Instant) -> Option<StreamId> {
        self.due.first_due(now)
    }

    pub(crate) fn next(&self) -> Option<Instant> {
        self.due.next()
    }
}
