//! One simulated node: the real swarm, the model log, and the glue between them, as the driver's.
//!
//! Outputs are performed until the swarm waits; blocks are opened later and in any order; heads are
//! told when they are durable, several steps of a stream as one.
//! Not here: the disk's sync (`disk`), applications (`app`), the wire (`network`).
//! Begin with `World::give`.

use crate::sim::app::{Publisher, Subscriber};
use crate::sim::caps::Spent;
use crate::sim::check::Seen;
use crate::sim::freight::Freight;
use crate::sim::group::{Group, Receipt, Request};
use crate::sim::hostile::Personality;
use crate::sim::liar;
use crate::sim::log::{ModelLog, PRIORITY};
use crate::sim::network::address;
use crate::sim::pond::Pond;
use crate::sim::watcher::Watcher;
use crate::sim::world::{Event, World};
use bytes::Bytes;
use millpond::event::{NodeId, NodeKey, SignedHead, StreamId, SwarmSecrets};
use millpond::planted;
use millpond::query::Query;
use millpond::sync::{
    ClosedBlock, ConnectionId, Input, Lane, Output, PEERS_MAX_DEFAULT, Swarm, SwarmEvent,
    SwarmOptions,
};
use std::collections::BTreeMap;
use std::time::Duration;

/// One of so many is added to the number of the next own stream.
const NUMBER_STEPS: u64 = 8;

/// A machine with a disk, and a process that comes and goes.
pub(super) struct Node {
    pub(super) key: NodeKey,
    pub(super) id: NodeId,
    pub(super) secrets: SwarmSecrets,
    pub(super) log: ModelLog,
    /// What the last failed sync may have left on the disk after all.
    pub(super) ghost: Option<Box<ModelLog>>,
    /// The last group that was synced, and how long its streams were before.
    pub(super) last: Option<LastGroup>,
    /// Earlier states of the disk.
    pub(super) backups: Vec<ModelLog>,
    /// Counts processes; what concerned an earlier one is dropped.
    pub(super) run: u64,
    pub(super) live: Option<Live>,
    pub(super) frozen_until: Duration,
    /// How far the wall clock is off, in microseconds.
    pub(super) skew: i64,
    pub(super) is_full: bool,
    pub(super) publisher: Publisher,
    pub(super) subscriber: Subscriber,
    pub(super) pond: Pond,
    pub(super) personality: Option<Personality>,
    /// Whom it was told to connect to.
    pub(super) links: Vec<usize>,
    pub(super) seen: Seen,
    pub(super) watcher: Watcher,
    /// The least number that its own stream must have.
    pub(super) number_min: u64,
    /// A copy of another node that must not run in the quiet phase.
    pub(super) is_clone: bool,
}

/// Streams with their counts before a group, and the receipts in it.
type LastGroup = (Vec<(StreamId, u64)>, Vec<(u64, Receipt)>);

/// A running process.
pub(super) struct Live {
    pub(super) swarm: Swarm,
    pub(super) deadline: Option<Duration>,
    pub(super) blocks: BTreeMap<u64, ClosedBlock>,
    block_count: u64,
    /// What the log is to do, and what it is doing.
    pub(super) waiting: Vec<Request>,
    pub(super) writing: Option<Group>,
    /// Heads that became durable and were not told.
    pub(super) fresh: BTreeMap<StreamId, SignedHead>,
    pub(super) unsent: BTreeMap<(ConnectionId, Lane), usize>,
    pub(super) spent: Spent,
    pub(super) freight: Freight,
    /// When its dials of nodes that are nowhere would have begun, one by one.
    pub(super) nobody_until: Duration,
    /// What came while the process was frozen.
    held: Vec<Input>,
    /// Ticks without time between them.
    ticks: (Duration, u32),
}

impl Node {
    pub(super) fn is_honest(&self) -> bool {
        self.personality.is_none()
    }

    /// Its log has something in hand.
    pub(super) fn is_writing(&self) -> bool {
        self.live.as_ref().is_some_and(|live| live.writing.is_some())
    }

    /// A copy's disk is gone with its process.
    pub(super) fn has_disk(&self) -> bool {
        !self.is_clone || self.live.is_some()
    }

    /// Until when the process is frozen, if it is.
    pub(super) fn frozen(&self, now: Duration) -> Option<Duration> {
        (self.frozen_until > now).then_some(self.frozen_until)
    }
}

impl World {
    /// A process begins on the disk of `node`.
    pub(super) fn start(&mut self, node: usize) {
        if self.nodes[node].live.is_some() {
            return;
        }
        let mut instance = [0; 8];
        instance.copy_from_slice(&self.random.next().to_le_bytes());
        let now = self.instant();
        let carries_cargo = self.carries_cargo(node);
        let at = &mut self.nodes[node];
        at.run += 1;
        let options = SwarmOptions {
            node: at.id,
            own_stream: at.log.own_stream(),
            secrets: at.secrets.clone(),
            instance,
            allowed: None,
            peers_max: PEERS_MAX_DEFAULT,
            send_caps: self.plan.caps,
            learns: self.plan.learns,
            priority: self.plan.has_priority.then(|| Query::parse(PRIORITY).expect("a query")),
            carries_cargo,
        };
        let run = at.run;
        let is_forgotten = planted!("forks_forgotten_over_a_restart");
        let forks = if is_forgotten { Vec::new() } else { at.log.forks() };
        at.live = Some(Live {
            swarm: Swarm::new(options, at.log.heads(), forks, now),
            deadline: None,
            blocks: BTreeMap::new(),
            block_count: 0,
            waiting: Vec::new(),
            writing: None,
            fresh: BTreeMap::new(),
            unsent: BTreeMap::new(),
            spent: Spent::default(),
            freight: Freight::default(),
            nobody_until: Duration::ZERO,
            held: Vec::new(),
            ticks: (Duration::ZERO, 0),
        });
        at.seen.restart(&at.log);
        at.subscriber.restart();
        self.pond_starts(node);
        let at = &self.nodes[node];
        let links = at.links.clone();
        self.note(node, format_args!("starts run {run}"));
        for to in links {
            let (peer, addresses) = (self.nodes[to].id, vec![address(to)]);
            self.give(node, Input::AddPeer { peer, addresses });
        }
        self.watch(node);
        self.tell_rotten(node);
        self.after_start(node);
    }

    /// `node` takes these secrets from now on, and at each start.
    pub(super) fn set_secrets(&mut self, node: usize, secrets: SwarmSecrets) {
        self.note(node, format_args!("is given other secrets"));
        self.nodes[node].secrets = secrets.clone();
        self.give(node, Input::Secrets(secrets));
    }

    /// The process of `node` ends, between two instructions.
    pub(super) fn kill(&mut self, node: usize) {
        if self.nodes[node].live.is_none() {
            return;
        }
        self.figures.crashes += 1;
        self.note(node, format_args!("is killed"));
        self.lose_unsynced(node);
        self.nodes[node].live = None;
        self.nodes[node].run += 1;
        self.nodes[node].frozen_until = Duration::ZERO;
        self.drop_ends(node);
        self.check_disk(node);
        if self.nodes[node].is_clone {
            // The machine is gone, with its disk.
            self.excuse_lost();
        }
    }

    /// Tells the swarm of `node` what happened, and does what it says.
    pub(super) fn give(&mut self, node: usize, input: Input) {
        let (now, is_frozen) = (self.instant(), self.nodes[node].frozen(self.now).is_some());
        let Some(live) = &mut self.nodes[node].live else { return };
        if is_frozen {
            live.held.push(input);
            return;
        }
        if self.trace.is_shown && !matches!(input, Input::Tick | Input::Sent { .. }) {
            let text = short(&input);
            self.note(node, format_args!("<- {text}"));
        }
        let Some(live) = &mut self.nodes[node].live else { return };
        live.freight.something_happens();
        live.swarm.handle(input, now);
        self.drain(node);
    }

    pub(super) fn drain(&mut self, node: usize) {
        loop {
            let at = &mut self.nodes[node];
            let Some(live) = &mut at.live else { return };
            match live.swarm.poll(&at.log) {
                Output::Wait(deadline) => {
                    let at = deadline.map(|deadline| self.time_of(deadline));
                    return self.wait(node, at);
                }
                output => self.perform(node, output),
            }
            if self.violation.is_some() {
                return;
            }
        }
    }

    fn wait(&mut self, node: usize, deadline: Option<Duration>) {
        let run = self.nodes[node].run;
        let live = self.nodes[node].live.as_mut().expect("it has just been polled");
        if let Some(at) = deadline.filter(|_| deadline != live.deadline) {
            self.schedule(at, Event::Timer { node, run });
        }
        let live = self.nodes[node].live.as_mut().expect("it has just been polled");
        live.deadline = deadline;
    }

    pub(super) fn tick(&mut self, node: usize) {
        let now = self.now;
        let Some(live) = &mut self.nodes[node].live else { return };
        if live.deadline.is_none_or(|at| at > now) {
            return;
        }
        live.deadline = None;
        let (at, count) = live.ticks;
        live.ticks = (now, if at == now { count + 1 } else { 0 });
        if count > 1000 {
            return self.violated(Some(node), "the swarm asks for a time that has passed");
        }
        self.give(node, Input::Tick);
    }

    fn perform(&mut self, node: usize, output: Output) {
        match output {
            Output::Send { connection, lane, bytes } => {
                self.check_freight(node, connection, lane, &bytes);
                self.send_frame(node, connection, lane, bytes);
            }
            Output::Open(block) => {
                let delay = self.random.time(Duration::from_micros(100), self.plan.open_delay);
                let run = self.nodes[node].run;
                let live = self.nodes[node].live.as_mut().expect("it has just been polled");
                live.block_count += 1;
                let number = live.block_count;
                live.blocks.insert(number, block);
                self.schedule(self.now + delay, Event::Opened { node, run, block: number });
            }
            Output::Store { range, before, .. } => {
                self.check_store(node, &range, &before);
                self.watch_given(node, &range.head);
                self.request(node, Request::Store { range, before });
            }
            Output::Fork { branch, range, .. } => {
                self.check_store(node, &range, &branch.base);
                self.watch_given(node, &range.head);
                let step = self.random.below(NUMBER_STEPS);
                self.request(node, Request::Fork { branch, range, step });
            }
            Output::Repair { range } => self.repair(node, range),
            Output::Dial { peer, named, discovered } => {
                self.observe(node, 2, peer.as_bytes());
                let addresses = if named.is_empty() { discovered } else { named };
                match liar::is_nowhere(&addresses) {
                    true => self.dial_nobody(node, peer),
                    false => self.dial(node, peer, &addresses),
                }
            }
            Output::Close { connection, reason } => {
                self.observe(node, 3, reason.name().as_bytes());
                self.note(node, format_args!("closes {connection}: {reason}"));
                let live = self.nodes[node].live.as_mut().expect("it has just been polled");
                live.unsent.retain(|(of, _), _| *of != connection);
                self.close(connection, reason.code());
            }
            Output::Admitted { connection, has_bulk } => {
                self.admitted(node, connection);
                if has_bulk {
                    self.grant_bulk(connection);
                }
            }
            Output::CargoOpen { connection, .. } => self.open_freight(node, connection),
            Output::Cargo { connection, lane, bytes } => {
                self.unload(node, connection, lane, &bytes);
            }
            Output::Carried { connection, lane, bytes } => {
                self.carried(node, connection, lane, bytes);
            }
            Output::CargoEnd { connection, .. } => self.end_freight(node, connection),
            Output::Preview(preview) => self.take_early(node, &preview),
            Output::Tell(event) => self.told(node, event),
            Output::Wait(_) => unreachable!("handled by the caller"),
        }
    }

    /// What leaves the swarm of `node`; a hostile one may change its mind.
    pub(super) fn send_frame(
        &mut self,
        node: usize,
        connection: ConnectionId,
        lane: Lane,
        bytes: Bytes,
    ) {
        self.check_frame(node, &bytes);
        let live = self.nodes[node].live.as_mut().expect("it has just been polled");
        let unsent = live.unsent.entry((connection, lane)).or_default();
        *unsent += bytes.len();
        let unsent = *unsent;
        self.check_unsent(node, lane, unsent);
        self.check_caps(node, connection, &bytes);
        if self.nodes[node].personality.is_some() {
            return self.send_hostile(node, connection, lane, bytes);
        }
        self.put_on_wire(node, connection, lane, bytes);
    }

    /// Sends a frame as it is.
    pub(super) fn put_on_wire(
        &mut self,
        node: usize,
        connection: ConnectionId,
        lane: Lane,
        bytes: Bytes,
    ) {
        self.figures.frames += 1;
        self.observe(node, 1, &bytes);
        if self.trace.is_shown {
            let (kind, length) = (bytes.first().copied().unwrap_or(0), bytes.len());
            self.note(node, format_args!("-> {connection} type {kind:#04x}, {length} bytes"));
        }
        self.send(connection, lane, bytes);
    }

    pub(super) fn sent(&mut self, node: usize, connection: ConnectionId, lane: Lane, bytes: usize) {
        let Some(live) = &mut self.nodes[node].live else { return };
        // A hostile node puts more on the wire than its swarm knows of.
        let Some(unsent) = live.unsent.get_mut(&(connection, lane)) else { return };
        let bytes = bytes.min(*unsent);
        *unsent -= bytes;
        self.give(node, Input::Sent { connection, lane, bytes });
    }

    pub(super) fn take_frame(
        &mut self,
        node: usize,
        connection: ConnectionId,
        lane: Lane,
        bytes: Bytes,
    ) {
        self.remember_frame(node, &bytes);
        self.give(node, Input::Frame { connection, lane, bytes });
    }

    pub(super) fn opened(&mut self, node: usize, block: u64) {
        let Some(live) = &mut self.nodes[node].live else { return };
        if let Some(block) = live.blocks.remove(&block) {
            self.give(node, Input::Opened(block.open()));
        }
    }

    /// Heads that became durable reach the loop.
    pub(super) fn tell_durable(&mut self, node: usize) {
        let now = self.instant();
        let Some(live) = &mut self.nodes[node].live else { return };
        live.freight.something_happens();
        for (_, head) in std::mem::take(&mut live.fresh) {
            live.swarm.handle(Input::Durable(head), now);
        }
        self.drain(node);
    }

    pub(super) fn freeze(&mut self, node: usize, time: Duration) {
        if self.nodes[node].live.is_none() || self.nodes[node].frozen(self.now).is_some() {
            return;
        }
        self.note(node, format_args!("is frozen for {time:?}"));
        let (until, run) = (self.now + time, self.nodes[node].run);
        self.nodes[node].frozen_until = until;
        self.schedule(until, Event::Thaw { node, run });
    }

    pub(super) fn thaw(&mut self, node: usize) {
        let Some(live) = &mut self.nodes[node].live else { return };
        let held = std::mem::take(&mut live.held);
        for input in held {
            self.give(node, input);
        }
        self.give(node, Input::Tick);
    }

    fn told(&mut self, node: usize, event: SwarmEvent) {
        self.observe(node, 4, format!("{event:?}").as_bytes());
        if self.trace.is_shown {
            self.note(node, format_args!("tells {event:?}"));
        }
        self.check_told(node, &event);
        if let SwarmEvent::OwnStreamElsewhere { number, .. } = event {
            self.nodes[node].number_min = number + 1;
            if !planted!("own_stream_elsewhere_ignored") {
                let step = self.random.below(NUMBER_STEPS);
                self.request(node, Request::NewStream { at_least: number + 1, step });
            }
        }
    }
}

fn short(input: &Input) -> String {
    match input {
        Input::Frame { connection, bytes, .. } => {
            let kind = bytes.first().copied().unwrap_or(0);
            format!("frame of {connection}, type {kind:#04x}, {} bytes", bytes.len())
        }
        Input::Durable(head) => format!("durable {} {}", head.stream, head.count),
        Input::Opened(_) => "a block was opened".to_owned(),
        other => format!("{other:?}"),
    }
}
