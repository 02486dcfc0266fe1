//! Which version this library is.

use crate::call::call;
use crate::error::millpond_error_t;
use millpond_facade::host_error;
use std::ffi::c_char;

/// Version of the ABI: rises when a program compiled against an older header would misbehave.
pub const MILLPOND_ABI_VERSION: u32 = 1;
/// Major version of the header; millpond_version() tells that of the library.
pub const MILLPOND_VERSION_MAJOR: u32 = 0;
/// Minor version of the header.
pub const MILLPOND_VERSION_MINOR: u32 = 1;
/// Patch version of the header.
pub const MILLPOND_VERSION_PATCH: u32 = 0;

/// The version of the library, "major.minor.patch". Static. Thread-safe.
#[unsafe(no_mangle)]
pub extern "C" fn millpond_version() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}

/// MILLPOND_OK when this library serves programs compiled with `abi_version`, which is to be
/// MILLPOND_ABI_VERSION. Call it first. Thread-safe.
///
/// # Safety
/// `error` is NULL or points to a place for one pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_abi_check(
    abi_version: u32,
    error: *mut *mut millpond_error_t,
) -> i32 {
    // SAFETY: the same contract.
    unsafe {
        call("millpond_abi_check", error, || {
            if abi_version == MILLPOND_ABI_VERSION {
                return Ok(());
            }
            Err(host_error(format!(
                "the program was compiled for ABI {abi_version} and libmillpond has ABI \
                 {MILLPOND_ABI_VERSION}; compile it again with the header of this library"
            )))
        })
    }
}
