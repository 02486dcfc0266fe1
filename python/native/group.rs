//! Several fish at once, each made of a seed.

use crate::arguments::{Seconds, limit};
use crate::batch::Batch;
use crate::errors::raise;
use crate::event::Held;
use crate::fish::Spec;
use crate::fold::Fold;
use crate::kept::Kept;
use crate::node::OpenNode;
use crate::observer::State;
use crate::queue::{Operation, Queue, begin};
use millpond_facade::{FishSpec, GroupAnswer, GroupHandle, GroupStep};
use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use std::sync::Arc;

/// Who observes several fish. Dropped, it ends.
#[pyclass(frozen, module = "millpond._native")]
pub(crate) struct Group {
    handle: GroupHandle,
    kept: Kept<GroupStep>,
    /// The node stays open as long as its fish are observed.
    _node: Option<Arc<OpenNode>>,
}

impl Group {
    pub(crate) fn new(handle: GroupHandle, node: Option<Arc<OpenNode>>) -> Group {
        Group { handle, kept: Kept::new(), _node: node }
    }
}

impl Group {
    /// Ends the folds of a step that nobody was given: else their fish would stand still.
    fn let_go(&self) {
        if let Some(GroupStep::Folds(folds)) = self.kept.take() {
            folds.into_iter().for_each(|(_, fold)| drop(Fold::new(fold)));
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.let_go();
        // In a forked child this is refused, and there is nothing to free.
        let _ = self.handle.close();
    }
}

/// A step as Python sees it: `("seeds", Batch)`, `("folds", [(id, Fold)])`,
/// `("states", [(id, State)])` or `("ended", None)`.
pub(crate) fn step_of(py: Python<'_>, step: GroupStep) -> PyResult<Py<PyAny>> {
    let (kind, what) = match step {
        GroupStep::Seeds(batch) => {
            let held = Arc::new(Held::new(py, batch));
            ("seeds", Batch::whole(held).into_py_any(py)?)
        }
        GroupStep::Folds(folds) => {
            let folds = folds.into_iter().map(|(id, fold)| (id, Fold::new(fold)));
            ("folds", folds.collect::<Vec<_>>().into_py_any(py)?)
        }
        GroupStep::States(view) => {
            let states = view.states.into_iter().map(|(id, state)| (id, State::new(state)));
            ("states", states.collect::<Vec<_>>().into_py_any(py)?)
        }
        GroupStep::Ended => ("ended", py.None()),
    };
    (kind, what).into_py_any(py)
}

/// Nothing, a list with a definition or None for each seed, or which one failed and how.
fn answer_of(answer: Option<&Bound<'_, PyAny>>) -> PyResult<Option<GroupAnswer>> {
    let Some(answer) = answer else { return Ok(None) };
    if let Ok((index, message)) = answer.extract::<(usize, String)>() {
        return Ok(Some(GroupAnswer::Failed { index, message }));
    }
    let made = answer.extract::<Vec<Option<Bound<'_, Spec>>>>()?;
    let specs = made.into_iter().map(|spec| spec.map(|spec| spec.get().inner.clone()));
    Ok(Some(GroupAnswer::Made(specs.collect::<Vec<Option<FishSpec>>>())))
}

#[pymethods]
impl Group {
    /// What to do next, after the answer to the seeds that were given last.
    fn next_step(
        &self,
        py: Python<'_>,
        answer: Option<&Bound<'_, PyAny>>,
        timeout: Option<Seconds>,
    ) -> PyResult<Py<PyAny>> {
        let (handle, answer) = (self.handle, answer_of(answer)?);
        let step = self.kept.wait(py, limit(timeout), move |wait| handle.next_step(answer, wait));
        step_of(py, step?)
    }

    fn next_step_start(
        &self,
        queue: &Bound<'_, Queue>,
        number: u64,
        answer: Option<&Bound<'_, PyAny>>,
        timeout: Option<Seconds>,
    ) -> PyResult<Operation> {
        let answer = answer_of(answer)?;
        begin(queue, number, timeout, |limit, done| {
            self.handle.next_step_start(answer, limit, done);
        })
    }

    /// A step that an interrupted call leaves: others may observe the fish of its folds.
    fn take_left(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        self.kept.take().map(|step| step_of(py, step)).transpose()
    }

    fn close(&self, py: Python<'_>) -> PyResult<()> {
        self.let_go();
        self.handle.close().map(drop).map_err(|error| raise(py, error))
    }
}
