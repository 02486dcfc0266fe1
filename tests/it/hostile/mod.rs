//! What bad nodes can do to real ones over real QUIC: be refused, be held back, cost little.
//!
//! Every test lays a siege: a real node is attacked by puppets while it exchanges events with an
//! honest peer, one at a time, both ways. At the end all of those are there, in one order, within
//! the time that is named, and that session never broke.
//! Begin with `siege`; who attacks is `puppet`. Every bit and every message is tried without a
//! network in `core/src/sync/tests/hostile.rs`; bytes that nobody thought of are in `tests/fuzz`.

mod blobs;
mod blocks;
mod bombs;
mod crowds;
mod drips;
mod forge;
mod identity;
mod lies;
#[cfg(target_os = "linux")]
mod memory;
mod puppet;
mod redials;
mod relays;
mod siege;
#[cfg(target_os = "linux")]
mod spoof;
mod storms;
