//! Subscriptions: by pull, with a descriptor to poll, or by callback.

use crate::batch::millpond_batch_t;
use crate::call::{call, null, output, text};
use crate::error::millpond_error_t;
use crate::node::{give_text, once};
use crate::options::millpond_subscribe_options_t;
use crate::value::{
    millpond_bytes_t, millpond_cancel_t, millpond_node_t, millpond_subscription_t, options, wait,
};
use millpond_facade::{EventBatch, NodeHandle, Result, SubscriptionHandle};
use std::ffi::{c_char, c_void};

/// Takes batches of a subscription: `batch` with MILLPOND_OK, or NULL with an error. Both are
/// borrowed for the call. The last call has an end (millpond_batch_is_end) or an error. It must not
/// throw or longjmp.
pub type millpond_batch_callback_t = Option<
    unsafe extern "C" fn(
        user_data: *mut c_void,
        batch: *const millpond_batch_t,
        error: *const millpond_error_t,
    ),
>;

/// Frees `user_data`: called exactly once, when no callback will be made any more. It is to return
/// soon: the close of a node that calls it waits for it also beyond its deadline.
pub type millpond_destroy_t = Option<unsafe extern "C" fn(user_data: *mut c_void)>;

/// Subscribes to `query`. `subscribe_options` may be NULL. On MILLPOND_OK, `*subscription` is a new
/// handle; close it with millpond_subscription_close, also after its node was closed.
/// MILLPOND_ERROR_QUERY_INVALID: see millpond_error_position. MILLPOND_ERROR_NOT_YET_VISIBLE: see
/// millpond_error_missing. Thread-safe.
///
/// # Safety
/// The laws at the top of millpond.h.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_node_subscribe(
    node: millpond_node_t,
    query: *const c_char,
    query_len: usize,
    subscribe_options: *const millpond_subscribe_options_t,
    timeout_ms: i64,
    cancel: millpond_cancel_t,
    subscription: *mut millpond_subscription_t,
    error: *mut *mut millpond_error_t,
) -> i32 {
    // SAFETY: pointers are checked; what they point to is valid by the laws of the header.
    unsafe {
        call("millpond_node_subscribe", error, || {
            let place = output(subscription, "subscription")?;
            let query = text(query, query_len, "query")?;
            let given = read_options(subscribe_options)?.resolve()?;
            let wait = wait(timeout_ms, cancel);
            let opened = NodeHandle::from_id(node.id).subscribe(query, given, &wait)?;
            place.put(millpond_subscription_t { id: opened.id() });
            Ok(())
        })
    }
}

/// As millpond_node_subscribe, but batches go to `callback`, one after the other, on a thread of
/// this subscription alone. The callback may call every function, also close its own subscription
/// or node. `destroy` (may be NULL) is called exactly once: after the last callback, or before this
/// returns if it fails. `user_data` may be NULL. MILLPOND_ERROR_QUERY_INVALID: see
/// millpond_error_position. MILLPOND_ERROR_NOT_YET_VISIBLE: the log does not cover now what `after`
/// and the session name; it does not wait.
///
/// # Safety
/// The laws at the top of millpond.h; `callback` and `destroy` may use `user_data` on any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_node_subscribe_callback(
    node: millpond_node_t,
    query: *const c_char,
    query_len: usize,
    subscribe_options: *const millpond_subscribe_options_t,
    callback: millpond_batch_callback_t,
    user_data: *mut c_void,
    destroy: millpond_destroy_t,
    subscription: *mut millpond_subscription_t,
    error: *mut *mut millpond_error_t,
) -> i32 {
    // From here on it is dropped on every way out, which calls `destroy`.
    let user = UserData { user_data, destroy };
    // SAFETY: pointers are checked; what they point to is valid by the laws of the header.
    unsafe {
        call("millpond_node_subscribe_callback", error, move || {
            let user = user;
            let place = output(subscription, "subscription")?;
            let query = text(query, query_len, "query")?;
            let given = read_options(subscribe_options)?;
            let function = callback.ok_or_else(|| null("callback"))?;
            let count = given.batch_count_max as usize;
            let take = move |result: Result<EventBatch>| {
                let user_data = user.pointer();
                match result {
                    Ok(batch) => {
                        let batch = millpond_batch_t::new(batch);
                        function(user_data, &raw const batch, std::ptr::null());
                    }
                    Err(failure) => {
                        let failure = millpond_error_t::new(failure);
                        function(user_data, std::ptr::null(), &raw const failure);
                    }
                }
            };
            let opened = NodeHandle::from_id(node.id).subscribe_callback(
                query,
                given.resolve()?,
                (count != 0).then_some(count),
                Box::new(take),
            )?;
            place.put(millpond_subscription_t { id: opened.id() });
            Ok(())
        })
    }
}

/// The next events, at most `count_max` (0: 1,024; at most 4,096). Waits for an event, for the
/// first moment at which the subscription has caught up (the batch may then be empty), or for the
/// end (millpond_batch_is_end). MILLPOND_ERROR_TIMEOUT: there was nothing in time; nothing is lost.
/// On MILLPOND_OK, free `*batch` with millpond_batch_free. One call at a time, a second one answers
/// MILLPOND_ERROR_INVALID_ARGUMENT; other calls, such as a close, may come from any thread.
/// MILLPOND_ERROR_CORRUPT, MILLPOND_ERROR_STORAGE_FAILED: a block cannot be read.
///
/// # Safety
/// The laws at the top of millpond.h.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_subscription_next(
    subscription: millpond_subscription_t,
    count_max: usize,
    timeout_ms: i64,
    cancel: millpond_cancel_t,
    batch: *mut *mut millpond_batch_t,
    error: *mut *mut millpond_error_t,
) -> i32 {
    // SAFETY: pointers are checked; what they point to is valid by the laws of the header.
    unsafe {
        call("millpond_subscription_next", error, || {
            let place = output(batch, "batch")?;
            let count_max = (count_max != 0).then_some(count_max);
            let handle = SubscriptionHandle::from_id(subscription.id);
            let events = handle.next_batch(count_max, &wait(timeout_ms, cancel))?;
            place.put(millpond_batch_t::owned(events));
            Ok(())
        })
    }
}

/// A descriptor for poll, select or epoll: readable while millpond_subscription_next would not
/// wait. It may rarely be readable although nothing is there, never the other way round. It belongs
/// to the subscription and is valid until its close; never read, write or close it. Thread-safe.
///
/// # Safety
/// The laws at the top of millpond.h.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_subscription_fd(
    subscription: millpond_subscription_t,
    fd: *mut i32,
    error: *mut *mut millpond_error_t,
) -> i32 {
    // SAFETY: pointers are checked; what they point to is valid by the laws of the header.
    unsafe {
        call("millpond_subscription_fd", error, || {
            let place = output(fd, "fd")?;
            place.put(SubscriptionHandle::from_id(subscription.id).fd()?);
            Ok(())
        })
    }
}

/// Events of the log that the subscription has not passed yet, matching or not. Thread-safe.
///
/// # Safety
/// The laws at the top of millpond.h.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_subscription_lag(
    subscription: millpond_subscription_t,
    lag: *mut u64,
    error: *mut *mut millpond_error_t,
) -> i32 {
    // SAFETY: pointers are checked; what they point to is valid by the laws of the header.
    unsafe {
        call("millpond_subscription_lag", error, || {
            let place = output(lag, "lag")?;
            place.put(SubscriptionHandle::from_id(subscription.id).lag()?);
            Ok(())
        })
    }
}

/// Where the subscription stands after the last batch that it gave, to subscribe from in the same
/// order: in arrival order a token. Before the first batch, where it began. Free `*token` with
/// millpond_bytes_free. Thread-safe.
///
/// # Safety
/// The laws at the top of millpond.h.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_subscription_position(
    subscription: millpond_subscription_t,
    token: *mut millpond_bytes_t,
    error: *mut *mut millpond_error_t,
) -> i32 {
    let handle = SubscriptionHandle::from_id(subscription.id);
    let ask = || handle.position_text();
    // SAFETY: the same contract.
    unsafe { give_text("millpond_subscription_position", token, "token", error, ask) }
}

/// Closes a subscription; a call that waits for it gets the end. With a callback: when this
/// returns, the callback is not running and never will again, and `destroy` was called (unless this
/// is called inside the callback). A second close answers MILLPOND_ERROR_CLOSED and does nothing.
/// MILLPOND_ERROR_TIMEOUT: the callback did not return within 10 s. Legal from any thread and
/// callback.
///
/// # Safety
/// The laws at the top of millpond.h.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_subscription_close(
    subscription: millpond_subscription_t,
    error: *mut *mut millpond_error_t,
) -> i32 {
    let handle = SubscriptionHandle::from_id(subscription.id);
    // SAFETY: `error` is valid by the laws of the header.
    unsafe { call("millpond_subscription_close", error, || once(handle.close(), "subscription")) }
}

/// # Safety
/// `given` is NULL or points to options as the header says.
unsafe fn read_options(
    given: *const millpond_subscribe_options_t,
) -> Result<millpond_subscribe_options_t> {
    let init = millpond_subscribe_options_t::INIT;
    if given.is_null() {
        return Ok(init);
    }
    // SAFETY: the same contract.
    unsafe { options(given, init, "subscribe_options") }
}

/// A pointer of the caller, and how to free what it points to.
pub(crate) struct UserData {
    pub(crate) user_data: *mut c_void,
    pub(crate) destroy: millpond_destroy_t,
}

// SAFETY: the caller says by the laws of the header that it may be used on any thread; we use it on
// one at a time.
unsafe impl Send for UserData {}

impl UserData {
    /// The pointer, taken through the whole struct, so that a closure moves all of it.
    pub(crate) fn pointer(&self) -> *mut c_void {
        self.user_data
    }
}

impl Drop for UserData {
    fn drop(&mut self) {
        if let Some(destroy) = self.destroy {
            // SAFETY: the caller gave the function for this pointer, and this is the only call.
            unsafe { destroy(self.user_data) };
        }
    }
}
