//! A walk over the events that a query selects, in bounded batches.
//!
//! Not here: how they are found (`disk::walk`). Rule: no transaction and no lock lives between two
//! calls; what is walked over is fixed at the start by two offset maps, since held events never
//! change.

use super::counters::{Counted, Reader};
use super::coverage::missing;
use super::disk::{Filter, Walk, lock};
use super::explanation::{Explanation, Looks};
use super::options::CursorOptions;
use super::outlook::Outlook;
use super::registry::Handle;
use crate::error::Result;
use crate::event::{BatchBuilder, Columns, EventBatch, NodeId, OffsetMap, not_yet_visible};
use crate::query::{Order, Query};
use std::mem;
use std::sync::Arc;

/// A walk over selected events.
pub struct Cursor {
    handle: Arc<Handle>,
    filter: Arc<Filter>,
    lower: OffsetMap,
    upper: OffsetMap,
    walk: Walk,
    columns: Columns,
    /// Events and bytes of the last batch: the next one will be about as large.
    last_size: (usize, usize),
    /// None for the cursor of a subscription.
    counted: Option<Counted>,
    /// What was known of other nodes at the start.
    outlook: Arc<Outlook>,
}

impl Cursor {
    pub(super) fn open(
        handle: Arc<Handle>,
        query: &Query,
        options: CursorOptions,
    ) -> Result<Cursor> {
        let (durable, windows) = handle.shared.state().visible();
        let CursorOptions { mut lower, mut upper, .. } = options;
        if !windows.is_empty() {
            windows.clamp(&mut lower);
            upper.iter_mut().for_each(|upper| windows.translate(upper, &durable));
        }
        if let Some(upper) = &upper
            && !durable.covers(upper)
        {
            return Err(not_yet_visible(&missing(upper, &durable)));
        }
        let upper = upper.unwrap_or_else(|| (*durable).clone());
        let filter = Arc::new(Filter::new(query, handle.shared.node));
        let mut cursor = Cursor::within(handle, filter, options.order, &lower, upper);
        cursor.columns = options.columns;
        cursor.counted = Some(Counted::new(&cursor.handle, Reader::Cursor));
        Ok(cursor)
    }

    /// A cursor for all columns.
    pub(super) fn within(
        handle: Arc<Handle>,
        filter: Arc<Filter>,
        order: Order,
        lower: &OffsetMap,
        upper: OffsetMap,
    ) -> Cursor {
        let walk = Walk::new(&handle.shared, &filter, order, lower, &upper);
        let (lower, columns) = (lower.clone(), Columns::default());
        let (last_size, counted) = ((0, 0), None);
        let outlook = lock(&handle.shared.outlook).clone();
        Cursor { handle, filter, lower, upper, walk, columns, last_size, counted, outlook }
    }

    /// The same cursor, which decodes nothing but what places an event.
    pub(super) fn keys_only(mut self) -> Cursor {
        self.columns = Columns { tags: false, payload: false };
        self
    }

    /// The counts up to which this walks.
    pub fn upper(&self) -> &OffsetMap {
        &self.upper
    }

    /// The next events: 1 to `count_max` (at least 1), fewer when they are large; none at the end.
    ///
    /// After an error the cursor stands where it stood; a damaged block is met again.
    ///
    /// # Errors
    /// `corrupt`, naming stream and offset. `storage_failed`, `closed`, `forked_process`.
    pub fn next_batch(&mut self, count_max: usize) -> Result<EventBatch> {
        let mut batch = EventBatch::default();
        self.next_batch_into(&mut batch, count_max)?;
        Ok(batch)
    }

    /// As [`Cursor::next_batch`], in place of what is in `batch`, whose memory it takes unless a
    /// payload of it is kept: for who reads on one thread and drops on another, where the system
    /// would give new memory for each batch.
    ///
    /// # Errors
    /// As [`Cursor::next_batch`]; then `batch` is empty.
    pub fn next_batch_into(&mut self, batch: &mut EventBatch, count_max: usize) -> Result<()> {
        let spare = mem::take(batch);
        self.handle.shared.check_open()?;
        let count_max = count_max.max(1);
        let (events, bytes) = self.last_size;
        // A little more than the last one: growing for the last few bytes would copy it all.
        let bytes = bytes + bytes / 16;
        let mut builder = BatchBuilder::within(spare, self.columns, events.min(count_max), bytes);
        let filled = self.walk.fill(&self.handle.shared, &self.filter, count_max, &mut builder);
        self.last_size = (builder.len(), builder.bytes());
        *batch = builder.finish();
        match filled {
            Err(error) if batch.is_empty() => Err(error),
            // What was found is delivered first; the next call meets the error again.
            _ => Ok(()),
        }
    }

    /// What was looked at so far.
    pub fn looks(&self) -> Looks {
        self.walk.looks
    }

    /// How the query is answered: what the index expects, and what was looked at so far, which is
    /// nothing before the first batch. Costs a look into each segment of the postings.
    ///
    /// # Errors
    /// `corrupt`: a segment is damaged. `storage_failed`, `closed`, `forked_process`.
    pub fn explain(&self) -> Result<Explanation> {
        let shared = &self.handle.shared;
        shared.check_open()?;
        let (query, plan) = self.filter.query_and_plan();
        Ok(Explanation {
            query: query.clone(),
            order: self.walk.order,
            alternatives: plan.alternatives(),
            is_exact: plan.is_exact,
            monotonicity: query.monotonicity(self.walk.order),
            expected: Walk::estimate(shared, &self.filter, &self.lower, &self.upper)?,
            actual: self.walk.looks,
        })
    }

    /// What was known of other nodes when this was opened.
    pub fn outlook(&self) -> &Arc<Outlook> {
        &self.outlook
    }

    /// Who reads.
    pub(super) fn node(&self) -> NodeId {
        self.handle.shared.node
    }

    /// Looks for the next match, so that `position` knows it.
    ///
    /// # Errors
    /// As [`Cursor::next_batch`].
    pub(super) fn settle(&mut self) -> Result<()> {
        self.walk.settle(&self.handle.shared, &self.filter)
    }

    /// How far each stream was walked forwards: everything below was delivered or does not match.
    pub(super) fn position(&self) -> OffsetMap {
        self.walk.position(&self.upper)
    }
}
