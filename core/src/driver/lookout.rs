//! When the loop looks around, and whether what it sees is news.
//!
//! Rule: at most four looks a second, and none while nothing happens.

use crate::driver::network::Message;
use crate::event::{NodeId, OffsetMap, StreamId};
use crate::net::NetEvent;
use crate::sync::{Link, Reach};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// Least time between two looks, and what traffic is left to settle.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// When to look next, and what was seen last.
#[derive(Default)]
pub(crate) struct Lookout {
    last: Option<Instant>,
    due: Option<Instant>,
    seen: Option<Seen>,
    /// Since then a status was given that shows something else.
    is_seen_otherwise: bool,
    /// Since the last news a status was given that shows a lag.
    is_lag_shown: bool,
    /// How far streams were known to go at the last look, of those that are not held so far.
    known: BTreeMap<StreamId, u64>,
    is_switched: bool,
}

/// What is news when it changes.
#[derive(PartialEq)]
struct Seen {
    links: BTreeMap<NodeId, Link>,
    reachable: BTreeSet<NodeId>,
    troubled: BTreeSet<StreamId>,
    is_behind: bool,
}

impl Lookout {
    /// A message comes to the loop.
    pub(crate) fn note(&mut self, message: &Message, now: Instant) {
        match message {
            Message::Status { .. } | Message::Close { .. } => {}
            Message::Net { event: NetEvent::Sent { .. } | NetEvent::Heard { .. }, .. } => {}
            Message::Net { event: NetEvent::Frame { .. }, .. }
            | Message::Opened { .. }
            | Message::Durable
            | Message::StoreFailed { .. } => self.look_by(now + LOOK_EVERY),
            Message::SetNetwork { .. } => {
                self.is_switched = true;
                self.look_by(now);
            }
            _ => self.look_by(now),
        }
    }

    /// A deadline of the swarm came, or that of a look.
    pub(crate) fn note_time(&mut self, now: Instant) {
        if !self.is_due(now) {
            self.look_by(now + LOOK_EVERY);
        }
    }

    /// When to look.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.due
    }

    pub(crate) fn is_due(&self, now: Instant) -> bool {
        self.due.is_some_and(|due| due <= now)
    }

    /// Takes what is seen now; true when it is news. `held` is what is durable here, `known` how
    /// far streams go that are not held so far.
    pub(crate) fn look(
        &mut self,
        reach: &Reach,
        known: &BTreeMap<StreamId, u64>,
        held: &OffsetMap,
        now: Instant,
    ) -> bool {
        // What is on its way just now is no lag.
        let is_behind = self.known.iter().any(|(stream, known)| held.count(stream) < *known);
        let seen = Seen {
            links: reach.links.clone(),
            reachable: reach.reachable.clone(),
            troubled: reach.troubled.clone(),
            is_behind,
        };
        self.known.clone_from(known);
        self.last = Some(now);
        self.due = None;
        if !is_behind && !known.is_empty() {
            self.look_by(now);
        }
        let is_news =
            self.seen.as_ref() != Some(&seen) || self.is_switched || self.is_seen_otherwise;
        // Not as soon as it differs: while events come, it always does.
        let has_caught_up = self.is_lag_shown && known.is_empty();
        (self.is_switched, self.is_seen_otherwise) = (false, false);
        self.is_lag_shown &= !has_caught_up;
        let is_news = is_news || has_caught_up;
        self.seen = Some(seen);
        is_news
    }

    /// A status with this is given between two looks: if it is not what the last look saw, the next
    /// one is news for whoever has it, also when all is as it was by then. With a lag, it is once
    /// nothing is missing.
    pub(crate) fn show(&mut self, reach: &Reach, is_behind: bool) {
        self.is_lag_shown |= is_behind;
        self.is_seen_otherwise |= self.seen.as_ref().is_none_or(|seen| {
            seen.links != reach.links
                || seen.reachable != reach.reachable
                || seen.troubled != reach.troubled
        });
    }

    fn look_by(&mut self, at: Instant) {
        let at = self.last.map_or(at, |last| at.max(last + LOOK_EVERY));
        self.due = Some(self.due.map_or(at, |due| due.min(at)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::clock;

    fn looks(lookout: &mut Lookout, reach: &Reach, now: Instant) -> bool {
        lookout.look(reach, &BTreeMap::new(), &OffsetMap::new(), now)
    }

    #[test]
    fn looks_are_a_quarter_of_a_second_apart_and_none_is_due_while_nothing_happens() {
        let (mut lookout, start) = (Lookout::default(), clock::now());
        assert_eq!(lookout.next(), None);
        let (done, _answer) = crate::pending::pending(None);
        lookout.note(&Message::SetNetwork { enabled: true, done }, start);
        assert!(lookout.is_due(start));
        assert!(looks(&mut lookout, &Reach::default(), start));
        assert_eq!(lookout.next(), None);
        lookout.note(&Message::Durable, start);
        assert_eq!(lookout.next(), Some(start + LOOK_EVERY));
        assert!(!looks(&mut lookout, &Reach::default(), start + LOOK_EVERY), "nothing is new");
    }

    #[test]
    fn who_was_shown_what_had_passed_by_the_next_look_is_told() {
        let (mut lookout, start) = (Lookout::default(), clock::now());
        let before = Reach::default();
        let mut meanwhile = before.clone();
        meanwhile.reachable.insert(NodeId::from_bytes([1; 32]));
        lookout.show(&before, false);
        assert!(looks(&mut lookout, &before, start), "the first look is");
        lookout.show(&before, false);
        assert!(!looks(&mut lookout, &before, start + LOOK_EVERY), "all is as it was shown");
        lookout.show(&meanwhile, false);
        lookout.show(&before, false);
        assert!(looks(&mut lookout, &before, start + 2 * LOOK_EVERY), "somebody saw another thing");
        assert!(!looks(&mut lookout, &before, start + 3 * LOOK_EVERY), "and was told");
    }

    #[test]
    fn who_was_shown_a_lag_is_told_once_when_nothing_is_missing() {
        let (mut lookout, start) = (Lookout::default(), clock::now());
        let stream = StreamId { node: NodeId::from_bytes([1; 32]), number: 0 };
        let (reach, known) = (Reach::default(), BTreeMap::from([(stream, 5)]));
        assert!(looks(&mut lookout, &reach, start), "the first look is");
        lookout.show(&reach, true);
        let mut held = OffsetMap::new();
        held.set(stream, 4);
        let next = start + LOOK_EVERY;
        assert!(!lookout.look(&reach, &known, &held, next), "it is still on its way");
        held.set(stream, 5);
        let mut here = |now| lookout.look(&reach, &BTreeMap::new(), &held, now);
        assert!(here(next + LOOK_EVERY));
        assert!(!here(next + 2 * LOOK_EVERY), "it was told");
    }

    #[test]
    fn what_was_known_a_look_ago_and_is_still_missing_is_behind() {
        let (mut lookout, start) = (Lookout::default(), clock::now());
        let stream = StreamId { node: NodeId::from_bytes([1; 32]), number: 0 };
        let (reach, known) = (Reach::default(), BTreeMap::from([(stream, 5)]));
        lookout.look(&reach, &BTreeMap::new(), &OffsetMap::new(), start);
        assert!(!lookout.look(&reach, &known, &OffsetMap::new(), start), "it may be on its way");
        let next = lookout.next().expect("it is looked at again");
        assert!(lookout.look(&reach, &known, &OffsetMap::new(), next));
        assert_eq!(lookout.next(), None);
        let mut held = OffsetMap::new();
        held.set(stream, 5);
        assert!(lookout.look(&reach, &BTreeMap::new(), &held, next + LOOK_EVERY));
    }
}
