//! The stores this process has open: opening one twice gives the same log.

use super::disk::{Identity, Shared, StoreLock, identify, lock, prepare_directory};
use super::options::{LogOptions, invalid};
use crate::error::{Error, ErrorKind, Result};
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};
use std::time::Duration;

/// How long an opener waits for the same store to finish closing in this process.
const CLOSING_WAIT_MAX: Duration = Duration::from_secs(10);
/// How long dropping the last handle waits for the store to close.
const DROP_WAIT_MAX: Duration = Duration::from_secs(10);

static STORES: Mutex<BTreeMap<Identity, Entry>> = Mutex::new(BTreeMap::new());
static CHANGED: Condvar = Condvar::new();

enum Entry {
    Opening,
    Open {
        handle: Weak<Handle>,
        /// Whether it closes is asked here: to drop the last handle takes the lock of `STORES`.
        shared: Weak<Shared>,
    },
}

/// Keeps a store open; dropped with the last `Log`, it closes the store.
pub(super) struct Handle {
    pub(super) shared: Arc<Shared>,
    identity: Identity,
}

/// Opens the store, or finds it open in this process.
pub(super) fn open(options: LogOptions) -> Result<Arc<Handle>> {
    prepare_directory(&options)?;
    let (file, identity) = identify(&options.path)?;
    if let Some(handle) = find(identity)? {
        if handle.shared.swarm != options.swarm {
            return invalid(format!(
                "the store is open for swarm {}, not for {}",
                handle.shared.swarm, options.swarm
            ));
        }
        return Ok(handle);
    }
    let _opening = Opening(identity);
    let shared = StoreLock::take(file).and_then(|held| Shared::open(options, held))?;
    let handle = Arc::new(Handle { shared, identity });
    let entry =
        Entry::Open { handle: Arc::downgrade(&handle), shared: Arc::downgrade(&handle.shared) };
    lock(&STORES).insert(identity, entry);
    Ok(handle)
}

/// The right to open a store. Ends when dropped, also by an error or a panic.
struct Opening(Identity);

impl Drop for Opening {
    fn drop(&mut self) {
        let mut stores = lock(&STORES);
        if matches!(stores.get(&self.0), Some(Entry::Opening)) {
            stores.remove(&self.0);
        }
        CHANGED.notify_all();
    }
}

/// The open handle, or `None` when the caller is the one to open now.
fn find(identity: Identity) -> Result<Option<Arc<Handle>>> {
    let mut stores = lock(&STORES);
    loop {
        match stores.get(&identity) {
            None => {
                stores.insert(identity, Entry::Opening);
                return Ok(None);
            }
            // Dropped before it was closed: what held the files is gone.
            Some(Entry::Open { shared, .. }) if shared.strong_count() == 0 => {
                stores.insert(identity, Entry::Opening);
                return Ok(None);
            }
            Some(Entry::Open { handle, shared }) => {
                let is_open = shared.upgrade().is_some_and(|shared| !shared.queue().closing);
                if is_open && let Some(handle) = handle.upgrade() {
                    return Ok(Some(handle));
                }
            }
            Some(Entry::Opening) => {}
        }
        let woken = CHANGED.wait_timeout(stores, CLOSING_WAIT_MAX);
        let (guard, waited) = woken.unwrap_or_else(PoisonError::into_inner);
        stores = guard;
        if waited.timed_out() {
            let message = format!(
                "the store is still opening or closing in this process, {}",
                std::process::id()
            );
            return Err(Error::new(ErrorKind::StoreLocked, message));
        }
    }
}

impl Handle {
    /// Closes the store and forgets it.
    pub(super) fn close(&self, timeout: Duration) -> Result<()> {
        self.shared.check_process()?;
        let closed = self.shared.close(timeout);
        if closed.as_ref().is_err_and(|error| error.kind() == ErrorKind::Timeout) {
            return closed;
        }
        let mut stores = lock(&STORES);
        let own = |entry: &Entry| match entry {
            Entry::Open { handle, .. } => std::ptr::eq(handle.as_ptr(), self),
            Entry::Opening => false,
        };
        if stores.get(&self.identity).is_some_and(own) {
            stores.remove(&self.identity);
        }
        CHANGED.notify_all();
        closed
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        if self.shared.is_forked() {
            // The parent owns threads, map and lock: this process leaves them as they are.
            std::mem::forget(self.shared.clone());
            return;
        }
        if !self.shared.closed.load(Ordering::Acquire)
            && let Err(error) = self.close(DROP_WAIT_MAX)
        {
            tracing::warn!(%error, "a log was dropped and did not close in order");
        }
    }
}
