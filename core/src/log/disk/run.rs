//! Consecutive records inside one block: the piece that readers work on.
//!
//! In memory a run is what the tail holds of a block; from LMDB it is a whole block. Not here:
//! finding runs (`read`), growing them (`state`).

use super::terms::Terms;
use crate::event::Record;
use std::sync::OnceLock;

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
    terms: OnceLock<Terms>,
}

impl Run {
    /// A run of these records.
    pub(crate) fn new(first: u64, records: Vec<Record>, sealed: bool) -> Run {
        let bytes = records.iter().map(|record| record.as_bytes().len()).sum();
        Run { first, records, bytes, sealed, terms: OnceLock::new() }
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

    /// Adds records at the end of an open run.
    pub(crate) fn extend(&mut self, records: &[Record], sealed: bool) {
        assert!(!self.sealed, "a sealed run does not grow");
        self.bytes += records.iter().map(|record| record.as_bytes().len()).sum::<usize>();
        self.records.extend_from_slice(records);
        self.sealed = sealed;
    }

    /// Drops the records before `offset`.
    pub(crate) fn drop_before(&mut self, offset: u64) {
        self.records.drain(..(offset - self.first) as usize);
        self.first = offset;
        self.bytes = self.records.iter().map(|record| record.as_bytes().len()).sum();
        self.terms = OnceLock::new();
    }
}
