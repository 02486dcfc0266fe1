//! Claims that may lose: "I do this", whoever else says so.

use crate::arguments::{Seconds, Token, limit, read_options};
use crate::deed::note_of;
use crate::gate::blocking;
use crate::node::OpenNode;
use crate::queue::{Operation, Queue, begin};
use crate::session::Session;
use crate::standing::Doing;
use millpond_facade::NodeHandle;
use pyo3::prelude::*;
use std::sync::Arc;

/// What a node says that it does; made for each call.
#[pyclass(frozen, module = "millpond._native")]
pub(crate) struct Doings {
    open: Arc<OpenNode>,
}

impl Doings {
    pub(crate) fn new(open: Arc<OpenNode>) -> Doings {
        Doings { open }
    }

    fn handle(&self) -> NodeHandle {
        self.open.handle()
    }
}

#[pymethods]
impl Doings {
    fn do_optimistically(
        &self,
        py: Python<'_>,
        what: String,
        note: Option<&Bound<'_, PyAny>>,
        after: Option<Token>,
        session: Option<&Bound<'_, Session>>,
        timeout: Option<Seconds>,
    ) -> PyResult<Doing> {
        let (handle, note) = (self.handle(), note_of(note)?);
        let (options, node) = (read_options(after, session), self.open.clone());
        let doing = blocking(py, limit(timeout), move |wait| {
            let doing = handle.do_optimistically(&what, note, options, wait)?;
            Ok(Doing::new(doing, Some(node)))
        });
        doing.into_result(py)
    }

    #[expect(clippy::too_many_arguments, reason = "as the call, and where to put the outcome")]
    fn do_optimistically_start(
        &self,
        queue: &Bound<'_, Queue>,
        number: u64,
        what: &str,
        note: Option<&Bound<'_, PyAny>>,
        after: Option<Token>,
        session: Option<&Bound<'_, Session>>,
        timeout: Option<Seconds>,
    ) -> PyResult<Operation> {
        let (note, options) = (note_of(note)?, read_options(after, session));
        begin(queue, number, timeout, |limit, done| {
            self.handle().do_optimistically_start(what, note, options, limit, done);
        })
    }

    fn own_doing(
        &self,
        py: Python<'_>,
        what: String,
        timeout: Option<Seconds>,
    ) -> PyResult<Option<Doing>> {
        let (handle, node) = (self.handle(), self.open.clone());
        let doing = blocking(py, limit(timeout), move |wait| {
            let doing = handle.own_doing(&what, wait)?;
            Ok(doing.map(|doing| Doing::new(doing, Some(node))))
        });
        doing.into_result(py)
    }

    fn own_doing_start(
        &self,
        queue: &Bound<'_, Queue>,
        number: u64,
        what: &str,
        timeout: Option<Seconds>,
    ) -> PyResult<Operation> {
        begin(queue, number, timeout, |limit, done| {
            self.handle().own_doing_start(what, limit, done);
        })
    }
}
