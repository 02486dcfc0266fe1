//! One exchange, what its store holds, and peers that say what a test tells them to.

use crate::blob::exchange::{
    BlobNews, ConnectionNumber, Exchange, FetchNumber, Held, Holdings, Input, MayKeep, Output,
    PieceFault, PieceJob, ServeJob, Urgency,
};
use crate::blob::limits::GROUP_BYTES;
use crate::blob::message::{Ask, BlobMessage, Find, Have, Holding, PieceFrame};
use crate::blob::{BlobId, BlobSize, GroupIndex, GroupRange, GroupSet, piece};
use crate::error::Result;
use crate::event::NodeId;
use bytes::Bytes;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// A blob with its tree.
#[derive(Clone)]
pub(super) struct Sample {
    pub(super) id: BlobId,
    pub(super) size: BlobSize,
    pub(super) bytes: Vec<u8>,
    pub(super) tree: Vec<u8>,
}

impl Sample {
    /// A blob of so many full groups, different for each seed.
    pub(super) fn of(seed: u8, groups: u32) -> Sample {
        Sample::of_bytes(seed, groups as usize * GROUP_BYTES)
    }

    pub(super) fn of_bytes(seed: u8, count: usize) -> Sample {
        let bytes: Vec<u8> = (0..count).map(|at| (at % 251) as u8 ^ seed).collect();
        let size = BlobSize::new(count as u64).unwrap();
        let mut tree = Vec::new();
        let id = piece::hash_into(size, &bytes[..], &mut tree).unwrap();
        Sample { id, size, bytes, tree }
    }

    pub(super) fn piece(&self, group: GroupIndex) -> Bytes {
        let mut out = Vec::new();
        piece::encode(&self.id, self.size, group, (&self.bytes[..], &self.tree[..]), &mut out)
            .unwrap();
        out.into()
    }

    pub(super) fn held(&self) -> Held {
        let groups = GroupSet::full(self.size);
        Held { size: self.size, is_proven: true, groups, is_durable: true }
    }
}

/// Looks at everything: nothing may come of it, and nothing may be due earlier than was said.
pub(super) fn look_again(exchange: &mut Exchange, shelf: &Shelf) {
    let said = exchange.look_again();
    match exchange.poll(shelf) {
        Output::Wait(at) => {
            let is_late = at.is_some_and(|at| said.is_none_or(|said| said > at));
            assert!(!is_late, "it would sleep too long");
        }
        output => panic!("a look was missed: {output:?}"),
    }
}

/// What the store holds.
#[derive(Default)]
pub(super) struct Shelf {
    pub(super) held: BTreeMap<BlobId, Held>,
    pub(super) may_keep: Option<MayKeep>,
    /// How often it was asked what it holds.
    pub(super) looks: Cell<usize>,
}

impl Holdings for Shelf {
    fn held(&self, id: &BlobId) -> Result<Option<Held>> {
        self.looks.set(self.looks.get() + 1);
        Ok(self.held.get(id).cloned())
    }

    fn may_keep(&self, _id: &BlobId) -> MayKeep {
        self.may_keep.unwrap_or(MayKeep::NotKnown)
    }
}

/// An exchange whose jobs are done when a test says so.
pub(super) struct Desk {
    pub(super) exchange: Exchange,
    pub(super) shelf: Shelf,
    pub(super) now: Instant,
    /// What it said, by connection.
    pub(super) said: Vec<(u64, BlobMessage)>,
    pub(super) takes: Vec<PieceJob>,
    pub(super) gives: Vec<ServeJob>,
    pub(super) news: Vec<BlobNews>,
    /// Connections whose session it ended, with the word for it.
    pub(super) blamed: Vec<(u64, String)>,
    pub(super) reached: Vec<NodeId>,
    pub(super) deadline: Option<Instant>,
    /// Whether what is shipped leaves at once.
    pub(super) leaves: bool,
    /// Whether everything is looked at after each input, to see that no look was missed.
    pub(super) looks_again: bool,
}

pub(super) fn node(number: u64) -> NodeId {
    NodeId::from_bytes([number as u8; 32])
}

pub(super) fn group(number: u32) -> GroupIndex {
    GroupIndex::new(number.into()).unwrap()
}

pub(super) fn range(first: u32, end: u32) -> GroupRange {
    GroupRange::new(first.into(), end.into()).unwrap()
}

impl Desk {
    pub(super) fn new() -> Desk {
        let now = Instant::now();
        Desk {
            exchange: Exchange::new(node(200), now),
            shelf: Shelf::default(),
            now,
            said: Vec::new(),
            takes: Vec::new(),
            gives: Vec::new(),
            news: Vec::new(),
            blamed: Vec::new(),
            reached: Vec::new(),
            deadline: None,
            leaves: true,
            looks_again: true,
        }
    }

    /// With these peers, each on the connection and with the node of its number.
    pub(super) fn with_peers(peers: impl IntoIterator<Item = u64>) -> Desk {
        let mut desk = Desk::new();
        peers.into_iter().for_each(|peer| desk.open(peer));
        desk
    }

    pub(super) fn open(&mut self, peer: u64) {
        let connection = ConnectionNumber::new(peer);
        self.handle(Input::Opened { connection, peer: node(peer) });
    }

    pub(super) fn end(&mut self, peer: u64) {
        self.handle(Input::Ended { connection: ConnectionNumber::new(peer) });
    }

    pub(super) fn handle(&mut self, input: Input) {
        self.exchange.handle(input, self.now);
        for _ in 0..100_000 {
            match self.exchange.poll(&self.shelf) {
                Output::Wait(deadline) => {
                    assert!(deadline.is_none_or(|at| at > self.now), "it would spin");
                    self.deadline = deadline;
                    if self.looks_again {
                        look_again(&mut self.exchange, &self.shelf);
                    }
                    return;
                }
                output => self.perform(output),
            }
        }
        panic!("the exchange never waits");
    }

    fn perform(&mut self, output: Output) {
        match output {
            Output::Ship { connection, bulk, bytes } => {
                let message = BlobMessage::decode(&bytes).unwrap().expect("a message of ours");
                self.said.push((connection.value(), message));
                if self.leaves {
                    let shipped = Input::Shipped { connection, bulk, bytes: bytes.len() };
                    self.exchange.handle(shipped, self.now);
                }
            }
            Output::Take(job) => self.takes.push(job),
            Output::Give(job) => self.gives.push(job),
            Output::Blame { connection, reason, error, .. } => {
                self.blamed.push((connection.value(), format!("{reason:?}: {error}")));
            }
            Output::Reach { peer } => self.reached.push(peer),
            Output::Tell(news) => self.news.push(news),
            Output::Wait(_) => unreachable!("handled above"),
        }
    }

    /// Lets a peer say something on the lane it belongs to.
    pub(super) fn hear(&mut self, peer: u64, message: &BlobMessage) {
        let bulk = matches!(message, BlobMessage::Piece(_) | BlobMessage::Stopped { .. });
        self.hear_bytes(peer, bulk, message.encode());
    }

    pub(super) fn hear_bytes(&mut self, peer: u64, bulk: bool, bytes: Bytes) {
        self.handle(Input::Frame { connection: ConnectionNumber::new(peer), bulk, bytes });
    }

    /// A peer says that it has the blob whole.
    pub(super) fn whole(&mut self, peer: u64, sample: &Sample) {
        self.says(peer, sample.id, Holding::Whole { size: sample.size });
    }

    pub(super) fn says(&mut self, peer: u64, id: BlobId, holding: Holding) {
        self.hear(peer, &BlobMessage::Have(vec![Have { id, holding, others: Vec::new() }]));
    }

    pub(super) fn find(&mut self, peer: u64, id: BlobId, watch: bool) {
        self.hear(peer, &BlobMessage::Find(vec![Find { id, watch }]));
    }

    pub(super) fn fetch(
        &mut self,
        fetch: u64,
        id: BlobId,
        urgency: Urgency,
        groups: Option<GroupRange>,
    ) {
        let fetch = FetchNumber::new(fetch);
        self.handle(Input::Fetch { fetch, id, size: None, groups, urgency, hints: Vec::new() });
    }

    pub(super) fn pass(&mut self, time: Duration) {
        self.now += time;
        self.handle(Input::Tick);
    }

    /// Asks that were made since this was last called, with their peers.
    pub(super) fn asks(&mut self) -> Vec<(u64, Ask)> {
        let ask = |(peer, message): (u64, BlobMessage)| match message {
            BlobMessage::Ask(ask) => Some((peer, ask)),
            _ => None,
        };
        std::mem::take(&mut self.said).into_iter().filter_map(ask).collect()
    }

    /// A peer sends the true pieces of an ask.
    pub(super) fn bring(&mut self, peer: u64, ask: &Ask, sample: &Sample) {
        for group in ask.groups.iter() {
            self.bring_one(peer, ask.transfer, group, sample.piece(group));
        }
    }

    pub(super) fn bring_one(&mut self, peer: u64, transfer: u64, group: GroupIndex, piece: Bytes) {
        self.hear(peer, &BlobMessage::Piece(PieceFrame { transfer, group, piece }));
    }

    /// Does what waits to be verified, into the shelf; how many verified.
    pub(super) fn verify(&mut self) -> usize {
        let mut good = 0;
        while !self.takes.is_empty() {
            let job = self.takes.remove(0);
            let result = match piece::verify(&job.id, job.size, job.group, &job.piece) {
                Ok(_) => {
                    good += 1;
                    self.put(&job);
                    Ok(())
                }
                Err(_) => Err(PieceFault::Forged),
            };
            self.handle(Input::Verified { job: job.job, result });
        }
        good
    }

    fn put(&mut self, job: &PieceJob) {
        let is_last = job.group == job.size.last_group();
        let new = || Held {
            size: job.size,
            is_proven: false,
            groups: GroupSet::empty(job.size),
            is_durable: false,
        };
        let held = self.shelf.held.entry(job.id).or_insert_with(new);
        if held.size != job.size {
            if !is_last {
                return;
            }
            *held = new();
        }
        held.is_proven |= is_last;
        held.groups.insert(job.group);
    }

    /// Brings and verifies what is asked until nothing more is; how many groups came.
    pub(super) fn bring_all(&mut self, sample: &Sample) -> usize {
        let mut count = 0;
        loop {
            let asks = self.asks();
            if asks.is_empty() {
                return count;
            }
            for (peer, ask) in asks {
                self.bring(peer, &ask, sample);
            }
            count += self.verify();
        }
    }

    pub(super) fn is_fetched(&self, fetch: u64) -> bool {
        let of = FetchNumber::new(fetch);
        self.news.iter().any(|news| matches!(news, BlobNews::Fetched { fetch, .. } if *fetch == of))
    }
}
