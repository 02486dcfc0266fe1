//! What a seed stands for: which faults there are, how strong, who knows whom, and what is done.
//!
//! Rule: every kind of fault is there in some seeds and not in others, so that none hides another.
//! Begin with [`Plan::draw`].

use crate::sim::hostile::Trait;
use crate::sim::link::LinkProfile;
use crate::sim::random::Random;
use millpond::sync::SendCaps;
use std::time::Duration;

/// A kind of fault, and how often it strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FaultKind {
    /// Two sets that cannot reach each other.
    Partition,
    /// One direction of one path is gone.
    OneWay,
    /// One node reaches nobody.
    Isolate,
    /// Packets of some paths wait, then come all at once.
    Clog,
    /// A process is killed, and starts again later.
    Crash,
    /// A process stands still.
    Pause,
    /// A wall clock jumps.
    Clock,
    /// A disk is full.
    Full,
    /// A disk gives errors on reading.
    ReadErrors,
    /// A power cut shows that a disk lied about its last sync.
    Tear,
    /// A process is killed, and its disk goes back to an earlier state.
    Restore,
    /// A copy of a disk runs on another machine.
    Clone,
}

/// One fault of a plan.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fault {
    pub(super) kind: FaultKind,
    /// Mean time between two.
    pub(super) every: Duration,
    /// Mean time that one lasts.
    pub(super) lasts: Duration,
}

/// Probabilities of what disks do at any time.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct DiskFaults {
    pub(super) sync_failure: f64,
    pub(super) torn: f64,
}

/// Everything that is decided before a run begins.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) honest: usize,
    pub(super) hostile: Vec<Vec<Trait>>,
    /// A machine that a disk may be copied to.
    pub(super) has_spare: bool,
    /// Pairs of nodes, the first knows where the second is.
    pub(super) links: Vec<(usize, usize)>,
    pub(super) profiles: Vec<[LinkProfile; 2]>,
    pub(super) chaos: Duration,
    pub(super) list: Vec<Fault>,
    pub(super) faults: DiskFaults,
    /// Chance that a disk that goes back, or is copied, is noticed by its fingerprint.
    pub(super) notices: f64,
    pub(super) publish_every: Duration,
    pub(super) events_max: u64,
    pub(super) padding_max: u64,
    /// Share of publishes with padding.
    pub(super) padded: f64,
    /// Share of publishes that are tried again until they are answered.
    pub(super) retries: f64,
    pub(super) sync_time: (Duration, Duration),
    pub(super) open_delay: Duration,
    /// Hostile nodes go on in the quiet phase.
    pub(super) hostile_stay: bool,
    /// The swarm's secret is replaced; the seed of the times.
    pub(super) rotation: Option<u64>,
    /// Nodes dial whom their peers tell of, too.
    pub(super) learns: bool,
    /// How fast nodes may send.
    pub(super) caps: SendCaps,
    /// Nodes want certain events first.
    pub(super) has_priority: bool,
    /// In some processes somebody wants events before they are durable; the seed of which.
    pub(super) live: Option<u64>,
    /// Blocks rot on disks; the seed of which and when. Not where disks go back in time, so that
    /// somebody else has each of them to the end.
    pub(super) rot: Option<u64>,
    /// Nodes that are nowhere are announced; the seed of which and when.
    pub(super) lies: Option<u64>,
    /// Some nodes carry cargo; the seed of which, and how much.
    pub(super) freight: Option<u64>,
}

/// What an event takes without padding.
const EVENT_BYTES: f64 = 300.0;
/// Within this a capped node could send a peer all that is published.
const CAPPED: Duration = Duration::from_secs(60);
/// Bytes a second that every cap is above.
const CAP_MIN: u64 = 5000;

const KINDS: [(FaultKind, f64, u64, u64); 12] = [
    (FaultKind::Partition, 0.4, 15, 8),
    (FaultKind::OneWay, 0.25, 10, 6),
    (FaultKind::Isolate, 0.3, 15, 8),
    (FaultKind::Clog, 0.25, 12, 3),
    (FaultKind::Crash, 0.5, 15, 3),
    (FaultKind::Pause, 0.25, 20, 5),
    (FaultKind::Clock, 0.3, 15, 1),
    (FaultKind::Full, 0.2, 20, 6),
    (FaultKind::ReadErrors, 0.25, 15, 5),
    (FaultKind::Tear, 0.15, 20, 2),
    (FaultKind::Restore, 0.12, 25, 2),
    (FaultKind::Clone, 0.06, 30, 10),
];

impl Plan {
    pub(super) fn draw(random: &mut Random, seed: u64) -> Plan {
        let honest = match seed % 500 {
            250 => 20,
            499 => 50,
            _ => random.between(2, 7) as usize,
        };
        let is_large = honest > 10;
        let hostile = hostile(random, is_large);
        let list = faults(random, is_large);
        let nodes = honest + hostile.len();
        let has_spare = list.iter().any(|fault| fault.kind == FaultKind::Clone);
        let millis = Duration::from_millis;
        let slow_disk = random.chance(0.2);
        let pace = if is_large { 20_000 } else { 1000 };
        let mut plan = Plan {
            honest,
            links: links(random, honest, nodes),
            hostile,
            has_spare,
            profiles: profiles(random, nodes, is_large),
            chaos: Duration::from_secs(if is_large { 40 } else { random.between(40, 70) }),
            list,
            faults: DiskFaults {
                sync_failure: if random.chance(0.2) { 0.05 } else { 0.0 },
                torn: if random.chance(0.5) { 0.6 } else { 0.0 },
            },
            notices: *random.pick(&[0.0, 0.5, 1.0]),
            publish_every: millis(random.between(pace / 2, pace * 8)),
            events_max: if random.chance(0.05) && !is_large { 1500 } else { 20 },
            padding_max: *random.pick(&[0, 100, 2000, 60_000]),
            padded: *random.pick(&[0.1, 0.2, 0.2, 1.0]),
            retries: *random.pick(&[0.5, 1.0, 1.0]),
            sync_time: if slow_disk { (millis(1), millis(900)) } else { (millis(1), millis(12)) },
            open_delay: millis(random.between(1, 40)),
            hostile_stay: random.chance(0.5),
            // Not drawn, so that all else of a seed is what it would be without them; and none of
            // the seeds that were kept before has the last seven.
            rotation: (seed % 5 == 1).then_some(!seed),
            learns: matches!(seed % 13, 0 | 3 | 4 | 9),
            caps: SendCaps::default(),
            has_priority: matches!(seed % 17, 0 | 3 | 7 | 9 | 15),
            live: matches!(seed % 19, 3 | 4 | 6 | 8 | 10 | 16).then_some(!seed ^ 4 << 32),
            rot: matches!(seed % 23, 0 | 2 | 4 | 6 | 9 | 11 | 12 | 14 | 16)
                .then_some(!seed ^ 5 << 32),
            lies: matches!(seed % 29, 4 | 14 | 21 | 26).then_some(!seed ^ 6 << 32),
            freight: matches!(seed % 31, 0..=3 | 6 | 7 | 9..=11 | 13).then_some(!seed ^ 7 << 32),
        };
        let goes_back = [FaultKind::Tear, FaultKind::Restore, FaultKind::Clone];
        plan.rot = plan.rot.filter(|_| !plan.list.iter().any(|it| goes_back.contains(&it.kind)));
        plan.caps = plan.caps(seed);
        plan
    }

    /// Honest nodes in a row, each of which knows the one before, on paths of this profile; nothing
    /// happens but what paths do.
    pub(super) fn bare(honest: usize, profile: [LinkProfile; 2]) -> Plan {
        let far_off = Duration::from_secs(1 << 20);
        Plan {
            honest,
            hostile: Vec::new(),
            has_spare: false,
            links: (1..honest).map(|node| (node, node - 1)).collect(),
            profiles: vec![profile],
            chaos: far_off,
            list: Vec::new(),
            faults: DiskFaults::default(),
            notices: 0.0,
            publish_every: far_off,
            events_max: 1,
            padding_max: 0,
            padded: 0.0,
            retries: 0.0,
            sync_time: (Duration::from_millis(1), Duration::from_millis(2)),
            open_delay: Duration::from_millis(1),
            hostile_stay: false,
            rotation: None,
            learns: false,
            caps: SendCaps::default(),
            has_priority: false,
            live: None,
            rot: None,
            lies: None,
            freight: None,
        }
    }

    /// Machines in all.
    pub(super) fn machines(&self) -> usize {
        self.honest + self.hostile.len() + usize::from(self.has_spare)
    }

    /// Somebody publishes lamports out of the blue, so honest streams may have to wait.
    pub(super) fn is_poisoned(&self) -> bool {
        self.hostile.iter().flatten().any(|one| *one == Trait::Poisons)
    }
}

impl Plan {
    /// In a third of all seeds nodes may send only so much a second: to each, to all, or both. What
    /// is published could pass within a part of the quiet phase.
    fn caps(&self, seed: u64) -> SendCaps {
        let mut random = Random::new(!seed ^ 1 << 32);
        let publishes = self.honest as f64 * self.chaos.div_duration_f64(self.publish_every);
        let events = publishes * (0.9 + 0.05 * self.events_max as f64);
        let bytes = events * (EVENT_BYTES + self.padded * 0.5 * self.padding_max as f64);
        let each = (bytes / CAPPED.as_secs_f64()) as u64 + CAP_MIN;
        let mut cap = |peers: u64| {
            let times = *random.pick(&[1, 2, 10]);
            random.chance(0.6).then_some(peers * each * times)
        };
        match seed % 11 {
            0 | 3 | 5 | 8 => SendCaps { all_peers: cap(self.honest as u64), each_peer: cap(1) },
            _ => SendCaps::default(),
        }
    }
}

fn hostile(random: &mut Random, is_large: bool) -> Vec<Vec<Trait>> {
    let count = match random.below(10) {
        0..=5 => 0,
        6..=8 => 1,
        _ => 2,
    };
    let count = if is_large { 0 } else { count };
    let one = |random: &mut Random| {
        let count = random.between(1, 2);
        (0..count).map(|_| *random.pick(&Trait::ALL)).collect()
    };
    (0..count).map(|_| one(random)).collect()
}

fn faults(random: &mut Random, is_large: bool) -> Vec<Fault> {
    let mut list = Vec::new();
    for (kind, share, every, lasts) in KINDS {
        if random.chance(share) && !(is_large && kind == FaultKind::Clone) {
            let strength = *random.pick(&[500, 1000, 2000]);
            list.push(Fault {
                kind,
                every: Duration::from_millis(every * strength),
                lasts: Duration::from_millis(lasts * random.between(200, 2000)),
            });
        }
    }
    list
}

/// Honest nodes are connected with each other one way or another; hostile ones with some.
fn links(random: &mut Random, honest: usize, nodes: usize) -> Vec<(usize, usize)> {
    let mut links = Vec::new();
    let shape = if honest > 10 { 2 } else { random.below(5) };
    for node in 1..honest {
        match shape {
            0 => links.push((node, node - 1)),
            1 => links.push((node, 0)),
            2 => {
                let count = random.between(1, 3).min(node as u64);
                (0..count).for_each(|_| links.push((node, random.below(node as u64) as usize)));
            }
            3 => (0..node).for_each(|other| links.push((node, other))),
            _ => (0..node).for_each(|other| links.extend([(node, other), (other, node)])),
        }
    }
    for node in honest..nodes {
        for other in 0..honest {
            if other == 0 || random.chance(0.6) {
                let both = [(node, other), (other, node)];
                let first = random.below(2) as usize;
                links.extend(&both[first..=first]);
            }
        }
    }
    links.sort_unstable();
    links.dedup();
    links
}

fn profiles(random: &mut Random, nodes: usize, is_large: bool) -> Vec<[LinkProfile; 2]> {
    let named = |name: &str| LinkProfile::named_by_packets(name).expect("a name of the list");
    let good = ["lan", "good_wifi"];
    let all: Vec<&str> = LinkProfile::NAMES.into_iter().filter(|name| *name != "one_way").collect();
    let style = if is_large { 0 } else { random.below(3) };
    let one = *random.pick(&all);
    let flips = random.chance(0.15);
    let pairs = nodes * (nodes + 1) / 2;
    let draw = |random: &mut Random| match style {
        0 => named(random.pick::<&str>(&good)),
        1 => named(one),
        _ => named(random.pick::<&str>(&all)),
    };
    let mut profiles: Vec<[LinkProfile; 2]> = (0..pairs).map(|_| draw(random)).collect();
    if flips {
        for profile in profiles.iter_mut().flatten() {
            profile.flip = 0.01;
            profile.duplicate = profile.duplicate.max(0.05);
            profile.reorder = profile.reorder.max(0.05);
            profile.reorder_by = Duration::from_millis(300);
        }
    }
    profiles
}
