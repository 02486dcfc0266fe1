//! What is done to accounts and claims, as one value for all languages.
//!
//! Not here: what counts and what is refused (`account`, `claim`, `doing`).

use crate::error::Result;
use crate::event::NodeId;
use crate::event::cbor::{self, Value};
use crate::pond::Name;
use crate::pond::claim::Doing;
use crate::pond::desk::{AccountDeed, ClaimDeed, NewAccount};
use crate::pond::escrow::AccountId;
use bytes::Bytes;
use std::fmt;

/// What is done to an account or a claim. Names are 1 to 200 bytes of UTF-8 in NFC, node ids 64 hex
/// digits, amounts 1 to 2^53 − 1; a note is one CBOR value in its deterministic encoding, kept and
/// never looked at. `id` means exactly the account with this id (32 hex digits), a rival say;
/// without it the account that the name means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deed {
    /// An account begins. Create it where the thing is, once.
    AccountCreate {
        /// Its name.
        name: String,
        /// Refused as one that exists: a new account gets an id of its own.
        id: Option<String>,
        /// What there is, within ±(2^53 − 1), not below the floor.
        amount: i64,
        /// What must remain; negative for a credit.
        floor: i64,
        /// What other nodes may spend from the beginning, by node id; at most `amount` − `floor`
        /// together.
        shares: Vec<(String, u64)>,
    },
    /// Adds an amount, which this node may then spend.
    AccountDeposit {
        /// Which account.
        name: String,
        /// Exactly this one.
        id: Option<String>,
        /// How much.
        amount: u64,
        /// To remember.
        note: Option<Bytes>,
    },
    /// Takes an amount, by rights that this node holds: decided at once, also while cut off.
    AccountWithdraw {
        /// Which account.
        name: String,
        /// Exactly this one.
        id: Option<String>,
        /// How much.
        amount: u64,
        /// To remember.
        note: Option<Bytes>,
    },
    /// Gives rights to another node.
    AccountGrant {
        /// Which account.
        name: String,
        /// Exactly this one.
        id: Option<String>,
        /// Node id of who gets them.
        to: String,
        /// How many.
        amount: u64,
    },
    /// Asks the other nodes for rights, in place of what was asked for before; 0 for none.
    AccountRequest {
        /// Which account.
        name: String,
        /// Exactly this one.
        id: Option<String>,
        /// How many more.
        amount: u64,
    },
    /// Takes over what a former stream of this node has left.
    AccountRecover {
        /// Which account.
        name: String,
        /// Exactly this one.
        id: Option<String>,
        /// Also when no other node was met since the store was opened: a person vouches.
        is_alone: bool,
    },
    /// An exclusive claim begins.
    ClaimCreate {
        /// To what.
        what: String,
        /// Node id of its first holder; this node without one.
        holder: Option<String>,
    },
    /// Hands it to another node.
    ClaimTransfer {
        /// To what.
        what: String,
        /// Node id of its next holder.
        to: String,
    },
    /// Asks for it, or takes that back.
    ClaimRequest {
        /// To what.
        what: String,
        /// Whether it is wanted.
        is_wanted: bool,
    },
    /// Takes it over from a former stream of this node.
    ClaimRecover {
        /// To what.
        what: String,
        /// Also when no other node was met since the store was opened: a person vouches.
        is_alone: bool,
    },
    /// Takes back what this node has said by `do_optimistically`.
    DoingRelease {
        /// Of what.
        what: String,
    },
}

/// What it does, for people: "withdraws 400 of steel".
impl fmt::Display for Deed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The beginning of an id tells nodes apart.
        let short = |id: &str| id.chars().take(8).collect::<String>();
        match self {
            Deed::AccountCreate { name, amount, floor, shares, .. } => {
                let shares = shares.len();
                write!(f, "creates {name}: {amount} above {floor}, shared with {shares}")
            }
            Deed::AccountDeposit { name, amount, .. } => write!(f, "deposits {amount} of {name}"),
            Deed::AccountWithdraw { name, amount, .. } => write!(f, "withdraws {amount} of {name}"),
            Deed::AccountGrant { name, to, amount, .. } => {
                write!(f, "grants {amount} of {name} to {}", short(to))
            }
            Deed::AccountRequest { name, amount, .. } => write!(f, "requests {amount} of {name}"),
            Deed::AccountRecover { name, .. } => write!(f, "recovers what it left of {name}"),
            Deed::ClaimCreate { what, .. } => write!(f, "creates the claim to {what}"),
            Deed::ClaimTransfer { what, to } => {
                write!(f, "hands the claim to {what} to {}", short(to))
            }
            Deed::ClaimRequest { what, is_wanted: true } => {
                write!(f, "requests the claim to {what}")
            }
            Deed::ClaimRequest { what, .. } => write!(f, "does not want the claim to {what}"),
            Deed::ClaimRecover { what, .. } => write!(f, "recovers the claim to {what}"),
            Deed::DoingRelease { what } => write!(f, "says that it does not do {what}"),
        }
    }
}

/// A deed whose names, ids and notes can be.
pub(crate) enum Reading {
    /// To the account that the name means, or exactly to the one of the id.
    Account { name: Name, id: Option<AccountId>, deed: AccountDeed },
    /// To an exclusive claim.
    Claim { what: Name, deed: ClaimDeed },
    /// Said in an optimistic claim.
    Doing { what: Name, doing: Doing },
}

impl Deed {
    /// # Errors
    /// `invalid_argument`, `limit_exceeded`: a name, an id or a note cannot be.
    pub(crate) fn read(self) -> Result<Reading> {
        Ok(match self {
            Deed::AccountCreate { name, id, amount, floor, shares } => {
                let share = |(to, amount): (String, u64)| Ok((node_id(&to)?, amount));
                let shares = shares.into_iter().map(share);
                account(&name, id, || {
                    let shares = shares.collect::<Result<_>>()?;
                    Ok(AccountDeed::Create(NewAccount { amount, floor, shares }))
                })?
            }
            Deed::AccountDeposit { name, id, amount, note } => {
                account(&name, id, || Ok(AccountDeed::Deposit { amount, note: read_note(note)? }))?
            }
            Deed::AccountWithdraw { name, id, amount, note } => {
                account(&name, id, || Ok(AccountDeed::Withdraw { amount, note: read_note(note)? }))?
            }
            Deed::AccountGrant { name, id, to, amount } => {
                account(&name, id, || Ok(AccountDeed::Grant { to: node_id(&to)?, amount }))?
            }
            Deed::AccountRequest { name, id, amount } => {
                account(&name, id, || Ok(AccountDeed::Request { amount }))?
            }
            Deed::AccountRecover { name, id, is_alone } => {
                account(&name, id, || Ok(AccountDeed::Recover { is_alone }))?
            }
            Deed::ClaimCreate { what, holder } => {
                let what = Name::new(&what)?;
                let holder = holder.as_deref().map(node_id).transpose()?;
                Reading::Claim { what, deed: ClaimDeed::Create { holder } }
            }
            Deed::ClaimTransfer { what, to } => {
                let what = Name::new(&what)?;
                Reading::Claim { what, deed: ClaimDeed::Transfer { to: node_id(&to)? } }
            }
            Deed::ClaimRequest { what, is_wanted } => {
                let deed = ClaimDeed::Request { wanted: is_wanted };
                Reading::Claim { what: Name::new(&what)?, deed }
            }
            Deed::ClaimRecover { what, is_alone } => {
                let deed = ClaimDeed::Recover { is_alone };
                Reading::Claim { what: Name::new(&what)?, deed }
            }
            Deed::DoingRelease { what } => {
                Reading::Doing { what: Name::new(&what)?, doing: Doing::Release }
            }
        })
    }
}

fn account(
    name: &str,
    id: Option<String>,
    deed: impl FnOnce() -> Result<AccountDeed>,
) -> Result<Reading> {
    let name = Name::new(name)?;
    let id = id.map(|id| id.trim().parse()).transpose()?;
    Ok(Reading::Account { name, id, deed: deed()? })
}

fn node_id(text: &str) -> Result<NodeId> {
    text.trim().parse()
}

/// The value of a note.
///
/// # Errors
/// `invalid_argument`, `limit_exceeded`: it is no value in its deterministic encoding.
pub fn read_note(note: Option<Bytes>) -> Result<Option<Value>> {
    let read = |note: Bytes| {
        cbor::check(&note)?;
        Value::decode(&note)
    };
    note.map(read).transpose()
}
