//! An immutable fact, as applications see it.

use crate::error::Result;
use crate::event::cbor::{self, Value};
use crate::event::ids::AppId;
use crate::event::position::{EventKey, Offset, WallTime};
use crate::event::tag::TagSet;
use bytes::Bytes;

/// What an event is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum EventKind {
    /// Published by an application.
    Application = 0,
    /// The first event of a stream that goes on where another could not: names that one. Written by
    /// the node itself, never delivered by queries or subscriptions.
    Opening = 1,
}

impl EventKind {
    /// The kind that this byte of a header means.
    pub fn from_byte(byte: u8) -> Option<EventKind> {
        match byte {
            0 => Some(EventKind::Application),
            1 => Some(EventKind::Opening),
            _ => None,
        }
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
