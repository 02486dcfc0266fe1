//! A log in memory: streams, how much of each has arrived, and a reader in key order.

use crate::event::cbor::Value;
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

/// A reader in key order, as the log has one.
#[derive(Default)]
pub(super) struct TestReader {
    position: KeyPosition,
    /// What is delivered next of what was looked at; none when that is to be looked up.
    window: Option<Vec<TestEvent>>,
    /// The greatest key that was delivered before the last way back.
    before_rewind: Option<EventKey>,
    ignored_before: Option<EventKey>,
}

/// How a reader is pulled.
#[derive(Clone, Copy, Debug)]
pub(super) struct TestPull {
    pub(super) count_max: usize,
    /// It looks for late events also while a window is delivered.
    pub(super) is_eager: bool,
    pub(super) ignored_before: Option<EventKey>,
}

impl TestReader {
    pub(super) fn open(position: KeyPosition) -> TestReader {
        let mut position = position;
        if position.last.is_none() {
            position.offsets = OffsetMap::new();
        }
        TestReader { position, ..TestReader::default() }
    }

    pub(super) fn next(&mut self, log: &TestLog, pull: TestPull) -> Found {
        self.ignored_before = pull.ignored_before;
        if (self.window.is_none() || pull.is_eager)
            && let Some(late) = self.late(log)
        {
            let read = self.between(log, &OffsetMap::new(), &self.position.offsets);
            let to = read.iter().map(|event| event.key).filter(|key| *key < late).max();
            self.before_rewind = self.before_rewind.max(self.position.last);
            self.position.offsets.clone_from(&log.held);
            (self.position.last, self.window) = (to, None);
            return Found::Rewind { to, has_moved: false };
        }
        if self.window.is_none() {
            self.position.offsets.clone_from(&log.held);
            let mut window = self.between(log, &OffsetMap::new(), &log.held);
            window.retain(|event| Some(event.key) > self.position.last);
            self.window = Some(window);
        }
        let window = self.window.as_mut().expect("set above");
        let rest = window.split_off(pull.count_max.min(window.len()));
        let events = std::mem::replace(window, rest);
        let is_whole = window.is_empty();
        if is_whole {
            self.window = None;
        }
        if let Some(last) = events.last() {
            (self.position.last, self.before_rewind) = (Some(last.key), None);
        }
        let position = self.position.clone();
        match events.is_empty() {
            true => Found::Nothing { position },
            false => Found::Events { events: batch(&events), position, is_whole },
        }
    }

    /// The least key of what was not looked at, if that was passed already.
    fn late(&self, log: &TestLog) -> Option<EventKey> {
        let new = self.between(log, &self.position.offsets, &log.held);
        new.first().map(|first| first.key).filter(|first| Some(*first) < self.position.last)
    }

    fn between(&self, log: &TestLog, lower: &OffsetMap, upper: &OffsetMap) -> Vec<TestEvent> {
        let mut events = log.between(lower, upper);
        events.retain(|event| Some(event.key) >= self.ignored_before);
        events
    }

    /// Number of events that it has looked at.
    pub(super) fn total(&self) -> u64 {
        self.position.offsets.total() as u64
    }

    pub(super) fn resume(&mut self, key: Option<EventKey>) {
        let most = self.position.last.max(self.before_rewind);
        assert!(key <= most, "{key:?} was not delivered, only {most:?}");
        (self.position.last, self.window) = (key, None);
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

/// Events with these numbers.
pub(super) fn numbered(numbers: &[u64]) -> EventBatch {
    let event = |(lamport, number): (u64, &u64)| TestEvent {
        key: EventKey { lamport: Lamport::new(lamport).unwrap(), stream: stream(1) },
        offset: lamport - 1,
        matches: true,
        payload: Value::from(*number).encode().unwrap(),
    };
    let events: Vec<TestEvent> = (1..).zip(numbers).map(event).collect();
    batch(&events)
}
