//! The query language: which events, said in a text or with a builder.
//!
//! Not here: finding the events (`log`), delivering them (`log`, `driver`). This room reads no
//! clock, no file and no index; it parses, prints, simplifies, plans and judges one event.
//! Rule: a text and a builder that say the same make equal trees, and the canonical text of a
//! query parses back to an equal query.
//! Invariant: a `Query` is within its bounds (`QUERY_BYTES_MAX`, `QUERY_TERMS_MAX`,
//! `QUERY_NESTING_MAX`), so nothing that walks its tree can exhaust the stack.
//! Begin with `Query::parse`. The tree is in `expression`, its index form in `plan`, the test of
//! one event in `subject`, the language itself in docs/query.md.

mod complaint;
mod conjunction;
mod expression;
mod interval;
mod lexer;
mod matching;
mod moment;
mod monotone;
mod node;
mod normal;
mod order;
mod parser;
mod plan;
mod statement;
mod subject;

pub use conjunction::Conjunction;
pub use expression::TagExpression;
pub use interval::Interval;
pub use monotone::{Monotonicity, Verdict};
pub use order::Order;
pub use plan::Plan;
pub use statement::Query;
pub use subject::{EventSubject, RecordSubject, Subject};

/// Longest query text, in bytes of UTF-8; also holds for the canonical text.
pub const QUERY_BYTES_MAX: usize = 64 << 10;
/// Most atoms (tags, `allEvents`, `from(..)` and so on) in one query.
pub const QUERY_TERMS_MAX: usize = 1_024;
/// Deepest nesting of parentheses, in the text as written and in the canonical text.
pub const QUERY_NESTING_MAX: usize = 32;
/// Most conjunctions in an exact `Plan`; a query that needs more is planned as one envelope.
pub const PLAN_CONJUNCTIONS_MAX: usize = 256;

#[cfg(test)]
mod tests;
