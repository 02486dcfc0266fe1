//! A node that obeys lines, for the tests in network namespaces.
//!
//! `lab_node PATH PORT [discovery] [cap=BYTES]`: opens the store at PATH, listens at PORT of every
//! address (or at the one address that stands there instead, as IP:PORT), says `N <node id>`, and
//! then obeys standard input until it ends. Each line is answered by one:
//! `connect PEER` by `C` at once; `publish TAG COUNT BYTES` by `A` when all is durable, batch by
//! batch; `held` by `H <our own events> <all events> <digest of the offset map>`; `digest` by
//! `D <events> <digest of all in key order>`; `count TAG` by `Q <events with the tag>`;
//! `addresses` by `T` and where we listen; `peers` by `P` and, for each peer,
//! `<node id>:<state>:<bytes in>:<bytes out>:<connected for, ms>`; `figure NAME` by `M` and what
//! the figures say. On Linux it lies about others, too, as those that are at ADDRESS, by `L` when
//! that is said: `announce TAG ADDRESS NODE`, `withdraw TAG ADDRESS NODE`, and `storm TAG ADDRESS
//! COUNT` of so many nodes that are nowhere.

#[cfg(target_os = "linux")]
use millpond::event::NodeKey;
use millpond::event::cbor::Value;
use millpond::event::{AppId, NewEvent, OffsetMap, Payload, SwarmSecret, TagSet};
use millpond::query::Query;
use millpond::{
    EventView, NetworkOptions, Node, NodeOptions, PublishOptions, QueryOptions, StorageOptions,
};
use millpond_tests::crash::mix;
#[cfg(target_os = "linux")]
use millpond_tests::netlab::Announcer;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{BufRead, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

/// Events of one publish.
const BATCH: u64 = 16;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, path, port, flags @ ..] = &arguments[..] else {
        eprintln!("usage: lab_node PATH PORT [discovery] [cap=BYTES]");
        std::process::exit(2);
    };
    let bind = match port.parse() {
        Ok(address) => vec![address],
        Err(_) => every_address(port.parse().expect("PORT is a number")),
    };
    let discovery = flags.iter().any(|flag| flag == "discovery");
    let cap = flags.iter().find_map(|flag| flag.strip_prefix("cap="));
    let cap = cap.map_or(0, |bytes| bytes.parse().expect("BYTES is a number"));
    let node = open(Path::new(path), bind, discovery, cap);
    say(&format!("N {}", node.node_id()));
    for line in std::io::stdin().lock().lines() {
        let line = line.expect("standard input can be read");
        let words: Vec<&str> = line.split(' ').collect();
        say(&obey(&node, &words));
    }
}

fn every_address(port: u16) -> Vec<SocketAddr> {
    vec![(Ipv4Addr::UNSPECIFIED, port).into(), (Ipv6Addr::UNSPECIFIED, port).into()]
}

fn open(path: &Path, bind: Vec<SocketAddr>, discovery: bool, cap: u64) -> Node {
    Node::open(NodeOptions {
        path: path.to_owned(),
        app_id: AppId::parse("com.example.lab").expect("a short name"),
        swarm: SwarmSecret::from_bytes([0x1a; 32]),
        former_secrets: Vec::new(),
        network: Some(NetworkOptions {
            bind,
            discovery,
            send_bytes_per_second_per_peer_max: cap,
            ..NetworkOptions::default()
        }),
        storage: StorageOptions::default(),
    })
    .expect("the node opens")
}

fn obey(node: &Node, words: &[&str]) -> String {
    match words {
        ["connect", peer] => {
            drop(node.connect(peer.parse().expect("PEER is an address")));
            "C".to_owned()
        }
        ["publish", tag, count, bytes] => {
            let number = |text: &str| text.parse().expect("COUNT and BYTES are numbers");
            publish(node, tag, number(count), number(bytes))
        }
        ["held"] => held(node),
        ["digest"] => digest(node),
        ["count", tag] => count(node, tag),
        ["addresses"] => {
            let status = node.status().wait().expect("the node is open");
            let texts = status.local_addresses.iter().map(ToString::to_string);
            format!("T {}", texts.collect::<Vec<_>>().join(","))
        }
        ["peers"] => peers(node),
        ["figure", name] => figure(node, name),
        #[cfg(target_os = "linux")]
        ["announce", tag, at, peer] => lie(tag, at, |liar| liar.announce(peer)),
        #[cfg(target_os = "linux")]
        ["withdraw", tag, at, peer] => lie(tag, at, |liar| liar.withdraw(peer)),
        #[cfg(target_os = "linux")]
        ["storm", tag, at, count] => {
            let count = count.parse().expect("COUNT is a number");
            lie(tag, at, |liar| (0..count).try_for_each(|number| liar.announce(&made_up(number))))
        }
        _ => panic!("{words:?} is no order"),
    }
}

fn publish(node: &Node, tag: &str, count: u64, bytes: u64) -> String {
    let first = node.offsets().expect("the node is open").count(&node.own_stream());
    for next in (first..first + count).step_by(BATCH as usize) {
        let end = (next + BATCH).min(first + count);
        let events = (next..end).map(|number| event(tag, number, bytes)).collect();
        node.publish(events, PublishOptions::default()).wait().expect("a publish succeeds");
        if end < first + count {
            say("a");
        }
    }
    "A".to_owned()
}

/// An event that nothing can make smaller.
fn event(tag: &str, number: u64, bytes: u64) -> NewEvent {
    let seed = u64::from(std::process::id());
    let noise =
        (0..bytes.div_ceil(8)).flat_map(|word| mix(seed ^ number << 24, word).to_le_bytes());
    let value = Value::map([("n", Value::from(number)), ("noise", Value::Bytes(noise.collect()))]);
    NewEvent {
        tags: TagSet::new([tag]).expect("a short tag"),
        payload: Payload::from_value(&value).expect("a small payload"),
    }
}

fn held(node: &Node) -> String {
    let offsets = node.offsets().expect("the node is open");
    let own: u64 =
        offsets.iter().filter(|(stream, _)| stream.node == node.node_id()).map(|(_, n)| n).sum();
    format!("H {own} {} {:016x}", offsets.total(), hash(&map_bytes(&offsets)))
}

fn count(node: &Node, tag: &str) -> String {
    let query = Query::parse(&format!("FROM '{tag}'")).expect("TAG is a short tag");
    let mut cursor = node.query(&query, QueryOptions::default()).expect("the log is read");
    let mut count = 0;
    loop {
        match cursor.next_batch(1024).expect("the log is read").len() {
            0 => return format!("Q {count}"),
            more => count += more,
        }
    }
}

fn map_bytes(offsets: &OffsetMap) -> Vec<u8> {
    let mut bytes = Vec::new();
    offsets.encode(&mut bytes);
    bytes
}

/// Everything in key order, and the store's own checks.
fn digest(node: &Node) -> String {
    node.check().expect("the log verifies");
    let mut cursor = node.query(&Query::all(), QueryOptions::default()).expect("the log is read");
    let (mut count, mut hasher, mut before) = (0u64, DefaultHasher::new(), None);
    loop {
        let batch = cursor.next_batch(1024).expect("the log is read");
        if batch.is_empty() {
            return format!("D {count} {:016x}", hasher.finish());
        }
        for event in batch.iter().map(EventView::to_event) {
            assert!(before.is_none_or(|before| before < event.key), "the order is strict");
            before = Some(event.key);
            format!("{event:?}").hash(&mut hasher);
            count += 1;
        }
    }
}

fn peers(node: &Node) -> String {
    let status = node.status().wait().expect("the node is open");
    let texts = status.peers.iter().map(|peer| {
        let standing = peer.connected_for.map_or(0, |time| time.as_millis());
        format!(" {}:{}:{}:{}:{standing}", peer.node, peer.state, peer.bytes_in, peer.bytes_out)
    });
    format!("P{}", texts.collect::<String>())
}

fn figure(node: &Node, name: &str) -> String {
    let figures = node.metrics().wait().expect("the node is open");
    let mut found = figures.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    format!("M {}", found.next().expect("NAME is a figure without labels"))
}

#[cfg(target_os = "linux")]
fn lie(tag: &str, at: &str, say: impl Fn(&Announcer) -> std::io::Result<()>) -> String {
    let SocketAddr::V4(at) = at.parse().expect("ADDRESS is one") else { panic!("not of IPv4") };
    let liar = Announcer::new(tag, (*at.ip(), at.port())).expect("the port is free here");
    say(&liar).expect("there is a network");
    "L".to_owned()
}

/// The id of a node that is nowhere.
#[cfg(target_os = "linux")]
fn made_up(number: u64) -> String {
    let mut seed = [0xfa; 32];
    seed[..8].copy_from_slice(&number.to_le_bytes());
    NodeKey::from_seed(&seed).node_id().to_string()
}

fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
}

/// One write, so that a kill never leaves half a line that says too much.
fn say(line: &str) {
    let mut out = std::io::stdout();
    // Whoever gave the orders may be gone.
    let _ = out.write_all(format!("{line}\n").as_bytes());
    let _ = out.flush();
}
