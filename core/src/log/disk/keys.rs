//! The two tables of idempotency keys, compared a few rows at a time.
//!
//! One has what a key stands for, the other the keys in the order in which they are forgotten.
//! Rule: memory is bounded. Each row of the order must have its key in the same transaction; that
//! no key lacks its row is seen from number and sum of the keys on both sides, as they are hashes.
//! Keys may be written and forgotten meanwhile. Not here: naming what is wrong (`verify`).

use super::block::checked;
use super::body::Remembered;
use super::check::wrong;
use super::checkpoint::read_store_row;
use super::shared::Shared;
use super::tables::{Opened, TableResult};
use crate::error::{Error, Result};
use crate::event::codec::Reader;
use heed::RoTxn;
use std::ops::Bound;

/// Rows that are looked at in one transaction.
const ROWS_AT_ONCE: usize = 1024;

/// The keys of a table, without keeping them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    rows: u64,
    sum: u128,
}

/// What some rows of a table are like.
#[derive(Default)]
pub(super) struct Rows {
    /// The key of the last of them; `None` when there were none.
    pub(super) last: Option<Vec<u8>>,
    /// Bytes of keys and values.
    pub(super) bytes: u64,
    /// What is wrong with them.
    pub(super) wrong: Vec<Error>,
}

impl Tally {
    fn add(&mut self, key: &[u8]) {
        let half = key.first_chunk().copied().unwrap_or_default();
        self.rows += 1;
        self.sum = self.sum.wrapping_add(u128::from_le_bytes(half));
    }
}

impl Shared {
    /// Sequence number of the next key, and how many rows the two tables have.
    ///
    /// # Errors
    /// `corrupt`: the store row is damaged. `closed`, `storage_failed`.
    pub(super) fn key_counts(&self) -> Result<(u64, [u64; 2])> {
        self.tables.read(|opened, transaction| {
            let next = read_store_row(opened, transaction)?.idempotency_next;
            let keys = opened.idempotency.len(transaction)?;
            Ok((next, [keys, opened.idempotency_order.len(transaction)?]))
        })
    }

    /// Reads the rows of `idempotency` behind the key `after`.
    ///
    /// # Errors
    /// `closed`, `storage_failed`.
    pub(super) fn check_keys(&self, after: Option<&[u8]>, tally: &mut Tally) -> Result<Rows> {
        self.tables.read(|opened, transaction| {
            let (mut found, from) =
                (Rows::default(), after.map_or(Bound::Unbounded, Bound::Excluded));
            let rows = opened.idempotency.range(transaction, &(from, Bound::Unbounded))?;
            for row in rows.take(ROWS_AT_ONCE) {
                let (key, value) = row?;
                let content = checked(key, value);
                let read = content.and_then(|own| Remembered::read(&mut Reader::new(own)));
                found.wrong.extend(read.err());
                found.note(key, value);
                tally.add(key);
            }
            Ok(found)
        })
    }

    /// Reads the rows of `idempotency_order` behind the key `after`, and looks for their keys.
    ///
    /// # Errors
    /// `corrupt`: the store row is damaged. `closed`, `storage_failed`.
    pub(super) fn check_key_order(&self, after: Option<&[u8]>, tally: &mut Tally) -> Result<Rows> {
        self.tables.read(|opened, transaction| {
            let (mut found, from) =
                (Rows::default(), after.map_or(Bound::Unbounded, Bound::Excluded));
            let mut expected = sequence_after(opened, transaction, after)?;
            let rows = opened.idempotency_order.range(transaction, &(from, Bound::Unbounded))?;
            for row in rows.take(ROWS_AT_ONCE) {
                let (sequence, key) = row?;
                if sequence != expected.to_be_bytes() {
                    found.wrong.push(wrong("the order of the keys has a gap"));
                }
                if opened.idempotency.get(transaction, key)?.is_none() {
                    found.wrong.push(wrong("the order has a key that is not there"));
                }
                expected = Reader::new(sequence).u64_be().unwrap_or(expected).saturating_add(1);
                found.note(sequence, key);
                tally.add(key);
            }
            let next = read_store_row(opened, transaction)?.idempotency_next;
            if found.last.is_none() && expected != next {
                found.wrong.push(wrong("the order of the keys ends too early or too late"));
            }
            Ok(found)
        })
    }
}

impl Rows {
    fn note(&mut self, key: &[u8], value: &[u8]) {
        self.bytes += (key.len() + value.len()) as u64;
        self.last = Some(key.to_vec());
    }
}

/// The sequence number that comes behind a row; what was forgotten meanwhile is passed over.
fn sequence_after(
    opened: &Opened,
    transaction: &RoTxn<'_>,
    after: Option<&[u8]>,
) -> TableResult<u64> {
    let first = match opened.idempotency_order.first(transaction)? {
        Some((sequence, _)) => Reader::new(sequence).u64_be().unwrap_or(0),
        None => read_store_row(opened, transaction)?.idempotency_next,
    };
    let before = after.map_or(Ok(0), |before| Reader::new(before).u64_be());
    let next = before.unwrap_or(0).saturating_add(u64::from(after.is_some()));
    Ok(first.max(next))
}
