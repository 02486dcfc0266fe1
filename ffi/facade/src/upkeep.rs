//! Looking after a store: verifying it, compacting it, its sizes; each answer is one JSON object.
//!
//! Not here: what is found and done (the core). Rule: a call that was cancelled, or whose time is
//! over, ends the work too, soon after.

use crate::core;
use crate::errors::Result;
use crate::node::{NodeHandle, Wanted};
use crate::status::damage;
use crate::wait::{Limit, Wait};
use millpond::{LogStats, Pending, VerifyReport};
use serde_json::{Value, json};

impl NodeHandle {
    /// Reads the whole store once and says what is damaged: every checksum, chain and head, and the
    /// postings against the events. Damage is no error. The node goes on meanwhile.
    ///
    /// # Errors
    /// As [`NodeHandle::node_id`]; `timeout`, `cancelled`: the verification ends soon after.
    /// `storage_failed`.
    pub fn verify_json(self, wait: &Wait<'_>) -> Result<String> {
        self.wait_while("node_verify_json", wait, |core, wanted| Ok(verify(core, wanted)))
    }

    /// As [`NodeHandle::verify_json`], without waiting.
    pub fn verify_json_start(
        self,
        limit: Limit,
        done: impl FnOnce(Result<String>) + Send + 'static,
    ) {
        self.start_while("node_verify_json", limit, done, |core, wanted| Ok(verify(core, wanted)));
    }

    /// Makes the file of tables as small as it can be. The node goes on meanwhile; publishes wait
    /// when the journal is full before the copy is done.
    ///
    /// # Errors
    /// As [`NodeHandle::node_id`]; `storage_full`: there is not room for the old file and the new
    /// one. `timeout`, `cancelled`: it is called off, unless the new file was about to take its
    /// place. `storage_failed`, `corrupt`: the file stays as it was.
    pub fn compact_json(self, wait: &Wait<'_>) -> Result<String> {
        self.wait_while("node_compact_json", wait, |core, wanted| Ok(compact(core, wanted)))
    }

    /// As [`NodeHandle::compact_json`], without waiting.
    pub fn compact_json_start(
        self,
        limit: Limit,
        done: impl FnOnce(Result<String>) + Send + 'static,
    ) {
        self.start_while("node_compact_json", limit, done, |core, wanted| {
            Ok(compact(core, wanted))
        });
    }

    /// How large everything in the store is. Reads no block.
    ///
    /// # Errors
    /// As [`NodeHandle::node_id`]; `corrupt`, `storage_failed`.
    pub fn stats_json(self) -> Result<String> {
        self.ask("node_stats_json", |core| Ok(stats(&core.stats()?)))
    }
}

fn verify(core: &core::Node, wanted: Wanted) -> Pending<String> {
    core.verify(wanted).map(|report| Ok(verified(&report)))
}

fn compact(core: &core::Node, wanted: Wanted) -> Pending<String> {
    core.compact(wanted).map(|compacted| {
        let (before, after) = (compacted.bytes_before, compacted.bytes_after);
        Ok(json!({ "bytes_before": before, "bytes_after": after }).to_string())
    })
}

fn verified(report: &VerifyReport) -> String {
    let damages: Vec<Value> = report.damages.iter().map(damage).collect();
    json!({
        "streams": report.streams, "blocks": report.blocks, "events": report.events,
        "record_bytes": report.record_bytes, "stored_bytes": report.stored_bytes,
        "damage_count": report.damage_count, "damages": damages,
    })
    .to_string()
}

fn stats(stats: &LogStats) -> String {
    let tables: Vec<Value> = stats
        .tables
        .iter()
        .map(|table| json!({ "name": table.name, "rows": table.rows, "bytes": table.bytes }))
        .collect();
    json!({
        "streams": stats.streams, "events": stats.events, "record_bytes": stats.record_bytes,
        "full_blocks": stats.full_blocks, "open_blocks": stats.open_blocks,
        "segments": stats.segments, "idempotency_keys": stats.idempotency_keys,
        "tables": tables, "file_bytes": stats.file_bytes, "free_bytes": stats.free_bytes,
        "page_bytes": stats.page_bytes, "journal_bytes": stats.journal_bytes,
        "tail_bytes": stats.tail_bytes, "cache_bytes": stats.cache_bytes,
        "cache_bytes_max": stats.cache_bytes_max,
    })
    .to_string()
}
