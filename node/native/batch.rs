//! Batches of events as one block of bytes each way, so that a batch costs one crossing.
//!
//! To JavaScript, in the machine's own byte order, a row of 48 bytes for each event:
//! `lamport, offset, time in µs` as f64, then
//! `stream text, app id text, number of tags, end of its tags, end of its payload, 0` as u32;
//! and beside them, as they lie in the core's buffer, for each event its tags, each a varint length
//! and UTF-8, and its payload. What the query's columns leave out has no bytes.
//! From JavaScript, little endian, the number of events u32, then for each of them:
//! `tag count u32, (length u32, tag) × count, length u32, payload`.
//! The other side of both is `node/src/batch.ts`.

use crate::options::JsLooks;
use millpond_facade::{Bytes, Draft, EventBatch, FacadeError, Result, host_error};
use napi::bindgen_prelude::{BufferSlice, Env};
use napi_derive::napi;

/// A batch of events as JavaScript sees it.
#[napi(object, object_from_js = false)]
pub struct JsBatch<'a> {
    /// Numbers of each event.
    pub rows: BufferSlice<'a>,
    /// Tags and payloads.
    pub bytes: BufferSlice<'a>,
    /// Streams and app ids.
    pub texts: Vec<String>,
    /// Whether the tags are there.
    pub has_tags: bool,
    /// Whether the payloads are there.
    pub has_payload: bool,
    /// How many events.
    pub count: u32,
    /// There will be no more.
    pub is_end: bool,
    /// On this node's disk.
    pub is_durable: bool,
    /// Caught up with the log as it was at the start.
    pub caught_up: bool,
    /// Events left to pass.
    pub lag: i64,
    /// Token text of where this batch ends.
    pub position: String,
    /// In key order: position text of the same.
    pub resume: Option<String>,
    /// The way back.
    pub is_rewind: bool,
    /// The key of what stays.
    pub rewind_to: Option<String>,
    /// What the query had looked at.
    pub looks: JsLooks,
}

impl<'a> JsBatch<'a> {
    /// Made on the event loop throughout: whoever reads ahead has more to do than whoever reads.
    pub(crate) fn new(env: &'a Env, batch: EventBatch) -> napi::Result<JsBatch<'a>> {
        let app_ids = batch.app_ids().map(str::to_owned);
        let texts = batch.streams().iter().cloned().chain(app_ids).collect();
        let position = batch.position().token();
        let resume = Some(batch.position_text()).filter(|resume| *resume != position);
        let columns = batch.columns();
        Ok(JsBatch {
            rows: owned(env, rows(&batch))?,
            // A buffer, because an `ArrayBuffer` would be filled with zeros before. Copied, because
            // the memory is then there for the next batch: fresh memory costs more than the copy.
            bytes: BufferSlice::copy_from(env, batch.bytes())?,
            texts,
            has_tags: columns.tags,
            has_payload: columns.payload,
            count: batch.len() as u32,
            is_end: batch.is_end(),
            is_durable: batch.is_durable(),
            caught_up: batch.caught_up(),
            lag: batch.lag() as i64,
            position,
            resume,
            is_rewind: batch.is_rewind(),
            rewind_to: batch.rewind_to(),
            looks: batch.looks().into(),
        })
    }
}

const ROW_BYTES: usize = 3 * 8 + 6 * 4;

fn rows(batch: &EventBatch) -> Vec<u8> {
    let mut rows = Vec::with_capacity(batch.len() * ROW_BYTES);
    let streams = batch.streams().len();
    let mut end = 0;
    for event in batch.iter() {
        let numbers = [event.lamport() as f64, event.offset() as f64, event.time_micros() as f64];
        let sizes = event.sizes();
        let tags_end = end + sizes.tags_bytes;
        end = tags_end + sizes.payload_bytes;
        let (stream, app_id) = (event.stream_index(), streams + event.app_id_index());
        let words = [stream, app_id, sizes.tags, tags_end, end, 0];
        let mut row = [0; ROW_BYTES];
        let (left, right) = row.split_at_mut(size_of_val(&numbers));
        left.copy_from_slice(numbers.map(f64::to_ne_bytes).as_flattened());
        right.copy_from_slice(words.map(|word| (word as u32).to_ne_bytes()).as_flattened());
        rows.extend_from_slice(&row);
    }
    rows
}

/// Less is copied: that takes less time than what Node keeps about memory that is not its own.
const HANDED_OVER_MIN: usize = 64 << 10;

fn owned<'a>(env: &'a Env, bytes: Vec<u8>) -> napi::Result<BufferSlice<'a>> {
    if bytes.len() < HANDED_OVER_MIN {
        BufferSlice::copy_from(env, bytes)
    } else {
        BufferSlice::from_data(env, bytes)
    }
}

/// The events to publish that `bytes` hold.
///
/// # Errors
/// Whatever the facade finds wrong with an event; the message names its position in the batch.
pub(crate) fn drafts(bytes: &[u8]) -> Result<Vec<Draft>> {
    // One copy, which all payloads share.
    let whole = Bytes::copy_from_slice(bytes);
    let mut rest = &whole[..];
    let count = take_u32(&mut rest)? as usize;
    // Each has two numbers at least.
    let mut drafts = Vec::with_capacity(count.min(rest.len() / 8));
    let mut tags = Vec::new();
    for _ in 0..count {
        tags.clear();
        for _ in 0..take_u32(&mut rest)? {
            let tag = std::str::from_utf8(take(&mut rest)?).map_err(|_| malformed())?;
            tags.push(tag);
        }
        let draft = Draft::from_cbor(&tags, whole.slice_ref(take(&mut rest)?));
        drafts.push(draft.map_err(|error| in_event(drafts.len(), error))?);
    }
    if rest.is_empty() { Ok(drafts) } else { Err(malformed()) }
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
