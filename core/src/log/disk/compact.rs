//! Writes LMDB's file anew without its free pages, while the log is used.
//!
//! The thread of the checkpoints does it, so no checkpoint is under way: appends go on into the
//! journal until that is full, and reads go on. Rule: until the rename the store is the old file,
//! from then on the new one, and both hold the same: nothing is written to the tables in between.
//! The copy's store row names the copy, so whichever file a power cut leaves is known as ours.
//! Source: docs/format.md, "Compaction".
#![allow(clippy::disallowed_types)] // The rim: LMDB writes into a pipe, and we into a file.

use super::checkpoint::read_store_row;
use super::open::read_fingerprint;
use super::shared::{Shared, lock};
use super::store_row::STORE_ROW_KEY;
use super::tables::{Tables, remove_if_there};
use crate::error::{Error, ErrorKind, Result};
use crate::files::{DiskFile, failed, free_bytes};
use crate::log::options::closed;
use crate::log::upkeep::Compacted;
use crate::pending::Completer;
use std::fs::File;
use std::io::{PipeReader, Read};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::atomic::Ordering;

/// Name of the copy in the directory of the store until it takes the place of the tables.
pub(crate) const COPY_NAME: &str = "compacted.mdb";
/// Room that is left to the journal, and to what LMDB adds.
const SPARE_BYTES: u64 = 4 << 20;
/// Between two looks at whether to go on.
const STEP_BYTES: u64 = 1 << 20;

/// A compaction that was asked for.
pub(crate) struct Compaction {
    /// Whether to go on; asked between steps.
    pub(crate) wanted: Box<dyn Fn() -> bool + Send + Sync>,
    pub(crate) completer: Completer<Compacted>,
}

impl Compaction {
    /// Does it, and answers.
    pub(crate) fn run(self, shared: &Shared) {
        let result = shared.compact(&*self.wanted);
        if let Err(error) = &result {
            tracing::warn!(%error, "a compaction failed; the tables are as they were");
        }
        self.completer.complete(result);
    }
}

impl Shared {
    /// Has the thread of the checkpoints compact the tables.
    pub(crate) fn request_compaction(&self, compaction: Compaction) {
        let mut checkpoints = lock(&self.checkpoints);
        // Dropped after the end, it answers `closed`.
        if !checkpoints.stop {
            checkpoints.compactions.push(compaction);
            self.checkpoint_moved.notify_all();
        }
    }

    fn compact(&self, wanted: &(dyn Fn() -> bool + Sync)) -> Result<Compacted> {
        // The journal begins empty, and so can take most.
        let index = self.state().index;
        if index > self.checkpointed.load(Ordering::Acquire) {
            self.checkpoint()?;
        }
        let _writes = self.tables.hold_writes();
        let bytes_before = self.tables.file_bytes();
        let path = self.options.path.join(COPY_NAME);
        let replaced = self
            .check_room(bytes_before)
            .and_then(|()| self.copy_tables(&path, wanted))
            .and_then(|()| self.tables.replace(&path));
        if replaced.is_err() {
            remove_if_there(&path)?;
        }
        replaced.map(|()| Compacted { bytes_before, bytes_after: self.tables.file_bytes() })
    }

    /// Refuses to begin what a full disk would end.
    fn check_room(&self, file_bytes: u64) -> Result<()> {
        let used = self.tables.read(|opened, transaction| Ok(opened.used(transaction)?.bytes))?;
        let needed = used.min(file_bytes) + SPARE_BYTES;
        match free_bytes(&self.options.path) {
            Some(free) if free < needed => {
                let message = format!(
                    "a compaction of {} needs {needed} bytes beside it; {free} are free",
                    self.options.path.display()
                );
                Err(Error::new(ErrorKind::StorageFull, message))
            }
            _ => Ok(()),
        }
    }

    /// Makes the copy: whole, on the disk, and naming itself.
    fn copy_tables(&self, path: &Path, wanted: &(dyn Fn() -> bool + Sync)) -> Result<()> {
        remove_if_there(path)?;
        let file = DiskFile::open(path)?;
        let (reader, writer) =
            std::io::pipe().map_err(|error| failed("open a pipe for", path, &error))?;
        let mut writer = File::from(OwnedFd::from(writer));
        std::thread::scope(|scope| {
            let copying = scope.spawn(move || self.tables.copy_to(&mut writer));
            let drained = self.drain(&reader, &file, wanted);
            if drained.is_err() && !cfg!(target_os = "linux") {
                // Elsewhere LMDB may wait for ever for the signal that its pipe is broken.
                let _ = std::io::copy(&mut &reader, &mut std::io::sink());
            }
            drop(reader);
            let copied = copying.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            // If we stopped first, LMDB only says that nobody reads any more.
            drained.and(copied)
        })?;
        file.sync()?;
        let fingerprint = read_fingerprint(path)?;
        let copy = Tables::open_copy(path)?;
        let named = copy.write(|opened, transaction| {
            let mut row = read_store_row(opened, transaction)?;
            row.fingerprint = fingerprint.clone();
            Ok(opened.settings.put(transaction, STORE_ROW_KEY, &row.encode())?)
        });
        copy.close();
        named?;
        file.sync()
    }

    /// Moves what comes out of the pipe to the file.
    fn drain(
        &self,
        pipe: &PipeReader,
        file: &DiskFile,
        wanted: &(dyn Fn() -> bool + Sync),
    ) -> Result<()> {
        let mut buffer = Vec::new();
        let mut position = 0;
        loop {
            if lock(&self.checkpoints).stop {
                return Err(closed());
            }
            if !wanted() {
                return Err(Error::new(ErrorKind::Cancelled, "the compaction was called off"));
            }
            buffer.clear();
            let read = pipe.take(STEP_BYTES).read_to_end(&mut buffer);
            read.map_err(|error| failed("copy", &self.options.path, &error))?;
            if buffer.is_empty() {
                return Ok(());
            }
            file.write_at(&buffer, position)?;
            position += buffer.len() as u64;
        }
    }
}
