//! A million events between two real nodes, with two interruptions on the way.

use crate::nodes::{address, held, open, publish, secret, until};
use crate::support::Scratch;
use millpond::log::{Log, LogOptions};
use millpond::query::Query;
use millpond::{Node, QueryOptions};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::{Duration, Instant};

const EVENTS: u64 = 1_000_000;

/// What an interruption may cost: the credit of a session, whose events were on their way, and as
/// much again for what was read and not durable yet.
pub(crate) const LOST_ON_THE_WAY_MAX: u64 = 8 << 20;

#[test]
fn a_million_events_catch_up_and_interruptions_resume_where_durable_data_ended() {
    let scratch = Scratch::on_disk("million");
    let a = open(&scratch, "a", &secret(1));
    publish(&a, "grain", EVENTS, 1_000);
    let mut b = open(&scratch, "b", &secret(1));
    let mut clock = CatchUp::default();

    clock.until_held(&mut b, &a, EVENTS * 2 / 10);
    b.set_network(false).wait().unwrap();
    let first = held(&b);
    b.set_network(true).wait().unwrap();
    clock.until_held(&mut b, &a, EVENTS * 4 / 10);
    b.close(Duration::from_secs(60)).unwrap();
    b = open(&scratch, "b", &secret(1));
    let second = held(&b);
    assert!(first < second && second < u128::from(EVENTS), "{first} and {second} held when cut");
    clock.until_held(&mut b, &a, EVENTS);

    let seconds = clock.time.as_secs_f64();
    let rate = EVENTS as f64 / seconds;
    println!("cut at {first} and {second} events; {EVENTS} in {seconds:.2} s, {rate:.0} a second");
    println!("{} bytes came; {}", clock.bytes, peak_memory());
    let most = stream_bytes(&a, &scratch) * 21 / 20 + 2 * LOST_ON_THE_WAY_MAX;
    assert!(clock.bytes <= most, "{} bytes came, {most} at most", clock.bytes);
    assert_eq!((held(&a), held(&b)), (u128::from(EVENTS), u128::from(EVENTS)));
    assert_eq!(order_hash(&a), order_hash(&b));
    b.check().unwrap();
    println!("all read and verified; {}", peak_memory());
}

/// Time and bytes of a catch-up, added up over its sessions.
#[derive(Default)]
struct CatchUp {
    time: Duration,
    bytes: u64,
}

impl CatchUp {
    /// Connects `to` to `from` and waits until it holds `count` events.
    fn until_held(&mut self, to: &mut Node, from: &Node, count: u64) {
        let began = Instant::now();
        let connecting = to.connect(address(from));
        until(to, &format!("{count} events"), |node| held(node) >= u128::from(count));
        self.time += began.elapsed();
        connecting.wait().unwrap();
        let peers = to.status().wait().unwrap().peers;
        self.bytes += peers.iter().map(|peer| peer.bytes_in).sum::<u64>();
    }
}

/// A digest of keys and payloads in the order in which a node reads them.
fn order_hash(node: &Node) -> u64 {
    let options = QueryOptions::default();
    let mut cursor = node.query(&Query::all(), options).unwrap();
    let mut hasher = DefaultHasher::new();
    let mut last = None;
    loop {
        let batch = cursor.next_batch(4096).unwrap();
        if batch.is_empty() {
            return hasher.finish();
        }
        for event in batch.iter() {
            assert!(last < Some(event.key()), "the order is strict");
            last = Some(event.key());
            (event.key().lamport.value(), event.key().stream.to_bytes()).hash(&mut hasher);
            event.payload_bytes().hash(&mut hasher);
        }
    }
}

/// Bytes of all records of a node's own stream, and of the heads that vouch for them.
pub(crate) fn stream_bytes(node: &Node, scratch: &Scratch) -> u64 {
    let clock = Arc::new(|| unreachable!("nothing is appended"));
    let path = scratch.path().join("a");
    let log = Log::open(LogOptions::new(path, node.swarm_id(), [0; 32], clock)).unwrap();
    let stream = node.own_stream();
    let (mut next, mut bytes) = (0, 0);
    while let Some(range) = log.read_range(&stream, next).unwrap() {
        let mut encoded = Vec::new();
        range.encode(&mut encoded);
        bytes += encoded.len() as u64;
        next = range.head.count;
    }
    bytes
}

/// What the kernel says about the most memory that this process ever had.
fn peak_memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let wanted =
        |line: &&str| ["VmHWM:", "RssAnon:", "RssFile:"].iter().any(|w| line.starts_with(w));
    let lines: Vec<&str> = status.lines().filter(wanted).collect();
    lines.join(", ").replace('\t', " ")
}
