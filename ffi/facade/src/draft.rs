//! One event to be published, checked before anything is handed over.

use crate::blob_view::blob_id;
use crate::errors::Result;
use crate::json;
use bytes::Bytes;
use millpond::event::{NewEvent, Payload, TagSet, cbor};
use millpond::{BlobId, BlobRef};

/// One event to be published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    event: NewEvent,
    /// What it refers to.
    blobs: Vec<BlobId>,
}

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
        Ok(Draft { event: NewEvent { tags: TagSet::new(tags)?, payload }, blobs: Vec::new() })
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
        Ok(Draft { event: NewEvent { tags: TagSet::new(tags)?, payload }, blobs: Vec::new() })
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

    /// The same event, which refers to these blobs too (64 hex digits each), with what was said of
    /// them here. To publish it each must be here whole, or an event that is held must refer to it.
    ///
    /// # Errors
    /// `invalid_argument`: a text is no id.
    pub fn with_blobs<T: AsRef<str>>(mut self, ids: impl IntoIterator<Item = T>) -> Result<Draft> {
        for id in ids {
            self.blobs.push(blob_id(id.as_ref())?);
        }
        Ok(self)
    }

    /// The event; `said` gives a blob as it is to be spoken of.
    ///
    /// # Errors
    /// `limit_exceeded`, `invalid_argument`: an event cannot refer to these blobs.
    pub(crate) fn into_event(self, said: impl Fn(&BlobId) -> Result<BlobRef>) -> Result<NewEvent> {
        let Draft { event, blobs } = self;
        if blobs.is_empty() {
            return Ok(event);
        }
        let blobs: Vec<BlobRef> = blobs.iter().map(said).collect::<Result<_>>()?;
        Ok(event.with_blobs(&blobs)?)
    }
}
