//! Fetched groups: verified, written where they belong, and durable step by step.
//!
//! Rule: a group counts for others once its bytes and its tree are on the medium and its page says
//! so, in this order; what a crash takes back is fetched again, at most `SYNC_STEP_BYTES` or what
//! came within `SYNC_STEP`. Not here: what is asked of whom (`exchange`), reading (`read`).
//! Source: docs/format.md, "Blobs".

use super::files::BlobFile;
use super::lease::Lease;
use super::moving::Part;
use super::read::has_files;
use super::replace::{Replacement, gone_pages};
use super::rows::{BlobRow, Content, blob_key, has_bit, page_key, pages_of};
use super::store::{RowChange, Store, is_damage};
use crate::blob::about::About;
use crate::blob::exchange::{Held, PieceFault, PieceJob};
use crate::blob::limits::INLINE_BYTES_MAX;
use crate::blob::piece::{self, Piece};
use crate::blob::{BlobId, BlobSize, GROUPS_PER_PAGE, GroupIndex, GroupSet};
use crate::error::{ErrorKind, Result};
use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError};

/// What came of a piece that verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Took {
    /// It is written.
    Written,
    /// It belongs to another size than the one that is gone by, or the blob is here whole.
    NotNeeded,
}

impl Store {
    /// Verifies a piece and writes its group; readers may read it when this returns.
    ///
    /// # Errors
    /// See `PieceFault`; nothing of the group counts then.
    pub(crate) fn take(self: &Arc<Store>, job: &PieceJob) -> std::result::Result<Took, PieceFault> {
        let piece = piece::verify(&job.id, job.size, job.group, &job.piece);
        let piece = piece.map_err(|_| PieceFault::Forged)?;
        self.keep(job.id, job.size, &piece).map_err(|error| match error.kind() {
            ErrorKind::StorageFull | ErrorKind::LimitExceeded => PieceFault::Full,
            _ => PieceFault::Failed(error),
        })
    }

    /// What is held of a blob, with the groups that are not durable yet. One whose files are
    /// missing or cut off has none.
    ///
    /// # Errors
    /// `corrupt`: its row is damaged. `storage_failed`, `closed`.
    pub(crate) fn held(&self, id: &BlobId) -> Result<Option<Held>> {
        if let Some(part) = self.moving.part(id) {
            let state = part.state();
            let (size, groups) = (part.size, state.held.clone());
            let (is_proven, is_durable) = (state.is_proven, state.is_durable());
            return Ok(Some(Held { size, is_proven, groups, is_durable }));
        }
        let Some(row) = self.look(id)? else { return Ok(None) };
        let size = BlobSize::new(row.size)?;
        let groups = match has_files(&self.place, &row)? {
            true if row.is_whole() => GroupSet::full(size),
            true => self.groups_of(id, size)?,
            // Nothing is noted: what is left can be read here until it is fetched again.
            false => GroupSet::empty(size),
        };
        Ok(Some(Held { size, is_proven: row.size_proven, groups, is_durable: true }))
    }

    /// What is known of a blob, with what is not durable yet.
    ///
    /// # Errors
    /// As for `look`.
    pub(crate) fn look_now(&self, id: &BlobId) -> Result<Option<BlobRow>> {
        let row = self.look(id)?;
        let part = self.moving.part(id).zip(row.as_ref().and_then(BlobRow::number));
        let Some((part, number)) = part.filter(|(part, number)| part.number == *number) else {
            return Ok(row);
        };
        let state = part.state();
        let (groups, size_proven) = (u64::from(state.held.count()), state.is_proven);
        let content = Content::Part { number, groups };
        Ok(row.map(|row| BlobRow { content, size_proven, ..row }))
    }

    /// Whether groups of a blob are being written.
    pub(crate) fn is_moving(&self, id: &BlobId) -> bool {
        self.moving.part(id).is_some()
    }

    /// Whether a group can be read from the files of this number.
    ///
    /// # Errors
    /// Those of reading rows.
    pub(super) fn holds(&self, id: &BlobId, number: u64, group: GroupIndex) -> Result<bool> {
        if let Some(part) = self.moving.part(id).filter(|part| part.number == number) {
            return Ok(part.state().held.contains(group));
        }
        let row = self.look(id)?.filter(|row| row.number() == Some(number));
        if row.as_ref().is_none_or(BlobRow::is_whole) {
            return Ok(row.is_some());
        }
        let page = match self.parts.rows.get(&page_key(id, group.value() / GROUPS_PER_PAGE)) {
            Err(error) if is_damage(&error) => None,
            page => page?,
        };
        Ok(page.is_some_and(|page| has_bit(&page, u64::from(group.value()))))
    }

    /// Makes durable what has come, and closes the parts of which nothing came since the last call.
    /// True while any is open.
    pub(crate) fn settle_parts(&self) -> bool {
        for part in self.moving.all() {
            if part.state().is_durable() {
                self.moving.end(&part);
            } else if let Err(error) = self.step(&part) {
                tracing::warn!(%error, blob = %part.id, "what was fetched is not durable");
            }
        }
        !self.moving.all().is_empty()
    }

    /// A group of the files of this number was found damaged, or all of them were. Gives the part
    /// that was open, which is not to be dropped by somebody who holds the writer.
    pub(super) fn lost_of_part(
        &self,
        id: &BlobId,
        number: u64,
        group: Option<GroupIndex>,
    ) -> Option<Arc<Part>> {
        let part = self.moving.part(id).filter(|part| part.number == number)?;
        let Some(group) = group else {
            self.moving.end(&part);
            return Some(part);
        };
        let mut state = part.state();
        state.held.remove(group);
        state.has_lost = true;
        // Which of its pairs are right nobody knows.
        state.saved.clear();
        drop(state);
        Some(part)
    }

    fn keep(self: &Arc<Store>, id: BlobId, size: BlobSize, piece: &Piece) -> Result<Took> {
        if size.bytes() <= INLINE_BYTES_MAX as u64 {
            if self.row_with_files(&id)?.is_some_and(|row| row.is_whole()) {
                return Ok(Took::NotNeeded);
            }
            let (mut bytes, size) = (&piece.bytes[..], Some(size.bytes()));
            self.add(&mut bytes, size, About::default(), &|_| Ok(()))?;
            return Ok(Took::Written);
        }
        loop {
            let Some(part) = self.part_for(id, size, piece.group)? else {
                return Ok(Took::NotNeeded);
            };
            part.make_room(piece.bytes.len() as u64)?;
            part.write(piece)?;
            // One that ended meanwhile may not have been synced with this in it.
            let Some(is_due) = part.note(piece) else { continue };
            if is_due {
                self.step(&part)?;
            }
            return Ok(Took::Written);
        }
    }

    /// The part to which a piece that verified belongs; none when it is not needed.
    fn part_for(
        self: &Arc<Store>,
        id: BlobId,
        size: BlobSize,
        group: GroupIndex,
    ) -> Result<Option<Arc<Part>>> {
        // Before the door: a collection of this blob may have to end first.
        let lease = self.lease(id);
        let _door = self.moving.door.lock().unwrap_or_else(PoisonError::into_inner);
        let proves = group == size.last_group();
        if let Some(part) = self.moving.part(&id) {
            if part.size == size {
                return Ok(Some(part));
            }
            let state = part.state();
            if state.is_proven || !(proves || state.held.is_empty()) {
                return Ok(None);
            }
            drop(state);
            self.moving.end(&part);
        }
        let row = match self.row_with_files(&id) {
            Err(error) if is_damage(&error) => None,
            row => row?,
        };
        let is_empty = |row: &BlobRow| matches!(row.content, Content::Part { groups: 0, .. });
        let part = match row {
            Some(row) if row.is_whole() => return Ok(None),
            Some(row) if row.size == size.bytes() => self.open_part(id, size, &row, lease)?,
            Some(row) if row.size_proven || !(proves || is_empty(&row)) => return Ok(None),
            _ => self.begin_part(id, size, lease)?,
        };
        let part = Arc::new(part);
        self.moving.open().insert(id, part.clone());
        Ok(Some(part))
    }

    /// A part of which nothing is here, in place of whatever there is of the blob.
    fn begin_part(self: &Arc<Store>, id: BlobId, size: BlobSize, lease: Lease) -> Result<Part> {
        let number = self.take_number()?;
        let own = BlobRow {
            content: Content::Part { number, groups: 0 },
            size: size.bytes(),
            size_proven: false,
            referenced: false,
            own_about: false,
            touched: self.now(),
            about: About::default(),
        };
        let mut writer = self.writer();
        let replaced = self.replacement(writer.counters, &id, own).and_then(|replacement| {
            let Replacement { counters, changes, numbers, row } = replacement;
            self.commit(&mut writer, counters, changes).map(|()| (numbers, row))
        });
        let (numbers, row) = match replaced {
            Ok(replaced) => replaced,
            Err(error) => {
                // It has no files yet, and no row.
                writer.making.remove(&number);
                return Err(error);
            }
        };
        writer.making.remove(&number);
        drop(writer);
        for number in numbers {
            if let Err(error) = self.discard(number) {
                tracing::warn!(%error, blob = %id, "what a part replaces stays until an opening");
            }
        }
        self.note_added(row.touched);
        let files = self.make_part_files(size, number)?;
        Ok(Part::new(self, (id, size, number), files, (GroupSet::empty(size), false), lease))
    }

    /// A part of which something is here already.
    fn open_part(
        self: &Arc<Store>,
        id: BlobId,
        size: BlobSize,
        row: &BlobRow,
        lease: Lease,
    ) -> Result<Part> {
        let number = row.number().unwrap_or_default();
        let data = BlobFile::open_to_write(self.place.data(number))?;
        let tree = match size.groups() {
            1 => Some(None),
            _ => BlobFile::open_to_write(self.place.tree(number))?.map(Some),
        };
        let (files, held) = match data.zip(tree) {
            Some((data, tree)) => {
                // One that was damaged may have been cut off.
                data.set_len(size.bytes())?;
                tree.as_ref().map_or(Ok(()), |tree| tree.set_len(size.tree_bytes()))?;
                ((data, tree), self.groups_of(&id, size)?)
            }
            None => {
                self.note_damage(&id, number, None)?;
                self.remove_files(number)?;
                (self.make_part_files(size, number)?, GroupSet::empty(size))
            }
        };
        let own = (id, size, number);
        Ok(Part::new(self, own, files, (held, row.size_proven), lease))
    }

    /// Their names are on the medium when this returns: a page speaks of them.
    fn make_part_files(&self, size: BlobSize, number: u64) -> Result<(BlobFile, Option<BlobFile>)> {
        self.place.make_folder(number)?;
        let data = BlobFile::create_anew(self.place.data(number))?;
        data.set_len(size.bytes())?;
        let tree = match size.groups() {
            1 => None,
            _ => {
                let tree = BlobFile::create_anew(self.place.tree(number))?;
                tree.set_len(size.tree_bytes())?;
                Some(tree)
            }
        };
        self.place.sync_folder(number)?;
        Ok((data, tree))
    }

    /// The row of a blob. A whole one whose files are not there as they should is a part without
    /// anything from here on.
    fn row_with_files(&self, id: &BlobId) -> Result<Option<BlobRow>> {
        let row = self.look(id)?;
        match &row {
            Some(whole) if whole.is_whole() && !has_files(&self.place, whole)? => {
                self.note_damage(id, whole.number().unwrap_or_default(), None)?;
                self.look(id)
            }
            _ => Ok(row),
        }
    }

    /// The groups of a part, as its pages say; a page that is damaged says nothing.
    fn groups_of(&self, id: &BlobId, size: BlobSize) -> Result<GroupSet> {
        let mut groups = GroupSet::empty(size);
        for page in 0..pages_of(size.bytes()) {
            let bits = match self.parts.rows.get(&page_key(id, page)) {
                Err(error) if is_damage(&error) => None,
                bits => bits?,
            };
            let bits = bits.as_deref().and_then(|bits| bits.try_into().ok());
            if let Some(bits) = bits
                && let Err(error) = groups.set_page(page, bits)
            {
                tracing::warn!(%error, blob = %id, "a page of a part is damaged");
            }
        }
        Ok(groups)
    }

    /// Makes durable what has come of a part by now; with its last group it is whole.
    fn step(&self, part: &Arc<Part>) -> Result<()> {
        let _one = part.stepping.lock().unwrap_or_else(PoisonError::into_inner);
        let (dirty, held) = {
            let mut state = part.state();
            if state.is_over || state.dirty.is_empty() {
                return Ok(());
            }
            (state.fresh, state.is_stepping, state.has_lost) = (0, true, false);
            (std::mem::take(&mut state.dirty), state.held.clone())
        };
        let committed = if crate::planted!("pages_before_data") {
            self.commit_step(part, &dirty, &held).and_then(|()| part.sync())
        } else {
            part.sync().inspect_err(|_| self.moving.end(part)).and_then(|()| {
                // Its groups are on the medium: the next step tells the pages.
                let committed = self.commit_step(part, &dirty, &held);
                committed.inspect_err(|_| part.state().dirty.extend(dirty))
            })
        };
        part.state().is_stepping = false;
        self.tell(part.id);
        committed
    }

    fn commit_step(&self, part: &Part, dirty: &BTreeSet<u32>, held: &GroupSet) -> Result<()> {
        let number = part.number;
        let mut room = part.room();
        let mut writer = self.writer();
        let mut state = part.state();
        if state.is_over || state.has_lost {
            // What is told of it then would be too much: the next step looks again.
            state.dirty.extend(dirty);
            return Ok(());
        }
        drop(state);
        let Some(before) = self.look(&part.id)?.filter(|row| row.number() == Some(number)) else {
            // Somebody added the blob meanwhile, or took it away.
            self.moving.end(part);
            room.promise.end(&mut writer);
            return Ok(());
        };
        let (content, mut changes): (Content, Vec<RowChange>) = match held.is_full() {
            true => (Content::Whole { number }, gone_pages(&*self.parts.rows, &part.id)?),
            false => {
                let groups = u64::from(held.count());
                let page =
                    |page: &u32| (page_key(&part.id, *page), Some(held.page(*page).to_vec()));
                (Content::Part { number, groups }, dirty.iter().map(page).collect())
            }
        };
        let size_proven = before.size_proven || held.contains(part.size.last_group());
        // Its grace begins when it is whole.
        let touched = if held.is_full() { self.now() } else { before.touched };
        let row = BlobRow { content, size_proven, touched, ..before.clone() };
        let mut counters = writer.counters;
        counters.remove(&before);
        counters.add(&row);
        changes.push((blob_key(&part.id), Some(row.encode())));
        self.commit(&mut writer, counters, changes)?;
        room.promise.end(&mut writer);
        room.wanted = 0;
        drop((writer, room));
        if held.is_full() {
            self.moving.end(part);
            self.note_added(touched);
            part.data.seal()?;
            part.tree.as_ref().map_or(Ok(()), BlobFile::seal)?;
        }
        Ok(())
    }
}
