//! A query as alternatives that an index can look up.
//!
//! Not here: indexes (`log`), simplification of the text (`normal`).
//! Rule: a plan never misses an event. When it is not exact, it may hold too many, and the query
//! itself must judge each.

use super::PLAN_CONJUNCTIONS_MAX;
use super::conjunction::Conjunction;
use super::node::Node;

/// A query in disjunctive normal form: an event is selected when it meets a conjunction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The alternatives, at most `PLAN_CONJUNCTIONS_MAX`, none covered by another. None at all
    /// when the query can select nothing.
    pub conjunctions: Vec<Conjunction>,
    /// True: an event that meets a conjunction is selected. False: the query needs more
    /// alternatives than a plan holds, so there is one conjunction (an envelope around them all),
    /// and each event that meets it must still be judged with `Query::matches`.
    pub is_exact: bool,
}

impl Plan {
    /// The plan of a tree.
    pub(super) fn of(node: &Node) -> Plan {
        match alternatives(node) {
            Some(conjunctions) => Plan { conjunctions, is_exact: true },
            None => Plan { conjunctions: envelope(node).into_iter().collect(), is_exact: false },
        }
    }
}

/// The disjunctive normal form, `None` when a step of it has more than `PLAN_CONJUNCTIONS_MAX`
/// conjunctions, counted before covered ones are dropped.
fn alternatives(node: &Node) -> Option<Vec<Conjunction>> {
    match node {
        Node::And(children) => {
            let mut product = vec![Conjunction::all()];
            for child in children {
                product = times(&product, &alternatives(child)?)?;
            }
            Some(product)
        }
        Node::Or(children) => {
            let mut sum = Vec::new();
            for child in children {
                sum.extend(alternatives(child)?);
                if sum.len() > PLAN_CONJUNCTIONS_MAX {
                    return None;
                }
            }
            Some(without_covered(sum))
        }
        atom => Some(Conjunction::of_atom(atom).into_iter().collect()),
    }
}

fn times(left: &[Conjunction], right: &[Conjunction]) -> Option<Vec<Conjunction>> {
    if left.len() * right.len() > PLAN_CONJUNCTIONS_MAX {
        return None;
    }
    let pairs = left.iter().flat_map(|one| right.iter().map(move |two| (one, two)));
    Some(without_covered(pairs.filter_map(|(one, two)| one.and(two)).collect()))
}

/// Keeps each conjunction that no other one covers; of equal ones the first.
fn without_covered(conjunctions: Vec<Conjunction>) -> Vec<Conjunction> {
    let mut kept: Vec<Conjunction> = Vec::with_capacity(conjunctions.len());
    for candidate in conjunctions {
        if kept.iter().any(|wider| wider.covers(&candidate)) {
            continue;
        }
        kept.retain(|narrower| !candidate.covers(narrower));
        kept.push(candidate);
    }
    kept
}

/// The strictest conjunction that we can say every selected event meets, `None` when no event can
/// be selected.
fn envelope(node: &Node) -> Option<Conjunction> {
    match node {
        Node::And(children) => children.iter().try_fold(Conjunction::all(), |around, child| {
            envelope(child).and_then(|more| around.and(&more))
        }),
        Node::Or(children) => {
            children.iter().filter_map(envelope).reduce(|around, more| around.hull(&more))
        }
        atom => Conjunction::of_atom(atom),
    }
}
