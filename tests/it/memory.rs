//! A log of millions of events in little memory, as the kernel counts it: a gateway has no more.
//!
//! With `./dev test --long` ten million events in 256 MiB; in an ordinary run a quarter of the
//! memory, of all that is kept in memory, and fewer events.

use crate::bench::workload;
use crate::support::{Scratch, in_own_memory};
use millpond::event::{AppId, NewEvent, Payload, SwarmSecret, TagSet};
use millpond::query::{Order, Query};
use millpond::{Node, NodeOptions, PublishOptions, QueryOptions, StorageOptions};
use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(600);
const BATCH: usize = 1000;
/// The workload is made in parts of so many.
const PART: usize = 20_000;
/// Tags whose events are counted while they are published.
const WATCHED: [&str; 6] =
    ["order:40000", "order:3000", "machine:M-007", "machine:M-199", "kind:3", "order:1"];
/// Of this one the newest events are remembered.
const NEWEST_OF: &str = "machine:M-007";
const NEWEST: usize = 10;

/// How much, and in how much.
struct Size {
    events: usize,
    memory: u64,
    storage: StorageOptions,
}

fn size() -> Size {
    let storage = StorageOptions::default();
    if std::env::var_os("MILLPOND_LONG").is_some() {
        return Size { events: 10_000_000, memory: 256 << 20, storage };
    }
    let storage = StorageOptions {
        segment_bytes: storage.segment_bytes / 4,
        tail_bytes_max: storage.tail_bytes_max / 4,
        cache_bytes_max: storage.cache_bytes_max / 4,
        ..storage
    };
    Size { events: 600_000, memory: 64 << 20, storage }
}

/// What was published, as far as it is asked for.
#[derive(Default)]
struct Published {
    counts: BTreeMap<&'static str, u64>,
    newest: VecDeque<Vec<u8>>,
    payload_bytes: u64,
}

#[test]
fn millions_of_events_are_published_found_verified_and_compacted_in_little_memory() {
    let size = size();
    let name =
        "memory::millions_of_events_are_published_found_verified_and_compacted_in_little_memory";
    if !in_own_memory(name, size.memory) {
        return;
    }
    // What lies in a memory file system would count.
    let scratch = Scratch::on_disk("memory");
    let mut last = Instant::now();
    let mut tell = |what: &str| {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let anonymous = status.lines().find(|line| line.starts_with("RssAnon")).unwrap_or("");
        println!("{what}: {:.1?}, {anonymous}", last.elapsed());
        last = Instant::now();
    };
    let published = fill(scratch.path(), &size);
    tell("published");
    let node = open(scratch.path(), &size);
    tell("opened");
    ask(&node, &published);
    tell("asked");
    assert_eq!(scan(&node), (size.events as u64, published.payload_bytes));
    tell("read");
    let report = node.verify(|| true).wait().unwrap();
    assert_eq!((report.damage_count, report.events), (0, size.events as u64), "{report:?}");
    tell("verified");
    node.compact(|| true).wait().unwrap();
    tell("compacted");
    ask(&node, &published);
    node.close(PATIENCE).unwrap();
}

fn open(path: &Path, size: &Size) -> Node {
    Node::open(NodeOptions {
        path: path.join("store"),
        app_id: AppId::parse("com.example.memory").unwrap(),
        swarm: SwarmSecret::from_bytes([0x33; 32]),
        former_secrets: Vec::new(),
        network: None,
        storage: size.storage.clone(),
    })
    .unwrap()
}

fn fill(path: &Path, size: &Size) -> Published {
    let node = open(path, size);
    let mut published = Published::default();
    for first in (0..size.events).step_by(PART) {
        let part = workload::events(7, first, PART);
        for event in &part {
            published.payload_bytes += event.payload.len() as u64;
            for tag in WATCHED.iter().filter(|tag| event.tags.iter().any(|own| own == *tag)) {
                *published.counts.entry(tag).or_default() += 1;
                if *tag == NEWEST_OF {
                    published.newest.push_front(event.payload.clone());
                    published.newest.truncate(NEWEST);
                }
            }
        }
        for batch in part.chunks(BATCH) {
            let batch = batch.iter().map(|event| NewEvent {
                tags: TagSet::new(&event.tags).unwrap(),
                payload: Payload::from_cbor(event.payload.clone()).unwrap(),
            });
            node.publish(batch.collect(), PublishOptions::default()).wait().unwrap();
        }
    }
    node.close(PATIENCE).unwrap();
    published
}

fn ask(node: &Node, published: &Published) {
    for tag in WATCHED {
        let expected = published.counts.get(tag).copied().unwrap_or(0);
        let query = Query::parse(&format!("FROM '{tag}'")).unwrap();
        assert_eq!(read(node, &query).0, expected, "{tag}");
    }
    let query = Query::parse(&format!("FROM '{NEWEST_OF}'")).unwrap();
    let options = QueryOptions { order: Order::Descending, ..QueryOptions::default() };
    let found = node.query(&query, options).unwrap().next_batch(NEWEST).unwrap();
    assert!(found.iter().map(|event| event.payload_bytes()).eq(&published.newest));
}

fn scan(node: &Node) -> (u64, u64) {
    read(node, &Query::all())
}

/// Number of events and bytes of their payloads.
fn read(node: &Node, query: &Query) -> (u64, u64) {
    let mut cursor = node.query(query, QueryOptions::default()).unwrap();
    let mut found = (0, 0);
    loop {
        let batch = cursor.next_batch(BATCH).unwrap();
        if batch.is_empty() {
            return found;
        }
        found.0 += batch.len() as u64;
        found.1 += batch.iter().map(|event| event.payload_bytes().len() as u64).sum::<u64>();
    }
}
