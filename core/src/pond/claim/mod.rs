//! Claims: who does what.
//!
//! An *exclusive* claim is an escrow account of one: whoever holds it may act, nobody else can, and
//! each time it changes hands its fence number rises, which an adapter to a machine can check. An
//! *optimistic* claim is a word, "I do this": all may say it, the least event key wins, and the
//! others learn that they lost.
//!
//! Not here: finding and publishing the events (`driver`). Rule: as in `escrow`, which it is made
//! of; an optimistic claim may be lost for as long as an older one may arrive.
//! Begin with [`ClaimFold`] and [`DoingFold`]. Forms: docs/escrow.md, "Claims".

mod exclusive;
mod fence;
mod optimistic;

pub use exclusive::{ClaimFold, ClaimHolder, ClaimState, claim_tag};
pub use fence::{Fence, Gate};
pub use optimistic::{Doer, Doing, DoingFold, Standing, doing_tag};
