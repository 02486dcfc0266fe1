//! A log for one fold: the streams and the reader of a lab, and how much of each has arrived.

use crate::event::cbor::Value;
use crate::event::{
    AppId, Event, EventBatch, EventKey, EventKind, KeyPosition, Lamport, NodeId, Offset, OffsetMap,
    Payload, StreamId, TagSet, WallTime,
};
use crate::pond::Found;
use crate::pond::lab::{Pull, Reader, Streams, View};
use crate::query::Query;
use std::sync::LazyLock;

/// What the fish of these tests select.
static MATCHING: LazyLock<Query> = LazyLock::new(|| Query::parse("FROM 'matches'").unwrap());
const OWN: NodeId = NodeId::from_bytes([1; 32]);

/// Streams, and how much of each is held.
#[derive(Clone, Debug, Default)]
pub(super) struct TestLog {
    streams: Streams,
    pub(super) held: OffsetMap,
}

pub(super) fn stream(number: u8) -> StreamId {
    StreamId { node: NodeId::from_bytes([number; 32]), number: 0 }
}

impl TestLog {
    /// Writes an event that has not arrived.
    pub(super) fn write(&mut self, own: StreamId, lamport: u64, matches: bool, payload: Vec<u8>) {
        let lamport = Lamport::new(lamport).unwrap();
        self.streams.push(Event {
            key: EventKey { lamport, stream: own },
            offset: Offset::new(self.streams.count(&own)),
            time: WallTime::from_micros(0),
            app_id: AppId::parse("com.example.mill").unwrap(),
            kind: EventKind::Application,
            tags: TagSet::new(matches.then_some("matches")).unwrap(),
            payload: Payload::from_cbor(payload).unwrap(),
        });
    }

    /// Lets up to `count` events of a stream arrive.
    pub(super) fn arrive(&mut self, own: StreamId, count: u64) {
        let all = self.streams.count(&own);
        self.held.raise(own, all.min(self.held.count(&own).saturating_add(count)));
    }

    pub(super) fn arrive_all(&mut self) {
        for own in self.streams.ids().collect::<Vec<_>>() {
            self.arrive(own, u64::MAX);
        }
    }

    /// Matching events between two maps, by key.
    pub(super) fn between(&self, lower: &OffsetMap, upper: &OffsetMap) -> Vec<&Event> {
        self.streams.between(lower, upper, |event| event.tags.contains("matches"))
    }

    fn view(&self) -> View<'_> {
        View { streams: &self.streams, held: &self.held, query: &MATCHING, own_node: &OWN }
    }
}

/// How a reader is pulled.
pub(super) type TestPull = Pull;

/// The reader of a lab.
#[derive(Default)]
pub(super) struct TestReader(Reader);

impl TestReader {
    pub(super) fn open(position: KeyPosition) -> TestReader {
        TestReader(Reader::open(position))
    }

    pub(super) fn next(&mut self, log: &TestLog, pull: TestPull) -> Found {
        self.0.next(&log.view(), pull)
    }

    /// Number of events that it has looked at.
    pub(super) fn total(&self) -> u64 {
        self.0.total()
    }

    pub(super) fn resume(&mut self, key: Option<EventKey>) {
        self.0.resume(key);
    }
}

/// Events with these numbers.
pub(super) fn numbered(numbers: &[u64]) -> EventBatch {
    let mut log = TestLog::default();
    for (lamport, number) in (1..).zip(numbers) {
        log.write(stream(1), lamport, true, Value::from(*number).encode().unwrap());
    }
    log.arrive_all();
    log.between(&OffsetMap::new(), &log.held).into_iter().collect()
}
