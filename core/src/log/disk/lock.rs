//! One process owns a store, and within a process one log.
//!
//! Not here: what a store holds. Rule: the directory is known by device and inode of its lock file,
//! so two paths to it are one store. A forked child is another process here, and is refused like
//! one. Begin with `StoreLock::take`.

use crate::error::{Error, ErrorKind, Result};
use crate::files::DiskFile;
use std::path::Path;

/// Name of the lock file in the directory of the store.
pub(crate) const LOCK_NAME: &str = "store.lock";

/// Stores this process holds or is opening: process id, device, inode.
pub(crate) type Identity = (u32, u64, u64);

/// The lock of a store, held until dropped.
pub(crate) struct StoreLock {
    file: DiskFile,
    /// Who took it. A fork has a copy of the lock and may not let it go.
    process: u32,
}

/// The lock file, open but not locked yet, and what names the store.
pub(crate) fn identify(directory: &Path) -> Result<(DiskFile, Identity)> {
    let file = DiskFile::open(&directory.join(LOCK_NAME))?;
    let (device, inode) = file.identity()?;
    Ok((file, (std::process::id(), device, inode)))
}

impl StoreLock {
    /// Takes the lock and writes our process id into its file.
    ///
    /// # Errors
    /// `store_locked`: another process has it; the message names it.
    pub(crate) fn take(file: DiskFile) -> Result<StoreLock> {
        if !file.try_lock()? {
            let owner = file.read_all().unwrap_or_default();
            let owner = String::from_utf8_lossy(&owner).trim().to_owned();
            let owner = if owner.is_empty() { "that gave no number".to_owned() } else { owner };
            let message = format!(
                "{} is in use by process {owner}; one process at a time can open a store",
                file.path().parent().unwrap_or(file.path()).display()
            );
            return Err(Error::new(ErrorKind::StoreLocked, message));
        }
        file.set_len(0)?;
        file.write_at(format!("{}\n", std::process::id()).as_bytes(), 0)?;
        Ok(StoreLock { file, process: std::process::id() })
    }
}

impl Drop for StoreLock {
    /// Closing the file would not do: a child has a copy of it from its fork to its exec.
    fn drop(&mut self) {
        if self.process == std::process::id() {
            self.file.unlock();
        }
    }
}
