//! Verifies everything that is held, against itself.
//!
//! Rule: what is checked is what readers would see, plus all that they rely on: each row's
//! checksum, each chain from its start, each head, the postings against the events.

use super::block::{block_key, row_records};
use super::postings::{SegmentBuilder, SegmentHead, segment_key};
use super::read::stored_head;
use super::shared::Shared;
use super::state::StreamState;
use super::terms::Terms;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Record, SealRule, StreamEnd, StreamId};
use std::collections::BTreeMap;

impl Shared {
    /// Verifies every stream.
    ///
    /// # Errors
    /// `corrupt`: the first thing that does not hold.
    pub(crate) fn check_all(&self) -> Result<()> {
        let streams: Vec<(StreamId, StreamState)> =
            self.state().streams.iter().map(|(id, stream)| (*id, stream.clone())).collect();
        self.check_postings(&streams)?;
        for (id, stream) in streams {
            self.check_stream(&id, &stream).map_err(|error| {
                let error = error.in_context(format_args!("stream {id}"));
                Error::new(ErrorKind::Corrupt, error.message())
            })?;
        }
        Ok(())
    }

    /// Makes each segment of the postings again from its blocks: it must be what is stored, and all
    /// full blocks must be in one.
    fn check_postings(&self, streams: &[(StreamId, StreamState)]) -> Result<()> {
        let mut indexed: BTreeMap<StreamId, u64> = BTreeMap::new();
        for number in 0.. {
            let key = segment_key(number);
            let damaged = |error: Error| error.in_context(format_args!("segment {number}"));
            let row = self.tables.read(|opened, transaction| {
                Ok(opened.postings.get(transaction, &key)?.map(<[u8]>::to_vec))
            })?;
            let Some(row) = row else { break };
            let head = SegmentHead::read(&key, &row).map_err(damaged)?;
            let mut again = SegmentBuilder::default();
            for block in &head.blocks {
                let end = indexed.entry(block.stream).or_default();
                if block.first != *end || !block.summary.sealed {
                    return Err(damaged(wrong("a block is not where the postings have it")));
                }
                *end += u64::from(block.summary.count);
                let key = block_key(&block.stream, block.first);
                let records = self.tables.read(|opened, transaction| {
                    let row = opened.events.get(transaction, &key)?;
                    Ok(row_records(&key, row.ok_or_else(|| wrong("a block is missing"))?)?.1)
                });
                again.add(*block, &Terms::of(&records.map_err(damaged)?));
            }
            if again.finish(&key) != row {
                return Err(damaged(wrong("the postings are not those of their events")));
            }
        }
        // More than there were when we began to look is possible, less is not.
        let lacks = |(id, stream): &&(StreamId, StreamState)| {
            indexed.get(id).copied().unwrap_or_default() < stream.indexed.count
        };
        match streams.iter().find(lacks) {
            Some((id, _)) => Err(wrong(&format!("stream {id} has blocks that no posting names"))),
            None => Ok(()),
        }
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
        let (summary, records) = self.tables.read(|opened, transaction| {
            let row = opened.events.get(transaction, &key)?;
            Ok(row_records(
                &key,
                row.ok_or_else(|| wrong(&format!("the block at {first} is missing")))?,
            )?)
        })?;
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
        let count = walk.end.count;
        let head =
            self.tables.read(|opened, transaction| stored_head(opened, transaction, id, count))?;
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
