//! Makes the tables of today from those of a store of format 0.
//!
//! There a block was one compressed piece with an index of its own. Rule: until the last
//! transaction the store is of format 0 and whole; what was cut short begins anew.
//! Source: docs/format.md, "Format 0".

use super::block::{SUMMARY_BYTES, Summary, checked, encode_row};
use super::checkpoint::{read_store_row, write_postings};
use super::postings::{BlockEntry, SEGMENT_BLOCKS};
use super::store_row::STORE_ROW_KEY;
use super::tables::Tables;
use super::terms::Terms;
use crate::error::{Error, ErrorKind, Result};
use crate::event::codec::Reader;
use crate::event::limits::{BLOCK_BYTES_SEAL, RECORD_BYTES_MAX};
use crate::event::{Record, StreamId};
use bytes::Bytes;
use std::ops::Bound;

/// A block of format 0.
struct FormerBlock {
    key: Vec<u8>,
    summary: Summary,
    records: Vec<Record>,
}

/// Converts a store of format 0.
///
/// # Errors
/// `corrupt`: a block is damaged; the store is as it was. `storage_full`, `storage_failed`.
pub(crate) fn convert(tables: &Tables) -> Result<()> {
    tables.write(|opened, transaction| {
        opened.events.clear(transaction)?;
        Ok(opened.postings.clear(transaction)?)
    })?;
    let mut after = None;
    loop {
        let blocks = read_some(tables, after.as_deref())?;
        let Some(last) = blocks.last() else { break };
        after = Some(last.key.clone());
        let rows: Vec<Vec<u8>> = blocks
            .iter()
            .map(|block| encode_row(&block.key, &block.summary, &block.records))
            .collect();
        let postings: Vec<(BlockEntry, Terms)> = blocks
            .iter()
            .filter(|block| block.summary.sealed)
            .map(FormerBlock::posting)
            .collect::<Result<_>>()?;
        tables.write(|opened, transaction| {
            for (block, row) in blocks.iter().zip(&rows) {
                opened.events.put(transaction, &block.key, row)?;
            }
            write_postings(opened, transaction, postings.iter())
        })?;
    }
    tables.write(|opened, transaction| {
        for table in opened.former.iter().flatten() {
            table.clear(transaction)?;
        }
        // What is written is of the current format.
        let row = read_store_row(opened, transaction)?;
        Ok(opened.settings.put(transaction, STORE_ROW_KEY, &row.encode())?)
    })
}

/// The blocks behind a key, as many as a segment has.
fn read_some(tables: &Tables, after: Option<&[u8]>) -> Result<Vec<FormerBlock>> {
    tables.read(|opened, transaction| {
        let Some([blocks, _]) = &opened.former else { return Ok(Vec::new()) };
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let rows = blocks.range(transaction, &(from, Bound::Unbounded))?.take(SEGMENT_BLOCKS);
        rows.map(|row| {
            let (key, value) = row?;
            Ok(FormerBlock::read(key, value)?)
        })
        .collect()
    })
}

impl FormerBlock {
    fn read(key: &[u8], value: &[u8]) -> Result<FormerBlock> {
        let content = checked(key, value)?;
        let summary = Summary::read(&mut Reader::new(content))?;
        let raw_bytes = summary.raw_bytes as usize;
        if raw_bytes > BLOCK_BYTES_SEAL + RECORD_BYTES_MAX {
            return Err(damaged("claims more bytes than a block has"));
        }
        let raw = zstd::bulk::decompress(&content[SUMMARY_BYTES..], raw_bytes)
            .map_err(|error| damaged(&format!("does not decompress: {error}")))?;
        let mut raw = Bytes::from(raw);
        let mut records = Vec::new();
        while !raw.is_empty() {
            records.push(Record::take_trusted(&mut raw)?);
        }
        if records.is_empty() || Summary::of(&records, summary.sealed) != summary {
            return Err(damaged("has other events than it says"));
        }
        Ok(FormerBlock { key: key.to_vec(), summary, records })
    }

    fn posting(&self) -> Result<(BlockEntry, Terms)> {
        let mut key = Reader::new(&self.key);
        let (stream, first) = (StreamId::read(&mut key)?, key.u64_be()?);
        let entry = BlockEntry { stream, first, summary: self.summary };
        Ok((entry, Terms::of(&self.records)))
    }
}

fn damaged(how: &str) -> Error {
    Error::new(ErrorKind::Corrupt, format!("a block of format 0 {how}"))
}
