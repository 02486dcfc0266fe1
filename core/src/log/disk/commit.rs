//! The group commit: everything that waits becomes one journal record and one sync.
//!
//! Whoever gets the lock of the committer commits what waits: its own thread, or a caller that
//! would block anyway (it saves two thread switches when there is one caller). Under load a group
//! forms while the sync before it runs. Rule: written, synced, visible, acknowledged, announced, in
//! this order. Begin with `Shared::commit_waiting`.
#![allow(clippy::disallowed_methods)] // The rim: the committer thread and the deadline of a sync.

use super::body::{Body, KeyHash, Remembered, news_of};
use super::draft::{Draft, Tip, refuse_beyond_last};
use super::fork::{ForkRequest, Forked};
use super::journal::Journal;
use super::segment::RECORD_HEADER_BYTES;
use super::shared::{Shared, lock};
use super::store_row::OpeningReason;
use super::windows::Windows;
use crate::error::{Error, ErrorKind, Result};
use crate::event::Once;
use crate::event::limits::STREAMS_PER_NODE_MAX;
use crate::event::{
    AppId, EventRange, Lamport, NewEvent, OffsetMap, SignedHead, StreamEnd, StreamId,
};
use crate::log::interest::News;
use crate::log::options::{Appended, RangeStored};
use crate::pending::{Completer, Deferred, Help};
use crate::planted;
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Written records are synced at the latest after this.
const SYNC_DELAY_MAX: Duration = Duration::from_millis(50);
/// Or when so many bytes wait for it.
const UNSYNCED_BYTES_MAX: usize = 4 << 20;

/// What is asked of the committer.
pub(crate) enum Request {
    Append(AppendRequest, Completer<Appended>),
    Store(StoreRequest, Completer<RangeStored>),
    /// Go on in the next own stream.
    NewStream(NextStream, Completer<StreamId>),
    /// A stream has two histories.
    Fork(Box<ForkRequest>, Completer<Forked>),
}

/// An append, checked.
pub(crate) struct AppendRequest {
    pub(crate) events: Vec<NewEvent>,
    pub(crate) app_id: AppId,
    pub(crate) power: bool,
    pub(crate) idempotency: Option<Once>,
    pub(crate) expected: Option<u64>,
    /// The own stream that it is for; none is whichever it is.
    pub(crate) stream: Option<StreamId>,
    pub(crate) bytes: usize,
}

/// A range of another node's events.
pub(crate) struct StoreRequest {
    pub(crate) range: EventRange,
    /// The end that it was verified to go on from, with its head's signature; none when nothing
    /// was verified.
    pub(crate) verified_after: Option<StreamEnd>,
}

/// Which own stream is to be the next.
#[derive(Clone, Copy)]
pub(crate) struct NextStream {
    pub(crate) reason: OpeningReason,
    /// Its number is at least this,
    pub(crate) at_least: u64,
    /// and so many above the first that is free.
    pub(crate) step: u64,
}

/// The one writer.
pub(crate) struct Committer {
    pub(crate) journal: Journal,
    pub(crate) tips: BTreeMap<StreamId, Tip>,
    pub(crate) lamport: Lamport,
    /// `STREAMS_PER_NODE_MAX` when every number is used up: nothing is appended any more.
    pub(crate) own_number: u64,
    pub(crate) opening: Option<OpeningReason>,
    /// As in `State`.
    pub(crate) windows: Arc<Windows>,
    /// Written, not synced, not visible.
    pub(crate) unsynced: Vec<Group>,
    pub(crate) record: Vec<u8>,
    /// Appends that were under way when the last group ended: its own and those that waited.
    pub(crate) callers: usize,
    /// What the last sync took.
    pub(crate) sync_time: Duration,
}

/// One journal record that was written.
pub(crate) struct Group {
    index: u64,
    body: Body,
    tail_bytes: usize,
}

/// An answer that waits for the sync, unless it is an error already.
pub(super) enum Answer {
    Append(Completer<Appended>, Result<Appended>),
    Store(Completer<RangeStored>, Result<RangeStored>),
    NewStream(Completer<StreamId>, Result<StreamId>),
    Fork(Completer<Forked>, Result<Forked>),
}

/// A commit that ended.
struct Ended {
    answers: Vec<Answer>,
    result: Result<()>,
    seen: Arc<OffsetMap>,
}

impl Shared {
    /// The committer's thread: until the log is closed and everything queued is done.
    pub(crate) fn run_committer(self: &Arc<Self>) {
        loop {
            let mut queue = self.queue();
            while !queue.needs_leader() && !queue.closing && !self.news.is_noted() {
                let left = queue.sync_at.map(|at| at.saturating_duration_since(Instant::now()));
                if left.is_some_and(|left| left.is_zero()) {
                    break;
                }
                let left = left.unwrap_or(Duration::from_secs(3600));
                let woken = self.queued.wait_timeout(queue, left);
                queue = woken.unwrap_or_else(PoisonError::into_inner).0;
            }
            let last = queue.closing && queue.is_empty();
            drop(queue);
            let Ok(mut committer) = self.committer() else { return self.refuse_all() };
            if last {
                if let Err(error) = committer.verify(self).and_then(|()| committer.sync(self)) {
                    self.note_trouble(&error);
                }
                return;
            }
            self.commit_waiting(committer);
            let due = self.queue().sync_at.is_some_and(|at| at <= Instant::now());
            if due {
                let Ok(mut committer) = self.committer() else { return self.refuse_all() };
                let synced = committer.verify(self).and_then(|()| committer.sync(self));
                if let Err(error) = synced {
                    self.note_trouble(&error);
                    self.queue().sync_at = Some(Instant::now() + SYNC_DELAY_MAX);
                }
            }
            self.tell_news();
        }
    }

    /// Commits what waits in the queue, if anything does.
    pub(crate) fn commit_waiting(self: &Arc<Self>, mut committer: MutexGuard<'_, Committer>) {
        let Some((lead, requests)) = self.lead(committer.callers, committer.sync_time) else {
            return;
        };
        let appends = requests.iter().filter(|request| request.is_append()).count();
        let ended = committer.commit(self, requests);
        // Who is answered now is likely to come again, beside those that wait already.
        committer.callers = appends + lead.appends_waiting();
        // Callbacks run without the lock.
        let give = |answer: Answer| answer.give(&ended.result, &ended.seen);
        let callbacks: Vec<Deferred> = ended.answers.into_iter().filter_map(give).collect();
        drop(lead);
        drop(committer);
        callbacks.into_iter().for_each(|callback| callback());
        self.tell_news();
    }

    /// The committer, unless a panic left it half done.
    pub(crate) fn committer(&self) -> Result<MutexGuard<'_, Committer>> {
        self.committer.lock().map_err(|_| {
            let message = "a defect stopped the writer of the log; open the store again";
            Error::new(ErrorKind::Internal, message)
        })
    }

    /// After a panic of ours: nothing more is written, whoever waits is told.
    pub(crate) fn refuse_all(&self) {
        let mut queue = self.queue();
        queue.closing = true;
        let waiting = queue.take_all();
        drop(queue);
        drop(waiting);
        self.signal.raise();
        self.live.signal.raise();
        self.news.end();
    }

    fn note_trouble(&self, error: &Error) {
        tracing::warn!(%error, "a commit failed");
        if lock(&self.trouble)
            .replace(error.clone())
            .is_none_or(|before| before.kind() != error.kind())
        {
            self.news.note();
        }
    }
}

/// Lets a blocked caller commit in place of the committer's thread.
pub(crate) struct Helper(pub(crate) Arc<Shared>);

impl Help for Helper {
    fn help(&self) {
        if let Ok(committer) = self.0.committer.try_lock() {
            self.0.commit_waiting(committer);
        }
    }
}

impl Request {
    pub(crate) fn is_append(&self) -> bool {
        matches!(self, Request::Append(..))
    }

    /// What it weighs in the queue.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Request::Append(request, _) => request.bytes,
            Request::Store(request, _) => super::run::range_bytes(&request.range),
            Request::NewStream(..) => 0,
            Request::Fork(request, _) => super::run::range_bytes(&request.range),
        }
    }
}

impl Committer {
    /// The stream that appends go to.
    pub(crate) fn own_stream(&self, shared: &Shared) -> StreamId {
        StreamId { node: shared.node, number: self.own_number }
    }

    /// Whether written records wait for their sync.
    pub(crate) fn has_unsynced(&self) -> bool {
        !self.unsynced.is_empty()
    }

    /// What a key stands for in records that are not synced.
    pub(crate) fn remembered_unsynced(&self, key: &KeyHash) -> Option<Remembered> {
        let entries = self.unsynced.iter().flat_map(|group| &group.body.remembered);
        entries.rev().find(|(own, _)| own == key).map(|(_, remembered)| *remembered)
    }

    fn commit(&mut self, shared: &Arc<Shared>, requests: Vec<Request>) -> Ended {
        let mut answers = Vec::with_capacity(requests.len());
        let mut result = self.verify(shared);
        let requests = self.take_forks(shared, requests, &result, &mut answers);
        let mut begun = VecDeque::new();
        if result.is_ok() {
            begun = self.begin_streams(shared, &requests);
        }
        let mut power = false;
        let mut draft = Draft::new(shared, self);
        for request in requests {
            let refused = result.as_ref().err().cloned();
            answers.push(match request {
                Request::Append(append, completer) => {
                    power |= append.power;
                    let drafted = refused.map_or_else(|| draft.append(append), Err);
                    Answer::Append(completer, drafted)
                }
                Request::Store(store, completer) => {
                    power = true;
                    let drafted = refused.map_or_else(|| draft.store(store), Err);
                    Answer::Store(completer, drafted)
                }
                Request::NewStream(_, completer) => {
                    let one = || begun.pop_front().expect("each request began one");
                    Answer::NewStream(completer, refused.map_or_else(one, Err))
                }
                Request::Fork(..) => unreachable!("they were taken out before"),
            });
        }
        if result.is_ok() {
            draft.preview();
        }
        draft.finish();
        power |= draft.rests_on_unsynced;
        let (body, tips, lamport) = (draft.body, draft.tips, draft.lamport);
        let tail_bytes = draft.tail_bytes;
        if result.is_ok() {
            result = self.write_and_sync(shared, body, tips, lamport, tail_bytes, power);
        }
        if let Err(error) = &result {
            shared.note_trouble(error);
        }
        let seen = shared.state().durable.clone();
        Ended { answers, result, seen }
    }

    pub(super) fn write_and_sync(
        &mut self,
        shared: &Arc<Shared>,
        body: Body,
        tips: BTreeMap<StreamId, Tip>,
        lamport: Lamport,
        tail_bytes: usize,
        power: bool,
    ) -> Result<()> {
        if body != Body::default() {
            self.wait_for_room(shared, &body, tail_bytes)?;
            let index = self.journal.append(&mut self.record)?;
            shared.counters.committed();
            let before: Vec<(StreamId, Option<Tip>)> =
                tips.keys().map(|stream| (*stream, self.tips.get(stream).copied())).collect();
            let lamport_before = std::mem::replace(&mut self.lamport, lamport);
            self.tips.extend(tips);
            self.unsynced.push(Group { index, body, tail_bytes });
            if power && !planted!("acknowledged_before_sync") {
                if let Err(error) = self.sync(shared) {
                    self.unsynced.pop();
                    self.journal.take_back();
                    self.lamport = lamport_before;
                    for (stream, tip) in before {
                        match tip {
                            Some(tip) => self.tips.insert(stream, tip),
                            None => self.tips.remove(&stream),
                        };
                    }
                    return Err(error);
                }
                return Ok(());
            }
        } else if power {
            return self.sync(shared);
        }
        let waiting: usize = self.unsynced.iter().map(|group| group.tail_bytes).sum();
        if waiting > UNSYNCED_BYTES_MAX {
            return self.sync(shared);
        }
        let mut queue = shared.queue();
        if self.has_unsynced() && queue.sync_at.is_none() {
            queue.sync_at = Some(Instant::now() + SYNC_DELAY_MAX);
            shared.queued.notify_one();
        }
        Ok(())
    }

    /// Encodes `body` into `record` and waits until journal and tail have room for it.
    fn wait_for_room(
        &mut self,
        shared: &Arc<Shared>,
        body: &Body,
        tail_bytes: usize,
    ) -> Result<()> {
        self.record.clear();
        self.record.resize(RECORD_HEADER_BYTES, 0);
        body.encode(&mut self.record);
        loop {
            let checkpointed = shared.checkpointed.load(Ordering::Acquire);
            let unsynced: usize = self.unsynced.iter().map(|group| group.tail_bytes).sum();
            let tail = shared.state().tail_bytes + unsynced;
            let fits = tail == 0 || tail + tail_bytes <= shared.options.tail_bytes_max;
            if fits && self.journal.make_room(self.record.len(), checkpointed)? {
                let early = tail + tail_bytes > shared.options.tail_bytes_max / 2;
                if early || self.journal.waits_for_checkpoint(checkpointed) {
                    shared.request_checkpoint();
                }
                return Ok(());
            }
            if self.has_unsynced() {
                self.sync(shared)?;
            }
            let ticket = shared.request_checkpoint();
            shared.wait_for_checkpoint(ticket)?;
        }
    }

    /// Makes everything written durable, then visible, then announced.
    pub(crate) fn sync(&mut self, shared: &Arc<Shared>) -> Result<()> {
        if self.unsynced.is_empty() {
            shared.queue().sync_at = None;
            return Ok(());
        }
        let began = Instant::now();
        self.journal.sync()?;
        self.sync_time = began.elapsed();
        shared.counters.synced(self.sync_time);
        let own = self.own_stream(shared);
        let hooks = lock(&shared.hooks).clone();
        let bodies = self.unsynced.iter().map(|group| &group.body);
        let news = if shared.signal.is_choosy() { news_of(bodies) } else { News::ANYTHING };
        let mut grown = BTreeMap::new();
        let mut state = shared.state();
        for group in self.unsynced.drain(..) {
            let forks = &group.body.forks;
            if !hooks.is_empty() {
                // Who asked for a fork tells of it first.
                let ranges = group.body.ranges.iter();
                let old =
                    ranges.filter(|range| forks.iter().all(|(own, _)| *own != range.stream()));
                grown.extend(old.map(|range| (range.stream(), range.head.clone())));
            }
            // What a fork copies was received before.
            let is_copy = |stream: &StreamId| {
                state.windows.is_hidden(stream)
                    || forks.iter().any(|(own, row)| own == stream && row.hidden)
            };
            let received = group.body.ranges.iter().filter(|range| !is_copy(&range.stream()));
            received.for_each(|range| shared.counters.stored(range, &own));
            state.apply(group.index, group.body);
        }
        if !state.windows.is_empty() {
            grown.retain(|stream, _| !state.windows.is_hidden(stream));
        }
        self.windows = state.windows.clone();
        let durable = state.durable.clone();
        drop(state);
        // Who waits on this node comes before other nodes.
        shared.signal.raise_for(&news);
        shared.live.release(&durable);
        let grown: Vec<SignedHead> = grown.into_values().collect();
        hooks.iter().for_each(|hook| hook(&grown));
        shared.queue().sync_at = None;
        if lock(&shared.trouble).take().is_some() {
            shared.news.note();
        }
        Ok(())
    }

    /// After a failed write or sync: reads the journal again, and writes again what was
    /// acknowledged as process-durable.
    fn verify(&mut self, shared: &Arc<Shared>) -> Result<()> {
        if !self.journal.is_suspect() {
            return Ok(());
        }
        self.journal.verify_again()?;
        let checkpointed = shared.checkpointed.load(Ordering::Acquire);
        for group in &mut self.unsynced {
            self.record.clear();
            self.record.resize(RECORD_HEADER_BYTES, 0);
            group.body.encode(&mut self.record);
            if !self.journal.make_room(self.record.len(), checkpointed)? {
                let message = "the journal is full and its checkpoint is not done";
                return Err(Error::new(ErrorKind::StorageFull, message));
            }
            group.index = self.journal.append(&mut self.record)?;
        }
        Ok(())
    }

    /// Moves to new own streams before anything of the group is drafted, one for each request.
    fn begin_streams(
        &mut self,
        shared: &Arc<Shared>,
        requests: &[Request],
    ) -> VecDeque<Result<StreamId>> {
        let asked = requests.iter().filter_map(|request| match request {
            Request::NewStream(next, _) => Some(*next),
            Request::Append(..) | Request::Store(..) | Request::Fork(..) => None,
        });
        asked.map(|next| self.begin_stream(shared, next)).collect()
    }

    pub(super) fn begin_stream(
        &mut self,
        shared: &Arc<Shared>,
        NextStream { reason, at_least, step }: NextStream,
    ) -> Result<StreamId> {
        let known = self.tips.keys().filter(|stream| stream.node == shared.node);
        let next = known.map(|stream| stream.trunk().number + 1).max().unwrap_or(0);
        let free = next.max(self.own_number + 1).max(at_least);
        let number = free.saturating_add(step).min(STREAMS_PER_NODE_MAX);
        let stored = shared.update_store_row(|row| {
            row.own_number = number;
            row.opening = Some(reason);
        });
        stored.inspect_err(|error| shared.note_trouble(error))?;
        self.own_number = number;
        shared.own_number.store(number, Ordering::Release);
        self.opening = Some(reason);
        let own = self.own_stream(shared);
        refuse_beyond_last(&own).map(|()| own)
    }
}

impl Answer {
    fn give(self, result: &Result<()>, seen: &Arc<OffsetMap>) -> Option<Deferred> {
        match self {
            Answer::Append(completer, drafted) => {
                let answer = drafted.and_then(|mut appended| {
                    appended.seen = seen.clone();
                    result.clone().map(|()| appended)
                });
                completer.complete_later(answer)
            }
            Answer::Store(completer, drafted) => {
                completer.complete_later(drafted.and_then(|stored| result.clone().map(|()| stored)))
            }
            Answer::NewStream(completer, drafted) => completer.complete_later(drafted),
            Answer::Fork(completer, forked) => completer.complete_later(forked),
        }
    }
}
