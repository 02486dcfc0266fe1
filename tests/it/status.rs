//! What a node says of itself and of others is what is so, between real nodes on loopback.

use crate::nodes::{PATIENCE, address, converge, link, open, publish, secret, until};
use crate::support::Scratch;
use millpond::event::NodeId;
use millpond::{Node, PeerStatus, Status};
use std::time::Duration;

#[test]
fn a_partition_is_suspected_while_it_lasts_and_of_nobody_else() {
    let scratch = Scratch::new("suspected");
    let [a, b, c] = ["a", "b", "c"].map(|name| open(&scratch, name, &secret(1)));
    link(&a, &b).unwrap();
    link(&b, &c).unwrap();
    for node in [&a, &b, &c] {
        publish(node, "grain", 10, 10);
    }
    converge(&[&a, &b, &c], 30);
    until(&a, "to hear of everybody", |a| status(a).unheard.is_empty());
    let before = status(&a).streams;
    assert_eq!(before.iter().map(|stream| (stream.held, stream.lag)).max(), Some((10, 0)));

    c.set_network(false).wait().unwrap();
    until(&a, "c to be missed", |a| unheard(a) == [c.node_id()]);
    let gone = status(&a).unheard[0];
    assert!(gone.ago < PATIENCE && gone.since.micros() > 0, "{gone:?}");
    until(&c, "all others to be missed", |c| unheard(c).len() == 2);
    c.set_network(true).wait().unwrap();
    until(&a, "c to be back", |a| unheard(a).is_empty());
    until(&c, "all others to be back", |c| unheard(c).is_empty());
}

#[test]
fn authors_that_were_not_heard_of_since_opening_are_suspected() {
    let scratch = Scratch::new("reopened");
    let [a, b] = ["a", "b"].map(|name| open(&scratch, name, &secret(1)));
    link(&a, &b).unwrap();
    publish(&b, "grain", 10, 10);
    converge(&[&a, &b], 10);
    b.close(Duration::from_secs(10)).unwrap();
    a.close(Duration::from_secs(10)).unwrap();
    drop(a);
    let a = open(&scratch, "a", &secret(1));
    assert_eq!(unheard(&a), [b.node_id()]);
}

#[test]
fn a_refused_peer_is_shown_with_the_reason_and_how_long_it_was_tried() {
    let scratch = Scratch::new("refused");
    let member = open(&scratch, "member", &secret(1));
    let stranger = open(&scratch, "stranger", &secret(2));
    link(&stranger, &member).unwrap_err();
    let peer = peer(&stranger, &member);
    let refused = peer.refused.clone().expect("it was refused");
    assert_eq!(refused.reason, "wrong_secret");
    assert!(refused.message.contains("the same swarm secret"), "{}", refused.message);
    assert!(refused.ago < PATIENCE && peer.connected_for.is_none(), "{peer:?}");
    assert!(peer.named && !peer.discovered);
    assert!(peer.trying_for.is_some() && peer.last_contact.is_none(), "{peer:?}");
}

#[test]
fn what_is_said_of_a_peer_outlasts_its_session_and_adds_up() {
    let scratch = Scratch::new("totals");
    let [a, b] = ["a", "b"].map(|name| open(&scratch, name, &secret(1)));
    link(&a, &b).unwrap();
    publish(&b, "grain", 100, 100);
    converge(&[&a, &b], 100);
    let first = peer(&a, &b);
    assert!(first.total_bytes_in >= first.bytes_in && first.bytes_in > 100, "{first:?}");
    assert!(first.trying_for.is_none() && first.refused.is_none(), "{first:?}");
    b.set_network(false).wait().unwrap();
    until(&a, "the end of the session", |a| peer(a, &b).state != "connected");
    let between = peer(&a, &b);
    assert_eq!(between.bytes_in, 0);
    assert!(between.total_bytes_in >= first.total_bytes_in, "{between:?}");
    assert!(between.last_contact.is_some() && between.gone_for.is_some(), "{between:?}");
    until(&a, "a dial in vain", |a| peer(a, &b).trying_for.is_some());
    b.set_network(true).wait().unwrap();
    b.connect(address(&a)).wait().unwrap();
    until(&a, "a session", |a| peer(a, &b).state == "connected");
    assert!(peer(&a, &b).total_bytes_in > between.total_bytes_in);
}

fn status(node: &Node) -> Status {
    node.status().wait().unwrap()
}

fn unheard(node: &Node) -> Vec<NodeId> {
    status(node).unheard.iter().map(|gone| gone.node).collect()
}

/// What `node` says of `other`.
fn peer(node: &Node, other: &Node) -> PeerStatus {
    let peers = status(node).peers;
    peers.into_iter().find(|peer| peer.node == other.node_id()).expect("it is known")
}
