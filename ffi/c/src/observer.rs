//! Observers of fish: by pull, with a descriptor to poll, or by callback.

use crate::call::{call, null, output};
use crate::error::millpond_error_t;
use crate::fish::millpond_fish_t;
use crate::node::once;
use crate::options::millpond_read_options_t;
use crate::state::millpond_state_t;
use crate::subscription::{UserData, millpond_destroy_t};
use crate::value::{millpond_cancel_t, millpond_node_t, millpond_observer_t, wait};
use millpond_facade::{NodeHandle, ObserverHandle, Result, StateView};
use std::ffi::c_void;

/// Takes states of an observer: `state` with MILLPOND_OK, or NULL with an error. Both are borrowed
/// for the call. The last call has an end (millpond_state_is_end) or an error. It must not throw or
/// longjmp.
pub type millpond_state_callback_t = Option<
    unsafe extern "C" fn(
        user_data: *mut c_void,
        state: *const millpond_state_t,
        error: *const millpond_error_t,
    ),
>;

/// Observes a fish: its states, each of a moment at which everything that was there is in it, and
/// of several that came meanwhile the newest. All observers of a fish in a process share one fold,
/// which runs while there is one, with the callbacks of the first one; `fish` is read only until
/// this returns. `read_options` may be NULL. On MILLPOND_OK, `*observer` is a new handle; close it
/// with millpond_observer_close. MILLPOND_ERROR_QUERY_INVALID: see millpond_error_position.
/// MILLPOND_ERROR_CONFLICT, reason "other_definition": a fish of this id is observed that is
/// another version of it, or has another query or codec. MILLPOND_ERROR_NOT_YET_VISIBLE: see
/// millpond_error_missing. Thread-safe.
///
/// # Safety
/// The laws at the top of millpond.h; the callbacks may use `user_data` on any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_node_observe(
    node: millpond_node_t,
    fish: *const millpond_fish_t,
    read_options: *const millpond_read_options_t,
    timeout_ms: i64,
    cancel: millpond_cancel_t,
    observer: *mut millpond_observer_t,
    error: *mut *mut millpond_error_t,
) -> i32 {
    // From here on its code is dropped on every way out, which calls `destroy`.
    // SAFETY: pointers are checked; what they point to is valid by the laws of the header.
    let fish = unsafe { millpond_fish_t::read(fish) };
    // SAFETY: the same.
    unsafe {
        call("millpond_node_observe", error, move || {
            let (fish, code) = fish?;
            let place = output(observer, "observer")?;
            let given = millpond_read_options_t::read(read_options)?;
            let (handle, wait) = (NodeHandle::from_id(node.id), wait(timeout_ms, cancel));
            let opened = match code {
                None => handle.observe(fish, given, &wait)?.observer,
                Some(code) => handle.observe_worked(fish, given, code.work(), &wait)?,
            };
            place.put(millpond_observer_t { id: opened.id() });
            Ok(())
        })
    }
}

/// The state of a fish once: of all that is durable here now, or of more. As millpond_node_observe,
/// millpond_observer_state and millpond_observer_close. On MILLPOND_OK, free `*state` with
/// millpond_state_free. When this returns, also with an error, no callback of `fish` is running or
/// will be made, and its `destroy` was called, but for two cases: somebody else has begun to
/// observe the fish meanwhile, or a callback takes 10 s longer to return, which this waits for also
/// beyond `timeout_ms`. Then the callbacks go on until `destroy`, the only sign. Thread-safe.
///
/// # Safety
/// As millpond_node_observe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_node_state(
    node: millpond_node_t,
    fish: *const millpond_fish_t,
    read_options: *const millpond_read_options_t,
    timeout_ms: i64,
    cancel: millpond_cancel_t,
    state: *mut *mut millpond_state_t,
    error: *mut *mut millpond_error_t,
) -> i32 {
    // From here on its code is dropped on every way out, which calls `destroy`.
    // SAFETY: pointers are checked; what they point to is valid by the laws of the header.
    let fish = unsafe { millpond_fish_t::read(fish) };
    // SAFETY: the same.
    unsafe {
        call("millpond_node_state", error, move || {
            let (fish, code) = fish?;
            let place = output(state, "state")?;
            let given = millpond_read_options_t::read(read_options)?;
            let (handle, wait) = (NodeHandle::from_id(node.id), wait(timeout_ms, cancel));
            let once = match code {
                None => handle.state(fish, given, &wait)?,
                Some(code) => handle.state_worked(fish, given, code.work(), &wait)?,
            };
            place.put(millpond_state_t::owned(once));
            Ok(())
        })
    }
}

/// The next state: the newest one, if the observer did not give it yet. On MILLPOND_OK, free
/// `*state` with millpond_state_free. MILLPOND_ERROR_TIMEOUT: there was none in time; nothing is
/// lost. MILLPOND_ERROR_USER_CODE: a callback of the fish failed; reason and message say where, and
/// it comes at each call, after the last good state; reason "fold_closed": the node handle whose
/// callbacks folded the fish was closed, so observe it again. MILLPOND_ERROR_LIMIT_EXCEEDED, reason
/// "state": the state has more than 16 MiB. MILLPOND_ERROR_CORRUPT, MILLPOND_ERROR_STORAGE_FAILED:
/// the log cannot be read. One call at a time, a second one answers
/// MILLPOND_ERROR_INVALID_ARGUMENT.
///
/// # Safety
/// The laws at the top of millpond.h.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_observer_next(
    observer: millpond_observer_t,
    timeout_ms: i64,
    cancel: millpond_cancel_t,
    state: *mut *mut millpond_state_t,
    error: *mut *mut millpond_error_t,
) -> i32 {
    // SAFETY: pointers are checked; what they point to is valid by the laws of the header.
    unsafe {
        call("millpond_observer_next", error, || {
            let place = output(state, "state")?;
            let handle = ObserverHandle::from_id(observer.id);
            let next = handle.next_state(&wait(timeout_ms, cancel))?;
            place.put(millpond_state_t::owned(next));
            Ok(())
        })
    }
}

/// The state of all that is durable here now, or of more, whether it was given before or not. On
/// MILLPOND_OK, free `*state` with millpond_state_free. Errors as of millpond_observer_next.
/// Thread-safe.
///
/// # Safety
/// The laws at the top of millpond.h.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_observer_state(
    observer: millpond_observer_t,
    timeout_ms: i64,
    cancel: millpond_cancel_t,
    state: *mut *mut millpond_state_t,
    error: *mut *mut millpond_error_t,
) -> i32 {
    // SAFETY: pointers are checked; what they point to is valid by the laws of the header.
    unsafe {
        call("millpond_observer_state", error, || {
            let place = output(state, "state")?;
            let once = ObserverHandle::from_id(observer.id).state(&wait(timeout_ms, cancel))?;
            place.put(millpond_state_t::owned(once));
            Ok(())
        })
    }
}

/// A descriptor for poll, select or epoll: readable while millpond_observer_next would not wait. It
/// may rarely be readable although nothing is there, never the other way round. It belongs to the
/// observer and is valid until its close; never read, write or close it. Thread-safe.
///
/// # Safety
/// The laws at the top of millpond.h.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_observer_fd(
    observer: millpond_observer_t,
    fd: *mut i32,
    error: *mut *mut millpond_error_t,
) -> i32 {
    // SAFETY: pointers are checked; what they point to is valid by the laws of the header.
    unsafe {
        call("millpond_observer_fd", error, || {
            let place = output(fd, "fd")?;
            place.put(ObserverHandle::from_id(observer.id).fd()?);
            Ok(())
        })
    }
}

/// Has `callback` called with each state, one after the other, on a thread of this observer alone.
/// The callback may call every function, also close its own observer or node. `destroy` (may be
/// NULL) is called exactly once: after the last callback, or before this returns if it fails.
/// MILLPOND_ERROR_INVALID_ARGUMENT also when it has a callback, or keeps an effect running.
///
/// # Safety
/// The laws at the top of millpond.h; `callback` and `destroy` may use `user_data` on any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_observer_call_back(
    observer: millpond_observer_t,
    callback: millpond_state_callback_t,
    user_data: *mut c_void,
    destroy: millpond_destroy_t,
    error: *mut *mut millpond_error_t,
) -> i32 {
    // From here on it is dropped on every way out, which calls `destroy`.
    let user = UserData { user_data, destroy };
    // SAFETY: pointers are checked; what they point to is valid by the laws of the header.
    unsafe {
        call("millpond_observer_call_back", error, move || {
            let user = user;
            let function = callback.ok_or_else(|| null("callback"))?;
            let take = move |result: Result<StateView>| {
                let user_data = user.pointer();
                match result {
                    Ok(state) => {
                        let state = millpond_state_t::new(state);
                        function(user_data, &raw const state, std::ptr::null());
                    }
                    Err(failure) => {
                        let failure = millpond_error_t::new(failure);
                        function(user_data, std::ptr::null(), &raw const failure);
                    }
                }
            };
            ObserverHandle::from_id(observer.id).call_back(Box::new(take))
        })
    }
}

/// Closes an observer; a call that waits for a state gets the end. The fold ends with the last
/// observer of its fish. With a callback: when this returns, it is not running and never will
/// again, and its `destroy` was called (unless this is called inside the callback). A second close
/// answers MILLPOND_ERROR_CLOSED and does nothing. MILLPOND_ERROR_TIMEOUT: the callback did not
/// return within 10 s. Legal from any thread and callback.
///
/// # Safety
/// The laws at the top of millpond.h.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_observer_close(
    observer: millpond_observer_t,
    error: *mut *mut millpond_error_t,
) -> i32 {
    let handle = ObserverHandle::from_id(observer.id);
    // SAFETY: `error` is valid by the laws of the header.
    unsafe { call("millpond_observer_close", error, || once(handle.close(), "observer")) }
}
