//! Errors as every shell sees them, and the table that languages derive their classes from.
//!
//! Rule: kinds, numbers and names come from `millpond::ErrorKind`; here they only get their words.

use crate::json;
use millpond::ErrorKind;
use serde_json::{Map, Value};
use std::fmt;

/// A result whose error is [`FacadeError`].
pub type Result<T> = std::result::Result<T, FacadeError>;

/// An error, flat enough for any language.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FacadeError {
    /// The stable number; never 0.
    pub number: i32,
    /// The stable name, such as `query_invalid`.
    pub name: &'static str,
    /// True when the same call may succeed later without any change by the caller.
    pub retryable: bool,
    /// Who, what and what to do, in English.
    pub message: String,
    /// Typed detail, such as `wrong_secret`.
    pub reason: Option<&'static str>,
    /// Byte position in the text that was refused.
    pub position: Option<usize>,
    /// For `not_yet_visible`: the streams that the log does not cover, by rising id, and how many
    /// events of each are missing.
    pub missing: Vec<(String, u64)>,
    /// What a program may want to know of it, as one CBOR value; which one, the kind says.
    pub details: Option<Box<[u8]>>,
}

impl FacadeError {
    /// An error of this kind.
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> FacadeError {
        FacadeError {
            number: kind.number(),
            name: kind.name(),
            retryable: kind.is_retryable(),
            message: message.into(),
            reason: None,
            position: None,
            missing: Vec::new(),
            details: None,
        }
    }

    /// What is missing as one JSON object, stream id to number of events; empty for other kinds.
    pub fn missing_json(&self) -> String {
        let missing = self.missing.iter().map(|(stream, count)| (stream.clone(), (*count).into()));
        Value::Object(missing.collect::<Map<String, Value>>()).to_string()
    }

    /// The details as JSON text (see [`json`]); `None` when there are none.
    pub fn details_json(&self) -> Option<String> {
        self.details.as_deref().and_then(|details| json::text_of(details).ok())
    }

    pub(crate) fn with_reason(mut self, reason: &'static str) -> FacadeError {
        self.reason = Some(reason);
        self
    }

    pub(crate) fn invalid(message: impl Into<String>) -> FacadeError {
        FacadeError::new(ErrorKind::InvalidArgument, message)
    }

    pub(crate) fn is(&self, kind: ErrorKind) -> bool {
        self.number == kind.number()
    }
}

impl From<millpond::Error> for FacadeError {
    fn from(error: millpond::Error) -> FacadeError {
        let mut flat = FacadeError::new(error.kind(), error.message());
        flat.reason = error.reason();
        flat.position = error.position();
        flat.missing = error.missing().to_vec();
        flat.details = error.details().map(Box::from);
        flat
    }
}

impl fmt::Display for FacadeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} [{}]", self.message, self.name)
    }
}

impl std::error::Error for FacadeError {}

/// `invalid_argument`, for what a shell finds when it converts types.
pub fn host_error(message: impl Into<String>) -> FacadeError {
    FacadeError::invalid(message)
}

/// `closed`, for a shell in whose language a second close is a mistake.
pub fn closed_error(message: impl Into<String>) -> FacadeError {
    FacadeError::new(ErrorKind::Closed, message)
}

/// `user_code`, for what code of the application raised; `function` is `effect` or `make_fish`.
pub fn user_code_error(function: &'static str, message: impl Into<String>) -> FacadeError {
    FacadeError::new(ErrorKind::UserCode, message).with_reason(function)
}

/// One kind of error, with words for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// The stable number.
    pub number: i32,
    /// The stable name.
    pub name: &'static str,
    /// True when the same call may succeed later without any change by the caller.
    pub retryable: bool,
    /// When it happens.
    pub summary: &'static str,
    /// What to do.
    pub advice: &'static str,
}

/// Every kind, by rising number.
pub fn table() -> Vec<Row> {
    let row = |kind: &ErrorKind| {
        let (summary, advice) = words(*kind);
        let (number, name, retryable) = (kind.number(), kind.name(), kind.is_retryable());
        Row { number, name, retryable, summary, advice }
    };
    ErrorKind::ALL.iter().map(row).collect()
}

/// The table as JSON: an array of objects with the fields of [`Row`]. Kept as `ffi/errors.json`.
pub fn table_json() -> String {
    let rows: Vec<serde_json::Value> = table()
        .iter()
        .map(|row| {
            serde_json::json!({
                "number": row.number, "name": row.name, "retryable": row.retryable,
                "summary": row.summary, "advice": row.advice,
            })
        })
        .collect();
    let text = serde_json::to_string_pretty(&rows).expect("text and numbers are always JSON");
    text + "\n"
}

/// What a kind means and what to do: `(summary, advice)`.
fn words(kind: ErrorKind) -> (&'static str, &'static str) {
    use ErrorKind as K;
    match kind {
        K::InvalidArgument => {
            ("An argument is not of the form that the call takes.", "Correct the call.")
        }
        K::LimitExceeded => (
            "Something is larger or more than the limit that the message names; nothing was \
             stored.",
            "Send less at once; what is larger than a payload is a blob.",
        ),
        K::QueryInvalid => (
            "A query text does not parse.",
            "Correct the text at `position`; the message shows the place.",
        ),
        K::Conflict => (
            "The log is not as `expected`, or an idempotency key was used for other events; \
             nothing was stored.",
            "Read again and decide anew.",
        ),
        K::NotFound => ("What was asked for does not exist.", "Ask for something else."),
        K::NotYetVisible => (
            "The log does not hold yet what the token names.",
            "Wait for sync, or read without the token.",
        ),
        K::Timeout => ("The deadline passed first.", "Call again, with more time."),
        K::Cancelled => (
            "The caller cancelled the call.",
            "Nothing; events that were being published may still be stored.",
        ),
        K::Closed => (
            "The node, cursor or token is closed.",
            "Open it again; do not use a handle after closing it.",
        ),
        _ => words_of_the_machine(kind),
    }
}

/// Kinds whose cause is the disk, a peer, the process or code.
fn words_of_the_machine(kind: ErrorKind) -> (&'static str, &'static str) {
    use ErrorKind as K;
    match kind {
        K::StoreLocked => {
            ("Another process owns the store.", "Close it there; the message names the process.")
        }
        K::StorageFull => (
            "The disk is full; nothing was stored, reading goes on.",
            "Make space; publishing then works again.",
        ),
        K::StorageFailed => (
            "The disk refused a read, a write or a sync.",
            "Look at the disk and its cable; open the node again.",
        ),
        K::Corrupt => (
            "Stored bytes are not what was written.",
            "Keep the store for a look; damaged blocks come back from peers.",
        ),
        K::FormatTooNew => {
            ("The store was written by a newer millpond.", "Update millpond on this machine.")
        }
        K::PeerRefused => (
            "No session came about; `reason` says why.",
            "Compare swarm secrets, allow-lists and versions.",
        ),
        K::PeerMisbehaved => (
            "A peer sent what no honest peer sends; its session was closed.",
            "Look at the node that the message names.",
        ),
        K::Forked => (
            "A stream has two different histories.",
            "Find the copied or restored store; the proof is kept.",
        ),
        K::ForkedProcess => (
            "The process was forked from one with open nodes.",
            "Open nodes in the process that uses them; start processes by spawn.",
        ),
        K::Overdraft => {
            ("An escrow account does not hold enough rights.", "Ask peers for a transfer.")
        }
        K::UserCode => (
            "Code of the application failed inside a call of millpond.",
            "Look at the failure that the message carries.",
        ),
        K::Internal => (
            "A bug in millpond; the node refuses further work.",
            "Close the node, open it again, and report the message.",
        ),
        _ => ("See `millpond::ErrorKind`.", "See `millpond::ErrorKind`."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_words_of_its_own() {
        let rows = table();
        assert_eq!(rows.len(), ErrorKind::ALL.len());
        for (index, row) in rows.iter().enumerate() {
            assert!(row.summary.ends_with('.') && row.advice.ends_with('.'), "{}", row.name);
            let same = rows.iter().filter(|other| other.summary == row.summary).count();
            assert_eq!((row.number, same), (index as i32 + 1, 1), "{}", row.name);
        }
    }

    #[test]
    fn an_error_of_the_core_loses_nothing() {
        let core = millpond::Error::new(ErrorKind::PeerRefused, "no")
            .with_reason("wrong_secret")
            .with_position(3)
            .with_missing(vec![("s".into(), 2)])
            .with_details(vec![0xa1, 0x61, b'n', 0x07]);
        let flat = FacadeError::from(core);
        assert_eq!((flat.number, flat.name, flat.retryable), (15, "peer_refused", false));
        assert_eq!(flat.missing_json(), r#"{"s":2}"#);
        assert_eq!(flat.details_json().as_deref(), Some(r#"{"n":7}"#));
        assert_eq!((flat.reason, flat.position), (Some("wrong_secret"), Some(3)));
        assert_eq!(flat.to_string(), "no [peer_refused]");
    }
}
