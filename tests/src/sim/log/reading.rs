//! What a swarm reads of a model log: what is durable, and now and then an error.

use crate::sim::log::{ModelLog, Stream};
use millpond::event::limits::BLOCK_EVENTS_MAX;
use millpond::event::{Chain, EventRange, PackedRange, Preview, Record, StreamId, block};
use millpond::query::Query;
use millpond::sync::LogRead;
use millpond::{Error, ErrorKind, Result};

/// What nodes that want something first want, and its tag.
pub(in crate::sim) const PRIORITY: &str = "FROM 'key:3'";
const WANTED: &str = "key:3";

impl ModelLog {
    /// What is written of the own stream and is not durable, as far as it fits one preview.
    pub(in crate::sim) fn preview(&self) -> Option<Preview> {
        let stream = self.own_stream();
        let held = self.streams.get(&stream)?;
        let (first, mut bytes) = (held.durable, 0);
        let fits = |record: &&Record| {
            bytes += record.as_bytes().len();
            bytes <= Preview::BYTES_MAX
        };
        let written = held.records[held.place(first)..].iter();
        let records: Vec<Record> =
            written.take(BLOCK_EVENTS_MAX as usize).take_while(fits).cloned().collect();
        let before = held.chains[held.place(first)];
        (!records.is_empty()).then_some(Preview { stream, first, before, records })
    }

    /// Where the full blocks of a stream end, as far as they are written.
    pub(in crate::sim) fn seals(&self, stream: &StreamId) -> &[u64] {
        self.streams.get(stream).map_or(&[], |held| &held.seals)
    }

    /// An error when events among these have rotted.
    pub(in crate::sim) fn check_intact(&self, stream: &StreamId, from: u64, to: u64) -> Result<()> {
        let own = self.damaged.range((*stream, 0)..=(*stream, u64::MAX));
        let mut hit = own.filter(|((_, first), end)| *first < to && from < **end);
        match hit.next() {
            None => Ok(()),
            Some(((stream, first), end)) => {
                let message = format!("injected: events {first} to {end} of {stream} have rotted");
                Err(Error::new(ErrorKind::Corrupt, message))
            }
        }
    }
}

impl LogRead for ModelLog {
    fn read_range(&self, stream: &StreamId, from: u64) -> Result<Option<EventRange>> {
        self.check_read()?;
        self.check_intact(stream, from, from.saturating_add(1))?;
        let is_held = |held: &&Stream| (held.base..held.durable).contains(&from);
        let Some(held) = self.streams.get(stream).filter(is_held) else {
            return Ok(None);
        };
        let seal = held.seals.iter().copied().find(|seal| *seal > from);
        let end = seal.filter(|seal| *seal <= held.durable).unwrap_or(held.durable);
        let records = held.records[held.place(from)..held.place(end)].to_vec();
        Ok(Some(EventRange::new(from, records, held.heads[&end].on(*stream))))
    }

    fn read_block(&self, stream: &StreamId, from: u64) -> Result<Option<PackedRange>> {
        self.check_read()?;
        let Some(held) = self.streams.get(stream) else { return Ok(None) };
        let begins = from == held.base || held.seals.contains(&from);
        if !begins || !held.seals.iter().any(|seal| *seal > from && *seal <= held.durable) {
            return Ok(None);
        }
        let Some(range) = self.read_range(stream, from)? else { return Ok(None) };
        let block = block::encode(range.records());
        Ok(PackedRange::new(range.head, block.into()).ok())
    }

    fn chain_at(&self, stream: &StreamId, count: u64) -> Result<Option<Chain>> {
        self.check_read()?;
        // The heads at both ends of a block are kept apart from it.
        self.check_intact(stream, count, count)?;
        Ok(self.chain(stream, count))
    }

    fn block_start(&self, stream: &StreamId, offset: u64) -> Result<Option<u64>> {
        self.check_read()?;
        let is_held = |held: &&Stream| (held.base..held.durable).contains(&offset);
        let Some(held) = self.streams.get(stream).filter(is_held) else { return Ok(None) };
        let seals = held.seals.iter().copied().take_while(|seal| *seal <= offset);
        Ok(Some(seals.last().unwrap_or(held.base)))
    }

    fn last_match(
        &self,
        query: &Query,
        stream: &StreamId,
        from: u64,
        to: u64,
    ) -> Result<Option<u64>> {
        self.check_read()?;
        self.check_intact(stream, from, to)?;
        let wanted = Query::parse(PRIORITY).expect("a query");
        assert_eq!(query.to_string(), wanted.normal_form().to_string(), "nobody asks another");
        let Some(held) = self.streams.get(stream) else { return Ok(None) };
        let (from, to) = (from.max(held.base), to.min(held.durable));
        let is_wanted = |at: &u64| {
            let tags = held.records[held.place(*at)].header().tags;
            tags.iter().any(|tag| tag.as_str() == WANTED)
        };
        Ok((from..to).rev().find(is_wanted).map(|at| at + 1))
    }
}
