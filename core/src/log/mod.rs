//! The log: all streams a node holds, durable, checked, and readable in one order.
//!
//! Not here: peers (`sync`), what a query means (`query`), what an event is (`event`).
//! Rule: nothing is visible, acknowledged or announced before it is durable (an append with
//! `Durability::Process` is acknowledged earlier, and nothing else).
//! Begin with [`Log::open`], [`Log::append`], [`Log::cursor`] and [`Log::subscribe`].
//! Bytes on disk: docs/format.md.

mod batch;
mod columns;
mod completeness;
mod counters;
mod cursor;
mod disk;
mod distinct;
mod explanation;
mod follow;
mod fork;
mod live;
#[allow(clippy::module_inception)] // One public type per file, named after it.
mod log;
mod news;
mod options;
mod outlook;
mod registry;
mod shown;
mod status;
mod upkeep;
mod watch;

pub use batch::{EventBatch, EventView};
pub use columns::Columns;
pub use completeness::Completeness;
pub use counters::LogCounts;
pub use cursor::Cursor;
pub use disk::{Forked, OpeningReason};
pub use explanation::{Explanation, Looks};
pub use follow::{Batch, Follower};
pub use log::Log;
pub use options::{
    AppendOptions, Appended, CursorOptions, DamageHook, Delivery, Durability, GrowthHook,
    LogOptions, RangeStored, Receipt,
};
pub use outlook::{Behind, Outlook, Unheard};
pub use status::{DAMAGES_MAX, Damage, DamagedBlock, LogStatus};
pub use upkeep::{Compacted, LogStats, TableStats, VerifyReport};
pub use watch::Watch;

#[cfg(test)]
mod tests;
