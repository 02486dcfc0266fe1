//! How long a caller waits, and how it is called off.

use crate::cancel::CancelHandle;
use crate::errors::{FacadeError, Result};
use std::fmt;
use std::time::{Duration, Instant};

/// Bounds of any call.
#[derive(Clone, Copy, Debug, Default)]
pub struct Limit {
    /// How long it may take; `None` is no bound (for a close: the default deadline).
    pub timeout: Option<Duration>,
    /// What may call it off.
    pub cancel: Option<CancelHandle>,
}

/// How a blocking call waits.
#[derive(Clone, Copy, Default)]
pub struct Wait<'a> {
    /// Its bounds.
    pub limit: Limit,
    /// Asked about every 50 ms on the calling thread; true calls it off with `cancelled`.
    pub interrupted: Option<&'a dyn Fn() -> bool>,
}

impl Wait<'static> {
    /// Until it is done.
    pub fn forever() -> Wait<'static> {
        Wait::default()
    }

    /// At most this long.
    pub fn timeout(timeout: Duration) -> Wait<'static> {
        Wait { limit: Limit { timeout: Some(timeout), cancel: None }, interrupted: None }
    }

    /// Not at all: only what is there at once.
    pub fn none_at_all() -> Wait<'static> {
        Wait::timeout(Duration::ZERO)
    }
}

impl Wait<'_> {
    /// True when nothing can end the wait before the work does.
    pub(crate) fn is_unbounded(&self) -> bool {
        self.limit.timeout.is_none() && self.limit.cancel.is_none() && self.interrupted.is_none()
    }
}

impl fmt::Debug for Wait<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Wait({:?}, interruptible: {})", self.limit, self.interrupted.is_some())
    }
}

/// The moment a timeout ends; `None` is never, also when it is too far away to be told.
pub(crate) fn deadline(timeout: Option<Duration>) -> Option<Instant> {
    timeout.and_then(|timeout| Instant::now().checked_add(timeout))
}

/// A timeout in ms; negative is no bound.
pub fn timeout_from_millis(millis: i64) -> Option<Duration> {
    u64::try_from(millis).ok().map(Duration::from_millis)
}

/// A timeout in seconds; infinity is no bound.
///
/// # Errors
/// `invalid_argument`: it is negative or not a number.
pub fn timeout_from_seconds(seconds: Option<f64>) -> Result<Option<Duration>> {
    match seconds {
        None => Ok(None),
        Some(seconds) if seconds.is_nan() || seconds < 0.0 => {
            Err(FacadeError::invalid(format!("a timeout of {seconds} s: give 0 or more seconds")))
        }
        // What does not fit a `Duration` is longer than anybody waits.
        Some(seconds) => Ok(Duration::try_from_secs_f64(seconds).ok()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_of_every_language_mean_the_same() {
        assert_eq!(timeout_from_millis(-1), None);
        assert_eq!(timeout_from_millis(5), Some(Duration::from_millis(5)));
        assert_eq!(timeout_from_seconds(None), Ok(None));
        assert_eq!(timeout_from_seconds(Some(0.25)), Ok(Some(Duration::from_millis(250))));
        assert_eq!(timeout_from_seconds(Some(f64::INFINITY)), Ok(None));
        assert_eq!(timeout_from_seconds(Some(1e300)), Ok(None));
        assert!(timeout_from_seconds(Some(-1.0)).is_err());
        assert!(timeout_from_seconds(Some(f64::NAN)).is_err());
    }
}
