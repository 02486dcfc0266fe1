//! Errors as C sees them: an owned object, asked by functions.

use crate::value::millpond_text_t;
use millpond_facade::{FacadeError, errors};
use std::ffi::{CString, c_char};
use std::sync::OnceLock;

/// What went wrong in one call. Owned by the caller: free it with millpond_error_free.
pub struct millpond_error_t {
    error: FacadeError,
    name: CString,
    message: CString,
    reason: CString,
    missing: CString,
    details: CString,
}

impl millpond_error_t {
    pub(crate) fn owned(error: FacadeError) -> *mut millpond_error_t {
        Box::into_raw(Box::new(millpond_error_t::new(error)))
    }

    pub(crate) fn new(error: FacadeError) -> millpond_error_t {
        let name = c_text(error.name);
        let message = c_text(&error.message);
        // Not a default: in C a text that is not there is empty.
        let reason = c_text(error.reason.unwrap_or_default());
        let missing = c_text(&error.missing_json());
        // Not a default: in C a text that is not there is empty.
        let details = c_text(&error.details_json().unwrap_or_default());
        millpond_error_t { error, name, message, reason, missing, details }
    }
}

/// As a C string; what follows a NUL inside is left out.
pub(crate) fn c_text(text: &str) -> CString {
    // Not a default: splitting always gives a first part, and that has no NUL.
    let before_nul = text.split('\0').next().unwrap_or_default();
    CString::new(before_nul).unwrap_or_default()
}

/// The number of `error`: a MILLPOND_ERROR_ value. 0 for NULL. Thread-safe.
///
/// # Safety
/// `error` is NULL or was given by a millpond function and not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_error_number(error: *const millpond_error_t) -> i32 {
    // SAFETY: NULL or valid by contract. Not a default: the header says what NULL answers.
    unsafe { error.as_ref() }.map_or(0, |error| error.error.number)
}

/// The stable name of `error`, such as "query_invalid"; "ok" for NULL. Borrowed until `error` is
/// freed. Thread-safe.
///
/// # Safety
/// As millpond_error_number.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_error_name(error: *const millpond_error_t) -> *const c_char {
    // SAFETY: NULL or valid by contract.
    unsafe { error.as_ref() }.map_or(c"ok".as_ptr(), |error| error.name.as_ptr())
}

/// Who, what and what to do, in English; "" for NULL. Borrowed until `error` is freed. Thread-safe.
///
/// # Safety
/// As millpond_error_number.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_error_message(error: *const millpond_error_t) -> *const c_char {
    // SAFETY: NULL or valid by contract.
    unsafe { error.as_ref() }.map_or(c"".as_ptr(), |error| error.message.as_ptr())
}

/// Typed detail, such as "wrong_secret"; "" when there is none. Borrowed until `error` is freed.
/// Thread-safe.
///
/// # Safety
/// As millpond_error_number.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_error_reason(error: *const millpond_error_t) -> *const c_char {
    // SAFETY: NULL or valid by contract.
    unsafe { error.as_ref() }.map_or(c"".as_ptr(), |error| error.reason.as_ptr())
}

/// Of MILLPOND_ERROR_NOT_YET_VISIBLE: which streams the log does not cover, and how many events of
/// each are missing, as one JSON object of stream ids; "{}" for other errors and for NULL. Borrowed
/// until `error` is freed. Thread-safe.
///
/// # Safety
/// As millpond_error_number.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_error_missing(error: *const millpond_error_t) -> *const c_char {
    // SAFETY: NULL or valid by contract.
    unsafe { error.as_ref() }.map_or(c"{}".as_ptr(), |error| error.missing.as_ptr())
}

/// What a program may want to know of it, as JSON text; "" when there is nothing. Of
/// MILLPOND_ERROR_OVERDRAFT: {"wanted": n, "available": n, "recoverable": n, "elsewhere": [[stream
/// id, n, is frozen], ...]}. Borrowed until `error` is freed. Thread-safe.
///
/// # Safety
/// As millpond_error_number.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_error_details(error: *const millpond_error_t) -> *const c_char {
    // SAFETY: NULL or valid by contract.
    unsafe { error.as_ref() }.map_or(c"".as_ptr(), |error| error.details.as_ptr())
}

/// Byte position in the text that was refused, such as a query; -1 when there is none. Thread-safe.
///
/// # Safety
/// As millpond_error_number.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_error_position(error: *const millpond_error_t) -> i64 {
    // SAFETY: NULL or valid by contract. Not a default: the header says what NULL answers.
    let position = unsafe { error.as_ref() }.and_then(|error| error.error.position);
    position.and_then(|position| i64::try_from(position).ok()).unwrap_or(-1)
}

/// 1 when the same call may succeed later without any change, else 0. Thread-safe.
///
/// # Safety
/// As millpond_error_number.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_error_is_retryable(error: *const millpond_error_t) -> i32 {
    // SAFETY: NULL or valid by contract. Not a default: the header says what NULL answers.
    unsafe { error.as_ref() }.map_or(0, |error| i32::from(error.error.retryable))
}

/// Frees `error`. NULL is legal.
///
/// # Safety
/// `error` is NULL or was given by a millpond function, and is not used any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_error_free(error: *mut millpond_error_t) {
    if !error.is_null() {
        // SAFETY: `owned` made it of a Box, and the caller gives it back.
        drop(unsafe { Box::from_raw(error) });
    }
}

/// 1 when a call that answered `status` may succeed later without any change, else 0, also for a
/// number that is no status. Thread-safe.
#[unsafe(no_mangle)]
pub extern "C" fn millpond_status_is_retryable(status: i32) -> i32 {
    let found = errors::table().into_iter().find(|row| row.number == status);
    i32::from(found.is_some_and(|row| row.retryable))
}

/// The stable name of a status: "ok", "query_invalid", …; "unknown" for any other number. Static.
/// Thread-safe.
#[unsafe(no_mangle)]
pub extern "C" fn millpond_status_name(status: i32) -> millpond_text_t {
    static NAMES: OnceLock<Vec<(i32, &'static str)>> = OnceLock::new();
    let names =
        NAMES.get_or_init(|| errors::table().iter().map(|row| (row.number, row.name)).collect());
    let found = names.iter().find(|(number, _)| *number == status).map(|(_, name)| *name);
    // Not a default: a status of nobody has a name too.
    let name = if status == 0 { "ok" } else { found.unwrap_or("unknown") };
    millpond_text_t::borrowed(name)
}
