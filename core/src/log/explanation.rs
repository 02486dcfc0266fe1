//! How a query is answered: by which look-ups, what they promised, and what it came to.

use crate::query::{Monotonicity, Order, Query};
use std::fmt;

/// What a cursor looks at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Looks {
    /// Segments of the postings, each of up to 64 full blocks.
    pub segments: u64,
    /// Blocks, of up to 1,024 events.
    pub blocks: u64,
    /// Frames of blocks, of up to 64 events.
    pub frames: u64,
    /// Events.
    pub events: u64,
}

/// How a cursor answers its query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The query.
    pub query: Query,
    /// The order of the answer.
    pub order: Order,
    /// What is looked up: each event of the answer is selected by one of these. None when nothing
    /// can be.
    pub alternatives: Vec<Query>,
    /// False: the alternatives select more, and each event found is judged by the query.
    pub is_exact: bool,
    /// Whether events that arrive later can take back what the answer says.
    pub monotonicity: Monotonicity,
    /// For the whole answer, by the index: so many segments, and the blocks and frames that may
    /// hold a match. `events` is how many events these frames have at most.
    pub expected: Looks,
    /// So far: what was opened, and the events delivered.
    pub actual: Looks,
}

impl fmt::Display for Explanation {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "{}, {:?}", self.query, self.order)?;
        for alternative in &self.alternatives {
            writeln!(out, "  look up {alternative}")?;
        }
        if !self.is_exact {
            writeln!(out, "  judge each event found")?;
        }
        writeln!(out, "  {}", self.monotonicity)?;
        for (name, looks) in [("expected", &self.expected), ("actual", &self.actual)] {
            let Looks { segments, blocks, frames, events } = looks;
            writeln!(
                out,
                "  {name}: {segments} segments, {blocks} blocks, {frames} frames, {events} events"
            )?;
        }
        Ok(())
    }
}
