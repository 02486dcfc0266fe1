//! Batches: owned as a whole, looked at event by event.

use crate::call::{borrow, call, output};
use crate::error::millpond_error_t;
use crate::node::give_text;
use crate::value::{millpond_bytes_t, millpond_text_t};
use millpond_facade::{EventBatch, EventView, Result, host_error};
use std::ptr;

/// Column: what every event has: key, stream, offset, time, app id. Alone: no tags, no payload.
pub const MILLPOND_COLUMN_KEY: u32 = 1;
/// Column: the tags.
pub const MILLPOND_COLUMN_TAGS: u32 = 2;
/// Column: the payload.
pub const MILLPOND_COLUMN_PAYLOAD: u32 = 4;

/// Some events, in order. Owned by the caller, unless it came to a callback.
pub struct millpond_batch_t {
    batch: EventBatch,
    /// The tags of all events, one after the other.
    tags: Vec<millpond_text_t>,
    /// Where the tags of each event begin, and where the last one's end.
    tag_starts: Vec<usize>,
    /// Of a rewind: the key of the last event that stays, if one does.
    rewind_to: Option<String>,
}

/// One event, borrowed from its batch: every pointer is valid until the batch is freed.
#[repr(C)]
pub struct millpond_event_t {
    /// Set by MILLPOND_EVENT_INIT.
    pub struct_size: u32,
    /// Always 0.
    pub reserved: u32,
    /// Logical time, from 1 to 2^53 - 1: orders first.
    pub lamport: u64,
    /// Position in its stream: 0 for the first, no gaps.
    pub offset: u64,
    /// The author's wall clock, microseconds since 1970 UTC: a claim, never orders.
    pub time_micros: i64,
    /// Its stream: orders events of equal lamport.
    pub stream: millpond_text_t,
    /// The application that published it.
    pub app_id: millpond_text_t,
    /// Its tags, rising and distinct: up to 64 of 1 to 255 bytes. NULL when the query's `columns`
    /// leave them out, and only then.
    pub tags: *const millpond_text_t,
    /// How many.
    pub tag_count: usize,
    /// Its payload: one CBOR value of 1 byte to 1 MiB; see millpond_payload_to_json. NULL when the
    /// query's `columns` leave it out, and only then.
    pub payload: *const u8,
    /// How many bytes.
    pub payload_len: usize,
}

impl millpond_batch_t {
    pub(crate) fn new(batch: EventBatch) -> millpond_batch_t {
        let (mut tags, mut tag_starts) = (Vec::new(), Vec::with_capacity(batch.len() + 1));
        tag_starts.push(0);
        // Events of a log mostly have as many tags as the one before.
        if let Some(first) = batch.get(0) {
            tags.reserve(first.sizes().tags * batch.len());
        }
        for event in batch.iter() {
            // The texts lie in the one buffer of the batch, which is kept unchanged beside them.
            if batch.columns().tags
                && let Ok(bytes) = event.tags_bytes()
            {
                put_tags(bytes, &mut tags);
            }
            tag_starts.push(tags.len());
        }
        let rewind_to = batch.rewind_to();
        millpond_batch_t { batch, tags, tag_starts, rewind_to }
    }

    pub(crate) fn owned(batch: EventBatch) -> *mut millpond_batch_t {
        Box::into_raw(Box::new(millpond_batch_t::new(batch)))
    }

    pub(crate) fn len(&self) -> usize {
        self.batch.len()
    }

    fn view(&self, index: usize) -> Result<EventView<'_>> {
        self.batch.get(index).ok_or_else(|| {
            let len = self.batch.len();
            host_error(format!("event {index} of a batch with {len} events"))
        })
    }

    /// Event `index`, whose pointers are valid as long as the batch is.
    pub(crate) fn event(&self, index: usize) -> Result<millpond_event_t> {
        let view = self.view(index)?;
        let tags = &self.tags[self.tag_starts[index]..self.tag_starts[index + 1]];
        let columns = self.batch.columns();
        let tags_data = if columns.tags { tags.as_ptr() } else { ptr::null() };
        let (payload, payload_len) = match columns.payload {
            true => (view.payload()?.as_ptr(), view.payload()?.len()),
            false => (ptr::null(), 0),
        };
        Ok(millpond_event_t {
            struct_size: size_of::<millpond_event_t>() as u32,
            reserved: 0,
            lamport: view.lamport(),
            offset: view.offset(),
            time_micros: view.time_micros(),
            stream: millpond_text_t::borrowed(view.stream()),
            app_id: millpond_text_t::borrowed(view.app_id()),
            tags: tags_data,
            tag_count: tags.len(),
            payload,
            payload_len,
        })
    }
}

/// Adds the tags in `bytes`: for each a varint length, 255 at most, then UTF-8. That it is UTF-8
/// was looked at when the event came in; here this would cost as much as all else of a batch.
///
/// Source: docs/format.md, "Events".
fn put_tags(mut bytes: &[u8], tags: &mut Vec<millpond_text_t>) {
    while let [first, rest @ ..] = bytes {
        let (len, rest) = match rest {
            [second, rest @ ..] if *first >= 0x80 => {
                (usize::from(*first & 0x7f) | (usize::from(*second) << 7), rest)
            }
            _ => (usize::from(*first), rest),
        };
        let Some((tag, rest)) = rest.split_at_checked(len) else { return };
        tags.push(millpond_text_t { data: tag.as_ptr().cast(), len });
        bytes = rest;
    }
}

/// Number of events; 0 for NULL. Thread-safe.
///
/// # Safety
/// `batch` is NULL or was given by millpond and not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_batch_len(batch: *const millpond_batch_t) -> usize {
    // SAFETY: NULL or valid by contract. Not a default: the header says what NULL answers.
    unsafe { batch.as_ref() }.map_or(0, |batch| batch.batch.len())
}

/// 1 when nothing will follow (the batch is then empty): the query is answered, or the subscription
/// or its node was closed. Else 0, also for NULL. Thread-safe.
///
/// # Safety
/// As millpond_batch_len.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_batch_is_end(batch: *const millpond_batch_t) -> i32 {
    // SAFETY: NULL or valid by contract. Not a default: the header says what NULL answers.
    unsafe { batch.as_ref() }.map_or(0, |batch| i32::from(batch.batch.is_end()))
}

/// 1 when a subscription has passed everything that was there when it began, else 0, also for NULL.
/// Thread-safe.
///
/// # Safety
/// As millpond_batch_len.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_batch_caught_up(batch: *const millpond_batch_t) -> i32 {
    // SAFETY: NULL or valid by contract. Not a default: the header says what NULL answers.
    unsafe { batch.as_ref() }.map_or(0, |batch| i32::from(batch.batch.caught_up()))
}

/// 0 when a live subscription was given these events before they were on this node's disk: then its
/// position does not count them. Else 1, also for NULL. Thread-safe.
///
/// # Safety
/// As millpond_batch_len.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_batch_is_durable(batch: *const millpond_batch_t) -> i32 {
    // SAFETY: NULL or valid by contract. Not a default: the header says what NULL answers.
    unsafe { batch.as_ref() }.map_or(1, |batch| i32::from(batch.batch.is_durable()))
}

/// Events of the log that the subscription had not passed yet when it gave this batch, matching or
/// not; 0 for the batch of a query and for NULL. millpond_subscription_lag tells it as of now.
/// Thread-safe.
///
/// # Safety
/// As millpond_batch_len.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_batch_lag(batch: *const millpond_batch_t) -> u64 {
    // SAFETY: NULL or valid by contract. Not a default: the header says what NULL answers.
    unsafe { batch.as_ref() }.map_or(0, |batch| batch.batch.lag())
}

/// 1 when events of a subscription in key order came late: whatever was delivered behind
/// millpond_batch_rewind_to is to be forgotten, and comes again in order with them; the batch is
/// empty. Else 0, also for NULL. Thread-safe.
///
/// # Safety
/// As millpond_batch_len.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_batch_is_rewind(batch: *const millpond_batch_t) -> i32 {
    // SAFETY: NULL or valid by contract. Not a default: the header says what NULL answers.
    unsafe { batch.as_ref() }.map_or(0, |batch| i32::from(batch.batch.is_rewind()))
}

/// Of a rewind: the key of the last event that stays, "<lamport>/<stream id>"; {NULL, 0} when none
/// does, for what is no rewind, and for NULL. Borrowed until the batch is freed. Thread-safe.
///
/// # Safety
/// As millpond_batch_len.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_batch_rewind_to(
    batch: *const millpond_batch_t,
) -> millpond_text_t {
    // SAFETY: NULL or valid by contract.
    let key = unsafe { batch.as_ref() }.and_then(|batch| batch.rewind_to.as_deref());
    let nothing = millpond_text_t { data: ptr::null(), len: 0 };
    key.map_or(nothing, millpond_text_t::borrowed)
}

/// Which columns its events have: MILLPOND_COLUMN_ numbers, joined by |; 0 for NULL. Thread-safe.
///
/// # Safety
/// As millpond_batch_len.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_batch_columns(batch: *const millpond_batch_t) -> i32 {
    // SAFETY: NULL or valid by contract. Not a default: the header says what NULL answers.
    let Some(batch) = (unsafe { batch.as_ref() }) else { return 0 };
    let columns = batch.batch.columns();
    let tags = if columns.tags { MILLPOND_COLUMN_TAGS } else { 0 };
    let payload = if columns.payload { MILLPOND_COLUMN_PAYLOAD } else { 0 };
    (MILLPOND_COLUMN_KEY | tags | payload) as i32
}

/// Where a subscription stands after this batch, to subscribe from in the same order: in arrival
/// order a token, in key order a longer text. For the batch of a query, what the query is answered
/// at. Free `*token` with millpond_bytes_free. Thread-safe.
///
/// # Safety
/// The laws at the top of millpond.h.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_batch_position(
    batch: *const millpond_batch_t,
    token: *mut millpond_bytes_t,
    error: *mut *mut millpond_error_t,
) -> i32 {
    // SAFETY: pointers are checked; what they point to is valid by the laws of the header.
    unsafe {
        give_text("millpond_batch_position", token, "token", error, || {
            Ok(borrow(batch, "batch")?.batch.position_text())
        })
    }
}

/// Looks at event `index`, from 0 to millpond_batch_len - 1. Begin `*event` with
/// MILLPOND_EVENT_INIT. Costs no allocation. Thread-safe.
///
/// # Safety
/// The laws at the top of millpond.h.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_batch_get(
    batch: *const millpond_batch_t,
    index: usize,
    event: *mut millpond_event_t,
    error: *mut *mut millpond_error_t,
) -> i32 {
    // SAFETY: pointers are checked; what they point to is valid by the laws of the header.
    unsafe {
        call("millpond_batch_get", error, || {
            let batch = borrow(batch, "batch")?;
            let size = *borrow(event.cast::<u32>().cast_const(), "event")? as usize;
            if size < size_of::<millpond_event_t>() {
                return Err(host_error(format!(
                    "`event.struct_size` is {size}; begin with the _INIT macro"
                )));
            }
            output(event, "event")?.put(batch.event(index)?);
            Ok(())
        })
    }
}

/// The blobs to which event `index` refers, by rising id, as one JSON array of objects: "id" (64
/// hex digits), "size" in bytes, "media_type", "name"; null is unknown. Only the ids are sure: the
/// rest is what its publisher said. Free `*json` with millpond_bytes_free. Thread-safe.
///
/// # Safety
/// The laws at the top of millpond.h.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_batch_blobs(
    batch: *const millpond_batch_t,
    index: usize,
    json: *mut millpond_bytes_t,
    error: *mut *mut millpond_error_t,
) -> i32 {
    // SAFETY: pointers are checked; what they point to is valid by the laws of the header.
    unsafe {
        give_text("millpond_batch_blobs", json, "json", error, || {
            borrow(batch, "batch")?.view(index)?.blobs_json()
        })
    }
}

/// Frees a batch; its events are gone with it. NULL is legal.
///
/// # Safety
/// `batch` is NULL or was given to the caller to own, and is not used any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_batch_free(batch: *mut millpond_batch_t) {
    if !batch.is_null() {
        // SAFETY: `owned` made it of a Box, and the caller gives it back.
        drop(unsafe { Box::from_raw(batch) });
    }
}
