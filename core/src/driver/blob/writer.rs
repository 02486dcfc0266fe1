//! Adding a blob piece by piece.

use crate::blob::store::Draft;
use crate::blob::{About, BlobRef};
use crate::driver::blob::blobs::reference;
use crate::driver::blob::room::Door;
use crate::driver::blob::work::{BlobWork, begin, failed};
use crate::error::{Error, ErrorKind, Result};
use std::io::{self, Write};

/// A blob whose bytes come one after the other. Dropped without [`BlobWriter::finish`], it leaves
/// nothing.
///
/// Writes go to the disk by the calling thread and take no memory to speak of.
pub struct BlobWriter {
    /// None once a write has failed: the first error is the one that counts.
    draft: Result<Draft>,
    about: About,
    door: Door,
}

impl BlobWriter {
    pub(super) fn new(draft: Draft, about: About, door: Door) -> BlobWriter {
        BlobWriter { draft: Ok(draft), about, door }
    }

    /// Takes the next bytes, any number. Blocks for the disk.
    ///
    /// # Errors
    /// `limit_exceeded` (with the reason `blob_quota`: blobs take as much as they may),
    /// `storage_full`, `storage_failed`, `closed`, `forked_process`; `conflict`, reason
    /// `changed_while_added`: more bytes than were said. Each later call answers the same.
    pub fn take(&mut self, bytes: &[u8]) -> Result<()> {
        self.door.room()?;
        let draft = self.draft.as_mut().map_err(|error| error.clone())?;
        let taken = draft.write(bytes);
        if let Err(error) = &taken {
            // Its files go now.
            self.draft = Err(error.clone());
        }
        taken
    }

    /// Makes the bytes a blob: durable, and visible here, when the work is done.
    ///
    /// # Errors
    /// In the answer: as for [`BlobWriter::take`], where `changed_while_added` may also be fewer
    /// bytes than were said; `invalid_argument`, `limit_exceeded`: what is said of it.
    pub fn finish(self) -> BlobWork<BlobRef> {
        let BlobWriter { draft, about, door } = self;
        let (room, draft) = match door.room().and_then(|room| Ok((room, draft?))) {
            Ok(found) => found,
            Err(error) => return failed(error),
        };
        let (work, doer) = begin(None, room.ended());
        room.long(Box::new(move || {
            let added = draft.finish(about, &|done| doer.state().go_on(done)).map(reference);
            doer.end(added);
        }));
        work
    }
}

impl Write for BlobWriter {
    /// Takes all of `bytes`.
    ///
    /// # Errors
    /// Those of [`BlobWriter::take`], inside of the error.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.take(bytes).map(|()| bytes.len()).map_err(|error| match error.kind() {
            ErrorKind::StorageFull => io::Error::new(io::ErrorKind::StorageFull, error),
            _ => io::Error::other(error),
        })
    }

    /// Does nothing: bytes are durable when it is finished.
    fn flush(&mut self) -> io::Result<()> {
        self.draft.as_ref().map(drop).map_err(|error: &Error| io::Error::other(error.clone()))
    }
}
