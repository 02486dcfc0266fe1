use super::*;
use crate::event::limits::FRAME_BYTES_MAX;
use crate::net::code;
use crate::net::link::SENT_BYTES_MIN;

#[test]
fn frames_travel_both_ways_whole_and_in_order() {
    let (a, b) = (Peer::start(1), Peer::start(2));
    let (here, there) = connect(&a, &b);
    let lengths = [0, 1, 3, 4096, 65_535, 65_536, 70_000, FRAME_BYTES_MAX];
    for (number, length) in (0u8..).zip(lengths) {
        a.net.send(here, Lane::Live, Bytes::from(vec![number; length]));
        let (frame, _) = b.frame();
        assert_eq!((frame.len(), frame.iter().all(|byte| *byte == number)), (length, true));
        b.net.send(there, Lane::Live, frame);
        let (echo, _) = a.frame();
        assert_eq!(echo.len(), length);
    }
    for number in 0..1000u32 {
        a.net.send(here, Lane::Live, Bytes::copy_from_slice(&number.to_le_bytes()));
    }
    for number in 0..1000u32 {
        assert_eq!(b.frame().0[..], number.to_le_bytes());
    }
}

#[test]
fn both_ends_know_each_other_and_the_same_binding_which_no_other_session_has() {
    let (a, b) = (Peer::start(3), Peer::start(4));
    let mut bindings = Vec::new();
    for _ in 0..2 {
        a.net.dial(b.id, b.addresses(), vec![]);
        let (_, peer_of_a, binding_a, a_dialed) = a.connected();
        let (_, peer_of_b, binding_b, b_dialed) = b.connected();
        assert_eq!((peer_of_a, peer_of_b), (b.id, a.id));
        assert_eq!((a_dialed, b_dialed), (true, false));
        assert_eq!(binding_a, binding_b);
        bindings.push(binding_a);
    }
    assert_ne!(bindings[0], bindings[1]);
}

#[test]
fn what_left_is_told_once_and_in_large_steps() {
    let (a, b) = (Peer::start(5), Peer::start(6));
    let (here, _there) = connect(&a, &b);
    let all: usize = (0..1_000).sum();
    for length in 0..1_000 {
        a.net.send(here, Lane::Live, Bytes::from(vec![0; length]));
    }
    let (mut sent, mut told) = (0, 0);
    while sent + SENT_BYTES_MIN <= all {
        match a.inbox.recv_timeout(PATIENCE).unwrap() {
            NetEvent::Sent { connection, bytes, .. } if connection == here => sent += bytes,
            other => panic!("{other:?}"),
        }
        told += 1;
    }
    assert!(sent <= all && told <= all / SENT_BYTES_MIN, "{sent} of {all} in {told} steps");
}

#[test]
fn a_close_sends_what_is_queued_and_tells_the_other_side_why() {
    let (a, b) = (Peer::start(7), Peer::start(8));
    let (here, _there) = connect(&a, &b);
    a.net.send(here, Lane::Live, Bytes::from(vec![1; 900_000]));
    a.net.send(here, Lane::Live, Bytes::from_static(b"goodbye"));
    a.net.close(here, 300, "the swarm is full; remove a peer");
    assert_eq!(b.frame().0.len(), 900_000);
    assert_eq!(&b.frame().0[..], b"goodbye");
    let reason = "the swarm is full; remove a peer".to_owned();
    assert_eq!(b.disconnected(), (reason.clone(), Some(300), ClosedBy::Peer));
    assert_eq!(a.disconnected(), (reason, Some(300), ClosedBy::Us));
}

#[test]
fn a_dial_to_a_dead_address_fails_within_its_deadline() {
    let mut options = options(9);
    options.dial_deadline = Duration::from_millis(300);
    let a = Peer::start_with(options);
    let free = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let nobody = NodeKey::from_seed(&[99; 32]).node_id();
    let begin = Instant::now();
    a.net.dial(nobody, vec![free.local_addr().unwrap()], vec![]);
    let NetEvent::DialFailed { peer, reason } = a.next() else { panic!("it cannot connect") };
    assert_eq!(peer, nobody);
    assert!(reason.contains("within 300ms"), "{reason}");
    assert!(begin.elapsed() < Duration::from_secs(2), "{:?}", begin.elapsed());
}

#[test]
fn who_is_dialled_elsewhere_while_it_is_dialled_is_reached_there_by_the_same_dial() {
    let mut options = options(90);
    options.dial_deadline = Duration::from_secs(3);
    let (a, b) = (Peer::start_with(options), Peer::start(91));
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    a.net.dial(b.id, vec![silent.local_addr().unwrap()], vec![]);
    silent.set_read_timeout(Some(PATIENCE)).unwrap();
    silent.recv(&mut [0; 2048]).expect("it is dialled where it was");
    let begin = Instant::now();
    a.net.dial(b.id, vec![], b.addresses());
    a.connected();
    println!("connected {:?} after the second address was known", begin.elapsed());
    // The first address answers nothing, and nothing is said of that.
    while let Ok(event) = a.inbox.recv_timeout(Duration::from_secs(4)) {
        assert!(!matches!(event, NetEvent::DialFailed { .. }), "the dial was answered");
    }
}

#[test]
fn a_dial_that_went_on_elsewhere_fails_once() {
    let mut options = options(92);
    options.dial_deadline = Duration::from_millis(300);
    let a = Peer::start_with(options);
    let nobody = NodeKey::from_seed(&[93; 32]).node_id();
    let silent = [(); 2].map(|()| std::net::UdpSocket::bind("127.0.0.1:0").unwrap());
    for socket in &silent {
        a.net.dial(nobody, vec![socket.local_addr().unwrap()], vec![]);
    }
    for _ in 0..2 {
        assert!(matches!(a.next(), NetEvent::DialFailed { peer, .. } if peer == nobody));
        assert!(a.inbox.recv_timeout(Duration::from_secs(1)).is_err(), "it is told once");
        a.net.dial(nobody, vec![], vec![]);
    }
}

#[test]
fn a_dial_without_an_address_or_to_ourselves_fails_at_once() {
    let a = Peer::start(10);
    for (peer, addresses) in
        [(NodeKey::from_seed(&[98; 32]).node_id(), vec![]), (a.id, a.addresses())]
    {
        a.net.dial(peer, addresses, vec![]);
        assert!(matches!(a.next(), NetEvent::DialFailed { .. }));
    }
}

#[test]
fn another_key_at_the_address_is_not_the_peer_we_dialled() {
    let (a, b) = (Peer::start(11), Peer::start(12));
    a.net.dial(NodeKey::from_seed(&[97; 32]).node_id(), b.addresses(), vec![]);
    assert!(matches!(a.next(), NetEvent::DialFailed { .. }));
    assert!(b.inbox.try_recv().is_err(), "nothing of it is visible");
}

#[test]
fn a_queue_beyond_its_bound_closes_the_connection() {
    let (a, b) = (Peer::start(13), Peer::start(14));
    let (here, _there) = connect(&a, &b);
    // `b` keeps what it gets, so at some point nothing leaves any more.
    let frame = Bytes::from(vec![0; 1 << 20]);
    for _ in 0..64 {
        a.net.send(here, Lane::Live, frame.clone());
    }
    let (reason, code, by) = a.disconnected();
    assert_eq!((code, by), (Some(code::INTERNAL), ClosedBy::Us), "{reason}");
}

#[test]
fn a_peer_that_goes_away_is_noticed() {
    let (a, b) = (Peer::start(15), Peer::start(16));
    let _ends = connect(&a, &b);
    b.net.shutdown(Duration::from_secs(5));
    let (reason, code, by) = a.disconnected();
    assert_eq!((code, by), (Some(code::CLOSED), ClosedBy::Peer), "{reason}");
    assert!(b.inbox.try_iter().all(|event| !matches!(event, NetEvent::Disconnected { .. })));
}

#[test]
fn a_shutdown_from_inside_another_runtime_works() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let a = Peer::start(17);
        a.net.shutdown(Duration::from_secs(5));
        drop(Peer::start(18));
    });
}

#[test]
fn an_address_that_is_taken_is_a_clear_error() {
    let taken = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut options = options(19);
    options.bind = vec![taken.local_addr().unwrap()];
    let error = IrohTransport::start(options, Arc::new(|_| {})).err().unwrap();
    assert_eq!(error.reason(), Some("address_unavailable"));
    assert!(error.message().contains("Choose another port"), "{error}");
}

#[test]
fn a_pulled_cable_says_no_farewell() {
    let mut patient = options(20);
    patient.idle_timeout = Duration::from_millis(500);
    let (a, b) = (Peer::start_with(patient), Peer::start(21));
    let _ends = connect(&a, &b);
    b.net.shutdown(Duration::ZERO);
    let (reason, code, by) = a.disconnected();
    assert_eq!((code, by), (None, ClosedBy::Network), "{reason}");
}

#[test]
fn a_close_waits_for_a_peer_that_answers_no_more_no_longer_than_its_deadline() {
    let (a, b) = (Peer::start(24), Peer::start(25));
    let (here, _there) = connect(&a, &b);
    b.net.shutdown(Duration::ZERO);
    a.net.send(here, Lane::Live, Bytes::from_static(b"goodbye"));
    let asked = Instant::now();
    a.net.close(here, 300, "enough");
    assert_eq!(a.disconnected(), ("enough".to_owned(), Some(300), ClosedBy::Us));
    // Far from the idle timeout of 15 s, after which the connection is lost anyway.
    assert!(asked.elapsed() < Duration::from_secs(8), "{:?}", asked.elapsed());
}

#[test]
fn a_backlog_that_nobody_takes_holds_up_no_live_frame() {
    let (a, b) = (Peer::start(22), Peer::start(23));
    let (here, _there) = connect(&a, &b);
    let frame = Bytes::from(vec![7; 1 << 20]);
    let mut kept = Vec::new();
    for _ in 0..2 {
        // Of the first the receiver keeps the credit, so the channel is not read any further.
        a.net.send(here, Lane::Backlog, frame.clone());
    }
    kept.push(b.frame());
    a.net.send(here, Lane::Backlog, frame);
    for number in 0..100u8 {
        a.net.send(here, Lane::Live, Bytes::from(vec![number; 1000]));
        let (live, _) = b.frame();
        assert_eq!((live.len(), live[0]), (1000, number));
    }
    drop(kept);
    for _ in 0..2 {
        assert_eq!(b.frame().0.len(), 1 << 20);
    }
}
