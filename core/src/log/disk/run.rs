//! Consecutive records inside one block: the piece that readers work on.
//!
//! In memory a run is what the tail holds of a block; from LMDB it is a whole block. Not here:
//! finding runs (`read`), growing them (`state`).

use super::terms::Terms;
use crate::event::{EventRange, Record, block};
use bytes::Bytes;
use std::sync::OnceLock;

/// Memory that a record costs beside its bytes, roughly.
const RECORD_OVERHEAD_BYTES: usize = 96;

/// Consecutive records of one stream inside one block.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    /// Offset of the first record.
    pub(crate) first: u64,
    pub(crate) records: Vec<Record>,
    /// Bytes of the records.
    pub(crate) bytes: usize,
    /// True: the block ends with the last record, so nothing is added.
    pub(crate) sealed: bool,
    /// True: the block begins with the first record.
    begins: bool,
    terms: OnceLock<Terms>,
    /// The whole block as bytes: those of a peer, or those that were asked for.
    block: OnceLock<Bytes>,
    /// Bytes of the block that a peer sent.
    block_bytes: usize,
}

impl Run {
    /// A run of these records. `begins` says that their block does, `sealed` that it ends.
    pub(crate) fn new(first: u64, records: Vec<Record>, begins: bool, sealed: bool) -> Run {
        let bytes = records.iter().map(|record| record.as_bytes().len()).sum();
        let (terms, block) = (OnceLock::new(), OnceLock::new());
        Run { first, records, bytes, sealed, begins, terms, block, block_bytes: 0 }
    }

    /// As `new`, for a whole block that was unpacked from `block`.
    pub(crate) fn of_block(first: u64, records: Vec<Record>, block: Bytes) -> Run {
        let block_bytes = block.len();
        Run { block: OnceLock::from(block), block_bytes, ..Run::new(first, records, true, true) }
    }

    /// Memory that it takes, roughly.
    pub(crate) fn cost(&self) -> usize {
        cost_of(self.bytes, self.records.len(), self.block_bytes)
    }

    /// Offset behind the last record.
    pub(crate) fn end(&self) -> u64 {
        self.first + self.records.len() as u64
    }

    /// The record at `offset`, which is inside.
    pub(crate) fn record(&self, offset: u64) -> &Record {
        &self.records[(offset - self.first) as usize]
    }

    /// The terms of a sealed run, made when first asked for; an open run is scanned instead.
    pub(crate) fn terms(&self) -> Option<&Terms> {
        self.sealed.then(|| self.terms.get_or_init(|| Terms::of(&self.records)))
    }

    /// The block, when these records are all of it; made when first asked for and not received.
    pub(crate) fn block(&self) -> Option<&Bytes> {
        let is_whole = self.begins && self.sealed;
        is_whole.then(|| self.block.get_or_init(|| block::encode(&self.records).into()))
    }

    /// Adds records at the end of an open run.
    pub(crate) fn extend(&mut self, records: Vec<Record>, sealed: bool) {
        assert!(!self.sealed, "a sealed run does not grow");
        self.bytes += records.iter().map(|record| record.as_bytes().len()).sum::<usize>();
        self.records.extend(records);
        self.sealed = sealed;
    }

    /// Drops the records before `offset`.
    pub(crate) fn drop_before(&mut self, offset: u64) {
        self.records.drain(..(offset - self.first) as usize);
        self.first = offset;
        self.bytes = self.records.iter().map(|record| record.as_bytes().len()).sum();
        self.begins = false;
        (self.terms, self.block, self.block_bytes) = (OnceLock::new(), OnceLock::new(), 0);
    }
}

/// What a range will cost in memory.
pub(crate) fn range_bytes(range: &EventRange) -> usize {
    let block_bytes = range.block().map_or(0, Bytes::len);
    cost_of(range.record_bytes(), range.records().len(), block_bytes)
}

fn cost_of(bytes: usize, records: usize, block_bytes: usize) -> usize {
    bytes + records * RECORD_OVERHEAD_BYTES + block_bytes
}
