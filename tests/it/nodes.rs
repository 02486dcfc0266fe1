//! Real nodes on loopback: opening, linking, and waiting for what must come.

use crate::support::Scratch;
use millpond::event::cbor::Value;
use millpond::event::{AppId, Event, NewEvent, NodeId, OffsetMap, Payload, SwarmSecret, TagSet};
use millpond::query::Query;
use millpond::{
    Error, EventView, NetworkOptions, Node, NodeOptions, PeerAddress, PublishOptions, QueryOptions,
    StorageOptions,
};
use millpond_tests::crash::mix;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// Longest wait for anything that must come; generous, because machines are shared.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// A swarm's secret for tests, by number.
pub(crate) fn secret(number: u8) -> SwarmSecret {
    SwarmSecret::from_bytes([number; 32])
}

/// Opens a node that listens on a free port of loopback.
pub(crate) fn open(scratch: &Scratch, name: &str, secret: &SwarmSecret) -> Node {
    open_with(scratch, name, secret, None)
}

/// As [`open`], with an allow-list.
pub(crate) fn open_with(
    scratch: &Scratch,
    name: &str,
    secret: &SwarmSecret,
    allow: Option<BTreeSet<NodeId>>,
) -> Node {
    let network = NetworkOptions { allow, ..loopback() };
    try_open(scratch, name, secret, network, StorageOptions::default()).expect("a node opens")
}

/// As [`open`], with small journals, tail and caches.
pub(crate) fn open_small(scratch: &Scratch, name: &str, secret: &SwarmSecret) -> Node {
    let storage = StorageOptions {
        segment_bytes: 4 << 20,
        tail_bytes_max: 8 << 20,
        cache_bytes_max: 4 << 20,
        ..StorageOptions::default()
    };
    try_open(scratch, name, secret, loopback(), storage).expect("a node opens")
}

/// As [`open`], with peers from the start.
pub(crate) fn open_to(
    scratch: &Scratch,
    name: &str,
    secret: &SwarmSecret,
    peers: Vec<PeerAddress>,
) -> Result<Node, Error> {
    let network = NetworkOptions { peers, ..loopback() };
    try_open(scratch, name, secret, network, StorageOptions::default())
}

/// As [`open`], with everything said.
pub(crate) fn try_open(
    scratch: &Scratch,
    name: &str,
    secret: &SwarmSecret,
    network: NetworkOptions,
    storage: StorageOptions,
) -> Result<Node, Error> {
    Node::open(NodeOptions {
        path: scratch.path().join(name),
        app_id: AppId::parse(&format!("com.example.{name}")).expect("a short name"),
        swarm: secret.clone(),
        former_secrets: Vec::new(),
        network: Some(network),
        storage,
    })
}

/// A free port of loopback, and nobody to connect to.
pub(crate) fn loopback() -> NetworkOptions {
    let bind = vec!["127.0.0.1:0".parse().expect("an address")];
    NetworkOptions { bind, ..NetworkOptions::default() }
}

/// Where a node can be reached.
pub(crate) fn address(node: &Node) -> PeerAddress {
    PeerAddress::from(&node.ticket().wait().expect("a node with a network has a ticket"))
}

/// Connects `from` to `to` and waits for the session, or for the refusal.
pub(crate) fn link(from: &Node, to: &Node) -> Result<(), Error> {
    from.connect(address(to)).wait_timeout(PATIENCE).expect("an answer comes")
}

/// Publishes `count` small events in batches of at most `batch`.
pub(crate) fn publish(node: &Node, tag: &str, count: u64, batch: u64) {
    let mut next = 0;
    while next < count {
        let events = (next..count.min(next + batch)).map(|number| event(tag, number)).collect();
        node.publish(events, PublishOptions::default()).wait().expect("a publish succeeds");
        next += batch;
    }
}

/// A small event with one tag and a number.
pub(crate) fn event(tag: &str, number: u64) -> NewEvent {
    let value = Value::map([("n", Value::from(number)), ("mill", Value::from("M-017"))]);
    NewEvent {
        tags: TagSet::new([tag]).expect("a short tag"),
        payload: Payload::from_value(&value).expect("a small payload"),
    }
}

/// An event of about `bytes` bytes that nothing can make smaller; each number has its own.
pub(crate) fn noise(tag: &str, number: u64, bytes: u64) -> NewEvent {
    let words = (0..bytes / 8).flat_map(|word| mix(number, word).to_le_bytes());
    let value = Value::map([("n", Value::from(number)), ("noise", Value::Bytes(words.collect()))]);
    NewEvent {
        tags: TagSet::new([tag]).expect("a short tag"),
        payload: Payload::from_value(&value).expect("it fits"),
    }
}

/// As [`publish`], with [`noise`] of `bytes` bytes each, and `count` events from `first` on.
pub(crate) fn publish_noise(node: &Node, first: u64, count: u64, batch: u64, bytes: u64) {
    for next in (first..first + count).step_by(batch as usize) {
        let end = (first + count).min(next + batch);
        let events = (next..end).map(|number| noise("noise", number, bytes)).collect();
        node.publish(events, PublishOptions::default()).wait().expect("a publish succeeds");
    }
}

/// Every event of a node, in key order.
pub(crate) fn everything(node: &Node) -> Vec<Event> {
    let options = QueryOptions::default();
    let mut cursor = node.query(&Query::all(), options).expect("the log can be read");
    let mut events = Vec::new();
    loop {
        let batch = cursor.next_batch(4096).expect("the log can be read");
        if batch.is_empty() {
            return events;
        }
        events.extend(batch.iter().map(EventView::to_event));
    }
}

/// Number of events a node holds.
pub(crate) fn held(node: &Node) -> u128 {
    node.offsets().expect("the node is open").total()
}

/// Waits until `condition` holds of `node`, looking again whenever its log grows.
pub(crate) fn until(node: &Node, what: &str, condition: impl Fn(&Node) -> bool) {
    let deadline = Instant::now() + PATIENCE;
    let nothing = Query::parse("FROM to(0)").expect("a query");
    let mut growth = node.subscribe(&nothing, OffsetMap::new()).expect("the node is open");
    while !condition(node) {
        assert!(Instant::now() < deadline, "waited in vain: {what}; it holds {}", held(node));
        growth.wait(Some(Duration::from_millis(50))).expect("the node is open");
        growth.next_batch(1).expect("the log can be read");
    }
}

/// Waits until every node holds `count` events, and checks that all have one order.
pub(crate) fn converge(nodes: &[&Node], count: u128) {
    for node in nodes {
        until(node, &format!("{count} events"), |node| held(node) >= count);
    }
    let first = everything(nodes[0]);
    assert_eq!(first.len() as u128, count);
    assert!(first.windows(2).all(|two| two[0].key < two[1].key), "the order is strict");
    for node in &nodes[1..] {
        assert!(everything(node) == first, "two nodes differ");
        node.check().expect("the log verifies");
    }
}
