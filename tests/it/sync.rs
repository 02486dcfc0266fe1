//! What peers do for each other, and what they refuse, between real nodes on loopback.

use crate::catch_up::{LOST_ON_THE_WAY_MAX, stream_bytes};
use crate::nodes::{
    PATIENCE, address, converge, event, everything, held, link, open, open_to, open_with, publish,
    publish_noise, secret, until,
};
use crate::support::Scratch;
use millpond::event::NodeId;
use millpond::{ErrorKind, PeerAddress, PublishOptions};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

#[test]
fn three_real_nodes_in_a_line_end_with_one_log() {
    let scratch = Scratch::new("line");
    let [a, b, c] = ["a", "b", "c"].map(|name| open(&scratch, name, &secret(1)));
    publish(&a, "before", 700, 100);
    link(&a, &b).unwrap();
    link(&b, &c).unwrap();
    for (node, tag) in [(&a, "grain"), (&b, "flour"), (&c, "bread")] {
        publish(node, tag, 500, 7);
    }
    converge(&[&a, &b, &c], 700 + 3 * 500);
}

#[test]
fn events_written_in_two_partitions_end_in_one_order_everywhere() {
    let scratch = Scratch::new("partition");
    let [a, b, c] = ["a", "b", "c"].map(|name| open(&scratch, name, &secret(1)));
    link(&a, &b).unwrap();
    link(&b, &c).unwrap();
    publish(&b, "grain", 10, 1);
    converge(&[&a, &b, &c], 10);
    c.set_network(false).wait().unwrap();
    publish(&a, "here", 300, 3);
    publish(&c, "there", 200, 3);
    assert_eq!(held(&c), 210, "the partition holds");
    c.set_network(true).wait().unwrap();
    converge(&[&a, &b, &c], 510);
}

#[test]
fn a_hundred_thousand_events_catch_up_and_an_interruption_resumes() {
    const EVENTS: u64 = 100_000;
    let scratch = Scratch::new("catch-up");
    let [a, b] = ["a", "b"].map(|name| open(&scratch, name, &secret(1)));
    publish_noise(&a, 0, EVENTS, 1_000, 600);
    link(&b, &a).unwrap();
    until(&b, "some of the events", |b| held(b) > u128::from(EVENTS * 4 / 10));
    b.set_network(false).wait().unwrap();
    let before = held(&b) as u64;
    assert!(before < EVENTS, "the cut came too late to show anything");
    b.set_network(true).wait().unwrap();
    until(&b, "all events", |b| held(b) == u128::from(EVENTS));
    // The counts begin anew with each session.
    let again = received(&b);
    let whole = stream_bytes(&a, &scratch);
    let most = whole * (EVENTS - before) / EVENTS * 21 / 20 + LOST_ON_THE_WAY_MAX;
    println!("held {before} when cut; {again} bytes came after the cut, {most} at most");
    assert!(most < whole, "held {before} of {whole} bytes: to begin anew would not be seen");
    assert!(again <= most, "{again} bytes came after the cut, {most} at most");
    converge(&[&a, &b], u128::from(EVENTS));
}

#[test]
fn a_stranger_is_refused_with_a_reason_on_both_sides_and_learns_nothing() {
    let scratch = Scratch::new("stranger");
    let member = open(&scratch, "member", &secret(1));
    let stranger = open(&scratch, "stranger", &secret(2));
    publish(&member, "grain", 50, 50);
    publish(&stranger, "weed", 50, 50);
    let error = link(&stranger, &member).unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::PeerRefused, Some("wrong_secret")));
    until(&member, "the refusal in the status", |member| {
        let refusals = member.status().wait().unwrap().refusals;
        refusals.iter().any(|refusal| refusal.reason == "wrong_secret")
    });
    assert_eq!((held(&member), held(&stranger)), (50, 50));
}

#[test]
fn a_node_that_is_not_on_the_allow_list_is_refused() {
    let scratch = Scratch::new("allow");
    let friend = open(&scratch, "friend", &secret(1));
    let other = open(&scratch, "other", &secret(1));
    let strict =
        open_with(&scratch, "strict", &secret(1), Some(BTreeSet::from([friend.node_id()])));
    link(&friend, &strict).unwrap();
    let error = link(&other, &strict).unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::PeerRefused, Some("not_allowed")));
    publish(&strict, "grain", 5, 5);
    converge(&[&friend, &strict], 5);
    assert_eq!(held(&other), 0);
}

#[test]
fn a_peer_that_cannot_be_dialled_is_refused_at_once_and_a_disconnect_ends_the_wait() {
    let scratch = Scratch::new("nowhere");
    let [a, b] = ["a", "b"].map(|name| open(&scratch, name, &secret(1)));
    let reachable = address(&b);
    b.set_network(false).wait().unwrap();
    // A ticket that was made off the network names no address, and nobody here looks for it.
    let off = PeerAddress::from(&b.ticket().wait().unwrap());
    assert!(off.addresses.is_empty());
    let error = a.connect(off.clone()).wait_timeout(PATIENCE).unwrap().unwrap_err();
    let found = (error.kind(), error.reason());
    assert_eq!(found, (ErrorKind::InvalidArgument, Some("no_address")), "{error}");
    let nowhere = PeerAddress { addresses: vec!["0.0.0.0:0".parse().unwrap()], ..off.clone() };
    let error = a.connect(nowhere).wait_timeout(PATIENCE).unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
    assert!(a.status().wait().unwrap().peers.is_empty(), "nothing is kept of it");
    let error = open_to(&scratch, "c", &secret(1), vec![off]).err().unwrap();
    assert_eq!(error.reason(), Some("no_address"), "{error}");
    drop(open(&scratch, "c", &secret(1)));

    let mut waiting = a.connect(reachable);
    a.disconnect(b.node_id()).wait().unwrap();
    let error = waiting.wait_timeout(PATIENCE).unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled, "{error}");
}

#[test]
fn a_peer_beyond_1024_is_refused_in_words_until_another_is_given_up() {
    let scratch = Scratch::new("crowd");
    let known = |count: u16| {
        let peer = |number: u16| {
            let mut id = [number.to_be_bytes()[0]; 32];
            id[31] = number.to_be_bytes()[1];
            // Nobody listens there.
            PeerAddress {
                node: NodeId::from_bytes(id),
                addresses: vec![([127, 0, 0, 1], 9).into()],
            }
        };
        (0..count).map(peer).collect::<Vec<PeerAddress>>()
    };
    let error = open_to(&scratch, "a", &secret(1), known(1_025)).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::LimitExceeded, "{error}");
    let a = open_to(&scratch, "a", &secret(1), known(1_024)).unwrap();
    let b = open(&scratch, "b", &secret(1));
    let error = link(&a, &b).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LimitExceeded, "{error}");
    assert!(error.to_string().contains("1024") && error.to_string().contains("disconnect"));
    a.disconnect(known(1)[0].node).wait().unwrap();
    link(&a, &b).unwrap();
}

#[test]
fn two_swarms_that_meet_do_not_mix() {
    let scratch = Scratch::new("swarms");
    let [a1, a2] = ["a1", "a2"].map(|name| open(&scratch, name, &secret(1)));
    let [b1, b2] = ["b1", "b2"].map(|name| open(&scratch, name, &secret(2)));
    link(&a1, &a2).unwrap();
    link(&b1, &b2).unwrap();
    assert!(link(&a1, &b1).is_err());
    publish(&a1, "grain", 100, 10);
    publish(&b2, "sand", 100, 10);
    converge(&[&a1, &a2], 100);
    converge(&[&b1, &b2], 100);
    let foreign = everything(&a2).iter().any(|event| event.tags.contains("sand"));
    assert!(!foreign);
}

#[test]
fn a_node_that_was_gone_comes_back_and_a_dead_peer_is_noticed() {
    let scratch = Scratch::new("return");
    let a = open(&scratch, "a", &secret(1));
    let b = open(&scratch, "b", &secret(1));
    link(&a, &b).unwrap();
    publish(&a, "grain", 10, 10);
    converge(&[&a, &b], 10);
    let to_a = address(&a);
    b.close(Duration::from_secs(10)).unwrap();
    until(&a, "the peer to be gone", |a| connected(a) == 0);
    publish(&a, "grain", 10, 10);
    let b = open(&scratch, "b", &secret(1));
    b.connect(to_a).wait().unwrap();
    converge(&[&a, &b], 20);
}

#[test]
fn an_event_reaches_a_subscriber_on_another_node_live() {
    let scratch = Scratch::new("live");
    let [a, b] = ["a", "b"].map(|name| open(&scratch, name, &secret(1)));
    link(&a, &b).unwrap();
    let query = millpond::query::Query::parse("FROM 'grain'").unwrap();
    let mut subscription = b.subscribe(&query, b.offsets().unwrap()).unwrap();
    for number in 0..100 {
        let events = vec![event("grain", number), event("chaff", number)];
        a.publish(events, PublishOptions::default()).wait().unwrap();
        let deadline = Instant::now() + PATIENCE;
        let found = loop {
            let batch = subscription.next_batch(10).unwrap();
            if !batch.events.is_empty() {
                break batch.events;
            }
            assert!(Instant::now() < deadline, "event {number} did not come");
            subscription.wait(Some(Duration::from_secs(1))).unwrap();
        };
        assert_eq!(found.len(), 1);
        assert_eq!(found.get(0).unwrap().payload(), event("grain", number).payload);
    }
}

fn connected(node: &millpond::Node) -> usize {
    let peers = node.status().wait().unwrap().peers;
    peers.iter().filter(|peer| peer.state == "connected").count()
}

fn received(node: &millpond::Node) -> u64 {
    node.status().wait().unwrap().peers.iter().map(|peer| peer.bytes_in).sum()
}

#[test]
fn a_block_that_rotted_is_named_and_fetched_again_from_a_peer() {
    const EVENTS: u64 = 4_000;
    let scratch = Scratch::new("rot-heals");
    let [a, b] = ["a", "b"].map(|name| open(&scratch, name, &secret(1)));
    publish_noise(&a, 0, EVENTS, 1_000, 200);
    link(&b, &a).unwrap();
    converge(&[&a, &b], u128::from(EVENTS));
    b.close(PATIENCE).unwrap();
    let file = scratch.path().join("b").join("data.mdb");
    let sound = std::fs::read(&file).unwrap();
    let mut places = (0..sound.len()).step_by(32 << 10).map(|page| page + 2_000);
    let b = loop {
        let place = places.next().expect("most of the file is blocks");
        let mut rotten = sound.clone();
        rotten[place] ^= 4;
        std::fs::write(&file, rotten).unwrap();
        let Ok(b) = open_to(&scratch, "b", &secret(1), Vec::new()) else { continue };
        let found = b.verify(|| true).wait().unwrap().damages;
        if found.len() == 1 && found[0].table == "events" && found[0].end < EVENTS {
            break b;
        }
        b.close(PATIENCE).unwrap();
    };
    assert_eq!(b.check().unwrap_err().kind(), ErrorKind::Corrupt);
    assert_eq!(b.status().wait().unwrap().store.damages.len(), 1, "nobody is there to give it");
    link(&b, &a).unwrap();
    until(&b, "the block", |b| b.status().wait().unwrap().store.damages.is_empty());
    converge(&[&a, &b], u128::from(EVENTS));
}
