//! Reading a blob at any place; what is missing is fetched, and some of what follows.

// The rim: the file of a blob.
#![allow(clippy::disallowed_types)]

use crate::blob::exchange::Urgency;
use crate::blob::limits::READ_AHEAD_GROUPS;
use crate::blob::store::Opened;
use crate::blob::{BlobId, BlobSize, GroupRange};
use crate::driver::blob::fetching::{TRIES, can_fetch, short};
use crate::driver::blob::room::Door;
use crate::error::{Error, ErrorKind, Result};
use crate::pending::Pending;
use bytes::{Bytes, BytesMut};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::sync::{Arc, Mutex, PoisonError};

/// Most bytes of one read.
const READ_BYTES_MAX: usize = 1 << 20;

/// A blob that is open. Cloning gives another reference to it; while there is one, it is not
/// collected. Whatever it gives was verified against the id.
#[derive(Clone)]
pub struct BlobReader {
    reading: Arc<Reading>,
    door: Door,
}

struct Reading {
    id: BlobId,
    size: BlobSize,
    /// Opened again after a fetch: the blob may have begun anew.
    opened: Mutex<Arc<Opened>>,
    may_fetch: bool,
    /// What is fetched ahead of the last read; dropped, it is called off.
    ahead: Mutex<Option<Pending<BlobSize>>>,
}

/// A blob as a stream with a position, for what reads from [`Read`] and [`Seek`]. Blocks for the
/// disk, and for peers where something is missing.
pub struct BlobStream {
    reader: BlobReader,
    at: u64,
}

impl BlobReader {
    pub(super) fn new(opened: Opened, may_fetch: bool, door: Door) -> BlobReader {
        let (id, size) = (opened.id(), opened.blob_size());
        let (opened, ahead) = (Mutex::new(Arc::new(opened)), Mutex::default());
        BlobReader { reading: Arc::new(Reading { id, size, opened, may_fetch, ahead }), door }
    }

    /// Which blob it is.
    pub fn id(&self) -> BlobId {
        self.reading.id
    }

    /// Its bytes.
    pub fn size(&self) -> u64 {
        self.reading.size.bytes()
    }

    /// The `length` bytes from byte `position` on; fewer where the blob ends, none behind its end.
    /// What is missing of them is fetched first, for as long as that takes: dropping the answer
    /// calls that off.
    ///
    /// # Errors
    /// `limit_exceeded`: `length` is more than 1 MiB. In the answer: `not_found`, reason
    /// `blob_not_here`, and `corrupt`: they are missing, or damaged here, and nothing is to be
    /// fetched. `storage_full`: there is no room for what comes. `storage_failed`, `closed`,
    /// `forked_process`.
    pub fn read_at(&self, position: u64, length: usize) -> Pending<Bytes> {
        if length > READ_BYTES_MAX {
            let message = format!("{length} bytes are to be read; the limit is {READ_BYTES_MAX}");
            return Pending::ready(Err(Error::new(ErrorKind::LimitExceeded, message)));
        }
        let read = self.read_here(position, length, false);
        match self.reading.may_fetch {
            true => {
                let reader = self.clone();
                read.then(move |read| reader.or_fetched(read, position, length, TRIES))
            }
            false => read,
        }
    }

    /// Reads what is here.
    fn read_here(&self, position: u64, length: usize, again: bool) -> Pending<Bytes> {
        let reading = self.reading.clone();
        short(&self.door, move |store| {
            if again {
                let opened = Arc::new(store.open_blob(reading.id)?);
                *reading.opened.lock().unwrap_or_else(PoisonError::into_inner) = opened;
            }
            read(&reading.opened(), position, length)
        })
    }

    /// What was read, or what is read once it is fetched.
    fn or_fetched(
        self,
        read: Result<Bytes>,
        position: u64,
        length: usize,
        tries: u32,
    ) -> Pending<Bytes> {
        match read {
            Err(error) if tries > 0 && can_fetch(&self.door, &error) => {
                match self.fetch(position, length) {
                    Ok(fetched) => fetched.then(move |fetched| match fetched {
                        Ok(_) => self
                            .read_here(position, length, true)
                            .then(move |read| self.or_fetched(read, position, length, tries - 1)),
                        Err(error) => Pending::ready(Err(error)),
                    }),
                    Err(error) => Pending::ready(Err(error)),
                }
            }
            read => Pending::ready(read),
        }
    }

    /// Fetches the groups of these bytes, and those that follow without waiting for them.
    fn fetch(&self, position: u64, length: usize) -> Result<Pending<BlobSize>> {
        let Reading { id, size, .. } = *self.reading;
        let end = position.saturating_add(length as u64).min(size.bytes());
        let first = size.group_at(position).unwrap_or(size.last_group());
        let last = size.group_at(end.saturating_sub(1)).unwrap_or(first);
        let range = GroupRange::from_numbers(first.value(), last.value() + 1);
        let room = self.door.room()?;
        let fetched = room.fetch(id, Some(range), Urgency::Reading, None)?;
        let ahead = (range.end() + READ_AHEAD_GROUPS).min(size.groups());
        let ahead = GroupRange::from_numbers(range.end(), ahead);
        let following = match ahead.is_empty() {
            true => None,
            false => Some(room.fetch(id, Some(ahead), Urgency::Asked, None)?),
        };
        let before = std::mem::replace(
            &mut *self.reading.ahead.lock().unwrap_or_else(PoisonError::into_inner),
            following,
        );
        // It is called off behind the lock.
        drop(before);
        Ok(fetched)
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
        self.reading.opened().file()
    }

    /// The blob as a stream that begins at its first byte.
    pub fn stream(&self) -> BlobStream {
        BlobStream { reader: self.clone(), at: 0 }
    }
}

impl Reading {
    fn opened(&self) -> Arc<Opened> {
        self.opened.lock().unwrap_or_else(PoisonError::into_inner).clone()
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
        let BlobReader { reading, door } = &self.reader;
        let mut read = door.room().and_then(|_| reading.opened().read_at(self.at, into.len()));
        if let Err(error) = &read
            && reading.may_fetch
            && can_fetch(door, error)
        {
            read = self.reader.read_at(self.at, into.len().min(READ_BYTES_MAX)).wait();
        }
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
