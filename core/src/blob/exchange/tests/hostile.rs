//! Bytes that nobody thought of, and floods: nothing panics, and nothing grows.

use super::desk::{Desk, Sample, range};
use crate::blob::exchange::{Input, MayKeep, Urgency};
use crate::blob::limits::{ANSWERS_PER_PEER_MAX, LIVE_UNSENT_BYTES_MAX};
use crate::blob::message::{BlobMessage, Find, Have, Holding, KeepWord};
use crate::blob::{BlobId, BlobSize};
use crate::event::NodeId;
use proptest::prelude::*;
use std::time::Duration;

fn id(number: u64) -> BlobId {
    BlobId::of(&number.to_le_bytes())
}

#[test]
fn a_flood_of_questions_from_one_who_does_not_read_is_bounded() {
    let mut desk = Desk::with_peers([1]);
    desk.leaves = false;
    desk.shelf.may_keep = Some(MayKeep::NotKnown);
    for round in 0..400 {
        let ids = || (0..64).map(|at| id(round * 64 + at));
        desk.hear(1, &BlobMessage::Find(ids().map(|id| Find { id, watch: true }).collect()));
        desk.hear(1, &BlobMessage::Keep(ids().map(|id| (id, KeepWord::Please)).collect()));
        desk.pass(Duration::from_millis(60));
    }
    let bytes: usize = desk.said.iter().map(|(_, message)| message.encode().len()).sum();
    assert!(bytes <= LIVE_UNSENT_BYTES_MAX, "{bytes}");
    let peer = desk.exchange.peers.values().next().unwrap();
    assert!(peer.short.len() <= 128 + 64 && peer.to_tell.len() <= ANSWERS_PER_PEER_MAX);
    assert!(peer.watches.len() <= crate::blob::limits::WATCHES_PER_PEER_MAX);
    assert!(desk.exchange.keep_asked.is_empty() && desk.exchange.kept.is_empty());
}

#[test]
fn a_flood_of_answers_leaves_no_more_than_was_asked_about() {
    let sample = Sample::of(1, 3);
    let mut desk = Desk::with_peers([1]);
    desk.fetch(1, sample.id, Urgency::Asked, None);
    for round in 0..200u64 {
        let others = |at: u64| {
            let mut all: Vec<NodeId> =
                (0..8).map(|node| NodeId::from_bytes(*id(at * 8 + node).as_bytes())).collect();
            all.sort_unstable();
            all
        };
        let holding = Holding::Whole { size: BlobSize::new(round).unwrap() };
        let of = |at| if at == 0 { sample.id } else { id(at) };
        let haves = (0..64).map(|at| Have {
            id: of(at),
            holding: holding.clone(),
            others: others(round * 64 + at),
        });
        desk.hear(1, &BlobMessage::Have(haves.collect()));
    }
    let peer = desk.exchange.peers.values().next().unwrap();
    assert!(peer.claims.len() == 1 && desk.exchange.said.len() == 1);
    assert!(desk.exchange.said[&sample.id].len() <= crate::blob::limits::SAID_NODES_MAX);
    assert!(peer.asks.len() <= 1, "it has proved nothing");
}

#[test]
fn jobs_and_connections_that_nobody_knows_mean_nothing() {
    use crate::blob::exchange::{ConnectionNumber, FetchNumber, JobNumber, PieceFault, ServeFault};
    let mut desk = Desk::with_peers([1]);
    let (connection, job) = (ConnectionNumber::new(99), JobNumber::new(99));
    desk.handle(Input::Ended { connection });
    desk.handle(Input::Shipped { connection, bulk: true, bytes: usize::MAX });
    desk.handle(Input::Frame { connection, bulk: false, bytes: vec![0x92].into() });
    desk.handle(Input::Verified { job, result: Err(PieceFault::Forged) });
    desk.handle(Input::Encoded { job, result: Err(ServeFault::Gone) });
    desk.handle(Input::Release { fetch: FetchNumber::new(3) });
    desk.handle(Input::CopiesEnd { id: id(1) });
    assert!(desk.blamed.is_empty() && desk.said.is_empty());
}

#[test]
fn a_frame_that_is_too_long_ends_the_session() {
    let mut desk = Desk::with_peers([1]);
    let bytes = vec![0x93; crate::blob::limits::PIECE_BYTES_MAX + 1];
    desk.hear_bytes(1, true, bytes.into());
    assert!(desk.blamed[0].1.starts_with("Malformed"));
}

#[test]
fn a_flood_of_frames_that_change_nothing_costs_no_look_at_what_is_held() {
    let mut desk = Desk::with_peers([1, 2]);
    desk.looks_again = false;
    for number in 0..1000 {
        desk.handle(Input::Copies { id: id(number), wanted: 2 });
    }
    let before = desk.shelf.looks.get();
    assert!(before <= 2000, "{before}");
    // To a transfer that nobody knows, a type that is skipped, and a word about nothing.
    for transfer in 0..10_000 {
        desk.hear(1, &BlobMessage::Stop { transfer });
        desk.hear_bytes(1, false, vec![0x96].into());
        desk.hear(1, &BlobMessage::Keep(vec![(id(1), KeepWord::Fetching)]));
    }
    assert!(desk.shelf.looks.get() - before <= 10, "{}", desk.shelf.looks.get());
    assert!(desk.blamed.is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_frames_make_it_panic_or_do_too_much(
        frames in prop::collection::vec(
            (0x8fu8..0x98, prop::collection::vec(any::<u8>(), 0..90), any::<bool>(), 0..4u64),
            1..40,
        ),
    ) {
        let sample = Sample::of(2, 20);
        let mut desk = Desk::with_peers([1, 2]);
        desk.shelf.held.insert(sample.id, sample.held());
        let wanted = Sample::of(3, 20);
        desk.fetch(1, wanted.id, Urgency::Reading, Some(range(3, 9)));
        desk.whole(1, &wanted);
        for (kind, mut rest, bulk, peer) in frames {
            // Often enough an id that means something.
            for (index, known) in [&sample, &wanted].into_iter().enumerate() {
                if rest.len() > 40 && usize::from(rest[0]) % 3 == index {
                    rest[1..33].copy_from_slice(known.id.as_bytes());
                }
            }
            rest.insert(0, kind);
            if peer == 3 {
                desk.open(1);
            }
            desk.hear_bytes(peer % 3, bulk, rest.into());
            desk.pass(Duration::from_millis(700));
            desk.verify();
            prop_assert!(desk.gives.len() <= 32);
        }
    }
}
