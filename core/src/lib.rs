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
pub mod pond;
pub mod query;
pub mod sync;

pub use driver::testing;
pub use driver::{
    Account, AccountReport, Acting, After, AllObserved, AllObserver, Batches, CausalSession, Claim,
    ClaimReport, DoingWatch, EffectTurn, FISH_OF_ALL_MAX, FirstSeed, KeySteps, KeySubscription,
    NetworkOptions, NewAccount, Node, NodeOptions, Observed, Observer, OneObserver, OwnDoing,
    PeerAddress, PeerRefusal, PeerStatus, PublishOptions, Pump, PumpEnding, PumpStep, QueryOptions,
    Refusal, Rival, RunOptions, Running, SEND_BYTES_PER_SECOND_MIN, StateSubscription, Status,
    StatusSubscription, StorageOptions, StreamStatus, Subscription, Told, UnheardNode, WhoDoes,
};
pub use error::{Error, ErrorKind, Result};
pub use event::{Columns, EventBatch, EventView};
pub use log::{
    Appended, Batch, Behind, Compacted, Completeness, Cursor, Damage, Delivery, Durability,
    Explanation, KeyBatch, KeyStep, LogStats, LogStatus, Looks, Receipt, TableStats, Unheard,
    VerifyReport,
};
pub use pending::Pending;
pub use pond::{Emission, Fish, FishState};
