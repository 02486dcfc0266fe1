//! Nodes, paths that take time, disks that take time. Nothing is lost, but nodes may be killed, and
//! parts of the world may be apart.
//!
//! Begin with [`World::run`].

use crate::sim::agenda::Agenda;
use crate::sim::mesh::log::Log;
use crate::sim::random::Random;
use millpond::event::codec::Reader;
use millpond::event::{EventRange, NodeId, NodeKey, SignedHead, StreamId, SwarmSecret};
use millpond::sync::{
    ConnectionId, Input, Lane, Output, PEERS_MAX_DEFAULT, SendCaps, Swarm, SwarmEvent, SwarmOptions,
};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

const SECRET: SwarmSecret = SwarmSecret::from_bytes([42; 32]);
/// One way, of a pair of nodes.
const LATENCY: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(80));
/// One sync of a disk.
const DISK: (Duration, Duration) = (Duration::from_micros(100), Duration::from_micros(4000));
/// A dial that nobody answers.
const DIAL_MAX: Duration = Duration::from_secs(10);

/// Everything, at a moment.
pub(super) struct World {
    pub(super) now: Duration,
    epoch: Instant,
    pub(super) random: Random,
    seed: u64,
    pub(super) nodes: Vec<Node>,
    indices: BTreeMap<NodeId, usize>,
    agenda: Agenda<Event>,
    pipes: BTreeMap<u64, [(usize, u32); 2]>,
    pipe_count: u64,
    /// Inputs that swarms were given.
    pub(super) steps: u64,
    /// Events that came in ranges, and that were stored of them.
    pub(super) received: u64,
    pub(super) stored: u64,
    /// Most sessions that a node had at a time.
    pub(super) degree_max: usize,
    /// What the last publish had its node do.
    pub(super) last_publish: Publish,
}

/// What a publish has its node do.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Publish {
    /// Frames with events.
    pub(super) frames: usize,
    /// Everything that the swarm put out, until it waited.
    pub(super) outputs: usize,
}

pub(super) struct Node {
    key: NodeKey,
    pub(super) id: NodeId,
    pub(super) log: Log,
    pub(super) swarm: Option<Swarm>,
    run: u32,
    deadline: Option<Duration>,
    disk_idle_at: Duration,
    /// Whom it has sessions with.
    pub(super) peers: BTreeSet<usize>,
    /// Nodes reach those on their side only.
    pub(super) side: u8,
}

enum Event {
    Frame { pipe: u64, to: usize, lane: Lane, bytes: bytes::Bytes },
    Closed { pipe: u64, to: usize, code: u64 },
    Connect { from: usize, run: u32, to: usize },
    Stored { node: usize, run: u32, range: EventRange },
    Published { node: usize, run: u32 },
    Timer { node: usize, run: u32 },
    DialFailed { node: usize, run: u32, to: usize },
}

impl World {
    pub(super) fn new(seed: u64, count: usize) -> World {
        #[allow(clippy::disallowed_methods)] // Any start will do; all else is relative to it.
        let epoch = Instant::now();
        let mut world = World {
            now: Duration::ZERO,
            epoch,
            random: Random::new(seed),
            seed,
            nodes: Vec::new(),
            indices: BTreeMap::new(),
            agenda: Agenda::new(),
            pipes: BTreeMap::new(),
            pipe_count: 0,
            steps: 0,
            received: 0,
            stored: 0,
            degree_max: 0,
            last_publish: Publish::default(),
        };
        for index in 0..count {
            world.add(index);
        }
        world
    }

    fn add(&mut self, index: usize) {
        let mut seed = [7; 32];
        seed[..8].copy_from_slice(&(index as u64).to_le_bytes());
        let key = NodeKey::from_seed(&seed);
        let id = key.node_id();
        self.indices.insert(id, index);
        self.nodes.push(Node {
            key,
            id,
            log: Log::new(SECRET.swarm_id()),
            swarm: None,
            run: 0,
            deadline: None,
            disk_idle_at: Duration::ZERO,
            peers: BTreeSet::new(),
            side: 0,
        });
    }

    pub(super) fn start(&mut self, node: usize) {
        let instance = self.random.next().to_le_bytes();
        let (at, now) = (&mut self.nodes[node], self.epoch + self.now);
        let options = SwarmOptions {
            node: at.id,
            own_stream: StreamId { node: at.id, number: 0 },
            secrets: SECRET.into(),
            instance,
            allowed: None,
            send_caps: SendCaps::default(),
            peers_max: PEERS_MAX_DEFAULT,
            learns: true,
            priority: None,
            carries_cargo: false,
        };
        at.swarm = Some(Swarm::new(options, at.log.heads(), Vec::new(), now));
        at.run += 1;
        at.deadline = None;
        at.disk_idle_at = self.now;
    }

    /// The process of `node` ends without a word.
    pub(super) fn kill(&mut self, node: usize) {
        self.nodes[node].swarm = None;
        self.nodes[node].run += 1;
        self.nodes[node].peers.clear();
        self.pipes.retain(|_, ends| ends.iter().any(|(end, _)| *end != node));
    }

    /// A person at `from` names `to`.
    pub(super) fn link(&mut self, from: usize, to: usize) {
        let (peer, addresses) = (self.nodes[to].id, vec![address(to)]);
        self.give(from, Input::AddPeer { peer, addresses });
    }

    /// All nodes hold the same `count` streams of one event each, of authors that are not there.
    pub(super) fn fill(&mut self, count: u64) {
        let mut log = Log::new(SECRET.swarm_id());
        for author in 0..count {
            let mut seed = [9; 32];
            seed[..8].copy_from_slice(&author.to_le_bytes());
            log.append(&NodeKey::from_seed(&seed));
        }
        self.nodes.iter_mut().for_each(|node| node.log = log.clone());
    }

    /// Discovery at `node` sees `other`.
    pub(super) fn discover(&mut self, node: usize, other: usize) {
        let (peer, addresses) = (self.nodes[other].id, vec![address(other)]);
        self.give(node, Input::Discovered { peer, addresses });
    }

    /// `node` writes one event, which is durable a little later.
    pub(super) fn publish(&mut self, node: usize) {
        let run = self.nodes[node].run;
        let when = self.synced_at(node);
        self.schedule(when, Event::Published { node, run });
    }

    /// Lets time pass until `end`.
    pub(super) fn run(&mut self, end: Duration) {
        while let Some((at, event)) = self.agenda.next_until(end) {
            self.now = self.now.max(at);
            self.step(event);
        }
        self.now = end;
    }

    /// Lets time pass until `done`, which is looked at every 100 ms, or until `end`.
    pub(super) fn run_until(&mut self, end: Duration, done: impl Fn(&World) -> bool) -> bool {
        while !done(self) {
            if self.now >= end {
                return false;
            }
            self.run((self.now + Duration::from_millis(100)).min(end));
        }
        true
    }

    fn step(&mut self, event: Event) {
        match event {
            Event::Frame { pipe, to, lane, bytes } => self.arrive(pipe, to, lane, bytes),
            Event::Closed { pipe, to, code } => {
                let Some(ends) = self.pipes.remove(&pipe) else { return };
                let connection = connection(pipe, to);
                self.give_run(ends[to], Input::Disconnected { connection, code: Some(code) });
            }
            Event::Connect { from, run, to } => self.connect((from, run), to),
            Event::Stored { node, run, range } => {
                if self.nodes[node].run == run {
                    self.stored += range.records().len() as u64;
                    let head = self.nodes[node].log.store(range);
                    self.give(node, Input::Durable(head));
                }
            }
            Event::Published { node, run } => {
                let at = &mut self.nodes[node];
                if at.run == run {
                    let head = at.log.append(&at.key);
                    self.last_publish = self.give(node, Input::Durable(head));
                }
            }
            Event::Timer { node, run } => {
                let at = &mut self.nodes[node];
                if at.run == run && at.deadline.is_some_and(|deadline| deadline <= self.now) {
                    at.deadline = None;
                    self.give(node, Input::Tick);
                }
            }
            Event::DialFailed { node, run, to } => {
                let peer = self.nodes[to].id;
                self.give_run((node, run), Input::DialFailed { peer });
            }
        }
    }

    fn arrive(&mut self, pipe: u64, to: usize, lane: Lane, bytes: bytes::Bytes) {
        let Some(ends) = self.pipes.get(&pipe).copied() else { return };
        if self.nodes[ends[0].0].side != self.nodes[ends[1].0].side {
            // Nothing passes any more, and both will notice.
            self.pipes.remove(&pipe);
            return;
        }
        if self.nodes[ends[to].0].run == ends[to].1 {
            self.received += event_count(&bytes);
        }
        let connection = connection(pipe, to);
        self.give_run(ends[to], Input::Frame { connection, lane, bytes });
    }

    fn connect(&mut self, from: (usize, u32), to: usize) {
        let there = &self.nodes[to];
        if there.swarm.is_none() || there.side != self.nodes[from.0].side {
            let at = self.now + DIAL_MAX;
            return self.schedule(at, Event::DialFailed { node: from.0, run: from.1, to });
        }
        if self.nodes[from.0].run != from.1 {
            return;
        }
        let pipe = self.pipe_count;
        self.pipe_count += 1;
        let ends = [from, (to, there.run)];
        self.pipes.insert(pipe, ends);
        let mut binding = [7; 32];
        binding[..8].copy_from_slice(&pipe.to_le_bytes());
        for end in [0, 1] {
            let peer = self.nodes[ends[1 - end].0].id;
            let connection = connection(pipe, end);
            let dialed = end == 0;
            self.give_run(ends[end], Input::Connected { connection, peer, binding, dialed });
            let address = address(ends[1 - end].0);
            self.give_run(ends[end], Input::Seen { connection, address });
        }
    }

    fn give_run(&mut self, to: (usize, u32), input: Input) {
        if self.nodes[to.0].run == to.1 {
            self.give(to.0, input);
        }
    }

    /// Tells the swarm of `node` what happened, and does what it says.
    pub(super) fn give(&mut self, node: usize, input: Input) -> Publish {
        let (mut next, mut done) = (vec![input], Publish::default());
        while let Some(input) = next.pop() {
            let now = self.epoch + self.now;
            let Some(swarm) = &mut self.nodes[node].swarm else { return done };
            self.steps += 1;
            swarm.handle(input, now);
            loop {
                let at = &mut self.nodes[node];
                let Some(swarm) = &mut at.swarm else { return done };
                match swarm.poll(&at.log) {
                    Output::Wait(deadline) => {
                        self.wait(node, deadline);
                        break;
                    }
                    Output::Open(block) => next.push(Input::Opened(block.open())),
                    Output::Send { connection, lane, bytes } => {
                        done.outputs += 1;
                        done.frames += usize::from(event_count(&bytes) > 0);
                        next.push(Input::Sent { connection, lane, bytes: bytes.len() });
                        self.send(node, connection, lane, bytes);
                    }
                    output => {
                        done.outputs += 1;
                        self.perform(node, output);
                    }
                }
            }
        }
        done
    }

    fn wait(&mut self, node: usize, deadline: Option<Instant>) {
        let deadline = deadline.map(|at| at.saturating_duration_since(self.epoch));
        let (run, before) = (self.nodes[node].run, self.nodes[node].deadline);
        if let Some(at) = deadline.filter(|at| before.is_none_or(|before| *at < before)) {
            self.schedule(at, Event::Timer { node, run });
        }
        // A later deadline is set when the timer of the earlier one comes.
        let keeps = before.filter(|before| deadline.is_some_and(|at| at >= *before));
        self.nodes[node].deadline = keeps.or(deadline);
    }

    fn send(&mut self, node: usize, connection: ConnectionId, lane: Lane, bytes: bytes::Bytes) {
        let (pipe, end) = (connection.value() / 2, (connection.value() % 2) as usize);
        let Some(ends) = self.pipes.get(&pipe) else { return };
        let at = self.now + self.latency(node, ends[1 - end].0);
        self.schedule(at, Event::Frame { pipe, to: 1 - end, lane, bytes });
    }

    fn perform(&mut self, node: usize, output: Output) {
        match output {
            Output::Store { range, .. } => {
                let (at, run) = (self.synced_at(node), self.nodes[node].run);
                self.schedule(at, Event::Stored { node, run, range });
            }
            Output::Dial { peer, .. } => {
                let (to, run) = (self.indices[&peer], self.nodes[node].run);
                let at = self.now + self.latency(node, to) * 2;
                self.schedule(at, Event::Connect { from: node, run, to });
            }
            Output::Close { connection, reason } => {
                let (pipe, end) = (connection.value() / 2, (connection.value() % 2) as usize);
                let Some(ends) = self.pipes.get(&pipe) else { return };
                let at = self.now + self.latency(node, ends[1 - end].0);
                self.schedule(at, Event::Closed { pipe, to: 1 - end, code: reason.code() });
            }
            Output::Tell(SwarmEvent::PeerUp(peer)) => {
                let peer = self.indices[&peer];
                self.nodes[node].peers.insert(peer);
                self.degree_max = self.degree_max.max(self.nodes[node].peers.len());
            }
            Output::Tell(SwarmEvent::PeerDown { peer, .. }) => {
                let peer = self.indices[&peer];
                self.nodes[node].peers.remove(&peer);
            }
            Output::Tell(event @ (SwarmEvent::Misbehaved { .. } | SwarmEvent::Forked(_))) => {
                panic!("node {node} is told {event:?}");
            }
            Output::Admitted { .. } | Output::Tell(_) | Output::Preview(_) => {}
            Output::CargoOpen { .. }
            | Output::Cargo { .. }
            | Output::Carried { .. }
            | Output::CargoEnd { .. } => panic!("nobody carries cargo"),
            Output::Fork { .. } | Output::Repair { .. } => {
                panic!("nobody forks, no disk is damaged")
            }
            Output::Send { .. } | Output::Open(_) | Output::Wait(_) => {
                unreachable!("handled by the caller")
            }
        }
    }

    /// When a sync that begins now ends; one disk does one after the other.
    fn synced_at(&mut self, node: usize) -> Duration {
        let time = self.random.time(DISK.0, DISK.1);
        let at = &mut self.nodes[node];
        at.disk_idle_at = at.disk_idle_at.max(self.now) + time;
        at.disk_idle_at
    }

    /// How long a packet takes between two nodes: always the same.
    fn latency(&self, a: usize, b: usize) -> Duration {
        let pair = (a.min(b) * self.nodes.len() + a.max(b)) as u64;
        Random::new(self.seed ^ (pair << 20)).time(LATENCY.0, LATENCY.1)
    }

    fn schedule(&mut self, at: Duration, event: Event) {
        self.agenda.put(at, event);
    }
}

/// How many events a frame brings.
fn event_count(frame: &[u8]) -> u64 {
    const RANGE: u8 = 0x08;
    if frame.first() != Some(&RANGE) {
        return 0;
    }
    let mut reader = Reader::new(&frame[33..]);
    let count = SignedHead::read(&mut reader).and_then(|_| reader.varint());
    count.expect("honest nodes send no broken frames")
}

fn address(node: usize) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::new(10, 0, (node >> 8) as u8, node as u8), 4000))
}

fn connection(pipe: u64, end: usize) -> ConnectionId {
    ConnectionId::new(pipe * 2 + end as u64)
}
