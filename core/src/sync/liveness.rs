//! Is the peer still there, and how far away is it?

use crate::planted;
use crate::sync::constants::{PART_BYTES_MIN, PING_AFTER, SILENCE_MAX};
use std::time::{Duration, Instant};

/// Pings, pongs and silence of one session.
#[derive(Debug)]
pub(crate) struct Liveness {
    /// When a frame, or enough of one, last came.
    heard_at: Instant,
    /// When a whole frame last came. While a large one arrives we ask as in a silence, because
    /// whoever sends it hears nothing else from us.
    frame_at: Instant,
    /// Bytes of an unfinished frame that came since and are too few to count.
    part_bytes: usize,
    /// The ping that was sent last and is not answered yet.
    asked: Option<(u64, Instant)>,
    /// When the last ping was sent.
    asked_at: Instant,
    ping_count: u64,
    /// A ping of the peer that is to be answered; only the latest counts, so a flood costs nothing.
    to_answer: Option<u64>,
    round_trip: Option<Duration>,
}

impl Liveness {
    pub(crate) fn new(now: Instant) -> Liveness {
        Liveness {
            heard_at: now,
            frame_at: now,
            part_bytes: 0,
            asked: None,
            asked_at: now,
            ping_count: 0,
            to_answer: None,
            round_trip: None,
        }
    }

    /// A whole frame came.
    pub(crate) fn heard(&mut self, now: Instant) {
        self.heard_at = now;
        self.frame_at = now;
        self.part_bytes = 0;
    }

    /// `bytes` of a frame came; true when there are enough of them to count.
    pub(crate) fn heard_part(&mut self, bytes: usize, now: Instant) -> bool {
        self.part_bytes = self.part_bytes.saturating_add(bytes);
        let counts = self.part_bytes >= PART_BYTES_MIN;
        if counts {
            self.heard_at = now;
            self.part_bytes = 0;
        }
        counts
    }

    pub(crate) fn on_ping(&mut self, number: u64) {
        self.to_answer = Some(number).filter(|_| !planted!("ping_not_answered"));
    }

    pub(crate) fn on_pong(&mut self, number: u64, now: Instant) {
        if let Some((_, at)) = self.asked.take_if(|(asked, _)| *asked == number) {
            self.round_trip = Some(now.saturating_duration_since(at));
        }
    }

    /// The ping that is to be answered, once.
    pub(crate) fn take_answer(&mut self) -> Option<u64> {
        self.to_answer.take()
    }

    /// The number of the ping that is due, once.
    pub(crate) fn take_ping(&mut self, now: Instant) -> Option<u64> {
        if now < self.ping_at() {
            return None;
        }
        self.ping_count += 1;
        self.asked = Some((self.ping_count, now));
        self.asked_at = now;
        Some(self.ping_count)
    }

    pub(crate) fn is_silent(&self, now: Instant) -> bool {
        now >= self.heard_at + SILENCE_MAX
    }

    /// Nothing came for longer than questions and answers leave between them.
    pub(crate) fn is_stalled(&self, now: Instant) -> bool {
        let usual = |round_trip: Duration| PING_AFTER + round_trip * 2;
        self.round_trip.is_some_and(|round_trip| now >= self.heard_at + usual(round_trip))
    }

    pub(crate) fn ping_is_due(&self, now: Instant) -> bool {
        now >= self.ping_at()
    }

    /// When time next changes something. A ping that is due waits for room, not for time.
    pub(crate) fn next_after(&self, now: Instant) -> Instant {
        let silence = self.heard_at + SILENCE_MAX;
        Some(self.ping_at()).filter(|at| *at > now).map_or(silence, |at| at.min(silence))
    }

    pub(crate) fn heard_at(&self) -> Instant {
        self.heard_at
    }

    pub(crate) fn round_trip(&self) -> Option<Duration> {
        self.round_trip
    }

    /// A while after the last frame or question; the first round trip is wanted at once.
    fn ping_at(&self) -> Instant {
        if self.ping_count == 0 {
            return self.asked_at;
        }
        self.frame_at.max(self.asked_at) + PING_AFTER
    }
}
