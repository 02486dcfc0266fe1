//! Where blobs are kept: rows in a table, files beside it.
//!
//! This is the rim: files are allowed here, each file says which. Not here: threads and clocks
//! (`driver/blob`), where the rows are (a trait), what events say (another). Pure: `rows`, `lease`.
//! Rule: a blob's row is committed after its bytes, its tree and their names are on the medium; and
//! no byte is handed out that was not verified. Begin with `Store`.

mod add;
mod ages;
mod collect;
mod export;
mod files;
#[cfg_attr(not(feature = "net"), allow(dead_code))] // Only a network has peers to give to.
mod give;
mod lease;
#[cfg_attr(not(feature = "net"), allow(dead_code))] // Only a network brings groups.
mod moving;
#[cfg_attr(not(feature = "net"), allow(dead_code))] // The same.
mod part;
mod quota;
mod read;
mod recover;
mod replace;
mod rows;
#[allow(clippy::module_inception)] // One type per file, named after it.
mod store;
mod verify;

pub(crate) use add::{Added, Draft};
pub(crate) use collect::Collected;
pub use export::ExportHow;
pub(crate) use export::Exporting;
pub(crate) use lease::Lease;
#[cfg(feature = "net")]
pub(crate) use part::Took;
pub(crate) use read::Opened;
pub(crate) use rows::Content;
pub(crate) use store::{
    FoundRow, Known, LISTED_MAX, Parts, References, RowChange, Rows, Store, StoreOptions, not_here,
};

#[cfg(test)]
mod tests;
