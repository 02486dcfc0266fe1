//! The store of blobs on a real disk, with rows in memory.

mod adding;
mod collecting;
mod crashes;
mod damage;
mod faults;
mod fetching;
mod processes;
mod reading;

use super::files::tape;
use super::store::{FoundRow, Parts, References, RowChange, Rows, Store, StoreOptions};
use crate::blob::about::About;
use crate::blob::{BlobId, BlobRef};
use crate::error::{Error, ErrorKind, Result};
use crate::event::WallTime;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub(super) type RowMap = BTreeMap<Vec<u8>, Vec<u8>>;

/// The rows, and all that were ever committed.
#[derive(Clone, Default)]
pub(super) struct MemRows {
    rows: Arc<Mutex<RowMap>>,
    history: Arc<Mutex<Vec<RowMap>>>,
    /// Commits that succeed before one fails; none when all do.
    pub(super) fail_after: Arc<Mutex<Option<u32>>>,
    /// Keys whose rows are damaged.
    pub(super) damaged: Arc<Mutex<BTreeSet<Vec<u8>>>>,
    /// How often somebody went through rows.
    pub(super) scans: Arc<AtomicU32>,
    /// This is a child of the process that opened them.
    pub(super) forked: Arc<AtomicBool>,
}

impl MemRows {
    pub(super) fn of(rows: RowMap) -> MemRows {
        let own = MemRows::default();
        *own.rows.lock().unwrap() = rows;
        own
    }

    pub(super) fn map(&self) -> RowMap {
        self.rows.lock().unwrap().clone()
    }

    /// What there was after so many commits.
    pub(super) fn after(&self, commits: usize) -> RowMap {
        let history = self.history.lock().unwrap();
        commits.checked_sub(1).map(|index| history[index].clone()).unwrap_or_default()
    }

    pub(super) fn commits(&self) -> usize {
        self.history.lock().unwrap().len()
    }

    /// The row of a key is damaged from now on.
    pub(super) fn damage(&self, key: Vec<u8>) {
        self.damaged.lock().unwrap().insert(key);
    }

    fn checked(&self, key: &[u8], row: &[u8]) -> Result<Vec<u8>> {
        if self.damaged.lock().unwrap().contains(key) {
            return Err(Error::new(ErrorKind::Corrupt, "it has a wrong checksum"));
        }
        Ok(row.to_vec())
    }
}

impl Rows for MemRows {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        let rows = self.rows.lock().unwrap();
        rows.get(key).map(|row| self.checked(key, row)).transpose()
    }

    fn scan(&self, from: &[u8], count_max: usize) -> Result<Vec<FoundRow>> {
        self.scans.fetch_add(1, Ordering::SeqCst);
        let rows = self.rows.lock().unwrap();
        let found = rows.range(from.to_vec()..).take(count_max);
        Ok(found.map(|(key, row)| (key.clone(), self.checked(key, row))).collect())
    }

    fn commit(&self, changes: Vec<RowChange>) -> Result<()> {
        if let Some(left) = self.fail_after.lock().unwrap().as_mut() {
            if *left == 0 {
                return Err(Error::new(ErrorKind::StorageFull, "no commit today"));
            }
            *left -= 1;
        }
        let mut rows = self.rows.lock().unwrap();
        for (key, row) in changes {
            self.damaged.lock().unwrap().remove(&key);
            match row {
                Some(row) => rows.insert(key, row),
                None => rows.remove(&key),
            };
        }
        let mut history = self.history.lock().unwrap();
        history.push(rows.clone());
        tape::push(|| tape::Step::Committed(history.len()));
        Ok(())
    }

    fn is_forked(&self) -> bool {
        self.forked.load(Ordering::SeqCst)
    }
}

/// What the events say: how often it was asked, and what the answers are.
#[derive(Clone, Default)]
pub(super) struct Said {
    pub(super) kept: Arc<Mutex<BTreeSet<BlobId>>>,
    pub(super) asked: Arc<AtomicU32>,
    /// From this question on everything is kept.
    pub(super) all_from: Arc<Mutex<Option<u32>>>,
}

impl References for Said {
    fn keeps(&self, id: &BlobId) -> Result<bool> {
        let asked = self.asked.fetch_add(1, Ordering::SeqCst);
        let all = self.all_from.lock().unwrap().is_some_and(|from| asked >= from);
        Ok(all || self.kept.lock().unwrap().contains(id))
    }
}

/// A store and what a test has its hands on.
pub(super) struct Bench {
    pub(super) rows: MemRows,
    pub(super) said: Said,
    pub(super) time: Arc<AtomicI64>,
    /// Microseconds that have gone by, whatever the time is.
    pub(super) elapsed: Arc<AtomicI64>,
    pub(super) options: StoreOptions,
}

impl Bench {
    pub(super) fn new() -> Bench {
        Bench::with(MemRows::default())
    }

    pub(super) fn with(rows: MemRows) -> Bench {
        let options = StoreOptions {
            bytes_max: None,
            free_bytes_min: Some(0),
            collect_grace: Duration::from_micros(100),
        };
        let time = Arc::new(AtomicI64::new(1_800_000_000_000_000));
        Bench { rows, said: Said::default(), time, elapsed: Arc::default(), options }
    }

    pub(super) fn open(&self, folder: &Path) -> Arc<Store> {
        self.try_open(folder).unwrap()
    }

    pub(super) fn try_open(&self, folder: &Path) -> Result<Arc<Store>> {
        let (time, elapsed) = (self.time.clone(), self.elapsed.clone());
        Store::open(
            folder,
            Parts {
                rows: Box::new(self.rows.clone()),
                references: Box::new(self.said.clone()),
                options: self.options.clone(),
                clock: Box::new(move || WallTime::from_micros(time.load(Ordering::SeqCst))),
                elapsed: Box::new(move || {
                    Duration::from_micros(elapsed.load(Ordering::SeqCst) as u64)
                }),
            },
        )
    }

    /// Time goes by.
    pub(super) fn pass(&self, micros: i64) {
        self.elapsed.fetch_add(micros, Ordering::SeqCst);
        self.time.fetch_add(micros, Ordering::SeqCst);
    }

    /// Somebody sets the clock.
    pub(super) fn set_clock(&self, micros: i64) {
        self.time.store(micros, Ordering::SeqCst);
    }
}

/// `size` bytes without a pattern, other ones for each seed.
pub(super) fn bytes(size: usize, seed: u64) -> Vec<u8> {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&seed.to_le_bytes());
    let mut bytes = vec![0; size];
    hasher.finalize_xof().fill(&mut bytes);
    bytes
}

pub(super) fn add(store: &Arc<Store>, bytes: &[u8]) -> BlobRef {
    try_add(store, bytes, Some(bytes.len() as u64)).unwrap()
}

pub(super) fn try_add(store: &Arc<Store>, bytes: &[u8], size: Option<u64>) -> Result<BlobRef> {
    let mut source = bytes;
    let added = store.add(&mut source, size, About::default(), &|_| Ok(()))?;
    let (media_type, name) = (added.about.media_type, added.about.name);
    Ok(BlobRef { id: added.id, size: Some(added.size), media_type, name })
}

pub(super) fn read_all(store: &Arc<Store>, id: BlobId) -> Result<Vec<u8>> {
    let mut all = Vec::new();
    store.open_blob(id)?.each_group(&mut |bytes| {
        all.extend_from_slice(bytes);
        Ok(())
    })?;
    Ok(all)
}

/// Files below the folder of blobs.
pub(super) fn files(folder: &Path) -> usize {
    let Ok(folders) = std::fs::read_dir(folder.join("blobs")) else { return 0 };
    folders.map(|own| std::fs::read_dir(own.unwrap().path()).unwrap().count()).sum()
}

/// Everything that is here is whole and right, and nothing else is on the disk.
pub(super) fn check(store: &Arc<Store>) -> std::result::Result<(), String> {
    let report = store.verify_all(&|_| Ok(())).map_err(|error| error.to_string())?;
    if !report.damaged.is_empty() || !report.strays.is_empty() {
        return Err(format!("{report:?}"));
    }
    let counters = store.counters();
    let counted = (counters.whole + counters.inline, counters.bytes, counters.parts);
    if counted != (report.whole, report.bytes, 0) {
        return Err(format!("{counters:?} are counted, {report:?} are there"));
    }
    Ok(())
}
