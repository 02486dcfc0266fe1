//! How far a received lamport may go: a peer can only be late, never poison the clock.
//!
//! The bound for a lamport is
//! ```text
//! Σ over streams of min(count of the highest verified head, events held + 1,024)  +  65,536
//!     +  relief that was granted before  +  100,000 × seconds that this stream has been held back
//! ```
//! A range whose last lamport exceeds it is dropped, its stream is quarantined, and the stream is
//! asked for again when the bound has grown enough.
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
//! covers 65,536 of them; for more, the last term lets time do it: events are delayed by a second
//! per hundred thousand lost causes, never for ever. What one stream has waited for is granted to
//! all, so each cause is waited for once; from then on all waiting begins anew, so that streams
//! which wait side by side gain no more than one. It gives a hostile author nothing: at a hundred
//! thousand a second the hard cap of 2^53 is 2,800 years off.
//!
//! A hostile member can make U lack causes: it signs for events in thousands of streams that it
//! never delivers, and then delivers one whose lamport only those claims account for. Who heard the
//! claims takes it, and goes on from its lamport; who did not holds back what comes of that. Hence
//! the pace: what 10,000 streams of one peer account for is waited for in less than two minutes.
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

/// Relief is counted in milliseconds.
const RELIEF_PER_MILLI: u128 = QUARANTINE_RELIEF_PER_SECOND as u128 / 1000;
const _: () = assert!(QUARANTINE_RELIEF_PER_SECOND.is_multiple_of(1000));

/// What signed heads account for, and the streams that exceed it.
#[derive(Debug)]
pub(crate) struct Bound {
    started: Instant,
    /// Sum of what every stream contributes.
    accounted: u128,
    /// What streams were accepted with beyond what was accounted for, together.
    granted: u128,
    /// When the last of that was granted.
    granted_at: Instant,
    held_back: BTreeMap<StreamId, HeldBack>,
    /// Streams in quarantine by `required + relief since start`: the order in which they come
    /// free.
    order: BTreeSet<(u128, StreamId)>,
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
            accounted: 0,
            granted: 0,
            granted_at: now,
            held_back: BTreeMap::new(),
            order: BTreeSet::new(),
        }
    }

    /// What a stream contributes of which `held` events are held and `claimed` are signed for.
    pub(crate) fn contribution(held: u64, claimed: u64) -> u64 {
        claimed.min(held.saturating_add(CLAIM_EVENTS_MAX)).max(held)
    }

    /// A stream contributes `after` where it contributed `before`.
    pub(crate) fn change(&mut self, before: u64, after: u64) {
        assert!(u128::from(before) <= self.accounted, "each stream was accounted for");
        self.accounted = self.accounted - u128::from(before) + u128::from(after);
    }

    /// The largest lamport that a range of `stream` may end with.
    pub(crate) fn limit(&self, stream: &StreamId, now: Instant) -> u64 {
        let since = |held: &HeldBack| relief(now, held.since.max(self.granted_at));
        let relief = self.held_back.get(stream).map_or(0, since);
        u64::try_from(self.base() + relief).unwrap_or(u64::MAX)
    }

    /// What every stream may reach without having waited.
    fn base(&self) -> u128 {
        self.accounted + self.granted + u128::from(LAMPORT_SLACK)
    }

    /// A range of `stream` that ends with the lamport `reached` was accepted.
    pub(crate) fn accept(&mut self, stream: &StreamId, reached: u64, now: Instant) {
        self.release(stream);
        let beyond = u128::from(reached).saturating_sub(self.base());
        if beyond > 0 {
            self.granted += beyond;
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

    /// When the first stream comes free by time alone.
    pub(crate) fn next_free_at(&self) -> Option<Instant> {
        let (score, _) = self.order.first()?;
        let millis = score.saturating_sub(self.base()) / RELIEF_PER_MILLI;
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
        self.base() + relief(now, self.started)
    }
}

fn relief(later: Instant, earlier: Instant) -> u128 {
    later.saturating_duration_since(earlier).as_millis() * RELIEF_PER_MILLI
}
