//! What is done once: whoever asks again with the same key gets the first answer.

use crate::error::{Error, ErrorKind, Result};
use crate::event::limits::IDEMPOTENCY_KEY_BYTES_MAX;
use crate::event::{AppId, NewEvent, Tag};

/// A key, and what it stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Once {
    /// BLAKE3 of the idempotency key.
    pub(crate) key: [u8; 32],
    /// BLAKE3 of what was asked for.
    pub(crate) digest: [u8; 32],
}

impl Once {
    /// An append of these events with the key `key`, 1 to 255 bytes: what two of them must have in
    /// common are the app id, tags and payloads.
    ///
    /// # Errors
    /// `invalid_argument`: the key is empty. `limit_exceeded`: it is too long.
    pub(crate) fn append(key: &[u8], app_id: &AppId, events: &[NewEvent]) -> Result<Once> {
        let mut digest = Digest::begin(app_id);
        for event in events {
            digest.add(&(event.tags.len() as u64).to_le_bytes());
            event.tags.iter().for_each(|tag| digest.add(tag.as_str().as_bytes()));
            digest.add(event.payload.as_bytes());
        }
        Once::new(key, &digest)
    }

    /// A decision about what has the tag `tag`: what two of them must have in common is what was
    /// asked for, not the event that it led to.
    ///
    /// # Errors
    /// As [`Once::append`].
    pub(crate) fn decision<'a>(
        key: &[u8],
        app_id: &AppId,
        tag: &Tag,
        asked: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<Once> {
        let mut digest = Digest::begin(app_id);
        digest.add(b"decision");
        digest.add(tag.as_str().as_bytes());
        asked.into_iter().for_each(|part| digest.add(part));
        Once::new(key, &digest)
    }

    fn new(key: &[u8], digest: &Digest) -> Result<Once> {
        if key.is_empty() {
            let message = "an idempotency key is empty; leave it out instead";
            return Err(Error::new(ErrorKind::InvalidArgument, message));
        }
        if key.len() > IDEMPOTENCY_KEY_BYTES_MAX {
            let message = format!(
                "an idempotency key has {} bytes; the limit is {IDEMPOTENCY_KEY_BYTES_MAX}",
                key.len()
            );
            return Err(Error::new(ErrorKind::LimitExceeded, message));
        }
        let digest = *digest.0.finalize().as_bytes();
        Ok(Once { key: *blake3::hash(key).as_bytes(), digest })
    }

    /// That the key was used for the same before.
    ///
    /// # Errors
    /// `conflict`, reason `idempotency_key`.
    pub(crate) fn check_same(&self, digest: &[u8; 32]) -> Result<()> {
        if self.digest == *digest {
            return Ok(());
        }
        let message = "the idempotency key was used before, for other contents";
        Err(Error::new(ErrorKind::Conflict, message).with_reason("idempotency_key"))
    }
}

/// BLAKE3 of parts, each with its length.
struct Digest(blake3::Hasher);

impl Digest {
    fn begin(app_id: &AppId) -> Digest {
        let mut digest = Digest(blake3::Hasher::new());
        digest.add(app_id.as_str().as_bytes());
        digest
    }

    fn add(&mut self, part: &[u8]) {
        self.0.update(&(part.len() as u64).to_le_bytes());
        self.0.update(part);
    }
}
