//! A query: what an application asks a log, checked and ready to run.

use std::fmt;
use std::str::FromStr;

use super::expression::TagExpression;
use super::node::Node;
use super::parser::parse;
use super::plan::Plan;
use super::subject::Subject;
use crate::error::{Error, Result};

/// A query within the bounds of this room.
///
/// Text form: `FROM <tag expression>`, docs/query.md. `Display` gives the canonical text, which
/// parses back to an equal query. Equal queries have equal trees; for equal meaning compare
/// [`Query::normal_form`]s.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Query {
    events: Node,
}

impl Query {
    /// Reads a query text.
    ///
    /// # Errors
    /// `query_invalid`: the text is not in the language. `limit_exceeded`: it is longer than
    /// `QUERY_BYTES_MAX` bytes (as written or in canonical form), has more than `QUERY_TERMS_MAX`
    /// atoms, nests deeper than `QUERY_NESTING_MAX`, or has a tag longer than `TAG_BYTES_MAX`.
    /// Where one place in the text is to blame, `Error::position` is its byte position and the
    /// message shows it.
    pub fn parse(text: &str) -> Result<Query> {
        Query::new(TagExpression::from_node(parse(text)?))
    }

    /// The query for the events that `expression` selects.
    ///
    /// # Errors
    /// `limit_exceeded`: more than `QUERY_TERMS_MAX` atoms, parentheses deeper than
    /// `QUERY_NESTING_MAX`, or a canonical text longer than `QUERY_BYTES_MAX` bytes.
    pub fn new(expression: TagExpression) -> Result<Query> {
        Ok(Query { events: expression.into_node()? })
    }

    /// The query of a tree that is within the bounds.
    pub(super) fn from_node(events: Node) -> Query {
        Query { events }
    }

    /// `FROM allEvents`.
    pub fn all() -> Query {
        Query { events: Node::All }
    }

    /// True when the query selects the event. Allocates nothing and stops at the first answer.
    pub fn matches(&self, subject: &impl Subject) -> bool {
        self.events.matches(subject)
    }

    /// Where an index can find the events: a superset or exactly them, see [`Plan`].
    pub fn plan(&self) -> Plan {
        Plan::of(&self.events)
    }

    /// A simpler query that selects the same events.
    ///
    /// Queries with equal normal forms select the same events from every log. The reverse holds
    /// for queries of tags, `isLocal`, `allEvents` and `appId` whose alternatives can be listed
    /// within the bounds; ranges that adjoin are not joined. The normal form of a normal form is
    /// itself.
    pub fn normal_form(&self) -> Query {
        Query { events: self.events.normal_form() }
    }
}

impl fmt::Display for Query {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "FROM {}", self.events)
    }
}

impl FromStr for Query {
    type Err = Error;

    fn from_str(text: &str) -> Result<Query> {
        Query::parse(text)
    }
}
