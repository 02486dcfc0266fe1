//! Batches of events as one block of bytes each way, so that a batch costs one crossing.
//!
//! What the bytes are: `ffi/facade/src/packed.rs`. The other side of both is `node/src/batch.ts`.

use crate::options::JsLooks;
use millpond_facade::EventBatch;
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
        let position = batch.position().token();
        let resume = Some(batch.position_text()).filter(|resume| *resume != position);
        let columns = batch.columns();
        Ok(JsBatch {
            rows: owned(env, batch.rows())?,
            // A buffer, because an `ArrayBuffer` would be filled with zeros before. Copied, because
            // the memory is then there for the next batch: fresh memory costs more than the copy.
            bytes: BufferSlice::copy_from(env, batch.bytes())?,
            texts: batch.texts(),
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

/// Less is copied: that takes less time than what Node keeps about memory that is not its own.
const HANDED_OVER_MIN: usize = 64 << 10;

fn owned<'a>(env: &'a Env, bytes: Vec<u8>) -> napi::Result<BufferSlice<'a>> {
    if bytes.len() < HANDED_OVER_MIN {
        BufferSlice::copy_from(env, bytes)
    } else {
        BufferSlice::from_data(env, bytes)
    }
}
