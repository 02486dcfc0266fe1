//! Makes groups of full segments of the postings, checks them, and makes damaged ones anew.
//!
//! The thread of the checkpoints does it when it has nothing else to do, in steps of bounded size.
//! Rule: a group counts from the row on that completes it, which is written last; what a crash left
//! of one is written anew, to the same bytes. A group of 64 takes the place of its 8 of 8 in that
//! transaction. Nothing waits for a group: without it each segment is asked. A damaged one is
//! written anew row by row, as each row is a function of the segments.

use super::check::wrong;
use super::groups::{Bounds, Group, HEAD_PART};
use super::postings::{SegmentHead, segment_key};
use super::read::missing;
use super::shared::{Shared, lock};
use super::tables::{Opened, TableResult};
use crate::error::{ErrorKind, Result};
use heed::{RoTxn, RwTxn};
use std::ops::{Bound, RangeInclusive};
use std::sync::Arc;

/// A step ends with the row that brings it to this many bytes.
const STEP_BYTES: usize = 1 << 20;
/// Groups that are made anew in one opening: a disk that damages them again must not keep us busy.
const MENDS_MAX: u32 = 64;

/// What is being merged.
#[derive(Default)]
pub(crate) struct Merging {
    /// The group that is being made, and the part that comes next.
    under_way: Option<(Group, usize)>,
    /// Groups that are to be made anew.
    to_mend: Vec<Group>,
    /// The one under way is one of them.
    mends: bool,
    /// How many there have been.
    mended: u32,
    /// Groups of these levels met damage. The next one would be the same again, so the levels are
    /// passed over until the store is opened anew: looks then ask more, and find the same.
    damaged: Vec<u8>,
}

/// Rows of a group: part and value.
type Rows = Vec<(usize, Vec<u8>)>;

impl Merging {
    /// Has these groups made anew, if there were not too many yet; true when there is one.
    pub(crate) fn mend(&mut self, groups: Vec<Group>) -> bool {
        let left = MENDS_MAX.saturating_sub(self.mended) as usize;
        let before = self.to_mend.len();
        self.to_mend.extend(groups.into_iter().take(left));
        self.mended += (self.to_mend.len() - before) as u32;
        self.to_mend.len() > before
    }
}

impl Shared {
    /// Has the thread of the checkpoints make this group anew.
    pub(crate) fn request_mending(&self, group: Group) {
        let mut checkpoints = lock(&self.checkpoints);
        if !checkpoints.damaged_groups.contains(&group) {
            checkpoints.damaged_groups.push(group);
            self.checkpoint_moved.notify_all();
        }
    }

    /// Goes on with the group that is under way, or begins one that can be made. False when there
    /// is none.
    ///
    /// # Errors
    /// `corrupt`: a segment is damaged. `closed`, `storage_full`, `storage_failed`.
    pub(crate) fn merge_step(&self, merging: &mut Merging) -> Result<bool> {
        let Some((group, part)) = self.next_step(merging)? else { return Ok(false) };
        let made = self.tables.read(|opened, transaction| {
            opened.make_rows(transaction, group, part..=HEAD_PART, STEP_BYTES)
        });
        let (rows, next) = match made {
            // Nothing but a damaged segment can be said of this one.
            Err(error) if error.kind() == ErrorKind::Corrupt && merging.mends => {
                tracing::warn!(%error, "a damaged group of segments cannot be made anew");
                return Ok(true);
            }
            made => made.inspect_err(|error| {
                if error.kind() == ErrorKind::Corrupt {
                    merging.damaged.push(group.level);
                }
            })?,
        };
        self.tables.write(|opened, transaction| {
            for (part, row) in &rows {
                opened.groups.put(transaction, &group.key(*part), row)?;
            }
            if next > HEAD_PART { opened.forget_parts(transaction, group) } else { Ok(()) }
        })?;
        if next <= HEAD_PART {
            merging.under_way = Some((group, next));
        } else if merging.mends {
            tracing::info!(?group, "a damaged group of segments was made anew");
            self.forget_group(group);
            // It may have been made without the group.
            lock(&self.cache).directory = Arc::default();
        }
        Ok(true)
    }

    /// The group and the part that come next.
    fn next_step(&self, merging: &mut Merging) -> Result<Option<(Group, usize)>> {
        if let Some(next) = merging.under_way.take() {
            return Ok(Some(next));
        }
        while let Some(group) = merging.to_mend.pop() {
            // A larger group may have taken its place meanwhile.
            let head = group.key(HEAD_PART);
            let is_there = self
                .tables
                .read(|opened, transaction| Ok(opened.groups.get(transaction, &head)?.is_some()));
            if is_there? {
                merging.mends = true;
                return Ok(Some((group, 0)));
            }
            self.forget_group(group);
        }
        merging.mends = false;
        let found = self
            .tables
            .read(|opened, transaction| opened.next_group(transaction, &merging.damaged));
        Ok(found?.map(|group| (group, 0)))
    }

    /// The complete groups.
    pub(super) fn groups(&self) -> Result<Vec<Group>> {
        self.tables.read(|opened, transaction| {
            let mut groups = Vec::new();
            for level in Group::LEVELS {
                let first = opened.first_number(transaction, level)?;
                let numbers = first..opened.next_number(transaction, level)?;
                groups.extend(numbers.map(|number| Group { level, number }));
            }
            Ok(groups)
        })
    }

    /// Compares a part of a group with what its segments say; returns the bytes of the row. What a
    /// damaged segment says cannot be compared.
    ///
    /// # Errors
    /// `corrupt`: it is not that of its segments. `closed`, `storage_failed`.
    pub(super) fn check_group(&self, group: Group, part: usize) -> Result<u64> {
        self.tables.read(|opened, transaction| {
            if opened.groups.get(transaction, &group.key(HEAD_PART))?.is_none() {
                // A larger group has taken its place meanwhile.
                return Ok(0);
            }
            let made = opened.make_rows(transaction, group, part..=part, 0);
            let Ok((made, _)) = made else { return Ok(0) };
            let stored = opened.groups.get(transaction, &group.key(part))?;
            if stored != made.first().map(|(_, row)| &row[..]) {
                return Err(wrong("a part of a group is not that of its segments").into());
            }
            Ok(stored.map_or(0, <[u8]>::len) as u64)
        })
    }
}

impl Opened {
    /// The next group that can be made, but of these levels.
    fn next_group(&self, transaction: &RoTxn<'_>, damaged: &[u8]) -> TableResult<Option<Group>> {
        // All but the last are full.
        let full = self.segment_count(transaction)?.saturating_sub(1);
        for level in Group::LEVELS.into_iter().filter(|level| !damaged.contains(level)) {
            let first = self.first_number(transaction, level)?;
            let group = Group { level, number: self.next_number(transaction, level)?.max(first) };
            if group.segments().end <= full {
                return Ok(Some(group));
            }
        }
        Ok(None)
    }

    /// The first number of a level that no larger group has the segments of.
    fn first_number(&self, transaction: &RoTxn<'_>, level: u8) -> TableResult<u64> {
        match Group::LEVELS.iter().find(|larger| **larger > level) {
            Some(larger) => {
                let behind = self.next_number(transaction, *larger)?;
                Ok(Group { level: *larger, number: behind }.segments().start >> (3 * level))
            }
            None => Ok(0),
        }
    }

    /// The number behind the last complete group of a level: they are made one after the other.
    fn next_number(&self, transaction: &RoTxn<'_>, level: u8) -> TableResult<u64> {
        let Some((key, _)) = self.groups.get_lower_than(transaction, &[level + 1])? else {
            return Ok(0);
        };
        let (group, is_complete) = Group::of_key(key)?;
        Ok(if group.level == level { group.number + u64::from(is_complete) } else { 0 })
    }

    /// The rows of these parts, until they have `bytes_max`, and the part that comes next.
    fn make_rows(
        &self,
        transaction: &RoTxn<'_>,
        group: Group,
        parts: RangeInclusive<usize>,
        bytes_max: usize,
    ) -> TableResult<(Rows, usize)> {
        let mut segments = Vec::new();
        for number in group.segments() {
            let key = segment_key(number);
            let row = self.postings.get(transaction, &key)?.ok_or_else(missing)?;
            segments.push((SegmentHead::read(&key, row)?, row));
        }
        let (mut rows, mut bytes, mut next) = (Vec::new(), 0, *parts.start());
        for part in parts {
            let row = match part {
                HEAD_PART => {
                    let bounds = segments.iter().map(|(head, _)| Bounds::of(&head.blocks));
                    group.head_row(&bounds.collect::<Option<Vec<_>>>().ok_or_else(missing)?)
                }
                _ => group.part_row(part, &segments)?,
            };
            bytes += row.len();
            rows.push((part, row));
            next = part + 1;
            if bytes >= bytes_max {
                break;
            }
        }
        Ok((rows, next))
    }

    /// Removes the smaller groups whose segments this one has.
    fn forget_parts(&self, transaction: &mut RwTxn<'_>, group: Group) -> TableResult<()> {
        for level in Group::LEVELS.into_iter().filter(|level| *level < group.level) {
            let segments = group.segments();
            let first = Group::of(level, segments.start).key(0);
            let last = Group::of(level, segments.end - 1).key(HEAD_PART);
            let parts = (Bound::Included(&first[..]), Bound::Included(&last[..]));
            self.groups.delete_range(transaction, &parts)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{NodeId, StreamId};
    use crate::log::disk::block::Summary;
    use crate::log::disk::postings::{BlockEntry, SegmentBuilder};
    use crate::log::disk::terms::Terms;
    use crate::log::tests::open;

    /// Segments of one block each; the last one is taken for one that is not full.
    fn put_segments(shared: &Shared, numbers: std::ops::Range<u64>) {
        let stream = StreamId { node: NodeId::from_bytes([7; 32]), number: 3 };
        let rows = numbers.map(|number| {
            let lamports = (number + 1, number + 9);
            let (times, count, raw_bytes) = ((-1, 4), 1024, 5);
            let summary = Summary { sealed: true, count, raw_bytes, lamports, times };
            let mut builder = SegmentBuilder::default();
            let terms = Terms::from_pairs(vec![(9, 0), ((number as u32) << 20 | 1 << 31, 3)]);
            builder.add(BlockEntry { stream, first: number, summary }, &terms);
            (segment_key(number), builder.finish(&segment_key(number)))
        });
        let rows: Vec<_> = rows.collect();
        let put = shared.tables.write(|opened, transaction| {
            for (key, row) in &rows {
                opened.postings.put(transaction, key, row)?;
            }
            Ok(())
        });
        put.unwrap();
    }

    fn merge(shared: &Shared) -> Vec<(u8, u64)> {
        let mut merging = Merging::default();
        while shared.merge_step(&mut merging).unwrap() {}
        let groups = shared.groups().unwrap();
        for group in &groups {
            for part in 0..=HEAD_PART {
                assert!(shared.check_group(*group, part).unwrap() > 0, "{group:?}, {part}");
            }
        }
        groups.iter().map(|group| (group.level, group.number)).collect()
    }

    fn rows(shared: &Shared) -> Vec<(Vec<u8>, Vec<u8>)> {
        let rows = shared.tables.read(|opened, transaction| {
            let rows = opened.groups.iter(transaction)?;
            rows.map(|row| Ok(row.map(|(key, row)| (key.to_vec(), row.to_vec()))?)).collect()
        });
        rows.unwrap()
    }

    #[test]
    fn eight_groups_become_one_and_what_a_crash_left_is_written_anew() {
        let directory = tempfile::tempdir().unwrap();
        let log = open(directory.path());
        let shared = log.shared();
        shared.end_checkpointer();
        put_segments(shared, 0..8);
        assert_eq!(merge(shared), [], "the last segment may not be full");
        put_segments(shared, 8..64);
        assert_eq!(merge(shared), (0..7).map(|number| (1, number)).collect::<Vec<_>>());
        put_segments(shared, 64..65);
        // A part of the group from which on all is lost, and one of a group that comes too late.
        for left in [Group { level: 2, number: 0 }, Group { level: 1, number: 7 }] {
            let put = shared.tables.write(|opened, transaction| {
                Ok(opened.groups.put(transaction, &left.key(3), b"half")?)
            });
            put.unwrap();
        }
        assert_eq!(merge(shared), [(2, 0)]);
        let whole = rows(shared);
        assert_eq!(whole.len(), HEAD_PART + 1, "nothing else is left");
        put_segments(shared, 65..81);
        assert_eq!(merge(shared), [(2, 0), (1, 8), (1, 9)]);
        let again = rows(shared);
        assert_eq!(again.len(), 3 * (HEAD_PART + 1));
        assert!(whole.iter().all(|row| again.contains(row)), "it never changes");
        crate::log::tests::close(log);
    }

    #[test]
    fn a_damaged_segment_keeps_only_the_groups_of_its_level_from_being_made() {
        let directory = tempfile::tempdir().unwrap();
        let log = open(directory.path());
        let shared = log.shared();
        shared.end_checkpointer();
        put_segments(shared, 0..64);
        merge(shared);
        let put = shared.tables.write(|opened, transaction| {
            Ok(opened.postings.put(transaction, &segment_key(40), b"damaged")?)
        });
        put.unwrap();
        put_segments(shared, 64..73);
        let mut merging = Merging::default();
        let error = shared.merge_step(&mut merging).expect_err("a group of 64 needs segment 40");
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        while shared.merge_step(&mut merging).unwrap() {}
        let groups = shared.groups().unwrap();
        let made: Vec<(u8, u64)> = groups.iter().map(|group| (group.level, group.number)).collect();
        assert_eq!(made, (0..9).map(|number| (1, number)).collect::<Vec<_>>());
        crate::log::tests::close(log);
    }
}
