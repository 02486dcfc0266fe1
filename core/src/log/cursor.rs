//! A walk over the events that a query selects, in bounded batches.
//!
//! Merges the streams by event key: the stream whose turn it is goes on until another one is next.
//! Rule: no transaction and no lock lives between two calls; what is walked over is fixed at the
//! start by two offset maps, since held events never change.

use super::batch::{BatchBuilder, EventBatch};
use super::disk::{Filter, Shared};
use super::options::CursorOptions;
use super::registry::Handle;
use super::source::Source;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{EventKey, OffsetMap};
use crate::query::{Order, Query};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

/// A batch ends with the event that brings its tags and payloads to this many bytes.
const BATCH_BYTES_MAX: usize = 4 << 20;
/// With more streams than this, runs are looked up again instead of kept through a batch.
const RUNS_KEPT_MAX: usize = 64;

/// A walk over selected events.
pub struct Cursor {
    handle: Arc<Handle>,
    filter: Arc<Filter>,
    order: Order,
    upper: OffsetMap,
    sources: Vec<Source>,
    turns: Turns,
    /// Events and bytes of the last batch: the next one will be about as large.
    last_size: (usize, usize),
}

/// Whose turn it is: sources by the key of their next match.
enum Turns {
    NotBegun,
    Ascending(BinaryHeap<Reverse<(EventKey, usize)>>),
    Descending(BinaryHeap<(EventKey, usize)>),
    /// The sources from this one on are left.
    Stream(usize),
}

impl Cursor {
    pub(super) fn open(
        handle: Arc<Handle>,
        query: &Query,
        options: CursorOptions,
    ) -> Result<Cursor> {
        let durable = handle.shared.state().durable.clone();
        if let Some(upper) = &options.upper
            && !durable.covers(upper)
        {
            let missing: Vec<String> = upper
                .beyond(&durable)
                .take(8)
                .map(|(stream, range)| format!("{} of {stream}", range.end - range.start))
                .collect();
            let message = format!("events are not held yet: {}", missing.join(", "));
            return Err(Error::new(ErrorKind::NotYetVisible, message));
        }
        let upper = options.upper.unwrap_or_else(|| (*durable).clone());
        let filter = Arc::new(Filter::new(query, handle.shared.node));
        Ok(Cursor::within(handle, filter, options.order, &options.lower, upper))
    }

    pub(super) fn within(
        handle: Arc<Handle>,
        filter: Arc<Filter>,
        order: Order,
        lower: &OffsetMap,
        upper: OffsetMap,
    ) -> Cursor {
        let sources = upper
            .beyond(lower)
            .filter(|(stream, _)| filter.admits_stream(stream))
            .map(|(stream, range)| Source::new(stream, range.start, range.end))
            .collect();
        let (turns, last_size) = (Turns::NotBegun, (0, 0));
        Cursor { handle, filter, order, upper, sources, turns, last_size }
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
        self.handle.shared.check_open()?;
        let (events, bytes) = self.last_size;
        let mut batch = BatchBuilder::with_capacity(events.min(count_max), bytes);
        let walked = self.walk(count_max.max(1), &mut batch);
        self.sources.iter_mut().for_each(Source::rest);
        self.last_size = (batch.len(), batch.bytes());
        match walked {
            Err(error) if batch.len() == 0 => Err(error),
            // What was found is delivered first; the next call meets the error again.
            _ => Ok(batch.finish()),
        }
    }

    /// How far each stream was walked forwards: everything below was delivered or does not match.
    pub(super) fn position(&self) -> OffsetMap {
        let mut position = self.upper.clone();
        for source in &self.sources {
            position.set(source.stream, source.position());
        }
        position
    }

    fn walk(&mut self, count_max: usize, batch: &mut BatchBuilder) -> Result<()> {
        if matches!(self.turns, Turns::NotBegun) {
            self.begin()?;
        }
        while batch.len() < count_max && batch.bytes() < BATCH_BYTES_MAX {
            let Some(turn) = self.next_turn()? else { return Ok(()) };
            let shared = self.handle.shared.clone();
            self.sources[turn].take(&shared, batch)?;
            self.end_turn(&shared, turn)?;
        }
        Ok(())
    }

    fn begin(&mut self) -> Result<()> {
        let shared = self.handle.shared.clone();
        let backwards = self.order == Order::Descending;
        let mut keys = Vec::new();
        if self.order != Order::Stream {
            let keep = self.sources.len() <= RUNS_KEPT_MAX;
            for (turn, source) in self.sources.iter_mut().enumerate() {
                if let Some(key) = source.peek(&shared, &self.filter, backwards)? {
                    keys.push((key, turn));
                }
                if !keep {
                    source.rest();
                }
            }
        }
        self.turns = match self.order {
            Order::Ascending => Turns::Ascending(keys.into_iter().map(Reverse).collect()),
            Order::Descending => Turns::Descending(keys.into_iter().collect()),
            Order::Stream => Turns::Stream(0),
        };
        Ok(())
    }

    /// The source whose match is next; it was peeked.
    fn next_turn(&mut self) -> Result<Option<usize>> {
        let shared = self.handle.shared.clone();
        loop {
            let turn = match &mut self.turns {
                Turns::NotBegun => unreachable!("begun before"),
                Turns::Ascending(heap) => heap.peek().map(|Reverse((_, turn))| *turn),
                Turns::Descending(heap) => heap.peek().map(|(_, turn)| *turn),
                Turns::Stream(turn) => {
                    while let Some(source) = self.sources.get_mut(*turn) {
                        if source.peek(&shared, &self.filter, false)?.is_some() {
                            return Ok(Some(*turn));
                        }
                        source.rest();
                        *turn += 1;
                    }
                    return Ok(None);
                }
            };
            match turn {
                // Its last turn ended with an error: it is not where it belongs yet.
                Some(turn) if !self.sources[turn].is_peeked() => self.end_turn(&shared, turn)?,
                turn => return Ok(turn),
            }
        }
    }

    /// Puts the source back where its next match belongs, or takes it out at its end.
    fn end_turn(&mut self, shared: &Shared, turn: usize) -> Result<()> {
        let keep = self.sources.len() <= RUNS_KEPT_MAX;
        let source = &mut self.sources[turn];
        match &mut self.turns {
            Turns::NotBegun | Turns::Stream(_) => return Ok(()),
            Turns::Ascending(heap) => {
                let key = source.peek(shared, &self.filter, false)?;
                let mut top = heap.peek_mut().expect("the turn came from the heap");
                match key {
                    Some(key) => *top = Reverse((key, turn)),
                    None => drop(std::collections::binary_heap::PeekMut::pop(top)),
                }
            }
            Turns::Descending(heap) => {
                let key = source.peek(shared, &self.filter, true)?;
                let mut top = heap.peek_mut().expect("the turn came from the heap");
                match key {
                    Some(key) => *top = (key, turn),
                    None => drop(std::collections::binary_heap::PeekMut::pop(top)),
                }
            }
        }
        if !keep {
            source.rest();
        }
        Ok(())
    }
}
