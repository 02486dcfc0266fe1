//! How fast we may send, where a person has said so.
//!
//! A cap is kept on average: a frame is sent whole, and what it is too much by is waited for. Live
//! frames wait for what live ones have used only, a backlog for both, and bulk for all; so a large
//! piece of a backlog holds up nothing that is live, and bulk holds up neither. Hellos, goodbyes,
//! and what says that we are there wait for nothing.

use crate::sync::lane::Lane;
use std::time::{Duration, Instant};

/// What an idle sender may send at once, as time at the full rate.
const BURST: Duration = Duration::from_millis(250);

/// Most bytes a second that are sent, frames with their lengths; none is no cap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SendCaps {
    /// To all peers together.
    pub all_peers: Option<u64>,
    /// To each of them.
    pub each_peer: Option<u64>,
}

/// The account of one cap.
#[derive(Debug)]
pub(crate) struct Cap {
    bytes_per_second: Option<u64>,
    /// From when on each lane may send: when all it has to wait for is paid off.
    free_at: [Instant; 3],
}

impl Cap {
    pub(crate) fn new(bytes_per_second: Option<u64>, now: Instant) -> Cap {
        Cap { bytes_per_second, free_at: [now; 3] }
    }

    pub(crate) fn is_set(&self) -> bool {
        self.bytes_per_second.is_some()
    }

    /// From when on `lane` may send; perhaps long ago.
    pub(crate) fn free_at(&self, lane: Lane) -> Instant {
        self.free_at[lane.index()]
    }

    /// We sent `bytes` on `lane`.
    pub(crate) fn spend(&mut self, lane: Lane, bytes: usize, now: Instant) {
        let Some(rate) = self.bytes_per_second else { return };
        let nanos = bytes as u128 * 1_000_000_000 / u128::from(rate.max(1));
        let time = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX / 2));
        for payer in Lane::ALL.into_iter().filter(|payer| *payer >= lane) {
            let free_at = &mut self.free_at[payer.index()];
            let earliest = now.checked_sub(BURST).unwrap_or(now);
            *free_at = (*free_at).max(earliest) + time;
        }
    }
}
