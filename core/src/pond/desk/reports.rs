//! Accounts and claims as a node knows them.

use crate::event::{EventKey, NodeId, OffsetMap, StreamId};
use crate::pond::claim::{ClaimHolder, Doer, Fence};
use crate::pond::escrow::{AccountId, AccountState, OpenRequest, Violation};
use std::sync::Arc;

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
    /// Other accounts of this name, created by nodes that had not heard of this one: the first
    /// 256, oldest first. `Account::with_id` is the way to them.
    pub rivals: Vec<Rival>,
    /// The point in history that this is the state of.
    pub as_of: Arc<OffsetMap>,
}

/// Another account of the same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rival {
    /// Which.
    pub id: AccountId,
    /// The event that created it.
    pub created: EventKey,
    /// True when it is what the name means to nodes that acted in none of them.
    pub is_first: bool,
    /// What there is.
    pub balance: i128,
    /// What this node may spend of it.
    pub available: u64,
}

/// A claim as this node knows it.
#[derive(Clone, Debug, PartialEq)]
pub struct ClaimReport {
    /// Who holds it. More than one only when a node wrote two histories; highest fence first.
    pub holders: Vec<ClaimHolder>,
    /// With what this node may act, if it holds the claim: give it along with each act, so that
    /// the machine's adapter can refuse who was overtaken ([`Gate`](crate::pond::claim::Gate)).
    pub own_fence: Option<Fence>,
    /// Who asks for it, oldest first.
    pub requests: Vec<OpenRequest>,
    /// What should not be, with what proves it.
    pub violations: Vec<Violation>,
    /// Other claims to the same, by nodes that had not heard of this one, by id; they are void.
    pub rivals: Vec<AccountId>,
    /// The point in history that this is the state of.
    pub as_of: Arc<OffsetMap>,
}

/// Who does something, as far as is known on this node.
#[derive(Clone, Debug, PartialEq)]
pub struct WhoDoes {
    /// Who holds the exclusive claim to it, if there is one.
    pub holder: Option<ClaimHolder>,
    /// Whose optimistic claim has won, if one stands that has.
    pub winner: Option<Doer>,
    /// Who says that it does it, by rising event key; the winner is one of them.
    pub doers: Vec<Doer>,
    /// The point in history that this is the answer of, or of a later one: an older claim may still
    /// arrive.
    pub as_of: OffsetMap,
}
