//! The handle that applications and the driver hold.

use super::cursor::Cursor;
use super::disk::{
    AppendRequest, Compaction, Helper, NextStream, OpeningReason, Request, Shared, StoreRequest,
    lock,
};
use super::follow::Follower;
#[cfg(feature = "net")]
use super::live::Live;
use super::options::{
    AppendOptions, Appended, CursorOptions, Durability, GrowthHook, LogOptions, RangeStored,
};
use super::registry::{self, Handle};
use super::status::LogStatus;
use super::upkeep::{Compacted, LogStats, VerifyReport};
use super::watch::Watch;
use crate::error::{Error, ErrorKind, Result};
use crate::event::Once;
#[cfg(feature = "net")]
use crate::event::Preview;
use crate::event::{
    AppId, Chain, EventRange, NewEvent, NodeId, NodeKey, OffsetMap, PackedRange, SignedHead,
    StreamId, SwarmId, check_batch,
};
use crate::pending::{Pending, pending};
use crate::query::Query;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// How far beyond the number of held events the lamport of a preview may be.
#[cfg(feature = "net")]
const PREVIEW_LAMPORTS_MAX: u64 = 1024;

/// An open log. Clones are the same log; when the last one is dropped it closes.
///
/// All calls may be made from any thread. In a forked child each answers `forked_process`; after
/// `close` each answers `closed`.
#[derive(Clone)]
pub struct Log {
    pub(super) handle: Arc<Handle>,
}

impl Log {
    /// Opens the store in `options.path`, or makes it. A store that this process has open already
    /// is the same log again.
    ///
    /// Costs time for the streams held and for the events since the last checkpoint.
    ///
    /// # Errors
    /// `store_locked`: another process has it. `format_too_new`: a later version wrote it.
    /// `invalid_argument`: it is of another swarm or node, or on a network file system. `corrupt`:
    /// durable records are not readable. `storage_full`, `storage_failed`: as they say.
    pub fn open(options: LogOptions) -> Result<Log> {
        Ok(Log { handle: registry::open(options)? })
    }

    /// The node that writes here.
    pub fn node_id(&self) -> NodeId {
        self.shared().node
    }

    /// The key of that node.
    pub fn node_key(&self) -> &NodeKey {
        &self.shared().node_key
    }

    /// The swarm whose events are held.
    pub fn swarm_id(&self) -> SwarmId {
        self.shared().swarm
    }

    /// The stream that appends go to.
    pub fn own_stream(&self) -> StreamId {
        let number = self.shared().own_number.load(Ordering::Acquire);
        StreamId { node: self.node_id(), number }
    }

    /// Appends 1 to `BATCH_EVENTS_MAX` events of at most `BATCH_BYTES_MAX` bytes to the own stream,
    /// all or none, and answers when they are as durable as `options` ask.
    ///
    /// Returns at once unless more bytes wait for the disk than `tail_bytes_max`.
    ///
    /// # Errors
    /// In the answer. `invalid_argument`, `limit_exceeded`: nothing was appended. `conflict`: see
    /// [`AppendOptions`]. `storage_full`: nothing was appended; try again when there is room.
    /// `storage_failed`: not acknowledged and not visible; a crash right now may still bring the
    /// events back, so retry with an idempotency key. `closed`, `forked_process`.
    pub fn append(&self, events: Vec<NewEvent>, options: AppendOptions) -> Pending<Appended> {
        match self.checked(events, options) {
            Ok(request) => self.submit(|completer| Request::Append(request, completer)),
            Err(error) => Pending::ready(Err(error)),
        }
    }

    /// As [`Log::append`], of what was decided for the own stream `stream`.
    ///
    /// # Errors
    /// As there; `conflict`, reason `stream_changed`: appends go to another one by now.
    pub(crate) fn append_decided(
        &self,
        event: NewEvent,
        app_id: AppId,
        stream: StreamId,
        once: Option<Once>,
    ) -> Pending<Appended> {
        match self.checked(vec![event], AppendOptions::new(app_id)) {
            Ok(mut request) => {
                (request.stream, request.idempotency) = (Some(stream), once);
                self.submit(|completer| Request::Append(request, completer))
            }
            Err(error) => Pending::ready(Err(error)),
        }
    }

    /// What was answered when this was done; `None` when it was not, or is on its way to the disk.
    ///
    /// # Errors
    /// `conflict`, reason `idempotency_key`: the key stands for something else. `corrupt`,
    /// `storage_failed`.
    pub(crate) fn first_answer(&self, once: &Once) -> Result<Option<Appended>> {
        self.shared().first_answer(once)
    }

    /// Stores consecutive events of another node's stream, which must continue what is held; what
    /// is held already is skipped. Answers when they are durable.
    ///
    /// # Errors
    /// In the answer. `peer_misbehaved`, reason `gap`, `forged`, `lamport_order` or `malformed`.
    /// `forked`: the stream's node signed something else than what is held, reason `forked`, or the
    /// own stream has grown elsewhere, reason `grown_elsewhere` (see [`Log::begin_stream`]).
    /// Storage errors as for [`Log::append`].
    pub fn append_range(&self, range: EventRange) -> Pending<RangeStored> {
        match self.shared().check_open() {
            Ok(()) => {
                let request = StoreRequest { range, verified_after: None };
                self.submit(|completer| Request::Store(request, completer))
            }
            Err(error) => Pending::ready(Err(error)),
        }
    }

    /// As [`Log::append_range`], for a range that the caller has verified to go on from `before`:
    /// its chain, and the signature of its head. Where the stream ends otherwise by now, the chain
    /// is verified here.
    ///
    /// Nothing may begin before `commit_soon` is called: a caller with several ranges, or nothing
    /// else to do, saves changes of thread.
    #[cfg(feature = "net")] // Only the driver has verified anything before.
    pub(crate) fn queue_verified_range(
        &self,
        range: EventRange,
        before: crate::event::StreamEnd,
    ) -> Pending<RangeStored> {
        let (completer, answer) = pending(None);
        let shared = self.shared();
        // A block is a piece of a backlog, and nobody waits for it like that.
        let is_early = shared.live.is_wanted() && range.block().is_none();
        let early = is_early.then(|| (range.stream(), range.first, range.records().to_vec()));
        let request = StoreRequest { range, verified_after: Some(before) };
        let request = Request::Store(request, completer);
        match shared.check_open().and_then(|()| shared.queue_up(request)) {
            Ok(()) => {
                // Behind it in the queue: what is published in answer to it sorts after it.
                if let Some((stream, first, records)) = early {
                    let durable = shared.state().durable.count(&stream);
                    shared.live.offer(stream, first, &records, durable);
                }
                answer
            }
            Err(error) => Pending::ready(Err(error)),
        }
    }

    /// Shows live subscribers what a peer has shown of its own stream; nothing is stored. What is
    /// far beyond everything that is held is left out: the clock must not follow it there.
    #[cfg(feature = "net")]
    pub(crate) fn show(&self, preview: &Preview) {
        let state = self.shared().state();
        let (durable, events) = (state.durable.count(&preview.stream), state.event_count());
        drop(state);
        let lamport = preview.records.last().map_or(0, |record| record.lamport().value());
        if u128::from(lamport) <= events + u128::from(PREVIEW_LAMPORTS_MAX) {
            self.shared().live.offer_shown(preview, durable);
        }
    }

    /// What is verified and not durable yet.
    #[cfg(feature = "net")]
    pub(crate) fn live(&self) -> &Live {
        &self.shared().live
    }

    /// Whether a range that is queued now will hardly wait for room in the queue.
    #[cfg(feature = "net")]
    pub(crate) fn has_queue_room(&self) -> bool {
        self.shared().has_queue_room()
    }

    /// Has the queued ranges committed: by this thread if it is `idle` and that will probably be
    /// short, else by the committer's.
    #[cfg(feature = "net")]
    pub(crate) fn commit_soon(&self, idle: bool) {
        self.shared().commit_soon(idle);
    }

    /// Goes on in the next own stream; the old one can then be fetched back from peers. Its number
    /// is `step` above the first that is free: above all that are held, and at least `at_least`. It
    /// begins with an opening record, written with the next append.
    ///
    /// # Errors
    /// In the answer: as for [`Log::append`]; after a storage error the own stream is still the old
    /// one. `limit_exceeded`, reason `streams_per_node`: no number is left, appends are refused
    /// from now on.
    pub fn begin_stream(
        &self,
        reason: OpeningReason,
        at_least: u64,
        step: u64,
    ) -> Pending<StreamId> {
        let next = NextStream { reason, at_least, step };
        match self.shared().check_open() {
            Ok(()) => self.submit(|completer| Request::NewStream(next, completer)),
            Err(error) => Pending::ready(Err(error)),
        }
    }

    /// Leaves the own stream, which was found to have grown elsewhere up to number `number`, and
    /// goes on in one above it. Blocks for two syncs.
    ///
    /// # Errors
    /// As for [`Log::append`].
    pub fn leave_own_stream(&self, number: u64) -> Result<()> {
        if self.own_stream().number > number {
            return Ok(());
        }
        let next = number.saturating_add(1);
        self.begin_stream(OpeningReason::GrownElsewhere, next, 0).wait().map(drop)
    }

    /// How far each stream is held durably and visible: up to its seal where it has two histories.
    /// Of a branch what lies below its floor is counted, and not visible.
    ///
    /// # Errors
    /// `closed`, `forked_process`.
    pub fn durable_map(&self) -> Result<Arc<OffsetMap>> {
        self.shared().check_open()?;
        Ok(self.shared().state().durable.clone())
    }

    /// Calls `hook` with the latest heads of the streams that grew, each time some did, when they
    /// are durable and visible and before the appends are answered. It must be quick and must not
    /// call the log. It is kept until the log closes.
    pub fn on_durable(&self, hook: GrowthHook) {
        lock(&self.shared().hooks).push(hook);
    }

    /// Refuses a process forked from the one that opened the log.
    ///
    /// # Errors
    /// `forked_process`.
    pub fn check_process(&self) -> Result<()> {
        self.shared().check_process()
    }

    /// The chain after the first `count` events of a stream; `None` when fewer are held, or when it
    /// is a branch that begins later.
    ///
    /// # Errors
    /// `corrupt`: the block is damaged. `closed`, `forked_process`, `storage_failed`.
    pub fn chain_at(&self, stream: &StreamId, count: u64) -> Result<Option<Chain>> {
        self.shared().check_open()?;
        self.shared().chain_at(stream, count)
    }

    /// The latest head of a stream, also beyond its seal.
    pub fn head(&self, stream: &StreamId) -> Option<SignedHead> {
        self.shared().state().shown(stream).map(|held| held.head.clone())
    }

    /// The latest head of each stream, by stream id.
    pub fn heads(&self) -> Vec<SignedHead> {
        let state = self.shared().state();
        let shown = state.streams.iter().filter(|(id, _)| !state.windows.is_hidden(id));
        shown.map(|(_, held)| held.head.clone()).collect()
    }

    /// Events of `stream` from `from` to the end of their block or the latest head, whichever comes
    /// first; at most `BLOCK_EVENTS_MAX` of them. Those beyond a seal, too; of a branch from below
    /// its base those from its base on. `None` when no such event is held.
    ///
    /// # Errors
    /// `corrupt`: the block is damaged. `closed`, `forked_process`, `storage_failed`.
    pub fn read_range(&self, stream: &StreamId, from: u64) -> Result<Option<EventRange>> {
        self.shared().check_open()?;
        self.shared().read_range(stream, from)
    }

    /// The full block of `stream` that begins at offset `from`, as it is stored. `None` when none
    /// does, or when it is longer than its records.
    ///
    /// # Errors
    /// As for [`Log::read_range`].
    pub fn read_block(&self, stream: &StreamId, from: u64) -> Result<Option<PackedRange>> {
        self.shared().check_open()?;
        self.shared().read_block(stream, from)
    }

    /// Walks over the events that `query` selects.
    ///
    /// # Errors
    /// `not_yet_visible`: `options.upper` names events that are not held. `closed`,
    /// `forked_process`.
    pub fn cursor(&self, query: &Query, options: CursorOptions) -> Result<Cursor> {
        self.shared().check_open()?;
        Cursor::open(self.handle.clone(), query, options)
    }

    /// Follows the events that `query` selects, from those counts on, in order of arrival.
    ///
    /// # Errors
    /// `closed`, `forked_process`.
    pub fn subscribe(&self, query: &Query, from: OffsetMap) -> Result<Follower> {
        self.shared().check_open()?;
        Ok(Follower::open(self.handle.clone(), query, from))
    }

    /// Wakes when `durable_map` grows or the log closes.
    pub fn watch(&self) -> Watch {
        Watch::new(self.shared().signal.clone())
    }

    /// Sizes and troubles.
    ///
    /// # Errors
    /// `closed`, `forked_process`.
    pub fn status(&self) -> Result<LogStatus> {
        self.shared().check_open()?;
        Ok(LogStatus::of(self.shared()))
    }

    /// Verifies everything: checksums, chains, heads, blocks, their postings and the journal.
    ///
    /// Reads the whole log, on all processors. Costs about what receiving it costs.
    ///
    /// # Errors
    /// `corrupt`: the first thing that does not hold. `closed`, `forked_process`.
    pub fn check(&self) -> Result<()> {
        self.shared().check_open()?;
        let report = self.shared().verify(&|| true)?;
        match report.damages.first() {
            Some(damage) => Err(Error::new(ErrorKind::Corrupt, damage.to_string())),
            None => Ok(()),
        }
    }

    /// Goes through everything once, as [`Log::check`], and says what is damaged instead of ending
    /// there. What it finds [`Log::status`] shows from then on; what it finds good again is no
    /// longer shown. Reading and writing go on meanwhile, with less of the processors.
    ///
    /// `wanted` is asked between blocks, from several threads; once it says `false`, the answer
    /// comes soon.
    ///
    /// # Errors
    /// In the answer. `cancelled`: it was not wanted any more. `closed`, `forked_process`,
    /// `storage_failed`. Damage is no error.
    pub fn verify(
        &self,
        wanted: impl Fn() -> bool + Send + Sync + 'static,
    ) -> Pending<VerifyReport> {
        if let Err(error) = self.shared().check_open() {
            return Pending::ready(Err(error));
        }
        let (completer, answer) = pending(None);
        match self.shared().start_verification(Box::new(wanted), completer) {
            Ok(()) => answer,
            Err(error) => Pending::ready(Err(error)),
        }
    }

    /// Writes LMDB's file anew without its free pages, which is all that makes it smaller.
    ///
    /// Reading and writing go on: for as long as the copy takes, appends go into the journal, and
    /// wait when that is full, as for any checkpoint; at the end all wait for some milliseconds.
    /// Needs as many bytes on the disk as the tables use. A crash leaves the old file or the new
    /// one, and nothing is lost.
    ///
    /// `wanted` is asked between pieces of 1 MiB; once it says `false`, the answer comes soon and
    /// the file stays as it was.
    ///
    /// # Errors
    /// In the answer. `storage_full`: there is not room for both. `cancelled`: it was not wanted
    /// any more. `storage_failed`, `corrupt`: the file stays as it was. `closed`, `forked_process`.
    pub fn compact(&self, wanted: impl Fn() -> bool + Send + Sync + 'static) -> Pending<Compacted> {
        if let Err(error) = self.shared().check_open() {
            return Pending::ready(Err(error));
        }
        let (completer, answer) = pending(None);
        self.shared().request_compaction(Compaction { wanted: Box::new(wanted), completer });
        answer
    }

    /// How large everything is. Reads no block: LMDB counts its rows and pages, and bytes of
    /// records are added up from the streams and from the heads of posting segments, one for 64
    /// full blocks.
    ///
    /// # Errors
    /// `corrupt`: a segment is damaged. `closed`, `forked_process`, `storage_failed`.
    pub fn stats(&self) -> Result<LogStats> {
        self.shared().check_open()?;
        self.shared().stats()
    }

    /// Moves everything durable from the journal to the tables now.
    ///
    /// # Errors
    /// `storage_full`, `storage_failed`: the journal keeps the events. `closed`, `forked_process`.
    pub fn checkpoint_now(&self) -> Result<()> {
        self.shared().check_open()?;
        // A checkpoint under way may have begun before the latest events.
        let shared = self.shared();
        let under_way = shared.request_checkpoint();
        shared.wait_for_checkpoint(under_way)?;
        if shared.state().tail_bytes == 0 {
            return Ok(());
        }
        let next = shared.request_checkpoint();
        shared.wait_for_checkpoint(next)
    }

    /// Finishes what is queued and lets the store go. May be called again, from any thread.
    ///
    /// # Errors
    /// `timeout`: it was not done in time; it goes on, and another call waits again.
    /// `storage_full`, `storage_failed`: the last write or sync failed. The log is closed; what was
    /// acknowledged with `process` since the sync before may be lost. `forked_process`.
    pub fn close(&self, timeout: Duration) -> Result<()> {
        self.handle.close(timeout)
    }

    /// True in a process forked from the one that opened the log.
    pub fn is_forked(&self) -> bool {
        self.shared().is_forked()
    }

    /// True when both are the same log.
    pub fn is_same(&self, other: &Log) -> bool {
        Arc::ptr_eq(&self.handle, &other.handle)
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.handle.shared
    }

    pub(super) fn submit<T>(
        &self,
        request: impl FnOnce(crate::pending::Completer<T>) -> Request,
    ) -> Pending<T> {
        let (completer, answer) = pending(Some(Arc::new(Helper(self.shared().clone()))));
        match self.shared().submit(request(completer)) {
            Ok(()) => answer,
            Err(error) => Pending::ready(Err(error)),
        }
    }

    fn checked(&self, events: Vec<NewEvent>, options: AppendOptions) -> Result<AppendRequest> {
        self.shared().check_open()?;
        let bytes = check_batch(&events)?;
        let once = |key: &Vec<u8>| Once::append(key, &options.app_id, &events);
        let idempotency = options.idempotency_key.as_ref().map(once).transpose()?;
        Ok(AppendRequest {
            events,
            app_id: options.app_id,
            power: options.durability == Durability::Power,
            idempotency,
            expected: options.expected,
            stream: None,
            bytes,
        })
    }
}
