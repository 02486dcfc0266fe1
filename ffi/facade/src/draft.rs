//! One event to be published, checked before anything is handed over.

use crate::errors::Result;
use crate::json;
use bytes::Bytes;
use millpond::event::{NewEvent, Payload, TagSet, cbor};

/// One event to be published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft(NewEvent);

impl Draft {
    /// Tags, and what a writer holds.
    ///
    /// # Errors
    /// `invalid_argument`, `limit_exceeded`: a tag or the payload is refused.
    pub fn new<T: AsRef<str>>(
        tags: impl IntoIterator<Item = T>,
        payload: cbor::Writer,
    ) -> Result<Draft> {
        let payload = Payload::from_writer(payload)?;
        Ok(Draft(NewEvent { tags: TagSet::new(tags)?, payload }))
    }

    /// Tags, and a payload in deterministic CBOR.
    ///
    /// # Errors
    /// As [`Draft::new`].
    pub fn from_cbor<T: AsRef<str>>(
        tags: impl IntoIterator<Item = T>,
        payload: impl Into<Bytes>,
    ) -> Result<Draft> {
        let payload = Payload::from_cbor(payload)?;
        Ok(Draft(NewEvent { tags: TagSet::new(tags)?, payload }))
    }

    /// Tags, and a payload as JSON text (see [`json`]).
    ///
    /// # Errors
    /// As [`Draft::new`]; `invalid_argument`: it is not JSON.
    pub fn from_json<T: AsRef<str>>(
        tags: impl IntoIterator<Item = T>,
        payload: &str,
    ) -> Result<Draft> {
        Draft::new(tags, json::write(payload)?)
    }

    pub(crate) fn into_event(self) -> NewEvent {
        self.0
    }
}
