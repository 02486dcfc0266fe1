//! What is done to an account, and what is told of it.

use crate::error::{Error, ErrorKind, Result};
use crate::event::NodeId;
use crate::event::cbor::Value;
use crate::pond::desk::asked::{Asked, id_value};
use crate::pond::desk::{AccountReport, Decision, Ground, NewAccount, Rival};
use crate::pond::escrow::{AccountFold, AccountId, AccountState, Creation, Operation, Share};

/// Most rivals that a report names.
const RIVALS_SHOWN_MAX: usize = 256;

/// What is done to an account.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum AccountDeed {
    Create(NewAccount),
    Deposit {
        amount: u64,
        note: Option<Value>,
    },
    Withdraw {
        amount: u64,
        note: Option<Value>,
    },
    Grant {
        to: NodeId,
        amount: u64,
    },
    Request {
        amount: u64,
    },
    Recover {
        /// A person vouches that nobody knows more of the former stream.
        is_alone: bool,
    },
}

impl AccountDeed {
    /// What is asked for by doing this to what the name means, or exactly to the account `id`.
    ///
    /// # Errors
    /// `invalid_argument`, `limit_exceeded`: the note is no value.
    pub(crate) fn asked(&self, id: Option<&AccountId>) -> Result<Asked> {
        // Exactly this one is something else than the one that the name means.
        let deed = |deed: &str| id.map_or(deed.to_owned(), |id| format!("{deed} {id}"));
        match self {
            AccountDeed::Create(account) => {
                let mut shares = account.shares.clone();
                shares.sort_unstable(); // In whatever order a language gives them.
                let share =
                    |(node, amount)| Value::Array(vec![id_value(node), Value::from(amount)]);
                let shares = Value::Array(shares.into_iter().map(share).collect());
                let said = [Some(account.amount.into()), Some(account.floor.into()), Some(shares)];
                Asked::new(&deed("create"), said)
            }
            AccountDeed::Deposit { amount, note } => {
                Asked::new(&deed("deposit"), [Some((*amount).into()), note.clone()])
            }
            AccountDeed::Withdraw { amount, note } => {
                Asked::new(&deed("withdraw"), [Some((*amount).into()), note.clone()])
            }
            AccountDeed::Grant { to, amount } => {
                Asked::new(&deed("grant"), [Some((*amount).into()), Some(id_value(*to))])
            }
            AccountDeed::Request { amount } => {
                Asked::new(&deed("request"), [Some((*amount).into())])
            }
            AccountDeed::Recover { is_alone } => {
                Asked::new(&deed("recover"), [Some((*is_alone).into())])
            }
        }
    }

    /// Does it to the account that the name means on this ground, or exactly to the one of the id.
    ///
    /// # Errors
    /// As the calls of `Account` say.
    pub(crate) fn decide(
        self,
        ground: &Ground<'_, AccountFold>,
        id: Option<&AccountId>,
    ) -> Result<Decision> {
        let own = ground.own;
        let state = || known(ground, id);
        let (operation, spends) = match self {
            AccountDeed::Create(account) => (create(ground, id, account)?, 0),
            AccountDeed::Deposit { amount, note } => (state()?.deposit(own, amount, note)?, 0),
            AccountDeed::Withdraw { amount, note } => {
                (state()?.withdraw(own, amount, ground.in_flight, note)?, amount)
            }
            AccountDeed::Grant { to, amount } => {
                let to = ground.lineage.newest(to);
                (state()?.grant(own, to, amount, ground.in_flight)?, amount)
            }
            AccountDeed::Request { amount } => (state()?.request(own, amount)?, 0),
            AccountDeed::Recover { is_alone } => (recover(ground, state()?, is_alone)?, 0),
        };
        Ok(Decision { payload: operation.to_payload()?, spends })
    }
}

impl AccountReport {
    /// Of the account that the name means on this ground, or exactly of the one of the id.
    ///
    /// # Errors
    /// `not_found`: it is not known.
    pub(crate) fn of(
        ground: &Ground<'_, AccountFold>,
        id: Option<&AccountId>,
    ) -> Result<AccountReport> {
        let state = known(ground, id)?;
        Ok(AccountReport {
            available: state.available(&ground.own).saturating_sub(ground.in_flight),
            own_stream: ground.own,
            rivals: rivals(state, ground),
            as_of: ground.as_of.clone(),
            state: state.clone(),
        })
    }
}

fn known<'a>(ground: &Ground<'a, AccountFold>, id: Option<&AccountId>) -> Result<&'a AccountState> {
    let known = match id {
        Some(id) => ground.state.get(id),
        None => ground.state.meant_by(&ground.own.node),
    };
    known.ok_or_else(|| {
        let message = format!("no account {} is known here; create it", ground.state.name());
        Error::new(ErrorKind::NotFound, message)
    })
}

fn create(
    ground: &Ground<'_, AccountFold>,
    id: Option<&AccountId>,
    account: NewAccount,
) -> Result<Operation> {
    if known(ground, id).is_ok() || id.is_some() || ground.flights > 0 {
        let message = format!("the account {} exists", ground.state.name());
        return Err(Error::new(ErrorKind::Conflict, message).with_reason("exists"));
    }
    let share = |(node, amount)| Share { stream: ground.lineage.newest(node), amount };
    let shares = account.shares.into_iter().map(share).collect();
    let NewAccount { amount, floor, .. } = account;
    let creation = Creation { stream: ground.own.number, amount, floor, shares };
    creation.check()?;
    Ok(Operation::Create(creation))
}

fn recover(
    ground: &Ground<'_, AccountFold>,
    state: &AccountState,
    is_alone: bool,
) -> Result<Operation> {
    ground.check_at_rest()?;
    let own = ground.own;
    let former = state.holdings().into_iter().map(|holding| holding.stream);
    let mut former = former.filter(|stream| stream.node == own.node && *stream != own);
    let nothing = || {
        let message = format!("account {}: no former stream holds rights", state.name());
        Error::new(ErrorKind::NotFound, message)
    };
    let former = former.next().ok_or_else(nothing)?;
    let mut holders = state.holdings().into_iter().map(|holding| holding.stream.node);
    let has_partners = holders.any(|node| node != own.node);
    ground.check_known(former, (is_alone, has_partners))?;
    state.recover(own, former)
}

fn rivals(state: &AccountState, ground: &Ground<'_, AccountFold>) -> Vec<Rival> {
    let first = ground.state.first().map(AccountState::id);
    let all = ground.state.accounts().filter(|account| account.id() != state.id());
    let mut all: Vec<&AccountState> = all.collect();
    all.sort_by_key(|account| account.age());
    let rival = |account: &AccountState| Rival {
        id: account.id(),
        created: account.created(),
        is_first: Some(account.id()) == first,
        balance: account.balance(),
        available: account.available(&ground.own),
    };
    all.into_iter().take(RIVALS_SHOWN_MAX).map(rival).collect()
}
