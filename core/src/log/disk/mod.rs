//! The durable log: a journal in front of LMDB.
//!
//! This is the rim: files, threads and clocks are allowed here, each file says which. Pure and
//! without I/O: `segment`, `body`, `block`, `postings`, `groups`, `terms`, `open_terms`, `filter`,
//! `run`, `turn`, `store_row`, `page`, `windows`.
//! Begin with `open` for the life of a store, `commit` for a write, `read` for a read,
//! `checkpoint` for what moves between journal and LMDB.

mod block;
mod body;
mod check;
mod checkpoint;
mod commit;
mod compact;
mod convert;
mod directory;
mod draft;
mod estimate;
mod filter;
mod fork;
mod groups;
mod heard;
mod journal;
mod keys;
mod lock;
mod lookup;
mod merge;
mod open;
mod open_terms;
mod page;
mod pages;
mod position;
mod postings;
mod quarantine;
mod queue;
mod read;
mod repair;
mod run;
mod segment;
mod shared;
mod shelf;
mod snapshots;
mod state;
mod stats;
mod store_row;
mod tables;
mod terms;
mod trees;
mod turn;
mod verify;
mod view;
mod views;
mod walk;
mod windows;

pub(crate) use commit::{AppendRequest, Helper, NextStream, Request, StoreRequest};
pub(crate) use compact::Compaction;
pub(crate) use filter::Filter;
pub(crate) use fork::ForkRequest;
pub use fork::Forked;
pub(crate) use journal::journal_bytes;
pub(crate) use lock::{Identity, StoreLock, identify};
pub(crate) use open::prepare_directory;
pub(crate) use repair::Repair;
pub(crate) use shared::{Shared, lock};
pub(crate) use snapshots::Owner;
pub use store_row::OpeningReason;
pub(crate) use walk::Walk;
pub(crate) use windows::Windows;

#[cfg(test)]
pub(crate) use groups::HEAD_PART as GROUP_HEAD_PART;
#[cfg(test)]
pub(crate) use merge::Merging;
#[cfg(test)]
pub(crate) use store_row::raise_format_version;
