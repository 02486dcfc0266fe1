//! Goes through all blobs, once, while they are used.
//!
//! Rule: damage is noted and the rest goes on.

use super::add::GoOn;
use super::rows::{
    BLOB, BlobRow, COLLECTED, NUMBER, blob_of_key, going_key, number_key, number_of_key,
};
use super::store::{Store, each_row, is_damage};
use crate::blob::BlobId;
use crate::error::{ErrorKind, Result};
use std::collections::BTreeSet;
use std::sync::Arc;

/// What a verification found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Report {
    /// Blobs that are here whole.
    pub(crate) whole: u64,
    /// Bytes of theirs, all of them verified.
    pub(crate) bytes: u64,
    /// Blobs of which something is damaged, rising.
    pub(crate) damaged: Vec<BlobId>,
    /// Numbers that have a file or a row and no blob, rising.
    pub(crate) strays: Vec<u64>,
}

impl Store {
    /// Verifies a blob.
    ///
    /// # Errors
    /// `not_found`, reason `blob_not_here`; those of `go_on`, which is told of bytes; `closed`,
    /// `storage_failed`. Damage is no error.
    pub(crate) fn verify(self: &Arc<Store>, id: BlobId, go_on: GoOn<'_>) -> Result<Report> {
        let mut report = Report::default();
        self.verify_into(id, &mut report, go_on)?;
        Ok(report)
    }

    /// Verifies all blobs, and looks for files without one.
    ///
    /// # Errors
    /// As for `verify`.
    pub(crate) fn verify_all(self: &Arc<Store>, go_on: GoOn<'_>) -> Result<Report> {
        let mut report = Report::default();
        self.each_key(BLOB, &mut |key| {
            let Some(id) = blob_of_key(key, BLOB) else { return Ok(()) };
            match self.verify_into(id, &mut report, go_on) {
                // It was collected meanwhile.
                Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
                verified => verified,
            }
        })?;
        let mut numbers: BTreeSet<u64> = self.place.numbers()?.into_iter().collect();
        self.each_key(NUMBER, &mut |key| {
            numbers.extend(number_of_key(key, NUMBER));
            Ok(())
        })?;
        for number in numbers {
            go_on(report.bytes)?;
            if self.is_stray(number)? {
                report.strays.push(number);
            }
        }
        Ok(report)
    }

    fn verify_into(
        self: &Arc<Store>,
        id: BlobId,
        report: &mut Report,
        go_on: GoOn<'_>,
    ) -> Result<()> {
        let before = report.bytes;
        let mut is_damaged = false;
        let row = match self.look(&id) {
            Ok(row) => row,
            Err(error) if is_damage(&error) => None,
            Err(error) => return Err(error),
        };
        match self.open_to_verify(id) {
            Ok(opened) => {
                let mut at = 0;
                while at < opened.size() {
                    match opened.read_at(at, crate::blob::limits::GROUP_BYTES) {
                        Ok(bytes) => at += bytes.len() as u64,
                        Err(error) if is_damage(&error) || error.kind() == ErrorKind::NotFound => {
                            is_damaged = true;
                            at += crate::blob::limits::GROUP_BYTES as u64;
                        }
                        Err(error) => return Err(error),
                    }
                    go_on(before + at.min(opened.size()))?;
                }
                is_damaged |= !opened.is_its_own();
            }
            Err(error) if is_damage(&error) => is_damaged = true,
            Err(error) => return Err(error),
        }
        let names_itself = row.as_ref().is_none_or(|row| self.names(&id, row).unwrap_or(false));
        if is_damaged || !names_itself {
            report.damaged.push(id);
        } else if let Some(row) = row.filter(BlobRow::is_whole) {
            report.whole += 1;
            report.bytes = before + row.size;
        }
        Ok(())
    }

    /// Whether the number of a blob is its own.
    fn names(&self, id: &BlobId, row: &BlobRow) -> Result<bool> {
        let Some(number) = row.number() else { return Ok(true) };
        let named = self.parts.rows.get(&number_key(number))?;
        Ok(number < self.counters().reserved && named.as_deref() == Some(&id.as_bytes()[..]))
    }

    /// Whether a number has a file or a row, and no blob; what is under way is none.
    fn is_stray(&self, number: u64) -> Result<bool> {
        let writer = self.writer();
        if writer.making.contains(&number) || !writer.collecting.is_empty() {
            return Ok(false);
        }
        let rows = &self.parts.rows;
        if rows.get(&going_key(number))?.is_some() {
            return Ok(false);
        }
        let named = rows.get(&number_key(number)).unwrap_or(None);
        let Some(id) = named.and_then(|id| Some(BlobId::from_bytes(id.try_into().ok()?))) else {
            return Ok(self.place.has(number) && !self.is_collected(number)?);
        };
        match self.look(&id) {
            Ok(row) => Ok(row.and_then(|row| row.number()) != Some(number)),
            // Told of already.
            Err(error) if is_damage(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Whether the number is that of a blob whose collection has yet to end.
    fn is_collected(&self, number: u64) -> Result<bool> {
        let mut is_collected = false;
        each_row(&*self.parts.rows, &[COLLECTED], &mut |_, row| {
            let row = row.and_then(|row| BlobRow::read(&row));
            is_collected |= row.is_ok_and(|row| row.number() == Some(number));
            Ok(())
        })?;
        Ok(is_collected)
    }

    fn each_key(&self, kind: u8, take: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        each_row(&*self.parts.rows, &[kind], &mut |key, _| take(&key))
    }
}
