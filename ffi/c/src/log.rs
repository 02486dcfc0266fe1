//! Traces for operators.

use crate::call::call;
use crate::error::millpond_error_t;
use crate::subscription::{UserData, millpond_destroy_t};
use crate::value::millpond_text_t;
use millpond_facade::{host_error, log};
use std::ffi::c_void;

/// One line of trace, borrowed for the call.
#[repr(C)]
pub struct millpond_log_record_t {
    /// Size of this struct; a later version may append fields.
    pub struct_size: u32,
    /// MILLPOND_LOG_ERROR to MILLPOND_LOG_TRACE.
    pub level: i32,
    /// Rises by 1; a gap is what was dropped.
    pub sequence: u64,
    /// Wall clock, microseconds since 1970 UTC.
    pub time_micros: i64,
    /// Which part of millpond.
    pub target: millpond_text_t,
    /// What happened. Never user data.
    pub message: millpond_text_t,
}

/// Takes lines of trace, one after the other, on a thread of their own.
pub type millpond_log_callback_t =
    Option<unsafe extern "C" fn(user_data: *mut c_void, record: *const millpond_log_record_t)>;

/// Nothing.
pub const MILLPOND_LOG_OFF: i32 = 0;
/// Bugs and damage.
pub const MILLPOND_LOG_ERROR: i32 = 1;
/// What an operator should look at. The default.
pub const MILLPOND_LOG_WARN: i32 = 2;
/// What happens seldom: opening, peers coming and going.
pub const MILLPOND_LOG_INFO: i32 = 3;
/// What helps to understand one session.
pub const MILLPOND_LOG_DEBUG: i32 = 4;
/// Everything.
pub const MILLPOND_LOG_TRACE: i32 = 5;

/// Sends traces up to `level`, a MILLPOND_LOG_ number, to `callback` from now on, in the whole
/// process; NULL: to nobody. What does not fit 1,024 waiting lines is dropped. When this returns,
/// the callback before is not called again and its `destroy` was called (unless this is called
/// inside it). `destroy` (may be NULL) is called exactly once, also if this fails.
///
/// # Safety
/// The laws at the top of millpond.h; `callback` and `destroy` may use `user_data` on any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_log_set(
    level: i32,
    callback: millpond_log_callback_t,
    user_data: *mut c_void,
    destroy: millpond_destroy_t,
    error: *mut *mut millpond_error_t,
) -> i32 {
    let user = UserData { user_data, destroy };
    // SAFETY: `error` is valid by the laws of the header.
    unsafe {
        call("millpond_log_set", error, move || {
            let user = user;
            let level = log::Level::from_number(level)
                .ok_or_else(|| host_error(format!("`level` is {level}, not 0 to 5")))?;
            let take = callback.map(|function| -> log::LogCallback {
                Box::new(move |record: &log::Record| {
                    let line = millpond_log_record_t {
                        struct_size: size_of::<millpond_log_record_t>() as u32,
                        level: record.level as i32,
                        sequence: record.sequence,
                        time_micros: record.time_micros,
                        target: millpond_text_t::borrowed(record.target),
                        message: millpond_text_t::borrowed(&record.message),
                    };
                    function(user.pointer(), &raw const line);
                })
            });
            log::set_level(level);
            log::set_callback(take)
        })
    }
}
