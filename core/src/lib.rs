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
    Batches, NetworkOptions, Node, NodeOptions, PeerAddress, PeerRefusal, PeerStatus,
    PublishOptions, QueryOptions, Refusal, SEND_BYTES_PER_SECOND_MIN, Status, StatusSubscription,
    StorageOptions, StreamStatus, Subscription, UnheardNode,
};
pub use error::{Error, ErrorKind, Result};
pub use log::{
    Appended, Batch, Behind, Columns, Compacted, Completeness, Cursor, Damage, Delivery,
    Durability, EventBatch, EventView, Explanation, LogStats, LogStatus, Looks, Receipt,
    TableStats, Unheard, VerifyReport,
};
pub use pending::Pending;
