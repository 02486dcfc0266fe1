//! Reading a blob: each group is verified against the id, every time.
//!
//! Rule: no byte is handed out that does not verify. What does not is noted: the blob is a part
//! from then on, and adding the same bytes again makes it whole.

#![allow(clippy::disallowed_types)] // The rim: the file of a blob.

use super::files::{BlobFile, Place};
use super::lease::Lease;
use super::rows::{BlobRow, Content, blob_key, clear_bit, full_page, page_key, pages_of};
use super::store::{RowChange, Store, not_here};
use crate::blob::limits::{GROUP_BYTES, PAIR_BYTES};
use crate::blob::piece::{self, BytesAt, ReadFault};
use crate::blob::{BlobId, BlobSize, GroupIndex};
use crate::error::{Error, ErrorKind, Result};
use bytes::Bytes;
use std::fs::File;
use std::sync::{Arc, Mutex, PoisonError};

/// A blob that is open for reading. It is not collected while this lives.
pub(crate) struct Opened {
    store: Arc<Store>,
    id: BlobId,
    size: BlobSize,
    source: Source,
    /// The last group that was read.
    last: Mutex<Option<(GroupIndex, Bytes)>>,
    _lease: Lease,
}

enum Source {
    Inline(Bytes),
    Files(Files),
}

/// The files of a blob.
struct Files {
    number: u64,
    /// Not all of its groups were here when it was opened.
    is_part: bool,
    data: BlobFile,
    tree: Option<BlobFile>,
}

/// A tree that may have no file, since it has no pairs.
pub(super) struct Pairs<'a>(pub(super) Option<&'a BlobFile>);

impl BytesAt for Pairs<'_> {
    fn read_at(&self, position: u64, buffer: &mut [u8]) -> Result<usize> {
        self.0.map_or(Ok(0), |file| file.read_at(position, buffer))
    }
}

impl Store {
    /// Whether a blob is here whole, as far as its row and the lengths of its files say.
    ///
    /// # Errors
    /// `corrupt`: its row is damaged. `storage_failed`, `closed`.
    pub(crate) fn is_here(&self, id: &BlobId) -> Result<bool> {
        let row = self.look(id)?.filter(BlobRow::is_whole);
        row.map_or(Ok(false), |row| has_files(&self.place, &row))
    }

    /// Opens a blob of which anything is here.
    ///
    /// # Errors
    /// `not_found`, reason `blob_not_here`. `corrupt`: its row or its files are damaged.
    /// `storage_failed`, `closed`.
    pub(crate) fn open_blob(self: &Arc<Store>, id: BlobId) -> Result<Opened> {
        self.open_then(id, |row| self.touch(&id, row))
    }

    /// The same by somebody who does not ask for the blob, but for its state.
    pub(super) fn open_to_verify(self: &Arc<Store>, id: BlobId) -> Result<Opened> {
        self.open_then(id, |_| ())
    }

    fn open_then(self: &Arc<Store>, id: BlobId, then: impl Fn(&BlobRow)) -> Result<Opened> {
        let lease = self.lease(id);
        loop {
            let Some(row) = self.look(&id)? else { return Err(not_here(&id)) };
            then(&row);
            let size = BlobSize::new(row.size)?;
            let is_whole = row.is_whole();
            let source = match row.content {
                Content::Inline(bytes) => Source::Inline(bytes),
                Content::Whole { number } | Content::Part { number, .. } => {
                    match self.open_files(size, number)? {
                        Some(files) => Source::Files(Files { is_part: !is_whole, ..files }),
                        None if self.note_damage(&id, number, None)? => {
                            return Err(damaged(&id, "a file of it is missing"));
                        }
                        // The same bytes were added after the look, and the old files went.
                        None => continue,
                    }
                }
            };
            let last = Mutex::new(None);
            return Ok(Opened { store: self.clone(), id, size, source, last, _lease: lease });
        }
    }

    fn open_files(&self, size: BlobSize, number: u64) -> Result<Option<Files>> {
        let data = BlobFile::open(self.place.data(number))?;
        let tree = match size.groups() {
            1 => Some(None),
            _ => BlobFile::open(self.place.tree(number))?.map(Some),
        };
        Ok(data.zip(tree).map(|(data, tree)| Files { number, is_part: false, data, tree }))
    }

    /// Notes that a group does not verify, or none does: from here on the blob is a part. False
    /// when the number is not the blob's any more: it was added anew meanwhile.
    ///
    /// # Errors
    /// Those of a commit.
    pub(super) fn note_damage(
        &self,
        id: &BlobId,
        number: u64,
        group: Option<GroupIndex>,
    ) -> Result<bool> {
        // It goes after the lock does.
        let _lost = self.lost_of_part(id, number, group);
        let mut writer = self.writer();
        let before = self.look(id)?.filter(|before| before.number() == Some(number));
        let Some(before) = before else { return Ok(false) };
        let (mut changes, groups) = match group {
            Some(group) => self.without_group(id, &before, u64::from(group.value()))?,
            None => self.without_any(id, &before),
        };
        let row = BlobRow { content: Content::Part { number, groups }, ..before.clone() };
        if row == before {
            return Ok(true);
        }
        tracing::error!(blob = %id, "a blob is damaged: it is a part of itself now");
        let mut counters = writer.counters;
        counters.remove(&before);
        counters.add(&row);
        changes.push((blob_key(id), Some(row.encode())));
        self.commit(&mut writer, counters, changes)?;
        self.tell(*id);
        Ok(true)
    }

    /// The pages of a blob once it lacks a group, and how many groups it has then.
    fn without_group(
        &self,
        id: &BlobId,
        row: &BlobRow,
        group: u64,
    ) -> Result<(Vec<RowChange>, u64)> {
        let page_of_group = (group / super::rows::PAGE_GROUPS) as u32;
        if let Content::Part { groups, .. } = row.content {
            let key = page_key(id, page_of_group);
            let Some(mut page) = self.parts.rows.get(&key)? else { return Ok((vec![], groups)) };
            let was_set = clear_bit(&mut page, group);
            let groups = groups.saturating_sub(u64::from(was_set));
            return Ok((vec![(key, Some(page))], groups));
        }
        let pages = (0..pages_of(row.size)).map(|page| {
            let mut bits = full_page(row.size, page);
            if page == page_of_group {
                clear_bit(&mut bits, group);
            }
            (page_key(id, page), Some(bits))
        });
        Ok((pages.collect(), super::rows::groups_of(row.size) - 1))
    }

    fn without_any(&self, id: &BlobId, row: &BlobRow) -> (Vec<RowChange>, u64) {
        let pages = (0..pages_of(row.size)).map(|page| (page_key(id, page), None));
        (pages.collect(), 0)
    }
}

/// Whether the files that a row speaks of are there, those of a whole blob with their sizes.
///
/// # Errors
/// When that cannot be said.
pub(super) fn has_files(place: &Place, row: &BlobRow) -> Result<bool> {
    let Some(number) = row.number() else { return Ok(true) };
    let size = BlobSize::new(row.size)?;
    let has = |path, bytes: u64| {
        let Some(file) = BlobFile::open(path)? else { return Ok(false) };
        Ok(!row.is_whole() || file.len()? == bytes)
    };
    let has_tree = size.groups() == 1 || has(place.tree(number), size.tree_bytes())?;
    Ok(has_tree && has(place.data(number), row.size)?)
}

impl Opened {
    pub(crate) fn id(&self) -> BlobId {
        self.id
    }

    /// Bytes.
    pub(crate) fn size(&self) -> u64 {
        self.size.bytes()
    }

    pub(crate) fn blob_size(&self) -> BlobSize {
        self.size
    }

    /// Up to `length` bytes from byte `position` on: fewer at the end of the blob, or where the
    /// next group begins; none behind the end.
    ///
    /// # Errors
    /// `corrupt`: they are damaged. `not_found`, reason `blob_not_here`: they were not fetched yet.
    /// `storage_failed`, `closed`.
    pub(crate) fn read_at(&self, position: u64, length: usize) -> Result<Bytes> {
        let Some(group) = self.size.group_at(position) else { return Ok(Bytes::new()) };
        if length == 0 {
            return Ok(Bytes::new());
        }
        let (bytes, start) = match &self.source {
            Source::Inline(bytes) => (bytes.clone(), 0),
            Source::Files(files) => (self.group(files, group)?, group.start()),
        };
        let first = (position - start) as usize;
        Ok(bytes.slice(first..bytes.len().min(first.saturating_add(length))))
    }

    /// The bytes of all groups, one after the other.
    ///
    /// # Errors
    /// Those of reading and of `take`.
    pub(crate) fn each_group(&self, take: &mut dyn FnMut(&Bytes) -> Result<()>) -> Result<()> {
        let mut at = 0;
        while at < self.size() {
            let bytes = self.read_at(at, GROUP_BYTES)?;
            at += bytes.len() as u64;
            take(&bytes)?;
        }
        Ok(())
    }

    /// Whether a blob that is a row is what its id says; the row has a checksum, too.
    pub(crate) fn is_its_own(&self) -> bool {
        match &self.source {
            Source::Inline(bytes) => BlobId::of(bytes) == self.id,
            Source::Files(_) => true,
        }
    }

    /// The file of the bytes, which nobody verifies; none of a blob that is a row.
    pub(crate) fn data(&self) -> Option<&BlobFile> {
        match &self.source {
            Source::Inline(_) => None,
            Source::Files(files) => Some(&files.data),
        }
    }

    /// The same file, opened anew.
    ///
    /// # Errors
    /// `invalid_argument`, reason `no_file`: the blob is a row. `not_found`, reason
    /// `blob_not_here`: it is a part of itself. `storage_failed`, `closed`.
    pub(crate) fn file(&self) -> Result<File> {
        let Source::Files(files) = &self.source else {
            let message = format!("blob {} is small: it lies in a table, not in a file", self.id);
            return Err(Error::new(ErrorKind::InvalidArgument, message).with_reason("no_file"));
        };
        let row = self.store.look(&self.id)?.filter(BlobRow::is_whole);
        let is_own = row.is_some_and(|row| row.number() == Some(files.number));
        let opened = is_own.then(|| BlobFile::open(files.data.path().to_owned())).transpose()?;
        opened.flatten().map(BlobFile::into_file).ok_or_else(|| not_here(&self.id))
    }

    fn group(&self, files: &Files, group: GroupIndex) -> Result<Bytes> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((_, bytes)) = last.filter(|(last, _)| *last == group) {
            return Ok(bytes);
        }
        // Of what was not fetched yet the files hold nothing, which is no damage.
        if files.is_part && !self.store.holds(&self.id, files.number, group)? {
            let message = format!("group {group} of blob {} is not here", self.id);
            return Err(Error::new(ErrorKind::NotFound, message).with_reason("blob_not_here"));
        }
        let mut encoded = Vec::new();
        let kept = (&files.data, &Pairs(files.tree.as_ref()));
        match piece::encode(&self.id, self.size, group, kept, &mut encoded) {
            Ok(()) => {}
            Err(ReadFault::Failed(error)) => return Err(error),
            Err(ReadFault::Damaged) => {
                self.store.note_damage(&self.id, files.number, Some(group))?;
                return Err(damaged(&self.id, &format!("group {group} does not verify")));
            }
        }
        let bytes = Bytes::from(encoded).slice(self.size.pairs(group) * PAIR_BYTES..);
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some((group, bytes.clone()));
        Ok(bytes)
    }
}

fn damaged(id: &BlobId, what: &str) -> Error {
    Error::new(
        ErrorKind::Corrupt,
        format!("blob {id} is damaged here: {what}; add the same bytes again to mend it"),
    )
}
