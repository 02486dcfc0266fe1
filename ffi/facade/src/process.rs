//! Whether this is still the process that opened the nodes.
//!
//! Rule: asked before any lock is taken: in a forked child the thread that held a lock is gone.

use crate::errors::{FacadeError, Result};
use millpond::ErrorKind;
use std::sync::atomic::{AtomicU32, Ordering};

/// The process with open nodes; 0 while no node is open.
static HOME: AtomicU32 = AtomicU32::new(0);

/// Refuses to go on in a child that was forked while nodes were open.
///
/// # Errors
/// `forked_process`: this is such a child.
pub(crate) fn check() -> Result<()> {
    let home = HOME.load(Ordering::Acquire);
    if home == 0 || home == std::process::id() {
        return Ok(());
    }
    Err(FacadeError::new(
        ErrorKind::ForkedProcess,
        format!(
            "process {} was forked from process {home} while a node was open there; start a new \
             process instead (in Python: the `spawn` start method)",
            std::process::id()
        ),
    ))
}

/// True while a node is open in this process. Takes no lock.
pub(crate) fn is_at_home() -> bool {
    HOME.load(Ordering::Acquire) == std::process::id()
}

/// A first node is being opened here.
pub(crate) fn adopt() {
    HOME.store(std::process::id(), Ordering::Release);
}

/// The last node was closed: whoever forks now gets a clean child.
pub(crate) fn release() {
    HOME.store(0, Ordering::Release);
}
