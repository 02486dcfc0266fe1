//! One account as the events say: its balance, and who holds which rights.
//!
//! Not here: which event belongs to which account (`fold`), what to do next (`decision`, `policy`).
//! Invariant: [`AccountState::check`].

use crate::event::{EventKey, Lamport, Offset, StreamId};
use crate::planted;
use crate::pond::escrow::holder::Holder;
use crate::pond::escrow::{AMOUNT_MAX, AccountId, Action, Change, Creation};
use crate::pond::escrow::{Proof, VIOLATIONS_KEPT_MAX, Violation};
use crate::pond::{Lineage, Name};
use std::collections::BTreeMap;
use std::sync::Arc;

/// One account after some events, in key order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountState {
    name: Name,
    id: AccountId,
    creation: Arc<Creation>,
    created: EventKey,
    deposited: i128,
    withdrawn: i128,
    /// By trunk: rights are given to a stream, whatever its histories are called.
    holders: BTreeMap<StreamId, Arc<Holder>>,
    /// By trunk.
    requests: BTreeMap<StreamId, OpenRequest>,
    uncovered: Arc<Vec<Violation>>,
    uncovered_count: u64,
    lineage: Arc<Lineage>,
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

/// A request for rights, which has not got all it asked for unless said otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenRequest {
    /// Who asks; never a branch.
    pub stream: StreamId,
    /// The event that asks.
    pub key: EventKey,
    /// What it asked for, at least 1.
    pub asked: u64,
    /// What is still wanted, at most `asked`.
    pub outstanding: u64,
    /// What its stream has spent since.
    pub(super) used: u64,
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
            creation: Arc::new(creation),
            created,
            deposited: 0,
            withdrawn: 0,
            holders: BTreeMap::new(),
            requests: BTreeMap::new(),
            uncovered: Arc::default(),
            uncovered_count: 0,
            lineage,
        };
        let (creation, at, own) = (state.creation.clone(), created.lamport, created.stream);
        for share in creation.shares.iter().filter(|share| share.stream != own.trunk()) {
            state.holder(share.stream).credit(at, i128::from(share.amount), 1);
        }
        let rest = state.rest();
        state.holder(own).create(at, own, rest);
        state
    }

    /// The same creation once more. In another history of its author's stream it is the creation
    /// there, too; in one that has it, it says nothing, and that is `false`.
    pub(super) fn create_again(&mut self, key: EventKey) -> bool {
        let (lineage, own, rest) = (self.lineage.clone(), key.stream, self.rest());
        let holder = self.holder(own);
        let is_new = !holder.has_creation(&lineage, own) && !planted!("escrow_created_once");
        if is_new {
            holder.create_again(key.lamport, own, rest);
        }
        is_new
    }

    /// What is left to the author of the creation: what is above the floor without the shares of
    /// others. A share of its own is part of it.
    fn rest(&self) -> i128 {
        let own = self.created.stream.trunk();
        let others = self.creation.shares.iter().filter(|share| share.stream != own);
        let shared: i128 = others.map(|share| i128::from(share.amount)).sum();
        i128::from(self.creation.amount) - i128::from(self.creation.floor) - shared
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

    /// What decides which of several accounts of one name is the oldest.
    pub(crate) fn age(&self) -> (Lamport, StreamId, AccountId) {
        (self.created.lamport, self.created.stream.trunk(), self.id)
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
        let holder = self.holders.get(stream);
        holder.map_or(0, |holder| shown(holder.left(&self.lineage, *stream)))
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

    /// What `stream` asked for last, also when it has got all of it; none when it wants nothing any
    /// more.
    pub fn request_of(&self, stream: &StreamId) -> Option<&OpenRequest> {
        self.requests.get(stream).filter(|request| request.asked > 0)
    }

    /// What should not be: every overdrawn stream, every one of which there may be more histories
    /// than are kept, and the first `VIOLATIONS_KEPT_MAX` uncovered debits in key order.
    pub fn violations(&self) -> Vec<Violation> {
        let crowded = self.holders.keys().filter(|stream| self.lineage.is_crowded(stream));
        let crowded = crowded.map(|stream| Violation::Crowded { stream: *stream });
        let overdrawn = self.holders.iter().filter_map(|(stream, holder)| {
            let by = u64::try_from(-holder.pool()).ok().filter(|by| *by > 0)?;
            let forks = self.lineage.forks_of(*stream).cloned().collect();
            let proof = Proof { forks, recoveries: holder.recoveries().to_vec() };
            Some(Violation::Overdrawn { stream: *stream, by, proof })
        });
        overdrawn.chain(crowded).chain(self.uncovered.iter().cloned()).collect()
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
        let trunk = stream.trunk();
        let is_over =
            |holder: &Arc<Holder>| holder.is_recovered() || holder.is_blocked(&self.lineage, trunk);
        self.lineage.is_forked(&trunk) || self.holders.get(&trunk).is_some_and(is_over)
    }

    /// How often what `stream` holds has changed hands, if it holds anything: of an account of one
    /// it says whose turn is the latest.
    pub(crate) fn fence(&self, stream: &StreamId) -> u64 {
        let holder = self.holders.get(&stream.trunk());
        holder.map_or(0, |holder| holder.fence(&self.lineage, *stream))
    }

    /// That what all hold together is what is above the floor, and that nobody holds less than
    /// nothing without a proof.
    ///
    /// # Panics
    /// It is not so: a bug of ours.
    pub fn check(&self) {
        assert_eq!(self.flaw(), None);
    }

    /// What is not as [`AccountState::check`] says.
    pub(crate) fn flaw(&self) -> Option<String> {
        let held: i128 = self.holders.values().map(|holder| holder.pool()).sum();
        let above = self.balance() - i128::from(self.creation.floor);
        if held != above {
            return Some(format!("rights are made or lost: {held} are held of {above}"));
        }
        let short: i128 = self.holders.values().map(|holder| (-holder.pool()).max(0)).sum();
        if above < -short {
            return Some(format!("{above} are above the floor, and only {short} are overdrawn"));
        }
        let unproven = self.violations().into_iter().find_map(|violation| match violation {
            Violation::Overdrawn { stream, proof, .. } if proof.is_empty() => Some(stream),
            _ => None,
        });
        unproven.map(|stream| format!("one history of {stream} spent more than it had"))
    }

    /// Learns of streams that were not known before; the forks are the same.
    pub(super) fn meet(&mut self, lineage: Arc<Lineage>) {
        self.lineage = lineage;
    }

    /// What an event of the account does.
    pub(super) fn apply(&mut self, key: EventKey, offset: Offset, change: &Change) {
        let (at, own) = (key.lamport, key.stream);
        match change.action {
            Action::Deposit(amount) => {
                self.holder(own).earn(at, own, i128::from(amount));
                self.deposited += i128::from(amount);
            }
            Action::Withdraw(amount) => {
                if self.debit(key, offset, amount) {
                    self.withdrawn += i128::from(amount);
                }
            }
            Action::Grant { to, amount } => {
                if self.debit(key, offset, amount) || planted!("escrow_uncovered_grant_counts") {
                    let giver = self.holders.get(&own.trunk());
                    let fence =
                        giver.map_or(0, |own| own.fence_before(&self.lineage, key.stream, at));
                    self.holder(to).credit(at, i128::from(amount), fence + 1);
                    if let Some(request) = self.earlier_request(to, at) {
                        request.outstanding = request.outstanding.saturating_sub(amount);
                    }
                }
            }
            Action::Request(asked) => {
                let stream = own.trunk();
                let request = OpenRequest { stream, key, asked, outstanding: asked, used: 0 };
                self.requests.insert(stream, request);
            }
            Action::Recover { from, amount, income, outgo } => {
                let from = StreamId { node: own.node, number: from };
                self.take_over(key, offset, from, amount, (income.into(), outgo.into()));
            }
        }
    }

    /// Takes `amount` from the history that the event is in, if it and all before are covered.
    fn debit(&mut self, key: EventKey, offset: Offset, amount: u64) -> bool {
        let (at, own) = (key.lamport, key.stream);
        let holder = self.holders.get(&own.trunk());
        let left =
            holder.map_or(0, |holder| match planted!("escrow_histories_share_what_is_left") {
                true => holder.pool(),
                false => holder.left_before(&self.lineage, own, at),
            });
        if i128::from(amount) > left || self.is_blocked(own) {
            self.refuse(key, offset, amount, left);
            return false;
        }
        self.holder(own).spend(own, amount.into());
        if let Some(request) = self.earlier_request(own.trunk(), at) {
            request.used = request.used.saturating_add(amount);
        }
        true
    }

    /// Takes rights of `from` over, as far as the income and outgo that its node states and what is
    /// known covers them.
    ///
    /// What `from` spent beyond the statement is not looked at: who has not heard of it would judge
    /// otherwise. It shows as overdrawn, with the statement as the proof.
    fn take_over(
        &mut self,
        key: EventKey,
        offset: Offset,
        from: StreamId,
        amount: u64,
        (income, outgo): (i128, i128),
    ) {
        let (at, own) = (key.lamport, key.stream);
        let nothing = Arc::default();
        let source = self.holders.get(&from).unwrap_or(&nothing);
        let before = source.recovered_by(&self.lineage, own);
        let left = source.credits_before(at) + income - outgo - before;
        let is_known = income <= source.income_before(at);
        let fence = source.highest_fence_before(at) + 1;
        if self.is_blocked(own) || !is_known || i128::from(amount) > left {
            return self.refuse(key, offset, amount, left);
        }
        self.holder(from).recover(key, amount.into());
        let holder = self.holder(own);
        holder.earn(at, own, amount.into());
        holder.raise_fence(at, own, fence);
    }

    fn refuse(&mut self, key: EventKey, offset: Offset, amount: u64, left: i128) {
        self.holder(key.stream).block(key.stream);
        self.uncovered_count += 1;
        if self.uncovered.len() < VIOLATIONS_KEPT_MAX {
            let available = shown(left);
            let uncovered = Violation::Uncovered { key, offset, amount, available };
            Arc::make_mut(&mut self.uncovered).push(uncovered);
        }
    }

    fn is_blocked(&self, stream: StreamId) -> bool {
        let holder = self.holders.get(&stream.trunk());
        !planted!("escrow_uncovered_does_not_block")
            && holder.is_some_and(|holder| holder.is_blocked(&self.lineage, stream))
    }

    /// What `trunk` asked for below the lamport `at`.
    fn earlier_request(&mut self, trunk: StreamId, at: Lamport) -> Option<&mut OpenRequest> {
        self.requests.get_mut(&trunk).filter(|request| request.key.lamport < at)
    }

    fn holder(&mut self, stream: StreamId) -> &mut Holder {
        Arc::make_mut(self.holders.entry(stream.trunk()).or_default())
    }

    /// What `own` may recover of `from`, and what it is to state of it; none when nothing is known
    /// of it.
    pub(super) fn statement(&self, own: StreamId, from: StreamId) -> Option<Statement> {
        let holder = self.holders.get(&from)?;
        let (income, outgo) = holder.turnover();
        // Less of both is the same, where they do not fit into 64 bits.
        let beyond = (income.max(outgo) - i128::from(u64::MAX)).max(0);
        let (income, outgo) = ((income - beyond).max(0), (outgo - beyond).max(0));
        let stated = holder.credits() + income - outgo - holder.recovered_by(&self.lineage, own);
        let amount = stated.min(holder.pool()).clamp(0, AMOUNT_MAX.into());
        let narrow = |value| u64::try_from(value).expect("it is within 64 bits");
        Some(Statement { amount: narrow(amount), income: narrow(income), outgo: narrow(outgo) })
    }
}

/// What a node signs of a former stream of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Statement {
    /// What it takes over; 0 when nothing is left.
    pub(super) amount: u64,
    /// What the stream got by its own events.
    pub(super) income: u64,
    /// What it withdrew and granted.
    pub(super) outgo: u64,
}

/// An amount for people and languages: nothing below 0, nothing beyond 64 bits.
fn shown(amount: i128) -> u64 {
    u64::try_from(amount.max(0)).unwrap_or(u64::MAX)
}
