//! What a wait gave when an interrupt had ended the call: the next call has it.

use crate::gate::{Waited, blocking};
use millpond_facade::{self as facade, Wait};
use pyo3::prelude::*;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// At most one value that nobody was given.
pub(crate) struct Kept<T>(Mutex<Option<T>>);

impl<T: Send> Kept<T> {
    pub(crate) fn new() -> Kept<T> {
        Kept(Mutex::new(None))
    }

    pub(crate) fn take(&self) -> Option<T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    pub(crate) fn put(&self, value: T) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(value);
    }

    /// What is kept, or else what `call` gives; see `blocking`.
    pub(crate) fn wait(
        &self,
        py: Python<'_>,
        timeout: Option<Duration>,
        call: impl FnOnce(&Wait<'_>) -> facade::Result<T> + Send,
    ) -> PyResult<T> {
        if let Some(kept) = self.take() {
            return Ok(kept);
        }
        match blocking(py, timeout, call) {
            Waited { result: Ok(value), interrupt: Some(interrupt) } => {
                self.put(value);
                Err(interrupt)
            }
            waited => waited.into_result(py),
        }
    }
}
