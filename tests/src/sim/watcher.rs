//! Applications that want events before they are durable, and what they are shown.
//!
//! What is shown goes on from what the node was given or shown before, is what its author wrote
//! there, and is what later becomes durable there, unless the author lost it: with its process, or
//! because a sync failed. Not here: which peers are sent a preview, and when it is taken (core).
//! Begin with `World::show_early`.

use crate::sim::log::ModelLog;
use crate::sim::random::Random;
use crate::sim::world::World;
use millpond::event::{Chain, Preview, SignedHead, StreamId};
use millpond::sync::{Input, Lane};
use std::collections::{BTreeMap, BTreeSet};

/// Share of processes in which somebody wants events early, where there are any.
const WANTS: f64 = 0.7;

/// What the process of a node was shown early.
#[derive(Debug, Default)]
pub(super) struct Watcher {
    wants: bool,
    /// Ends of what it was given to store or shown: a stream, events, and the chain after them.
    ends: BTreeSet<(StreamId, u64, Chain)>,
    /// Of each event that is not durable here its leaf.
    shown: BTreeMap<(StreamId, u64), [u8; 32]>,
}

/// What authors showed before it was durable, by place and leaf; true for what they lost since.
#[derive(Debug, Default)]
pub(super) struct Early(BTreeMap<(StreamId, u64), BTreeMap<[u8; 32], bool>>);

impl Early {
    fn note(&mut self, preview: &Preview) {
        for (record, offset) in preview.records.iter().zip(preview.first..) {
            let leaves = self.0.entry((preview.stream, offset)).or_default();
            leaves.insert(*record.leaf().as_bytes(), false);
        }
    }

    fn is_written(&self, place: &(StreamId, u64), leaf: &[u8; 32]) -> bool {
        self.0.get(place).is_some_and(|leaves| leaves.contains_key(leaf))
    }

    fn is_lost(&self, place: &(StreamId, u64), leaf: &[u8; 32]) -> bool {
        self.0.get(place).and_then(|leaves| leaves.get(leaf)).is_some_and(|lost| *lost)
    }

    /// Its author has only this left.
    fn lose(&mut self, log: &ModelLog) {
        let own = log.own_stream().node;
        for ((stream, offset), leaves) in &mut self.0 {
            if stream.node == own {
                let held = log.events(stream, *offset).first().map(|held| *held.leaf().as_bytes());
                leaves.iter_mut().for_each(|(leaf, lost)| *lost |= Some(*leaf) != held);
            }
        }
    }
}

impl World {
    /// A process has begun: somebody in it may want events early.
    pub(super) fn watch(&mut self, node: usize) {
        let Some(seed) = self.plan.live.filter(|_| self.nodes[node].is_honest()) else { return };
        let at = &mut self.nodes[node];
        let chance = Random::new(seed ^ (node as u64) << 32 ^ at.run).chance(WANTS);
        at.watcher = Watcher { wants: chance, ..Watcher::default() };
        if chance {
            self.give(node, Input::Live(true));
        }
    }

    /// What was just written and is not durable goes to the peers that want it.
    pub(super) fn show_early(&mut self, node: usize) {
        let at = &mut self.nodes[node];
        let Some(live) = at.live.as_mut().filter(|live| live.swarm.wants_previews()) else {
            return;
        };
        let Some(preview) = at.log.preview() else { return };
        let frames = live.swarm.preview(&preview);
        if !frames.is_empty() {
            self.oracle.early.note(&preview);
        }
        for (connection, bytes) in frames {
            self.send_frame(node, connection, Lane::Live, bytes);
        }
    }

    /// The node was given events to store that end with `head`.
    pub(super) fn watch_given(&mut self, node: usize, head: &SignedHead) {
        if self.plan.live.is_some() {
            let end = (head.stream, head.count, head.chain);
            self.nodes[node].watcher.ends.insert(end);
        }
    }

    /// The node is shown events that are durable nowhere.
    pub(super) fn take_early(&mut self, node: usize, preview: &Preview) {
        if !self.nodes[node].is_honest() {
            return;
        }
        self.figures.early += preview.records.len() as u64;
        self.observe(node, 7, &preview.first.to_le_bytes());
        let Preview { stream, first, before, records } = preview;
        let at = &mut self.nodes[node];
        let start = Chain::start(&at.log.swarm, stream);
        let goes_on = at.watcher.ends.contains(&(*stream, *first, *before))
            || at.log.written_chain(stream, *first) == Some(*before)
            || (*first == 0 && *before == start);
        let is_known = !self.oracle.hostile.contains(&stream.node);
        let mut wrong = match goes_on {
            _ if !at.watcher.wants => Some("that nobody here wants"),
            false => Some("that go on from nothing"),
            true => None,
        };
        let mut chain = *before;
        for (record, offset) in records.iter().zip(*first..) {
            let (place, leaf) = ((*stream, offset), record.leaf());
            chain = chain.extend(&leaf);
            if is_known && !self.oracle.early.is_written(&place, leaf.as_bytes()) {
                wrong = Some("that their author did not write");
            }
            at.watcher.shown.insert(place, *leaf.as_bytes());
        }
        at.watcher.ends.insert((*stream, first + records.len() as u64, chain));
        if let Some(wrong) = wrong {
            self.violated(Some(node), format!("was shown events of {stream} {wrong}"));
        }
    }

    /// The stream of `head` is durable up to it, from `before` on: what was shown there is that.
    pub(super) fn check_shown(&mut self, node: usize, head: &SignedHead, before: u64) {
        let at = &mut self.nodes[node];
        let (stream, mut wrong) = (head.stream, None);
        if at.watcher.shown.is_empty() {
            return;
        }
        let is_excused =
            self.oracle.hostile.contains(&stream.node) || self.oracle.may_lose(&stream.node);
        for (record, offset) in at.log.events(&stream, before).iter().zip(before..) {
            let place = (stream, offset);
            let Some(shown) = at.watcher.shown.remove(&place) else { continue };
            let is_same = shown == *record.leaf().as_bytes();
            if !is_same && !is_excused && !self.oracle.early.is_lost(&place, &shown) {
                wrong = Some(offset);
            }
        }
        if let Some(offset) = wrong {
            let what = format!("was shown another event {offset} of {stream} than came");
            self.violated(Some(node), what);
        }
    }

    /// What was written and not synced is gone.
    pub(super) fn lose_early(&mut self, node: usize) {
        if self.plan.live.is_some() {
            self.oracle.early.lose(&self.nodes[node].log);
        }
    }
}
