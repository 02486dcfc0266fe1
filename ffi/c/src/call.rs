//! What every exported function goes through: checked arguments in, a status and an error out.

use crate::error::millpond_error_t;
use millpond_facade::{FacadeError, Result, guard, host_error};
use std::ffi::c_char;
use std::slice;

/// Runs `body`, all of the exported function `name`; gives its status, and its error to `*error` if
/// the caller asked for it.
///
/// # Safety
/// `error` is NULL or points to a place for one pointer.
pub(crate) unsafe fn call(
    name: &'static str,
    error: *mut *mut millpond_error_t,
    body: impl FnOnce() -> Result<()>,
) -> i32 {
    let Err(failure) = guard(name, 0, body) else { return 0 };
    let number = failure.number;
    if !error.is_null() {
        // SAFETY: by contract it points to a place for one pointer. A Box that fails to be made
        // aborts, as everywhere.
        unsafe { error.write(millpond_error_t::owned(failure)) };
    }
    number
}

/// The `len` bytes at `data`, for as long as the call lasts.
///
/// # Safety
/// `data` is NULL, or `len` bytes can be read there and nobody writes them during the call.
pub(crate) unsafe fn bytes<'a>(data: *const u8, len: usize, name: &str) -> Result<&'a [u8]> {
    if len == 0 {
        return Ok(&[]);
    }
    if data.is_null() {
        return Err(host_error(format!("`{name}` is NULL, but its length is {len}")));
    }
    check_len(len, 1, name)?;
    // SAFETY: not NULL, not larger than an object can be, and readable by contract.
    Ok(unsafe { slice::from_raw_parts(data, len) })
}

/// The text of `len` bytes at `data`. NULL is refused also when `len` is 0.
///
/// # Safety
/// As [`bytes`].
pub(crate) unsafe fn text<'a>(data: *const c_char, len: usize, name: &str) -> Result<&'a str> {
    if data.is_null() {
        return Err(null(name));
    }
    // SAFETY: the same contract.
    let bytes = unsafe { bytes(data.cast(), len, name) }?;
    std::str::from_utf8(bytes).map_err(|error| {
        host_error(format!("`{name}` is not UTF-8 from byte {}", error.valid_up_to()))
    })
}

/// As [`text`], but NULL means that nothing was said.
///
/// # Safety
/// As [`bytes`].
pub(crate) unsafe fn text_option<'a>(
    data: *const c_char,
    len: usize,
    name: &str,
) -> Result<Option<&'a str>> {
    if data.is_null() && len == 0 {
        return Ok(None);
    }
    // SAFETY: the same contract.
    unsafe { text(data, len, name) }.map(Some)
}

/// `len` elements at `data`.
///
/// # Safety
/// `data` is NULL, or `len` initialised elements can be read there and nobody writes them during
/// the call.
pub(crate) unsafe fn array<'a, T>(data: *const T, len: usize, name: &str) -> Result<&'a [T]> {
    if len == 0 {
        return Ok(&[]);
    }
    if data.is_null() {
        return Err(host_error(format!("`{name}` is NULL, but its count is {len}")));
    }
    check_aligned(data, name)?;
    check_len(len, size_of::<T>(), name)?;
    // SAFETY: not NULL, aligned, not larger than an object can be, and readable by contract.
    Ok(unsafe { slice::from_raw_parts(data, len) })
}

/// The thing at `pointer`.
///
/// # Safety
/// `pointer` is NULL or points to a valid `T` that nobody writes or frees during the call.
pub(crate) unsafe fn borrow<'a, T>(pointer: *const T, name: &str) -> Result<&'a T> {
    if pointer.is_null() {
        return Err(null(name));
    }
    check_aligned(pointer, name)?;
    // SAFETY: not NULL, aligned, and valid by contract.
    Ok(unsafe { &*pointer })
}

/// A place for one output, checked before anything is done.
pub(crate) struct Output<T>(*mut T);

/// The place for an output at `pointer`.
pub(crate) fn output<T>(pointer: *mut T, name: &str) -> Result<Output<T>> {
    if pointer.is_null() {
        return Err(null(name));
    }
    check_aligned(pointer, name)?;
    Ok(Output(pointer))
}

impl<T> Output<T> {
    /// Writes the output.
    ///
    /// # Safety
    /// The pointer that it was made of points to a place for a `T`, which may be uninitialised.
    pub(crate) unsafe fn put(self, value: T) {
        // SAFETY: checked to be neither NULL nor unaligned; a place for a `T` by contract.
        unsafe { self.0.write(value) };
    }
}

/// What a number says that is 0 or 1.
pub(crate) fn yes_or_no(number: i32, name: &str) -> Result<bool> {
    match number {
        0 | 1 => Ok(number == 1),
        other => Err(host_error(format!("`{name}` is {other}, not 0 or 1"))),
    }
}

pub(crate) fn null(name: &str) -> FacadeError {
    host_error(format!("`{name}` is NULL"))
}

fn check_aligned<T>(pointer: *const T, name: &str) -> Result<()> {
    if pointer.is_aligned() {
        return Ok(());
    }
    Err(host_error(format!("`{name}` is not aligned for its type")))
}

fn check_len(len: usize, each: usize, name: &str) -> Result<()> {
    // No object is larger than this, so a longer length is a negative one or a mistake.
    let most = isize::MAX as usize / each.max(1);
    if len <= most {
        return Ok(());
    }
    Err(host_error(format!("the length of `{name}` is {len}, more than any object has")))
}
