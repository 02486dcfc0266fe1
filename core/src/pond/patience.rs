//! How long a fold waits for more late events before it goes back.
//!
//! When devices meet again, their events come in pieces, and each piece may be older than what was
//! folded. Going back for each piece would fold everything as often as there are pieces. Rule: it
//! waits only while more arrives. What is known to exist somewhere may never come.

use std::time::{Duration, Instant};

/// How long the first wait of a catch-up is.
const WAIT_MIN: Duration = Duration::from_millis(250);
/// How long any wait is at most, unless going back takes long itself.
const WAIT_MAX: Duration = Duration::from_secs(8);
/// How long it takes at most until one more event has come, as a rule: few that are on their way,
/// as in the ordinary course of things, are not waited for as long as many are.
const WAIT_PER_EVENT: Duration = Duration::from_millis(1);
/// A way back that folds at most one in so many of all that is to be folded anyway is cheap.
const CHEAP: u64 = 16;
/// No more than one part in so many of the time goes into ways back.
const SHARE: u32 = 4;
/// So long after the last way back another catch-up begins, whatever arrives.
const CATCH_UP_QUIET: Duration = Duration::from_secs(30);

/// Says when to go back. A catch-up is as long as more arrives.
#[derive(Clone, Debug, Default)]
pub struct Patience {
    /// How often the fold went back in this catch-up.
    rewinds: u32,
    /// Since when it waits.
    since: Option<Instant>,
    /// How many were coming at most meanwhile.
    most: u64,
    /// When it went back last.
    last: Option<Instant>,
    /// The same until it has caught up, and then how long that took.
    returning: Option<Instant>,
    took: Duration,
}

impl Patience {
    /// Until when to wait before going back; `None` goes back now.
    ///
    /// `coming` events are known to exist, not held and arriving, `pending` ones are held and not
    /// folded, and going back folds `again` ones a second time. With nothing to come that is at
    /// once. Else, while `again` is a small part of all, when 250 ms have passed, twice as long
    /// each time, up to 8 s; and when it is not, after 8 s, or four times as long as the last way
    /// back took. In any case not much longer than what is coming may need: 250 ms and 1 ms for
    /// each.
    pub fn wait(&mut self, now: Instant, coming: u64, pending: u64, again: u64) -> Option<Instant> {
        let is_quiet = self.last.is_some_and(|last| now.duration_since(last) > CATCH_UP_QUIET);
        if coming == 0 || is_quiet && self.since.is_none() {
            self.rewinds = 0;
        }
        if coming > 0 {
            let since = *self.since.get_or_insert(now);
            let longest = WAIT_MAX.max(self.took.saturating_mul(SHARE));
            let is_cheap = again.saturating_mul(CHEAP) <= pending.saturating_add(coming);
            let wait = match is_cheap {
                true => WAIT_MIN.saturating_mul(1 << self.rewinds.min(16)).min(longest),
                false => longest,
            };
            self.most = self.most.max(coming);
            let events = u32::try_from(self.most).unwrap_or(u32::MAX);
            let needed = WAIT_MIN.saturating_add(WAIT_PER_EVENT.saturating_mul(events));
            let wait = wait.min(needed.max(self.took));
            let until = since.checked_add(wait).unwrap_or(now);
            if now < until {
                return Some(until);
            }
        }
        (self.since, self.most) = (None, 0);
        (self.last, self.returning) = (Some(now), Some(now));
        self.rewinds = self.rewinds.saturating_add(u32::from(coming > 0));
        None
    }

    /// All that is held is folded.
    pub fn caught_up(&mut self, now: Instant) {
        if let Some(returning) = self.returning.take() {
            self.took = now.duration_since(returning);
        }
    }

    /// Nothing more is known to come, and all is folded.
    pub fn settle(&mut self) {
        *self = Patience::default();
    }
}
