//! Claims about how long a fold waits before it goes back.

use crate::pond::Patience;
use std::time::{Duration, Instant};

/// When the tests begin; nothing here reads a clock again.
#[allow(clippy::disallowed_methods, reason = "some instant to begin with")]
fn start() -> Instant {
    Instant::now()
}

#[test]
fn what_nothing_is_known_to_follow_is_gone_back_for_at_once() {
    let mut patience = Patience::default();
    assert_eq!(patience.wait(start(), 0, 1, 1_000_000), None);
    assert_eq!(patience.wait(start(), 0, 1_000_000, 1), None);
}

#[test]
fn each_wait_of_a_catch_up_is_twice_as_long_up_to_eight_seconds() {
    let (mut patience, mut now) = (Patience::default(), start());
    let mut waits = Vec::new();
    for _ in 0..8 {
        let until = patience.wait(now, 100_000, 1_000, 10).expect("more is to come");
        let before = until - Duration::from_millis(1);
        assert_eq!(patience.wait(before, 90_000, 1_100, 10), Some(until));
        waits.push((until - now).as_millis());
        now = until;
        assert_eq!(patience.wait(now, 80_000, 1_200, 10), None);
    }
    assert_eq!(waits, [250, 500, 1_000, 2_000, 4_000, 8_000, 8_000, 8_000]);
    patience.settle();
    assert_eq!(patience.wait(now, 1_000, 1_000, 1), Some(now + Duration::from_millis(250)));
}

#[test]
fn a_dear_way_back_waits_as_long_as_it_may_and_longer_if_it_takes_long() {
    let (mut patience, now) = (Patience::default(), start());
    let until = patience.wait(now, 100_000, 100, 100_000).unwrap();
    assert_eq!(until, now + Duration::from_secs(8));
    assert_eq!(patience.wait(until, 100_000, 100, 100_000), None);
    patience.caught_up(until + Duration::from_secs(5));
    let now = until + Duration::from_secs(6);
    let until = patience.wait(now, 100_000, 100, 100_000).unwrap();
    assert_eq!(until, now + Duration::from_secs(20));
    let soon = now + Duration::from_secs(1);
    assert_eq!(patience.wait(soon, 0, 100, 100_000), None, "it is all here");
}

#[test]
fn few_that_are_on_their_way_are_not_waited_for_as_many_are() {
    let now = start();
    for (coming, millis) in [(9_000, 8_000), (1_000, 1_250), (7, 257)] {
        let mut patience = Patience::default();
        let until = patience.wait(now, coming, 0, 1_000_000).unwrap();
        assert_eq!(until, now + Duration::from_millis(millis));
        assert_eq!(patience.wait(now, 1, 0, 1_000_000), Some(until), "the last of many");
    }
}

#[test]
fn what_arrives_after_a_while_waits_no_longer_than_the_first() {
    let (mut patience, mut now) = (Patience::default(), start());
    for _ in 0..5 {
        let until = patience.wait(now, 1_000, 1, 1).unwrap();
        assert_eq!(until, now + Duration::from_millis(250));
        assert_eq!(patience.wait(until, 1_000, 1, 1), None);
        now = until + Duration::from_secs(31);
    }
}
