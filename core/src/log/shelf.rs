//! Rows that another room keeps beside the events, in a table of its own.
//!
//! Not here: what they mean. Rule: a commit is there as a whole, and durable when it returns.

use super::log::Log;
use super::registry::Handle;
use crate::error::Result;
use std::sync::Arc;

/// The table. It keeps the log open.
#[derive(Clone)]
pub(crate) struct Shelf {
    handle: Arc<Handle>,
}

/// One row that is put, or deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ShelfChange {
    /// 1 to 511 bytes.
    pub(crate) key: Vec<u8>,
    /// None deletes it.
    pub(crate) row: Option<Vec<u8>>,
}

/// The key of a row, and the row, or what is wrong with it.
pub(crate) type ShelfRow = (Vec<u8>, Result<Vec<u8>>);

impl Log {
    /// The rows of the room that keeps some.
    ///
    /// # Errors
    /// `closed`, `forked_process`.
    pub(crate) fn shelf(&self) -> Result<Shelf> {
        self.shared().check_open()?;
        Ok(Shelf { handle: self.handle.clone() })
    }
}

impl Shelf {
    /// Whether this is a child of the process that opened the log.
    pub(crate) fn is_forked(&self) -> bool {
        self.handle.shared.is_forked()
    }

    /// One row.
    ///
    /// # Errors
    /// `corrupt`: it is damaged. `closed`, `forked_process`, `storage_failed`.
    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        self.handle.shared.check_open()?;
        self.handle.shared.shelf_row(key)
    }

    /// Up to `count_max` rows with a key from `from` on, rising.
    ///
    /// # Errors
    /// `closed`, `forked_process`, `storage_failed`. A damaged row is an error in its place.
    pub(crate) fn scan(&self, from: &[u8], count_max: usize) -> Result<Vec<ShelfRow>> {
        self.handle.shared.check_open()?;
        self.handle.shared.scan_shelf(from, count_max)
    }

    /// Puts and deletes rows, all or nothing; on disk when this returns. Waits for other writes to
    /// the tables, a compaction included.
    ///
    /// # Errors
    /// `storage_full`, `storage_failed`, `closed`, `forked_process`: nothing has changed.
    pub(crate) fn commit(&self, changes: &[ShelfChange]) -> Result<()> {
        self.handle.shared.check_open()?;
        self.handle.shared.change_shelf(changes)
    }
}
