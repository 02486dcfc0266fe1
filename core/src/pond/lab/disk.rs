//! What of a node's folds outlives a crash.

use crate::event::EventKey;
use crate::planted;
use crate::pond::lab::chance::Chance;
use crate::pond::snapshot::{Snapshot, SnapshotChange};
use std::collections::BTreeMap;

/// Kept snapshots, by the hash of their fish's definition.
#[derive(Clone, Debug, Default)]
pub(super) struct Disk {
    kept: BTreeMap<[u8; 32], BTreeMap<EventKey, Snapshot>>,
    /// Changes that a power cut may take back, in their order.
    recent: Vec<([u8; 32], SnapshotChange)>,
}

impl Disk {
    /// Takes a change, after all earlier ones.
    pub(super) fn change(&mut self, fish: [u8; 32], change: SnapshotChange) {
        self.recent.push((fish, change));
    }

    /// From now on a power cut takes nothing back.
    pub(super) fn sync(&mut self) {
        for (fish, change) in self.recent.drain(..) {
            let kept = self.kept.entry(fish).or_default();
            change.dropped.iter().for_each(|key| drop(kept.remove(key)));
            if let Some(behind) = change.dropped_behind {
                kept.retain(|key, _| Some(*key) <= behind);
            }
            let saved = change.saved.into_iter();
            kept.extend(saved.filter_map(|own| own.position.last.map(|last| (last, own))));
        }
    }

    /// A power cut takes some of the latest changes back.
    pub(super) fn lose(&mut self, chance: &mut Chance) {
        let left = chance.index(self.recent.len() + 1);
        if !planted!("lab_power_cut_loses_no_snapshot") {
            self.recent.truncate(left);
        }
    }

    /// One snapshot is gone: that only costs time.
    pub(super) fn damage(&mut self, chance: &mut Chance) {
        let all = self.kept.iter().flat_map(|(fish, kept)| kept.keys().map(|key| (*fish, *key)));
        let all: Vec<([u8; 32], EventKey)> = all.collect();
        if let Some((fish, key)) = chance.pick(&all) {
            self.kept.get_mut(&fish).expect("just seen").remove(&key);
        }
    }

    /// What is kept of a fish.
    pub(super) fn snapshots(&self, fish: &[u8; 32]) -> Vec<Snapshot> {
        self.kept.get(fish).map_or_else(Vec::new, |kept| kept.values().cloned().collect())
    }
}
