//! What a fork leaves: branches, by which one stream with two histories becomes several.

use crate::event::chain::SignedHead;
use crate::event::ids::StreamId;
use crate::event::range::StreamEnd;

/// A branch as its first holder learned of it: what a log needs to keep it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Branch {
    /// Its name.
    pub stream: StreamId,
    /// The stream in which it forked: a trunk or a branch.
    pub of: StreamId,
    /// Where it begins: the end of the last full block before the fork.
    pub base: StreamEnd,
    /// Offset of the first event that differs. The events before it are those of `of`.
    pub floor: u64,
    /// Heads of both histories beyond the fork, each labelled as it was told.
    pub proof: [SignedHead; 2],
}

/// A fork with the branches that are held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldFork {
    /// The stream with two histories: a trunk or a branch. It is sealed at the lowest fork in it.
    pub of: StreamId,
    /// Offset of the first event that differs.
    pub at: u64,
    /// The branches of it, by rising stream id.
    pub branches: Vec<Branch>,
}
