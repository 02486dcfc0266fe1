//! The law that a fold must keep which is declared to grow only.

use crate::error::{Error, ErrorKind};
use std::fmt;

/// Most events that a check looks at; further ones are left out.
pub const GROW_ONLY_EVENTS_MAX: usize = 64;

/// Where a fold that is declared to grow only does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BrokenLaw {
    /// What does not hold.
    pub law: &'static str,
    /// Indices of the events that show it; the second is that of the first where one is enough.
    pub events: (usize, usize),
}

impl fmt::Display for BrokenLaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (one, other) = self.events;
        write!(f, "this fold does not only grow: {} (events {one} and {other})", self.law)
    }
}

/// Why it cannot be said that a fold only grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotShown {
    /// It does not.
    Broken(BrokenLaw),
    /// The events show nothing: there are no two of them that alone make different states.
    NoExamples,
}

impl fmt::Display for NotShown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NotShown::Broken(law) => law.fmt(f),
            NotShown::NoExamples => f.write_str(
                "nothing is shown by these events: the check needs two at least that make \
                 different states",
            ),
        }
    }
}

impl NotShown {
    /// `invalid_argument`, of `what`; the reason is `grow_only` or `no_examples`.
    pub(crate) fn error(&self, what: &dyn fmt::Display) -> Error {
        let reason = match self {
            NotShown::Broken(_) => "grow_only",
            NotShown::NoExamples => "no_examples",
        };
        Error::new(ErrorKind::InvalidArgument, format!("{what}: {self}")).with_reason(reason)
    }
}

/// Checks on examples that states only grow: that `merge` is a least upper bound and `step` one of
/// what an event alone makes.
///
/// So the fold of any events in any order, some of them twice, is the merge of the folds of its
/// parts, and an event that arrives late adds to the state as it is. Calls `step` and `merge` some
/// thousand times for `GROW_ONLY_EVENTS_MAX` events. Examples prove nothing; they find what is
/// wrong.
///
/// Gives how many events it looked at.
///
/// # Errors
/// The first law found broken, with the events that show it; or that the events show nothing.
pub fn check_grow_only<S: Clone + PartialEq, E>(
    initial: &S,
    step: impl Fn(S, &E) -> S,
    merge: impl Fn(&S, &S) -> S,
    events: &[E],
) -> Result<usize, NotShown> {
    let events = &events[..events.len().min(GROW_ONLY_EVENTS_MAX)];
    let alone: Vec<S> = events.iter().map(|event| step(initial.clone(), event)).collect();
    let mut state = initial.clone();
    for (index, event) in events.iter().enumerate() {
        let next = step(state.clone(), event);
        let holds = |law, holds: bool| match holds {
            true => Ok(()),
            false => Err(NotShown::Broken(BrokenLaw { law, events: (index, index) })),
        };
        holds("a step is the merge with what the event makes alone", {
            next == merge(&state, &alone[index])
        })?;
        holds("a merge with a part of it changes nothing", merge(&next, &state) == next)?;
        holds("a merge of a state with itself is that state", merge(&next, &next) == next)?;
        holds("an event counts once", step(next.clone(), event) == next)?;
        for (other, one_alone) in alone.iter().enumerate() {
            let law = |law, holds: bool| match holds {
                true => Ok(()),
                false => Err(NotShown::Broken(BrokenLaw { law, events: (index, other) })),
            };
            let both = merge(&alone[index], one_alone);
            law("a merge does not ask who is first", both == merge(one_alone, &alone[index]))?;
            let inner = merge(&merge(&state, &alone[index]), one_alone);
            law("merges may be taken together in any way", merge(&state, &both) == inner)?;
        }
        state = next;
    }
    match alone.iter().any(|state| *state != alone[0]) {
        true => Ok(events.len()),
        false => Err(NotShown::NoExamples),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn sets_and_greatest_values_grow_only() {
        let insert = |mut set: BTreeSet<u64>, event: &u64| {
            set.insert(*event);
            set
        };
        let union = |a: &BTreeSet<u64>, b: &BTreeSet<u64>| a | b;
        let checked = check_grow_only(&BTreeSet::new(), insert, union, &[5, 1, 5, 9]);
        assert_eq!(checked, Ok(4));
        let max = |state: u64, event: &u64| state.max(*event);
        assert_eq!(check_grow_only(&0, max, |a, b| *a.max(b), &[3, 9, 2]), Ok(3));
    }

    #[test]
    fn counts_sums_and_latest_values_are_found_not_to() {
        let count = check_grow_only(&0u64, |n, _: &u64| n + 1, |a, b| *a.max(b), &[1, 2]);
        let law = "an event counts once";
        assert_eq!(count, Err(NotShown::Broken(BrokenLaw { law, events: (0, 0) })));
        let latest = |_, event: &u64| *event;
        assert!(check_grow_only(&0, latest, |_, b| *b, &[1, 2]).is_err());
        let sum = check_grow_only(&0, |n, event: &u64| n + event, |a, b| a + b, &[1, 2]);
        assert!(sum.unwrap_err().to_string().contains("does not only grow"));
    }

    #[test]
    fn events_that_make_no_two_states_show_nothing() {
        let wrong = |events: &[u64]| {
            check_grow_only(&0, |_, event: &u64| event % 2, |a: &u64, b: &u64| *a.max(b), events)
        };
        for events in [&[][..], &[1], &[1, 3, 5]] {
            assert_eq!(wrong(events), Err(NotShown::NoExamples), "{events:?}");
        }
        assert!(matches!(wrong(&[1, 2]), Err(NotShown::Broken(_))));
    }
}
