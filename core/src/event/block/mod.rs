//! Many events as one piece of bytes: what a store keeps and what catching up ships.
//!
//! ```text
//! block = u32 head_len ‖ head ‖ frame …
//! head  = varint event_count ‖ varint bytes of the records
//!         ‖ number columns of lamports, times, header shapes, payload shapes
//!         ‖ varint count ‖ (version ‖ kind ‖ shape) …   of headers from the app id on
//!         ‖ varint count ‖ shape …                      of payloads
//!         ‖ (u32 frame_end ‖ u32 crc32c of the frame) …
//! frame = packed column … ‖ heap                        of 64 consecutive events
//! heap  = varint 0 ‖ bytes  |  varint (bytes + 1) ‖ zstd of the bytes;   only with heap slots
//! ```
//! A frame packs, each padded to whole bytes: the four columns of the head, then for each shape of
//! headers and then of payloads its slots, for those of its events that have that shape. One event
//! is read without the others: its numbers stand at places that can be computed.
//! The records come back to the byte, so leaves and chain can be computed from a block.
//! No I/O. Begin with [`encode`] and [`BlockReader`]. Source: docs/format.md, "Blocks on disk".

mod bits;
mod column;
mod encode;
mod frame;
mod header;
mod number;
mod payloads;
mod reader;
mod rows;
mod script;
mod shape;
mod split;
mod text;

pub use encode::encode;
#[cfg(test)]
pub(crate) use encode::encode_whole;
pub use frame::Frame;
pub use reader::BlockReader;
pub use rows::FrameRows;

/// Events of a frame; the last one of a block may have fewer.
pub const FRAME_EVENTS: usize = 64;

#[cfg(test)]
mod hostile;
#[cfg(test)]
mod tests;
