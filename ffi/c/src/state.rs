//! States of fish: owned as a whole, looked at as a struct.

use crate::call::{borrow, call, output};
use crate::error::millpond_error_t;
use crate::node::give_text;
use crate::value::{millpond_bytes_t, millpond_text_t};
use millpond_facade::{StateView, host_error};

/// A state of a fish. Owned by the caller, unless it came to a callback.
pub struct millpond_state_t {
    state: StateView,
    token: String,
}

/// What a state says, borrowed from it: every pointer is valid until it is freed.
#[repr(C)]
pub struct millpond_state_view_t {
    /// Set by MILLPOND_STATE_VIEW_INIT.
    pub struct_size: u32,
    /// 1 when no state will follow, and this is none: the observer or its node was closed.
    pub is_end: i32,
    /// Counts the states that the fish has shown here, from 1; 0 at the end.
    pub number: u64,
    /// The state as its codec wrote it, up to 16 MiB: with the default codec, and of a built-in
    /// fold, one value in deterministic CBOR.
    pub bytes: *const u8,
    /// How many bytes.
    pub bytes_len: usize,
    /// It is the fold of the matching events of this offset map; a read after it has seen what this
    /// state has.
    pub token: millpond_text_t,
    /// The key of the last event in it, "<lamport>/<stream id>"; {NULL, 0} when nothing matched.
    pub last: millpond_text_t,
}

impl millpond_state_t {
    pub(crate) fn new(state: StateView) -> millpond_state_t {
        let token = state.token();
        millpond_state_t { state, token }
    }

    pub(crate) fn owned(state: StateView) -> *mut millpond_state_t {
        Box::into_raw(Box::new(millpond_state_t::new(state)))
    }
}

/// 1 when no state will follow, and this is none: the observer or its node was closed. Else 0, also
/// for NULL. Thread-safe.
///
/// # Safety
/// `state` is NULL or was given by millpond and not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_state_is_end(state: *const millpond_state_t) -> i32 {
    // SAFETY: NULL or valid by contract. Not a default: the header says what NULL answers.
    unsafe { state.as_ref() }.map_or(0, |state| i32::from(state.state.is_end()))
}

/// Looks at a state. Begin `*view` with MILLPOND_STATE_VIEW_INIT. Costs no allocation. Thread-safe.
///
/// # Safety
/// The laws at the top of millpond.h.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_state_get(
    state: *const millpond_state_t,
    view: *mut millpond_state_view_t,
    error: *mut *mut millpond_error_t,
) -> i32 {
    // SAFETY: pointers are checked; what they point to is valid by the laws of the header.
    unsafe {
        call("millpond_state_get", error, || {
            let millpond_state_t { state, token } = borrow(state, "state")?;
            let size = *borrow(view.cast::<u32>().cast_const(), "view")? as usize;
            if size < size_of::<millpond_state_view_t>() {
                return Err(host_error(format!(
                    "`view.struct_size` is {size}; begin with the _INIT macro"
                )));
            }
            let nothing = millpond_text_t { data: std::ptr::null(), len: 0 };
            output(view, "view")?.put(millpond_state_view_t {
                struct_size: size_of::<millpond_state_view_t>() as u32,
                is_end: i32::from(state.is_end()),
                number: state.number(),
                bytes: state.bytes().as_ptr(),
                bytes_len: state.bytes().len(),
                token: millpond_text_t::borrowed(token),
                last: state.last().map_or(nothing, millpond_text_t::borrowed),
            });
            Ok(())
        })
    }
}

/// A state in deterministic CBOR as JSON text. MILLPOND_ERROR_INVALID_ARGUMENT also when it has a
/// codec of its own, and at the end. Free `*json` with millpond_bytes_free. Thread-safe.
///
/// # Safety
/// The laws at the top of millpond.h.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_state_json(
    state: *const millpond_state_t,
    json: *mut millpond_bytes_t,
    error: *mut *mut millpond_error_t,
) -> i32 {
    // SAFETY: the same contract.
    unsafe {
        give_text("millpond_state_json", json, "json", error, || {
            borrow(state, "state")?.state.json()
        })
    }
}

/// Frees a state. NULL is legal.
///
/// # Safety
/// `state` is NULL or was given to the caller to own, and is not used any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_state_free(state: *mut millpond_state_t) {
    if !state.is_null() {
        // SAFETY: `owned` made it of a Box, and the caller gives it back.
        drop(unsafe { Box::from_raw(state) });
    }
}
