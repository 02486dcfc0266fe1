//! A fold in key order over the durable log, which goes on when somebody asks.
//!
//! Small states that must be right at this moment: what a decision rests on. Rule: after
//! [`KeyFold::refresh`] the state is the fold of all matching events of `as_of`, whatever came late
//! and whatever forked. A late event costs the way from the copy of the state before it.

use crate::error::Result;
use crate::event::{Columns, EventBatch};
use crate::event::{HeldFork, OffsetMap, StreamId};
use crate::log::{Cursor, CursorOptions, Log};
use crate::pond::Lineage;
use crate::pond::desk::Folded;
use crate::query::{Order, Query, TagExpression};
use std::sync::Arc;

/// Most copies of earlier states.
const POINTS_MAX: usize = 16;
/// Events between the first copies; the distance doubles when there are too many.
const DISTANCE_MIN: u64 = 256;
/// Events of a batch.
const BATCH: usize = 1024;

/// The fold, and where it stands.
pub(crate) struct KeyFold<F> {
    expression: TagExpression,
    state: F,
    /// Everything below was looked at.
    as_of: Arc<OffsetMap>,
    lineage: Arc<Lineage>,
    /// Of which own stream the lineage knows.
    own: Option<StreamId>,
    /// Own events below this were told of: of which stream, and which offset.
    told: (Option<StreamId>, u64),
    /// Earlier states, by rising key.
    points: Vec<F>,
    distance: u64,
    since_point: u64,
}

impl<F: Folded> KeyFold<F> {
    /// Of the events that `expression` selects, from `state`, which is that of none.
    pub(crate) fn new(expression: TagExpression, state: F) -> KeyFold<F> {
        KeyFold {
            expression,
            state,
            as_of: Arc::default(),
            lineage: Arc::default(),
            own: None,
            told: (None, 0),
            points: Vec::new(),
            distance: DISTANCE_MIN,
            since_point: 0,
        }
    }

    /// What was folded.
    pub(crate) fn state(&self) -> &F {
        &self.state
    }

    /// Of which point in history.
    pub(crate) fn as_of(&self) -> &Arc<OffsetMap> {
        &self.as_of
    }

    /// The forks and streams that the state knows of.
    pub(crate) fn lineage(&self) -> &Arc<Lineage> {
        &self.lineage
    }

    /// Goes on to what is durable now; tells `heard` the payload of each event of the own stream,
    /// once and in order.
    ///
    /// # Errors
    /// `corrupt`, `storage_failed`: the log cannot be read. `closed`, `forked_process`.
    pub(crate) fn refresh(&mut self, log: &Log, heard: &mut dyn FnMut(&[u8])) -> Result<()> {
        let refreshed = self.catch_up(log, heard);
        if refreshed.is_err() {
            // It may have come half of the way, and nobody knows how far.
            self.begin_anew();
        }
        refreshed
    }

    fn catch_up(&mut self, log: &Log, heard: &mut dyn FnMut(&[u8])) -> Result<()> {
        loop {
            let forks = log.forks();
            let (durable, own) = (log.durable_map()?, log.own_stream());
            let has_forks = self.lineage.has_forks(&forks);
            let is_seen = Arc::ptr_eq(&self.as_of, &durable) || *self.as_of == *durable;
            if is_seen && has_forks && self.own == Some(own) {
                return Ok(());
            }
            // Streams only become more.
            let is_met = self.as_of.stream_count() == durable.stream_count();
            if !is_met || !has_forks || self.own != Some(own) {
                self.meet(forks, &durable, own);
            }
            self.go_on(log, &durable, heard)?;
            self.as_of = durable;
            // A fork that came meanwhile has moved events: the cursor saw some of them there.
            if self.lineage.has_forks(&log.forks()) {
                return Ok(());
            }
        }
    }

    fn meet(&mut self, forks: Vec<HeldFork>, durable: &OffsetMap, own: StreamId) {
        let streams = durable.iter().map(|(stream, _)| *stream).chain([own]);
        let lineage = Arc::new(Lineage::new(forks, streams));
        let has_same_forks = self.lineage.has_same_forks(&lineage);
        self.lineage = lineage;
        if !has_same_forks {
            self.begin_anew();
        }
        self.own = Some(own);
        self.state.meet(&self.lineage);
    }

    fn go_on(
        &mut self,
        log: &Log,
        durable: &OffsetMap,
        heard: &mut dyn FnMut(&[u8]),
    ) -> Result<()> {
        let query = Query::new(self.expression.clone())?;
        let mut delta = walk(log, &query, (*self.as_of).clone(), durable)?;
        let first = delta.next_batch(BATCH)?;
        let Some(least) = first.get(0).map(|event| event.key()) else { return Ok(()) };
        if self.state.last().is_none_or(|last| last < least) {
            self.take(&first, heard);
            return self.drain(delta, heard);
        }
        // It belongs before what was folded: back to a state before it, and forward again.
        self.points.retain(|point| point.last() < Some(least));
        self.state = match self.points.last() {
            Some(point) => point.clone(),
            None => self.state.begin(self.lineage.clone()),
        };
        self.state.meet(&self.lineage);
        self.since_point = 0;
        let query = match self.state.last() {
            Some(last) => Query::new(self.expression.clone().and(TagExpression::after_key(last)))?,
            None => query,
        };
        self.drain(walk(log, &query, OffsetMap::new(), durable)?, heard)
    }

    fn drain(&mut self, mut cursor: Cursor, heard: &mut dyn FnMut(&[u8])) -> Result<()> {
        loop {
            let batch = cursor.next_batch(BATCH)?;
            if batch.is_empty() {
                return Ok(());
            }
            self.take(&batch, heard);
        }
    }

    fn take(&mut self, batch: &EventBatch, heard: &mut dyn FnMut(&[u8])) {
        if self.told.0 != self.own {
            self.told = (self.own, 0);
        }
        for event in batch.iter() {
            let offset = event.offset().value();
            if Some(event.stream()) == self.own && offset >= self.told.1 {
                self.told.1 = offset + 1;
                heard(event.payload_bytes());
            }
            if self.since_point >= self.distance {
                self.keep_point();
            }
            self.state.apply(event.key(), event.offset(), event.payload_bytes());
            self.since_point += 1;
        }
    }

    fn keep_point(&mut self) {
        self.since_point = 0;
        self.points.push(self.state.clone());
        if self.points.len() > POINTS_MAX {
            let mut index = 0;
            self.points.retain(|_| {
                index += 1;
                index % 2 == 0
            });
            self.distance *= 2;
        }
    }

    fn begin_anew(&mut self) {
        self.state = self.state.begin(self.lineage.clone());
        self.points.clear();
        (self.as_of, self.own, self.since_point) = (Arc::default(), None, 0);
    }
}

fn walk(log: &Log, query: &Query, lower: OffsetMap, upper: &OffsetMap) -> Result<Cursor> {
    let columns = Columns { tags: false, payload: true };
    let upper = Some(upper.clone());
    log.cursor(query, CursorOptions { order: Order::Ascending, lower, upper, columns })
}
