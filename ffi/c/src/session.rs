//! Tokens, and sessions that carry them over reads and writes.

use crate::call::{call, output, text, text_option};
use crate::error::millpond_error_t;
use crate::node::{give_text, once};
use crate::options::texts;
use crate::value::{
    millpond_bytes_t, millpond_cancel_t, millpond_node_t, millpond_session_t, millpond_text_t, wait,
};
use millpond_facade::{NodeHandle, Offsets, SessionHandle};
use std::ffi::c_char;

/// Several tokens as one, which covers what each of them covers; of none, the beginning of history.
/// Free `*token` with millpond_bytes_free. Thread-safe.
///
/// # Safety
/// The laws at the top of millpond.h.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_token_merge(
    tokens: *const millpond_text_t,
    token_count: usize,
    token: *mut millpond_bytes_t,
    error: *mut *mut millpond_error_t,
) -> i32 {
    // SAFETY: the same contract.
    unsafe {
        give_text("millpond_token_merge", token, "token", error, || {
            // Not a default: no token is said.
            let given = texts(tokens, token_count, "tokens")?.unwrap_or_default();
            Ok(Offsets::merge(given)?.token())
        })
    }
}

/// Waits until the log covers `token`: whatever is read then has seen it. With a query (NULL: none)
/// only for what can match it, where that is known. MILLPOND_ERROR_NOT_YET_VISIBLE, and never
/// MILLPOND_ERROR_TIMEOUT: it does not in time; see millpond_error_missing.
/// MILLPOND_ERROR_QUERY_INVALID: see millpond_error_position. Thread-safe.
///
/// # Safety
/// The laws at the top of millpond.h.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_node_wait_for(
    node: millpond_node_t,
    token: *const c_char,
    token_len: usize,
    query: *const c_char,
    query_len: usize,
    timeout_ms: i64,
    cancel: millpond_cancel_t,
    error: *mut *mut millpond_error_t,
) -> i32 {
    // SAFETY: pointers are checked; what they point to is valid by the laws of the header.
    unsafe {
        call("millpond_node_wait_for", error, || {
            let token = Offsets::parse(text(token, token_len, "token")?)?;
            let query = text_option(query, query_len, "query")?;
            NodeHandle::from_id(node.id).wait_for(&token, query, &wait(timeout_ms, cancel))
        })
    }
}

/// A new session, which has seen nothing: options name it, and then calls read and write after all
/// that it has seen, and it has seen what they gave. It belongs to no node. On MILLPOND_OK, close
/// `*session` with millpond_session_close. Thread-safe.
///
/// # Safety
/// The laws at the top of millpond.h.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_session_new(
    session: *mut millpond_session_t,
    error: *mut *mut millpond_error_t,
) -> i32 {
    // SAFETY: pointers are checked; what they point to is valid by the laws of the header.
    unsafe {
        call("millpond_session_new", error, || {
            let place = output(session, "session")?;
            place.put(millpond_session_t { id: SessionHandle::new()?.id() });
            Ok(())
        })
    }
}

/// What the session has seen, as a token: take it along to another node, in whatever language. Free
/// `*token` with millpond_bytes_free. Thread-safe.
///
/// # Safety
/// The laws at the top of millpond.h.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_session_token(
    session: millpond_session_t,
    token: *mut millpond_bytes_t,
    error: *mut *mut millpond_error_t,
) -> i32 {
    let ask = || SessionHandle::from_id(session.id).token().map(|token| token.token());
    // SAFETY: the same contract.
    unsafe { give_text("millpond_session_token", token, "token", error, ask) }
}

/// The session has seen `token`, too. Thread-safe.
///
/// # Safety
/// The laws at the top of millpond.h.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_session_sees(
    session: millpond_session_t,
    token: *const c_char,
    token_len: usize,
    error: *mut *mut millpond_error_t,
) -> i32 {
    // SAFETY: pointers are checked; what they point to is valid by the laws of the header.
    unsafe {
        call("millpond_session_sees", error, || {
            let token = Offsets::parse(text(token, token_len, "token")?)?;
            SessionHandle::from_id(session.id).sees(&token)
        })
    }
}

/// Closes a session. A second close answers MILLPOND_ERROR_CLOSED and does nothing. Thread-safe.
///
/// # Safety
/// The laws at the top of millpond.h.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_session_close(
    session: millpond_session_t,
    error: *mut *mut millpond_error_t,
) -> i32 {
    let handle = SessionHandle::from_id(session.id);
    // SAFETY: `error` is valid by the laws of the header.
    unsafe { call("millpond_session_close", error, || once(handle.close(), "session")) }
}
