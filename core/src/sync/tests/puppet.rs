//! A peer that says whatever a test wants, to a swarm that is alone with it.

use super::log::MemoryLog;
use super::world::SECRET;
use crate::event::{Branch, EventRange, NodeId, NodeKey, Preview, SignedHead, StreamId};
use crate::sync::admission::Side;
use crate::sync::message::{Decoded, Hello, Message};
use crate::sync::{
    ClosedBlock, ConnectionId, Input, Lane, LogRead, Output, RefusalReason, SendCaps, Swarm,
    SwarmEvent, SwarmOptions,
};
use bytes::Bytes;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

pub(super) const BINDING: [u8; 32] = [5; 32];

pub(super) struct Puppet {
    pub(super) swarm: Swarm,
    pub(super) log: MemoryLog,
    pub(super) key: NodeKey,
    pub(super) peer: NodeId,
    pub(super) now: Instant,
    pub(super) connection: ConnectionId,
    pub(super) heard: Vec<Bytes>,
    /// By which lane each of them came.
    pub(super) lanes: Vec<Lane>,
    pub(super) stored: Vec<EventRange>,
    pub(super) forked: Vec<Branch>,
    /// Answers for damaged blocks that the log was given.
    pub(super) repairs: Vec<EventRange>,
    pub(super) told: Vec<SwarmEvent>,
    pub(super) shown: Vec<Preview>,
    /// Whom the swarm dialled.
    pub(super) dialed: Vec<NodeId>,
    /// Where it dialled the last of them.
    pub(super) dialed_where: Vec<SocketAddr>,
    /// What it was told of cargo.
    pub(super) cargo: Vec<Output>,
    pub(super) closed: Option<RefusalReason>,
    pub(super) deadline: Option<Instant>,
    /// When false, `Sent` is never reported: the transport is stuck.
    pub(super) takes_frames: bool,
    /// When true, blocks are not opened but kept here.
    pub(super) keeps_blocks: bool,
    pub(super) kept: Vec<ClosedBlock>,
}

impl Puppet {
    /// A swarm of node 1 with `log`, and a connection that the puppet dialled. It said nothing yet.
    pub(super) fn with_log(log: MemoryLog, allowed: Option<BTreeSet<NodeId>>) -> Puppet {
        Puppet::with_options(log, |options| options.allowed = allowed)
    }

    /// As `with_log`, with other options.
    pub(super) fn with_options(log: MemoryLog, change: impl FnOnce(&mut SwarmOptions)) -> Puppet {
        let key = NodeKey::from_seed(&[1; 32]);
        let node = key.node_id();
        #[allow(clippy::disallowed_methods)] // Any start will do; all else is relative to it.
        let now = Instant::now();
        let mut options = SwarmOptions {
            node,
            own_stream: StreamId { node, number: 0 },
            secrets: SECRET.into(),
            instance: [1; 8],
            allowed: None,
            peers_max: 2,
            send_caps: SendCaps::default(),
            learns: true,
            priority: None,
            carries_cargo: false,
        };
        change(&mut options);
        let mut puppet = Puppet {
            swarm: Swarm::new(options, log.heads(), log.forks(), now),
            log,
            key,
            peer: NodeKey::from_seed(&[2; 32]).node_id(),
            now,
            connection: ConnectionId::new(1),
            heard: Vec::new(),
            lanes: Vec::new(),
            stored: Vec::new(),
            forked: Vec::new(),
            repairs: Vec::new(),
            told: Vec::new(),
            shown: Vec::new(),
            dialed: Vec::new(),
            dialed_where: Vec::new(),
            cargo: Vec::new(),
            closed: None,
            deadline: None,
            takes_frames: true,
            keeps_blocks: false,
            kept: Vec::new(),
        };
        puppet.connect(1);
        puppet
    }

    pub(super) fn stranger() -> Puppet {
        Puppet::with_log(MemoryLog::new(SECRET.swarm_id()), None)
    }

    pub(super) fn admitted() -> Puppet {
        Puppet::admitted_to(MemoryLog::new(SECRET.swarm_id()))
    }

    pub(super) fn admitted_to(log: MemoryLog) -> Puppet {
        let mut puppet = Puppet::with_log(log, None);
        puppet.admit();
        puppet
    }

    pub(super) fn connect(&mut self, connection: u64) {
        self.connection = ConnectionId::new(connection);
        self.closed = None;
        let (connection, peer) = (self.connection, self.peer);
        self.give(Input::Connected { connection, peer, binding: BINDING, dialed: false });
    }

    /// Says hello and a summary of nothing.
    pub(super) fn admit(&mut self) {
        self.say(&Message::Hello(self.hello()));
        self.say(&Message::Summary { is_last: true, heads: Vec::new() });
        assert_eq!(self.closed, None);
    }

    pub(super) fn hello(&self) -> Hello {
        self.side().hello(&[SECRET.admission_key()], [2; 8])
    }

    /// The puppet's side of its connection.
    pub(super) fn side(&self) -> Side {
        let (prover, verifier) = (self.peer, self.key.node_id());
        Side { prover, verifier, dialed: true, binding: BINDING }
    }

    pub(super) fn say(&mut self, message: &Message) {
        self.say_bytes(message.encode());
    }

    pub(super) fn say_bytes(&mut self, bytes: Bytes) {
        let connection = self.connection;
        self.give(Input::Frame { connection, lane: Lane::Live, bytes });
    }

    /// Lets time pass as the swarm asks for it, hearing nothing.
    pub(super) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        let mut steps = 0;
        while let Some(deadline) = self.deadline.filter(|deadline| *deadline <= end) {
            assert!(deadline > self.now, "the swarm asks for a time that has passed");
            self.now = deadline;
            self.give(Input::Tick);
            steps += 1;
            assert!(steps < 10_000, "the swarm is busy with nothing");
        }
        self.now = end;
        self.give(Input::Tick);
    }

    /// As `pass`, with a sign of life every second.
    pub(super) fn pass_alive(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.pass(Duration::from_secs(1));
            self.say(&Message::Pong(u64::MAX));
        }
    }

    pub(super) fn give(&mut self, input: Input) {
        self.swarm.handle(input, self.now);
        loop {
            match self.swarm.poll(&self.log) {
                Output::Send { connection, lane, bytes } => {
                    let sent = bytes.len();
                    self.lanes.push(lane);
                    self.heard.push(bytes);
                    if self.takes_frames {
                        let sent = Input::Sent { connection, lane, bytes: sent };
                        self.swarm.handle(sent, self.now);
                    }
                }
                Output::Open(block) if self.keeps_blocks => self.kept.push(block),
                Output::Open(block) => {
                    self.swarm.handle(Input::Opened(block.open()), self.now);
                }
                Output::Store { range, .. } => {
                    let (stream, end) = (range.stream(), range.head.count);
                    let input = match self.log.append_range(&range) {
                        Ok(head) => Input::Durable(head),
                        Err(error) => Input::StoreFailed { stream, end, error },
                    };
                    if matches!(input, Input::Durable(_)) {
                        self.stored.push(range);
                    }
                    self.swarm.handle(input, self.now);
                }
                Output::Fork { branch, range, .. } => {
                    let branches = self.log.fork(&branch, &range).expect("it fits");
                    let streams: Vec<StreamId> = branches.iter().map(|it| it.stream).collect();
                    let (of, at) = (branch.of, branch.floor);
                    self.swarm.handle(Input::Forked { of, at, branches }, self.now);
                    for stream in streams {
                        let head = self.log.head(&stream).expect("it was just stored");
                        self.swarm.handle(Input::Durable(head), self.now);
                    }
                    self.forked.push(branch);
                }
                Output::Close { connection, reason } => {
                    if connection == self.connection {
                        self.closed = Some(reason);
                    }
                }
                Output::Tell(event) => self.told.push(event),
                Output::Preview(preview) => self.shown.push(preview),
                Output::Repair { range } => self.repairs.push(range),
                Output::Dial { peer, named, discovered } => {
                    self.dialed.push(peer);
                    self.dialed_where = named.into_iter().chain(discovered).collect();
                }
                Output::Admitted { .. } => {}
                output @ (Output::CargoOpen { .. }
                | Output::Cargo { .. }
                | Output::Carried { .. }
                | Output::CargoEnd { .. }) => self.cargo.push(output),
                Output::Wait(deadline) => {
                    self.deadline = deadline;
                    return;
                }
            }
        }
    }

    pub(super) fn messages(&self) -> Vec<Message> {
        let message = |frame| match Message::decode(frame).expect("we speak well") {
            Decoded::Message(message) => Some(*message),
            Decoded::Skip | Decoded::Unsupported(_) => None,
        };
        self.heard.iter().filter_map(message).collect()
    }

    pub(super) fn goodbye(&self) -> Option<RefusalReason> {
        self.messages().into_iter().find_map(|message| match message {
            Message::Goodbye(reason) => Some(reason),
            _ => None,
        })
    }

    pub(super) fn wants(&self) -> Vec<(StreamId, u64, u64)> {
        let want = |message| match message {
            Message::Want { stream, from, to } if from < to => Some((stream, from, to)),
            _ => None,
        };
        self.messages().into_iter().filter_map(want).collect()
    }
}

/// An author that is not there: its log, from which the puppet relays.
pub(super) struct Author {
    pub(super) key: NodeKey,
    pub(super) log: MemoryLog,
}

impl Author {
    pub(super) fn new(seed: u8) -> Author {
        let key = NodeKey::from_seed(&[seed; 32]);
        Author { key, log: MemoryLog::new(SECRET.swarm_id()) }
    }

    pub(super) fn stream(&self) -> StreamId {
        StreamId { node: self.key.node_id(), number: 0 }
    }

    pub(super) fn write(&mut self, texts: &[&str]) -> SignedHead {
        let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
        self.log.append(&self.key, 0, &texts)
    }

    pub(super) fn range(&self, from: u64) -> Message {
        let stream = self.stream();
        let before = self.log.chain_at(&stream, from).unwrap().unwrap();
        let range = self.log.read_range(&stream, from).unwrap().unwrap();
        Message::Range { before, range }
    }
}
