//! Optimistic claims: "I do this". The least event key wins.
//!
//! Nobody is asked, so it works while cut off; two who were may both have begun. An older claim may
//! still arrive, so what is won is only ever won as far as is known. Who has lost does not win when
//! the winner is done with it: it was told that it lost, and undoes what it began.

use crate::error::Result;
use crate::event::cbor::Value;
use crate::event::{EventKey, NodeId, Payload, StreamId, Tag};
use crate::pond::Name;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The tag of the events of optimistic claims to `what`.
pub fn doing_tag(what: &Name) -> Tag {
    what.tag("doing")
}

/// What an event of an optimistic claim says.
#[derive(Clone, Debug, PartialEq)]
pub enum Doing {
    /// The author does it.
    Claim {
        /// What the application wants to remember of it.
        note: Option<Value>,
    },
    /// The author's node does not do it any more: it has lost, given up, or finished.
    Release,
}

/// Who says that it does something.
#[derive(Clone, Debug, PartialEq)]
pub struct Doer {
    /// The event that says so; its stream names the node.
    pub key: EventKey,
    /// What was noted.
    pub note: Option<Value>,
}

/// How an own claim stands.
#[derive(Clone, Debug, PartialEq)]
pub enum Standing {
    /// No older claim is known that it could have lost to.
    Won,
    /// This one won, also if it was released since: undo what was begun, and release the claim.
    Lost(Doer),
    /// It was released, or is not known here.
    Released,
}

/// The optimistic claims to one thing, folded in key order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DoingFold {
    /// Claims that stand.
    claims: BTreeMap<EventKey, StandingClaim>,
    /// Which of them each stream made.
    by_stream: BTreeMap<StreamId, EventKey>,
    /// The one that has not lost.
    winner: Option<EventKey>,
    last: Option<EventKey>,
    unread: u64,
}

#[derive(Clone, Debug, PartialEq)]
struct StandingClaim {
    doer: Arc<Doer>,
    /// Who had won when it was made.
    lost_to: Option<Arc<Doer>>,
}

impl Doing {
    /// The payload of the event.
    ///
    /// # Errors
    /// `limit_exceeded`, `invalid_argument`: the note cannot be a payload.
    pub fn to_payload(&self) -> Result<Payload> {
        let mut fields = match self {
            Doing::Claim { .. } => vec![("op", Value::from("claim"))],
            Doing::Release => vec![("op", Value::from("release"))],
        };
        if let Doing::Claim { note: Some(note) } = self {
            fields.push(("note", note.clone()));
        }
        Payload::from_value(&Value::map(fields))
    }

    /// What a payload says; `None` when it is not exactly of one of the forms.
    pub fn decode(payload: &[u8]) -> Option<Doing> {
        let Ok(Value::Map(mut fields)) = Value::decode(payload) else { return None };
        let Value::Text(name) = fields.remove("op")? else { return None };
        let doing = match name.as_str() {
            "claim" => Doing::Claim { note: fields.remove("note") },
            "release" => Doing::Release,
            _ => return None,
        };
        fields.is_empty().then_some(doing)
    }
}

impl DoingFold {
    /// Of no events.
    pub fn new() -> DoingFold {
        DoingFold::default()
    }

    /// Goes on by an event that carries [`doing_tag`].
    ///
    /// # Panics
    /// The keys do not rise.
    pub fn apply(&mut self, key: EventKey, payload: &[u8]) {
        assert!(self.last.is_none_or(|last| last < key), "a fold goes on in key order");
        self.last = Some(key);
        match Doing::decode(payload) {
            Some(Doing::Claim { note }) => self.claim(key, note),
            Some(Doing::Release) => self.release(key.stream.node),
            None => self.unread += 1,
        }
    }

    fn claim(&mut self, key: EventKey, note: Option<Value>) {
        // What was said before a fork stands in all histories.
        let said = [key.stream, key.stream.trunk()];
        if said.iter().any(|stream| self.by_stream.contains_key(stream)) {
            return;
        }
        let winner = self.winner.and_then(|winner| self.claims.get(&winner));
        let lost_to = winner.map(|winner| winner.doer.clone());
        self.winner.get_or_insert(key);
        self.by_stream.insert(key.stream, key);
        let doer = Arc::new(Doer { key, note });
        self.claims.insert(key, StandingClaim { doer, lost_to });
    }

    fn release(&mut self, node: NodeId) {
        let all = StreamId { node, number: 0 }..=StreamId { node, number: u64::MAX };
        let released: Vec<(StreamId, EventKey)> =
            self.by_stream.range(all).map(|(stream, key)| (*stream, *key)).collect();
        for (stream, key) in released {
            self.by_stream.remove(&stream);
            self.claims.remove(&key);
            self.winner.take_if(|winner| *winner == key);
        }
    }

    /// Who does it, as far as is known: the claim that stands and has not lost.
    pub fn winner(&self) -> Option<&Doer> {
        self.claims.get(self.winner.as_ref()?).map(|claim| &*claim.doer)
    }

    /// All claims that stand, by rising key.
    pub fn doers(&self) -> impl Iterator<Item = &Doer> {
        self.claims.values().map(|claim| &*claim.doer)
    }

    /// How the claim stands that was published with `key`, whatever its stream is called since. One
    /// that was said while another of its stream stood is that one.
    pub fn standing(&self, key: &EventKey) -> Standing {
        match self.own(key) {
            None => Standing::Released,
            Some(StandingClaim { lost_to: None, .. }) => Standing::Won,
            Some(StandingClaim { lost_to: Some(winner), .. }) => Standing::Lost((**winner).clone()),
        }
    }

    /// The claim that stands and is the one published with `key`, as it was first said.
    pub fn claim_of(&self, key: &EventKey) -> Option<&Doer> {
        self.own(key).map(|claim| &*claim.doer)
    }

    fn own(&self, key: &EventKey) -> Option<&StandingClaim> {
        let trunk = key.stream.trunk();
        let own = trunk..=StreamId { number: u64::MAX, ..trunk };
        let own = self.by_stream.range(own).filter(|(stream, _)| stream.trunk() == trunk);
        let own = own.map(|(_, own)| own).filter(|own| own.lamport <= key.lamport);
        own.max_by_key(|own| own.lamport).and_then(|own| self.claims.get(own))
    }

    /// The claim of `node` that stands, and was made last.
    pub fn of_node(&self, node: NodeId) -> Option<&Doer> {
        let all = StreamId { node, number: 0 }..=StreamId { node, number: u64::MAX };
        let key = self.by_stream.range(all).map(|(_, key)| key).max()?;
        self.claims.get(key).map(|claim| &*claim.doer)
    }

    /// Events that say nothing.
    pub fn unread(&self) -> u64 {
        self.unread
    }

    /// The greatest key so far.
    pub fn last(&self) -> Option<EventKey> {
        self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Lamport, NodeId};

    fn key(lamport: u64, node: u8) -> EventKey {
        let stream = StreamId { node: NodeId::from_bytes([node; 32]), number: 0 };
        EventKey { lamport: Lamport::new(lamport).unwrap(), stream }
    }

    fn fold(events: &[(EventKey, Doing)]) -> DoingFold {
        let mut fold = DoingFold::new();
        for (key, doing) in events {
            fold.apply(*key, doing.to_payload().unwrap().as_bytes());
        }
        fold
    }

    #[test]
    fn the_least_key_wins_and_the_others_learn_from_whom() {
        let claim = |note: &str| Doing::Claim { note: Some(Value::from(note)) };
        let (older, newer) = ((key(4, 2), claim("older")), (key(5, 1), claim("newer")));
        let alone = fold(std::slice::from_ref(&newer));
        assert_eq!(alone.standing(&newer.0), Standing::Won);
        let both = fold(&[older.clone(), newer.clone()]);
        let winner = Doer { key: older.0, note: Some(Value::from("older")) };
        assert_eq!(both.winner(), Some(&winner));
        assert_eq!(both.standing(&newer.0), Standing::Lost(winner));
        assert_eq!(both.standing(&older.0), Standing::Won);
        let equal = fold(&[(key(4, 1), claim("a")), older.clone()]);
        assert_eq!(equal.winner().unwrap().key, key(4, 1), "the stream decides");
    }

    #[test]
    fn who_releases_is_out_and_who_lost_and_released_does_not_come_back() {
        let claim = Doing::Claim { note: None };
        let events = [
            (key(1, 1), claim.clone()),
            (key(2, 2), claim.clone()),
            (key(3, 1), claim.clone()),
            (key(4, 2), Doing::Release),
            (key(5, 1), Doing::Release),
            (key(6, 3), claim.clone()),
        ];
        let winner = |count: usize| fold(&events[..count]).winner().map(|doer| doer.key);
        assert_eq!(winner(3), Some(key(1, 1)));
        let said_twice = fold(&events[..3]);
        assert_eq!(said_twice.doers().count(), 2, "who says it twice says it once");
        assert_eq!(said_twice.standing(&key(3, 1)), Standing::Won, "and it stands as the first");
        assert_eq!(winner(5), None);
        assert_eq!(winner(6), Some(key(6, 3)));
        assert_eq!(fold(&events).standing(&key(2, 2)), Standing::Released);
    }

    #[test]
    fn who_has_lost_does_not_win_when_the_winner_is_done() {
        let claim = |note: &str| Doing::Claim { note: Some(Value::from(note)) };
        let mut events = vec![
            (key(1, 1), claim("winner")),
            (key(2, 2), claim("loser")),
            (key(3, 1), Doing::Release),
        ];
        let done = fold(&events);
        let winner = Doer { key: key(1, 1), note: Some(Value::from("winner")) };
        assert_eq!(done.standing(&key(2, 2)), Standing::Lost(winner.clone()));
        assert_eq!((done.winner(), done.doers().count()), (None, 1));
        events.push((key(4, 3), claim("later")));
        assert_eq!(fold(&events).winner().unwrap().key, key(4, 3), "nobody does it any more");
        assert_eq!(fold(&events).standing(&key(2, 2)), Standing::Lost(winner));
        events.extend([(key(5, 2), Doing::Release), (key(6, 2), claim("anew"))]);
        let again = fold(&events);
        assert_eq!(again.of_node(NodeId::from_bytes([2; 32])).unwrap().key, key(6, 2));
        let Standing::Lost(to) = again.standing(&key(6, 2)) else { panic!("{again:?}") };
        assert_eq!(to.key, key(4, 3));
    }

    #[test]
    fn what_was_said_before_a_fork_stands_in_both_histories() {
        let claim = Doing::Claim { note: None };
        let trunk = key(1, 1).stream;
        let branch = trunk.branch(&crate::event::Chain::from_bytes([7; 32]));
        let in_branch = EventKey { stream: branch, ..key(5, 1) };
        let folded = fold(&[(key(1, 1), claim.clone()), (in_branch, claim)]);
        assert_eq!(folded.doers().count(), 1);
        assert_eq!(folded.standing(&key(5, 1)), Standing::Won);
    }

    #[test]
    fn bytes_of_another_form_say_nothing() {
        for value in [
            Value::Null,
            Value::map([("op", Value::from("take"))]),
            Value::map([("op", Value::from("release")), ("note", Value::Null)]),
            Value::map([("note", Value::Null)]),
        ] {
            assert_eq!(Doing::decode(&value.encode().unwrap()), None, "{value:?}");
        }
        assert_eq!(Doing::decode(&[0xff]), None);
    }
}
