//! The way back, in key order.

use crate::event_key::EventKey;
use pyo3::prelude::*;

/// An event came late: forget what came after the event `to`, which comes again with it.
///
/// A `KeySubscription` gives it in between its events.
#[pyclass(frozen, eq, hash, module = "millpond")]
#[derive(PartialEq, Eq, Hash)]
pub(crate) struct Rewind {
    pub(crate) to: Option<EventKey>,
}

#[pymethods]
impl Rewind {
    /// The key of the last event that stays; None when none does.
    #[getter]
    fn to(&self) -> Option<EventKey> {
        self.to.clone()
    }

    fn __repr__(&self) -> String {
        match &self.to {
            Some(to) => format!("<Rewind to {}>", to.text()),
            None => "<Rewind to the beginning>".to_owned(),
        }
    }
}
