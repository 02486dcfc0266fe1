//! What a testing kit says of queries and fish: whether their answers can be taken back, and
//! whether a fish that is declared to only grow keeps its law. And the seeds of a scenario.

use crate::defaults::SEEDS;
use crate::entry::{guard, lock};
use crate::errors::{FacadeError, Result};
use crate::fish::{FishSpec, Monotone};
use crate::lab_work::index;
use bytes::Bytes;
use millpond::pond::Definition;
use millpond::query::{Order, Query};
use millpond::testing;
use std::sync::{Arc, Mutex};

/// What is asked of code whose states are declared to only grow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LawQuestion {
    /// The initial state's bytes.
    Initial,
    /// What a state becomes by the event of this index; the first is 0.
    Step(Bytes, u64),
    /// Two states merged.
    Merge(Bytes, Bytes),
}

/// Checks the law of a fish that is declared to only grow, in rounds of questions.
pub struct LawCheck {
    check: Mutex<testing::LawCheck>,
    fish: Arc<Definition>,
}

impl LawCheck {
    /// On so many events; it looks at the first 64.
    ///
    /// # Errors
    /// `query_invalid`, `limit_exceeded`, `invalid_argument`: there can be no such fish; with the
    /// reason `grow_only`: it is not declared to.
    pub fn new(fish: &FishSpec, event_count: u64) -> Result<LawCheck> {
        guard("law_new", 0, || {
            let fish = fish.definition()?;
            if !fish.is_grow_only() {
                let message = format!("{fish} is not declared to grow only");
                return Err(FacadeError::invalid(message).with_reason("grow_only"));
            }
            let check = Mutex::new(testing::LawCheck::new(index(event_count)));
            Ok(LawCheck { check, fish })
        })
    }

    /// Takes the answers to the last questions, in their order, and gives the next ones; none when
    /// the law holds on these events.
    ///
    /// # Errors
    /// `invalid_argument`, reason `grow_only`: it does not hold, and the message says where; reason
    /// `no_examples`: there are no two events that make different states; without a reason: not as
    /// many answers as questions.
    pub fn next_questions(&self, answers: Vec<Bytes>) -> Result<Vec<LawQuestion>> {
        guard("law_next_questions", 0, || {
            let mut check = lock(&self.check);
            let questions = check.next_questions(answers)?.iter().map(question).collect();
            check.found(&self.fish)?;
            Ok(questions)
        })
    }
}

fn question(question: &testing::LawQuestion) -> LawQuestion {
    match question {
        testing::LawQuestion::Initial => LawQuestion::Initial,
        testing::LawQuestion::Step(state, event) => LawQuestion::Step(state.clone(), *event as u64),
        testing::LawQuestion::Merge(one, other) => LawQuestion::Merge(one.clone(), other.clone()),
    }
}

/// Judges the events that a query selects.
///
/// # Errors
/// `query_invalid`, `limit_exceeded`: the query is refused.
pub fn lint_query(query: &str) -> Result<Monotone> {
    guard("lint_query", 0, || {
        Ok(Monotone::from(&Query::parse(query)?.monotonicity(Order::Ascending)))
    })
}

/// Judges the states of a fish: what it is declared to is believed as far as it was checked.
///
/// # Errors
/// As [`lint_query`]; `invalid_argument`: there can be no such fish, or what was checked is another
/// one. Those of the check.
pub fn lint_fish(fish: &FishSpec, checked: Option<&LawCheck>) -> Result<Monotone> {
    guard("lint_fish", 0, || {
        let fish = fish.definition()?;
        let found = |check: &LawCheck| {
            check.fish.check_same(&fish)?;
            lock(&check.check).found(&fish)
        };
        let checked_on = checked.map(found).transpose()?.flatten();
        Ok(Monotone::from(&fish.monotonicity(checked_on)))
    })
}

/// The seeds to run a scenario with: 1 to `count` (100), or the one of `MILLPOND_SEED`.
///
/// # Errors
/// `invalid_argument`: the variable holds no seed, or `count` is 0.
pub fn seeds(count: Option<u64>) -> Result<Vec<u64>> {
    guard("lab_seeds", 0, || {
        if count == Some(0) {
            return Err(FacadeError::invalid("a scenario is run with one seed at least"));
        }
        Ok(match testing::seed_wanted()? {
            Some(seed) => vec![seed],
            None => (1..=count.unwrap_or(SEEDS)).collect(),
        })
    })
}

/// How to see a failure with this seed again, for people.
pub fn replay_hint(seed: u64) -> String {
    testing::replay_hint(seed)
}
