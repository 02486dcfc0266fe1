//! Whether a node sends no faster than it may, counted as its frames leave.
//!
//! Begin with `World::check_caps`.

use crate::sim::world::World;
use bytes::Bytes;
use millpond::sync::ConnectionId;
use std::collections::BTreeMap;
use std::time::Duration;

/// Types of messages that wait for no cap: Hello, Goodbye, Ping, Pong.
const FREE: [u8; 4] = [0x01, 0x02, 0x03, 0x04];
/// What may be sent at once after a pause on each lane, as time at the full rate: see
/// core/src/sync/cap.rs.
const BURST: Duration = Duration::from_millis(250);

/// What a process has sent.
#[derive(Debug, Default)]
pub(super) struct Spent {
    largest: u64,
    all: Account,
    each: BTreeMap<ConnectionId, Account>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Account {
    since: Option<Duration>,
    bytes: u64,
}

impl Account {
    /// Whether more than `rate` bytes a second have been sent on so many lanes, whose frames are at
    /// most so `large`.
    fn exceeds(
        &mut self,
        bytes: u64,
        rate: Option<u64>,
        lanes: u32,
        large: u64,
        now: Duration,
    ) -> bool {
        let beyond = u64::from(lanes) * large;
        let since = *self.since.get_or_insert(now);
        self.bytes += bytes;
        let seconds = (now - since + BURST * lanes).as_secs_f64();
        rate.is_some_and(|rate| self.bytes > (rate as f64 * seconds) as u64 + beyond)
    }
}

impl World {
    /// A frame leaves, and keeps to the caps: on average, since each lane sends its frames whole.
    pub(super) fn check_caps(&mut self, node: usize, connection: ConnectionId, frame: &Bytes) {
        let (caps, now) = (self.plan.caps, self.now);
        let is_free = frame.first().is_none_or(|kind| FREE.contains(kind));
        let Some(live) = self.nodes[node].live.as_mut().filter(|_| !is_free) else { return };
        let (spent, bytes) = (&mut live.spent, frame.len() as u64);
        spent.largest = spent.largest.max(bytes);
        let large = spent.largest;
        let lanes = if self.plan.freight.is_some() { 3 } else { 2 };
        let each = spent.each.entry(connection).or_default();
        let too_much = each.exceeds(bytes, caps.each_peer, lanes, large, now);
        if spent.all.exceeds(bytes, caps.all_peers, lanes, large, now) || too_much {
            self.violated(Some(node), format!("sends faster than {caps:?}"));
        }
    }
}
