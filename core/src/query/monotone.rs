//! Whether an answer can be taken back by events that arrive later.
//!
//! Logs only grow, and nobody knows what other nodes have written meanwhile. What never gives back
//! what it said needs no agreement with anybody (Hellerstein and Alvaro, "Keeping CALM"); anything
//! else is right only as far as is known, until something says that nothing older will come.

use std::fmt;

use super::order::Order;
use super::statement::Query;

/// What events that arrive later can do to an answer. Sorted by how much holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// Change it in any way.
    NotMonotone,
    /// Move it in one direction: "at least" or "at most" stays true.
    OneWay,
    /// Add to it: what it says stays said.
    Monotone,
}

/// A verdict and its reason. `Display` gives both as one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Monotonicity {
    verdict: Verdict,
    reason: String,
}

impl Monotonicity {
    /// The answer only gets more.
    pub fn monotone(reason: impl Into<String>) -> Monotonicity {
        Monotonicity { verdict: Verdict::Monotone, reason: reason.into() }
    }

    /// The answer moves in one direction only.
    pub fn one_way(reason: impl Into<String>) -> Monotonicity {
        Monotonicity { verdict: Verdict::OneWay, reason: reason.into() }
    }

    /// The answer may change in any way.
    pub fn not_monotone(reason: impl Into<String>) -> Monotonicity {
        Monotonicity { verdict: Verdict::NotMonotone, reason: reason.into() }
    }

    /// Of a fold with code of an application, which may declare that its states only grow;
    /// `checked_on` is on how many events the law of that was found to hold.
    pub fn of_code(is_grow_only: bool, checked_on: Option<usize>) -> Monotonicity {
        match (is_grow_only, checked_on) {
            (false, _) => Monotonicity::not_monotone(
                "code may do anything with an older event; declare that it grows only, with a \
                 merge of states, if it does",
            ),
            (true, None) => Monotonicity::not_monotone(
                "it is declared to grow only, and that was not checked: call check_grow_only in a \
                 test",
            ),
            (true, Some(count)) => Monotonicity::monotone(format!(
                "it is declared to grow only, and was found to on {count} events"
            )),
        }
    }

    /// Of two answers together: that of which less holds decides.
    #[must_use]
    pub fn and(self, other: Monotonicity) -> Monotonicity {
        if other.verdict < self.verdict { other } else { self }
    }

    /// What events that arrive later can do.
    pub fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// Why, for people.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// True when this answer will never be retracted.
    pub fn is_monotone(&self) -> bool {
        self.verdict == Verdict::Monotone
    }
}

impl fmt::Display for Monotonicity {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let said = match self.verdict {
            Verdict::Monotone => "monotone: this answer will never be retracted",
            Verdict::OneWay => "monotone in one direction",
            Verdict::NotMonotone => {
                "not monotone: may change when older events arrive; needs a seal, escrow or a claim"
            }
        };
        write!(out, "{said} ({})", self.reason)
    }
}

impl Query {
    /// Whether the events that this query selects, in that order, can be retracted.
    ///
    /// Today every query is monotone: each atom judges one event by what never changes of it. What
    /// is made of the events may not be, and the place of an event among the others may change.
    pub fn monotonicity(&self, order: Order) -> Monotonicity {
        Monotonicity::monotone(match order {
            Order::Ascending | Order::Descending => {
                "each event is judged alone; others may still come between those found"
            }
            Order::Stream => "each event is judged alone; streams only get longer",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_only_ever_selects_more_and_says_so() {
        let query = Query::parse("FROM 'mill' & isLocal & KEY < 7 | appId(a)").unwrap();
        for order in [Order::Ascending, Order::Descending, Order::Stream] {
            let said = query.monotonicity(order);
            assert!(said.is_monotone());
            assert!(said.to_string().contains("will never be retracted"), "{said}");
        }
    }

    #[test]
    fn of_answers_together_the_one_that_holds_least_decides() {
        let one_way = Monotonicity::one_way("a count never falls");
        let both = Monotonicity::of_code(true, Some(4)).and(one_way.clone());
        assert_eq!(both, one_way);
        let all = Monotonicity::of_code(false, None).and(both);
        assert_eq!(all.verdict(), Verdict::NotMonotone);
        assert!(all.to_string().contains("needs a seal, escrow or a claim"));
    }
}
