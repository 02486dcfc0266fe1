//! Which segments of the postings a query has to ask.
//!
//! Not here: which blocks of a segment (`filter`), what is done with them (`walk`).

use super::directory::{Directory, Root};
use super::filter::{BlockFrames, Filter};
use super::groups::{Bounds, Group};
use super::open_terms::OpenTerms;
use super::postings::{SegmentHead, segment_key};
use super::read::{StoredBlock, missing};
use super::shared::Shared;
use super::state::{State, StreamState};
use super::tables::{Opened, TableResult};
use crate::event::StreamId;
use heed::RoTxn;
use std::sync::Arc;

impl Root {
    /// The segments that may hold a match, each with its bounds.
    ///
    /// # Errors
    /// Those of reading; a damaged group is noted, and all its segments are asked.
    pub(crate) fn segments(
        self,
        shared: &Shared,
        filter: &Filter,
        (opened, transaction): (&Opened, &RoTxn<'_>),
        directory: &Directory,
    ) -> TableResult<Vec<(u64, Bounds)>> {
        let with_bounds = |number: u64| (number, directory.bounds[number as usize]);
        let group = match self {
            Root::Segment(number) => return Ok(vec![with_bounds(number)]),
            Root::Group(group) => group,
        };
        let mut all = 0;
        for terms in filter.terms() {
            let mut met = group.all();
            for number in terms {
                if met != 0 {
                    met &= mask_of(shared, group, *number, opened, transaction)?;
                }
            }
            all |= met;
        }
        let segments =
            group.segments().filter(|number| all >> (number - group.segments().start) & 1 == 1);
        Ok(segments.map(with_bounds).collect())
    }
}

impl StreamState {
    /// Behind the full blocks, or behind the open block of LMDB when that has no match.
    pub(super) fn first_to_look_at(&self, filter: &Filter) -> u64 {
        match &self.open_terms {
            Some(terms) if !filter.admits_open(terms) => self.stored,
            _ => self.indexed.count,
        }
    }
}

impl Shared {
    /// Most bytes of the terms of open blocks.
    pub(crate) fn open_terms_bytes_max(&self) -> usize {
        self.options.cache_bytes_max / 8
    }

    /// Remembers the terms of a stored block when it is the open one of its stream and they are
    /// not known: the next query need not look at it.
    pub(crate) fn learn_open_terms(&self, stream: &StreamId, block: &StoredBlock<'_>) {
        let is_wanted = |state: &State| {
            let end = block.first + block.reader.count() as u64;
            state.open_terms_bytes < self.open_terms_bytes_max()
                && state.streams.get(stream).is_some_and(|held| {
                    let open = (held.indexed.count, held.stored);
                    held.open_terms.is_none() && open == (block.first, end)
                })
        };
        if !is_wanted(&self.state()) {
            return;
        }
        // Whoever delivers from it says what is wrong with it.
        let Ok(terms) = OpenTerms::of_block(&block.reader) else { return };
        let mut state = self.state();
        if is_wanted(&state) {
            state.keep_open_terms(stream, Arc::new(terms), self.open_terms_bytes_max());
        }
    }

    /// A segment, and its blocks that may hold a match.
    ///
    /// # Errors
    /// `corrupt`: the segment is damaged. Those of reading.
    pub(crate) fn blocks_in(
        &self,
        filter: &Filter,
        (opened, transaction): (&Opened, &RoTxn<'_>),
        number: u64,
    ) -> TableResult<(Arc<SegmentHead>, BlockFrames)> {
        let key = segment_key(number);
        let row = opened.postings.get(transaction, &key)?.ok_or_else(missing)?;
        let head = self.segment_head(number, row)?;
        let blocks = filter.blocks_of(&head, &key, row)?;
        Ok((head, blocks))
    }
}

fn mask_of(
    shared: &Shared,
    group: Group,
    number: u32,
    opened: &Opened,
    transaction: &RoTxn<'_>,
) -> TableResult<u64> {
    let found = match opened.groups.get(transaction, &group.key_for(number))? {
        Some(row) => shared.group_or_none(group, group.find(row, number))?,
        // A larger group has taken its place since.
        None => None,
    };
    Ok(found.unwrap_or(group.all()))
}
