//! The blobs of an open node: their store, and who works there.

// The rim: code of callers that may block has a thread of its own.
#![allow(clippy::disallowed_methods)]

use crate::blob::BlobId;
use crate::blob::exchange::Input;
#[cfg(feature = "net")]
use crate::blob::store::References;
use crate::blob::store::{FoundRow, Parts, RowChange, Rows, Store, StoreOptions};
use crate::driver::blob::blobs::write_notes;
use crate::driver::blob::crew::{Crew, Job};
use crate::driver::blob::desk::Desk;
use crate::driver::blob::references::{Early, Mentions};
use crate::driver::clock;
use crate::driver::node::{Node, closed_node};
use crate::driver::options::BlobOptions;
use crate::driver::registry::Shared;
use crate::error::{Error, ErrorKind, Result};
use crate::log::{Log, Shelf, ShelfChange};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Threads for what takes long, and as many for what does not.
const THREADS_MAX: usize = 4;

/// What a node has for blobs.
pub(crate) struct BlobRoom {
    pub(super) log: Log,
    path: PathBuf,
    options: BlobOptions,
    store: Mutex<Option<Arc<Store>>>,
    /// Adds, exports, verifications.
    long: Crew,
    /// Reads and small adds.
    short: Crew,
    /// Groups that come and go.
    #[cfg_attr(not(feature = "net"), allow(dead_code))] // Only a network moves any.
    hauling: Crew,
    /// Who waits for groups.
    desk: Arc<Desk>,
    ended: Arc<AtomicBool>,
    pub(super) early: Mutex<Vec<Early>>,
}

impl BlobRoom {
    /// Of a node with this log in this folder.
    pub(crate) fn new(log: Log, path: PathBuf, options: BlobOptions) -> BlobRoom {
        let [long, short, hauling] = [THREADS_MAX; 3].map(Crew::new);
        let (store, ended, early) = (Mutex::default(), Arc::default(), Mutex::default());
        let desk = Arc::default();
        BlobRoom { log, path, options, store, long, short, hauling, desk, ended, early }
    }

    /// Opens the store before anybody else does anything with the node. If that fails, the first
    /// call that uses it tries again: a node without its blobs still has its events.
    pub(crate) fn open_early(&self) {
        if let Err(error) = self.store() {
            tracing::warn!(%error, "the blobs of a node could not be opened yet");
        }
    }

    /// The store; the first call opens it.
    ///
    /// # Errors
    /// `closed`, `forked_process`, `storage_full`, `storage_failed`: nothing is open then.
    pub(super) fn store(&self) -> Result<Arc<Store>> {
        self.log.check_process()?;
        let mut store = self.store.lock().unwrap_or_else(PoisonError::into_inner);
        if self.ended.load(Ordering::Acquire) {
            return Err(closed_node());
        }
        if let Some(store) = &*store {
            return Ok(store.clone());
        }
        let options = StoreOptions {
            bytes_max: self.options.bytes_max,
            free_bytes_min: self.options.free_bytes_min,
            collect_grace: self.options.collect_grace,
        };
        let parts = Parts {
            rows: Box::new(self.log.shelf()?),
            references: Box::new(Mentions(self.log.clone())),
            options,
            clock: Box::new(clock::wall),
            elapsed: Box::new(elapsed()),
        };
        let opened = Store::open(&self.path, parts)?;
        let desk = self.desk.clone();
        opened.on_change(Box::new(move |id: BlobId| desk.say(Input::Changed { id })));
        *store = Some(opened.clone());
        Ok(opened)
    }

    /// Has something long done by the crew.
    pub(super) fn long(&self, job: Job) {
        self.long.work(job);
    }

    /// Has something short done by the crew.
    pub(super) fn short(&self, job: Job) {
        self.short.work(job);
    }

    /// Has a group written or read by the crew.
    #[cfg(feature = "net")]
    pub(super) fn haul(&self, job: Job) {
        self.hauling.work(job);
    }

    /// Who waits for groups of blobs.
    pub(crate) fn desk(&self) -> &Arc<Desk> {
        &self.desk
    }

    /// Whether an event that is held refers to a blob; in doubt, no.
    #[cfg(feature = "net")]
    pub(super) fn is_referred_to(&self, id: &BlobId) -> bool {
        Mentions(self.log.clone()).keeps(id).unwrap_or(false)
    }

    /// Has something done that may wait for others for ever: by a thread of its own.
    ///
    /// # Errors
    /// `storage_failed`: the system gives none.
    pub(super) fn apart(&self, job: Job) -> Result<()> {
        let thread = std::thread::Builder::new().name("millpond-blob".into()).spawn(job);
        thread.map(drop).map_err(|error| {
            Error::new(ErrorKind::StorageFailed, format!("no thread could be started: {error}"))
        })
    }

    /// True once the node closes.
    pub(super) fn ended(&self) -> &Arc<AtomicBool> {
        &self.ended
    }

    /// Ends all work, and waits for that until `end` at most. What goes on after that, since it
    /// waits for its reader, removes no file any more: the next opening does.
    pub(crate) fn close(&self, end: Instant) {
        self.ended.store(true, Ordering::Release);
        self.desk.close();
        self.long.close(end);
        self.short.close(end);
        self.hauling.close(end);
        let store = self.store.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.early.lock().unwrap_or_else(PoisonError::into_inner).clear();
        if let Some(store) = store {
            if clock::now() < end {
                write_notes(&store);
                store.settle_parts();
            }
            store.leave();
        }
    }
}

/// A node from behind its front door: to drop it closes nothing, so a worker may.
#[derive(Clone)]
pub(super) struct Door {
    shared: Arc<Shared>,
    closed: Arc<AtomicBool>,
}

impl Door {
    /// Of this handle of a node.
    pub(super) fn of(node: &Node) -> Door {
        Door { shared: node.shared().clone(), closed: node.closed().clone() }
    }

    /// The room, while the handle is open.
    ///
    /// # Errors
    /// `closed`, `forked_process`.
    pub(super) fn room(&self) -> Result<&BlobRoom> {
        self.shared.log.check_process()?;
        let room = &self.shared.blobs;
        if self.closed.load(Ordering::Acquire) || room.ended.load(Ordering::Acquire) {
            return Err(closed_node());
        }
        Ok(room)
    }
}

/// Time since now.
fn elapsed() -> impl Fn() -> Duration + Send + Sync {
    let begun = clock::now();
    move || clock::now().saturating_duration_since(begun)
}

impl Rows for Shelf {
    fn is_forked(&self) -> bool {
        Shelf::is_forked(self)
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        Shelf::get(self, key)
    }

    fn scan(&self, from: &[u8], count_max: usize) -> Result<Vec<FoundRow>> {
        Shelf::scan(self, from, count_max)
    }

    fn commit(&self, changes: Vec<RowChange>) -> Result<()> {
        let changes = changes.into_iter().map(|(key, row)| ShelfChange { key, row });
        Shelf::commit(self, &changes.collect::<Vec<_>>())
    }
}
