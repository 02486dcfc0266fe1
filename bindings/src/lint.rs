//! What the testing kit says of queries and fish, and which runs to make.

use crate::failure::{Answer, call};
use crate::fish::FishSpec;
use crate::lab::LabBefall;
use millpond_facade::{self as facade, Bytes};
use std::sync::Arc;

/// Looks for a smaller failure of a scenario.
#[derive(uniffi::Object)]
pub struct LabShrink {
    inner: facade::LabShrink,
}

#[uniffi::export]
impl LabShrink {
    /// Of a run that failed, and in which this befell.
    #[uniffi::constructor]
    pub fn new(befell: Vec<LabBefall>) -> Answer<Arc<LabShrink>> {
        let befell = befell.into_iter().map(Into::into).collect();
        let inner = call("bridge_shrink_new", || facade::LabShrink::new(befell))?;
        Ok(Arc::new(LabShrink { inner }))
    }

    /// What the next run leaves out; none: it is done.
    pub fn next_run(&self) -> Answer<Option<Vec<u64>>> {
        call("bridge_shrink_next_run", || self.inner.next_run())
    }

    /// How that ended: what befell, if it failed in the same way.
    pub fn ended(&self, befell: Option<Vec<LabBefall>>) -> Answer<()> {
        let befell = befell.map(|befell| befell.into_iter().map(Into::into).collect());
        call("bridge_shrink_ended", || self.inner.ended(befell))
    }

    /// What it takes to fail.
    pub fn summary(&self, seed: u64) -> Answer<Option<String>> {
        call("bridge_shrink_summary", || self.inner.summary(seed))
    }
}

/// What is asked of code whose states are declared to only grow.
#[derive(Clone, Debug, uniffi::Enum)]
pub enum LawQuestion {
    /// The initial state's bytes.
    Initial,
    /// What a state becomes by an event.
    Step {
        /// The state.
        state: Vec<u8>,
        /// Index of the event.
        event: u64,
    },
    /// Two states merged.
    Merge {
        /// One.
        state: Vec<u8>,
        /// The other.
        other: Vec<u8>,
    },
}

/// The law of fish that only grow, checked in rounds of questions.
#[derive(uniffi::Object)]
pub struct LawCheck {
    inner: facade::LawCheck,
}

#[uniffi::export]
impl LawCheck {
    /// Of a fish, on so many events.
    #[uniffi::constructor]
    pub fn new(fish: FishSpec, event_count: u64) -> Answer<Arc<LawCheck>> {
        let fish = facade::FishSpec::from(fish);
        let inner = call("bridge_law_new", || facade::LawCheck::new(&fish, event_count))?;
        Ok(Arc::new(LawCheck { inner }))
    }

    /// Takes the answers to the last questions and asks on; no question: it is done.
    pub fn next_questions(&self, answers: Vec<Vec<u8>>) -> Answer<Vec<LawQuestion>> {
        let answers = answers.into_iter().map(Bytes::from).collect();
        call("bridge_law_next_questions", || {
            let asked = self.inner.next_questions(answers)?;
            Ok(asked.into_iter().map(LawQuestion::from).collect())
        })
    }
}

impl From<facade::LawQuestion> for LawQuestion {
    fn from(question: facade::LawQuestion) -> LawQuestion {
        match question {
            facade::LawQuestion::Initial => LawQuestion::Initial,
            facade::LawQuestion::Step(state, event) => {
                LawQuestion::Step { state: state.to_vec(), event }
            }
            facade::LawQuestion::Merge(state, other) => {
                LawQuestion::Merge { state: state.to_vec(), other: other.to_vec() }
            }
        }
    }
}

/// Whether an answer can be taken back by events that arrive later.
#[derive(Clone, Debug, uniffi::Record)]
pub struct Monotone {
    /// `monotone`, `one_way` or `not_monotone`.
    pub verdict: String,
    /// Never retracted.
    pub is_monotone: bool,
    /// Why.
    pub reason: String,
    /// As one line.
    pub text: String,
}

impl From<facade::Monotone> for Monotone {
    fn from(monotone: facade::Monotone) -> Monotone {
        let facade::Monotone { verdict, is_monotone, reason, text } = monotone;
        Monotone { verdict: verdict.to_owned(), is_monotone, reason, text }
    }
}

/// Judges a query.
#[uniffi::export]
pub fn lint_query(query: String) -> Answer<Monotone> {
    call("bridge_lint_query", || Ok(facade::lint_query(&query)?.into()))
}

/// Judges a fish, as far as it was checked.
#[uniffi::export]
pub fn lint_fish(fish: FishSpec, checked: Option<Arc<LawCheck>>) -> Answer<Monotone> {
    call("bridge_lint_fish", || {
        let checked = checked.as_ref().map(|check| &check.inner);
        Ok(facade::lint_fish(&fish.into(), checked)?.into())
    })
}

/// The seeds to run a scenario with.
#[uniffi::export]
pub fn lab_seeds(count: Option<u64>) -> Answer<Vec<u64>> {
    call("bridge_lab_seeds", || facade::seeds(count))
}

/// What the environment says to leave out.
#[uniffi::export]
pub fn lab_without() -> Answer<Option<Vec<u64>>> {
    call("bridge_lab_without", facade::without_wanted)
}

/// How to see a failure with this seed again, for people.
#[uniffi::export]
pub fn replay_hint(seed: u64) -> Answer<String> {
    call("bridge_replay_hint", || Ok(facade::replay_hint(seed)))
}
