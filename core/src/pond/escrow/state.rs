//! One account as the events say: its balance, and who holds which rights.
//!
//! Not here: which event belongs to which account (`fold`), what to do next (`decision`, `policy`).
//! Invariant: [`AccountState::check`].

use crate::event::{EventKey, Offset, StreamId};
use crate::pond::escrow::{AccountId, Action, Change, Creation, Proof, Violation};
use crate::pond::escrow::{Share, VIOLATIONS_KEPT_MAX};
use crate::pond::{Lineage, Name};
use std::collections::BTreeMap;
use std::sync::Arc;

/// One account after some events, in key order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountState {
    name: Name,
    id: AccountId,
    creation: Creation,
    created: EventKey,
    deposited: i128,
    withdrawn: i128,
    /// By trunk: rights are given to a stream, whatever its histories are called.
    holders: BTreeMap<StreamId, Holder>,
    /// By trunk.
    requests: BTreeMap<StreamId, OpenRequest>,
    uncovered: Vec<Violation>,
    uncovered_count: u64,
    lineage: Arc<Lineage>,
}

/// What one stream holds, in all its histories.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Holder {
    /// What other streams gave it: each of its histories may spend that.
    credits: i128,
    /// The highest fence that came with a credit.
    fence: u64,
    /// What its own events did, by the stream or branch that they are in.
    segments: BTreeMap<StreamId, Segment>,
    recoveries: Vec<Recovery>,
}

/// What the events of one stream or branch did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Segment {
    /// Deposits, recoveries from other streams, what was left to the creator.
    income: i128,
    /// Withdrawals and grants.
    outgo: i128,
    fence: u64,
    /// True once a debit was not covered: none counts from there on.
    is_blocked: bool,
}

/// Rights that went to another stream of the same node.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Recovery {
    key: EventKey,
    by: StreamId,
    amount: i128,
}

/// What one stream holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holding {
    /// Who may spend it; never a branch.
    pub stream: StreamId,
    /// How much; sums beyond 64 bits are shown as 2^64 − 1.
    pub amount: u64,
    /// True when nobody spends it any more, until its node recovers it.
    pub is_frozen: bool,
}

/// A request that has not got all it asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenRequest {
    /// Who asks; never a branch.
    pub stream: StreamId,
    /// The event that asks.
    pub key: EventKey,
    /// What is still wanted, at least 1.
    pub outstanding: u64,
}

impl AccountState {
    pub(super) fn new(
        name: Name,
        id: AccountId,
        created: EventKey,
        creation: Creation,
        lineage: Arc<Lineage>,
    ) -> AccountState {
        let mut state = AccountState {
            name,
            id,
            creation,
            created,
            deposited: 0,
            withdrawn: 0,
            holders: BTreeMap::new(),
            requests: BTreeMap::new(),
            uncovered: Vec::new(),
            uncovered_count: 0,
            lineage,
        };
        let mut rest = state.above_floor_at_first();
        for Share { stream, amount } in state.creation.shares.clone() {
            let amount = i128::from(amount);
            rest -= amount;
            // A share of the creator itself is part of what it did in this history.
            if stream == created.stream.trunk() {
                state.segment(created.stream).income += amount;
            } else {
                let holder = state.holders.entry(stream).or_default();
                (holder.credits, holder.fence) = (holder.credits + amount, 1);
            }
        }
        let own = state.segment(created.stream);
        (own.income, own.fence) = (own.income + rest, 1);
        state
    }

    /// Which account this is.
    pub fn id(&self) -> AccountId {
        self.id
    }

    /// What it is called.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// The event that created it.
    pub fn created(&self) -> EventKey {
        self.created
    }

    /// How it began.
    pub fn creation(&self) -> &Creation {
        &self.creation
    }

    /// What there is: the first amount and all deposits, without all withdrawals that count.
    pub fn balance(&self) -> i128 {
        i128::from(self.creation.amount) + self.deposited - self.withdrawn
    }

    /// What `stream` may spend, for whoever writes it: 0 when it has two histories, something of it
    /// is uncovered, or its rights were recovered.
    pub fn available(&self, stream: &StreamId) -> u64 {
        if stream.is_branch() || self.is_closed(stream) {
            return 0;
        }
        shown(self.left(*stream))
    }

    /// What each stream holds that holds anything, most first.
    pub fn holdings(&self) -> Vec<Holding> {
        let held = self.holders.iter().map(|(stream, holder)| (stream, shown(holder.pool())));
        let mut holdings: Vec<Holding> = held
            .filter(|(_, amount)| *amount > 0)
            .map(|(stream, amount)| {
                let is_frozen = self.is_frozen(stream);
                Holding { stream: *stream, amount, is_frozen }
            })
            .collect();
        holdings.sort_by_key(|holding| (std::cmp::Reverse(holding.amount), holding.stream));
        holdings
    }

    /// Requests that have not got all they asked for, oldest first; without those of streams that
    /// are frozen.
    pub fn requests(&self) -> Vec<OpenRequest> {
        let is_open =
            |request: &&OpenRequest| request.outstanding > 0 && !self.is_frozen(&request.stream);
        let open = self.requests.values().filter(is_open);
        let mut open: Vec<OpenRequest> = open.cloned().collect();
        open.sort_by_key(|request| request.key);
        open
    }

    /// What should not be: every overdrawn stream, and the first `VIOLATIONS_KEPT_MAX` uncovered
    /// debits in key order.
    pub fn violations(&self) -> Vec<Violation> {
        let overdrawn = self.holders.iter().filter_map(|(stream, holder)| {
            let by = u64::try_from(-holder.pool()).ok().filter(|by| *by > 0)?;
            let forks = self.lineage.forks_of(*stream).cloned().collect();
            let recoveries = holder.recoveries.iter().map(|recovery| recovery.key).collect();
            let proof = Proof { forks, recoveries };
            Some(Violation::Overdrawn { stream: *stream, by, proof })
        });
        overdrawn.chain(self.uncovered.iter().cloned()).collect()
    }

    /// How many debits are not covered, also those that [`AccountState::violations`] leaves out.
    pub fn uncovered_count(&self) -> u64 {
        self.uncovered_count
    }

    /// True when nobody spends what `stream` holds any more: it has two histories, something of it
    /// is uncovered, its rights were recovered, or its node is known here to write a later one.
    pub fn is_frozen(&self, stream: &StreamId) -> bool {
        self.is_closed(stream) || self.lineage.is_left(&stream.trunk())
    }

    fn is_closed(&self, stream: &StreamId) -> bool {
        let is_recovered = |holder: &Holder| !holder.recoveries.is_empty();
        let trunk = stream.trunk();
        self.lineage.is_forked(&trunk)
            || self.holders.get(&trunk).is_some_and(is_recovered)
            || self.is_blocked(trunk)
    }

    /// How often what `stream` holds has changed hands, if it holds anything: of an account of one
    /// it says whose turn is the latest.
    pub(crate) fn fence(&self, stream: &StreamId) -> u64 {
        let Some(holder) = self.holders.get(&stream.trunk()) else { return 0 };
        let own = self.lineage.path(*stream).filter_map(|part| holder.segments.get(&part));
        own.map(|segment| segment.fence).fold(holder.fence, u64::max)
    }

    /// That what all hold together is what is above the floor, and that nobody holds less than
    /// nothing without a proof.
    ///
    /// # Panics
    /// It is not so: a bug of ours.
    pub fn check(&self) {
        let held: i128 = self.holders.values().map(Holder::pool).sum();
        let above = self.balance() - i128::from(self.creation.floor);
        assert_eq!(held, above, "rights are neither made nor lost");
        let short: i128 = self.holders.values().map(|holder| (-holder.pool()).max(0)).sum();
        assert!(above >= -short, "the floor holds but for what is proven");
        for violation in self.violations() {
            if let Violation::Overdrawn { stream, proof, .. } = violation {
                assert!(!proof.is_empty(), "one history of {stream} spent more than it had");
            }
        }
    }

    /// Learns of streams that were not known before; the forks are the same.
    pub(super) fn meet(&mut self, lineage: Arc<Lineage>) {
        self.lineage = lineage;
    }

    /// What the account's own event does.
    pub(super) fn apply(&mut self, key: EventKey, offset: Offset, change: &Change) {
        match change.action {
            Action::Deposit(amount) => {
                self.segment(key.stream).income += i128::from(amount);
                self.deposited += i128::from(amount);
            }
            Action::Withdraw(amount) => {
                if self.debit(key, offset, amount) {
                    self.withdrawn += i128::from(amount);
                }
            }
            Action::Grant { to, amount } => {
                if self.debit(key, offset, amount) {
                    let fence = self.fence(&key.stream) + 1;
                    let holder = self.holders.entry(to).or_default();
                    holder.credits += i128::from(amount);
                    holder.fence = holder.fence.max(fence);
                    if let Some(request) = self.requests.get_mut(&to) {
                        request.outstanding = request.outstanding.saturating_sub(amount);
                    }
                }
            }
            Action::Request(outstanding) => {
                let stream = key.stream.trunk();
                self.requests.insert(stream, OpenRequest { stream, key, outstanding });
            }
            Action::Recover { from, amount, income, outgo } => {
                let from = StreamId { node: key.stream.node, number: from };
                let stated = i128::from(income) - i128::from(outgo);
                self.take_over(key, offset, from, i128::from(amount), i128::from(income), stated);
            }
        }
    }

    /// Takes `amount` from the history that the event is in, if it and all before are covered.
    fn debit(&mut self, key: EventKey, offset: Offset, amount: u64) -> bool {
        let left = self.left(key.stream);
        if self.is_blocked(key.stream) || i128::from(amount) > left {
            self.refuse(key, offset, i128::from(amount), left);
            return false;
        }
        self.segment(key.stream).outgo += i128::from(amount);
        true
    }

    /// Takes rights of `from` over, as far as what its node states and what is known covers them.
    ///
    /// What `from` spent beyond the statement is not looked at: who has not heard of it would judge
    /// otherwise. It shows as overdrawn, with the statement as the proof.
    fn take_over(
        &mut self,
        key: EventKey,
        offset: Offset,
        from: StreamId,
        amount: i128,
        income: i128,
        stated: i128,
    ) {
        let known = self.holders.get(&from);
        let known_income = known.map_or(0, Holder::income);
        let own: Vec<StreamId> = self.lineage.path(key.stream).collect();
        let before = known.into_iter().flat_map(|holder| &holder.recoveries);
        let before: i128 =
            before.filter(|one| own.contains(&one.by)).map(|recovery| recovery.amount).sum();
        let left = known.map_or(0, |holder| holder.credits) + stated - before;
        if self.is_blocked(key.stream) || income > known_income || amount > left {
            return self.refuse(key, offset, amount, left);
        }
        let holder = self.holders.entry(from).or_default();
        holder.recoveries.push(Recovery { key, by: key.stream, amount });
        let fences = holder.segments.values().map(|segment| segment.fence);
        let fence = fences.fold(holder.fence, u64::max) + 1;
        let own = self.segment(key.stream);
        own.income += amount;
        own.fence = own.fence.max(fence);
    }

    fn refuse(&mut self, key: EventKey, offset: Offset, amount: i128, left: i128) {
        self.segment(key.stream).is_blocked = true;
        self.uncovered_count += 1;
        if self.uncovered.len() < VIOLATIONS_KEPT_MAX {
            let (amount, available) = (shown(amount), shown(left));
            self.uncovered.push(Violation::Uncovered { key, offset, amount, available });
        }
    }

    /// What the history that ends in `stream` has left, whoever else spends it.
    fn left(&self, stream: StreamId) -> i128 {
        let Some(holder) = self.holders.get(&stream.trunk()) else { return 0 };
        let own = self.lineage.path(stream).filter_map(|part| holder.segments.get(&part));
        holder.credits + own.map(Segment::net).sum::<i128>()
    }

    fn is_blocked(&self, stream: StreamId) -> bool {
        let Some(holder) = self.holders.get(&stream.trunk()) else { return false };
        let mut own = self.lineage.path(stream).filter_map(|part| holder.segments.get(&part));
        own.any(|segment| segment.is_blocked)
    }

    fn segment(&mut self, stream: StreamId) -> &mut Segment {
        let holder = self.holders.entry(stream.trunk()).or_default();
        holder.segments.entry(stream).or_default()
    }

    fn above_floor_at_first(&self) -> i128 {
        i128::from(self.creation.amount) - i128::from(self.creation.floor)
    }

    /// What `from` got and spent, and what is left of it: what its node may recover.
    pub(super) fn account_of(&self, from: &StreamId) -> Option<(i128, i128, i128)> {
        let holder = self.holders.get(from)?;
        Some((holder.income(), holder.outgo(), holder.pool()))
    }
}

impl Holder {
    fn income(&self) -> i128 {
        self.segments.values().map(|segment| segment.income).sum()
    }

    fn outgo(&self) -> i128 {
        self.segments.values().map(|segment| segment.outgo).sum()
    }

    /// What is left when all histories are taken together; negative when they spent it twice.
    fn pool(&self) -> i128 {
        let recovered: i128 = self.recoveries.iter().map(|recovery| recovery.amount).sum();
        self.credits + self.income() - self.outgo() - recovered
    }
}

impl Segment {
    fn net(&self) -> i128 {
        self.income - self.outgo
    }
}

/// An amount for people and languages: nothing below 0, nothing beyond 64 bits.
fn shown(amount: i128) -> u64 {
    u64::try_from(amount.max(0)).unwrap_or(u64::MAX)
}
