//! What was found damaged: named once each, while all else stays readable.
//!
//! Rule: nobody looks here before reading. Each read finds out for itself, and notes what it found.

use super::block::{block_key, first_in_key};
use super::groups::Group;
use super::shared::{Shared, lock};
use super::tables::GROUPS_NAME;
use crate::error::{Error, ErrorKind};
use crate::event::StreamId;
use crate::log::status::{DAMAGES_MAX, Damage};
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Bound, Range};

/// Table, stream and where in it.
pub(crate) type Place = (&'static str, Option<StreamId>, u64);

/// The damaged places: where what is lost ends, and how it shows. Of `events` a reader notes the
/// offset it asked for, with no end; see `Shared::damages`.
#[derive(Default)]
pub(crate) struct Quarantine(BTreeMap<Place, (Option<u64>, String)>);

impl Quarantine {
    /// True when it was not known, and is now.
    fn note(&mut self, place: Place, end: Option<u64>, message: String) -> bool {
        let is_full = self.0.len() >= DAMAGES_MAX;
        match self.0.entry(place) {
            Entry::Occupied(mut known) => drop(known.insert((end, message))),
            Entry::Vacant(new) if !is_full => {
                new.insert((end, message));
                return true;
            }
            Entry::Vacant(_) => {}
        }
        false
    }

    /// The places, to compare with later.
    pub(crate) fn places(&self) -> BTreeSet<Place> {
        self.0.keys().copied().collect()
    }

    /// Takes over what going through everything found; of the places `before` it no others stay.
    pub(crate) fn replace(&mut self, before: &BTreeSet<Place>, found: &[Damage]) {
        self.0.retain(|place, _| !before.contains(place));
        for damage in found {
            let place = (damage.table, damage.stream, damage.first);
            self.note(place, Some(damage.end), damage.message.clone());
        }
    }
}

impl Shared {
    /// Notes that the block around an event is damaged, and names the event in the error.
    pub(crate) fn quarantine(&self, stream: &StreamId, offset: u64, error: Error) -> Error {
        if error.kind() == ErrorKind::Corrupt {
            let how = error.message().to_owned();
            let is_new = lock(&self.quarantine).note(("events", Some(*stream), offset), None, how);
            if is_new {
                self.note_news();
                self.tell_damage();
            }
        }
        error.in_context(format_args!("event {offset} of stream {stream}"))
    }

    /// Tells who repairs that there is damage.
    pub(crate) fn tell_damage(&self) {
        let hooks = lock(&self.damage_hooks).clone();
        hooks.iter().for_each(|hook| hook());
    }

    /// These events of a block were put back.
    pub(crate) fn forget_block(&self, stream: &StreamId, events: Range<u64>) {
        lock(&self.quarantine).0.retain(|(table, own, at), _| {
            *table != "events" || own.as_ref() != Some(stream) || !events.contains(at)
        });
        self.note_news();
    }

    /// Notes that a group of segments is damaged, and has it made anew.
    pub(crate) fn note_group(&self, group: Group, error: &Error) {
        let segments = group.segments();
        let message = error.message().to_owned();
        let place = (GROUPS_NAME, None, segments.start);
        let is_new = lock(&self.quarantine).note(place, Some(segments.end), message);
        if is_new {
            self.note_news();
        }
        self.request_mending(group);
    }

    /// A group of segments was written: what was wrong with it is gone.
    pub(crate) fn forget_group(&self, group: Group) {
        let place = (GROUPS_NAME, None, group.segments().start);
        if lock(&self.quarantine).0.remove(&place).is_some() {
            self.note_news();
        }
    }

    /// What was found damaged, each block once, by table, stream and place.
    pub(crate) fn damages(&self) -> Vec<Damage> {
        let noted = lock(&self.quarantine).0.clone();
        let mut damages: BTreeMap<Place, Damage> = BTreeMap::new();
        for ((table, stream, at), (end, message)) in noted {
            let (first, end) = match (end, stream) {
                (Some(end), _) => (at, end),
                // Where the tables do not answer, the event is what can be named.
                (None, Some(stream)) => self.block_around(&stream, at).unwrap_or((at, at + 1)),
                (None, None) => (at, at),
            };
            let damage = Damage { table, stream, first, end, message };
            damages.entry((table, stream, first)).or_insert(damage);
        }
        damages.into_values().collect()
    }

    /// Where the stored block around an event begins and ends, as the keys of the blocks say.
    pub(crate) fn block_around(&self, stream: &StreamId, offset: u64) -> Option<(u64, u64)> {
        let stored = self.state().streams.get(stream)?.stored;
        let wanted = block_key(stream, offset);
        let keys = self.tables.read(|opened, transaction| {
            let own = opened.events.get_lower_than_or_equal_to(transaction, &wanted)?;
            let behind = (Bound::Excluded(&wanted[..]), Bound::Unbounded);
            let next = opened.events.range(transaction, &behind)?.next().transpose()?;
            let first = own.and_then(|(key, _)| first_in_key(key, stream));
            Ok((first, next.and_then(|(key, _)| first_in_key(key, stream))))
        });
        let (first, next) = keys.ok()?;
        Some((first?, next.unwrap_or(stored).max(offset + 1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damage_beyond_the_bound_is_no_news() {
        let mut noted = Quarantine::default();
        let mut note = |at| noted.note(("events", None, at), None, String::new());
        assert!((0..DAMAGES_MAX as u64).all(&mut note));
        assert!(!note(0), "it is known");
        assert!(!note(DAMAGES_MAX as u64) && !note(DAMAGES_MAX as u64), "nobody can name it");
    }
}
