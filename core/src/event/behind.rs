//! What is known of a stream and not held.

use crate::error::{Error, ErrorKind};
use crate::event::StreamId;

/// Most streams that a message names.
const NAMED_MAX: usize = 8;

/// A stream of which events are known that are not held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Behind {
    /// Which.
    pub stream: StreamId,
    /// How many events of it are missing; more than 0.
    pub missing: u64,
}

/// The error that names what is missing.
pub(crate) fn not_yet_visible(missing: &[Behind]) -> Error {
    let named = missing.iter().take(NAMED_MAX);
    let named: Vec<String> =
        named.map(|own| format!("{} of {}", own.missing, own.stream)).collect();
    let mut message = format!("events are not held yet: {}", named.join(", "));
    if missing.len() > NAMED_MAX {
        message += &format!(", and of {} more streams", missing.len() - NAMED_MAX);
    }
    let missing = missing.iter().map(|own| (own.stream.to_string(), own.missing)).collect();
    Error::new(ErrorKind::NotYetVisible, message).with_missing(missing)
}
