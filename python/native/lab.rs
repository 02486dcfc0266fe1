//! The testing kit: a swarm in memory, and the jobs of its fish. `millpond/testing.py` is its
//! surface.

use crate::arguments::{Seconds, Token, Whole, limit, read_options};
use crate::batch::Batch;
use crate::deed::{Deed, note_of};
use crate::drafts::drafts;
use crate::errors::{raise, refuse};
use crate::event::Held;
use crate::fish::Spec;
use crate::fold::{failed, job_of};
use crate::node::{PublishedTuple, published_tuple};
use crate::observer::State;
use crate::offsets::Offsets;
use crate::options::publish_options;
use crate::scarce::{Topic, deed_options, policy_of};
use crate::session::Session;
use crate::standing::standing_of;
use millpond_facade::{self as facade, Bytes, JobAnswer, LabBefall, LabTask, LawQuestion};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyBytes, PyList};
use std::sync::Arc;

/// A swarm in memory. What takes code of fish is begun and then done job by job.
#[pyclass(frozen, module = "millpond._native")]
pub(crate) struct Lab {
    inner: facade::Lab,
}

/// What was on the disk of a node of a lab.
#[pyclass(frozen, module = "millpond._native")]
pub(crate) struct LabBackup {
    inner: facade::LabBackup,
}

/// `(fish, owner, job)`.
type Job = (u64, u64, Py<PyAny>);

fn plain(numbers: Vec<Whole>) -> Vec<u64> {
    numbers.into_iter().map(|number| number.0).collect()
}

impl Lab {
    fn begin(&self, py: Python<'_>, task: LabTask) -> PyResult<Option<u64>> {
        self.inner.begin(task).map_err(|error| raise(py, error))
    }

    fn go_on(&self, py: Python<'_>, answer: Option<JobAnswer>) -> PyResult<Option<Job>> {
        let job = self.inner.next_job(answer).map_err(|error| raise(py, error))?;
        job.map(|own| Ok((own.fish, own.owner, job_of(py, own.job)?))).transpose()
    }
}

fn batch(py: Python<'_>, events: facade::EventBatch) -> PyResult<Bound<'_, PyAny>> {
    let events = Batch::whole(Arc::new(Held::new(py, events)));
    Ok(Bound::new(py, events)?.into_any())
}

#[pymethods]
impl Lab {
    #[new]
    #[allow(clippy::too_many_arguments)] // As its caller in Python has them.
    fn new(
        py: Python<'_>,
        nodes: Option<Whole>,
        seed: Option<Whole>,
        app: Option<String>,
        skew_max: Option<Seconds>,
        faults: Option<Whole>,
        without: Vec<Whole>,
    ) -> PyResult<Lab> {
        if matches!(skew_max, Some(Seconds(None))) {
            return Err(refuse(py, "skew_max: that many seconds are too many"));
        }
        let (nodes, seed) = (nodes.map(|count| count.0), seed.map(|seed| seed.0));
        let faults = faults.map(|count| count.0);
        let (skew_max, without) = (limit(skew_max), plain(without));
        let options = facade::LabOptions { nodes, seed, app, skew_max, faults, without };
        let inner = facade::Lab::new(options).map_err(|error| raise(py, error))?;
        Ok(Lab { inner })
    }

    #[getter]
    fn seed(&self, py: Python<'_>) -> PyResult<u64> {
        self.inner.seed().map_err(|error| raise(py, error))
    }

    #[getter]
    fn node_count(&self, py: Python<'_>) -> PyResult<u64> {
        self.inner.node_count().map_err(|error| raise(py, error))
    }

    #[getter]
    fn elapsed(&self, py: Python<'_>) -> PyResult<f64> {
        let elapsed = self.inner.elapsed().map_err(|error| raise(py, error))?;
        Ok(elapsed.as_secs_f64())
    }

    #[getter]
    fn trace(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        self.inner.trace().map_err(|error| raise(py, error))
    }

    /// Pairs of a number and what it was.
    #[getter]
    fn befell(&self, py: Python<'_>) -> PyResult<Vec<(u64, String)>> {
        let befell = self.inner.befell().map_err(|error| raise(py, error))?;
        Ok(befell.into_iter().map(|own| (own.number, own.what)).collect())
    }

    fn node_id(&self, py: Python<'_>, node: Whole) -> PyResult<String> {
        self.inner.node_id(node.0).map_err(|error| raise(py, error))
    }

    fn is_up(&self, py: Python<'_>, node: Whole) -> PyResult<bool> {
        self.inner.is_up(node.0).map_err(|error| raise(py, error))
    }

    fn time_micros(&self, py: Python<'_>, node: Whole) -> PyResult<i64> {
        self.inner.time_micros(node.0).map_err(|error| raise(py, error))
    }

    fn offsets(&self, py: Python<'_>, node: Whole) -> PyResult<Offsets> {
        self.inner.offsets(node.0).map(Offsets::new).map_err(|error| raise(py, error))
    }

    fn below(&self, py: Python<'_>, end: Whole) -> PyResult<u64> {
        self.inner.below(end.0).map_err(|error| raise(py, error))
    }

    fn life(&self, py: Python<'_>, node: Whole) -> PyResult<u64> {
        self.inner.life(node.0).map_err(|error| raise(py, error))
    }

    #[allow(clippy::too_many_arguments)] // As its caller in Python has them.
    fn publish(
        &self,
        py: Python<'_>,
        node: Whole,
        life: Option<u64>,
        pairs: &Bound<'_, PyList>,
        durability: Option<String>,
        idempotency_key: Option<PyBackedBytes>,
        expected: Option<Whole>,
        session: Option<&Bound<'_, Session>>,
    ) -> PyResult<PublishedTuple> {
        let options = publish_options(durability, idempotency_key, expected, session);
        let published = self.inner.publish(node.0, life, drafts(pairs)?, options);
        published.map(published_tuple).map_err(|error| raise(py, error))
    }

    fn query<'py>(
        &self,
        py: Python<'py>,
        node: Whole,
        query: &str,
        after: Option<Token>,
        session: Option<&Bound<'py, Session>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let events = self.inner.query(node.0, query, read_options(after, session));
        batch(py, events.map_err(|error| raise(py, error))?)
    }

    fn events<'py>(&self, py: Python<'py>, query: &str) -> PyResult<Bound<'py, PyAny>> {
        batch(py, self.inner.events(query).map_err(|error| raise(py, error))?)
    }

    fn wait_for(
        &self,
        py: Python<'_>,
        node: Whole,
        token: Token,
        query: Option<&str>,
    ) -> PyResult<()> {
        self.inner.wait_for(node.0, &token.0, query).map_err(|error| raise(py, error))
    }

    #[allow(clippy::too_many_arguments)] // As its caller in Python has them.
    fn act(
        &self,
        py: Python<'_>,
        node: Whole,
        deed: &Bound<'_, Deed>,
        idempotency_key: Option<PyBackedBytes>,
        after: Option<Token>,
        session: Option<&Bound<'_, Session>>,
    ) -> PyResult<PublishedTuple> {
        let options = deed_options(idempotency_key, after, session);
        let done = self.inner.act(node.0, deed.get().inner.clone(), options);
        done.map(published_tuple).map_err(|error| raise(py, error))
    }

    fn answer_requests(
        &self,
        py: Python<'_>,
        node: Whole,
        name: &str,
        enabled: bool,
        reserve: Option<Whole>,
    ) -> PyResult<()> {
        let policy = policy_of(enabled, reserve);
        self.inner.answer_requests(node.0, name, policy).map_err(|error| raise(py, error))
    }

    fn hand_over_when_asked(
        &self,
        py: Python<'_>,
        node: Whole,
        what: &str,
        is_wanted: bool,
    ) -> PyResult<()> {
        let handed = self.inner.hand_over_when_asked(node.0, what, is_wanted);
        handed.map_err(|error| raise(py, error))
    }

    fn report_json(
        &self,
        py: Python<'_>,
        node: Whole,
        topic: Topic,
        name: &str,
        after: Option<Token>,
        session: Option<&Bound<'_, Session>>,
    ) -> PyResult<String> {
        let options = read_options(after, session);
        let report = match &topic {
            Topic::Account(id) => self.inner.account_json(node.0, name, id.as_deref(), options),
            Topic::Claim => self.inner.claim_json(node.0, name, options),
            Topic::WhoDoes => self.inner.who_does_json(node.0, name, options),
        };
        report.map_err(|error| raise(py, error))
    }

    /// The key of the event that says so, as text.
    fn do_optimistically(
        &self,
        py: Python<'_>,
        node: Whole,
        what: &str,
        note: Option<&Bound<'_, PyAny>>,
        after: Option<Token>,
        session: Option<&Bound<'_, Session>>,
    ) -> PyResult<String> {
        let (note, options) = (note_of(note)?, read_options(after, session));
        let said = self.inner.do_optimistically(node.0, what, note, options);
        said.map_err(|error| raise(py, error))
    }

    fn own_doing(&self, py: Python<'_>, node: Whole, what: &str) -> PyResult<Option<String>> {
        self.inner.own_doing(node.0, what).map_err(|error| raise(py, error))
    }

    fn standing(&self, py: Python<'_>, node: Whole, what: &str, key: &str) -> PyResult<Py<PyAny>> {
        let view = self.inner.standing(node.0, what, key).map_err(|error| raise(py, error))?;
        standing_of(py, view)
    }

    fn tell_loss(&self, py: Python<'_>, node: Whole, what: &str, key: &str) -> PyResult<()> {
        self.inner.tell_loss(node.0, what, key).map_err(|error| raise(py, error))
    }

    /// `(node, what, key)` of the next claim that has lost.
    fn next_loss(&self, py: Python<'_>) -> PyResult<Option<(u64, String, String)>> {
        let loss = self.inner.next_loss().map_err(|error| raise(py, error))?;
        Ok(loss.map(|loss| (loss.node, loss.what, loss.key)))
    }

    fn back_up(&self, py: Python<'_>, node: Whole) -> PyResult<LabBackup> {
        let inner = self.inner.back_up(node.0).map_err(|error| raise(py, error))?;
        Ok(LabBackup { inner })
    }

    fn restore(&self, py: Python<'_>, node: Whole, backup: &Bound<'_, LabBackup>) -> PyResult<()> {
        self.inner.restore(node.0, &backup.get().inner).map_err(|error| raise(py, error))
    }

    fn check_scarce(&self, py: Python<'_>) -> PyResult<()> {
        self.inner.check_scarce().map_err(|error| raise(py, error))
    }

    /// Leaves what is left of a task undone.
    fn abandon(&self, py: Python<'_>) -> PyResult<()> {
        self.inner.abandon().map_err(|error| raise(py, error))
    }

    fn cut(&self, py: Python<'_>, groups: Vec<Vec<Whole>>) -> PyResult<()> {
        let groups: Vec<Vec<u64>> = groups.into_iter().map(plain).collect();
        self.inner.cut(&groups).map_err(|error| raise(py, error))
    }

    fn heal(&self, py: Python<'_>) -> PyResult<()> {
        self.inner.heal().map_err(|error| raise(py, error))
    }

    fn crash(&self, py: Python<'_>, node: Whole) -> PyResult<()> {
        self.inner.crash(node.0).map_err(|error| raise(py, error))
    }

    fn cut_power(&self, py: Python<'_>, node: Whole) -> PyResult<()> {
        self.inner.cut_power(node.0).map_err(|error| raise(py, error))
    }

    fn start(&self, py: Python<'_>, node: Whole) -> PyResult<()> {
        self.inner.start(node.0).map_err(|error| raise(py, error))
    }

    fn begin_advance(&self, py: Python<'_>, seconds: Seconds) -> PyResult<()> {
        let too_long = || refuse(py, "advance: that many seconds are too many");
        let duration = seconds.0.ok_or_else(too_long)?;
        self.begin(py, LabTask::Advance(duration)).map(drop)
    }

    fn begin_settle(&self, py: Python<'_>) -> PyResult<()> {
        self.begin(py, LabTask::Settle).map(drop)
    }

    fn begin_calm(&self, py: Python<'_>) -> PyResult<()> {
        self.begin(py, LabTask::Calm).map(drop)
    }

    fn begin_chaos(&self, py: Python<'_>, steps: Option<Whole>) -> PyResult<()> {
        self.begin(py, LabTask::Chaos(steps.map(|steps| steps.0))).map(drop)
    }

    /// The number of the fish.
    fn begin_state(
        &self,
        py: Python<'_>,
        node: Whole,
        fish: &Bound<'_, Spec>,
        after: Option<Token>,
        session: Option<&Bound<'_, Session>>,
    ) -> PyResult<Option<u64>> {
        let (fish, options) = (fish.get().inner.clone(), read_options(after, session));
        self.begin(py, LabTask::State { node: node.0, fish, options })
    }

    fn begin_check(&self, py: Python<'_>, fish: &Bound<'_, Spec>) -> PyResult<Option<u64>> {
        self.begin(py, LabTask::Check(fish.get().inner.clone()))
    }

    fn next_job(&self, py: Python<'_>) -> PyResult<Option<Job>> {
        self.go_on(py, None)
    }

    fn loaded(&self, py: Python<'_>) -> PyResult<Option<Job>> {
        self.go_on(py, Some(JobAnswer::Loaded))
    }

    fn applied(&self, py: Python<'_>, last_reset: Option<usize>) -> PyResult<Option<Job>> {
        self.go_on(py, Some(JobAnswer::Applied { last_reset }))
    }

    fn saved(&self, py: Python<'_>, data: &[u8]) -> PyResult<Option<Job>> {
        self.go_on(py, Some(JobAnswer::Saved(Bytes::copy_from_slice(data))))
    }

    fn failed(
        &self,
        py: Python<'_>,
        function: &str,
        index: Option<usize>,
        message: String,
    ) -> PyResult<Option<Job>> {
        self.go_on(py, Some(failed(py, function, index, message)?))
    }

    /// The state that was asked for.
    fn shown(&self, py: Python<'_>) -> PyResult<State> {
        self.inner.shown().map(State::new).map_err(|error| raise(py, error))
    }
}

/// The law of fish that only grow, in rounds of questions.
#[pyclass(frozen, module = "millpond._native")]
pub(crate) struct LawCheck {
    pub(crate) inner: facade::LawCheck,
}

/// `("initial", None, None)`, `("step", state, index)` or `("merge", state, other)`.
type Question<'py> = (&'static str, Option<Bound<'py, PyBytes>>, Option<Bound<'py, PyAny>>);

#[pymethods]
impl LawCheck {
    #[new]
    fn new(py: Python<'_>, fish: &Bound<'_, Spec>, event_count: Whole) -> PyResult<LawCheck> {
        let inner = facade::LawCheck::new(&fish.get().inner, event_count.0);
        Ok(LawCheck { inner: inner.map_err(|error| raise(py, error))? })
    }

    fn next_questions<'py>(
        &self,
        py: Python<'py>,
        answers: Vec<PyBackedBytes>,
    ) -> PyResult<Vec<Question<'py>>> {
        let answers = answers.iter().map(|answer| Bytes::copy_from_slice(answer)).collect();
        let questions = self.inner.next_questions(answers).map_err(|error| raise(py, error))?;
        let plain = |question: LawQuestion| -> PyResult<Question<'py>> {
            Ok(match question {
                LawQuestion::Initial => ("initial", None, None),
                LawQuestion::Step(state, index) => {
                    let index = index.into_pyobject(py)?.into_any();
                    ("step", Some(PyBytes::new(py, &state)), Some(index))
                }
                LawQuestion::Merge(one, other) => {
                    let other = PyBytes::new(py, &other).into_any();
                    ("merge", Some(PyBytes::new(py, &one)), Some(other))
                }
            })
        };
        questions.into_iter().map(plain).collect()
    }
}

/// Looks for a smaller failure of a scenario.
#[pyclass(frozen, module = "millpond._native")]
pub(crate) struct LabShrink {
    inner: facade::LabShrink,
}

/// `(number, what it was)` of all that befell.
type Befell = Vec<(u64, String)>;

fn befalls(befell: Befell) -> Vec<LabBefall> {
    befell.into_iter().map(|(number, what)| LabBefall { number, what }).collect()
}

#[pymethods]
impl LabShrink {
    #[new]
    fn new(py: Python<'_>, befell: Befell) -> PyResult<LabShrink> {
        let inner = facade::LabShrink::new(befalls(befell));
        Ok(LabShrink { inner: inner.map_err(|error| raise(py, error))? })
    }

    fn next_run(&self, py: Python<'_>) -> PyResult<Option<Vec<u64>>> {
        self.inner.next_run().map_err(|error| raise(py, error))
    }

    #[pyo3(signature = (befell))]
    fn ended(&self, py: Python<'_>, befell: Option<Befell>) -> PyResult<()> {
        self.inner.ended(befell.map(befalls)).map_err(|error| raise(py, error))
    }

    fn summary(&self, py: Python<'_>, seed: Whole) -> PyResult<Option<String>> {
        self.inner.summary(seed.0).map_err(|error| raise(py, error))
    }
}

/// What the environment says to leave out.
#[pyfunction]
pub(crate) fn lab_without(py: Python<'_>) -> PyResult<Option<Vec<u64>>> {
    facade::without_wanted().map_err(|error| raise(py, error))
}

/// `(verdict, is monotone, reason, all as one line)`.
pub(crate) type Verdict = (&'static str, bool, String, String);

pub(crate) fn verdict(of: facade::Monotone) -> Verdict {
    (of.verdict, of.is_monotone, of.reason, of.text)
}

/// Whether the events that a query selects can be taken back.
#[pyfunction]
pub(crate) fn lint_query(py: Python<'_>, query: &str) -> PyResult<Verdict> {
    facade::lint_query(query).map(verdict).map_err(|error| raise(py, error))
}

/// The seeds to run a scenario with.
#[pyfunction]
#[pyo3(signature = (count=None))]
pub(crate) fn lab_seeds(py: Python<'_>, count: Option<Whole>) -> PyResult<Vec<u64>> {
    facade::seeds(count.map(|count| count.0)).map_err(|error| raise(py, error))
}

/// How to see a failure with this seed again.
#[pyfunction]
pub(crate) fn replay_hint(seed: Whole) -> String {
    facade::replay_hint(seed.0)
}
