//! One event as bytes: exactly what is hashed, stored and sent.
//!
//! ```text
//! record  = varint header_len ‖ header ‖ varint payload_len ‖ payload
//! header  = version 0 ‖ kind ‖ varint lamport ‖ varint zigzag(time) ‖ counted app_id
//!           ‖ varint tag_count ‖ counted tag …      (tags rise strictly)
//! ```
//! Rule: a record that decodes is in its one form, so equal events are equal bytes.
//! Begin with [`Record`]. Source: docs/format.md, "Events".

use crate::error::{Error, ErrorKind, Result};
use crate::event::cbor;
use crate::event::chain::Leaf;
use crate::event::codec::{Reader, bad, put_counted, put_varint, unzigzag, varint_bytes, zigzag};
use crate::event::event::{Event, EventKind, Payload};
use crate::event::ids::{AppId, StreamId};
use crate::event::limits::{
    APP_ID_BYTES_MAX, HEADER_BYTES_MAX, PAYLOAD_BYTES_MAX, TAG_BYTES_MAX, TAGS_PER_EVENT_MAX,
};
use crate::event::position::{EventKey, Lamport, Offset, WallTime};
use crate::event::tag::{Tag, TagSet, check_normal};
use bytes::Bytes;
use std::str;

/// The version of the header this code writes and reads.
const HEADER_VERSION: u8 = 0;

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

/// One event as bytes, checked. Cloning shares the bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    bytes: Bytes,
    /// Where the header starts and ends; the payload ends with the bytes.
    header: (u32, u32),
    payload_start: u32,
    lamport: Lamport,
    time: WallTime,
}

impl Record {
    /// The record of an event.
    pub fn encode(header: &Header, payload: &Payload) -> Record {
        let tag_bytes: usize = header.tags.iter().map(|tag| tag.as_str().len() + 2).sum();
        let mut head = Vec::with_capacity(40 + header.app_id.as_str().len() + tag_bytes);
        head.extend_from_slice(&[HEADER_VERSION, header.kind as u8]);
        put_varint(&mut head, header.lamport.value());
        put_varint(&mut head, zigzag(header.time.micros()));
        put_counted(&mut head, header.app_id.as_str().as_bytes());
        put_varint(&mut head, header.tags.len() as u64);
        header.tags.iter().for_each(|tag| put_counted(&mut head, tag.as_str().as_bytes()));

        let payload = payload.as_bytes();
        let mut bytes = Vec::with_capacity(head.len() + payload.len() + 8);
        put_counted(&mut bytes, &head);
        let header_start = varint_bytes(head.len() as u64);
        put_counted(&mut bytes, payload);
        Record {
            header: (header_start as u32, (header_start + head.len()) as u32),
            payload_start: (bytes.len() - payload.len()) as u32,
            lamport: header.lamport,
            time: header.time,
            bytes: bytes.into(),
        }
    }

    /// Takes one record off the front of `bytes`, sharing them, and checks all of it.
    ///
    /// # Errors
    /// `corrupt`, `limit_exceeded` or `invalid_argument`: the bytes are not a record in its one
    /// form; `bytes` is then unchanged.
    pub fn take(bytes: &mut Bytes) -> Result<Record> {
        let record = Record::take_trusted(bytes)?;
        let checked =
            check_header(record.header_bytes()).and_then(|()| cbor::check(record.payload_bytes()));
        if let Err(error) = checked {
            let mut whole = record.bytes.to_vec();
            whole.extend_from_slice(bytes);
            *bytes = whole.into();
            return Err(error);
        }
        Ok(record)
    }

    /// As [`Record::take`], for bytes whose checksum shows that they were checked before: looks
    /// only at lengths and at the fixed fields.
    ///
    /// # Errors
    /// `corrupt` or `limit_exceeded`: the lengths or the fixed fields do not hold.
    pub fn take_trusted(bytes: &mut Bytes) -> Result<Record> {
        let mut reader = Reader::new(bytes);
        let head = reader.counted(HEADER_BYTES_MAX, "the length of an event header")?;
        let header_end = bytes.len() - reader.rest().len();
        let payload = reader.counted(PAYLOAD_BYTES_MAX, "the length of a payload")?;
        let end = bytes.len() - reader.rest().len();
        let mut fields = Reader::new(head);
        let (lamport, time) = read_fixed(&mut fields)?.1;
        let (header, payload_start) = ((header_end - head.len(), header_end), end - payload.len());
        Ok(Record {
            bytes: bytes.split_to(end),
            header: (header.0 as u32, header.1 as u32),
            payload_start: payload_start as u32,
            lamport,
            time,
        })
    }

    /// All bytes.
    pub fn as_bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The header's bytes, without their length.
    pub fn header_bytes(&self) -> &[u8] {
        &self.bytes[self.header.0 as usize..self.header.1 as usize]
    }

    /// The payload's bytes, without their length.
    pub fn payload_bytes(&self) -> &[u8] {
        &self.bytes[self.payload_start as usize..]
    }

    /// The payload, sharing the bytes.
    pub fn payload(&self) -> Payload {
        Payload::from_checked(self.bytes.slice(self.payload_start as usize..))
    }

    /// Logical time; costs nothing.
    pub fn lamport(&self) -> Lamport {
        self.lamport
    }

    /// The author's wall clock; costs nothing.
    pub fn time(&self) -> WallTime {
        self.time
    }

    /// What kind of event; costs nothing.
    pub fn kind(&self) -> EventKind {
        EventKind::from_byte(self.header_bytes()[1]).expect("checked when the record was taken")
    }

    /// The app id, without allocating.
    pub fn app_id(&self) -> &str {
        let mut reader = self.fields();
        text(reader.counted(APP_ID_BYTES_MAX, "app id").expect(CHECKED)).expect(CHECKED)
    }

    /// The tags, rising, without allocating.
    pub fn tags(&self) -> impl Iterator<Item = &str> {
        let mut reader = self.fields();
        reader.counted(APP_ID_BYTES_MAX, "app id").expect(CHECKED);
        let count = reader.varint().expect(CHECKED);
        (0..count).map(move |_| {
            text(reader.counted(TAG_BYTES_MAX, "tag").expect(CHECKED)).expect(CHECKED)
        })
    }

    /// True when `tag` (in NFC) is one of the tags.
    pub fn has_tag(&self, tag: &str) -> bool {
        self.tags().any(|own| own == tag)
    }

    /// The header as values.
    pub fn header(&self) -> Header {
        let tags = self.tags().map(|tag| Tag::from_normal(tag).expect(CHECKED)).collect();
        Header {
            kind: self.kind(),
            lamport: self.lamport,
            time: self.time,
            app_id: AppId::parse(self.app_id()).expect(CHECKED),
            tags: TagSet::from_sorted(tags),
        }
    }

    /// What the chain is made of: the hash of the header and the payload's hash.
    pub fn leaf(&self) -> Leaf {
        Leaf::of(self.header_bytes(), self.payload_bytes())
    }

    /// The event that stands at `offset` of `stream`.
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

    /// A reader that stands before the app id.
    fn fields(&self) -> Reader<'_> {
        let mut reader = Reader::new(self.header_bytes());
        read_fixed(&mut reader).expect(CHECKED);
        reader
    }
}

const CHECKED: &str = "checked when the record was encoded or first taken";

fn read_fixed(reader: &mut Reader<'_>) -> Result<(EventKind, (Lamport, WallTime))> {
    let version = reader.u8()?;
    if version != HEADER_VERSION {
        let message = format!("an event has header version {version}; this millpond reads 0");
        return Err(Error::new(ErrorKind::FormatTooNew, message));
    }
    let kind = reader.u8()?;
    let kind = EventKind::from_byte(kind).ok_or_else(|| {
        Error::new(ErrorKind::FormatTooNew, format!("an event is of the unknown kind {kind}"))
    })?;
    let lamport = Lamport::new(reader.varint()?)?;
    if lamport == Lamport::ZERO {
        return Err(bad("an event has lamport 0"));
    }
    let time = WallTime::from_micros(unzigzag(reader.varint()?));
    Ok((kind, (lamport, time)))
}

fn check_header(bytes: &[u8]) -> Result<()> {
    let mut reader = Reader::new(bytes);
    read_fixed(&mut reader)?;
    AppId::parse(text(reader.counted(APP_ID_BYTES_MAX, "the length of an app id")?)?)?;
    let count = reader.varint_max(TAGS_PER_EVENT_MAX as u64, "the number of tags of an event")?;
    let mut last = "";
    for _ in 0..count {
        let tag = text(reader.counted(TAG_BYTES_MAX, "the length of a tag")?)?;
        check_normal(tag)?;
        if tag <= last {
            return Err(bad("the tags of an event do not rise"));
        }
        last = tag;
    }
    reader.finish()
}

fn text(bytes: &[u8]) -> Result<&str> {
    str::from_utf8(bytes).map_err(|_| bad("a text in an event header is not UTF-8"))
}
