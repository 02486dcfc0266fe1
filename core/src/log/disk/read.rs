//! Finding the run that holds an offset: in the tail, in the cache, or in LMDB.
//!
//! Rule: the tail is asked first; what it does not hold LMDB holds already. Every row is checked
//! before use; a damaged one is put on the quarantine list and the rest stays readable.

use super::block::{block_key, checked, decode_records, decode_row};
use super::filter::Filter;
use super::index::Index;
use super::run::Run;
use super::shared::{Shared, lock};
use crate::error::{Error, ErrorKind, Result};
use crate::event::codec::Reader;
use crate::event::{Chain, EventRange, SignedHead, StreamId};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A run and what to look at in it; `run` is absent when nothing is.
#[derive(Clone)]
pub(crate) struct Step {
    pub(crate) first: u64,
    pub(crate) end: u64,
    pub(crate) run: Option<Arc<Run>>,
    /// `None`: every position.
    pub(crate) positions: Option<Vec<u32>>,
}

/// Decoded blocks, the least recently used go first.
#[derive(Default)]
pub(crate) struct Cache {
    runs: BTreeMap<(StreamId, u64, u32), (Arc<Run>, u64)>,
    bytes: usize,
    clock: u64,
}

impl Shared {
    /// The run around `offset`, which is durable, with what `filter` wants of it.
    ///
    /// # Errors
    /// `corrupt`, naming stream and offset: the stored block is damaged.
    pub(crate) fn step_at(&self, stream: &StreamId, offset: u64, filter: &Filter) -> Result<Step> {
        if let Some(run) = self.tail_run(stream, offset) {
            let positions = filter.candidates(stream, None, run.index())?;
            return Ok(Step { first: run.first, end: run.end(), run: Some(run), positions });
        }
        self.stored_step(stream, offset, Some(filter))
            .map_err(|error| self.quarantine(stream, offset, error))
    }

    /// The run around `offset`, which is durable.
    ///
    /// # Errors
    /// As `step_at`.
    pub(crate) fn run_at(&self, stream: &StreamId, offset: u64) -> Result<Arc<Run>> {
        if let Some(run) = self.tail_run(stream, offset) {
            return Ok(run);
        }
        let step = self
            .stored_step(stream, offset, None)
            .map_err(|error| self.quarantine(stream, offset, error))?;
        Ok(step.run.expect("without a filter the run is loaded"))
    }

    /// Consecutive events from `from` on, up to the end of their block or the latest head.
    pub(crate) fn read_range(&self, stream: &StreamId, from: u64) -> Result<Option<EventRange>> {
        let head = {
            let state = self.state();
            let Some(held) = state.streams.get(stream).filter(|held| held.head.count > from) else {
                return Ok(None);
            };
            held.head.clone()
        };
        let mut records = Vec::new();
        let mut next = from;
        while next < head.count {
            let run = self.run_at(stream, next)?;
            let end = run.end().min(head.count);
            for offset in next..end {
                records.push(run.record(offset).clone());
            }
            next = end;
            if run.sealed && end == run.end() {
                break;
            }
        }
        let head = if next == head.count { head } else { self.seal_head(stream, next)? };
        Ok(Some(EventRange { first: from, records, head }))
    }

    /// The chain after the first `count` events; `None` when fewer are held.
    pub(crate) fn chain_at(&self, stream: &StreamId, count: u64) -> Result<Option<Chain>> {
        let head = match self.state().streams.get(stream) {
            Some(held) if held.head.count > count => None,
            Some(held) if held.head.count == count => Some(held.head.chain),
            _ if count > 0 => return Ok(None),
            _ => None,
        };
        if count == 0 || head.is_some() {
            return Ok(Some(head.unwrap_or_else(|| Chain::start(&self.swarm, stream))));
        }
        let first = self.block_start(stream, count - 1)?;
        let mut chain = match first {
            0 => Chain::start(&self.swarm, stream),
            _ => self.seal_head(stream, first)?.chain,
        };
        let mut next = first;
        while next < count {
            let run = self.run_at(stream, next)?;
            for offset in next..run.end().min(count) {
                chain = chain.extend(&run.record(offset).leaf());
            }
            next = run.end();
        }
        Ok(Some(chain))
    }

    /// Where the block that holds `offset` begins; both are durable.
    fn block_start(&self, stream: &StreamId, offset: u64) -> Result<u64> {
        let (tail_seal, stored) = {
            let state = self.state();
            let Some(held) = state.streams.get(stream) else { return Ok(0) };
            let sealed = held.seals.range(..=offset).next_back().map(|(count, _)| *count);
            (sealed, held.stored)
        };
        if let Some(sealed) = tail_seal {
            return Ok(sealed);
        }
        if stored == 0 {
            return Ok(0);
        }
        let wanted = block_key(stream, offset.min(stored));
        self.tables.read(|opened, transaction| {
            let found = opened.heads.get_lower_than_or_equal_to(transaction, &wanted)?;
            match found.filter(|(key, _)| key.len() == 48 && key[..40] == wanted[..40]) {
                Some((key, _)) => Ok(Reader::new(&key[40..]).u64_be()?),
                None => Ok(0),
            }
        })
    }

    /// The head at the end of a block.
    fn seal_head(&self, stream: &StreamId, count: u64) -> Result<SignedHead> {
        if let Some(state) = self.state().streams.get(stream)
            && let Some(head) = state.seals.get(&count)
        {
            return Ok(head.clone());
        }
        self.tables.read(|opened, transaction| {
            let key = block_key(stream, count);
            let value = opened.heads.get(transaction, &key)?.ok_or_else(|| {
                let message = format!("the head of stream {stream} at {count} events is missing");
                Error::new(ErrorKind::Corrupt, message)
            })?;
            Ok(SignedHead::read(&mut Reader::new(checked(&key, value)?))?)
        })
    }

    fn tail_run(&self, stream: &StreamId, offset: u64) -> Option<Arc<Run>> {
        self.state().streams.get(stream)?.run_at(offset).cloned()
    }

    fn stored_step(&self, stream: &StreamId, offset: u64, filter: Option<&Filter>) -> Result<Step> {
        let wanted = block_key(stream, offset);
        self.tables.read(|opened, transaction| {
            let found = opened.index.get_lower_than_or_equal_to(transaction, &wanted)?;
            let found = found.filter(|(key, _)| key.len() == 48 && key[..40] == wanted[..40]);
            let (key, value) = found.ok_or_else(missing)?;
            let (summary, content) = decode_row(key, value)?;
            let first = Reader::new(&key[40..]).u64_be()?;
            let end = first + u64::from(summary.count);
            if offset >= end {
                return Err(missing().into());
            }
            let mut positions = None;
            if let Some(filter) = filter {
                let index = Index::from_checked(Bytes::copy_from_slice(content));
                positions = filter.candidates(stream, Some(&summary), Some(&index))?;
            }
            if positions.as_ref().is_some_and(Vec::is_empty) {
                return Ok(Step { first, end, run: None, positions });
            }
            let name = (*stream, first, summary.count);
            let cached = lock(&self.cache).get(&name);
            if let Some(run) = cached {
                return Ok(Step { first, end, run: Some(run), positions });
            }
            let value = opened.blocks.get(transaction, key)?.ok_or_else(missing)?;
            let (summary, compressed) = decode_row(key, value)?;
            let records = decode_records(&summary, compressed)?;
            if first + records.len() as u64 != end {
                return Err(missing().into());
            }
            let run = Arc::new(Run::new(first, records, summary.sealed));
            lock(&self.cache).put(name, run.clone(), self.options.cache_bytes_max);
            Ok(Step { first, end, run: Some(run), positions })
        })
    }

    fn quarantine(&self, stream: &StreamId, offset: u64, error: Error) -> Error {
        if error.kind() == ErrorKind::Corrupt {
            let how = error.message().to_owned();
            lock(&self.quarantine).insert((*stream, offset), how);
        }
        error.in_context(format_args!("event {offset} of stream {stream}"))
    }
}

impl Cache {
    fn get(&mut self, name: &(StreamId, u64, u32)) -> Option<Arc<Run>> {
        self.clock += 1;
        let (run, used) = self.runs.get_mut(name)?;
        *used = self.clock;
        Some(run.clone())
    }

    fn put(&mut self, name: (StreamId, u64, u32), run: Arc<Run>, bytes_max: usize) {
        self.clock += 1;
        self.bytes += run.bytes;
        if let Some((old, _)) = self.runs.insert(name, (run, self.clock)) {
            self.bytes -= old.bytes;
        }
        while self.bytes > bytes_max {
            let oldest = self.runs.iter().min_by_key(|(_, (_, used))| *used);
            let Some(oldest) = oldest.map(|(name, _)| *name) else { return };
            if let Some((run, _)) = self.runs.remove(&oldest) {
                self.bytes -= run.bytes;
            }
        }
    }
}

fn missing() -> Error {
    Error::new(ErrorKind::Corrupt, "its block is missing")
}
