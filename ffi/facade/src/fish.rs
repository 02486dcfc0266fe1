//! What a fish is, as shells say it.

use crate::errors::{FacadeError, Result};
use crate::json;
use millpond::pond::builtin::BuiltIn;
use millpond::pond::{CODEC_DEFAULT, Definition, resets_take_back};
use millpond::query::{Monotonicity, Query, Verdict};
use std::sync::Arc;

/// What is observed: a fold of the events that a query selects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FishSpec {
    /// A fold by code of the application.
    Code {
        /// Its name, 1 to 255 bytes of UTF-8 after it was brought to NFC.
        id: String,
        /// Another number whenever the code or the form of the state changes its meaning.
        version: u64,
        /// Which events it folds.
        query: String,
        /// How states become bytes, 1 to 64 bytes; default `cbor`: one value in its deterministic
        /// encoding.
        codec: Option<String>,
        /// The application says that its states only grow. That is believed as far as it was
        /// checked; see [`lint_fish`](crate::lint_fish).
        is_grow_only: bool,
        /// It has resets, as far as that is known before it meets one. Then it does not only grow.
        has_reset: bool,
    },
    /// A fold that takes no code.
    BuiltIn {
        /// Which events it folds.
        query: String,
        /// What to do with them, as JSON text such as `{"fold": "count"}`: docs/pond.md.
        fold: String,
    },
}

/// Whether an answer can be taken back by events that arrive later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Monotone {
    /// `monotone` (what it says stays said), `one_way` (it moves in one direction) or
    /// `not_monotone`.
    pub verdict: &'static str,
    /// True for `monotone`.
    pub is_monotone: bool,
    /// Why, for people.
    pub reason: String,
    /// Verdict and reason as one line for people.
    pub text: String,
}

impl FishSpec {
    /// A fold by code of the application, with the default codec.
    pub fn code(id: &str, version: u64, query: &str) -> FishSpec {
        let (id, query) = (id.to_owned(), query.to_owned());
        let (is_grow_only, has_reset) = (false, false);
        FishSpec::Code { id, version, query, codec: None, is_grow_only, has_reset }
    }

    /// A fold that takes no code, as JSON text.
    pub fn built_in(query: &str, fold: &str) -> FishSpec {
        FishSpec::BuiltIn { query: query.to_owned(), fold: fold.to_owned() }
    }

    /// Its name in NFC; that of a built-in fold follows from what it does.
    ///
    /// # Errors
    /// `query_invalid`, `invalid_argument`, `limit_exceeded`: there can be no such fish.
    pub fn id(&self) -> Result<String> {
        Ok(self.definition()?.id().to_owned())
    }

    pub(crate) fn query(&self) -> &str {
        match self {
            FishSpec::Code { query, .. } | FishSpec::BuiltIn { query, .. } => query,
        }
    }

    /// # Errors
    /// As [`FishSpec::id`].
    pub(crate) fn definition(&self) -> Result<Arc<Definition>> {
        Ok(Arc::new(match self {
            FishSpec::Code { id, version, query, codec, is_grow_only, has_reset } => {
                // Not a default: the name of the codec that needs no code.
                let codec = codec.as_deref().unwrap_or(CODEC_DEFAULT);
                let fish = Definition::new(id, *version, Query::parse(query)?, codec)?;
                match (is_grow_only, has_reset) {
                    (true, true) => return Err(resets_take_back(&fish).into()),
                    (true, false) => fish.grow_only(),
                    (false, _) => fish,
                }
            }
            FishSpec::BuiltIn { query, fold } => {
                Definition::of_builtin(Query::parse(query)?, built_in(fold)?)
            }
        }))
    }
}

/// A built-in fold of its JSON text.
///
/// # Errors
/// `invalid_argument`: it is no JSON, or no fold. `limit_exceeded`: too many folds, or nested too
/// deep.
pub(crate) fn built_in(fold: &str) -> Result<BuiltIn> {
    let value = json::to_cbor(fold).map_err(|error| {
        let message = format!("a built-in fold is JSON such as {{\"fold\": \"count\"}}: {error}");
        FacadeError::invalid(message)
    })?;
    Ok(BuiltIn::from_cbor(&value)?)
}

impl From<&Monotonicity> for Monotone {
    fn from(core: &Monotonicity) -> Monotone {
        let verdict = match core.verdict() {
            Verdict::Monotone => "monotone",
            Verdict::OneWay => "one_way",
            Verdict::NotMonotone => "not_monotone",
        };
        let (reason, text) = (core.reason().to_owned(), core.to_string());
        Monotone { verdict, is_monotone: core.is_monotone(), reason, text }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lint::{LawCheck, LawQuestion, lint_fish};
    use bytes::Bytes;

    #[test]
    fn a_fish_is_refused_for_what_is_wrong_with_it() {
        let count = r#"{"fold": "count"}"#;
        assert_eq!(FishSpec::code("cafe\u{301}", 1, "FROM 'a'").id().unwrap(), "caf\u{e9}");
        let own = FishSpec::built_in("FROM 'a'", count).id().unwrap();
        assert!(own.starts_with("builtin:"));
        assert_eq!(FishSpec::built_in("FROM  'a'", r#"{"fold":"count"}"#).id().unwrap(), own);
        for (wrong, kind) in [
            (FishSpec::code("", 1, "FROM 'a'"), "invalid_argument"),
            (FishSpec::code(&"x".repeat(300), 1, "FROM 'a'"), "limit_exceeded"),
            (FishSpec::code("x", 1, "FROM ("), "query_invalid"),
            (FishSpec::built_in("FROM 'a'", "count"), "invalid_argument"),
            (FishSpec::built_in("FROM 'a'", r#"{"fold":"median"}"#), "invalid_argument"),
        ] {
            assert_eq!(wrong.id().unwrap_err().name, kind, "{wrong:?}");
        }
    }

    fn declared(is_grow_only: bool, has_reset: bool) -> FishSpec {
        let (id, query) = ("x".to_owned(), "FROM 'a'".to_owned());
        FishSpec::Code { id, version: 1, query, codec: None, is_grow_only, has_reset }
    }

    #[test]
    fn what_may_be_taken_back_is_said_of_code_and_of_built_in_folds() {
        let said = |fish: &FishSpec| lint_fish(fish, None).unwrap();
        let undeclared = said(&declared(false, true));
        assert_eq!(undeclared.verdict, "not_monotone");
        assert!(undeclared.reason.contains("declare that it grows only"), "{undeclared:?}");
        let unchecked = said(&declared(true, false));
        assert_eq!(unchecked.verdict, "not_monotone");
        assert!(unchecked.reason.contains("call check_grow_only"), "{unchecked:?}");
        let count = said(&FishSpec::built_in("FROM 'a'", r#"{"fold":"count"}"#));
        assert_eq!((count.verdict, count.is_monotone), ("one_way", false));
        assert!(count.text.contains(&count.reason));
        let error = declared(true, true).id().unwrap_err();
        assert_eq!((error.name, error.reason), ("invalid_argument", Some("grow_only")));
    }

    /// Answers as a fish whose state is the greatest payload, of events 7, 7, 9.
    fn checked(fish: &FishSpec, event_count: u64) -> Result<Monotone> {
        let check = LawCheck::new(fish, event_count)?;
        let mut answers = Vec::new();
        loop {
            let questions = check.next_questions(answers)?;
            if questions.is_empty() {
                return lint_fish(fish, Some(&check));
            }
            let answer = |question| match question {
                LawQuestion::Initial => Bytes::from_static(&[0]),
                LawQuestion::Step(state, index) => {
                    state.max(Bytes::from(vec![[7, 7, 9][index as usize]]))
                }
                LawQuestion::Merge(one, other) => one.max(other),
            };
            answers = questions.into_iter().map(answer).collect();
        }
    }

    #[test]
    fn a_declaration_that_was_checked_is_believed_and_the_verdict_says_on_how_much() {
        let said = checked(&declared(true, false), 3).unwrap();
        assert!(said.is_monotone && said.reason.contains("on 3 events"), "{said:?}");
        let nothing = checked(&declared(true, false), 2).unwrap_err();
        assert_eq!((nothing.name, nothing.reason), ("invalid_argument", Some("no_examples")));
        let undeclared = checked(&declared(false, false), 3).unwrap_err();
        assert_eq!(undeclared.reason, Some("grow_only"));
    }
}
