//! A node: log, swarm and transport joined with a clock and threads.
//!
//! Not here: any decision about events, peers or storage; those are made in the rooms below.
//! Rule: an input goes in, outputs are performed, nothing is kept that a room keeps already.
//! Begin with [`Node`]; `turn.rs` is the loop.

mod account;
mod acting;
mod answers;
mod batches;
mod blob;
#[cfg(feature = "net")]
mod cargo;
mod causal_session;
mod claim;
mod clock;
mod contact;
mod coordination;
mod decider;
mod doing;
mod doing_watch;
mod explore;
#[cfg(feature = "net")]
mod forked;
#[cfg(feature = "net")]
mod inbox;
mod key_fold;
mod key_subscription;
mod lab_node;
mod lab_running;
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
mod pond;
mod reading;
mod registry;
mod session_deeds;
mod status;
mod status_subscription;
mod subscription;
pub mod testing;
#[cfg(feature = "net")]
mod turn;
mod waits;

pub use account::Account;
pub use batches::{Batches, KeySteps};
pub use blob::{
    BlobProgress, BlobReader, BlobStall, BlobStat, BlobState, BlobStream, BlobWatch, BlobWork,
    BlobWriter, Blobs, BlobsCollected, BlobsVerified, Export, Exported, OpenBlob,
};
pub use causal_session::CausalSession;
pub use claim::Claim;
pub use doing::OwnDoing;
pub use doing_watch::DoingWatch;
pub use key_subscription::KeySubscription;
pub use node::{Node, PublishOptions};
pub use options::{
    BlobOptions, NetworkOptions, NodeOptions, PeerAddress, SEND_BYTES_PER_SECOND_MIN,
    StorageOptions,
};
pub use pond::{
    Acting, AllObserved, AllObserver, EffectTurn, FISH_OF_ALL_MAX, FirstSeed, Observed, Observer,
    OneObserver, Pump, PumpEnding, PumpStep, RunOptions, Running, StateSubscription,
    TURN_ROUNDS_MAX,
};
pub use reading::{After, QueryOptions};
pub use status::{PeerRefusal, PeerStatus, Refusal, Status, StreamStatus, UnheardNode};
pub use status_subscription::StatusSubscription;
pub use subscription::Subscription;

#[cfg(not(feature = "net"))]
use no_network as network;
