//! Rules that are broken on purpose: a schedule, or a story, finds each of them.

use super::schedules::{ALL, schedule};
use super::{forks, policy};
use crate::planted::choose;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Schedules of each kind within which a broken rule is found.
const BUDGET: u64 = 4_000;

/// What is too rare among schedules.
const STORIES: [fn(); 3] = [
    forks::what_counted_beside_an_event_of_one_lamport_counts_whatever_that_is_called_later,
    forks::what_follows_a_debit_that_does_not_count_waits_for_it,
    policy::who_holds_most_answers_at_once_and_the_others_in_turn_above_their_reserve,
];

/// True when a story or some schedule shows that the rule `name` is broken.
fn is_found(name: &'static str) -> bool {
    is_found_within(BUDGET, name)
}

fn is_found_within(budget: u64, name: &'static str) -> bool {
    // Only this thread has the bug, and it runs one test at a time.
    choose(Some(name));
    let is_broken = |told: &dyn Fn()| catch_unwind(AssertUnwindSafe(told)).is_err();
    let mut seeds = (0..budget).flat_map(|seed| ALL.map(|faults| (seed, faults)));
    let is_found = STORIES.iter().any(|story| is_broken(story))
        || seeds.any(|(seed, faults)| is_broken(&|| schedule(seed, faults)));
    choose(None);
    is_found
}

#[test]
fn where_no_rule_is_broken_nothing_is_found() {
    assert!(!is_found_within(BUDGET / 4, "none of them"));
}

#[test]
fn a_rule_that_is_broken_on_purpose_is_found() {
    assert!(is_found("escrow_equal_lamports_count"));
    assert!(is_found("escrow_created_once"));
    assert!(is_found("escrow_uncovered_does_not_block"));
    assert!(is_found("escrow_uncovered_grant_counts"));
    assert!(is_found("escrow_histories_share_what_is_left"));
    assert!(is_found("escrow_only_the_first_answers"));
}
