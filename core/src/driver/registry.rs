//! Which nodes this process has open: the same folder opened twice is one node.
//!
//! Rule: the node ends with the last of its handles.

use crate::driver::network::Network;
use crate::error::{Error, ErrorKind, Result};
use crate::event::SwarmSecret;
use crate::log::Log;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What the handles of one open node share.
pub(crate) struct Shared {
    pub(crate) log: Log,
    pub(crate) network: Option<Network>,
    pub(crate) secret: SwarmSecret,
    pub(crate) path: PathBuf,
}

struct Entry {
    shared: Arc<Shared>,
    handles: usize,
}

static OPEN: Mutex<BTreeMap<PathBuf, Entry>> = Mutex::new(BTreeMap::new());

/// The node at `path`: the one that is open, or what `start` makes.
///
/// The lock is held while a node starts, so that two threads that open one folder get one node.
///
/// # Errors
/// Those of `start`; `invalid_argument` when the node is open with another swarm.
pub(crate) fn open(
    path: &Path,
    secret: &SwarmSecret,
    start: impl FnOnce() -> Result<Shared>,
) -> Result<Arc<Shared>> {
    let mut nodes = lock();
    if let Some(entry) = nodes.get_mut(&key(path)) {
        if entry.shared.secret != *secret {
            let message = format!(
                "{} is open in this process for swarm {}, not {}",
                path.display(),
                entry.shared.secret.swarm_id().short(),
                secret.swarm_id().short()
            );
            return Err(Error::new(ErrorKind::InvalidArgument, message));
        }
        entry.handles += 1;
        return Ok(entry.shared.clone());
    }
    let shared = Arc::new(start()?);
    nodes.insert(key(path), Entry { shared: shared.clone(), handles: 1 });
    Ok(shared)
}

/// Gives back one handle; the last one closes the node, within about `deadline`.
///
/// # Errors
/// Those of closing the log.
pub(crate) fn close(shared: &Arc<Shared>, deadline: Duration) -> Result<()> {
    let mut nodes = lock();
    let place = key(&shared.path);
    let Some(entry) = nodes.get_mut(&place) else { return Ok(()) };
    entry.handles -= 1;
    if entry.handles > 0 {
        return Ok(());
    }
    nodes.remove(&place);
    // Still under the lock: who opens the folder now must find it closed.
    if let Some(network) = &shared.network {
        network.close(deadline);
    }
    shared.log.close(deadline)
}

fn lock() -> MutexGuard<'static, BTreeMap<PathBuf, Entry>> {
    OPEN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The folder whatever way it was written; a folder that is not there yet has its parent's.
fn key(path: &Path) -> PathBuf {
    if let Ok(real) = path.canonicalize() {
        return real;
    }
    match (path.parent().map(Path::canonicalize), path.file_name()) {
        (Some(Ok(parent)), Some(name)) => parent.join(name),
        _ => path.to_owned(),
    }
}
