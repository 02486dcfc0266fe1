//! Moves the tail into LMDB in one large transaction, in the background.
//!
//! Not here: when (`commit` asks). Rule: LMDB's row `checkpointed` moves in the same transaction as
//! the events, so that a crash in between replays nothing twice; memory lets go only afterwards.
//! Full blocks are put without overwriting; only the open block of a stream is replaced.
//! Begin with `Shared::run_checkpointer`.

use super::block::{
    Summary, block_key, checked, encode_row, first_in_key, row_of_block, row_records, with_checksum,
};
use super::body::{KeyHash, Remembered};
use super::heard::{Heard, put_heard};
use super::merge::Merging;
use super::open_terms::OpenTerms;
use super::postings::{BlockEntry, SegmentBuilder, segment_key};
use super::shared::{Shared, lock};
use super::state::StreamState;
use super::store_row::{STORE_ROW_KEY, StoreRow};
use super::tables::{Opened, TableResult};
use super::terms::Terms;
use super::windows::ForkRow;
use crate::error::{Error, ErrorKind, Result};
use crate::event::codec::Reader;
use crate::event::{Record, SealRule, SignedHead, StreamId};
use heed::{PutFlags, RwTxn};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

/// Idempotency keys that are kept.
pub(crate) const IDEMPOTENCY_KEYS_MAX: u64 = 1 << 20;

/// The row of one block.
struct BlockRow {
    key: [u8; 48],
    /// True: the row replaces that of the same block when it was open.
    replaces: bool,
    row: Vec<u8>,
    /// Of a full block what the postings say about it.
    posting: Option<(BlockEntry, Terms)>,
}

/// What one checkpoint writes.
struct Work {
    index: u64,
    blocks: Vec<BlockRow>,
    streams: Vec<(StreamId, StreamState)>,
    remembered: Vec<(KeyHash, Remembered)>,
    forks: Vec<(StreamId, ForkRow)>,
    heard: Heard,
}

impl Shared {
    /// The checkpointer's thread, until it is told to stop.
    pub(crate) fn run_checkpointer(&self) {
        // What an earlier process left to do is done now.
        let (mut may_merge, mut merging) = (true, Merging::default());
        loop {
            let mut checkpoints = lock(&self.checkpoints);
            while checkpoints.requested <= checkpoints.done
                && checkpoints.compactions.is_empty()
                && checkpoints.damaged_groups.is_empty()
                && checkpoints.repairs.is_empty()
                && !checkpoints.stop
                && !may_merge
            {
                let moved = self.checkpoint_moved.wait(checkpoints);
                checkpoints = moved.unwrap_or_else(PoisonError::into_inner);
            }
            if checkpoints.stop {
                // Who asked for them is told that the log was closed.
                checkpoints.compactions.clear();
                checkpoints.repairs.clear();
                self.checkpoint_moved.notify_all();
                return;
            }
            let compactions = std::mem::take(&mut checkpoints.compactions);
            let repairs = std::mem::take(&mut checkpoints.repairs);
            may_merge |= merging.mend(std::mem::take(&mut checkpoints.damaged_groups));
            let number = checkpoints.requested;
            let is_due = number > checkpoints.done;
            drop(checkpoints);
            // A checkpoint may go on with a block that is put back.
            repairs.into_iter().for_each(|repair| repair.run(self));
            if is_due {
                self.checkpoint_as(number);
                may_merge = true;
            } else if compactions.is_empty() {
                may_merge = self.merge_step(&mut merging).unwrap_or_else(|error| {
                    tracing::warn!(%error, "no group of segments was made; each is asked");
                    false
                });
            }
            compactions.into_iter().for_each(|compaction| compaction.run(self));
        }
    }

    /// The checkpoint that was asked for under this number.
    fn checkpoint_as(&self, number: u64) {
        let result = self.checkpoint();
        if result.is_ok() {
            self.counters.checkpointed();
        }
        if let Err(error) = &result {
            tracing::warn!(%error, "a checkpoint failed; the journal keeps the events");
        }
        let mut checkpoints = lock(&self.checkpoints);
        checkpoints.done = number;
        checkpoints.failed = result.err();
        self.checkpoint_moved.notify_all();
    }

    /// Moves everything durable into LMDB.
    pub(crate) fn checkpoint(&self) -> Result<()> {
        let work = self.gather()?;
        self.tables.write(|opened, transaction| write(opened, transaction, &work))?;
        let mut state = self.state();
        for (stream, snapshot) in &work.streams {
            state.release(stream, snapshot.head.count, snapshot.indexed_then());
            if let Some(terms) = &snapshot.open_terms {
                state.keep_open_terms(stream, terms.clone(), self.open_terms_bytes_max());
            }
        }
        state.recent.retain(|_, (_, index)| *index > work.index);
        state.new_forks.retain(|_, index| *index > work.index);
        // Under the lock: who holds it sees whether state and tables are of one moment.
        self.checkpointed.store(work.index, Ordering::Release);
        Ok(())
    }

    /// Changes the store row in a transaction of its own.
    pub(crate) fn update_store_row(&self, mut change: impl FnMut(&mut StoreRow)) -> Result<()> {
        self.tables.write(|opened, transaction| {
            let mut row = read_store_row(opened, transaction)?;
            change(&mut row);
            Ok(opened.settings.put(transaction, STORE_ROW_KEY, &row.encode())?)
        })
    }

    /// What an idempotency key stands for, as LMDB has it.
    pub(crate) fn stored_idempotency(&self, key: &KeyHash) -> Result<Option<Remembered>> {
        self.tables.read(|opened, transaction| {
            let Some(value) = opened.idempotency.get(transaction, key)? else { return Ok(None) };
            Ok(Some(Remembered::read(&mut Reader::new(checked(key, value)?))?))
        })
    }

    fn gather(&self) -> Result<Work> {
        let state = self.state();
        let moved = state.streams.iter().filter(|(_, stream)| stream.head.count > stream.stored);
        let mut streams: Vec<_> = moved.map(|(id, stream)| (*id, stream.clone())).collect();
        let remembered = state.recent.iter().map(|(key, (value, _))| (*key, *value)).collect();
        let row = |stream: &StreamId| Some((*stream, state.windows.get(stream)?.clone()));
        let forks = state.new_forks.keys().filter_map(row).collect();
        let index = state.index;
        drop(state);
        let mut blocks = Vec::new();
        for (id, stream) in &mut streams {
            stream.open_terms = self.encode_blocks(id, stream, &mut blocks)?.map(Arc::new);
        }
        Ok(Work { index, blocks, streams, remembered, forks, heard: self.heard() })
    }

    /// Adds the rows of what LMDB lacks of a stream; returns the terms of the block at its end
    /// when that is not full.
    fn encode_blocks(
        &self,
        id: &StreamId,
        stream: &StreamState,
        blocks: &mut Vec<BlockRow>,
    ) -> Result<Option<OpenTerms>> {
        let mut open_terms = None;
        for (position, run) in stream.runs.iter().enumerate() {
            let mut first = run.first;
            let mut joined = Vec::new();
            // Only the first run may go on with a block that LMDB has begun.
            if position == 0
                && first > stream.indexed.count
                && let Some(before) = self
                    .open_block(id, first)
                    .map_err(|error| self.quarantine(id, first - 1, error))?
            {
                (first, joined) = before;
            }
            let replaces = !joined.is_empty();
            let mut terms = run.terms().cloned();
            let records: &[Record] = if replaces {
                joined.extend_from_slice(&run.records);
                terms = run.sealed.then(|| Terms::of(&joined));
                &joined
            } else {
                &run.records
            };
            let key = block_key(id, first);
            let summary = Summary::of(records, run.sealed);
            let row = match run.block() {
                // Nothing is encoded twice.
                Some(block) if !replaces => row_of_block(&key, &summary, block),
                _ => encode_row(&key, &summary, records),
            };
            let entry = BlockEntry { stream: *id, first, summary };
            open_terms = (!run.sealed).then(|| OpenTerms::of_records(records));
            blocks.push(BlockRow {
                key,
                replaces,
                row,
                posting: terms.map(|terms| (entry, terms)),
            });
        }
        Ok(open_terms)
    }

    /// First offset and records of the block of LMDB that is open and ends before `offset`.
    fn open_block(&self, id: &StreamId, offset: u64) -> Result<Option<(u64, Vec<Record>)>> {
        if offset == 0 {
            return Ok(None);
        }
        self.tables.read(|opened, transaction| {
            let found = opened.events.get_lower_than(transaction, &block_key(id, offset))?;
            let own = found.and_then(|(key, row)| Some((key, row, first_in_key(key, id)?)));
            let (key, row, first) = own.ok_or_else(|| lost(id, offset))?;
            let (summary, records) = row_records(key, row)?;
            if first + u64::from(summary.count) != offset {
                return Err(lost(id, offset).into());
            }
            Ok((!summary.sealed).then_some((first, records)))
        })
    }
}

/// Reads the store row.
pub(crate) fn read_store_row(
    opened: &Opened,
    transaction: &heed::RoTxn<'_>,
) -> TableResult<StoreRow> {
    let value = opened.settings.get(transaction, STORE_ROW_KEY)?;
    let value = value.ok_or_else(|| Error::new(ErrorKind::Corrupt, "the store row is missing"))?;
    Ok(StoreRow::decode(value)?)
}

/// Reads all that is known of forks.
pub(crate) fn read_forks(
    opened: &Opened,
    transaction: &heed::RoTxn<'_>,
) -> TableResult<Vec<(StreamId, ForkRow)>> {
    let read = |row: heed::Result<(&[u8], &[u8])>| {
        let (key, value) = row?;
        let mut reader = Reader::new(key);
        let stream = StreamId::read(&mut reader)?;
        reader.finish()?;
        Ok((stream, ForkRow::decode(&stream, checked(key, value)?)?))
    };
    opened.forks.iter(transaction)?.map(read).collect()
}

/// The row of a stream: its latest head, and events and bytes of its open block.
pub(crate) fn stream_row(head: &SignedHead, seal: &SealRule) -> Vec<u8> {
    let mut content = head.to_bytes().to_vec();
    content.extend_from_slice(&seal.events().to_le_bytes());
    content.extend_from_slice(&(seal.bytes() as u64).to_le_bytes());
    with_checksum(&head.stream.to_bytes(), &content)
}

/// Reads what `stream_row` made.
pub(crate) fn read_stream_row(key: &[u8], value: &[u8]) -> Result<(SignedHead, SealRule)> {
    let mut reader = Reader::new(checked(key, value)?);
    let head = SignedHead::read(&mut reader)?;
    let (events, bytes) = (reader.u64()?, reader.u64()?);
    let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
    if events >= crate::event::limits::BLOCK_EVENTS_MAX
        || bytes >= crate::event::limits::BLOCK_BYTES_SEAL
    {
        return Err(Error::new(ErrorKind::Corrupt, "a stream row claims more than a block"));
    }
    Ok((head, SealRule::resume(events, bytes)))
}

fn write(opened: &Opened, transaction: &mut RwTxn<'_>, work: &Work) -> TableResult<()> {
    for block in &work.blocks {
        // Without overwriting, a second writer that got past the lock is noticed here.
        let flags = if block.replaces { PutFlags::empty() } else { PutFlags::NO_OVERWRITE };
        opened.events.put_with_flags(transaction, flags, &block.key, &block.row)?;
    }
    write_postings(
        opened,
        transaction,
        work.blocks.iter().filter_map(|block| block.posting.as_ref()),
    )?;
    for (id, stream) in &work.streams {
        let row = stream_row(&stream.head, &stream.seal);
        opened.streams.put(transaction, &id.to_bytes(), &row)?;
        for (count, head) in &stream.seals {
            let key = block_key(id, *count);
            let value = with_checksum(&key, &head.to_bytes());
            opened.heads.put(transaction, &key, &value)?;
        }
    }
    for (stream, row) in &work.forks {
        let (key, mut content) = (stream.to_bytes(), Vec::new());
        row.encode(&mut content);
        opened.forks.put(transaction, &key, &with_checksum(&key, &content))?;
    }
    let mut row = read_store_row(opened, transaction)?;
    for (key, remembered) in &work.remembered {
        let mut content = Vec::with_capacity(Remembered::BYTES);
        remembered.encode(&mut content);
        opened.idempotency.put(transaction, key, &with_checksum(key, &content))?;
        let sequence = row.idempotency_next;
        opened.idempotency_order.put(transaction, &sequence.to_be_bytes(), key)?;
        if let Some(oldest) = sequence.checked_sub(IDEMPOTENCY_KEYS_MAX) {
            forget_key(opened, transaction, oldest)?;
        }
        row.idempotency_next += 1;
    }
    put_heard(opened, transaction, &work.heard)?;
    row.checkpointed = work.index;
    opened.settings.put(transaction, STORE_ROW_KEY, &row.encode())?;
    Ok(())
}

/// Adds full blocks to the last segment of the postings and to new ones after it.
pub(crate) fn write_postings<'a>(
    opened: &Opened,
    transaction: &mut RwTxn<'_>,
    blocks: impl Iterator<Item = &'a (BlockEntry, Terms)>,
) -> TableResult<()> {
    let mut blocks = blocks.peekable();
    if blocks.peek().is_none() {
        return Ok(());
    }
    let mut number = 0;
    let mut builder = SegmentBuilder::default();
    if let Some((key, row)) = opened.postings.last(transaction)? {
        number = Reader::new(key).u64_be()?;
        builder = SegmentBuilder::resume(key, row)?;
    }
    for (entry, terms) in blocks {
        if builder.is_full() {
            put_segment(opened, transaction, number, std::mem::take(&mut builder))?;
            number += 1;
        }
        builder.add(*entry, terms);
    }
    put_segment(opened, transaction, number, builder)
}

fn put_segment(
    opened: &Opened,
    transaction: &mut RwTxn<'_>,
    number: u64,
    builder: SegmentBuilder,
) -> TableResult<()> {
    let key = segment_key(number);
    Ok(opened.postings.put(transaction, &key, &builder.finish(&key))?)
}

fn forget_key(opened: &Opened, transaction: &mut RwTxn<'_>, oldest: u64) -> TableResult<()> {
    let order = oldest.to_be_bytes();
    let key = opened.idempotency_order.get(transaction, &order)?.map(<[u8]>::to_vec);
    if let Some(key) = key {
        opened.idempotency.delete(transaction, &key)?;
        opened.idempotency_order.delete(transaction, &order)?;
    }
    Ok(())
}

fn lost(id: &StreamId, offset: u64) -> Error {
    let message = format!("the block of stream {id} before event {offset} is missing");
    Error::new(ErrorKind::Corrupt, message)
}
