//! Plain values that cross: texts, bytes, handles.

use crate::call::{borrow, bytes, text, text_option};
use millpond_facade::{CancelHandle, Limit, Result, SessionHandle, Wait, timeout_from_millis};
use std::ffi::c_char;

/// A node. `{0}` is none.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct millpond_node_t {
    /// Only for millpond to read.
    pub id: u64,
}

/// A cursor: the answer to a query. `{0}` is none.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct millpond_cursor_t {
    /// Only for millpond to read.
    pub id: u64,
}

/// A subscription. `{0}` is none.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct millpond_subscription_t {
    /// Only for millpond to read.
    pub id: u64,
}

/// A cancel token. `{0}` is none: the call cannot be cancelled.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct millpond_cancel_t {
    /// Only for millpond to read.
    pub id: u64,
}

/// A session: what its owner has written and read so far. `{0}` is none.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct millpond_session_t {
    /// Only for millpond to read.
    pub id: u64,
}

/// An observer of a fish. `{0}` is none.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct millpond_observer_t {
    /// Only for millpond to read.
    pub id: u64,
}

/// A group of fish that are made of events. `{0}` is none.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct millpond_group_t {
    /// Only for millpond to read.
    pub id: u64,
}

/// A turn: a state of a fish, and the right to act on it. `{0}` is none.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct millpond_turn_t {
    /// Only for millpond to read.
    pub id: u64,
}

/// An optimistic claim of a node. `{0}` is none.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct millpond_doing_t {
    /// Only for millpond to read.
    pub id: u64,
}

/// Work on blobs that is under way, or has ended. `{0}` is none.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct millpond_blob_work_t {
    /// Only for millpond to read.
    pub id: u64,
}

/// A blob that is open for reading. `{0}` is none.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct millpond_blob_reader_t {
    /// Only for millpond to read.
    pub id: u64,
}

/// A blob whose bytes come one after the other. `{0}` is none.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct millpond_blob_writer_t {
    /// Only for millpond to read.
    pub id: u64,
}

/// Borrowed text: `len` bytes of UTF-8 at `data`, not NUL-terminated. `{NULL, 0}` says nothing.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct millpond_text_t {
    /// The first byte.
    pub data: *const c_char,
    /// How many bytes.
    pub len: usize,
}

/// Owned bytes: free them with millpond_bytes_free. A zero byte follows them that is not counted,
/// so that text can be used as a C string.
#[repr(C)]
pub struct millpond_bytes_t {
    /// The first byte; never NULL on success.
    pub data: *mut u8,
    /// How many bytes.
    pub len: usize,
}

impl millpond_session_t {
    pub(crate) fn read(self) -> Option<SessionHandle> {
        (self.id != 0).then(|| SessionHandle::from_id(self.id))
    }
}

impl millpond_text_t {
    pub(crate) fn borrowed(text: &str) -> millpond_text_t {
        millpond_text_t { data: text.as_ptr().cast(), len: text.len() }
    }

    /// # Safety
    /// It is `{NULL, 0}` or names bytes that can be read and that nobody writes during the call.
    pub(crate) unsafe fn read<'a>(self, name: &str) -> Result<&'a str> {
        // SAFETY: the same contract.
        unsafe { text(self.data, self.len, name) }
    }

    /// # Safety
    /// As [`millpond_text_t::read`].
    pub(crate) unsafe fn read_option<'a>(self, name: &str) -> Result<Option<&'a str>> {
        // SAFETY: the same contract.
        unsafe { text_option(self.data, self.len, name) }
    }
}

impl millpond_bytes_t {
    pub(crate) fn owned(content: impl Into<Vec<u8>>) -> millpond_bytes_t {
        let mut bytes: Vec<u8> = content.into();
        let len = bytes.len();
        bytes.push(0);
        let data = Box::into_raw(bytes.into_boxed_slice()).cast::<u8>();
        millpond_bytes_t { data, len }
    }
}

/// The bounds of a blocking call.
pub(crate) fn wait(timeout_ms: i64, cancel: millpond_cancel_t) -> Wait<'static> {
    let cancel = (cancel.id != 0).then(|| CancelHandle::from_id(cancel.id));
    Wait { limit: Limit { timeout: timeout_from_millis(timeout_ms), cancel }, interrupted: None }
}

/// Frees what a function gave as millpond_bytes_t, and makes `*bytes` empty, so that a second call
/// does nothing. NULL and empty are legal. Thread-safe for different bytes.
///
/// # Safety
/// `bytes` is NULL, or `{NULL, 0}`, or as a millpond function filled it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_bytes_free(bytes: *mut millpond_bytes_t) {
    // SAFETY: NULL or valid by contract; nobody else uses it.
    let Some(bytes) = (unsafe { bytes.as_mut() }) else { return };
    if !bytes.data.is_null() {
        let whole = std::ptr::slice_from_raw_parts_mut(bytes.data, bytes.len + 1);
        // SAFETY: `owned` made it of a boxed slice of exactly this length.
        drop(unsafe { Box::from_raw(whole) });
    }
    *bytes = millpond_bytes_t { data: std::ptr::null_mut(), len: 0 };
}

/// The options at `options`, for a struct that begins with `struct_size`.
///
/// A caller compiled against an older header gives a shorter struct: what it lacks was not said.
/// One compiled against a newer header gives a longer one: what we do not know must be zero.
///
/// # Safety
/// `options` is NULL, or at least 4 bytes can be read there and as many as `struct_size` says.
pub(crate) unsafe fn options<T: Copy>(options: *const T, init: T, name: &str) -> Result<T> {
    // SAFETY: every options struct begins with its u32 size; the same contract.
    let size = *unsafe { borrow(options.cast::<u32>(), name) }? as usize;
    // SAFETY: the same contract.
    let given = unsafe { bytes(options.cast(), size, name) }?;
    // The size of a struct is a multiple of its alignment: any other one would cut a field in two,
    // and half of a length is a length that nobody has said.
    if size < size_of::<u32>() * 2 || !size.is_multiple_of(align_of::<T>()) {
        return Err(millpond_facade::host_error(format!(
            "`{name}.struct_size` is {size}; begin with the _INIT macro"
        )));
    }
    if given.iter().skip(size_of::<T>()).any(|byte| *byte != 0) {
        return Err(millpond_facade::host_error(format!(
            "`{name}` says something that this version of millpond does not know"
        )));
    }
    let mut known = init;
    let count = size.min(size_of::<T>());
    // SAFETY: both have `count` bytes, and those of the caller are such a struct by the laws of the
    // header: numbers, raw pointers, such structs, of which every bit pattern is valid, and
    // functions that are NULL or of their type.
    unsafe {
        std::ptr::copy_nonoverlapping(given.as_ptr(), (&raw mut known).cast::<u8>(), count);
    }
    Ok(known)
}
