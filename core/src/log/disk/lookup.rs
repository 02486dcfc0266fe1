//! Which segments of the postings a query has to ask.
//!
//! Not here: which blocks of a segment (`filter`), what is done with them (`walk`).

use super::directory::{Directory, Root};
use super::filter::Filter;
use super::groups::{Bounds, Group};
use super::postings::{SegmentHead, bucket_and_mark, segment_key};
use super::read::missing;
use super::shared::Shared;
use super::tables::{Opened, TableResult};
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

impl Shared {
    /// A segment, and its blocks that may hold a match: their index, and which of their frames.
    ///
    /// # Errors
    /// `corrupt`: the segment is damaged. Those of reading.
    pub(crate) fn blocks_in(
        &self,
        filter: &Filter,
        (opened, transaction): (&Opened, &RoTxn<'_>),
        number: u64,
    ) -> TableResult<(Arc<SegmentHead>, Vec<(usize, u16)>)> {
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
    let row = opened.groups.get(transaction, &group.key(bucket_and_mark(number).0))?;
    let found = match row {
        Some(row) => shared.group_or_none(group, group.find(row, number))?,
        // Without a row no term of the bucket is in it, if the group is still there: a larger one
        // may have taken its place since.
        None if opened.has_group(transaction, group)? => Some(0),
        None => None,
    };
    Ok(found.unwrap_or(group.all()))
}
