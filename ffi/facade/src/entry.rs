//! The wall around every call: fork check first, then a net under every panic.

use crate::errors::{FacadeError, Result};
use crate::node::NodeState;
use crate::{fault, process, registry};
use millpond::ErrorKind;
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Runs `call`, the entry `name` on the handle `id` (0 for none).
///
/// # Errors
/// `forked_process`: nothing was done. `internal`: the call panicked; the node that the handle
/// belongs to refuses further work.
pub(crate) fn entry<T>(name: &'static str, id: u64, call: impl FnOnce() -> Result<T>) -> Result<T> {
    process::check()?;
    guard(name, id, call)
}

/// The net alone, for what is no entry: the own work of a shell (`id` 0), or what an entry put on
/// another thread.
///
/// # Errors
/// As [`entry`], without the look at the process.
pub fn guard<T>(name: &'static str, id: u64, call: impl FnOnce() -> Result<T>) -> Result<T> {
    let call = || {
        fault::trip(name);
        call()
    };
    // Unwind safety: what a panic may have left half done is behind the node, which is poisoned.
    catch_unwind(AssertUnwindSafe(call))
        .unwrap_or_else(|panic| Err(caught(name, panic.as_ref(), registry::poison(id))))
}

/// As [`guard`], for what is done when the handle that was called may be gone: a panic poisons the
/// node itself.
///
/// # Errors
/// As there.
pub(crate) fn guard_node<T>(
    name: &'static str,
    node: &NodeState,
    call: impl FnOnce() -> Result<T>,
) -> Result<T> {
    let call = || {
        fault::trip(name);
        call()
    };
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|panic| {
        node.poison();
        Err(caught(name, panic.as_ref(), true))
    })
}

/// The error that a panic becomes.
pub(crate) fn caught(name: &str, panic: &(dyn Any + Send), is_poisoned: bool) -> FacadeError {
    let said = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    let rest = if is_poisoned {
        ". The node refuses further work; close it and open it again"
    } else {
        ""
    };
    let message = format!("a bug in millpond: panic in {name}: {said}{rest}");
    FacadeError::new(ErrorKind::Internal, message).with_reason("panic")
}

/// Locks; what a panic left behind a lock of ours is whole, because no foreign code runs under one.
pub(crate) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
