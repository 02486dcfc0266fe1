//! Reading a blob at any place.

// The rim: the file of a blob.
#![allow(clippy::disallowed_types)]

use crate::blob::BlobId;
use crate::blob::store::Opened;
use crate::driver::blob::room::Door;
use crate::error::{Error, ErrorKind, Result};
use crate::pending::{Pending, pending};
use bytes::{Bytes, BytesMut};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::sync::Arc;

/// Most bytes of one read.
const READ_BYTES_MAX: usize = 1 << 20;

/// A blob that is open. Cloning gives another reference to it; while there is one, it is not
/// collected. Whatever it gives was verified against the id.
#[derive(Clone)]
pub struct BlobReader {
    opened: Arc<Opened>,
    door: Door,
}

/// A blob as a stream with a position, for what reads from [`Read`] and [`Seek`]. Blocks for the
/// disk.
pub struct BlobStream {
    reader: BlobReader,
    at: u64,
}

impl BlobReader {
    pub(super) fn new(opened: Opened, door: Door) -> BlobReader {
        BlobReader { opened: Arc::new(opened), door }
    }

    /// Which blob it is.
    pub fn id(&self) -> BlobId {
        self.opened.id()
    }

    /// Its bytes.
    pub fn size(&self) -> u64 {
        self.opened.size()
    }

    /// The `length` bytes from byte `position` on; fewer where the blob ends, none behind its end.
    ///
    /// # Errors
    /// `limit_exceeded`: `length` is more than 1 MiB. In the answer: `corrupt`: they are damaged
    /// here. `storage_failed`, `closed`, `forked_process`.
    pub fn read_at(&self, position: u64, length: usize) -> Pending<Bytes> {
        if length > READ_BYTES_MAX {
            let message = format!("{length} bytes are to be read; the limit is {READ_BYTES_MAX}");
            return Pending::ready(Err(Error::new(ErrorKind::LimitExceeded, message)));
        }
        let room = match self.door.room() {
            Ok(room) => room,
            Err(error) => return Pending::ready(Err(error)),
        };
        let (completer, answer) = pending(None);
        let (opened, door) = (self.opened.clone(), self.door.clone());
        room.short(Box::new(move || {
            let bytes = door.room().and_then(|_| read(&opened, position, length));
            drop(opened);
            completer.complete(bytes);
        }));
        answer
    }

    /// The file of the blob, opened anew for reading: yours, with a position of its own. What is
    /// read from it nobody verifies, and while it is open the blob may be collected.
    ///
    /// # Errors
    /// `invalid_argument`, reason `no_file`: the blob is small and lies in a table.
    /// `not_found`, reason `blob_not_here`: some of it is missing here. `storage_failed`, `closed`,
    /// `forked_process`.
    pub fn file(&self) -> Result<File> {
        self.door.room()?;
        self.opened.file()
    }

    /// The blob as a stream that begins at its first byte.
    pub fn stream(&self) -> BlobStream {
        BlobStream { reader: self.clone(), at: 0 }
    }
}

/// Bytes of as many groups as it takes.
pub(super) fn read(opened: &Opened, position: u64, length: usize) -> Result<Bytes> {
    let first = opened.read_at(position, length)?;
    let whole = opened.size().saturating_sub(position).min(length as u64) as usize;
    if first.len() >= whole {
        return Ok(first);
    }
    let mut bytes = BytesMut::with_capacity(whole);
    bytes.extend_from_slice(&first);
    while bytes.len() < whole {
        let at = position + bytes.len() as u64;
        bytes.extend_from_slice(&opened.read_at(at, whole - bytes.len())?);
    }
    Ok(bytes.freeze())
}

impl Read for BlobStream {
    /// # Errors
    /// Those of [`BlobReader::read_at`], inside of the error.
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let BlobReader { opened, door } = &self.reader;
        let read = door.room().and_then(|_| opened.read_at(self.at, into.len()));
        let bytes = read.map_err(io::Error::other)?;
        into[..bytes.len()].copy_from_slice(&bytes);
        self.at += bytes.len() as u64;
        Ok(bytes.len())
    }
}

impl Seek for BlobStream {
    /// # Errors
    /// The position would be before the first byte.
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let (from, by) = match to {
            SeekFrom::Start(position) => (position, 0),
            SeekFrom::End(by) => (self.reader.size(), by),
            SeekFrom::Current(by) => (self.at, by),
        };
        let position = from.checked_add_signed(by);
        self.at = position.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}
