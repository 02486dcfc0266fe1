//! Errors as the languages see them.

use millpond_facade::FacadeError;
use std::fmt;

/// Why a call failed. The table of kinds is in `docs/errors.md`.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct Failure {
    /// The number of its kind.
    pub number: i32,
    /// The name of its kind, such as `not_found`.
    pub name: String,
    /// What went wrong and what to do, for people.
    pub text: String,
    /// Whether the same call may succeed later.
    pub retryable: bool,
    /// Which case of its kind it is.
    pub reason: Option<String>,
    /// Where in the text of a query, in bytes.
    pub position: Option<u64>,
    /// Events that are not here yet, by stream, as a JSON object of counts.
    pub missing_json: String,
    /// Further facts, as a JSON object.
    pub details_json: Option<String>,
}

impl From<FacadeError> for Failure {
    fn from(error: FacadeError) -> Failure {
        Failure {
            number: error.number,
            name: error.name.to_owned(),
            retryable: error.retryable,
            reason: error.reason.map(str::to_owned),
            position: error.position.map(|position| position as u64),
            missing_json: error.missing_json(),
            details_json: error.details_json(),
            text: error.message,
        }
    }
}

/// What a function throws.
#[derive(Debug, uniffi::Error)]
pub enum BridgeError {
    /// It failed.
    Failed {
        /// Why.
        failure: Failure,
    },
}

impl From<FacadeError> for BridgeError {
    fn from(error: FacadeError) -> BridgeError {
        BridgeError::Failed { failure: error.into() }
    }
}

impl fmt::Display for BridgeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let BridgeError::Failed { failure } = self;
        write!(f, "{} [{}]", failure.text, failure.name)
    }
}

impl std::error::Error for BridgeError {}

/// What functions answer.
pub(crate) type Answer<T> = Result<T, BridgeError>;

/// Runs what a function does inside the facade's panic wall.
pub(crate) fn call<T>(
    name: &'static str,
    call: impl FnOnce() -> millpond_facade::Result<T>,
) -> Answer<T> {
    Ok(millpond_facade::guard(name, 0, call)?)
}
