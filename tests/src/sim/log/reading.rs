//! What a swarm reads of a model log: what is durable, and now and then an error.

use crate::sim::log::{ModelLog, Stream};
use millpond::Result;
use millpond::event::{Chain, EventRange, PackedRange, StreamId, block};
use millpond::query::Query;
use millpond::sync::LogRead;

/// What nodes that want something first want, and its tag.
pub(in crate::sim) const PRIORITY: &str = "FROM 'key:3'";
const WANTED: &str = "key:3";

impl LogRead for ModelLog {
    fn read_range(&self, stream: &StreamId, from: u64) -> Result<Option<EventRange>> {
        self.check_read()?;
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
