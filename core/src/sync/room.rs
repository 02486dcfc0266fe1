//! Whether there is room for another frame, and when: queues, caps, and what was given to them.

use crate::event::OffsetMap;
use crate::sync::constants::{SEND_QUEUE_BYTES_MAX, TRAILING_MAX};
use crate::sync::lane::Lane;
use crate::sync::session::{LENGTH_BYTES, Session};
use crate::sync::shared::Shared;
use std::time::Instant;

impl Session {
    /// So many bytes of a frame were given to the transport.
    pub(super) fn note_sent(&mut self, lane: Lane, bytes: usize, now: Instant) {
        self.note_backlog(lane, now);
        self.unsent[lane.index()] += bytes;
        self.cap.spend(lane, bytes + LENGTH_BYTES, now);
        self.bytes_out += bytes as u64;
    }

    /// Something goes out on `lane`.
    pub(super) fn note_backlog(&mut self, lane: Lane, now: Instant) {
        if lane == Lane::Backlog {
            self.backlog_at = now;
        }
    }

    /// What goes on from a backlog waits no longer for a peer that does not say that it has that.
    pub(super) fn end_trails(&mut self, now: Instant) {
        let is_out = self.unsent[Lane::Backlog.index()] == 0;
        if is_out && now >= self.backlog_at + TRAILING_MAX && !self.trailing.is_empty() {
            self.trailing = OffsetMap::new();
        }
    }

    /// A live frame of so many bytes goes out beside the others; see `may_preview`.
    pub(crate) fn note_preview(&mut self, bytes: usize, now: Instant) {
        self.note_sent(Lane::Live, bytes, now);
        self.liveness.said_news(now);
    }

    /// Whether a live frame may go out now.
    pub(crate) fn may_preview(&self, shared: &Shared) -> bool {
        self.may_say() && self.free_at(Lane::Live, shared) <= shared.now
    }

    /// From when on the caps let something out on `lane`.
    pub(super) fn free_at(&self, lane: Lane, shared: &Shared) -> Instant {
        if !self.is_admitted() {
            return self.opened_at;
        }
        self.cap.free_at(lane).max(shared.cap.free_at(lane))
    }

    /// When the caps let more out, if something may wait for that.
    pub(super) fn let_out_at(&self, shared: &Shared) -> Option<Instant> {
        let later = Lane::ALL.map(|lane| self.free_at(lane, shared)).into_iter();
        let next = later.filter(|at| *at > shared.now).min();
        next.filter(|_| self.is_held)
    }

    /// True when there is room on the live lane for more than a hello.
    pub(super) fn may_say(&self) -> bool {
        let unsent = self.unsent[Lane::Live.index()];
        self.hello_sent && self.is_admitted() && unsent < SEND_QUEUE_BYTES_MAX
    }
}
