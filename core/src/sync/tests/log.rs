//! A log in memory: everything in it is durable.

use crate::error::{Error, ErrorKind, Result};
use crate::event::tests::later;
use crate::event::{
    AppId, Chain, EventKind, EventRange, Header, Lamport, NodeKey, PackedRange, Payload, Record,
    SealRule, SignedHead, StreamEnd, StreamId, SwarmId, TagSet, WallTime, block, cbor,
};
use crate::sync::LogRead;
use std::collections::BTreeMap;

#[derive(Clone, Debug)]
pub(super) struct MemoryLog {
    pub(super) swarm: SwarmId,
    streams: BTreeMap<StreamId, MemoryStream>,
    pub(super) lamport: u64,
    pub(super) time: WallTime,
    /// Every read fails.
    pub(super) is_broken: bool,
}

#[derive(Clone, Debug)]
struct MemoryStream {
    records: Vec<Record>,
    chains: Vec<Chain>,
    rule: SealRule,
    seals: Vec<u64>,
    heads: BTreeMap<u64, SignedHead>,
}

impl MemoryLog {
    pub(super) fn new(swarm: SwarmId) -> MemoryLog {
        let time = WallTime::from_micros(1_700_000_000_000_000);
        MemoryLog { swarm, streams: BTreeMap::new(), lamport: 0, time, is_broken: false }
    }

    /// Appends `texts` as one commit; heads at every seal and at the end. Returns the last head.
    pub(super) fn append(&mut self, key: &NodeKey, number: u64, texts: &[String]) -> SignedHead {
        let mut last = None;
        for (index, text) in texts.iter().enumerate() {
            self.lamport += 1;
            let record = record(self.lamport, self.time, text);
            let sealed = self.push(StreamId { node: key.node_id(), number }, record);
            if sealed || index + 1 == texts.len() {
                last = Some(self.sign(key, number));
            }
        }
        last.expect("at least one text")
    }

    /// Appends what a later millpond could write: a header that begins with these bytes.
    pub(super) fn append_later(&mut self, key: &NodeKey, version: u8, kind: u8) -> SignedHead {
        self.lamport += 1;
        let record = later(version, kind, self.lamport);
        self.push(StreamId { node: key.node_id(), number: 0 }, record);
        self.sign(key, 0)
    }

    fn sign(&mut self, key: &NodeKey, number: u64) -> SignedHead {
        let stream = StreamId { node: key.node_id(), number };
        let end = self.end(&stream);
        let head = key.sign_head(&self.swarm, number, end.count, end.lamport, end.chain);
        self.stream(stream).heads.insert(end.count, head.clone());
        head
    }

    /// Stores a range that must go on where its stream ends.
    ///
    /// # Errors
    /// As the log on disk: it crosses the end of a block.
    pub(super) fn append_range(&mut self, range: &EventRange) -> Result<SignedHead> {
        let stream = range.stream();
        range.verify(&self.swarm, &self.end(&stream)).expect("sync gives only what fits");
        let mut rule = self.stream(stream).rule;
        let sizes = range.records().iter().map(|record| record.as_bytes().len());
        let ends = sizes.map(|bytes| rule.push(bytes)).collect::<Vec<_>>();
        if ends[..ends.len() - 1].contains(&true) {
            let error = Error::new(ErrorKind::PeerMisbehaved, "it crosses the end of a block");
            return Err(error.with_reason("malformed"));
        }
        for record in range.records() {
            self.lamport = self.lamport.max(record.lamport().value());
            self.push(stream, record.clone());
        }
        self.stream(stream).heads.insert(range.head.count, range.head.clone());
        Ok(range.head.clone())
    }

    pub(super) fn end(&self, stream: &StreamId) -> StreamEnd {
        let Some(held) = self.streams.get(stream).filter(|held| !held.records.is_empty()) else {
            return StreamEnd::empty(&self.swarm, stream);
        };
        StreamEnd {
            count: held.records.len() as u64,
            chain: *held.chains.last().unwrap(),
            lamport: held.records.last().unwrap().lamport(),
        }
    }

    pub(super) fn heads(&self) -> Vec<SignedHead> {
        self.streams.values().filter_map(|held| held.heads.values().last().cloned()).collect()
    }

    pub(super) fn count(&self, stream: &StreamId) -> u64 {
        self.streams.get(stream).map_or(0, |held| held.records.len() as u64)
    }

    pub(super) fn event_count(&self) -> usize {
        self.streams.values().map(|held| held.records.len()).sum()
    }

    /// All events as bytes in the one total order.
    pub(super) fn total_order(&self) -> Vec<(u64, StreamId, Vec<u8>)> {
        let mut events = Vec::new();
        for (stream, held) in &self.streams {
            for record in &held.records {
                events.push((record.lamport().value(), *stream, record.as_bytes().to_vec()));
            }
        }
        events.sort();
        events
    }

    fn push(&mut self, stream: StreamId, record: Record) -> bool {
        let held = self.stream(stream);
        held.chains.push(held.chains.last().unwrap().extend(&record.leaf()));
        let sealed = held.rule.push(record.as_bytes().len());
        held.records.push(record);
        if sealed {
            held.seals.push(held.records.len() as u64);
        }
        sealed
    }

    fn check_read(&self) -> Result<()> {
        match self.is_broken {
            true => Err(Error::new(ErrorKind::StorageFailed, "injected")),
            false => Ok(()),
        }
    }

    fn stream(&mut self, stream: StreamId) -> &mut MemoryStream {
        let start = Chain::start(&self.swarm, &stream);
        self.streams.entry(stream).or_insert_with(|| MemoryStream {
            records: Vec::new(),
            chains: vec![start],
            rule: SealRule::new(),
            seals: Vec::new(),
            heads: BTreeMap::new(),
        })
    }
}

impl LogRead for MemoryLog {
    fn read_range(&self, stream: &StreamId, from: u64) -> Result<Option<EventRange>> {
        self.check_read()?;
        let Some(held) = self.streams.get(stream) else { return Ok(None) };
        let count = held.records.len() as u64;
        if from >= count {
            return Ok(None);
        }
        let end = held.seals.iter().copied().find(|seal| *seal > from).unwrap_or(count);
        let records = held.records[from as usize..end as usize].to_vec();
        Ok(Some(EventRange::new(from, records, held.heads[&end].clone())))
    }

    fn read_block(&self, stream: &StreamId, from: u64) -> Result<Option<PackedRange>> {
        let seals = self.streams.get(stream).map_or(&[][..], |held| &held.seals);
        let begins = from == 0 || seals.contains(&from);
        if !begins || !seals.iter().any(|seal| *seal > from) {
            return Ok(None);
        }
        let range = self.read_range(stream, from)?.expect("its end is known");
        let block = block::encode(range.records());
        Ok(PackedRange::new(range.head, block.into()).ok())
    }

    fn chain_at(&self, stream: &StreamId, count: u64) -> Result<Option<Chain>> {
        self.check_read()?;
        let held = self.streams.get(stream);
        Ok(held.and_then(|held| held.chains.get(count as usize)).copied())
    }
}

pub(super) fn record(lamport: u64, time: WallTime, text: &str) -> Record {
    let header = Header {
        kind: EventKind::Application,
        lamport: Lamport::new(lamport).unwrap(),
        time,
        app_id: AppId::parse("test").unwrap(),
        tags: TagSet::new(["kind:test"]).unwrap(),
    };
    let payload = Payload::from_value(&cbor::Value::Text(text.into())).unwrap();
    Record::encode(&header, &payload)
}
