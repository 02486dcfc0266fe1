//! Removing what nothing keeps: no reader, no event, no pin, and nobody lately.
//!
//! Rule: a blob that an event accepted before its rows were deleted refers to is put back, also
//! after a crash; what is accepted later finds no blob here. Source: docs/format.md, "Blobs".

use super::read::has_files;
use super::replace::{blob_rows, gone_pages};
use super::rows::{
    BlobRow, COLLECTED, blob_key, blob_of_key, collected_key, going_key, number_key,
};
use super::store::{Known, Store, each_row};
use crate::blob::BlobId;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{TagSet, WallTime};

/// Blobs that are looked at between two questions whether to go on.
const AT_ONCE: usize = 256;

/// What was removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Collected {
    pub(crate) blobs: u64,
    pub(crate) bytes: u64,
}

impl Store {
    /// Removes every blob that nothing keeps, as long as that is `wanted`. What an earlier
    /// collection could not end is ended first.
    ///
    /// # Errors
    /// `cancelled`: it was not wanted any more. `storage_full`, `storage_failed`, `closed`. What
    /// was removed by then is gone.
    pub(crate) fn collect(&self, wanted: &dyn Fn() -> bool) -> Result<Collected> {
        self.end_earlier()?;
        let (mut collected, mut after, mut next) = (Collected::default(), None, None);
        loop {
            if !wanted() {
                return Err(Error::new(ErrorKind::Cancelled, "the collection was called off"));
            }
            let known = self.list(after, &TagSet::default(), AT_ONCE)?;
            let Some(last) = known.last() else { break };
            after = Some(last.id);
            let mut referenced = Vec::new();
            for Known { id, row } in known.iter().filter(|known| !known.row.referenced) {
                if let Some(at) = self.old_at(id, row) {
                    next = Some(next.map_or(at, |next: WallTime| next.min(at)));
                    continue;
                }
                match self.parts.references.keeps(id) {
                    Ok(false) if self.collect_one(id, row)? => {
                        collected.blobs += 1;
                        collected.bytes += row.held_bytes();
                    }
                    Ok(true) => referenced.push(*id),
                    // In doubt it is kept.
                    Ok(false) | Err(_) => {}
                }
            }
            self.note_referenced(&referenced)?;
        }
        self.note_collection(next);
        Ok(collected)
    }

    /// Removes an old blob to which no event refers, unless something keeps it; true when it is
    /// gone.
    fn collect_one(&self, id: &BlobId, row: &BlobRow) -> Result<bool> {
        if !self.take_away(id, row)? {
            return Ok(false);
        }
        let is_kept = !crate::planted!("collected_without_second_look") && self.keeps(id);
        let settled = self.settle(id, row, is_kept);
        self.writer().collecting.remove(id);
        settled
    }

    /// Notes that events refer to these: nobody needs to ask again.
    fn note_referenced(&self, ids: &[BlobId]) -> Result<()> {
        if ids.is_empty() {
            return Ok(());
        }
        let mut writer = self.writer();
        let mut changes = Vec::new();
        for id in ids {
            if let Ok(Some(row)) = self.look(id) {
                let row = BlobRow { referenced: true, ..row };
                changes.push((blob_key(id), Some(row.encode())));
            }
        }
        let counters = writer.counters;
        self.commit(&mut writer, counters, changes)
    }

    /// In doubt, yes.
    fn keeps(&self, id: &BlobId) -> bool {
        self.parts.references.keeps(id).unwrap_or(true)
    }

    /// Deletes the rows that make a blob visible, unless somebody has a lease, or it is another
    /// one by now. Its pages stay: it may be put back.
    fn take_away(&self, id: &BlobId, row: &BlobRow) -> Result<bool> {
        let Some(_going) = self.leases.begin_deleting(*id) else { return Ok(false) };
        let mut writer = self.writer();
        if self.look(id)?.as_ref() != Some(row) || !writer.collecting.insert(*id) {
            return Ok(false);
        }
        let mut counters = writer.counters;
        counters.remove(row);
        let mut changes = vec![(blob_key(id), None), (collected_key(id), Some(row.encode()))];
        changes.extend(row.number().map(|number| (number_key(number), None)));
        let committed = self.commit(&mut writer, counters, changes);
        if committed.is_err() {
            writer.collecting.remove(id);
        }
        self.tell(*id);
        committed.map(|()| true)
    }

    /// Puts a blob that was taken away back, or removes its files, also when it was added anew
    /// meanwhile; true when these bytes of it are gone.
    fn settle(&self, id: &BlobId, row: &BlobRow, is_kept: bool) -> Result<bool> {
        let rows = &*self.parts.rows;
        let is_away = || Ok(rows.get(&collected_key(id))? == Some(row.encode()));
        let mut writer = self.writer();
        if is_kept && is_away()? && has_files(&self.place, row)? {
            let mut counters = writer.counters;
            counters.add(row);
            let mut changes = blob_rows(id, row);
            changes.push((collected_key(id), None));
            self.commit(&mut writer, counters, changes)?;
            self.tell(*id);
            return Ok(false);
        }
        drop(writer);
        let mut changes = Vec::new();
        if let Some(number) = row.number() {
            self.remove_files(number)?;
            changes.push((going_key(number), None));
        }
        let mut writer = self.writer();
        if is_away()? {
            changes.push((collected_key(id), None));
            changes.extend(gone_pages(rows, id)?);
        }
        let counters = writer.counters;
        self.commit(&mut writer, counters, changes).map(|()| true)
    }

    /// Ends collections that failed after they had taken a blob away.
    fn end_earlier(&self) -> Result<()> {
        let mut earlier = Vec::new();
        each_row(&*self.parts.rows, &[COLLECTED], &mut |key, row| {
            // Where its row is damaged the next opening looks for the files.
            let row = row.and_then(|row| BlobRow::read(&row)).ok();
            earlier.extend(blob_of_key(&key, COLLECTED).zip(row));
            Ok(())
        })?;
        for (id, row) in earlier {
            if !self.writer().collecting.insert(id) {
                continue;
            }
            let settled = self.settle(&id, &row, self.keeps(&id));
            self.writer().collecting.remove(&id);
            settled?;
        }
        Ok(())
    }
}
