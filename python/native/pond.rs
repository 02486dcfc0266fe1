//! The fish of a node: who observes which.

use crate::arguments::{Seconds, Token, limit, read_options};
use crate::fish::Spec;
use crate::fold::Fold;
use crate::gate::{Waited, blocking};
use crate::group::Group;
use crate::kept::Kept;
use crate::node::OpenNode;
use crate::observer::{Observer, State};
use crate::queue::{Operation, Queue, begin};
use crate::session::Session;
use millpond_facade::{NodeHandle, Observation};
use pyo3::prelude::*;
use std::sync::Arc;

/// What a node is asked about its fish; made for each call.
#[pyclass(frozen, module = "millpond._native")]
pub(crate) struct Pond {
    open: Arc<OpenNode>,
    /// What was observed when an interrupt ended the call: its fold may be ours to work.
    left: Kept<Observed>,
}

impl Pond {
    pub(crate) fn new(open: Arc<OpenNode>) -> Pond {
        Pond { open, left: Kept::new() }
    }

    fn handle(&self) -> NodeHandle {
        self.open.handle()
    }
}

/// `(observer, fold that is ours to work or None)`.
pub(crate) type Observed = (Observer, Option<Fold>);

pub(crate) fn observed(observation: Observation, node: Option<Arc<OpenNode>>) -> Observed {
    (Observer::new(observation.observer, node), observation.fold.map(Fold::new))
}

#[pymethods]
impl Pond {
    fn observe(
        &self,
        py: Python<'_>,
        fish: &Bound<'_, Spec>,
        after: Option<Token>,
        session: Option<&Bound<'_, Session>>,
        timeout: Option<Seconds>,
    ) -> PyResult<Observed> {
        let (handle, fish) = (self.handle(), fish.get().inner.clone());
        let options = read_options(after, session);
        let node = self.open.clone();
        let waited = blocking(py, limit(timeout), move |wait| {
            handle.observe(fish, options, wait).map(|observation| observed(observation, Some(node)))
        });
        match waited {
            Waited { result: Ok(observed), interrupt: Some(interrupt) } => {
                self.left.put(observed);
                Err(interrupt)
            }
            waited => waited.into_result(py),
        }
    }

    /// What an interrupted `observe` leaves: others may observe its fish already.
    fn take_left(&self) -> Option<Observed> {
        self.left.take()
    }

    fn observe_start(
        &self,
        queue: &Bound<'_, Queue>,
        number: u64,
        fish: &Bound<'_, Spec>,
        after: Option<Token>,
        session: Option<&Bound<'_, Session>>,
        timeout: Option<Seconds>,
    ) -> PyResult<Operation> {
        let (fish, options) = (fish.get().inner.clone(), read_options(after, session));
        begin(queue, number, timeout, |limit, done| {
            self.handle().observe_start(fish, options, limit, done);
        })
    }

    /// Once, of a built-in fold.
    fn state(
        &self,
        py: Python<'_>,
        fish: &Bound<'_, Spec>,
        after: Option<Token>,
        session: Option<&Bound<'_, Session>>,
        timeout: Option<Seconds>,
    ) -> PyResult<State> {
        let (handle, fish) = (self.handle(), fish.get().inner.clone());
        let options = read_options(after, session);
        let state = blocking(py, limit(timeout), move |wait| handle.state(fish, options, wait));
        state.into_result(py).map(State::new)
    }

    fn state_start(
        &self,
        queue: &Bound<'_, Queue>,
        number: u64,
        fish: &Bound<'_, Spec>,
        after: Option<Token>,
        session: Option<&Bound<'_, Session>>,
        timeout: Option<Seconds>,
    ) -> PyResult<Operation> {
        let (fish, options) = (fish.get().inner.clone(), read_options(after, session));
        begin(queue, number, timeout, |limit, done| {
            self.handle().state_start(fish, options, limit, done);
        })
    }

    fn observe_group(
        &self,
        py: Python<'_>,
        seeds: String,
        only_first: bool,
        after: Option<Token>,
        session: Option<&Bound<'_, Session>>,
        timeout: Option<Seconds>,
    ) -> PyResult<Group> {
        let (handle, options) = (self.handle(), read_options(after, session));
        let open = self.open.clone();
        let group = blocking(py, limit(timeout), move |wait| {
            let group = handle.observe_group(&seeds, only_first, options, wait)?;
            // Closed with what holds it, where an interrupt comes beside it.
            Ok(Group::new(group, Some(open)))
        });
        group.into_result(py)
    }

    #[expect(clippy::too_many_arguments, reason = "as observe_group, and where to put the outcome")]
    fn observe_group_start(
        &self,
        queue: &Bound<'_, Queue>,
        number: u64,
        seeds: &str,
        only_first: bool,
        after: Option<Token>,
        session: Option<&Bound<'_, Session>>,
        timeout: Option<Seconds>,
    ) -> PyResult<Operation> {
        let options = read_options(after, session);
        begin(queue, number, timeout, |limit, done| {
            self.handle().observe_group_start(seeds, only_first, options, limit, done);
        })
    }

    fn wait_for(
        &self,
        py: Python<'_>,
        token: Token,
        query: Option<String>,
        timeout: Option<Seconds>,
    ) -> PyResult<()> {
        let handle = self.handle();
        let waited = blocking(py, limit(timeout), move |wait| {
            handle.wait_for(&token.0, query.as_deref(), wait)
        });
        waited.into_result(py)
    }

    fn wait_for_start(
        &self,
        queue: &Bound<'_, Queue>,
        number: u64,
        token: Token,
        query: Option<&str>,
        timeout: Option<Seconds>,
    ) -> PyResult<Operation> {
        begin(queue, number, timeout, |limit, done| {
            self.handle().wait_for_start(&token.0, query, limit, done);
        })
    }
}
