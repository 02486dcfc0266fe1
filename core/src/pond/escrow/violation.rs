//! What should not be, and what shows it.

use crate::event::{EventKey, HeldFork, Offset, StreamId};

/// Most uncovered debits that a state names; the others are counted.
pub const VIOLATIONS_KEPT_MAX: usize = 256;

/// Something that no honest node whose store is written in one place does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Violation {
    /// A debit that the rights of its author do not cover, or that follows one in its stream. It
    /// counts nowhere. The event itself is the proof, once all that its author knew is held; while
    /// events are missing it may still be covered.
    Uncovered {
        /// Its place in the one order; names the author.
        key: EventKey,
        /// Its position in its stream.
        offset: Offset,
        /// What it would have taken.
        amount: u64,
        /// What its author had by then, as far as is known here.
        available: u64,
    },
    /// All histories of a stream together spent more than it ever had.
    Overdrawn {
        /// Which stream; names the author.
        stream: StreamId,
        /// By how much: that much the balance may be below the floor.
        by: u64,
        /// What the author signed that contradicts itself; never empty.
        proof: Proof,
    },
    /// A stream with as many histories as a node keeps. There may be more, and what they did is not
    /// known here: what rests on them does not count, and other nodes, which keep others, may come
    /// to another account.
    Crowded {
        /// Which stream; names the author.
        stream: StreamId,
    },
}

/// Statements signed by one node that cannot both be true.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// Forks of the stream: each branch with two signed heads of different histories.
    pub forks: Vec<HeldFork>,
    /// Recoveries from the stream, each of which says what the stream did in all.
    pub recoveries: Vec<EventKey>,
}

impl Proof {
    /// True when it shows nothing.
    pub fn is_empty(&self) -> bool {
        self.forks.is_empty() && self.recoveries.is_empty()
    }
}
