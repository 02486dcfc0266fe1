//! What we know of every stream: what is held, what is on its way to the log, what was signed for.
//!
//! Not here: who has it (`session`), whom to ask (`fetch`).
//! Invariants: `durable <= end`, in events; a claimed head was verified; a frozen stream does not
//! change.

use crate::event::limits::STREAMS_PER_NODE_MAX;
use crate::event::{
    Chain, EventKind, EventRange, NodeId, SignedHead, StreamEnd, StreamId, SwarmId,
};
use crate::planted;
use crate::sync::bound::Bound;
use crate::sync::constants::{RECENT_ENDS_MAX, STREAMS_MAX, STREAMS_PER_PEER_MAX};
use crate::sync::gap::{Place, place, trim};
use crate::sync::io::{ConnectionId, Fork};
use crate::sync::opening::Content;
use crate::sync::refusal::{Refusal, RefusalReason};
use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

/// The account of all streams.
#[derive(Debug)]
pub(crate) struct Streams {
    swarm: SwarmId,
    table: BTreeMap<StreamId, StreamState>,
    /// Streams without a held event, by the peer that told us of them first.
    introduced: BTreeMap<NodeId, usize>,
    pub(crate) bound: Bound,
    pub(crate) forks: BTreeMap<StreamId, Fork>,
    /// The stream that our node writes; only its own log extends it.
    own: StreamId,
    /// True when somebody else seems to write it too.
    own_elsewhere: bool,
}

/// What we know of one stream.
#[derive(Debug, Default)]
pub(crate) struct StreamState {
    /// The head up to which our log holds it.
    pub(crate) durable: Option<SignedHead>,
    /// The head up to which ranges were verified and given to the log.
    end: Option<SignedHead>,
    /// The head with the largest count whose signature was verified.
    claimed: Option<SignedHead>,
    /// Ends that the durable one had lately, oldest first.
    recent: VecDeque<(u64, Chain)>,
    /// Ranges given to the log, oldest first.
    storing: VecDeque<Storing>,
    introduced_by: Option<NodeId>,
    /// A later millpond wrote in it what this one would have to understand.
    is_too_new: bool,
    /// Failed stores since the last that worked.
    pub(crate) store_failures: u32,
}

/// A range that the log is storing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Storing {
    /// Count after it.
    pub(crate) end: u64,
    /// Who sent it.
    pub(crate) connection: ConnectionId,
    pub(crate) node: NodeId,
    /// What it cost of the credit.
    pub(crate) cost: usize,
}

/// What a head told us.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum HeadNews {
    /// Nothing, or nothing that we keep account of.
    Nothing,
    /// The stream is signed for further than we knew.
    Claimed,
    /// Somebody with our key wrote it: to be compared with our log.
    Own,
    /// The stream has two histories.
    Forked(Box<Fork>),
}

/// What became of a range.
#[derive(Debug)]
pub(crate) enum RangeNews {
    /// All of it was held.
    Duplicate,
    /// Events before it are missing.
    Gap,
    /// The stream is frozen, or we keep no account of it.
    Dropped,
    /// Somebody with our key wrote it.
    Own,
    /// It holds what only a later millpond understands: its stream stays as it is.
    TooNew,
    /// Its lamport is beyond the bound; `new` when the stream was not held back before.
    Quarantined { required: u64, new: bool },
    /// It is verified and goes on where the stream ended, at `before`: to be stored.
    Store { range: Box<EventRange>, before: StreamEnd },
    /// The stream has two histories.
    Forked(Box<Fork>),
}

impl StreamState {
    /// Events verified and given to the log.
    pub(crate) fn end_count(&self) -> u64 {
        self.end.as_ref().map_or(0, |head| head.count)
    }

    /// Events that are durable here.
    pub(crate) fn durable_count(&self) -> u64 {
        self.durable.as_ref().map_or(0, |head| head.count)
    }

    /// Events that the stream's node signed for, as far as we know.
    pub(crate) fn claimed_count(&self) -> u64 {
        self.claimed.as_ref().map_or(0, |head| head.count).max(self.end_count())
    }

    fn contribution(&self) -> u64 {
        Bound::contribution(self.end_count(), self.claimed_count())
    }

    /// True when `head` is one that we verified or made.
    fn knows(&self, head: &SignedHead) -> bool {
        [&self.durable, &self.end, &self.claimed]
            .into_iter()
            .any(|known| known.as_ref() == Some(head))
    }

    /// True when a head of ours has the same count and another chain.
    pub(crate) fn contradicts(&self, head: &SignedHead) -> bool {
        self.contradiction(head).is_some()
    }

    /// A head of ours at the same count with another chain.
    fn contradiction(&self, head: &SignedHead) -> Option<Fork> {
        let known = [&self.durable, &self.end, &self.claimed];
        let other = known.into_iter().flatten();
        let held =
            other.into_iter().find(|own| own.count == head.count && own.chain != head.chain)?;
        Some(Fork { held: held.clone(), other: head.clone() })
    }
}

impl Streams {
    pub(crate) fn new(
        swarm: SwarmId,
        own: StreamId,
        heads: Vec<SignedHead>,
        now: Instant,
    ) -> Streams {
        let mut streams = Streams {
            swarm,
            table: BTreeMap::new(),
            introduced: BTreeMap::new(),
            bound: Bound::new(now),
            forks: BTreeMap::new(),
            own,
            own_elsewhere: false,
        };
        heads.into_iter().for_each(|head| drop(streams.made_durable(head)));
        streams
    }

    pub(crate) fn get(&self, stream: &StreamId) -> Option<&StreamState> {
        self.table.get(stream)
    }

    /// Streams with their state, by rising id.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&StreamId, &StreamState)> {
        self.table.iter()
    }

    pub(crate) fn own(&self) -> StreamId {
        self.own
    }

    pub(crate) fn set_own(&mut self, own: StreamId) {
        self.own = own;
        self.own_elsewhere = false;
    }

    /// Somebody else writes our stream: it stays as it is until we write another. True when that is
    /// new.
    pub(crate) fn set_own_elsewhere(&mut self) -> bool {
        !std::mem::replace(&mut self.own_elsewhere, true)
    }

    /// True when `stream` must neither be sent nor taken.
    pub(crate) fn is_frozen(&self, stream: &StreamId) -> bool {
        self.forks.contains_key(stream) || (self.own_elsewhere && *stream == self.own)
    }

    /// True when only a later millpond understands how `stream` goes on.
    pub(crate) fn is_too_new(&self, stream: &StreamId) -> bool {
        self.table.get(stream).is_some_and(|state| state.is_too_new)
    }

    /// The streams that wait for an upgrade, by rising id.
    pub(crate) fn too_new(&self) -> impl Iterator<Item = StreamId> {
        self.table.iter().filter(|(_, state)| state.is_too_new).map(|(stream, _)| *stream)
    }

    /// True when events of `stream` may be asked for.
    pub(crate) fn is_fetchable(&self, stream: &StreamId) -> bool {
        *stream != self.own
            && !self.is_frozen(stream)
            && !self.is_too_new(stream)
            && !self.bound.is_waiting(stream)
    }

    /// The chain after `count` events of `stream`, if it is one of the latest ends.
    pub(crate) fn recent_chain(&self, stream: &StreamId, count: u64) -> Option<Chain> {
        if count == 0 {
            return Some(Chain::start(&self.swarm, stream));
        }
        let recent = &self.table.get(stream)?.recent;
        recent.iter().rev().find(|(at, _)| *at == count).map(|(_, chain)| *chain)
    }

    pub(crate) fn swarm(&self) -> SwarmId {
        self.swarm
    }

    /// Takes a head that `from` told us of. Its signature is verified unless we know it.
    pub(crate) fn learn(&mut self, head: &SignedHead, from: &NodeId) -> Result<HeadNews, Refusal> {
        self.learn_as(head, from, false)
    }

    /// As `learn`; `is_genuine` when the signature was verified.
    fn learn_as(
        &mut self,
        head: &SignedHead,
        from: &NodeId,
        is_genuine: bool,
    ) -> Result<HeadNews, Refusal> {
        let stream = head.stream;
        if self.table.get(&stream).is_some_and(|state| state.knows(head)) {
            return Ok(HeadNews::Nothing);
        }
        if !self.has_room_for(&stream, from) {
            return Ok(HeadNews::Nothing);
        }
        if !is_genuine {
            let verified = head.verify(&self.swarm);
            if !planted!("signature_not_checked") {
                verified.map_err(|error| forged(error.message()))?;
            }
        }
        if stream.number >= STREAMS_PER_NODE_MAX {
            return Ok(HeadNews::Nothing);
        }
        if stream.node == self.own.node && stream.number >= self.own.number {
            return Ok(HeadNews::Own);
        }
        let state = self.table.get(&stream);
        if let Some(fork) = state.and_then(|state| state.contradiction(head)) {
            return Ok(HeadNews::Forked(Box::new(fork)));
        }
        if state.map_or(0, StreamState::claimed_count) >= head.count {
            return Ok(HeadNews::Nothing);
        }
        self.introduce(stream, from);
        self.update(&stream, |state| state.claimed = Some(head.clone()));
        Ok(HeadNews::Claimed)
    }

    /// Takes a range that `storing.node` sent.
    pub(crate) fn receive(
        &mut self,
        content: Content,
        mut storing: Storing,
        now: Instant,
    ) -> Result<RangeNews, Refusal> {
        let stream = content.range.stream();
        match self.learn_as(&content.range.head, &storing.node, content.is_genuine)? {
            HeadNews::Own => return Ok(RangeNews::Own),
            HeadNews::Forked(fork) => return Ok(RangeNews::Forked(fork)),
            HeadNews::Nothing | HeadNews::Claimed => {}
        }
        let Some(state) = self.table.get(&stream) else { return Ok(RangeNews::Dropped) };
        if self.is_frozen(&stream) || stream == self.own {
            return Ok(RangeNews::Dropped);
        }
        let range = &content.range;
        match place(range.first, range.head.count, state.end_count()) {
            Place::Duplicate => return Ok(RangeNews::Duplicate),
            Place::Gap if planted!("gap_accepted") => {}
            Place::Gap => return Ok(RangeNews::Gap),
            Place::Follows => {}
        }
        let end = state
            .end
            .as_ref()
            .map_or_else(|| StreamEnd::empty(&self.swarm, &stream), StreamEnd::from);
        if !content.goes_on_from(&end)
            && !planted!("chain_not_checked")
            && !planted!("gap_accepted")
            && let Some(news) = self.check_chain(range, content.before, &end)?
        {
            return Ok(news);
        }
        if range.records().iter().any(|record| record.kind() == EventKind::TooNew) {
            self.bound.release(&stream);
            self.update(&stream, |state| state.is_too_new = true);
            return Ok(RangeNews::TooNew);
        }
        let required = range.head.lamport.value();
        if required > self.bound.limit(&stream, now) && !planted!("lamport_bound_not_applied") {
            let new = self.bound.hold_back(stream, required, now);
            return Ok(RangeNews::Quarantined { required, new });
        }
        self.bound.accept(&stream, required, now);
        self.settle(&stream);
        let range = trim(content.range, end.count);
        storing.end = range.head.count;
        self.update(&stream, |state| {
            state.end = Some(range.head.clone());
            state.storing.push_back(storing);
        });
        Ok(RangeNews::Store { range: Box::new(range), before: end })
    }

    /// Checks that a range whose head is verified goes on from `end`, where the stream ends here; a
    /// fork when it is genuine and goes on from something else.
    fn check_chain(
        &self,
        range: &EventRange,
        before: Chain,
        end: &StreamEnd,
    ) -> Result<Option<RangeNews>, Refusal> {
        let state = &self.table[&range.stream()];
        let trimmed = if range.first == end.count {
            range.verify_chain(end)
        } else {
            trim(range.clone(), end.count).verify_chain(end)
        };
        let lies = range.first == end.count && before != end.chain;
        let error = match trimmed {
            Ok(()) if lies => return Err(forged("the chain before them is not as told")),
            Ok(()) => return Ok(None),
            Err(error) => error,
        };
        let lamport = crate::event::Lamport::ZERO;
        let theirs = StreamEnd { count: range.first, chain: before, lamport };
        let is_genuine = range.verify_chain(&theirs).is_ok();
        let is_other = range.first < end.count || before != end.chain;
        match &state.end {
            Some(held) if is_genuine && is_other => {
                let fork = Fork { held: held.clone(), other: range.head.clone() };
                Ok(Some(RangeNews::Forked(Box::new(fork))))
            }
            _ => Err(forged(error.message())),
        }
    }

    /// Our log holds `head.stream` up to `head`. Returns the durable count before, and what was
    /// waiting for this.
    pub(crate) fn made_durable(&mut self, head: SignedHead) -> (u64, Vec<Storing>) {
        let stream = head.stream;
        let state = self.table.entry(stream).or_default();
        let before = state.durable_count();
        if head.count <= before {
            return (before, Vec::new());
        }
        self.settle(&stream);
        let mut stored = Vec::new();
        self.update(&stream, |state| {
            while state.storing.front().is_some_and(|first| first.end <= head.count) {
                stored.extend(state.storing.pop_front());
            }
            state.store_failures = 0;
            state.recent.push_back((head.count, head.chain));
            if state.recent.len() > RECENT_ENDS_MAX {
                state.recent.pop_front();
            }
            if state.end_count() <= head.count {
                state.end = Some(head.clone());
            }
            if state.claimed.as_ref().is_none_or(|claimed| claimed.count <= head.count) {
                state.claimed = None;
            }
            state.durable = Some(head);
        });
        (before, stored)
    }

    /// The log stored nothing beyond the durable end: back to it. Returns what was given to the
    /// log.
    pub(crate) fn roll_back(&mut self, stream: &StreamId) -> Vec<Storing> {
        if !self.table.contains_key(stream) {
            return Vec::new();
        }
        let mut lost = Vec::new();
        self.update(stream, |state| {
            if state.claimed.as_ref().map_or(0, |head| head.count) < state.end_count() {
                state.claimed = state.end.take();
            }
            state.end = state.durable.clone();
            state.store_failures = state.store_failures.saturating_add(1);
            lost = state.storing.drain(..).collect();
        });
        lost
    }

    /// Keeps a fork and freezes its stream. True when it is new.
    pub(crate) fn freeze(&mut self, fork: Fork) -> bool {
        let stream = fork.held.stream;
        self.bound.release(&stream);
        if self.forks.contains_key(&stream) {
            return false;
        }
        self.forks.insert(stream, fork);
        true
    }

    /// Forgets streams that only `node` told us of and of which we hold nothing.
    pub(crate) fn forget_claims(
        &mut self,
        node: &NodeId,
        told_by_others: impl Fn(&StreamId) -> bool,
    ) {
        if self.introduced.remove(node).is_none() {
            return;
        }
        let theirs =
            self.table.iter().filter(|(_, state)| state.introduced_by.as_ref() == Some(node));
        let streams: Vec<StreamId> = theirs.map(|(stream, _)| *stream).collect();
        for stream in streams {
            let state = self.table.get_mut(&stream).expect("it was just listed");
            state.introduced_by = None;
            if state.end.is_none() && !told_by_others(&stream) {
                let contribution = state.contribution();
                self.bound.change(contribution, 0);
                self.bound.release(&stream);
                self.forks.remove(&stream);
                self.table.remove(&stream);
            }
        }
    }

    /// True when we keep account of `stream`, or may begin to on the word of `from`.
    fn has_room_for(&self, stream: &StreamId, from: &NodeId) -> bool {
        if self.table.contains_key(stream) {
            return true;
        }
        let introduced = self.introduced.get(from).copied().unwrap_or(0);
        introduced < STREAMS_PER_PEER_MAX && self.table.len() < STREAMS_MAX
    }

    fn introduce(&mut self, stream: StreamId, from: &NodeId) {
        self.table.entry(stream).or_insert_with(|| {
            *self.introduced.entry(*from).or_default() += 1;
            StreamState { introduced_by: Some(*from), ..StreamState::default() }
        });
    }

    /// The stream is more than a claim now.
    fn settle(&mut self, stream: &StreamId) {
        let introduced_by = self.table.get_mut(stream).and_then(|state| state.introduced_by.take());
        if let Some(count) = introduced_by.and_then(|node| self.introduced.get_mut(&node)) {
            *count = count.saturating_sub(1);
        }
    }

    /// Changes one stream and the sum it contributes to.
    fn update(&mut self, stream: &StreamId, change: impl FnOnce(&mut StreamState)) {
        let state = self.table.get_mut(stream).expect("only streams in the table are changed");
        let before = state.contribution();
        change(state);
        assert!(state.durable_count() <= state.end_count(), "the log holds what we gave it");
        self.bound.change(before, state.contribution());
    }
}

fn forged(detail: &str) -> Refusal {
    Refusal::new(RefusalReason::Forged, detail)
}
