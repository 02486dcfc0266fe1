//! What happens to the world while nothing is quiet: faults begin, end, and begin again.
//!
//! Not here: which faults (`draw`). Begin with `World::begin`.

use crate::sim::app::{Publisher, Subscriber};
use crate::sim::check::Seen;
use crate::sim::draw::FaultKind;
use crate::sim::hostile::{Personality, Trait};
use crate::sim::log::ModelLog;
use crate::sim::network::address;
use crate::sim::node::Node;
use crate::sim::pond::Pond;
use crate::sim::random::Random;
use crate::sim::watcher::Watcher;
use crate::sim::world::{Event, World};
use millpond::event::{NodeKey, SwarmSecret, SwarmSecrets};
use millpond::sync::Input;
use std::time::Duration;

const SECRET: SwarmSecret = SwarmSecret::from_bytes([42; 32]);
const STRANGERS_SECRET: SwarmSecret = SwarmSecret::from_bytes([43; 32]);
/// Ten years in microseconds.
const SKEW_MAX: u64 = 10 * 365 * 24 * 3600 * 1_000_000;
/// Backups that are kept of one disk.
const BACKUPS_MAX: usize = 3;
/// One of so many reads fails while a disk gives errors.
const READ_FAILURE_ONE_IN: u32 = 5;

impl World {
    /// Makes the machines, starts them, and lets the faults of the plan begin.
    pub(super) fn begin(&mut self) {
        let members = self.plan.honest + self.plan.hostile.len();
        for index in 0..self.plan.machines() {
            let traits = index.checked_sub(self.plan.honest);
            let traits = traits.and_then(|at| self.plan.hostile.get(at).cloned());
            let node = self.make(index, traits);
            if !node.is_honest() {
                self.oracle.hostile.insert(node.id);
                if self.plan.hostile[index - self.plan.honest]
                    .iter()
                    .any(|one| one.is_believed_by_some())
                {
                    self.oracle.incomparable.insert(node.id);
                }
            }
            self.nodes.push(node);
        }
        for (from, to) in self.plan.links.clone() {
            self.nodes[from].links.push(to);
        }
        for node in 0..members {
            let after = self.random.time(Duration::ZERO, Duration::from_secs(2));
            self.schedule(after, Event::Start { node });
        }
        for fault in 0..self.plan.list.len() {
            let after = self.random.around(self.plan.list[fault].every);
            self.schedule(after, Event::Fault { fault });
        }
        if self.has_pond {
            self.schedule(Duration::from_secs(2), Event::Visit);
        }
        if self.plan.rot.is_some() {
            self.schedule(Duration::from_secs(5), Event::Rot);
        }
        if self.plan.lies.is_some() {
            self.schedule(Duration::from_secs(5), Event::Lie);
        }
        if let Some(seed) = self.plan.rotation {
            self.rotate(&mut Random::new(seed));
        }
    }

    /// Machine after machine is given the next secret, and later, when all have it, the former one
    /// is taken from each. Whoever was not let in keeps its own.
    fn rotate(&mut self, random: &mut Random) {
        let next = SECRET.next([44; 32]);
        let both = SwarmSecrets::new(next.clone(), [SECRET]).expect("they are of one swarm");
        for (secrets, from, to) in [(both, 2, 5), (next.into(), 6, 9)] {
            for node in 0..self.nodes.len() {
                let at = random.time(self.plan.chaos * from / 10, self.plan.chaos * to / 10);
                if self.nodes[node].secrets.swarm_id() == secrets.swarm_id() {
                    self.schedule(at, Event::Secrets { node, secrets: secrets.clone() });
                }
            }
        }
    }

    fn make(&mut self, index: usize, traits: Option<Vec<Trait>>) -> Node {
        let key = NodeKey::from_seed(&[index as u8 + 1; 32]);
        let id = key.node_id();
        let is_stranger = traits.as_ref().is_some_and(|all| all.contains(&Trait::Intrudes));
        let secret = if is_stranger { STRANGERS_SECRET } else { SECRET };
        let personality = traits.map(|traits| Personality::new(traits, self.random.fork()));
        Node {
            log: ModelLog::new(secret.swarm_id(), id),
            key,
            id,
            secrets: secret.into(),
            ghost: None,
            last: None,
            backups: Vec::new(),
            run: 0,
            live: None,
            frozen_until: Duration::ZERO,
            skew: 0,
            is_full: false,
            publisher: Publisher::default(),
            subscriber: Subscriber::default(),
            pond: Pond::default(),
            personality,
            links: Vec::new(),
            seen: Seen::default(),
            watcher: Watcher::default(),
            number_min: 0,
            is_clone: self.plan.has_spare && index + 1 == self.plan.machines(),
        }
    }

    /// A fault begins, and the next of its kind is set.
    pub(super) fn strike(&mut self, fault: usize) {
        if self.is_quiet {
            return;
        }
        let plan = self.plan.list[fault];
        let again = self.random.around(plan.every);
        self.schedule(self.now + again, Event::Fault { fault });
        self.figures.faults += 1;
        let node = self.random.below(self.plan.honest as u64) as usize;
        let lasts = self.random.around(plan.lasts).max(Duration::from_millis(1));
        self.note(node, format_args!("{:?} strikes for {lasts:?}", plan.kind));
        let of = match plan.kind {
            FaultKind::Partition | FaultKind::OneWay | FaultKind::Isolate | FaultKind::Clog => {
                return self.strike_paths(fault, node, lasts);
            }
            FaultKind::Crash => return self.crash(node, lasts),
            FaultKind::Pause => {
                let long = self.random.chance(0.1);
                let most = Duration::from_secs(if long { 3600 } else { 20 });
                let time = self.random.time(Duration::from_millis(50), lasts.min(most));
                return self.freeze(node, time);
            }
            FaultKind::Clock => {
                self.nodes[node].skew = self.random.below(2 * SKEW_MAX) as i64 - SKEW_MAX as i64;
                return;
            }
            FaultKind::Full => {
                self.nodes[node].is_full = true;
                node as u64
            }
            FaultKind::ReadErrors => {
                self.nodes[node].log.read_failure_one_in = READ_FAILURE_ONE_IN;
                node as u64
            }
            FaultKind::Tear => {
                self.crash(node, lasts);
                return self.tear(node);
            }
            FaultKind::Restore => return self.restore(node, lasts),
            FaultKind::Clone => return self.clone_disk(node, fault, lasts),
        };
        self.schedule(self.now + lasts, Event::Relief { fault, of });
    }

    fn strike_paths(&mut self, fault: usize, node: usize, lasts: Duration) {
        let size = self.plan.machines();
        let kind = self.plan.list[fault].kind;
        let side = self.random.next() | 1 << node;
        let other = self.random.below(size as u64) as usize;
        let mask = match kind {
            FaultKind::Isolate => 1 << node,
            _ => side,
        };
        if kind == FaultKind::Clog {
            let until = self.now + lasts;
            for (from, to) in self.paths(kind, mask, node, other) {
                self.net.clog(from, to, until);
            }
            return;
        }
        let number = self.cuts.len() as u64;
        let paths = self.paths(kind, mask, node, other);
        paths.iter().for_each(|(from, to)| self.net.cut(*from, *to));
        self.cuts.push(paths);
        self.schedule(self.now + lasts, Event::Relief { fault, of: number });
    }

    /// The directed paths between what is inside and what is outside.
    fn paths(&self, kind: FaultKind, mask: u64, node: usize, other: usize) -> Vec<(usize, usize)> {
        if kind == FaultKind::OneWay {
            return vec![(node, other)];
        }
        let size = self.plan.machines();
        let inside = |at: usize| mask >> (at % 64) & 1 == 1;
        let pairs = (0..size).flat_map(|from| (0..size).map(move |to| (from, to)));
        pairs.filter(|(from, to)| inside(*from) != inside(*to)).collect()
    }

    pub(super) fn relieve(&mut self, fault: usize, of: u64) {
        let node = of as usize;
        match self.plan.list[fault].kind {
            FaultKind::Partition | FaultKind::OneWay | FaultKind::Isolate => {
                let paths = std::mem::take(&mut self.cuts[node]);
                paths.iter().for_each(|(from, to)| self.net.mend(*from, *to));
            }
            FaultKind::Full => self.nodes[node].is_full = false,
            FaultKind::ReadErrors => self.nodes[node].log.read_failure_one_in = 0,
            FaultKind::Clone => self.kill(node),
            _ => unreachable!("no other fault ends by itself"),
        }
    }

    fn crash(&mut self, node: usize, down: Duration) {
        let keeps = self.random.chance(0.3);
        let backup = self.nodes[node].log.clone();
        self.kill(node);
        if keeps {
            let at = &mut self.nodes[node];
            // Only what is durable can be copied.
            let mut backup = backup;
            backup.take_back();
            at.backups.push(backup);
            let surplus = at.backups.len().saturating_sub(BACKUPS_MAX);
            at.backups.drain(..surplus);
        }
        self.schedule(self.now + down, Event::Start { node });
    }

    /// The disk goes back to an earlier state.
    fn restore(&mut self, node: usize, down: Duration) {
        let notices = self.random.chance(self.plan.notices);
        let honest = self.plan.honest;
        let mut others = (0..honest).map(|step| (node + step) % honest);
        let Some(node) = others.find(|other| !self.nodes[*other].backups.is_empty()) else {
            // Nothing to go back to yet: a backup is made for the next time.
            let mut backup = self.nodes[node].log.clone();
            backup.take_back();
            self.nodes[node].backups.push(backup);
            return;
        };
        self.kill(node);
        let choice = self.random.below(self.nodes[node].backups.len() as u64) as usize;
        self.figures.restores += 1;
        let at = &mut self.nodes[node];
        let lost: Vec<u64> = at.publisher.outstanding.keys().copied().collect();
        at.log = at.backups[choice].clone();
        at.log.read_failure_one_in = 0;
        (at.last, at.number_min) = (None, 0);
        if notices {
            at.log.move_on(false);
        }
        let id = at.id;
        self.oracle.may_repeat.extend(lost);
        self.oracle.may_fork.insert(id);
        self.disk_went_back(node);
        self.schedule(self.now + down, Event::Start { node });
    }

    /// A copy of the disk runs on the spare machine for a while.
    fn clone_disk(&mut self, node: usize, fault: usize, lasts: Duration) {
        let spare = self.plan.machines() - 1;
        if self.nodes[spare].live.is_some() {
            return;
        }
        let notices = self.random.chance(self.plan.notices);
        let (key, id) = (self.nodes[node].key.clone(), self.nodes[node].id);
        let mut log = self.nodes[node].log.clone();
        log.take_back();
        log.read_failure_one_in = 0;
        if notices {
            log.move_on(false);
        }
        let links = self.nodes[node].links.clone();
        let at = &mut self.nodes[spare];
        (at.key, at.id, at.log, at.links) = (key, id, log, links);
        (at.last, at.ghost) = (None, None);
        self.figures.restores += 1;
        self.oracle.may_fork.insert(id);
        self.start(spare);
        self.schedule(self.now + lasts, Event::Relief { fault, of: spare as u64 });
    }

    /// All faults end; whoever is to run runs, and can be reached.
    pub(super) fn calm(&mut self) {
        self.is_quiet = true;
        let mut random = self.random.fork();
        self.net.heal(&mut random);
        let members = self.plan.honest + self.plan.hostile.len();
        for node in 0..self.nodes.len() {
            let now = self.now;
            let at = &mut self.nodes[node];
            at.is_full = false;
            at.log.read_failure_one_in = 0;
            if at.frozen(now).is_some() {
                at.frozen_until = now;
                self.thaw(node);
            }
            let stays = self.nodes[node].is_honest() || self.plan.hostile_stay;
            if node >= members || !stays {
                self.kill(node);
            } else {
                self.start(node);
            }
        }
        for node in 0..self.plan.honest {
            let links = self.nodes[node].links.clone();
            for to in links {
                let (peer, addresses) = (self.nodes[to].id, vec![address(to)]);
                self.give(node, Input::AddPeer { peer, addresses });
            }
        }
    }
}
