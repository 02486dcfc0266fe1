//! Claims about how much a fold does again, and when it goes back.

use super::convergence::{Pond, events_of};
use super::source::{TestLog, stream};
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
