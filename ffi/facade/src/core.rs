//! What the facade uses of the core's front door, named once.

pub(crate) use millpond::{
    Acting, After, Appended, BlobReader, BlobWriter, CausalSession, Cursor, Delivery, DoingWatch,
    Durability, EffectTurn, Emission, FirstSeed, KeySubscription, NetworkOptions, Node,
    NodeOptions, PeerAddress, PublishOptions, Pump, PumpEnding, PumpStep, QueryOptions,
    StateSubscription, Status, StorageOptions, Subscription, TURN_ROUNDS_MAX,
};
