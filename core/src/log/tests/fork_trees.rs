use super::histories::{History, check_all, follow, places, small};
use super::*;
use crate::event::StreamId;
use proptest::prelude::*;
use std::collections::BTreeSet;

#[derive(Clone, Debug)]
enum Step {
    /// History, part of its length in percent, events beyond.
    Fork(usize, u64, u64),
    Grow(usize, u64),
    Checkpoint,
    Reopen,
    Kill,
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0usize..9, 0u64..100, 1u64..900).prop_map(|(own, at, by)| Step::Fork(own, at, by)),
        3 => (0usize..9, 1u64..900).prop_map(|(own, by)| Step::Grow(own, by)),
        2 => Just(Step::Checkpoint),
        1 => Just(Step::Reopen),
        1 => Just(Step::Kill),
    ]
}

/// In which stream the event of a history is visible.
fn home(histories: &[History], own: &History, offset: u64) -> StreamId {
    let forks = histories.iter().map(|other| (own.shared_with(other), other));
    let forks = forks.filter(|(at, other)| *at < own.len().min(other.len()) && *at <= offset);
    forks
        .map(|(at, _)| at)
        .max()
        .map_or(own.trunk(), |at| own.trunk().branch(&own.chains[at as usize + 1]))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn any_tree_of_histories_is_shown_as_a_list_would_be(
        first in 1u64..2_500,
        steps in prop::collection::vec(any_step(), 1..12),
    ) {
        let directory = tempfile::tempdir().unwrap();
        let mut log = small(directory.path(), 2);
        let mut all = vec![History::new(9)];
        all[0].write("h0", first);
        all[0].send(&log, all[0].trunk());
        let mut position = everything();
        let mut met: BTreeSet<(u64, StreamId, u64, String)> = BTreeSet::new();
        for (number, step) in steps.into_iter().enumerate() {
            match step {
                Step::Fork(own, percent, by) => {
                    let held = all[own % all.len()].clone();
                    let at = held.len() * percent / 100;
                    let new = held.forked(at, &format!("f{number}"), by);
                    let of = home(&all, &held, at);
                    let is_room = log.forks().iter().map(|f| f.branches.len()).sum::<usize>() < 15;
                    if is_room {
                        new.fork(&log, of, &held);
                        all.push(new);
                    }
                }
                Step::Grow(own, by) => {
                    let own = own % all.len();
                    all[own].write(&format!("g{number}"), by);
                    let grown = &all[own];
                    grown.send(&log, home(&all, grown, grown.len() - 1));
                }
                Step::Checkpoint => log.checkpoint_now().unwrap(),
                Step::Reopen => {
                    close(log);
                    log = small(directory.path(), 2);
                }
                Step::Kill => {
                    abandon(log);
                    log = small(directory.path(), 2);
                }
            }
            met.extend(follow(&log, &mut position));
        }
        let expected = places(&all);
        check_all(&log, &expected);
        for ((lamport, stream), (offset, text)) in expected {
            prop_assert!(met.contains(&(lamport, stream, offset, text)));
        }
    }
}
