//! What false announcements of multicast DNS do to a node that believes in discovery: next to
//! nothing. Real nodes in networks of their own; the liar is a member besides.

use crate::networks::{DIALLED, lab, until, until_within};
use crate::support::Scratch;
use millpond::event::{SwarmSecret, hex};
use millpond_tests::netlab::{Host, PORT, Peer};
use std::time::{Duration, Instant};

/// Nodes that are nowhere.
const MADE_UP: usize = 1000;
/// Of those so many have to be believed in, so that something is shown.
const BELIEVED_MIN: usize = 900;
/// How long dials are counted.
const TIME: Duration = Duration::from_secs(10);
/// What they may be in that time, although each is answered at once, by somebody else: 32 at once
/// and 10 a second, and one a second of the friend.
const DIALS_MAX: u64 = 150;
/// What a thousand nodes in the book, and dials of them, may take.
const MEMORY_KIB_MAX: u64 = 32 << 10;

/// By which nodes of the lab know each other's announcements.
fn tag() -> String {
    let swarm = SwarmSecret::from_bytes([0x1a; 32]).swarm_id();
    hex(&blake3::derive_key("millpond mdns", swarm.as_bytes())[..8])
}

/// The liar says something of a node, namely that it is here.
fn lie(liar: &mut Host, what: &str, of: &str) {
    let order = format!("{what} {} 10.77.0.{}:{PORT} {of}", tag(), liar.number());
    assert_eq!(liar.ask(&order), "L");
}

/// What arrives at the port of millpond is counted.
fn counts_dials(host: &Host) {
    host.filter(&format!("udp dport {PORT} counter name a"), "");
}

#[test]
fn false_announcements_move_no_session_and_make_no_friend() {
    let scratch = Scratch::new("spoof");
    let Some(mut lab) = lab(&scratch) else { return };
    let [mut node, mut friend] = [0; 2].map(|_| lab.host(&[0]).discovers());
    let mut liar = lab.host(&[0]);
    counts_dials(&liar);
    for host in [&mut node, &mut friend, &mut liar] {
        host.start();
    }
    let id = friend.node_id().to_owned();
    until("they find each other", || node.is_connected(&friend) && friend.is_connected(&node));

    // While the friend is away: the node goes where it is said to be, and finds somebody else.
    friend.kill();
    until("the friend is missed", || !node.is_connected(&friend));
    let took = until_within(DIALLED, "the liar is dialled", || {
        lie(&mut liar, "announce", &id);
        liar.counted("a").0 > 0
    });
    println!("spoof: the liar was dialled after {took:?}");
    let begun = Instant::now();
    until("dials that find somebody else", || {
        let nobody = |peers: &[_]| peers.iter().all(|peer: &Peer| peer.state != "connected");
        assert!(nobody(&node.peers()) && nobody(&liar.peers()), "the liar passes for the friend");
        begun.elapsed() > Duration::from_secs(2)
    });
    friend.start();
    let took = until_within(DIALLED, "the friend is found whatever the liar says", || {
        lie(&mut liar, "announce", &id);
        node.is_connected(&friend) && friend.is_connected(&node)
    });
    println!("spoof: the friend was found after {took:?}");

    // While there is a session: nothing that is said of its nodes does anything to it.
    let (linked, before) = (Instant::now(), node.memory());
    lie(&mut liar, "announce", &id);
    lie(&mut liar, "withdraw", &id);
    let (mut rounds, mut believed) = (0, 0);
    until("made-up nodes are believed in", || {
        lie(&mut liar, "storm", &MADE_UP.to_string());
        rounds += 1;
        believed = node.peers().len();
        believed >= BELIEVED_MIN
    });
    let (dials, counting) = (node.figure("millpond_dials_total"), Instant::now());
    while counting.elapsed() < TIME {
        exchange(&mut node, &mut friend);
        lie(&mut liar, "announce", &id);
        lie(&mut liar, "withdraw", &id);
    }
    let dials = node.figure("millpond_dials_total") - dials;
    let more = node.memory().saturating_sub(before);
    println!(
        "spoof: {believed} of {MADE_UP} believed after {rounds} storms, {dials} dials in {TIME:?}, \
         {more} KiB more"
    );
    // Taken before, so that however long the answer takes a session that stood has stood longer.
    let linked = linked.elapsed();
    let stands = node.peer(&friend).expect("it is known").connected_for;
    assert!(stands + Duration::from_secs(1) >= linked, "it broke: {stands:?} of {linked:?}");
    assert!(dials > 0, "nobody who was made up was dialled, so nothing is shown");
    assert!(dials <= DIALS_MAX, "{dials} dials in {TIME:?}");
    assert!(more <= MEMORY_KIB_MAX, "{more} KiB for {believed} that are nowhere");
    assert!(node.peers().iter().filter(|peer| peer.state == "connected").count() == 1);
}

/// Both publish, and each gets what the other did, soon.
fn exchange(node: &mut Host, friend: &mut Host) {
    node.publish(1, 100);
    friend.publish(1, 100);
    until("what both published is at both", || node.held().map == friend.held().map);
}
