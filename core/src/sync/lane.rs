//! The channels of a connection, so that what is urgent waits for nothing that is long.

use crate::event::limits::FRAME_BYTES_MAX;
use crate::sync::constants::BULK_FRAME_BYTES_MAX;

/// One of the three channels. Each keeps the order of its frames; between them there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    /// All but answers to requests. Its bytes go first.
    Live,
    /// Events that were asked for, and what goes on from them.
    Backlog,
    /// Pieces of what is larger than an event. Its bytes go last, and only between two that both
    /// carry cargo.
    Bulk,
}

impl Lane {
    /// The more urgent ones first.
    pub const ALL: [Lane; 3] = [Lane::Live, Lane::Backlog, Lane::Bulk];

    /// Its place in [`Lane::ALL`].
    pub const fn index(self) -> usize {
        self as usize
    }

    /// Its name, for people.
    pub const fn name(self) -> &'static str {
        match self {
            Lane::Live => "live",
            Lane::Backlog => "backlog",
            Lane::Bulk => "bulk",
        }
    }

    /// Largest frame that an admitted peer may send on it.
    pub const fn frame_bytes_max(self) -> usize {
        match self {
            Lane::Live | Lane::Backlog => FRAME_BYTES_MAX,
            Lane::Bulk => BULK_FRAME_BYTES_MAX,
        }
    }
}
