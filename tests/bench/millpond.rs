//! Ourselves, through the front door that every application uses.

use crate::archive::{Archive, Found, timed};
use crate::subject::{Store, Subject, Workload, publish_in_batches};
use crate::workload::WorkEvent;
use ::millpond::event::{AppId, NewEvent, OffsetMap, Payload, SwarmSecret, TagSet};
use ::millpond::query::{Order, Query};
use ::millpond::{
    Appended, Delivery, Durability, NetworkOptions, Node, NodeOptions, PeerAddress, Pending,
    PublishOptions, QueryOptions, StorageOptions, Subscription,
};
use std::num::NonZeroUsize;
use std::ops::Range;
use std::path::Path;
use std::sync::Mutex;
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};

/// Longest wait for anything that must come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);
const BATCH: usize = 1_000;

pub(crate) struct Millpond;

/// The same, delivered before it is durable.
pub(crate) struct Live;

impl Subject for Millpond {
    fn name(&self) -> &'static str {
        "millpond"
    }

    fn open(&self, folder: &Path, workload: &Workload) -> Option<Box<dyn Store>> {
        Some(Box::new(Publisher::new(node(folder, "alone", false), workload)))
    }

    fn archive(&self, folder: &Path) -> Option<Box<dyn Archive>> {
        Some(Box::new(Reader { node: node(folder, "alone", false) }))
    }

    fn catch_up(&self, folder: &Path, workload: &Workload) -> Option<(Duration, u64)> {
        let full = Publisher::new(node(folder, "full", true), workload);
        publish_in_batches(&full, workload.len());
        let empty = node(folder, "empty", true);
        let everything = offsets(&full.node);
        let started = Instant::now();
        link(&empty, &full.node);
        loop {
            let held = offsets(&empty);
            if held.covers(&everything) {
                let took = started.elapsed();
                let status = empty.status().wait().expect("an open node has a status");
                return Some((took, status.peers.iter().map(|peer| peer.bytes_in).sum()));
            }
            // From what is held on: it only wakes us, and reads nothing.
            let growth = empty.subscribe(&Query::all(), held).expect("it opens");
            await_something(&growth);
        }
    }

    fn deliver(&self, folder: &Path, workload: &Workload) -> Option<Vec<Duration>> {
        Some(deliver(folder, workload, Delivery::Durable))
    }
}

impl Subject for Live {
    fn name(&self) -> &'static str {
        "millpond_live"
    }

    fn open(&self, _folder: &Path, _workload: &Workload) -> Option<Box<dyn Store>> {
        None
    }

    fn deliver(&self, folder: &Path, workload: &Workload) -> Option<Vec<Duration>> {
        Some(deliver(folder, workload, Delivery::Live))
    }
}

fn deliver(folder: &Path, workload: &Workload, delivery: Delivery) -> Vec<Duration> {
    let here = Publisher::new(node(folder, "here", true), workload);
    let there = node(folder, "there", true);
    link(&there, &here.node);
    let delivered = there.subscribe(&Query::all(), OffsetMap::default()).expect("it opens");
    let delivered = delivered.deliver(delivery);
    let (tell, arrivals) = channel();
    let count = workload.len();
    let reader = std::thread::spawn(move || receive(delivered, count, &tell));
    let mut latencies = Vec::new();
    for at in 0..count {
        let started = Instant::now();
        here.publish(at..at + 1);
        let arrived = arrivals.recv().expect("the reader reads");
        latencies.push(arrived.duration_since(started));
        settle(&here.node, &there);
    }
    reader.join().expect("the reader ends with the last event");
    latencies
}

/// Waits until nothing of this event is under way any more, as nothing of a message of TCP is once
/// it has arrived: a live event arrives long before both disks have it, and its syncs would be
/// counted with the next one. What each event costs when they follow without a pause is the time of
/// two syncs at least, which is the durable figure.
fn settle(here: &Node, there: &Node) {
    let all = offsets(here);
    while !offsets(there).covers(&all) {
        std::thread::yield_now();
    }
}

/// Tells the instant at which each of `count` events was pulled.
fn receive(mut delivered: Subscription, count: usize, tell: &Sender<Instant>) {
    let mut told = 0;
    while told < count {
        await_something(&delivered);
        let events = delivered.next_batch(16).expect("the subscription goes on").events;
        told += events.len();
        if events.iter().any(|_| tell.send(Instant::now()).is_err()) {
            return;
        }
    }
}

/// A node and the workload in the form that `publish` takes.
pub(crate) struct Publisher {
    node: Node,
    /// Those that were not published yet: an application makes each once, and so hands it over.
    events: Mutex<Vec<Option<NewEvent>>>,
}

impl Publisher {
    pub(crate) fn new(node: Node, workload: &Workload) -> Publisher {
        Publisher { node, events: new_events(workload) }
    }

    pub(crate) fn into_node(self) -> Node {
        self.node
    }

    fn start(&self, events: Range<usize>) -> Pending<Appended> {
        let mut all = self.events.lock().expect("no caller panicked");
        let taken = all[events].iter_mut().map(|event| event.take().expect("it is published once"));
        let batch = taken.collect();
        drop(all);
        self.node.publish(batch, publish_options())
    }
}

impl Store for Publisher {
    fn publish(&self, events: Range<usize>) {
        self.start(events).wait().expect("it is published");
    }

    fn turn_to(&mut self, workload: &Workload) {
        self.events = new_events(workload);
    }

    fn close(&self) {
        self.node.close(PATIENCE).expect("it closes");
    }
}

/// A node that is read.
struct Reader {
    node: Node,
}

impl Reader {
    fn read(&self, query: &Query, order: Order, most: usize) -> Found {
        let options = QueryOptions { order, ..QueryOptions::default() };
        let mut cursor = self.node.query(query, options).expect("it can be asked");
        let mut found = Found::default();
        while found.events < most {
            let batch = cursor.next_batch(BATCH.min(most - found.events)).expect("it can be read");
            if batch.is_empty() {
                break;
            }
            batch.iter().for_each(|event| found.add(event.payload_bytes()));
        }
        found
    }
}

impl Archive for Reader {
    fn find(&self, tag: &str, newest: Option<usize>) -> Found {
        let query = Query::parse(&format!("FROM '{tag}'")).expect("a tag without quotes");
        match newest {
            Some(most) => self.read(&query, Order::Descending, most),
            None => self.read(&query, Order::Ascending, usize::MAX),
        }
    }

    fn scan(&self) -> Found {
        self.read(&Query::all(), Order::Ascending, usize::MAX)
    }

    fn scaling(&self, tags: &[String]) -> Option<f64> {
        let threads = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let ask = || tags.iter().map(|tag| self.find(tag, None).events).sum::<usize>();
        let (found, alone) = timed(ask);
        let together = timed(|| {
            std::thread::scope(|scope| {
                let asking: Vec<_> = (0..threads).map(|_| scope.spawn(ask)).collect();
                asking.into_iter().for_each(|own| assert_eq!(own.join().ok(), Some(found)));
            });
        });
        Some(threads as f64 * alone.as_secs_f64() / together.1.as_secs_f64())
    }

    fn verify(&self) -> Option<u64> {
        let report = self.node.verify(|| true).wait().expect("it runs to its end");
        assert_eq!(report.damage_count, 0, "{:?}", report.damages);
        Some(report.record_bytes)
    }
}

fn new_events(workload: &Workload) -> Mutex<Vec<Option<NewEvent>>> {
    Mutex::new(workload.iter().map(|event| Some(new_event(event))).collect())
}

fn new_event(event: &WorkEvent) -> NewEvent {
    let tags = TagSet::new(&event.tags).expect("three short tags");
    let payload = Payload::from_cbor(event.payload.clone()).expect("deterministic CBOR");
    NewEvent { tags, payload }
}

/// On disk when it returns, and nothing else is asked.
pub(crate) fn publish_options() -> PublishOptions {
    PublishOptions { durability: Durability::Power, idempotency_key: None, expected: None }
}

/// A node in a folder of its own; with a network it listens on loopback and looks for nobody.
pub(crate) fn node(folder: &Path, name: &str, network: bool) -> Node {
    let network = network.then(|| NetworkOptions {
        bind: vec!["127.0.0.1:0".parse().expect("an address")],
        ..NetworkOptions::default()
    });
    let options = NodeOptions {
        path: folder.join(name),
        app_id: AppId::parse("com.example.bench").expect("a short name"),
        swarm: SwarmSecret::from_bytes([0x33; 32]),
        former_secrets: Vec::new(),
        network,
        storage: StorageOptions::default(),
    };
    Node::open(options).expect("a node opens")
}

pub(crate) fn link(from: &Node, to: &Node) {
    let address = PeerAddress::from(&to.ticket().wait().expect("a listening node has a ticket"));
    let linked = from.connect(address).wait_timeout(PATIENCE).expect("an answer comes");
    linked.expect("the peer is admitted");
}

pub(crate) fn offsets(node: &Node) -> OffsetMap {
    node.offsets().expect("an open node says what it holds")
}

fn await_something(arrivals: &Subscription) {
    assert!(arrivals.wait(Some(PATIENCE)).expect("the subscription goes on"), "nothing comes");
}
