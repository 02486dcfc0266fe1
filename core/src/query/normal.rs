//! The normal form: a simpler expression that selects the same events.
//!
//! Not here: plans, on which this is built (`plan`).
//! Rule: never loses meaning and never leaves the bounds of a query.
//! Two steps: `tidied` (local rules: sort, drop duplicates, absorb `allEvents`) and, where the plan
//! is exact and its text within the bounds, the plan's alternatives instead of the tree.

use super::conjunction::{least_key, nothing};
use super::expression::text_bytes;
use super::node::{Comparison, Node};
use super::plan::Plan;
use super::{QUERY_BYTES_MAX, QUERY_TERMS_MAX};

impl Node {
    /// The normal form. Its own normal form is itself.
    pub(super) fn normal_form(&self) -> Node {
        let tidy = tidied(self);
        let plan = Plan::of(&tidy);
        if plan.conjunctions.is_empty() {
            return nothing();
        }
        if !plan.is_exact {
            return tidy;
        }
        let flat = tidied(&Node::or(plan.conjunctions.iter().map(|one| one.to_node()).collect()));
        let fits = flat.term_count() <= QUERY_TERMS_MAX && text_bytes(&flat) <= QUERY_BYTES_MAX;
        if fits { flat } else { tidy }
    }
}

/// Sorted, without duplicates, and with `allEvents` only where it is all there is.
fn tidied(node: &Node) -> Node {
    match node {
        Node::Key(Comparison::AtOrAfter, key) if *key == least_key() => Node::All,
        Node::And(children) => {
            let Node::And(mut parts) = Node::and(children.iter().map(tidied).collect()) else {
                unreachable!("two or more children stay an And");
            };
            parts.retain(|part| *part != Node::All);
            parts.sort_unstable();
            parts.dedup();
            if parts.is_empty() { Node::All } else { Node::and(parts) }
        }
        Node::Or(children) => {
            let Node::Or(mut parts) = Node::or(children.iter().map(tidied).collect()) else {
                unreachable!("two or more children stay an Or");
            };
            if parts.contains(&Node::All) {
                return Node::All;
            }
            parts.sort_unstable();
            parts.dedup();
            Node::or(parts)
        }
        atom => atom.clone(),
    }
}
