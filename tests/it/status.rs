//! What a node says of itself and of others is what is so, between real nodes on loopback.

use crate::nodes::{
    PATIENCE, address, converge, held, link, open, publish, publish_noise, secret, until,
};
use crate::support::Scratch;
use millpond::event::NodeId;
use millpond::query::Query;
use millpond::{
    Behind, Completeness, ErrorKind, Node, PeerStatus, QueryOptions, Status, StatusSubscription,
};
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

#[test]
fn a_status_subscription_tells_of_changes_and_ends_with_its_node() {
    let scratch = Scratch::new("told");
    let [a, b] = ["a", "b"].map(|name| open(&scratch, name, &secret(1)));
    let mut statuses = a.subscribe_status();
    let first =
        statuses.next_status().wait_timeout(PATIENCE).expect("the first comes at once").unwrap();
    assert!(first.peers.is_empty());
    link(&b, &a).unwrap();
    let is_up = |status: &Status| status.peers.iter().any(|peer| peer.state == "connected");
    told(&mut statuses, "the session", is_up);
    b.set_network(false).wait().unwrap();
    let missed = told(&mut statuses, "the partition", |status| !status.unheard.is_empty());
    assert_eq!(missed.unheard[0].node, b.node_id());
    b.set_network(true).wait().unwrap();
    told(&mut statuses, "its end", |status| status.unheard.is_empty() && is_up(status));
    let mut next = statuses.next_status();
    if next.wait_timeout(Duration::from_millis(600)).is_none() {
        let stranger = open(&scratch, "stranger", &secret(2));
        link(&stranger, &a).unwrap_err();
        next.wait_timeout(PATIENCE).expect("a refusal is told").unwrap();
    }
    let mut last = statuses.next_status();
    a.close(Duration::from_secs(10)).unwrap();
    while let Ok(_told) = last.wait_timeout(PATIENCE).expect("the close is told") {
        last = statuses.next_status();
    }
    assert_eq!(statuses.next_status().wait().unwrap_err().kind(), ErrorKind::Closed);
}

#[test]
fn a_status_subscription_ends_with_its_handle_while_another_one_is_open() {
    let scratch = Scratch::new("handles");
    let [first, second] = [(), ()].map(|()| open(&scratch, "a", &secret(1)));
    let mut statuses = first.subscribe_status();
    statuses.next_status().wait().unwrap();
    let mut next = statuses.next_status();
    first.close(Duration::from_secs(10)).unwrap();
    let ended = loop {
        match next.wait_timeout(PATIENCE).expect("the close is told") {
            Ok(_) => next = statuses.next_status(),
            Err(error) => break error,
        }
    };
    assert_eq!(ended.kind(), ErrorKind::Closed);
    second.status().wait().unwrap();
}

#[test]
fn an_answer_names_the_stream_that_is_behind_and_the_node_that_is_missed() {
    const EVENTS: u64 = 40_000;
    let scratch = Scratch::new("behind");
    let [a, b] = ["a", "b"].map(|name| open(&scratch, name, &secret(1)));
    publish_noise(&a, 0, EVENTS, 1_000, 600);
    link(&b, &a).unwrap();
    until(&b, "some of the events", |b| held(b) > 0);
    b.set_network(false).wait().unwrap();
    let partial = completeness(&b);
    let held = partial.offsets.count(&a.own_stream());
    assert!(held < EVENTS, "the cut came too late to show anything");
    let missing = Behind { stream: a.own_stream(), missing: EVENTS - held };
    assert_eq!(partial.behind, [missing]);
    let missed: Vec<NodeId> = partial.unheard.iter().map(|gone| gone.node).collect();
    assert_eq!(missed, [a.node_id()]);
    let stream = status(&b).streams.into_iter().find(|stream| stream.stream == a.own_stream());
    assert!(stream.is_some_and(|stream| stream.lag == EVENTS - held && stream.known == EVENTS));
    b.set_network(true).wait().unwrap();
    until(&b, "a complete answer", |b| {
        let complete = completeness(b);
        let whole = complete.offsets.count(&a.own_stream()) == EVENTS;
        whole && complete.behind.is_empty() && complete.unheard.is_empty()
    });
}

#[test]
fn who_was_heard_of_before_a_restart_is_missed_since_then() {
    let scratch = Scratch::new("since");
    let [a, b] = ["a", "b"].map(|name| open(&scratch, name, &secret(1)));
    link(&a, &b).unwrap();
    b.set_network(false).wait().unwrap();
    until(&a, "the loss of the other", |a| unheard(a) == [b.node_id()]);
    let since = status(&a).unheard[0].since.micros();
    a.close(Duration::from_secs(10)).unwrap();
    for _ in 0..2 {
        let a = open(&scratch, "a", &secret(1));
        let gone = status(&a).unheard;
        assert_eq!(gone.iter().map(|gone| gone.node).collect::<Vec<_>>(), [b.node_id()]);
        // It is counted back from now by two clocks, which are not asked in one moment: in between
        // a busy machine may do something else, and others may set the wall clock.
        let drift = gone[0].since.micros() - since;
        assert!(drift.abs() < 2_000_000, "{drift} µs");
        assert_eq!(a.verify(|| true).wait().unwrap().damage_count, 0);
        a.close(Duration::from_secs(10)).unwrap();
    }
}

/// The first status that is so.
fn told(
    statuses: &mut StatusSubscription,
    what: &str,
    condition: impl Fn(&Status) -> bool,
) -> Status {
    loop {
        let next = statuses.next_status().wait_timeout(PATIENCE);
        let status = next.unwrap_or_else(|| panic!("{what} was not told")).unwrap();
        if condition(&status) {
            return status;
        }
    }
}

fn completeness(node: &Node) -> Completeness {
    let query = Query::parse("FROM 'noise'").unwrap();
    node.query(&query, QueryOptions::default()).unwrap().completeness()
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
