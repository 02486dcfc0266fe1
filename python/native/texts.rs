//! Python strings that were made lately: the keys and tags of a batch repeat from event to event.

use pyo3::prelude::*;
use pyo3::types::PyString;

/// A power of two.
const SLOTS: usize = 256;
/// Longer texts are made anew each time.
const KNOWN_BYTES_MAX: usize = 64;

/// At most 256 strings of at most 64 bytes.
#[derive(Default)]
pub(crate) struct Texts {
    slots: Vec<Option<Py<PyString>>>,
}

impl Texts {
    /// The Python string of `text`; the same one as before, if it is still known.
    pub(crate) fn get<'py>(&mut self, py: Python<'py>, text: &str) -> Bound<'py, PyString> {
        if text.len() > KNOWN_BYTES_MAX {
            return PyString::new(py, text);
        }
        if self.slots.is_empty() {
            self.slots.resize_with(SLOTS, || None);
        }
        let slot = &mut self.slots[hash(text.as_bytes()) % SLOTS];
        if let Some(known) = slot
            && known.bind(py).to_str().is_ok_and(|known| known == text)
        {
            return known.bind(py).clone();
        }
        let made = PyString::new(py, text);
        *slot = Some(made.clone().unbind());
        made
    }
}

/// FNV-1a, folded: short texts only.
fn hash(bytes: &[u8]) -> usize {
    let fold = |hash: u32, byte: &u8| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
    let hash = bytes.iter().fold(0x811c_9dc5, fold);
    (hash ^ hash >> 15) as usize
}
