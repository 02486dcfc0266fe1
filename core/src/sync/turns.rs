//! What goes out next, and when to look again.

use crate::sync::io::{ConnectionId, LogRead, Output};
use crate::sync::session::LENGTH_BYTES;
use crate::sync::swarm::{End, Swarm};
use std::ops::Bound;
use std::time::Instant;

impl Swarm {
    /// What to do next. `log` is read for events to send; what it has given to a peer must never be
    /// lost, so it only gives what is durable.
    pub fn poll(&mut self, log: &dyn LogRead) -> Output {
        loop {
            if let Some(output) = self.shared.outputs.pop_front() {
                return output;
            }
            if self.shared.compare_own(log) {
                continue;
            }
            if self.heal(log) {
                self.ask();
                continue;
            }
            let Some(connection) = self.turn() else {
                return Output::Wait(self.next_deadline());
            };
            let session = self.sessions.get_mut(&connection);
            match session.and_then(|session| session.next_frame(&self.shared, log)) {
                Some((lane, bytes)) => {
                    self.shared.cap.spend(lane, bytes.len() + LENGTH_BYTES, self.shared.now);
                    self.served = connection;
                    self.note_carried(connection, lane, &bytes);
                    return Output::Send { connection, lane, bytes };
                }
                None => self.ready.remove(&connection),
            };
        }
    }

    /// The session that may send next. Where all share a cap they take turns.
    fn turn(&self) -> Option<ConnectionId> {
        let after = (Bound::Excluded(self.served), Bound::Unbounded);
        let next = self.ready.range(after).next().filter(|_| self.shared.cap.is_set());
        next.or_else(|| self.ready.first()).copied()
    }

    pub(crate) fn check_times(&mut self) {
        let now = self.shared.now;
        let mut due = Vec::new();
        for (connection, session) in &self.sessions {
            match session.check_time(now) {
                Err(refusal) => due.push((*connection, refusal)),
                Ok(()) if session.has_due_work(now) => drop(self.ready.insert(*connection)),
                Ok(()) => {}
            }
        }
        for (connection, refusal) in due {
            self.end(connection, End::ByUs(refusal));
        }
    }

    fn next_deadline(&self) -> Option<Instant> {
        let deadlines = self.sessions.values().map(|session| session.next_deadline(&self.shared));
        let sessions = deadlines.min();
        let bound = self.shared.streams.bound.next_free_at();
        let book = self.book.next().filter(|_| !self.is_full());
        let (own, repair) = (self.shared.next_own_check(), self.shared.repairs.next());
        let (fetch, mesh) = (self.shared.fetches.next(), self.mesh.next());
        let comparison = self.shared.comparisons.next();
        [sessions, book, mesh, fetch, bound, own, repair, comparison].into_iter().flatten().min()
    }
}
