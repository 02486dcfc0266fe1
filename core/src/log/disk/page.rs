//! What LMDB writes on a page: metas, rows of trees, nodes.
//!
//! Not here: which page leads to which (`pages`). Pure, without I/O. Rule: nothing is believed; a
//! number that leads out of its page is an error. Source: docs/format.md, "LMDB's file".

use crate::error::{Error, ErrorKind, Result};

pub(super) const HEADER_BYTES: usize = 16;
/// Bytes of a meta page that mean something.
pub(super) const META_BYTES: usize = HEADER_BYTES + 136;
/// The root of a tree without rows.
pub(super) const NOWHERE: u64 = u64::MAX;
const MAGIC: u32 = 0xbeef_c0de;
const DATA_VERSION: u32 = 1;
const PAGE_BYTES: std::ops::RangeInclusive<usize> = 512..=32_768;
const NODE_HEADER_BYTES: usize = 8;
const KEY_BYTES_MAX: usize = 511;
/// Flags of a page.
const BRANCH: u16 = 1;
const LEAF: u16 = 2;
const OVERFLOW: u16 = 4;
const META: u16 = 8;
/// Flags of a node on a leaf.
const LARGE: u16 = 1;
const TREE: u16 = 2;

/// One of the two pages that a file begins with.
pub(super) struct Meta {
    pub(super) page_bytes: usize,
    pub(super) free: Tree,
    pub(super) main: Tree,
    /// Number of the last page in use.
    pub(super) last: u64,
    pub(super) transaction: u64,
}

/// What is written about a tree: where it begins and how much it has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Tree {
    pub(super) flags: u16,
    pub(super) depth: u16,
    pub(super) branches: u64,
    pub(super) leaves: u64,
    pub(super) overflow: u64,
    pub(super) rows: u64,
    pub(super) root: u64,
}

/// One row of a page.
pub(super) struct Node<'a> {
    pub(super) key: &'a [u8],
    pub(super) value: Value<'a>,
}

pub(super) enum Value<'a> {
    /// Of a branch: the page below.
    Child(u64),
    Inline(&'a [u8]),
    /// On pages of its own, from `first` on.
    Large {
        first: u64,
        length: usize,
    },
    Tree(Tree),
}

impl Meta {
    /// Reads meta page `number` from its first `META_BYTES`.
    pub(super) fn read(number: u64, page: &[u8]) -> Result<Meta> {
        let meta = Meta {
            page_bytes: u32_at(page, 40) as usize,
            free: Tree::read(&page[40..]),
            main: Tree::read(&page[88..]),
            last: u64_at(page, 136),
            transaction: u64_at(page, 144),
        };
        let begins = u64_at(page, 0) == number && u16_at(page, 10) == META;
        if !begins || u32_at(page, 16) != MAGIC || u32_at(page, 20) != DATA_VERSION {
            return Err(damage(number, "is no meta page of LMDB's data version 1"));
        }
        if !meta.page_bytes.is_power_of_two() || !PAGE_BYTES.contains(&meta.page_bytes) {
            return Err(damage(number, &format!("says that pages have {} bytes", meta.page_bytes)));
        }
        Ok(meta)
    }
}

impl Tree {
    pub(super) const BYTES: usize = 48;

    fn read(row: &[u8]) -> Tree {
        Tree {
            flags: u16_at(row, 4),
            depth: u16_at(row, 6),
            branches: u64_at(row, 8),
            leaves: u64_at(row, 16),
            overflow: u64_at(row, 24),
            rows: u64_at(row, 32),
            root: u64_at(row, 40),
        }
    }
}

/// The nodes of a whole page, in the order of the keys.
///
/// They fill it from its upper bound to its end without a gap, as LMDB leaves them, so a wrong
/// position or length of one shows, also where it stays inside the page.
pub(super) fn read_nodes(number: u64, page: &[u8], is_leaf: bool) -> Result<Vec<Node<'_>>> {
    let flags = if is_leaf { LEAF } else { BRANCH };
    if u64_at(page, 0) != number || u16_at(page, 10) != flags {
        return Err(damage(number, &format!("is not the page of type {flags} that belongs here")));
    }
    let (lower, upper) = (usize::from(u16_at(page, 12)), usize::from(u16_at(page, 14)));
    // LMDB ends the process at a branch that leads to one page only.
    let least = HEADER_BYTES + if is_leaf { 2 } else { 4 };
    if lower < least || lower % 2 != 0 || lower > upper || upper > page.len() {
        return Err(damage(number, &format!("has its bounds at {lower} and {upper}")));
    }
    let mut nodes = Vec::with_capacity((lower - HEADER_BYTES) / 2);
    let mut spans = Vec::with_capacity(nodes.capacity());
    for place in (HEADER_BYTES..lower).step_by(2) {
        let start = usize::from(u16_at(page, place));
        let node = page.get(start..).and_then(|bytes| read_node(bytes, is_leaf));
        let Some((node, bytes)) = node else {
            return Err(damage(number, &format!("has no whole row at byte {start}")));
        };
        spans.push((start, start + bytes.next_multiple_of(2)));
        nodes.push(node);
    }
    spans.sort_unstable();
    let is_packed = spans.windows(2).all(|pair| pair[0].1 == pair[1].0);
    if !is_packed || spans[0].0 != upper || spans[spans.len() - 1].1 != page.len() {
        return Err(damage(number, "has rows that overlap or leave gaps"));
    }
    Ok(nodes)
}

/// A node and its bytes; `None` where it is not whole or of no kind that we write.
fn read_node(bytes: &[u8], is_leaf: bool) -> Option<(Node<'_>, usize)> {
    let (header, rest) = bytes.split_at_checked(NODE_HEADER_BYTES)?;
    let (low, flags) = (u32_at(header, 0), u16_at(header, 4));
    let (key, rest) = rest.split_at_checked(usize::from(u16_at(header, 6)))?;
    let length = low as usize;
    let (value, value_bytes) = match (is_leaf, flags) {
        (false, _) => (Value::Child(u64::from(low) | u64::from(flags) << 32), 0),
        (true, 0) => (Value::Inline(rest.get(..length)?), length),
        (true, LARGE) => (Value::Large { first: u64_at(rest.get(..8)?, 0), length }, 8),
        (true, TREE) if length == Tree::BYTES => {
            (Value::Tree(Tree::read(rest.get(..length)?)), length)
        }
        _ => return None,
    };
    if key.len() > KEY_BYTES_MAX || (is_leaf && key.is_empty()) {
        return None;
    }
    Some((Node { key, value }, NODE_HEADER_BYTES + key.len() + value_bytes))
}

/// The number of pages of the large value that begins on page `number`, from its header.
pub(super) fn read_overflow(number: u64, header: &[u8]) -> Result<u64> {
    if u64_at(header, 0) != number || u16_at(header, 10) != OVERFLOW {
        return Err(damage(number, "does not begin the large value that belongs here"));
    }
    Ok(u64::from(u32_at(header, 12)))
}

pub(super) fn damage(page: u64, what: &str) -> Error {
    Error::new(ErrorKind::Corrupt, format!("page {page} {what}"))
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(bytes[at..at + 2].try_into().expect("two bytes"))
}
