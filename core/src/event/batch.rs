//! Events on their way out: one buffer for a whole batch, and views into it.
//! Longer than 500 lines because what makes a batch and what looks into one share its layout.
//!
//! Not here: which events (`log`). Rule: an event costs one place and its bytes, and no
//! allocation of its own. Begin with [`EventBatch::iter`]; what is to be kept beyond the batch
//! becomes an [`Event`] by [`EventView::to_event`].

use super::columns::Columns;
use super::distinct::Distinct;
use crate::event::codec::Reader;
use crate::event::limits::TAG_BYTES_MAX;
use crate::event::{
    AppId, Event, EventKey, EventKind, Lamport, Offset, Payload, Record, StreamId, Tag, TagSet,
    WallTime,
};
use bytes::Bytes;
use std::ops::Range;
use std::{fmt, str};

/// A batch ends with the event that brings it to this many bytes.
const BATCH_BYTES_MAX: usize = 4 << 20;

/// Some events, in order, in one piece of memory.
///
/// Holds `Application` events only. Views borrow from it; payloads share its memory, so that one
/// payload keeps all of it.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct EventBatch {
    /// For each event its tags, each a varint length and text, and then its payload, as far as
    /// `columns` says.
    bytes: Bytes,
    columns: Columns,
    places: Vec<Place>,
    streams: Vec<StreamId>,
    app_ids: Vec<AppId>,
}

/// One event of a batch.
#[derive(Clone, Copy)]
pub struct EventView<'a> {
    batch: &'a EventBatch,
    place: &'a Place,
}

/// The fixed part of an event, and where the rest lies.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Place {
    lamport: Lamport,
    offset: u64,
    time: WallTime,
    stream: u32,
    app_id: u32,
    tags_start: u32,
    tag_count: u32,
    /// The tags end there.
    payload_start: u32,
    payload_end: u32,
}

impl EventBatch {
    /// Number of events.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// The event `index`, which there must be, alone in the same memory.
    pub(crate) fn only(&self, index: usize) -> EventBatch {
        EventBatch { places: vec![self.places[index]], ..self.clone() }
    }

    /// True when there is no event in it.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// One event, the first is 0; `None` past the last.
    pub fn get(&self, index: usize) -> Option<EventView<'_>> {
        self.places.get(index).map(|place| EventView { batch: self, place })
    }

    /// The events, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = EventView<'_>> + DoubleEndedIterator {
        self.places.iter().map(|place| EventView { batch: self, place })
    }

    /// What was decoded of the events: what reads another part of one panics.
    pub fn columns(&self) -> Columns {
        self.columns
    }

    /// The distinct streams of its events, as they first appear.
    pub fn streams(&self) -> &[StreamId] {
        &self.streams
    }

    /// The distinct app ids of its events, as they first appear.
    pub fn app_ids(&self) -> &[AppId] {
        &self.app_ids
    }

    /// The tags and payloads of these events, one after the other: of each first what
    /// [`EventView::tags_bytes`] gives, then its payload, as far as they were decoded.
    ///
    /// # Panics
    /// There are not so many events.
    pub fn bytes_of(&self, events: Range<usize>) -> &[u8] {
        match self.places[events] {
            [] => &[],
            [first, .., last] => &self.bytes[first.tags_start as usize..last.payload_end as usize],
            [only] => &self.bytes[only.tags_start as usize..only.payload_end as usize],
        }
    }

    /// Bytes of the tags and payloads of all events.
    pub fn byte_count(&self) -> usize {
        self.bytes.len()
    }

    /// An empty batch with the memory of this one, for `Cursor::next_batch_into`, and how many
    /// bytes that is; without that of the tags and payloads while one of them is kept.
    pub fn emptied(self) -> (EventBatch, usize) {
        let mut places = self.places;
        places.clear();
        let mut bytes = self.bytes.try_into_mut().unwrap_or_default();
        bytes.clear();
        let memory = bytes.capacity() + places.capacity() * size_of::<Place>();
        (EventBatch { bytes: bytes.freeze(), places, ..EventBatch::default() }, memory)
    }
}

impl fmt::Debug for EventBatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl<'a> EventView<'a> {
    /// Where it stands in the one order.
    pub fn key(&self) -> EventKey {
        EventKey { lamport: self.place.lamport, stream: self.stream() }
    }

    /// Logical time: orders first.
    pub fn lamport(&self) -> Lamport {
        self.place.lamport
    }

    /// The stream that it is in.
    pub fn stream(&self) -> StreamId {
        self.batch.streams[self.stream_index()]
    }

    /// Index of its stream in [`EventBatch::streams`].
    pub fn stream_index(&self) -> usize {
        self.place.stream as usize
    }

    /// Its position in its stream.
    pub fn offset(&self) -> Offset {
        Offset::new(self.place.offset)
    }

    /// The author's wall clock; a claim.
    pub fn time(&self) -> WallTime {
        self.place.time
    }

    /// The application that published it.
    pub fn app_id(&self) -> &'a str {
        self.batch.app_ids[self.app_id_index()].as_str()
    }

    /// Index of its app id in [`EventBatch::app_ids`].
    pub fn app_id_index(&self) -> usize {
        self.place.app_id as usize
    }

    /// What it is found by, rising by bytes; up to `TAGS_PER_EVENT_MAX`.
    ///
    /// # Panics
    /// The batch was read without tags; see [`EventBatch::columns`].
    pub fn tags(&self) -> impl ExactSizeIterator<Item = &'a str> + use<'a> {
        let mut reader = Reader::new(self.tags_bytes());
        (0..self.place.tag_count as usize).map(move |_| {
            let tag = reader.counted(TAG_BYTES_MAX, "tag").expect(CHECKED);
            str::from_utf8(tag).expect(CHECKED)
        })
    }

    /// The same tags as bytes: for each a varint length, then UTF-8, as docs/format.md has it.
    ///
    /// # Panics
    /// As [`EventView::tags`].
    pub fn tags_bytes(&self) -> &'a [u8] {
        assert!(self.batch.columns.tags, "`columns` of this query leave the tags out");
        &self.batch.bytes[self.place.tags_start as usize..self.place.payload_start as usize]
    }

    /// True when `tag`, compared by bytes, is one of the tags.
    ///
    /// # Panics
    /// As [`EventView::tags`].
    pub fn has_tag(&self, tag: &str) -> bool {
        self.tags().any(|own| own == tag)
    }

    /// What it says: the bytes of one CBOR value.
    ///
    /// # Panics
    /// The batch was read without payloads; see [`EventBatch::columns`].
    pub fn payload_bytes(&self) -> &'a [u8] {
        &self.batch.bytes[self.payload_range()]
    }

    /// What it says, sharing the memory of the batch.
    ///
    /// # Panics
    /// As [`EventView::payload_bytes`].
    pub fn payload(&self) -> Payload {
        Payload::from_checked(self.batch.bytes.slice(self.payload_range()))
    }

    /// All of it, to be kept; its payload shares the memory of the batch.
    ///
    /// # Panics
    /// The batch was read without tags or payloads; see [`EventBatch::columns`].
    pub fn to_event(self) -> Event {
        let tags = self.tags().map(|tag| Tag::verbatim(tag).expect(CHECKED)).collect();
        Event {
            key: self.key(),
            offset: self.offset(),
            time: self.time(),
            app_id: self.batch.app_ids[self.app_id_index()].clone(),
            kind: EventKind::Application,
            tags: TagSet::from_sorted(tags),
            payload: self.payload(),
        }
    }

    fn payload_range(&self) -> Range<usize> {
        assert!(self.batch.columns.payload, "`columns` of this query leave the payload out");
        self.place.payload_start as usize..self.place.payload_end as usize
    }
}

impl fmt::Debug for EventView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.batch.columns == Columns::default() {
            return self.to_event().fmt(f);
        }
        f.debug_struct("EventView").field("key", &self.key()).finish_non_exhaustive()
    }
}

const CHECKED: &str = "records are checked before they are put into a batch";

/// Makes a batch event by event: `begin`, tags into `buffer`, `end_tags`, payload into `buffer`,
/// `end_payload`; nothing of columns left out. What `begin` or `finish` cuts short is left out.
#[derive(Default)]
pub(crate) struct BatchBuilder {
    columns: Columns,
    bytes: Vec<u8>,
    places: Vec<Place>,
    streams: Distinct<StreamId>,
    app_ids: Distinct<AppId>,
    /// The event between `begin` and `end_payload`.
    open: Option<Place>,
}

impl BatchBuilder {
    /// A builder that takes `events` of `bytes` together before it has to grow, in the memory of
    /// `spare` unless one of its payloads is kept.
    pub(crate) fn within(
        spare: EventBatch,
        columns: Columns,
        events: usize,
        bytes: usize,
    ) -> BatchBuilder {
        let mut places = spare.places;
        places.clear();
        places.reserve(events);
        let mut own = spare.bytes.try_into_mut().unwrap_or_default();
        own.clear();
        let mut own = Vec::from(own);
        own.reserve(bytes);
        BatchBuilder { columns, bytes: own, places, ..BatchBuilder::default() }
    }

    /// What it takes of each event.
    pub(crate) fn columns(&self) -> Columns {
        self.columns
    }

    /// Number of events that are complete.
    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }

    /// Bytes of their tags and payloads.
    pub(crate) fn bytes(&self) -> usize {
        self.places.last().map_or(0, |place| place.payload_end as usize)
    }

    /// Whether it has as much as a batch may have: so many events, or bytes with what each event
    /// costs beside its tags and payload.
    pub(crate) fn is_full(&self, count_max: usize) -> bool {
        self.len() >= count_max || self.bytes() + self.len() * size_of::<Place>() >= BATCH_BYTES_MAX
    }

    /// Begins an event.
    ///
    /// # Panics
    /// When `app_id` does not have the form of an app id.
    pub(crate) fn begin(
        &mut self,
        stream: &StreamId,
        offset: u64,
        lamport: Lamport,
        time: WallTime,
        app_id: &str,
    ) {
        self.bytes.truncate(self.bytes());
        let start = self.bytes.len() as u32;
        let stream = self.streams.index(|own| own.cmp(stream), || *stream);
        let made = || AppId::parse(app_id).expect(CHECKED);
        let app_id = self.app_ids.index(|own| own.as_str().cmp(app_id), made);
        self.open = Some(Place {
            lamport,
            offset,
            time,
            stream,
            app_id,
            tags_start: start,
            tag_count: 0,
            payload_start: start,
            payload_end: start,
        });
    }

    /// Where the tags of the event go, each a varint length and text, and then its payload.
    pub(crate) fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Ends the tags, of which there are `count`.
    ///
    /// # Panics
    /// Without a `begin` before.
    pub(crate) fn end_tags(&mut self, count: usize) {
        let place = self.open.as_mut().expect("begin goes before end_tags");
        place.tag_count = count as u32;
        place.payload_start = place_of(&self.bytes);
    }

    /// Ends the payload, and with it the event.
    ///
    /// # Panics
    /// Without a `begin` before.
    pub(crate) fn end_payload(&mut self) {
        let mut place = self.open.take().expect("begin goes before end_payload");
        place.payload_end = place_of(&self.bytes);
        self.places.push(place);
    }

    /// Adds the event of a record, which must be readable, as far as the columns go.
    pub(crate) fn push_record(&mut self, stream: &StreamId, offset: u64, record: &Record) {
        assert_eq!(record.kind(), EventKind::Application, "no other event is delivered");
        self.begin(stream, offset, record.lamport(), record.time(), record.app_id());
        if self.columns.tags {
            let (count, tags) = record.tags_bytes();
            self.buffer().extend_from_slice(tags);
            self.end_tags(count);
        }
        if self.columns.payload {
            self.buffer().extend_from_slice(record.payload_bytes());
        }
        self.end_payload();
    }

    /// The batch of all events that are complete.
    pub(crate) fn finish(mut self) -> EventBatch {
        self.bytes.truncate(self.bytes());
        EventBatch {
            bytes: self.bytes.into(),
            columns: self.columns,
            places: self.places,
            streams: self.streams.items,
            app_ids: self.app_ids.items,
        }
    }
}

fn place_of(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).expect("a batch ends long before 4 GiB")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Header, NodeId, cbor::Value};

    fn stream(node: u8) -> StreamId {
        StreamId { node: NodeId::from_bytes([node; 32]), number: 0 }
    }

    fn record(lamport: u64, app_id: &str, tags: &[&str], payload: &str) -> Record {
        let header = Header {
            kind: EventKind::Application,
            lamport: Lamport::new(lamport).unwrap(),
            time: WallTime::from_micros(-7),
            app_id: AppId::parse(app_id).unwrap(),
            tags: TagSet::new(tags).unwrap(),
        };
        Record::encode(&header, &Payload::from_value(&Value::from(payload)).unwrap())
    }

    #[test]
    fn a_batch_gives_back_the_events_that_were_put_in() {
        let long = "t".repeat(TAG_BYTES_MAX);
        let records = [
            (stream(9), record(4, "mill", &["grain", "caf\u{e9}"], "one")),
            (stream(9), record(5, "mill", &[], "")),
            (stream(1), record(5, "press", &["flour", &long], "three")),
            (stream(9), record(6, "mill", &["grain"], "four")),
        ];
        let mut builder = BatchBuilder::default();
        for (offset, (stream, record)) in records.iter().enumerate() {
            builder.push_record(stream, offset as u64, record);
        }
        assert_eq!(builder.len(), 4);
        let batch = builder.finish();
        assert_eq!(batch.streams(), [stream(9), stream(1)]);
        assert_eq!(batch.app_ids().len(), 2);
        for (offset, (stream, record)) in records.iter().enumerate() {
            let view = batch.get(offset).unwrap();
            let event = record.to_event(*stream, Offset::new(offset as u64));
            assert_eq!(view.to_event(), event);
            assert_eq!(batch.streams()[view.stream_index()], *stream);
            assert_eq!(view.app_id(), record.app_id());
            assert_eq!(view.payload_bytes(), record.payload_bytes());
            assert!(view.tags().eq(record.tags()) && view.tags().len() == record.tags().count());
            assert_eq!(view.has_tag("grain"), record.has_tag("grain"));
        }
        assert!(batch.get(4).is_none());
    }

    #[test]
    fn a_batch_takes_the_memory_of_another_unless_a_payload_of_it_is_kept() {
        let record = record(1, "mill", &["grain"], "in one piece of memory");
        let batch_in = |spare| {
            let mut builder = BatchBuilder::within(spare, Columns::default(), 2, 0);
            builder.push_record(&stream(1), 0, &record);
            builder.push_record(&stream(1), 1, &record);
            builder.finish()
        };
        let first = batch_in(EventBatch::default());
        let (expected, place) = (first.clone(), first.bytes.as_ptr());
        let second = batch_in(first);
        assert_ne!(second.bytes.as_ptr(), place, "the clone is kept");
        let (place, places) = (second.bytes.as_ptr(), second.places.as_ptr());
        let third = batch_in(second);
        assert_eq!((third.bytes.as_ptr(), third.places.as_ptr()), (place, places));
        assert_eq!(third, expected);
        let kept = third.get(1).unwrap().payload();
        assert_eq!(batch_in(third), expected);
        assert_eq!(kept.as_bytes()[..], *record.payload_bytes());
    }

    #[test]
    fn a_batch_of_empty_events_is_full_at_some_time() {
        let (empty, mut builder) = (record(1, "mill", &[], ""), BatchBuilder::default());
        let most = BATCH_BYTES_MAX / size_of::<Place>();
        let end = (0..=most).find(|offset| {
            builder.push_record(&stream(1), *offset as u64, &empty);
            builder.is_full(usize::MAX)
        });
        assert!(end.is_some_and(|end| end > most / 2), "{end:?}");
    }

    #[test]
    fn an_event_that_was_cut_short_is_left_out() {
        let (whole, mut builder) =
            (record(1, "mill", &["grain"], "whole"), BatchBuilder::default());
        builder.push_record(&stream(1), 0, &whole);
        for _ in 0..2 {
            builder.begin(&stream(2), 0, Lamport::ZERO, WallTime::from_micros(0), "mill");
            builder.buffer().extend_from_slice(b"half");
            builder.end_tags(1);
        }
        builder.push_record(&stream(1), 1, &whole);
        builder.begin(&stream(1), 2, Lamport::ZERO, WallTime::from_micros(0), "mill");
        builder.buffer().extend_from_slice(b"half");
        let batch = builder.finish();
        assert_eq!(batch.len(), 2);
        assert_eq!(batch.byte_count(), 2 * ("?grain".len() + "?whole".len()));
        assert!(batch.iter().all(|event| event.payload_bytes() == whole.payload_bytes()));
    }

    #[test]
    fn many_streams_keep_their_order_of_appearance() {
        let record = record(1, "mill", &[], "");
        let mut builder = BatchBuilder::default();
        let order: Vec<u8> = (0..=255).map(|at: u8| at.wrapping_mul(91)).collect();
        for node in order.iter().chain(order.iter().rev()) {
            builder.push_record(&stream(*node), 0, &record);
        }
        let batch = builder.finish();
        assert!(batch.streams().iter().copied().eq(order.iter().map(|node| stream(*node))));
        let named = order.iter().chain(order.iter().rev()).map(|node| stream(*node));
        assert!(batch.iter().map(|event| event.stream()).eq(named));
    }
}
