//! Escrow accounts: a quantity with a floor, divided beforehand into rights that streams hold.
//!
//! Each stream spends only its own rights, so it can decide alone, at once and while cut off, and
//! all of them together never spend more than there is. Not here: finding and publishing the
//! events, and one decision after the other (`driver`).
//!
//! Rule: a debit counts when the rights of its history, as far as events with smaller lamports made
//! them, cover it and every debit before it counts too. Only a history itself debits what it holds,
//! so more events, and forks, can make a debit count and never take that back: what a node saw as
//! good it may build on, whatever arrives later. No debit of an honest node is ever refused once
//! all events it knew have arrived.
//!
//! Invariant: what all hold together is the balance above the floor ([`AccountState::check`]). It
//! is negative for a stream only when its node wrote two histories, or declared an end of the
//! stream that was not its end; then that is the proof ([`Violation::Overdrawn`]).
//!
//! Begin with [`AccountFold`]. Forms and rules as a document: docs/escrow.md.

mod account_id;
mod decision;
mod fold;
mod holder;
mod operation;
mod overdraft;
mod policy;
mod state;
mod violation;

pub use account_id::AccountId;
pub use fold::{AccountFold, account_tag};
pub use operation::{AMOUNT_MAX, Action, Change, Creation, Operation, SHARES_MAX, Share};
pub use overdraft::Overdraft;
pub use policy::GrantPolicy;
pub(crate) use policy::PATIENCE_ROUNDS;
pub use state::{AccountState, Holding, OpenRequest};
pub use violation::{Proof, VIOLATIONS_KEPT_MAX, Violation};

#[cfg(test)]
mod tests;
