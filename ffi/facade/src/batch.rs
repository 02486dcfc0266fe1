//! Events on their way out: one crossing per batch, then plain looks into it.

use crate::offsets::Offsets;
use millpond::event::{AppId, StreamId, cbor};
use std::ops::Range;
use std::sync::Arc;

/// Some events, in order, with where the reader stands after them. Clones share the events.
#[derive(Clone, Debug, Default)]
pub struct EventBatch {
    held: Arc<Held>,
    /// Which of the events that are held.
    range: Range<usize>,
    is_end: bool,
    caught_up: bool,
    lag: u64,
    position: Offsets,
}

#[derive(Debug, Default)]
struct Held {
    events: millpond::EventBatch,
    /// The ids of the streams as texts, by the same index.
    streams: Vec<String>,
}

/// One event of a batch.
#[derive(Clone, Copy, Debug)]
pub struct EventView<'a> {
    event: millpond::EventView<'a>,
    stream: &'a str,
}

impl EventBatch {
    pub(crate) fn new(
        events: millpond::EventBatch,
        caught_up: bool,
        lag: u64,
        position: Offsets,
    ) -> EventBatch {
        let streams = events.streams().iter().map(StreamId::to_string).collect();
        let range = 0..events.len();
        let held = Arc::new(Held { events, streams });
        EventBatch { held, range, is_end: false, caught_up, lag, position }
    }

    /// The batch that says that nothing will follow.
    pub(crate) fn end(position: Offsets) -> EventBatch {
        EventBatch { is_end: true, position, ..EventBatch::default() }
    }

    /// Keeps the first `count` events and returns the others. Only for a query's answer, whose
    /// position is the same after each of them.
    pub(crate) fn split_off(&mut self, count: usize) -> EventBatch {
        let at = (self.range.start + count).min(self.range.end);
        let rest = EventBatch { range: at..self.range.end, ..self.clone() };
        self.range.end = at;
        rest
    }

    /// Number of events.
    pub fn len(&self) -> usize {
        self.range.len()
    }

    /// True when there is no event in it.
    pub fn is_empty(&self) -> bool {
        self.range.is_empty()
    }

    /// True when nothing will follow, and no event is in it: the query is answered, or the
    /// subscription or its node was closed.
    pub fn is_end(&self) -> bool {
        self.is_end
    }

    /// True when a subscription has passed everything that was there. Always false for a query.
    pub fn caught_up(&self) -> bool {
        self.caught_up
    }

    /// Events of the log that the subscription had not passed yet, matching or not. 0 for a query.
    pub fn lag(&self) -> u64 {
        self.lag
    }

    /// Where a subscription stands after this batch; another one can begin there. For a query: the
    /// offset map that it is answered at.
    pub fn position(&self) -> &Offsets {
        &self.position
    }

    /// The distinct stream ids of its events; there may be others beside them.
    pub fn streams(&self) -> &[String] {
        &self.held.streams
    }

    /// The distinct app ids of its events; there may be others beside them.
    pub fn app_ids(&self) -> impl ExactSizeIterator<Item = &str> {
        self.held.events.app_ids().iter().map(AppId::as_str)
    }

    /// Bytes that it holds in memory for tags and payloads.
    pub fn byte_count(&self) -> usize {
        self.held.events.byte_count()
    }

    /// One event; `None` past the last.
    pub fn get(&self, index: usize) -> Option<EventView<'_>> {
        let index = self.range.clone().nth(index)?;
        self.held.events.get(index).map(|event| self.view(event))
    }

    /// The events, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = EventView<'_>> {
        let (first, count) = (self.range.start, self.range.len());
        self.held.events.iter().skip(first).take(count).map(|event| self.view(event))
    }

    fn view<'a>(&'a self, event: millpond::EventView<'a>) -> EventView<'a> {
        EventView { event, stream: &self.held.streams[event.stream_index()] }
    }
}

impl<'a> EventView<'a> {
    /// Logical time: orders first.
    pub fn lamport(&self) -> u64 {
        self.event.lamport().value()
    }

    /// Index of its stream in [`EventBatch::streams`].
    pub fn stream_index(&self) -> usize {
        self.event.stream_index()
    }

    /// Its stream's id.
    pub fn stream(&self) -> &'a str {
        self.stream
    }

    /// Its place in the one order: `<lamport>/<stream id>`.
    pub fn key(&self) -> String {
        format!("{}/{}", self.lamport(), self.stream)
    }

    /// Its position in its stream.
    pub fn offset(&self) -> u64 {
        self.event.offset().value()
    }

    /// The author's wall clock, µs since 1970 UTC: a claim.
    pub fn time_micros(&self) -> i64 {
        self.event.time().micros()
    }

    /// Index of its app id in [`EventBatch::app_ids`].
    pub fn app_id_index(&self) -> usize {
        self.event.app_id_index()
    }

    /// The application that published it.
    pub fn app_id(&self) -> &'a str {
        self.event.app_id()
    }

    /// Its tags, rising.
    pub fn tags(&self) -> impl ExactSizeIterator<Item = &'a str> + use<'a> {
        self.event.tags()
    }

    /// The same tags as bytes: for each a varint length, then UTF-8.
    pub fn tags_bytes(&self) -> &'a [u8] {
        self.event.tags_bytes()
    }

    /// Its payload: one CBOR value.
    pub fn payload(&self) -> &'a [u8] {
        self.event.payload_bytes()
    }

    /// A reader over its payload.
    pub fn payload_reader(&self) -> cbor::Reader<'a> {
        cbor::Reader::new(self.payload())
    }
}
