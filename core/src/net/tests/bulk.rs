//! The lane behind all others, over real QUIC.

use super::*;
use crate::sync::BULK_FRAME_BYTES_MAX;

/// Connects `a` to `b`; admitted on both sides, each with a bulk lane.
fn connect_for_bulk(a: &Peer, b: &Peer) -> (ConnectionId, ConnectionId) {
    a.net.dial(b.id, b.addresses(), vec![]);
    let ((here, ..), (there, ..)) = (a.connected(), b.connected());
    a.net.admit(here, true);
    b.net.admit(there, true);
    (here, there)
}

/// The next frame, its lane and its credit.
fn frame_on(peer: &Peer) -> (Lane, Bytes, Credit) {
    match peer.next() {
        NetEvent::Frame { lane, bytes, credit, .. } => (lane, bytes, credit),
        other => panic!("expected a frame, got {other:?}"),
    }
}

fn piece(number: u8) -> Bytes {
    Bytes::from(vec![number; BULK_FRAME_BYTES_MAX])
}

#[test]
fn bulk_comes_by_its_own_lane_also_where_the_backlog_lane_is_silent() {
    let (a, b) = (Peer::start(101), Peer::start(102));
    let (here, there) = connect_for_bulk(&a, &b);
    for number in 0..20u8 {
        a.net.send(here, Lane::Bulk, piece(number));
        let (lane, bytes, _) = frame_on(&b);
        assert_eq!((lane, bytes.len(), bytes[0]), (Lane::Bulk, BULK_FRAME_BYTES_MAX, number));
    }
    // The silent channel before it is the backlog lane all the same, and so on the other side.
    a.net.send(here, Lane::Backlog, Bytes::from_static(b"past"));
    let (lane, bytes, _) = frame_on(&b);
    assert_eq!((lane, &bytes[..]), (Lane::Backlog, &b"past"[..]));
    for (lane, bytes) in [(Lane::Backlog, &b"before"[..]), (Lane::Bulk, b"behind")] {
        b.net.send(there, lane, Bytes::from_static(bytes));
        let (on, came, _) = frame_on(&a);
        assert_eq!((on, &came[..]), (lane, bytes));
    }
}

#[test]
fn bulk_waits_for_a_peer_that_has_not_admitted_us() {
    let (a, b) = (Peer::start(103), Peer::start(104));
    a.net.dial(b.id, b.addresses(), vec![]);
    let ((here, ..), (there, ..)) = (a.connected(), b.connected());
    a.net.admit(here, true);
    a.net.send(here, Lane::Bulk, piece(1));
    a.net.send(here, Lane::Live, Bytes::from_static(b"proof"));
    let (lane, bytes, _) = frame_on(&b);
    assert_eq!((lane, &bytes[..]), (Lane::Live, &b"proof"[..]));
    b.net.admit(there, true);
    assert_eq!(frame_on(&b).0, Lane::Bulk);
}

#[test]
fn who_is_granted_no_bulk_lane_gets_all_else_through() {
    let (a, b) = (Peer::start(105), Peer::start(106));
    a.net.dial(b.id, b.addresses(), vec![]);
    let ((here, ..), (there, ..)) = (a.connected(), b.connected());
    a.net.admit(here, true);
    b.net.admit(there, false);
    a.net.send(here, Lane::Bulk, piece(1));
    for number in 0..50u8 {
        let lane = if number % 2 == 0 { Lane::Live } else { Lane::Backlog };
        a.net.send(here, lane, Bytes::from(vec![number; 1000]));
        let (on, bytes, _) = frame_on(&b);
        assert_eq!((on, bytes[0]), (lane, number));
    }
}

/// What is asked for is read ahead as a whole, so bulk that nobody takes costs the others nothing.
#[test]
fn bulk_that_nobody_takes_holds_up_no_other_lane() {
    let (a, b) = (Peer::start(109), Peer::start(110));
    let (here, _there) = connect_for_bulk(&a, &b);
    let mut kept = Vec::new();
    for number in 0..12 {
        a.net.send(here, Lane::Bulk, piece(number));
        kept.push(frame_on(&b));
    }
    for number in 12..16 {
        a.net.send(here, Lane::Bulk, piece(number));
    }
    let mut bulk = Vec::new();
    let mut others = 0u8;
    while others < 100 {
        let lane = if others.is_multiple_of(2) { Lane::Live } else { Lane::Backlog };
        a.net.send(here, lane, Bytes::from(vec![others; 1000]));
        loop {
            let (on, bytes, credit) = frame_on(&b);
            if on == Lane::Bulk {
                bulk.push(credit);
                continue;
            }
            assert_eq!((on, bytes[0]), (lane, others));
            break;
        }
        others += 1;
    }
    assert!(bulk.len() < 4, "the reader waits for its credit");
    drop((kept, bulk));
}

#[test]
fn a_close_leaves_bulk_where_it_is() {
    let (a, b) = (Peer::start(113), Peer::start(114));
    let (here, _there) = connect_for_bulk(&a, &b);
    a.net.send(here, Lane::Bulk, piece(0));
    let kept = frame_on(&b);
    for _ in 0..15 {
        a.net.send(here, Lane::Bulk, piece(1));
    }
    a.net.send(here, Lane::Live, Bytes::from_static(b"goodbye"));
    a.net.close(here, 300, "enough");
    let mut ended = None;
    while ended.is_none() {
        match b.next() {
            NetEvent::Disconnected { code, .. } => ended = code,
            NetEvent::Frame { .. } => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((ended, a.disconnected().1), (Some(300), Some(300)));
    drop(kept);
}
