//! One alternative of a plan: conditions that an event must meet all together.

use std::collections::BTreeSet;
use std::ops::Bound;

use super::interval::Interval;
use super::node::{Comparison, Node, least_key_at};
use super::subject::Subject;
use crate::event::{AppId, EventKey, Lamport, Tag, WallTime};

/// Conditions that an event must meet all together, in the form an index wants them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Conjunction {
    /// The event carries all of these. Sorted by bytes, each once; may be empty.
    pub tags: Vec<Tag>,
    /// Only events of the node that answers.
    pub local_only: bool,
    /// Only events published under this app id.
    pub app_id: Option<AppId>,
    /// Only events with a key in this interval.
    pub keys: Interval<EventKey>,
    /// Only events with a recorded time in this interval. Time does not follow the order of keys.
    pub times: Interval<WallTime>,
}

impl Conjunction {
    /// No conditions: every event.
    pub fn all() -> Conjunction {
        Conjunction {
            tags: Vec::new(),
            local_only: false,
            app_id: None,
            keys: Interval::ALL,
            times: Interval::ALL,
        }
    }

    /// True when the event meets all conditions. Allocates nothing.
    pub fn matches(&self, subject: &impl Subject) -> bool {
        (!self.local_only || subject.is_local())
            && self.keys.contains(&subject.key())
            && self.times.contains(&subject.time())
            && self.app_id.as_ref().is_none_or(|app_id| subject.app_id() == app_id.as_str())
            && self.tags.iter().all(|tag| subject.has_tag(tag.as_str()))
    }

    /// The conjunction of one atom, `None` when no event can meet it.
    pub(super) fn of_atom(atom: &Node) -> Option<Conjunction> {
        let mut made = Conjunction::all();
        match atom {
            Node::All => {}
            Node::Local => made.local_only = true,
            Node::Tag(tag) => made.tags.push(tag.clone()),
            Node::App(app_id) => made.app_id = Some(app_id.clone()),
            Node::Key(comparison, key) => made.keys = interval(*comparison, *key),
            Node::Time(comparison, time) => made.times = interval(*comparison, *time),
            Node::And(_) | Node::Or(_) => unreachable!("an atom has no children"),
        }
        made.possible()
    }

    /// What meets both, `None` when no event can.
    pub(super) fn and(&self, other: &Conjunction) -> Option<Conjunction> {
        let app_id = match (&self.app_id, &other.app_id) {
            (Some(one), Some(two)) if one != two => return None,
            (one, two) => one.as_ref().or(two.as_ref()).cloned(),
        };
        let tags: BTreeSet<&Tag> = self.tags.iter().chain(&other.tags).collect();
        let made = Conjunction {
            tags: tags.into_iter().cloned().collect(),
            local_only: self.local_only || other.local_only,
            app_id,
            keys: self.keys.intersection(&other.keys),
            times: self.times.intersection(&other.times),
        };
        made.possible()
    }

    /// The strictest conditions that whatever meets `self` or `other` meets.
    pub(super) fn hull(&self, other: &Conjunction) -> Conjunction {
        let shared = |tag: &&Tag| other.tags.binary_search(tag).is_ok();
        Conjunction {
            tags: self.tags.iter().filter(shared).cloned().collect(),
            local_only: self.local_only && other.local_only,
            app_id: self.app_id.clone().filter(|app_id| other.app_id.as_ref() == Some(app_id)),
            keys: self.keys.hull(&other.keys),
            times: self.times.hull(&other.times),
        }
    }

    /// True when whatever meets `other` also meets `self`.
    pub(super) fn covers(&self, other: &Conjunction) -> bool {
        (!self.local_only || other.local_only)
            && (self.app_id.is_none() || self.app_id == other.app_id)
            && self.keys.covers(&other.keys)
            && self.times.covers(&other.times)
            && self.tags.len() <= other.tags.len()
            && self.tags.iter().all(|tag| other.tags.binary_search(tag).is_ok())
    }

    /// The conjunction as an expression.
    pub(super) fn to_node(&self) -> Node {
        let mut atoms: Vec<Node> = self.tags.iter().cloned().map(Node::Tag).collect();
        if self.local_only {
            atoms.push(Node::Local);
        }
        atoms.extend(self.app_id.clone().map(Node::App));
        atoms.extend(comparisons(&self.keys).map(|(how, key)| Node::Key(how, key)));
        atoms.extend(comparisons(&self.times).map(|(how, time)| Node::Time(how, time)));
        if atoms.is_empty() { Node::All } else { Node::and(atoms) }
    }

    /// Drops conditions that every key meets; `None` when no event can meet the others.
    fn possible(mut self) -> Option<Conjunction> {
        let least = least_key();
        if self.keys.lower == Bound::Included(least) {
            self.keys.lower = Bound::Unbounded;
        }
        let nothing = self.keys.upper == Bound::Excluded(least)
            || self.keys.is_empty()
            || self.times.is_empty();
        (!nothing).then_some(self)
    }
}

/// The expression that selects nothing: keys before the least one.
pub(super) fn nothing() -> Node {
    Node::Key(Comparison::Before, least_key())
}

/// The least key there is, less than that of any event.
pub(super) fn least_key() -> EventKey {
    least_key_at(Lamport::ZERO)
}

fn interval<T: Ord + Copy>(comparison: Comparison, bound: T) -> Interval<T> {
    let (lower, upper) = match comparison {
        Comparison::AtOrAfter => (Bound::Included(bound), Bound::Unbounded),
        Comparison::After => (Bound::Excluded(bound), Bound::Unbounded),
        Comparison::Before => (Bound::Unbounded, Bound::Excluded(bound)),
        Comparison::AtOrBefore => (Bound::Unbounded, Bound::Included(bound)),
    };
    Interval { lower, upper }
}

fn comparisons<T: Copy>(interval: &Interval<T>) -> impl Iterator<Item = (Comparison, T)> {
    let lower = match interval.lower {
        Bound::Included(bound) => Some((Comparison::AtOrAfter, bound)),
        Bound::Excluded(bound) => Some((Comparison::After, bound)),
        Bound::Unbounded => None,
    };
    let upper = match interval.upper {
        Bound::Included(bound) => Some((Comparison::AtOrBefore, bound)),
        Bound::Excluded(bound) => Some((Comparison::Before, bound)),
        Bound::Unbounded => None,
    };
    lower.into_iter().chain(upper)
}
