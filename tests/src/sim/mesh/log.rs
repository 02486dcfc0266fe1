//! The log of a node of a large swarm: whole streams in memory, everything durable.
//!
//! Streams stay shorter than a block, so ranges end at the latest head.

use crate::sim::log::record;
use crate::sim::oracle::EventName;
use millpond::Result;
use millpond::event::limits::BLOCK_EVENTS_MAX;
use millpond::event::{
    Chain, EventKind, EventRange, Lamport, NodeKey, PackedRange, Record, SignedHead, StreamId,
    SwarmId, WallTime,
};
use millpond::sync::LogRead;
use std::collections::BTreeMap;

/// All streams that a node holds.
#[derive(Clone)]
pub(super) struct Log {
    swarm: SwarmId,
    streams: BTreeMap<StreamId, Stream>,
    lamport: u64,
    /// Events in all.
    pub(super) event_count: u64,
}

#[derive(Clone)]
struct Stream {
    records: Vec<Record>,
    /// Before each record, and after the last.
    chains: Vec<Chain>,
    head: Option<SignedHead>,
}

impl Log {
    pub(super) fn new(swarm: SwarmId) -> Log {
        Log { swarm, streams: BTreeMap::new(), lamport: 0, event_count: 0 }
    }

    /// One more event of our own stream; its head is signed.
    pub(super) fn append(&mut self, key: &NodeKey) -> SignedHead {
        self.lamport += 1;
        let lamport = Lamport::new(self.lamport).expect("no run is so long");
        let name = EventName { key: self.lamport, index: 0 };
        let time = WallTime::from_micros(0);
        let event = record(EventKind::Application, lamport, time, name, 0);
        let stream = StreamId { node: key.node_id(), number: 0 };
        let swarm = self.swarm;
        let held = self.push(stream, event);
        let (count, chain) = (held.records.len() as u64, held.end());
        let head = key.sign_head(&swarm, 0, count, lamport, chain);
        held.head = Some(head.clone());
        head
    }

    /// Stores a range, which goes on where its stream ends.
    pub(super) fn store(&mut self, range: EventRange) -> SignedHead {
        let head = range.head.clone();
        assert_eq!(range.first, self.count(&head.stream), "ranges are stored in order");
        self.lamport = self.lamport.max(head.lamport.value());
        for event in range.into_records() {
            self.push(head.stream, event);
        }
        let held = self.streams.get_mut(&head.stream).expect("a range has events");
        assert!(held.end() == head.chain, "only what was verified is stored");
        held.head = Some(head.clone());
        head
    }

    fn push(&mut self, stream: StreamId, event: Record) -> &mut Stream {
        let start = Chain::start(&self.swarm, &stream);
        self.event_count += 1;
        let held = self.streams.entry(stream).or_insert_with(|| Stream {
            records: Vec::new(),
            chains: vec![start],
            head: None,
        });
        held.chains.push(held.end().extend(&event.leaf()));
        held.records.push(event);
        assert!((held.records.len() as u64) < BLOCK_EVENTS_MAX, "no block gets full here");
        held
    }

    pub(super) fn count(&self, stream: &StreamId) -> u64 {
        self.streams.get(stream).map_or(0, |held| held.records.len() as u64)
    }

    /// The last head of each stream.
    pub(super) fn heads(&self) -> Vec<SignedHead> {
        self.streams.values().filter_map(|held| held.head.clone()).collect()
    }
}

impl Stream {
    fn end(&self) -> Chain {
        *self.chains.last().expect("there is one before the first")
    }
}

impl LogRead for Log {
    fn read_range(&self, stream: &StreamId, from: u64) -> Result<Option<EventRange>> {
        let Some(held) = self.streams.get(stream) else { return Ok(None) };
        let records = held.records.get(from as usize..).filter(|records| !records.is_empty());
        let head = held.head.clone();
        Ok(records.zip(head).map(|(records, head)| EventRange::new(from, records.to_vec(), head)))
    }

    fn read_block(&self, _: &StreamId, _: u64) -> Result<Option<PackedRange>> {
        Ok(None)
    }

    fn chain_at(&self, stream: &StreamId, count: u64) -> Result<Option<Chain>> {
        let held = self.streams.get(stream);
        Ok(held.and_then(|held| held.chains.get(count as usize)).copied())
    }

    fn block_start(&self, stream: &StreamId, offset: u64) -> Result<Option<u64>> {
        Ok((offset < self.count(stream)).then_some(0))
    }
}
