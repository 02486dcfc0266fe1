//! Sending events: live ones at once, a backlog when asked.
//!
//! A push is an obligation "this peer lacks the end of that stream", put into a frame when its time
//! has come and there is room. Who relays, and when, is decided in `relay`.

use crate::event::{Chain, EventRange, StreamId};
use crate::planted;
use crate::sync::io::LogRead;
use crate::sync::message::{Message, encode_block};
use crate::sync::schedule::Schedule;
use crate::sync::session::Session;
use crate::sync::shared::Shared;
use crate::sync::tree::Manner;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// A range as it goes out.
pub(crate) struct Outgoing {
    pub(crate) frame: Bytes,
    /// What it costs of the credit.
    pub(crate) cost: usize,
    /// Events of the stream that its receiver then has.
    pub(crate) end: u64,
    pub(crate) chain: Chain,
}

/// The streams of which a peer lacks the end.
#[derive(Debug, Default)]
pub(crate) struct Pushes {
    due: Schedule<StreamId>,
    plans: BTreeMap<StreamId, Plan>,
}

/// What is meant to happen at the due time.
#[derive(Clone, Copy, Debug)]
struct Plan {
    /// How long another node is given to do it; zero when it is ours to do.
    wait: Duration,
    /// The count that the peer is to have by then. When it has, the other node does its work.
    goal: u64,
}

impl Pushes {
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        self.due.first_due(now).is_some()
    }

    pub(crate) fn next_after(&self, now: Instant) -> Option<Instant> {
        self.due.next_after(now)
    }

    pub(crate) fn remove(&mut self, stream: &StreamId) {
        self.due.remove(stream);
        self.plans.remove(stream);
    }

    /// True when events of `stream` are going out without waiting for another node.
    fn flows(&self, stream: &StreamId) -> bool {
        self.plans.get(stream).is_some_and(|plan| plan.wait.is_zero())
    }

    /// Plans a push, unless one is planned that comes earlier.
    fn plan(&mut self, stream: StreamId, plan: Plan, now: Instant) {
        let due = now + plan.wait;
        if self.due.get(&stream).is_none_or(|earlier| due < earlier) {
            self.due.set(stream, due);
            self.plans.insert(stream, plan);
        }
    }
}

/// A stream that has grown durably.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Growth {
    pub(crate) stream: StreamId,
    pub(crate) before: u64,
    pub(crate) count: u64,
    /// True when a peer sent it, false when it is our own.
    pub(crate) is_received: bool,
}

impl Session {
    /// Sees to it that the peer learns of a stream's growth: is pushed the events after `wait`, or
    /// is told of them when it has to ask, or that we have what it has.
    pub(crate) fn stream_grew(&mut self, growth: Growth, wait: Duration, now: Instant) {
        let Growth { stream, before, count, is_received } = growth;
        if is_received && planted!("received_events_not_passed_on") {
            return;
        }
        if self.wanted.contains(&stream) || self.pushes.flows(&stream) {
            return;
        }
        let known = self.known.count(&stream);
        // What a branch begins with is held by most, under another name.
        let is_new_branch = stream.is_branch() && before == 0;
        let manner = self.tree.manner(&stream).filter(|_| !is_new_branch);
        if manner == Some(Manner::Lazy) {
            self.announcements.held.insert(stream);
            return self.flush_soon(now);
        }
        let wait = if manner == Some(Manner::Eager) { Duration::ZERO } else { wait };
        if !is_new_branch && known >= before && known < count && self.summary_is_complete {
            self.pushes.plan(stream, Plan { wait, goal: count }, now);
        } else if known < count && !self.pushes.plans.contains_key(&stream) {
            self.announcements.heads.insert(stream);
            self.flush_soon(now);
            return;
        }
        if is_received && !self.pushes.flows(&stream) {
            self.announcements.held.insert(stream);
            self.flush_soon(now);
        }
    }

    /// The peer has just been brought to the end of what it asked for: it is pushed what came
    /// since.
    pub(crate) fn push_rest(&mut self, stream: StreamId, now: Instant) {
        self.pushes.plan(stream, Plan { wait: Duration::ZERO, goal: 0 }, now);
    }

    /// The next live events that are due.
    pub(crate) fn make_push(&mut self, shared: &Shared, log: &dyn LogRead) -> Option<Bytes> {
        while self.credit.has_for_live() {
            let stream = self.pushes.due.first_due(shared.now)?;
            self.end_trails(shared.now);
            let plan = self.pushes.plans[&stream];
            self.pushes.remove(&stream);
            let known = self.known.count(&stream);
            let held = shared.streams.get(&stream).map_or(0, |state| state.durable_count());
            if known >= held || shared.streams.is_frozen(&stream) {
                continue;
            }
            if !plan.wait.is_zero() && known >= plan.goal {
                // The other node is at work; it gets as much time for what came since.
                self.pushes.plan(stream, Plan { goal: held, ..plan }, shared.now);
                continue;
            }
            let from = known.max(shared.streams.base(&stream));
            if self.trailing.count(&stream) > 0 {
                self.trail(stream, from, held);
                continue;
            }
            let Some(outgoing) = read_live(&stream, from, None, shared, log) else {
                // It could not be read now: the peer learns that it is there, and asks for it.
                if !planted!("push_lost_with_a_failed_read") {
                    self.announcements.heads.insert(stream);
                    self.flush_soon(shared.now);
                }
                continue;
            };
            self.known.raise(stream, outgoing.end);
            if !plan.wait.is_zero() {
                self.tree.was_needed(stream);
            }
            if outgoing.end < held {
                // The rest waits its turn behind the live events of other streams.
                self.push_rest(stream, shared.now);
            }
            self.announcements.heads.remove(&stream);
            self.announcements.held.remove(&stream);
            self.credit.spend(outgoing.cost);
            return Some(outgoing.frame);
        }
        None
    }
}

/// Reads events of `stream` from `from` on as a frame; none when the log has none or fails. As
/// records, for which nothing need be unpacked: they are live.
pub(crate) fn read_live(
    stream: &StreamId,
    from: u64,
    before: Option<Chain>,
    shared: &Shared,
    log: &dyn LogRead,
) -> Option<Outgoing> {
    let before = chain_before(stream, from, before, shared, log)?;
    let range: EventRange = log.read_range(stream, from).ok()??;
    assert!(range.first == from && range.stream() == *stream, "the log gives what was asked for");
    let (end, chain) = (range.head.count, range.head.chain);
    let frame = Message::Range { before, range }.encode();
    Some(Outgoing { cost: frame.len(), frame, end, chain })
}

/// As `read_live`, but a whole block goes as it is stored.
pub(crate) fn read_backlog(
    stream: &StreamId,
    from: u64,
    before: Option<Chain>,
    shared: &Shared,
    log: &dyn LogRead,
) -> Option<Outgoing> {
    let before = chain_before(stream, from, before, shared, log)?;
    let Some(packed) = log.read_block(stream, from).ok()? else {
        return read_live(stream, from, Some(before), shared, log);
    };
    let head = packed.head();
    assert!(packed.first() == from && head.stream == *stream, "the log gives what was asked for");
    let (end, chain) = (head.count, head.chain);
    let frame = encode_block(&before, &packed);
    Some(Outgoing { cost: frame.len() + packed.bytes_saved(), frame, end, chain })
}

fn chain_before(
    stream: &StreamId,
    from: u64,
    before: Option<Chain>,
    shared: &Shared,
    log: &dyn LogRead,
) -> Option<Chain> {
    match before.or_else(|| shared.streams.recent_chain(stream, from)) {
        Some(chain) => Some(chain),
        None => log.chain_at(stream, from).ok()?,
    }
}
