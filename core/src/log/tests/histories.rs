//! Histories of one stream that somebody wrote with one key, and the judge of what a log shows.

use super::*;
use crate::event::{
    Branch, Chain, EventKind, Header, Lamport, Record, SealRule, SignedHead, StreamEnd, StreamId,
};
use crate::log::Forked;
use std::collections::{BTreeMap, BTreeSet};

/// One history of a stream, as its author or a thief of its key may have written it.
#[derive(Clone)]
pub(super) struct History {
    key: NodeKey,
    pub(super) records: Vec<Record>,
    /// After so many events.
    pub(super) chains: Vec<Chain>,
}

impl History {
    pub(super) fn new(key: u8) -> History {
        let key = NodeKey::from_seed(&[key; 32]);
        let trunk = StreamId { node: key.node_id(), number: 0 };
        History { key, records: Vec::new(), chains: vec![Chain::start(&swarm(), &trunk)] }
    }

    pub(super) fn of(log: &Log, stream: &StreamId, key: u8) -> History {
        let mut history = History::new(key);
        while let Some(range) = log.read_range(stream, history.len()).unwrap() {
            range.into_records().into_iter().for_each(|record| history.push(record));
        }
        history
    }

    pub(super) fn trunk(&self) -> StreamId {
        StreamId { node: self.key.node_id(), number: 0 }
    }

    pub(super) fn len(&self) -> u64 {
        self.records.len() as u64
    }

    pub(super) fn push(&mut self, record: Record) {
        self.chains.push(self.chains.last().unwrap().extend(&record.leaf()));
        self.records.push(record);
    }

    /// Goes on with `count` events of which `name` is the beginning of the text.
    pub(super) fn write(&mut self, name: &str, count: u64) {
        self.write_after(name, count, 0);
    }

    /// The same, of an author that had seen so many lamports more.
    pub(super) fn write_after(&mut self, name: &str, count: u64, seen: u64) {
        let last = self.records.last().map_or(0, |last| last.lamport().value());
        for number in 0..count {
            let lamport = last + seen + number + 1;
            let new = event(&format!("{name} {number}"), &[name, &format!("lot:{}", number % 7)]);
            let header = Header {
                kind: EventKind::Application,
                lamport: Lamport::new(lamport).unwrap(),
                time: WallTime::from_micros(number as i64),
                app_id: AppId::parse("test").unwrap(),
                tags: new.tags,
            };
            self.push(Record::encode(&header, &new.payload));
        }
    }

    pub(super) fn up_to(&self, count: u64) -> History {
        let count = count as usize;
        let (records, chains) = (self.records[..count].to_vec(), self.chains[..=count].to_vec());
        History { records, chains, key: self.key.clone() }
    }

    /// Up to `at` the same, and then `count` others.
    pub(super) fn forked(&self, at: u64, name: &str, count: u64) -> History {
        let mut other = self.up_to(at);
        other.write(name, count);
        other
    }

    pub(super) fn head(&self, count: u64) -> SignedHead {
        let (chain, last) = (self.chains[count as usize], &self.records[count as usize - 1]);
        self.key.sign_head(&swarm(), 0, count, last.lamport(), chain)
    }

    /// Where blocks begin.
    pub(super) fn blocks(&self) -> Vec<u64> {
        let (mut seal, mut blocks) = (SealRule::new(), vec![0]);
        for (record, count) in self.records.iter().zip(1..) {
            if seal.push(record.as_bytes().len()) {
                blocks.push(count);
            }
        }
        blocks
    }

    pub(super) fn range(&self, stream: StreamId, from: u64) -> EventRange {
        let end = self.blocks().into_iter().find(|block| *block > from).unwrap_or(self.len());
        let records = self.records[from as usize..end as usize].to_vec();
        EventRange::new(from, records, self.head(end).on(stream))
    }

    /// Sends what the log lacks of `stream`, whose path this is.
    pub(super) fn send(&self, log: &Log, stream: StreamId) {
        let mut held = log.head(&stream).map_or(0, |head| head.count);
        while held < self.len() {
            held = log.append_range(self.range(stream, held)).wait().unwrap().count;
        }
    }

    pub(super) fn shared_with(&self, other: &History) -> u64 {
        let same = self.chains.iter().zip(&other.chains).take_while(|(one, two)| one == two);
        same.count() as u64 - 1
    }

    /// The branch of this history where it leaves `held`, which is the path of `of`.
    pub(super) fn branch(&self, of: StreamId, held: &History) -> (Branch, EventRange) {
        let floor = self.shared_with(held);
        let start = self.blocks().into_iter().rfind(|block| *block <= floor).unwrap();
        let lamport = match start {
            0 => Lamport::ZERO,
            _ => self.records[start as usize - 1].lamport(),
        };
        let base = StreamEnd { count: start, chain: self.chains[start as usize], lamport };
        let stream = of.branch(&self.chains[floor as usize + 1]);
        let proof = [held.head(held.len()).on(of), self.head(self.len())];
        (Branch { stream, of, base, floor, proof }, self.range(stream, start))
    }

    /// Has the log meet this history where it leaves `held`.
    pub(super) fn fork(&self, log: &Log, of: StreamId, held: &History) -> Forked {
        let (branch, range) = self.branch(of, held);
        let stream = branch.stream;
        let forked = log.fork(branch, range, 0).wait().unwrap();
        self.send(log, stream);
        forked
    }
}

/// Stream and offset of each event, by its place in the order: the naive judge.
pub(super) type Places = BTreeMap<(u64, StreamId), (u64, String)>;

/// Where every event of these histories of one trunk is to be visible.
pub(super) fn places(histories: &[History]) -> Places {
    let mut places = Places::new();
    for own in histories {
        let forks: Vec<u64> = histories
            .iter()
            .map(|other| (own.shared_with(other), other))
            .filter(|(shared, other)| *shared < own.len().min(other.len()))
            .map(|(shared, _)| shared)
            .collect();
        for (record, offset) in own.records.iter().zip(0..) {
            let first = forks.iter().filter(|at| **at <= offset).max();
            let stream =
                first.map_or(own.trunk(), |at| own.trunk().branch(&own.chains[*at as usize + 1]));
            let text = match record.payload().to_value().unwrap() {
                Value::Text(text) => text,
                _ => continue,
            };
            places.insert((record.lamport().value(), stream), (offset, text));
        }
    }
    places
}

pub(super) fn seen(events: &[Event]) -> Vec<(u64, StreamId, u64, String)> {
    let seen = events.iter().zip(texts(events));
    let place = |(event, text): (&Event, String)| {
        (event.key.lamport.value(), event.key.stream, event.offset.value(), text)
    };
    seen.map(place).collect()
}

/// Asks in all orders, by tags, and follows from the beginning.
pub(super) fn check_all(log: &Log, expected: &Places) {
    let mut rows: Vec<_> = expected
        .iter()
        .map(|((lamport, stream), (offset, text))| (*lamport, *stream, *offset, text.clone()))
        .collect();
    let all = |order| seen(&query_all(log, "FROM allEvents", order));
    assert_eq!(all(Order::Ascending), rows);
    let mut followed = follow(log, &mut everything());
    followed.sort();
    assert_eq!(followed, rows, "followed");
    rows.reverse();
    assert_eq!(all(Order::Descending), rows);
    rows.sort_by_key(|row| (row.1, row.2));
    assert_eq!(all(Order::Stream), rows);
    let names: BTreeSet<&str> = rows.iter().filter_map(|row| row.3.split(' ').next()).collect();
    for name in names {
        let is_own = |row: &&(u64, StreamId, u64, String)| row.3.split(' ').next() == Some(name);
        let mut own: Vec<_> = rows.iter().filter(is_own).cloned().collect();
        own.sort();
        let query = format!("FROM '{name}'");
        assert_eq!(seen(&query_all(log, &query, Order::Ascending)), own, "{name}");
    }
    log.check().unwrap();
    let stats = log.stats().unwrap();
    assert!(stats.events >= rows.len() as u64);
    assert_eq!(u128::from(stats.events), log.status().unwrap().event_count);
}

/// What a follower delivers from a position on.
pub(super) fn follow(log: &Log, position: &mut OffsetMap) -> Vec<(u64, StreamId, u64, String)> {
    let mut follower = log.subscribe(&Query::all(), position.clone()).unwrap();
    let mut found = Vec::new();
    loop {
        let batch = follower.next_batch(333).unwrap();
        *position = batch.position;
        if batch.events.is_empty() {
            assert!(batch.caught_up && batch.lag == 0);
            return found;
        }
        found.extend(seen(&owned(&batch.events)));
    }
}

pub(super) fn small(path: &Path, node: u8) -> Log {
    let mut options = options(path, node);
    options.segment_bytes = 64 << 10;
    options.cache_bytes_max = 100 << 10;
    Log::open(options).unwrap()
}

/// A small store of another node with `count` events of a stream, their history, and the stream.
pub(super) fn holding(path: &Path, count: u64) -> (Log, History, StreamId) {
    let (log, mut held) = (small(path, 2), History::new(9));
    held.write("rye", count);
    let trunk = held.trunk();
    held.send(&log, trunk);
    (log, held, trunk)
}
