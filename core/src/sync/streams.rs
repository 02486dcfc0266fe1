//! What we know of every stream: what is held, what is on its way to the log, what was signed for.
//!
//! Not here: one stream (`stream`), forks (`family`), who has it (`session`), whom to ask
//! (`fetch`).
//! Rule: nothing goes on from what it was not verified to go on from. What does not fit what we
//! hold is for `dispute`, where the log can be read.

use crate::event::limits::STREAMS_PER_NODE_MAX;
use crate::event::{
    Chain, EventKind, EventRange, HeldFork, NodeId, SignedHead, StreamEnd, StreamId, SwarmId,
};
use crate::planted;
use crate::sync::bound::Bound;
use crate::sync::family::{self, Families};
use crate::sync::gap::{Place, place, trim};
use crate::sync::notable::Notable;
use crate::sync::offers::Offers;
use crate::sync::opening::Content;
use crate::sync::refusal::{Refusal, RefusalReason};
use crate::sync::stream::{Storing, StreamState, Window};
use std::collections::BTreeMap;
use std::time::Instant;

/// The account of all streams.
#[derive(Debug)]
pub(crate) struct Streams {
    swarm: SwarmId,
    pub(super) table: BTreeMap<StreamId, StreamState>,
    pub(super) offers: Offers,
    pub(crate) bound: Bound,
    pub(crate) families: Families,
    pub(crate) notable: Notable,
    /// The stream that our node writes; only its own log extends it.
    own: StreamId,
    /// True when somebody else seems to write it too.
    own_elsewhere: bool,
}

/// What a head told us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeadNews {
    /// Nothing, or nothing that we keep account of.
    Nothing,
    /// The stream is signed for further than we knew.
    Claimed,
    /// It is of the stream that we write: to be compared with our log.
    Own,
    /// It is of a stream that we hold as far or that is sealed: to be compared with our log.
    Past,
}

/// What became of a range.
#[derive(Debug)]
pub(crate) enum RangeNews {
    /// All of it was held.
    Duplicate,
    /// Events before it are missing.
    Gap,
    /// The stream must not be taken, or we keep no account of it.
    Dropped,
    /// It is of the stream that we write: to be compared with our log.
    Own,
    /// It is genuine, and what it goes on from is to be looked for in our log.
    ToLocate(Box<Content>),
    /// It is genuine, and not what we hold.
    Disputed,
    /// It holds what only a later millpond understands: its stream stays as it is.
    TooNew,
    /// Its lamport is beyond the bound; `new` when the stream was not held back before.
    Quarantined { required: u64, new: bool },
    /// It is verified and goes on where the stream ended, at `before`: to be stored.
    Store { range: Box<EventRange>, before: StreamEnd },
}

impl Streams {
    pub(crate) fn new(
        swarm: SwarmId,
        own: StreamId,
        heads: Vec<SignedHead>,
        forks: Vec<HeldFork>,
        now: Instant,
    ) -> Streams {
        let mut streams = Streams {
            swarm,
            table: BTreeMap::new(),
            offers: Offers::default(),
            bound: Bound::new(now),
            families: Families::default(),
            notable: Notable::default(),
            own,
            own_elsewhere: false,
        };
        for fork in family::in_order(forks) {
            streams.forked(&fork);
        }
        heads.into_iter().for_each(|head| drop(streams.made_durable(head)));
        streams.bound.begin();
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

    /// The highest number of a stream of ours that anybody is known to have written.
    pub(crate) fn highest_own_number(&self) -> u64 {
        let first = StreamId { number: 0, ..self.own };
        let last = StreamId { number: u64::MAX, ..self.own };
        let numbers = self.table.range(first..=last).map(|(stream, _)| stream.trunk().number);
        numbers.fold(self.own.number, u64::max)
    }

    /// True when `stream` is not given to anybody, since we are about to leave it.
    pub(crate) fn is_frozen(&self, stream: &StreamId) -> bool {
        self.own_elsewhere && *stream == self.own
    }

    /// Where the stored events of `stream` begin.
    pub(crate) fn base(&self, stream: &StreamId) -> u64 {
        self.table.get(stream).map_or(0, |state| state.window.base)
    }

    /// True when our log holds events of `stream`, or will in a moment.
    pub(crate) fn is_held(&self, stream: &StreamId) -> bool {
        self.table.get(stream).is_some_and(|state| state.end.is_some())
    }

    /// The streams of the family of `trunk` that are durable, and how far.
    pub(crate) fn members(&self, trunk: &StreamId) -> Vec<(StreamId, Window, u64)> {
        let branches = self.families.branches(trunk).map(|branch| branch.stream);
        let held = |stream: StreamId| {
            let state = self.table.get(&stream)?;
            let count = state.durable.as_ref()?.count;
            Some((stream, state.window, count))
        };
        std::iter::once(*trunk).chain(branches).filter_map(held).collect()
    }

    /// True when only a later millpond understands how `stream` goes on.
    pub(crate) fn is_too_new(&self, stream: &StreamId) -> bool {
        self.table.get(stream).is_some_and(|state| state.is_too_new)
    }

    /// True when events of `stream` may be asked for.
    pub(crate) fn is_fetchable(&self, stream: &StreamId) -> bool {
        stream.trunk() != self.own
            && self.table.get(stream).is_some_and(|state| !state.is_sealed())
            && !self.families.is_closing(stream)
            && !self.families.is_undecided(stream)
            && !self.is_too_new(stream)
            && !self.bound.is_waiting(stream)
    }

    /// The chain after `count` events of `stream`, if it is one of the latest ends.
    pub(crate) fn recent_chain(&self, stream: &StreamId, count: u64) -> Option<Chain> {
        if count == 0 {
            return Some(Chain::start(&self.swarm, stream));
        }
        self.table.get(stream)?.recent_chain(count)
    }

    pub(crate) fn swarm(&self) -> SwarmId {
        self.swarm
    }

    /// Takes a head that `from` told us of. Its signature is verified unless we know it, or it is
    /// to be compared with what we hold first.
    pub(crate) fn learn(&mut self, head: &SignedHead, from: &NodeId) -> Result<HeadNews, Refusal> {
        let state = self.table.get(&head.stream);
        if self.is_past(head) && !state.is_some_and(|state| state.knows(head)) {
            return Ok(HeadNews::Past);
        }
        self.learn_as(head, from, false)
    }

    /// As `learn`, of a head that was verified before.
    pub(crate) fn learn_again(&mut self, head: &SignedHead, from: &NodeId) {
        let news = self.learn_as(head, from, true);
        assert!(news.is_ok(), "it was verified");
    }

    /// True for a head of what we hold as far, or of what goes on under other names.
    fn is_past(&self, head: &SignedHead) -> bool {
        let state = self.table.get(&head.stream).filter(|state| state.end.is_some());
        head.stream.trunk() != self.own
            && state.is_some_and(|state| head.count <= state.end_count() || state.is_sealed())
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
        if is_no_number(stream.number) {
            return Ok(HeadNews::Nothing);
        }
        if stream.trunk() == self.own {
            return Ok(HeadNews::Own);
        }
        if self.is_past(head) {
            return Ok(HeadNews::Past);
        }
        if self.table.get(&stream).map_or(0, StreamState::claimed_count) >= head.count {
            return Ok(HeadNews::Nothing);
        }
        self.introduce(stream, from);
        self.update(&stream, |state| state.claimed = Some(head.clone()));
        Ok(HeadNews::Claimed)
    }

    /// Takes a range that `storing.node` sent; `is_probe` when it answers a question about the
    /// past.
    pub(crate) fn receive(
        &mut self,
        content: Content,
        mut storing: Storing,
        is_probe: bool,
        now: Instant,
    ) -> Result<RangeNews, Refusal> {
        let stream = content.range.stream();
        let news = self.learn_as(&content.range.head, &storing.node, content.is_genuine)?;
        if news == HeadNews::Own {
            return Ok(RangeNews::Own);
        }
        let Some(state) = self.table.get(&stream) else { return Ok(RangeNews::Dropped) };
        if stream.trunk() == self.own || self.families.is_closing(&stream) {
            return Ok(RangeNews::Dropped);
        }
        let is_offered = stream.is_branch() && state.end.is_none();
        if is_probe || is_offered || state.is_sealed() {
            self.check_whole(&content)?;
            return Ok(RangeNews::ToLocate(Box::new(content)));
        }
        let range = &content.range;
        let is_believed = match place(range.first, range.head.count, state.end_count()) {
            Place::Duplicate => return Ok(RangeNews::Duplicate),
            Place::Gap if planted!("gap_accepted") => true,
            Place::Gap => return Ok(RangeNews::Gap),
            Place::Follows => planted!("chain_not_checked"),
        };
        let end = state
            .end
            .as_ref()
            .map_or_else(|| StreamEnd::empty(&self.swarm, &stream), StreamEnd::from);
        if !is_believed
            && !content.goes_on_from(&end)
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
            state.note_end(&range.head);
            state.end = Some(range.head.clone());
            state.store(storing);
        });
        Ok(RangeNews::Store { range: Box::new(range), before: end })
    }

    /// Checks that a range whose head is verified goes on from `end`, where the stream ends here;
    /// `Disputed` when it is genuine and goes on from something else.
    fn check_chain(
        &self,
        range: &EventRange,
        before: Chain,
        end: &StreamEnd,
    ) -> Result<Option<RangeNews>, Refusal> {
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
        let is_other = range.first < end.count || before != end.chain;
        if end.count > 0 && is_other && range.verify_chain(&told_end(range, before)).is_ok() {
            return Ok(Some(RangeNews::Disputed));
        }
        Err(forged(error.message()))
    }

    /// Checks that a range whose head is verified goes on from the chain that its sender told.
    fn check_whole(&self, content: &Content) -> Result<(), Refusal> {
        let Content { before, range, is_genuine } = content;
        if range.first == 0 && *before != Chain::start(&self.swarm, &range.stream()) {
            return Err(forged("the chain before them is not that of an empty stream"));
        }
        if !is_genuine {
            let checked = range.verify_chain(&told_end(range, *before));
            checked.map_err(|error| forged(error.message()))?;
        }
        Ok(())
    }

    /// Our log holds a fork: the stream is sealed there, and shown as the first branch from there
    /// on. True when that is new.
    pub(crate) fn forked(&mut self, fork: &HeldFork) -> bool {
        let (of, at) = (fork.of, fork.at);
        let Some(ours) = fork.branches.first().map(|branch| branch.stream) else { return false };
        let mut is_new = false;
        for branch in fork.branches.iter().filter(|branch| branch.stream.is_branch()) {
            if self.families.insert(branch) {
                is_new = true;
                // More than an offer now, whoever made it.
                self.settle(&branch.stream);
                let window = Window { base: branch.base.count, floor: branch.floor, seal: None };
                self.table.entry(branch.stream).or_default();
                self.update(&branch.stream, |state| state.window = window);
            }
        }
        self.table.entry(of).or_default();
        let former = self.table[&of].window.seal;
        if former.is_none_or(|former| at < former) {
            self.update(&ours, |state| state.window.seal = former);
            self.update(&of, |state| state.window.seal = Some(at));
            self.families.move_forks(of, at, ours);
            self.bound.release(&of);
        }
        self.families.note_fork(of, at, &fork.branches);
        is_new
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
        self.families.forget(&stream);
        self.bound.note_held(head.lamport.value());
        let mut stored = Vec::new();
        self.update(&stream, |state| {
            while state.storing.front().is_some_and(|first| first.end <= head.count) {
                stored.extend(state.storing.pop_front());
            }
            state.store_failures = 0;
            state.note_end(&head);
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
        self.update(stream, |state| lost = state.roll_back());
        lost
    }

    /// The log could not store a fork of `stream`. Failures since the last store that worked.
    pub(crate) fn note_failure(&mut self, stream: &StreamId) -> u32 {
        let Some(state) = self.table.get_mut(stream) else { return 0 };
        state.store_failures = state.store_failures.saturating_add(1);
        state.store_failures
    }

    /// A later millpond wrote what the offered branch `stream` begins with.
    pub(crate) fn set_too_new(&mut self, stream: &StreamId) {
        if self.table.contains_key(stream) {
            self.update(stream, |state| state.is_too_new = true);
        }
    }

    /// Changes one stream and the sum it contributes to.
    fn update(&mut self, stream: &StreamId, change: impl FnOnce(&mut StreamState)) {
        let state = self.table.get_mut(stream).expect("only streams in the table are changed");
        let before = state.contribution();
        change(state);
        assert!(state.durable_count() <= state.end_count(), "the log holds what we gave it");
        self.bound.change(before, state.contribution());
        self.notable.note(*stream, Some(state));
    }
}

/// What a range goes on from, as its sender told.
fn told_end(range: &EventRange, before: Chain) -> StreamEnd {
    StreamEnd { count: range.first, chain: before, lamport: crate::event::Lamport::ZERO }
}

/// True for numbers that neither a trunk nor a branch can have.
fn is_no_number(number: u64) -> bool {
    (STREAMS_PER_NODE_MAX..2 * STREAMS_PER_NODE_MAX).contains(&number)
}

pub(crate) fn forged(detail: &str) -> Refusal {
    Refusal::new(RefusalReason::Forged, detail)
}
