//! What the facade uses of the core's front door, named once.

pub(crate) use millpond::driver::{
    NetworkOptions, Node, NodeOptions, PeerAddress, PublishOptions, QueryOptions, Status,
    StorageOptions, Subscription,
};
pub(crate) use millpond::log::{Appended, Cursor, Durability};
