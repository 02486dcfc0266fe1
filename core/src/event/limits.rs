//! Every limit, once. Enforced when publishing and when receiving, and sent in the handshake.
//!
//! Rule: whatever publish accepts, every peer can receive. Source: docs/format.md, "Limits".

/// Largest payload of one event, in bytes of CBOR. Larger things are blobs.
pub const PAYLOAD_BYTES_MAX: usize = 1 << 20;
/// Most tags on one event.
pub const TAGS_PER_EVENT_MAX: usize = 64;
/// Longest tag, in bytes of UTF-8 after normalisation.
pub const TAG_BYTES_MAX: usize = 255;
/// Longest app id, in bytes.
pub const APP_ID_BYTES_MAX: usize = 64;
/// Most events in one publish.
pub const BATCH_EVENTS_MAX: usize = 65_536;
/// Most bytes of payloads and tags in one publish; each tag counts 2 more.
pub const BATCH_BYTES_MAX: usize = 16 << 20;
/// Deepest nesting of arrays and maps in a payload; a scalar has depth 0.
pub const NESTING_MAX: usize = 32;
/// Largest header of one event: its fixed fields, app id and tags.
pub const HEADER_BYTES_MAX: usize =
    32 + APP_ID_BYTES_MAX + TAGS_PER_EVENT_MAX * (TAG_BYTES_MAX + 2);
/// Largest record: header, its length and the payload.
pub const RECORD_BYTES_MAX: usize = HEADER_BYTES_MAX + PAYLOAD_BYTES_MAX + 16;
/// A block ends with this many events …
pub const BLOCK_EVENTS_MAX: u64 = 1024;
/// … or with the event that brings its records to this many bytes, whichever comes first. So the
/// largest frame, and what a session costs beside it, stay below 2 MiB.
pub const BLOCK_BYTES_SEAL: usize = 704 << 10;
/// Largest frame on the wire: one block, its last event may be the largest, and its head.
pub const FRAME_BYTES_MAX: usize = BLOCK_BYTES_SEAL + RECORD_BYTES_MAX + 4096;
/// Highest lamport: every language can hold it exactly, JavaScript's numbers included.
pub const LAMPORT_MAX: u64 = (1 << 53) - 1;
/// How far a received lamport may exceed the number of events that signed heads account for.
pub const LAMPORT_SLACK: u64 = 1 << 16;
/// Longest idempotency key, in bytes.
pub const IDEMPOTENCY_KEY_BYTES_MAX: usize = 255;
/// Most streams one node may have written. A journal whose end a power cut tore costs one: enough
/// for a device that loses power in the middle of a write every night for eleven years.
pub const STREAMS_PER_NODE_MAX: u64 = 4096;
/// Most branches of one trunk. Only a node whose key is used in many places comes near it.
pub const BRANCHES_PER_TRUNK_MAX: usize = 16;
/// Longest id of a fish, in bytes.
pub const FISH_ID_BYTES_MAX: usize = 255;
/// Most former secrets of a swarm that a node takes beside the current one.
pub const FORMER_SECRETS_MAX: usize = 4;

const _: () = assert!(BATCH_BYTES_MAX >= RECORD_BYTES_MAX);
const _: () = assert!(FRAME_BYTES_MAX <= 7 << 18);
