//! Effects: what a program publishes in answer to a state of a fish.

use crate::call::{call, null, output, text};
use crate::error::millpond_error_t;
use crate::node::once;
use crate::options::millpond_publish_options_t;
use crate::publish::{
    check_published, millpond_draft_t, millpond_published_t, put_published, read_drafts,
    read_publish_options,
};
use crate::state::millpond_state_t;
use crate::subscription::{UserData, millpond_destroy_t};
use crate::value::{
    millpond_cancel_t, millpond_observer_t, millpond_session_t, millpond_turn_t, wait,
};
use millpond_facade::{
    Draft, Effect, ObserverHandle, Result, StateView, TurnHandle, TurnKind, host_error,
    user_code_error,
};
use std::ffi::{c_char, c_void};

/// What an effect answers by: it lives until the callback returns.
pub struct millpond_effect_t {
    drafts: Vec<Draft>,
    failure: Option<String>,
}

/// An effect: looks at `state`, and says by millpond_effect_publish what is to be published. 0: it
/// is done; MILLPOND_EFFECT_LAST: it is done and shall not run again; any other number: it failed,
/// and nothing is published. The last call of one that is kept running has NULL for `state` and
/// `effect`, and its answer does not matter: `error` is NULL when the observer or its node was
/// closed or the effect has said that it is the last, else it says what went wrong. It must not
/// throw or longjmp.
pub type millpond_effect_callback_t = Option<
    unsafe extern "C" fn(
        user_data: *mut c_void,
        state: *const millpond_state_t,
        effect: *mut millpond_effect_t,
        error: *const millpond_error_t,
    ) -> i32,
>;

/// The effect is done, and shall not run again.
pub const MILLPOND_EFFECT_LAST: i32 = 1;

/// A turn on whatever the state is.
pub const MILLPOND_TURN_ANY: i32 = 0;
/// A turn on a state that differs from that of the last turn of the observer.
pub const MILLPOND_TURN_NEW: i32 = 1;

/// The right to act on a state of the observer's fish, once all who asked before in this process
/// are done: the state has all that they have published. `kind` is MILLPOND_TURN_ANY or
/// MILLPOND_TURN_NEW. On MILLPOND_OK, use `*turn` by millpond_turn_publish or end it by
/// millpond_turn_close: until then nobody else in this process gets one on this fish. With a
/// `session` (MILLPOND_NO_SESSION: none) the state has all that this has seen by then, which is
/// waited for without the turn, and MILLPOND_ERROR_NOT_YET_VISIBLE is the end of that: see
/// millpond_error_missing; the session then has seen the state. What it sees meanwhile is waited
/// for twice more at most, however much that is. Errors as of
/// millpond_observer_next; MILLPOND_ERROR_INVALID_ARGUMENT, reason "nested_effect": an effect runs
/// on this thread, and a turn on whichever fish could wait for it. An effect that has another
/// thread ask, and waits for that, is not noticed: nobody gets a turn until it gives up. One call
/// at a time.
///
/// # Safety
/// The laws at the top of millpond.h.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_observer_turn(
    observer: millpond_observer_t,
    kind: i32,
    session: millpond_session_t,
    timeout_ms: i64,
    cancel: millpond_cancel_t,
    turn: *mut millpond_turn_t,
    error: *mut *mut millpond_error_t,
) -> i32 {
    // SAFETY: pointers are checked; what they point to is valid by the laws of the header.
    unsafe {
        call("millpond_observer_turn", error, || {
            let place = output(turn, "turn")?;
            let (handle, wait) = (ObserverHandle::from_id(observer.id), wait(timeout_ms, cancel));
            let turn = handle.turn(read_kind(kind)?, session.read(), &wait)?;
            place.put(millpond_turn_t { id: turn.id() });
            Ok(())
        })
    }
}

/// The state to act on. On MILLPOND_OK, free `*state` with millpond_state_free.
/// MILLPOND_ERROR_CLOSED also when the turn was used. Thread-safe.
///
/// # Safety
/// The laws at the top of millpond.h.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_turn_state(
    turn: millpond_turn_t,
    state: *mut *mut millpond_state_t,
    error: *mut *mut millpond_error_t,
) -> i32 {
    // SAFETY: pointers are checked; what they point to is valid by the laws of the header.
    unsafe {
        call("millpond_turn_state", error, || {
            let place = output(state, "state")?;
            place.put(millpond_state_t::owned(TurnHandle::from_id(turn.id).state()?));
            Ok(())
        })
    }
}

/// Publishes what follows from the state, as millpond_node_publish does, and ends the turn: when it
/// is durable, and at once with an error of the facade, after which the turn is closed. Arguments
/// that are refused leave the turn as it is. What the session of the options has seen is not waited
/// for, since nobody else has a turn meanwhile. Thread-safe.
///
/// # Safety
/// The laws at the top of millpond.h.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_turn_publish(
    turn: millpond_turn_t,
    drafts: *const millpond_draft_t,
    draft_count: usize,
    publish_options: *const millpond_publish_options_t,
    timeout_ms: i64,
    cancel: millpond_cancel_t,
    published: *mut millpond_published_t,
    error: *mut *mut millpond_error_t,
) -> i32 {
    // SAFETY: pointers are checked; what they point to is valid by the laws of the header.
    unsafe {
        call("millpond_turn_publish", error, || {
            check_published(published)?;
            let drafts = read_drafts(drafts, draft_count)?;
            let given = read_publish_options(publish_options)?;
            let wait = wait(timeout_ms, cancel);
            put_published(published, TurnHandle::from_id(turn.id).publish(drafts, given, &wait)?)
        })
    }
}

/// Ends a turn without publishing. A turn that was used, or a second close, answers
/// MILLPOND_ERROR_CLOSED. Thread-safe.
///
/// # Safety
/// The laws at the top of millpond.h.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_turn_close(
    turn: millpond_turn_t,
    error: *mut *mut millpond_error_t,
) -> i32 {
    let handle = TurnHandle::from_id(turn.id);
    // SAFETY: `error` is valid by the laws of the header.
    unsafe { call("millpond_turn_close", error, || once(handle.close(), "turn")) }
}

/// Waits for a turn, runs `effect` on its state on this thread, and publishes what it gives.
/// `publish_options` and `published` may be NULL; `published->count` is 0 when there was nothing to
/// publish, and then its two byte fields are {NULL, 0}. The timeout is until `effect` may begin:
/// after MILLPOND_ERROR_TIMEOUT it did not run. Once it has begun it runs, and publishes, to its
/// end. Errors as of millpond_observer_turn and millpond_node_publish: as there, the events may be
/// stored after MILLPOND_ERROR_CANCELLED, and an idempotency key helps only if the effect gives the
/// same again. MILLPOND_ERROR_NOT_YET_VISIBLE also when the session saw something while `effect`
/// ran that is not here: nothing was published. MILLPOND_ERROR_USER_CODE, reason "effect": the
/// effect failed.
///
/// # Safety
/// The laws at the top of millpond.h.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_observer_run(
    observer: millpond_observer_t,
    kind: i32,
    effect: millpond_effect_callback_t,
    user_data: *mut c_void,
    publish_options: *const millpond_publish_options_t,
    timeout_ms: i64,
    cancel: millpond_cancel_t,
    published: *mut millpond_published_t,
    error: *mut *mut millpond_error_t,
) -> i32 {
    // SAFETY: pointers are checked; what they point to is valid by the laws of the header.
    unsafe {
        call("millpond_observer_run", error, || {
            check_published(published)?;
            let function = effect.ok_or_else(|| null("effect"))?;
            let given = read_publish_options(publish_options)?;
            let (kind, wait) = (read_kind(kind)?, wait(timeout_ms, cancel));
            let mut act = |state: &StateView| Ok(ask(function, user_data, state)?.drafts);
            let handle = ObserverHandle::from_id(observer.id);
            match handle.run(kind, given, &mut act, &wait)? {
                Some(receipt) => put_published(published, receipt),
                None => put_nothing(published),
            }
        })
    }
}

/// Runs `effect` on the state, now and whenever it has changed, on a thread of this observer alone,
/// each time as millpond_observer_run does, until it says that it is the last, fails, or the
/// observer is closed. `publish_options` may be NULL. `destroy` (may be NULL) is called exactly
/// once: after the last callback, or before this returns if it fails.
/// MILLPOND_ERROR_INVALID_ARGUMENT also when the observer has a callback, or keeps another effect
/// running.
///
/// # Safety
/// The laws at the top of millpond.h; `effect` and `destroy` may use `user_data` on any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_observer_keep_running(
    observer: millpond_observer_t,
    effect: millpond_effect_callback_t,
    user_data: *mut c_void,
    destroy: millpond_destroy_t,
    publish_options: *const millpond_publish_options_t,
    error: *mut *mut millpond_error_t,
) -> i32 {
    // From here on it is dropped on every way out, which calls `destroy`.
    let user = UserData { user_data, destroy };
    // SAFETY: pointers are checked; what they point to is valid by the laws of the header.
    unsafe {
        call("millpond_observer_keep_running", error, move || {
            let user = user;
            let function = effect.ok_or_else(|| null("effect"))?;
            let given = read_publish_options(publish_options)?;
            let act = move |state: Result<Option<&StateView>>| match state {
                Ok(Some(state)) => ask(function, user.pointer(), state),
                ended => {
                    let failure = ended.err().map(millpond_error_t::new);
                    let error = failure.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
                    function(user.pointer(), std::ptr::null(), std::ptr::null_mut(), error);
                    Ok(Effect::default())
                }
            };
            ObserverHandle::from_id(observer.id).keep_running(given, Box::new(act))
        })
    }
}

/// Says in an effect what is to be published, 1 to 65,536 events; of several calls all of it,
/// together. Only in that callback, on its thread.
///
/// # Safety
/// The laws at the top of millpond.h.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_effect_publish(
    effect: *mut millpond_effect_t,
    drafts: *const millpond_draft_t,
    draft_count: usize,
    error: *mut *mut millpond_error_t,
) -> i32 {
    // SAFETY: pointers are checked; what they point to is valid by the laws of the header.
    unsafe {
        call("millpond_effect_publish", error, || {
            let mut drafts = read_drafts(drafts, draft_count)?;
            of(effect)?.drafts.append(&mut drafts);
            Ok(())
        })
    }
}

/// Says why an effect fails; it is also to answer another number than 0 and MILLPOND_EFFECT_LAST.
/// Only in that callback, on its thread.
///
/// # Safety
/// The laws at the top of millpond.h.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_effect_fail(
    effect: *mut millpond_effect_t,
    message: *const c_char,
    message_len: usize,
    error: *mut *mut millpond_error_t,
) -> i32 {
    // SAFETY: pointers are checked; what they point to is valid by the laws of the header.
    unsafe {
        call("millpond_effect_fail", error, || {
            let message = text(message, message_len, "message")?.to_owned();
            of(effect)?.failure = Some(message);
            Ok(())
        })
    }
}

type Function = unsafe extern "C" fn(
    *mut c_void,
    *const millpond_state_t,
    *mut millpond_effect_t,
    *const millpond_error_t,
) -> i32;

/// Runs an effect on a state.
///
/// # Safety
/// The function takes this pointer.
unsafe fn ask(function: Function, user_data: *mut c_void, state: &StateView) -> Result<Effect> {
    let state = millpond_state_t::new(state.clone());
    let mut effect = millpond_effect_t { drafts: Vec::new(), failure: None };
    let (seen, place) = (&raw const state, &raw mut effect);
    // SAFETY: by the laws of the header the callback takes these, and uses them until it returns;
    // nobody else uses the effect meanwhile.
    let status = unsafe { function(user_data, seen, place, std::ptr::null()) };
    let is_last = status == MILLPOND_EFFECT_LAST;
    match effect.failure {
        Some(message) => Err(user_code_error("effect", format!("an effect failed: {message}"))),
        None if status == 0 || is_last => Ok(Effect { drafts: effect.drafts, is_last }),
        None => {
            let message = format!("an effect failed: the callback answered {status}");
            Err(user_code_error("effect", message))
        }
    }
}

/// Says that nothing was published, if that was asked for.
///
/// # Safety
/// `published` is NULL or was checked.
unsafe fn put_nothing(published: *mut millpond_published_t) -> Result<()> {
    if published.is_null() {
        return Ok(());
    }
    // SAFETY: the same contract.
    unsafe { output(published, "published")?.put(millpond_published_t::NOTHING) };
    Ok(())
}

fn read_kind(kind: i32) -> Result<TurnKind> {
    match kind {
        MILLPOND_TURN_ANY => Ok(TurnKind::Any),
        MILLPOND_TURN_NEW => Ok(TurnKind::New),
        other => Err(host_error(format!("`kind` is {other}: any is 0, new is 1"))),
    }
}

/// # Safety
/// `effect` is NULL or was given to the callback that calls.
unsafe fn of<'a>(effect: *mut millpond_effect_t) -> Result<&'a mut millpond_effect_t> {
    // SAFETY: NULL or valid, and used by one thread, by contract.
    unsafe { effect.as_mut() }.ok_or_else(|| null("effect"))
}
