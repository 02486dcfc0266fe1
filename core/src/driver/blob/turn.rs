//! The exchange of blobs in the loop's turn: its world is cargo, the store, and who waits.
//!
//! Rule: every job that the exchange gives out is answered, also when its thread panics or the node
//! closes. Decides nothing. Begin with [`BlobTurn::handle`] and [`BlobTurn::drain`].

use crate::blob::BlobId;
use crate::blob::exchange::{
    BlameReason, BlobNews, ConnectionNumber, Exchange, Held, Holdings, Input, JobNumber, MayKeep,
    Output, PieceFault, PieceJob, ServeFault, ServeJob,
};
use crate::blob::limits::SYNC_STEP;
use crate::blob::store::{Store, Took};
use crate::driver::blob::room::BlobRoom;
use crate::driver::clock;
use crate::driver::node::closed_node;
use crate::error::{Error, Result};
use crate::event::NodeId;
use crate::sync::ConnectionId;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Blobs that are not being fetched of which is remembered what is held.
const KNOWN_MAX: usize = 1024;

/// Where the answers of jobs go.
type Answer = Arc<dyn Fn(Input) + Send + Sync>;

/// What a session is to do for the exchange.
#[derive(Debug)]
pub(crate) enum Errand {
    /// Carry this frame, on the bulk lane or the live one.
    Ship { connection: ConnectionId, bulk: bool, bytes: Bytes },
    /// End the session.
    Blame { connection: ConnectionId, reason: BlameReason, detail: String },
}

/// The exchange of a node that has a network.
pub(crate) struct BlobTurn {
    exchange: Exchange,
    room: Arc<BlobRoom>,
    here: Here,
    answer: Answer,
    last: u64,
    numbers: BTreeMap<ConnectionId, ConnectionNumber>,
    connections: BTreeMap<ConnectionNumber, ConnectionId>,
    /// When what was fetched is made durable.
    settle_at: Option<Instant>,
    /// When time alone makes something to do for the exchange.
    due: Option<Instant>,
    /// Something was given to be written since the last time, or is open still.
    is_moving: Arc<AtomicBool>,
    /// While a job makes durable what has come.
    is_settling: Arc<AtomicBool>,
}

/// What the store holds, as peers and wishes see it.
struct Here {
    room: Arc<BlobRoom>,
    /// Of blobs that nobody writes to; forgotten with each change.
    known: Mutex<BTreeMap<BlobId, Option<Held>>>,
}

impl BlobTurn {
    /// The exchange of the node `own`. What comes of its jobs is given to `answer`, on any thread.
    pub(crate) fn new(
        own: NodeId,
        room: Arc<BlobRoom>,
        answer: impl Fn(Input) + Send + Sync + 'static,
    ) -> BlobTurn {
        let here = Here { room: room.clone(), known: Mutex::default() };
        BlobTurn {
            exchange: Exchange::new(own, clock::now()),
            room,
            here,
            answer: Arc::new(answer),
            last: 0,
            numbers: BTreeMap::new(),
            connections: BTreeMap::new(),
            settle_at: None,
            due: None,
            is_moving: Arc::default(),
            is_settling: Arc::default(),
        }
    }

    /// Cargo passes between us and this peer from now on.
    pub(crate) fn opened(&mut self, connection: ConnectionId, peer: NodeId) {
        self.ended(connection);
        self.last += 1;
        let number = ConnectionNumber::new(self.last);
        self.numbers.insert(connection, number);
        self.connections.insert(number, connection);
        self.handle(Input::Opened { connection: number, peer });
    }

    /// It does not any more.
    pub(crate) fn ended(&mut self, connection: ConnectionId) {
        if let Some(number) = self.numbers.remove(&connection) {
            self.connections.remove(&number);
            self.handle(Input::Ended { connection: number });
        }
    }

    /// All connections are gone: the network is off.
    pub(crate) fn all_ended(&mut self) {
        let all: Vec<ConnectionId> = self.numbers.keys().copied().collect();
        all.into_iter().for_each(|connection| self.ended(connection));
    }

    /// A frame came.
    pub(crate) fn frame(&mut self, connection: ConnectionId, bulk: bool, bytes: Bytes) {
        if let Some(connection) = self.numbers.get(&connection).copied() {
            self.handle(Input::Frame { connection, bulk, bytes });
        }
    }

    /// Bytes of frames left for the transport.
    pub(crate) fn shipped(&mut self, connection: ConnectionId, bulk: bool, bytes: usize) {
        if let Some(connection) = self.numbers.get(&connection).copied() {
            self.handle(Input::Shipped { connection, bulk, bytes });
        }
    }

    /// Anything else that the exchange is told.
    pub(crate) fn handle(&mut self, input: Input) {
        if let Input::Changed { id } = &input {
            self.here.known().remove(id);
        }
        self.exchange.handle(input, clock::now());
    }

    /// Does what is to be done, and gives what sessions are to do to `errand`; until when to wait.
    pub(crate) fn drain(&mut self, errand: &mut dyn FnMut(Errand)) -> Option<Instant> {
        if self.due.is_some_and(|at| at <= clock::now()) {
            self.handle(Input::Tick);
        }
        self.settle();
        loop {
            match self.exchange.poll(&self.here) {
                Output::Ship { connection, bulk, bytes } => {
                    if let Some(connection) = self.connections.get(&connection).copied() {
                        errand(Errand::Ship { connection, bulk, bytes });
                    }
                }
                Output::Blame { connection, reason, error, .. } => {
                    if let Some(connection) = self.connections.get(&connection).copied() {
                        let detail = error.to_string();
                        errand(Errand::Blame { connection, reason, detail });
                    }
                }
                Output::Take(job) => self.take(job),
                Output::Give(job) => self.give(job),
                // Whom to dial for a blob nobody decides yet: those who are connected are asked.
                Output::Reach { .. } => {}
                Output::Tell(news) => self.tell(news),
                Output::Wait(deadline) => {
                    self.due = deadline;
                    return deadline.into_iter().chain(self.settle_at).min();
                }
            }
        }
    }

    fn tell(&self, news: BlobNews) {
        self.room.desk().tell(news);
    }

    fn take(&mut self, job: PieceJob) {
        self.is_moving.store(true, Ordering::Release);
        self.settle_at.get_or_insert(clock::now() + SYNC_STEP);
        let answer = self.answering(job.job, |job, error| {
            let result = Err(PieceFault::Failed(error));
            Input::Verified { job, result }
        });
        let (room, tell) = (self.room.clone(), self.answer.clone());
        self.room.haul(Box::new(move || {
            let id = job.id;
            let result = match room.store() {
                Ok(store) => store.take(&job),
                Err(error) => Err(PieceFault::Failed(error)),
            };
            // What is held is other than the exchange thinks, where it does not go by this.
            let is_other = result != Ok(Took::Written);
            let result = result.map(drop);
            // First what is held, so that nobody is told of what is not.
            if is_other {
                tell(Input::Changed { id });
            }
            answer.give(|job| Input::Verified { job, result });
        }));
    }

    fn give(&self, job: ServeJob) {
        let answer = self.answering(job.job, |job, error| {
            let result = Err(ServeFault::Failed(error));
            Input::Encoded { job, result }
        });
        let room = self.room.clone();
        self.room.haul(Box::new(move || {
            let result = match room.store() {
                Ok(store) => store.give(&job),
                Err(error) => Err(ServeFault::Failed(error)),
            };
            answer.give(|job| Input::Encoded { job, result });
        }));
    }

    fn answering(&self, job: JobNumber, fail: fn(JobNumber, Error) -> Input) -> Answering {
        Answering { job, answer: Some(self.answer.clone()), fail }
    }

    /// Makes durable what has come, a step of time after it came.
    fn settle(&mut self) {
        let now = clock::now();
        if self.settle_at.is_none_or(|at| at > now) {
            return;
        }
        self.settle_at = None;
        if self.is_settling.load(Ordering::Acquire) {
            // It may say only later that something is open: looked at again then.
            self.settle_at = Some(now + SYNC_STEP);
        } else if self.is_moving.swap(false, Ordering::AcqRel) {
            self.settle_at = Some(now + SYNC_STEP);
            let (room, is_moving) = (self.room.clone(), self.is_moving.clone());
            let settling = Settling::begin(&self.is_settling);
            self.room.haul(Box::new(move || {
                // Ends last, also when the job is dropped.
                let _settling = settling;
                if room.store().is_ok_and(|store: Arc<Store>| store.settle_parts()) {
                    is_moving.store(true, Ordering::Release);
                }
            }));
        }
    }
}

/// Says that a job makes durable what has come, until it is dropped.
struct Settling(Arc<AtomicBool>);

impl Settling {
    fn begin(is_settling: &Arc<AtomicBool>) -> Settling {
        is_settling.store(true, Ordering::Release);
        Settling(is_settling.clone())
    }
}

impl Drop for Settling {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

/// The duty to answer a job.
struct Answering {
    job: JobNumber,
    answer: Option<Answer>,
    fail: fn(JobNumber, Error) -> Input,
}

impl Answering {
    fn give(mut self, input: impl FnOnce(JobNumber) -> Input) {
        if let Some(answer) = self.answer.take() {
            answer(input(self.job));
        }
    }
}

impl Drop for Answering {
    /// The job was dropped, or panicked.
    fn drop(&mut self) {
        if let Some(answer) = self.answer.take() {
            answer((self.fail)(self.job, closed_node()));
        }
    }
}

impl Here {
    fn known(&self) -> MutexGuard<'_, BTreeMap<BlobId, Option<Held>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Holdings for Here {
    fn held(&self, id: &BlobId) -> Result<Option<Held>> {
        let store = self.room.store()?;
        if store.is_moving(id) {
            return store.held(id);
        }
        if let Some(held) = self.known().get(id) {
            return Ok(held.clone());
        }
        let held = store.held(id)?;
        let mut known = self.known();
        if known.len() >= KNOWN_MAX {
            known.pop_first();
        }
        known.insert(*id, held.clone());
        Ok(held)
    }

    fn may_keep(&self, id: &BlobId) -> MayKeep {
        match self.room.is_referred_to(id) {
            // What peers may have this node keep has no bound yet, so it is nothing.
            true => MayKeep::NoRoom,
            false => MayKeep::NotKnown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blob::{BlobSize, GroupIndex};
    use crate::driver::blob::crew::Crew;
    use crate::driver::blob::tests::{DEADLINE, open};
    use crate::error::ErrorKind;
    use std::sync::mpsc;

    #[test]
    fn every_job_is_answered_also_when_the_node_closes_or_a_thread_panics() {
        let folder = tempfile::tempdir().unwrap();
        let node = open(folder.path());
        let (say, said) = mpsc::channel();
        let answer = move |input| drop(say.send(input));
        let mut turn = BlobTurn::new(node.node_id(), node.shared().blobs.clone(), answer);
        let (id, size) = (BlobId::of(b"no"), BlobSize::new(9).unwrap());
        let number = JobNumber::new;
        let crew = Crew::new(1);
        let panics = turn.answering(number(1), |job, error| {
            let result = Err(PieceFault::Failed(error));
            Input::Verified { job, result }
        });
        crew.work(Box::new(move || {
            let _own = panics;
            panic!("a job panics on purpose");
        }));
        let closed = |input: &Input, expected: u64| match input {
            Input::Verified { job, result: Err(PieceFault::Failed(error)) }
            | Input::Encoded { job, result: Err(ServeFault::Failed(error)) } => {
                job.value() == expected && error.kind() == ErrorKind::Closed
            }
            _ => false,
        };
        let next = || said.recv_timeout(DEADLINE).expect("every job is answered");
        assert!(closed(&next(), 1));
        crew.close(clock::now() + DEADLINE);
        node.close(DEADLINE).unwrap();
        let group = GroupIndex::default();
        turn.take(PieceJob { job: number(2), id, size, group, piece: Bytes::new() });
        assert!(closed(&next(), 2));
        turn.give(ServeJob { job: number(3), transfer: 1, id, size, group });
        assert!(closed(&next(), 3));
    }
}
