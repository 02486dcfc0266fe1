//! The data model: what an event is, who wrote it, where it stands, and its one form as bytes.
//!
//! Not here: what an event means to an application, where it is kept (`log`), how it travels
//! (`sync`). No I/O, no clock, no imports of other rooms.
//! Rule: bytes from a peer, a disk or a caller are refused with an error; they never panic or hang,
//! and no length they claim makes us allocate anything before as many bytes are there.
//! Begin with [`Event`] and [`Record`]; [`SignedHead`] says why a receiver believes them.

mod batch;
mod behind;
pub mod block;
pub mod cbor;
mod chain;
pub mod codec;
mod columns;
mod distinct;
#[allow(clippy::module_inception)] // One public type per file, named after it.
mod event;
mod fork;
mod ids;
mod key_position;
mod letters;
pub mod limits;
mod offset_map;
mod once;
mod packed;
mod position;
mod preview;
mod range;
mod record;
mod secret;
mod tag;
mod ticket;
mod token;

pub(crate) use batch::BatchBuilder;
pub use batch::{EventBatch, EventView};
pub use behind::Behind;
pub(crate) use behind::not_yet_visible;
pub use chain::{Chain, Leaf, NodeKey, SignedHead};
pub use columns::Columns;
pub(crate) use event::check_batch;
pub use event::{Event, EventKind, NewEvent, Payload};
pub use fork::{Branch, HeldFork};
pub use ids::{AppId, NodeId, StreamId, SwarmId, hex};
pub(crate) use ids::{shortened, unhex32};
pub use key_position::KeyPosition;
pub use offset_map::OffsetMap;
pub(crate) use once::Once;
pub use packed::PackedRange;
pub use position::{EventKey, Lamport, Offset, WallTime};
pub use preview::Preview;
pub use range::{EventRange, SealRule, StreamEnd};
pub use record::{Header, Record};
pub use secret::{SwarmSecret, SwarmSecrets};
pub(crate) use tag::to_nfc;
pub use tag::{RESERVED_TAG_PREFIX, Tag, TagSet};
pub use ticket::{TICKET_ADDRESSES_MAX, TICKET_CHARACTERS_MAX, Ticket};
pub use token::TOKEN_CHARACTERS_MAX;

#[cfg(test)]
pub(crate) mod tests;
