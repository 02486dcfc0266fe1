//! How far a received lamport may go: a peer can only be late, never poison the clock.
//!
//! The bound for a lamport is the larger of
//! ```text
//! events held  +  excess  +  65,536  +  events claimed, up to 1,024 of each stream beyond the held
//! highest lamport held  +  slack
//! ```
//! and for a stream that is held back 100,000 × seconds more: since it was first held back, and
//! since somebody was last granted any of that. *Claimed* is up to the highest verified head.
//! *Excess* are lamports that no held event accounts for: `highest − held − 65,536`, but it rises
//! by no more than 100,000 a second beside what was granted. *Slack* is 65,536, and comes back at
//! that pace once used.
//! A range whose last lamport exceeds the bound is dropped, its stream is quarantined, and the
//! stream is asked for again when the bound has grown enough.
//!
//! **Why an honest catch-up never deadlocks.** Every author appends at lamport 1 + the largest it
//! holds, so by induction over appends an author that writes lamport L holds an event of each
//! lamport 1..L. Let U be what the reachable peers hold, closed under that (whoever holds an event
//! can have all that its author held), and let something of U be missing here. Of every stream that
//! has missing events take the next block, the part of it that U has; let R be the one whose last
//! lamport ℓ is least. Every event of U with a lamport ≤ ℓ is held here or lies in the next block
//! of its stream: otherwise that block would end with a lamport below ℓ. U has an event of each
//! lamport 1..ℓ, so the held events and the next blocks number at least ℓ. Blocks have at most
//! 1,024 events, and the summaries have told us a verified head for each of them, so the sum above
//! is at least ℓ and R is taken. Then the same holds again with fewer missing events, until none is
//! missing.
//!
//! U may lack causes that only a lost node held, or that only a later millpond understands. Slack
//! covers 65,536 of them; for more, time does it: events are delayed by a second per hundred
//! thousand lost causes, never for ever. What one stream has waited for is granted to all, so each
//! cause is waited for once; from then on all waiting begins anew, so that streams which wait side
//! by side gain no more than one. The highest lamport stands for the causes that were granted: what
//! lies above it is not held, so it is in next blocks, as above. Hence a restart forgets nothing.
//!
//! A hostile member can make U lack causes: it signs for events in thousands of streams that it
//! never delivers, and then delivers one whose lamport only those claims account for. Who heard the
//! claims takes it, and goes on from its lamport; who did not holds back what comes of that. Hence
//! the pace: what 10,000 streams of one peer account for is waited for in less than two minutes.
//! The claims go with their session. What was accepted on them stays, and what comes of it is taken
//! (the second term); claims count above it again as the excess follows, so that no member moves a
//! clock faster for long than its waiting and this pace together, 200,000 a second, however it
//! comes and goes: the hard cap of 2^53 is 1,400 years off.
//!
//! Differs from a cap of 10^5 events/s per claimed stream: blocks are what we can store, so one
//! block beyond what is held is all that the argument needs, and a claim of 2^60 events counts
//! 1,024.

use crate::event::StreamId;
use crate::event::limits::LAMPORT_SLACK;
use crate::planted;
use crate::sync::constants::{CLAIM_EVENTS_MAX, QUARANTINE_RELIEF_PER_SECOND};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

const SLACK: u128 = LAMPORT_SLACK as u128;
/// Relief is counted in milliseconds.
const RELIEF_PER_MILLI: u128 = QUARANTINE_RELIEF_PER_SECOND as u128 / 1000;
const _: () = assert!(QUARANTINE_RELIEF_PER_SECOND.is_multiple_of(1000));

/// What signed heads account for, and the streams that exceed it.
#[derive(Debug)]
pub(crate) struct Bound {
    started: Instant,
    /// Sums of what every stream contributes.
    held: u128,
    claimed: u128,
    /// The highest lamport that is held or was accepted.
    highest: u128,
    /// The excess and the end of the slack as they were at `paced_at`, when the highest lamport
    /// last rose by what came from outside.
    excess: u128,
    slack_end: u128,
    paced_at: Instant,
    /// When relief was last granted.
    granted_at: Instant,
    held_back: BTreeMap<StreamId, HeldBack>,
    /// Streams in quarantine by `required + relief since start`: the order in which they come
    /// free.
    order: BTreeSet<(u128, StreamId)>,
}

/// What a stream adds to the sums, in events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Contribution {
    pub(crate) held: u64,
    /// Signed for beyond those, as far as that counts.
    pub(crate) claimed: u64,
}

impl Contribution {
    /// Of a stream of which `held` events are held and `signed` are signed for.
    pub(crate) fn new(held: u64, signed: u64) -> Contribution {
        Contribution { held, claimed: signed.saturating_sub(held).min(CLAIM_EVENTS_MAX) }
    }
}

/// A stream that had to wait at least once since its last accepted range.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HeldBack {
    pub(crate) required: u64,
    pub(crate) since: Instant,
    /// False while it is being asked for again.
    pub(crate) waits: bool,
}

impl Bound {
    pub(crate) fn new(now: Instant) -> Bound {
        Bound {
            started: now,
            held: 0,
            claimed: 0,
            highest: 0,
            excess: 0,
            slack_end: SLACK,
            paced_at: now,
            granted_at: now,
            held_back: BTreeMap::new(),
            order: BTreeSet::new(),
        }
    }

    /// A stream contributes `after` where it contributed `before`.
    pub(crate) fn change(&mut self, before: Contribution, after: Contribution) {
        let moved = |sum: u128, before: u64, after: u64| {
            let others = sum.checked_sub(u128::from(before)).expect("each stream was counted");
            others + u128::from(after)
        };
        self.held = moved(self.held, before.held, after.held);
        self.claimed = moved(self.claimed, before.claimed, after.claimed);
    }

    /// Our log holds an event of this lamport.
    pub(crate) fn note_held(&mut self, lamport: u64) {
        self.highest = self.highest.max(u128::from(lamport));
    }

    /// What our log holds was told: all of it was accepted in its time.
    pub(crate) fn begin(&mut self) {
        self.excess = self.excess_due();
        self.slack_end = self.highest + SLACK;
    }

    /// The largest lamport that a range of `stream` may end with.
    pub(crate) fn limit(&self, stream: &StreamId, now: Instant) -> u64 {
        let mut limit = self.base(now);
        if let Some(held) = self.held_back.get(stream) {
            let relief = relief(now, held.since.max(self.granted_at));
            limit = limit.max(self.least_base(self.excess_at(now)) + relief);
        }
        u64::try_from(limit).unwrap_or(u64::MAX)
    }

    /// What every stream may reach without having waited.
    fn base(&self, now: Instant) -> u128 {
        self.least_base(self.excess_at(now)).max(self.slack_end_at(now))
    }

    /// The same with so much excess and without the slack that came back: a stream that waits gains
    /// by that or by its relief.
    fn least_base(&self, excess: u128) -> u128 {
        (self.held + excess + SLACK + self.claimed).max(self.slack_end).max(self.highest)
    }

    fn excess_at(&self, now: Instant) -> u128 {
        self.excess_due().min(self.excess + relief(now, self.paced_at))
    }

    fn excess_due(&self) -> u128 {
        self.highest.saturating_sub(self.held + SLACK)
    }

    fn slack_end_at(&self, now: Instant) -> u128 {
        (self.highest + SLACK).min(self.slack_end + relief(now, self.paced_at))
    }

    /// A range of `stream` that ends with the lamport `reached` was accepted.
    pub(crate) fn accept(&mut self, stream: &StreamId, reached: u64, now: Instant) {
        self.release(stream);
        let reached = u128::from(reached);
        if reached <= self.highest {
            return;
        }
        let waited_for = reached.saturating_sub(self.base(now));
        self.excess = self.excess_at(now) + waited_for;
        self.slack_end = self.slack_end_at(now).max(reached);
        self.paced_at = now;
        self.highest = reached;
        if waited_for > 0 {
            self.granted_at = now;
        }
    }

    /// Puts `stream` into quarantine until its limit reaches `required`. True when it was not held
    /// back before.
    pub(crate) fn hold_back(&mut self, stream: StreamId, required: u64, now: Instant) -> bool {
        let before = self.held_back.get(&stream).copied();
        self.release(&stream);
        let since = before.map_or(now, |held| held.since);
        self.held_back.insert(stream, HeldBack { required, since, waits: true });
        self.order.insert((self.score(required, since), stream));
        before.is_none()
    }

    /// The stream is not held back any more.
    pub(crate) fn release(&mut self, stream: &StreamId) {
        if let Some(held) = self.held_back.remove(stream) {
            self.order.remove(&(self.score(held.required, held.since), *stream));
        }
    }

    /// The next stream whose limit is now high enough; it waits no more, but keeps its relief.
    pub(crate) fn next_free(&mut self, now: Instant) -> Option<StreamId> {
        let reached = self.reached(now);
        if planted!("quarantine_never_released") {
            return None;
        }
        loop {
            let (score, stream) = self.order.first().copied()?;
            if score > reached {
                return None;
            }
            self.order.pop_first();
            let held = self.held_back.get_mut(&stream).expect("it was in the order");
            if held.since >= self.granted_at {
                held.waits = false;
                return Some(stream);
            }
            // Its waiting began anew when relief was granted.
            held.since = self.granted_at;
            let (required, since) = (held.required, held.since);
            self.order.insert((self.score(required, since), stream));
        }
    }

    /// How long a stream waits until its limit is so much higher by time alone.
    pub(crate) fn relief_time(lamports: u64) -> Duration {
        Duration::from_millis((u128::from(lamports).div_ceil(RELIEF_PER_MILLI)) as u64)
    }

    /// When the first stream comes free by time alone.
    pub(crate) fn next_free_at(&self) -> Option<Instant> {
        let (score, _) = self.order.first()?;
        let base = self.least_base(self.excess.min(self.excess_due()));
        let millis = score.saturating_sub(base) / RELIEF_PER_MILLI;
        let millis = u64::try_from(millis).ok()?;
        self.started.checked_add(Duration::from_millis(millis.saturating_add(1)))
    }

    /// True while `stream` must not be asked for.
    pub(crate) fn is_waiting(&self, stream: &StreamId) -> bool {
        self.held_back.get(stream).is_some_and(|held| held.waits)
    }

    /// The streams in quarantine, by rising id.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = (&StreamId, &HeldBack)> {
        self.held_back.iter().filter(|(_, held)| held.waits)
    }

    fn score(&self, required: u64, since: Instant) -> u128 {
        u128::from(required) + relief(since, self.started)
    }

    fn reached(&self, now: Instant) -> u128 {
        self.least_base(self.excess_at(now)) + relief(now, self.started)
    }
}

fn relief(later: Instant, earlier: Instant) -> u128 {
    later.saturating_duration_since(earlier).as_millis() * RELIEF_PER_MILLI
}
