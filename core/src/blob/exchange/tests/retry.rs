//! What happens when nothing comes.

use super::desk::{Desk, Sample, group, range};
use crate::blob::exchange::{BlobNews, Input, PieceFault, Stall, Urgency};
use crate::blob::message::{Ask, BlobMessage, StopReason};
use std::time::Duration;

fn wanted(sample: &Sample, peers: u64) -> Desk {
    let mut desk = Desk::with_peers(1..=peers);
    desk.fetch(1, sample.id, Urgency::Asked, None);
    (1..=peers).for_each(|peer| desk.whole(peer, sample));
    desk
}

fn stops(desk: &Desk) -> Vec<(u64, u64)> {
    let stop = |(peer, message): &(u64, BlobMessage)| match message {
        BlobMessage::Stop { transfer } => Some((*peer, *transfer)),
        _ => None,
    };
    desk.said.iter().filter_map(stop).collect()
}

#[test]
fn after_two_quiet_seconds_another_peer_is_asked_as_well_and_the_first_to_come_counts() {
    let sample = Sample::of(1, 1);
    let mut desk = wanted(&sample, 2);
    let (first, ask) = desk.asks().remove(0);
    desk.pass(Duration::from_millis(1900));
    assert!(desk.asks().is_empty());
    desk.pass(Duration::from_millis(200));
    let (second, again) = desk.asks().remove(0);
    assert!(first != second && again.groups == ask.groups);
    desk.bring(second, &again, &sample);
    assert_eq!(stops(&desk), [(first, ask.transfer)]);
    assert_eq!(desk.verify(), 1);
    assert!(desk.is_fetched(1));
    desk.bring(first, &ask, &sample);
    assert!(desk.takes.is_empty() && desk.blamed.is_empty());
}

/// Another thread's step to the disk tells of a change while the last groups are not durable yet.
#[test]
fn who_wants_all_of_a_blob_is_told_once_all_of_it_is_durable() {
    let sample = Sample::of(7, 4);
    let mut desk = wanted(&sample, 1);
    desk.fetch(2, sample.id, Urgency::Reading, Some(range(0, 4)));
    let mut held = sample.held();
    held.is_durable = false;
    desk.shelf.held.insert(sample.id, held);
    desk.handle(Input::Changed { id: sample.id });
    assert!(desk.is_fetched(2), "what is written can be read");
    assert!(!desk.is_fetched(1), "a power cut would take it");
    desk.shelf.held.insert(sample.id, sample.held());
    desk.handle(Input::Changed { id: sample.id });
    assert!(desk.is_fetched(1));
}

#[test]
fn after_ten_quiet_seconds_an_ask_is_taken_back_and_the_peer_left_alone_for_longer_each_time() {
    let sample = Sample::of(2, 4);
    let mut desk = wanted(&sample, 1);
    let mut pauses = Vec::new();
    for _ in 0..4 {
        let (peer, ask) = desk.asks().remove(0);
        desk.pass(Duration::from_secs(10));
        assert_eq!(stops(&desk), [(peer, ask.transfer)]);
        let reason = StopReason::AsYouSaid;
        desk.hear(peer, &BlobMessage::Stopped { transfer: ask.transfer, reason });
        let from = desk.now;
        while desk.said.iter().all(|(_, message)| !matches!(message, BlobMessage::Ask(_))) {
            desk.pass(Duration::from_secs(1));
        }
        pauses.push((desk.now - from).as_secs());
        desk.said.retain(|(_, message)| matches!(message, BlobMessage::Ask(_)));
    }
    assert_eq!(pauses, [10, 20, 40, 60]);
    assert!(desk.blamed.is_empty());
}

#[test]
fn an_ask_that_was_taken_back_counts_until_it_is_answered() {
    let sample = Sample::of(3, 4);
    let mut desk = wanted(&sample, 1);
    let (peer, ask) = desk.asks().remove(0);
    desk.pass(Duration::from_secs(10));
    desk.pass(Duration::from_secs(30));
    assert!(desk.asks().is_empty(), "its window is full until it answers");
    let reason = StopReason::AsYouSaid;
    desk.hear(peer, &BlobMessage::Stopped { transfer: ask.transfer, reason });
    assert_eq!(desk.asks().len(), 1);
}

#[test]
fn peers_that_never_answer_a_stop_hold_up_nobody_else() {
    let sample = Sample::of(4, 200);
    let mut desk = wanted(&sample, 8);
    for _ in 0..4 {
        for (peer, ask) in desk.asks() {
            desk.bring(peer, &ask, &sample);
        }
        desk.verify();
    }
    desk.pass(Duration::from_secs(11));
    desk.said.clear();
    desk.open(9);
    desk.whole(9, &sample);
    assert!(desk.asks().iter().any(|(peer, _)| *peer == 9));
}

#[test]
fn groups_of_a_session_that_ended_are_asked_of_others_at_once() {
    let sample = Sample::of(5, 1);
    let mut desk = wanted(&sample, 2);
    let (first, ask) = desk.asks().remove(0);
    desk.end(first);
    let (second, again) = desk.asks().remove(0);
    assert!(second != first && again.groups == ask.groups);
    assert_eq!(desk.bring_all(&sample), 0);
    desk.bring(second, &again, &sample);
    desk.verify();
    assert!(desk.is_fetched(1));
}

#[test]
fn a_peer_that_says_no_is_asked_later_and_another_one_at_once() {
    let later = StopReason::Other(77);
    for reason in StopReason::ALL.iter().copied().chain([later]) {
        if reason == StopReason::AsYouSaid {
            continue;
        }
        let sample = Sample::of(6, 1);
        let mut desk = wanted(&sample, 2);
        let (first, ask) = desk.asks().remove(0);
        desk.hear(first, &BlobMessage::Stopped { transfer: ask.transfer, reason });
        let (second, _) = desk.asks().remove(0);
        assert!(second != first && desk.blamed.is_empty(), "{reason:?}");
    }
}

#[test]
fn a_full_disk_stops_all_asking_for_longer_each_time_and_is_told() {
    let sample = Sample::of(7, 9);
    let mut desk = wanted(&sample, 1);
    let mut pauses = Vec::new();
    for _ in 0..7 {
        let (peer, ask): (u64, Ask) = desk.asks().remove(0);
        desk.bring(peer, &ask, &sample);
        let job = desk.takes.remove(0).job;
        desk.handle(Input::Verified { job, result: Err(PieceFault::Full) });
        let from = desk.now;
        while desk.said.is_empty() {
            desk.pass(Duration::from_millis(500));
        }
        pauses.push((desk.now - from).as_secs());
    }
    assert_eq!(pauses, [1, 2, 4, 8, 16, 30, 30]);
    let why = Some(Stall::StorageFull);
    assert!(desk.news.contains(&BlobNews::Stalled { id: sample.id, why }));
    assert_eq!(desk.bring_all(&sample), 9);
    assert!(desk.is_fetched(1) && desk.blamed.is_empty());
    assert!(desk.news.contains(&BlobNews::Stalled { id: sample.id, why: None }));
}

#[test]
fn a_damaged_group_is_asked_for_anew() {
    let sample = Sample::of(8, 3);
    let mut desk = Desk::with_peers([1]);
    let mut held = sample.held();
    desk.shelf.held.insert(sample.id, held.clone());
    desk.fetch(1, sample.id, Urgency::Asked, None);
    assert!(desk.is_fetched(1));
    held.groups.remove(group(1));
    desk.shelf.held.insert(sample.id, held);
    desk.handle(Input::Changed { id: sample.id });
    desk.fetch(2, sample.id, Urgency::Asked, None);
    desk.whole(1, &sample);
    let asks = desk.asks();
    assert_eq!(asks.len(), 1);
    assert_eq!(asks[0].1.groups.first(), 1);
}
