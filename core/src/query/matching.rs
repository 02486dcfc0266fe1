//! What a tag expression means: whether it selects one event.

use super::node::{Comparison, Node};
use super::subject::Subject;

impl Node {
    /// True when the expression selects the event.
    pub(super) fn matches(&self, subject: &impl Subject) -> bool {
        match self {
            Node::All => true,
            Node::Local => subject.is_local(),
            Node::Tag(tag) => subject.has_tag(tag.as_str()),
            Node::App(app_id) => subject.app_id() == app_id.as_str(),
            Node::Key(comparison, bound) => comparison.holds(&subject.key(), bound),
            Node::Time(comparison, bound) => comparison.holds(&subject.time(), bound),
            Node::And(children) => children.iter().all(|child| child.matches(subject)),
            Node::Or(children) => children.iter().any(|child| child.matches(subject)),
        }
    }
}

impl Comparison {
    fn holds<T: Ord>(self, value: &T, bound: &T) -> bool {
        match self {
            Comparison::AtOrAfter => value >= bound,
            Comparison::After => value > bound,
            Comparison::Before => value < bound,
            Comparison::AtOrBefore => value <= bound,
        }
    }
}
