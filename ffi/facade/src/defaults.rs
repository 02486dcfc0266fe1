//! Every default value of every language, once.
//!
//! Rule: a shell passes `None` for what its caller did not say, and never a value of its own. Sizes
//! of the store and the addresses to listen on have their defaults in the core, for Rust callers.

use std::time::Duration;

/// Events per batch when the caller does not say.
pub const BATCH_COUNT_DEFAULT: usize = 1024;
/// Most events per batch that a caller may ask for.
pub const BATCH_COUNT_MAX: usize = 4096;
/// A query's next batches are read ahead while its last one, and what was read ahead, have at most
/// this many bytes.
pub(crate) const READ_AHEAD_BYTES_MAX: usize = 2 << 20;
/// So many batches are read ahead at most. With one, whoever reads it stands still while the next
/// caller wakes up.
pub(crate) const READ_AHEAD_MAX: usize = 2;
/// So many batches that were looked at give their memory to the next ones, of all queries of the
/// process.
pub(crate) const SPARE_BATCHES_MAX: usize = 3;
/// Each with at most this much: what `READ_AHEAD_BYTES_MAX` of events are read into, with some room
/// for the last ones, and with what is kept of each event beside its bytes.
pub(crate) const SPARE_BYTES_MAX: usize = READ_AHEAD_BYTES_MAX + READ_AHEAD_BYTES_MAX / 4;
/// One wait for what ended takes no more than this of batches, after the first one.
pub(crate) const WAIT_BYTES_MAX: usize = 16 << 20;
/// So many fish are observed together at most.
pub(crate) const GROUP_FISH_MAX: usize = 1024;
/// Bytes of a blob in memory at once when the caller does not say.
pub(crate) const BLOB_GET_BYTES_MAX: u64 = 16 << 20;
/// Bytes that the core is asked for at a time.
pub(crate) const BLOB_READ_BYTES: usize = 1 << 20;
/// Bytes of a chunk of a blob that is read from its beginning to its end: a group, which is what is
/// verified together.
pub const BLOB_CHUNK_BYTES: usize = 1 << 16;
/// Bytes that a shell takes from a source at a time, to add them to a blob.
pub const BLOB_WRITE_BYTES: usize = 1 << 20;
/// Blobs of one list.
pub(crate) const BLOBS_LISTED_MAX: usize = 1024;
/// How long a close may take when the caller does not say.
pub(crate) const CLOSE_DEADLINE: Duration = Duration::from_secs(10);
/// Nodes of a lab when the caller does not say.
pub(crate) const LAB_NODES: u64 = 3;
/// Steps of a lab's chaos when the caller does not say.
pub(crate) const CHAOS_STEPS: u64 = 10;
/// Seeds to run a scenario with when the caller does not say.
pub(crate) const SEEDS: u64 = 100;
/// How often a blocking call asks its caller whether it was interrupted.
pub(crate) const INTERRUPT_PERIOD: Duration = Duration::from_millis(50);
/// Most threads for blocking reads, openings and closings, of all nodes together.
pub(crate) const WORKERS_MAX: usize = 4;
/// Trace records kept for a shell that does not drain them; older ones are dropped and counted.
pub(crate) const LOG_RECORDS_MAX: usize = 1024;

/// Whether a node has a network.
pub(crate) const NETWORK: bool = true;
/// Whether a node finds peers by mDNS, and where other peers say that they are.
pub(crate) const DISCOVERY: bool = true;
