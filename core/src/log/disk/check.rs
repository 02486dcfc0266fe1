//! Verifies everything that is held, against itself.
//!
//! Rule: what is checked is what readers would see, plus all that they rely on: each row's
//! checksum, each chain from its start, each head, each index against the records it indexes.

use super::block::{block_key, checked, decode_records, decode_row};
use super::index::Index;
use super::shared::Shared;
use super::state::StreamState;
use crate::error::{Error, ErrorKind, Result};
use crate::event::codec::Reader;
use crate::event::{Record, SealRule, SignedHead, StreamEnd, StreamId};

impl Shared {
    /// Verifies every stream.
    ///
    /// # Errors
    /// `corrupt`: the first thing that does not hold.
    pub(crate) fn check_all(&self) -> Result<()> {
        let streams: Vec<(StreamId, StreamState)> =
            self.state().streams.iter().map(|(id, stream)| (*id, stream.clone())).collect();
        for (id, stream) in streams {
            self.check_stream(&id, &stream).map_err(|error| {
                let error = error.in_context(format_args!("stream {id}"));
                Error::new(ErrorKind::Corrupt, error.message())
            })?;
        }
        Ok(())
    }

    fn check_stream(&self, id: &StreamId, stream: &StreamState) -> Result<()> {
        let mut walk = Walk { end: StreamEnd::empty(&self.swarm, id), seal: SealRule::new() };
        while walk.end.count < stream.stored {
            let sealed = self.check_block(id, &mut walk)?;
            if sealed {
                self.check_seal_head(id, &walk)?;
            }
        }
        // A checkpoint may have gone on while we looked: then LMDB gave a part of the tail already.
        let tail = stream.runs.iter().flat_map(|run| run.records.iter().zip(run.first..));
        for (record, offset) in tail {
            if offset >= walk.end.count {
                walk.push(record)?;
            }
        }
        if walk.end.count >= stream.head.count {
            if walk.end.count == stream.head.count && walk.end != StreamEnd::from(&stream.head) {
                return Err(wrong("the latest head does not fit the events"));
            }
            return stream.head.verify(&self.swarm);
        }
        Err(wrong("events are missing at the end"))
    }

    /// Checks the stored block that begins where the walk is; true when it is sealed.
    fn check_block(&self, id: &StreamId, walk: &mut Walk) -> Result<bool> {
        let first = walk.end.count;
        let key = block_key(id, first);
        let (summary, records, index) = self.tables.read(|opened, transaction| {
            let missing = || wrong(&format!("the block at {first} is missing"));
            let block = opened.blocks.get(transaction, &key)?.ok_or_else(missing)?;
            let (summary, compressed) = decode_row(&key, block)?;
            let records = decode_records(&summary, compressed)?;
            let index = opened.index.get(transaction, &key)?.ok_or_else(missing)?;
            let (index_summary, index) = decode_row(&key, index)?;
            if index_summary != summary {
                return Err(wrong("a block and its index disagree").into());
            }
            Ok((summary, records, index.to_vec()))
        })?;
        if Index::of(&records).as_bytes()[..] != index[..] {
            return Err(wrong(&format!("the index at {first} is not that of its events")));
        }
        let mut sealed = false;
        for record in &records {
            if sealed {
                return Err(wrong("a block goes on after its end"));
            }
            sealed = walk.push(record)?;
        }
        if sealed != summary.sealed {
            return Err(wrong("a block ends where it should not"));
        }
        Ok(sealed)
    }

    fn check_seal_head(&self, id: &StreamId, walk: &Walk) -> Result<()> {
        let key = block_key(id, walk.end.count);
        let head = self.tables.read(|opened, transaction| {
            let value = opened.heads.get(transaction, &key)?;
            let value = value.ok_or_else(|| wrong("the head of a full block is missing"))?;
            Ok(SignedHead::read(&mut Reader::new(checked(&key, value)?))?)
        })?;
        if StreamEnd::from(&head) != walk.end {
            return Err(wrong("the head of a full block does not fit the events"));
        }
        head.verify(&self.swarm)
    }
}

/// A walk along a stream that computes its chain.
struct Walk {
    end: StreamEnd,
    seal: SealRule,
}

impl Walk {
    /// Takes one more record; true when a block ends with it.
    fn push(&mut self, record: &Record) -> Result<bool> {
        if record.lamport() <= self.end.lamport {
            return Err(wrong(&format!("lamports do not rise at {}", self.end.count)));
        }
        self.end = StreamEnd {
            count: self.end.count + 1,
            chain: self.end.chain.extend(&record.leaf()),
            lamport: record.lamport(),
        };
        Ok(self.seal.push(record.as_bytes().len()))
    }
}

fn wrong(what: &str) -> Error {
    Error::new(ErrorKind::Corrupt, what)
}
