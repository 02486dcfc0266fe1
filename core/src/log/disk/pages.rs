//! LMDB's file, looked at before LMDB opens it.
//!
//! LMDB believes its file: one flipped bit in a page of a tree can make it read or write outside
//! its map and end the process, go in circles, or miss rows. So at each opening the metas are
//! checked here, and the trees that they lead to in `trees`. A verification does it again, of one
//! transaction of the open file. Not here: what the values say; they have checksums of their own.
//! Begin with [`check_pages`]. Source: docs/format.md, "LMDB's file".
#![allow(clippy::disallowed_types)] // The rim: a file is read as it is, and never made.

use super::page::{META_BYTES, Meta, damage};
use super::tables::is_complete;
use super::trees::{Kind, Read, Walker};
use crate::error::{Error, ErrorKind, Result};
use crate::files::failed;
use std::cell::Cell;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Between two looks at whether to go on.
const READS_AT_ONCE: u32 = 64;

/// A file of LMDB, with its two transactions.
pub(super) struct Pages {
    file: File,
    path: PathBuf,
    newer: Meta,
    older: Meta,
    count: u64,
}

/// Checks the file at `path`; one that is missing or empty has no pages. True when a transaction
/// may lie beyond the newest one: then the journal decides, see `check_older`.
///
/// # Errors
/// `corrupt`: names the page; with reason `truncated` when the file was cut off. `storage_failed`.
pub(super) fn check_pages(path: &Path) -> Result<bool> {
    Pages::look(path)?.map_or(Ok(false), |pages| pages.walk(&|| Ok(())))
}

impl Pages {
    /// Checks the metas of the file at `path`; `None` when it is missing or empty, and on machines
    /// where this is not looked at.
    ///
    /// # Errors
    /// As for [`check_pages`].
    pub(super) fn look(path: &Path) -> Result<Option<Pages>> {
        // Elsewhere LMDB writes other numbers than those of docs/format.md.
        if !cfg!(all(target_pointer_width = "64", target_endian = "little")) {
            return Ok(None);
        }
        let unread = |error: io::Error| failed("read", path, &error);
        let file = match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(unread)?,
        };
        let file_bytes = file.metadata().map_err(unread)?.len();
        if file_bytes == 0 {
            return Ok(None);
        }
        let read = |from: u64, bytes: &mut [u8]| file.read_exact_at(bytes, from).map_err(unread);
        let metas = read_metas(&read, file_bytes).map_err(|error| named(error, path))?;
        let (newer, older, count) = metas;
        Ok(Some(Pages { file, path: path.to_owned(), newer, older, count }))
    }

    /// Walks through the trees of the newer transaction, asking now and then whether to `go_on`;
    /// true when a transaction may lie beyond it. Its pages must not be used again meanwhile.
    ///
    /// # Errors
    /// As for [`check_pages`], and those of `go_on`.
    pub(super) fn walk(&self, go_on: &dyn Fn() -> Result<()>) -> Result<bool> {
        let reads = Cell::new(0u32);
        let read = |from: u64, bytes: &mut [u8]| {
            if reads.replace(reads.get() + 1).is_multiple_of(READS_AT_ONCE) {
                go_on()?;
            }
            let read = self.file.read_exact_at(bytes, from);
            read.map_err(|error| failed("read", &self.path, &error))
        };
        self.walk_trees(&read).map_err(|error| named(error, &self.path))
    }

    fn walk_trees(&self, read: Read<'_>) -> Result<bool> {
        let newer = &self.newer;
        let mut walker = Walker::new(read, newer);
        walker.tree(&newer.free, Kind::Free)?;
        check_transaction(&walker, newer.transaction)?;
        walker.tree(&newer.main, Kind::Main)?;
        // All are made in one transaction. A later format may have more.
        if newer.main.rows != 0 && !is_complete(walker.tables) {
            return Err(damage(newer.main.root, "begins a tree that lacks a table"));
        }
        check_older(read, &self.older, self.count)
    }
}

/// The newer and the older meta, and how many pages the file has.
fn read_metas(read: Read<'_>, file_bytes: u64) -> Result<(Meta, Meta, u64)> {
    if file_bytes < META_BYTES as u64 {
        return Err(truncated(file_bytes, 0));
    }
    let mut page = [0; META_BYTES];
    read(0, &mut page)?;
    let first = Meta::read(0, &page)?;
    let pages = file_bytes / first.page_bytes as u64;
    if pages < 2 {
        return Err(truncated(file_bytes, 1));
    }
    read(first.page_bytes as u64, &mut page)?;
    let second = Meta::read(1, &page)?;
    if second.page_bytes != first.page_bytes {
        return Err(damage(1, "has another page size than page 0"));
    }
    // Transactions are numbered without gaps and take turns; a new file has 0 twice.
    let (even, odd) = (first.transaction, second.transaction);
    let take_turns = even % 2 == 0 && odd % 2 == 1 && even.abs_diff(odd) == 1;
    if !take_turns && (even, odd) != (0, 0) {
        return Err(damage(0, &format!("has transaction {even} and page 1 has {odd}")));
    }
    let (newer, older) = if odd > even { (second, first) } else { (first, second) };
    if newer.last >= pages {
        return Err(truncated(file_bytes, newer.last));
    }
    Ok((newer, older, pages))
}

/// LMDB leaves the older one whole. If it leads to the next transaction, then either that one was
/// taken back by a flipped bit, or writing it failed and LMDB put the old number beside the new
/// trees: `true`.
fn check_older(read: Read<'_>, older: &Meta, pages: u64) -> Result<bool> {
    if older.last >= pages {
        return Ok(false);
    }
    let mut walker = Walker::new(read, older);
    if walker.tree(&older.free, Kind::Free).is_err() {
        return Ok(false);
    }
    if older.transaction > 0 && walker.newest == older.transaction + 2 {
        return Ok(true);
    }
    check_transaction(&walker, older.transaction).map(|()| false)
}

/// Every transaction after the first frees pages and lists them under its number.
fn check_transaction(walker: &Walker<'_>, transaction: u64) -> Result<()> {
    if transaction > 1 && walker.newest != transaction {
        let what = format!("has transaction {transaction}, its pages {}", walker.newest);
        return Err(damage(transaction % 2, &what));
    }
    Ok(())
}

fn named(error: Error, path: &Path) -> Error {
    match error.kind() {
        ErrorKind::Corrupt => error.in_context(path.display()),
        _ => error,
    }
}

fn truncated(file_bytes: u64, page: u64) -> Error {
    let message = format!("it ends after {file_bytes} bytes and should have page {page}");
    Error::new(ErrorKind::Corrupt, message).with_reason("truncated")
}
