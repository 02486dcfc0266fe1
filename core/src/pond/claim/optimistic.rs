//! Optimistic claims: "I do this". The least event key wins.
//!
//! Nobody is asked, so it works while cut off; two who were may both have begun. An older claim may
//! still arrive, so what is won is only ever won as far as is known.

use crate::error::Result;
use crate::event::cbor::Value;
use crate::event::{EventKey, Payload, StreamId, Tag};
use crate::pond::Name;

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
    /// No older claim is known.
    Won,
    /// This one is older: undo what was begun, and release the claim.
    Lost(Doer),
    /// It was released, or is not known here.
    Released,
}

/// The optimistic claims to one thing, folded in key order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DoingFold {
    /// Claims that stand, by rising key; each stream once.
    doers: Vec<Doer>,
    last: Option<EventKey>,
    unread: u64,
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
            Some(Doing::Claim { note }) => {
                if self.doers.iter().all(|doer| doer.key.stream != key.stream) {
                    self.doers.push(Doer { key, note });
                }
            }
            Some(Doing::Release) => {
                self.doers.retain(|doer| doer.key.stream.node != key.stream.node);
            }
            None => self.unread += 1,
        }
    }

    /// Who does it, as far as is known: the least key of the claims that stand.
    pub fn winner(&self) -> Option<&Doer> {
        self.doers.first()
    }

    /// All claims that stand, the winner first.
    pub fn doers(&self) -> &[Doer] {
        &self.doers
    }

    /// How the claim stands that was published with `key`, whatever its stream is called since.
    pub fn standing(&self, key: &EventKey) -> Standing {
        let trunk = |stream: &StreamId| stream.trunk();
        let is_own = |doer: &Doer| {
            doer.key.lamport == key.lamport && trunk(&doer.key.stream) == trunk(&key.stream)
        };
        match self.doers.iter().position(is_own) {
            None => Standing::Released,
            Some(0) => Standing::Won,
            Some(_) => Standing::Lost(self.doers[0].clone()),
        }
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
        assert_eq!(fold(&events[..3]).doers().len(), 2, "who says it twice says it once");
        assert_eq!(winner(5), None);
        assert_eq!(winner(6), Some(key(6, 3)));
        assert_eq!(fold(&events).standing(&key(2, 2)), Standing::Released);
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
