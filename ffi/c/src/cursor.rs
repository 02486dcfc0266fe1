//! Queries and their cursors.

use crate::batch::millpond_batch_t;
use crate::call::{call, output, text};
use crate::error::millpond_error_t;
use crate::node::{give_text, once};
use crate::options::millpond_query_options_t;
use crate::value::{
    millpond_bytes_t, millpond_cancel_t, millpond_cursor_t, millpond_node_t, options, wait,
};
use millpond_facade::{CursorHandle, NodeHandle, QueryOptions};
use std::ffi::c_char;

/// Asks `query`, over the log as it is now. `query_options` may be NULL. On MILLPOND_OK, `*cursor`
/// is a new handle; close it with millpond_cursor_close. To learn how it would be answered, call
/// millpond_cursor_explain before anything is read. MILLPOND_ERROR_QUERY_INVALID: see
/// millpond_error_position. MILLPOND_ERROR_NOT_YET_VISIBLE: `upper` reaches beyond what is durable
/// here, or the log does not cover in time what `after` and the session name; see
/// millpond_error_missing. Thread-safe.
///
/// # Safety
/// The laws at the top of millpond.h.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_node_query(
    node: millpond_node_t,
    query: *const c_char,
    query_len: usize,
    query_options: *const millpond_query_options_t,
    timeout_ms: i64,
    cancel: millpond_cancel_t,
    cursor: *mut millpond_cursor_t,
    error: *mut *mut millpond_error_t,
) -> i32 {
    // SAFETY: pointers are checked; what they point to is valid by the laws of the header.
    unsafe {
        call("millpond_node_query", error, || {
            let place = output(cursor, "cursor")?;
            let query = text(query, query_len, "query")?;
            let given = if query_options.is_null() {
                QueryOptions::default()
            } else {
                let init = millpond_query_options_t::INIT;
                options(query_options, init, "query_options")?.resolve()?
            };
            let wait = wait(timeout_ms, cancel);
            let opened = NodeHandle::from_id(node.id).query(query, given, &wait)?;
            place.put(millpond_cursor_t { id: opened.id() });
            Ok(())
        })
    }
}

/// The next events, at most `count_max` (0: 1,024; at most 4,096). On MILLPOND_OK, free `*batch`
/// with millpond_batch_free. After the last event millpond_batch_is_end says 1, again and again.
/// Timeout and cancel lose no event. One call at a time; a second one answers
/// MILLPOND_ERROR_INVALID_ARGUMENT. MILLPOND_ERROR_CORRUPT, MILLPOND_ERROR_STORAGE_FAILED: a block
/// cannot be read.
///
/// # Safety
/// The laws at the top of millpond.h.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_cursor_next(
    cursor: millpond_cursor_t,
    count_max: usize,
    timeout_ms: i64,
    cancel: millpond_cancel_t,
    batch: *mut *mut millpond_batch_t,
    error: *mut *mut millpond_error_t,
) -> i32 {
    // SAFETY: pointers are checked; what they point to is valid by the laws of the header.
    unsafe {
        call("millpond_cursor_next", error, || {
            let place = output(batch, "batch")?;
            let count_max = (count_max != 0).then_some(count_max);
            let handle = CursorHandle::from_id(cursor.id);
            let events = handle.next_batch(count_max, &wait(timeout_ms, cancel))?;
            place.put(millpond_batch_t::owned(events));
            Ok(())
        })
    }
}

/// How the cursor's query is answered, as one JSON object: `query`, `order`, `alternatives` (what
/// is looked up), `is_exact` (false: each event found is judged by the query), `expected` (for the
/// whole answer, by the index) and `actual` (so far; nothing before the first batch), each a number
/// of `segments`, `blocks`, `frames` and `events`, and `text`, all of it as lines for people. A
/// batch that is read ahead counts when it is read. Costs a look into each segment of the postings.
/// Free `*json` with millpond_bytes_free. MILLPOND_ERROR_CORRUPT: a segment is damaged.
/// MILLPOND_ERROR_STORAGE_FAILED: the disk does not answer. Thread-safe.
///
/// # Safety
/// The laws at the top of millpond.h.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_cursor_explain(
    cursor: millpond_cursor_t,
    timeout_ms: i64,
    cancel: millpond_cancel_t,
    json: *mut millpond_bytes_t,
    error: *mut *mut millpond_error_t,
) -> i32 {
    let ask = || {
        let handle = CursorHandle::from_id(cursor.id);
        Ok(handle.explain(&wait(timeout_ms, cancel))?.json())
    };
    // SAFETY: the same contract.
    unsafe { give_text("millpond_cursor_explain", json, "json", error, ask) }
}

/// How complete the cursor's answer is, as one JSON object: `offsets` (a token of how many events
/// of each stream it is read over), `behind` (streams of which more is signed for) and `unheard`
/// (nodes that were heard of and not in reach), all as of when it was asked; docs/status.md names
/// every field. Reads nothing. Free `*json` with millpond_bytes_free. Thread-safe.
///
/// # Safety
/// The laws at the top of millpond.h.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_cursor_completeness(
    cursor: millpond_cursor_t,
    json: *mut millpond_bytes_t,
    error: *mut *mut millpond_error_t,
) -> i32 {
    let ask = || CursorHandle::from_id(cursor.id).completeness_json();
    // SAFETY: the same contract.
    unsafe { give_text("millpond_cursor_completeness", json, "json", error, ask) }
}

/// Closes a cursor; a call that waits for it gets the end. A second close answers
/// MILLPOND_ERROR_CLOSED and does nothing. Thread-safe.
///
/// # Safety
/// The laws at the top of millpond.h.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_cursor_close(
    cursor: millpond_cursor_t,
    error: *mut *mut millpond_error_t,
) -> i32 {
    // SAFETY: `error` is valid by the laws of the header.
    unsafe {
        call("millpond_cursor_close", error, || {
            once(CursorHandle::from_id(cursor.id).close(), "cursor")
        })
    }
}
