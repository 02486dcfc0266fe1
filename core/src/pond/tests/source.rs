//! A log for one fold: the streams and the reader of a lab, and how much of each has arrived.

use crate::event::cbor::Value;
use crate::event::limits::STREAMS_PER_NODE_MAX;
use crate::event::{
    AppId, Chain, Event, EventBatch, EventKey, EventKind, KeyPosition, Lamport, NodeId, Offset,
    OffsetMap, Payload, StreamId, TagSet, WallTime,
};
use crate::pond::Found;
use crate::pond::lab::{Pull, Reader, Streams, View};
use crate::query::Query;
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// What the fish of these tests select.
static MATCHING: LazyLock<Query> = LazyLock::new(|| Query::parse("FROM 'matches'").unwrap());
const OWN: NodeId = NodeId::from_bytes([1; 32]);

/// Streams, and how much of each is held and visible.
///
/// A stream that has forked keeps its events, and shows those below its seal. A branch is a copy of
/// its stream in which what is below its floor matches nothing: so it is visible from there on.
#[derive(Clone, Debug, Default)]
pub(super) struct TestLog {
    streams: Streams,
    pub(super) held: OffsetMap,
    /// Of a stream that has forked from where on it is not visible, and the branch that goes on
    /// with what it holds.
    seals: BTreeMap<StreamId, (u64, StreamId)>,
    /// Where branches begin to be visible.
    floors: BTreeMap<StreamId, u64>,
}

/// An event of the other history: how much later than the one before, whether it matches, and its
/// payload.
pub(super) type Other = (u64, bool, Vec<u8>);

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
        for own in self.open() {
            self.arrive(own, u64::MAX);
        }
    }

    /// Number of the forks.
    fn forks(&self) -> u64 {
        self.floors.len() as u64 / 2
    }

    /// Streams that may grow.
    pub(super) fn open(&self) -> Vec<StreamId> {
        self.streams.ids().filter(|own| !self.seals.contains_key(own)).collect()
    }

    /// Places at which a history that is held may turn out to be one of two.
    pub(super) fn forkable(&self) -> Vec<(StreamId, u64)> {
        let places = |(own, held): (&StreamId, u64)| {
            let floor = self.floors.get(own).copied().unwrap_or(0);
            let own = *own;
            (floor..held).map(move |at| (own, at))
        };
        self.held.iter().flat_map(places).collect()
    }

    /// The stream has another history after its first `at` events, too: both are branches from now
    /// on. Of the other one the first event is held; it sorts before the one that was held when it
    /// `is_first`, where lamports are equal.
    pub(super) fn fork(&mut self, (of, at): (StreamId, u64), is_first: bool, other: Vec<Other>) {
        let names = self.forks();
        let [ours, theirs] = [is_first, !is_first].map(|own| of.branch(&named(names, own)));
        // A stream that was sealed already is what lies between both seals.
        let former = self.seals.insert(of, (at, ours));
        let end = former.map_or(self.streams.count(&of), |(seal, _)| seal);
        self.copy(of, at, ours, end);
        self.copy(of, at, theirs, at);
        if let Some(former) = former {
            self.seals.insert(ours, former);
        }
        let before = at.checked_sub(1).map(|last| self.streams.event(&of, last).key.lamport);
        let mut lamport = before.map_or(0, Lamport::value);
        for (later, matches, payload) in other {
            lamport += later;
            self.write(theirs, lamport, matches, payload);
        }
        self.held.raise(ours, self.held.count(&of).min(end));
        self.held.raise(theirs, at + 1);
        self.held.set(of, at);
    }

    /// A branch with the first `end` events of a stream, visible from `floor` on.
    fn copy(&mut self, of: StreamId, floor: u64, branch: StreamId, end: u64) {
        self.floors.insert(branch, floor);
        for offset in 0..end {
            let mut event = self.streams.event(&of, offset).clone();
            event.key.stream = branch;
            if offset < floor {
                event.tags = TagSet::new([""; 0]).unwrap();
            }
            self.streams.push(event);
        }
    }

    /// Counts of what is visible only, as a reader takes them that meets forks.
    fn clamped(&self, counts: &OffsetMap) -> OffsetMap {
        let mut clamped = counts.clone();
        for (of, (at, _)) in &self.seals {
            clamped.set(*of, (*at).min(counts.count(of)));
        }
        self.floors.iter().for_each(|(branch, floor)| clamped.raise(*branch, *floor));
        clamped
    }

    /// Counts of the same events under the names that streams have now.
    pub(super) fn renamed(&self, counts: &OffsetMap) -> OffsetMap {
        let mut named = counts.clone();
        while let Some((of, (at, heir))) =
            self.seals.iter().find(|(of, (at, _))| named.count(of) > *at)
        {
            named.raise(*heir, named.count(of));
            named.set(*of, *at);
        }
        self.clamped(&named)
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

/// The chain that names one of the two branches of a fork.
fn named(number: u64, is_second: bool) -> Chain {
    let mut bytes = [0; 32];
    let name = 2 + 2 * number + u64::from(is_second);
    bytes[..8].copy_from_slice(&(name * STREAMS_PER_NODE_MAX).to_be_bytes());
    Chain::from_bytes(bytes)
}

/// The reader of a lab, which meets forks as `log::KeyFollower` does.
#[derive(Default)]
pub(super) struct TestReader {
    reader: Reader,
    /// Of the forks that it knows of.
    forks: u64,
}

impl TestReader {
    pub(super) fn open(position: KeyPosition) -> TestReader {
        TestReader { reader: Reader::open(position), forks: 0 }
    }

    pub(super) fn next(&mut self, log: &TestLog, pull: TestPull) -> Found {
        if self.forks != log.forks() {
            self.forks = log.forks();
            let clamped = log.clamped(self.reader.offsets());
            if let Some(moved) = self.reader.meet_forks(&log.view(), pull, clamped) {
                return moved;
            }
        }
        self.reader.next(&log.view(), pull)
    }

    /// Number of events that it has looked at.
    pub(super) fn total(&self) -> u64 {
        self.reader.total()
    }

    pub(super) fn resume(&mut self, key: Option<EventKey>) {
        self.reader.resume(key);
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
