//! The parts that are open for writing, in memory.
//!
//! Not here: rows and steps (`part`). Rule: a part's own locks are held for moments, and nobody who
//! holds one waits for the store's writer, but for the one of its room. Whoever drops the last of a
//! part does not hold the writer.

use super::files::BlobFile;
use super::lease::Lease;
use super::quota::Promise;
use super::store::Store;
use crate::blob::limits::{PAIR_BYTES, SYNC_STEP_BYTES};
use crate::blob::piece::Piece;
use crate::blob::{BlobId, BlobSize, GROUPS_PER_PAGE, GroupSet};
use crate::error::Result;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The parts that are open for writing.
#[derive(Default)]
pub(crate) struct Moving {
    open: Mutex<BTreeMap<BlobId, Arc<Part>>>,
    /// One part is opened at a time.
    pub(super) door: Mutex<()>,
}

/// A blob of which groups come. It is not collected while this lives.
pub(super) struct Part {
    pub(super) id: BlobId,
    pub(super) size: BlobSize,
    pub(super) number: u64,
    pub(super) data: BlobFile,
    pub(super) tree: Option<BlobFile>,
    state: Mutex<PartState>,
    room: Mutex<Room>,
    /// One step is made at a time.
    pub(super) stepping: Mutex<()>,
    _lease: Lease,
}

pub(super) struct PartState {
    /// All that is written, durable or not.
    pub(super) held: GroupSet,
    /// Pages of which something is written that is not durable.
    pub(super) dirty: BTreeSet<u32>,
    /// Bytes that were written since the last step.
    pub(super) fresh: u64,
    /// A bit for each pair that was written since the part was opened.
    pub(super) saved: Vec<u64>,
    /// What was dirty is being made durable.
    pub(super) is_stepping: bool,
    /// A group was found damaged since the last step began.
    pub(super) has_lost: bool,
    pub(super) is_proven: bool,
    /// It is whole, or another one by now, or a sync failed: nothing more is written to it.
    pub(super) is_over: bool,
}

/// What may be written until the next step.
pub(super) struct Room {
    pub(super) promise: Promise,
    pub(super) wanted: u64,
}

impl Moving {
    pub(super) fn open(&self) -> MutexGuard<'_, BTreeMap<BlobId, Arc<Part>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn part(&self, id: &BlobId) -> Option<Arc<Part>> {
        self.open().get(id).cloned()
    }

    /// Closes all of them.
    pub(super) fn end_all(&self) {
        self.all().iter().for_each(|part| self.end(part));
    }

    pub(super) fn all(&self) -> Vec<Arc<Part>> {
        self.open().values().cloned().collect()
    }

    /// Nothing more is written to it if all that came is durable; true when that is so.
    pub(super) fn end_if_durable(&self, part: &Part) -> bool {
        let mut state = part.state();
        if !state.is_durable() {
            return false;
        }
        state.is_over = true;
        drop(state);
        self.forget(part);
        true
    }

    /// Nothing more is written to it; what is not durable is fetched again.
    pub(super) fn end(&self, part: &Part) {
        part.state().is_over = true;
        self.forget(part);
    }

    fn forget(&self, part: &Part) {
        let mut open = self.open();
        let is_it = open.get(&part.id).is_some_and(|open| std::ptr::eq(&**open, part));
        let ended = if is_it { open.remove(&part.id) } else { None };
        drop(open);
        drop(ended);
    }
}

impl Part {
    pub(super) fn new(
        store: &Arc<Store>,
        (id, size, number): (BlobId, BlobSize, u64),
        (data, tree): (BlobFile, Option<BlobFile>),
        (held, is_proven): (GroupSet, bool),
        lease: Lease,
    ) -> Part {
        let state = PartState {
            held,
            dirty: BTreeSet::new(),
            fresh: 0,
            saved: Vec::new(),
            is_stepping: false,
            has_lost: false,
            is_proven,
            is_over: false,
        };
        let room = Room { promise: Promise::new(store.clone(), None), wanted: 0 };
        let (state, room, stepping) = (Mutex::new(state), Mutex::new(room), Mutex::default());
        Part { id, size, number, data, tree, state, room, stepping, _lease: lease }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, PartState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn room(&self) -> MutexGuard<'_, Room> {
        self.room.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn make_room(&self, bytes: u64) -> Result<()> {
        let mut room = self.room();
        let wanted = room.wanted + bytes;
        room.promise.extend_to(wanted)?;
        room.wanted = wanted;
        Ok(())
    }

    pub(super) fn write(&self, piece: &Piece) -> Result<()> {
        if let Some(tree) = &self.tree {
            for (at, pair) in &piece.pairs {
                let is_saved = self.state().is_saved(*at);
                if !is_saved {
                    tree.write_at(pair, *at)?;
                }
            }
        }
        self.data.write_at(&piece.bytes, piece.group.start())
    }

    /// Counts what was written; whether a step is due, or nothing when it came too late.
    pub(super) fn note(&self, piece: &Piece) -> Option<bool> {
        let mut state = self.state();
        if state.is_over {
            return None;
        }
        piece.pairs.iter().for_each(|(at, _)| state.note_saved(*at));
        state.held.insert(piece.group);
        state.dirty.insert(piece.group.value() / GROUPS_PER_PAGE);
        state.fresh += piece.bytes.len() as u64;
        state.is_proven |= piece.group == self.size.last_group();
        Some(state.held.is_full() || state.fresh >= SYNC_STEP_BYTES)
    }

    pub(super) fn sync(&self) -> Result<()> {
        self.data.sync()?;
        self.tree.as_ref().map_or(Ok(()), BlobFile::sync)
    }
}

impl PartState {
    pub(super) fn is_durable(&self) -> bool {
        self.dirty.is_empty() && !self.is_stepping
    }

    /// Whether the pair at this byte of the tree was written.
    fn is_saved(&self, at: u64) -> bool {
        let (word, bit) = place_of_pair(at);
        self.saved.get(word).is_some_and(|bits| bits >> bit & 1 == 1)
    }

    fn note_saved(&mut self, at: u64) {
        let (word, bit) = place_of_pair(at);
        if self.saved.len() <= word {
            self.saved.resize(word + 1, 0);
        }
        self.saved[word] |= 1 << bit;
    }
}

fn place_of_pair(at: u64) -> (usize, u32) {
    let pair = at / PAIR_BYTES as u64;
    ((pair / 64) as usize, (pair % 64) as u32)
}
