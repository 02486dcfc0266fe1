//! What an opening does before anything else: it removes the files that have no row.
//!
//! Those are of numbers that are marked to go, of the last reservation, and of blobs whose
//! collection was cut short, unless something keeps them by now. Rule: a number is
//! forgotten after its files are gone for good. Costs what was under way at the end, and not what
//! there is.

use super::collect::restored;
use super::files::Place;
use super::rows::{
    BLOB, BlobRow, COLLECTED, COUNTERS_KEY, Counters, GOING, blob_key, blob_of_key, number_key,
    number_of_key,
};
use super::store::{FoundRow, Parts, RESERVED_AT_ONCE, RowChange, Rows, blob_rows};
use crate::error::{ErrorKind, Result};
use std::collections::BTreeSet;

const ROWS_AT_ONCE: usize = 256;

/// The counters of a store, once everything without a row is gone.
///
/// # Errors
/// Those of the rows and of the disk.
pub(super) fn recover(parts: &Parts, place: &Place) -> Result<Counters> {
    let rows = &*parts.rows;
    let mut counters = match rows.get(&COUNTERS_KEY).and_then(|row| row.map(read).transpose()) {
        Ok(None) => return Ok(Counters::default()),
        Ok(Some(counters)) => counters,
        Err(error) if error.kind() == ErrorKind::Corrupt => {
            tracing::warn!(%error, "the counters of the blobs are damaged and made anew");
            let counters = count(rows, place)?;
            rows.commit(vec![(COUNTERS_KEY.to_vec(), Some(counters.encode()))])?;
            counters
        }
        Err(error) => return Err(error),
    };
    let collected = collected(rows)?;
    // Their files may be wanted again: they are looked at below.
    let read_row = |row: &Result<Vec<u8>>| BlobRow::read(row.as_ref().ok()?).ok();
    let spared: BTreeSet<u64> =
        collected.iter().filter_map(|(_, row)| read_row(row)?.number()).collect();
    let mut folders = BTreeSet::new();
    for number in counters.reserved.saturating_sub(RESERVED_AT_ONCE)..counters.reserved {
        let has_row = match rows.get(&number_key(number)) {
            Ok(row) => row.is_some(),
            // In doubt its files stay; a verification names them.
            Err(error) if error.kind() == ErrorKind::Corrupt => true,
            Err(error) => return Err(error),
        };
        if !has_row && !spared.contains(&number) && remove(place, number)? {
            folders.insert(place.folder_of(number));
        }
    }
    let mut gone: Vec<RowChange> = Vec::new();
    for (number, key) in going(rows)? {
        if remove(place, number)? {
            folders.insert(place.folder_of(number));
        }
        gone.push((key, None));
    }
    for (key, row) in collected {
        let Some(id) = blob_of_key(&key, COLLECTED) else { continue };
        // In doubt it is kept. Where its row is damaged a verification names its files.
        let row = read_row(&row);
        let is_back = rows.get(&blob_key(&id)).map_or(true, |row| row.is_some());
        match row {
            Some(row) if !is_back && parts.references.keeps(&id) != Ok(false) => {
                let row = restored(row);
                counters.add(&row);
                gone.extend(blob_rows(&id, &row));
                gone.push((COUNTERS_KEY.to_vec(), Some(counters.encode())));
            }
            Some(row) => {
                let number = row.number();
                if let Some(number) = number
                    && remove(place, number)?
                {
                    folders.insert(place.folder_of(number));
                }
            }
            None => {}
        }
        gone.push((key, None));
    }
    // A name that a power cut brings back has no row to say that it must go.
    for folder in &folders {
        place.sync(folder)?;
    }
    if !gone.is_empty() {
        rows.commit(gone)?;
    }
    Ok(counters)
}

fn read(row: Vec<u8>) -> Result<Counters> {
    Counters::read(&row)
}

fn remove(place: &Place, number: u64) -> Result<bool> {
    if crate::planted!("doomed_not_removed") {
        return Ok(false);
    }
    place.remove(number)
}

/// Numbers that are marked to go, and the keys of their rows.
fn going(rows: &dyn Rows) -> Result<Vec<(u64, Vec<u8>)>> {
    let (mut going, mut from) = (Vec::new(), vec![GOING]);
    loop {
        let found = rows.scan(&from, ROWS_AT_ONCE)?;
        let Some((last, _)) = found.last() else { return Ok(going) };
        from = [last, &[0][..]].concat();
        for (key, _) in found {
            // A row that is damaged says enough by its key.
            let Some(number) = number_of_key(&key, GOING) else { return Ok(going) };
            going.push((number, key));
        }
    }
}

/// Blobs whose collection did not end.
fn collected(rows: &dyn Rows) -> Result<Vec<FoundRow>> {
    let (mut collected, mut from) = (Vec::new(), vec![COLLECTED]);
    loop {
        let found = rows.scan(&from, ROWS_AT_ONCE)?;
        let Some((last, _)) = found.last() else { return Ok(collected) };
        from = [last, &[0][..]].concat();
        collected.extend(found);
    }
}

/// Counts all blobs; numbers go on behind every number in use, whatever has it.
fn count(rows: &dyn Rows, place: &Place) -> Result<Counters> {
    let (mut counters, mut from) = (Counters::default(), vec![BLOB]);
    let highest = place.numbers()?.last().copied();
    let marked = going(rows)?.last().map(|(number, _)| *number);
    // The last reservation is looked at by the next opening, too.
    let highest = highest.max(marked).map_or(0, |number| number + 1);
    counters.reserved = highest.next_multiple_of(RESERVED_AT_ONCE) + RESERVED_AT_ONCE;
    loop {
        let found = rows.scan(&from, ROWS_AT_ONCE)?;
        let Some((last, _)) = found.last() else { return Ok(counters) };
        from = [last, &[0][..]].concat();
        for (key, row) in found {
            if blob_of_key(&key, BLOB).is_none() {
                return Ok(counters);
            }
            if let Ok(row) = row.and_then(|row| BlobRow::read(&row)) {
                counters.add(&row);
                let behind = row.number().map_or(0, |number| number + 1);
                let reserved = behind.next_multiple_of(RESERVED_AT_ONCE) + RESERVED_AT_ONCE;
                counters.reserved = counters.reserved.max(reserved);
            }
        }
    }
}
