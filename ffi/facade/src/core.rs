//! What the facade uses of the core's front door, named once.

pub(crate) use millpond::{
    Appended, Cursor, Delivery, Durability, NetworkOptions, Node, NodeOptions, PeerAddress,
    PublishOptions, QueryOptions, Status, StorageOptions, Subscription,
};
