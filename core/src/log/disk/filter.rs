//! A query ready for runs: what to skip, what to look at, what to deliver.
//!
//! No I/O. Rule: skipping may keep too much and never drops a match; each record is judged.

use super::block::Summary;
use super::index::Index;
use crate::error::Result;
use crate::event::{EventKey, EventKind, Lamport, NodeId, Record, StreamId, WallTime};
use crate::query::{Conjunction, Interval, Plan, Query, RecordSubject};
use std::ops::Bound;

/// A query and its plan, for one answering node.
pub(crate) struct Filter {
    query: Query,
    plan: Plan,
    own_node: NodeId,
}

impl Filter {
    pub(crate) fn new(query: &Query, own_node: NodeId) -> Filter {
        Filter { query: query.clone(), plan: query.plan(), own_node }
    }

    /// Whether any event of the stream can match.
    pub(crate) fn admits_stream(&self, stream: &StreamId) -> bool {
        self.plan.conjunctions.iter().any(|conjunction| self.is_near(conjunction, stream))
    }

    /// Positions to look at in a run with this index; `None` means all, an empty list none.
    pub(crate) fn candidates(
        &self,
        stream: &StreamId,
        summary: Option<&Summary>,
        index: Option<&Index>,
    ) -> Result<Option<Vec<u32>>> {
        let near: Vec<&Conjunction> = self
            .plan
            .conjunctions
            .iter()
            .filter(|conjunction| self.is_near(conjunction, stream))
            .filter(|conjunction| {
                summary.is_none_or(|summary| overlaps(conjunction, stream, summary))
            })
            .collect();
        match index {
            _ if near.is_empty() => Ok(Some(Vec::new())),
            Some(index) => index.candidates(&near),
            None => Ok(None),
        }
    }

    /// Whether the record is to be delivered.
    pub(crate) fn judge(&self, stream: &StreamId, record: &Record) -> bool {
        let subject = RecordSubject { record, stream, own_node: &self.own_node };
        record.kind() == EventKind::Application && self.query.matches(&subject)
    }

    fn is_near(&self, conjunction: &Conjunction, stream: &StreamId) -> bool {
        !conjunction.local_only || stream.node == self.own_node
    }
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
