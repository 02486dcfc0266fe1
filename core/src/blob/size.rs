//! How large a blob is, and the shape that follows from it: groups, tree and pieces as arithmetic.

use crate::blob::limits::{BLOB_BYTES_MAX, GROUP_BYTES, GROUPS_MAX, PAIR_BYTES};
use crate::error::{Error, ErrorKind, Result};
use std::fmt;

/// Size of a blob in bytes: 0 to `BLOB_BYTES_MAX`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlobSize(u64);

/// Which group of a blob, counted from 0: below `GROUPS_MAX`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupIndex(u32);

/// Groups `first..end` of a blob; empty when both are equal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupRange {
    first: u32,
    end: u32,
}

impl BlobSize {
    /// The size of this many bytes.
    ///
    /// # Errors
    /// `limit_exceeded`: more than `BLOB_BYTES_MAX`.
    pub fn new(bytes: u64) -> Result<BlobSize> {
        if bytes <= BLOB_BYTES_MAX {
            return Ok(BlobSize(bytes));
        }
        let message = format!("a blob has {bytes} bytes; the limit is {BLOB_BYTES_MAX}");
        Err(Error::new(ErrorKind::LimitExceeded, message))
    }

    /// The number of bytes.
    pub const fn bytes(self) -> u64 {
        self.0
    }

    /// How many groups: 1 to `GROUPS_MAX`. A blob without bytes has one group without bytes.
    pub const fn groups(self) -> u32 {
        let groups = self.0.div_ceil(GROUP_BYTES as u64) as u32;
        if groups == 0 { 1 } else { groups }
    }

    /// All groups.
    pub const fn all(self) -> GroupRange {
        GroupRange { first: 0, end: self.groups() }
    }

    /// The last group. Its piece proves the size: it verifies under no other one.
    pub const fn last_group(self) -> GroupIndex {
        GroupIndex(self.groups() - 1)
    }

    /// Whether the blob has this group.
    pub const fn has(self, group: GroupIndex) -> bool {
        group.0 < self.groups()
    }

    /// The group with the byte at `position`; none when the blob ends before it.
    pub const fn group_at(self, position: u64) -> Option<GroupIndex> {
        if position < self.0 {
            Some(GroupIndex((position / GROUP_BYTES as u64) as u32))
        } else {
            None
        }
    }

    /// Bytes of a group; 0 when the blob does not have it.
    pub const fn group_bytes(self, group: GroupIndex) -> usize {
        let left = self.0.saturating_sub(group.start());
        if left < GROUP_BYTES as u64 { left as usize } else { GROUP_BYTES }
    }

    /// Hash pairs from the root to a group that the blob has: 0 to `PAIRS_MAX`.
    pub const fn pairs(self, group: GroupIndex) -> usize {
        let (mut group, mut groups, mut pairs) = (group.0, self.groups(), 0);
        while groups > 1 {
            // The left subtree is the largest full one that leaves something to the right.
            let left = 1 << (u32::BITS - 1 - (groups - 1).leading_zeros());
            if group < left {
                groups = left;
            } else {
                group -= left;
                groups -= left;
            }
            pairs += 1;
        }
        pairs
    }

    /// Bytes of the piece of a group that the blob has, without what its frame puts before it.
    pub const fn piece_bytes(self, group: GroupIndex) -> usize {
        self.pairs(group) * PAIR_BYTES + self.group_bytes(group)
    }

    /// Bytes of the tree: a hash pair for each group but one.
    pub const fn tree_bytes(self) -> u64 {
        (self.groups() as u64 - 1) * PAIR_BYTES as u64
    }
}

impl fmt::Display for BlobSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl GroupIndex {
    /// The group with this number.
    ///
    /// # Errors
    /// `limit_exceeded`: `GROUPS_MAX` or more.
    pub fn new(number: u64) -> Result<GroupIndex> {
        if number < u64::from(GROUPS_MAX) {
            return Ok(GroupIndex(number as u32));
        }
        let message = format!("a group has the number {number}; the limit is {GROUPS_MAX}");
        Err(Error::new(ErrorKind::LimitExceeded, message))
    }

    /// Its number.
    pub const fn value(self) -> u32 {
        self.0
    }

    /// Position of its first byte in the blob.
    pub const fn start(self) -> u64 {
        self.0 as u64 * GROUP_BYTES as u64
    }
}

impl fmt::Display for GroupIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl GroupRange {
    /// The groups `first..end`.
    ///
    /// # Errors
    /// `invalid_argument`: it ends before it begins. `limit_exceeded`: it ends behind `GROUPS_MAX`.
    pub fn new(first: u64, end: u64) -> Result<GroupRange> {
        if first > end {
            let message = format!("groups {first}..{end} end before they begin");
            return Err(Error::new(ErrorKind::InvalidArgument, message));
        }
        if end > u64::from(GROUPS_MAX) {
            let message = format!("groups end at {end}; the limit is {GROUPS_MAX}");
            return Err(Error::new(ErrorKind::LimitExceeded, message));
        }
        Ok(GroupRange { first: first as u32, end: end as u32 })
    }

    /// One group.
    pub const fn one(group: GroupIndex) -> GroupRange {
        GroupRange { first: group.0, end: group.0 + 1 }
    }

    /// Groups of which the numbers are known to be in order and below the limit.
    pub(crate) const fn from_numbers(first: u32, end: u32) -> GroupRange {
        assert!(first <= end && end <= GROUPS_MAX);
        GroupRange { first, end }
    }

    /// Number of the first group.
    pub const fn first(self) -> u32 {
        self.first
    }

    /// Number of the group behind the last one.
    pub const fn end(self) -> u32 {
        self.end
    }

    /// How many groups.
    pub const fn count(self) -> u32 {
        self.end - self.first
    }

    /// True when there is no group.
    pub const fn is_empty(self) -> bool {
        self.first == self.end
    }

    /// Whether `group` is among them.
    pub const fn contains(self, group: GroupIndex) -> bool {
        self.first <= group.0 && group.0 < self.end
    }

    /// The groups, rising.
    pub fn iter(self) -> impl DoubleEndedIterator<Item = GroupIndex> + ExactSizeIterator {
        (self.first..self.end).map(GroupIndex)
    }

    /// Those of them that are below `end` as well; empty when there is none.
    pub fn below(self, end: u32) -> GroupRange {
        GroupRange { first: self.first.min(end), end: self.end.min(end) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blob::limits::{PAIRS_MAX, PIECE_BYTES_MAX};
    use proptest::prelude::*;

    fn size(bytes: u64) -> BlobSize {
        BlobSize::new(bytes).unwrap()
    }

    fn group(number: u64) -> GroupIndex {
        GroupIndex::new(number).unwrap()
    }

    #[test]
    fn sizes_around_a_group_have_the_groups_they_need() {
        let group_bytes = GROUP_BYTES as u64;
        for (bytes, groups, last) in [
            (0, 1, 0),
            (1, 1, 1),
            (group_bytes - 1, 1, group_bytes - 1),
            (group_bytes, 1, group_bytes),
            (group_bytes + 1, 2, 1),
            (3 * group_bytes, 3, group_bytes),
        ] {
            let size = size(bytes);
            assert_eq!(size.groups(), groups);
            assert_eq!(size.group_bytes(size.last_group()) as u64, last);
            assert_eq!(size.tree_bytes(), u64::from(groups - 1) * 64);
        }
    }

    #[test]
    fn the_largest_blob_fits_every_bound_and_one_byte_more_does_not() {
        let largest = size(BLOB_BYTES_MAX);
        assert_eq!(largest.groups(), GROUPS_MAX);
        assert_eq!(largest.pairs(largest.last_group()), PAIRS_MAX);
        assert!(largest.piece_bytes(group(0)) + 64 < PIECE_BYTES_MAX);
        let error = BlobSize::new(BLOB_BYTES_MAX + 1).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::LimitExceeded);
        assert!(GroupIndex::new(u64::from(GROUPS_MAX)).is_err());
        assert!(GroupRange::new(0, u64::from(GROUPS_MAX) + 1).is_err());
        assert!(GroupRange::new(2, 1).is_err());
    }

    #[test]
    fn the_way_to_a_group_is_as_deep_as_its_subtrees() {
        let pairs = |groups: u64, at| size(groups * GROUP_BYTES as u64).pairs(group(at));
        assert_eq!((0..1).map(|at| pairs(1, at)).collect::<Vec<_>>(), [0]);
        assert_eq!((0..3).map(|at| pairs(3, at)).collect::<Vec<_>>(), [2, 2, 1]);
        assert_eq!((0..5).map(|at| pairs(5, at)).collect::<Vec<_>>(), [3, 3, 3, 3, 1]);
        assert_eq!((0..7).map(|at| pairs(7, at)).collect::<Vec<_>>(), [3, 3, 3, 3, 3, 3, 2]);
    }

    proptest! {
        #[test]
        fn groups_are_the_whole_blob_and_no_more(bytes in 0..=(1u64 << 25)) {
            let size = size(bytes);
            let sum: u64 = size.all().iter().map(|at| size.group_bytes(at) as u64).sum();
            prop_assert_eq!(sum, bytes);
            prop_assert!(!size.has(group(u64::from(size.groups()))));
            let last = bytes.checked_sub(1).and_then(|last| size.group_at(last));
            prop_assert_eq!(last.unwrap_or_default(), size.last_group());
            prop_assert_eq!(size.group_at(bytes), None);
        }

        #[test]
        fn no_group_lies_deeper_than_the_bound(bytes in 0..=BLOB_BYTES_MAX, at: u64) {
            let size = size(bytes);
            let at = group(at % u64::from(size.groups()));
            prop_assert!(size.pairs(at) <= PAIRS_MAX);
            prop_assert!(size.group_bytes(at) > 0 || bytes == 0);
        }
    }
}
