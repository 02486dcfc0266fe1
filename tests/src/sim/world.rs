//! The simulated world: nodes, paths, disks and time in one thread. Equal seeds give equal runs.
//!
//! Not here: what a node does (`node`), what happens to it (`chaos`), what must hold (`check`).
//! Rule: time moves only from one event of the queue to the next; nothing asks a clock, and nothing
//! is read from a map without an order. Begin with [`World::run_until`].

use crate::sim::agenda::Agenda;
use crate::sim::draw::Plan;
use crate::sim::network::{Network, What};
use crate::sim::node::Node;
use crate::sim::oracle::Oracle;
use crate::sim::pond::Session;
use crate::sim::random::Random;
use millpond::event::{EventRange, NodeId, SwarmSecrets};
use millpond::sync::{ConnectionId, Input, Lane};
use std::collections::hash_map::DefaultHasher;
use std::fmt;
use std::hash::Hasher;
use std::time::{Duration, Instant};

/// Everything, at a moment.
pub(super) struct World {
    pub(super) now: Duration,
    epoch: Instant,
    pub(super) random: Random,
    agenda: Agenda<Event>,
    pub(super) nodes: Vec<Node>,
    pub(super) net: Network,
    pub(super) plan: Plan,
    pub(super) oracle: Oracle,
    pub(super) figures: Figures,
    pub(super) trace: Trace,
    pub(super) violation: Option<Violation>,
    pub(super) is_quiet: bool,
    /// All nodes hold the same, and what stands now must go on standing.
    pub(super) is_settled_for_good: bool,
    pub(super) next_key: u64,
    /// Applications of the Pond run, by chance of their own.
    pub(super) has_pond: bool,
    pub(super) pond_random: Random,
    pub(super) session: Session,
    /// Chance of what rots, and of what is said of nodes that are nowhere.
    pub(super) rot_random: Random,
    pub(super) lie_random: Random,
    /// Paths that partitions cut, by their number.
    pub(super) cuts: Vec<Vec<(usize, usize)>>,
}

/// What happens at a time.
#[derive(Debug)]
pub(super) enum Event {
    /// A packet arrives at an end of a connection.
    Packet {
        pipe: u64,
        to: usize,
        what: What,
    },
    /// Frames have left the transport's queue.
    Sent {
        node: usize,
        connection: ConnectionId,
        lane: Lane,
        bytes: usize,
    },
    Probe {
        pipe: u64,
        end: usize,
    },
    Idle {
        pipe: u64,
        end: usize,
    },
    DialAgain {
        pipe: u64,
    },
    Farewell {
        pipe: u64,
        end: usize,
    },
    /// The swarm asked for this time.
    Timer {
        node: usize,
        run: u64,
    },
    /// A block was opened.
    Opened {
        node: usize,
        run: u64,
        block: u64,
    },
    /// A sync ends.
    Synced {
        node: usize,
        run: u64,
    },
    /// The loop hears of what became durable.
    Durable {
        node: usize,
        run: u64,
    },
    Publish {
        node: usize,
        run: u64,
    },
    Retry {
        node: usize,
        run: u64,
        key: u64,
    },
    Deliver {
        node: usize,
        run: u64,
    },
    /// The account's application decides.
    Decide {
        node: usize,
        run: u64,
    },
    /// The session comes to a node.
    Visit,
    /// A block of some disk rots.
    Rot,
    /// Nodes that are nowhere are announced.
    Lie,
    /// There is more cargo for a session.
    Freight {
        node: usize,
        run: u64,
        connection: ConnectionId,
    },
    /// Somebody else has answered a dial.
    DialFailed {
        node: usize,
        run: u64,
        peer: NodeId,
    },
    /// A log has written the events of a block that had.
    Repaired {
        node: usize,
        run: u64,
        range: Box<EventRange>,
    },
    Start {
        node: usize,
    },
    Thaw {
        node: usize,
        run: u64,
    },
    /// A fault of the plan begins, by its place in the plan.
    Fault {
        fault: usize,
    },
    /// It ends, with the number it was begun with.
    Relief {
        fault: usize,
        of: u64,
    },
    Mischief {
        node: usize,
        run: u64,
    },
    /// A machine is given other secrets.
    Secrets {
        node: usize,
        secrets: SwarmSecrets,
    },
}

/// What a run amounted to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Figures {
    /// Simulated time.
    pub time: Duration,
    /// Steps of the world.
    pub steps: u64,
    /// Events that were published and acknowledged.
    pub events: u64,
    /// Processes that were killed.
    pub crashes: u64,
    /// Faults of every kind, packets that were lost or damaged among them.
    pub faults: u64,
    /// Disks that were restored or copied.
    pub restores: u64,
    /// Forks that a disk stored.
    pub forks: u64,
    /// Frames that were sent.
    pub frames: u64,
    /// Events that honest nodes were shown before they were durable.
    pub early: u64,
    /// Blocks that had rotted and were put back.
    pub repairs: u64,
    /// Frames of cargo that came to who looks into it.
    pub cargo: u64,
}

/// A rolling hash of everything that can be observed.
#[derive(Debug, Default)]
pub(super) struct Trace {
    hasher: DefaultHasher,
    pub(super) is_shown: bool,
}

/// What does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The step after which it did not.
    pub step: u64,
    /// Simulated time.
    pub at: Duration,
    /// The node, if it is one's.
    pub node: Option<usize>,
    /// What is the case.
    pub what: String,
}

impl World {
    pub(super) fn new(
        plan: Plan,
        mut random: Random,
        is_shown: bool,
        (has_pond, pond_random): (bool, Random),
    ) -> World {
        #[allow(clippy::disallowed_methods)] // Any start will do; all else is relative to it.
        let epoch = Instant::now();
        let size = plan.machines();
        let net = Network::new(size, &plan.profiles, &mut random);
        let rot_random = Random::new(plan.rot.unwrap_or_default());
        let lie_random = Random::new(plan.lies.unwrap_or_default());
        World {
            now: Duration::ZERO,
            epoch,
            random,
            agenda: Agenda::new(),
            nodes: Vec::new(),
            net,
            plan,
            oracle: Oracle::default(),
            figures: Figures::default(),
            trace: Trace { is_shown, ..Trace::default() },
            violation: None,
            is_quiet: false,
            is_settled_for_good: false,
            next_key: 1,
            has_pond,
            pond_random,
            session: Session::default(),
            rot_random,
            lie_random,
            cuts: Vec::new(),
        }
    }

    pub(super) fn schedule(&mut self, at: Duration, event: Event) {
        self.agenda.put(at.max(self.now), event);
    }

    /// The moment as a swarm is told it.
    pub(super) fn instant(&self) -> Instant {
        self.epoch + self.now
    }

    /// The simulated time of a moment.
    pub(super) fn time_of(&self, instant: Instant) -> Duration {
        instant.saturating_duration_since(self.epoch)
    }

    /// Lets time pass until `end`, a violation, or step `until`; false when it stopped early.
    pub(super) fn run_until(&mut self, end: Duration, until: u64) -> bool {
        while self.violation.is_none() {
            if self.figures.steps >= until {
                return false;
            }
            let Some((at, event)) = self.agenda.next_until(end) else {
                self.now = end;
                return true;
            };
            self.now = at;
            self.figures.steps += 1;
            self.step(event);
        }
        false
    }

    fn step(&mut self, event: Event) {
        match event {
            Event::Packet { pipe, to, what } => self.arrive(pipe, to, what),
            Event::Sent { node, connection, lane, bytes } => {
                self.sent(node, connection, lane, bytes);
            }
            Event::Probe { pipe, end } => self.probe(pipe, end),
            Event::Idle { pipe, end } => self.check_idle(pipe, end),
            Event::DialAgain { pipe } => self.dial_again(pipe),
            Event::Farewell { pipe, end } => self.say_goodbye(pipe, end, true),
            Event::Fault { fault } => self.strike(fault),
            Event::Relief { fault, of } => self.relieve(fault, of),
            Event::Start { node } => self.start(node),
            Event::Visit => self.visit(),
            Event::Rot => self.rot(),
            Event::Lie => self.lie(),
            Event::Secrets { node, secrets } => self.set_secrets(node, secrets),
            other => self.step_of_process(other),
        }
    }

    /// What concerns one process: nothing when it has ended, and later when it is frozen.
    fn step_of_process(&mut self, event: Event) {
        let (node, run) = match event {
            Event::Timer { node, run }
            | Event::Opened { node, run, .. }
            | Event::Repaired { node, run, .. }
            | Event::Synced { node, run }
            | Event::Durable { node, run }
            | Event::Publish { node, run }
            | Event::Retry { node, run, .. }
            | Event::Deliver { node, run }
            | Event::Decide { node, run }
            | Event::Freight { node, run, .. }
            | Event::DialFailed { node, run, .. }
            | Event::Thaw { node, run }
            | Event::Mischief { node, run } => (node, run),
            _ => unreachable!("the others concern no process"),
        };
        if self.nodes[node].run != run || self.nodes[node].live.is_none() {
            return;
        }
        if let Some(thaw) = self.nodes[node].frozen(self.now) {
            return self.schedule(thaw, event);
        }
        match event {
            Event::Timer { .. } => self.tick(node),
            Event::Opened { block, .. } => self.opened(node, block),
            Event::Repaired { range, .. } => self.repaired(node, &range),
            Event::Synced { .. } => self.synced(node),
            Event::Durable { .. } => self.tell_durable(node),
            Event::Publish { .. } => self.publish(node),
            Event::Retry { key, .. } => self.retry(node, key),
            Event::Deliver { .. } => self.deliver(node),
            Event::Decide { .. } => self.decide(node),
            Event::Freight { connection, .. } => self.load_more(node, connection),
            Event::DialFailed { peer, .. } => self.give(node, Input::DialFailed { peer }),
            Event::Thaw { .. } => self.thaw(node),
            Event::Mischief { .. } => self.mischief(node),
            _ => unreachable!("the others concern no process"),
        }
    }

    pub(super) fn violated(&mut self, node: Option<usize>, what: impl Into<String>) {
        if self.violation.is_none() {
            let (step, at) = (self.figures.steps, self.now);
            self.violation = Some(Violation { step, at, node, what: what.into() });
        }
    }

    /// Notes what happened, and shows it when that was asked for.
    pub(super) fn note(&mut self, node: usize, what: fmt::Arguments<'_>) {
        if self.trace.is_shown {
            eprintln!(
                "{:>8} {:>12.6} {node:>3} {what}",
                self.figures.steps,
                self.now.as_secs_f64()
            );
        }
    }

    /// Adds to the trace.
    pub(super) fn observe(&mut self, node: usize, kind: u8, bytes: &[u8]) {
        let hasher = &mut self.trace.hasher;
        hasher.write_u64(self.now.as_nanos() as u64);
        hasher.write_u64((node as u64) << 8 | u64::from(kind));
        hasher.write(bytes);
    }

    /// The trace so far.
    pub(super) fn fingerprint(&self) -> u64 {
        self.trace.hasher.finish()
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let node = self.node.map_or("all nodes".to_owned(), |node| format!("node {node}"));
        write!(f, "step {}, {:.3} s, {node}: {}", self.step, self.at.as_secs_f64(), self.what)
    }
}
