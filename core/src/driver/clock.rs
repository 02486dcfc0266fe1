//! The only place that asks what time it is, and for chance.

// The rim: time and chance enter the crate here and nowhere else.
#![allow(clippy::disallowed_methods)]

use crate::error::{Error, ErrorKind, Result};
use crate::event::WallTime;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Monotonic time, for deadlines.
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// The wall clock, a claim that events record. A clock before 1970 counts backwards.
pub(crate) fn wall() -> WallTime {
    let micros = match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_micros()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_micros()).map_or(i64::MIN, |m| -m),
    };
    WallTime::from_micros(micros)
}

/// 32 bytes from the system's source of randomness.
///
/// # Errors
/// `internal`: the system gives none.
pub(crate) fn random() -> Result<[u8; 32]> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| {
        Error::new(ErrorKind::Internal, format!("the system gives no randomness: {error}"))
    })?;
    Ok(bytes)
}

/// By how much the next own stream's number is above the first that is free, 0 to 7: two clones
/// that move at the same time part ways.
///
/// # Errors
/// As [`random`].
#[cfg(feature = "net")] // Without a network nobody meets a clone.
pub(crate) fn number_step() -> Result<u64> {
    Ok(u64::from(random()?[0]) % 8)
}
