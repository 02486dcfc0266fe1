//! Cancel tokens.

use crate::call::{call, output};
use crate::error::millpond_error_t;
use crate::node::once;
use crate::value::millpond_cancel_t;
use millpond_facade::CancelHandle;

/// A new cancel token. On MILLPOND_OK, free `*cancel` with millpond_cancel_free. Thread-safe.
///
/// # Safety
/// The laws at the top of millpond.h.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_cancel_new(
    cancel: *mut millpond_cancel_t,
    error: *mut *mut millpond_error_t,
) -> i32 {
    // SAFETY: pointers are checked; what they point to is valid by the laws of the header.
    unsafe {
        call("millpond_cancel_new", error, || {
            let place = output(cancel, "cancel")?;
            place.put(millpond_cancel_t { id: CancelHandle::new()?.id() });
            Ok(())
        })
    }
}

/// Calls off every call that names this token, now and later: they answer MILLPOND_ERROR_CANCELLED.
/// Idempotent. Thread-safe.
///
/// # Safety
/// The laws at the top of millpond.h.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_cancel_trigger(
    cancel: millpond_cancel_t,
    error: *mut *mut millpond_error_t,
) -> i32 {
    // SAFETY: `error` is valid by the laws of the header.
    unsafe { call("millpond_cancel_trigger", error, || CancelHandle::from_id(cancel.id).cancel()) }
}

/// Frees a token; calls that name it go on and can no longer be cancelled. A second free answers
/// MILLPOND_ERROR_CLOSED and does nothing. Thread-safe.
///
/// # Safety
/// The laws at the top of millpond.h.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_cancel_free(
    cancel: millpond_cancel_t,
    error: *mut *mut millpond_error_t,
) -> i32 {
    // SAFETY: `error` is valid by the laws of the header.
    unsafe {
        call("millpond_cancel_free", error, || {
            once(CancelHandle::from_id(cancel.id).free(), "cancel token")
        })
    }
}
