//! Where and when: offsets, lamports, event keys, wall times.
//!
//! Rule: the event key is the one total order; wall time is a claim that is shown and never orders.

use crate::error::{Error, ErrorKind, Result};
use crate::event::ids::{StreamId, shortened};
use crate::event::limits::LAMPORT_MAX;
use std::fmt;
use std::str::FromStr;

/// Position of an event in its stream: 0 for the first, no gaps. Never a byte position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Offset(u64);

impl Offset {
    /// The offset with this value.
    pub const fn new(value: u64) -> Offset {
        Offset(value)
    }

    /// The number.
    pub const fn value(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Logical time: greater than everything its author had seen. From 1 to `LAMPORT_MAX`; 0 is before
/// every event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lamport(u64);

impl Lamport {
    /// Before every event.
    pub const ZERO: Lamport = Lamport(0);

    /// The lamport with this value.
    ///
    /// # Errors
    /// `limit_exceeded`: it is larger than `LAMPORT_MAX`.
    pub fn new(value: u64) -> Result<Lamport> {
        if value <= LAMPORT_MAX {
            return Ok(Lamport(value));
        }
        let message = format!("lamport {value} exceeds the limit of {LAMPORT_MAX}");
        Err(Error::new(ErrorKind::LimitExceeded, message))
    }

    /// The lamport `steps` later.
    ///
    /// # Errors
    /// `limit_exceeded`: the swarm's logical time is used up.
    pub fn plus(self, steps: u64) -> Result<Lamport> {
        Lamport::new(self.0.saturating_add(steps))
    }

    /// The number.
    pub const fn value(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Lamport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Where an event stands in the one total order, the same on all nodes.
///
/// Text form: `<lamport>/<stream id>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventKey {
    /// Orders first.
    pub lamport: Lamport,
    /// Orders events of equal lamport.
    pub stream: StreamId,
}

impl fmt::Display for EventKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.lamport, self.stream)
    }
}

impl FromStr for EventKey {
    type Err = Error;

    fn from_str(text: &str) -> Result<EventKey> {
        let parsed = text.split_once('/').and_then(|(lamport, stream)| {
            let value: u64 = lamport.parse().ok().filter(|v: &u64| v.to_string() == lamport)?;
            Some(EventKey { lamport: Lamport::new(value).ok()?, stream: stream.parse().ok()? })
        });
        parsed.ok_or_else(|| {
            let shown = shortened(text);
            let message = format!("an event key is `<lamport>/<stream id>`, not {shown:?}");
            Error::new(ErrorKind::InvalidArgument, message)
        })
    }
}

/// The author's wall clock when the event was published: µs since 1970-01-01 UTC. A claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WallTime(i64);

impl WallTime {
    /// The time this many µs after (or before) 1970-01-01 UTC.
    pub const fn from_micros(micros: i64) -> WallTime {
        WallTime(micros)
    }

    /// µs since 1970-01-01 UTC.
    pub const fn micros(self) -> i64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::ids::NodeId;

    fn key(lamport: u64, node: u8) -> EventKey {
        let stream = StreamId { node: NodeId::from_bytes([node; 32]), number: 0 };
        EventKey { lamport: Lamport::new(lamport).unwrap(), stream }
    }

    #[test]
    fn keys_order_by_lamport_and_then_by_stream() {
        assert!(key(1, 9) < key(2, 1));
        assert!(key(2, 1) < key(2, 2));
        assert_eq!(key(7, 3).to_string().parse::<EventKey>().unwrap(), key(7, 3));
    }

    #[test]
    fn logical_time_ends_at_what_every_language_can_hold() {
        assert_eq!(Lamport::new(LAMPORT_MAX).unwrap().value(), (1 << 53) - 1);
        assert!(Lamport::new(LAMPORT_MAX + 1).is_err());
        assert!(Lamport::new(LAMPORT_MAX).unwrap().plus(1).is_err());
        assert!(Lamport::new(5).unwrap().plus(u64::MAX).is_err());
    }
}
