//! Who talks without end is read at a bounded pace, so that all others are heard.
//!
//! What carries no events is soon said. A connection over which more of it comes than its share
//! gets its credit back later, and is not read meanwhile: then QUIC makes the peer wait.
//! Events have a credit of their own (`sync`); of them only those count that brought nothing.
//! Pieces on the bulk lane were asked for, or end the session.

use crate::net::Credit;
use crate::sync::{self, ConnectionId, Lane};
use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

/// What each connection may say in a second, for ever. All heads of 6,000 streams are as much.
const TALK_BYTES_PER_SECOND: u64 = 1 << 20;
/// Counted for each message beside its bytes.
const MESSAGE_COST: u64 = 64;
/// A connection may say so much at once: what it has saved up by being quiet.
const SAVED_MAX: Duration = Duration::from_secs(1);

/// Credit that waits for its time, by connection.
#[derive(Default)]
pub(crate) struct Pacer {
    connections: BTreeMap<ConnectionId, Talk>,
}

/// What one connection said lately.
struct Talk {
    /// Until then all that it said is its share.
    until: Instant,
    /// Credit, and when it is given back: in that order.
    waiting: VecDeque<(Instant, Credit)>,
}

impl Pacer {
    /// A frame of `lane` was dealt with, and events that came to nothing cost so many bytes of
    /// `waste`: its credit goes back now or later.
    pub(crate) fn dealt_with(
        &mut self,
        connection: ConnectionId,
        lane: Lane,
        frame: &[u8],
        waste: usize,
        credit: Credit,
        now: Instant,
    ) {
        let talk = match sync::is_bounded(lane, frame) {
            true => 0,
            false => frame.len() as u64 + MESSAGE_COST,
        };
        let bytes = talk + waste as u64;
        if bytes == 0 {
            return;
        }
        let new = || Talk { until: now, waiting: VecDeque::new() };
        let talk = self.connections.entry(connection).or_insert_with(new);
        let cost = Duration::from_secs(bytes);
        talk.until = talk.until.max(now) + cost / TALK_BYTES_PER_SECOND as u32;
        let at = talk.until.checked_sub(SAVED_MAX).unwrap_or(now);
        if at > now {
            talk.waiting.push_back((at, credit));
        }
    }

    /// Gives back what is due; when the next is.
    pub(crate) fn release(&mut self, now: Instant) -> Option<Instant> {
        let mut next = None;
        for talk in self.connections.values_mut() {
            while talk.waiting.front().is_some_and(|(at, _)| *at <= now) {
                talk.waiting.pop_front();
            }
            let first = talk.waiting.front().map(|(at, _)| *at);
            next = [next, first].into_iter().flatten().min();
        }
        next
    }

    /// The connection is gone.
    pub(crate) fn ended(&mut self, connection: ConnectionId) {
        self.connections.remove(&connection);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::clock;

    /// Bytes of a message that takes 64 of a second's shares.
    const BYTES: usize = (TALK_BYTES_PER_SECOND / 64 - MESSAGE_COST) as usize;

    #[test]
    fn a_second_s_share_is_said_at_once_and_the_rest_in_its_time() {
        let (mut pacer, start) = (Pacer::default(), clock::now());
        let connection = ConnectionId::new(1);
        let say = |pacer: &mut Pacer, now| {
            pacer.dealt_with(connection, Lane::Live, &[0xff; BYTES], 0, Credit::unbounded(), now);
            pacer.release(now)
        };
        for _ in 0..64 {
            assert_eq!(say(&mut pacer, start), None);
        }
        let first = say(&mut pacer, start).expect("that is too much");
        assert!(say(&mut pacer, start) == Some(first), "in order");
        assert_eq!(first, start + Duration::from_secs(1) / 64);
        let next = pacer.release(first).expect("the second waits");
        assert_eq!(next, start + Duration::from_secs(1) / 32);
        assert_eq!(pacer.release(next), None);
        // Who was quiet may say as much again.
        let later = next + Duration::from_secs(2);
        for _ in 0..64 {
            assert_eq!(say(&mut pacer, later), None);
        }
        say(&mut pacer, later).expect("that is too much");
        pacer.ended(connection);
        assert_eq!(pacer.release(later), None);
    }

    #[test]
    fn a_piece_waits_for_nothing_where_it_was_asked_for() {
        let (mut pacer, now) = (Pacer::default(), clock::now());
        for (lane, waits) in [(Lane::Bulk, false), (Lane::Live, true)] {
            let connection = ConnectionId::new(lane.index() as u64);
            for _ in 0..100 {
                let piece = [0x93; BYTES];
                pacer.dealt_with(connection, lane, &piece, 0, Credit::unbounded(), now);
            }
            assert_eq!(pacer.release(now).is_some(), waits, "{lane:?}");
        }
    }

    #[test]
    fn events_wait_for_nothing_unless_they_bring_nothing() {
        let (mut pacer, now) = (Pacer::default(), clock::now());
        let (author, replayer) = (ConnectionId::new(1), ConnectionId::new(2));
        for _ in 0..64 {
            for kind in [0x08, 0x0a] {
                let frame = [kind; BYTES];
                pacer.dealt_with(author, Lane::Live, &frame, 0, Credit::unbounded(), now);
                pacer.dealt_with(replayer, Lane::Live, &frame, BYTES, Credit::unbounded(), now);
            }
        }
        assert!(pacer.release(now).is_some());
        pacer.ended(replayer);
        assert_eq!(pacer.release(now), None);
    }
}
