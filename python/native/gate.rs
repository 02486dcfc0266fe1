//! The one place where a Python thread waits, and how it comes back when the interpreter ends.
//!
//! While a thread waits it has let go of the interpreter. A thread that comes back during
//! interpreter exit would be ended inside our frames, which aborts the process. So at exit
//! (`close_all`, registered with `atexit`) the gate closes first: threads that come back later
//! sleep until the process is gone, and exit goes on when nobody is on the way back any more.
//! Only daemon threads can be met there: Python has joined all others.

use crate::errors::raise;
use crate::node::OpenNode;
use millpond_facade::{self as facade, Closed, Limit, NodeHandle, Wait};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

static EXITING: AtomicBool = AtomicBool::new(false);
/// Threads whose wait is over and that ask for the interpreter.
static COMING_BACK: AtomicUsize = AtomicUsize::new(0);
static MAIN_THREAD: AtomicU64 = AtomicU64::new(0);
static THREAD_IDENT: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
/// Nodes of this process that are not closed yet. Only locked by threads that hold the GIL or are
/// ours, and never across a call, so that a fork does not inherit it locked.
static NODES: Mutex<BTreeMap<u64, NodeHandle>> = Mutex::new(BTreeMap::new());

thread_local! {
    static IS_MAIN: Cell<Option<bool>> = const { Cell::new(None) };
    static ENDS_THE_PROCESS: Cell<bool> = const { Cell::new(false) };
}

/// What a wait ended with. An interrupt wins over the result, but the result is not lost.
pub(crate) struct Waited<T> {
    pub(crate) result: facade::Result<T>,
    pub(crate) interrupt: Option<PyErr>,
}

impl<T> Waited<T> {
    /// The result, or what a signal handler raised; a result beside an interrupt is dropped.
    pub(crate) fn into_result(self, py: Python<'_>) -> PyResult<T> {
        match self.interrupt {
            Some(interrupt) => Err(interrupt),
            None => self.result.map_err(|error| raise(py, error)),
        }
    }
}

/// Runs `call` without the GIL. On the main thread, signal handlers run while it waits, and what
/// they raise (`KeyboardInterrupt`) ends the wait.
pub(crate) fn blocking<T: Send>(
    py: Python<'_>,
    timeout: Option<Duration>,
    call: impl FnOnce(&Wait<'_>) -> facade::Result<T> + Send,
) -> Waited<T> {
    blocking_within(py, Limit { timeout, cancel: None }, call)
}

/// As [`blocking`], of what another thread may call off.
pub(crate) fn blocking_within<T: Send>(
    py: Python<'_>,
    limit: Limit,
    call: impl FnOnce(&Wait<'_>) -> facade::Result<T> + Send,
) -> Waited<T> {
    let hears_signals = is_main_thread(py);
    let mut waited = py.detach(|| {
        if is_too_late() {
            sleep_forever();
        }
        let interrupt = Cell::new(None);
        let heard = || {
            let raised = Python::attach(|py| py.check_signals().err());
            let stop = raised.is_some();
            interrupt.set(raised);
            stop
        };
        let wait = Wait { limit, interrupted: hears_signals.then_some(&heard) };
        let result = call(&wait);
        come_back();
        Waited { result, interrupt: interrupt.into_inner() }
    });
    COMING_BACK.fetch_sub(1, Ordering::SeqCst);
    if hears_signals && waited.interrupt.is_none() {
        // Raised here and not behind the call, so that what must not be lost is kept.
        waited.interrupt = py.check_signals().err();
    }
    waited
}

/// Announces that this thread asks for the interpreter next, unless it is too late for that.
fn come_back() {
    // First announce, then look: exit first forbids, then waits for those who announced.
    COMING_BACK.fetch_add(1, Ordering::SeqCst);
    if is_too_late() {
        COMING_BACK.fetch_sub(1, Ordering::SeqCst);
        sleep_forever();
    }
}

fn is_too_late() -> bool {
    EXITING.load(Ordering::SeqCst) && !ENDS_THE_PROCESS.get()
}

fn sleep_forever() {
    loop {
        thread::park();
    }
}

fn is_main_thread(py: Python<'_>) -> bool {
    if let Some(known) = IS_MAIN.get() {
        return known;
    }
    let ident = || -> PyResult<u64> {
        THREAD_IDENT.import(py, "_thread", "get_ident")?.call0()?.extract::<u64>()
    };
    let is_main = ident().is_ok_and(|ident| ident == MAIN_THREAD.load(Ordering::SeqCst));
    IS_MAIN.set(Some(is_main));
    is_main
}

/// Says which thread runs signal handlers (`threading.main_thread().ident`).
#[pyfunction]
pub(crate) fn set_main_thread(ident: u64) {
    MAIN_THREAD.store(ident, Ordering::SeqCst);
}

fn nodes() -> MutexGuard<'static, BTreeMap<u64, NodeHandle>> {
    NODES.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn remember(handle: NodeHandle) {
    nodes().insert(handle.id(), handle);
}

pub(crate) fn forget(handle: NodeHandle) {
    nodes().remove(&handle.id());
}

/// Closes a node that nobody closed, without waiting.
pub(crate) fn abandon(node: &OpenNode) {
    let handle = node.handle();
    handle.close_start(Limit::default(), move |_closed: facade::Result<Closed>| forget(handle));
}

/// Called once, at interpreter exit: closes every node that is still open, within the default
/// deadline each, then waits until no thread of Python is on its way back from a wait.
#[pyfunction]
pub(crate) fn close_all(py: Python<'_>) {
    ENDS_THE_PROCESS.set(true);
    EXITING.store(true, Ordering::SeqCst);
    let open: Vec<NodeHandle> = nodes().values().copied().collect();
    py.detach(|| {
        for handle in open {
            // Nobody is left to read an error; the log is as durable as its receipts said.
            let _ = handle.close(&Wait::forever());
        }
        // Each of them only needs the interpreter, which nobody holds now.
        while COMING_BACK.load(Ordering::SeqCst) > 0 {
            thread::yield_now();
        }
    });
}

/// Called in a forked child: its one thread is the forking one, and no node is its own.
#[pyfunction]
pub(crate) fn after_fork_in_child() {
    COMING_BACK.store(0, Ordering::SeqCst);
    nodes().clear();
}
