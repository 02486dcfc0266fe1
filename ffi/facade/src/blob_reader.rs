//! Reading a blob: at any place, or from where the last read ended. Every byte is verified.

use crate::awaited::{self, Place};
use crate::close::Closed;
use crate::core;
use crate::defaults::{BLOB_CHUNK_BYTES, BLOB_GET_BYTES_MAX, BLOB_READ_BYTES};
use crate::entry::{entry, lock};
use crate::errors::{FacadeError, Result};
use crate::handles::handle;
use crate::needs::rest;
use crate::node::NodeState;
use crate::operation::Operation;
use crate::publish::refuse_cancelled;
use crate::registry;
use crate::wait::{Limit, Wait, deadline};
use bytes::Bytes;
use millpond::ErrorKind;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex};

handle! {
    /// A blob that is open for reading.
    BlobReaderHandle
}

/// What a reader handle stands for.
pub(crate) struct BlobReaderState {
    node: Arc<NodeState>,
    reader: core::BlobReader,
    /// Where the next read without a place begins.
    position: Mutex<u64>,
}

/// Bytes that come in several reads.
struct Reading {
    state: Arc<BlobReaderState>,
    position: u64,
    left: usize,
    read: Vec<u8>,
    operation: Arc<Operation<Bytes>>,
    place: Place,
}

impl NodeState {
    /// A handle of this reader.
    pub(crate) fn keep_blob(
        self: &Arc<Self>,
        reader: core::BlobReader,
    ) -> Result<BlobReaderHandle> {
        let (node, position) = (self.clone(), Mutex::new(0));
        let id = self.keep_reader(BlobReaderState { node, reader, position })?;
        Ok(BlobReaderHandle::from_id(id))
    }
}

impl BlobReaderState {
    pub(crate) fn node(&self) -> &Arc<NodeState> {
        &self.node
    }

    fn fill(&self, position: u64, buffer: &mut [u8], wait: &Wait<'_>) -> Result<usize> {
        let (end, mut filled) = (deadline(wait.limit.timeout), 0);
        while filled < buffer.len() {
            let length = BLOB_READ_BYTES.min(buffer.len() - filled);
            let pending = self.reader.read_at(position + filled as u64, length);
            let left = Wait { limit: rest(wait.limit, end), interrupted: wait.interrupted };
            let bytes = awaited::block_within(&[&self.node.calls], &self.node, pending, &left, Ok)?;
            if bytes.is_empty() {
                break;
            }
            buffer[filled..filled + bytes.len()].copy_from_slice(&bytes);
            filled += bytes.len();
        }
        Ok(filled)
    }
}

impl Reading {
    fn go_on(self) {
        if !self.operation.is_waiting() {
            return;
        }
        let length = BLOB_READ_BYTES.min(self.left);
        let pending = self.state.reader.read_at(self.position, length);
        let (place, operation) = (self.place.clone(), self.operation.clone());
        place.hold(pending, move |answer| self.take(length, answer));
        if !operation.is_waiting() {
            place.let_go(); // It ended before the answer was held.
        }
    }

    fn take(mut self, length: usize, answer: millpond::Result<Bytes>) {
        let bytes = match answer {
            Ok(bytes) => bytes,
            Err(error) => return drop(self.operation.complete(Err(error.into()))),
        };
        let is_last = bytes.len() < length || bytes.len() == self.left;
        if is_last && self.read.is_empty() {
            return drop(self.operation.complete(Ok(bytes)));
        }
        self.read.extend_from_slice(&bytes);
        if is_last {
            return drop(self.operation.complete(Ok(self.read.into())));
        }
        self.left -= bytes.len();
        self.position += bytes.len() as u64;
        self.go_on();
    }
}

impl BlobReaderHandle {
    /// The id of the blob: 64 hex digits.
    ///
    /// # Errors
    /// `closed`, `invalid_argument`: it is no open reader.
    pub fn blob_id(self) -> Result<String> {
        entry("blob_reader_id", self.id(), || Ok(self.state()?.reader.id().to_string()))
    }

    /// Bytes of the blob.
    ///
    /// # Errors
    /// As [`BlobReaderHandle::blob_id`].
    pub fn size(self) -> Result<u64> {
        entry("blob_reader_size", self.id(), || Ok(self.state()?.reader.size()))
    }

    /// Reads from byte `position` on until `buffer` is full or the blob ends; gives how many bytes
    /// were read, 0 behind the end. Any number of calls at once. Where the next
    /// [`BlobReaderHandle::read`] begins is not touched.
    ///
    /// # Errors
    /// `corrupt`: the bytes are damaged here. `storage_failed`, `timeout`, `cancelled`, `closed`.
    /// What is in the buffer then has no meaning.
    pub fn read_at(self, position: u64, buffer: &mut [u8], wait: &Wait<'_>) -> Result<usize> {
        entry("blob_reader_read_at", self.id(), || {
            refuse_cancelled(wait.limit)?;
            self.state()?.fill(position, buffer, wait)
        })
    }

    /// Reads `length` bytes from byte `position` on, or as many as there are, without waiting.
    ///
    /// # Errors
    /// As for [`BlobReaderHandle::read_at`]; `limit_exceeded`: `length` is more than 16 MiB.
    pub fn read_at_start(
        self,
        position: u64,
        length: u64,
        limit: Limit,
        done: impl FnOnce(Result<Bytes>) + Send + 'static,
    ) {
        let place = Place::default();
        let held = place.clone();
        let ending = Box::new(move |read| {
            held.let_go();
            done(read);
        });
        let operation = Operation::begin(limit, ending);
        let asked = entry("blob_reader_read_at", self.id(), || {
            let state = self.state()?;
            if length > BLOB_GET_BYTES_MAX {
                let message = format!(
                    "{length} bytes are to be read at once; the limit is {BLOB_GET_BYTES_MAX}"
                );
                return Err(FacadeError::new(ErrorKind::LimitExceeded, message));
            }
            Ok(state)
        });
        match asked {
            Ok(state) => {
                state.node.calls.watch(&operation);
                let (left, read) = (length as usize, Vec::new());
                Reading { state, position, left, read, operation, place }.go_on();
            }
            Err(error) => drop(operation.complete(Err(error))),
        }
    }

    /// As [`BlobReaderHandle::read_at`], from where the last such read ended. One call at a time.
    ///
    /// # Errors
    /// As there; the next read then begins where this one did.
    pub fn read(self, buffer: &mut [u8], wait: &Wait<'_>) -> Result<usize> {
        entry("blob_reader_read", self.id(), || {
            refuse_cancelled(wait.limit)?;
            let state = self.state()?;
            let position = *lock(&state.position);
            let read = state.fill(position, buffer, wait)?;
            *lock(&state.position) = position + read as u64;
            Ok(read)
        })
    }

    /// The next bytes, at most 65,536, from where the last read ended; none at the end. One call at
    /// a time.
    ///
    /// # Errors
    /// As for [`BlobReaderHandle::read`].
    pub fn next_chunk(self, wait: &Wait<'_>) -> Result<Bytes> {
        entry("blob_reader_next_chunk", self.id(), || {
            refuse_cancelled(wait.limit)?;
            let state = self.state()?;
            let position = *lock(&state.position);
            let pending = state.reader.read_at(position, BLOB_CHUNK_BYTES);
            let calls = [&state.node.calls];
            let bytes = awaited::block_within(&calls, &state.node, pending, wait, Ok)?;
            *lock(&state.position) = position + bytes.len() as u64;
            Ok(bytes)
        })
    }

    /// Says where the next read begins: `by` bytes from the beginning (`whence` 0), from where it
    /// would begin now (1), or from the end (2). Behind the end there is nothing to read. Gives the
    /// new position.
    ///
    /// # Errors
    /// `invalid_argument`: that is before the first byte, or there is no such `whence`. `closed`.
    pub fn seek(self, by: i64, whence: i32) -> Result<u64> {
        entry("blob_reader_seek", self.id(), || {
            let state = self.state()?;
            let mut position = lock(&state.position);
            let from = match whence {
                0 => 0,
                1 => *position,
                2 => state.reader.size(),
                other => {
                    let message = format!("a place is told from 0, 1 or 2, not {other}");
                    return Err(FacadeError::invalid(message));
                }
            };
            *position = from.checked_add_signed(by).ok_or_else(|| {
                FacadeError::invalid(format!("{by} bytes from byte {from} is no place in a blob"))
            })?;
            Ok(*position)
        })
    }

    /// The file of the blob, opened anew for reading: the caller's, with a position of its own.
    /// What is read from it nobody verifies.
    ///
    /// # Errors
    /// `invalid_argument`, reason `no_file`: the blob is small and lies in a table. `not_found`,
    /// reason `blob_not_here`: some of it is missing here. `storage_failed`, `closed`.
    pub fn file(self) -> Result<OwnedFd> {
        entry("blob_reader_file", self.id(), || Ok(self.state()?.reader.file()?.into()))
    }

    /// Ends the reader.
    ///
    /// # Errors
    /// `invalid_argument`: it never was a reader.
    pub fn close(self) -> Result<Closed> {
        entry("blob_reader_close", self.id(), || {
            let Some(state) = registry::remove::<BlobReaderState>(self.id())? else {
                return Ok(Closed::Before);
            };
            lock(&state.node.readers).remove(&self.id());
            Ok(Closed::Now)
        })
    }

    fn state(self) -> Result<Arc<BlobReaderState>> {
        let state = registry::get::<BlobReaderState>(self.id())?;
        state.node.check_poison()?;
        Ok(state)
    }
}
