//! The blobs of one node: the door.
//!
//! Not here: adding (`add`), reading (`read`), collecting (`collect`), opening (`recover`), bounds
//! (`quota`). Rule: a blob is visible by its row, and the row is committed after everything that it
//! speaks of is on the medium. Locks, in the order in which they may be taken: a lease, then
//! `writer`, which is held over a commit and over nothing that waits for a caller.

use super::ages::Ages;
use super::files::Place;
use super::lease::Leases;
use super::moving::Moving;
use super::replace::going_row;
use super::rows::{
    BLOB, BlobRow, COUNTERS_KEY, Counters, NUMBER_MAX, blob_key, blob_of_key, going_key,
};
use crate::blob::BlobId;
use crate::blob::about::About;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{TagSet, WallTime};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};
use std::time::Duration;

/// How many numbers are reserved at a time.
pub(crate) const RESERVED_AT_ONCE: u64 = 256;
/// Most blobs of one answer of `list`.
pub(crate) const LISTED_MAX: usize = 1024;
/// Rows that are read at a time; each has at most 16 KiB and what is said of it.
const ROWS_AT_ONCE: usize = 64;

/// One row that is put, or deleted when it is none.
pub(crate) type RowChange = (Vec<u8>, Option<Vec<u8>>);
/// The key of a row, and the row, or what is wrong with it.
pub(crate) type FoundRow = (Vec<u8>, Result<Vec<u8>>);

/// Where the rows are. Keys have at most 40 bytes.
pub(crate) trait Rows: Send + Sync {
    /// One row.
    ///
    /// # Errors
    /// `corrupt`: it is damaged. Those of reading.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>>;

    /// Up to `count_max` rows with a key from `from` on, rising.
    ///
    /// # Errors
    /// Those of reading; a damaged row is an error in its place.
    fn scan(&self, from: &[u8], count_max: usize) -> Result<Vec<FoundRow>>;

    /// All of these or none; durable when it returns.
    ///
    /// # Errors
    /// Those of writing: nothing has changed.
    fn commit(&self, changes: Vec<RowChange>) -> Result<()>;

    /// Whether this is a child of the process that opened them: then rows and files are its
    /// parent's, and so are locks that were held.
    fn is_forked(&self) -> bool;
}

/// What the events say of blobs.
pub(crate) trait References: Send + Sync {
    /// Whether an event that is held refers to the blob. Once one does, one always will.
    ///
    /// # Errors
    /// When that cannot be said; who asks takes it as a yes.
    fn keeps(&self, id: &BlobId) -> Result<bool>;
}

/// The bounds of a store.
#[derive(Clone, Debug)]
pub(crate) struct StoreOptions {
    /// Most bytes of all blobs.
    pub(crate) bytes_max: Option<u64>,
    /// Bytes of the file system that stay free; none: see `quota`.
    pub(crate) free_bytes_min: Option<u64>,
    /// Nothing is collected sooner after it was last asked for.
    pub(crate) collect_grace: Duration,
}

/// What a store is opened with.
pub(crate) struct Parts {
    pub(crate) rows: Box<dyn Rows>,
    pub(crate) references: Box<dyn References>,
    pub(crate) options: StoreOptions,
    pub(crate) clock: Box<dyn Fn() -> WallTime + Send + Sync>,
    /// Time that has passed since some moment, whatever is done to the clock.
    pub(crate) elapsed: Box<dyn Fn() -> Duration + Send + Sync>,
}

/// The blobs that a node holds.
pub(crate) struct Store {
    pub(crate) parts: Parts,
    pub(crate) place: Place,
    pub(crate) writer: Mutex<Writer>,
    pub(crate) leases: Leases,
    pub(crate) ages: Mutex<Ages>,
    pub(crate) moving: Moving,
    changed: OnceLock<OnChange>,
    /// True once nothing may be removed any more: somebody else may have opened it.
    left: RwLock<bool>,
}

/// What only one at a time may change.
pub(crate) struct Writer {
    pub(crate) counters: Counters,
    /// The next number; none below `counters.reserved` is left when they are equal.
    pub(crate) next: u64,
    /// Numbers whose files may be there without a row.
    pub(crate) making: BTreeSet<u64>,
    /// Blobs that are being collected.
    pub(crate) collecting: BTreeSet<BlobId>,
    /// Bytes that adds under way may write.
    pub(crate) promised: u64,
    /// Of these, what they have not written yet.
    pub(crate) unwritten: u64,
}

/// Called with each blob of which other groups are held than before. May be called under locks.
pub(crate) type OnChange = Box<dyn Fn(BlobId) + Send + Sync>;

/// What is known of a blob.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) id: BlobId,
    pub(crate) row: BlobRow,
}

impl Store {
    /// Opens the blobs in the folder of a store, of which this process holds the lock, and removes
    /// what an end in the middle of something has left.
    ///
    /// # Errors
    /// `storage_full`, `storage_failed`, `closed`.
    pub(crate) fn open(path: &Path, parts: Parts) -> Result<Arc<Store>> {
        let place = Place::new(path);
        let counters = super::recover::recover(&parts, &place)?;
        let writer = Writer {
            counters,
            next: counters.reserved,
            making: BTreeSet::new(),
            collecting: BTreeSet::new(),
            promised: 0,
            unwritten: 0,
        };
        let (writer, ages) = (Mutex::new(writer), Mutex::default());
        let (leases, left) = (Leases::default(), RwLock::new(false));
        let (moving, changed) = (Moving::default(), OnceLock::new());
        let store = Store { parts, place, writer, leases, ages, moving, changed, left };
        // Who sets the clock before anything else happens is seen to have done so.
        store.now();
        Ok(Arc::new(store))
    }

    /// Has this called with each blob of which other groups are held than before; the first call
    /// counts.
    pub(crate) fn on_change(&self, call: OnChange) {
        let _ = self.changed.set(call);
    }

    pub(super) fn tell(&self, id: BlobId) {
        if let Some(call) = self.changed.get() {
            call(id);
        }
    }

    /// What is known of a blob; none when nothing is.
    ///
    /// # Errors
    /// `corrupt`: its row is damaged. `closed`, `storage_failed`.
    pub(crate) fn look(&self, id: &BlobId) -> Result<Option<BlobRow>> {
        let row = self.parts.rows.get(&blob_key(id));
        let row = row.map_err(|error| error.in_context(format!("blob {}", id.short())))?;
        row.map(|row| BlobRow::read(&row)).transpose()
    }

    /// Up to `count_max` blobs behind `after` that have all these tags, by rising id. A blob whose
    /// row is damaged is left out; `verify` finds it.
    ///
    /// # Errors
    /// `closed`, `storage_failed`.
    pub(crate) fn list(
        &self,
        after: Option<BlobId>,
        tags: &TagSet,
        count_max: usize,
    ) -> Result<Vec<Known>> {
        let mut found = Vec::new();
        let mut from = after.map_or(vec![BLOB], |after| [&blob_key(&after)[..], &[0]].concat());
        while found.len() < count_max {
            let rows = self.parts.rows.scan(&from, ROWS_AT_ONCE)?;
            let Some((last, _)) = rows.last() else { return Ok(found) };
            from = [last, &[0][..]].concat();
            for (key, row) in rows {
                let Some(id) = blob_of_key(&key, BLOB) else { return Ok(found) };
                match row.and_then(|row| BlobRow::read(&row)) {
                    Ok(row) if has_all(&row.about, tags) => found.push(Known { id, row }),
                    Ok(_) => {}
                    Err(error) => tracing::warn!(%error, blob = %id, "a blob's row is damaged"),
                }
            }
        }
        found.truncate(count_max);
        Ok(found)
    }

    /// How much there is.
    pub(crate) fn counters(&self) -> Counters {
        self.writer().counters
    }

    pub(crate) fn writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn is_forked(&self) -> bool {
        self.parts.rows.is_forked()
    }

    /// From now on no file is removed: what ends later, the next opening removes. Waits for what
    /// is being removed. Parts are closed: what of them is not durable is fetched again.
    pub(crate) fn leave(&self) {
        self.moving.end_all();
        *self.left.write().unwrap_or_else(PoisonError::into_inner) = true;
    }

    /// Commits these rows, and the counters as they are then.
    pub(crate) fn commit(
        &self,
        writer: &mut Writer,
        counters: Counters,
        mut changes: Vec<RowChange>,
    ) -> Result<()> {
        if counters != writer.counters {
            changes.push((COUNTERS_KEY.to_vec(), Some(counters.encode())));
        }
        self.parts.rows.commit(changes)?;
        writer.counters = counters;
        Ok(())
    }

    /// A number for files that are about to be made.
    ///
    /// # Errors
    /// Those of a commit.
    pub(crate) fn take_number(&self) -> Result<u64> {
        let mut writer = self.writer();
        if writer.next == writer.counters.reserved {
            let mut counters = writer.counters;
            counters.reserved += RESERVED_AT_ONCE;
            if counters.reserved > NUMBER_MAX {
                let message = "a row of a blob has a number beyond all that can be used";
                return Err(Error::new(ErrorKind::StorageFailed, message));
            }
            // An opening looks at the last reservation by itself; of the others it must know.
            let earlier = writer.making.iter().map(|number| going_row(*number)).collect();
            if crate::planted!("number_used_before_reserved") {
                writer.counters = counters;
            } else {
                self.commit(&mut writer, counters, earlier)?;
            }
        }
        let number = writer.next;
        writer.next += 1;
        writer.making.insert(number);
        Ok(number)
    }

    /// Removes the files of a number that has no row, for good.
    ///
    /// # Errors
    /// Those of the disk: then the next opening removes them. `closed`: the same.
    pub(crate) fn discard(&self, number: u64) -> Result<()> {
        let removed = self.remove_files(number);
        if removed.as_ref().is_err_and(|error| error.kind() == ErrorKind::Closed) {
            return removed;
        }
        let mut writer = self.writer();
        let counters = writer.counters;
        let change = match &removed {
            Ok(_) if self.parts.rows.get(&going_key(number))?.is_none() => {
                writer.making.remove(&number);
                return Ok(());
            }
            Ok(_) => (going_key(number), None),
            Err(_) => going_row(number),
        };
        self.commit(&mut writer, counters, vec![change])?;
        writer.making.remove(&number);
        removed
    }

    /// Removes the files of a number; their names are gone for good when this returns.
    pub(crate) fn remove_files(&self, number: u64) -> Result<()> {
        if crate::planted!("doomed_not_removed") {
            return Ok(());
        }
        let left = self.left.read().unwrap_or_else(PoisonError::into_inner);
        if *left {
            return Err(Error::new(ErrorKind::Closed, "the blobs of the node are closed"));
        }
        if self.place.remove(number)? {
            self.place.sync_folder(number)?;
        }
        Ok(())
    }
}

fn has_all(about: &About, tags: &TagSet) -> bool {
    tags.iter().all(|tag| about.tags.contains(tag.as_str()))
}

/// Gives `take` all rows whose keys begin with `prefix`, by rising key.
///
/// # Errors
/// Those of reading and of `take`.
pub(crate) fn each_row(
    rows: &dyn Rows,
    prefix: &[u8],
    take: &mut dyn FnMut(Vec<u8>, Result<Vec<u8>>) -> Result<()>,
) -> Result<()> {
    let mut from = prefix.to_vec();
    loop {
        let found = rows.scan(&from, ROWS_AT_ONCE)?;
        let Some((last, _)) = found.last() else { return Ok(()) };
        from = [last, &[0][..]].concat();
        for (key, row) in found {
            if !key.starts_with(prefix) {
                return Ok(());
            }
            take(key, row)?;
        }
    }
}

/// Whether something is not what was written.
pub(crate) fn is_damage(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::LimitExceeded)
}

/// A blob is not held here.
pub(crate) fn not_here(id: &BlobId) -> Error {
    let message = format!("blob {id} is not here");
    Error::new(ErrorKind::NotFound, message).with_reason("blob_not_here")
}
