//! Who is blamed, and who never is.

use super::desk::{Desk, Sample, group, node, range};
use crate::blob::exchange::{BlobNews, Urgency};
use crate::blob::limits::LIARS_MAX;
use crate::blob::message::{BlobMessage, StopReason};
use bytes::Bytes;
use std::time::Duration;

fn flipped(piece: &Bytes) -> Bytes {
    let mut bytes = piece.to_vec();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    bytes.into()
}

#[test]
fn a_flipped_byte_is_refused_and_its_sender_named_and_avoided() {
    let sample = Sample::of(1, 6);
    let mut desk = Desk::with_peers([1, 2]);
    desk.fetch(1, sample.id, Urgency::Asked, None);
    desk.whole(1, &sample);
    let (_, ask) = desk.asks().remove(0);
    let lie = ask.groups.iter().next().unwrap();
    desk.bring_one(1, ask.transfer, lie, flipped(&sample.piece(lie)));
    assert_eq!(desk.verify(), 0);
    assert!(desk.blamed[0].1.starts_with("Forged"), "{:?}", desk.blamed);
    let named = BlobNews::Misbehaved { peer: node(1), id: sample.id, group: lie };
    assert!(desk.news.contains(&named));
    assert_eq!(desk.exchange.status().misbehaved[0].node, node(1));
    // In a new session it is not asked either, until ten minutes have passed.
    desk.end(1);
    desk.open(1);
    desk.whole(1, &sample);
    assert!(desk.asks().is_empty());
    desk.pass(Duration::from_secs(599));
    assert!(desk.asks().is_empty());
    desk.pass(Duration::from_secs(2));
    assert_eq!(desk.asks().len(), 1);
}

#[test]
fn a_second_lie_costs_twice_the_time() {
    let sample = Sample::of(2, 6);
    let mut desk = Desk::new();
    desk.fetch(1, sample.id, Urgency::Asked, None);
    let mut pauses = Vec::new();
    for _ in 0..9 {
        desk.open(1);
        desk.whole(1, &sample);
        let (_, ask) = desk.asks().remove(0);
        let lie = ask.groups.iter().next().unwrap();
        desk.bring_one(1, ask.transfer, lie, flipped(&sample.piece(lie)));
        desk.verify();
        desk.end(1);
        let until = desk.exchange.status().misbehaved[0].until;
        pauses.push((until - desk.now).as_secs() / 60);
        desk.now = until;
    }
    assert_eq!(pauses, [10, 20, 40, 80, 160, 320, 640, 1280, 1440]);
}

#[test]
fn a_liar_costs_one_group() {
    let sample = Sample::of(3, 60);
    let mut desk = Desk::with_peers([1]);
    desk.fetch(1, sample.id, Urgency::Asked, None);
    desk.whole(1, &sample);
    let asks = desk.asks();
    assert_eq!(asks.iter().map(|(_, ask)| ask.groups.count()).sum::<u32>(), 1);
    let (_, ask) = asks[0];
    let lie = ask.groups.iter().next().unwrap();
    desk.bring_one(1, ask.transfer, lie, flipped(&sample.piece(lie)));
    assert_eq!(desk.takes.len(), 1);
    desk.verify();
    assert!(desk.shelf.held.is_empty());
    // Whatever it goes on to send is not even opened.
    desk.bring_one(1, ask.transfer, lie, sample.piece(lie));
    desk.hear(1, &BlobMessage::Stop { transfer: 9 });
    assert!(desk.takes.is_empty() && desk.blamed.len() == 1);
}

#[test]
fn pieces_that_nobody_asked_for_are_misbehaviour() {
    let sample = Sample::of(4, 6);
    let unasked = |desk: &mut Desk| desk.bring_one(1, 77, group(0), sample.piece(group(0)));
    let not_next = |desk: &mut Desk| desk.bring_one(1, 1, group(2), sample.piece(group(2)));
    let short = |desk: &mut Desk| {
        let piece = sample.piece(group(5));
        desk.bring_one(1, 1, group(5), piece.slice(1..));
    };
    let on_the_wrong_lane = |desk: &mut Desk| {
        let frame = crate::blob::message::PieceFrame {
            transfer: 1,
            group: group(5),
            piece: sample.piece(group(5)),
        };
        desk.hear_bytes(1, false, BlobMessage::Piece(frame).encode());
    };
    let stopped = |desk: &mut Desk| {
        let reason = StopReason::NoTimeNow;
        desk.hear(1, &BlobMessage::Stopped { transfer: 77, reason });
    };
    let not_as_we_said = |desk: &mut Desk| {
        let reason = StopReason::AsYouSaid;
        desk.hear(1, &BlobMessage::Stopped { transfer: 1, reason });
    };
    type Step<'a> = (&'a str, &'a dyn Fn(&mut Desk));
    let steps: [Step<'_>; 6] = [
        ("Unexpected", &unasked),
        ("Unexpected", &not_next),
        ("Malformed", &short),
        ("Unexpected", &on_the_wrong_lane),
        ("Unexpected", &stopped),
        ("Unexpected", &not_as_we_said),
    ];
    for (number, (reason, step)) in steps.into_iter().enumerate() {
        let mut desk = Desk::with_peers([1]);
        desk.fetch(1, sample.id, Urgency::Asked, None);
        desk.whole(1, &sample);
        let (_, ask) = desk.asks().remove(0);
        assert_eq!((ask.transfer, ask.groups), (1, range(5, 6)));
        step(&mut desk);
        let names = desk.blamed.iter().map(|(peer, what)| (*peer, what.as_str()));
        let names: Vec<_> = names.collect();
        assert!(names.len() == 1 && names[0].1.starts_with(reason), "{number}: {names:?}");
        assert!(desk.takes.is_empty() && desk.exchange.status().misbehaved.is_empty());
    }
}

#[test]
fn the_liars_that_are_kept_are_those_that_end_last() {
    let sample = Sample::of(5, 1);
    let mut desk = Desk::new();
    desk.fetch(1, sample.id, Urgency::Asked, None);
    for liar in 0..LIARS_MAX as u64 + 3 {
        let connection = crate::blob::exchange::ConnectionNumber::new(liar + 1);
        let mut bytes = [9; 32];
        bytes[..8].copy_from_slice(&liar.to_be_bytes());
        let peer = crate::event::NodeId::from_bytes(bytes);
        desk.handle(crate::blob::exchange::Input::Opened { connection, peer });
        desk.whole(liar + 1, &sample);
        let (_, ask) = desk.asks().remove(0);
        desk.bring_one(liar + 1, ask.transfer, group(0), flipped(&sample.piece(group(0))));
        desk.verify();
        desk.end(liar + 1);
        desk.pass(Duration::from_millis(1));
    }
    let kept = desk.exchange.status().misbehaved;
    assert_eq!(kept.len(), LIARS_MAX);
    assert!(kept.iter().all(|liar| liar.node.as_bytes()[7] > 2 || liar.node.as_bytes()[6] > 0));
}
