//! The rows of table `blobs`, and their keys.
//!
//! Not here: who reads and writes them (`store`), their checksums (the table's). Pure. Rule: each
//! value has one form, and a reader refuses every other one. Source: docs/format.md, "Blobs".

use crate::blob::BlobId;
use crate::blob::about::About;
use crate::blob::limits::{BLOB_BYTES_MAX, GROUP_BYTES, INLINE_BYTES_MAX};
use crate::error::Result;
use crate::event::WallTime;
use crate::event::codec::{Reader, bad};
use bytes::Bytes;

/// Key of the row of counters.
pub(crate) const COUNTERS_KEY: [u8; 1] = [0];
/// First byte of the keys of blobs.
pub(crate) const BLOB: u8 = 1;
/// Of the keys of numbers in use.
pub(crate) const NUMBER: u8 = 2;
/// Of the keys of pages.
pub(crate) const PAGE: u8 = 3;
/// Of the keys of numbers whose files are to be removed.
pub(crate) const GOING: u8 = 4;
/// Of the keys of blobs that are collected, until their files are gone.
pub(crate) const COLLECTED: u8 = 5;
/// Groups whose bits make up one page.
pub(crate) const PAGE_GROUPS: u64 = 32_768;
const PAGE_BYTES: usize = (PAGE_GROUPS / 8) as usize;

/// No number is above this; a row that says so is damaged.
pub(crate) const NUMBER_MAX: u64 = 1 << 62;

const SIZE_PROVEN: u8 = 1;
const REFERENCED: u8 = 2;
const OWN_ABOUT: u8 = 4;

/// How much there is of everything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counters {
    /// Every number in use is below this one.
    pub(crate) reserved: u64,
    /// Blobs that are here whole, as files.
    pub(crate) whole: u64,
    /// Blobs of which only some groups are here.
    pub(crate) parts: u64,
    /// Blobs that are rows.
    pub(crate) inline: u64,
    /// Bytes of all of them, as far as they are here.
    pub(crate) bytes: u64,
}

/// What is known of a blob.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BlobRow {
    pub(crate) content: Content,
    /// Bytes.
    pub(crate) size: u64,
    /// We added it, or verified its last group.
    pub(crate) size_proven: bool,
    /// An event that is held was seen to refer to it.
    pub(crate) referenced: bool,
    /// `about` was said here.
    pub(crate) own_about: bool,
    /// When it was added or last asked for.
    pub(crate) touched: WallTime,
    pub(crate) about: About,
}

/// Where its bytes are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    Inline(Bytes),
    Whole { number: u64 },
    Part { number: u64, groups: u64 },
}

/// Groups of a blob of `size` bytes: an empty one has one.
pub(crate) fn groups_of(size: u64) -> u64 {
    size.div_ceil(GROUP_BYTES as u64).max(1)
}

impl Counters {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let fields = [self.reserved, self.whole, self.parts, self.inline, self.bytes];
        fields.iter().flat_map(|field| field.to_le_bytes()).collect()
    }

    pub(crate) fn read(row: &[u8]) -> Result<Counters> {
        let mut reader = Reader::new(row);
        let mut next = || reader.u64();
        let (reserved, whole, parts, inline) = (next()?, next()?, next()?, next()?);
        let bytes = next()?;
        reader.finish()?;
        if reserved > 2 * NUMBER_MAX {
            return Err(bad("more numbers are reserved than there are"));
        }
        Ok(Counters { reserved, whole, parts, inline, bytes })
    }

    /// Counts a blob.
    pub(crate) fn add(&mut self, row: &BlobRow) {
        match row.content {
            Content::Inline(_) => self.inline += 1,
            Content::Whole { .. } => self.whole += 1,
            Content::Part { .. } => self.parts += 1,
        }
        self.bytes += row.held_bytes();
    }

    /// Does not count it any more.
    pub(crate) fn remove(&mut self, row: &BlobRow) {
        let count = match row.content {
            Content::Inline(_) => &mut self.inline,
            Content::Whole { .. } => &mut self.whole,
            Content::Part { .. } => &mut self.parts,
        };
        // A row that was damaged may have been counted otherwise.
        *count = count.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(row.held_bytes());
    }
}

impl BlobRow {
    /// Its number; none of a blob that is a row.
    pub(crate) fn number(&self) -> Option<u64> {
        match self.content {
            Content::Inline(_) => None,
            Content::Whole { number } | Content::Part { number, .. } => Some(number),
        }
    }

    /// True when all of it is here.
    pub(crate) fn is_whole(&self) -> bool {
        !matches!(self.content, Content::Part { .. })
    }

    /// Bytes that are here; of a part those of full groups.
    pub(crate) fn held_bytes(&self) -> u64 {
        match self.content {
            Content::Part { groups, .. } => self.size.min(groups * GROUP_BYTES as u64),
            _ => self.size,
        }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let (state, groups) = match self.content {
            Content::Inline(_) => (1, 1),
            Content::Whole { .. } => (2, groups_of(self.size)),
            Content::Part { groups, .. } => (3, groups),
        };
        let flag = |is_set: bool, flag: u8| if is_set { flag } else { 0 };
        let flags = flag(self.size_proven, SIZE_PROVEN)
            | flag(self.referenced, REFERENCED)
            | flag(self.own_about, OWN_ABOUT);
        let mut row = vec![state, flags];
        row.extend_from_slice(&self.size.to_le_bytes());
        row.extend_from_slice(&self.number().unwrap_or(0).to_le_bytes());
        row.extend_from_slice(&self.touched.micros().to_le_bytes());
        row.extend_from_slice(&groups.to_le_bytes());
        self.about.encode(&mut row);
        if let Content::Inline(bytes) = &self.content {
            row.extend_from_slice(bytes);
        }
        row
    }

    /// # Errors
    /// `corrupt`, `limit_exceeded`: it is not of that form.
    pub(crate) fn read(row: &[u8]) -> Result<BlobRow> {
        let mut reader = Reader::new(row);
        let (state, flags) = (reader.u8()?, reader.u8()?);
        let (size, number) = (reader.u64()?, reader.u64()?);
        let touched = WallTime::from_micros(i64::from_le_bytes(reader.array()?));
        let groups = reader.u64()?;
        let about = About::read(&mut reader)?;
        let rest = reader.rest();
        let is_inline = rest.len() as u64 == size && size <= INLINE_BYTES_MAX as u64;
        let content = match state {
            1 if is_inline && groups == 1 && number == 0 => {
                Content::Inline(Bytes::copy_from_slice(rest))
            }
            2 if rest.is_empty() && groups == groups_of(size) => Content::Whole { number },
            3 if rest.is_empty() && groups <= groups_of(size) => Content::Part { number, groups },
            _ => return Err(bad("the row of a blob contradicts itself")),
        };
        let is_beyond = size > BLOB_BYTES_MAX || number > NUMBER_MAX;
        if is_beyond || flags > (SIZE_PROVEN | REFERENCED | OWN_ABOUT) {
            return Err(bad("the row of a blob says what no row says"));
        }
        let is_set = |flag: u8| flags & flag != 0;
        let (size_proven, referenced) = (is_set(SIZE_PROVEN), is_set(REFERENCED));
        let own_about = is_set(OWN_ABOUT);
        Ok(BlobRow { content, size, size_proven, referenced, own_about, touched, about })
    }
}

pub(crate) fn blob_key(id: &BlobId) -> Vec<u8> {
    [&[BLOB][..], id.as_bytes()].concat()
}

/// The row of a blob that is collected is the one it had.
pub(crate) fn collected_key(id: &BlobId) -> Vec<u8> {
    [&[COLLECTED][..], id.as_bytes()].concat()
}

/// The blob that a key of this kind names; none when it is of another one.
pub(crate) fn blob_of_key(key: &[u8], kind: u8) -> Option<BlobId> {
    let id = key.strip_prefix(&[kind])?;
    Some(BlobId::from_bytes(id.try_into().ok()?))
}

/// The row of a number in use has the id of its blob.
pub(crate) fn number_key(number: u64) -> Vec<u8> {
    [&[NUMBER][..], &number.to_be_bytes()].concat()
}

/// The row of a number whose files are to be removed.
pub(crate) fn going_key(number: u64) -> Vec<u8> {
    [&[GOING][..], &number.to_be_bytes()].concat()
}

/// The number that a key of `number_key` or `going_key` has.
pub(crate) fn number_of_key(key: &[u8], kind: u8) -> Option<u64> {
    let number = u64::from_be_bytes(key.strip_prefix(&[kind])?.try_into().ok()?);
    (number <= NUMBER_MAX).then_some(number)
}

pub(crate) fn page_key(id: &BlobId, page: u32) -> Vec<u8> {
    [&[PAGE][..], id.as_bytes(), &page.to_be_bytes()].concat()
}

/// How many pages the groups of a blob of `size` bytes take.
pub(crate) fn pages_of(size: u64) -> u32 {
    groups_of(size).div_ceil(PAGE_GROUPS) as u32
}

/// A page of a blob of `size` bytes with a bit for each group, all of them set.
pub(crate) fn full_page(size: u64, page: u32) -> Vec<u8> {
    let left = groups_of(size) - u64::from(page) * PAGE_GROUPS;
    let mut bits = vec![0; PAGE_BYTES];
    for group in 0..left.min(PAGE_GROUPS) as usize {
        bits[group / 8] |= 1 << (group % 8);
    }
    bits
}

/// Whether the bit of a group is set in its page.
pub(crate) fn has_bit(page: &[u8], group: u64) -> bool {
    let (byte, bit) = place_of_bit(group);
    page.get(byte).is_some_and(|bits| bits & bit != 0)
}

/// Clears the bit of a group in its page; true when it was set.
pub(crate) fn clear_bit(page: &mut [u8], group: u64) -> bool {
    let (byte, bit) = place_of_bit(group);
    let was_set = has_bit(page, group);
    if was_set {
        page[byte] &= !bit;
    }
    was_set
}

fn place_of_bit(group: u64) -> (usize, u8) {
    let place = (group % PAGE_GROUPS) as usize;
    (place / 8, 1 << (place % 8))
}
