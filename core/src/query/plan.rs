//! A query as alternatives that an index can look up.
//!
//! Not here: indexes (`log`), simplification of the text (`normal`).
//! Rule: a plan never misses an event. When it is not exact, it may hold too many, and the query
//! itself must judge each.

use super::PLAN_CONJUNCTIONS_MAX;
use super::conjunction::Conjunction;
use super::node::Node;
use super::statement::Query;

/// Most steps spent on one plan, each about one comparison of tags: well under 0.1 s. Only texts
/// made for the purpose need more.
const STEPS_MAX: usize = 1 << 22;

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
    /// Each alternative as a query of its own.
    pub fn alternatives(&self) -> Vec<Query> {
        self.conjunctions.iter().map(|own| Query::from_node(own.to_node())).collect()
    }

    /// The plan of a tree.
    pub(super) fn of(node: &Node) -> Plan {
        match (Planner { steps: 0 }).alternatives(node) {
            Some(conjunctions) => Plan { conjunctions, is_exact: true },
            None => Plan { conjunctions: envelope(node).into_iter().collect(), is_exact: false },
        }
    }
}

struct Planner {
    steps: usize,
}

impl Planner {
    /// The disjunctive normal form, `None` when it takes more than `STEPS_MAX` steps or a stage of
    /// it has more than `PLAN_CONJUNCTIONS_MAX` conjunctions, counted before covered ones go.
    fn alternatives(&mut self, node: &Node) -> Option<Vec<Conjunction>> {
        match node {
            Node::And(children) => {
                let mut factors = Vec::with_capacity(children.len());
                for child in children {
                    factors.push(self.alternatives(child)?);
                }
                // Smallest first: what every alternative needs is gathered before there are many.
                factors.sort_by_key(Vec::len);
                factors
                    .iter()
                    .try_fold(vec![Conjunction::all()], |product, more| self.times(&product, more))
            }
            Node::Or(children) => {
                let mut sum = Vec::new();
                for child in children {
                    sum.extend(self.alternatives(child)?);
                    if sum.len() > PLAN_CONJUNCTIONS_MAX {
                        return None;
                    }
                }
                self.without_covered(sum)
            }
            atom => Some(Conjunction::of_atom(atom).into_iter().collect()),
        }
    }

    fn times(&mut self, left: &[Conjunction], right: &[Conjunction]) -> Option<Vec<Conjunction>> {
        if left.len() * right.len() > PLAN_CONJUNCTIONS_MAX {
            return None;
        }
        let mut product = Vec::with_capacity(left.len() * right.len());
        for one in left {
            for two in right {
                self.spend(1 + one.tags.len() + two.tags.len())?;
                product.extend(one.and(two));
            }
        }
        self.without_covered(product)
    }

    /// Keeps each conjunction that no other one covers; of equal ones the first.
    fn without_covered(&mut self, conjunctions: Vec<Conjunction>) -> Option<Vec<Conjunction>> {
        let mut kept: Vec<Conjunction> = Vec::with_capacity(conjunctions.len());
        for candidate in conjunctions {
            self.spend(kept.len() * (1 + candidate.tags.len()))?;
            if kept.iter().any(|wider| wider.covers(&candidate)) {
                continue;
            }
            kept.retain(|narrower| !candidate.covers(narrower));
            kept.push(candidate);
        }
        Some(kept)
    }

    fn spend(&mut self, steps: usize) -> Option<()> {
        self.steps += steps;
        (self.steps <= STEPS_MAX).then_some(())
    }
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
