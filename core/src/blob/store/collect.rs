//! Removing what nothing keeps: no reader, no event, no pin, and nobody lately.
//!
//! Rule: a blob that an event accepted before its rows were deleted refers to is put back, also
//! after a crash; what is accepted later finds no blob here. Source: docs/format.md, "Blobs".

use super::rows::{BlobRow, Content, collected_key};
use super::store::{Known, Store, blob_rows, gone_rows};
use crate::blob::BlobId;
use crate::error::{Error, ErrorKind, Result};
use crate::event::TagSet;

/// Blobs that are looked at between two questions whether to go on.
const AT_ONCE: usize = 256;

/// What was removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Collected {
    pub(crate) blobs: u64,
    pub(crate) bytes: u64,
}

impl Store {
    /// Removes every blob that nothing keeps, as long as that is `wanted`.
    ///
    /// # Errors
    /// `cancelled`: it was not wanted any more. `storage_full`, `storage_failed`, `closed`. What
    /// was removed by then is gone.
    pub(crate) fn collect(&self, wanted: &dyn Fn() -> bool) -> Result<Collected> {
        let (mut collected, mut after) = (Collected::default(), None);
        loop {
            if !wanted() {
                return Err(Error::new(ErrorKind::Cancelled, "the collection was called off"));
            }
            let known = self.list(after, &TagSet::default(), AT_ONCE)?;
            let Some(last) = known.last() else { return Ok(collected) };
            after = Some(last.id);
            for known in known {
                if self.collect_one(&known)? {
                    collected.blobs += 1;
                    collected.bytes += known.row.held_bytes();
                }
            }
        }
    }

    /// Removes a blob unless something keeps it; true when it is gone.
    fn collect_one(&self, known: &Known) -> Result<bool> {
        let Known { id, row } = known;
        if row.referenced || !self.is_old(row) || self.keeps(id) {
            return Ok(false);
        }
        if !self.take_away(id, row)? {
            return Ok(false);
        }
        let is_kept = !crate::planted!("collected_without_second_look") && self.keeps(id);
        let ended = self.end_collecting(id, row, is_kept);
        self.writer().collecting.remove(id);
        ended.map(|()| !is_kept)
    }

    /// Nobody asked for it lately. A clock that went back says nothing.
    fn is_old(&self, row: &BlobRow) -> bool {
        let age = self.now().micros().saturating_sub(row.touched.micros());
        let grace = self.parts.options.collect_grace.as_micros();
        age >= 0 && age as u128 >= grace
    }

    /// In doubt, yes.
    fn keeps(&self, id: &BlobId) -> bool {
        self.parts.references.keeps(id).unwrap_or(true)
    }

    /// Deletes the rows that make a blob visible, unless somebody has a lease, or it is another
    /// one by now.
    fn take_away(&self, id: &BlobId, row: &BlobRow) -> Result<bool> {
        let Some(_going) = self.leases.begin_deleting(*id) else { return Ok(false) };
        let mut writer = self.writer();
        if self.look(id)?.as_ref() != Some(row) || !writer.collecting.insert(*id) {
            return Ok(false);
        }
        let mut counters = writer.counters;
        counters.remove(row);
        let mut changes = gone_rows(id, row);
        changes.push((collected_key(id), Some(row.encode())));
        let committed = self.commit(&mut writer, counters, changes);
        if committed.is_err() {
            writer.collecting.remove(id);
        }
        committed.map(|()| true)
    }

    /// Removes the files, or puts the blob back unless it is here again.
    fn end_collecting(&self, id: &BlobId, row: &BlobRow, is_kept: bool) -> Result<()> {
        if is_kept {
            let mut writer = self.writer();
            if self.look(id)?.is_none() {
                let (row, mut counters) = (restored(row.clone()), writer.counters);
                counters.add(&row);
                let mut changes = blob_rows(id, &row);
                changes.push((collected_key(id), None));
                return self.commit(&mut writer, counters, changes);
            }
        }
        if let Some(number) = row.number() {
            self.remove_files(number)?;
        }
        let mut writer = self.writer();
        let counters = writer.counters;
        self.commit(&mut writer, counters, vec![(collected_key(id), None)])
    }
}

/// The row of a blob that is put back. What there is of a part is asked for anew: its pages are
/// gone.
pub(super) fn restored(row: BlobRow) -> BlobRow {
    let content = match row.content {
        Content::Part { number, .. } => Content::Part { number, groups: 0 },
        content => content,
    };
    BlobRow { content, ..row }
}
