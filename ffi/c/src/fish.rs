//! Fish by code of the program: a struct of callbacks, run on one thread of millpond for each fish.

use crate::batch::millpond_batch_t;
use crate::call::{bytes, call, null, text, yes_or_no};
use crate::error::millpond_error_t;
use crate::publish::{MILLPOND_PAYLOAD_CBOR, MILLPOND_PAYLOAD_JSON};
use crate::subscription::{UserData, millpond_destroy_t};
use crate::value::{millpond_text_t, options};
use millpond_facade::{
    Bytes, FishFunction, FishJob, FishSpec, FishWork, JobAnswer, Result, host_error, json,
};
use std::ffi::{c_char, c_void};
use std::ptr;

/// What a callback of a fish answers by: it lives until the callback returns.
pub struct millpond_job_t {
    failure: Option<(Option<usize>, String)>,
    last_reset: Option<usize>,
    saved: Option<Bytes>,
}

/// Replaces the state that the program holds for the fish: by the initial one when `state` is NULL,
/// else by the one that it saved as these bytes. 0: done; any other number: it failed.
pub type millpond_load_callback_t = Option<
    unsafe extern "C" fn(
        user_data: *mut c_void,
        state: *const u8,
        state_len: usize,
        job: *mut millpond_job_t,
    ) -> i32,
>;

/// Steps over the events of `batch`, 1 to 1,024 of them, in their order. Where one is a reset, it
/// begins with the initial state before it steps over it, and says so by millpond_job_reset. 0:
/// done; any other number: it failed.
pub type millpond_apply_callback_t = Option<
    unsafe extern "C" fn(
        user_data: *mut c_void,
        batch: *const millpond_batch_t,
        job: *mut millpond_job_t,
    ) -> i32,
>;

/// Gives the state as bytes by millpond_job_save. 0: done; any other number: it failed.
pub type millpond_save_callback_t =
    Option<unsafe extern "C" fn(user_data: *mut c_void, job: *mut millpond_job_t) -> i32>;

/// A fish: a fold of the events that a query selects, in key order.
///
/// By code of the program: `id`, `version`, `query`, the three callbacks. They must be functions of
/// their arguments and of the state that they hold, and run one at a time, on one thread of
/// millpond for the fish, under no lock. They may call every function, but what waits for a state
/// of their own fish waits for them; and must not throw or longjmp. Or built in: `query` and
/// `fold`, and nothing else.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct millpond_fish_t {
    /// Set by MILLPOND_FISH_INIT.
    pub struct_size: u32,
    /// 1 when the program says that its states only grow, else 0.
    pub is_grow_only: i32,
    /// Another number whenever the code or the form of the state changes its meaning.
    pub version: u64,
    /// Its name, 1 to 255 bytes.
    pub id: millpond_text_t,
    /// Which events it folds.
    pub query: millpond_text_t,
    /// How states are written, 1 to 64 bytes. Unsaid: "cbor", one value in deterministic CBOR.
    pub codec: millpond_text_t,
    /// A built-in fold as JSON, such as {"fold": "count"}: docs/pond.md. Unsaid: by code.
    pub fold: millpond_text_t,
    /// Replaces the state.
    pub load: millpond_load_callback_t,
    /// Steps over events.
    pub apply: millpond_apply_callback_t,
    /// Gives the state.
    pub save: millpond_save_callback_t,
    /// What the callbacks are given.
    pub user_data: *mut c_void,
    /// Frees `user_data`: called exactly once, when no callback will be made any more, and to
    /// return soon, as any millpond_destroy_t. It is the only sign of that: no call that was given
    /// the fish says so by its answer. After millpond_node_observe it comes before that returns, if
    /// it fails or the callbacks are not needed because the fish is observed already; else when the
    /// last observer of the fish was closed, or before millpond_node_close has answered
    /// MILLPOND_OK. Only for a fish that cannot be read, because of its `struct_size` or fields
    /// that this version does not know, it is not called.
    pub destroy: millpond_destroy_t,
}

/// A fish with its code, if it has any. Dropped, it calls `destroy`.
pub(crate) struct Code {
    load: unsafe extern "C" fn(*mut c_void, *const u8, usize, *mut millpond_job_t) -> i32,
    apply: unsafe extern "C" fn(*mut c_void, *const millpond_batch_t, *mut millpond_job_t) -> i32,
    save: unsafe extern "C" fn(*mut c_void, *mut millpond_job_t) -> i32,
    user: UserData,
}

const UNSAID: millpond_text_t = millpond_text_t { data: ptr::null(), len: 0 };

impl millpond_fish_t {
    const INIT: Self = Self {
        struct_size: size_of::<Self>() as u32,
        is_grow_only: 0,
        version: 0,
        id: UNSAID,
        query: UNSAID,
        codec: UNSAID,
        fold: UNSAID,
        load: None,
        apply: None,
        save: None,
        user_data: ptr::null_mut(),
        destroy: None,
    };

    /// What `fish` says. Its `destroy` is called when it is refused, and by whoever drops the code.
    ///
    /// # Safety
    /// `fish` is NULL or points to a fish as the header says.
    pub(crate) unsafe fn read(fish: *const Self) -> Result<(FishSpec, Option<Code>)> {
        // SAFETY: the same contract.
        let said = unsafe { options(fish, Self::INIT, "fish") }?;
        let user = UserData { user_data: said.user_data, destroy: said.destroy };
        // SAFETY: the same contract, for each field.
        unsafe {
            let query = said.query.read("query")?.to_owned();
            if let Some(fold) = said.fold.read_option("fold")? {
                let has_code = said.load.is_some() || said.apply.is_some() || said.save.is_some();
                if has_code || said.id.len > 0 || said.codec.len > 0 || said.version > 0 {
                    let message = "a built-in fold has a query and nothing else: no id, version, \
                                   codec or callback";
                    return Err(host_error(message));
                }
                return Ok((FishSpec::BuiltIn { query, fold: fold.to_owned() }, None));
            }
            let fish = FishSpec::Code {
                id: said.id.read("id")?.to_owned(),
                version: said.version,
                query,
                codec: said.codec.read_option("codec")?.map(str::to_owned),
                is_grow_only: yes_or_no(said.is_grow_only, "is_grow_only")?,
                // It says so when it meets one.
                has_reset: false,
            };
            let code = Code {
                load: said.load.ok_or_else(|| null("load"))?,
                apply: said.apply.ok_or_else(|| null("apply"))?,
                save: said.save.ok_or_else(|| null("save"))?,
                user,
            };
            Ok((fish, Some(code)))
        }
    }
}

impl Code {
    /// What does the jobs of a fold.
    pub(crate) fn work(self) -> FishWork {
        Box::new(move |job| self.answer(job))
    }

    fn answer(&self, next: FishJob) -> JobAnswer {
        let mut job = millpond_job_t { failure: None, last_reset: None, saved: None };
        let (place, user_data) = (&raw mut job, self.user.pointer());
        // SAFETY: by the laws of the header the callbacks take these, and use them until they
        // return; nobody else uses the job meanwhile.
        let (function, status) = unsafe {
            match next {
                FishJob::Load(None) => {
                    (FishFunction::Initial, (self.load)(user_data, ptr::null(), 0, place))
                }
                FishJob::Load(Some(state)) => {
                    let status = (self.load)(user_data, state.as_ptr(), state.len(), place);
                    (FishFunction::Decode, status)
                }
                FishJob::Apply(events) => {
                    let batch = millpond_batch_t::new(events);
                    (FishFunction::Step, (self.apply)(user_data, &raw const batch, place))
                }
                FishJob::Save | FishJob::Ended => {
                    (FishFunction::Encode, (self.save)(user_data, place))
                }
            }
        };
        let failed = |index, message| JobAnswer::Failed { function, index, message };
        if let Some((index, message)) = job.failure {
            return failed(index, message);
        }
        if status != 0 {
            return failed(None, format!("the callback answered {status}"));
        }
        match (function, job.saved) {
            (FishFunction::Step, _) => JobAnswer::Applied { last_reset: job.last_reset },
            (FishFunction::Encode, Some(state)) => JobAnswer::Saved(state),
            (FishFunction::Encode, None) => failed(None, "the callback saved nothing".to_owned()),
            _ => JobAnswer::Loaded,
        }
    }
}

/// Says why a callback of a fish fails, and at which event of its batch; `index` is that of the
/// event, or SIZE_MAX for none. The first 2,000 characters of the message are shown. Only in that
/// callback, on its thread.
///
/// # Safety
/// The laws at the top of millpond.h.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_job_fail(
    job: *mut millpond_job_t,
    index: usize,
    message: *const c_char,
    message_len: usize,
    error: *mut *mut millpond_error_t,
) -> i32 {
    // SAFETY: pointers are checked; what they point to is valid by the laws of the header.
    unsafe {
        call("millpond_job_fail", error, || {
            let message = text(message, message_len, "message")?.to_owned();
            let index = (index != usize::MAX).then_some(index);
            of(job)?.failure = Some((index, message));
            Ok(())
        })
    }
}

/// Says in an apply callback that the event `index` of its batch is a reset, so that nothing before
/// it matters; say it of the last one at least. Only in that callback, on its thread.
///
/// # Safety
/// The laws at the top of millpond.h.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_job_reset(
    job: *mut millpond_job_t,
    index: usize,
    error: *mut *mut millpond_error_t,
) -> i32 {
    // SAFETY: pointers are checked; what they point to is valid by the laws of the header.
    unsafe {
        call("millpond_job_reset", error, || {
            let job = of(job)?;
            job.last_reset = job.last_reset.max(Some(index));
            Ok(())
        })
    }
}

/// Gives the state in a save callback: `form` is MILLPOND_PAYLOAD_CBOR for its bytes as they are,
/// or MILLPOND_PAYLOAD_JSON for JSON text of which they are made; at most 16 MiB, and of JSON text
/// 1 MiB. The bytes are copied. Only in that callback, on its thread.
///
/// # Safety
/// The laws at the top of millpond.h.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_job_save(
    job: *mut millpond_job_t,
    form: i32,
    state: *const u8,
    state_len: usize,
    error: *mut *mut millpond_error_t,
) -> i32 {
    // SAFETY: pointers are checked; what they point to is valid by the laws of the header.
    unsafe {
        call("millpond_job_save", error, || {
            let saved = value(form, state, state_len, "state")?;
            of(job)?.saved = Some(saved);
            Ok(())
        })
    }
}

/// Bytes as they are, or those of JSON text.
///
/// # Safety
/// `data` is NULL, or `len` bytes can be read there and nobody writes them during the call.
pub(crate) unsafe fn value(form: i32, data: *const u8, len: usize, name: &str) -> Result<Bytes> {
    // SAFETY: the same contract.
    unsafe {
        match form {
            MILLPOND_PAYLOAD_CBOR => Ok(bytes(data, len, name)?.to_vec().into()),
            MILLPOND_PAYLOAD_JSON => Ok(json::to_cbor(text(data.cast(), len, name)?)?.into()),
            other => Err(host_error(format!("the form is {other}: CBOR is 0, JSON is 1"))),
        }
    }
}

/// # Safety
/// `job` is NULL or was given to the callback that calls.
unsafe fn of<'a>(job: *mut millpond_job_t) -> Result<&'a mut millpond_job_t> {
    // SAFETY: NULL or valid, and used by one thread, by contract.
    unsafe { job.as_mut() }.ok_or_else(|| null("job"))
}
