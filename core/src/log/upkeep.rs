//! Looking after a store: what a verification and a compaction give back, its sizes, and repairs.

use super::disk::{Repair, lock};
use super::log::Log;
use super::options::DamageHook;
use super::status::{Damage, DamagedBlock};
use crate::error::Result;
use crate::event::EventRange;
use crate::pending::{Pending, pending};

impl Log {
    /// The stored blocks that are known to be damaged: that a read met, or a verification.
    ///
    /// # Errors
    /// `closed`, `forked_process`.
    pub fn damaged_blocks(&self) -> Result<Vec<DamagedBlock>> {
        self.shared().check_open()?;
        Ok(self.shared().damaged_blocks())
    }

    /// Calls `hook` whenever there may be more damaged blocks. It is kept until the log closes.
    pub fn on_damage(&self, hook: DamageHook) {
        lock(&self.shared().damage_hooks).push(hook);
    }

    /// Puts a damaged block back. `range` has its events, from its first one on; whoever gave them
    /// need not be trusted, since they must lead from the signed head before the block to the one
    /// behind it. Nothing else changes, so what is good may be put back, too.
    ///
    /// # Errors
    /// In the answer. `peer_misbehaved`, reason `gap`: they are too few; `forged`: they are not
    /// those that were stored. `invalid_argument`: no stored block begins there. `corrupt`: a head
    /// that would show whether they are the right ones is damaged, too. `closed`,
    /// `forked_process`, `storage_full`, `storage_failed`.
    pub fn repair_block(&self, range: EventRange) -> Pending<()> {
        if let Err(error) = self.shared().check_open() {
            return Pending::ready(Err(error));
        }
        let (completer, answer) = pending(None);
        self.shared().request_repair(Repair { range, completer });
        answer
    }
}

/// What a verification went through, and what it found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VerifyReport {
    /// Number of streams.
    pub streams: u64,
    /// Number of blocks in the tables, open ones included.
    pub blocks: u64,
    /// Number of events read, in the tables and in the journal; what forks hide, too.
    pub events: u64,
    /// Bytes of their records.
    pub record_bytes: u64,
    /// Bytes read from tables and journal.
    pub stored_bytes: u64,
    /// Number of damaged places.
    pub damage_count: u64,
    /// The first `DAMAGES_MAX` of them, in order of table, stream and place. What rests on a
    /// damaged place is not named again.
    pub damages: Vec<Damage>,
}

/// What a compaction did to LMDB's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compacted {
    /// Its bytes before.
    pub bytes_before: u64,
    /// Its bytes after.
    pub bytes_after: u64,
}

/// The sizes of a log, at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogStats {
    /// Number of streams of which events are visible.
    pub streams: u64,
    /// Number of events, durable and visible.
    pub events: u64,
    /// Bytes of the records of these events, as peers exchange and hash them. Of a stream with two
    /// histories what is held twice counts twice.
    pub record_bytes: u64,
    /// Number of full blocks in the tables.
    pub full_blocks: u64,
    /// Number of open blocks in the tables: the last ones of streams.
    pub open_blocks: u64,
    /// Number of segments of the postings.
    pub segments: u64,
    /// Number of idempotency keys that are remembered.
    pub idempotency_keys: u64,
    /// The tables, in the order of docs/format.md.
    pub tables: Vec<TableStats>,
    /// Bytes of LMDB's file.
    pub file_bytes: u64,
    /// Bytes of it in pages that hold nothing now, the list of these pages included. A compaction
    /// gives them back.
    pub free_bytes: u64,
    /// Bytes of a page of LMDB's file.
    pub page_bytes: u64,
    /// Bytes of the files of the journal.
    pub journal_bytes: u64,
    /// Bytes of memory that events take which are only in the journal.
    pub tail_bytes: u64,
    /// Bytes of memory that decoded blocks and heads of segments take, about.
    pub cache_bytes: u64,
    /// Most bytes of decoded blocks that are kept.
    pub cache_bytes_max: u64,
}

/// The size of one table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableStats {
    /// Its name in docs/format.md.
    pub name: &'static str,
    /// Number of rows.
    pub rows: u64,
    /// Bytes of its pages.
    pub bytes: u64,
}
