//! Who reads and writes in turns, and must never go back in time.

use crate::arguments::Token;
use crate::errors::raise;
use crate::offsets::Offsets;
use millpond_facade::SessionHandle;
use pyo3::prelude::*;

/// What its owner has written and read so far, at one node or at several.
///
/// Give it to calls as `session=`: each reads and writes after what the session has seen, and adds
/// to it what it gave. So one reads one's own writes, never goes back in time, and what one writes
/// stands after what one read. The `timeout` of such a call is also how long it waits for what the
/// session has seen; the end of that is `NotYetVisible`. `Session()` has seen nothing; it belongs
/// to no node. Usable from any thread.
///
/// Raises `LimitExceeded`: too many handles are open; `ForkedProcess`.
#[pyclass(frozen, module = "millpond")]
pub(crate) struct Session {
    handle: SessionHandle,
}

impl Session {
    pub(crate) fn handle(&self) -> SessionHandle {
        self.handle
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // In a forked child this is refused, and there is nothing to free.
        let _ = self.handle.close();
    }
}

#[pymethods]
impl Session {
    #[new]
    fn new(py: Python<'_>) -> PyResult<Session> {
        let handle = SessionHandle::new().map_err(|error| raise(py, error))?;
        Ok(Session { handle })
    }

    /// What it has seen: take it along to another process, in whatever language.
    ///
    /// Raises `Closed`.
    #[getter]
    fn token(&self, py: Python<'_>) -> PyResult<Offsets> {
        self.handle.token().map(Offsets::new).map_err(|error| raise(py, error))
    }

    /// Has seen this, too: a token from elsewhere, as `Offsets` or text.
    ///
    /// Raises `InvalidArgument`: it is no token; `Closed`.
    fn sees(&self, py: Python<'_>, token: Token) -> PyResult<()> {
        self.handle.sees(&token.0).map_err(|error| raise(py, error))
    }

    /// Ends it: calls that are given it raise `Closed`. May be repeated.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        self.handle.close().map(drop).map_err(|error| raise(py, error))
    }

    fn __enter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    #[pyo3(signature = (*_error))]
    fn __exit__(&self, py: Python<'_>, _error: &Bound<'_, PyAny>) -> PyResult<()> {
        self.close(py)
    }
}
