//! The one order, as a value that Python can sort by.

use pyo3::prelude::*;
use std::cmp::Ordering;

/// An event's place in the one order: `lamport` first, then `stream`. `str()` is its text.
#[pyclass(frozen, eq, ord, hash, module = "millpond")]
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct EventKey {
    /// Logical time, from 1 to 2**53 - 1.
    #[pyo3(get)]
    lamport: u64,
    /// The stream id as text: `<node id>-<number>`.
    #[pyo3(get)]
    stream: String,
}

impl EventKey {
    /// The key that the facade says as text; `None` for other texts.
    pub(crate) fn parse(text: &str) -> Option<EventKey> {
        let (lamport, stream) = text.split_once('/')?;
        Some(EventKey { lamport: lamport.parse().ok()?, stream: stream.to_owned() })
    }

    /// `<lamport>/<stream id>`.
    pub(crate) fn text(&self) -> String {
        format!("{}/{}", self.lamport, self.stream)
    }

    /// The stream id in parts that sort like it: the number counts as a number, not as text.
    fn parts(&self) -> (u64, &str, u64) {
        let (node, number) = self.stream.rsplit_once('-').unwrap_or((&self.stream, ""));
        (self.lamport, node, number.parse().unwrap_or(u64::MAX))
    }
}

impl Ord for EventKey {
    fn cmp(&self, other: &EventKey) -> Ordering {
        self.parts().cmp(&other.parts())
    }
}

impl PartialOrd for EventKey {
    fn partial_cmp(&self, other: &EventKey) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[pymethods]
impl EventKey {
    #[new]
    pub(crate) fn new(lamport: u64, stream: String) -> EventKey {
        EventKey { lamport, stream }
    }

    fn __getnewargs__(&self) -> (u64, &str) {
        (self.lamport, &self.stream)
    }

    fn __str__(&self) -> String {
        self.text()
    }

    fn __repr__(&self) -> String {
        format!("<EventKey {}>", self.text())
    }
}
