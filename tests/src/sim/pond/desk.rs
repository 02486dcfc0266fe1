//! The account as a process knows it: the fold of all durable events, and what was decided and is
//! not there yet. Stands for `driver::decider` and `driver::key_fold`.

use crate::sim::log::{ModelLog, account_name};
use crate::sim::pond::shown::Shown;
use millpond::event::{EventKey, NodeId, Offset, StreamId};
use millpond::pond::Lineage;
use millpond::pond::escrow::{AccountFold, Violation};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

/// Events between two copies of the fold.
const POINT_EVERY: usize = 32;

pub(super) struct Desk {
    pub(super) fold: AccountFold,
    pub(super) lineage: Arc<Lineage>,
    /// Of which forks, streams and own stream the lineage is.
    met: Option<(u64, usize, StreamId)>,
    /// Changes that it has looked at.
    seen: usize,
    points: Vec<AccountFold>,
    since_point: usize,
    /// What decisions spend that are not durable yet, by publish.
    pub(super) flights: BTreeMap<u64, u64>,
    /// Since when a request is open.
    pub(super) open_since: BTreeMap<(EventKey, u64), Duration>,
    /// Publishes that were folded, and those of them that did not count.
    known: BTreeSet<u64>,
    uncovered: BTreeSet<u64>,
}

impl Default for Desk {
    fn default() -> Desk {
        let lineage: Arc<Lineage> = Arc::default();
        Desk {
            fold: AccountFold::new(account_name().clone(), lineage.clone()),
            lineage,
            met: None,
            seen: 0,
            points: Vec::new(),
            since_point: 0,
            flights: BTreeMap::new(),
            open_since: BTreeMap::new(),
            known: BTreeSet::new(),
            uncovered: BTreeSet::new(),
        }
    }
}

impl Desk {
    /// Goes on to what is shown now.
    ///
    /// # Errors
    /// A sentence: what counted does not count any more.
    pub(super) fn refresh(
        &mut self,
        shown: &Shown,
        log: &ModelLog,
        skipped: &BTreeSet<NodeId>,
    ) -> Result<(), String> {
        let own = log.own_stream();
        let met = (shown.version, shown.offsets.stream_count(), own);
        let mut has_same_forks = true;
        if self.met != Some(met) {
            let streams = shown.offsets.iter().map(|(stream, _)| *stream).chain([own]);
            let mut forks = log.forks();
            forks.retain(|fork| !skipped.contains(&fork.of.node));
            let lineage = Arc::new(Lineage::new(forks, streams));
            has_same_forks = self.lineage.has_same_forks(&lineage);
            (self.lineage, self.met) = (lineage, Some(met));
        }
        let news = shown.changes[self.seen..].iter().flat_map(|change| &change.keys);
        let is_deed = |key: &&EventKey| shown.keys.get(key).is_none_or(|pick| pick.is_deed);
        let first = news.filter(is_deed).min().copied();
        self.seen = shown.changes.len();
        let fresh = AccountFold::new(account_name().clone(), self.lineage.clone());
        if !has_same_forks {
            (self.fold, self.since_point) = (fresh, 0);
            self.points.clear();
        } else if first.is_some_and(|first| Some(first) <= self.fold.last()) {
            self.points.retain(|point| point.last() < first);
            self.fold = self.points.last().cloned().unwrap_or(fresh);
            self.since_point = 0;
        }
        self.fold.meet(&self.lineage);
        let behind = self.fold.last().map_or(Bound::Unbounded, Bound::Excluded);
        for (key, pick) in shown.keys.range((behind, Bound::Unbounded)) {
            if !pick.is_deed {
                continue;
            }
            if self.since_point == POINT_EVERY {
                self.points.push(self.fold.clone());
                self.since_point = 0;
            }
            let payload = log.record(&key.stream, pick.offset).payload_bytes();
            self.fold.apply(*key, Offset::new(pick.offset), payload);
            self.since_point += 1;
        }
        self.check_standing(shown)
    }

    /// What counted here once counts (of what is still shown).
    fn check_standing(&mut self, shown: &Shown) -> Result<(), String> {
        let uncovered = self.uncovered(shown);
        let mut taken = uncovered.iter().filter(|key| !self.uncovered.contains(key));
        if let Some(key) = taken.find(|key| self.known.contains(key)) {
            return Err(format!("publish {key} counted in its account, and does not any more"));
        }
        self.uncovered = uncovered;
        self.known = shown.keys.values().filter(|own| own.is_deed).map(|own| own.key).collect();
        Ok(())
    }

    /// Publishes whose debit does not count.
    pub(super) fn uncovered(&self, shown: &Shown) -> BTreeSet<u64> {
        let bad = self.fold.accounts().filter(|account| account.uncovered_count() > 0);
        let keys = bad.flat_map(|account| account.violations()).filter_map(|one| match one {
            Violation::Uncovered { key, .. } => Some(shown.keys[&key].key),
            Violation::Overdrawn { .. } | Violation::Crowded { .. } => None,
        });
        keys.collect()
    }
}
