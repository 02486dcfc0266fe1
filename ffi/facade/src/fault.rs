//! Injected panics and failures, so that tests can show that the panic wall holds and that nothing
//! is lost where the system refuses something.
//!
//! Only in builds with debug assertions or with `--cfg millpond_fault`; in every other build the
//! functions here do nothing. The environment variable `MILLPOND_PANIC_AT=<entry>` works in every
//! language: the entry of that name (`node_publish`, `cursor_next_batch`, …: handle noun and
//! method) panics whenever it is called. `node_query_work` and its like is what a worker does of
//! an entry, `read` is taking a batch from the log, and a function of the C interface has its own
//! name. `MILLPOND_FAIL_AT=thread` has the system refuse a thread to the next callback, once.

/// Whether this build listens to `MILLPOND_PANIC_AT`.
pub const fn is_compiled_in() -> bool {
    cfg!(any(debug_assertions, millpond_fault))
}

/// Panics here if the environment says so.
///
/// # Panics
/// `MILLPOND_PANIC_AT` names `entry`.
#[cfg(any(debug_assertions, millpond_fault))]
pub fn trip(entry: &'static str) {
    let wanted = std::env::var_os("MILLPOND_PANIC_AT");
    assert!(wanted.is_none_or(|wanted| wanted != entry), "injected panic at {entry}");
}

/// Does nothing in this build.
#[cfg(not(any(debug_assertions, millpond_fault)))]
pub fn trip(_entry: &'static str) {}

/// Whether the environment says that `what` fails, the first time that it is asked for.
#[cfg(any(debug_assertions, millpond_fault))]
pub(crate) fn fails(what: &'static str) -> bool {
    use std::sync::atomic::{AtomicBool, Ordering};
    static HAS_FAILED: AtomicBool = AtomicBool::new(false);
    let wanted = std::env::var_os("MILLPOND_FAIL_AT");
    wanted.is_some_and(|wanted| wanted == what) && !HAS_FAILED.swap(true, Ordering::AcqRel)
}

/// Nothing fails in this build.
#[cfg(not(any(debug_assertions, millpond_fault)))]
pub(crate) fn fails(_what: &'static str) -> bool {
    false
}
