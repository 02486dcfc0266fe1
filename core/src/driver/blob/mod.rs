//! Blobs at the front door: adding, reading, exporting, looking through.
//!
//! Not here: what is kept and how (`blob/store`), peers. Rule: what takes time is done by a crew's
//! thread or by the caller's own, and ends soon after the node closes. Begin with [`Blobs`].

mod blobs;
mod crew;
mod desk;
mod fetching;
mod reader;
mod references;
mod room;
mod stat;
#[cfg(feature = "net")]
mod turn;
mod work;
mod writer;

pub use blobs::{Blobs, BlobsCollected, BlobsVerified, Export, Exported, OpenBlob};
pub use reader::{BlobReader, BlobStream};
pub(crate) use references::{append, check_tags};
pub(crate) use room::BlobRoom;
pub use stat::{BlobStat, BlobState};
#[cfg(feature = "net")]
pub(crate) use turn::{BlobTurn, Errand};
pub use work::{BlobProgress, BlobStall, BlobWatch, BlobWork};
pub use writer::BlobWriter;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_refer;
