//! Puts a damaged block back, from events that somebody gave.
//!
//! The signed heads before and behind a block are rows of their own, so events are the lost ones
//! exactly when they lead from the one to the other: whoever gave them need not be trusted.
//! Not here: finding damage (`quarantine`, `verify`), asking peers (`sync::repair`). Rule: the
//! thread of the checkpoints does it, so that no open block grows meanwhile.

use super::block::{Summary, block_key, encode_row};
use super::check::{check_chain, wrong};
use super::checkpoint::read_stream_row;
use super::shared::{Shared, lock};
use crate::error::{Error, ErrorKind, Result};
use crate::event::codec::Reader;
use crate::event::{EventRange, SignedHead, StreamEnd, StreamId};
use crate::log::options::invalid;
use crate::log::status::DamagedBlock;
use crate::pending::Completer;
use std::collections::BTreeSet;
use std::ops::Bound;

/// A repair that was asked for.
pub(crate) struct Repair {
    /// Events from the start of the block on.
    pub(crate) range: EventRange,
    pub(crate) completer: Completer<()>,
}

impl Repair {
    /// Does it, and answers.
    pub(crate) fn run(self, shared: &Shared) {
        let result = shared.repair_block(&self.range);
        let (stream, first) = (self.range.stream(), self.range.first);
        match &result {
            Ok(()) => tracing::info!(%stream, first, "a damaged block was put back"),
            Err(error) => tracing::warn!(%error, "a damaged block could not be put back"),
        }
        self.completer.complete(result);
    }
}

impl Shared {
    /// Has the thread of the checkpoints put a block back.
    pub(crate) fn request_repair(&self, repair: Repair) {
        let mut checkpoints = lock(&self.checkpoints);
        // Dropped after the end, it answers `closed`.
        if !checkpoints.stop {
            checkpoints.repairs.push(repair);
            self.checkpoint_moved.notify_all();
        }
    }

    /// The stored blocks that are known to be damaged, each once.
    pub(crate) fn damaged_blocks(&self) -> Vec<DamagedBlock> {
        let damages = self.damages();
        let places = damages.iter().filter(|damage| damage.table == "events");
        let places: BTreeSet<_> =
            places.filter_map(|damage| Some((damage.stream?, damage.first))).collect();
        let block = |(stream, at): (StreamId, u64)| {
            let Stored { first, end, .. } = self.stored_bounds(&stream, at).ok().flatten()?;
            Some(DamagedBlock { stream, first, end })
        };
        let blocks: BTreeSet<_> = places.into_iter().filter_map(block).collect();
        blocks.into_iter().collect()
    }

    /// Replaces the block that begins where `range` does, if these are its events.
    fn repair_block(&self, range: &EventRange) -> Result<()> {
        let (stream, first) = (range.stream(), range.first);
        let stored = self.stored_bounds(&stream, first)?.filter(|stored| stored.first == first);
        let Some(Stored { end, is_full, .. }) = stored else {
            return invalid(format!("no stored block of stream {stream} begins at {first}"));
        };
        let Some(records) = range.records().get(..(end - first) as usize) else {
            let message = format!("events {first} to {end} of stream {stream} are needed");
            return Err(Error::new(ErrorKind::PeerMisbehaved, message).with_reason("gap"));
        };
        let start = self.end_at_block(&stream, first)?;
        let head = match is_full {
            true => self.own_head(&stream, end)??,
            false => self.head_of_open_block(&stream, end)?,
        };
        let reached = check_chain(start, records, is_full, None);
        if !reached.is_ok_and(|reached| reached == StreamEnd::from(&head)) {
            let message = format!("these are not the events {first} to {end} of stream {stream}");
            return Err(Error::new(ErrorKind::PeerMisbehaved, message).with_reason("forged"));
        }
        let key = block_key(&stream, first);
        let row = encode_row(&key, &Summary::of(records, is_full), records);
        self.tables
            .write(|opened, transaction| Ok(opened.events.put(transaction, &key, &row)?))?;
        self.forget_block(&stream, first..end);
        Ok(())
    }

    /// The stored block around an event, as the heads say, which are rows of their own; none when
    /// the event is not stored.
    fn stored_bounds(&self, stream: &StreamId, offset: u64) -> Result<Option<Stored>> {
        let (base, stored) = match self.state().streams.get(stream) {
            Some(held) if (held.first()..held.stored).contains(&offset) => {
                (held.first(), held.stored)
            }
            _ => return Ok(None),
        };
        let wanted = block_key(stream, offset);
        self.tables.read(|opened, transaction| {
            let count = |key: &[u8]| {
                let is_own = key.len() == wanted.len() && key[..40] == wanted[..40];
                is_own.then(|| Reader::new(&key[40..]).u64_be()).transpose()
            };
            let before = opened.heads.get_lower_than_or_equal_to(transaction, &wanted)?;
            let first = before.map(|(key, _)| count(key)).transpose()?.flatten();
            let behind = (Bound::Excluded(&wanted[..]), Bound::Unbounded);
            let next = opened.heads.range(transaction, &behind)?.next().transpose()?;
            let next = next.map(|(key, _)| count(key)).transpose()?.flatten();
            let next = next.filter(|next| *next <= stored);
            let (end, is_full) = (next.unwrap_or(stored), next.is_some());
            Ok(Some(Stored { first: first.unwrap_or(base), end, is_full }))
        })
    }

    /// The head up to which the open block of a stream is stored.
    fn head_of_open_block(&self, stream: &StreamId, end: u64) -> Result<SignedHead> {
        let key = stream.to_bytes();
        let head = self.tables.read(|opened, transaction| {
            let row = opened.streams.get(transaction, &key)?;
            let row = row.ok_or_else(|| wrong("the row of the stream is missing"))?;
            Ok(read_stream_row(&key, row)?.0)
        })?;
        if head.count == end {
            Ok(head)
        } else {
            Err(wrong("the stream's row is of another place"))
        }
    }
}

/// A block of the tables.
struct Stored {
    first: u64,
    end: u64,
    is_full: bool,
}
