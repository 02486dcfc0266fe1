//! How many bytes blobs may take, and how many must stay free for the events.
//!
//! Rule: an add asks before it writes, and what adds under way may still write counts.

use super::store::{Store, Writer};
use crate::blob::limits::{FREE_BYTES_MIN, FREE_PERCENT_MIN, SYNC_STEP_BYTES};
use crate::error::{Error, ErrorKind, Result};
use crate::files::free_bytes;
use std::path::Path;
use std::sync::Arc;

/// Bytes that somebody may write.
pub(crate) struct Promise {
    store: Arc<Store>,
    bytes: u64,
    /// Of these, what was written.
    written: u64,
    /// All that is wanted, when that is known.
    total: Option<u64>,
    /// There is no room for more than what is needed next.
    is_short: bool,
}

impl Promise {
    /// Of nothing yet, towards `total` bytes.
    pub(crate) fn new(store: Arc<Store>, total: Option<u64>) -> Promise {
        Promise { store, bytes: 0, written: 0, total, is_short: false }
    }

    /// Asks for room so that `bytes` may be written in all.
    ///
    /// # Errors
    /// `limit_exceeded`, reason `blob_quota`; `storage_full`.
    pub(crate) fn extend_to(&mut self, bytes: u64) -> Result<()> {
        if bytes <= self.bytes {
            return Ok(());
        }
        let wanted = self.total.unwrap_or(bytes.next_multiple_of(SYNC_STEP_BYTES)).max(bytes);
        if wanted > bytes && !self.is_short {
            if self.store.try_promise(wanted - self.bytes).is_ok() {
                self.bytes = wanted;
                return Ok(());
            }
            // What is there may be enough for a short one.
            self.is_short = true;
        }
        self.store.promise(bytes - self.bytes)?;
        self.bytes = bytes;
        Ok(())
    }

    /// So many bytes are written in all: the file system has them as taken.
    pub(crate) fn wrote(&mut self, bytes: u64) {
        let bytes = bytes.min(self.bytes);
        self.store.writer().unwritten -= bytes - self.written;
        self.written = bytes;
    }

    /// Takes it back under the lock of the store: from here on the rows count.
    pub(crate) fn end(&mut self, writer: &mut Writer) {
        writer.unwritten -= self.bytes - self.written;
        writer.promised -= self.bytes;
        (self.bytes, self.written) = (0, 0);
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        // What a parent was promised is not its child's.
        if self.bytes > 0 && !self.store.is_forked() {
            let store = self.store.clone();
            self.end(&mut store.writer());
        }
    }
}

impl Store {
    fn promise(&self, bytes: u64) -> Result<()> {
        let Err(first) = self.try_promise(bytes) else { return Ok(()) };
        if !self.may_collect() {
            return Err(first);
        }
        // What nothing keeps makes room.
        match self.collect(&|| true) {
            Ok(collected) if collected.blobs > 0 => self.try_promise(bytes),
            _ => Err(first),
        }
    }

    fn try_promise(&self, bytes: u64) -> Result<()> {
        let mut writer = self.writer();
        let taken = writer.counters.bytes.saturating_add(writer.promised);
        if let Some(bytes_max) = self.parts.options.bytes_max
            && taken.saturating_add(bytes) > bytes_max
        {
            let message = format!(
                "blobs take {taken} bytes here and may take {bytes_max}; {bytes} more do not fit"
            );
            return Err(Error::new(ErrorKind::LimitExceeded, message).with_reason("blob_quota"));
        }
        let folder = self.place.store();
        if let Some(free) = free_bytes(folder) {
            let stays = self.parts.options.free_bytes_min.unwrap_or_else(|| {
                let all = file_system_bytes(folder).unwrap_or(u64::MAX);
                FREE_BYTES_MIN.min(all / 100 * FREE_PERCENT_MIN)
            });
            let needed = writer.unwritten.saturating_add(bytes).saturating_add(stays);
            if free < needed {
                let message = format!(
                    "{} has {free} bytes left, of which {stays} stay free for events; {bytes} \
                     bytes of a blob do not fit",
                    folder.display()
                );
                return Err(Error::new(ErrorKind::StorageFull, message));
            }
        }
        writer.promised += bytes;
        writer.unwritten += bytes;
        Ok(())
    }
}

/// Bytes of the file system that holds `path`; none when it does not say.
fn file_system_bytes(path: &Path) -> Option<u64> {
    rustix::fs::statvfs(path).ok().map(|status| status.f_blocks * status.f_frsize)
}
