//! Sizes: proven ones, said ones, and lies.

use super::desk::{Desk, Sample, group, range};
use crate::blob::exchange::{FetchNumber, Input, Urgency};
use crate::blob::message::Holding;
use crate::blob::{BlobSize, GroupRange};

fn size(bytes: u64) -> BlobSize {
    BlobSize::new(bytes).unwrap()
}

#[test]
fn no_reader_is_told_the_end_before_the_size_is_proven() {
    let sample = Sample::of(1, 5);
    let mut desk = Desk::with_peers([1]);
    // Behind the end, as far as anybody has said.
    desk.fetch(1, sample.id, Urgency::Reading, Some(range(7, 9)));
    desk.whole(1, &sample);
    assert!(!desk.is_fetched(1));
    let (peer, ask) = desk.asks().remove(0);
    assert_eq!(ask.groups, GroupRange::one(sample.size.last_group()));
    desk.bring(peer, &ask, &sample);
    desk.verify();
    assert!(desk.is_fetched(1), "the size is proven: nothing is there");
}

#[test]
fn a_group_in_the_middle_is_given_to_its_reader_while_the_size_is_only_claimed() {
    let sample = Sample::of(2, 5);
    let mut desk = Desk::with_peers([1]);
    desk.fetch(1, sample.id, Urgency::Reading, Some(range(2, 3)));
    desk.says(1, sample.id, Holding::Part { size: sample.size, spans: vec![range(1, 4)] });
    let (peer, ask) = desk.asks().remove(0);
    assert_eq!(ask.groups, range(2, 3));
    desk.bring(peer, &ask, &sample);
    desk.verify();
    assert!(desk.is_fetched(1) && !desk.shelf.held[&sample.id].is_proven);
}

#[test]
fn who_states_another_size_is_asked_for_its_end_and_the_truth_wins() {
    let sample = Sample::of(3, 5);
    let mut desk = Desk::with_peers([1, 2]);
    desk.fetch(1, sample.id, Urgency::Asked, None);
    // The first to speak lies about the size, and brings nothing.
    desk.says(1, sample.id, Holding::Whole { size: size(9 << 16) });
    let (peer, ask) = desk.asks().remove(0);
    assert_eq!((peer, ask.size, ask.groups), (1, size(9 << 16), range(8, 9)));
    desk.whole(2, &sample);
    let (peer, ask) = desk.asks().remove(0);
    assert_eq!((peer, ask.size, ask.groups), (2, sample.size, range(4, 5)));
    desk.bring(2, &ask, &sample);
    assert_eq!(desk.verify(), 1);
    assert_eq!(desk.bring_all(&sample), 4);
    assert!(desk.is_fetched(1));
}

#[test]
fn what_verified_under_a_wrong_size_is_begun_anew_with_the_proven_one() {
    // Same number of groups, so that all but the last verify under both sizes.
    let sample = Sample::of_bytes(4, 4 * 65_536 + 100);
    let mut desk = Desk::with_peers([1, 2]);
    desk.fetch(1, sample.id, Urgency::Reading, Some(range(0, 4)));
    let wrong = size(4 * 65_536 + 99);
    desk.says(1, sample.id, Holding::Part { size: wrong, spans: vec![range(0, 4)] });
    let (_, ask) = desk.asks().remove(0);
    assert_eq!(ask.size, wrong);
    desk.bring(1, &ask, &sample);
    assert_eq!(desk.verify(), 1, "these bytes are right, whatever the size");
    desk.whole(2, &sample);
    let asks = desk.asks();
    let (_, probe) = asks.iter().find(|(peer, _)| *peer == 2).unwrap();
    assert_eq!((probe.size, probe.groups), (sample.size, range(4, 5)));
    desk.bring(2, probe, &sample);
    desk.verify();
    desk.bring_all(&sample);
    let held = &desk.shelf.held[&sample.id];
    assert!(held.is_proven && held.size == sample.size);
    assert!(desk.is_fetched(1) && desk.blamed.is_empty());
}

#[test]
fn a_wrong_size_that_is_asked_for_is_a_lie_that_shows() {
    let sample = Sample::of(5, 4);
    let mut desk = Desk::with_peers([1, 2]);
    desk.fetch(1, sample.id, Urgency::Asked, None);
    let wrong = size((3 << 16) + 5);
    desk.says(1, sample.id, Holding::Whole { size: wrong });
    let (_, ask) = desk.asks().remove(0);
    let last = wrong.last_group();
    let bytes = vec![0; wrong.piece_bytes(last)];
    desk.bring_one(1, ask.transfer, last, bytes.into());
    desk.verify();
    assert!(desk.blamed[0].1.starts_with("Forged"));
    // One with a part of the right size and without its end is believed now.
    desk.says(2, sample.id, Holding::Part { size: sample.size, spans: vec![range(0, 2)] });
    assert_eq!(desk.bring_all(&sample), 2);
    assert!(desk.shelf.held[&sample.id].groups.contains(group(1)));
}

#[test]
fn among_sizes_that_peers_state_that_of_the_reference_is_tried_first() {
    let sample = Sample::of(6, 4);
    let mut desk = Desk::with_peers([1, 2]);
    let fetch = Input::Fetch {
        fetch: FetchNumber::new(1),
        id: sample.id,
        size: Some(sample.size),
        groups: None,
        urgency: Urgency::Asked,
        hints: Vec::new(),
    };
    // Both have spoken before anybody may be asked.
    desk.handle(Input::Copies { id: sample.id, wanted: 1 });
    desk.says(1, sample.id, Holding::Whole { size: size(7) });
    desk.whole(2, &sample);
    desk.said.clear();
    desk.handle(fetch);
    let asks = desk.asks();
    let first = asks.iter().find(|(_, ask)| ask.size == sample.size).unwrap();
    assert_eq!(first.0, 2);
}

#[test]
fn many_who_state_other_sizes_and_bring_nothing_hold_up_the_truth_for_seconds_only() {
    let sample = Sample::of(9, 3);
    let mut desk = Desk::with_peers(1..=9);
    desk.fetch(1, sample.id, Urgency::Asked, None);
    for peer in 1..=8 {
        desk.says(peer, sample.id, Holding::Whole { size: size(900_000 + peer) });
    }
    desk.whole(9, &sample);
    assert!(desk.asks().iter().all(|(peer, _)| *peer != 9));
    desk.pass(std::time::Duration::from_secs(2));
    let asks = desk.asks();
    if asks.iter().all(|(peer, _)| *peer != 9) {
        desk.pass(std::time::Duration::from_secs(2));
    }
    let asks: Vec<_> = asks.into_iter().chain(desk.asks()).collect();
    let (_, ask) = asks.iter().find(|(peer, _)| *peer == 9).expect("it is asked in turn");
    desk.bring(9, ask, &sample);
    desk.verify();
    assert_eq!(desk.bring_all(&sample), 2);
    assert!(desk.is_fetched(1) && desk.blamed.is_empty());
}
