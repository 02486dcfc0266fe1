//! LMDB behind short transactions: the tables of a store and the growth of their map.
//!
//! Not here: what the values mean (`block`, `store_row`, `checkpoint`). Rule: plain synchronous
//! LMDB, none of its fast flags; no transaction leaves this file, so none crosses user code; the
//! map grows only while no transaction lives. Source: docs/format.md, "Tables".

#![allow(clippy::disallowed_types)] // The rim: a copy goes into a file that others opened.
#![allow(clippy::disallowed_methods)] // The rim: no transaction lives long.

use super::pages::{Pages, check_pages};
use crate::error::{Error, ErrorKind, Result};
use crate::files::{failed, sync_directory};
use heed::types::Bytes;
use heed::{CompactionOption, Env, EnvFlags, EnvOpenOptions, MdbError, RoTxn, RwTxn, WithoutTls};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

/// Smallest map; it doubles whenever it is full.
const MAP_BYTES_MIN: usize = 64 << 20;
/// A walk through all pages reads as one transaction for as long as this.
const PAGES_TIME_MAX: Duration = Duration::from_millis(250);
/// Most read transactions at once, of all threads.
const READERS_MAX: u32 = 1024;
/// Name of LMDB's file in the directory of the store.
pub(crate) const DATA_NAME: &str = "data.mdb";
/// Name of the file beside it that LMDB makes and that says who reads.
const LOCK_NAME: &str = "lock.mdb";
/// The tables, in the order of `Opened`'s fields.
pub(super) const TABLE_NAMES: [&str; 11] = [
    "events",
    "postings",
    "heads",
    "streams",
    IDEMPOTENCY_NAME,
    ORDER_NAME,
    "settings",
    GROUPS_NAME,
    FORKS_NAME,
    SNAPSHOTS_NAME,
    BLOBS_NAME,
];
/// A table that a store may lack: it is made from `postings`.
pub(super) const GROUPS_NAME: &str = "groups";
/// A table that a store may lack: it was made before there were forks.
pub(super) const FORKS_NAME: &str = "forks";
/// A table that a store may lack: its rows only save time.
pub(super) const SNAPSHOTS_NAME: &str = "snapshots";
/// A table that a store may lack: it was made before there were blobs.
pub(super) const BLOBS_NAME: &str = "blobs";
/// What the first two of them are made from in a store of format 0.
pub(super) const FORMER_NAMES: [&str; 2] = ["blocks", "index"];
/// The table in which a row that is not found is an answer.
pub(super) const IDEMPOTENCY_NAME: &str = "idempotency";
/// The table with its keys in the order in which they are forgotten.
pub(super) const ORDER_NAME: &str = "idempotency_order";

/// Whether a store has all tables of its format, given a bit for each of `TABLE_NAMES` and then
/// of `FORMER_NAMES`.
pub(super) fn is_complete(tables: u32) -> bool {
    // The last ones are those of the groups, of the forks, of the snapshots and of the blobs.
    let needed = (1 << (TABLE_NAMES.len() - 4)) - 1;
    let former = (0b11 << TABLE_NAMES.len()) | (needed & !0b11);
    tables & needed == needed || tables & former == former
}

/// One table: byte strings by byte string.
pub(crate) type Table = heed::Database<'static, Bytes, Bytes>;

/// The tables, open.
pub(crate) struct Opened {
    env: Env<WithoutTls>,
    /// Of a store that was of format 0: `FORMER_NAMES`.
    pub(crate) former: Option<[Table; 2]>,
    pub(crate) events: Table,
    pub(crate) postings: Table,
    pub(crate) heads: Table,
    pub(crate) streams: Table,
    pub(crate) idempotency: Table,
    pub(crate) idempotency_order: Table,
    pub(crate) settings: Table,
    pub(crate) groups: Table,
    pub(crate) forks: Table,
    pub(crate) snapshots: Table,
    pub(crate) blobs: Table,
}

/// LMDB with its lock: readers share it, growing and closing need it alone.
pub(crate) struct Tables {
    /// Or why they are not open.
    opened: RwLock<Result<Opened>>,
    /// Held by who writes, and while a copy is made that must have everything.
    writes: Mutex<()>,
    path: PathBuf,
    /// They may be those before the last checkpoint.
    pub(crate) is_doubtful: bool,
}

/// What goes wrong inside a transaction: LMDB's trouble or ours.
pub(crate) enum TableError {
    Lmdb(heed::Error),
    Ours(Error),
}

impl From<heed::Error> for TableError {
    fn from(error: heed::Error) -> TableError {
        TableError::Lmdb(error)
    }
}

impl From<Error> for TableError {
    fn from(error: Error) -> TableError {
        TableError::Ours(error)
    }
}

/// A result inside a transaction.
pub(crate) type TableResult<T> = std::result::Result<T, TableError>;

impl Tables {
    /// Opens or creates the tables in `directory`, of which this process holds the lock.
    ///
    /// # Errors
    /// `corrupt`: its pages are not as LMDB leaves them. `storage_full`, `storage_failed`: as they
    /// say.
    pub(crate) fn open(directory: &Path) -> Result<Tables> {
        let path = directory.join(DATA_NAME);
        let is_doubtful = check_pages(&path)?;
        let opened = Opened::open(directory, &path, EnvFlags::empty())?;
        let (opened, writes) = (RwLock::new(Ok(opened)), Mutex::new(()));
        Ok(Tables { opened, writes, path, is_doubtful })
    }

    /// Opens a copy that nobody else knows of, a file outside of the place of the tables.
    ///
    /// # Errors
    /// As [`Tables::open`].
    pub(crate) fn open_copy(path: &Path) -> Result<Tables> {
        let is_doubtful = check_pages(path)?;
        let opened = Opened::open(path, path, EnvFlags::NO_SUB_DIR | EnvFlags::NO_LOCK)?;
        let (opened, writes) = (RwLock::new(Ok(opened)), Mutex::new(()));
        Ok(Tables { opened, writes, path: path.to_owned(), is_doubtful })
    }

    /// Runs `work` in a read transaction. It must be short: no waiting, no user code.
    pub(crate) fn read<T>(
        &self,
        work: impl FnOnce(&Opened, &RoTxn<'_>) -> TableResult<T>,
    ) -> Result<T> {
        let guard = self.opened.read().unwrap_or_else(PoisonError::into_inner);
        let opened = guard.as_ref().map_err(Error::clone)?;
        let run = || -> TableResult<T> {
            let transaction = opened.env.read_txn()?;
            work(opened, &transaction)
        };
        run().map_err(|error| explain(&self.path, error))
    }

    /// Runs `work` in a write transaction and commits it durably; runs it again with a larger map
    /// when the map was full.
    pub(crate) fn write<T>(
        &self,
        mut work: impl FnMut(&Opened, &mut RwTxn<'_>) -> TableResult<T>,
    ) -> Result<T> {
        let _writing = self.hold_writes();
        loop {
            match self.try_write(&mut work)? {
                Ok(value) => return Ok(value),
                Err(TableError::Lmdb(heed::Error::Mdb(MdbError::MapFull))) => self.grow()?,
                Err(error) => return Err(explain(&self.path, error)),
            }
        }
    }

    /// The error as callers see it.
    pub(crate) fn explain(&self, error: TableError) -> Error {
        explain(&self.path, error)
    }

    /// Keeps everybody from writing until it is dropped; reading goes on.
    pub(crate) fn hold_writes(&self) -> MutexGuard<'_, ()> {
        self.writes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Walks through the pages of all trees, as opening does, as long as it is `wanted`.
    ///
    /// Reads as one transaction, which keeps its pages from being used again while others write.
    /// What takes longer than a moment (a file that is not in memory, or a very large one) is
    /// begun anew without a transaction, and writes wait for it.
    ///
    /// # Errors
    /// `corrupt`: they are not as LMDB leaves them. `cancelled`: it was not wanted any more.
    /// `closed`, `storage_failed`.
    pub(crate) fn check_pages(&self, wanted: &dyn Fn() -> bool) -> Result<()> {
        if self.check_pages_within(PAGES_TIME_MAX, wanted)? {
            return Ok(());
        }
        let _writing = self.hold_writes();
        match Pages::look(&self.path)? {
            Some(pages) => pages.walk(&|| still(wanted)).map(drop),
            None => Ok(()),
        }
    }

    /// The first part of `check_pages`; false when that was not enough time.
    pub(crate) fn check_pages_within(
        &self,
        time: Duration,
        wanted: &dyn Fn() -> bool,
    ) -> Result<bool> {
        let writing = self.hold_writes();
        let guard = self.opened.read().unwrap_or_else(PoisonError::into_inner);
        let opened = guard.as_ref().map_err(Error::clone)?;
        let transaction = opened.env.read_txn();
        let transaction = transaction.map_err(|error| explain(&self.path, error.into()))?;
        let began = Instant::now();
        // Nobody writes, so the newer meta is that of our transaction.
        let Some(pages) = Pages::look(&self.path)? else { return Ok(true) };
        drop(writing);
        let is_late = || began.elapsed() > time;
        let go_on = || if is_late() { Err(called_off()) } else { still(wanted) };
        let walked = pages.walk(&go_on);
        drop(transaction);
        match walked {
            Err(error) if error.kind() == ErrorKind::Cancelled && is_late() => Ok(false),
            walked => walked.map(|_| true),
        }
    }

    /// Writes the tables without their free pages to `out`, a file or a pipe.
    ///
    /// Reads as one transaction all the time, which keeps pages from being used again: so the
    /// caller holds the writes.
    pub(crate) fn copy_to(&self, out: &mut File) -> Result<()> {
        let guard = self.opened.read().unwrap_or_else(PoisonError::into_inner);
        let opened = guard.as_ref().map_err(Error::clone)?;
        let copied = opened.env.copy_to_file(out, CompactionOption::Enabled);
        copied.map_err(|error| explain(&self.path, TableError::Lmdb(error)))
    }

    /// Puts the file at `copy`, which is on the disk and holds the same, in the place of the
    /// tables. The caller holds the writes. Readers wait for it a few milliseconds.
    ///
    /// # Errors
    /// `storage_full`, `storage_failed`: the tables are as they were; or nobody can say which file
    /// a power cut would leave: then they are closed, and answer this error.
    pub(crate) fn replace(&self, copy: &Path) -> Result<()> {
        let directory = self.path.parent().unwrap_or(Path::new("."));
        let mut guard = self.opened.write().unwrap_or_else(PoisonError::into_inner);
        let opened = std::mem::replace(&mut *guard, Err(closed()));
        opened?.close();
        // Its table of readers and its count of transactions are those of the old file. LMDB makes
        // it anew.
        let moved = remove_if_there(&directory.join(LOCK_NAME)).and_then(|()| {
            std::fs::rename(copy, &self.path).map_err(|error| failed("replace", &self.path, &error))
        });
        let synced = match &moved {
            Ok(()) => sync_directory(directory),
            Err(_) => Ok(()),
        };
        *guard = synced.and_then(|()| Opened::open(directory, &self.path, EnvFlags::empty()));
        guard.as_ref().map_err(Error::clone).map(drop).and(moved)
    }

    /// Waits for running transactions and lets the file go. Later calls answer `closed`.
    pub(crate) fn close(&self) {
        let mut guard = self.opened.write().unwrap_or_else(PoisonError::into_inner);
        if let Ok(opened) = std::mem::replace(&mut *guard, Err(closed())) {
            opened.close();
        }
    }

    /// Bytes of the file.
    pub(crate) fn file_bytes(&self) -> u64 {
        std::fs::metadata(&self.path).map_or(0, |metadata| metadata.len())
    }

    fn try_write<T>(
        &self,
        work: &mut impl FnMut(&Opened, &mut RwTxn<'_>) -> TableResult<T>,
    ) -> Result<TableResult<T>> {
        let guard = self.opened.read().unwrap_or_else(PoisonError::into_inner);
        let opened = guard.as_ref().map_err(Error::clone)?;
        let mut run = || -> TableResult<T> {
            let mut transaction = opened.env.write_txn()?;
            let value = work(opened, &mut transaction)?;
            transaction.commit()?;
            Ok(value)
        };
        Ok(run())
    }

    fn grow(&self) -> Result<()> {
        let guard = self.opened.write().unwrap_or_else(PoisonError::into_inner);
        let opened = guard.as_ref().map_err(Error::clone)?;
        let map_bytes = opened.env.info().map_size;
        // SAFETY: transactions live only inside `read` and `try_write`, which hold the lock shared;
        // we hold it alone, so none is active.
        unsafe { opened.env.resize(map_bytes * 2) }
            .map_err(|error| explain(&self.path, TableError::Lmdb(error)))
    }
}

impl Opened {
    fn open(place: &Path, file: &Path, flags: EnvFlags) -> Result<Opened> {
        let file_bytes = std::fs::metadata(file).map_or(0, |metadata| metadata.len() as usize);
        let map_bytes = (file_bytes * 2).max(MAP_BYTES_MIN).next_multiple_of(MAP_BYTES_MIN);
        let mut options = EnvOpenOptions::new().read_txn_without_tls();
        options.map_size(map_bytes).max_readers(READERS_MAX).max_dbs(16);
        // SAFETY: none of LMDB's fast flags is among them. Without its lock only a copy is opened,
        // by the one thread that made it, so no two transactions of it live at a time.
        unsafe { options.flags(flags) };
        // SAFETY: LMDB maps the file; it must not be changed behind its back. The lock file of the
        // store is held by us, within the process the registry opens each directory once, and a
        // file is put in the place of another only when no map of that one is left. The lock file
        // of LMDB is that of this map alone: where the file was replaced it was removed.
        unsafe { options.open(place) }
            .map_err(TableError::from)
            .and_then(Opened::create)
            .map_err(|error| explain(file, error))
    }

    /// Returns when LMDB has let go of the file, its map and its lock file.
    fn close(self) {
        self.env.prepare_for_closing().wait();
    }

    /// Pages of the table of tables, number of all pages in use or free, and bytes of a page.
    pub(crate) fn pages(&self) -> (u64, u64, u64) {
        let stat = self.env.unnamed_database_stat();
        let own = stat.branch_pages + stat.leaf_pages + stat.overflow_pages;
        let all = self.env.info().last_page_number + 1;
        (own as u64, all as u64, u64::from(stat.page_size))
    }

    fn create(env: Env<WithoutTls>) -> TableResult<Opened> {
        let transaction = env.write_txn()?;
        let tables = env.create_databases_and_commit(transaction, |opener, transaction| {
            let [blocks, index] = FORMER_NAMES.map(|name| {
                let mut options = opener.database_options().types::<Bytes, Bytes>();
                options.name(name).open(transaction)
            });
            let former = blocks?.zip(index?).map(|(blocks, index)| [blocks, index]);
            let mut create = |name| {
                let mut options = opener.database_options().types::<Bytes, Bytes>();
                options.name(name).create(transaction)
            };
            let mut tables = [create(TABLE_NAMES[0])?; TABLE_NAMES.len()];
            for (table, name) in tables.iter_mut().zip(TABLE_NAMES).skip(1) {
                *table = create(name)?;
            }
            Ok::<_, heed::Error>(heed::CommitOrAbort::<_, ()>::Commit((former, tables)))
        })?;
        let (former, tables) = tables.unwrap_commit();
        let [
            events,
            postings,
            heads,
            streams,
            idempotency,
            idempotency_order,
            settings,
            groups,
            forks,
            snapshots,
            blobs,
        ] = tables;
        Ok(Opened {
            env,
            former,
            events,
            postings,
            heads,
            streams,
            idempotency,
            idempotency_order,
            settings,
            groups,
            forks,
            snapshots,
            blobs,
        })
    }
}

/// Removes a file that may not be there.
pub(crate) fn remove_if_there(path: &Path) -> Result<()> {
    if !path.exists() {
        return Ok(());
    }
    std::fs::remove_file(path).map_err(|error| failed("remove", path, &error))
}

fn explain(path: &Path, error: TableError) -> Error {
    match error {
        TableError::Ours(error) => error,
        TableError::Lmdb(heed::Error::Io(error)) => failed("use", path, &error),
        TableError::Lmdb(heed::Error::Mdb(error)) => {
            let damaged = matches!(
                error,
                MdbError::Corrupted
                    | MdbError::PageNotFound
                    | MdbError::Invalid
                    | MdbError::VersionMismatch
                    | MdbError::Incompatible
            );
            let kind = if damaged { ErrorKind::Corrupt } else { ErrorKind::StorageFailed };
            Error::new(kind, format!("{}: {error}", path.display()))
        }
        TableError::Lmdb(error) => {
            Error::new(ErrorKind::StorageFailed, format!("{}: {error}", path.display()))
        }
    }
}

fn still(wanted: &dyn Fn() -> bool) -> Result<()> {
    if wanted() { Ok(()) } else { Err(called_off()) }
}

fn called_off() -> Error {
    Error::new(ErrorKind::Cancelled, "the walk through the pages was called off")
}

fn closed() -> Error {
    Error::new(ErrorKind::Closed, "the log is closed")
}
