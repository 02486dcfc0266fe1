//! What a session says next, the most urgent first: proof of life, what is live, a backlog, bulk.
//!
//! Not here: whether there is room (`room`), what is owed (`push`, `serve`, `announce`, `cargo`).
//! Begin with [`Session::next_frame`].

use crate::planted;
use crate::sync::constants::SEND_QUEUE_BYTES_BACKLOG;
use crate::sync::io::LogRead;
use crate::sync::lane::Lane;
use crate::sync::message::{Hello, Message};
use crate::sync::session::Session;
use crate::sync::shared::Shared;
use bytes::Bytes;

/// The lanes in which a session looks for something to say.
fn in_order() -> [Lane; 3] {
    match planted!("bulk_before_live") {
        true => [Lane::Bulk, Lane::Live, Lane::Backlog],
        false => Lane::ALL,
    }
}

impl Session {
    /// The next frame to send, if there is anything to say and room to say it.
    pub(crate) fn next_frame(
        &mut self,
        shared: &Shared,
        log: &dyn LogRead,
    ) -> Option<(Lane, Bytes)> {
        let (lane, frame) = match self.make_echo(shared) {
            Some(frame) => (Lane::Live, frame),
            None => self.make_news(shared, log)?,
        };
        assert!(frame.len() <= lane.frame_bytes_max(), "every message fits a frame");
        self.note_sent(lane, frame.len(), shared.now);
        Some((lane, frame))
    }

    /// Anything but proof of life.
    fn make_news(&mut self, shared: &Shared, log: &dyn LogRead) -> Option<(Lane, Bytes)> {
        self.is_held = false;
        for lane in in_order() {
            if self.free_at(lane, shared) > shared.now {
                self.is_held = true;
                continue;
            }
            let frame = match lane {
                Lane::Live => self.make_live(shared, log),
                Lane::Backlog => self.make_backlog(shared, log),
                Lane::Bulk => self.make_bulk(),
            };
            if let Some(frame) = frame {
                self.liveness.said_news(shared.now);
                return Some((lane, frame));
            }
        }
        None
    }

    /// Proof of life, which is the most urgent.
    fn make_echo(&mut self, shared: &Shared) -> Option<Bytes> {
        if !self.may_say() {
            return None;
        }
        if let Some(number) = self.liveness.take_answer() {
            return Some(Message::Pong(number).encode());
        }
        self.liveness.take_ping(shared.now).map(|number| Message::Ping(number).encode())
    }

    /// What else goes on the live lane, the most urgent first: credit, requests, live events, then
    /// the rest, and cargo last.
    fn make_live(&mut self, shared: &Shared, log: &dyn LogRead) -> Option<Bytes> {
        if !self.hello_sent {
            self.hello_sent = true;
            let side = self.side(shared, true);
            let hello = side.hello(&shared.admission_keys, shared.options.instance);
            let heard = side.masked(&shared.admission_keys[0], self.say_what_was_heard());
            let carries_cargo = shared.options.carries_cargo;
            let hello = Hello { heard: Some(heard), carries_cargo, ..hello };
            return Some(Message::Hello(hello).encode());
        }
        if !self.may_say() {
            return None;
        }
        if std::mem::take(&mut self.going_on.is_due) {
            return Some(Message::GoingOn.encode());
        }
        if std::mem::take(&mut self.proofs_due) {
            let proofs = self.side(shared, true).proofs(&shared.admission_keys);
            return Some(Message::Proofs(proofs).encode());
        }
        if let Some(frame) = self.make_progress(shared) {
            return Some(frame);
        }
        if let Some(frame) = self.make_interest(shared) {
            return Some(frame);
        }
        // Before the first request: what it asks for is sent in this order.
        if let Some(frame) = self.make_priority(shared) {
            return Some(frame);
        }
        if let Some((stream, (from, to))) = self.requests.pop_first() {
            // Who is asked for the past takes it that we hold no more.
            if from < to && self.going_on.told.held(&stream).is_some_and(|held| from < held) {
                self.going_on.told.forget(&stream);
            }
            return Some(Message::Want { stream, from, to }.encode());
        }
        if let Some(frame) = self.make_push(shared, log) {
            return Some(frame);
        }
        if let Some(frame) = self.make_announcement(shared) {
            return Some(frame);
        }
        if let Some(frame) = self.make_addresses(shared) {
            return Some(frame);
        }
        self.make_short_answer(shared, log).or_else(|| self.make_live_cargo())
    }

    fn make_priority(&mut self, shared: &Shared) -> Option<Bytes> {
        let priority = shared.options.priority.as_ref().filter(|_| !self.priority_sent)?;
        self.priority_sent = true;
        Some(Message::Priority(priority.to_string()).encode())
    }

    /// What goes on the backlog lane.
    fn make_backlog(&mut self, shared: &Shared, log: &dyn LogRead) -> Option<Bytes> {
        let has_room = self.unsent[Lane::Backlog.index()] < SEND_QUEUE_BYTES_BACKLOG;
        if !self.is_admitted() || !has_room {
            return None;
        }
        self.make_answer(shared, log)
    }
}
