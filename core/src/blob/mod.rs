//! Blobs: immutable bytes named by their BLAKE3 hash, moved group by group, each verified alone.
//!
//! A blob is cut into groups of 64 KiB. A *piece* is one group with the hash pairs that lead to it
//! from the root, so whoever has the id and the size can check it without anything else: in any
//! order, from anybody, after any restart.
//!
//! Not here: where blobs are kept (`blob/store`, the rim), channels (`net`), who is admitted
//! (`sync`). No import of a room on this floor.
//! Rule: nothing a peer sends makes us panic, hang, or hold more than the bounds in [`limits`];
//! nothing counts before its piece verified.
//! Begin with [`BlobId`], [`BlobSize`] and [`piece`].

mod about;
mod blob_ref;
pub mod exchange;
mod groups;
mod id;
pub mod limits;
pub mod message;
pub mod piece;
pub(crate) mod reference;
mod size;
pub(crate) mod store;

pub use about::About;
pub use blob_ref::BlobRef;
pub use groups::{GROUPS_PER_PAGE, GroupSet, PAGE_BYTES};
pub use id::BlobId;
pub use size::{BlobSize, GroupIndex, GroupRange};
pub use store::ExportHow;
