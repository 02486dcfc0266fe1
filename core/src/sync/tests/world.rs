//! Nodes, links and time in one thread: equal seeds give equal runs.

use super::log::MemoryLog;
use crate::event::{Branch, EventRange, NodeId, NodeKey, SignedHead, StreamId, SwarmSecret};
use crate::sync::{ConnectionId, Input, Lane, Output, SendCaps, Swarm, SwarmEvent, SwarmOptions};
use crate::{Error, ErrorKind};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// How often a transport tells of a frame that is arriving.
const PART_EVERY: Duration = Duration::from_millis(250);
pub(super) const SECRET: SwarmSecret = SwarmSecret::from_bytes([42; 32]);

mod wires;

pub(super) struct World {
    pub(super) nodes: Vec<Node>,
    pub(super) now: Instant,
    started: Instant,
    random: u64,
    queue: BTreeMap<(Instant, u64), Event>,
    sequence: u64,
    pipes: BTreeMap<u64, Pipe>,
    pipe_count: u64,
    /// Pairs that cannot reach each other, smaller index first.
    cut: BTreeSet<(usize, usize)>,
    /// Pairs whose connections die without a word.
    pub(super) muted: BTreeSet<(usize, usize)>,
    pub(super) latency: Duration,
    /// Bytes a second from one node to another, where it is so little that it matters.
    pub(super) bandwidth: BTreeMap<(usize, usize), u64>,
    pub(super) store_delay: Duration,
    /// One of so many stores fails; 0 means none.
    pub(super) store_failure_one_in: u64,
    /// What happens to frames on their way: sender, receiver, frame.
    pub(super) tamper: Option<Tamper>,
    pub(super) trace: blake3::Hasher,
    /// Nodes that do not take frames off their connections.
    pub(super) slow: BTreeSet<usize>,
}

pub(super) type Tamper = Box<dyn FnMut(usize, usize, &Bytes) -> Bytes>;

pub(super) struct Node {
    pub(super) key: NodeKey,
    secret: SwarmSecret,
    pub(super) number: u64,
    pub(super) swarm: Swarm,
    pub(super) log: MemoryLog,
    pub(super) told: Vec<SwarmEvent>,
    /// Events that arrived in frames, duplicates included.
    pub(super) events_received: u64,
    /// Frames this node was sent after it was refused, and all frames it was sent.
    pub(super) frames_received: Vec<Bytes>,
    pub(super) unsent: BTreeMap<(ConnectionId, Lane), usize>,
    pub(super) unsent_max: usize,
    deadline: Option<Instant>,
    keeps_frames: bool,
}

struct Pipe {
    ends: [usize; 2],
    /// When the last frame towards each end arrives, by lane.
    last: [[Instant; 2]; 2],
    /// True once a frame vanished: the transport promises order, so nothing arrives after it.
    is_dead: bool,
}

#[allow(clippy::large_enum_variant)] // A few at a time.
enum Event {
    Timer {
        node: usize,
    },
    Frame {
        pipe: u64,
        to: usize,
        lane: Lane,
        bytes: Bytes,
    },
    /// A part of a frame that will be whole at `until`.
    Part {
        pipe: u64,
        to: usize,
        bytes: usize,
        until: Instant,
    },
    Stored {
        node: usize,
        range: EventRange,
    },
    Forked {
        node: usize,
        branch: Branch,
        range: EventRange,
    },
    /// A node goes on in another stream.
    Moved {
        node: usize,
        number: u64,
    },
    Connect {
        from: usize,
        to: usize,
    },
    DialFailed {
        node: usize,
        peer: NodeId,
    },
}

impl World {
    pub(super) fn new(seed: u64) -> World {
        #[allow(clippy::disallowed_methods)] // Any start will do; all else is relative to it.
        let now = Instant::now();
        World {
            nodes: Vec::new(),
            now,
            started: now,
            random: seed,
            queue: BTreeMap::new(),
            sequence: 0,
            pipes: BTreeMap::new(),
            pipe_count: 0,
            cut: BTreeSet::new(),
            muted: BTreeSet::new(),
            latency: Duration::from_millis(1),
            bandwidth: BTreeMap::new(),
            store_delay: Duration::from_millis(1),
            store_failure_one_in: 0,
            tamper: None,
            trace: blake3::Hasher::new(),
            slow: BTreeSet::new(),
        }
    }

    /// Nodes of one swarm, without any link.
    pub(super) fn with_nodes(seed: u64, count: usize) -> World {
        let mut world = World::new(seed);
        for _ in 0..count {
            world.add(&SECRET);
        }
        world
    }

    pub(super) fn add(&mut self, secret: &SwarmSecret) -> usize {
        let index = self.nodes.len();
        let key = NodeKey::from_seed(&[index as u8 + 1; 32]);
        self.add_with(secret, key, MemoryLog::new(secret.swarm_id()), 0)
    }

    pub(super) fn add_with(
        &mut self,
        secret: &SwarmSecret,
        key: NodeKey,
        log: MemoryLog,
        number: u64,
    ) -> usize {
        let index = self.nodes.len();
        let swarm = new_swarm(options(secret, &key, number, index as u64), &log, self.now);
        self.nodes.push(Node {
            key,
            secret: secret.clone(),
            number,
            swarm,
            log,
            told: Vec::new(),
            events_received: 0,
            frames_received: Vec::new(),
            unsent: BTreeMap::new(),
            unsent_max: 0,
            deadline: None,
            keeps_frames: false,
        });
        index
    }

    /// The process of `node` ends, and begins anew with `log`, which may be older.
    pub(super) fn restart(&mut self, node: usize, log: MemoryLog) {
        let lost = self.pipes.iter().filter(|(_, pipe)| pipe.ends.contains(&node));
        for number in lost.map(|(number, _)| *number).collect::<Vec<_>>() {
            self.close(number, None, None);
        }
        self.queue.retain(|_, event| match event {
            Event::Stored { node: of, .. }
            | Event::Forked { node: of, .. }
            | Event::Moved { node: of, .. } => *of != node,
            _ => true,
        });
        let instance = self.draw(u64::MAX);
        let at = &mut self.nodes[node];
        at.swarm = new_swarm(options(&at.secret, &at.key, at.number, instance), &log, self.now);
        (at.log, at.deadline) = (log, None);
    }

    pub(super) fn keep_frames(&mut self, node: usize) {
        self.nodes[node].keeps_frames = true;
    }

    /// `from` learns the address of `to` and dials.
    pub(super) fn link(&mut self, from: usize, to: usize) {
        let (peer, addresses) = (self.id(to), vec![address(to)]);
        self.give(from, Input::AddPeer { peer, addresses });
    }

    pub(super) fn mesh(&mut self) {
        for from in 0..self.nodes.len() {
            (0..from).for_each(|to| self.link(from, to));
        }
    }

    pub(super) fn id(&self, node: usize) -> NodeId {
        self.nodes[node].key.node_id()
    }

    pub(super) fn stream(&self, node: usize) -> StreamId {
        StreamId { node: self.id(node), number: self.nodes[node].number }
    }

    /// Publishes `count` events at `node`, as one commit.
    pub(super) fn publish(&mut self, node: usize, count: usize) -> SignedHead {
        let texts: Vec<String> = (0..count).map(|index| format!("{node} says {index}")).collect();
        self.publish_texts(node, &texts)
    }

    pub(super) fn publish_texts(&mut self, node: usize, texts: &[String]) -> SignedHead {
        let at = &mut self.nodes[node];
        let head = at.log.append(&at.key, at.number, texts);
        self.give(node, Input::Durable(head.clone()));
        head
    }

    pub(super) fn cut(&mut self, a: usize, b: usize) {
        self.cut.insert(pair(a, b));
        let between = |pipe: &Pipe| pair(pipe.ends[0], pipe.ends[1]) == pair(a, b);
        let lost = self.pipes.iter().filter(|(_, pipe)| between(pipe)).map(|(number, _)| *number);
        for number in lost.collect::<Vec<_>>() {
            self.close(number, None, None);
        }
    }

    pub(super) fn heal(&mut self) {
        self.cut.clear();
        self.muted.clear();
    }

    pub(super) fn chance(&mut self, one_in: u64) -> bool {
        one_in > 0 && self.draw(one_in) == 0
    }

    /// A number from 0 to `below` − 1 (splitmix64).
    pub(super) fn draw(&mut self, below: u64) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % below
    }

    /// Lets time pass until `done`, at most `limit`; true when `done`.
    pub(super) fn drive(&mut self, limit: Duration, done: impl Fn(&World) -> bool) -> bool {
        let end = self.now + limit;
        while !done(self) {
            let Some(((at, _), event)) = self.queue.pop_first() else { return done(self) };
            if at > end {
                self.schedule(at, event);
                self.now = end;
                return done(self);
            }
            self.now = self.now.max(at);
            self.step(event);
        }
        true
    }

    pub(super) fn pass(&mut self, time: Duration) {
        self.drive(time, |_| false);
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.now.duration_since(self.started)
    }

    pub(super) fn is_equal_everywhere(&self) -> bool {
        let (first, rest) = self.nodes.split_first().expect("a world has nodes");
        let same = |node: &Node| node.log.event_count() == first.log.event_count();
        rest.iter().all(same)
            && rest.iter().all(|node| node.log.total_order() == first.log.total_order())
    }

    pub(super) fn assert_converges(&mut self, limit: Duration) {
        let done = self.drive(limit, World::is_equal_everywhere);
        let counts: Vec<usize> = self.nodes.iter().map(|node| node.log.event_count()).collect();
        let first = self.nodes[0].swarm.status();
        assert!(done, "after {:?}: {counts:?}\n{first:#?}", self.elapsed());
    }

    pub(super) fn are_connected(&self, a: usize, b: usize) -> bool {
        self.nodes[a].swarm.shared.admitted.contains_key(&self.id(b))
    }

    /// Gives `input` to `node` and does what it says.
    pub(super) fn give(&mut self, node: usize, input: Input) {
        let at = &mut self.nodes[node];
        at.swarm.handle(input, self.now);
        loop {
            let at = &mut self.nodes[node];
            match at.swarm.poll(&at.log) {
                Output::Wait(deadline) => {
                    if let Some(deadline) = deadline.filter(|_| deadline != at.deadline) {
                        self.schedule(deadline, Event::Timer { node });
                    }
                    self.nodes[node].deadline = deadline;
                    return;
                }
                output => self.perform(node, output),
            }
        }
    }

    fn perform(&mut self, node: usize, output: Output) {
        match output {
            Output::Send { connection, lane, bytes } => self.send(node, connection, lane, bytes),
            Output::Store { range, .. } => {
                let at = self.now + self.store_delay;
                self.schedule(at, Event::Stored { node, range });
            }
            Output::Fork { branch, range, .. } => {
                let at = self.now + self.store_delay;
                self.schedule(at, Event::Forked { node, branch, range });
            }
            Output::Dial { peer, named, discovered } => {
                let at = self.now + self.latency;
                // Copies of a store have the same id, at other addresses.
                let addresses = named.iter().chain(&discovered);
                let mut at_address = addresses.map(|at| usize::from(at.port()).wrapping_sub(1));
                let is_it =
                    |to: &usize| self.nodes.get(*to).is_some_and(|at| at.key.node_id() == peer);
                let to = at_address.find(is_it);
                let to = to.or_else(|| self.nodes.iter().position(|at| at.key.node_id() == peer));
                match to.filter(|to| !self.cut.contains(&pair(node, *to))) {
                    Some(to) => self.schedule(at, Event::Connect { from: node, to }),
                    None => self.schedule(at, Event::DialFailed { node, peer }),
                }
            }
            Output::Close { connection, reason } => {
                // What was sent before still arrives, then the close code.
                let (number, _) = pipe_end(connection);
                self.close(number, Some(node), Some(reason.code()));
            }
            Output::Open(block) => self.give(node, Input::Opened(block.open())),
            Output::Repair { range } => {
                let (stream, first) = (range.stream(), range.first);
                self.give(node, Input::Repaired { stream, first, result: Ok(()) });
            }
            Output::Admitted { .. } | Output::Preview(_) => {}
            Output::CargoOpen { .. }
            | Output::Cargo { .. }
            | Output::Carried { .. }
            | Output::CargoEnd { .. } => unreachable!("nobody carries cargo"),
            Output::Tell(event) => {
                if let SwarmEvent::OwnStreamElsewhere { number, .. } = event {
                    let number = number + 1 + self.draw(8);
                    self.schedule(self.now + self.store_delay, Event::Moved { node, number });
                }
                self.nodes[node].told.push(event);
            }
            Output::Wait(_) => unreachable!("handled by the caller"),
        }
    }

    fn step(&mut self, event: Event) {
        match event {
            Event::Timer { node } => {
                if self.nodes[node].deadline.is_some_and(|at| at <= self.now) {
                    self.nodes[node].deadline = None;
                    self.give(node, Input::Tick);
                }
            }
            Event::Frame { pipe, to, lane, bytes } => {
                let Some(ends) = self.ends_in_touch(pipe, to) else { return };
                let (from, connection) = (ends[1 - to], connection_of(pipe, 1 - to));
                *self.nodes[from].unsent.entry((connection, lane)).or_default() -= bytes.len();
                let sent = bytes.len();
                self.arrive(pipe, ends, to, lane, bytes);
                self.give(from, Input::Sent { connection, lane, bytes: sent });
            }
            Event::Part { pipe, to, bytes, until } => {
                let Some(ends) = self.ends_in_touch(pipe, to) else { return };
                let connection = connection_of(pipe, to);
                self.give(ends[to], Input::Heard { connection, bytes });
                if self.now + PART_EVERY < until {
                    self.schedule(self.now + PART_EVERY, Event::Part { pipe, to, bytes, until });
                }
            }
            Event::Stored { node, range } => {
                let (stream, fails) = (range.stream(), self.store_failure_one_in);
                let at = &mut self.nodes[node];
                if at.log.count(&stream) != range.first || self.chance(fails) {
                    let error = Error::new(ErrorKind::StorageFailed, "injected");
                    self.give(node, Input::StoreFailed { stream, end: range.head.count, error });
                } else {
                    let head = self.nodes[node].log.append_range(&range).unwrap();
                    self.give(node, Input::Durable(head));
                }
            }
            Event::Forked { node, branch, range } => self.store_fork(node, &branch, &range),
            Event::Moved { node, number } => {
                self.nodes[node].number = number;
                let own = self.stream(node);
                self.give(node, Input::OwnStream(own));
            }
            Event::Connect { from, to } => self.connect(from, to),
            Event::DialFailed { node, peer } => self.give(node, Input::DialFailed { peer }),
        }
    }

    fn store_fork(&mut self, node: usize, branch: &Branch, range: &EventRange) {
        if self.chance(self.store_failure_one_in) {
            let error = Error::new(ErrorKind::StorageFailed, "injected");
            return self.give(node, Input::ForkFailed { branch: branch.stream, error });
        }
        let log = &mut self.nodes[node].log;
        let branches = log.fork(branch, range).unwrap();
        let streams = branches.iter().map(|branch| branch.stream);
        let heads: Vec<SignedHead> = streams.filter_map(|stream| log.head(&stream)).collect();
        self.give(node, Input::Forked { of: branch.of, at: branch.floor, branches });
        for head in heads {
            self.give(node, Input::Durable(head));
        }
    }

    fn schedule(&mut self, at: Instant, event: Event) {
        self.sequence += 1;
        self.queue.insert((at, self.sequence), event);
    }
}

fn options(secret: &SwarmSecret, key: &NodeKey, number: u64, instance: u64) -> SwarmOptions {
    let node = key.node_id();
    SwarmOptions {
        node,
        own_stream: StreamId { node, number },
        secrets: secret.clone().into(),
        instance: instance.to_le_bytes(),
        allowed: None,
        peers_max: 64,
        send_caps: SendCaps::default(),
        learns: true,
        priority: None,
        carries_cargo: false,
    }
}

fn new_swarm(options: SwarmOptions, log: &MemoryLog, now: Instant) -> Swarm {
    Swarm::new(options, log.heads(), log.forks(), now)
}

fn pair(a: usize, b: usize) -> (usize, usize) {
    (a.min(b), a.max(b))
}

fn connection_of(pipe: u64, end: usize) -> ConnectionId {
    ConnectionId::new(pipe * 2 + end as u64)
}

fn pipe_end(connection: ConnectionId) -> (u64, usize) {
    (connection.value() / 2, (connection.value() % 2) as usize)
}

fn address(node: usize) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], node as u16 + 1))
}
