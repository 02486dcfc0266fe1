//! Rows that another room keeps in a table beside the events: by key, each with its checksum.
//!
//! Not here: what they mean (`blob/store`). Rule: a row that does not fit its checksum is never
//! handed out; what is committed together is there together. Source: docs/format.md, "Tables".

use super::block::{checked, with_checksum};
use super::shared::Shared;
use crate::error::Result;
use crate::log::shelf::{ShelfChange, ShelfRow};
use std::ops::Bound;

impl Shared {
    /// One row, without its checksum.
    ///
    /// # Errors
    /// `corrupt`: it does not fit its checksum. `closed`, `storage_failed`.
    pub(crate) fn shelf_row(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        self.tables.read(|opened, transaction| {
            let row = opened.blobs.get(transaction, key)?;
            Ok(row.map(|row| checked(key, row).map(<[u8]>::to_vec)).transpose()?)
        })
    }

    /// Up to `count_max` rows with a key from `from` on.
    ///
    /// # Errors
    /// `closed`, `storage_failed`.
    pub(crate) fn scan_shelf(&self, from: &[u8], count_max: usize) -> Result<Vec<ShelfRow>> {
        self.tables.read(|opened, transaction| {
            let (mut found, bounds) = (Vec::new(), (Bound::Included(from), Bound::Unbounded));
            for row in opened.blobs.range(transaction, &bounds)?.take(count_max) {
                let (key, row) = row?;
                found.push((key.to_vec(), checked(key, row).map(<[u8]>::to_vec)));
            }
            Ok(found)
        })
    }

    /// Puts and deletes rows, all or nothing; durable when it returns.
    ///
    /// # Errors
    /// `storage_full`, `storage_failed`, `closed`: nothing has changed.
    pub(crate) fn change_shelf(&self, changes: &[ShelfChange]) -> Result<()> {
        self.tables.write(|opened, transaction| {
            for ShelfChange { key, row } in changes {
                let Some(row) = row else {
                    opened.blobs.delete(transaction, key)?;
                    continue;
                };
                opened.blobs.put(transaction, key, &with_checksum(key, row))?;
            }
            Ok(())
        })
    }
}
