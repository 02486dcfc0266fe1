//! What is known of a blob here.

use crate::blob::store::{Content, Known};
use crate::blob::{About, BlobId};
use crate::event::WallTime;

/// How much of a blob is here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BlobState {
    /// All of it, in a row of a table: it has at most 16 KiB.
    Inline,
    /// All of it, in a file.
    Whole,
    /// Some of it: the rest was not fetched yet, or found damaged. Fetching it, or adding the same
    /// bytes again, makes it whole.
    Part,
}

/// What is known of a blob here.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BlobStat {
    /// Which blob.
    pub id: BlobId,
    /// Bytes, 0 to 2^40.
    pub size: u64,
    /// Whether that is certain: of a part it is once its last bytes are here. Until then it is
    /// what somebody said.
    pub size_proven: bool,
    /// How much of it is here.
    pub state: BlobState,
    /// Bytes that are here.
    pub held_bytes: u64,
    /// What was said of it here.
    pub about: About,
    /// When it was added, or read, to about a quarter of the grace of collections.
    pub touched: WallTime,
}

impl BlobStat {
    pub(super) fn of(known: Known) -> BlobStat {
        let Known { id, row } = known;
        let state = match row.content {
            Content::Inline(_) => BlobState::Inline,
            Content::Whole { .. } => BlobState::Whole,
            Content::Part { .. } => BlobState::Part,
        };
        let (held_bytes, size_proven) = (row.held_bytes(), row.size_proven);
        let (about, touched) = (row.about, row.touched);
        BlobStat { id, size: row.size, size_proven, state, held_bytes, about, touched }
    }
}
