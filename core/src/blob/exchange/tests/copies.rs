//! Copies: what others hold for us, and we for them.

use super::desk::{Desk, Sample, node};
use crate::blob::BlobSize;
use crate::blob::exchange::{BlobNews, Held, Input, MayKeep, Urgency};
use crate::blob::limits::KEPT_PER_PEER_MAX;
use crate::blob::message::{BlobMessage, Holding, KeepWord, StopReason};
use std::time::Duration;

/// What it said about holding, and to whom.
fn words(desk: &mut Desk) -> Vec<(u64, KeepWord)> {
    let said = std::mem::take(&mut desk.said).into_iter();
    let words = said.filter_map(|(peer, message)| match message {
        BlobMessage::Keep(all) => Some(all.into_iter().map(move |(_, word)| (peer, word))),
        _ => None,
    });
    words.flatten().collect()
}

/// Confirmed copies, connected ones, nodes that fetch, nodes that will not.
fn last(desk: &Desk) -> (u32, u32, usize, usize) {
    let news = desk.news.iter().rev().find_map(|news| match news {
        BlobNews::CopiesNow { confirmed, connected, fetching, refused, .. } => {
            Some((*confirmed, *connected, fetching.len(), refused.len()))
        }
        _ => None,
    });
    news.expect("it was told")
}

fn answer(desk: &mut Desk, peer: u64, sample: &Sample, word: KeepWord) {
    desk.hear(peer, &BlobMessage::Keep(vec![(sample.id, word)]));
}

#[test]
fn as_many_peers_are_asked_as_copies_are_missing_and_another_one_when_one_refuses() {
    let sample = Sample::of(1, 2);
    let mut desk = Desk::with_peers([1, 2, 3, 4]);
    desk.shelf.held.insert(sample.id, sample.held());
    desk.handle(Input::Copies { id: sample.id, wanted: 3 });
    assert_eq!(words(&mut desk), [(1, KeepWord::Please), (2, KeepWord::Please)]);
    assert_eq!(last(&desk), (1, 1, 0, 0));
    answer(&mut desk, 1, &sample, KeepWord::Fetching);
    assert_eq!(last(&desk), (1, 1, 1, 0));
    answer(&mut desk, 2, &sample, KeepWord::NoRoom);
    assert_eq!(words(&mut desk), [(3, KeepWord::Please)]);
    answer(&mut desk, 1, &sample, KeepWord::Held);
    answer(&mut desk, 3, &sample, KeepWord::Held);
    assert_eq!(last(&desk), (3, 3, 0, 1));
    assert!(words(&mut desk).is_empty());
    // One that has left still holds it, and is not connected.
    desk.end(3);
    assert_eq!(last(&desk), (3, 2, 0, 1));
    assert!(words(&mut desk).is_empty());
}

#[test]
fn copies_are_those_that_said_so_themselves() {
    let sample = Sample::of(2, 2);
    let mut desk = Desk::with_peers([1]);
    desk.shelf.held.insert(sample.id, sample.held());
    desk.handle(Input::Copies { id: sample.id, wanted: 1 });
    let others = vec![node(8), node(9)];
    let have = crate::blob::message::Have { id: sample.id, holding: Holding::Nothing, others };
    desk.hear(1, &BlobMessage::Have(vec![have]));
    assert_eq!(last(&desk), (1, 1, 0, 0));
    // Nor is a word that answers nothing.
    answer(&mut desk, 1, &sample, KeepWord::Held);
    assert_eq!(last(&desk), (1, 1, 0, 0));
}

#[test]
fn a_copy_that_is_gone_is_not_counted_when_its_holder_says_so() {
    let sample = Sample::of(3, 2);
    let mut desk = Desk::with_peers([1]);
    desk.shelf.held.insert(sample.id, sample.held());
    desk.handle(Input::Copies { id: sample.id, wanted: 2 });
    desk.whole(1, &sample);
    assert_eq!(last(&desk), (2, 2, 0, 0));
    desk.says(1, sample.id, Holding::Nothing);
    assert_eq!(last(&desk), (1, 1, 0, 0));
    assert!(words(&mut desk).contains(&(1, KeepWord::Please)), "it is asked again");
}

#[test]
fn a_blob_is_held_for_peers_only_when_something_here_refers_to_it_and_there_is_room() {
    let sample = Sample::of(4, 2);
    for (may, word) in [
        (MayKeep::NotKnown, KeepWord::NotKnown),
        (MayKeep::NoRoom, KeepWord::NoRoom),
        (MayKeep::Yes, KeepWord::Fetching),
    ] {
        let mut desk = Desk::with_peers([1]);
        desk.shelf.may_keep = Some(may);
        answer(&mut desk, 1, &sample, KeepWord::Please);
        assert_eq!(words(&mut desk), [(1, word)]);
        assert_eq!(desk.exchange.status().fetching.len(), usize::from(may == MayKeep::Yes));
    }
}

#[test]
fn who_asked_is_told_when_it_is_held_and_would_survive_a_power_cut() {
    let sample = Sample::of(5, 2);
    let mut desk = Desk::with_peers([1]);
    desk.shelf.may_keep = Some(MayKeep::Yes);
    answer(&mut desk, 1, &sample, KeepWord::Please);
    desk.whole(1, &sample);
    assert_eq!(desk.bring_all(&sample), 2);
    assert!(words(&mut desk).is_empty());
    desk.handle(Input::Changed { id: sample.id });
    assert!(words(&mut desk).is_empty(), "it is not durable yet");
    let held: &mut Held = desk.shelf.held.get_mut(&sample.id).unwrap();
    held.is_durable = true;
    desk.handle(Input::Changed { id: sample.id });
    assert_eq!(words(&mut desk), [(1, KeepWord::Held)]);
}

#[test]
fn who_takes_the_request_back_or_leaves_ends_the_fetch() {
    let sample = Sample::of(6, 2);
    for leaves in [false, true] {
        let mut desk = Desk::with_peers([1, 2]);
        desk.shelf.may_keep = Some(MayKeep::Yes);
        answer(&mut desk, 1, &sample, KeepWord::Please);
        answer(&mut desk, 2, &sample, KeepWord::Please);
        answer(&mut desk, 1, &sample, KeepWord::NoMore);
        assert_eq!(desk.exchange.status().fetching.len(), 1);
        if leaves {
            desk.end(2);
        } else {
            answer(&mut desk, 2, &sample, KeepWord::NoMore);
        }
        assert!(desk.exchange.status().fetching.is_empty());
    }
}

#[test]
fn one_who_said_that_it_holds_a_blob_and_serves_something_else_counts_no_more() {
    let sample = Sample::of(7, 2);
    for reason in [None, Some(StopReason::NotHeld), Some(StopReason::Damaged)] {
        let mut desk = Desk::with_peers([1, 2]);
        desk.handle(Input::Copies { id: sample.id, wanted: 1 });
        desk.whole(1, &sample);
        assert_eq!(last(&desk), (1, 1, 0, 0));
        desk.fetch(1, sample.id, Urgency::Asked, None);
        let (peer, ask) = desk.asks().remove(0);
        if let Some(reason) = reason {
            desk.hear(peer, &BlobMessage::Stopped { transfer: ask.transfer, reason });
        } else {
            let group = ask.groups.iter().next().unwrap();
            let mut piece = sample.piece(group).to_vec();
            piece[0] ^= 1;
            desk.bring_one(peer, ask.transfer, group, piece.into());
            desk.verify();
        }
        assert_eq!(last(&desk).0, 0, "{reason:?}");
        let asked = words(&mut desk);
        assert!(asked.iter().any(|(_, word)| *word == KeepWord::Please), "{reason:?}");
        // Nor does a liar count when it comes back and says so again.
        if reason.is_none() {
            assert_eq!(asked, [(2, KeepWord::Please)]);
            desk.end(1);
            desk.open(1);
            desk.whole(1, &sample);
            assert_eq!(last(&desk).0, 0);
            desk.pass(Duration::from_secs(601));
            assert_eq!(last(&desk).0, 1);
        }
    }
}

#[test]
fn one_who_holds_another_size_than_the_proven_one_holds_another_blob() {
    let sample = Sample::of(8, 2);
    let mut desk = Desk::with_peers([1, 2]);
    desk.shelf.held.insert(sample.id, sample.held());
    desk.handle(Input::Copies { id: sample.id, wanted: 2 });
    let size = BlobSize::new(7).unwrap();
    desk.says(2, sample.id, Holding::Whole { size });
    assert_eq!(last(&desk), (1, 1, 0, 0));
    desk.whole(2, &sample);
    assert_eq!(last(&desk), (2, 2, 0, 0));
}

#[test]
fn one_that_does_not_answer_holds_up_nobody() {
    let sample = Sample::of(9, 2);
    let mut desk = Desk::with_peers([1, 2, 3]);
    desk.shelf.held.insert(sample.id, sample.held());
    desk.handle(Input::Copies { id: sample.id, wanted: 2 });
    assert_eq!(words(&mut desk), [(1, KeepWord::Please)]);
    desk.pass(Duration::from_secs(9));
    assert!(words(&mut desk).is_empty());
    desk.pass(Duration::from_secs(1));
    assert_eq!(words(&mut desk), [(2, KeepWord::Please)]);
    // A late answer counts nevertheless.
    answer(&mut desk, 1, &sample, KeepWord::Held);
    assert_eq!(last(&desk), (2, 2, 0, 0));
}

#[test]
fn one_that_fetches_without_end_holds_up_nobody() {
    let sample = Sample::of(10, 9);
    let mut desk = Desk::with_peers([1, 2]);
    desk.shelf.held.insert(sample.id, sample.held());
    desk.handle(Input::Copies { id: sample.id, wanted: 2 });
    answer(&mut desk, 1, &sample, KeepWord::Fetching);
    words(&mut desk);
    let has = |desk: &mut Desk, groups| {
        let spans = vec![super::desk::range(0, groups)];
        desk.says(1, sample.id, Holding::Part { size: sample.size, spans });
    };
    for groups in 1..4 {
        desk.pass(Duration::from_secs(59));
        has(&mut desk, groups);
        assert!(words(&mut desk).is_empty());
    }
    // Saying the same again is no progress.
    for _ in 0..2 {
        desk.pass(Duration::from_secs(30));
        has(&mut desk, 3);
        answer(&mut desk, 1, &sample, KeepWord::Fetching);
    }
    assert_eq!(words(&mut desk), [(2, KeepWord::Please)]);
    assert_eq!(last(&desk), (1, 1, 1, 0), "it is still said to fetch");
}

#[test]
fn one_peer_does_not_take_all_places_and_is_told_so() {
    let mut desk = Desk::with_peers([1, 2]);
    desk.shelf.may_keep = Some(MayKeep::Yes);
    let id = |number: u64| crate::blob::BlobId::of(&number.to_le_bytes());
    let please = |desk: &mut Desk, peer, number| {
        desk.hear(peer, &BlobMessage::Keep(vec![(id(number), KeepWord::Please)]));
    };
    let places = KEPT_PER_PEER_MAX as u64;
    (0..places + 10).for_each(|number| please(&mut desk, 1, number));
    let said = words(&mut desk);
    let of = |word| said.iter().filter(|(_, of)| *of == word).count();
    assert_eq!((of(KeepWord::Fetching), of(KeepWord::NoRoom)), (KEPT_PER_PEER_MAX, 10));
    please(&mut desk, 2, places + 20);
    assert_eq!(words(&mut desk), [(2, KeepWord::Fetching)]);
    // Nor does taking back and asking again go on for ever.
    let mut begun = 0;
    for _ in 0..2000 {
        desk.hear(1, &BlobMessage::Keep(vec![(id(0), KeepWord::NoMore)]));
        please(&mut desk, 1, 0);
        begun += words(&mut desk).iter().filter(|(_, word)| *word == KeepWord::Fetching).count();
    }
    assert!(begun < 1024, "{begun}");
    desk.pass(Duration::from_secs(61));
    please(&mut desk, 1, 0);
    assert_eq!(words(&mut desk), [(1, KeepWord::Fetching)]);
}

#[test]
fn a_word_of_a_later_version_means_nothing() {
    let sample = Sample::of(11, 2);
    let mut desk = Desk::with_peers([1]);
    desk.handle(Input::Copies { id: sample.id, wanted: 1 });
    answer(&mut desk, 1, &sample, KeepWord::Other(200));
    assert_eq!(last(&desk), (0, 0, 0, 0));
    assert!(desk.blamed.is_empty());
}
