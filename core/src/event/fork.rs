//! What is known of a fork: where one stream became several, and their names.
//!
//! Source: docs/format.md, "Branches", and docs/protocol.md, "Forks, and one's own stream".

use crate::event::chain::SignedHead;
use crate::event::ids::StreamId;
use crate::event::range::StreamEnd;

/// A branch as its first holder learned of it: what a log needs to keep it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Branch {
    /// Its name.
    pub stream: StreamId,
    /// In which stream it forked: a trunk or a branch.
    pub of: StreamId,
    /// Where its stored events begin: the start of the block that contains `floor`.
    pub base: StreamEnd,
    /// Offset of its first own event; those before it are shared with `of`.
    pub floor: u64,
    /// Heads of both histories beyond `floor`, each labelled as it was told.
    pub proof: [SignedHead; 2],
}

/// A fork that a log holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldFork {
    /// In which stream: a trunk or a branch. It is sealed at `at` or before.
    pub of: StreamId,
    /// Offset of the first events that differ.
    pub at: u64,
    /// The branches that begin there; the one that goes on with the events that `of` held is first.
    pub branches: Vec<Branch>,
}
