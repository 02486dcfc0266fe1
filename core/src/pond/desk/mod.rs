//! What is decided about accounts and claims: on what ground, by which deed, and what is told.
//!
//! A decision is a function of its [`Ground`] and of what is asked for: it says which payload is to
//! be published, and what that spends. Not here: who decides one after the other, remembers what is
//! under way and publishes (`driver`; `pond::lab` for tests), and what counts (`escrow`, `claim`).
//! Rule: no clock; `now` is an argument.
//! Begin with [`Deed`]: what is done, as one value for all languages. Source: docs/escrow.md.

mod account;
mod answering;
mod asked;
mod claim;
mod deed;
mod doing;
mod folded;
mod ground;
mod reports;

pub(crate) use account::AccountDeed;
pub(crate) use answering::{Answering, Look, OpenSince, ROUND};
pub(crate) use asked::Asked;
pub(crate) use claim::ClaimDeed;
pub(crate) use deed::Reading;
pub use deed::{Deed, read_note};
pub use doing::Told;
pub(crate) use folded::Folded;
pub(crate) use ground::{Decision, Ground, Knowledge};
pub use reports::{AccountReport, ClaimReport, NewAccount, Rival, WhoDoes};
