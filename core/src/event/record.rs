//! One event as bytes: exactly what is hashed, stored and sent.
//!
//! ```text
//! record  = varint header_len ‖ header ‖ payload
//! header  = version 0 ‖ kind ‖ varint lamport ‖ varint zigzag(time) ‖ varint payload_len
//!           ‖ counted app_id ‖ varint tag_count ‖ counted tag …      (tags rise strictly)
//! ```
//! Rule: a record that decodes is in its one form, so equal events are equal bytes. Whether its
//! tags are in NFC is not asked: the answer changes with Unicode's version, and a stream must read
//! the same on all nodes. Publishing normalises; afterwards tags are bytes.
//! What stands up to the payload's length is the same in every version; of a later millpond's
//! events only that is read. The length is part of what is hashed: where blocks end follows from
//! headers alone, also when a payload is gone.
//! Begin with [`Record`]. Source: docs/format.md, "Events".

use crate::error::Result;
use crate::event::cbor;
use crate::event::chain::Leaf;
use crate::event::codec::{Reader, bad, put_counted, put_varint, unzigzag, varint_bytes, zigzag};
use crate::event::event::{Event, EventKind, HEADER_VERSION, Payload};
use crate::event::ids::{AppId, StreamId};
use crate::event::limits::{
    APP_ID_BYTES_MAX, HEADER_BYTES_MAX, PAYLOAD_BYTES_MAX, TAG_BYTES_MAX, TAGS_PER_EVENT_MAX,
};
use crate::event::position::{EventKey, Lamport, Offset, WallTime};
use crate::event::tag::{Tag, TagSet};
use bytes::Bytes;
use std::str;

/// What a record says about its event, beside the payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// What kind of event.
    pub kind: EventKind,
    /// Logical time, at least 1.
    pub lamport: Lamport,
    /// The author's wall clock.
    pub time: WallTime,
    /// The application that published.
    pub app_id: AppId,
    /// What it is found by.
    pub tags: TagSet,
}

/// One event as bytes, checked. Cloning shares the bytes, also those it was taken from: a record
/// keeps the whole frame or block in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    bytes: Bytes,
    places: Places,
}

/// Where the parts of a record lie, and what is worth reading only once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Places {
    header_start: u32,
    app_id_start: u32,
    /// The payload begins there, and ends with the record.
    header_end: u32,
    end: u32,
    kind: EventKind,
    lamport: Lamport,
    time: WallTime,
}

impl Record {
    /// The record of an event.
    ///
    /// # Panics
    /// When `header.lamport` is zero: nothing happens before everything. When `header.kind` is a
    /// later millpond's.
    pub fn encode(header: &Header, payload: &Payload) -> Record {
        assert!(header.lamport > Lamport::ZERO, "an event has a lamport of at least 1");
        let app_id = header.app_id.as_str().as_bytes();
        let (lamport, time) = (header.lamport.value(), zigzag(header.time.micros()));
        let counted = |length: usize| varint_bytes(length as u64) + length;
        let tag_bytes: usize = header.tags.iter().map(|tag| counted(tag.as_str().len())).sum();
        let payload = payload.as_bytes();
        let fixed = [lamport, time, payload.len() as u64];
        let app_id_at = 2 + fixed.iter().map(|field| varint_bytes(*field)).sum::<usize>();
        let tag_count = header.tags.len() as u64;
        let head_bytes = app_id_at + counted(app_id.len()) + varint_bytes(tag_count) + tag_bytes;

        let mut bytes = Vec::with_capacity(counted(head_bytes) + payload.len());
        put_varint(&mut bytes, head_bytes as u64);
        let header_start = bytes.len();
        bytes.extend_from_slice(&[HEADER_VERSION, header.kind.byte()]);
        fixed.iter().for_each(|field| put_varint(&mut bytes, *field));
        put_counted(&mut bytes, app_id);
        put_varint(&mut bytes, tag_count);
        header.tags.iter().for_each(|tag| put_counted(&mut bytes, tag.as_str().as_bytes()));
        let header_end = bytes.len();
        assert_eq!(header_end - header_start, head_bytes, "the length was written first");
        bytes.extend_from_slice(payload);
        let places = Places {
            header_start: header_start as u32,
            app_id_start: (header_start + app_id_at) as u32,
            header_end: header_end as u32,
            end: bytes.len() as u32,
            kind: header.kind,
            lamport: header.lamport,
            time: header.time,
        };
        Record { bytes: bytes.into(), places }
    }

    /// Takes one record off the front of `bytes`, sharing them, and checks all of it that has a
    /// meaning here: see [`EventKind`].
    ///
    /// # Errors
    /// `corrupt`, `limit_exceeded` or `invalid_argument`: the bytes are not a record in its one
    /// form. `bytes` is then unchanged.
    pub fn take(bytes: &mut Bytes) -> Result<Record> {
        let places = Places::find(bytes)?;
        if places.kind.is_readable() {
            cbor::check(&bytes[places.header_end as usize..places.end as usize])?;
        }
        Ok(Record { bytes: bytes.split_to(places.end as usize), places })
    }

    /// As [`Record::take`], for bytes whose checksum shows that they were checked before: leaves
    /// out the payload, whose readers refuse what is wrong. The header is checked.
    ///
    /// # Errors
    /// As [`Record::take`], but for the payload.
    pub fn take_trusted(bytes: &mut Bytes) -> Result<Record> {
        let places = Places::find(bytes)?;
        Ok(Record { bytes: bytes.split_to(places.end as usize), places })
    }

    /// All bytes.
    pub fn as_bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The header's bytes, without their length.
    pub fn header_bytes(&self) -> &[u8] {
        &self.bytes[self.places.header_start as usize..self.places.header_end as usize]
    }

    /// The payload's bytes.
    pub fn payload_bytes(&self) -> &[u8] {
        &self.bytes[self.places.header_end as usize..]
    }

    /// The payload, sharing the bytes.
    pub fn payload(&self) -> Payload {
        Payload::from_checked(self.bytes.slice(self.places.header_end as usize..))
    }

    /// Logical time; costs nothing.
    pub fn lamport(&self) -> Lamport {
        self.places.lamport
    }

    /// The author's wall clock; costs nothing.
    pub fn time(&self) -> WallTime {
        self.places.time
    }

    /// What kind of event; costs nothing.
    pub fn kind(&self) -> EventKind {
        self.places.kind
    }

    /// The app id, without allocating; empty when the kind is not readable.
    pub fn app_id(&self) -> &str {
        if !self.kind().is_readable() {
            return "";
        }
        let mut reader = self.fields();
        text(reader.counted(APP_ID_BYTES_MAX, "app id").expect(CHECKED)).expect(CHECKED)
    }

    /// The tags, rising, without allocating; none when the kind is not readable.
    pub fn tags(&self) -> impl Iterator<Item = &str> {
        let (count, tags) = self.tags_bytes();
        let mut reader = Reader::new(tags);
        (0..count).map(move |_| {
            text(reader.counted(TAG_BYTES_MAX, "tag").expect(CHECKED)).expect(CHECKED)
        })
    }

    /// The number of tags and their bytes, for each a varint length and text; none when the kind
    /// is not readable.
    pub(crate) fn tags_bytes(&self) -> (usize, &[u8]) {
        if !self.kind().is_readable() {
            return (0, &[]);
        }
        let mut reader = self.fields();
        reader.counted(APP_ID_BYTES_MAX, "app id").expect(CHECKED);
        let count = reader.varint().expect(CHECKED);
        (count as usize, reader.rest())
    }

    /// True when `tag`, compared by bytes, is one of the tags.
    pub fn has_tag(&self, tag: &str) -> bool {
        self.tags().any(|own| own == tag)
    }

    /// The header as values.
    ///
    /// # Panics
    /// When the kind is not readable.
    pub fn header(&self) -> Header {
        let tags = self.tags().map(|tag| Tag::verbatim(tag).expect(CHECKED)).collect();
        Header {
            kind: self.kind(),
            lamport: self.places.lamport,
            time: self.places.time,
            app_id: AppId::parse(self.app_id()).expect(CHECKED),
            tags: TagSet::from_sorted(tags),
        }
    }

    /// What the chain is made of: the hash of the header and the payload's hash.
    pub fn leaf(&self) -> Leaf {
        Leaf::of(self.header_bytes(), self.payload_bytes())
    }

    /// The event that stands at `offset` of `stream`.
    ///
    /// # Panics
    /// When the kind is not readable.
    pub fn to_event(&self, stream: StreamId, offset: Offset) -> Event {
        let header = self.header();
        Event {
            key: EventKey { lamport: header.lamport, stream },
            offset,
            time: header.time,
            app_id: header.app_id,
            kind: header.kind,
            tags: header.tags,
            payload: self.payload(),
        }
    }

    /// The header's bytes from the app id on; of kinds that are not readable whatever stands there.
    pub(crate) fn fields_bytes(&self) -> &[u8] {
        let places = &self.places;
        &self.bytes[places.app_id_start as usize..places.header_end as usize]
    }

    /// A reader that stands before the app id.
    fn fields(&self) -> Reader<'_> {
        Reader::new(self.fields_bytes())
    }
}

const CHECKED: &str = "every record was made by `encode` or went through `Places::find`";

impl Places {
    /// Where the parts of the record at the front of `bytes` lie. Checks all but the payload.
    fn find(bytes: &[u8]) -> Result<Places> {
        let mut reader = Reader::new(bytes);
        let header = reader.counted(HEADER_BYTES_MAX, "the length of an event header")?;
        let header_end = bytes.len() - reader.rest().len();
        let mut fields = Reader::new(header);
        let (kind, lamport, time) = read_fixed(&mut fields)?;
        let payload = fields.varint_max(PAYLOAD_BYTES_MAX as u64, "the length of a payload")?;
        let app_id_start = header_end - fields.rest().len();
        reader.bytes(payload as usize)?;
        let end = bytes.len() - reader.rest().len();
        if kind.is_readable() {
            check_app_id_and_tags(fields)?;
        }
        Ok(Places {
            header_start: (header_end - header.len()) as u32,
            app_id_start: app_id_start as u32,
            header_end: header_end as u32,
            end: end as u32,
            kind,
            lamport,
            time,
        })
    }
}

fn read_fixed(reader: &mut Reader<'_>) -> Result<(EventKind, Lamport, WallTime)> {
    let kind = EventKind::of(reader.u8()?, reader.u8()?);
    let lamport = Lamport::new(reader.varint()?)?;
    if lamport == Lamport::ZERO {
        return Err(bad("an event has lamport 0"));
    }
    let time = WallTime::from_micros(unzigzag(reader.varint()?));
    Ok((kind, lamport, time))
}

fn check_app_id_and_tags(mut reader: Reader<'_>) -> Result<()> {
    AppId::check(text(reader.counted(APP_ID_BYTES_MAX, "the length of an app id")?)?)?;
    let count = reader.varint_max(TAGS_PER_EVENT_MAX as u64, "the number of tags of an event")?;
    let mut last = "";
    for _ in 0..count {
        let tag = text(reader.counted(TAG_BYTES_MAX, "the length of a tag")?)?;
        // The empty text rises over nothing, so it is refused here as well.
        if tag <= last {
            return Err(bad("the tags of an event are not distinct, not empty and rising"));
        }
        last = tag;
    }
    reader.finish()
}

fn text(bytes: &[u8]) -> Result<&str> {
    str::from_utf8(bytes).map_err(|_| bad("a text in an event header is not UTF-8"))
}
