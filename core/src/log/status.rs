//! What can be said about a log without reading it.

use super::disk::{Shared, lock};
use crate::error::Error;
use crate::event::StreamId;

/// Sizes and troubles of a log.
#[derive(Clone, Debug)]
pub struct LogStatus {
    /// Number of streams held.
    pub stream_count: usize,
    /// Number of events held, durable.
    pub event_count: u128,
    /// Bytes of memory that events take which are only in the journal.
    pub tail_bytes: usize,
    /// Bytes of LMDB's file.
    pub table_bytes: u64,
    /// The last failure of the storage, if no commit has succeeded since.
    pub trouble: Option<Error>,
    /// What was found damaged.
    pub damages: Vec<Damage>,
}

/// A place in the log that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The stream.
    pub stream: StreamId,
    /// An offset that could not be read.
    pub offset: u64,
    /// How it shows.
    pub message: String,
}

impl LogStatus {
    pub(super) fn of(shared: &Shared) -> LogStatus {
        let damages = lock(&shared.quarantine)
            .iter()
            .map(|((stream, offset), message)| Damage {
                stream: *stream,
                offset: *offset,
                message: message.clone(),
            })
            .collect();
        let trouble = lock(&shared.trouble).clone();
        let table_bytes = shared.tables.file_bytes();
        let state = shared.state();
        LogStatus {
            stream_count: state.streams.len(),
            event_count: state.durable.total(),
            tail_bytes: state.tail_bytes,
            table_bytes,
            trouble,
            damages,
        }
    }
}
