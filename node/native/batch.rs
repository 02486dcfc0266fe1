//! Batches of events as one block of bytes each way, so that a batch costs one crossing.
//!
//! To JavaScript, in the machine's own byte order, `n` events:
//! `[lamport, offset, time in µs] × n` as f64, then
//! `[stream text, app id text, number of tags, end of its tags, end of its payload] × n` as u32,
//! then for each event its tags, each a varint length and UTF-8, and its payload.
//! From JavaScript, little endian, for each event:
//! `tag count u32, (length u32, tag) × count, length u32, payload`.
//! The other side of both is `node/src/batch.ts`.

use millpond_facade::{Draft, EventBatch, FacadeError, Result, host_error};
use napi::bindgen_prelude::{ArrayBuffer, Env};

/// A batch made ready on a millpond thread, so that the event loop only copies.
pub(crate) struct PackedBatch {
    pub(crate) bytes: Vec<u8>,
    /// The distinct stream ids of the batch, then its distinct app ids.
    pub(crate) texts: Vec<String>,
    pub(crate) count: usize,
    pub(crate) is_end: bool,
    pub(crate) caught_up: bool,
    pub(crate) lag: u64,
    /// Token text of the offset map after this batch.
    pub(crate) position: String,
}

impl PackedBatch {
    pub(crate) fn bytes_to_js<'a>(&self, env: &'a Env) -> napi::Result<ArrayBuffer<'a>> {
        ArrayBuffer::copy_from(env, &self.bytes)
    }
}

/// Bytes of an event before its tags.
const ROW_BYTES: usize = 3 * 8 + 5 * 4;

impl From<EventBatch> for PackedBatch {
    fn from(batch: EventBatch) -> PackedBatch {
        let mut bytes = Vec::with_capacity(batch.len() * ROW_BYTES + batch.byte_count());
        for event in batch.iter() {
            for number in
                [event.lamport() as f64, event.offset() as f64, event.time_micros() as f64]
            {
                bytes.extend_from_slice(&number.to_ne_bytes());
            }
        }
        let streams = batch.streams().len();
        let mut end = 0;
        for event in batch.iter() {
            let tags_end = end + event.tags_bytes().len();
            end = tags_end + event.payload().len();
            let texts = [event.stream_index(), streams + event.app_id_index()];
            for word in texts.into_iter().chain([event.tags().len(), tags_end, end]) {
                bytes.extend_from_slice(&(word as u32).to_ne_bytes());
            }
        }
        for event in batch.iter() {
            bytes.extend_from_slice(event.tags_bytes());
            bytes.extend_from_slice(event.payload());
        }
        let app_ids = batch.app_ids().map(str::to_owned);
        PackedBatch {
            bytes,
            texts: batch.streams().iter().cloned().chain(app_ids).collect(),
            count: batch.len(),
            is_end: batch.is_end(),
            caught_up: batch.caught_up(),
            lag: batch.lag(),
            position: batch.position().token(),
        }
    }
}

/// The events to publish that `bytes` hold.
///
/// # Errors
/// Whatever the facade finds wrong with an event; the message names its position in the batch.
pub(crate) fn drafts(bytes: &[u8]) -> Result<Vec<Draft>> {
    let mut rest = bytes;
    let mut drafts = Vec::new();
    while !rest.is_empty() {
        let tag_count = take_u32(&mut rest)?;
        let mut tags = Vec::new();
        for _ in 0..tag_count {
            let tag = std::str::from_utf8(take(&mut rest)?).map_err(|_| malformed())?;
            tags.push(tag);
        }
        let draft = Draft::from_cbor(tags, take(&mut rest)?);
        drafts.push(draft.map_err(|error| in_event(drafts.len(), error))?);
    }
    Ok(drafts)
}

fn in_event(index: usize, error: FacadeError) -> FacadeError {
    FacadeError { message: format!("event {index}: {}", error.message), ..error }
}

fn take<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8]> {
    let length = take_u32(rest)? as usize;
    let (taken, left) = rest.split_at_checked(length).ok_or_else(malformed)?;
    *rest = left;
    Ok(taken)
}

fn take_u32(rest: &mut &[u8]) -> Result<u32> {
    let (word, left) = rest.split_first_chunk::<4>().ok_or_else(malformed)?;
    *rest = left;
    Ok(u32::from_le_bytes(*word))
}

fn malformed() -> FacadeError {
    host_error("the batch of events is malformed")
}
