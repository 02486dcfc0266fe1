//! The log of a simulated node: real records, chains and signed heads over a disk of two states,
//! what is durable and what is written and not synced.
//!
//! Rules as in core/src/log: one group commit at a time; only what is durable is read, told and
//! acknowledged; a failed sync takes its group back; a torn end moves the own stream to its next
//! number. Not here: when a sync ends and how (`disk`), who asks (`node`).
//! Begin with [`ModelLog::draft`]; what a swarm reads is in `reading`.

mod picks;
mod reading;

use picks::deed;
pub(super) use picks::{MARK, NAMED, Pick, account_name};
pub(super) use reading::PRIORITY;

use crate::sim::forks::Windows;
use crate::sim::group::{Answer, Group, Publish, Receipt, Request};
use crate::sim::oracle::EventName;
use millpond::event::limits::STREAMS_PER_NODE_MAX;
use millpond::event::{
    AppId, Branch, Chain, EventKey, EventKind, EventRange, Header, Lamport, NodeId, NodeKey,
    Payload, Record, SealRule, SignedHead, StreamEnd, StreamId, SwarmId, TagSet, WallTime, cbor,
};
use millpond::pond::Snapshot;
use millpond::{Error, ErrorKind, Result, planted};
use std::cell::Cell;
use std::collections::BTreeMap;

/// What a node keeps on its disk.
#[derive(Clone, Debug)]
pub(super) struct ModelLog {
    pub(super) swarm: SwarmId,
    node: NodeId,
    streams: BTreeMap<StreamId, Stream>,
    /// With what is being written, and without.
    pub(super) windows: Windows,
    pub(super) durable_windows: Windows,
    receipts: BTreeMap<u64, Receipt>,
    /// What the fish of the node remembers.
    pub(super) snapshots: BTreeMap<EventKey, Snapshot>,
    /// The highest lamport that is durable, and that was given.
    pub(super) lamport: u64,
    drafted_lamport: u64,
    pub(super) own_number: u64,
    /// The own stream begins with a record that says why it was begun.
    has_opening: bool,
    /// Every so many reads fails, while it is not 0.
    pub(super) read_failure_one_in: u32,
    reads: Cell<u32>,
    /// Blocks that cannot be read: stream and first offset, and the one behind it.
    pub(super) damaged: BTreeMap<(StreamId, u64), u64>,
}

#[derive(Clone, Debug)]
struct Stream {
    /// Where its records begin.
    base: u64,
    /// The lamport before them.
    lamport: Lamport,
    records: Vec<Record>,
    /// Those of them that the Pond reads.
    picks: Vec<Pick>,
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
            windows: Windows::default(),
            durable_windows: Windows::default(),
            receipts: BTreeMap::new(),
            snapshots: BTreeMap::new(),
            lamport: 0,
            drafted_lamport: 0,
            own_number: 0,
            has_opening: false,
            read_failure_one_in: 0,
            reads: Cell::new(0),
            damaged: BTreeMap::new(),
        }
    }

    pub(super) fn own_stream(&self) -> StreamId {
        StreamId { node: self.node, number: self.own_number }
    }

    /// Writes one group; nothing of it is visible before [`ModelLog::synced`].
    pub(super) fn draft(&mut self, requests: Vec<Request>, key: &NodeKey, time: WallTime) -> Group {
        let mut group = Group::default();
        for request in &requests {
            if let Request::NewStream { at_least, step } = request {
                self.begin_stream(*at_least, *step);
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
                Request::Fork { branch, range, step } => self.fork(branch, range, step, &mut group),
            };
            group.answers.push(answer);
        }
        let own_stream = self.own_stream();
        if own && group.streams.contains(&own_stream) {
            self.sign(own_stream, key);
        }
        group
    }

    pub(super) fn begin_stream(&mut self, at_least: u64, step: u64) {
        let free = self.next_number().max(at_least);
        self.own_number = (free + step).min(STREAMS_PER_NODE_MAX - 1);
        self.has_opening = true;
    }

    /// Above all that this log knows of.
    fn next_number(&self) -> u64 {
        let known = self.streams.keys().filter(|stream| stream.node == self.node);
        let next = known.map(|stream| stream.trunk().number + 1).max().unwrap_or(0);
        next.max(self.own_number + 1)
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
            self.push_own(stream, key, |lamport| {
                record(EventKind::Opening, lamport, time, name, 0)
            });
        }
        let first = self.count_written(&stream);
        for index in 0..publish.count {
            let name = EventName { key: publish.key, index };
            self.push_own(stream, key, |lamport| match &publish.deed {
                Some(payload) => deed(lamport, time, name, payload),
                None => record(EventKind::Application, lamport, time, name, publish.padding),
            });
        }
        let receipt = Receipt { stream, first, count: u64::from(publish.count) };
        group.receipts.push((publish.key, receipt));
        group.note(stream);
        Answer::Appended(publish.key, receipt)
    }

    fn push_own(
        &mut self,
        stream: StreamId,
        key: &NodeKey,
        record: impl FnOnce(Lamport) -> Record,
    ) {
        self.drafted_lamport += 1;
        let lamport = Lamport::new(self.drafted_lamport).expect("no run is so long");
        if self.push(stream, record(lamport)) {
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
        if stream == self.own_stream() {
            return refuse(original, "our own stream has grown elsewhere", "grown_elsewhere");
        }
        if self.windows.is_sealed(&stream) {
            return refuse(original, "it forked, and takes nothing more", "forked");
        }
        if stream.is_branch() && self.windows.branch(&stream).is_none() {
            return refuse(original, "its fork comes first", "gap");
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
        let count = range.head.count;
        self.push_range(range, group);
        Answer::Stored(stream, count)
    }

    /// Writes a range that was found to fit.
    pub(super) fn push_range(&mut self, range: EventRange, group: &mut Group) {
        let head = range.head.clone();
        for record in range.into_records() {
            if !planted!("clock_not_raised_on_receipt") {
                self.drafted_lamport = self.drafted_lamport.max(record.lamport().value());
            }
            self.push(head.stream, record);
        }
        group.note(head.stream);
        self.stream(head.stream).heads.insert(head.count, head);
    }

    /// A stream that begins in the midst of another.
    pub(super) fn begin_branch(&mut self, branch: &Branch) {
        let base = branch.base;
        let stream = Stream::new(base.count, base.chain, base.lamport);
        self.streams.insert(branch.stream, stream);
    }

    /// What is written of a stream from `from` on, up to the first head at `until` or beyond.
    pub(super) fn written_ranges(
        &self,
        stream: &StreamId,
        from: u64,
        until: u64,
    ) -> Vec<EventRange> {
        let held = &self.streams[stream];
        let (mut ranges, mut at) = (Vec::new(), from);
        while at < until.min(held.count()) {
            let seal = held.seals.iter().copied().find(|seal| *seal > at);
            let end = seal.filter(|seal| *seal < until);
            let end = end.or_else(|| held.heads.range(until..).next().map(|(count, _)| *count));
            let end = end.expect("a written stream ends with a head");
            let records = held.records[held.place(at)..held.place(end)].to_vec();
            ranges.push(EventRange::new(at, records, held.heads[&end].clone()));
            at = end;
        }
        ranges
    }

    /// The sync ended well: what was written is durable. Returns the head of each stream that grew.
    pub(super) fn synced(&mut self, group: &Group) -> Vec<SignedHead> {
        self.receipts.extend(group.receipts.iter().copied());
        self.lamport = self.drafted_lamport;
        self.durable_windows = self.windows.clone();
        for stream in &group.streams {
            let held = self.streams.get_mut(stream).expect("the group extends it");
            held.durable = held.count();
            held.durable_rule = held.rule;
        }
        self.written_heads(group)
    }

    /// The head of each stream that `group` extends, durable or not.
    pub(super) fn written_heads(&self, group: &Group) -> Vec<SignedHead> {
        let head = |stream: &StreamId| {
            let held = &self.streams[stream];
            held.heads[&held.count()].on(*stream)
        };
        group.streams.iter().map(head).collect()
    }

    /// Everything that is not durable is forgotten.
    pub(super) fn take_back(&mut self) {
        self.drafted_lamport = self.lamport;
        self.windows = self.durable_windows.clone();
        for held in self.streams.values_mut() {
            let end = held.place(held.durable);
            held.records.truncate(end);
            held.picks.retain(|pick| pick.offset < held.durable);
            held.chains.truncate(end + 1);
            held.seals.retain(|seal| *seal <= held.durable);
            held.heads.retain(|count, _| *count <= held.durable);
            held.rule = held.durable_rule;
        }
        self.streams.retain(|_, held| held.durable > held.base);
    }

    /// The last group turns out to be torn although it was synced: the disk lied. `before` says how
    /// long its streams were.
    pub(super) fn tear(&mut self, before: &[(StreamId, u64)], receipts: &[(u64, Receipt)]) {
        for (stream, count) in before {
            let Some(held) = self.streams.get_mut(stream) else { continue };
            held.durable = *count;
            let sealed = held.seals.iter().rev().find(|seal| *seal <= count).copied();
            held.durable_rule = SealRule::new();
            let from = held.place(sealed.unwrap_or(held.base));
            for record in &held.records[from..held.place(*count)] {
                held.durable_rule.push(record.as_bytes().len());
            }
        }
        self.receipts.retain(|key, _| !receipts.iter().any(|(torn, _)| torn == key));
        self.take_back();
        self.forget_snapshots();
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
            self.own_number = self.next_number();
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

    /// Where the records of `stream` begin.
    pub(super) fn base(&self, stream: &StreamId) -> u64 {
        self.streams.get(stream).map_or(0, |held| held.base)
    }

    pub(super) fn count_written(&self, stream: &StreamId) -> u64 {
        self.streams.get(stream).map_or(0, Stream::count)
    }

    /// Streams and their durable counts, rising.
    pub(super) fn counts(&self) -> impl Iterator<Item = (StreamId, u64)> {
        let held = self.streams.iter().filter(|(_, held)| held.durable > held.base);
        held.map(|(stream, held)| (*stream, held.durable))
    }

    /// Durable events of `stream` from `from` on.
    pub(super) fn events(&self, stream: &StreamId, from: u64) -> &[Record] {
        self.streams.get(stream).map_or(&[], |held| {
            let end = held.place(held.durable);
            &held.records[held.place(from).min(end)..end]
        })
    }

    pub(super) fn chain(&self, stream: &StreamId, count: u64) -> Option<Chain> {
        let held = self.streams.get(stream).filter(|held| count <= held.durable)?;
        held.chains.get(count.checked_sub(held.base)? as usize).copied()
    }

    pub(super) fn written_chain(&self, stream: &StreamId, count: u64) -> Option<Chain> {
        let held = self.streams.get(stream)?;
        held.chains.get(count.checked_sub(held.base)? as usize).copied()
    }

    /// The last durable head of each stream.
    pub(super) fn heads(&self) -> Vec<SignedHead> {
        self.counts().filter_map(|(stream, _)| self.head(&stream)).collect()
    }

    /// The last durable head of a stream.
    pub(super) fn head(&self, stream: &StreamId) -> Option<SignedHead> {
        let held = self.streams.get(stream).filter(|held| held.durable > held.base)?;
        Some(held.heads[&held.durable].on(*stream))
    }

    fn written_end(&self, stream: &StreamId) -> StreamEnd {
        let Some(held) = self.streams.get(stream).filter(|held| held.count() > 0) else {
            return StreamEnd::empty(&self.swarm, stream);
        };
        let lamport = held.records.last().map_or(held.lamport, Record::lamport);
        let chain = *held.chains.last().expect("one more than records");
        StreamEnd { count: held.count(), chain, lamport }
    }

    fn push(&mut self, stream: StreamId, record: Record) -> bool {
        let held = self.stream(stream);
        let last = *held.chains.last().expect("one more than records");
        held.chains.push(last.extend(&record.leaf()));
        let sealed = held.rule.push(record.as_bytes().len());
        held.picks.extend(Pick::of(&record, held.count()));
        held.records.push(record);
        if sealed {
            held.seals.push(held.count());
        }
        sealed
    }

    fn stream(&mut self, stream: StreamId) -> &mut Stream {
        let start = Chain::start(&self.swarm, &stream);
        self.streams.entry(stream).or_insert_with(|| Stream::new(0, start, Lamport::ZERO))
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

impl Stream {
    fn new(base: u64, chain: Chain, lamport: Lamport) -> Stream {
        Stream {
            base,
            lamport,
            records: Vec::new(),
            picks: Vec::new(),
            chains: vec![chain],
            rule: SealRule::new(),
            durable_rule: SealRule::new(),
            seals: Vec::new(),
            heads: BTreeMap::new(),
            durable: base,
        }
    }

    fn count(&self) -> u64 {
        self.base + self.records.len() as u64
    }

    /// Where the record at `offset` lies; the first one for those before the base.
    fn place(&self, offset: u64) -> usize {
        offset.saturating_sub(self.base) as usize
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
