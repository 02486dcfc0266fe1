//! Is the peer still there, and how far away is it?
//!
//! Whoever is owed a sign of life asks after a second and gives up after three. While nothing but
//! questions and answers passes, they become rarer, so that a quiet link costs next to nothing.

use crate::planted;
use crate::sync::constants::{
    PART_BYTES_MIN, PING_AFTER, PING_AFTER_MAX, SILENCE_MAX, SILENCE_MIN, SILENCE_ROUND_TRIPS,
};
use std::time::{Duration, Instant};

/// Pings, pongs and silence of one session.
#[derive(Debug)]
pub(crate) struct Liveness {
    /// When a frame, or enough of one, last came.
    heard_at: Instant,
    /// When a whole frame last came. While a large one arrives we ask as in a silence, because
    /// whoever sends it hears nothing else from us.
    frame_at: Instant,
    /// When anything but a question or an answer to one last came or went.
    busy_at: Instant,
    /// Since when the peer owes us a sign of life: the first thing that we said since the last one.
    owed_since: Option<Instant>,
    /// Bytes of an unfinished frame that came since and are too few to count.
    part_bytes: usize,
    /// The ping that was sent last and is not answered yet.
    asked: Option<(u64, Instant)>,
    /// When the last ping was sent.
    asked_at: Instant,
    ping_count: u64,
    /// The peer is to be asked at once.
    is_doubted: bool,
    /// A ping of the peer that is to be answered; only the latest counts, so a flood costs nothing.
    to_answer: Option<u64>,
    round_trip: Option<Duration>,
}

impl Liveness {
    pub(crate) fn new(now: Instant) -> Liveness {
        Liveness {
            heard_at: now,
            frame_at: now,
            busy_at: now,
            owed_since: None,
            part_bytes: 0,
            asked: None,
            asked_at: now,
            ping_count: 0,
            is_doubted: false,
            to_answer: None,
            round_trip: None,
        }
    }

    /// A whole frame came.
    pub(crate) fn heard(&mut self, now: Instant) {
        self.heard_at = now;
        self.frame_at = now;
        self.part_bytes = 0;
        self.owed_since = None;
    }

    /// It was neither a ping nor a pong.
    pub(crate) fn heard_news(&mut self, now: Instant) {
        self.busy_at = now;
    }

    /// We sent a frame that is neither a ping nor a pong.
    pub(crate) fn said_news(&mut self, now: Instant) {
        self.busy_at = now;
        self.owed_since.get_or_insert(now);
    }

    /// Something makes it seem that the peer is gone: it is asked at once.
    pub(crate) fn doubt(&mut self) {
        self.is_doubted = true;
    }

    /// `bytes` of a frame came; true when there are enough of them to count.
    pub(crate) fn heard_part(&mut self, bytes: usize, now: Instant) -> bool {
        self.part_bytes = self.part_bytes.saturating_add(bytes);
        let counts = self.part_bytes >= PART_BYTES_MIN;
        if counts {
            self.heard_at = now;
            self.busy_at = now;
            self.part_bytes = 0;
            self.owed_since = None;
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
        self.is_doubted = false;
        self.owed_since.get_or_insert(now);
        Some(self.ping_count)
    }

    pub(crate) fn is_silent(&self, now: Instant) -> bool {
        self.silent_at().is_some_and(|at| now >= at)
    }

    /// The peer owes us a sign of life for longer than it should.
    pub(crate) fn is_stalled(&self, now: Instant) -> bool {
        let usual = |round_trip: Duration| PING_AFTER.max(round_trip * 2);
        let Some((since, round_trip)) = self.owed_since.zip(self.round_trip) else { return false };
        now >= since + usual(round_trip)
    }

    pub(crate) fn ping_is_due(&self, now: Instant) -> bool {
        now >= self.ping_at()
    }

    /// When time next changes something. A ping that is due waits for room, not for time.
    pub(crate) fn next_after(&self, now: Instant) -> Instant {
        let ping = Some(self.ping_at()).filter(|at| *at > now);
        let next = [ping, self.silent_at()].into_iter().flatten().min();
        // A ping that waits for room while nothing is owed.
        next.unwrap_or(now + SILENCE_MIN)
    }

    pub(crate) fn heard_at(&self) -> Instant {
        self.heard_at
    }

    pub(crate) fn round_trip(&self) -> Option<Duration> {
        self.round_trip
    }

    /// A while after the last frame or question, longer the longer nothing else passed; the first
    /// round trip is wanted at once.
    fn ping_at(&self) -> Instant {
        if self.ping_count == 0 || self.is_doubted {
            return self.asked_at;
        }
        let last = self.frame_at.max(self.asked_at);
        let quiet = last.saturating_duration_since(self.busy_at);
        let usual = last + quiet.clamp(PING_AFTER, PING_AFTER_MAX);
        match self.owed_since {
            Some(since) => usual.min(since.max(self.asked_at) + PING_AFTER),
            None => usual,
        }
    }

    /// When what is owed is too late; on a long path that is later.
    fn silent_at(&self) -> Option<Instant> {
        let patience = self.round_trip.unwrap_or_default() * SILENCE_ROUND_TRIPS;
        self.owed_since.map(|since| since + patience.clamp(SILENCE_MIN, SILENCE_MAX))
    }
}
