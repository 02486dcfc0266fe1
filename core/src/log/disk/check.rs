//! Verifies one block, and what of a stream comes after its full blocks.
//!
//! Not here: going through the store (`verify`). Rule: what is checked is what readers would see,
//! plus all that they rely on: the checksums of a row, the chain from the signed head before it,
//! and the signed head at its end. So a block is checked without the ones before it, and one that
//! is damaged keeps nobody from looking at the next.

use super::block::{Summary, block_key, checked, row_records};
use super::read::stored_head;
use super::shared::Shared;
use super::state::StreamState;
use super::terms::Terms;
use super::windows::ForkRow;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Record, SealRule, SignedHead, StreamEnd, StreamId};

/// A block that is as it was written.
pub(super) struct CheckedBlock {
    pub(super) summary: Summary,
    pub(super) terms: Terms,
    /// Bytes of its row.
    pub(super) stored_bytes: u64,
    /// Where it ends; `None` when the head before it is damaged, so that nothing leads here.
    pub(super) end: Option<StreamEnd>,
    /// What is wrong with the head at its end.
    pub(super) head: Result<()>,
}

impl Shared {
    /// Checks the stored block of `stream` that begins at `first`, where a block begins; its end
    /// against the stored head when it is full, and all of it against the heads of `state`.
    ///
    /// # Errors
    /// What is wrong with it; those of reading.
    pub(super) fn check_block(
        &self,
        stream: &StreamId,
        first: u64,
        state: Option<&StreamState>,
    ) -> Result<CheckedBlock> {
        let key = block_key(stream, first);
        // A copy: the transaction ends before the long part begins.
        let row = self.tables.read(|opened, transaction| {
            Ok(opened.events.get(transaction, &key)?.map(<[u8]>::to_vec))
        })?;
        let row = row.ok_or_else(|| wrong("the block is missing"))?;
        let (summary, records) = row_records(&key, &row)?;
        let start = match self.start_of(stream) {
            start if start.count == first => Some(start),
            _ => self.own_head(stream, first)?.ok().map(|head| StreamEnd::from(&head)),
        };
        let end = match start {
            Some(start) => Some(check_chain(start, &records, summary.sealed, state)?),
            None => None,
        };
        let end_count = first + u64::from(summary.count);
        let head = match summary.sealed {
            true => self.own_head(stream, end_count)?.and_then(|head| {
                head.verify(&self.swarm)?;
                Ok(head)
            }),
            false => return Ok(CheckedBlock::of(summary, &records, row.len(), end, Ok(()))),
        };
        if let (Ok(head), Some(end)) = (&head, end)
            && StreamEnd::from(head) != end
        {
            return Err(wrong("its events are not those of the signed head at its end"));
        }
        Ok(CheckedBlock::of(summary, &records, row.len(), end, head.map(drop)))
    }

    /// Checks what of a stream comes after the stored events, which end at `end`: the tail, and
    /// that it leads to the latest head. Returns number and record bytes of the events it read.
    ///
    /// # Errors
    /// What is wrong; those of reading.
    pub(super) fn check_tail(
        &self,
        stream: &StreamId,
        state: &StreamState,
        end: Option<StreamEnd>,
    ) -> Result<(u64, u64)> {
        let mut walk = Walk { end, state: Some(state), read: (0, 0) };
        for run in &state.runs {
            for (record, offset) in run.records.iter().zip(run.first..) {
                // A checkpoint may have gone on while we looked: LMDB gave a part of it already.
                if walk.end.is_some_and(|end| offset >= end.count) {
                    walk.push(record)?;
                }
            }
        }
        match walk.end {
            Some(end) if end.count < state.head.count => {
                return Err(wrong(&format!("events are missing from {} on", end.count)));
            }
            Some(end) if end.count == state.head.count => check_end(&end, &state.head)?,
            _ => {}
        }
        if state.head.stream != *stream {
            return Err(wrong("the latest head is of another stream"));
        }
        state.head.verify(&self.swarm)?;
        Ok(walk.read)
    }

    /// Where a stream begins: before its first event, or at the base of a branch.
    pub(super) fn start_of(&self, stream: &StreamId) -> StreamEnd {
        let base = self.state().streams.get(stream).and_then(|held| held.base);
        base.unwrap_or_else(|| StreamEnd::empty(&self.swarm, stream))
    }

    /// Checks what is known about the fork of a stream against what is held of it.
    ///
    /// # Errors
    /// What is wrong with it; those of reading.
    pub(super) fn check_fork(&self, stream: &StreamId) -> Result<u64> {
        let (key, state) = (stream.to_bytes(), self.state());
        let (row, index) = (state.windows.get(stream).cloned(), state.new_forks.get(stream));
        let (is_new, held) = (index.is_some(), state.streams.get(stream).map(StreamState::end));
        drop(state);
        let stored = self.tables.read(|opened, transaction| {
            Ok(opened.forks.get(transaction, &key)?.map(<[u8]>::to_vec))
        })?;
        let bytes = stored.as_ref().map_or(0, |value| (key.len() + value.len()) as u64);
        match stored.map(|value| ForkRow::decode(stream, checked(&key, &value)?)).transpose()? {
            stored if stored != row && !is_new => return Err(wrong("it is not what it was")),
            _ => {}
        }
        let Some(branch) = row.filter(|row| !row.hidden).and_then(|row| row.branch) else {
            return Ok(bytes);
        };
        branch.proof.iter().try_for_each(|head| head.verify(&self.swarm))?;
        let first = self.chain_at(stream, branch.floor + 1)?;
        let windows = self.state().windows.clone();
        let sealed = windows.get(&branch.of).and_then(|of| of.sealed);
        let is_named = first.is_some_and(|first| branch.of.branch(&first) == *stream)
            && sealed.is_some_and(|(at, _)| at == branch.floor);
        if is_named && held.is_some() { Ok(bytes) } else { Err(wrong("it names another branch")) }
    }

    /// The head of a stream after `count` events: the inner error is what is wrong with it.
    pub(super) fn own_head(&self, stream: &StreamId, count: u64) -> Result<Result<SignedHead>> {
        let head =
            self.tables.read(|opened, transaction| stored_head(opened, transaction, stream, count));
        match head {
            Ok(head) if head.stream == *stream && head.count == count => Ok(Ok(head)),
            Ok(_) => Ok(Err(wrong("it is the head of another place"))),
            Err(error) if is_damage(&error) => Ok(Err(error)),
            Err(error) => Err(error),
        }
    }
}

impl CheckedBlock {
    fn of(
        summary: Summary,
        records: &[Record],
        row_bytes: usize,
        end: Option<StreamEnd>,
        head: Result<()>,
    ) -> CheckedBlock {
        // Only full blocks have postings.
        let terms = if summary.sealed { Terms::of(records) } else { Terms::default() };
        CheckedBlock { summary, terms, stored_bytes: row_bytes as u64, end, head }
    }
}

/// True when an error says that something stored is not as it was written.
pub(super) fn is_damage(error: &Error) -> bool {
    !matches!(
        error.kind(),
        ErrorKind::Closed
            | ErrorKind::Cancelled
            | ErrorKind::ForkedProcess
            | ErrorKind::StorageFailed
            | ErrorKind::StorageFull
    )
}

pub(super) fn check_chain(
    start: StreamEnd,
    records: &[Record],
    sealed: bool,
    state: Option<&StreamState>,
) -> Result<StreamEnd> {
    let mut walk = Walk { end: Some(start), state, read: (0, 0) };
    let mut seal = SealRule::new();
    for (record, left) in records.iter().zip((0..records.len()).rev()) {
        walk.push(record)?;
        let ends = seal.push(record.as_bytes().len());
        if ends != (sealed && left == 0) {
            return Err(wrong("a block ends where it should not"));
        }
    }
    Ok(walk.end.expect("it had a start"))
}

fn check_end(end: &StreamEnd, head: &SignedHead) -> Result<()> {
    if *end == StreamEnd::from(head) {
        return Ok(());
    }
    Err(wrong("the latest head does not fit the events"))
}

/// A walk along a stream that computes its chain.
struct Walk<'a> {
    end: Option<StreamEnd>,
    /// Its heads are met on the way.
    state: Option<&'a StreamState>,
    /// Number and bytes of the records.
    read: (u64, u64),
}

impl Walk<'_> {
    /// Takes one more record.
    fn push(&mut self, record: &Record) -> Result<()> {
        let Some(end) = &mut self.end else { return Ok(()) };
        if record.lamport() <= end.lamport {
            return Err(wrong(&format!("lamports do not rise at {}", end.count)));
        }
        *end = StreamEnd {
            count: end.count + 1,
            chain: end.chain.extend(&record.leaf()),
            lamport: record.lamport(),
        };
        self.read = (self.read.0 + 1, self.read.1 + record.as_bytes().len() as u64);
        let Some(state) = self.state else { return Ok(()) };
        let seal = state.seals.get(&end.count);
        let latest = Some(&state.head).filter(|head| head.count == end.count);
        seal.into_iter().chain(latest).try_for_each(|head| check_end(end, head))
    }
}

pub(super) fn wrong(what: &str) -> Error {
    Error::new(ErrorKind::Corrupt, what)
}
