//! The syntax tree of a tag expression, shared by the parser and the builder.
//!
//! Not here: bounds (`expression`), meaning (`matching`), simplification (`normal`).
//! Invariant: `And` and `Or` hold two or more children and never a child of their own kind, so
//! one expression has one tree however it was parenthesised.

use std::fmt;

use super::moment::MomentText;
use crate::event::{AppId, EventKey, Lamport, NodeId, StreamId, Tag, WallTime};

/// How an event's key or time stands to a bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Comparison {
    /// `>=`, and `from(..)`.
    AtOrAfter,
    /// `>`.
    After,
    /// `<`, and `to(..)`.
    Before,
    /// `<=`.
    AtOrBefore,
}

/// A tag expression as a tree. The derived order is the one of normal forms.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Node {
    /// Every event.
    All,
    /// Events of the node that answers.
    Local,
    /// Events that carry the tag.
    Tag(Tag),
    /// Events published under the app id.
    App(AppId),
    /// Events whose key compares so with the bound.
    Key(Comparison, EventKey),
    /// Events whose recorded time compares so with the bound.
    Time(Comparison, WallTime),
    /// Events that satisfy every child.
    And(Vec<Node>),
    /// Events that satisfy at least one child.
    Or(Vec<Node>),
}

impl Node {
    /// Both. A child that is itself an `And` gives its children; one child stays alone.
    pub(super) fn and(children: Vec<Node>) -> Node {
        let mut flat = Vec::with_capacity(children.len());
        for child in children {
            match child {
                Node::And(inner) => flat.extend(inner),
                other => flat.push(other),
            }
        }
        Node::joined(flat, Node::And)
    }

    /// Either. A child that is itself an `Or` gives its children; one child stays alone.
    pub(super) fn or(children: Vec<Node>) -> Node {
        let mut flat = Vec::with_capacity(children.len());
        for child in children {
            match child {
                Node::Or(inner) => flat.extend(inner),
                other => flat.push(other),
            }
        }
        Node::joined(flat, Node::Or)
    }

    fn joined(mut children: Vec<Node>, make: fn(Vec<Node>) -> Node) -> Node {
        assert!(!children.is_empty(), "a combination has children");
        if children.len() == 1 { children.remove(0) } else { make(children) }
    }

    /// Atoms in the tree.
    pub(super) fn term_count(&self) -> usize {
        match self {
            Node::And(children) | Node::Or(children) => children.iter().map(Node::term_count).sum(),
            _ => 1,
        }
    }

    /// Parentheses around the most deeply nested atom of the canonical text.
    pub(super) fn nesting(&self) -> usize {
        match self {
            Node::And(children) => children
                .iter()
                .map(|child| child.nesting() + usize::from(matches!(child, Node::Or(_))))
                .max()
                .unwrap_or(0),
            Node::Or(children) => children.iter().map(Node::nesting).max().unwrap_or(0),
            _ => 0,
        }
    }
}

impl fmt::Display for Node {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Node::All => out.write_str("allEvents"),
            Node::Local => out.write_str("isLocal"),
            Node::Tag(tag) => write_quoted(out, tag.as_str()),
            Node::App(app_id) => write!(out, "appId({})", app_id.as_str()),
            Node::Key(comparison, key) => write_bound(out, "KEY", *comparison, &KeyText(*key)),
            Node::Time(comparison, time) => {
                write_bound(out, "TIME", *comparison, &MomentText(*time))
            }
            Node::And(children) => write_list(out, children, " & "),
            Node::Or(children) => write_list(out, children, " | "),
        }
    }
}

/// Writes children with `separator` between them; only an `Or` inside an `And` needs parentheses,
/// because an `And` binds tighter and no node holds its own kind.
fn write_list(out: &mut fmt::Formatter<'_>, children: &[Node], separator: &str) -> fmt::Result {
    for (index, child) in children.iter().enumerate() {
        if index > 0 {
            out.write_str(separator)?;
        }
        match child {
            Node::Or(_) => write!(out, "({child})")?,
            _ => write!(out, "{child}")?,
        }
    }
    Ok(())
}

fn write_quoted(out: &mut fmt::Formatter<'_>, tag: &str) -> fmt::Result {
    out.write_str("'")?;
    for (index, part) in tag.split('\'').enumerate() {
        if index > 0 {
            out.write_str("''")?;
        }
        out.write_str(part)?;
    }
    out.write_str("'")
}

fn write_bound(
    out: &mut fmt::Formatter<'_>,
    subject: &str,
    comparison: Comparison,
    bound: &dyn fmt::Display,
) -> fmt::Result {
    match comparison {
        Comparison::AtOrAfter => write!(out, "from({bound})"),
        Comparison::Before => write!(out, "to({bound})"),
        Comparison::After => write!(out, "{subject} > {bound}"),
        Comparison::AtOrBefore => write!(out, "{subject} <= {bound}"),
    }
}

/// An event key as `<lamport>/<stream id>`, or as `<lamport>` alone for the least stream id.
struct KeyText(EventKey);

impl fmt::Display for KeyText {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.0.lamport.value())?;
        if self.0 == least_key_at(self.0.lamport) {
            return Ok(());
        }
        write!(out, "/{}", self.0.stream)
    }
}

/// The least event key with this lamport: node id and stream number are zero.
pub(super) fn least_key_at(lamport: Lamport) -> EventKey {
    EventKey { lamport, stream: StreamId { node: NodeId::from_bytes([0; 32]), number: 0 } }
}
