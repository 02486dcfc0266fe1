//! Arbitrary frames about blobs, and answers of workers to them: what reads as a message is what
//! writing it gives, and the exchange neither panics nor does more than its bounds.

use bytes::Bytes;
use millpond::Result;
use millpond::blob::exchange::{
    ConnectionNumber, Exchange, FetchNumber, Held, Holdings, Input, MayKeep, Output, PieceFault,
    PieceJob, ServeFault, ServeJob, Urgency,
};
use millpond::blob::limits::{
    ASKED_GROUPS_ALL_MAX, BULK_UNSENT_BYTES_MAX, GROUP_BYTES, LIVE_UNSENT_BYTES_MAX,
    SERVE_AHEAD_ALL_MAX,
};
use millpond::blob::message::BlobMessage;
use millpond::blob::{BlobId, BlobSize, GroupSet};
use millpond::event::NodeId;
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

const PEERS: u64 = 3;

/// Tries these bytes: as one frame, and as steps.
pub fn run(bytes: &[u8]) {
    let frame = Bytes::copy_from_slice(bytes);
    if let Ok(Some(message)) = BlobMessage::decode(&frame) {
        assert_eq!(message.encode(), frame);
    }
    let mut world = World::new();
    let mut rest = bytes;
    // A step is an action, two bytes of length (little end first) and that many bytes.
    while let Some(([action, low, high], tail)) = rest.split_first_chunk::<3>() {
        let length = usize::from(u16::from_le_bytes([*low, *high])).min(tail.len());
        let (step, tail) = tail.split_at(length);
        rest = tail;
        world.step(*action, step);
    }
    // A blob takes 32 bytes or more to be named, and each input says something of one more.
    let most = 16 * world.inputs + bytes.len() / 8;
    assert!(world.store.looks.get() <= most, "{} looks", world.store.looks.get());
}

/// The blob that is held, all zeros, and the one that is wanted.
const HELD: BlobId = BlobId::from_bytes([7; 32]);
const WANTED: BlobId = BlobId::from_bytes([8; 32]);

struct World {
    exchange: Exchange,
    store: Store,
    now: Instant,
    takes: Vec<PieceJob>,
    gives: Vec<ServeJob>,
    /// Bytes on each lane of each connection that have not left.
    unsent: BTreeMap<(ConnectionNumber, bool), usize>,
    /// Transfers that it stopped on a connection.
    stopped: BTreeSet<(ConnectionNumber, u64)>,
    inputs: usize,
}

#[derive(Default)]
struct Store {
    /// How often it was asked what it holds.
    looks: Cell<usize>,
}

impl Holdings for Store {
    fn held(&self, id: &BlobId) -> Result<Option<Held>> {
        self.looks.set(self.looks.get() + 1);
        let size = BlobSize::new(40 * GROUP_BYTES as u64)?;
        let groups = GroupSet::full(size);
        let held = Held { size, is_proven: true, groups, is_durable: true };
        Ok((*id == HELD).then_some(held))
    }

    fn may_keep(&self, id: &BlobId) -> MayKeep {
        match id.as_bytes()[0] % 3 {
            0 => MayKeep::Yes,
            1 => MayKeep::NoRoom,
            _ => MayKeep::NotKnown,
        }
    }
}

impl World {
    fn new() -> World {
        let now = Instant::now();
        let mut world = World {
            exchange: Exchange::new(NodeId::from_bytes([9; 32]), now),
            store: Store::default(),
            stopped: BTreeSet::new(),
            inputs: 0,
            now,
            takes: Vec::new(),
            gives: Vec::new(),
            unsent: BTreeMap::new(),
        };
        for peer in 0..PEERS {
            world.open(peer);
        }
        let (fetch, urgency) = (FetchNumber::new(1), Urgency::Asked);
        let (size, hints) = (None, Vec::new());
        let wish = Input::Fetch { fetch, id: WANTED, size, groups: None, urgency, hints };
        world.handle(wish);
        world.handle(Input::Copies { id: HELD, wanted: 3 });
        world
    }

    fn open(&mut self, peer: u64) {
        let connection = ConnectionNumber::new(peer);
        let peer = NodeId::from_bytes([peer as u8; 32]);
        self.handle(Input::Opened { connection, peer });
    }

    fn step(&mut self, action: u8, bytes: &[u8]) {
        let connection = ConnectionNumber::new(u64::from(action >> 4) % PEERS);
        let first = bytes.first().copied().unwrap_or(0);
        match action % 8 {
            0 | 1 => {
                let (bulk, bytes) = (action % 8 == 1, Bytes::copy_from_slice(bytes));
                self.handle(Input::Frame { connection, bulk, bytes });
            }
            2 => {
                self.now += Duration::from_millis(u64::from(first) * 50);
                self.handle(Input::Tick);
            }
            3 => {
                let lanes = std::mem::take(&mut self.unsent);
                for ((connection, bulk), bytes) in lanes {
                    self.handle(Input::Shipped { connection, bulk, bytes });
                }
            }
            4 => self.take(first),
            5 => self.give(first),
            6 => {
                self.handle(Input::Ended { connection });
                self.unsent.retain(|(of, _), _| *of != connection);
                self.open(connection.value());
            }
            _ => self.handle(Input::Changed { id: if first % 2 == 0 { HELD } else { WANTED } }),
        }
    }

    fn take(&mut self, how: u8) {
        let Some(job) = self.takes.pop().map(|job| job.job) else { return };
        let result = match how % 3 {
            0 => Ok(()),
            1 => Err(PieceFault::Forged),
            _ => Err(PieceFault::Full),
        };
        self.handle(Input::Verified { job, result });
    }

    fn give(&mut self, how: u8) {
        let Some(job) = self.gives.pop() else { return };
        let result = match how % 3 {
            0 => {
                let mut frame = job.begin_frame();
                frame.resize(frame.len() + job.size.piece_bytes(job.group), 0);
                Ok(frame.into())
            }
            1 => Err(ServeFault::Gone),
            _ => Err(ServeFault::Damaged),
        };
        self.handle(Input::Encoded { job: job.job, result });
    }

    fn handle(&mut self, input: Input) {
        if let Input::Opened { connection, .. } = &input {
            self.stopped.retain(|(of, _)| of != connection);
        }
        self.inputs += 1;
        self.exchange.handle(input, self.now);
        for _ in 0..10_000 {
            match self.exchange.poll(&self.store) {
                Output::Wait(at) => {
                    assert!(at.is_none_or(|at| at > self.now), "it would spin");
                    return;
                }
                Output::Ship { connection, bulk, bytes } => {
                    let unsent = self.unsent.entry((connection, bulk)).or_default();
                    *unsent += bytes.len();
                    let most =
                        if bulk { BULK_UNSENT_BYTES_MAX + 1024 } else { LIVE_UNSENT_BYTES_MAX };
                    assert!(*unsent <= most, "{unsent} bytes wait");
                    if let Ok(Some(BlobMessage::Stopped { transfer, .. })) =
                        BlobMessage::decode(&bytes)
                    {
                        assert!(self.stopped.insert((connection, transfer)), "stopped twice");
                    }
                }
                Output::Take(job) => self.takes.push(job),
                Output::Give(job) => self.gives.push(job),
                Output::Blame { connection, .. } => {
                    self.unsent.retain(|(of, _), _| *of != connection);
                }
                Output::Reach { .. } | Output::Tell(_) => {}
            }
            assert!(self.takes.len() as u32 <= ASKED_GROUPS_ALL_MAX);
            assert!(self.gives.len() as u32 <= SERVE_AHEAD_ALL_MAX);
        }
        panic!("the exchange never waits");
    }
}
