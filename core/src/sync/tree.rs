//! What was learned about who passes a stream on to whom, beyond the guess of `relay`.
//!
//! Whoever is pushed events that it has already tells the sender `Prune`: that one is *lazy* from
//! then on, and only tells how far it holds the stream. Whoever had to stand in for a better placed
//! node, or is asked for a stream towards which it was lazy, is *eager*: it pushes at once. So the
//! paths of a stream become a tree, and what the tree misses is asked for.
//! Not here: the guess (`relay`), pushing (`push`), asking (`fetch`).
//! Rule: nobody is told to be lazy who brought the stream's latest events.
//! Begin with [`Session::note_duplicate`]. Source: docs/protocol.md, "Pushing and relaying".

use crate::event::{NodeId, StreamId};
use crate::sync::constants::{FETCH_GRACE, LEARNED_STREAMS_MAX, PRUNE_STREAMS_MAX};
use crate::sync::message::{Message, RangeClaims};
use crate::sync::session::Session;
use crate::sync::shared::Shared;
use crate::sync::swarm::Swarm;
use bytes::Bytes;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// How a peer is served with a stream's live events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// They are pushed at once.
    Eager,
    /// It is told of them.
    Lazy,
}

/// What one session has learned.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    /// How the peer is served; by the guess where there is nothing.
    manners: Recent<Manner>,
    /// Streams that the peer was told to be lazy with.
    pruned: Recent<()>,
}

impl Tree {
    /// How the peer is served with `stream`; none when nothing was learned.
    pub(crate) fn manner(&self, stream: &StreamId) -> Option<Manner> {
        self.manners.get(stream)
    }

    /// The peer needed us for the events of `stream`.
    pub(crate) fn was_needed(&mut self, stream: StreamId) {
        self.manners.set(stream, Manner::Eager);
    }

    /// The peer asks for `stream`: if we were told to be lazy with it, that is over.
    pub(crate) fn is_asked_for(&mut self, stream: StreamId) {
        if self.manner(&stream) == Some(Manner::Lazy) {
            self.manners.set(stream, Manner::Eager);
        }
    }

    /// We ask the peer for `stream`, so that it will be eager with it.
    pub(crate) fn asks_for(&mut self, stream: &StreamId) {
        self.pruned.remove(stream);
    }
}

impl Session {
    /// A range came that we had: whoever sends live events for nothing is told so.
    pub(crate) fn note_duplicate(&mut self, claims: &RangeClaims, shared: &Shared) {
        let stream = claims.head.stream;
        let is_answer = shared.fetches.source(&stream) == Some(self.connection);
        let is_fed = shared.feeder(&stream).is_some_and(|feeder| feeder != self.peer)
            || stream.trunk() == shared.streams.own();
        if claims.is_block || is_answer || !is_fed {
            return;
        }
        self.tree.pruned.set(stream, ());
        self.announcements.prunes.insert(stream);
        self.flush_soon(shared.now);
    }

    /// Streams that the peer need not push, when there are any.
    pub(crate) fn make_prune(&mut self) -> Option<Bytes> {
        let prunes = &mut self.announcements.prunes;
        let mut streams = Vec::new();
        while streams.len() < PRUNE_STREAMS_MAX {
            // What was asked for since is wanted after all.
            let Some(stream) = prunes.pop_first() else { break };
            streams.extend(Some(stream).filter(|stream| self.tree.pruned.get(stream).is_some()));
        }
        self.announcements.flushed();
        (!streams.is_empty()).then(|| Message::Prune(streams).encode())
    }

    /// The peer gets the live events of `streams` from others.
    pub(crate) fn on_prune(&mut self, streams: &[StreamId], shared: &Shared) {
        for stream in streams {
            let Some(state) = shared.streams.get(stream) else { continue };
            self.tree.manners.set(*stream, Manner::Lazy);
            self.pushes.remove(stream);
            if self.known.count(stream) < state.durable_count() {
                self.tell_held(*stream, shared);
            }
        }
    }

    /// The peer is told how far we hold `stream`.
    fn tell_held(&mut self, stream: StreamId, shared: &Shared) {
        self.announcements.held.insert(stream);
        self.flush_soon(shared.now);
    }

    /// How long events that the peer merely told of are left to whoever pushes them. When that one
    /// is gone, and this one was told to be lazy, not at all.
    pub(crate) fn grace(&self, stream: &StreamId, shared: &Shared) -> Duration {
        let is_cut_off = self.tree.pruned.get(stream).is_some() && shared.feeder(stream).is_none();
        if is_cut_off { Duration::ZERO } else { FETCH_GRACE }
    }
}

impl Shared {
    /// The admitted peer that brought the latest events of `stream`.
    fn feeder(&self, stream: &StreamId) -> Option<NodeId> {
        let feeder = self.streams.get(stream)?.feeder?;
        self.admitted.contains_key(&feeder).then_some(feeder)
    }
}

impl Swarm {
    /// The session with `peer` is gone: of the streams that it brought those are asked for of which
    /// lazy peers have told more.
    pub(crate) fn ask_in_place_of(&mut self, peer: &NodeId) {
        let shared = &mut self.shared;
        for session in self.sessions.values() {
            for stream in session.tree.pruned.keys() {
                let Some(state) = shared.streams.get(stream) else { continue };
                let has_more = session.known.count(stream) > state.end_count();
                if has_more && state.feeder.as_ref() == Some(peer) {
                    shared.fetches.ask_from(*stream, shared.now);
                }
            }
        }
    }
}

/// At most `LEARNED_STREAMS_MAX` streams with something about each; beyond, the oldest goes.
#[derive(Debug)]
struct Recent<V> {
    values: BTreeMap<StreamId, V>,
    /// The same streams, oldest first.
    order: VecDeque<StreamId>,
}

impl<V> Default for Recent<V> {
    fn default() -> Recent<V> {
        Recent { values: BTreeMap::new(), order: VecDeque::new() }
    }
}

impl<V: Copy> Recent<V> {
    fn get(&self, stream: &StreamId) -> Option<V> {
        self.values.get(stream).copied()
    }

    fn set(&mut self, stream: StreamId, value: V) {
        if self.values.insert(stream, value).is_some() {
            return;
        }
        self.order.push_back(stream);
        if self.order.len() > LEARNED_STREAMS_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.values.remove(&oldest);
        }
    }

    fn remove(&mut self, stream: &StreamId) {
        if self.values.remove(stream).is_some() {
            self.order.retain(|other| other != stream);
        }
    }

    fn keys(&self) -> impl Iterator<Item = &StreamId> {
        self.values.keys()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_more_streams_than_are_remembered_the_oldest_is_forgotten() {
        let stream = |number| StreamId { node: NodeId::from_bytes([1; 32]), number };
        let mut tree = Tree::default();
        for number in 0..=LEARNED_STREAMS_MAX as u64 {
            tree.was_needed(stream(number));
        }
        assert_eq!(tree.manner(&stream(0)), None);
        assert_eq!(tree.manner(&stream(1)), Some(Manner::Eager));
        assert_eq!(tree.manners.order.len(), tree.manners.values.len());
        tree.manners.remove(&stream(1));
        assert_eq!(tree.manners.order.len(), LEARNED_STREAMS_MAX - 1);
    }
}
