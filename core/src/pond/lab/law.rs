//! The law of folds that only grow, checked for code that is somewhere else: questions go out, many
//! at a time, and states come back as bytes.

use crate::error::{Error, ErrorKind, Result};
use crate::pond::grow_only::{GROW_ONLY_EVENTS_MAX, NotShown, check_grow_only};
use bytes::Bytes;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Most bytes of states that a check keeps.
const KNOWN_BYTES_MAX: usize = 64 << 20;

/// What the owner of a fish's code is asked.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LawQuestion {
    /// The initial state.
    Initial,
    /// What a state becomes by the event of this index; the first is 0.
    Step(Bytes, usize),
    /// Two states merged.
    Merge(Bytes, Bytes),
}

/// Checks what `check_grow_only` does, in rounds of questions.
///
/// Rule: what is not known yet is taken to be right, and asked for; so a law that is found broken
/// is broken, and when nothing is left to ask the law holds on the examples.
#[derive(Debug)]
pub struct LawCheck {
    events: Vec<usize>,
    known: BTreeMap<LawQuestion, Bytes>,
    /// How many bytes are in the answers that are known.
    known_bytes: usize,
    asked: Vec<LawQuestion>,
    found: Option<std::result::Result<usize, NotShown>>,
}

/// A state, or none while it is not known. Equal to everything then.
#[derive(Clone, Debug)]
struct Guess(Option<Bytes>);

impl PartialEq for Guess {
    fn eq(&self, other: &Guess) -> bool {
        match (&self.0, &other.0) {
            (Some(one), Some(two)) => one == two,
            _ => true,
        }
    }
}

impl LawCheck {
    /// On so many events; it looks at the first `GROW_ONLY_EVENTS_MAX`.
    pub fn new(event_count: usize) -> LawCheck {
        LawCheck {
            events: (0..event_count.min(GROW_ONLY_EVENTS_MAX)).collect(),
            known: BTreeMap::new(),
            known_bytes: 0,
            asked: Vec::new(),
            found: None,
        }
    }

    /// Takes the answers to the last questions, in their order, and asks the next ones; none when
    /// the check is done.
    ///
    /// # Errors
    /// `invalid_argument`: there are not as many answers as questions. `limit_exceeded`: the
    /// answers are more than 64 MiB, all together.
    pub fn next_questions(&mut self, answers: Vec<Bytes>) -> Result<&[LawQuestion]> {
        if answers.len() != self.asked.len() {
            let message = format!("{} answers to {} questions", answers.len(), self.asked.len());
            return Err(Error::new(ErrorKind::InvalidArgument, message));
        }
        self.known_bytes += answers.iter().map(Bytes::len).sum::<usize>();
        if self.known_bytes > KNOWN_BYTES_MAX {
            let message = "the states that the law is checked on are more than 64 MiB; check it on \
                           fewer events, or with smaller states";
            return Err(Error::new(ErrorKind::LimitExceeded, message));
        }
        self.known.extend(self.asked.drain(..).zip(answers));
        if self.found.is_none() {
            let missing = RefCell::new(BTreeSet::new());
            let found = self.round(&missing);
            self.asked = missing.into_inner().into_iter().collect();
            // That nothing is shown is only known when all states are.
            if matches!(found, Err(NotShown::Broken(_))) || self.asked.is_empty() {
                self.asked.clear();
                self.found = Some(found);
            }
        }
        Ok(&self.asked)
    }

    /// On how many events the law holds; `None` while the check is not done.
    ///
    /// # Errors
    /// `invalid_argument`, of `what`: reason `grow_only`, the law does not hold, or `no_examples`,
    /// the events show nothing.
    pub fn found(&self, what: &dyn fmt::Display) -> Result<Option<usize>> {
        self.found.transpose().map_err(|not_shown| not_shown.error(what))
    }

    fn round(
        &self,
        missing: &RefCell<BTreeSet<LawQuestion>>,
    ) -> std::result::Result<usize, NotShown> {
        let answer = |question: LawQuestion| match self.known.get(&question) {
            Some(state) => Guess(Some(state.clone())),
            None => {
                missing.borrow_mut().insert(question);
                Guess(None)
            }
        };
        let initial = answer(LawQuestion::Initial);
        let step = |state: Guess, event: &usize| match state.0 {
            Some(state) => answer(LawQuestion::Step(state, *event)),
            None => Guess(None),
        };
        let merge = |one: &Guess, other: &Guess| match (&one.0, &other.0) {
            (Some(one), Some(other)) => answer(LawQuestion::Merge(one.clone(), other.clone())),
            _ => Guess(None),
        };
        check_grow_only(&initial, step, merge, &self.events)
    }
}
