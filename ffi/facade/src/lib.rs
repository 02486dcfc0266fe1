//! The one surface that every shell goes through: Python, Node, Kotlin, Swift and the C ABI.
//!
//! Not here: what is true about the product (`millpond`), how a language looks (the shells).
//! Rule: everything that a shell could get wrong is decided here once: defaults, validation, text
//! forms, handles, errors, cancellation, deadlines, batches, closing, fork, panics, traces. A shell
//! converts types and bridges its scheduler.
//! Invariant: no panic leaves this crate, and no thread of ours calls into a host language except
//! through the `done` closures and callbacks that a shell handed in.
//! Begin with [`NodeHandle`]; waiting is in [`Wait`], results come as [`EventBatch`].

mod accounts;
mod awaited;
mod batch;
mod blob;
mod blob_reader;
mod blob_view;
mod blob_work;
mod blob_writer;
mod callback;
mod cancel;
mod close;
mod close_any;
mod completion;
mod core;
mod cursor;
mod deadlines;
mod deed;
mod defaults;
mod doing;
mod draft;
mod entry;
pub mod errors;
mod explanation;
pub mod fault;
mod fish;
mod fold;
mod group;
mod group_worked;
mod handles;
pub mod json;
mod key_follow;
mod lab;
mod lab_scarce;
mod lab_work;
mod lifecycle;
mod line;
mod lint;
pub mod log;
mod needs;
mod node;
mod observer;
mod offsets;
mod open;
mod operation;
mod options;
mod packed;
mod position;
mod process;
mod publish;
mod puller;
mod registry;
mod reports;
mod session;
mod shrink;
mod signal;
mod state;
mod status;
mod subscription;
mod table;
mod text;
mod tickets;
mod turn;
mod upkeep;
mod wait;
mod worked;
mod workers;

pub use batch::{EventBatch, EventSizes, EventView};
pub use blob_reader::BlobReaderHandle;
pub use blob_view::{BlobAbout, BlobExportOptions, event_blobs_json};
pub use blob_work::{BlobProgress, BlobWorkHandle};
pub use blob_writer::BlobWriterHandle;
pub use bytes::Bytes;
pub use callback::BatchCallback;
pub use cancel::CancelHandle;
pub use close::Closed;
pub use close_any::close_any;
pub use completion::{Completion, CompletionQueue, Outcome};
pub use cursor::CursorHandle;
pub use deed::{AnswerPolicy, Deed, DeedOptions, fence_admits};
pub use doing::{DoingHandle, StandingView};
pub use draft::Draft;
pub use entry::guard;
pub use errors::{FacadeError, Result, closed_error, host_error, user_code_error};
pub use explanation::Explanation;
pub use fish::{FishSpec, Monotone};
pub use fold::{FishFunction, FishJob, FishWork, FoldHandle, JobAnswer};
pub use group::{GroupAnswer, GroupHandle, GroupStep, GroupView};
pub use group_worked::{Made, MadeFish, MakeFish};
pub use lab::{Lab, LabOptions};
pub use lab_scarce::{LabBackup, LabLoss};
pub use lab_work::{LabJob, LabTask};
pub use lint::{LawCheck, LawQuestion, lint_fish, lint_query, replay_hint, seeds};
pub use millpond::event::cbor;
pub use millpond::event::cbor::Writer as PayloadWriter;
pub use millpond::pond::state_writer;
pub use millpond::testing::LabBefall;
pub use millpond::{Columns, Looks};
pub use node::NodeHandle;
pub use observer::{Observation, ObserverHandle};
pub use offsets::Offsets;
pub use options::{
    OpenOptions, PublishOptions, QueryOptions, ReadOptions, StartAt, SubscribeOptions,
};
pub use packed::drafts_from_packed;
pub use position::Position;
pub use publish::{Published, too_many_events};
pub use session::SessionHandle;
pub use shrink::{LabShrink, without_wanted};
pub use state::StateView;
pub use subscription::SubscriptionHandle;
pub use text::{TicketParts, swarm_secret_new, swarm_secret_next, ticket_parse};
pub use tickets::Tickets;
pub use turn::{Effect, EffectCallback, TurnHandle, TurnKind, nested_effect_error};
pub use wait::{Limit, Wait, timeout_from_millis, timeout_from_seconds};

/// Every limit that a caller can meet: those of events, of batches, and of chunks of blobs.
pub mod limits {
    pub use crate::defaults::{
        BATCH_COUNT_DEFAULT, BATCH_COUNT_MAX, BLOB_CHUNK_BYTES, BLOB_WRITE_BYTES,
    };
    pub use millpond::event::limits::*;
}

/// The version of millpond, `major.minor.patch`.
pub const fn version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}
