//! What a fold reads in a lab: the events that a query selects, in key order, and where something
//! comes late, the way back.
//!
//! The same promises as `log::KeyFollower`, kept in the slow and obvious way.

use crate::event::{EventBatch, EventKey, KeyPosition, NodeId, OffsetMap};
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
        let found = self
            .streams
            .between(lower, upper, |event| self.query.matches(&EventSubject { event, own_node }));
        found.iter().map(|event| (event.key, event.offset.value())).collect()
    }

    /// All matching events that `offsets` count, by rising key.
    pub(super) fn all(&self, offsets: &OffsetMap) -> EventBatch {
        let places = self.between(&OffsetMap::new(), offsets);
        self.streams.of(places.iter()).collect()
    }
}

/// A reader in key order.
#[derive(Debug, Default)]
pub(in crate::pond) struct Reader {
    position: KeyPosition,
    /// What is delivered next, of what `upper` counts.
    window: VecDeque<(EventKey, u64)>,
    upper: OffsetMap,
}

impl Reader {
    /// A reader that goes on from there.
    pub(in crate::pond) fn open(view: &View<'_>, position: KeyPosition) -> Reader {
        let (upper, last) = (position.offsets.clone(), position.last);
        let mut reader = Reader { upper, window: VecDeque::new(), position };
        reader.resume(view, last);
        reader
    }

    /// The next events. One that `is_eager` looks for late ones also before it has delivered all
    /// that it has seen.
    pub(in crate::pond) fn next(
        &mut self,
        view: &View<'_>,
        count_max: usize,
        is_eager: bool,
    ) -> Found {
        if self.window.is_empty() || is_eager {
            let new = view.between(&self.upper, view.held);
            if let Some((late, _)) = new.first().filter(|(key, _)| Some(*key) < self.position.last)
            {
                let read = view.between(&OffsetMap::new(), &self.upper);
                let to = read.iter().map(|(key, _)| *key).filter(|key| key < late).max();
                self.upper.clone_from(view.held);
                self.resume(view, to);
                return Found::Rewind { to, has_moved: false };
            }
            if self.window.is_empty() {
                self.window = new.into();
                self.upper.clone_from(view.held);
            }
        }
        self.position.offsets.clone_from(&self.upper);
        if self.window.is_empty() {
            return Found::Nothing { position: self.position.clone() };
        }
        let next: Vec<(EventKey, u64)> =
            self.window.drain(..count_max.min(self.window.len())).collect();
        self.position.last = next.last().map(|(key, _)| *key);
        let (position, is_whole) = (self.position.clone(), self.window.is_empty());
        Found::Events { events: view.streams.of(next.iter()).collect(), position, is_whole }
    }

    /// Goes on right after this key.
    pub(in crate::pond) fn resume(&mut self, view: &View<'_>, key: Option<EventKey>) {
        self.window = view.between(&OffsetMap::new(), &self.upper).into();
        self.window.retain(|(own, _)| Some(*own) > key);
        self.position.last = key;
    }

    /// Number of events that it has looked at.
    pub(in crate::pond) fn total(&self) -> u64 {
        self.upper.total() as u64
    }
}
