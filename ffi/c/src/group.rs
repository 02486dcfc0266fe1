//! Several fish that are made of events: by pull, with a descriptor to poll.

use crate::batch::{millpond_batch_t, millpond_event_t};
use crate::call::{call, null, output, text};
use crate::error::millpond_error_t;
use crate::fish::{Code, millpond_fish_t};
use crate::node::once;
use crate::options::millpond_read_options_t;
use crate::state::millpond_state_t;
use crate::subscription::{UserData, millpond_destroy_t};
use crate::value::{millpond_cancel_t, millpond_group_t, millpond_node_t, millpond_text_t, wait};
use millpond_facade::{
    EventBatch, FishSpec, GroupHandle, GroupView, Made, MadeFish, MakeFish, NodeHandle, Result,
    host_error,
};
use std::ffi::{c_char, c_void};
use std::ptr;

/// What a callback that makes fish answers by: it lives until the callback returns.
pub struct millpond_seed_t {
    made: Option<(FishSpec, Option<Code>)>,
    failure: Option<String>,
}

/// Makes a fish of `event`, by millpond_seed_fish, or none. The event is borrowed for the call,
/// with all columns. 0: done; any other number: it failed, and the group with it. It must be a
/// function of the event, and must not throw or longjmp.
pub type millpond_make_fish_callback_t = Option<
    unsafe extern "C" fn(
        user_data: *mut c_void,
        event: *const millpond_event_t,
        seed: *mut millpond_seed_t,
    ) -> i32,
>;

/// The states of several fish at one moment. Owned by the caller.
pub struct millpond_states_t {
    /// By rising id.
    states: Vec<(String, millpond_state_t)>,
    number: u64,
    is_end: bool,
}

impl millpond_states_t {
    fn owned(view: Option<GroupView>) -> *mut millpond_states_t {
        let is_end = view.is_none();
        let (states, number) = view.map_or((Vec::new(), 0), |view| (view.states, view.number));
        let states = states.into_iter().map(|(id, state)| (id, millpond_state_t::new(state)));
        Box::into_raw(Box::new(millpond_states_t { states: states.collect(), number, is_end }))
    }
}

/// Observes a fish for each event that `query` selects, all of them together: at most 1,024, made
/// by `make_fish`, which is called in millpond_group_next, on its thread. Events that give a fish
/// of the same id give one fish. Code of each fish runs as of millpond_node_observe. `read_options`
/// may be NULL. On MILLPOND_OK, `*group` is a new handle; close it with millpond_group_close, also
/// after its node was closed. `destroy` (may be NULL) is called exactly once, for `user_data` of
/// `make_fish`: by the close of the group, or at the end of a millpond_group_next that is under way
/// then, or before this returns if it fails. MILLPOND_ERROR_QUERY_INVALID: see
/// millpond_error_position. MILLPOND_ERROR_NOT_YET_VISIBLE: see millpond_error_missing.
/// Thread-safe.
///
/// # Safety
/// The laws at the top of millpond.h; `make_fish` and `destroy` may use `user_data` on any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_node_observe_all(
    node: millpond_node_t,
    query: *const c_char,
    query_len: usize,
    make_fish: millpond_make_fish_callback_t,
    user_data: *mut c_void,
    destroy: millpond_destroy_t,
    read_options: *const millpond_read_options_t,
    timeout_ms: i64,
    cancel: millpond_cancel_t,
    group: *mut millpond_group_t,
    error: *mut *mut millpond_error_t,
) -> i32 {
    // From here on it is dropped on every way out, which calls `destroy`.
    let user = UserData { user_data, destroy };
    // SAFETY: pointers are checked; what they point to is valid by the laws of the header.
    unsafe {
        call("millpond_node_observe_all", error, move || {
            let seeds = Seeds { query, query_len, only_first: false };
            let bounds = (timeout_ms, cancel);
            observe(node, seeds, (make_fish, user), read_options, bounds, group)
        })
    }
}

/// Observes the fish that `make_fish` makes of the event with the least key which `query` selects;
/// none until there is one. Where an older one arrives later, the fish of that takes its place: so
/// all nodes end with the same. Where `make_fish` makes none of it, millpond_group_next shows no
/// states, also after those of another fish: millpond_states_len is 0. Everything else as of millpond_node_observe_all.
///
/// # Safety
/// As millpond_node_observe_all.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_node_observe_one(
    node: millpond_node_t,
    query: *const c_char,
    query_len: usize,
    make_fish: millpond_make_fish_callback_t,
    user_data: *mut c_void,
    destroy: millpond_destroy_t,
    read_options: *const millpond_read_options_t,
    timeout_ms: i64,
    cancel: millpond_cancel_t,
    group: *mut millpond_group_t,
    error: *mut *mut millpond_error_t,
) -> i32 {
    // From here on it is dropped on every way out, which calls `destroy`.
    let user = UserData { user_data, destroy };
    // SAFETY: pointers are checked; what they point to is valid by the laws of the header.
    unsafe {
        call("millpond_node_observe_one", error, move || {
            let seeds = Seeds { query, query_len, only_first: true };
            let bounds = (timeout_ms, cancel);
            observe(node, seeds, (make_fish, user), read_options, bounds, group)
        })
    }
}

/// Which events fish are made of.
struct Seeds {
    query: *const c_char,
    query_len: usize,
    only_first: bool,
}

/// # Safety
/// The pointers are NULL or name what the header says.
unsafe fn observe(
    node: millpond_node_t,
    seeds: Seeds,
    (make_fish, user): (millpond_make_fish_callback_t, UserData),
    read_options: *const millpond_read_options_t,
    (timeout_ms, cancel): (i64, millpond_cancel_t),
    group: *mut millpond_group_t,
) -> Result<()> {
    // SAFETY: the same contract.
    unsafe {
        let place = output(group, "group")?;
        let query = text(seeds.query, seeds.query_len, "query")?;
        let make = make_by(make_fish.ok_or_else(|| null("make_fish"))?, user);
        let given = millpond_read_options_t::read(read_options)?;
        let (handle, wait) = (NodeHandle::from_id(node.id), wait(timeout_ms, cancel));
        let opened = handle.observe_group_worked(query, seeds.only_first, given, make, &wait)?;
        place.put(millpond_group_t { id: opened.id() });
        Ok(())
    }
}

type MakeFunction =
    unsafe extern "C" fn(*mut c_void, *const millpond_event_t, *mut millpond_seed_t) -> i32;

/// What makes fish by a function that takes this pointer.
fn make_by(function: MakeFunction, user: UserData) -> MakeFish {
    Box::new(move |seeds: EventBatch| -> Made {
        let batch = millpond_batch_t::new(seeds);
        let make = |index| {
            // SAFETY: by the laws of the header the callback takes this pointer.
            unsafe { make_one(function, user.pointer(), &batch, index) }
                .map_err(|message| (index, message))
        };
        (0..batch.len()).map(make).collect()
    })
}

/// Makes a fish of event `index` of a batch, or none.
///
/// # Safety
/// The function takes this pointer.
unsafe fn make_one(
    function: MakeFunction,
    user_data: *mut c_void,
    batch: &millpond_batch_t,
    index: usize,
) -> std::result::Result<Option<MadeFish>, String> {
    let event = batch.event(index).map_err(|error| error.message)?;
    let mut seed = millpond_seed_t { made: None, failure: None };
    // SAFETY: by the laws of the header the callback takes these, and uses them until it returns;
    // nobody else uses the seed meanwhile.
    let status = unsafe { function(user_data, &raw const event, &raw mut seed) };
    match seed.failure {
        Some(message) => Err(message),
        None if status != 0 => Err(format!("the callback answered {status}")),
        None => {
            let made = |(fish, code): (FishSpec, Option<Code>)| MadeFish {
                fish,
                work: code.map(Code::work),
            };
            Ok(seed.made.map(made))
        }
    }
}

/// Says in a callback that makes fish which one this seed makes; once. `fish` is read only until
/// this returns; its `destroy` stands at millpond_fish_t: also before the group has observed it, if
/// its callbacks are not needed. Only in that callback, on its thread.
///
/// # Safety
/// The laws at the top of millpond.h; the callbacks may use `user_data` on any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_seed_fish(
    seed: *mut millpond_seed_t,
    fish: *const millpond_fish_t,
    error: *mut *mut millpond_error_t,
) -> i32 {
    // From here on its code is dropped on every way out, which calls `destroy`.
    // SAFETY: pointers are checked; what they point to is valid by the laws of the header.
    let fish = unsafe { millpond_fish_t::read(fish) };
    // SAFETY: the same.
    unsafe {
        call("millpond_seed_fish", error, move || {
            let fish = fish?;
            let seed = of(seed)?;
            if seed.made.is_some() {
                return Err(host_error("this seed has its fish already; it makes one at most"));
            }
            seed.made = Some(fish);
            Ok(())
        })
    }
}

/// Says why a callback that makes fish fails; its first 2,000 characters are shown. The group ends
/// with MILLPOND_ERROR_USER_CODE, reason "make_fish". Only in that callback, on its thread.
///
/// # Safety
/// The laws at the top of millpond.h.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_seed_fail(
    seed: *mut millpond_seed_t,
    message: *const c_char,
    message_len: usize,
    error: *mut *mut millpond_error_t,
) -> i32 {
    // SAFETY: pointers are checked; what they point to is valid by the laws of the header.
    unsafe {
        call("millpond_seed_fail", error, || {
            let message = text(message, message_len, "message")?.to_owned();
            of(seed)?.failure = Some(message);
            Ok(())
        })
    }
}

/// What the fish of a group show: first when all events that were there have been looked at and
/// each fish has shown a state, then whenever that has changed. On MILLPOND_OK, free `*states` with
/// millpond_states_free; millpond_states_is_end says when the group or its node was closed.
/// `timeout_ms` bounds the waiting; `make_fish` is waited for. MILLPOND_ERROR_TIMEOUT: nothing has
/// changed in time; nothing is lost. Each of the following is the end of the group, which answers
/// it to each call from then on. MILLPOND_ERROR_USER_CODE, reason "make_fish": that failed.
/// MILLPOND_ERROR_CONFLICT, reason "other_definition": two events give fish of one id that are not
/// the same, or one is observed that is not. MILLPOND_ERROR_LIMIT_EXCEEDED, reason "fish": more
/// than 1,024. Whatever millpond_node_observe and millpond_observer_next answer for one of the
/// fish. One call at a time, a second one answers MILLPOND_ERROR_INVALID_ARGUMENT.
///
/// # Safety
/// The laws at the top of millpond.h.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_group_next(
    group: millpond_group_t,
    timeout_ms: i64,
    cancel: millpond_cancel_t,
    states: *mut *mut millpond_states_t,
    error: *mut *mut millpond_error_t,
) -> i32 {
    // SAFETY: pointers are checked; what they point to is valid by the laws of the header.
    unsafe {
        call("millpond_group_next", error, || {
            let place = output(states, "states")?;
            let next = GroupHandle::from_id(group.id).next_view(&wait(timeout_ms, cancel))?;
            place.put(millpond_states_t::owned(next));
            Ok(())
        })
    }
}

/// A descriptor for poll, select or epoll: readable while millpond_group_next may have something to
/// do. It may be readable although nothing is there, never the other way round. It belongs to the
/// group and is valid until its close; never read, write or close it. Thread-safe.
///
/// # Safety
/// The laws at the top of millpond.h.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_group_fd(
    group: millpond_group_t,
    fd: *mut i32,
    error: *mut *mut millpond_error_t,
) -> i32 {
    // SAFETY: pointers are checked; what they point to is valid by the laws of the header.
    unsafe {
        call("millpond_group_fd", error, || {
            let place = output(fd, "fd")?;
            place.put(GroupHandle::from_id(group.id).fd()?);
            Ok(())
        })
    }
}

/// Closes a group; a call that waits gets the end. Each fold ends with the last observer of its
/// fish; `destroy` of a fish says when its callbacks do. A second close answers
/// MILLPOND_ERROR_CLOSED and does nothing. Legal from any thread and callback.
///
/// # Safety
/// The laws at the top of millpond.h.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_group_close(
    group: millpond_group_t,
    error: *mut *mut millpond_error_t,
) -> i32 {
    let handle = GroupHandle::from_id(group.id);
    // SAFETY: `error` is valid by the laws of the header.
    unsafe { call("millpond_group_close", error, || once(handle.close(), "group")) }
}

/// How many fish show a state; 0 at the end and for NULL. Thread-safe.
///
/// # Safety
/// `states` is NULL or was given by millpond and not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_states_len(states: *const millpond_states_t) -> usize {
    // SAFETY: NULL or valid by contract. Not a default: the header says what NULL answers.
    unsafe { states.as_ref() }.map_or(0, |states| states.states.len())
}

/// 1 when nothing will follow, and these are none: the group or its node was closed. Else 0, also
/// for NULL. Thread-safe.
///
/// # Safety
/// As millpond_states_len.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_states_is_end(states: *const millpond_states_t) -> i32 {
    // SAFETY: NULL or valid by contract. Not a default: the header says what NULL answers.
    unsafe { states.as_ref() }.map_or(0, |states| i32::from(states.is_end))
}

/// Counts what the group has shown, from 1; 0 at the end and for NULL. Thread-safe.
///
/// # Safety
/// As millpond_states_len.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_states_number(states: *const millpond_states_t) -> u64 {
    // SAFETY: NULL or valid by contract. Not a default: the header says what NULL answers.
    unsafe { states.as_ref() }.map_or(0, |states| states.number)
}

/// The id of fish `index`, from 0 to millpond_states_len - 1, by rising id; {NULL, 0} for another
/// number and for NULL. Borrowed until the states are freed. Thread-safe.
///
/// # Safety
/// As millpond_states_len.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_states_fish_id(
    states: *const millpond_states_t,
    index: usize,
) -> millpond_text_t {
    // SAFETY: NULL or valid by contract.
    let found = unsafe { states.as_ref() }.and_then(|states| states.states.get(index));
    let nothing = millpond_text_t { data: ptr::null(), len: 0 };
    found.map_or(nothing, |(id, _)| millpond_text_t::borrowed(id))
}

/// The state of fish `index`, to be looked at by millpond_state_get or millpond_state_json; NULL
/// for another number and for NULL. Borrowed until the states are freed; never free it.
/// Thread-safe.
///
/// # Safety
/// As millpond_states_len.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_states_state(
    states: *const millpond_states_t,
    index: usize,
) -> *const millpond_state_t {
    // SAFETY: NULL or valid by contract.
    let found = unsafe { states.as_ref() }.and_then(|states| states.states.get(index));
    found.map_or(ptr::null(), |(_, state)| ptr::from_ref(state))
}

/// Frees the states of several fish. NULL is legal.
///
/// # Safety
/// `states` is NULL or was given by millpond, and is not used any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_states_free(states: *mut millpond_states_t) {
    if !states.is_null() {
        // SAFETY: `owned` made it of a Box, and the caller gives it back.
        drop(unsafe { Box::from_raw(states) });
    }
}

/// # Safety
/// `seed` is NULL or was given to the callback that calls.
unsafe fn of<'a>(seed: *mut millpond_seed_t) -> Result<&'a mut millpond_seed_t> {
    // SAFETY: NULL or valid, and used by one thread, by contract.
    unsafe { seed.as_mut() }.ok_or_else(|| null("seed"))
}
