//! What can be done to an account, a claim or an activity.

use millpond_facade::{self as facade, Bytes};

/// A share of an account that is created.
#[derive(Clone, Debug, uniffi::Record)]
pub struct Share {
    /// Node id.
    pub node: String,
    /// Amount.
    pub amount: u64,
}

/// What is to be done; which account it is: one of that name, and exactly that `id` if it is said.
/// A note is one CBOR value.
#[derive(Clone, Debug, uniffi::Enum)]
pub enum Deed {
    /// An account begins.
    AccountCreate {
        /// Its name.
        name: String,
        /// Refused as one that exists.
        id: Option<String>,
        /// What there is.
        amount: i64,
        /// What must remain.
        floor: i64,
        /// What other nodes may spend from the beginning.
        shares: Vec<Share>,
    },
    /// Adds an amount.
    AccountDeposit {
        /// Which account.
        name: String,
        /// Exactly this one.
        id: Option<String>,
        /// How much.
        amount: u64,
        /// To remember.
        note: Option<Vec<u8>>,
    },
    /// Takes an amount.
    AccountWithdraw {
        /// Which account.
        name: String,
        /// Exactly this one.
        id: Option<String>,
        /// How much.
        amount: u64,
        /// To remember.
        note: Option<Vec<u8>>,
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
    /// Asks the other nodes for rights.
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
        /// A person vouches.
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
        /// A person vouches.
        is_alone: bool,
    },
    /// Takes back what this node has said that it does.
    DoingRelease {
        /// Of what.
        what: String,
    },
}

impl Deed {
    pub(crate) fn into_facade(self) -> facade::Deed {
        let kept = |note: Option<Vec<u8>>| note.map(Bytes::from);
        match self {
            Deed::AccountCreate { name, id, amount, floor, shares } => {
                let shares = shares.into_iter().map(|share| (share.node, share.amount)).collect();
                facade::Deed::AccountCreate { name, id, amount, floor, shares }
            }
            Deed::AccountDeposit { name, id, amount, note } => {
                facade::Deed::AccountDeposit { name, id, amount, note: kept(note) }
            }
            Deed::AccountWithdraw { name, id, amount, note } => {
                facade::Deed::AccountWithdraw { name, id, amount, note: kept(note) }
            }
            Deed::AccountGrant { name, id, to, amount } => {
                facade::Deed::AccountGrant { name, id, to, amount }
            }
            Deed::AccountRequest { name, id, amount } => {
                facade::Deed::AccountRequest { name, id, amount }
            }
            Deed::AccountRecover { name, id, is_alone } => {
                facade::Deed::AccountRecover { name, id, is_alone }
            }
            Deed::ClaimCreate { what, holder } => facade::Deed::ClaimCreate { what, holder },
            Deed::ClaimTransfer { what, to } => facade::Deed::ClaimTransfer { what, to },
            Deed::ClaimRequest { what, is_wanted } => {
                facade::Deed::ClaimRequest { what, is_wanted }
            }
            Deed::ClaimRecover { what, is_alone } => facade::Deed::ClaimRecover { what, is_alone },
            Deed::DoingRelease { what } => facade::Deed::DoingRelease { what },
        }
    }
}
