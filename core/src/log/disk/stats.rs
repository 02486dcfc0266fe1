//! Adds up the sizes of a log, from what LMDB counts and what the heads of segments say.
//!
//! Rule: no block is read. Costs a look at each table and each stream, and at the head of each
//! segment of the postings, one for 64 full blocks, most of them in the cache the next time.

use super::block::{SUMMARY_BYTES, Summary, block_key};
use super::checkpoint::read_store_row;
use super::journal::journal_bytes;
use super::shared::{Shared, lock};
use super::state::State;
use super::tables::{FORMER_NAMES, Opened, TABLE_NAMES, TableResult};
use crate::error::Result;
use crate::event::codec::Reader;
use crate::log::upkeep::{LogStats, TableStats};
use heed::RoTxn;
use std::sync::atomic::Ordering;

/// What of LMDB's file is in use.
pub(crate) struct Used {
    tables: Vec<TableStats>,
    pub(crate) bytes: u64,
    /// Bytes of all pages that were ever in use.
    all: u64,
    page_bytes: u64,
}

impl Shared {
    /// The sizes.
    ///
    /// # Errors
    /// `corrupt`: a segment of the postings. `closed`, `storage_failed`.
    pub(crate) fn stats(&self) -> Result<LogStats> {
        loop {
            let stats = self.tables.read(|opened, transaction| {
                let checkpointed = read_store_row(opened, transaction)?.checkpointed;
                let sealed_bytes = self.sealed_bytes(opened, transaction)?;
                let state = self.state();
                // Else a checkpoint ended in between, and events would count twice or not at all.
                if self.checkpointed.load(Ordering::Acquire) != checkpointed {
                    return Ok(None);
                }
                let open_bytes = open_bytes(opened, transaction, &state)?;
                let mut stats = self.count(&state, &opened.used(transaction)?);
                drop(state);
                stats.record_bytes = sealed_bytes + open_bytes;
                Ok(Some(stats))
            })?;
            if let Some(mut stats) = stats {
                stats.file_bytes = self.tables.file_bytes();
                stats.journal_bytes = journal_bytes(&self.options.path);
                return Ok(stats);
            }
            std::thread::yield_now();
        }
    }

    fn count(&self, state: &State, used: &Used) -> LogStats {
        let rows = |name: &str| {
            used.tables.iter().find(|table| table.name == name).map_or(0, |table| table.rows)
        };
        // Each full block has its head.
        let full_blocks = rows("heads");
        LogStats {
            streams: state.durable.stream_count() as u64,
            events: u64::try_from(state.event_count()).unwrap_or(u64::MAX),
            record_bytes: 0,
            full_blocks,
            open_blocks: rows("events").saturating_sub(full_blocks),
            segments: rows("postings"),
            idempotency_keys: rows("idempotency") + state.recent.len() as u64,
            tables: used.tables.clone(),
            file_bytes: 0,
            free_bytes: used.all - used.bytes,
            page_bytes: used.page_bytes,
            journal_bytes: 0,
            tail_bytes: state.tail_bytes as u64,
            cache_bytes: (lock(&self.cache).bytes() + state.open_terms_bytes) as u64,
            cache_bytes_max: self.options.cache_bytes_max as u64,
        }
    }

    /// Bytes of the records of full blocks.
    fn sealed_bytes(&self, opened: &Opened, transaction: &RoTxn<'_>) -> TableResult<u64> {
        let mut bytes = 0;
        for row in opened.postings.iter(transaction)? {
            let (key, row) = row?;
            let head = self.segment_head(Reader::new(key).u64_be()?, row)?;
            bytes += head.blocks.iter().map(|own| u64::from(own.summary.raw_bytes)).sum::<u64>();
        }
        Ok(bytes)
    }
}

impl Opened {
    /// What of the file is in use.
    pub(crate) fn used(&self, transaction: &RoTxn<'_>) -> TableResult<Used> {
        let own = [
            &self.events,
            &self.postings,
            &self.heads,
            &self.streams,
            &self.idempotency,
            &self.idempotency_order,
            &self.settings,
            &self.groups,
            &self.forks,
            &self.snapshots,
            &self.blobs,
        ];
        let own = TABLE_NAMES.into_iter().zip(own);
        let former = self.former.iter().flat_map(|tables| FORMER_NAMES.into_iter().zip(tables));
        let (main, all, page_bytes) = self.pages();
        let mut tables = Vec::new();
        for (name, table) in own.chain(former) {
            let stat = table.stat(transaction)?;
            let pages = stat.branch_pages + stat.leaf_pages + stat.overflow_pages;
            let bytes = pages as u64 * page_bytes;
            tables.push(TableStats { name, rows: stat.entries as u64, bytes });
        }
        // Two metas, and the table of tables.
        let used = (2 + main) * page_bytes + tables.iter().map(|table| table.bytes).sum::<u64>();
        let all = (all * page_bytes).max(used);
        Ok(Used { tables, bytes: used, all, page_bytes })
    }
}

/// Bytes of the records that are in no full block of LMDB.
fn open_bytes(opened: &Opened, transaction: &RoTxn<'_>, state: &State) -> TableResult<u64> {
    let mut bytes = 0;
    for (id, stream) in &state.streams {
        bytes += stream.runs.iter().map(|run| run.bytes as u64).sum::<u64>();
        if stream.stored > stream.indexed.count {
            let key = block_key(id, stream.indexed.count);
            let row = opened.events.get(transaction, &key)?.unwrap_or_default();
            if let Some(summary) = row.get(4..4 + SUMMARY_BYTES) {
                bytes += u64::from(Summary::read(&mut Reader::new(summary))?.raw_bytes);
            }
        }
    }
    Ok(bytes)
}
