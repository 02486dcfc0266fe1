//! Rows of a blob that take the place of whatever there was of it.
//!
//! Rule: what is replaced leaves no page and no count, and its numbers are marked to go by the same
//! commit; also what a damaged row spoke of.

use super::rows::{
    BLOB, BlobRow, Counters, NUMBER, PAGE, blob_key, blob_of_key, collected_key, going_key,
    number_key, number_of_key,
};
use super::store::{RowChange, Rows, Store, each_row, is_damage};
use crate::blob::BlobId;
use crate::error::Result;

/// What puts a blob's row in its place.
pub(super) struct Replacement {
    pub(super) row: BlobRow,
    pub(super) counters: Counters,
    pub(super) changes: Vec<RowChange>,
    /// Numbers whose files are to be removed after the commit.
    pub(super) numbers: Vec<u64>,
}

impl Store {
    /// `own` in place of what there is of the blob, by somebody who holds the writer.
    ///
    /// # Errors
    /// Those of reading rows; damage is none.
    pub(super) fn replacement(
        &self,
        mut counters: Counters,
        id: &BlobId,
        own: BlobRow,
    ) -> Result<Replacement> {
        let rows = &*self.parts.rows;
        let mut changes = gone_pages(rows, id)?;
        let (row, mut numbers) = match self.look(id) {
            Ok(None) => (own, Vec::new()),
            Ok(Some(before)) => {
                counters.remove(&before);
                (joined(own, &before), before.number().into_iter().collect())
            }
            Err(error) if is_damage(&error) => {
                tracing::warn!(%error, blob = %id, "a damaged row of a blob is replaced");
                counters = counted_without(rows, id, counters.reserved)?;
                (own, numbers_of(rows, id)?)
            }
            Err(error) => return Err(error),
        };
        // One whose collection has not ended is here again, by these bytes and not by its own. A
        // row of it that is damaged stays: an opening looks for the files then.
        if let Ok(Some(collected)) = rows.get(&collected_key(id))
            && let Ok(collected) = BlobRow::read(&collected)
        {
            numbers.extend(collected.number());
            changes.push((collected_key(id), None));
        }
        for number in &numbers {
            changes.push((number_key(*number), None));
            changes.push(going_row(*number));
        }
        counters.add(&row);
        changes.extend(blob_rows(id, &row));
        Ok(Replacement { row, counters, changes, numbers })
    }
}

/// What is added, with what is known of what it replaces.
fn joined(own: BlobRow, before: &BlobRow) -> BlobRow {
    let said_first = before.is_whole() || before.own_about;
    let about = match said_first {
        true => before.about.clone().or(own.about),
        false => own.about.or(before.about.clone()),
    };
    let own_about = own.own_about || before.own_about;
    BlobRow { about, own_about, referenced: before.referenced, ..own }
}

/// The numbers that belong to a blob, whatever its own row says.
fn numbers_of(rows: &dyn Rows, id: &BlobId) -> Result<Vec<u64>> {
    let mut numbers = Vec::new();
    each_row(rows, &[NUMBER], &mut |key, named| {
        if named.is_ok_and(|named| named == id.as_bytes()) {
            numbers.extend(number_of_key(&key, NUMBER));
        }
        Ok(())
    })?;
    Ok(numbers)
}

/// All blobs but this one, counted.
fn counted_without(rows: &dyn Rows, id: &BlobId, reserved: u64) -> Result<Counters> {
    let mut counters = Counters { reserved, ..Counters::default() };
    each_row(rows, &[BLOB], &mut |key, row| {
        if let Ok(row) = row.and_then(|row| BlobRow::read(&row))
            && blob_of_key(&key, BLOB) != Some(*id)
        {
            counters.add(&row);
        }
        Ok(())
    })?;
    Ok(counters)
}

/// The row of a number whose files are to be removed.
pub(super) fn going_row(number: u64) -> RowChange {
    (going_key(number), Some(Vec::new()))
}

/// The rows that make a blob visible.
pub(super) fn blob_rows(id: &BlobId, row: &BlobRow) -> Vec<RowChange> {
    let mut changes = vec![(blob_key(id), Some(row.encode()))];
    if let Some(number) = row.number() {
        changes.push((number_key(number), Some(id.as_bytes().to_vec())));
        changes.push((going_key(number), None));
    }
    changes
}

/// What deletes all pages of a blob, also those that its row does not speak of.
pub(super) fn gone_pages(rows: &dyn Rows, id: &BlobId) -> Result<Vec<RowChange>> {
    let mut changes = Vec::new();
    each_row(rows, &[&[PAGE][..], id.as_bytes()].concat(), &mut |key, _| {
        changes.push((key, None));
        Ok(())
    })?;
    Ok(changes)
}
