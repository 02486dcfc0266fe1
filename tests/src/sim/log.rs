//! The log of a simulated node: real records, chains and signed heads over a disk of two states,
//! what is durable and what is written and not synced.
//!
//! Rules as in core/src/log: one group commit at a time; only what is durable is read, told and
//! acknowledged; a failed sync takes its group back; a torn end moves the own stream to its next
//! number. Not here: when a sync ends and how (`disk`), who asks (`node`).
//! Begin with [`ModelLog::draft`].

use crate::sim::oracle::EventName;
use millpond::event::{
    AppId, Chain, EventKind, EventRange, Header, Lamport, NodeId, NodeKey, PackedRange, Payload,
    Record, SealRule, SignedHead, StreamEnd, StreamId, SwarmId, TagSet, WallTime, block, cbor,
};
use millpond::sync::LogRead;
use millpond::{Error, ErrorKind, Result, planted};
use std::cell::Cell;
use std::collections::BTreeMap;

/// What is asked of the log.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant)] // Few wait at a time.
pub(super) enum Request {
    Append(Publish),
    Store { range: EventRange, before: StreamEnd },
    NewStream { at_least: u64 },
}

/// Events that an application wants published at once.
#[derive(Clone, Debug)]
pub(super) struct Publish {
    /// Its idempotency key; no other publish of the world has it.
    pub(super) key: u64,
    pub(super) count: u32,
    /// Characters added to each event.
    pub(super) padding: u32,
}

/// Where a publish went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Receipt {
    pub(super) stream: StreamId,
    pub(super) first: u64,
    pub(super) count: u64,
}

/// What a group commit answers once it is durable.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant)] // As for requests.
pub(super) enum Answer {
    Appended(u64, Receipt),
    Stored(StreamId, u64),
    Refused(Request, Error),
    /// The sync failed, and this publish or range with it.
    NotAppended(u64),
    NotStored(StreamId, u64, Error),
    Moved(StreamId),
}

/// What was written and is not synced.
#[derive(Clone, Debug, Default)]
pub(super) struct Group {
    pub(super) answers: Vec<Answer>,
    /// Streams that it extends.
    pub(super) streams: Vec<StreamId>,
    pub(super) receipts: Vec<(u64, Receipt)>,
}

/// What a node keeps on its disk.
#[derive(Clone, Debug)]
pub(super) struct ModelLog {
    pub(super) swarm: SwarmId,
    node: NodeId,
    streams: BTreeMap<StreamId, Stream>,
    receipts: BTreeMap<u64, Receipt>,
    /// The highest lamport that is durable, and that was given.
    pub(super) lamport: u64,
    drafted_lamport: u64,
    pub(super) own_number: u64,
    /// The own stream begins with a record that says why it was begun.
    has_opening: bool,
    /// Every so many reads fails, while it is not 0.
    pub(super) read_failure_one_in: u32,
    reads: Cell<u32>,
}

#[derive(Clone, Debug)]
struct Stream {
    records: Vec<Record>,
    chains: Vec<Chain>,
    rule: SealRule,
    durable_rule: SealRule,
    seals: Vec<u64>,
    heads: BTreeMap<u64, SignedHead>,
    durable: u64,
}

impl ModelLog {
    pub(super) fn new(swarm: SwarmId, node: NodeId) -> ModelLog {
        ModelLog {
            swarm,
            node,
            streams: BTreeMap::new(),
            receipts: BTreeMap::new(),
            lamport: 0,
            drafted_lamport: 0,
            own_number: 0,
            has_opening: false,
            read_failure_one_in: 0,
            reads: Cell::new(0),
        }
    }

    pub(super) fn own_stream(&self) -> StreamId {
        StreamId { node: self.node, number: self.own_number }
    }

    /// Writes one group; nothing of it is visible before [`ModelLog::synced`].
    pub(super) fn draft(&mut self, requests: Vec<Request>, key: &NodeKey, time: WallTime) -> Group {
        let mut group = Group::default();
        for request in &requests {
            if let Request::NewStream { at_least } = request {
                self.begin_stream(*at_least);
                group.answers.push(Answer::Moved(self.own_stream()));
            }
        }
        let mut own = false;
        for request in requests {
            let answer = match request {
                Request::NewStream { .. } => continue,
                Request::Append(publish) => {
                    own = true;
                    self.append(publish, key, time, &mut group)
                }
                Request::Store { range, before } => self.store(range, before, &mut group),
            };
            group.answers.push(answer);
        }
        let own_stream = self.own_stream();
        if own && group.streams.contains(&own_stream) {
            self.sign(own_stream, key);
        }
        group
    }

    fn begin_stream(&mut self, at_least: u64) {
        let known = self.streams.keys().filter(|stream| stream.node == self.node);
        let next = known.map(|stream| stream.trunk().number + 1).max().unwrap_or(0);
        self.own_number = next.max(self.own_number + 1).max(at_least);
        self.has_opening = true;
    }

    fn append(
        &mut self,
        publish: Publish,
        key: &NodeKey,
        time: WallTime,
        group: &mut Group,
    ) -> Answer {
        let written = group.receipts.iter().find(|(own, _)| *own == publish.key);
        let known = self.receipts.get(&publish.key).or(written.map(|(_, receipt)| receipt));
        if let Some(receipt) = known.filter(|_| !planted!("retry_is_stored_again")) {
            return Answer::Appended(publish.key, *receipt);
        }
        let stream = self.own_stream();
        if self.count_written(&stream) == 0 && self.has_opening {
            let name = EventName { key: u64::MAX - self.own_number, index: 0 };
            self.push_own(stream, EventKind::Opening, time, name, 0, key);
        }
        let first = self.count_written(&stream);
        for index in 0..publish.count {
            let name = EventName { key: publish.key, index };
            self.push_own(stream, EventKind::Application, time, name, publish.padding, key);
        }
        let receipt = Receipt { stream, first, count: u64::from(publish.count) };
        group.receipts.push((publish.key, receipt));
        group.note(stream);
        Answer::Appended(publish.key, receipt)
    }

    fn push_own(
        &mut self,
        stream: StreamId,
        kind: EventKind,
        time: WallTime,
        name: EventName,
        padding: u32,
        key: &NodeKey,
    ) {
        self.drafted_lamport += 1;
        let lamport = Lamport::new(self.drafted_lamport).expect("no run is so long");
        if self.push(stream, record(kind, lamport, time, name, padding)) {
            self.sign(stream, key);
        }
    }

    fn sign(&mut self, stream: StreamId, key: &NodeKey) {
        let end = self.written_end(&stream);
        let head = key.sign_head(&self.swarm, stream.number, end.count, end.lamport, end.chain);
        self.stream(stream).heads.insert(end.count, head);
    }

    /// As the log on disk: what is held is skipped, the rest goes on where the stream ends.
    fn store(&mut self, mut range: EventRange, before: StreamEnd, group: &mut Group) -> Answer {
        let stream = range.stream();
        let end = self.written_end(&stream);
        if range.head.count <= end.count {
            return Answer::Stored(stream, end.count);
        }
        let original = range.clone();
        let refuse = |range, message: &str, reason| {
            let error = Error::new(ErrorKind::PeerMisbehaved, message).with_reason(reason);
            Answer::Refused(Request::Store { range, before }, error)
        };
        if stream.node == self.node && stream.number >= self.own_number {
            return refuse(original, "our own stream has grown elsewhere", "grown_elsewhere");
        }
        range.drop_front(end.count.saturating_sub(range.first) as usize);
        if before != end && range.verify_chain(&end).is_err() {
            return refuse(original, "it does not go on where the stream ends", "gap");
        }
        let mut rule = self.stream(stream).rule;
        let sizes = range.records().iter().map(|record| record.as_bytes().len());
        let seals: Vec<bool> = sizes.map(|bytes| rule.push(bytes)).collect();
        if seals[..seals.len() - 1].contains(&true) {
            return refuse(original, "it crosses the end of a block", "malformed");
        }
        let head = range.head.clone();
        for record in range.into_records() {
            if !planted!("clock_not_raised_on_receipt") {
                self.drafted_lamport = self.drafted_lamport.max(record.lamport().value());
            }
            self.push(stream, record);
        }
        self.stream(stream).heads.insert(head.count, head.clone());
        group.note(stream);
        Answer::Stored(stream, head.count)
    }

    /// The sync ended well: what was written is durable. Returns the head of each stream that grew.
    pub(super) fn synced(&mut self, group: &Group) -> Vec<SignedHead> {
        self.receipts.extend(group.receipts.iter().copied());
        self.lamport = self.drafted_lamport;
        let mut heads = Vec::new();
        for stream in &group.streams {
            let held = self.streams.get_mut(stream).expect("the group extends it");
            held.durable = held.records.len() as u64;
            held.durable_rule = held.rule;
            heads.push(held.heads[&held.durable].clone());
        }
        heads
    }

    /// Everything that is not durable is forgotten.
    pub(super) fn take_back(&mut self) {
        self.drafted_lamport = self.lamport;
        for held in self.streams.values_mut() {
            held.records.truncate(held.durable as usize);
            held.chains.truncate(held.durable as usize + 1);
            held.seals.retain(|seal| *seal <= held.durable);
            held.heads.retain(|count, _| *count <= held.durable);
            held.rule = held.durable_rule;
        }
        self.streams.retain(|_, held| held.durable > 0);
    }

    /// The last group turns out to be torn although it was synced: the disk lied. `before` says how
    /// long its streams were.
    pub(super) fn tear(&mut self, before: &[(StreamId, u64)], receipts: &[(u64, Receipt)]) {
        for (stream, count) in before {
            let Some(held) = self.streams.get_mut(stream) else { continue };
            held.durable = *count;
            let sealed = held.seals.iter().rev().find(|seal| *seal <= count).copied().unwrap_or(0);
            held.durable_rule = SealRule::new();
            for record in &held.records[sealed as usize..*count as usize] {
                held.durable_rule.push(record.as_bytes().len());
            }
        }
        self.receipts.retain(|key, _| !receipts.iter().any(|(torn, _)| torn == key));
        self.take_back();
        let last = |held: &Stream| held.records.last().map_or(0, |last| last.lamport().value());
        self.lamport = self.streams.values().map(last).max().unwrap_or(0);
        self.drafted_lamport = self.lamport;
    }

    /// The head that was kept for this end of a stream.
    pub(super) fn head_at(&self, stream: &StreamId, count: u64) -> Option<&SignedHead> {
        self.streams.get(stream)?.heads.get(&count)
    }

    /// The node cannot prove that it goes on where its stream ended: the next number.
    pub(super) fn move_on(&mut self, even_if_empty: bool) {
        if even_if_empty || self.count(&self.own_stream()) > 0 || self.own_number == 0 {
            self.own_number += 1;
            self.has_opening = true;
        }
    }

    /// Gives lamports from this one on: what a hostile author does.
    pub(super) fn skip_lamports(&mut self, lamport: u64) {
        self.drafted_lamport = self.drafted_lamport.max(lamport);
    }

    /// Durable events of `stream`.
    pub(super) fn count(&self, stream: &StreamId) -> u64 {
        self.streams.get(stream).map_or(0, |held| held.durable)
    }

    fn count_written(&self, stream: &StreamId) -> u64 {
        self.streams.get(stream).map_or(0, |held| held.records.len() as u64)
    }

    /// Streams and their durable counts, rising.
    pub(super) fn counts(&self) -> impl Iterator<Item = (StreamId, u64)> {
        let held = self.streams.iter().filter(|(_, held)| held.durable > 0);
        held.map(|(stream, held)| (*stream, held.durable))
    }

    /// Durable events of `stream` from `from` on.
    pub(super) fn events(&self, stream: &StreamId, from: u64) -> &[Record] {
        self.streams.get(stream).map_or(&[], |held| {
            let end = held.durable as usize;
            &held.records[(from as usize).min(end)..end]
        })
    }

    pub(super) fn chain(&self, stream: &StreamId, count: u64) -> Option<Chain> {
        let held = self.streams.get(stream).filter(|held| count <= held.durable)?;
        held.chains.get(count as usize).copied()
    }

    /// The last durable head of each stream.
    pub(super) fn heads(&self) -> Vec<SignedHead> {
        let durable = self.streams.values().filter(|held| held.durable > 0);
        durable.map(|held| held.heads[&held.durable].clone()).collect()
    }

    fn written_end(&self, stream: &StreamId) -> StreamEnd {
        let Some(held) = self.streams.get(stream).filter(|held| !held.records.is_empty()) else {
            return StreamEnd::empty(&self.swarm, stream);
        };
        let last = held.records.last().expect("it has records");
        let chain = *held.chains.last().expect("one more than records");
        StreamEnd { count: held.records.len() as u64, chain, lamport: last.lamport() }
    }

    fn push(&mut self, stream: StreamId, record: Record) -> bool {
        let held = self.stream(stream);
        let last = *held.chains.last().expect("one more than records");
        held.chains.push(last.extend(&record.leaf()));
        let sealed = held.rule.push(record.as_bytes().len());
        held.records.push(record);
        if sealed {
            held.seals.push(held.records.len() as u64);
        }
        sealed
    }

    fn stream(&mut self, stream: StreamId) -> &mut Stream {
        let start = Chain::start(&self.swarm, &stream);
        self.streams.entry(stream).or_insert_with(|| Stream {
            records: Vec::new(),
            chains: vec![start],
            rule: SealRule::new(),
            durable_rule: SealRule::new(),
            seals: Vec::new(),
            heads: BTreeMap::new(),
            durable: 0,
        })
    }

    fn check_read(&self) -> Result<()> {
        self.reads.set(self.reads.get().wrapping_add(1));
        let fails = self.read_failure_one_in > 0
            && self.reads.get().is_multiple_of(self.read_failure_one_in);
        if fails {
            return Err(Error::new(ErrorKind::StorageFailed, "injected: a read failed"));
        }
        Ok(())
    }
}

impl Group {
    fn note(&mut self, stream: StreamId) {
        if !self.streams.contains(&stream) {
            self.streams.push(stream);
        }
    }
}

impl LogRead for ModelLog {
    fn read_range(&self, stream: &StreamId, from: u64) -> Result<Option<EventRange>> {
        self.check_read()?;
        let Some(held) = self.streams.get(stream).filter(|held| from < held.durable) else {
            return Ok(None);
        };
        let seal = held.seals.iter().copied().find(|seal| *seal > from);
        let end = seal.filter(|seal| *seal <= held.durable).unwrap_or(held.durable);
        let records = held.records[from as usize..end as usize].to_vec();
        Ok(Some(EventRange::new(from, records, held.heads[&end].clone())))
    }

    fn read_block(&self, stream: &StreamId, from: u64) -> Result<Option<PackedRange>> {
        self.check_read()?;
        let Some(held) = self.streams.get(stream) else { return Ok(None) };
        let begins = from == 0 || held.seals.contains(&from);
        if !begins || !held.seals.iter().any(|seal| *seal > from && *seal <= held.durable) {
            return Ok(None);
        }
        let Some(range) = self.read_range(stream, from)? else { return Ok(None) };
        let block = block::encode(range.records());
        Ok(PackedRange::new(range.head, block.into()).ok())
    }

    fn chain_at(&self, stream: &StreamId, count: u64) -> Result<Option<Chain>> {
        self.check_read()?;
        Ok(self.chain(stream, count))
    }

    fn block_start(&self, stream: &StreamId, offset: u64) -> Result<Option<u64>> {
        self.check_read()?;
        let held = self.streams.get(stream).filter(|held| offset < held.durable);
        let seals = held.map(|held| held.seals.iter().copied().take_while(|seal| *seal <= offset));
        Ok(seals.map(|seals| seals.last().unwrap_or(0)))
    }
}

/// A record whose payload names the event, so that it is known wherever it turns up.
pub(super) fn record(
    kind: EventKind,
    lamport: Lamport,
    time: WallTime,
    name: EventName,
    padding: u32,
) -> Record {
    let header = Header {
        kind,
        lamport,
        time,
        app_id: AppId::parse("sim").expect("plain ASCII"),
        tags: TagSet::new([format!("key:{}", name.key % 8)]).expect("a short tag"),
    };
    let text = format!("{name} {}", "x".repeat(padding as usize));
    let payload = Payload::from_value(&cbor::Value::Text(text)).expect("a short text");
    Record::encode(&header, &payload)
}
