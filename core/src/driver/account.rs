//! An escrow account, as applications use it.
//!
//! Not here: what counts and what may be spent (`pond::escrow`).

use crate::driver::coordination::AccountDesk;
use crate::driver::decider::Ground;
use crate::driver::node::Node;
use crate::error::{Error, ErrorKind, Result};
use crate::event::cbor::Value;
use crate::event::{NodeId, OffsetMap, StreamId};
use crate::log::Appended;
use crate::pending::Pending;
use crate::pond::Name;
use crate::pond::escrow::{
    AccountFold, AccountId, AccountState, Creation, GrantPolicy, Operation, Share,
};
use crate::query::Query;
use std::sync::Arc;

/// An escrow account on one node: a quantity with a floor, of which each node spends its own rights
/// at once, also while it is cut off.
///
/// Decisions on one account are made one after the other, in the whole process, and many share one
/// sync of the disk. Keeps its node open.
#[derive(Clone)]
pub struct Account {
    node: Node,
    desk: Arc<AccountDesk>,
}

/// How an account begins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewAccount {
    /// What there is, from −2^53 + 1 to 2^53 − 1, and not below the floor.
    pub amount: i64,
    /// What must remain; negative for a credit.
    pub floor: i64,
    /// What other nodes may spend from the beginning, each 1 to 2^53 − 1: at most `amount` −
    /// `floor` together. The rest may be spent here.
    pub shares: Vec<(NodeId, u64)>,
}

/// An account as this node knows it.
#[derive(Clone, Debug, PartialEq)]
pub struct AccountReport {
    /// Balance, holders, requests, violations.
    pub state: AccountState,
    /// What can be withdrawn or granted here now.
    pub available: u64,
    /// The stream that it is available to.
    pub own_stream: StreamId,
    /// Other accounts of this name: created by nodes that had not heard of this one.
    pub rivals: Vec<AccountId>,
    /// The point in history that this is the state of.
    pub as_of: Arc<OffsetMap>,
}

impl Node {
    /// The account called `name`, 1 to 200 bytes of UTF-8, whether it was created or not.
    ///
    /// # Errors
    /// `invalid_argument`, `limit_exceeded`: there can be no such name. `closed`.
    pub fn account(&self, name: &str) -> Result<Account> {
        self.log()?;
        let desk = self.shared().coordination.account(Name::new(name)?);
        Ok(Account { node: self.clone(), desk })
    }
}

impl Account {
    /// What it is called, in NFC.
    pub fn name(&self) -> &Name {
        self.desk.name()
    }

    /// Selects the events of all accounts of this name: whoever subscribes to it hears when
    /// something changes.
    pub fn query(&self) -> Query {
        self.desk.decider().query()
    }

    /// Creates the account; the same once more, by the same node, changes nothing.
    ///
    /// Create an account where the thing is, once: two nodes that create one of the same name while
    /// they are cut off from each other make two accounts. Then the name means the one whose event
    /// sorts first, and the other one is a rival of it.
    ///
    /// # Errors
    /// `conflict`, reason `exists`: the name means an account already. `invalid_argument`,
    /// `limit_exceeded`: there can be no such account. Those of [`Node::publish`].
    pub fn create(&self, account: NewAccount) -> Pending<Appended> {
        self.decide(|ground| {
            if ground.state.first().is_some() || ground.flights > 0 {
                let message = format!("the account {} exists", self.name());
                return Err(Error::new(ErrorKind::Conflict, message).with_reason("exists"));
            }
            let share = |(node, amount)| Share { stream: ground.lineage.newest(node), amount };
            let shares = account.shares.into_iter().map(share).collect();
            let NewAccount { amount, floor, .. } = account;
            let creation = Creation { stream: ground.own.number, amount, floor, shares };
            creation.check()?;
            Ok((Operation::Create(creation), 0))
        })
    }

    /// The account as it is known here.
    ///
    /// # Errors
    /// `not_found`: it is not known here. `corrupt`, `storage_failed`: the log cannot be read.
    /// `closed`, `forked_process`.
    pub fn report(&self) -> Result<AccountReport> {
        self.desk.decider().read(self.node.log()?, |ground| {
            let state = self.known(ground)?;
            let rivals = ground.state.accounts().map(AccountState::id);
            Ok(AccountReport {
                available: state.available(&ground.own).saturating_sub(ground.in_flight),
                own_stream: ground.own,
                rivals: rivals.filter(|id| *id != state.id()).collect(),
                as_of: ground.as_of.clone(),
                state: state.clone(),
            })
        })?
    }

    /// Takes `amount`, 1 to 2^53 − 1, by rights that this node holds. `note` is kept with it.
    ///
    /// Decides at once, from what is on this disk. The answer comes when it is durable; then it
    /// counts on every node, whatever else happened meanwhile.
    ///
    /// # Errors
    /// `overdraft`, with [`Overdraft`](crate::pond::escrow::Overdraft): this node does not hold as
    /// much; says what is available here and who holds the rest. `not_found`: there is no such
    /// account here. `conflict`, reason `stream_changed`: try again. `invalid_argument`,
    /// `limit_exceeded`: there is no such amount, or the note is no payload. Those of
    /// [`Node::publish`].
    pub fn withdraw(&self, amount: u64, note: Option<Value>) -> Pending<Appended> {
        self.change(amount, |state, ground| {
            state.withdraw(ground.own, amount, ground.in_flight, note)
        })
    }

    /// Adds `amount`, 1 to 2^53 − 1, which this node may then spend.
    ///
    /// # Errors
    /// As [`Account::withdraw`], without `overdraft`.
    pub fn deposit(&self, amount: u64, note: Option<Value>) -> Pending<Appended> {
        self.change(0, |state, ground| state.deposit(ground.own, amount, note))
    }

    /// Gives rights to another node: to the stream that it writes, as far as is known here.
    ///
    /// # Errors
    /// As [`Account::withdraw`]; `invalid_argument`: it is this node.
    pub fn grant(&self, to: NodeId, amount: u64) -> Pending<Appended> {
        self.change(amount, |state, ground| {
            state.grant(ground.own, ground.lineage.newest(to), amount, ground.in_flight)
        })
    }

    /// Asks the other nodes for `amount` more rights, in place of what was asked for before; 0 asks
    /// for nothing any more. See [`Account::answer_requests`].
    ///
    /// # Errors
    /// As [`Account::deposit`].
    pub fn request(&self, amount: u64) -> Pending<Appended> {
        self.change(0, |state, ground| state.request(ground.own, amount))
    }

    /// Takes over what a former stream of this node has left: it goes on in a new one when its
    /// store was restored, copied or cut. Only a person can know that nothing writes the former one
    /// any more. Where a clone still does, both count, and both are the proof of it.
    ///
    /// Takes from the former stream that holds most; call it again for the next one.
    ///
    /// # Errors
    /// `not_found`: nothing is left in former streams, as far as is known here. `conflict`, reason
    /// `under_way`: another decision about this account is not durable yet; try again. As
    /// [`Account::deposit`].
    pub fn recover(&self) -> Pending<Appended> {
        self.change(0, |state, ground| {
            ground.check_at_rest()?;
            let own = ground.own;
            let former = state.holdings().into_iter().map(|holding| holding.stream);
            let mut former = former.filter(|stream| stream.node == own.node && *stream != own);
            let nothing = || {
                let message = format!("account {}: no former stream holds rights", self.name());
                Error::new(ErrorKind::NotFound, message)
            };
            state.recover(own, former.next().ok_or_else(nothing)?)
        })
    }

    /// Answers requests of other nodes by itself as `policy` says, from now on and for as long as
    /// the node is open; `None` leaves them unanswered, which is how it begins.
    ///
    /// # Errors
    /// `closed`, `forked_process`.
    pub fn answer_requests(&self, policy: Option<GrantPolicy>) -> Result<()> {
        self.node.log()?.check_process()?;
        self.desk.answer(self.node.shared(), self.node.app_id(), policy)
    }

    fn change(
        &self,
        spends: u64,
        decision: impl FnOnce(&AccountState, &Ground<'_, AccountFold>) -> Result<Operation>,
    ) -> Pending<Appended> {
        self.decide(|ground| Ok((decision(self.known(ground)?, ground)?, spends)))
    }

    fn decide(
        &self,
        decision: impl FnOnce(&Ground<'_, AccountFold>) -> Result<(Operation, u64)>,
    ) -> Pending<Appended> {
        let log = match self.node.log() {
            Ok(log) => log,
            Err(error) => return Pending::ready(Err(error)),
        };
        self.desk.decider().decide(log, self.node.app_id(), |ground| {
            let (operation, spends) = decision(ground)?;
            Ok((operation.to_payload()?, spends))
        })
    }

    fn known<'a>(&self, ground: &Ground<'a, AccountFold>) -> Result<&'a AccountState> {
        ground.state.first().ok_or_else(|| {
            let message = format!("no account {} is known here; create it", self.name());
            Error::new(ErrorKind::NotFound, message)
        })
    }
}
