//! The judge: what the state of a fish must be, found in the slow and obvious way, and what is
//! wrong with the fish where it is another one.
//!
//! Rule: each pass over the same events must end with the same bytes. Which one does not says which
//! function is to blame. Equal states must be equal bytes: so a codec that writes one state in
//! several ways is found first, before what it writes is held against a step.

use crate::error::{Error, ErrorKind, Result};
use crate::event::{Event, EventBatch, EventKey};
use crate::pond::job::{Answer, Job};
use crate::pond::lab::chance::Chance;
use bytes::Bytes;
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

/// Most events that a pass in pieces takes at once.
const PIECE_EVENTS_MAX: u64 = 3;

/// Judges one state of a fish at a node.
pub(super) struct Judge {
    fish: usize,
    node: usize,
    shown: Bytes,
    events: Vec<Event>,
    pieces: Vec<Range<usize>>,
    is_thorough: bool,
    /// Something is wrong, and what it is is being found out.
    is_wrong: bool,
    /// What the first pass with a codec came to that was another state.
    kept: Option<Bytes>,
    /// The same of the first that only wrote the state again.
    rewritten: Option<Bytes>,
    /// In hand.
    pass: Pass,
    jobs: VecDeque<Planned>,
    asked: Option<Planned>,
    came: Came,
    /// To come.
    passes: VecDeque<Pass>,
    /// What the first pass came to.
    whole: Option<Came>,
    verdict: Option<(&'static str, String)>,
}

/// A way over all events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pass {
    /// In one piece: what it comes to is right by definition.
    Whole,
    /// No events: what the first one came to, loaded and saved.
    Rewritten,
    /// Once more, in pieces.
    Again,
    /// In pieces, and the state is saved and loaded after each.
    Kept,
    /// From the last reset on.
    FromReset,
}

#[derive(Clone, Debug)]
enum Planned {
    Begin,
    Apply(Range<usize>),
    /// Save, and load what that gives.
    Keep,
    Load(Bytes),
    Save,
}

/// What a pass came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Came {
    state: Bytes,
    /// Index of the last event that was a reset.
    reset: Option<usize>,
}

const STEP: &str = "gives another state when it folds the same events again: its step or its \
                    initial state depends on something beside the arguments, such as a clock, \
                    chance, or a variable outside of the state";
const CODEC: &str = "loses something when its state is saved and loaded: what its codec decodes \
                     must be equal to what it encoded for every step that follows";
const ENCODE: &str = "is written in different ways though it is the same state: a codec must write \
                      equal states as equal bytes, on all nodes; sort what has no order, such as \
                      the members of a set, before it is written";
const IS_RESET: &str = "says of the same events something else the second time: its is_reset must \
                        look at the event and at nothing else";
const OTHER: &str = "shows a state that is not what its events give from nothing, though that is \
                     the same each time: look for a state that is shared or kept outside, and for \
                     a step, a codec or an is_reset that depends on something beside its arguments";

impl Judge {
    /// A thorough one takes all passes; else only the first, unless that differs from what is
    /// `shown`.
    pub(super) fn new(
        fish: usize,
        node: usize,
        shown: Bytes,
        events: &EventBatch,
        is_thorough: bool,
        chance: &mut Chance,
    ) -> Judge {
        let events: Vec<Event> = events.iter().map(|event| event.to_event()).collect();
        let mut pieces: Vec<Range<usize>> = Vec::new();
        while let Some(left) = events.len().checked_sub(pieces.last().map_or(0, |last| last.end))
            && left > 0
        {
            let start = events.len() - left;
            let count = left.min(chance.between(1, PIECE_EVENTS_MAX) as usize);
            pieces.push(start..start + count);
        }
        Judge {
            fish,
            node,
            shown,
            events,
            pieces,
            is_thorough,
            is_wrong: false,
            kept: None,
            rewritten: None,
            pass: Pass::Whole,
            jobs: VecDeque::new(),
            asked: None,
            came: Came::default(),
            passes: VecDeque::from([Pass::Whole]),
            whole: None,
            verdict: None,
        }
    }

    pub(super) fn fish(&self) -> usize {
        self.fish
    }

    pub(super) fn node(&self) -> usize {
        self.node
    }

    /// Keys of the events, and what they give.
    pub(super) fn found(&self) -> (Vec<EventKey>, Bytes) {
        let state = self.whole.as_ref().map_or_else(Bytes::new, |whole| whole.state.clone());
        (self.events.iter().map(|event| event.key).collect(), state)
    }

    /// A reason, and what is wrong; `None` when nothing is.
    pub(super) fn verdict(&self) -> Option<(&'static str, String)> {
        self.verdict.clone()
    }

    /// The next job; `None` when there is a verdict.
    pub(super) fn next_job(&mut self, answer: Option<Answer>) -> Result<Option<Job>> {
        match (self.asked.take(), answer) {
            (Some(asked), Some(answer)) => self.take(asked, answer)?,
            // Given out and not answered: once more.
            (Some(asked), None) => self.jobs.push_front(asked),
            (None, _) => {}
        }
        loop {
            if self.verdict.is_some() {
                return Ok(None);
            }
            if let Some(planned) = self.jobs.pop_front() {
                self.asked = Some(planned.clone());
                return Ok(Some(self.job(planned)));
            }
            let Some(pass) = self.passes.pop_front() else {
                self.conclude();
                return Ok(None);
            };
            self.plan(pass);
        }
    }

    fn job(&self, planned: Planned) -> Job {
        match planned {
            Planned::Begin => Job::Load(None),
            Planned::Load(state) => Job::Load(Some(state)),
            Planned::Apply(range) => Job::Apply(Arc::new(self.events[range].iter().collect())),
            Planned::Keep | Planned::Save => Job::Save,
        }
    }

    fn plan(&mut self, pass: Pass) {
        (self.pass, self.came) = (pass, Came::default());
        if let (Pass::Rewritten, Some(whole)) = (pass, &self.whole) {
            self.jobs.extend([Planned::Load(whole.state.clone()), Planned::Save]);
            return;
        }
        self.jobs.push_back(Planned::Begin);
        let from = |first: usize| std::iter::once(first..self.events.len()).collect();
        let pieces: Vec<Range<usize>> = match pass {
            Pass::Whole => from(0),
            Pass::FromReset => from(self.whole.as_ref().and_then(|whole| whole.reset).unwrap_or(0)),
            Pass::Rewritten | Pass::Again | Pass::Kept => self.pieces.clone(),
        };
        for piece in pieces.into_iter().filter(|piece| !piece.is_empty()) {
            self.jobs.push_back(Planned::Apply(piece));
            if pass == Pass::Kept {
                self.jobs.push_back(Planned::Keep);
            }
        }
        self.jobs.push_back(Planned::Save);
    }

    fn take(&mut self, asked: Planned, answer: Answer) -> Result<()> {
        match (asked, answer) {
            (_, Answer::Stopped(error)) => return Err(error),
            (_, Answer::Failed(failure)) => {
                let name = failure.function.name();
                let said = failure.message;
                let what = format!("did not fail at first and now fails in {name}: {said}");
                self.verdict = Some((name, what));
            }
            (Planned::Begin | Planned::Load(_), Answer::Loaded) => {}
            (Planned::Apply(range), Answer::Applied { last_reset }) => {
                let last_reset = last_reset.map(|index| range.start + index);
                self.came.reset = last_reset.or(self.came.reset);
            }
            (Planned::Keep, Answer::Saved(state)) => self.jobs.push_front(Planned::Load(state)),
            (Planned::Save, Answer::Saved(state)) => {
                self.came.state = state;
                self.end_pass();
            }
            _ => {
                let message = "the judge of a lab was given the answer to another job";
                return Err(Error::new(ErrorKind::Internal, message));
            }
        }
        Ok(())
    }

    fn end_pass(&mut self) {
        let came = std::mem::take(&mut self.came);
        let Some(whole) = &self.whole else {
            let (reset, is_shown) = (came.reset, came.state == self.shown);
            self.whole = Some(came);
            if !is_shown {
                self.find_out();
            } else if self.is_thorough {
                self.passes.extend([Pass::Rewritten, Pass::Again, Pass::Kept]);
                self.passes.extend(reset.map(|_| Pass::FromReset));
            }
            return;
        };
        let is_rewritten = self.pass == Pass::Rewritten;
        if came.state == whole.state && (is_rewritten || came.reset == whole.reset) {
            return;
        }
        if !self.is_wrong {
            return self.find_out();
        }
        let is_reordered = is_reordered(&came.state, &whole.state);
        let wrong = match self.pass {
            Pass::Rewritten if is_reordered => ("encode", ENCODE),
            Pass::Rewritten => match self.rewritten.replace(came.state.clone()) {
                None => return self.passes.push_front(Pass::Rewritten),
                Some(before) if before == came.state => ("codec", CODEC),
                Some(_) => ("encode", ENCODE),
            },
            _ if came.reset != whole.reset => ("is_reset", IS_RESET),
            Pass::Whole | Pass::Again => ("step", STEP),
            Pass::FromReset => ("is_reset", IS_RESET),
            Pass::Kept if is_reordered => ("encode", ENCODE),
            Pass::Kept => match self.kept.replace(came.state.clone()) {
                // Once more: what is lost is lost each time.
                None => return self.passes.push_front(Pass::Kept),
                Some(kept) if kept == came.state => ("codec", CODEC),
                Some(_) => ("step", STEP),
            },
        };
        self.verdict = Some((wrong.0, wrong.1.to_owned()));
    }

    /// Takes passes that each can prove one thing, over single events. Chance in the code of a fish
    /// does not show each time, so it gets several turns.
    fn find_out(&mut self) {
        self.is_wrong = true;
        self.pieces = (0..self.events.len()).map(|index| index..index + 1).collect();
        self.passes = VecDeque::from([Pass::Rewritten; 3]);
        self.passes.extend([Pass::Again; 4]);
        self.passes.push_back(Pass::Kept);
        let reset = self.whole.as_ref().and_then(|whole| whole.reset);
        self.passes.extend(reset.map(|_| Pass::FromReset));
    }

    /// No pass has proved anything.
    fn conclude(&mut self) {
        if self.is_wrong {
            self.verdict = Some(("step", OTHER.to_owned()));
        }
    }
}

/// Whether both have the same bytes, in another order: what a set is written as, for example.
fn is_reordered(one: &[u8], other: &[u8]) -> bool {
    let counts = |bytes: &[u8]| {
        let mut counts = [0usize; 256];
        bytes.iter().for_each(|byte| counts[usize::from(*byte)] += 1);
        counts
    };
    one != other && one.len() == other.len() && counts(one) == counts(other)
}
