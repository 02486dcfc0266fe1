//! Where the segments of the postings lie, in memory: what a walk begins with.
//!
//! Costs 64 bytes for a segment, that is for 65,536 events or less. Made when it is first asked
//! for: from one row for each group, and from the heads of the segments that are in none. Rule: it
//! says what the transaction sees that it was asked for in; of an earlier one it takes over what
//! cannot have changed.

use super::groups::{Bounds, Group, HEAD_PART};
use super::postings::segment_key;
use super::read::missing;
use super::shared::{Shared, lock};
use super::tables::{Opened, TableResult};
use crate::error::{ErrorKind, Result};
use crate::event::codec::Reader;
use heed::RoTxn;
use std::sync::Arc;

/// The segments of the postings and their groups.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    /// Those of each segment, by its number.
    pub(crate) bounds: Vec<Bounds>,
    /// What to ask, in the order of the segments: each segment is in one.
    pub(crate) roots: Vec<(Root, Bounds)>,
    version: Version,
}

/// What tells one state of the tables from another: only the last segment grows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Version {
    segments: u64,
    last_bytes: usize,
    group_rows: u64,
}

/// Where a look for a term begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Root {
    Segment(u64),
    Group(Group),
}

impl Directory {
    /// Bytes in memory, about.
    pub(crate) fn bytes(&self) -> usize {
        (self.bounds.len() + self.roots.len()) * size_of::<Bounds>()
    }
}

impl Opened {
    /// Number of segments.
    pub(crate) fn segment_count(&self, transaction: &RoTxn<'_>) -> TableResult<u64> {
        let last = self.postings.last(transaction)?;
        last.map_or(Ok(0), |(key, _)| Ok(Reader::new(key).u64_be()? + 1))
    }

    fn version(&self, transaction: &RoTxn<'_>) -> TableResult<Version> {
        let last = self.postings.last(transaction)?;
        let Some((key, row)) = last else { return Ok(Version::default()) };
        let group_rows = self.groups.stat(transaction)?.entries as u64;
        let segments = Reader::new(key).u64_be()? + 1;
        Ok(Version { segments, last_bytes: row.len(), group_rows })
    }
}

impl Shared {
    /// The directory of what the transaction sees.
    ///
    /// # Errors
    /// `corrupt`: the head of a segment is damaged. A damaged group is passed over and noted.
    pub(crate) fn directory(
        &self,
        opened: &Opened,
        transaction: &RoTxn<'_>,
    ) -> TableResult<Arc<Directory>> {
        let version = opened.version(transaction)?;
        let known = lock(&self.cache).directory.clone();
        if known.version == version {
            return Ok(known);
        }
        let mut made = Directory { version, ..Directory::default() };
        if known.version.segments <= version.segments {
            // The last one may have grown.
            let full = known.bounds.len().saturating_sub(1);
            made.bounds.extend_from_slice(&known.bounds[..full]);
        }
        let mut next = 0;
        while next < version.segments {
            next = match self.add_group(opened, transaction, next, &mut made)? {
                Some(group) => group.segments().end,
                None => {
                    self.add_segment(opened, transaction, next, &mut made)?;
                    next + 1
                }
            };
        }
        let made = Arc::new(made);
        lock(&self.cache).directory = made.clone();
        Ok(made)
    }

    /// Adds the largest good group that begins with this segment, if there is one.
    fn add_group(
        &self,
        opened: &Opened,
        transaction: &RoTxn<'_>,
        segment: u64,
        made: &mut Directory,
    ) -> TableResult<Option<Group>> {
        for level in Group::LEVELS {
            let group = Group::of(level, segment);
            let segments = group.segments();
            if segments.start != segment || segments.end > made.version.segments {
                continue;
            }
            let row = opened.groups.get(transaction, &group.key(HEAD_PART))?;
            let Some(row) = row else { continue };
            if (made.bounds.len() as u64) < segments.end {
                let Some(bounds) = self.group_or_none(group, group.read_head(row))? else {
                    continue;
                };
                made.bounds.truncate(segment as usize);
                made.bounds.extend(bounds);
            }
            let own = &made.bounds[segment as usize..segments.end as usize];
            let all = own.iter().copied().reduce(Bounds::and).ok_or_else(missing)?;
            made.roots.push((Root::Group(group), all));
            return Ok(Some(group));
        }
        Ok(None)
    }

    fn add_segment(
        &self,
        opened: &Opened,
        transaction: &RoTxn<'_>,
        number: u64,
        made: &mut Directory,
    ) -> TableResult<()> {
        if made.bounds.len() as u64 <= number {
            let row =
                opened.postings.get(transaction, &segment_key(number))?.ok_or_else(missing)?;
            let head = self.segment_head(number, row)?;
            made.bounds.push(Bounds::of(&head.blocks).ok_or_else(missing)?);
        }
        made.roots.push((Root::Segment(number), made.bounds[number as usize]));
        Ok(())
    }

    /// What was read of a group; `None` when it is damaged, which is noted: its segments say the
    /// same.
    pub(super) fn group_or_none<T>(&self, group: Group, read: Result<T>) -> Result<Option<T>> {
        match read {
            Err(error) if error.kind() == ErrorKind::Corrupt => {
                self.note_group(group, &error);
                Ok(None)
            }
            read => read.map(Some),
        }
    }
}
