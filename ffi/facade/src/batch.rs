//! Events on their way out: one crossing per batch, then plain looks into it.

use crate::offsets::Offsets;
use millpond::event::{Event, StreamId, Tag, cbor};

/// Some events, in order, with where the reader stands after them.
#[derive(Clone, Debug, Default)]
pub struct EventBatch {
    events: Vec<Event>,
    /// Index into `streams`, per event.
    stream_of: Vec<u32>,
    streams: Vec<String>,
    is_end: bool,
    caught_up: bool,
    lag: u64,
    position: Offsets,
}

/// One event of a batch.
#[derive(Clone, Copy, Debug)]
pub struct EventView<'a> {
    event: &'a Event,
    stream: &'a str,
    stream_index: usize,
}

impl EventBatch {
    pub(crate) fn new(events: Vec<Event>, caught_up: bool, lag: u64, position: Offsets) -> Self {
        let mut ids: Vec<StreamId> = Vec::new();
        let mut stream_of = Vec::with_capacity(events.len());
        for event in &events {
            let stream = event.key.stream;
            // Neighbours mostly share a stream, and a batch has few of them.
            let found = ids.iter().rposition(|id| *id == stream);
            let index = found.unwrap_or_else(|| {
                ids.push(stream);
                ids.len() - 1
            });
            stream_of.push(index as u32);
        }
        let streams = ids.iter().map(StreamId::to_string).collect();
        EventBatch { events, stream_of, streams, is_end: false, caught_up, lag, position }
    }

    /// The batch that says that nothing will follow.
    pub(crate) fn end(position: Offsets) -> EventBatch {
        EventBatch { is_end: true, position, ..EventBatch::default() }
    }

    /// Number of events.
    pub fn len(&self) -> usize {
        self.events.len()
    }

    /// True when there is no event in it.
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
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

    /// The distinct stream ids of its events.
    pub fn streams(&self) -> &[String] {
        &self.streams
    }

    /// One event; `None` past the last.
    pub fn get(&self, index: usize) -> Option<EventView<'_>> {
        let stream_index = *self.stream_of.get(index)? as usize;
        let (event, stream) = (&self.events[index], &self.streams[stream_index]);
        Some(EventView { event, stream, stream_index })
    }

    /// The events, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = EventView<'_>> {
        (0..self.len()).map(|index| self.get(index).expect("below the length"))
    }
}

impl<'a> EventView<'a> {
    /// Logical time: orders first.
    pub fn lamport(&self) -> u64 {
        self.event.key.lamport.value()
    }

    /// Index of its stream in [`EventBatch::streams`].
    pub fn stream_index(&self) -> usize {
        self.stream_index
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
        self.event.offset.value()
    }

    /// The author's wall clock, µs since 1970 UTC: a claim.
    pub fn time_micros(&self) -> i64 {
        self.event.time.micros()
    }

    /// The application that published it.
    pub fn app_id(&self) -> &'a str {
        self.event.app_id.as_str()
    }

    /// Its tags, rising.
    pub fn tags(&self) -> impl ExactSizeIterator<Item = &'a str> + use<'a> {
        self.event.tags.iter().map(Tag::as_str)
    }

    /// Its payload: one CBOR value.
    pub fn payload(&self) -> &'a [u8] {
        self.event.payload.as_bytes()
    }

    /// A reader over its payload.
    pub fn payload_reader(&self) -> cbor::Reader<'a> {
        cbor::Reader::new(self.payload())
    }
}
