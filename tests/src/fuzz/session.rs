//! Arbitrary frames from strangers and from an admitted peer, between true ones: the swarm never
//! panics, stores only ranges that verify where the stream ends, and answers to nobody else.

use bytes::Bytes;
use millpond::Result;
use millpond::event::cbor::Value;
use millpond::event::limits::FRAME_BYTES_MAX;
use millpond::event::{
    AppId, Chain, EventKind, EventRange, Header, Lamport, NodeKey, PackedRange, Payload, Record,
    SignedHead, StreamEnd, StreamId, SwarmSecret, TagSet, WallTime,
};
use millpond::sync::{
    ConnectionId, Input, Lane, LinkState, LogRead, Output, SendCaps, Swarm, SwarmOptions,
};
use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

const ADMITTED: ConnectionId = ConnectionId::new(1);
const BINDING: [u8; 32] = [4; 32];

/// Tries these bytes.
pub fn run(bytes: &[u8]) {
    let mut world = World::new();
    world.admit();
    let mut rest = bytes;
    while let Some((step, tail)) = take_step(rest) {
        rest = tail;
        world.step(step);
    }
}

/// What one step does, and the bytes it does it with.
struct Step<'a> {
    action: u8,
    bytes: &'a [u8],
}

/// A step is an action, two bytes of length (little end first) and that many bytes.
fn take_step(bytes: &[u8]) -> Option<(Step<'_>, &[u8])> {
    let ([action, low, high], rest) = bytes.split_first_chunk::<3>()?;
    let length = usize::from(u16::from_le_bytes([*low, *high])).min(rest.len());
    let (bytes, rest) = rest.split_at(length);
    Some((Step { action: *action, bytes }, rest))
}

struct World {
    swarm: Swarm,
    peer: Swarm,
    log: MemoryLog,
    peer_log: MemoryLog,
    now: Instant,
    next_connection: u64,
    strangers: Vec<ConnectionId>,
    peer_frames: Vec<(Lane, Bytes)>,
}

impl World {
    fn new() -> World {
        let now = Instant::now();
        static LOGS: OnceLock<[MemoryLog; 2]> = OnceLock::new();
        let logs = LOGS.get_or_init(|| [MemoryLog::of(1), MemoryLog::of(2)]);
        let [log, peer_log] = logs.clone();
        World {
            swarm: Swarm::new(options(1), log.heads(), Vec::new(), now),
            peer: Swarm::new(options(2), peer_log.heads(), Vec::new(), now),
            log,
            peer_log,
            now,
            next_connection: 2,
            strangers: Vec::new(),
            peer_frames: Vec::new(),
        }
    }

    /// Lets the two swarms greet each other.
    fn admit(&mut self) {
        let binding = BINDING;
        let (us, peer) = (key(1).node_id(), key(2).node_id());
        let connected = Input::Connected { connection: ADMITTED, peer, binding, dialed: false };
        self.swarm.handle(connected, self.now);
        let connected = Input::Connected { connection: ADMITTED, peer: us, binding, dialed: true };
        self.peer.handle(connected, self.now);
        self.drain();
        for _ in 0..2 {
            self.deliver();
        }
        let peers = self.swarm.status().peers;
        assert!(peers.iter().any(|known| known.state == LinkState::Connected));
    }

    fn step(&mut self, step: Step<'_>) {
        match step.action % 8 {
            0 => self.frame(ADMITTED, Lane::Live, Bytes::copy_from_slice(step.bytes)),
            1 => {
                let lane = if step.action < 0x80 { Lane::Backlog } else { Lane::Bulk };
                self.frame(ADMITTED, lane, Bytes::copy_from_slice(step.bytes));
            }
            2 => self.stranger_says(step.bytes),
            3 => {
                let millis = step.bytes.iter().map(|byte| u64::from(*byte)).sum::<u64>();
                self.now += Duration::from_millis(millis * 10);
                self.swarm.handle(Input::Tick, self.now);
                self.peer.handle(Input::Tick, self.now);
                self.drain();
            }
            4 => self.deliver(),
            5 => self.altered(step.bytes),
            6 => {
                let connection = self.strangers.pop().unwrap_or(ADMITTED);
                let code = step.bytes.first().map(|code| u64::from(*code));
                self.swarm.handle(Input::Disconnected { connection, code }, self.now);
                self.drain();
            }
            _ => {
                for lane in Lane::ALL {
                    let sent = Input::Sent { connection: ADMITTED, lane, bytes: 100_000 };
                    self.swarm.handle(sent.clone(), self.now);
                    self.peer.handle(sent, self.now);
                }
                self.drain();
            }
        }
    }

    fn frame(&mut self, connection: ConnectionId, lane: Lane, bytes: Bytes) {
        self.swarm.handle(Input::Frame { connection, lane, bytes }, self.now);
        self.drain();
    }

    fn stranger_says(&mut self, bytes: &[u8]) {
        let connection = ConnectionId::new(self.next_connection);
        self.next_connection += 1;
        self.strangers.push(connection);
        let peer = key(3 + bytes.first().copied().unwrap_or(0) % 4).node_id();
        let connected = Input::Connected { connection, peer, binding: BINDING, dialed: false };
        self.swarm.handle(connected, self.now);
        self.frame(connection, Lane::Live, Bytes::copy_from_slice(bytes));
    }

    /// Passes on what the peer truly said.
    fn deliver(&mut self) {
        for (lane, bytes) in std::mem::take(&mut self.peer_frames) {
            self.frame(ADMITTED, lane, bytes);
        }
    }

    /// Passes on what the peer truly said, with one byte of each frame changed.
    fn altered(&mut self, change: &[u8]) {
        let [low, high, mask, ..] = change else { return };
        for (lane, bytes) in std::mem::take(&mut self.peer_frames) {
            let mut bytes = bytes.to_vec();
            let at = usize::from(u16::from_le_bytes([*low, *high])) % bytes.len().max(1);
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= mask;
            }
            self.frame(ADMITTED, lane, bytes.into());
        }
    }

    fn drain(&mut self) {
        for (connection, lane, bytes) in perform(&mut self.swarm, &mut self.log, self.now) {
            if connection == ADMITTED {
                self.peer.handle(Input::Frame { connection, lane, bytes }, self.now);
            }
        }
        let said = perform(&mut self.peer, &mut self.peer_log, self.now);
        self.peer_frames.extend(said.into_iter().map(|(_, lane, bytes)| (lane, bytes)));
    }
}

/// Does what the swarm says until it waits; the frames that it sends.
fn perform(
    swarm: &mut Swarm,
    log: &mut MemoryLog,
    now: Instant,
) -> Vec<(ConnectionId, Lane, Bytes)> {
    let mut frames = Vec::new();
    loop {
        match swarm.poll(log) {
            Output::Wait(_) => return frames,
            Output::Send { connection, lane, bytes } => {
                assert!(bytes.len() <= FRAME_BYTES_MAX);
                swarm.handle(Input::Sent { connection, lane, bytes: bytes.len() }, now);
                frames.push((connection, lane, bytes));
            }
            Output::Store { range, .. } => {
                let head = range.head.clone();
                log.store(range);
                swarm.handle(Input::Durable(head), now);
            }
            Output::Open(block) => swarm.handle(Input::Opened(block.open()), now),
            Output::CargoOpen { connection, .. } => {
                for (lane, kind) in [(Lane::Live, 0x90), (Lane::Bulk, 0x93)] {
                    let bytes = vec![kind; 100].into();
                    swarm.handle(Input::Carry { connection, lane, bytes }, now);
                }
            }
            Output::Cargo { lane, bytes, .. } => {
                assert!(lane != Lane::Backlog && matches!(bytes[0], 0x90..=0x97));
                assert!(bytes.len() <= lane.frame_bytes_max());
            }
            Output::Preview(_)
            | Output::Repair { .. }
            | Output::Admitted { .. }
            | Output::Carried { .. }
            | Output::CargoEnd { .. }
            | Output::Dial { .. }
            | Output::Fork { .. }
            | Output::Close { .. }
            | Output::Tell(_) => {}
        }
    }
}

fn key(node: u8) -> NodeKey {
    static KEYS: OnceLock<Vec<NodeKey>> = OnceLock::new();
    let keys = KEYS.get_or_init(|| (0..8).map(|seed| NodeKey::from_seed(&[seed; 32])).collect());
    keys[usize::from(node)].clone()
}

fn secret() -> SwarmSecret {
    SwarmSecret::from_bytes([9; 32])
}

fn options(node: u8) -> SwarmOptions {
    SwarmOptions {
        node: key(node).node_id(),
        own_stream: StreamId { node: key(node).node_id(), number: 0 },
        secrets: secret().into(),
        instance: [node; 8],
        allowed: None,
        peers_max: 4,
        send_caps: SendCaps::default(),
        learns: true,
        priority: None,
        carries_cargo: true,
    }
}

/// A log of ranges, each checked as it comes.
#[derive(Clone)]
struct MemoryLog {
    ranges: BTreeMap<StreamId, Vec<EventRange>>,
}

impl MemoryLog {
    /// With three events of the node.
    fn of(node: u8) -> MemoryLog {
        let swarm = secret().swarm_id();
        let stream = StreamId { node: key(node).node_id(), number: 0 };
        let start = StreamEnd::empty(&swarm, &stream);
        let records: Vec<Record> = (1..=3).map(record).collect();
        let chain = records.iter().fold(start.chain, |chain, record| chain.extend(&record.leaf()));
        let head = key(node).sign_head(&swarm, 0, 3, records[2].lamport(), chain);
        let mut log = MemoryLog { ranges: BTreeMap::new() };
        log.store(EventRange::new(0, records, head));
        log
    }

    fn heads(&self) -> Vec<SignedHead> {
        self.ranges.values().filter_map(|all| all.last()).map(|range| range.head.clone()).collect()
    }

    fn store(&mut self, range: EventRange) {
        let swarm = secret().swarm_id();
        let held = self.ranges.entry(range.stream()).or_default();
        let end = match held.last() {
            Some(last) => StreamEnd::from(&last.head),
            None => StreamEnd::empty(&swarm, &range.stream()),
        };
        range.verify(&swarm, &end).expect("only what verifies is stored");
        held.push(range);
    }
}

impl LogRead for MemoryLog {
    fn read_range(&self, stream: &StreamId, from: u64) -> Result<Option<EventRange>> {
        let held = self.ranges.get(stream).into_iter().flatten();
        let found = held.into_iter().find(|range| range.first <= from && from < range.head.count);
        Ok(found.map(|range| {
            let skipped = (from - range.first) as usize;
            let records = range.records()[skipped..].to_vec();
            EventRange::new(from, records, range.head.clone())
        }))
    }

    fn read_block(&self, stream: &StreamId, from: u64) -> Result<Option<PackedRange>> {
        let held = self.ranges.get(stream).into_iter().flatten();
        let found = held.into_iter().find(|range| range.first == from);
        Ok(found.and_then(EventRange::packed))
    }

    fn chain_at(&self, stream: &StreamId, count: u64) -> Result<Option<Chain>> {
        let mut chain = Chain::start(&secret().swarm_id(), stream);
        let mut records = self.ranges.get(stream).into_iter().flatten().flat_map(|r| r.records());
        for _ in 0..count {
            match records.next() {
                Some(record) => chain = chain.extend(&record.leaf()),
                None => return Ok(None),
            }
        }
        Ok(Some(chain))
    }

    fn block_start(&self, stream: &StreamId, offset: u64) -> Result<Option<u64>> {
        let held = self.ranges.get(stream).and_then(|ranges| ranges.last());
        Ok(held.filter(|last| offset < last.head.count).map(|_| 0))
    }
}

fn record(lamport: u64) -> Record {
    let header = Header {
        kind: EventKind::Application,
        lamport: Lamport::new(lamport).expect("small"),
        time: WallTime::from_micros(0),
        app_id: AppId::parse("fuzz").expect("plain"),
        tags: TagSet::new(["grain"]).expect("short"),
    };
    Record::encode(&header, &Payload::from_value(&Value::from(lamport)).expect("small"))
}
