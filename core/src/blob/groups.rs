//! Which groups of a blob are held.
//!
//! Invariant: a page is kept only when it is neither empty nor full, so a set costs what is ragged
//! in it: 4 KiB for each 2 GiB of the blob in which something is missing and something is not.

use crate::blob::limits::GROUPS_MAX;
use crate::blob::size::{BlobSize, GroupIndex, GroupRange};
use crate::error::Result;
use crate::event::codec::bad;
use std::collections::BTreeMap;
use std::fmt;

/// Bytes of a page: a bit for each group, the first one the lowest bit of the first byte.
pub const PAGE_BYTES: usize = 4096;
/// Groups of a page.
pub const GROUPS_PER_PAGE: u32 = PAGE_BYTES as u32 * 8;

const WORDS: usize = PAGE_BYTES / 8;

/// A set of the groups of one blob.
#[derive(Clone, PartialEq, Eq)]
pub struct GroupSet {
    /// How many groups the blob has.
    groups: u32,
    /// How many of them are in the set.
    count: u32,
    pages: BTreeMap<u32, Page>,
}

#[derive(Clone, PartialEq, Eq)]
enum Page {
    Full,
    Ragged { words: Box<[u64; WORDS]>, count: u32 },
}

impl GroupSet {
    /// None of the groups of a blob of this size.
    pub fn empty(size: BlobSize) -> GroupSet {
        GroupSet { groups: size.groups(), count: 0, pages: BTreeMap::new() }
    }

    /// All groups of a blob of this size.
    pub fn full(size: BlobSize) -> GroupSet {
        let groups = size.groups();
        let pages = (0..groups.div_ceil(GROUPS_PER_PAGE)).map(|page| (page, Page::Full)).collect();
        GroupSet { groups, count: groups, pages }
    }

    /// How many groups the blob has.
    pub fn groups(&self) -> u32 {
        self.groups
    }

    /// How many groups are in the set.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// True when no group is in the set.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// True when every group is in the set.
    pub fn is_full(&self) -> bool {
        self.count == self.groups
    }

    /// Whether `group` is in the set.
    pub fn contains(&self, group: GroupIndex) -> bool {
        let (page, bit) = place(group.value());
        match self.pages.get(&page) {
            None => false,
            Some(Page::Full) => group.value() < self.groups,
            Some(Page::Ragged { words, .. }) => words[bit / 64] >> (bit % 64) & 1 == 1,
        }
    }

    /// Adds a group; false when it was there, or the blob does not have it.
    pub fn insert(&mut self, group: GroupIndex) -> bool {
        if group.value() >= self.groups || self.contains(group) {
            return false;
        }
        let (page, bit) = place(group.value());
        let room = self.page_groups(page);
        let empty = || Page::Ragged { words: Box::new([0; WORDS]), count: 0 };
        let held = self.pages.entry(page).or_insert_with(empty);
        if let Page::Ragged { words, count } = held {
            words[bit / 64] |= 1 << (bit % 64);
            *count += 1;
            if *count == room {
                *held = Page::Full;
            }
        }
        self.count += 1;
        true
    }

    /// Adds the groups of a range that the blob has.
    pub fn insert_range(&mut self, range: GroupRange) {
        let range = range.below(self.groups);
        let mut at = range.first();
        while at < range.end() {
            let page = at / GROUPS_PER_PAGE;
            let end = (page * GROUPS_PER_PAGE + GROUPS_PER_PAGE).min(self.groups);
            if at.is_multiple_of(GROUPS_PER_PAGE) && range.end() >= end {
                let room = end - at;
                let before = self.pages.insert(page, Page::Full);
                self.count += room - before.map_or(0, |page| page.count(room));
                at = end;
            } else {
                self.insert(GroupRange::from_numbers(at, at + 1).iter().next().expect("one"));
                at += 1;
            }
        }
    }

    /// Takes a group out; false when it was not there.
    pub fn remove(&mut self, group: GroupIndex) -> bool {
        if !self.contains(group) {
            return false;
        }
        let (page, bit) = place(group.value());
        let room = self.page_groups(page);
        let held = self.pages.get_mut(&page).expect("it contains the group");
        if *held == Page::Full {
            *held = Page::Ragged { words: first_ones(room), count: room };
        }
        if let Page::Ragged { words, count } = held {
            words[bit / 64] &= !(1 << (bit % 64));
            *count -= 1;
            if *count == 0 {
                self.pages.remove(&page);
            }
        }
        self.count -= 1;
        true
    }

    /// The first group from `from` on that is not in the set.
    pub fn next_missing(&self, from: u32) -> Option<GroupIndex> {
        self.next(from, false)
    }

    /// The first group from `from` on that is in the set.
    pub fn next_held(&self, from: u32) -> Option<GroupIndex> {
        self.next(from, true)
    }

    /// The runs of groups in the set, rising, `count_max` at most.
    pub fn spans(&self, count_max: usize) -> Vec<GroupRange> {
        let (mut spans, mut at) = (Vec::new(), 0);
        while spans.len() < count_max {
            let Some(first) = self.next_held(at) else { break };
            let end = self.next_missing(first.value()).map_or(self.groups, GroupIndex::value);
            spans.push(GroupRange::from_numbers(first.value(), end));
            at = end;
        }
        spans
    }

    /// Numbers of the pages in which something is held, rising.
    pub fn pages(&self) -> impl Iterator<Item = u32> {
        self.pages.keys().copied()
    }

    /// The bits of a page; all 0 for one in which nothing is held.
    pub fn page(&self, page: u32) -> [u8; PAGE_BYTES] {
        let words = match self.pages.get(&page) {
            None => Box::new([0; WORDS]),
            Some(Page::Full) => first_ones(self.page_groups(page)),
            Some(Page::Ragged { words, .. }) => words.clone(),
        };
        let mut bytes = [0; PAGE_BYTES];
        for (to, word) in bytes.chunks_exact_mut(8).zip(words.iter()) {
            to.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    /// Takes the bits of a page, as [`GroupSet::page`] gave them, in place of those it has.
    ///
    /// # Errors
    /// `corrupt`: the blob does not have such a page, or not all of these groups. Nothing changes.
    pub fn set_page(&mut self, page: u32, bytes: &[u8; PAGE_BYTES]) -> Result<()> {
        let room = self.page_groups(page);
        let mut words = Box::new([0; WORDS]);
        for (word, from) in words.iter_mut().zip(bytes.chunks_exact(8)) {
            *word = u64::from_le_bytes(from.try_into().expect("8 bytes"));
        }
        let all = first_ones(room);
        if room == 0 || words.iter().zip(all.iter()).any(|(word, all)| word & !all != 0) {
            return Err(bad(format!("a page {page} of groups is beyond the end of its blob")));
        }
        let count = words.iter().map(|word| word.count_ones()).sum();
        let before = match count {
            0 => self.pages.remove(&page),
            count if count == room => self.pages.insert(page, Page::Full),
            count => self.pages.insert(page, Page::Ragged { words, count }),
        };
        self.count = self.count - before.map_or(0, |page| page.count(room)) + count;
        Ok(())
    }

    /// Panics when the invariants do not hold. Takes time with the size; for tests.
    pub fn check(&self) {
        let mut sum = 0;
        for (number, page) in &self.pages {
            let room = self.page_groups(*number);
            if let Page::Ragged { words, count } = page {
                let all = first_ones(room);
                assert!(words.iter().zip(all.iter()).all(|(word, all)| word & !all == 0));
                assert_eq!(*count, words.iter().map(|word| word.count_ones()).sum::<u32>());
                assert!(0 < *count && *count < room, "page {number} is empty or full");
            }
            sum += page.count(room);
        }
        assert_eq!(self.count, sum);
        assert!(self.count <= self.groups && self.groups <= GROUPS_MAX);
    }

    /// How many groups of the blob belong to a page; 0 when it is beyond the end.
    fn page_groups(&self, page: u32) -> u32 {
        let first = u64::from(page) * u64::from(GROUPS_PER_PAGE);
        let left = u64::from(self.groups).saturating_sub(first);
        left.min(GROUPS_PER_PAGE.into()) as u32
    }

    /// The first group from `from` on that is held, or is not.
    fn next(&self, from: u32, held: bool) -> Option<GroupIndex> {
        let mut at = from;
        while at < self.groups {
            let (page, bit) = place(at);
            let page_end = (page + 1) * GROUPS_PER_PAGE;
            let found = match self.pages.get(&page) {
                None => (!held).then_some(at),
                Some(Page::Full) => held.then_some(at),
                Some(Page::Ragged { words, .. }) => {
                    let found = next_bit(words, bit, held);
                    found.map(|bit| page * GROUPS_PER_PAGE + bit as u32)
                }
            };
            match found {
                Some(found) if found < self.groups => {
                    return GroupIndex::new(found.into()).ok();
                }
                _ => at = page_end,
            }
        }
        None
    }
}

impl fmt::Debug for GroupSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GroupSet({} of {})", self.count, self.groups)
    }
}

impl Page {
    fn count(&self, room: u32) -> u32 {
        match self {
            Page::Full => room,
            Page::Ragged { count, .. } => *count,
        }
    }
}

/// The page of a group, and its bit there.
fn place(group: u32) -> (u32, usize) {
    (group / GROUPS_PER_PAGE, (group % GROUPS_PER_PAGE) as usize)
}

/// A page of which the first `count` bits are set.
fn first_ones(count: u32) -> Box<[u64; WORDS]> {
    let mut words = Box::new([0; WORDS]);
    for (index, word) in words.iter_mut().enumerate() {
        let left = u64::from(count).saturating_sub(index as u64 * 64);
        *word = if left >= 64 { u64::MAX } else { (1 << left) - 1 };
    }
    words
}

/// The first bit from `from` on that is set, or is not.
fn next_bit(words: &[u64; WORDS], from: usize, set: bool) -> Option<usize> {
    let flip = if set { 0 } else { u64::MAX };
    let mut index = from / 64;
    let mut word = (words[index] ^ flip) & (u64::MAX << (from % 64));
    while word == 0 {
        index += 1;
        word = words.get(index)? ^ flip;
    }
    Some(index * 64 + word.trailing_zeros() as usize)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blob::limits::GROUP_BYTES;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn size(groups: u32) -> BlobSize {
        BlobSize::new(u64::from(groups) * GROUP_BYTES as u64).unwrap()
    }

    fn group(number: u32) -> GroupIndex {
        GroupIndex::new(number.into()).unwrap()
    }

    fn range(first: u32, end: u32) -> GroupRange {
        GroupRange::new(first.into(), end.into()).unwrap()
    }

    #[test]
    fn a_page_that_is_full_or_empty_costs_nothing() {
        let groups = 3 * GROUPS_PER_PAGE + 5;
        let mut set = GroupSet::empty(size(groups));
        set.insert_range(range(0, groups));
        assert_eq!(set, GroupSet::full(size(groups)));
        assert!(set.pages.values().all(|page| *page == Page::Full));
        assert!(set.remove(group(GROUPS_PER_PAGE)) && !set.remove(group(GROUPS_PER_PAGE)));
        set.check();
        assert_eq!(set.next_missing(7), Some(group(GROUPS_PER_PAGE)));
        assert_eq!(set.spans(9), [range(0, GROUPS_PER_PAGE), range(GROUPS_PER_PAGE + 1, groups)]);
        assert!(set.insert(group(GROUPS_PER_PAGE)) && set.is_full());
        assert!(!set.insert(group(groups)), "the blob does not have it");
        set.check();
    }

    #[test]
    fn a_page_beyond_the_end_is_refused_and_changes_nothing() {
        let mut set = GroupSet::empty(size(12));
        set.insert(group(3));
        let before = set.clone();
        let mut bits = [0; PAGE_BYTES];
        bits[1] = 0b1_0000;
        assert!(set.set_page(0, &bits).is_err(), "group 12 of 12");
        assert!(set.set_page(1, &[0; PAGE_BYTES]).is_err());
        assert!(set.set_page(u32::MAX, &[0; PAGE_BYTES]).is_err());
        assert_eq!(set, before);
        bits[1] = 0b1000;
        set.set_page(0, &bits).unwrap();
        assert_eq!(set.spans(9), [range(11, 12)]);
    }

    proptest! {
        #[test]
        fn a_set_is_what_a_plain_one_says(
            groups in prop_oneof![1..200u32, GROUPS_PER_PAGE - 3..GROUPS_PER_PAGE + 60],
            steps in prop::collection::vec((0..4u8, any::<u32>(), 0..90u32), 0..60),
        ) {
            let mut set = GroupSet::empty(size(groups));
            let mut model = BTreeSet::new();
            for (action, at, count) in steps {
                let at = if action < 2 { at % groups } else { groups - 1 - at % groups.min(70) };
                let end = (at + count).min(groups);
                match action {
                    0 | 2 => { set.insert_range(range(at, end)); model.extend(at..end); }
                    1 => prop_assert_eq!(set.insert(group(at)), model.insert(at)),
                    _ => prop_assert_eq!(set.remove(group(at)), model.remove(&at)),
                }
                set.check();
                prop_assert_eq!(set.count() as usize, model.len());
                let held = set.next_held(at).map(GroupIndex::value);
                prop_assert_eq!(held, model.range(at..).next().copied());
                let missing = set.next_missing(at).map(GroupIndex::value);
                prop_assert_eq!(missing, (at..groups).find(|at| !model.contains(at)));
            }
            let spans = set.spans(usize::MAX);
            let numbers = spans.iter().flat_map(|span| span.first()..span.end());
            prop_assert!(numbers.eq(model.iter().copied()));
            prop_assert!(spans.windows(2).all(|pair| pair[0].end() < pair[1].first()));
            let mut again = GroupSet::empty(size(groups));
            for page in set.pages() {
                again.set_page(page, &set.page(page)).unwrap();
            }
            prop_assert_eq!(again, set);
        }
    }
}
