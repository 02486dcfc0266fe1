//! Adding a blob: its bytes go to a file, its tree beside it, and then it gets its row.
//!
//! Rule: bytes, tree and names are on the medium before the row; what ends earlier, by an error, a
//! drop or a crash, leaves nothing, or what the next opening removes. Memory: a few buffers of
//! 64 KiB, and at most 16 KiB of the blob itself. Source: docs/format.md, "Blobs".
#![allow(clippy::disallowed_types)] // The rim: a file that is added.

use super::files::BlobFile;
use super::lease::Lease;
use super::quota::Promise;
use super::read::has_files;
use super::replace::Replacement;
use super::rows::{BlobRow, Content};
use super::store::Store;
use crate::blob::about::About;
use crate::blob::limits::{GROUP_BYTES, INLINE_BYTES_MAX, SYNC_STEP_BYTES};
use crate::blob::piece::BytesAt;
use crate::blob::{BlobId, BlobSize, piece};
use crate::error::{Error, ErrorKind, Result};
use bytes::Bytes;
use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::sync::Arc;

/// Told how many bytes are done, between pieces of some 64 KiB; an error ends the work.
pub(crate) type GoOn<'a> = &'a dyn Fn(u64) -> Result<()>;

/// A blob that is being added. Dropped, it leaves nothing.
pub(crate) struct Draft {
    store: Arc<Store>,
    promise: Promise,
    /// Bytes that it will have, when they are known.
    size: Option<u64>,
    written: u64,
    unsynced: u64,
    /// The bytes, while they fit into a row.
    head: Vec<u8>,
    making: Option<Making>,
}

/// Files without a row. Dropped, they go.
struct Making {
    store: Arc<Store>,
    number: u64,
    data: BlobFile,
    tree: Option<BlobFile>,
    is_kept: bool,
}

/// A blob that is here, with a reason to keep it.
pub(crate) struct Added {
    pub(crate) id: BlobId,
    pub(crate) size: u64,
    pub(crate) about: About,
    pub(crate) lease: Lease,
}

impl Store {
    /// Adds what a reader gives: of `size` bytes, or all there is.
    ///
    /// # Errors
    /// Those of `Draft`, of the reader (`storage_failed`), and of `go_on`.
    pub(crate) fn add(
        self: &Arc<Store>,
        source: &mut dyn Read,
        size: Option<u64>,
        about: About,
        go_on: GoOn<'_>,
    ) -> Result<Added> {
        let mut draft = Draft::new(self.clone(), size)?;
        let tree = draft.fill(source, go_on)?;
        draft.finish_with(tree, about, go_on)
    }

    /// Adds a file, sharing its blocks where the file system can.
    ///
    /// # Errors
    /// As for `add`; `invalid_argument`: it is no file.
    pub(crate) fn add_file(
        self: &Arc<Store>,
        file: &mut File,
        about: About,
        go_on: GoOn<'_>,
    ) -> Result<Added> {
        let metadata = file.metadata().map_err(|error| unreadable(&error))?;
        if !metadata.is_file() {
            let message = "what is to be added as a blob is no regular file";
            return Err(Error::new(ErrorKind::InvalidArgument, message));
        }
        let mut draft = Draft::new(self.clone(), Some(metadata.len()))?;
        if metadata.len() > INLINE_BYTES_MAX as u64 {
            let making = draft.make()?;
            if making.data.share_blocks_of(file) {
                // What is hashed is ours: nobody changes it any more.
                draft.written = draft.making.as_ref().map_or(Ok(0), |own| own.data.len())?;
                return draft.finish_with(None, about, go_on);
            }
        }
        let tree = draft.fill(file, go_on)?;
        draft.finish_with(tree, about, go_on)
    }
}

impl Draft {
    /// An add of so many bytes, or of as many as will come.
    ///
    /// # Errors
    /// `limit_exceeded`: it is larger than a blob may be, or than there may be bytes of blobs
    /// (reason `blob_quota`). `storage_full`.
    pub(crate) fn new(store: Arc<Store>, size: Option<u64>) -> Result<Draft> {
        size.map(BlobSize::new).transpose()?;
        let mut promise = Promise::new(store.clone(), size);
        promise.extend_to(size.unwrap_or(0))?;
        let head = Vec::new();
        Ok(Draft { store, promise, size, written: 0, unsynced: 0, head, making: None })
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// `limit_exceeded`, `storage_full`, `storage_failed`; `conflict`, reason
    /// `changed_while_added`: they are more than was said. After an error it can only be dropped.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let end = self.written + bytes.len() as u64;
        if self.size.is_some_and(|size| end > size) {
            return Err(changed());
        }
        BlobSize::new(end)?;
        self.promise.extend_to(end)?;
        if self.making.is_none() && end <= INLINE_BYTES_MAX as u64 {
            self.head.extend_from_slice(bytes);
            self.written = end;
            return Ok(());
        }
        let (head, at) = (std::mem::take(&mut self.head), self.written);
        let making = self.make()?;
        if !head.is_empty() {
            making.data.write_at(&head, 0)?;
        }
        making.data.write_at(bytes, at)?;
        self.unsynced += end - self.written;
        self.written = end;
        if self.unsynced >= SYNC_STEP_BYTES {
            // Else the last sync, and each of the journal beside it, would wait for all of it.
            self.making.as_ref().map_or(Ok(()), |making| making.data.sync())?;
            self.promise.wrote(end);
            self.unsynced = 0;
        }
        Ok(())
    }

    /// Makes the bytes a blob; it is durable and visible when this returns.
    ///
    /// # Errors
    /// As for `write`, where they may also be fewer than was said, and those of `go_on`.
    pub(crate) fn finish(self, about: About, go_on: GoOn<'_>) -> Result<Added> {
        self.finish_with(None, about, go_on)
    }

    /// Takes all bytes of a reader. Where the size is known the tree is made on the way, and the
    /// id is what it begins with.
    fn fill(&mut self, source: &mut dyn Read, go_on: GoOn<'_>) -> Result<Option<BlobId>> {
        let mut failed = None;
        let id = match self.size {
            Some(size) if size > INLINE_BYTES_MAX as u64 => {
                let tree = self.make_tree(size)?;
                let mut tee = Tee { source: &mut *source, draft: self, go_on, failed: None };
                let made = write_tree(&mut tee, size, tree.as_ref());
                failed = tee.failed.take();
                if let Some(making) = &mut self.making {
                    making.tree = tree;
                }
                match made {
                    Ok(id) => Some(id),
                    Err(error) => return Err(failed.unwrap_or(error)),
                }
            }
            _ => None,
        };
        let mut buffer = vec![0; GROUP_BYTES];
        loop {
            match source.read(&mut buffer) {
                Ok(0) => return failed.map_or(Ok(id), Err),
                Ok(count) => {
                    self.write(&buffer[..count])?;
                    go_on(self.written)?;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(unreadable(&error)),
            }
        }
    }

    fn finish_with(mut self, id: Option<BlobId>, about: About, go_on: GoOn<'_>) -> Result<Added> {
        let about = about.checked()?;
        let size = self.written;
        if self.size.is_some_and(|said| said != size) {
            return Err(changed());
        }
        let Some(making) = &mut self.making else {
            let bytes = Bytes::from(std::mem::take(&mut self.head));
            let id = BlobId::of(&bytes);
            return self.commit(id, Content::Inline(bytes), about);
        };
        let id = match id {
            Some(id) => id,
            None => {
                making.tree = making.make_tree(size)?;
                let mut data = Again { data: &making.data, at: 0, go_on, failed: None };
                let made = write_tree(&mut data, size, making.tree.as_ref());
                made.map_err(|error| data.failed.take().unwrap_or(error))?
            }
        };
        if !crate::planted!("row_before_sync") {
            making.data.sync()?;
            making.tree.as_ref().map_or(Ok(()), BlobFile::sync)?;
        }
        making.data.seal()?;
        making.tree.as_ref().map_or(Ok(()), BlobFile::seal)?;
        if !crate::planted!("directory_not_synced") {
            self.store.place.sync_folder(making.number)?;
        }
        let number = making.number;
        self.commit(id, Content::Whole { number }, about)
    }

    /// Commits the row. What there is of the same bytes already gives way: nobody has looked
    /// whether it is still what it was.
    fn commit(mut self, id: BlobId, content: Content, about: About) -> Result<Added> {
        let store = self.store.clone();
        let lease = store.lease(id);
        let own = BlobRow {
            content,
            size: self.written,
            size_proven: true,
            referenced: false,
            own_about: !about.is_empty(),
            touched: store.now(),
            about,
        };
        if !has_files(&store.place, &own)? {
            let message = format!("somebody removed the files of blob {id} while it was added");
            return Err(Error::new(ErrorKind::StorageFailed, message));
        }
        let mut writer = store.writer();
        let replacement = store.replacement(writer.counters, &id, own)?;
        let Replacement { row, counters, changes, numbers } = replacement;
        store.commit(&mut writer, counters, changes)?;
        if let Some(making) = &mut self.making {
            writer.making.remove(&making.number);
            making.is_kept = true;
        }
        self.promise.end(&mut writer);
        drop(writer);
        numbers.iter().for_each(|number| drop(store.lost_of_part(&id, *number, None)));
        store.tell(id);
        for number in numbers {
            // The blob is added, whether or not the old files are gone: an opening sees to them.
            if let Err(error) = store.discard(number) {
                tracing::warn!(%error, blob = %id, "what it replaces stays until an opening");
            }
        }
        store.note_added(row.touched);
        let BlobRow { size, about, .. } = row;
        Ok(Added { id, size, about, lease })
    }

    /// The files, made when they are not there yet.
    fn make(&mut self) -> Result<&mut Making> {
        if self.making.is_none() {
            self.making = Some(Making::new(self.store.clone())?);
        }
        Ok(self.making.as_mut().expect("it was just made"))
    }

    fn make_tree(&mut self, size: u64) -> Result<Option<BlobFile>> {
        self.make()?.make_tree(size)
    }
}

impl Making {
    fn new(store: Arc<Store>) -> Result<Making> {
        let number = store.take_number()?;
        let made = store
            .place
            .make_folder(number)
            .and_then(|()| BlobFile::create_anew(store.place.data(number)));
        match made {
            Ok(data) => Ok(Making { store, number, data, tree: None, is_kept: false }),
            Err(error) => {
                give_up(&store, number);
                Err(error)
            }
        }
    }

    /// The file of the tree; none for a blob of one group.
    fn make_tree(&self, size: u64) -> Result<Option<BlobFile>> {
        if size <= GROUP_BYTES as u64 {
            return Ok(None);
        }
        BlobFile::create_anew(self.store.place.tree(self.number)).map(Some)
    }
}

impl Drop for Making {
    fn drop(&mut self) {
        // After a fork they are the parent's, which may go on with them.
        if !self.is_kept && !self.store.is_forked() {
            give_up(&self.store, self.number);
        }
    }
}

fn give_up(store: &Store, number: u64) {
    match store.discard(number) {
        Err(error) if error.kind() != ErrorKind::Closed => {
            tracing::warn!(%error, number, "files of an add that ended stay until an opening");
        }
        _ => {}
    }
}

/// Reads what is added and writes it down on the way.
struct Tee<'a> {
    source: &'a mut dyn Read,
    draft: &'a mut Draft,
    go_on: GoOn<'a>,
    failed: Option<Error>,
}

impl Read for Tee<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = match self.source.read(into) {
            Ok(0) if !into.is_empty() => {
                self.failed = Some(changed());
                return Ok(0);
            }
            Ok(count) => count,
            Err(error) => {
                if error.kind() != io::ErrorKind::Interrupted {
                    self.failed = Some(unreadable(&error));
                }
                return Err(error);
            }
        };
        let taken = self.draft.write(&into[..count]);
        match taken.and_then(|()| (self.go_on)(self.draft.written)) {
            Ok(()) => Ok(count),
            Err(error) => {
                self.failed = Some(error);
                Err(io::ErrorKind::Other.into())
            }
        }
    }
}

/// Reads what was written.
struct Again<'a> {
    data: &'a BlobFile,
    at: u64,
    go_on: GoOn<'a>,
    failed: Option<Error>,
}

impl Read for Again<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = match self.data.read_at(self.at, into) {
            Ok(count) => count,
            Err(error) => {
                self.failed = Some(error);
                return Err(io::ErrorKind::Other.into());
            }
        };
        self.at += count as u64;
        if let Err(error) = (self.go_on)(self.at) {
            self.failed = Some(error);
            return Err(io::ErrorKind::Other.into());
        }
        Ok(count)
    }
}

/// A writer to the end of a file.
struct Behind<'a> {
    file: Option<&'a BlobFile>,
    at: u64,
    failed: Option<Error>,
}

impl Write for Behind<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(file) = self.file else { return Err(io::ErrorKind::WriteZero.into()) };
        if let Err(error) = file.write_at(bytes, self.at) {
            self.failed = Some(error);
            return Err(io::ErrorKind::Other.into());
        }
        self.at += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Hashes `size` bytes, and writes the tree of them where there is one.
fn write_tree(data: &mut dyn Read, size: u64, tree: Option<&BlobFile>) -> Result<BlobId> {
    let behind = Behind { file: tree, at: 0, failed: None };
    let mut out = BufWriter::with_capacity(GROUP_BYTES, behind);
    let made = piece::hash_into(BlobSize::new(size)?, data, &mut out);
    let made = made.and_then(|id| {
        out.flush()?;
        Ok(id)
    });
    // What is left in the buffer of a failed one must not be tried again by its drop.
    let (mut behind, _) = out.into_parts();
    made.map_err(|error| behind.failed.take().unwrap_or_else(|| unreadable(&error)))
}

fn changed() -> Error {
    let message = "what is added as a blob has not the size that it had at the beginning; it was \
        changed meanwhile";
    Error::new(ErrorKind::Conflict, message).with_reason("changed_while_added")
}

fn unreadable(error: &io::Error) -> Error {
    let message = format!("could not read what is added as a blob: {error}");
    Error::new(ErrorKind::StorageFailed, message)
}
