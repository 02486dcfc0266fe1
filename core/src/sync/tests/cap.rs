//! The account of a cap by itself; sessions under one are in `flow`.

use crate::sync::Lane;
use crate::sync::cap::Cap;
use std::time::{Duration, Instant};

const BURST: Duration = Duration::from_millis(250);

#[allow(clippy::disallowed_methods)] // Any start will do; all else is relative to it.
fn start() -> Instant {
    Instant::now()
}

#[test]
fn what_is_sent_stays_below_the_cap_on_average_and_live_frames_go_first() {
    let begun = start();
    let mut cap = Cap::new(Some(10_000), begun);
    let (mut now, mut sent, mut live) = (begun, 0, 0);
    for step in 0..1000 {
        now = begun + Duration::from_millis(step * 10);
        if step % 10 == 0 && cap.free_at(Lane::Live) <= now {
            cap.spend(Lane::Live, 100, now);
            live += 100;
        }
        if cap.free_at(Lane::Backlog) <= now {
            cap.spend(Lane::Backlog, 3000, now);
            sent += 3000;
        }
    }
    let most = (now - begun + BURST).as_millis() as usize * 10 + 3000;
    assert_eq!(live, 10_000, "nothing live was held");
    assert!(sent + live <= most && sent + live > most - 6000, "{sent} of {most}");
}

#[test]
fn bulk_is_paid_by_bulk_and_pays_for_all() {
    let begun = start();
    let mut cap = Cap::new(Some(1000), begun);
    cap.spend(Lane::Bulk, 5000, begun);
    assert!(cap.free_at(Lane::Live) <= begun && cap.free_at(Lane::Backlog) <= begun);
    let owed = cap.free_at(Lane::Bulk);
    assert_eq!(owed, begun + Duration::from_secs(5));
    cap.spend(Lane::Live, 1000, begun);
    cap.spend(Lane::Backlog, 1000, begun);
    let [live, backlog, bulk] = Lane::ALL.map(|lane| cap.free_at(lane));
    assert!(live < backlog && backlog < bulk && bulk == owed + Duration::from_secs(2));
}

#[test]
fn without_a_cap_nothing_is_held_and_one_of_nothing_is_survived() {
    let begun = start();
    let mut cap = Cap::new(None, begun);
    cap.spend(Lane::Backlog, usize::MAX, begun);
    assert!(cap.free_at(Lane::Backlog) <= begun && !cap.is_set());
    let mut cap = Cap::new(Some(0), begun);
    cap.spend(Lane::Live, 2 << 20, begun);
    assert!(cap.free_at(Lane::Live) > begun);
}
