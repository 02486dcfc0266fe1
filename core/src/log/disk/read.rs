//! Finding the run that holds an offset: in the tail, in the cache, or in LMDB.
//!
//! Not here: queries (`walk`). Rule: the tail is asked first; what it does not hold LMDB holds
//! already. Every row is checked before use; a damaged one is put on the quarantine list and the
//! rest stays readable.

use super::block::{block_key, checked, first_in_key, full_block, open_row, row_records};
use super::directory::Directory;
use super::postings::{SegmentHead, segment_key};
use super::run::Run;
use super::shared::{Shared, lock};
use super::tables::{Opened, TableResult};
use crate::error::{Error, ErrorKind, Result};
use crate::event::block::BlockReader;
use crate::event::codec::Reader;
use crate::event::{Chain, EventRange, PackedRange, SignedHead, StreamEnd, StreamId};
use bytes::Bytes;
use heed::RoTxn;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What the head of a segment costs in memory, roughly.
const SEGMENT_HEAD_BYTES: usize = 10 << 10;

/// A block of LMDB that is being read.
pub(crate) struct StoredBlock<'t> {
    /// Offset of the first event.
    pub(crate) first: u64,
    pub(crate) reader: BlockReader<'t>,
}

/// Decoded blocks, the least recently used go first.
#[derive(Default)]
pub(crate) struct Cache {
    runs: BTreeMap<(StreamId, u64, u32), (Arc<Run>, u64)>,
    segments: BTreeMap<(u64, usize), Arc<SegmentHead>>,
    pub(super) directory: Arc<Directory>,
    bytes: usize,
    clock: u64,
}

impl Shared {
    /// The run around `offset`, which is durable.
    ///
    /// # Errors
    /// `corrupt`, naming stream and offset: the stored block is damaged.
    pub(crate) fn run_at(&self, stream: &StreamId, offset: u64) -> Result<Arc<Run>> {
        if let Some(run) = self.tail_run_and_releases(stream, offset).0 {
            return Ok(run);
        }
        self.stored_run(stream, offset).map_err(|error| self.quarantine(stream, offset, error))
    }

    /// Consecutive events from `from` on, up to the end of their block or the latest head.
    /// Of a branch from below its base: from its base on.
    pub(crate) fn read_range(&self, stream: &StreamId, from: u64) -> Result<Option<EventRange>> {
        let (head, from) = {
            let state = self.state();
            let Some(held) = state.shown(stream).filter(|held| held.head.count > from) else {
                return Ok(None);
            };
            (held.head.clone(), from.max(held.first()))
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
        Ok(Some(EventRange::new(from, records, head)))
    }

    /// The full block that begins at offset `from`, as it is stored; `None` when none does that is
    /// durable, or when its records are shorter.
    pub(crate) fn read_block(&self, stream: &StreamId, from: u64) -> Result<Option<PackedRange>> {
        let run = {
            let state = self.state();
            let Some(held) = state.shown(stream).filter(|held| held.head.count > from) else {
                return Ok(None);
            };
            held.run_at(from).cloned()
        };
        let found = match run {
            Some(run) if run.first != from => return Ok(None),
            Some(run) => match run.block() {
                Some(block) => Some((self.seal_head(stream, run.end())?, block.clone())),
                None => None,
            },
            None => self
                .stored_full_block(stream, from)
                .map_err(|error| self.quarantine(stream, from, error))?,
        };
        Ok(found.and_then(|(head, block)| PackedRange::new(head, block).ok()))
    }

    /// The chain after the first `count` events; `None` when fewer are held, or when a branch
    /// begins later.
    pub(crate) fn chain_at(&self, stream: &StreamId, count: u64) -> Result<Option<Chain>> {
        let head = match self.state().shown(stream) {
            Some(held) if count < held.first() && count > 0 => return Ok(None),
            Some(held) if held.head.count > count => None,
            Some(held) if held.head.count == count => Some(held.head.chain),
            _ if count > 0 => return Ok(None),
            _ => None,
        };
        if count == 0 || head.is_some() {
            return Ok(Some(head.unwrap_or_else(|| Chain::start(&self.swarm, stream))));
        }
        // A branch begins with a block.
        let first = self.start_of_block(stream, count - 1)?;
        let mut chain = self.end_at_block(stream, first)?.chain;
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

    /// Where the block that holds `offset` begins; `None` when no such event is held.
    pub(crate) fn block_start(&self, stream: &StreamId, offset: u64) -> Result<Option<u64>> {
        let is_held = self
            .state()
            .shown(stream)
            .is_some_and(|held| (held.first()..held.head.count).contains(&offset));
        if is_held { self.start_of_block(stream, offset).map(Some) } else { Ok(None) }
    }

    /// Where a stream stands at `count` events, where a block of it begins.
    ///
    /// # Errors
    /// `corrupt`: the head at the end of the block before is damaged.
    pub(crate) fn end_at_block(&self, stream: &StreamId, count: u64) -> Result<StreamEnd> {
        match self.start_of(stream) {
            start if start.count == count => Ok(start),
            _ => Ok(StreamEnd::from(&self.seal_head(stream, count)?)),
        }
    }

    /// Where the block that holds `offset` begins; both are durable.
    fn start_of_block(&self, stream: &StreamId, offset: u64) -> Result<u64> {
        let (tail_seal, stored, first) = {
            let state = self.state();
            let Some(held) = state.streams.get(stream) else { return Ok(0) };
            let sealed = held.seals.range(..=offset).next_back().map(|(count, _)| *count);
            (sealed, held.stored, held.first())
        };
        if let Some(sealed) = tail_seal {
            return Ok(sealed);
        }
        if stored == first {
            return Ok(first);
        }
        let wanted = block_key(stream, offset.min(stored));
        self.tables.read(|opened, transaction| {
            let found = opened.heads.get_lower_than_or_equal_to(transaction, &wanted)?;
            match found.filter(|(key, _)| key.len() == 48 && key[..40] == wanted[..40]) {
                Some((key, _)) => Ok(Reader::new(&key[40..]).u64_be()?),
                None => Ok(first),
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
        self.tables.read(|opened, transaction| stored_head(opened, transaction, stream, count))
    }

    /// The run of the tail that holds `offset`, and how often the tail has let go of events.
    pub(crate) fn tail_run_and_releases(
        &self,
        stream: &StreamId,
        offset: u64,
    ) -> (Option<Arc<Run>>, u64) {
        let state = self.state();
        let run = state.streams.get(stream).and_then(|held| held.run_at(offset).cloned());
        (run, state.releases)
    }

    /// The head of a segment of the postings.
    pub(crate) fn segment_head(&self, number: u64, row: &[u8]) -> Result<Arc<SegmentHead>> {
        // A segment only grows, so its number and its size name it.
        let name = (number, row.len());
        if let Some(head) = lock(&self.cache).segments.get(&name) {
            return Ok(head.clone());
        }
        let head = Arc::new(SegmentHead::read(&segment_key(number), row)?);
        let mut cache = lock(&self.cache);
        if cache.segments.len() * SEGMENT_HEAD_BYTES > self.options.cache_bytes_max / 4 {
            cache.segments.clear();
        }
        cache.segments.insert(name, head.clone());
        Ok(head)
    }

    fn stored_run(&self, stream: &StreamId, offset: u64) -> Result<Arc<Run>> {
        self.tables.read(|opened, transaction| {
            let (key, row) = block_row(opened, transaction, stream, offset)?;
            let first = first_in_key(key, stream).ok_or_else(missing)?;
            let count = open_row(key, row)?.0.count;
            let name = (*stream, first, count);
            if let Some(run) = lock(&self.cache).get(&name) {
                return Ok(run);
            }
            let (summary, records) = row_records(key, row)?;
            if offset >= first + u64::from(count) {
                return Err(missing().into());
            }
            let run = Arc::new(Run::new(first, records, true, summary.sealed));
            lock(&self.cache).put(name, run.clone(), self.options.cache_bytes_max);
            Ok(run)
        })
    }

    /// The full block of LMDB that begins at `from` with the head at its end.
    fn stored_full_block(
        &self,
        stream: &StreamId,
        from: u64,
    ) -> Result<Option<(SignedHead, Bytes)>> {
        let key = block_key(stream, from);
        self.tables.read(|opened, transaction| {
            let Some(row) = opened.events.get(transaction, &key)? else { return Ok(None) };
            let Some(block) = full_block(&key, row)? else { return Ok(None) };
            let end = from + BlockReader::claims(block)?.0;
            let head = stored_head(opened, transaction, stream, end)?;
            Ok(Some((head, Bytes::copy_from_slice(block))))
        })
    }
}

impl Cache {
    /// Bytes in memory, about.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes + self.segments.len() * SEGMENT_HEAD_BYTES + self.directory.bytes()
    }

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

/// The block of LMDB that holds `offset`.
pub(crate) fn stored_block<'t>(
    opened: &Opened,
    transaction: &'t RoTxn<'_>,
    stream: &StreamId,
    offset: u64,
) -> TableResult<StoredBlock<'t>> {
    let (key, row) = block_row(opened, transaction, stream, offset)?;
    let first = first_in_key(key, stream).ok_or_else(missing)?;
    let (summary, reader) = open_row(key, row)?;
    if offset >= first + u64::from(summary.count) {
        return Err(missing().into());
    }
    Ok(StoredBlock { first, reader })
}

fn block_row<'t>(
    opened: &Opened,
    transaction: &'t RoTxn<'_>,
    stream: &StreamId,
    offset: u64,
) -> TableResult<(&'t [u8], &'t [u8])> {
    let wanted = block_key(stream, offset);
    let found = opened.events.get_lower_than_or_equal_to(transaction, &wanted)?;
    Ok(found.ok_or_else(missing)?)
}

/// The head at the end of a full block of LMDB.
pub(crate) fn stored_head(
    opened: &Opened,
    transaction: &RoTxn<'_>,
    stream: &StreamId,
    count: u64,
) -> TableResult<SignedHead> {
    let key = block_key(stream, count);
    let value = opened.heads.get(transaction, &key)?.ok_or_else(|| {
        let message = format!("the head of stream {stream} at {count} events is missing");
        Error::new(ErrorKind::Corrupt, message)
    })?;
    Ok(SignedHead::read(&mut Reader::new(checked(&key, value)?))?)
}

pub(crate) fn missing() -> Error {
    Error::new(ErrorKind::Corrupt, "its block is missing")
}
