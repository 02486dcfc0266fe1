//! An immutable fact, as applications see it.

use crate::error::{Error, ErrorKind, Result};
use crate::event::batch::{BatchBuilder, EventBatch};
use crate::event::cbor::{self, Value};
use crate::event::codec::put_varint;
use crate::event::columns::Columns;
use crate::event::ids::AppId;
use crate::event::limits::{BATCH_BYTES_MAX, BATCH_EVENTS_MAX};
use crate::event::position::{EventKey, Offset, WallTime};
use crate::event::tag::TagSet;
use bytes::Bytes;

/// The version of the header that this code writes and reads.
pub(crate) const HEADER_VERSION: u8 = 0;

/// What an event is for. Only those of kind `Application` are delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EventKind {
    /// Published by an application.
    Application,
    /// The first event of a stream that goes on where another could not: names that one. Written by
    /// the node itself.
    Opening,
    /// A later millpond's, of a kind that need not be understood: kept and passed on unread.
    Unread,
    /// A later millpond's, which must be understood: never stored; its stream waits for an upgrade.
    TooNew,
}

impl EventKind {
    /// From this byte on a kind need not be understood, whatever the version of the header.
    const UNREAD_MIN: u8 = 0x80;

    /// The kind that these bytes of a header mean to this millpond.
    pub(crate) fn of(version: u8, byte: u8) -> EventKind {
        match (version, byte) {
            (_, EventKind::UNREAD_MIN..) => EventKind::Unread,
            (HEADER_VERSION, 0) => EventKind::Application,
            (HEADER_VERSION, 1) => EventKind::Opening,
            _ => EventKind::TooNew,
        }
    }

    /// The byte that we write.
    ///
    /// # Panics
    /// For a kind of a later millpond: we do not write those.
    pub(crate) fn byte(self) -> u8 {
        match self {
            EventKind::Application => 0,
            EventKind::Opening => 1,
            EventKind::Unread | EventKind::TooNew => panic!("{self:?} events are never written"),
        }
    }

    /// True when we know what all of the header and the payload mean.
    pub const fn is_readable(self) -> bool {
        matches!(self, EventKind::Application | EventKind::Opening)
    }
}

/// One CBOR value in its deterministic encoding, at most `PAYLOAD_BYTES_MAX` bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payload(Bytes);

impl Payload {
    /// Takes bytes that are one CBOR value of the subset in its deterministic encoding.
    ///
    /// # Errors
    /// `invalid_argument`: they are not. `limit_exceeded`: too large or nested too deep.
    pub fn from_cbor(bytes: impl Into<Bytes>) -> Result<Payload> {
        let bytes = bytes.into();
        cbor::check_size(bytes.len())?;
        cbor::check(&bytes)?;
        Ok(Payload(bytes))
    }

    /// The payload of a value.
    ///
    /// # Errors
    /// `invalid_argument`: a float is not finite. `limit_exceeded`: too large or nested too deep.
    pub fn from_value(value: &Value) -> Result<Payload> {
        Ok(Payload(value.encode()?.into()))
    }

    /// What a finished writer holds.
    ///
    /// # Errors
    /// As [`cbor::Writer::finish`].
    pub fn from_writer(writer: cbor::Writer) -> Result<Payload> {
        Ok(Payload(writer.finish()?.into()))
    }

    /// Bytes that were checked when they were published or received.
    pub(crate) fn from_checked(bytes: Bytes) -> Payload {
        Payload(bytes)
    }

    /// The encoded bytes.
    pub fn as_bytes(&self) -> &Bytes {
        &self.0
    }

    /// The value.
    ///
    /// # Errors
    /// `invalid_argument`: the bytes were altered in memory; never for a payload from the log.
    pub fn to_value(&self) -> Result<Value> {
        Value::decode(&self.0)
    }
}

/// An event to be published; its node adds the rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEvent {
    /// What it is to be found by; may be empty.
    pub tags: TagSet,
    /// What it says.
    pub payload: Payload,
}

/// Refuses what cannot be appended together; else gives how many bytes it has.
///
/// # Errors
/// `invalid_argument`: no event. `limit_exceeded`: more than `BATCH_EVENTS_MAX` events, or than
/// `BATCH_BYTES_MAX` bytes.
pub(crate) fn check_batch(events: &[NewEvent]) -> Result<usize> {
    if events.is_empty() {
        let message = "an append takes at least one event";
        return Err(Error::new(ErrorKind::InvalidArgument, message));
    }
    let bytes_of = |event: &NewEvent| {
        let tags: usize = event.tags.iter().map(|tag| tag.as_str().len() + 2).sum();
        event.payload.as_bytes().len() + tags
    };
    let bytes: usize = events.iter().map(bytes_of).sum();
    if events.len() <= BATCH_EVENTS_MAX && bytes <= BATCH_BYTES_MAX {
        return Ok(bytes);
    }
    let message = format!(
        "an append has {} events and {bytes} bytes; the limits are {BATCH_EVENTS_MAX} and \
         {BATCH_BYTES_MAX}",
        events.len()
    );
    Err(Error::new(ErrorKind::LimitExceeded, message))
}

/// An event as the log holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Where it stands in the one order.
    pub key: EventKey,
    /// Its position in its stream.
    pub offset: Offset,
    /// The author's wall clock; a claim.
    pub time: WallTime,
    /// The application that published it.
    pub app_id: AppId,
    /// What it is for.
    pub kind: EventKind,
    /// What it is found by.
    pub tags: TagSet,
    /// What it says.
    pub payload: Payload,
}

impl<'a> FromIterator<&'a Event> for EventBatch {
    /// A batch of these events in this order, as a log would deliver them.
    ///
    /// # Panics
    /// One of them is not an `Application` event, or they have 4 GiB together.
    fn from_iter<I: IntoIterator<Item = &'a Event>>(events: I) -> EventBatch {
        let spare = EventBatch::default();
        let mut builder = BatchBuilder::within(spare, Columns::default(), 0, 0);
        for event in events {
            assert_eq!(event.kind, EventKind::Application, "no other event is delivered");
            let EventKey { lamport, stream } = event.key;
            let offset = event.offset.value();
            builder.begin(&stream, offset, lamport, event.time, event.app_id.as_str());
            for tag in event.tags.iter() {
                put_varint(builder.buffer(), tag.as_str().len() as u64);
                builder.buffer().extend_from_slice(tag.as_str().as_bytes());
            }
            builder.end_tags(event.tags.len());
            builder.buffer().extend_from_slice(event.payload.as_bytes());
            builder.end_payload();
        }
        builder.finish()
    }
}
