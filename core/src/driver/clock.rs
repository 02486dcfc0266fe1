//! The only place that asks what time it is.

// The rim: time enters the crate here and nowhere else.
#![allow(clippy::disallowed_methods)]

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
