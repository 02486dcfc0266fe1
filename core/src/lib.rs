//! millpond: a decentralised event log for shop floors.

pub mod blob;
mod driver;
mod error;
pub mod event;
mod files;
pub mod log;
#[cfg(feature = "net")]
pub mod net;
mod pending;
#[doc(hidden)]
pub mod planted;
pub mod pond;
pub mod query;
pub mod sync;

pub use blob::{About, BlobId, BlobRef, ExportHow};
pub use driver::testing;
pub use driver::{
    Account, Acting, After, AllObserved, AllObserver, Batches, BlobOptions, BlobProgress,
    BlobReader, BlobStall, BlobStat, BlobState, BlobStream, BlobWatch, BlobWork, BlobWriter, Blobs,
    BlobsCollected, BlobsVerified, CausalSession, Claim, DoingWatch, EffectTurn, Export, Exported,
    FISH_OF_ALL_MAX, FirstSeed, KeySteps, KeySubscription, NetworkOptions, Node, NodeOptions,
    Observed, Observer, OneObserver, OpenBlob, OwnDoing, PeerAddress, PeerRefusal, PeerStatus,
    PublishOptions, Pump, PumpEnding, PumpStep, QueryOptions, Refusal, RunOptions, Running,
    SEND_BYTES_PER_SECOND_MIN, StateSubscription, Status, StatusSubscription, StorageOptions,
    StreamStatus, Subscription, TURN_ROUNDS_MAX, UnheardNode,
};
pub use error::{Error, ErrorKind, Result};
pub use event::{Behind, Columns, EventBatch, EventView};
pub use log::{
    Appended, Batch, Compacted, Completeness, Cursor, Damage, Delivery, Durability, Explanation,
    KeyBatch, KeyStep, LogStats, LogStatus, Looks, Receipt, TableStats, Unheard, VerifyReport,
};
pub use pending::Pending;
pub use pond::desk::{AccountReport, ClaimReport, NewAccount, Rival, Told, WhoDoes};
pub use pond::{Deed, Emission, Fish, FishState};
