//! What a fish is to millpond: what it folds and by which definition, without its functions.

use crate::arguments::Whole;
use crate::errors::raise;
use millpond_facade::{self as facade, FishSpec};
use pyo3::prelude::*;

/// A definition of a fish; the functions stay in Python.
#[pyclass(frozen, name = "FishSpec", module = "millpond._native")]
pub(crate) struct Spec {
    pub(crate) inner: FishSpec,
    id: String,
}

impl Spec {
    fn checked(py: Python<'_>, inner: FishSpec) -> PyResult<Spec> {
        let id = inner.id().map_err(|error| raise(py, error))?;
        Ok(Spec { inner, id })
    }
}

#[pymethods]
impl Spec {
    /// Of a fish with code; `codec` is the name of its codec.
    #[staticmethod]
    fn code(
        py: Python<'_>,
        id: String,
        version: Whole,
        query: String,
        codec: Option<String>,
        is_grow_only: bool,
    ) -> PyResult<Spec> {
        let version = version.0;
        Spec::checked(py, FishSpec::Code { id, version, query, codec, is_grow_only })
    }

    /// Of a built-in fold; `fold` is JSON.
    #[staticmethod]
    fn built_in(py: Python<'_>, query: String, fold: String) -> PyResult<Spec> {
        Spec::checked(py, FishSpec::BuiltIn { query, fold })
    }

    /// The id in its one form.
    #[getter]
    fn id(&self) -> &str {
        &self.id
    }

    /// `(verdict, is_monotone, reason, text)`.
    fn monotonicity(&self, py: Python<'_>) -> PyResult<(&'static str, bool, String, String)> {
        let said = facade::fish_monotonicity(&self.inner).map_err(|error| raise(py, error))?;
        Ok((said.verdict, said.is_monotone, said.reason, said.text))
    }
}
