//! The work of a fish whose functions are Python's, a job at a time.
//!
//! Not here: the functions and the thread that calls them (`millpond/_fold.py`). A job comes
//! through a queue, so that this thread never waits inside of native code, and one may work many
//! folds.

use crate::batch::Batch;
use crate::errors::{raise, refuse};
use crate::event::Held;
use crate::gate::blocking;
use crate::queue::Queue;
use millpond_facade::{Bytes, FishFunction, FishJob, FoldHandle, JobAnswer, Limit};
use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use std::sync::Arc;

/// A fold that asks for its jobs. Dropped, it ends: observers get `UserCode`, reason "fold_closed".
#[pyclass(frozen, module = "millpond._native")]
pub(crate) struct Fold {
    handle: FoldHandle,
}

impl Fold {
    pub(crate) fn new(handle: FoldHandle) -> Fold {
        Fold { handle }
    }

    /// The next job goes to `queue` under `number`.
    fn go_on(&self, queue: &Bound<'_, Queue>, number: u64, answer: Option<JobAnswer>) {
        let done = queue.get().done::<FishJob>(number);
        self.handle.next_job_start(answer, Limit::default(), done);
    }
}

impl Drop for Fold {
    fn drop(&mut self) {
        // In a forked child this is refused, and there is nothing to free.
        let _ = self.handle.close();
    }
}

/// A job as Python sees it: `("load", bytes or None)`, `("apply", Batch)`, `("save", None)` or
/// `("ended", None)`.
pub(crate) fn job_of(py: Python<'_>, job: FishJob) -> PyResult<Py<PyAny>> {
    let (kind, what) = match job {
        FishJob::Load(saved) => {
            let saved = saved.map(|bytes| PyBytes::new(py, &bytes));
            ("load", saved.into_py_any(py)?)
        }
        FishJob::Apply(batch) => {
            let held = Arc::new(Held::new(py, batch));
            ("apply", Batch::whole(held).into_py_any(py)?)
        }
        FishJob::Save => ("save", py.None()),
        FishJob::Ended => ("ended", py.None()),
    };
    (kind, what).into_py_any(py)
}

/// The answer that a function raised something, for the event at `index` if it was given one.
pub(crate) fn failed(
    py: Python<'_>,
    function: &str,
    index: Option<usize>,
    message: String,
) -> PyResult<JobAnswer> {
    let known = FUNCTIONS.into_iter().find(|known| known.name() == function);
    let function =
        known.ok_or_else(|| refuse(py, format!("a fish has no function {function:?}")))?;
    Ok(JobAnswer::Failed { function, index, message })
}

const FUNCTIONS: [FishFunction; 5] = [
    FishFunction::Initial,
    FishFunction::Step,
    FishFunction::IsReset,
    FishFunction::Encode,
    FishFunction::Decode,
];

#[pymethods]
impl Fold {
    /// Asks for the first job.
    fn begin(&self, queue: &Bound<'_, Queue>, number: u64) {
        self.go_on(queue, number, None);
    }

    /// The state is loaded.
    fn loaded(&self, queue: &Bound<'_, Queue>, number: u64) {
        self.go_on(queue, number, Some(JobAnswer::Loaded));
    }

    /// The events are applied; `last_reset` is the index of the last one that was a reset.
    fn applied(&self, queue: &Bound<'_, Queue>, number: u64, last_reset: Option<usize>) {
        self.go_on(queue, number, Some(JobAnswer::Applied { last_reset }));
    }

    /// The state as bytes, which are checked without the GIL.
    fn saved(&self, queue: &Bound<'_, Queue>, number: u64, data: &[u8]) -> PyResult<()> {
        let (handle, done) = (self.handle, queue.get().done::<FishJob>(number));
        let answer = JobAnswer::Saved(Bytes::copy_from_slice(data));
        let given = blocking(queue.py(), None, move |_| {
            handle.next_job_start(Some(answer), Limit::default(), done);
            Ok(())
        });
        given.into_result(queue.py())
    }

    /// A function raised something, for the event at `index` if it was given one.
    fn failed(
        &self,
        queue: &Bound<'_, Queue>,
        number: u64,
        function: &str,
        index: Option<usize>,
        message: String,
    ) -> PyResult<()> {
        self.go_on(queue, number, Some(failed(queue.py(), function, index, message)?));
        Ok(())
    }

    /// Lets go of the fold.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        self.handle.close().map(drop).map_err(|error| raise(py, error))
    }
}
