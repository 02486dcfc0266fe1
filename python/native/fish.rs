//! What a fish is to millpond: what it folds and by which definition, without its functions.

use crate::arguments::Whole;
use crate::errors::raise;
use crate::lab::{LawCheck, Verdict, verdict};
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
        has_reset: bool,
    ) -> PyResult<Spec> {
        let version = version.0;
        let spec = FishSpec::Code { id, version, query, codec, is_grow_only, has_reset };
        Spec::checked(py, spec)
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

    /// Whether its states can be taken back, as far as that was `checked`.
    fn monotonicity(
        &self,
        py: Python<'_>,
        checked: Option<&Bound<'_, LawCheck>>,
    ) -> PyResult<Verdict> {
        let checked = checked.map(|check| &check.get().inner);
        facade::lint_fish(&self.inner, checked).map(verdict).map_err(|error| raise(py, error))
    }
}
