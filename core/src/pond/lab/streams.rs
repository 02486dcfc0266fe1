//! All events of a lab, each kept once.

use crate::event::{Event, EventKey, NodeId, OffsetMap, StreamId};
use std::collections::BTreeMap;

/// Streams and their events. Who holds how much of each is an offset map of theirs.
#[derive(Clone, Debug, Default)]
pub(in crate::pond) struct Streams(BTreeMap<StreamId, Vec<Event>>);

impl Streams {
    /// Adds the next event of its stream.
    ///
    /// # Panics
    /// Its offset is not the next one, or its lamport does not rise.
    pub(in crate::pond) fn push(&mut self, event: Event) {
        let events = self.0.entry(event.key.stream).or_default();
        assert_eq!(event.offset.value(), events.len() as u64, "a stream has no gaps");
        assert!(events.last().is_none_or(|last| last.key.lamport < event.key.lamport));
        events.push(event);
    }

    /// Forgets the events from `count` on, which nobody holds.
    pub(super) fn cut(&mut self, stream: &StreamId, count: u64) {
        if let Some(events) = self.0.get_mut(stream) {
            events.truncate(count as usize);
        }
    }

    /// Number of events of a stream.
    pub(in crate::pond) fn count(&self, stream: &StreamId) -> u64 {
        self.0.get(stream).map_or(0, |events| events.len() as u64)
    }

    /// Streams that have an event, rising.
    #[cfg(test)]
    pub(in crate::pond) fn ids(&self) -> impl Iterator<Item = StreamId> {
        self.0.keys().copied()
    }

    /// The number of the next stream of `node`: nothing was ever written to it.
    pub(super) fn next_number(&self, node: NodeId) -> u64 {
        let all = StreamId { node, number: 0 }..=StreamId { node, number: u64::MAX };
        self.0.range(all).next_back().map_or(0, |(last, _)| last.number + 1)
    }

    /// An event that is there.
    pub(in crate::pond) fn event(&self, stream: &StreamId, offset: u64) -> &Event {
        &self.0[stream][offset as usize]
    }

    /// The greatest lamport of what a map counts; 0 for nothing.
    pub(super) fn lamport(&self, held: &OffsetMap) -> u64 {
        let last = |(stream, count): (&StreamId, u64)| self.event(stream, count - 1);
        held.iter().map(|entry| last(entry).key.lamport.value()).max().unwrap_or(0)
    }

    /// The lamport of the last of the first `count` events of a stream; 0 for none.
    pub(super) fn lamport_at(&self, stream: &StreamId, count: u64) -> u64 {
        count.checked_sub(1).map_or(0, |last| self.event(stream, last).key.lamport.value())
    }

    /// Events that `upper` counts and `lower` does not and that are wanted, by rising key.
    pub(in crate::pond) fn between(
        &self,
        lower: &OffsetMap,
        upper: &OffsetMap,
        wanted: impl Fn(&Event) -> bool,
    ) -> Vec<&Event> {
        let ranges = upper.beyond(lower);
        let events = ranges.flat_map(|(stream, range)| {
            self.0[&stream][range.start as usize..range.end as usize].iter()
        });
        let mut found: Vec<&Event> = events.filter(|event| wanted(event)).collect();
        found.sort_unstable_by_key(|event| event.key);
        found
    }

    /// The events of these keys and offsets.
    pub(super) fn of<'a>(
        &'a self,
        places: impl Iterator<Item = &'a (EventKey, u64)>,
    ) -> impl Iterator<Item = &'a Event> {
        places.map(|(key, offset)| self.event(&key.stream, *offset))
    }
}
