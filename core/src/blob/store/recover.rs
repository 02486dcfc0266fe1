//! What an opening does before anything else: it removes the files that have no row.
//!
//! Those are of numbers that are marked to go, of the last reservation, and of blobs whose
//! collection was cut short, unless something keeps them by now. Rule: a number is forgotten after
//! its files are gone for good. Costs what was under way at the end, and not what there is, but
//! where rows are damaged: then all names are looked at.

use super::files::Place;
use super::read::has_files;
use super::replace::{blob_rows, gone_pages};
use super::rows::{
    BLOB, BlobRow, COLLECTED, COUNTERS_KEY, Counters, GOING, NUMBER, blob_key, blob_of_key,
    number_key, number_of_key,
};
use super::store::{Parts, RESERVED_AT_ONCE, RowChange, Rows, each_row, is_damage};
use crate::blob::BlobId;
use crate::error::{ErrorKind, Result};
use std::collections::BTreeSet;
use std::path::PathBuf;

/// The counters of a store, once everything without a row is gone.
///
/// # Errors
/// Those of the rows and of the disk.
pub(super) fn recover(parts: &Parts, place: &Place) -> Result<Counters> {
    let rows = &*parts.rows;
    let read = |row: Vec<u8>| Counters::read(&row);
    let found = match rows.get(&COUNTERS_KEY).and_then(|row| row.map(read).transpose()) {
        Ok(None) => return Ok(Counters::default()),
        Ok(Some(counters)) => Some(counters),
        Err(error) if is_damage(&error) => {
            tracing::warn!(%error, "the counters of the blobs are damaged and made anew");
            None
        }
        Err(error) => return Err(error),
    };
    let counters = found.map_or_else(|| count(rows), Ok)?;
    let (collected, is_damaged) = collected(rows)?;
    let spared = collected.iter().filter_map(|(_, row)| row.number()).collect();
    let mut opening = Opening { parts, place, counters, folders: BTreeSet::new(), gone: vec![] };
    let last = counters.reserved.saturating_sub(RESERVED_AT_ONCE)..counters.reserved;
    match found.is_some() && !is_damaged {
        true => opening.sweep(last, &spared)?,
        // Where the last reservation began, or which numbers were collected, nobody knows.
        false => opening.sweep(place.numbers()?.into_iter().chain(last), &spared)?,
    }
    if found.is_none() {
        opening.gone.push((COUNTERS_KEY.to_vec(), Some(counters.encode())));
    }
    opening.remove_going()?;
    for (id, row) in collected {
        opening.settle(&id, &row)?;
    }
    opening.end()
}

/// An opening that is under way.
struct Opening<'a> {
    parts: &'a Parts,
    place: &'a Place,
    counters: Counters,
    /// Where names have gone.
    folders: BTreeSet<PathBuf>,
    /// What is committed once their going is on the medium.
    gone: Vec<RowChange>,
}

impl Opening<'_> {
    /// Removes the files of those numbers that have no row, but for these.
    fn sweep(
        &mut self,
        numbers: impl IntoIterator<Item = u64>,
        spared: &BTreeSet<u64>,
    ) -> Result<()> {
        for number in numbers {
            let has_row = match self.parts.rows.get(&number_key(number)) {
                Ok(row) => row.is_some(),
                // In doubt its files stay; a verification names them.
                Err(error) if error.kind() == ErrorKind::Corrupt => true,
                Err(error) => return Err(error),
            };
            if !has_row && !spared.contains(&number) {
                self.remove(number)?;
            }
        }
        Ok(())
    }

    /// Removes the files of numbers that are marked to go.
    fn remove_going(&mut self) -> Result<()> {
        let mut going = Vec::new();
        each_row(&*self.parts.rows, &[GOING], &mut |key, _| {
            // A row that is damaged says enough by its key.
            going.push(key);
            Ok(())
        })?;
        for key in going {
            if let Some(number) = number_of_key(&key, GOING) {
                self.remove(number)?;
            }
            self.gone.push((key, None));
        }
        Ok(())
    }

    /// Ends a collection that was cut short: the blob is put back, or its files go.
    fn settle(&mut self, id: &BlobId, row: &BlobRow) -> Result<()> {
        let rows = &*self.parts.rows;
        let is_back = match rows.get(&blob_key(id)) {
            Ok(row) => row.is_some(),
            Err(error) if is_damage(&error) => true,
            Err(error) => return Err(error),
        };
        // In doubt it is kept; but without its files it is not here, whoever refers to it.
        let is_kept = !is_back && self.parts.references.keeps(id) != Ok(false);
        if is_kept && has_files(self.place, row)? {
            self.counters.add(row);
            self.gone.extend(blob_rows(id, row));
            self.gone.push((COUNTERS_KEY.to_vec(), Some(self.counters.encode())));
        } else {
            if let Some(number) = row.number() {
                self.remove(number)?;
            }
            if !is_back {
                self.gone.extend(gone_pages(rows, id)?);
            }
        }
        Ok(())
    }

    fn remove(&mut self, number: u64) -> Result<()> {
        if crate::planted!("doomed_not_removed") {
            return Ok(());
        }
        if self.place.remove(number)? {
            self.folders.insert(self.place.folder_of(number));
        }
        Ok(())
    }

    fn end(mut self) -> Result<Counters> {
        each_row(&*self.parts.rows, &[COLLECTED], &mut |key, _| {
            self.gone.push((key, None));
            Ok(())
        })?;
        // A name that a power cut brings back has no row to say that it must go.
        for folder in &self.folders {
            self.place.sync(folder)?;
        }
        if !self.gone.is_empty() {
            self.parts.rows.commit(self.gone)?;
        }
        Ok(self.counters)
    }
}

/// Blobs whose collection did not end, and whether a row of one is damaged.
fn collected(rows: &dyn Rows) -> Result<(Vec<(BlobId, BlobRow)>, bool)> {
    let (mut collected, mut is_damaged) = (Vec::new(), false);
    each_row(rows, &[COLLECTED], &mut |key, row| {
        let row = row.and_then(|row| BlobRow::read(&row)).ok();
        is_damaged |= row.is_none();
        collected.extend(blob_of_key(&key, COLLECTED).zip(row));
        Ok(())
    })?;
    Ok((collected, is_damaged))
}

/// Counts all blobs; numbers go on behind every number that a row has.
fn count(rows: &dyn Rows) -> Result<Counters> {
    let (mut counters, mut behind) = (Counters::default(), 0);
    for kind in [NUMBER, GOING] {
        each_row(rows, &[kind], &mut |key, _| {
            behind = number_of_key(&key, kind).map_or(0, |number| number + 1).max(behind);
            Ok(())
        })?;
    }
    for kind in [BLOB, COLLECTED] {
        each_row(rows, &[kind], &mut |_, row| {
            if let Ok(row) = row.and_then(|row| BlobRow::read(&row)) {
                behind = row.number().map_or(0, |number| number + 1).max(behind);
                if kind == BLOB {
                    counters.add(&row);
                }
            }
            Ok(())
        })?;
    }
    // The last reservation is looked at by the next opening, too.
    counters.reserved = behind.next_multiple_of(RESERVED_AT_ONCE) + RESERVED_AT_ONCE;
    Ok(counters)
}
