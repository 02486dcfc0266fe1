//! Optimistic claims of this node: "I do this", and how that stands.

use crate::call::{call, output, text};
use crate::error::millpond_error_t;
use crate::fish::value;
use crate::node::{give_text, once};
use crate::options::millpond_read_options_t;
use crate::value::{millpond_bytes_t, millpond_cancel_t, millpond_doing_t, millpond_node_t, wait};
use millpond_facade::{DoingHandle, NodeHandle, Result, StandingView};
use std::ffi::c_char;

/// Says "I do this" of `name`, 1 to 200 bytes. Nobody is asked: of all who say so the least event
/// key wins, and the others learn that they lost by millpond_doing_lost or millpond_doing_next.
/// `note` may be NULL, or is kept with it: as `note_form` says, MILLPOND_PAYLOAD_CBOR or
/// MILLPOND_PAYLOAD_JSON.
/// `read_options` may be NULL. On MILLPOND_OK, `*doing` is a new handle; close it with
/// millpond_doing_close. Take the claim back by MILLPOND_DEED_DOING_RELEASE.
/// MILLPOND_ERROR_CANCELLED and MILLPOND_ERROR_TIMEOUT: it may have been said all the same. Said
/// again while it stands it is the same claim, of which millpond_node_own_doing gives a handle.
/// MILLPOND_ERROR_NOT_YET_VISIBLE: see millpond_error_missing. MILLPOND_ERROR_STORAGE_FULL,
/// MILLPOND_ERROR_STORAGE_FAILED, MILLPOND_ERROR_CORRUPT. Thread-safe.
///
/// # Safety
/// The laws at the top of millpond.h.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_node_do_optimistically(
    node: millpond_node_t,
    name: *const c_char,
    name_len: usize,
    note_form: i32,
    note: *const u8,
    note_len: usize,
    read_options: *const millpond_read_options_t,
    timeout_ms: i64,
    cancel: millpond_cancel_t,
    doing: *mut millpond_doing_t,
    error: *mut *mut millpond_error_t,
) -> i32 {
    // SAFETY: pointers are checked; what they point to is valid by the laws of the header.
    unsafe {
        call("millpond_node_do_optimistically", error, || {
            let place = output(doing, "doing")?;
            let name = text(name, name_len, "name")?;
            let is_noted = !note.is_null() || note_len > 0;
            let noted = is_noted.then(|| value(note_form, note, note_len, "note")).transpose()?;
            let given = millpond_read_options_t::read(read_options)?;
            let handle = NodeHandle::from_id(node.id);
            let own = handle.do_optimistically(name, noted, given, &wait(timeout_ms, cancel))?;
            place.put(millpond_doing_t { id: own.id() });
            Ok(())
        })
    }
}

/// The optimistic claim of this node to `name` that stands, also after a restart: `*doing` is a new
/// handle, or {0} when none does. Close it with millpond_doing_close. MILLPOND_ERROR_CORRUPT,
/// MILLPOND_ERROR_STORAGE_FAILED: the log cannot be read. Thread-safe.
///
/// # Safety
/// The laws at the top of millpond.h.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_node_own_doing(
    node: millpond_node_t,
    name: *const c_char,
    name_len: usize,
    timeout_ms: i64,
    cancel: millpond_cancel_t,
    doing: *mut millpond_doing_t,
    error: *mut *mut millpond_error_t,
) -> i32 {
    // SAFETY: pointers are checked; what they point to is valid by the laws of the header.
    unsafe {
        call("millpond_node_own_doing", error, || {
            let place = output(doing, "doing")?;
            let name = text(name, name_len, "name")?;
            let own = NodeHandle::from_id(node.id).own_doing(name, &wait(timeout_ms, cancel))?;
            // Not a default: the header says what stands for none.
            place.put(millpond_doing_t { id: own.map_or(0, DoingHandle::id) });
            Ok(())
        })
    }
}

/// The event that said so, "<lamport>/<stream id>". Free `*key` with millpond_bytes_free.
/// Thread-safe.
///
/// # Safety
/// The laws at the top of millpond.h.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_doing_key(
    doing: millpond_doing_t,
    key: *mut millpond_bytes_t,
    error: *mut *mut millpond_error_t,
) -> i32 {
    let ask = || DoingHandle::from_id(doing.id).key();
    // SAFETY: the same contract.
    unsafe { give_text("millpond_doing_key", key, "key", error, ask) }
}

/// How the claim stands: first now, then each time that has changed, as one JSON object: "standing"
/// ("won", "lost" or "released"), "winner" ("key" and "note" of the claim that counts: this one as
/// it was first said, or the one that it lost to; null once it is released), "as_of" (a token: an
/// older claim may still arrive) and "is_end" (true when the handle or its node was closed). Who
/// has lost undoes what it began, and releases. Free `*json` with millpond_bytes_free.
/// MILLPOND_ERROR_TIMEOUT: nothing changed in time; nothing is lost. MILLPOND_ERROR_CORRUPT,
/// MILLPOND_ERROR_STORAGE_FAILED: the log cannot be read. One call at a time.
///
/// # Safety
/// The laws at the top of millpond.h.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_doing_next(
    doing: millpond_doing_t,
    timeout_ms: i64,
    cancel: millpond_cancel_t,
    json: *mut millpond_bytes_t,
    error: *mut *mut millpond_error_t,
) -> i32 {
    let next = || DoingHandle::from_id(doing.id).next_standing(&wait(timeout_ms, cancel));
    // SAFETY: the same contract.
    unsafe { give_standing("millpond_doing_next", json, error, next) }
}

/// How the claim stands once it has lost, as millpond_doing_next says it: at once if it has, also
/// where that has said so. Or once it is released; or the end. Takes nothing from
/// millpond_doing_next, beside which it may wait, as often as you like. Free `*json` with
/// millpond_bytes_free. MILLPOND_ERROR_TIMEOUT: it had not lost yet. MILLPOND_ERROR_CORRUPT,
/// MILLPOND_ERROR_STORAGE_FAILED: the log cannot be read. Thread-safe.
///
/// # Safety
/// The laws at the top of millpond.h.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_doing_lost(
    doing: millpond_doing_t,
    timeout_ms: i64,
    cancel: millpond_cancel_t,
    json: *mut millpond_bytes_t,
    error: *mut *mut millpond_error_t,
) -> i32 {
    let lost = || DoingHandle::from_id(doing.id).lost(&wait(timeout_ms, cancel));
    // SAFETY: the same contract.
    unsafe { give_standing("millpond_doing_lost", json, error, lost) }
}

/// Writes how a claim stands.
///
/// # Safety
/// The laws at the top of millpond.h.
unsafe fn give_standing(
    function: &'static str,
    json: *mut millpond_bytes_t,
    error: *mut *mut millpond_error_t,
    question: impl FnOnce() -> Result<StandingView>,
) -> i32 {
    // SAFETY: the same contract.
    unsafe { give_text(function, json, "json", error, || Ok(question()?.json())) }
}

/// A descriptor for poll, select or epoll: readable while millpond_doing_next may have something.
/// It may be readable although nothing is there, never the other way round. It belongs to the
/// handle and is valid until its close; never read, write or close it. Thread-safe.
///
/// # Safety
/// The laws at the top of millpond.h.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_doing_fd(
    doing: millpond_doing_t,
    fd: *mut i32,
    error: *mut *mut millpond_error_t,
) -> i32 {
    // SAFETY: pointers are checked; what they point to is valid by the laws of the header.
    unsafe {
        call("millpond_doing_fd", error, || {
            let place = output(fd, "fd")?;
            place.put(DoingHandle::from_id(doing.id).fd()?);
            Ok(())
        })
    }
}

/// Closes the handle, and releases nothing; a call that waits gets the end. A second close answers
/// MILLPOND_ERROR_CLOSED and does nothing. Thread-safe.
///
/// # Safety
/// The laws at the top of millpond.h.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_doing_close(
    doing: millpond_doing_t,
    error: *mut *mut millpond_error_t,
) -> i32 {
    let handle = DoingHandle::from_id(doing.id);
    // SAFETY: `error` is valid by the laws of the header.
    unsafe { call("millpond_doing_close", error, || once(handle.close(), "claim")) }
}
