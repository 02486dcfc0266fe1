//! What a node shows of what the Pond reads, in key order, and how that has changed.

use crate::sim::log::{ModelLog, Pick};
use millpond::event::{EventKey, NodeId, OffsetMap, StreamId};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// All of it, as of the last look.
#[derive(Default)]
pub(super) struct Shown {
    pub(super) keys: BTreeMap<EventKey, Pick>,
    pub(super) offsets: Rc<OffsetMap>,
    pub(super) version: u64,
    /// In the order in which they came.
    pub(super) changes: Vec<Change>,
    is_old: bool,
}

/// Keys that came; or those that came and went, by rising key, when streams turned out to fork.
pub(super) struct Change {
    pub(super) keys: Vec<EventKey>,
    pub(super) has_moved: bool,
}

impl Shown {
    /// Looks at what is durable now. False: nothing is new.
    pub(super) fn refresh(&mut self, log: &ModelLog, skipped: &BTreeSet<NodeId>) -> bool {
        let is_new = std::mem::take(&mut self.is_old) || self.changes.is_empty();
        if self.version != log.fork_version() {
            self.read_again(log, skipped);
            return true;
        }
        let visible = log.visible().filter(|(own, ..)| !skipped.contains(&own.node));
        let mut keys = Vec::new();
        let mut grown = Vec::new();
        for (stream, floor, end) in visible {
            let from = self.offsets.count(&stream);
            if from < end {
                grown.push((stream, end));
                for (key, pick) in keyed(log, stream, from.max(floor), end) {
                    self.keys.insert(key, pick);
                    keys.push(key);
                }
            }
        }
        if grown.is_empty() {
            return is_new;
        }
        let offsets = Rc::make_mut(&mut self.offsets);
        grown.into_iter().for_each(|(stream, end)| offsets.set(stream, end));
        keys.sort_unstable();
        self.changes.push(Change { keys, has_moved: false });
        true
    }

    /// The next refresh says that there is something.
    pub(super) fn look_again(&mut self) {
        self.is_old = true;
    }

    fn read_again(&mut self, log: &ModelLog, skipped: &BTreeSet<NodeId>) {
        let before = std::mem::take(&mut self.keys);
        let visible = log.visible().filter(|(own, ..)| !skipped.contains(&own.node));
        let (mut keys, mut offsets) = (BTreeMap::new(), OffsetMap::new());
        for (stream, floor, end) in visible {
            offsets.set(stream, end);
            keys.extend(keyed(log, stream, floor, end));
        }
        let gone = before.keys().filter(|key| !keys.contains_key(key));
        let come = keys.keys().filter(|key| !before.contains_key(key));
        let mut changed: Vec<EventKey> = gone.chain(come).copied().collect();
        changed.sort_unstable();
        self.changes.push(Change { keys: changed, has_moved: true });
        (self.keys, self.offsets) = (keys, Rc::new(offsets));
        self.version = log.fork_version();
    }
}

fn keyed(
    log: &ModelLog,
    stream: StreamId,
    from: u64,
    until: u64,
) -> impl Iterator<Item = (EventKey, Pick)> {
    let picks = log.picks(&stream, from, until).iter();
    picks.map(move |pick| (EventKey { lamport: pick.lamport, stream }, *pick))
}
