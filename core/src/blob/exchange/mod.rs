//! Who is asked for which group, and who is given one: the traffic of blobs without I/O.
//!
//! Not here: bytes of blobs (jobs carry them past, `piece` verifies them), frames of events
//! (`sync`), which blobs are referred to or pinned (`Holdings` answers).
//! Rule: after each `handle`, call `poll` until it returns `Wait`. Nothing that a peer sends makes
//! more than the bounds of `limits` be held or done for it.
//! Invariant: no honest peer is blamed. A piece is checked against its id and the size that its
//! sender stated, with nothing of ours in between.
//! Begin with [`Exchange`]. What is wanted is `want`, one connection is `peer`.

mod blame;
#[allow(clippy::module_inception)] // One public type per file, named after it.
mod exchange;
mod finder;
mod frames;
mod io;
mod keep;
mod peer;
mod pick;
mod serve;
mod status;
#[cfg(test)]
mod tests;
mod timers;
mod want;
mod work;

pub use exchange::Exchange;
pub use io::{
    BlameReason, BlobNews, ConnectionNumber, FetchNumber, Held, Holdings, Input, JobNumber,
    MayKeep, Output, PieceFault, PieceJob, Provider, ProviderState, QuestionNumber, ServeFault,
    ServeJob, Stall, Urgency,
};
pub use status::{ExchangeStatus, FetchStatus, Misbehaved};
