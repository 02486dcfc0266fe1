//! Claims about how much a fold does again, and when it goes back.

use super::convergence::{Pond, RESETS, events_of};
use super::source::{TestLog, stream};
use crate::event::cbor::Value;
use crate::pond::{FoldOptions, Prospect};
use std::time::Duration;

#[test]
fn one_late_event_into_many_folds_only_what_is_after_the_nearest_point_again() {
    let mut log = TestLog::default();
    events_of(&mut log, stream(1), 1, 20_000);
    events_of(&mut log, stream(2), 19_000, 1);
    log.arrive(stream(1), u64::MAX);
    let mut pond = Pond::new(log, FoldOptions::default(), false);
    pond.settle();
    let before = pond.fold.counts();
    assert_eq!((before.applied, before.rewinds, before.emissions), (20_000, 0, 1));
    pond.log.arrive_all();
    pond.settle();
    let after = pond.fold.counts();
    assert_eq!((after.rewinds, after.emissions), (1, 2));
    let again = after.applied - before.applied;
    // This state has 60,000 bytes, so the nearest point is up to 3,750 events and two batches back.
    assert!(again <= 3_750 + 2 * 1_024, "{again} events for one that is 1,001 back");
}

/// Ten devices, each with a tenth of all, come back one piece after the other.
#[test]
fn devices_that_come_back_in_many_pieces_cost_little_more_than_their_events() {
    const DEVICES: u8 = 10;
    const EVENTS: u64 = 5_000;
    let mut log = TestLog::default();
    (1..=DEVICES).for_each(|device| events_of(&mut log, stream(device), 1, EVENTS));
    let mut pond = Pond::new(log, FoldOptions::default(), true);
    pond.settle();
    for _ in 0..10 {
        for device in 1..=DEVICES {
            pond.log.arrive(stream(device), EVENTS / 10);
            let held = pond.log.held.total() as u64;
            let pending = held - pond.reader_total();
            let coming = EVENTS * u64::from(DEVICES) - held;
            pond.prospect = Prospect { coming, pending };
            pond.pass(Duration::from_millis(20));
        }
    }
    pond.prospect = Prospect::default();
    pond.settle();
    let (all, applied) = (EVENTS * u64::from(DEVICES), pond.fold.counts().applied);
    println!("{applied} events folded for {all}, {} ways back", pond.fold.counts().rewinds);
    assert!(applied <= all * 12 / 10, "{applied} events folded for {all}");
}

/// A log whose second stream is held up to the lamport that a snapshot is after.
fn with_late_event() -> TestLog {
    let mut log = TestLog::default();
    events_of(&mut log, stream(1), 1, 30);
    events_of(&mut log, stream(2), 5, 1);
    log
}

fn small() -> FoldOptions {
    FoldOptions { batch_events_max: 10, snapshot_events_min: 10, ..FoldOptions::default() }
}

#[test]
fn a_snapshot_that_was_not_loaded_is_not_taken_for_right_after_something_late_has_passed_it() {
    for drops_behind in [false, true] {
        let mut pond = Pond::new(with_late_event(), small(), true);
        pond.drops_behind = drops_behind;
        for _ in 0..3 {
            pond.log.arrive(stream(1), 10);
            pond.settle();
        }
        // Only the newest is loaded, of three; then something arrives that belongs before all.
        pond.restart(false, 1);
        pond.settle();
        pond.log.arrive_all();
        pond.settle();
        // The next opening has all that the disk still has, and has to go back between them.
        pond.restart(false, 24);
        events_of(&mut pond.log, stream(3), 25, 1);
        pond.settle();
        pond.log.arrive_all();
        pond.settle();
    }
}

#[test]
fn a_snapshot_that_cannot_be_read_costs_time_whatever_reset_is_in_it_and_comes_late_then() {
    let mut log = TestLog::default();
    events_of(&mut log, stream(1), 1, 10);
    log.write(stream(1), 11, true, Value::from(RESETS).encode().unwrap());
    events_of(&mut log, stream(1), 12, 20);
    events_of(&mut log, stream(2), 3, 1);
    let mut pond = Pond::new(log, small(), true);
    pond.log.arrive(stream(1), u64::MAX);
    pond.settle();
    pond.restart(true, 24);
    // As far as the first batch from the beginning.
    while pond.fold.counts().applied == 0 {
        assert!(pond.act());
    }
    pond.log.arrive_all();
    pond.settle();
}

#[test]
fn what_comes_late_before_the_newest_reset_folds_nothing_again() {
    let mut log = TestLog::default();
    events_of(&mut log, stream(1), 1, 50);
    log.write(stream(1), 51, true, Value::from(RESETS).encode().unwrap());
    events_of(&mut log, stream(1), 52, 500);
    events_of(&mut log, stream(2), 3, 20);
    events_of(&mut log, stream(2), 100, 1);
    let mut pond = Pond::new(log, FoldOptions::default(), true);
    pond.log.arrive(stream(1), u64::MAX);
    pond.settle();
    let before = pond.fold.counts();
    for _ in 0..20 {
        pond.log.arrive(stream(2), 1);
        pond.settle();
    }
    assert_eq!(pond.fold.counts(), before);
    // What is behind it leads back, but no further than to the reset.
    pond.log.arrive(stream(2), 1);
    pond.settle();
    let after = pond.fold.counts();
    assert_eq!((after.rewinds, after.applied - before.applied), (1, 502));
}

#[test]
fn however_many_come_late_while_it_goes_forward_it_shows_a_state_now_and_then() {
    const LATE: u64 = 2_000;
    let mut log = TestLog::default();
    events_of(&mut log, stream(1), LATE, 1_000);
    events_of(&mut log, stream(2), 1, LATE);
    let options = FoldOptions { batch_events_max: 10, snapshot_count_max: 0, ..small() };
    let mut pond = Pond::new(log, options, true);
    pond.log.arrive(stream(1), u64::MAX);
    pond.settle();
    // One more with each ten events: each belongs before nearly all.
    pond.trickle = Some(Box::new(|log, _| log.arrive(stream(2), 1)));
    let mut acts = 0;
    pond.fold.wake();
    while pond.fold.counts().emissions < 5 {
        acts += 1;
        assert!(acts < 5_000 && pond.act(), "{:?}", pond.fold.counts());
    }
    let counts = pond.fold.counts();
    assert!(counts.rewinds <= 3 * counts.emissions, "{counts:?}");
    pond.settle();
}
