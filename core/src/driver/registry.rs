//! Which nodes this process has open: the same folder opened twice is one node.
//!
//! Rule: the node ends with the last of its handles. The lock is held for moments: a folder that
//! opens or closes is marked, and only who wants that folder waits.

// The rim: a close that outlasts its deadline is finished by a thread.
#![allow(clippy::disallowed_methods)]

use crate::driver::blob::BlobRoom;
use crate::driver::clock;
use crate::driver::coordination::Coordination;
use crate::driver::network::Network;
use crate::driver::pond::Ponds;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{SwarmId, SwarmSecret, SwarmSecrets};
use crate::log::Log;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long an opener waits for the same folder to finish opening or closing in this process.
const TURN_WAIT_MAX: Duration = Duration::from_secs(10);
/// How long a close that outlasted its deadline is waited for at a time.
const CLOSING_STEP: Duration = Duration::from_secs(60);

/// What the handles of one open node share.
pub(crate) struct Shared {
    pub(crate) log: Log,
    pub(crate) network: Option<Network>,
    pub(crate) secrets: Mutex<SwarmSecrets>,
    pub(crate) path: PathBuf,
    pub(crate) coordination: Coordination,
    pub(crate) ponds: Ponds,
    pub(crate) blobs: Arc<BlobRoom>,
}

impl Shared {
    /// What peers must hold now.
    pub(crate) fn secrets(&self) -> MutexGuard<'_, SwarmSecrets> {
        self.secrets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

enum Entry {
    /// Being opened or closed.
    Busy,
    Open {
        shared: Arc<Shared>,
        handles: usize,
    },
}

static FOLDERS: Mutex<BTreeMap<PathBuf, Entry>> = Mutex::new(BTreeMap::new());
static CHANGED: Condvar = Condvar::new();

/// The node at `path`: the one that is open, or what `start` makes.
///
/// # Errors
/// Those of `start`; `invalid_argument` when the node is open and takes no such secret;
/// `store_locked` when the same folder takes more than ten seconds to open or close elsewhere in
/// this process.
pub(crate) fn open(
    path: &Path,
    secret: &SwarmSecret,
    start: impl FnOnce() -> Result<Shared>,
) -> Result<Arc<Shared>> {
    let place = key(path);
    if let Some(shared) = find(&place, path, secret)? {
        return Ok(shared);
    }
    let _busy = Busy { place };
    let shared = Arc::new(start()?);
    // By its name now that it exists.
    lock().insert(key(path), Entry::Open { shared: shared.clone(), handles: 1 });
    Ok(shared)
}

/// The open node, with one handle more, or `None` when the caller is the one to open now.
fn find(place: &Path, path: &Path, secret: &SwarmSecret) -> Result<Option<Arc<Shared>>> {
    let deadline = clock::now() + TURN_WAIT_MAX;
    let mut folders = lock();
    loop {
        match folders.get_mut(place) {
            None => {
                folders.insert(place.to_owned(), Entry::Busy);
                return Ok(None);
            }
            Some(Entry::Open { shared, .. }) if !shared.secrets().contains(secret) => {
                return Err(not_taken(path, &shared.secrets().swarm_id(), secret));
            }
            Some(Entry::Open { shared, handles }) => {
                *handles += 1;
                return Ok(Some(shared.clone()));
            }
            Some(Entry::Busy) => {}
        }
        let left = deadline.saturating_duration_since(clock::now());
        if left.is_zero() {
            let message = format!(
                "{} is still opening or closing in this process, {}",
                path.display(),
                std::process::id()
            );
            return Err(Error::new(ErrorKind::StoreLocked, message));
        }
        let woken = CHANGED.wait_timeout(folders, left);
        folders = woken.unwrap_or_else(PoisonError::into_inner).0;
    }
}

fn not_taken(path: &Path, swarm: &SwarmId, secret: &SwarmSecret) -> Error {
    let (path, ours, theirs) = (path.display(), swarm.short(), secret.swarm_id());
    let message = if *swarm == theirs {
        format!("{path} is open in this process with other secrets of swarm {ours}; set them there")
    } else {
        format!("{path} is open in this process for swarm {ours}, not {}", theirs.short())
    };
    Error::new(ErrorKind::InvalidArgument, message)
}

/// A deadline that a clock cannot say is this.
const FAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Gives back one handle; the last one closes the node, within about `deadline`.
///
/// # Errors
/// Those of closing the log. After `timeout` it goes on closing by itself.
pub(crate) fn close(shared: &Arc<Shared>, deadline: Duration) -> Result<()> {
    // Not by its path: what a path means may have changed since.
    let Some(busy) = take_last(shared) else { return Ok(()) };
    // Code of fish may take as long as it likes; who waits for what it makes does not.
    shared.ponds.close();
    let now = clock::now();
    let end = now.checked_add(deadline).unwrap_or(now + FAR);
    if let Some(network) = &shared.network {
        network.close(deadline);
    }
    shared.blobs.close(end);
    // What is durable is closed in order, however long the others took.
    let left = end.saturating_duration_since(clock::now()).max(deadline / 4);
    let closed = shared.log.close(left);
    if closed.as_ref().is_err_and(|error| error.kind() == ErrorKind::Timeout) {
        close_later(shared.log.clone(), busy);
    }
    closed
}

/// Takes one handle away. With the last one the folder is busy, and the caller closes the node.
fn take_last(node: &Arc<Shared>) -> Option<Busy> {
    let mut folders = lock();
    let (place, entry) = folders.iter_mut().find(
        |(_, entry)| matches!(entry, Entry::Open { shared, .. } if Arc::ptr_eq(shared, node)),
    )?;
    if let Entry::Open { handles, .. } = entry
        && *handles > 1
    {
        *handles -= 1;
        return None;
    }
    *entry = Entry::Busy;
    Some(Busy { place: place.clone() })
}

/// Goes on closing; the files are not to wait for somebody to drop the node.
fn close_later(log: Log, busy: Busy) {
    let closing = move || {
        let late = |error: Error| error.kind() == ErrorKind::Timeout;
        while log.close(CLOSING_STEP).is_err_and(late) {}
        drop(busy);
    };
    let thread = std::thread::Builder::new().name("millpond-close".into()).spawn(closing);
    if let Err(error) = thread {
        tracing::warn!(%error, "a node closes when it is dropped: the system gives no thread");
    }
}

/// The right to open or close a folder, for others a reason to wait. Ends when dropped, also by a
/// panic.
struct Busy {
    place: PathBuf,
}

impl Drop for Busy {
    fn drop(&mut self) {
        let mut folders = lock();
        if matches!(folders.get(&self.place), Some(Entry::Busy)) {
            folders.remove(&self.place);
        }
        CHANGED.notify_all();
    }
}

fn lock() -> MutexGuard<'static, BTreeMap<PathBuf, Entry>> {
    FOLDERS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The folder whatever way it was written; what is not there yet is named from what is.
fn key(path: &Path) -> PathBuf {
    let existing = path.ancestors().find_map(|folder| {
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        Some((folder.canonicalize().ok()?, folder))
    });
    match existing {
        Some((real, folder)) => real.join(path.strip_prefix(folder).unwrap_or(path)),
        None => path.to_owned(),
    }
}
