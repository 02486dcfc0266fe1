//! Moves the tail into LMDB in one large transaction, in the background.
//!
//! Not here: when (`commit` asks). Rule: LMDB's row `checkpointed` moves in the same transaction as
//! the events, so that a crash in between replays nothing twice; memory lets go only afterwards.
//! Full blocks are put without overwriting; only the open block of a stream is replaced.
//! Begin with `Shared::run_checkpointer`.

use super::block::{block_key, checked, decode_records, decode_row, encode, with_checksum};
use super::body::{KeyHash, Remembered};
use super::index::Index;
use super::shared::{Shared, lock};
use super::state::StreamState;
use super::store_row::{STORE_ROW_KEY, StoreRow};
use super::tables::{Opened, TableResult};
use crate::error::{Error, ErrorKind, Result};
use crate::event::codec::Reader;
use crate::event::{Record, SealRule, SignedHead, StreamId};
use heed::{PutFlags, RwTxn};
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

/// Idempotency keys that are kept.
pub(crate) const IDEMPOTENCY_KEYS_MAX: u64 = 1 << 20;

/// The rows of one block.
struct BlockRows {
    key: [u8; 48],
    sealed: bool,
    /// True: the rows replace those of the same block when it was open.
    replaces: bool,
    records: Vec<u8>,
    index: Vec<u8>,
}

/// What one checkpoint writes.
struct Work {
    index: u64,
    blocks: Vec<BlockRows>,
    streams: Vec<(StreamId, StreamState)>,
    remembered: Vec<(KeyHash, Remembered)>,
    clean: bool,
    generation: u64,
}

impl Shared {
    /// The checkpointer's thread, until it is told to stop.
    pub(crate) fn run_checkpointer(&self) {
        loop {
            let mut checkpoints = lock(&self.checkpoints);
            while checkpoints.requested <= checkpoints.done && !checkpoints.stop {
                let moved = self.checkpoint_moved.wait(checkpoints);
                checkpoints = moved.unwrap_or_else(PoisonError::into_inner);
            }
            if checkpoints.stop {
                self.checkpoint_moved.notify_all();
                return;
            }
            let number = checkpoints.requested;
            drop(checkpoints);
            let result = self.checkpoint(None);
            if let Err(error) = &result {
                tracing::warn!(%error, "a checkpoint failed; the journal keeps the events");
            }
            let mut checkpoints = lock(&self.checkpoints);
            checkpoints.done = number;
            checkpoints.failed = result.err();
            self.checkpoint_moved.notify_all();
        }
    }

    /// Moves everything durable into LMDB. `clean` marks a good end with this generation.
    pub(crate) fn checkpoint(&self, clean: Option<u64>) -> Result<()> {
        let work = self.gather(clean)?;
        self.tables.write(|opened, transaction| write(opened, transaction, &work))?;
        let mut state = self.state();
        for (stream, snapshot) in &work.streams {
            state.release(stream, snapshot.head.count);
        }
        state.recent.retain(|_, (_, index)| *index > work.index);
        drop(state);
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

    fn gather(&self, clean: Option<u64>) -> Result<Work> {
        let state = self.state();
        let moved = state.streams.iter().filter(|(_, stream)| stream.head.count > stream.stored);
        let streams: Vec<_> = moved.map(|(id, stream)| (*id, stream.clone())).collect();
        let remembered = state.recent.iter().map(|(key, (value, _))| (*key, *value)).collect();
        let index = state.index;
        drop(state);
        let mut blocks = Vec::new();
        for (id, stream) in &streams {
            self.encode_blocks(id, stream, &mut blocks)?;
        }
        let (generation, clean) = (clean.unwrap_or(0), clean.is_some());
        Ok(Work { index, blocks, streams, remembered, clean, generation })
    }

    fn encode_blocks(
        &self,
        id: &StreamId,
        stream: &StreamState,
        blocks: &mut Vec<BlockRows>,
    ) -> Result<()> {
        for (position, run) in stream.runs.iter().enumerate() {
            let mut first = run.first;
            let mut joined = Vec::new();
            if position == 0 && self.joins_open_block(id, first)? {
                (first, joined) = self.open_block(id, run.first)?;
            }
            let replaces = !joined.is_empty();
            let (records, index): (&[Record], Index) = match (replaces, run.index()) {
                (false, Some(index)) => (&run.records, index.clone()),
                (false, None) => (&run.records, Index::of(&run.records)),
                (true, _) => {
                    joined.extend_from_slice(&run.records);
                    let index = Index::of(&joined);
                    (&joined, index)
                }
            };
            let key = block_key(id, first);
            let (records, index) = encode(id, first, run.sealed, records, &index)?;
            blocks.push(BlockRows { key, sealed: run.sealed, replaces, records, index });
        }
        Ok(())
    }

    /// Whether LMDB's last block of the stream is open and ends before `offset`.
    fn joins_open_block(&self, id: &StreamId, offset: u64) -> Result<bool> {
        if offset == 0 {
            return Ok(false);
        }
        self.tables.read(|opened, transaction| {
            let key = block_key(id, offset);
            let found = opened.blocks.get_lower_than(transaction, &key)?;
            let Some((found, value)) = found.filter(|(found, _)| found[..40] == key[..40]) else {
                return Ok(false);
            };
            Ok(!decode_row(found, value)?.0.sealed)
        })
    }

    /// First offset and records of the open block that ends before `offset`.
    fn open_block(&self, id: &StreamId, offset: u64) -> Result<(u64, Vec<Record>)> {
        self.tables.read(|opened, transaction| {
            let key = block_key(id, offset);
            let found = opened.blocks.get_lower_than(transaction, &key)?;
            let (found, value) = found.ok_or_else(|| lost(id, offset))?;
            let (summary, compressed) = decode_row(found, value)?;
            let first = Reader::new(&found[40..]).u64_be()?;
            if first + u64::from(summary.count) != offset {
                return Err(lost(id, offset).into());
            }
            Ok((first, decode_records(&summary, compressed)?))
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
        assert!(block.sealed || block.key.len() == 48, "open blocks are the last of their stream");
        opened.blocks.put_with_flags(transaction, flags, &block.key, &block.records)?;
        opened.index.put_with_flags(transaction, flags, &block.key, &block.index)?;
    }
    for (id, stream) in &work.streams {
        let row = stream_row(&stream.head, &stream.seal);
        opened.streams.put(transaction, &id.to_bytes(), &row)?;
        for (count, head) in &stream.seals {
            let key = block_key(id, *count);
            let value = with_checksum(&key, &head.to_bytes());
            opened.heads.put(transaction, &key, &value)?;
        }
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
    row.checkpointed = work.index;
    row.clean = work.clean;
    row.generation = row.generation.max(work.generation);
    opened.settings.put(transaction, STORE_ROW_KEY, &row.encode())?;
    Ok(())
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
