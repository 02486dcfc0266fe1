//! A blob as it is spoken of: its id, and what is said of it.

use crate::blob::BlobId;

/// A mention of a blob. Only the id is sure; the rest is what somebody said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlobRef {
    /// Which bytes.
    pub id: BlobId,
    /// How many, 0 to 2^40, when that is known.
    pub size: Option<u64>,
    /// A media type such as `image/jpeg`; empty when nobody said one.
    pub media_type: String,
    /// A file name; empty when nobody said one.
    pub name: String,
}
