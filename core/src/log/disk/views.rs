//! Blocks that are open within one transaction of a walk.
//!
//! Rule: however many streams there are, and whatever their blocks hold, what is kept open stays
//! within a bound; what was closed is opened again when its turn comes.

use super::view::{Spare, View};
use crate::event::block::BlockReader;
use std::collections::VecDeque;

/// So many views of blocks in LMDB are kept open at most, and so many bytes of them.
const VIEWS_MAX: usize = 256;
const BYTES_MAX: usize = 24 << 20;
/// With so many bytes no frame is written out at once any more: its events are read one by one.
const GROWTH_BYTES_MAX: usize = 16 << 20;

/// Blocks that are open.
pub(super) struct Views<'t> {
    /// How many pieces were opened.
    pub(super) opened: usize,
    /// By number; none where one was closed. With the bytes that it had when it was weighed.
    list: Vec<Option<(View<'t>, usize)>>,
    /// Which can be closed, from the oldest on.
    kept: VecDeque<usize>,
    bytes: usize,
    /// Of the view that was done with last.
    spare: Spare<'t>,
}

impl<'t> Views<'t> {
    pub(super) fn new() -> Views<'t> {
        Views {
            opened: 0,
            list: Vec::new(),
            kept: VecDeque::new(),
            bytes: 0,
            spare: Spare::default(),
        }
    }

    /// Keeps a view of a block of LMDB.
    pub(super) fn add_stored(&mut self, reader: BlockReader<'t>) -> usize {
        let spare = std::mem::take(&mut self.spare);
        self.add(View::stored(reader, spare))
    }

    /// A view is done with.
    pub(super) fn close(&mut self, at: usize) {
        let Some((view, bytes)) = self.list[at].take() else { return };
        if let Some(spare) = view.into_spare() {
            self.bytes -= bytes;
            self.spare = spare;
            // It is mostly one of the last.
            if let Some(place) = self.kept.iter().rposition(|kept| *kept == at) {
                self.kept.remove(place);
            }
        }
    }

    /// Keeps a view, instead of the oldest ones of LMDB when there are many.
    pub(super) fn add(&mut self, view: View<'t>) -> usize {
        let at = self.list.len();
        self.opened += 1;
        let bytes = view.bytes();
        if matches!(view, View::Stored(_)) {
            while self.kept.len() >= VIEWS_MAX || self.bytes + bytes > BYTES_MAX {
                let Some(oldest) = self.kept.pop_front() else { break };
                let closed = self.list[oldest].take();
                self.bytes -= closed.map_or(0, |(_, bytes)| bytes);
            }
            self.kept.push_back(at);
            self.bytes += bytes;
        }
        self.list.push(Some((view, bytes)));
        at
    }

    /// Whether the view with this number is still open.
    pub(super) fn is_open(&self, at: usize) -> bool {
        self.list[at].is_some()
    }

    /// An open view.
    ///
    /// # Panics
    /// When it was closed.
    pub(super) fn get(&self, at: usize) -> &View<'t> {
        &self.list[at].as_ref().expect(OPEN).0
    }

    /// An open view.
    ///
    /// # Panics
    /// When it was closed.
    pub(super) fn get_mut(&mut self, at: usize) -> &mut View<'t> {
        &mut self.list[at].as_mut().expect(OPEN).0
    }

    /// Whether views may write out whole frames.
    pub(super) fn may_grow(&self) -> bool {
        self.bytes < GROWTH_BYTES_MAX
    }

    /// Takes down what a view holds by now.
    pub(super) fn weigh(&mut self, at: usize) {
        if let Some((view @ View::Stored(_), bytes)) = &mut self.list[at] {
            let now = view.bytes();
            self.bytes = self.bytes - *bytes + now;
            *bytes = now;
        }
    }
}

const OPEN: &str = "only open views are looked at";
