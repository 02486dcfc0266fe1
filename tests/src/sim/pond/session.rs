//! Somebody who goes from node to node with a token, and reads and writes (I9): reads its own
//! writes, never sees less than before, and what it writes sorts after all that it has read.

use crate::sim::group::{Publish, Receipt, Request};
use crate::sim::world::{Event, World};
use millpond::event::{Lamport, NodeId, OffsetMap};
use millpond::planted;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Mean time between two visits.
const VISIT_EVERY: Duration = Duration::from_secs(3);

#[derive(Default)]
pub(in crate::sim) struct Session {
    token: OffsetMap,
    /// Publishes that it has seen or written, and whose they are.
    seen: BTreeMap<u64, NodeId>,
    /// The greatest lamport among them.
    lamport: Option<Lamport>,
    /// Publishes of its own that were not answered yet, and what it had seen before each.
    writing: BTreeMap<u64, Option<Lamport>>,
}

impl World {
    /// The session comes to a node: it reads, if the node has what it has seen, and may write.
    pub(in crate::sim) fn visit(&mut self) {
        let after = self.pond_random.around(VISIT_EVERY);
        self.schedule(self.now + after, Event::Visit);
        let node = self.pond_random.below(self.plan.honest as u64) as usize;
        let is_awake =
            self.nodes[node].live.is_some() && self.nodes[node].frozen(self.now).is_none();
        if !is_awake || !self.desk_refreshes(node) {
            return;
        }
        let at = &self.nodes[node];
        let mut token = self.session.token.clone();
        at.log.translate(&mut token);
        let durable = at.pond.shown.offsets.clone();
        if !durable.covers(&token) && !planted!("session_does_not_wait") {
            return;
        }
        let shown = &at.pond.shown;
        let held: BTreeSet<u64> = shown.keys.values().map(|pick| pick.key).collect();
        let stands = |by: &NodeId| !self.oracle.may_lose(by) && !self.oracle.hostile.contains(by);
        let mut seen = self.session.seen.iter();
        if let Some((key, _)) = seen.find(|(key, by)| stands(by) && !held.contains(key)) {
            let what = format!("a session has seen publish {key}, and does not see it here");
            return self.violated(Some(node), what);
        }
        for (key, pick) in &shown.keys {
            self.session.seen.insert(pick.key, key.stream.node);
        }
        let last = shown.keys.last_key_value().map(|(key, _)| key.lamport);
        self.session.lamport = self.session.lamport.max(last);
        self.session.token.join(&durable);
        if self.pond_random.chance(0.4) && !self.is_quiet {
            // One of those that are read by key.
            let key = self.next_key + (13 - self.next_key % 8) % 8;
            self.next_key = key + 1;
            self.session.writing.insert(key, self.session.lamport);
            let publish = Publish { key, count: 1, padding: 0, deed: None };
            self.request(node, Request::Append(publish));
        }
    }

    /// What the session wrote is durable.
    pub(in crate::sim) fn session_wrote(&mut self, node: usize, key: u64, receipt: Receipt) {
        let Some(before) = self.session.writing.remove(&key) else { return };
        let lamport = self.nodes[node].log.record(&receipt.stream, receipt.first).lamport();
        if Some(lamport) <= before {
            let what =
                format!("publish {key} has lamport {lamport}, and its writer saw {before:?}");
            return self.violated(Some(node), what);
        }
        self.session.token.raise(receipt.stream, receipt.first + receipt.count);
        self.session.seen.insert(key, receipt.stream.node);
    }
}
