//! The builder of queries: tag expressions as values, without a text in between.
//!
//! Not here: parsing a text (`parser`), what an expression means (`matching`).
//! Rule: an expression beyond the bounds keeps nothing but that fact; `Query::new` refuses it. So
//! combining never fails and never builds a tree too deep to drop.

use std::fmt;

use super::moment::{MOMENT_MAX, MOMENT_MIN};
use super::node::{Comparison, Node};
use super::{QUERY_BYTES_MAX, QUERY_NESTING_MAX, QUERY_TERMS_MAX};
use crate::error::{Error, ErrorKind, Result};
use crate::event::{AppId, EventKey, Tag, WallTime};

/// Which events: tags and other atoms, joined by `and` and `or`.
///
/// Makes the same tree as the text with the same parentheses:
/// ```
/// use millpond::query::{Query, TagExpression};
/// # fn main() -> millpond::Result<()> {
/// let fault = TagExpression::tag("machine:M-017")?.and(TagExpression::tag("kind:fault")?);
/// let query = Query::new(fault.or(TagExpression::tag("alarm")?))?;
/// assert_eq!(query, Query::parse("FROM 'machine:M-017' & 'kind:fault' | 'alarm'")?);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TagExpression(std::result::Result<Node, Excess>);

/// The bound that an expression exceeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Excess {
    Terms,
    Nesting,
}

impl TagExpression {
    /// Every event: `allEvents`.
    pub fn all_events() -> TagExpression {
        TagExpression(Ok(Node::All))
    }

    /// Events published by the node that answers the query, in any of its streams: `isLocal`.
    pub fn is_local() -> TagExpression {
        TagExpression(Ok(Node::Local))
    }

    /// Events that carry this tag, which is brought to NFC first: `'tag'`.
    ///
    /// # Errors
    /// As [`Tag::new`]: `invalid_argument` when empty, `limit_exceeded` when too long.
    pub fn tag(tag: &str) -> Result<TagExpression> {
        Ok(TagExpression(Ok(Node::Tag(Tag::new(tag)?))))
    }

    /// Events that were published under this app id: `appId(..)`.
    pub fn app_id(app_id: AppId) -> TagExpression {
        TagExpression(Ok(Node::App(app_id)))
    }

    /// Events with this key or a greater one: `from(key)`.
    pub fn from_key(key: EventKey) -> TagExpression {
        TagExpression(Ok(Node::Key(Comparison::AtOrAfter, key)))
    }

    /// Events with a key greater than this one: `KEY > key`.
    pub fn after_key(key: EventKey) -> TagExpression {
        TagExpression(Ok(Node::Key(Comparison::After, key)))
    }

    /// Events with a key less than this one: `to(key)`.
    pub fn to_key(key: EventKey) -> TagExpression {
        TagExpression(Ok(Node::Key(Comparison::Before, key)))
    }

    /// Events with this key or a lesser one: `KEY <= key`.
    pub fn through_key(key: EventKey) -> TagExpression {
        TagExpression(Ok(Node::Key(Comparison::AtOrBefore, key)))
    }

    /// Events whose recorded time is this one or later: `from(time)`.
    ///
    /// # Errors
    /// `invalid_argument`: the time is not in the years 1970 to 9999 (UTC).
    pub fn from_time(time: WallTime) -> Result<TagExpression> {
        TagExpression::time(Comparison::AtOrAfter, time)
    }

    /// Events whose recorded time is earlier: `to(time)`.
    ///
    /// # Errors
    /// `invalid_argument`: the time is not in the years 1970 to 9999 (UTC).
    pub fn to_time(time: WallTime) -> Result<TagExpression> {
        TagExpression::time(Comparison::Before, time)
    }

    /// Events whose recorded time is later: `TIME > time`.
    ///
    /// # Errors
    /// `invalid_argument`: the time is not in the years 1970 to 9999 (UTC).
    pub fn after_time(time: WallTime) -> Result<TagExpression> {
        TagExpression::time(Comparison::After, time)
    }

    /// Events whose recorded time is this one or earlier: `TIME <= time`.
    ///
    /// # Errors
    /// `invalid_argument`: the time is not in the years 1970 to 9999 (UTC).
    pub fn through_time(time: WallTime) -> Result<TagExpression> {
        TagExpression::time(Comparison::AtOrBefore, time)
    }

    /// Events that both expressions select: `&`.
    #[must_use]
    pub fn and(self, other: TagExpression) -> TagExpression {
        self.joined(other, Node::and)
    }

    /// Events that at least one of the expressions selects: `|`.
    #[must_use]
    pub fn or(self, other: TagExpression) -> TagExpression {
        self.joined(other, Node::or)
    }

    /// The expression of a tree that the parser kept within the bounds.
    pub(super) fn from_node(node: Node) -> TagExpression {
        TagExpression(Ok(node))
    }

    /// The tree, when it and its canonical text are within the bounds.
    ///
    /// # Errors
    /// `limit_exceeded`: too many atoms, too deep, or too long a canonical text.
    pub(super) fn into_node(self) -> Result<Node> {
        let node = self.0.map_err(|excess| match excess {
            Excess::Terms => {
                limit(format!("a query has more than {QUERY_TERMS_MAX} tags and other atoms"))
            }
            Excess::Nesting => {
                limit(format!("a query nests parentheses deeper than {QUERY_NESTING_MAX}"))
            }
        })?;
        let bytes = text_bytes(&node);
        if bytes > QUERY_BYTES_MAX {
            let message = format!(
                "a query has {bytes} bytes in its canonical text; the limit is {QUERY_BYTES_MAX}"
            );
            return Err(limit(message));
        }
        Ok(node)
    }

    fn time(comparison: Comparison, time: WallTime) -> Result<TagExpression> {
        if (MOMENT_MIN..=MOMENT_MAX).contains(&time.micros()) {
            return Ok(TagExpression(Ok(Node::Time(comparison, time))));
        }
        let message = format!(
            "a time in a query is from 1970 to the end of 9999, not {} µs since 1970",
            time.micros()
        );
        Err(Error::new(ErrorKind::InvalidArgument, message))
    }

    fn joined(self, other: TagExpression, join: fn(Vec<Node>) -> Node) -> TagExpression {
        TagExpression(match (self.0, other.0) {
            (Ok(left), Ok(right)) => within_bounds(join(vec![left, right])),
            (Err(excess), _) | (_, Err(excess)) => Err(excess),
        })
    }
}

/// Bytes of `FROM ` and the canonical text of `node`.
pub(super) fn text_bytes(node: &Node) -> usize {
    struct Counter(usize);
    impl fmt::Write for Counter {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            self.0 += text.len();
            Ok(())
        }
    }
    let mut counter = Counter(0);
    fmt::write(&mut counter, format_args!("FROM {node}")).expect("a counter takes every text");
    counter.0
}

fn within_bounds(node: Node) -> std::result::Result<Node, Excess> {
    if node.term_count() > QUERY_TERMS_MAX {
        Err(Excess::Terms)
    } else if node.nesting() > QUERY_NESTING_MAX {
        Err(Excess::Nesting)
    } else {
        Ok(node)
    }
}

fn limit(message: String) -> Error {
    Error::new(ErrorKind::LimitExceeded, message)
}
