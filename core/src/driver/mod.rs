//! A node: log, swarm and transport joined with a clock and threads.
//!
//! Not here: any decision about events, peers or storage; those are made in the rooms below.
//! Rule: an input goes in, outputs are performed, nothing is kept that a room keeps already.
//! Begin with [`Node`]; `turn.rs` is the loop.

mod batches;
mod clock;
mod contact;
#[cfg(feature = "net")]
mod forked;
#[cfg(feature = "net")]
mod inbox;
#[cfg(feature = "net")]
mod ledger;
#[cfg(feature = "net")]
mod lookout;
mod metrics;
#[cfg(feature = "net")]
mod network;
#[cfg(not(feature = "net"))]
mod no_network;
mod node;
#[cfg(feature = "net")]
mod opener;
mod options;
#[cfg(feature = "net")]
mod pacer;
#[cfg(feature = "net")]
mod parts;
mod registry;
mod status;
mod status_subscription;
mod subscription;
#[cfg(feature = "net")]
mod turn;

pub use batches::Batches;
pub use node::{Node, PublishOptions, QueryOptions};
pub use options::{
    NetworkOptions, NodeOptions, PeerAddress, SEND_BYTES_PER_SECOND_MIN, StorageOptions,
};
pub use status::{PeerRefusal, PeerStatus, Refusal, Status, StreamStatus, UnheardNode};
pub use status_subscription::StatusSubscription;
pub use subscription::Subscription;

#[cfg(not(feature = "net"))]
use no_network as network;
