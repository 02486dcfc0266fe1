//! A query ready for the log: which blocks and frames to look at, and which events to deliver.
//!
//! No I/O. Rule: skipping may keep too much and never drops a match; what is delivered was judged.

use super::block::Summary;
use super::open_terms::OpenTerms;
use super::postings::{Frames, SEGMENT_BLOCKS, SegmentHead};
use super::run::Run;
use super::terms::{TermKind, term_number};
use crate::error::Result;
use crate::event::block::{BlockReader, FRAME_EVENTS, Frame};
use crate::event::codec::Reader;
use crate::event::limits::TAG_BYTES_MAX;
use crate::event::{EventKey, EventKind, Lamport, NodeId, Record, StreamId, WallTime};
use crate::query::{Conjunction, Interval, Plan, Query, RecordSubject, Subject};
use std::ops::Bound;

/// Blocks of a segment by their index, and of each the frames that may hold a match, as bits.
pub(crate) type BlockFrames = Vec<(usize, u16)>;

/// A query and its plan, for one answering node.
pub(crate) struct Filter {
    query: Query,
    plan: Plan,
    /// The numbers of the terms of each conjunction.
    terms: Vec<Vec<u32>>,
    /// Beside what the query says.
    keys: Interval<EventKey>,
    own_node: NodeId,
}

impl Filter {
    pub(crate) fn new(query: &Query, own_node: NodeId) -> Filter {
        Filter::between(query, own_node, Interval::ALL)
    }

    /// As `new`, for events with a key in `keys` only.
    pub(crate) fn between(query: &Query, own_node: NodeId, keys: Interval<EventKey>) -> Filter {
        let mut plan = query.plan();
        for conjunction in &mut plan.conjunctions {
            conjunction.keys = conjunction.keys.intersection(&keys);
        }
        plan.conjunctions.retain(|conjunction| !conjunction.keys.is_empty());
        let terms = plan.conjunctions.iter().map(terms_of).collect();
        Filter { query: query.clone(), plan, terms, keys, own_node }
    }

    /// What is asked, and how it is looked up.
    pub(crate) fn query_and_plan(&self) -> (&Query, &Plan) {
        (&self.query, &self.plan)
    }

    /// The numbers of the terms of each conjunction.
    pub(crate) fn terms(&self) -> &[Vec<u32>] {
        &self.terms
    }

    /// Whether an open block with these terms can hold a match.
    pub(crate) fn admits_open(&self, open: &OpenTerms) -> bool {
        self.terms.iter().any(|terms| terms.iter().all(|number| open.may_have(*number)))
    }

    /// Whether any event of the stream can match.
    pub(crate) fn admits_stream(&self, stream: &StreamId) -> bool {
        self.plan.conjunctions.iter().any(|conjunction| self.is_near(conjunction, stream))
    }

    /// Whether an event of the stream can match whose lamport is greater than this one.
    pub(crate) fn admits_after(&self, stream: &StreamId, lamport: Lamport) -> bool {
        let Ok(lamport) = lamport.plus(1) else { return false };
        let least = EventKey { lamport, stream: *stream };
        let may_match = |own: &Conjunction| {
            self.is_near(own, stream)
                && match own.keys.upper {
                    Bound::Included(upper) => least <= upper,
                    Bound::Excluded(upper) => least < upper,
                    Bound::Unbounded => true,
                }
        };
        self.plan.conjunctions.iter().any(may_match)
    }

    /// The blocks of a segment that may hold a match, by their index, and which of their frames.
    ///
    /// # Errors
    /// `corrupt`: the segment is damaged.
    pub(crate) fn blocks_of(
        &self,
        head: &SegmentHead,
        key: &[u8],
        row: &[u8],
    ) -> Result<BlockFrames> {
        let mut all: Frames = [0; SEGMENT_BLOCKS];
        for (conjunction, terms) in self.plan.conjunctions.iter().zip(&self.terms) {
            let mut met: Frames = [u16::MAX; SEGMENT_BLOCKS];
            for number in terms {
                let found = head.find(key, row, *number)?;
                met.iter_mut().zip(found).for_each(|(met, found)| *met &= found);
                if met.iter().all(|frames| *frames == 0) {
                    break;
                }
            }
            for (at, block) in head.blocks.iter().enumerate() {
                let near = met[at] != 0
                    && self.is_near(conjunction, &block.stream)
                    && overlaps(conjunction, &block.stream, &block.summary);
                all[at] |= if near { met[at] } else { 0 };
            }
        }
        let blocks = all.into_iter().enumerate().take(head.blocks.len());
        Ok(blocks.filter(|(_, frames)| *frames != 0).collect())
    }

    /// The pieces of 64 records of a run in memory that may hold a match, as bits.
    pub(crate) fn frames_of_run(&self, run: &Run) -> u16 {
        let Some(terms) = run.terms() else { return u16::MAX };
        let frames = self.terms.iter().map(|numbers| {
            numbers.iter().fold(u16::MAX, |frames, number| frames & terms.frames(*number))
        });
        frames.fold(0, |all, frames| all | frames)
    }

    /// The rows of a frame to be delivered, as bits.
    ///
    /// # Errors
    /// `corrupt`: the frame is damaged.
    pub(crate) fn rows(
        &self,
        stream: &StreamId,
        reader: &BlockReader<'_>,
        frame: &Frame<'_>,
    ) -> Result<u64> {
        let mut all = 0;
        for conjunction in &self.plan.conjunctions {
            if !self.is_near(conjunction, stream) {
                continue;
            }
            let mut rows = frame.all_rows();
            for tag in &conjunction.tags {
                if rows != 0 {
                    rows &= reader.rows_with_tag(frame, tag.as_str())?;
                }
            }
            if let Some(app_id) = conjunction.app_id.as_ref().filter(|_| rows != 0) {
                rows &= reader.rows_with_app_id(frame, app_id.as_str())?;
            }
            if conjunction.keys != Interval::ALL || conjunction.times != Interval::ALL {
                rows = retain(rows, |row| {
                    let key = EventKey { lamport: reader.lamport(frame, row)?, stream: *stream };
                    let time = reader.time(frame, row);
                    Ok(conjunction.keys.contains(&key) && conjunction.times.contains(&time))
                })?;
            }
            all |= rows;
        }
        if all == 0 {
            return Ok(0);
        }
        all &= reader.application_rows(frame);
        if self.plan.is_exact {
            return Ok(all);
        }
        let (mut tags, mut scratch) = (Vec::new(), Vec::new());
        retain(all, |row| {
            tags.clear();
            reader.put_tags(frame, row, &mut tags, &mut scratch)?;
            let app_id = reader.app_id(frame, row, &mut scratch)?;
            Ok(self.query.matches(&RowSubject {
                key: EventKey { lamport: reader.lamport(frame, row)?, stream: *stream },
                time: reader.time(frame, row),
                app_id,
                tags: &tags,
                is_local: stream.node == self.own_node,
            }))
        })
    }

    /// Of 64 records in memory from `start` on, those to be delivered, as bits.
    pub(crate) fn rows_of_records(&self, stream: &StreamId, run: &Run, start: usize) -> u64 {
        let records = run.records[start..].iter().take(FRAME_EVENTS);
        (0..)
            .zip(records)
            .filter(|(_, record)| self.judge(stream, record))
            .fold(0, |rows, (row, _)| rows | 1 << row)
    }

    /// Whether the record is to be delivered.
    pub(crate) fn judge(&self, stream: &StreamId, record: &Record) -> bool {
        let subject = RecordSubject { record, stream, own_node: &self.own_node };
        record.kind() == EventKind::Application
            && self.keys.contains(&subject.key())
            && self.query.matches(&subject)
    }

    fn is_near(&self, conjunction: &Conjunction, stream: &StreamId) -> bool {
        !conjunction.local_only || stream.node == self.own_node
    }
}

/// One event of a frame, as a query looks at it.
struct RowSubject<'a> {
    key: EventKey,
    time: WallTime,
    app_id: &'a str,
    /// Each tag behind its length.
    tags: &'a [u8],
    is_local: bool,
}

impl Subject for RowSubject<'_> {
    fn key(&self) -> EventKey {
        self.key
    }

    fn time(&self) -> WallTime {
        self.time
    }

    fn app_id(&self) -> &str {
        self.app_id
    }

    fn is_local(&self) -> bool {
        self.is_local
    }

    fn has_tag(&self, tag: &str) -> bool {
        let mut reader = Reader::new(self.tags);
        while let Ok(own) = reader.counted(TAG_BYTES_MAX, "a tag") {
            if own == tag.as_bytes() {
                return true;
            }
        }
        false
    }
}

fn terms_of(conjunction: &Conjunction) -> Vec<u32> {
    let tags = conjunction.tags.iter().map(|tag| term_number(TermKind::Tag, tag.as_str()));
    let app_id = conjunction.app_id.iter();
    tags.chain(app_id.map(|app_id| term_number(TermKind::AppId, app_id.as_str()))).collect()
}

/// The bits of `rows` whose rows `keep` keeps.
fn retain(rows: u64, mut keep: impl FnMut(usize) -> Result<bool>) -> Result<u64> {
    let (mut left, mut kept) = (rows, 0);
    while left != 0 {
        let row = left.trailing_zeros() as usize;
        left &= left - 1;
        kept |= u64::from(keep(row)?) << row;
    }
    Ok(kept)
}

fn overlaps(conjunction: &Conjunction, stream: &StreamId, summary: &Summary) -> bool {
    let key = |lamport: u64| {
        let lamport = Lamport::new(lamport).ok()?;
        Some(EventKey { lamport, stream: *stream })
    };
    let (Some(low), Some(high)) = (key(summary.lamports.0), key(summary.lamports.1)) else {
        return true;
    };
    let times = (WallTime::from_micros(summary.times.0), WallTime::from_micros(summary.times.1));
    meets(&conjunction.keys, &low, &high) && meets(&conjunction.times, &times.0, &times.1)
}

fn meets<T: Ord + Copy>(interval: &Interval<T>, low: &T, high: &T) -> bool {
    let above = match &interval.lower {
        Bound::Included(bound) => high >= bound,
        Bound::Excluded(bound) => high > bound,
        Bound::Unbounded => true,
    };
    let below = match &interval.upper {
        Bound::Included(bound) => low <= bound,
        Bound::Excluded(bound) => low < bound,
        Bound::Unbounded => true,
    };
    above && below
}
