//! What the facade uses of the core's front door, named once.

pub(crate) use millpond::{
    After, Appended, CausalSession, Cursor, Delivery, Durability, EffectTurn, Emission,
    KeySubscription, NetworkOptions, Node, NodeOptions, PeerAddress, PublishOptions, Pump,
    PumpEnding, PumpStep, QueryOptions, StateSubscription, Status, StorageOptions, Subscription,
};
