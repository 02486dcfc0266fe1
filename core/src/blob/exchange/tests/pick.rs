//! Which group of which peer next.

use super::desk::{Desk, Sample, group, range};
use crate::blob::BlobId;
use crate::blob::exchange::Urgency;
use crate::blob::limits::{ASKED_GROUPS_ALL_MAX, ASKED_GROUPS_PER_PEER_MAX, WANTS_ACTIVE_MAX};
use crate::blob::message::Holding;

/// With peers that have brought a blob, and may be asked for as much as anybody.
fn proved(peers: impl IntoIterator<Item = u64> + Clone) -> Desk {
    let mut desk = Desk::with_peers(peers.clone());
    for peer in peers {
        let sample = Sample::of(90 + peer as u8, 8);
        desk.fetch(900 + peer, sample.id, Urgency::Asked, None);
        desk.whole(peer, &sample);
        assert_eq!(desk.bring_all(&sample), 8);
        assert!(desk.is_fetched(900 + peer));
    }
    desk
}

/// Groups that are asked for in these asks.
fn count(asks: &[(u64, crate::blob::message::Ask)]) -> u32 {
    asks.iter().map(|(_, ask)| ask.groups.count()).sum()
}

#[test]
fn a_peer_that_has_proved_nothing_is_asked_for_one_group_and_then_for_more() {
    let sample = Sample::of(1, 80);
    let mut desk = Desk::with_peers([1]);
    desk.fetch(1, sample.id, Urgency::Asked, None);
    desk.whole(1, &sample);
    let mut open = desk.asks();
    let mut windows = vec![count(&open)];
    // One more group verifies each time, so the window grows and is filled again.
    for _ in 0..5 {
        let (peer, ask) = open.remove(0);
        let first = ask.groups.iter().next().unwrap();
        desk.bring_one(peer, ask.transfer, first, sample.piece(first));
        assert_eq!(desk.verify(), 1);
        if ask.groups.count() > 1 {
            let groups = range(first.value() + 1, ask.groups.end());
            open.insert(0, (peer, crate::blob::message::Ask { groups, ..ask }));
        }
        open.extend(desk.asks());
        windows.push(count(&open));
    }
    assert_eq!(windows, [1, 2, 4, 8, 12, 12]);
}

#[test]
fn what_is_asked_of_all_peers_is_bounded() {
    let sample = Sample::of(2, 400);
    let mut desk = Desk::with_peers(1..=30);
    desk.fetch(1, sample.id, Urgency::Asked, None);
    (1..=30).for_each(|peer| desk.whole(peer, &sample));
    let mut asks = desk.asks();
    for _ in 0..4 {
        let before = std::mem::take(&mut asks);
        for (peer, ask) in &before {
            desk.bring(*peer, ask, &sample);
        }
        // Nothing more is asked for while nothing is verified.
        desk.verify();
        asks = desk.asks();
        assert!(count(&asks) <= ASKED_GROUPS_ALL_MAX);
        for peer in 1..=30 {
            let of_it: u32 =
                asks.iter().filter(|(of, _)| *of == peer).map(|(_, ask)| ask.groups.count()).sum();
            assert!(of_it <= ASKED_GROUPS_PER_PEER_MAX);
        }
    }
    assert_eq!(count(&asks), ASKED_GROUPS_ALL_MAX);
}

#[test]
fn pieces_that_wait_to_be_verified_count_as_asked() {
    let sample = Sample::of(3, 40);
    let mut desk = Desk::with_peers([1]);
    desk.fetch(1, sample.id, Urgency::Asked, None);
    desk.whole(1, &sample);
    let (peer, ask) = desk.asks().remove(0);
    desk.bring(peer, &ask, &sample);
    assert_eq!(desk.takes.len(), 1);
    assert!(desk.asks().is_empty(), "one group is still with us");
    desk.verify();
    assert!(!desk.asks().is_empty());
}

#[test]
fn the_whole_blob_comes_and_no_group_twice() {
    let sample = Sample::of_bytes(4, 20 * 65_536 + 7);
    let mut desk = Desk::with_peers([1, 2, 3]);
    desk.fetch(1, sample.id, Urgency::Asked, None);
    (1..=3).for_each(|peer| desk.whole(peer, &sample));
    assert_eq!(desk.bring_all(&sample), 21);
    assert!(desk.is_fetched(1) && desk.blamed.is_empty());
}

#[test]
fn a_reader_goes_first_and_the_end_comes_next_since_it_proves_the_size() {
    let sample = Sample::of(5, 60);
    let other = Sample::of(6, 60);
    let mut desk = Desk::with_peers([1]);
    desk.fetch(1, other.id, Urgency::Rule, None);
    desk.whole(1, &other);
    let (peer, ask) = desk.asks().remove(0);
    desk.fetch(2, sample.id, Urgency::Reading, Some(range(30, 31)));
    desk.whole(1, &sample);
    desk.bring(peer, &ask, &other);
    desk.verify();
    let mut asks: Vec<_> = desk.asks().into_iter().map(|(_, ask)| (ask.id, ask.groups)).collect();
    assert_eq!(asks.remove(0), (sample.id, range(30, 31)));
    assert_eq!(asks.remove(0), (sample.id, range(59, 60)));
    assert!(asks.is_empty());
}

#[test]
fn behind_a_reader_its_next_groups_are_asked_for() {
    let sample = Sample::of(7, 60);
    let mut desk = proved([1]);
    desk.fetch(1, sample.id, Urgency::Reading, Some(range(10, 12)));
    desk.whole(1, &sample);
    let asks = desk.asks();
    let order: Vec<u32> =
        asks.iter().flat_map(|(_, ask)| ask.groups.iter()).map(|group| group.value()).collect();
    assert_eq!(order, [10, 59, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20]);
}

#[test]
fn blobs_of_one_urgency_take_turns() {
    let samples = [Sample::of(8, 30), Sample::of(9, 30)];
    let mut desk = Desk::with_peers([1]);
    for (number, sample) in samples.iter().enumerate() {
        desk.fetch(number as u64, sample.id, Urgency::Asked, None);
        desk.whole(1, sample);
    }
    let mut came = [0, 0];
    for _ in 0..8 {
        for (peer, ask) in desk.asks() {
            let at = usize::from(ask.id == samples[1].id);
            came[at] += ask.groups.count();
            desk.bring(peer, &ask, &samples[at]);
        }
        desk.verify();
    }
    assert!(came[0] > 5 && came[0].abs_diff(came[1]) <= 12, "{came:?}");
}

#[test]
fn neighbours_are_asked_of_one_peer_and_others_of_the_next() {
    let sample = Sample::of(10, 64);
    let mut desk = proved([1, 2]);
    // Known to both before it is wanted whole.
    desk.handle(crate::blob::exchange::Input::Copies { id: sample.id, wanted: 1 });
    (1..=2).for_each(|peer| desk.whole(peer, &sample));
    desk.fetch(1, sample.id, Urgency::Asked, None);
    let asks: Vec<_> = desk.asks().into_iter().map(|(peer, ask)| (peer, ask.groups)).collect();
    // The end first, since it proves the size.
    assert_eq!(asks[..3], [(1, range(63, 64)), (2, range(0, 4)), (1, range(4, 8))], "{asks:?}");
    assert!(asks[1..5].iter().all(|(_, groups)| groups.count() == 4), "{asks:?}");
}

#[test]
fn a_part_is_asked_only_for_what_it_has() {
    let sample = Sample::of(11, 40);
    let mut desk = Desk::with_peers([1]);
    desk.fetch(1, sample.id, Urgency::Asked, None);
    let spans = vec![range(3, 5), range(20, 21)];
    desk.says(1, sample.id, Holding::Part { size: sample.size, spans });
    assert_eq!(desk.bring_all(&sample), 3);
    let held = &desk.shelf.held[&sample.id];
    assert!([3, 4, 20].iter().all(|at| held.groups.contains(group(*at))) && !held.is_proven);
    assert!(!desk.is_fetched(1));
}

#[test]
fn a_fetch_that_is_called_off_asks_for_nothing_more() {
    let sample = Sample::of(12, 40);
    let mut desk = Desk::with_peers([1]);
    desk.fetch(1, sample.id, Urgency::Asked, None);
    desk.whole(1, &sample);
    let (peer, ask) = desk.asks().remove(0);
    let fetch = crate::blob::exchange::FetchNumber::new(1);
    desk.handle(crate::blob::exchange::Input::Release { fetch });
    use crate::blob::message::BlobMessage;
    assert!(desk.said.contains(&(1, BlobMessage::Stop { transfer: ask.transfer })));
    // What was under way is dropped unopened.
    desk.bring(peer, &ask, &sample);
    assert!(desk.takes.is_empty() && desk.asks().is_empty() && desk.blamed.is_empty());
    assert!(desk.exchange.status().fetching.is_empty());
}

#[test]
fn what_is_held_already_is_told_also_when_it_would_have_to_wait_for_its_turn() {
    let mut desk = Desk::with_peers([1]);
    for number in 0..WANTS_ACTIVE_MAX as u64 {
        desk.fetch(number, BlobId::of(&number.to_le_bytes()), Urgency::Reading, None);
    }
    let sample = Sample::of(13, 1);
    desk.shelf.held.insert(sample.id, sample.held());
    desk.fetch(99, sample.id, Urgency::Rule, None);
    assert!(desk.is_fetched(99));
}
