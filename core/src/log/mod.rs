//! The log: all streams a node holds, durable, checked, and readable in one order.
//!
//! Not here: peers (`sync`), what a query means (`query`), what an event is (`event`).
//! Rule: nothing is visible, acknowledged or announced before it is durable (an append with
//! `Durability::Process` is acknowledged earlier, and nothing else).
//! Begin with [`Log::open`], [`Log::append`], [`Log::cursor`] and [`Log::subscribe`].
//! Bytes on disk: docs/format.md.

mod bell;
mod completeness;
mod counters;
mod coverage;
mod cursor;
mod disk;
mod explanation;
mod follow;
mod fork;
mod interest;
mod key_follow;
mod live;
#[allow(clippy::module_inception)] // One public type per file, named after it.
mod log;
mod news;
mod options;
mod outlook;
mod registry;
mod shelf;
mod shown;
mod snapshots;
mod status;
mod upkeep;
mod watch;

pub use completeness::Completeness;
pub use counters::LogCounts;
pub(crate) use coverage::Coverage;
pub use cursor::Cursor;
pub(crate) use disk::Filter;
pub use disk::{Forked, OpeningReason};
pub use explanation::{Explanation, Looks};
pub use follow::{Batch, Follower};
pub(crate) use interest::Interest;
pub use key_follow::{KeyBatch, KeyFollower, KeyStep};
pub use log::Log;
pub use options::{
    AppendOptions, Appended, CursorOptions, DamageHook, Delivery, Durability, GrowthHook,
    LogOptions, RangeStored, Receipt,
};
pub use outlook::{Outlook, Unheard};
pub(crate) use shelf::{Shelf, ShelfChange};
pub use snapshots::{Snapshot, SnapshotEntry, Snapshots};
pub use status::{DAMAGES_MAX, Damage, DamagedBlock, LogStatus};
pub use upkeep::{Compacted, LogStats, TableStats, VerifyReport};
pub(crate) use watch::Signal;
pub use watch::Watch;

#[cfg(test)]
mod tests;
