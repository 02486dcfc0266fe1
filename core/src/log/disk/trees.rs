//! A walk through the trees of LMDB's file that believes nothing.
//!
//! Rule: what it has gone through without an error is a tree that LMDB could have written, and
//! each page has one use: no number leads outside, in a circle, or to a page of something else. Not
//! here: which trees count (`pages`), the values. Costs a read of the pages of the trees and not of
//! large values. Begin with [`Walker::tree`]. Source: docs/format.md, "LMDB's file".

use super::block::checked;
use super::page::{
    HEADER_BYTES, Meta, NOWHERE, Node, Tree, Value, damage, read_nodes, read_overflow, u64_at,
};
use super::tables::{FORMER_NAMES, IDEMPOTENCY_NAME, TABLE_NAMES};
use crate::error::Result;
use std::cmp::Ordering;

/// Numbers of the machine's size as keys, little end first.
const INTEGER_KEYS: u16 = 8;
/// As deep as LMDB's own cursors go.
const DEPTH_MAX: u16 = 32;
/// The keys of `events` begin with a stream id.
const STREAM_BYTES: usize = 40;

/// Reads the bytes from a position of the file on.
pub(super) type Read<'a> = &'a dyn Fn(u64, &mut [u8]) -> Result<()>;

/// What the rows of a tree are.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Kind {
    /// By transaction: lists of pages.
    Free,
    /// By name: tables.
    Main,
    /// By our keys. `checked`: the checksum of each value is looked at, because a row that a wrong
    /// key hides would be an answer.
    Table { checked: bool },
}

/// What has been met so far, of one transaction's trees.
pub(super) struct Walker<'a> {
    read: Read<'a>,
    page_bytes: usize,
    last: u64,
    /// A bit for each page that has a use.
    used: Vec<u64>,
    /// The last transaction in the list of free pages.
    pub(super) newest: u64,
    /// Which of our tables there are: a bit for each of `TABLE_NAMES`, then of `FORMER_NAMES`.
    pub(super) tables: u32,
}

/// What has been met of one tree.
struct Walk {
    kind: Kind,
    depth: u16,
    found: Tree,
    /// The large value before: its key, first page and number of pages.
    before: Option<(Vec<u8>, u64, u64)>,
}

impl<'a> Walker<'a> {
    pub(super) fn new(read: Read<'a>, meta: &Meta) -> Walker<'a> {
        let mut used = vec![0; (meta.last / 64 + 1) as usize];
        used[0] = 0b11;
        let (page_bytes, last) = (meta.page_bytes, meta.last);
        Walker { read, page_bytes, last, used, newest: 0, tables: 0 }
    }

    /// Walks through a tree and compares it with what is written about it.
    ///
    /// # Errors
    /// `corrupt`: names the page and what about it. Those of reading.
    pub(super) fn tree(&mut self, tree: &Tree, kind: Kind) -> Result<()> {
        let flags = if kind == Kind::Free { INTEGER_KEYS } else { 0 };
        let found = Tree { flags, depth: tree.depth, root: tree.root, ..Tree::default() };
        let mut walk = Walk { kind, depth: tree.depth, found, before: None };
        if (tree.root == NOWHERE) != (tree.depth == 0) || tree.depth > DEPTH_MAX {
            return Err(damage(tree.root, &format!("begins a tree of depth {}", tree.depth)));
        }
        if tree.root != NOWHERE {
            self.page(&mut walk, tree.root, 1, (None, None))?;
            self.check_before(&mut walk, &[])?;
        }
        if walk.found != *tree {
            let what = format!("begins a tree of {:?} that should be {tree:?}", walk.found);
            return Err(damage(tree.root, &what));
        }
        Ok(())
    }

    /// Checks a page and all below it; its keys are from the first bound up to the second.
    fn page(
        &mut self,
        walk: &mut Walk,
        number: u64,
        depth: u16,
        (from, to): (Option<&[u8]>, Option<&[u8]>),
    ) -> Result<()> {
        self.take(number, 1)?;
        let page = self.bytes(number, 0, self.page_bytes)?;
        let is_leaf = depth == walk.depth;
        let nodes = read_nodes(number, &page, is_leaf)?;
        // LMDB does not look at the first key of a branch.
        let mut before = from;
        for (index, node) in nodes.iter().enumerate().skip(usize::from(!is_leaf)) {
            let order = before.map(|before| compare(walk.kind, before, node.key));
            let is_first = index == usize::from(!is_leaf);
            let may_be = if is_first { Ordering::is_le } else { Ordering::is_lt };
            if !order.is_none_or(may_be) {
                return Err(damage(number, "has keys that do not rise"));
            }
            before = Some(node.key);
        }
        if let (Some(last), Some(to)) = (before, to)
            && compare(walk.kind, last, to).is_ge()
        {
            return Err(damage(number, "has keys that belong behind it"));
        }
        for (index, node) in nodes.iter().enumerate() {
            if let Value::Child(child) = node.value {
                let from = if index == 0 { from } else { Some(node.key) };
                let to = nodes.get(index + 1).map(|next| next.key).or(to);
                self.page(walk, child, depth + 1, (from, to))?;
            } else {
                self.row(walk, number, node)?;
            }
        }
        walk.found.leaves += u64::from(is_leaf);
        walk.found.branches += u64::from(!is_leaf);
        Ok(())
    }

    fn row(&mut self, walk: &mut Walk, number: u64, node: &Node<'_>) -> Result<()> {
        walk.found.rows += 1;
        match (walk.kind, &node.value) {
            (Kind::Free, Value::Inline(list)) => self.free_pages(number, node.key, list),
            (Kind::Free, Value::Large { first, length }) => {
                let pages = read_overflow(*first, &self.bytes(*first, 0, HEADER_BYTES)?)?;
                if pages < self.pages_of(*length) {
                    return Err(damage(*first, "begins too short a list of free pages"));
                }
                self.take(*first, pages)?;
                walk.found.overflow += pages;
                let list = self.bytes(*first, HEADER_BYTES, *length)?;
                self.free_pages(number, node.key, &list)
            }
            (Kind::Main, Value::Tree(tree)) => {
                let mut names = TABLE_NAMES.iter().chain(&FORMER_NAMES);
                if let Some(at) = names.position(|name| name.as_bytes() == node.key) {
                    self.tables |= 1 << at;
                }
                let checked = node.key == IDEMPOTENCY_NAME.as_bytes();
                self.tree(tree, Kind::Table { checked })
            }
            (Kind::Table { checked: true }, Value::Inline(value)) => match checked(node.key, value)
            {
                Ok(_) => Ok(()),
                Err(error) => Err(damage(number, &format!("has a row: {}", error.message()))),
            },
            (Kind::Table { checked: false }, Value::Inline(_)) => self.check_before(walk, node.key),
            (Kind::Table { checked: false }, Value::Large { first, length }) => {
                let pages = self.pages_of(*length);
                self.take(*first, pages)?;
                walk.found.overflow += pages;
                self.check_before(walk, node.key)?;
                walk.before = Some((node.key.to_vec(), *first, pages));
                Ok(())
            }
            _ => Err(damage(number, "has a row that does not belong here")),
        }
    }

    /// Checks the header of the large value before `key` if it was the last one of its stream.
    ///
    /// LMDB reads that header only when a value is replaced or deleted: of ours the last blocks of
    /// streams, and rows whose key is too short to begin with a stream.
    fn check_before(&mut self, walk: &mut Walk, key: &[u8]) -> Result<()> {
        let Some((before, first, pages)) = walk.before.take() else { return Ok(()) };
        if before.get(..STREAM_BYTES).is_some_and(|stream| key.starts_with(stream)) {
            return Ok(());
        }
        if read_overflow(first, &self.bytes(first, 0, HEADER_BYTES)?)? != pages {
            return Err(damage(first, "begins a large value of another size"));
        }
        Ok(())
    }

    /// A row of the list of free pages: their number, then pages that fall.
    fn free_pages(&mut self, number: u64, key: &[u8], list: &[u8]) -> Result<()> {
        let mut numbers = list.chunks_exact(8).map(|page| u64_at(page, 0));
        let count = numbers.next().unwrap_or(u64::MAX);
        if key.len() != 8 || !list.len().is_multiple_of(8) || count > numbers.len() as u64 {
            return Err(damage(number, "has no list of free pages where one belongs"));
        }
        self.newest = u64_at(key, 0);
        if self.newest == 0 {
            // LMDB would begin the list anew after it, and give its pages twice.
            return Err(damage(number, "has free pages of transaction 0"));
        }
        let mut before = u64::MAX;
        for page in numbers.take(count as usize) {
            if page >= before {
                return Err(damage(number, "has free pages in disorder"));
            }
            self.take(page, 1)?;
            before = page;
        }
        Ok(())
    }

    /// Notes that these pages have a use; each has one.
    fn take(&mut self, first: u64, count: u64) -> Result<()> {
        if first > self.last || count > self.last - first + 1 {
            return Err(damage(first, &format!("is behind the last page, {}", self.last)));
        }
        for page in first..first + count {
            let (word, bit) = ((page / 64) as usize, 1 << (page % 64));
            if self.used[word] & bit != 0 {
                return Err(damage(page, "is used twice"));
            }
            self.used[word] |= bit;
        }
        Ok(())
    }

    fn bytes(&self, page: u64, at: usize, length: usize) -> Result<Vec<u8>> {
        if page > self.last {
            return Err(damage(page, &format!("is behind the last page, {}", self.last)));
        }
        let mut bytes = vec![0; length];
        (self.read)(page * self.page_bytes as u64 + at as u64, &mut bytes)?;
        Ok(bytes)
    }

    fn pages_of(&self, length: usize) -> u64 {
        (HEADER_BYTES + length).div_ceil(self.page_bytes) as u64
    }
}

/// The order of two keys as LMDB sees it.
fn compare(kind: Kind, one: &[u8], other: &[u8]) -> Ordering {
    match kind {
        // Little end first; keys of another length are refused where their rows are.
        Kind::Free => one.iter().rev().cmp(other.iter().rev()),
        _ => one.cmp(other),
    }
}
