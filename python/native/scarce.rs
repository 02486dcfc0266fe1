//! Accounts, exclusive claims and claims that may lose.

use crate::arguments::{Seconds, Token, Whole, limit, read_options};
use crate::deed::Deed;
use crate::errors::{raise, refuse};
use crate::gate::{blocking, blocking_within};
use crate::node::{OpenNode, PublishedTuple, published_tuple};
use crate::queue::{Operation, Queue, begin};
use crate::session::Session;
use millpond_facade::{
    self as facade, AnswerPolicy, DeedOptions, Limit, NodeHandle, ReadOptions, Wait,
};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use std::sync::Arc;

/// What a node is asked about scarce things; made for each call.
#[pyclass(frozen, module = "millpond._native")]
pub(crate) struct Scarce {
    open: Arc<OpenNode>,
}

impl Scarce {
    pub(crate) fn new(open: Arc<OpenNode>) -> Scarce {
        Scarce { open }
    }

    fn handle(&self) -> NodeHandle {
        self.open.handle()
    }
}

pub(crate) fn deed_options(
    idempotency_key: Option<PyBackedBytes>,
    after: Option<Token>,
    session: Option<&Bound<'_, Session>>,
) -> DeedOptions {
    let idempotency_key = idempotency_key.map(|key| key.to_vec());
    DeedOptions { reading: read_options(after, session), idempotency_key }
}

/// What requests are answered by; none: they are not.
pub(crate) fn policy_of(enabled: bool, reserve: Option<Whole>) -> Option<AnswerPolicy> {
    enabled.then(|| AnswerPolicy { reserve: reserve.map(|amount| amount.0) })
}

/// What a report is about.
#[derive(Clone)]
pub(crate) enum Topic {
    /// The account that the name means, or exactly the one of this id.
    Account(Option<String>),
    Claim,
    WhoDoes,
}

impl<'a, 'py> FromPyObject<'a, 'py> for Topic {
    type Error = PyErr;

    fn extract(value: Borrowed<'a, 'py, PyAny>) -> PyResult<Topic> {
        let (kind, id) = value.extract::<(String, Option<String>)>()?;
        match kind.as_str() {
            "account" => Ok(Topic::Account(id)),
            "claim" => Ok(Topic::Claim),
            "who_does" => Ok(Topic::WhoDoes),
            other => Err(refuse(value.py(), format!("there is no report of {other:?}"))),
        }
    }
}

impl Topic {
    fn now(
        &self,
        node: NodeHandle,
        name: &str,
        options: ReadOptions,
        wait: &Wait<'_>,
    ) -> facade::Result<String> {
        match self {
            Topic::Account(id) => node.account_json(name, id.as_deref(), options, wait),
            Topic::Claim => node.claim_json(name, options, wait),
            Topic::WhoDoes => node.who_does_json(name, options, wait),
        }
    }

    fn now_start(
        &self,
        node: NodeHandle,
        name: &str,
        options: ReadOptions,
        limit: Limit,
        done: impl FnOnce(facade::Result<String>) + Send + 'static,
    ) {
        match self {
            Topic::Account(id) => {
                node.account_json_start(name, id.as_deref(), options, limit, done);
            }
            Topic::Claim => node.claim_json_start(name, options, limit, done),
            Topic::WhoDoes => node.who_does_json_start(name, options, limit, done),
        }
    }

    fn next(
        &self,
        node: NodeHandle,
        name: &str,
        known: Option<&str>,
        wait: &Wait<'_>,
    ) -> facade::Result<String> {
        match self {
            Topic::Account(id) => node.next_account_json(name, id.as_deref(), known, wait),
            Topic::Claim => node.next_claim_json(name, known, wait),
            Topic::WhoDoes => node.next_who_does_json(name, known, wait),
        }
    }

    fn next_start(
        &self,
        node: NodeHandle,
        name: &str,
        known: Option<&str>,
        limit: Limit,
        done: impl FnOnce(facade::Result<String>) + Send + 'static,
    ) {
        match self {
            Topic::Account(id) => {
                node.next_account_json_start(name, id.as_deref(), known, limit, done);
            }
            Topic::Claim => node.next_claim_json_start(name, known, limit, done),
            Topic::WhoDoes => node.next_who_does_json_start(name, known, limit, done),
        }
    }
}

#[pymethods]
impl Scarce {
    fn act(
        &self,
        py: Python<'_>,
        deed: &Bound<'_, Deed>,
        idempotency_key: Option<PyBackedBytes>,
        after: Option<Token>,
        session: Option<&Bound<'_, Session>>,
        timeout: Option<Seconds>,
    ) -> PyResult<PublishedTuple> {
        let (handle, deed) = (self.handle(), deed.get().inner.clone());
        let options = deed_options(idempotency_key, after, session);
        let done = blocking(py, limit(timeout), move |wait| handle.act(deed, options, wait));
        done.into_result(py).map(published_tuple)
    }

    #[expect(clippy::too_many_arguments, reason = "as act, and where to put the outcome")]
    fn act_start(
        &self,
        queue: &Bound<'_, Queue>,
        number: u64,
        deed: &Bound<'_, Deed>,
        idempotency_key: Option<PyBackedBytes>,
        after: Option<Token>,
        session: Option<&Bound<'_, Session>>,
        timeout: Option<Seconds>,
    ) -> PyResult<Operation> {
        let deed = deed.get().inner.clone();
        let options = deed_options(idempotency_key, after, session);
        begin(queue, number, timeout, |limit, done| {
            self.handle().act_start(deed, options, limit, done);
        })
    }

    fn answer_requests(
        &self,
        py: Python<'_>,
        name: &str,
        enabled: bool,
        reserve: Option<Whole>,
    ) -> PyResult<()> {
        let policy = policy_of(enabled, reserve);
        self.handle().answer_requests(name, policy).map_err(|error| raise(py, error))
    }

    fn hand_over_when_asked(&self, py: Python<'_>, what: &str, is_wanted: bool) -> PyResult<()> {
        let handed = self.handle().hand_over_when_asked(what, is_wanted);
        handed.map_err(|error| raise(py, error))
    }

    fn report_json(
        &self,
        py: Python<'_>,
        topic: Topic,
        name: String,
        after: Option<Token>,
        session: Option<&Bound<'_, Session>>,
        timeout: Option<Seconds>,
    ) -> PyResult<String> {
        let (handle, options) = (self.handle(), read_options(after, session));
        let report =
            blocking(py, limit(timeout), move |wait| topic.now(handle, &name, options, wait));
        report.into_result(py)
    }

    #[expect(clippy::too_many_arguments, reason = "as report_json, and where to put the outcome")]
    fn report_json_start(
        &self,
        queue: &Bound<'_, Queue>,
        number: u64,
        topic: Topic,
        name: &str,
        after: Option<Token>,
        session: Option<&Bound<'_, Session>>,
        timeout: Option<Seconds>,
    ) -> PyResult<Operation> {
        let options = read_options(after, session);
        begin(queue, number, timeout, |limit, done| {
            topic.now_start(self.handle(), name, options, limit, done);
        })
    }

    fn next_report_json(
        &self,
        py: Python<'_>,
        topic: Topic,
        name: String,
        known: Option<String>,
        stop: &Bound<'_, Operation>,
        timeout: Option<Seconds>,
    ) -> PyResult<String> {
        let (handle, limit) = (self.handle(), stop.get().limit(timeout));
        let report = blocking_within(py, limit, move |wait| {
            topic.next(handle, &name, known.as_deref(), wait)
        });
        report.into_result(py)
    }

    fn next_report_json_start(
        &self,
        queue: &Bound<'_, Queue>,
        number: u64,
        topic: Topic,
        name: &str,
        known: Option<&str>,
        timeout: Option<Seconds>,
    ) -> PyResult<Operation> {
        begin(queue, number, timeout, |limit, done| {
            topic.next_start(self.handle(), name, known, limit, done);
        })
    }
}
