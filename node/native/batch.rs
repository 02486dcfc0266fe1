//! Batches of events as one block of bytes each way, so that a batch costs one crossing.
//!
//! To JavaScript, in the machine's own byte order, `n` events:
//! `[lamport, offset, time in µs] × n` as f64, then
//! `[stream text, app id text, end of its tags, end of its payload] × n` as u32, then
//! the tags of all events as u32 indexes into the texts, then the payloads.
//! From JavaScript, little endian, for each event:
//! `tag count u32, (length u32, tag) × count, length u32, payload`.
//! The other side of both is `node/src/batch.ts`.

use millpond_facade::{Draft, EventBatch, FacadeError, Result, host_error};
use napi::bindgen_prelude::{ArrayBuffer, Env};
use std::collections::BTreeMap;

/// A batch made ready on a millpond thread, so that the event loop only copies.
pub(crate) struct PackedBatch {
    pub(crate) bytes: Vec<u8>,
    /// Each distinct stream id, app id and tag of the batch, once.
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

impl From<EventBatch> for PackedBatch {
    fn from(batch: EventBatch) -> PackedBatch {
        let mut texts = Texts::starting_with(batch.streams());
        let mut words = Vec::with_capacity(batch.len() * 6);
        let mut tags: Vec<u32> = Vec::new();
        let mut payload_end = 0;
        let mut bytes = Vec::with_capacity(batch.len() * 64);
        for event in batch.iter() {
            for number in
                [event.lamport() as f64, event.offset() as f64, event.time_micros() as f64]
            {
                bytes.extend_from_slice(&number.to_ne_bytes());
            }
            let app_id = texts.index(event.app_id());
            tags.extend(event.tags().map(|tag| texts.index(tag)));
            payload_end += event.payload().len();
            let stream = event.stream_index() as u32;
            words.extend([stream, app_id, tags.len() as u32, payload_end as u32]);
        }
        words.extend(tags);
        bytes.reserve_exact(words.len() * 4 + payload_end);
        words.iter().for_each(|word| bytes.extend_from_slice(&word.to_ne_bytes()));
        batch.iter().for_each(|event| bytes.extend_from_slice(event.payload()));
        let texts = texts.into_vec(batch.streams());
        PackedBatch {
            bytes,
            texts,
            count: batch.len(),
            is_end: batch.is_end(),
            caught_up: batch.caught_up(),
            lag: batch.lag(),
            position: batch.position().token(),
        }
    }
}

/// Texts by index: the streams first, as the batch numbers them, then the others as they appear.
struct Texts<'a> {
    streams: usize,
    others: Vec<&'a str>,
    indexes: BTreeMap<&'a str, u32>,
}

impl<'a> Texts<'a> {
    fn starting_with(streams: &[String]) -> Texts<'a> {
        Texts { streams: streams.len(), others: Vec::new(), indexes: BTreeMap::new() }
    }

    fn index(&mut self, text: &'a str) -> u32 {
        let next = (self.streams + self.others.len()) as u32;
        let index = *self.indexes.entry(text).or_insert(next);
        if index == next {
            self.others.push(text);
        }
        index
    }

    fn into_vec(self, streams: &[String]) -> Vec<String> {
        streams.iter().cloned().chain(self.others.iter().map(|&text| text.to_owned())).collect()
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
