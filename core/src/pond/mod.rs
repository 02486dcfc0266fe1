//! State from events: folds that go back when an older event arrives, as state machines; and what
//! folds make possible without a coordinator.
//!
//! A *fish* folds the events that its query selects, in key order, into a state. Nobody here calls
//! code of an application: a [`Fold`] says which [`Job`] is next, whoever owns the code does it,
//! and hands in the answer. So that code runs where its owner wants it, and under no lock.
//!
//! Not here: reading the log (`log`), publishing, threads and clocks (`driver`).
//! Rule: what is emitted is the fold of all matching events of one offset map, in key order,
//! however they arrived, whatever was remembered.
//! Begin with [`Fold`]; where it remembers states is `points`, how long it waits before it goes
//! back is `patience`, folds without code are in `builtin`. Source: docs/pond.md. [`escrow`]
//! divides a quantity among nodes, and [`claim`] says who does what: docs/escrow.md; what is
//! decided about both is in [`desk`]. [`lab`] is a swarm in memory for tests.

pub mod builtin;
pub mod claim;
mod code;
mod definition;
pub mod desk;
mod emission;
pub mod escrow;
mod fish;
mod fold;
mod grow_only;
mod job;
pub mod lab;
mod lineage;
mod monotone;
mod name;
mod owner;
mod patience;
mod points;
mod snapshot;
mod state;

pub(crate) use code::guarded;
pub use definition::{CODEC_DEFAULT, Definition};
pub use desk::Deed;
pub use emission::Emission;
pub use fish::{CodeError, Fish, resets_take_back};
pub use fold::{Act, Fold, FoldCounts, FoldOptions, Found, Prospect};
pub use grow_only::{BrokenLaw, GROW_ONLY_EVENTS_MAX, NotShown, check_grow_only};
pub use job::{Answer, Failure, Function, Job, STATE_BYTES_MAX};
pub use lineage::Lineage;
pub use name::{NAME_BYTES_MAX, Name};
pub use owner::Owner;
pub use patience::Patience;
pub use snapshot::{Snapshot, SnapshotChange};
pub use state::{FishState, state_writer};

#[cfg(test)]
mod tests;
