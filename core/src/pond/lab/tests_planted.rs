//! Faults of a lab itself, on purpose: its own tests find each of them.

use super::{tests, tests_befall};
use crate::planted::choose;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Tests that see all there is to see.
const CLAIMS: [fn(); 5] = [
    tests::a_power_cut_takes_only_the_last_of_what_was_not_durable,
    tests_befall::a_power_cut_takes_some_of_the_latest_snapshots_and_a_crash_none,
    tests::a_codec_that_loses_something_is_found_with_every_seed,
    tests::what_is_a_fold_of_its_events_is_right_with_every_seed,
    tests_befall::nothing_befalls_where_all_of_it_is_left_out,
];

/// True when a test of the lab fails with the fault `name`.
fn is_found(name: &'static str) -> bool {
    // Only this thread has the fault, and it runs one test at a time.
    choose(Some(name));
    let fails = |claim: &fn()| catch_unwind(AssertUnwindSafe(claim)).is_err();
    let is_found = CLAIMS.iter().any(fails);
    choose(None);
    is_found
}

#[test]
fn a_lab_without_a_fault_passes_its_tests() {
    assert!(!is_found("none of them"));
}

#[test]
fn a_lab_with_a_fault_fails_its_own_tests() {
    assert!(is_found("lab_power_cut_loses_no_event"));
    assert!(is_found("lab_power_cut_loses_no_snapshot"));
    assert!(is_found("lab_judge_is_not_heard"));
    assert!(is_found("lab_reader_has_no_way_back"));
    assert!(is_found("lab_leaves_nothing_out"));
}
