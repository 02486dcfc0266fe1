//! The native half of the Kotlin and Swift packages: converts types, nothing else.
//!
//! Not here: defaults, checks, waiting, errors (`millpond-facade`), and what users see (`kotlin`,
//! `swift`). The code between them and this library is generated from it; `tests/generated.rs`
//! keeps the committed one fresh.
//! Rules: no default value and no limit of our own. No async function and no callback: a call
//! starts under a ticket that the language chose, and one thread of the language takes what ended
//! ([`Bridge::take`]), many at a time. So no thread of ours enters a JVM, a cancelled task is
//! cancelled here, and a batch of events is one crossing.
//! Begin with [`Bridge`]. Calls that cannot wait are functions.

// The generated scaffolding reaches what is `pub`.
#![allow(unreachable_pub)]
// It hands memory across, and says so nowhere.
#![allow(clippy::undocumented_unsafe_blocks)]
// An error crosses as one record, whatever its size.
#![allow(clippy::result_large_err)]

mod answer;
mod batch;
mod bridge;
mod deed;
mod facts;
mod failure;
mod fish;
mod lab;
mod lab_scarce;
mod lint;
mod node;
mod options;
mod pond;
mod pond_answer;
mod reading;
mod scarce;
mod text;

pub use answer::{Completion, Outcome, Published};
pub use batch::{Batch, Looks};
pub use bridge::Bridge;
pub use deed::{Deed, Share};
pub use facts::*;
pub use failure::{BridgeError, Failure};
pub use fish::{FishSpec, GroupAnswer, JobAnswer};
pub use lab::{Lab, LabBefall, LabJob, LabOptions};
pub use lab_scarce::{LabBackup, LabLoss};
pub use lint::*;
pub use options::{
    DeedOptions, OpenOptions, PublishOptions, QueryOptions, ReadOptions, SubscribeOptions,
};
pub use pond_answer::{GroupFold, GroupState, GroupStep, Job, StateBytes};
pub use text::*;

uniffi::setup_scaffolding!("millpond_ffi");
