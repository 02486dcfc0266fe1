//! How many peers a node has that nobody named, and which: enough, by chance, and no more.
//!
//! - Peers that were named are always dialled. With fewer than `MESH_DEGREE` sessions, and dials
//!   under way, found ones are dialled, too, each time one that chance picks.
//! - Of found nodes that never had a session only so many are dialled in a time, however many
//!   there are and wherever they are said to be: whoever makes nodes up, and answers for them at
//!   once, must not keep us dialling. Their dials take no place of a node that had a session, and
//!   none of another one for longer than an answer takes.
//! - A node that has its degree dials one now and then of which none of its peers has told: so two
//!   parts of a swarm that are full in themselves meet.
//! - With more than `MESH_DEGREE_MAX` sessions a node ends some that both sides can spare.
//!
//! Not here: addresses, and pauses between dials (`book`); who of those that wait comes first
//! (`found`).
//! Rule: chance comes from the node's run, so equal inputs give equal outputs.
//! Begin with [`Swarm::dial`]. Source: docs/protocol.md, "Connections".

use crate::event::NodeId;
use crate::planted;
use crate::sync::constants::{
    MESH_DEGREE, MESH_DEGREE_MAX, MESH_DIALS_MAX, MESH_PROBE, MESH_PROBE_MAX, MESH_TRIM,
    UNMET_DIAL_ANSWER, UNMET_DIAL_BURST, UNMET_DIAL_PACE, UNMET_PATIENCE,
};
use crate::sync::found::Choice;
use crate::sync::io::{ConnectionId, Output};
use crate::sync::refusal::RefusalReason;
use crate::sync::session::Session;
use crate::sync::swarm::{End, Swarm};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// When to look at the mesh next, and what chance does with it.
#[derive(Debug)]
pub(crate) struct Mesh {
    chance: Chance,
    /// When to dial a node that nobody has told of; none while that makes no sense.
    probe_at: Option<Instant>,
    probe_pause: Duration,
    /// When to end a session that is too many.
    trim_at: Option<Instant>,
    /// When all dials of nodes that never had a session would have begun, one after the other at
    /// their pace.
    unmet_until: Option<Instant>,
    /// When to see whether the next of them may be dialled; none while nobody waits for that.
    pace_at: Option<Instant>,
    /// When a dial of one of them takes no place any more; none while nobody waits for that.
    place_at: Option<Instant>,
    /// Since when we lack peers.
    lacking_since: Option<Instant>,
    /// The next dial of one of them goes to who waits longest, if we lack peers for long.
    is_longest_next: bool,
}

/// How many more found peers may be dialled.
struct Room {
    /// Of those that had a session.
    met: usize,
    /// Of those that wait and never had one.
    unmet: usize,
}

impl Mesh {
    pub(crate) fn new(node: &NodeId, instance: &[u8; 8]) -> Mesh {
        let chance = Chance::new(node, instance);
        Mesh {
            chance,
            probe_at: None,
            probe_pause: MESH_PROBE,
            trim_at: None,
            unmet_until: None,
            pace_at: None,
            place_at: None,
            lacking_since: None,
            is_longest_next: false,
        }
    }

    /// When there is something to do.
    pub(crate) fn next(&self) -> Option<Instant> {
        [self.probe_at, self.trim_at, self.pace_at, self.place_at].into_iter().flatten().min()
    }

    /// True when a node that never had a session may be dialled now; else there is a time for it.
    fn may_dial_unmet(&mut self, now: Instant) -> bool {
        let until = self.unmet_until.map_or(now, |until| until.max(now));
        let is_free = until < now + UNMET_DIAL_PACE * UNMET_DIAL_BURST
            || planted!("made_up_nodes_dialled_without_pace");
        let next = self.pace_at.unwrap_or(now + UNMET_DIAL_PACE);
        self.pace_at = (!is_free).then_some(next);
        is_free
    }

    /// A node that never had a session is dialled.
    fn dialed_unmet(&mut self, now: Instant) {
        let until = self.unmet_until.map_or(now, |until| until.max(now));
        self.unmet_until = Some(until + UNMET_DIAL_PACE);
        self.is_longest_next = !self.is_longest_next;
    }

    /// Takes in what time it is, and whether we lack peers.
    fn see(&mut self, now: Instant, is_lacking: bool) {
        self.pace_at = self.pace_at.filter(|at| *at > now);
        self.place_at = None;
        self.lacking_since = is_lacking.then(|| self.lacking_since.unwrap_or(now));
    }

    /// Who of those that wait comes first.
    fn choice(&self, unmet_too: bool, now: Instant) -> Choice {
        let is_long = self.lacking_since.is_some_and(|since| now >= since + UNMET_PATIENCE);
        match unmet_too {
            false => Choice::Met,
            true if is_long && self.is_longest_next => Choice::Longest,
            true => Choice::Least,
        }
    }

    /// Somebody was lost or found: parts of the swarm may have come apart, or together.
    pub(crate) fn unsettle(&mut self, now: Instant) {
        self.probe_pause = MESH_PROBE;
        let soon = now + self.chance.within(MESH_PROBE * 2);
        self.probe_at = self.probe_at.map(|at| at.min(soon));
    }

    fn is_due(&self, now: Instant) -> bool {
        self.next().is_some_and(|at| at <= now)
    }
}

impl Swarm {
    /// Dials whom it is time to dial, and sees to the number of peers.
    pub(crate) fn dial(&mut self) {
        let now = self.shared.now;
        self.plan_probe();
        self.mesh.see(now, self.shared.admitted.len() < MESH_DEGREE);
        let is_due = self.book.next().is_some_and(|at| at <= now);
        let may_dial = !self.is_full() && (is_due || self.is_wanting());
        if !may_dial && !self.mesh.is_due(now) {
            return;
        }
        let taken: BTreeSet<NodeId> = self.sessions.values().map(|session| session.peer).collect();
        if may_dial {
            while let Some(peer) = self.book.next_dial(now, |peer| taken.contains(peer)) {
                self.put_dial(peer);
            }
            self.dial_found(&taken);
        }
        if self.mesh.probe_at.is_some_and(|at| at <= now) {
            self.probe(&taken);
        }
        if self.mesh.trim_at.is_some_and(|at| at <= now) {
            self.trim();
        }
    }

    /// A session began: there may be one too many now.
    pub(crate) fn plan_trim(&mut self) {
        let is_too_many = self.shared.admitted.len() > MESH_DEGREE_MAX;
        if is_too_many && self.mesh.trim_at.is_none() {
            self.mesh.trim_at = Some(self.shared.now + self.mesh.chance.around(MESH_TRIM));
        }
    }

    fn put_dial(&mut self, peer: NodeId) {
        let entry = self.book.get(&peer).expect("it is in the book");
        let (named, discovered) = (entry.named.clone(), entry.unnamed());
        if !entry.is_met() {
            self.mesh.dialed_unmet(self.shared.now);
        }
        self.shared.outputs.push_back(Output::Dial { peer, named, discovered });
    }

    /// True when a found peer is needed and may be dialled now.
    fn is_wanting(&mut self) -> bool {
        let waiting = self.book.waiting();
        let waits_met = waiting.met_count() > 0;
        if !waits_met && waiting.unmet_count() == 0 {
            return false;
        }
        let room = self.room();
        (waits_met && room.met > 0) || (room.unmet > 0 && self.mesh.pace_at.is_none())
    }

    /// How many found peers may be dialled now, up to the degree.
    fn room(&mut self) -> Room {
        let now = self.shared.now;
        let admitted = &self.shared.admitted;
        let is_greeting = |session: &&Session| {
            session.dialed && !session.is_admitted() && !self.book.is_dialing(&session.peer)
        };
        let greeting = self.sessions.values().filter(is_greeting).map(|session| &session.peer);
        let soon = greeting.chain(self.book.dialing()).filter(|peer| !admitted.contains_key(peer));
        // Sessions that may come about, and until when those count that are with made-up nodes.
        let (mut met, mut unmet, mut until) = (0, 0, None);
        for entry in soon.filter_map(|peer| self.book.get(peer)) {
            let answer_at = entry.dialed_at.map(|at| at + UNMET_DIAL_ANSWER);
            if entry.is_met() {
                met += 1;
            } else if let Some(at) = answer_at.filter(|at| *at > now) {
                unmet += 1;
                until = Some(until.map_or(at, |earlier: Instant| earlier.min(at)));
            }
        }
        let waiting = self.book.waiting();
        let is_crowd = waiting.met_count() + waiting.unmet_count() > MESH_DEGREE;
        // Not all at once, since others dial us meanwhile.
        let at_once = if is_crowd { MESH_DIALS_MAX } else { MESH_DEGREE };
        let met = MESH_DEGREE.saturating_sub(admitted.len() + met);
        let free = met.min(at_once).saturating_sub(unmet);
        let unmet_waits = met > 0 && waiting.unmet_count() > 0;
        self.mesh.place_at = until.filter(|_| unmet_waits && free == 0);
        Room { met, unmet: if unmet_waits { free } else { 0 } }
    }

    /// Dials found peers up to the degree.
    fn dial_found(&mut self, taken: &BTreeSet<NodeId>) {
        let now = self.shared.now;
        loop {
            let room = self.room();
            let unmet_too = room.unmet > 0 && self.mesh.may_dial_unmet(now);
            if room.met == 0 || (!unmet_too && self.book.waiting().met_count() == 0) {
                return;
            }
            let choice = self.mesh.choice(unmet_too, now);
            let chance = &mut self.mesh.chance;
            let is_taken = |peer: &NodeId| taken.contains(peer);
            let pick = |count| chance.below(count);
            let found = self.book.dial_waiting(now, choice, is_taken, pick);
            let Some(peer) = found else { return };
            self.put_dial(peer);
        }
    }

    /// There is sense in looking for parts that nobody tells of while we have our degree.
    fn plan_probe(&mut self) {
        let is_settled = self.shared.admitted.len() >= MESH_DEGREE && !self.is_full();
        let waiting = self.book.waiting();
        let is_known = waiting.met_count() + waiting.unmet_count() > 0;
        let mesh = &mut self.mesh;
        if !is_settled || !is_known {
            mesh.probe_at = None;
        } else if mesh.probe_at.is_none() {
            mesh.probe_at = Some(self.shared.now + mesh.chance.within(mesh.probe_pause * 2));
        }
    }

    /// Dials a node of which no peer has told, if there is one.
    fn probe(&mut self, taken: &BTreeSet<NodeId>) {
        let now = self.shared.now;
        let listed = self.sessions.values().flat_map(|session| &session.peers);
        let heard: BTreeSet<NodeId> = taken.iter().chain(listed).copied().collect();
        let unmet_too = self.mesh.may_dial_unmet(now);
        let chance = &mut self.mesh.chance;
        let found = self.book.dial_waiting_of(
            now,
            unmet_too,
            |peer| !heard.contains(peer),
            |count| chance.below(count),
        );
        self.mesh.probe_at = Some(now + self.mesh.chance.within(self.mesh.probe_pause * 2));
        self.mesh.probe_pause = (self.mesh.probe_pause * 2).min(MESH_PROBE_MAX);
        if let Some(peer) = found {
            self.put_dial(peer);
        }
    }

    /// Ends a session that both sides can spare: of those the one with the most peers in common,
    /// so that a link between two parts of a swarm stays; then the oldest.
    fn trim(&mut self) {
        let now = self.shared.now;
        self.mesh.trim_at = None;
        if self.shared.admitted.len() <= MESH_DEGREE_MAX {
            return;
        }
        let spare = self.sessions.values().filter(|session| self.can_spare(session));
        let common = |session: &Session| {
            let is_ours = |peer: &&NodeId| self.shared.admitted.contains_key(peer);
            session.peers.iter().filter(is_ours).count()
        };
        let best =
            spare.max_by_key(|session| (common(session), std::cmp::Reverse(session.connection)));
        let best: Option<(ConnectionId, NodeId)> =
            best.map(|session| (session.connection, session.peer));
        if let Some((connection, peer)) = best {
            self.book.spared(&peer, now);
            self.end(connection, End::ByUs(RefusalReason::EnoughPeers.into()));
        }
        self.mesh.trim_at = Some(now + self.mesh.chance.around(MESH_TRIM));
    }

    /// True when nobody asked for this session and neither side falls below its degree without it.
    fn can_spare(&self, session: &Session) -> bool {
        let is_kept = self.book.get(&session.peer).is_some_and(|entry| entry.is_wanted());
        // Its list is without us: with us it has more than its degree.
        let peer_can = session.peers.len() >= MESH_DEGREE;
        let is_idle =
            self.shared.fetches.load(session.connection) == 0 && session.wanted.is_empty();
        session.is_admitted() && !is_kept && peer_can && is_idle
    }
}

/// Numbers that look random and follow from the node and its run.
#[derive(Debug)]
struct Chance {
    seed: blake3::Hasher,
    drawn: u64,
}

impl Chance {
    fn new(node: &NodeId, instance: &[u8; 8]) -> Chance {
        let mut seed = blake3::Hasher::new_derive_key("millpond mesh chance");
        seed.update(node.as_bytes()).update(instance);
        Chance { seed, drawn: 0 }
    }

    fn next(&mut self) -> u64 {
        self.drawn += 1;
        let mut hasher = self.seed.clone();
        hasher.update(&self.drawn.to_le_bytes());
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
        u64::from_le_bytes(bytes)
    }

    /// From 0 to `bound` − 1, which must be at least 1.
    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    /// From nothing to `most`, so that nodes do not act in step.
    fn within(&mut self, most: Duration) -> Duration {
        most.mul_f64((self.next() % 1024) as f64 / 1024.0)
    }

    /// From three quarters of `mean` to five quarters.
    fn around(&mut self, mean: Duration) -> Duration {
        mean.mul_f64(0.75 + (self.next() % 1024) as f64 / 2048.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chance_depends_on_the_node_and_its_run_and_on_nothing_else() {
        let (one, other) = (NodeId::from_bytes([1; 32]), NodeId::from_bytes([2; 32]));
        let draw = |node: &NodeId, instance: [u8; 8]| {
            let mut chance = Chance::new(node, &instance);
            [(); 8].map(|()| chance.below(1000))
        };
        assert_eq!(draw(&one, [1; 8]), draw(&one, [1; 8]));
        assert_ne!(draw(&one, [1; 8]), draw(&one, [2; 8]));
        assert_ne!(draw(&one, [1; 8]), draw(&other, [1; 8]));
        let mut chance = Chance::new(&one, &[0; 8]);
        for _ in 0..100 {
            let time = chance.around(MESH_PROBE);
            assert!(time >= MESH_PROBE * 3 / 4 && time < MESH_PROBE * 5 / 4);
        }
    }
}
