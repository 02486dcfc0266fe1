//! What a fold reads in a lab: the events that a query selects, in key order, and where something
//! comes late, the way back.
//!
//! The same promises as `log::KeyFollower`, kept in the slow and obvious way.

use crate::event::{EventBatch, EventKey, EventKind, KeyPosition, NodeId, OffsetMap};
use crate::planted;
use crate::pond::fold::Found;
use crate::pond::lab::streams::Streams;
use crate::query::{EventSubject, Query};
use std::collections::VecDeque;

/// The log as one node holds it, seen through a query.
#[derive(Clone, Copy)]
pub(in crate::pond) struct View<'a> {
    pub(in crate::pond) streams: &'a Streams,
    pub(in crate::pond) held: &'a OffsetMap,
    pub(in crate::pond) query: &'a Query,
    pub(in crate::pond) own_node: &'a NodeId,
}

impl View<'_> {
    /// Matching events that `upper` counts and `lower` does not, by rising key.
    pub(super) fn between(&self, lower: &OffsetMap, upper: &OffsetMap) -> Vec<(EventKey, u64)> {
        let own_node = self.own_node;
        let found = self.streams.between(lower, upper, |event| {
            event.kind == EventKind::Application
                && self.query.matches(&EventSubject { event, own_node })
        });
        found.iter().map(|event| (event.key, event.offset.value())).collect()
    }

    /// All matching events that `offsets` count, by rising key.
    pub(super) fn all(&self, offsets: &OffsetMap) -> EventBatch {
        let places = self.between(&OffsetMap::new(), offsets);
        self.streams.of(places.iter()).collect()
    }
}

/// How a reader is pulled.
#[derive(Clone, Copy, Debug)]
pub(in crate::pond) struct Pull {
    /// At least 1.
    pub(in crate::pond) count_max: usize,
    /// It looks for late events also before it has delivered all that it has seen.
    pub(in crate::pond) is_eager: bool,
    /// Events before this key do not matter.
    pub(in crate::pond) ignored_before: Option<EventKey>,
}

/// A reader in key order.
#[derive(Debug, Default)]
pub(in crate::pond) struct Reader {
    position: KeyPosition,
    /// What is delivered next of what was looked at; none when that is to be looked up.
    window: Option<VecDeque<(EventKey, u64)>>,
    /// The greatest key that was delivered before the last way back.
    before_rewind: Option<EventKey>,
    ignored_before: Option<EventKey>,
}

impl Reader {
    /// A reader that goes on from there.
    pub(in crate::pond) fn open(position: KeyPosition) -> Reader {
        let mut position = position;
        if position.last.is_none() {
            // Whatever was looked at, nothing of it was delivered.
            position.offsets = OffsetMap::new();
        }
        Reader { position, ..Reader::default() }
    }

    /// The next events.
    pub(in crate::pond) fn next(&mut self, view: &View<'_>, pull: Pull) -> Found {
        self.ignored_before = pull.ignored_before;
        if (self.window.is_none() || pull.is_eager)
            && let Some(late) = self.late(view)
            && !planted!("lab_reader_has_no_way_back")
        {
            let read = self.between(view, &OffsetMap::new(), &self.position.offsets);
            let to = read.iter().map(|(key, _)| *key).filter(|key| *key < late).max();
            self.before_rewind = self.before_rewind.max(self.position.last);
            self.position.offsets.clone_from(view.held);
            (self.position.last, self.window) = (to, None);
            return Found::Rewind { to, has_moved: false };
        }
        if self.window.is_none() {
            self.position.offsets.clone_from(view.held);
            let mut window = self.between(view, &OffsetMap::new(), view.held);
            window.retain(|(key, _)| Some(*key) > self.position.last);
            self.window = Some(window.into());
        }
        let window = self.window.as_mut().expect("set above");
        let count = pull.count_max.min(window.len());
        let next: Vec<(EventKey, u64)> = window.drain(..count).collect();
        let is_whole = window.is_empty();
        if is_whole {
            self.window = None;
        }
        let Some((last, _)) = next.last() else {
            return Found::Nothing { position: self.position.clone() };
        };
        (self.position.last, self.before_rewind) = (Some(*last), None);
        let position = self.position.clone();
        Found::Events { events: view.streams.of(next.iter()).collect(), position, is_whole }
    }

    /// What was looked at.
    #[cfg(test)]
    pub(in crate::pond) fn offsets(&self) -> &OffsetMap {
        &self.position.offsets
    }

    /// Streams turned out to have two histories, and `clamped` counts what of that which was looked
    /// at is where it was; the way back, if anything that was delivered has moved.
    #[cfg(test)]
    pub(in crate::pond) fn meet_forks(
        &mut self,
        view: &View<'_>,
        pull: Pull,
        clamped: OffsetMap,
    ) -> Option<Found> {
        (self.ignored_before, self.window) = (pull.ignored_before, None);
        let first = |upper| self.between(view, &clamped, upper).first().map(|(key, _)| *key);
        let moved = first(&self.position.offsets).filter(|key| Some(*key) <= self.position.last);
        let Some(moved) = moved else {
            self.position.offsets = clamped;
            return None;
        };
        let late = first(view.held).map_or(moved, |new| new.min(moved));
        let stays = self.between(view, &OffsetMap::new(), &clamped);
        let to = stays.iter().map(|(key, _)| *key).filter(|key| *key < late).max();
        self.before_rewind = self.before_rewind.max(self.position.last);
        self.position.offsets.clone_from(view.held);
        self.position.last = to;
        Some(Found::Rewind { to, has_moved: true })
    }

    /// The least key of what was not looked at, if that was passed already.
    fn late(&self, view: &View<'_>) -> Option<EventKey> {
        let new = self.between(view, &self.position.offsets, view.held);
        new.first().map(|(first, _)| *first).filter(|first| Some(*first) < self.position.last)
    }

    fn between(
        &self,
        view: &View<'_>,
        lower: &OffsetMap,
        upper: &OffsetMap,
    ) -> Vec<(EventKey, u64)> {
        let mut events = view.between(lower, upper);
        events.retain(|(key, _)| Some(*key) >= self.ignored_before);
        events
    }

    /// Number of events that it has looked at.
    pub(in crate::pond) fn total(&self) -> u64 {
        self.position.offsets.total() as u64
    }

    /// Goes on right after this key, which was delivered.
    pub(in crate::pond) fn resume(&mut self, key: Option<EventKey>) {
        let most = self.position.last.max(self.before_rewind);
        assert!(key <= most, "{key:?} was not delivered, only {most:?}");
        (self.position.last, self.window) = (key, None);
    }
}
