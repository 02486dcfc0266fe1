//! The testing kit: a swarm in memory, and the jobs of its fish. `millpond/testing.py` is its
//! surface.

use crate::arguments::{Seconds, Whole, limit};
use crate::batch::Batch;
use crate::drafts::drafts;
use crate::errors::raise;
use crate::event::Held;
use crate::node::{PublishedTuple, published_tuple};
use crate::offsets::Offsets;
use millpond_facade::{self as facade, Bytes, LabAnswer, LabFish, LabTask, LabWork, LawQuestion};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyBytes, PyList};
use std::sync::Arc;

/// A swarm in memory. What takes code of fish is begun and then done job by job.
#[pyclass(frozen, module = "millpond._native")]
pub(crate) struct Lab {
    inner: facade::Lab,
}

/// `(fish, owner, what to do, with what)`.
type Job<'py> = (u64, u64, &'static str, Option<Bound<'py, PyAny>>);

/// What a fish is: `(id, version, query, codec)`, or `(query, fold as JSON)`.
#[derive(FromPyObject)]
pub(crate) enum Fish {
    Code(String, Whole, String, Option<String>),
    BuiltIn(String, String),
}

impl Fish {
    fn into_facade(self) -> LabFish {
        match self {
            Fish::Code(id, version, query, codec) => {
                LabFish::Code { id, version: version.0, query, codec }
            }
            Fish::BuiltIn(query, fold) => LabFish::BuiltIn { query, fold },
        }
    }
}

impl Lab {
    fn begin(&self, py: Python<'_>, task: LabTask) -> PyResult<Option<u64>> {
        self.inner.begin(task).map_err(|error| raise(py, error))
    }

    fn go_on<'py>(&self, py: Python<'py>, answer: Option<LabAnswer>) -> PyResult<Option<Job<'py>>> {
        let job = self.inner.next_job(answer).map_err(|error| raise(py, error))?;
        let Some(job) = job else { return Ok(None) };
        let (what, with) = match job.work {
            LabWork::Load(state) => {
                ("load", state.map(|state| PyBytes::new(py, &state).into_any()))
            }
            LabWork::Apply(events) => ("apply", Some(batch(py, events)?)),
            LabWork::Save => ("save", None),
        };
        Ok(Some((job.fish, job.owner, what, with)))
    }
}

fn batch(py: Python<'_>, events: facade::EventBatch) -> PyResult<Bound<'_, PyAny>> {
    let events = Batch::whole(Arc::new(Held::new(py, events)));
    Ok(Bound::new(py, events)?.into_any())
}

#[pymethods]
impl Lab {
    #[new]
    fn new(
        py: Python<'_>,
        nodes: Option<Whole>,
        seed: Option<Whole>,
        app: Option<String>,
        skew_max: Option<Seconds>,
    ) -> PyResult<Lab> {
        let (nodes, seed) = (nodes.map(|count| count.0), seed.map(|seed| seed.0));
        let options = facade::LabOptions { nodes, seed, app, skew_max: limit(skew_max) };
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

    fn publish(
        &self,
        py: Python<'_>,
        node: Whole,
        pairs: &Bound<'_, PyList>,
        durability: Option<&str>,
    ) -> PyResult<PublishedTuple> {
        let published = self.inner.publish(node.0, drafts(pairs)?, durability);
        published.map(published_tuple).map_err(|error| raise(py, error))
    }

    fn query<'py>(&self, py: Python<'py>, node: Whole, query: &str) -> PyResult<Bound<'py, PyAny>> {
        batch(py, self.inner.query(node.0, query).map_err(|error| raise(py, error))?)
    }

    fn cut(&self, py: Python<'_>, groups: Vec<Vec<Whole>>) -> PyResult<()> {
        let plain = |group: Vec<Whole>| group.into_iter().map(|node| node.0).collect();
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
        let Some(duration) = seconds.0 else { return Ok(()) };
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
    fn begin_state(&self, py: Python<'_>, node: Whole, fish: Fish) -> PyResult<Option<u64>> {
        self.begin(py, LabTask::State { node: node.0, fish: fish.into_facade() })
    }

    fn begin_check(&self, py: Python<'_>, fish: Fish) -> PyResult<Option<u64>> {
        self.begin(py, LabTask::Check(fish.into_facade()))
    }

    fn next_job<'py>(&self, py: Python<'py>) -> PyResult<Option<Job<'py>>> {
        self.go_on(py, None)
    }

    fn loaded<'py>(&self, py: Python<'py>) -> PyResult<Option<Job<'py>>> {
        self.go_on(py, Some(LabAnswer::Loaded))
    }

    fn applied<'py>(
        &self,
        py: Python<'py>,
        last_reset: Option<Whole>,
    ) -> PyResult<Option<Job<'py>>> {
        let last_reset = last_reset.map(|index| index.0);
        self.go_on(py, Some(LabAnswer::Applied { last_reset }))
    }

    fn saved<'py>(&self, py: Python<'py>, state: PyBackedBytes) -> PyResult<Option<Job<'py>>> {
        self.go_on(py, Some(LabAnswer::Saved(Bytes::copy_from_slice(&state))))
    }

    fn failed<'py>(
        &self,
        py: Python<'py>,
        function: String,
        index: Option<Whole>,
        message: String,
    ) -> PyResult<Option<Job<'py>>> {
        let index = index.map(|index| index.0);
        self.go_on(py, Some(LabAnswer::Failed { function, index, message }))
    }

    /// The bytes of the state that was asked for, and what it is the fold of.
    fn shown<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyBytes>, Offsets)> {
        let shown = self.inner.shown().map_err(|error| raise(py, error))?;
        Ok((PyBytes::new(py, &shown.bytes), Offsets::new(shown.offsets)))
    }
}

/// The law of fish that only grow, in rounds of questions.
#[pyclass(frozen, module = "millpond._native")]
pub(crate) struct LawCheck {
    inner: facade::LawCheck,
}

/// `("initial", None, None)`, `("step", state, index)` or `("merge", state, other)`.
type Question<'py> = (&'static str, Option<Bound<'py, PyBytes>>, Option<Bound<'py, PyAny>>);

#[pymethods]
impl LawCheck {
    #[new]
    fn new(event_count: Whole) -> LawCheck {
        LawCheck { inner: facade::LawCheck::new(event_count.0) }
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

/// `(verdict, is monotone, reason, all as one line)`.
type LintTuple = (&'static str, bool, String, String);

fn lint_tuple(lint: facade::Lint) -> LintTuple {
    (lint.verdict, lint.is_monotone, lint.reason, lint.text)
}

/// Whether the events that a query selects can be taken back.
#[pyfunction]
pub(crate) fn lint_query(py: Python<'_>, query: &str) -> PyResult<LintTuple> {
    facade::lint_query(query).map(lint_tuple).map_err(|error| raise(py, error))
}

/// Whether the states of a fish can be taken back; `is_checked` when its law was found to hold.
#[pyfunction]
pub(crate) fn lint_fish(py: Python<'_>, fish: Fish, is_checked: bool) -> PyResult<LintTuple> {
    let lint = facade::lint_fish(&fish.into_facade(), is_checked);
    lint.map(lint_tuple).map_err(|error| raise(py, error))
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
