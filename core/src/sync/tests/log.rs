//! A log in memory: everything in it is durable.

use crate::error::{Error, ErrorKind, Result};
use crate::event::tests::later;
use crate::event::{
    AppId, Branch, Chain, EventKind, EventRange, Header, HeldFork, Lamport, NodeKey, PackedRange,
    Payload, Record, SealRule, SignedHead, StreamEnd, StreamId, SwarmId, TagSet, WallTime, block,
    cbor,
};
use crate::query::{Query, RecordSubject};
use crate::sync::LogRead;
use std::cell::Cell;
use std::collections::BTreeMap;

#[derive(Clone, Debug)]
pub(super) struct MemoryLog {
    pub(super) swarm: SwarmId,
    streams: BTreeMap<StreamId, MemoryStream>,
    forks: Vec<HeldFork>,
    pub(super) lamport: u64,
    pub(super) time: WallTime,
    /// Every read fails.
    pub(super) is_broken: bool,
    /// How often a chain was looked up.
    pub(super) chains_read: Cell<u64>,
}

#[derive(Clone, Debug)]
struct MemoryStream {
    /// Count at which the records begin.
    base: u64,
    records: Vec<Record>,
    /// The chain at the base and after each record.
    chains: Vec<Chain>,
    rule: SealRule,
    block_ends: Vec<u64>,
    heads: BTreeMap<u64, SignedHead>,
    floor: u64,
    seal: Option<u64>,
}

impl MemoryStream {
    fn new(base: u64, chain: Chain, floor: u64) -> MemoryStream {
        MemoryStream {
            base,
            records: Vec::new(),
            chains: vec![chain],
            rule: SealRule::new(),
            block_ends: Vec::new(),
            heads: BTreeMap::new(),
            floor,
            seal: None,
        }
    }

    fn count(&self) -> u64 {
        self.base + self.records.len() as u64
    }

    fn push(&mut self, record: Record) -> bool {
        self.chains.push(self.chains.last().unwrap().extend(&record.leaf()));
        let is_full = self.rule.push(record.as_bytes().len());
        self.records.push(record);
        if is_full {
            self.block_ends.push(self.count());
        }
        is_full
    }

    fn visible(&self) -> &[Record] {
        let end = self.seal.unwrap_or(u64::MAX).min(self.count());
        &self.records[(self.floor - self.base) as usize..(end.max(self.floor) - self.base) as usize]
    }

    /// The same from `base` on, as a branch that is visible from `floor` on.
    fn copy(&self, base: u64, floor: u64) -> MemoryStream {
        let mut copy = MemoryStream::new(base, self.chains[(base - self.base) as usize], floor);
        for record in &self.records[(base - self.base) as usize..] {
            copy.push(record.clone());
        }
        copy.heads = self.heads.range(base + 1..).map(|(at, head)| (*at, head.clone())).collect();
        copy.seal = self.seal;
        copy
    }

    /// Appends a range that was found to fit.
    fn append(&mut self, range: &EventRange) -> Result<()> {
        assert!(self.seal.is_none() && range.first == self.count());
        let mut rule = self.rule;
        let sizes = range.records().iter().map(|record| record.as_bytes().len());
        let ends = sizes.map(|bytes| rule.push(bytes)).collect::<Vec<_>>();
        if ends[..ends.len() - 1].contains(&true) {
            let error = Error::new(ErrorKind::PeerMisbehaved, "it crosses the end of a block");
            return Err(error.with_reason("malformed"));
        }
        for record in range.records() {
            self.push(record.clone());
        }
        self.heads.insert(range.head.count, range.head.clone());
        Ok(())
    }
}

impl MemoryLog {
    pub(super) fn new(swarm: SwarmId) -> MemoryLog {
        let time = WallTime::from_micros(1_700_000_000_000_000);
        let (streams, forks) = (BTreeMap::new(), Vec::new());
        MemoryLog {
            swarm,
            streams,
            forks,
            lamport: 0,
            time,
            is_broken: false,
            chains_read: Cell::new(0),
        }
    }

    /// Appends `texts` as one commit; heads at every seal and at the end. Returns the last head.
    pub(super) fn append(&mut self, key: &NodeKey, number: u64, texts: &[String]) -> SignedHead {
        let mut last = None;
        for (index, text) in texts.iter().enumerate() {
            self.lamport += 1;
            let record = record(self.lamport, self.time, text);
            let is_full = self.push(StreamId { node: key.node_id(), number }, record);
            if is_full || index + 1 == texts.len() {
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
        self.stream(stream).append(range)?;
        self.see(range);
        Ok(range.head.clone())
    }

    /// Stores a fork as docs/protocol.md has it; the branches that are now held, ours first.
    ///
    /// # Errors
    /// As for `append_range`.
    pub(super) fn fork(&mut self, branch: &Branch, range: &EventRange) -> Result<Vec<Branch>> {
        let (of, at, base) = (branch.of, branch.floor, branch.base);
        range.verify(&self.swarm, &base).expect("sync gives only what fits");
        assert!(range.stream() == branch.stream && !self.streams.contains_key(&branch.stream));
        let held = &self.streams[&of];
        assert!(at < held.count() && (held.floor < at || !of.is_branch()));
        assert_eq!(LogRead::block_start(self, &of, at).unwrap(), Some(base.count));
        assert_eq!(held.chains[(base.count - held.base) as usize], base.chain);
        let mut theirs = MemoryStream::new(base.count, base.chain, at);
        theirs.append(range)?;
        assert_eq!(of.branch(&theirs.chains[(at + 1 - base.count) as usize]), branch.stream);
        let ours = of.branch(&held.chains[(at + 1 - held.base) as usize]);
        if held.seal != Some(at) {
            assert!(held.seal.is_none_or(|seal| at < seal));
            let copy = held.copy(base.count, at);
            let former = self.streams.insert(ours, copy);
            assert!(former.is_none(), "each branch is made once");
            self.streams.get_mut(&of).unwrap().seal = Some(at);
            let branches = vec![Branch { stream: ours, ..branch.clone() }];
            self.forks.push(HeldFork { of, at, branches });
        }
        self.streams.insert(branch.stream, theirs);
        self.see(range);
        let known = self.forks.iter().position(|fork| (fork.of, fork.at) == (of, at));
        let known = known.unwrap_or_else(|| {
            self.forks.push(HeldFork { of, at, branches: Vec::new() });
            self.forks.len() - 1
        });
        self.forks[known].branches.push(branch.clone());
        Ok(self.forks[known].branches.clone())
    }

    pub(super) fn forks(&self) -> Vec<HeldFork> {
        self.forks.clone()
    }

    /// What `see` is for a range, an append is for its author.
    fn see(&mut self, range: &EventRange) {
        let last = range.records().last().expect("a range has records");
        self.lamport = self.lamport.max(last.lamport().value());
    }

    /// The latest head of a stream.
    pub(super) fn head(&self, stream: &StreamId) -> Option<SignedHead> {
        let (_, head) = self.streams.get(stream)?.heads.last_key_value()?;
        Some(head.on(*stream))
    }

    pub(super) fn end(&self, stream: &StreamId) -> StreamEnd {
        let Some(held) = self.streams.get(stream).filter(|held| !held.records.is_empty()) else {
            return StreamEnd::empty(&self.swarm, stream);
        };
        StreamEnd {
            count: held.count(),
            chain: *held.chains.last().unwrap(),
            lamport: held.records.last().unwrap().lamport(),
        }
    }

    pub(super) fn heads(&self) -> Vec<SignedHead> {
        self.streams.keys().filter_map(|stream| self.head(stream)).collect()
    }

    /// Events held under this name, those included that another name shows.
    pub(super) fn count(&self, stream: &StreamId) -> u64 {
        self.streams.get(stream).map_or(0, MemoryStream::count)
    }

    pub(super) fn event_count(&self) -> usize {
        self.streams.values().map(|held| held.visible().len()).sum()
    }

    /// All events as bytes in the one total order.
    pub(super) fn total_order(&self) -> Vec<(u64, StreamId, Vec<u8>)> {
        let mut events = Vec::new();
        for (stream, held) in &self.streams {
            for record in held.visible() {
                events.push((record.lamport().value(), *stream, record.as_bytes().to_vec()));
            }
        }
        events.sort();
        events
    }

    fn push(&mut self, stream: StreamId, record: Record) -> bool {
        let held = self.stream(stream);
        assert!(held.seal.is_none(), "a sealed stream takes nothing more");
        held.push(record)
    }

    fn check_read(&self) -> Result<()> {
        match self.is_broken {
            true => Err(Error::new(ErrorKind::StorageFailed, "injected")),
            false => Ok(()),
        }
    }

    fn stream(&mut self, stream: StreamId) -> &mut MemoryStream {
        let start = Chain::start(&self.swarm, &stream);
        self.streams.entry(stream).or_insert_with(|| MemoryStream::new(0, start, 0))
    }
}

impl LogRead for MemoryLog {
    fn last_match(
        &self,
        query: &Query,
        stream: &StreamId,
        from: u64,
        to: u64,
    ) -> Result<Option<u64>> {
        self.check_read()?;
        let Some(held) = self.streams.get(stream) else { return Ok(None) };
        let matches = |count: &u64| {
            let record = held.records.get((*count - 1 - held.base) as usize);
            record.is_some_and(|record| {
                query.matches(&RecordSubject { record, stream, own_node: &stream.node })
            })
        };
        Ok((from.max(held.base) + 1..=to.min(held.count())).rev().find(matches))
    }

    fn read_range(&self, stream: &StreamId, from: u64) -> Result<Option<EventRange>> {
        self.check_read()?;
        let Some(held) = self.streams.get(stream) else { return Ok(None) };
        if !(held.base..held.count()).contains(&from) {
            return Ok(None);
        }
        let end = held.block_ends.iter().copied().find(|end| *end > from).unwrap_or(held.count());
        let records =
            held.records[(from - held.base) as usize..(end - held.base) as usize].to_vec();
        Ok(Some(EventRange::new(from, records, held.heads[&end].on(*stream))))
    }

    fn read_block(&self, stream: &StreamId, from: u64) -> Result<Option<PackedRange>> {
        self.check_read()?;
        let Some(held) = self.streams.get(stream) else { return Ok(None) };
        let begins = from == held.base || held.block_ends.contains(&from);
        if !begins || !held.block_ends.iter().any(|end| *end > from) {
            return Ok(None);
        }
        let range = self.read_range(stream, from)?.expect("its end is known");
        let block = block::encode(range.records());
        Ok(PackedRange::new(range.head, block.into()).ok())
    }

    fn chain_at(&self, stream: &StreamId, count: u64) -> Result<Option<Chain>> {
        self.chains_read.set(self.chains_read.get() + 1);
        self.check_read()?;
        let Some(held) = self.streams.get(stream) else { return Ok(None) };
        let at = count.checked_sub(held.base);
        Ok(at.and_then(|at| held.chains.get(at as usize)).copied())
    }

    fn block_start(&self, stream: &StreamId, offset: u64) -> Result<Option<u64>> {
        self.check_read()?;
        let Some(held) = self.streams.get(stream) else { return Ok(None) };
        if !(held.base..held.count()).contains(&offset) {
            return Ok(None);
        }
        let ends = held.block_ends.iter().copied();
        Ok(Some(ends.filter(|end| *end <= offset).fold(held.base, u64::max)))
    }
}

pub(super) fn record(lamport: u64, time: WallTime, text: &str) -> Record {
    let header = Header {
        kind: EventKind::Application,
        lamport: Lamport::new(lamport).unwrap(),
        time,
        app_id: AppId::parse("test").unwrap(),
        tags: TagSet::new([if text.starts_with('!') { "alarm" } else { "kind:test" }]).unwrap(),
    };
    let payload = Payload::from_value(&cbor::Value::Text(text.into())).unwrap();
    Record::encode(&header, &payload)
}
