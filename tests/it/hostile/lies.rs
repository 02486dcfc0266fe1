//! Members that say what is not so: of events that nobody wrote, of peers that nobody has, of two
//! histories. Nobody is stopped by it, and what a liar makes others remember is bounded.

use super::forge::signed;
use super::puppet::{Line, Puppet, fresh_key};
use super::siege::{Siege, the_secret};
use crate::nodes::{address, everything, held, link, open, publish, until};
use crate::support::Scratch;
use millpond::PeerAddress;
use millpond::event::cbor::Value;
use millpond::event::limits::BRANCHES_PER_TRUNK_MAX;
use millpond::event::{Chain, EventRange, Lamport, NodeId, NodeKey, Payload, SignedHead};
use millpond::sync::{Message, STREAMS_PER_PEER_MAX};
use millpond::{Node, Status};
use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::thread;
use std::time::{Duration, Instant};

/// The types of messages. Source: docs/protocol.md, "Messages".
const SUMMARY: u8 = 0x05;
const WANT: u8 = 0x07;
/// 2^53 - 1: the largest count and lamport.
const MOST: u64 = (1 << 53) - 1;

#[test]
fn a_head_that_claims_a_billion_events_is_shown_as_a_lag_and_stops_nobody() {
    let siege = Siege::begin();
    let (puppet, mut line) = siege.member();
    let claims = [claim(puppet.key(), 1_000_000_000), claim(&fresh_key(), MOST)];
    let streams = claims.each_ref().map(|head| head.stream);
    line.tell(&Message::Summary { is_last: false, heads: claims.to_vec() });
    until(&siege.node, "the lag", |node| {
        let known = |stream| status(node).streams.iter().any(|one| one.stream == stream);
        streams.iter().all(|stream| known(*stream))
    });
    // It is asked, says nothing, and is not asked all the time.
    let mut wants = 0;
    for _ in 0..30 {
        line.breathe();
        let asked = line.hear(Duration::from_millis(100)).is_some_and(|frame| frame[0] == WANT);
        wants += u32::from(asked);
    }
    assert!((1..=8).contains(&wants), "{wants} requests in 3 s");
    let calm = siege.lift();
    assert!(streams.iter().all(|stream| calm.node.offsets().unwrap().count(stream) == 0));
}

#[test]
fn ten_thousand_streams_of_the_largest_size_overflow_nothing_and_are_no_more_than_that() {
    let siege = Siege::begin();
    let (_puppet, mut line) = siege.member();
    tell_of_streams(&mut line, STREAMS_PER_PEER_MAX + 300);
    until(&siege.node, "10,000 streams", |node| status(node).streams.len() >= STREAMS_PER_PEER_MAX);
    let told = status(&siege.node);
    assert!(told.streams.len() <= STREAMS_PER_PEER_MAX + 8, "{}", told.streams.len());
    assert_eq!(told.lag, u64::MAX, "it cannot be said how much");
    assert!(siege.node.metrics().wait().is_ok());
    line.close(0);
    siege.lift();
}

#[test]
fn what_a_liar_claims_lets_nobody_s_clock_run_where_others_cannot_follow() {
    let siege = Siege::begin();
    let (puppet, mut line) = siege.member();
    tell_of_streams(&mut line, 2_000);
    // An event whose lamport only those claims account for.
    let range = poisoned(puppet.key(), 1_000_000);
    let stream = range.stream();
    let before = Chain::start(&the_secret().swarm_id(), &stream);
    line.tell(&Message::Range { before, range });
    until(&siege.node, "a verdict", |node| {
        let is_taken = node.offsets().unwrap().count(&stream) == 1;
        is_taken || status(node).quarantined.contains(&stream)
    });
    line.close(0);
    publish(&siege.node, "after", 1, 1);
    let own = siege.node.own_stream();
    let count = siege.node.offsets().unwrap().count(&own);
    until(&siege.friend, "what was written after that", |friend| {
        friend.offsets().unwrap().count(&own) >= count
    });
    siege.lift();
}

#[test]
fn data_that_a_member_withholds_is_had_from_another() {
    let siege = Siege::begin();
    let author = open(&siege.scratch, "author", &the_secret());
    publish(&author, "grain", 40, 8);
    // The liar has it, so it says, and says it first.
    let liar = Puppet::start();
    let mut line = liar.dial(&address(&author));
    line.greet(&the_secret());
    let summary = line.hear_until(|frame| frame[0] == SUMMARY).expect("the author tells");
    let (_liar, mut withholding) = siege.member();
    withholding.say(&summary);
    until(&siege.node, "the lag", |node| status(node).lag >= 40);
    link(&author, &siege.node).unwrap();
    until(&siege.node, "the events", |node| {
        node.offsets().unwrap().count(&author.own_stream()) == 40
    });
    siege.lift();
}

#[test]
fn lists_of_peers_that_nobody_has_make_no_node_forget_a_real_one() {
    let siege = Siege::begin();
    let (_puppet, mut line) = siege.member();
    let real = open(&siege.scratch, "real", &the_secret());
    link(&real, &siege.node).unwrap();
    for list in 0..20u64 {
        let nodes: BTreeSet<NodeId> = (0..1024u64)
            .map(|number| {
                let name = [list.to_le_bytes(), number.to_le_bytes()].concat();
                NodeId::from_bytes(*blake3::hash(&name).as_bytes())
            })
            .collect();
        // The next list takes the place of this one, so the node must have looked at it: others
        // that can be reached are news.
        let before = status(&siege.node).version;
        line.tell(&Message::Peers(nodes.into_iter().collect()));
        until(&siege.node, "a look at the list", |node| status(node).version > before);
    }
    line.close(0);
    real.set_network(false).wait().unwrap();
    until(&siege.node, "the real one to be missed", |node| {
        status(node).unheard.iter().any(|gone| gone.node == real.node_id())
    });
    let unheard = status(&siege.node).unheard.len();
    println!("{unheard} nodes are missed");
    assert!(unheard > 1024, "the lists were looked at: {unheard}");
    // 4,096 that are only known from lists, and those that were peers.
    assert!(unheard <= 4_100, "{unheard}");
    siege.lift();
}

#[test]
fn two_histories_of_one_stream_are_both_kept_and_shown_everywhere() {
    let siege = Siege::begin();
    let key = fresh_key();
    let [one, other] = ["one", "other"].map(|text| history(&key, text));
    let stream = one.stream();
    tell_history(&key, &siege.target, one);
    tell_history(&key, &address(&siege.friend), other);
    for node in [&siege.node, &siege.friend] {
        until(node, "both histories", |node| {
            let forks = status(node).forks;
            forks.iter().any(|fork| fork.of == stream && fork.branches.len() == 2)
        });
        assert!(status(node).forked.contains(&stream));
    }
    let calm = siege.lift();
    assert_eq!(held(&calm.node), held(&calm.friend));
}

#[test]
fn nodes_that_keep_different_histories_of_one_stream_say_so_and_go_on_with_all_others() {
    const HISTORIES: usize = BRANCHES_PER_TRUNK_MAX + 4;
    let (scratch, key) = (Scratch::new("crowded"), fresh_key());
    let nodes = ["one", "other"].map(|name| open(&scratch, name, &the_secret()));
    let stream = history(&key, "any").stream();
    let forks = |node: &Node| status(node).forks.into_iter().find(|fork| fork.of == stream);
    let branches = |node: &Node| forks(node).map_or(0, |fork| fork.branches.len());
    for (index, node) in nodes.iter().enumerate() {
        for number in 0..HISTORIES {
            let name = if index == 0 { number } else { HISTORIES - 1 - number };
            tell_history(&key, &address(node), history(&key, &format!("history {name}")));
            until(node, "what becomes of a history", |node| match number {
                0 => node.offsets().unwrap().count(&stream) == 3,
                1..BRANCHES_PER_TRUNK_MAX => branches(node) == number + 1,
                _ => status(node).crowded == [stream],
            });
        }
        assert_eq!(branches(node), BRANCHES_PER_TRUNK_MAX);
    }
    let [one, other] = &nodes;
    let kept = nodes.each_ref().map(|node| forks(node).expect("it forked").branches);
    assert_ne!(kept[0], kept[1], "each kept those that came first");
    link(one, other).unwrap();
    for (index, node) in nodes.iter().enumerate() {
        publish(node, "grain", 20, 5);
        let (other, own) = (&nodes[1 - index], node.own_stream());
        until(other, "what others write", |other| other.offsets().unwrap().count(&own) == 20);
    }
    assert_eq!(nodes.each_ref().map(|node| forks(node).expect("it forked").branches), kept);
    for node in &nodes {
        let told = status(node);
        assert_eq!(told.crowded, [stream]);
        assert!(told.peers.iter().any(|peer| peer.state == "connected"), "{:?}", told.peers);
        assert!(told.refusals.is_empty(), "nobody is to blame: {:?}", told.refusals);
    }
    let first = everything(one).len();
    assert_eq!(first, everything(other).len(), "1 + 16 x 2 + 40 events");
    // It is not asked for over and over.
    let talk = || status(one).peers.iter().map(|peer| peer.bytes_in + peer.bytes_out).sum::<u64>();
    let (before, begun) = (talk(), Instant::now());
    until(one, "a while", |_| begun.elapsed() > Duration::from_secs(3));
    let talked = talk() - before;
    assert!(talked < 20_000, "{talked} bytes in 3 s about what neither can keep");
}

/// The puppet with this key holds this history, tells of it, and answers whatever it is asked with
/// it, until the node is gone.
fn tell_history(key: &NodeKey, target: &PeerAddress, range: EventRange) {
    let puppet = Puppet::with(key.clone(), Ipv4Addr::LOCALHOST);
    let mut line = puppet.dial(target);
    line.greet(&the_secret());
    let before = Chain::start(&the_secret().swarm_id(), &range.stream());
    let history = Message::Range { before, range };
    line.tell(&history);
    thread::spawn(move || {
        let _puppet = puppet;
        while line.breathe() {
            if line.hear(Duration::from_millis(200)).is_some_and(|frame| frame[0] == WANT) {
                line.tell(&history);
            }
        }
    });
}

fn status(node: &Node) -> Status {
    node.status().wait().expect("the node is open")
}

/// Tells of so many streams, each of the largest size.
fn tell_of_streams(line: &mut Line, count: usize) {
    for first in (0..count).step_by(250) {
        let heads = (0..250.min(count - first)).map(|_| claim(&fresh_key(), MOST)).collect();
        assert!(line.tell(&Message::Summary { is_last: false, heads }));
    }
}

/// A head that its node signed, for events that there never were.
fn claim(key: &NodeKey, count: u64) -> SignedHead {
    let lamport = Lamport::new(MOST).expect("the largest");
    key.sign_head(&the_secret().swarm_id(), 0, count, lamport, Chain::from_bytes([3; 32]))
}

/// A stream of one event, at this lamport.
fn poisoned(key: &NodeKey, lamport: u64) -> EventRange {
    signed(key, [(lamport, text("poison"))])
}

/// A stream of three events, of which the first is always the same.
fn history(key: &NodeKey, name: &str) -> EventRange {
    signed(key, [(1, text("begin")), (2, text(name)), (3, text(name))])
}

fn text(text: &str) -> Payload {
    Payload::from_value(&Value::from(text)).expect("it fits")
}
