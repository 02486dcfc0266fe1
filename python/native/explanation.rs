//! How a query is answered, as values.

use millpond_facade as facade;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

/// What a cursor looks at.
#[pyclass(frozen, eq, hash, module = "millpond")]
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Looks {
    /// Segments of the postings, each of up to 64 full blocks.
    #[pyo3(get)]
    segments: u64,
    /// Blocks, of up to 1,024 events.
    #[pyo3(get)]
    blocks: u64,
    /// Frames of blocks, of up to 64 events.
    #[pyo3(get)]
    frames: u64,
    /// Events.
    #[pyo3(get)]
    events: u64,
}

impl From<facade::Looks> for Looks {
    fn from(looks: facade::Looks) -> Looks {
        let facade::Looks { segments, blocks, frames, events } = looks;
        Looks { segments, blocks, frames, events }
    }
}

#[pymethods]
impl Looks {
    fn __repr__(&self) -> String {
        let Looks { segments, blocks, frames, events } = self;
        format!("<Looks segments={segments} blocks={blocks} frames={frames} events={events}>")
    }
}

/// How a cursor answers its query. `str()` is all of it, as lines for people.
#[pyclass(frozen, eq, hash, module = "millpond")]
#[derive(PartialEq, Eq, Hash)]
pub(crate) struct Explanation {
    /// The query, as its canonical text.
    #[pyo3(get)]
    query: String,
    /// "ascending", "descending" or "stream".
    #[pyo3(get)]
    order: &'static str,
    alternatives: Vec<String>,
    /// False: the alternatives select more, and each event found is judged by the query.
    #[pyo3(get)]
    is_exact: bool,
    expected: Looks,
    actual: Looks,
    /// Whether events that arrive later can take back an answer: "monotone" (never), "one_way"
    /// (an event may leave it, none that left comes back) or "not_monotone".
    #[pyo3(get)]
    monotonicity: &'static str,
    /// True when `monotonicity` is "monotone".
    #[pyo3(get)]
    is_monotone: bool,
    /// Why, as a sentence.
    #[pyo3(get)]
    monotone_reason: String,
    text: String,
}

impl From<facade::Explanation> for Explanation {
    fn from(explanation: facade::Explanation) -> Explanation {
        Explanation {
            query: explanation.query,
            order: explanation.order,
            alternatives: explanation.alternatives,
            is_exact: explanation.is_exact,
            expected: explanation.expected.into(),
            actual: explanation.actual.into(),
            monotonicity: explanation.monotone.verdict,
            is_monotone: explanation.monotone.is_monotone,
            monotone_reason: explanation.monotone.reason,
            text: explanation.text,
        }
    }
}

#[pymethods]
impl Explanation {
    /// What is looked up, as queries: each event of the answer is selected by one of these. None
    /// when nothing can be.
    #[getter]
    fn alternatives<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, &self.alternatives)
    }

    /// For the whole answer, by the index; `events` is a bound.
    #[getter]
    fn expected(&self) -> Looks {
        self.expected.clone()
    }

    /// So far: what was opened, and the events delivered.
    #[getter]
    fn actual(&self) -> Looks {
        self.actual.clone()
    }

    fn __str__(&self) -> &str {
        &self.text
    }

    fn __repr__(&self) -> String {
        format!("<Explanation of {:?}>", self.query)
    }
}
