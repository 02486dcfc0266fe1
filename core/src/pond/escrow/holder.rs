//! What one stream holds of an account, in all its histories.
//!
//! Rule: what other streams did counts for an event only when it has a smaller lamport: whoever
//! wrote the event had seen it then. So what an event comes to does not depend on how events with
//! equal lamports are sorted, and a fork, which gives them other names, changes nothing of it.

use crate::event::{EventKey, Lamport, StreamId};
use crate::planted;
use crate::pond::Lineage;
use std::collections::BTreeMap;

/// Most recoveries that a proof names.
const RECOVERIES_KEPT_MAX: usize = 16;

/// A value, and what it was before the events of the latest lamport.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Dated<T> {
    now: T,
    before: T,
    since: Option<Lamport>,
}

impl<T: Copy> Dated<T> {
    /// With all events.
    pub(super) fn now(&self) -> T {
        self.now
    }

    /// With all events below the lamport `at`, which is the latest or above it.
    pub(super) fn before(&self, at: Lamport) -> T {
        match self.since == Some(at) && !planted!("escrow_equal_lamports_count") {
            true => self.before,
            false => self.now,
        }
    }

    /// An event with the lamport `at` made it `value`.
    pub(super) fn set(&mut self, at: Lamport, value: T) {
        if self.since != Some(at) {
            (self.before, self.since) = (self.now, Some(at));
        }
        self.now = value;
    }
}

/// What one stream holds, in all its histories.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Holder {
    /// What other streams gave it: each of its histories may spend that.
    credits: Dated<i128>,
    /// The highest fence that came with a credit.
    fence: Dated<u64>,
    /// Deposits, recoveries from other streams, what was left to the creator, which counts once
    /// also where several histories begin with the same creation.
    income: Dated<i128>,
    /// Withdrawals and grants of all histories.
    outgo: i128,
    /// What its own events did, by the stream or branch that they are in. There are few.
    segments: Vec<(StreamId, Segment)>,
    /// What was recovered from it, by the stream or branch that did.
    recovered: BTreeMap<StreamId, i128>,
    /// The first `RECOVERIES_KEPT_MAX` recoveries from it.
    recoveries: Vec<EventKey>,
}

/// What the events of one stream or branch did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Segment {
    income: i128,
    outgo: i128,
    fence: Dated<u64>,
    /// True once a debit was not covered: none counts from there on.
    is_blocked: bool,
    /// The creation of the account is in it.
    has_creation: bool,
}

impl Holder {
    /// What is left when all histories are taken together; negative when they spent it twice.
    pub(super) fn pool(&self) -> i128 {
        let recovered: i128 = self.recovered.values().sum();
        self.credits.now() + self.income.now() - self.outgo - recovered
    }

    /// What it got by its own events, and what it spent.
    pub(super) fn turnover(&self) -> (i128, i128) {
        (self.income.now(), self.outgo)
    }

    /// What is known below the lamport `at` to have come by its own events.
    pub(super) fn income_before(&self, at: Lamport) -> i128 {
        self.income.before(at)
    }

    /// What other streams gave it.
    pub(super) fn credits(&self) -> i128 {
        self.credits.now()
    }

    /// What other streams gave it below the lamport `at`.
    pub(super) fn credits_before(&self, at: Lamport) -> i128 {
        self.credits.before(at)
    }

    /// What the history that ends in `stream` has left, whoever else spends it.
    pub(super) fn left(&self, lineage: &Lineage, stream: StreamId) -> i128 {
        self.credits.now() + self.net(lineage, stream)
    }

    /// The same for an event of that history with the lamport `at`.
    pub(super) fn left_before(&self, lineage: &Lineage, stream: StreamId, at: Lamport) -> i128 {
        self.credits.before(at) + self.net(lineage, stream)
    }

    fn net(&self, lineage: &Lineage, stream: StreamId) -> i128 {
        self.path(lineage, stream).map(|segment| segment.income - segment.outgo).sum()
    }

    /// True when a debit of the history that ends in `stream` was not covered.
    pub(super) fn is_blocked(&self, lineage: &Lineage, stream: StreamId) -> bool {
        self.path(lineage, stream).any(|segment| segment.is_blocked)
    }

    /// True when the creation of the account is in the history that ends in `stream`.
    pub(super) fn has_creation(&self, lineage: &Lineage, stream: StreamId) -> bool {
        self.path(lineage, stream).any(|segment| segment.has_creation)
    }

    /// True when its rights went to another stream of its node.
    pub(super) fn is_recovered(&self) -> bool {
        !self.recovered.is_empty()
    }

    /// The first recoveries from it.
    pub(super) fn recoveries(&self) -> &[EventKey] {
        &self.recoveries
    }

    /// What the history that ends in `by` recovered from it.
    pub(super) fn recovered_by(&self, lineage: &Lineage, by: StreamId) -> i128 {
        lineage.path(by).filter_map(|part| self.recovered.get(&part)).sum()
    }

    /// How often what the history that ends in `stream` has has changed hands.
    pub(super) fn fence(&self, lineage: &Lineage, stream: StreamId) -> u64 {
        let own = self.path(lineage, stream).map(|segment| segment.fence.now());
        own.fold(self.fence.now(), u64::max)
    }

    /// The same for an event of that history with the lamport `at`.
    pub(super) fn fence_before(&self, lineage: &Lineage, stream: StreamId, at: Lamport) -> u64 {
        let own = self.path(lineage, stream).map(|segment| segment.fence.before(at));
        own.fold(self.fence.before(at), u64::max)
    }

    /// The highest fence of all its histories, below the lamport `at`.
    pub(super) fn highest_fence_before(&self, at: Lamport) -> u64 {
        let own = self.segments.iter().map(|(_, segment)| segment.fence.before(at));
        own.fold(self.fence.before(at), u64::max)
    }

    fn path<'a>(
        &'a self,
        lineage: &'a Lineage,
        stream: StreamId,
    ) -> impl Iterator<Item = &'a Segment> {
        lineage.path(stream).filter_map(|part| self.segment(part))
    }

    fn segment(&self, stream: StreamId) -> Option<&Segment> {
        let found = self.segments.iter().find(|(own, _)| *own == stream);
        found.map(|(_, segment)| segment)
    }

    fn segment_mut(&mut self, stream: StreamId) -> &mut Segment {
        let place = self.segments.binary_search_by_key(&stream, |(own, _)| *own);
        let place = place.unwrap_or_else(|place| {
            self.segments.insert(place, (stream, Segment::default()));
            place
        });
        &mut self.segments[place].1
    }

    /// Another stream gave it `amount`, with this fence.
    pub(super) fn credit(&mut self, at: Lamport, amount: i128, fence: u64) {
        self.credits.set(at, self.credits.now() + amount);
        self.fence.set(at, self.fence.now().max(fence));
    }

    /// An event of `stream` brought it `amount`.
    pub(super) fn earn(&mut self, at: Lamport, stream: StreamId, amount: i128) {
        self.income.set(at, self.income.now() + amount);
        self.segment_mut(stream).income += amount;
    }

    /// An event of `stream` took `amount` from it.
    pub(super) fn spend(&mut self, stream: StreamId, amount: i128) {
        self.outgo += amount;
        self.segment_mut(stream).outgo += amount;
    }

    /// The account is created in `stream`, which is left with `rest`.
    pub(super) fn create(&mut self, at: Lamport, stream: StreamId, rest: i128) {
        self.earn(at, stream, rest);
        self.begin(at, stream);
    }

    /// The account is created once more, in another history: there, too, `rest` is left of it, and
    /// all together have it once.
    pub(super) fn create_again(&mut self, at: Lamport, stream: StreamId, rest: i128) {
        self.segment_mut(stream).income += rest;
        self.begin(at, stream);
    }

    fn begin(&mut self, at: Lamport, stream: StreamId) {
        let segment = self.segment_mut(stream);
        segment.fence.set(at, segment.fence.now().max(1));
        segment.has_creation = true;
    }

    /// A debit of `stream` is not covered.
    pub(super) fn block(&mut self, stream: StreamId) {
        self.segment_mut(stream).is_blocked = true;
    }

    /// An event of `stream` got hold of what had this fence.
    pub(super) fn raise_fence(&mut self, at: Lamport, stream: StreamId, fence: u64) {
        let own = &mut self.segment_mut(stream).fence;
        own.set(at, own.now().max(fence));
    }

    /// The event `key` took `amount` over from it.
    pub(super) fn recover(&mut self, key: EventKey, amount: i128) {
        *self.recovered.entry(key.stream).or_default() += amount;
        if self.recoveries.len() < RECOVERIES_KEPT_MAX {
            self.recoveries.push(key);
        }
    }
}
