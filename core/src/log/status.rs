//! What can be said about a log without reading it.

use super::disk::{Shared, journal_bytes, lock};
use crate::error::{Error, ErrorKind};
use crate::event::StreamId;
use crate::files::free_bytes;
use std::fmt;

/// Sizes and troubles of a log.
#[derive(Clone, Debug)]
pub struct LogStatus {
    /// Number of streams of which events are visible.
    pub stream_count: usize,
    /// Number of events held, durable and visible.
    pub event_count: u128,
    /// Bytes of memory that events take which are only in the journal.
    pub tail_bytes: usize,
    /// Bytes of LMDB's file.
    pub table_bytes: u64,
    /// Bytes of the files of the journal.
    pub journal_bytes: u64,
    /// Bytes that the file system has left for us; none when it does not say.
    pub free_bytes: Option<u64>,
    /// True when the last commit found no room on the disk, so that publishes are refused until
    /// one succeeds.
    pub full: bool,
    /// The last failure of the storage, if no commit has succeeded since.
    pub trouble: Option<Error>,
    /// What was found damaged, by reading or by verifying, at most `DAMAGES_MAX` places.
    pub damages: Vec<Damage>,
}

/// Most damages that are kept and named.
pub const DAMAGES_MAX: usize = 1024;

/// A place in the store that does not hold what was written there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The table it is in, as docs/format.md names it, or `journal` or `pages`.
    pub table: &'static str,
    /// The stream; none where the place belongs to no single one.
    pub stream: Option<StreamId>,
    /// What is lost begins here: in `events` the offset of the first event of the block, in
    /// `heads` and `streams` the number of events before the head, in `postings` and `groups` the
    /// number of the segment, in `snapshots` that of the row, in `blobs` the rows before it, in
    /// `journal` the index of the record. 0 in other tables.
    pub first: u64,
    /// And ends before this, counted like `first`; equal to it where nothing can be counted.
    pub end: u64,
    /// How it shows.
    pub message: String,
}

/// A block of the tables that is known to be damaged, and can be put back with its events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DamagedBlock {
    /// Its stream.
    pub stream: StreamId,
    /// Offset of its first event.
    pub first: u64,
    /// And one behind the last.
    pub end: u64,
}

impl LogStatus {
    pub(super) fn of(shared: &Shared) -> LogStatus {
        let damages = shared.damages();
        let trouble = lock(&shared.trouble).clone();
        let table_bytes = shared.tables.file_bytes();
        let path = &shared.options.path;
        let (journal_bytes, free_bytes) = (journal_bytes(path), free_bytes(path));
        let is_full = |error: &Error| error.kind() == ErrorKind::StorageFull;
        let state = shared.state();
        LogStatus {
            stream_count: state.durable.stream_count(),
            event_count: state.event_count(),
            tail_bytes: state.tail_bytes,
            table_bytes,
            journal_bytes,
            free_bytes,
            full: trouble.as_ref().is_some_and(is_full),
            trouble,
            damages,
        }
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Damage { table, stream, first, end, message } = self;
        write!(formatter, "{table} {first} to {end}")?;
        if let Some(stream) = stream {
            write!(formatter, " of stream {stream}")?;
        }
        write!(formatter, ": {message}")
    }
}
