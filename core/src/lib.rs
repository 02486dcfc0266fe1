//! millpond: a decentralised event log for shop floors.

mod driver;
mod error;
pub mod event;
pub mod log;
#[cfg(feature = "net")]
pub mod net;
mod pending;
#[doc(hidden)]
pub mod planted;
pub mod query;
pub mod sync;

pub use driver::{
    Batches, NetworkOptions, Node, NodeOptions, PeerAddress, PeerStatus, PublishOptions,
    QueryOptions, Refusal, Status, StorageOptions, Subscription,
};
pub use error::{Error, ErrorKind, Result};
pub use log::{
    Appended, Batch, Columns, Compacted, Cursor, Damage, Durability, EventBatch, EventView,
    Explanation, LogStats, LogStatus, Looks, Receipt, TableStats, VerifyReport,
};
pub use pending::Pending;
