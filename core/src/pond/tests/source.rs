//! A log in memory: streams, how much of each has arrived, and a reader in key order.

use crate::event::{
    AppId, Event, EventBatch, EventKey, EventKind, KeyPosition, Lamport, NodeId, Offset, OffsetMap,
    Payload, StreamId, TagSet, WallTime,
};
use crate::pond::Found;
use std::collections::BTreeMap;

/// An event as the tests see it.
#[derive(Clone, Debug)]
pub(super) struct TestEvent {
    pub(super) key: EventKey,
    pub(super) offset: u64,
    /// Whether the fish selects it.
    pub(super) matches: bool,
    pub(super) payload: Vec<u8>,
}

/// Streams, and how much of each is held.
#[derive(Clone, Debug, Default)]
pub(super) struct TestLog {
    pub(super) streams: BTreeMap<StreamId, Vec<TestEvent>>,
    pub(super) held: OffsetMap,
}

pub(super) fn stream(number: u8) -> StreamId {
    StreamId { node: NodeId::from_bytes([number; 32]), number: 0 }
}

impl TestLog {
    /// Writes an event that has not arrived.
    pub(super) fn write(&mut self, own: StreamId, lamport: u64, matches: bool, payload: Vec<u8>) {
        let events = self.streams.entry(own).or_default();
        let lamport = Lamport::new(lamport).unwrap();
        assert!(events.last().is_none_or(|last| last.key.lamport < lamport));
        let (key, offset) = (EventKey { lamport, stream: own }, events.len() as u64);
        events.push(TestEvent { key, offset, matches, payload });
    }

    /// Lets up to `count` events of a stream arrive.
    pub(super) fn arrive(&mut self, own: StreamId, count: u64) {
        let all = self.streams.get(&own).map_or(0, Vec::len) as u64;
        self.held.raise(own, all.min(self.held.count(&own).saturating_add(count)));
    }

    pub(super) fn arrive_all(&mut self) {
        for own in self.streams.keys().copied().collect::<Vec<_>>() {
            self.arrive(own, u64::MAX);
        }
    }

    /// Matching events between two maps, by key.
    pub(super) fn between(&self, lower: &OffsetMap, upper: &OffsetMap) -> Vec<TestEvent> {
        let mut found: Vec<TestEvent> = upper
            .beyond(lower)
            .flat_map(|(own, range)| {
                let events = self.streams[&own].iter();
                events.filter(move |event| range.contains(&event.offset) && event.matches)
            })
            .cloned()
            .collect();
        found.sort_by_key(|event| event.key);
        found
    }
}

/// A reader in key order.
#[derive(Default)]
pub(super) struct TestReader {
    position: KeyPosition,
    /// What is delivered next, and of what map.
    window: Vec<TestEvent>,
    upper: OffsetMap,
}

impl TestReader {
    pub(super) fn open(log: &TestLog, position: KeyPosition) -> TestReader {
        let upper = position.offsets.clone();
        let mut reader = TestReader { upper, window: Vec::new(), position };
        reader.resume(log, reader.position.last);
        reader
    }

    /// `is_eager` looks for late events also while a window is delivered.
    pub(super) fn next(&mut self, log: &TestLog, count_max: usize, is_eager: bool) -> Found {
        if self.window.is_empty() || is_eager {
            let new = log.between(&self.upper, &log.held);
            let is_late = new.first().is_some_and(|first| Some(first.key) < self.position.last);
            if is_late {
                let late = new[0].key;
                let read = log.between(&OffsetMap::new(), &self.upper);
                let to = read.iter().map(|event| event.key).filter(|key| *key < late).max();
                self.upper.clone_from(&log.held);
                self.resume(log, to);
                return Found::Rewind { to, has_moved: false };
            }
            if self.window.is_empty() {
                self.window = new;
                self.upper.clone_from(&log.held);
            }
        }
        if self.window.is_empty() {
            self.position.offsets.clone_from(&self.upper);
            return Found::Nothing { position: self.position.clone() };
        }
        let rest = self.window.split_off(count_max.min(self.window.len()));
        let events = std::mem::replace(&mut self.window, rest);
        self.position.last = events.last().map(|event| event.key);
        self.position.offsets.clone_from(&self.upper);
        let (position, is_whole) = (self.position.clone(), self.window.is_empty());
        Found::Events { events: batch(&events), position, is_whole }
    }

    /// Number of events that it has looked at.
    pub(super) fn total(&self) -> u64 {
        self.upper.total() as u64
    }

    pub(super) fn resume(&mut self, log: &TestLog, key: Option<EventKey>) {
        self.window = log.between(&OffsetMap::new(), &self.upper);
        self.window.retain(|event| Some(event.key) > key);
        self.position.last = key;
    }
}

/// Events as a log delivers them.
fn batch(events: &[TestEvent]) -> EventBatch {
    let event = |own: &TestEvent| Event {
        key: own.key,
        offset: Offset::new(own.offset),
        time: WallTime::from_micros(0),
        app_id: AppId::parse("com.example.mill").unwrap(),
        kind: EventKind::Application,
        tags: TagSet::default(),
        payload: Payload::from_cbor(own.payload.clone()).unwrap(),
    };
    let events: Vec<Event> = events.iter().map(event).collect();
    events.iter().collect()
}
