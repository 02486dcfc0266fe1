//! The state machine: inputs in, outputs out.

use super::blame::Liar;
use super::finder::{Question, Said};
use super::io::{
    BlobNews, ConnectionNumber, FetchNumber, Holdings, Input, JobNumber, Output, PieceFault,
    PieceJob, QuestionNumber, Stall, Urgency,
};
use super::keep::Copies;
use super::peer::Peer;
use super::want::{Waiter, Want, Wish};
use super::work::{Touched, Work};
use crate::blob::id::BlobId;
use crate::blob::limits::{FULL_RETRY, FULL_RETRY_MAX, HINTS_MAX, WANTS_ACTIVE_MAX};
use crate::blob::message::BlobMessage;
use crate::blob::size::{BlobSize, GroupIndex};
use crate::error::Error;
use crate::event::NodeId;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

/// The blobs of one node on their way: what it fetches, and what it gives to others.
pub struct Exchange {
    pub(super) own: NodeId,
    pub(super) now: Instant,
    pub(super) peers: BTreeMap<ConnectionNumber, Peer>,
    pub(super) wants: BTreeMap<BlobId, Want>,
    pub(super) fetches: BTreeMap<FetchNumber, BlobId>,
    pub(super) questions: BTreeMap<QuestionNumber, Question>,
    pub(super) copies: BTreeMap<BlobId, Copies>,
    /// Blobs that peers asked us to hold, and which peers.
    pub(super) kept: BTreeMap<BlobId, BTreeSet<ConnectionNumber>>,
    /// What nodes said that they have, of blobs that somebody here cares about.
    pub(super) said: BTreeMap<BlobId, BTreeMap<NodeId, Said>>,
    pub(super) liars: BTreeMap<NodeId, Liar>,
    pub(super) jobs: BTreeMap<JobNumber, Job>,
    pub(super) last_job: u64,
    /// Counts wants and their turns.
    pub(super) turn: u64,
    /// Which peer was given a piece last.
    pub(super) served: ConnectionNumber,
    /// Blobs of which the store holds other groups than before.
    pub(super) changed: BTreeSet<BlobId>,
    /// Requests to hold blobs that were not looked at yet.
    pub(super) keep_asked: Vec<(ConnectionNumber, BlobId)>,
    /// Somebody cares about other blobs than before, or a peer came.
    pub(super) is_curious: bool,
    /// No group is asked for before then, and the last pause.
    pub(super) full: Option<(Instant, Duration)>,
    /// What may be other than when it was last looked at.
    pub(super) work: Work,
    /// When time alone makes something to do; never later than that is.
    pub(super) due: Option<Instant>,
    pub(super) out: VecDeque<Output>,
}

/// What a job is for.
pub(super) enum Job {
    Take {
        connection: ConnectionNumber,
        peer: NodeId,
        id: BlobId,
        size: BlobSize,
        group: GroupIndex,
    },
    Give {
        connection: ConnectionNumber,
    },
}

impl Exchange {
    /// The exchange of the node `own`, without peers or wishes.
    pub fn new(own: NodeId, now: Instant) -> Exchange {
        Exchange {
            own,
            now,
            peers: BTreeMap::new(),
            wants: BTreeMap::new(),
            fetches: BTreeMap::new(),
            questions: BTreeMap::new(),
            copies: BTreeMap::new(),
            kept: BTreeMap::new(),
            said: BTreeMap::new(),
            liars: BTreeMap::new(),
            jobs: BTreeMap::new(),
            last_job: 0,
            turn: 0,
            served: ConnectionNumber::new(0),
            changed: BTreeSet::new(),
            keep_asked: Vec::new(),
            is_curious: false,
            full: None,
            work: Work::default(),
            due: None,
            out: VecDeque::new(),
        }
    }

    /// Takes what happened at `now`, which never goes back. Call `poll` until it says `Wait` before
    /// the next.
    pub fn handle(&mut self, input: Input, now: Instant) {
        self.now = self.now.max(now);
        match input {
            Input::Opened { connection, peer } => {
                self.ended(connection);
                self.peers.insert(connection, Peer::new(peer, self.now));
                self.is_curious = true;
                self.work.copies.all();
            }
            Input::Ended { connection } => self.ended(connection),
            Input::Frame { connection, bulk, bytes } => self.frame(connection, bulk, bytes),
            Input::Shipped { connection, bulk, bytes } => self.shipped(connection, bulk, bytes),
            Input::Fetch { fetch, id, size, groups, urgency, hints } => {
                self.fetch(Waiter::Fetch(fetch), id, Wish { groups, urgency });
                self.fetches.insert(fetch, id);
                if let Some(want) = self.wants.get_mut(&id) {
                    want.said = want.said.or(size);
                    want.hints.extend(hints);
                    while want.hints.len() > HINTS_MAX {
                        want.hints.pop_last();
                    }
                }
            }
            Input::Release { fetch } => {
                if let Some(id) = self.fetches.remove(&fetch) {
                    self.release(&id, Waiter::Fetch(fetch));
                }
            }
            Input::Ask { question, id } => self.ask(question, id),
            Input::Copies { id, wanted } => self.want_copies(id, wanted),
            Input::CopiesEnd { id } => self.end_copies(&id),
            Input::Changed { id } => {
                self.changed.insert(id);
            }
            Input::Verified { job, result } => self.verified(job, result),
            Input::Encoded { job, result } => self.encoded(job, result),
            Input::Tick => {}
        }
    }

    /// What is to be done next. `holdings` says what the store holds.
    pub fn poll(&mut self, holdings: &dyn Holdings) -> Output {
        while self.out.is_empty() && self.has_work() {
            self.look_around(holdings);
        }
        self.out.pop_front().unwrap_or_else(|| Output::Wait(self.wake()))
    }

    /// Looks at what may be other than before, and does what comes of it.
    fn look_around(&mut self, holdings: &dyn Holdings) {
        if self.is_due() {
            self.work.blobs.all();
            self.work.questions = true;
            self.copies_in_time();
            self.take_back_asks();
        }
        if std::mem::take(&mut self.work.wants) {
            self.activate();
            self.look_at_new(holdings);
        }
        self.look_at_changed(holdings);
        self.be_curious();
        if std::mem::take(&mut self.work.questions) {
            self.answer_questions();
        }
        self.keep(holdings);
        // What is touched from here on is for the next time.
        let touched = std::mem::take(&mut self.work.blobs);
        self.grant(&touched);
        self.tell(holdings);
        if std::mem::take(&mut self.work.serve) {
            self.serve(holdings);
        }
        self.pick(&touched);
        self.tell_stalls(&touched);
        self.ship();
        self.due = self.deadline();
    }

    /// Wants a blob for somebody, in place of what that one wanted of it before.
    pub(super) fn fetch(&mut self, waiter: Waiter, id: BlobId, wish: Wish) {
        if let Waiter::Fetch(fetch) = waiter
            && let Some(other) = self.fetches.get(&fetch).copied().filter(|other| *other != id)
        {
            self.release(&other, waiter);
        }
        self.turn += 1;
        let (number, now) = (self.turn, self.now);
        let want = self.wants.entry(id).or_insert_with(|| Want::new(number, now));
        want.wishes.insert(waiter, wish);
        self.work.wants = true;
        self.work.blobs.one(id);
        if self.wants.len() > WANTS_ACTIVE_MAX {
            // Those of which nothing comes make room.
            self.work.blobs.all();
        }
    }

    /// Somebody does not want a blob any more. With the last one all its asks end.
    pub(super) fn release(&mut self, id: &BlobId, waiter: Waiter) {
        let Some(want) = self.wants.get_mut(id) else { return };
        want.wishes.remove(&waiter);
        if want.wishes.is_empty() {
            self.wants.remove(id);
            self.stop_asks(id);
            self.is_curious = true;
        }
        self.work.wants = true;
        self.work.blobs.all();
    }

    /// Those whose groups are all here are told so.
    fn grant(&mut self, touched: &Touched) {
        let mut granted = Vec::new();
        for id in touched.of(self.wants.keys()) {
            let Some(want) = self.wants.get(&id).filter(|want| want.is_loaded) else { continue };
            let open = want.wishes.iter().filter(|(_, wish)| want.is_granted(wish));
            granted.extend(open.map(|(waiter, _)| (id, *waiter, want.size())));
        }
        for (id, waiter, size) in granted {
            self.release(&id, waiter);
            if let (Waiter::Fetch(fetch), Some(size)) = (waiter, size) {
                self.fetches.remove(&fetch);
                self.out.push_back(Output::Tell(BlobNews::Fetched { fetch, id, size }));
            }
        }
    }

    /// Looks up what is held of blobs that were not wanted before, also of those that wait for
    /// their turn: what is here already needs none.
    fn look_at_new(&mut self, holdings: &dyn Holdings) {
        for (id, want) in self.wants.iter_mut().filter(|(_, want)| !want.is_loaded) {
            // What cannot be read counts as not held: the store says so to whoever asks it.
            want.load(holdings.held(id).unwrap_or_default());
            self.work.blobs.one(*id);
        }
    }

    /// Looks up what is held of wanted blobs of which the store holds other groups than before.
    fn look_at_changed(&mut self, holdings: &dyn Holdings) {
        for id in &self.changed {
            if let Some(want) = self.wants.get_mut(id) {
                want.load(holdings.held(id).unwrap_or_default());
                self.work.blobs.one(*id);
            }
            if let Some(copies) = self.copies.get_mut(id) {
                copies.here = None;
                self.work.copies.one(*id);
            }
        }
    }

    /// Bytes have left for the transport: there is room for more.
    fn shipped(&mut self, connection: ConnectionNumber, bulk: bool, bytes: usize) {
        let Some(peer) = self.peers.get_mut(&connection) else { return };
        peer.has_left(bulk, bytes);
        if bulk {
            self.work.serve = true;
            self.work.ship.insert(connection);
        } else if !peer.short.is_empty() {
            self.ship_short(connection);
            // Who has unread messages is not asked for more.
            self.work.blobs.all();
        }
    }

    fn ended(&mut self, connection: ConnectionNumber) {
        let Some(peer) = self.peers.remove(&connection) else { return };
        for (transfer, asked) in &peer.asks {
            self.forget_ask(connection, *transfer, &asked.id);
        }
        self.keep_asked.retain(|(of, _)| *of != connection);
        self.has_gone();
        self.nobody_awaits();
        let kept: Vec<BlobId> = self.kept.keys().copied().collect();
        for id in kept {
            self.keep_no_more(&id, connection);
        }
    }

    /// A session ended, or is about to.
    pub(super) fn has_gone(&mut self) {
        self.work.blobs.all();
        self.work.copies.all();
        (self.work.serve, self.work.questions) = (true, true);
    }

    /// The groups of an ask are free to be asked for again.
    pub(super) fn forget_ask(&mut self, connection: ConnectionNumber, transfer: u64, id: &BlobId) {
        let Some(want) = self.wants.get_mut(id) else { return };
        want.asked.retain(|_, all| {
            all.retain(|one| *one != (connection, transfer));
            !all.is_empty()
        });
        want.probes.retain(|_, one| *one != (connection, transfer));
    }

    /// A job for the bytes of a piece.
    pub(super) fn take_piece(&mut self, connection: ConnectionNumber, piece: PieceJob) {
        let Some(peer) = self.peers.get_mut(&connection) else { return };
        peer.verifying += 1;
        let (id, size, group) = (piece.id, piece.size, piece.group);
        self.jobs.insert(piece.job, Job::Take { connection, peer: peer.node, id, size, group });
        if let Some(want) = self.wants.get_mut(&id) {
            want.verifying.insert((size, group.value()), piece.job);
        }
        self.out.push_back(Output::Take(piece));
    }

    pub(super) fn next_job(&mut self) -> JobNumber {
        self.last_job += 1;
        JobNumber::new(self.last_job)
    }

    fn verified(&mut self, job: JobNumber, result: Result<(), PieceFault>) {
        let Some(Job::Take { connection, peer: node, id, size, group }) = self.jobs.remove(&job)
        else {
            return;
        };
        self.work.blobs.all();
        let proved = result.is_ok();
        if let Some(peer) = self.peers.get_mut(&connection) {
            peer.verifying = peer.verifying.saturating_sub(1);
            if proved {
                peer.has_proved();
                peer.penalties.remove(&id);
            }
        }
        if let Some(want) = self.wants.get_mut(&id) {
            want.verifying.retain(|_, of| *of != job);
        }
        match result {
            Ok(()) => {
                self.full = None;
                self.has_come(id, size, group);
            }
            Err(PieceFault::Forged) => self.blame_forged(connection, node, id, group),
            Err(PieceFault::Full) => self.pause_all(&id, Stall::StorageFull),
            Err(PieceFault::Failed(error)) => self.pause_all(&id, Stall::StorageFailed(error)),
        }
    }

    fn has_come(&mut self, id: BlobId, size: BlobSize, group: GroupIndex) {
        let Some(want) = self.wants.get_mut(&id) else { return };
        let before = want.size();
        if !want.has_come(size, group, self.now) {
            return;
        }
        let other_size = before != Some(size);
        self.work.copies.one(id);
        let held = want.held.as_ref().map_or(0, |(_, held)| held.count());
        let is_proven = want.is_proven;
        let came = BlobNews::Progress { id, size, is_proven, group, held };
        self.out.push_back(Output::Tell(came));
        if want.stall.take().is_some() {
            self.out.push_back(Output::Tell(BlobNews::Stalled { id, why: None }));
        }
        if other_size {
            self.stop_asks(&id);
        }
    }

    /// Nothing is asked for until there may be room again.
    fn pause_all(&mut self, id: &BlobId, why: Stall) {
        // Pieces that were on their way when it began do not make it longer.
        if self.full.is_none_or(|(until, _)| until <= self.now) {
            let before = self.full.map(|(_, pause)| pause * 2);
            let pause = before.unwrap_or(FULL_RETRY).min(FULL_RETRY_MAX);
            self.full = Some((self.now + pause, pause));
        }
        if let Some(want) = self.wants.get_mut(id)
            && want.stall.as_ref() != Some(&why)
        {
            want.stall = Some(why.clone());
            self.out.push_back(Output::Tell(BlobNews::Stalled { id: *id, why: Some(why) }));
        }
    }

    /// A short message for the live lane of a connection; it leaves at once if there is room.
    pub(super) fn say(&mut self, connection: ConnectionNumber, message: &BlobMessage) {
        if let Some(peer) = self.peers.get_mut(&connection).filter(|peer| !peer.is_blamed) {
            peer.short.push_back(message.encode());
            self.ship_short(connection);
        }
    }

    /// Hands over pieces and stops that are ready and for which there is room.
    fn ship(&mut self) {
        for connection in std::mem::take(&mut self.work.ship) {
            let Some(peer) = self.peers.get_mut(&connection) else { continue };
            while let Some(bytes) = peer.next_bulk() {
                peer.unsent_bulk += bytes.len();
                peer.unsent_frames.push_back(bytes.len());
                self.out.push_back(Output::Ship { connection, bulk: true, bytes });
                self.work.serve = true;
            }
        }
    }

    /// Whether nothing is asked for now, because there is no room for it.
    pub(super) fn is_full(&self) -> bool {
        self.full.is_some_and(|(until, _)| until > self.now)
    }

    /// An error about a peer, for our own people.
    pub(super) fn misbehaviour(peer: &NodeId, what: &str) -> Error {
        let message = format!("peer {} {what}; its session was closed", peer.short());
        Error::new(crate::error::ErrorKind::PeerMisbehaved, message)
    }

    /// How many groups are asked for and not stopped, or being verified, over all peers.
    pub(super) fn asked_of_all(&self) -> u32 {
        let asks = self.peers.values().flat_map(|peer| peer.asks.values());
        let open = asks.filter(|asked| !asked.is_stopped);
        let asked: u32 = open.map(|asked| asked.groups.count()).sum();
        // Also those of peers that have gone: they take as much memory.
        let verifying = self.jobs.values().filter(|job| matches!(job, Job::Take { .. })).count();
        asked + verifying as u32
    }

    /// How urgent what peers asked us to hold is.
    pub(super) const FOR_PEERS: Wish = Wish { groups: None, urgency: Urgency::Rule };
}
