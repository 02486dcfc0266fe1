//! Several exchanges with real pieces, model stores and wires between them.

use super::desk::{Sample, Shelf, look_again, node};
use crate::blob::exchange::{
    BlobNews, ConnectionNumber, Exchange, FetchNumber, Held, Input, MayKeep, Output, PieceFault,
    PieceJob, ServeFault, ServeJob, Urgency,
};
use crate::blob::limits::{BULK_UNSENT_BYTES_MAX, LIVE_UNSENT_BYTES_MAX, PIECE_BYTES_MAX};
use crate::blob::{BlobId, BlobSize, GroupRange, GroupSet, piece};
use bytes::Bytes;
use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

/// What a store has of a blob; bytes of groups that are not held are zeros.
struct Kept {
    bytes: Vec<u8>,
    tree: Vec<u8>,
}

pub(super) struct Member {
    pub(super) exchange: Exchange,
    pub(super) shelf: Shelf,
    kept: BTreeMap<BlobId, Kept>,
    pub(super) news: Vec<BlobNews>,
    /// Changes a byte of each piece that it sends.
    pub(super) lies: bool,
    /// Sends nothing on its bulk lanes.
    pub(super) is_mute: bool,
    /// Its workers answer only when nothing else is to be done, the last job first.
    pub(super) is_backward: bool,
    late: Vec<ServeJob>,
    /// Pieces that it sent.
    pub(super) given: usize,
    deadline: Option<Instant>,
}

struct Frame {
    connection: ConnectionNumber,
    to: usize,
    bulk: bool,
    bytes: Bytes,
}

pub(super) struct World {
    pub(super) members: Vec<Member>,
    links: BTreeMap<ConnectionNumber, (usize, usize)>,
    last_link: u64,
    wires: VecDeque<Frame>,
    pub(super) now: Instant,
    /// Who was blamed, by whom.
    pub(super) blamed: Vec<(usize, usize)>,
}

impl World {
    pub(super) fn of(count: usize) -> World {
        let now = Instant::now();
        let member = |number| Member {
            exchange: Exchange::new(node(number as u64), now),
            shelf: Shelf { may_keep: Some(MayKeep::Yes), ..Shelf::default() },
            kept: BTreeMap::new(),
            news: Vec::new(),
            lies: false,
            is_mute: false,
            is_backward: false,
            late: Vec::new(),
            given: 0,
            deadline: None,
        };
        World {
            members: (0..count).map(member).collect(),
            links: BTreeMap::new(),
            last_link: 0,
            wires: VecDeque::new(),
            now,
            blamed: Vec::new(),
        }
    }

    pub(super) fn link(&mut self, a: usize, b: usize) {
        self.last_link += 1;
        let connection = ConnectionNumber::new(self.last_link);
        self.links.insert(connection, (a, b));
        self.handle(a, Input::Opened { connection, peer: node(b as u64) });
        self.handle(b, Input::Opened { connection, peer: node(a as u64) });
    }

    pub(super) fn cut(&mut self, a: usize, b: usize) {
        let of_them = |ends: &(usize, usize)| *ends == (a, b) || *ends == (b, a);
        let ended: Vec<_> =
            self.links.iter().filter(|(_, ends)| of_them(ends)).map(|(link, _)| *link).collect();
        ended.into_iter().for_each(|connection| self.end(connection));
    }

    fn end(&mut self, connection: ConnectionNumber) {
        let Some((a, b)) = self.links.remove(&connection) else { return };
        self.wires.retain(|frame| frame.connection != connection);
        self.handle(a, Input::Ended { connection });
        self.handle(b, Input::Ended { connection });
    }

    pub(super) fn give(&mut self, member: usize, sample: &Sample) {
        let kept = Kept { bytes: sample.bytes.clone(), tree: sample.tree.clone() };
        self.members[member].kept.insert(sample.id, kept);
        self.members[member].shelf.held.insert(sample.id, sample.held());
        self.handle(member, Input::Changed { id: sample.id });
    }

    pub(super) fn fetch(
        &mut self,
        member: usize,
        fetch: u64,
        id: BlobId,
        groups: Option<GroupRange>,
    ) {
        let urgency = if groups.is_some() { Urgency::Reading } else { Urgency::Asked };
        let fetch = FetchNumber::new(fetch);
        let hints = Vec::new();
        self.handle(member, Input::Fetch { fetch, id, size: None, groups, urgency, hints });
    }

    pub(super) fn handle(&mut self, member: usize, input: Input) {
        self.members[member].exchange.handle(input, self.now);
        self.drain(member);
    }

    fn drain(&mut self, at: usize) {
        for _ in 0..100_000 {
            let member = &mut self.members[at];
            match member.exchange.poll(&member.shelf) {
                Output::Wait(deadline) => {
                    member.deadline = deadline;
                    look_again(&mut member.exchange, &member.shelf);
                    let Some(job) = member.late.pop() else { return };
                    let result = member.encode(&job);
                    member.exchange.handle(Input::Encoded { job: job.job, result }, self.now);
                }
                Output::Ship { connection, bulk, bytes } => self.ship(at, connection, bulk, bytes),
                Output::Take(job) => {
                    let (id, number) = (job.id, job.job);
                    let result = member.take(job);
                    member.exchange.handle(Input::Verified { job: number, result }, self.now);
                    member.exchange.handle(Input::Changed { id }, self.now);
                }
                Output::Give(job) if member.is_backward => member.late.push(job),
                Output::Give(job) => {
                    let result = member.encode(&job);
                    member.exchange.handle(Input::Encoded { job: job.job, result }, self.now);
                }
                Output::Blame { connection, .. } => {
                    let (a, b) = self.links[&connection];
                    self.blamed.push((if a == at { b } else { a }, at));
                    self.end(connection);
                }
                Output::Tell(news) => member.news.push(news),
                Output::Reach { .. } => {}
            }
        }
        panic!("member {at} never waits");
    }

    fn ship(&mut self, from: usize, connection: ConnectionNumber, bulk: bool, bytes: Bytes) {
        assert!(bytes.len() <= PIECE_BYTES_MAX);
        let Some((a, b)) = self.links.get(&connection) else { return };
        let to = if *a == from { *b } else { *a };
        if bulk && self.members[from].is_mute {
            return;
        }
        self.wires.push_back(Frame { connection, to, bulk, bytes });
        let waiting = |lane| {
            let of_it = |frame: &&Frame| {
                frame.connection == connection && frame.to == to && frame.bulk == lane
            };
            self.wires.iter().filter(of_it).map(|frame| frame.bytes.len()).sum::<usize>()
        };
        assert!(waiting(false) <= LIVE_UNSENT_BYTES_MAX);
        assert!(waiting(true) <= BULK_UNSENT_BYTES_MAX + 1024);
    }

    /// One frame arrives; if none is on its way, it gets as late as the next has to wait.
    pub(super) fn go_on(&mut self) {
        let next = self.members.iter().filter_map(|member| member.deadline).min();
        if let (true, Some(next)) = (self.wires.is_empty(), next) {
            self.now = self.now.max(next);
            for member in 0..self.members.len() {
                self.handle(member, Input::Tick);
            }
        }
        self.step();
    }

    /// Bytes of a blob that are there by name only: reading them fails.
    pub(super) fn lose(&mut self, member: usize, sample: &Sample) {
        self.members[member].kept.remove(&sample.id);
    }

    /// One frame arrives; false when none is on its way.
    fn step(&mut self) -> bool {
        let Some(Frame { connection, to, bulk, mut bytes }) = self.wires.pop_front() else {
            return false;
        };
        let (a, b) = self.links[&connection];
        let from = if a == to { b } else { a };
        let shipped = Input::Shipped { connection, bulk, bytes: bytes.len() };
        self.handle(from, shipped);
        if bulk && bytes.len() > 100 {
            self.members[from].given += 1;
            if self.members[from].lies {
                let mut other = bytes.to_vec();
                let last = other.len() - 1;
                other[last] ^= 1;
                bytes = other.into();
            }
        }
        if self.links.contains_key(&connection) {
            self.handle(to, Input::Frame { connection, bulk, bytes });
        }
        true
    }

    /// Lets everything arrive and time pass, so long.
    pub(super) fn run(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            while self.step() {}
            let next = self.members.iter().filter_map(|member| member.deadline).min();
            let Some(next) = next.filter(|next| *next <= end) else { break };
            self.now = self.now.max(next);
            for member in 0..self.members.len() {
                self.handle(member, Input::Tick);
            }
        }
        self.now = end;
    }

    pub(super) fn has_whole(&self, member: usize, sample: &Sample) -> bool {
        let member = &self.members[member];
        let held = member.shelf.held.get(&sample.id).is_some_and(Held::is_whole);
        held && member.kept[&sample.id].bytes == sample.bytes
    }
}

impl Member {
    fn take(&mut self, job: PieceJob) -> Result<(), PieceFault> {
        let PieceJob { id, size, group, piece: bytes, .. } = job;
        let piece = piece::verify(&id, size, group, &bytes).map_err(|_| PieceFault::Forged)?;
        let new =
            || Held { size, is_proven: false, groups: GroupSet::empty(size), is_durable: true };
        let room = |size: BlobSize| Kept {
            bytes: vec![0; size.bytes() as usize],
            tree: vec![0; size.tree_bytes() as usize],
        };
        let is_last = group == size.last_group();
        let held = self.shelf.held.entry(id).or_insert_with(new);
        let kept = self.kept.entry(id).or_insert_with(|| room(size));
        if held.size != size {
            if !is_last || held.is_proven {
                return Ok(());
            }
            (*held, *kept) = (new(), room(size));
        }
        held.is_proven |= is_last;
        held.groups.insert(group);
        let start = group.start() as usize;
        kept.bytes[start..start + piece.bytes.len()].copy_from_slice(&piece.bytes);
        for (position, pair) in piece.pairs {
            kept.tree[position as usize..position as usize + 64].copy_from_slice(&pair);
        }
        Ok(())
    }

    fn encode(&self, job: &ServeJob) -> Result<Bytes, ServeFault> {
        let kept = self.kept.get(&job.id).ok_or(ServeFault::Gone)?;
        let mut frame = job.begin_frame();
        let from = (&kept.bytes[..], &kept.tree[..]);
        let made = piece::encode(&job.id, job.size, job.group, from, &mut frame);
        made.map_err(|_| ServeFault::Damaged)?;
        Ok(frame.into())
    }
}
