//! What a testing kit says of queries and fish: whether their answers can be taken back, and
//! whether a fish that is declared to only grow keeps its law. And the seeds of a scenario.

use crate::defaults::SEEDS;
use crate::entry::{guard, lock};
use crate::errors::{FacadeError, Result};
use crate::lab_work::{LabFish, index};
use bytes::Bytes;
use millpond::query::{Monotonicity, Order, Query, Verdict};
use millpond::testing;
use std::sync::Mutex;

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

/// Checks the law of fish that only grow, in rounds of questions.
pub struct LawCheck(Mutex<testing::LawCheck>);

impl LawCheck {
    /// On so many events; it looks at the first 64.
    pub fn new(event_count: u64) -> LawCheck {
        LawCheck(Mutex::new(testing::LawCheck::new(index(event_count))))
    }

    /// Takes the answers to the last questions, in their order, and gives the next ones; none when
    /// the law holds on these events.
    ///
    /// # Errors
    /// `invalid_argument`, reason `grow_only`: it does not hold, and the message says where;
    /// without the reason: not as many answers as questions.
    pub fn next_questions(&self, answers: Vec<Bytes>) -> Result<Vec<LawQuestion>> {
        guard("law_next_questions", 0, || {
            let mut check = lock(&self.0);
            let questions = check.next_questions(answers)?.iter().map(question).collect();
            check.found().map_err(|broken| {
                FacadeError::invalid(broken.to_string()).with_reason("grow_only")
            })?;
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

/// Whether an answer can be taken back by events that arrive later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lint {
    /// `monotone`, `one_way` or `not_monotone`.
    pub verdict: &'static str,
    /// True when the answer will never be retracted.
    pub is_monotone: bool,
    /// Why.
    pub reason: String,
    /// All of it as one line for people.
    pub text: String,
}

/// Judges the events that a query selects.
///
/// # Errors
/// `query_invalid`, `limit_exceeded`: the query is refused.
pub fn lint_query(query: &str) -> Result<Lint> {
    guard("lint_query", 0, || Ok(Lint::of(&Query::parse(query)?.monotonicity(Order::Ascending))))
}

/// Judges the states of a fish. `is_checked` when it is declared to only grow and [`LawCheck`]
/// found nothing against that.
///
/// # Errors
/// As [`lint_query`]; `invalid_argument`: the fish is refused.
pub fn lint_fish(fish: &LabFish, is_checked: bool) -> Result<Lint> {
    guard("lint_fish", 0, || {
        let definition = fish.definition()?;
        let of_fold = match definition.builtin() {
            Some(fold) => fold.monotonicity(),
            None => Monotonicity::of_code(is_checked),
        };
        Ok(Lint::of(&of_fold.and(definition.query().monotonicity(Order::Ascending))))
    })
}

impl Lint {
    fn of(found: &Monotonicity) -> Lint {
        let verdict = match found.verdict() {
            Verdict::Monotone => "monotone",
            Verdict::OneWay => "one_way",
            Verdict::NotMonotone => "not_monotone",
        };
        let (reason, text) = (found.reason().to_owned(), found.to_string());
        Lint { verdict, is_monotone: found.is_monotone(), reason, text }
    }
}

/// The seeds to run a scenario with: 1 to `count` (100), or the one of `MILLPOND_SEED`.
///
/// # Errors
/// `invalid_argument`: the variable holds no seed.
pub fn seeds(count: Option<u64>) -> Result<Vec<u64>> {
    guard("lab_seeds", 0, || {
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
