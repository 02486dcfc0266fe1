//! From a directory to an open store, and back.
//!
//! Order at the start: lock, LMDB, store row, fingerprint, streams, journal, threads. At the end:
//! queue, last sync, last checkpoint, LMDB, lock. Rule: the cost is that of the streams, the tail
//! and LMDB's own pages, never of the events. Begin with `Shared::open`.
#![allow(clippy::disallowed_methods)] // The rim: the threads of a store begin here.

use super::body::Body;
use super::checkpoint::{read_forks, read_store_row, read_stream_row};
use super::commit::Committer;
use super::compact::COPY_NAME;
use super::convert::convert;
use super::draft::Tip;
use super::heard::{Heard, read_heard};
use super::journal::{Journal, Replay, SEGMENT_NAMES};
use super::lock::StoreLock;
use super::queue::Queue;
use super::read::stored_head;
use super::shared::{Checkpoints, Shared, lock};
use super::state::{Indexed, State};
use super::store_row::{FORMAT_VERSION, Fingerprint, OpeningReason, STORE_ROW_KEY, StoreRow};
use super::tables::{DATA_NAME, Tables, remove_if_there};
use crate::error::{Error, ErrorKind, Result};
use crate::event::limits::STREAMS_PER_NODE_MAX;
use crate::event::{NodeKey, StreamId};
use crate::files::{DiskFile, create_directory, refuse_network_file_system, sync_directory};
use crate::log::news::News;
use crate::log::options::{LogOptions, invalid};
use crate::log::outlook::Outlook;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

const SEGMENT_BYTES_MIN: u64 = 64 << 10;
/// The tables of a store that holds nothing yet are smaller than this.
const UNFINISHED_TABLES_BYTES_MAX: u64 = 64 << 10;

/// Opens the tables, made anew where a power cut tore the creation of the store.
///
/// Before the first append can be acknowledged both journal segments are there for good. Without
/// them, tables as small as those of an empty store have never held anything.
fn open_tables(path: &Path) -> Result<Tables> {
    let opened = Tables::open(path);
    let Err(error) = &opened else { return opened };
    let journaled = SEGMENT_NAMES.iter().any(|name| path.join(name).exists());
    let data = path.join(DATA_NAME);
    let bytes = std::fs::metadata(&data).map_or(u64::MAX, |metadata| metadata.len());
    if error.kind() != ErrorKind::Corrupt || journaled || bytes > UNFINISHED_TABLES_BYTES_MAX {
        return opened;
    }
    tracing::warn!(path = %path.display(), "a store was cut off at its creation; it begins anew");
    std::fs::remove_file(&data).map_err(|error| {
        let message = format!("cannot remove the unfinished {}: {error}", data.display());
        Error::new(ErrorKind::StorageFailed, message)
    })?;
    Tables::open(path)
}

/// Makes the directory and refuses what cannot carry a store.
pub(crate) fn prepare_directory(options: &LogOptions) -> Result<()> {
    if options.segment_bytes < SEGMENT_BYTES_MIN {
        return invalid(format!("a journal segment has at least {SEGMENT_BYTES_MIN} bytes"));
    }
    create_directory(&options.path)?;
    if options.allow_network_fs { Ok(()) } else { refuse_network_file_system(&options.path) }
}

impl Shared {
    /// Opens the store whose lock is held.
    ///
    /// # Errors
    /// `format_too_new`, `invalid_argument` (another swarm or key), `corrupt`, `storage_full`,
    /// `storage_failed`.
    pub(crate) fn open(options: LogOptions, store_lock: StoreLock) -> Result<Arc<Shared>> {
        let path = options.path.clone();
        // A compaction that was cut short leaves its copy.
        remove_if_there(&path.join(COPY_NAME))?;
        let tables = open_tables(&path)?;
        let fingerprint = read_fingerprint(&path.join(DATA_NAME))?;
        let before = load_store_row(&tables)?;
        let is_new = before.is_none();
        let mut row = match before {
            Some(row) => row,
            None => first_store_row(&options, &fingerprint)?,
        };
        check_row(&options, &row)?;
        if row.format < FORMAT_VERSION {
            convert(&tables)?;
            row.format = FORMAT_VERSION;
        }
        let copied = row.fingerprint != fingerprint;
        let mut state = load_streams(&tables, row.checkpointed)?;
        let (mut journal, replay) = Journal::open(
            &path,
            row.checkpointed,
            row.generation,
            // What a clean store lacks after all, the journal may still hold.
            row.clean && !tables.is_doubtful,
            options.segment_bytes,
        )?;
        if is_new && !replay.records.is_empty() {
            let message = format!(
                "{} holds a journal without its tables: {DATA_NAME} was removed or emptied",
                path.display()
            );
            return Err(Error::new(ErrorKind::Corrupt, message).with_reason("tables_missing"));
        }
        sync_directory(&path)?;
        let node_key = NodeKey::from_seed(&row.node_seed);
        let torn = replay.torn;
        apply_replay(&mut state, replay)?;
        move_own_stream(&mut row, &state, &node_key, copied, torn);
        row.fingerprint = fingerprint;
        row.open_count += 1;
        row.clean = false;
        row.generation = journal.generation();
        tables.write(|opened, transaction| {
            Ok(opened.settings.put(transaction, STORE_ROW_KEY, &row.encode())?)
        })?;
        journal.begin()?;
        let shared =
            Arc::new(assemble(options, store_lock, tables, state, journal, &row, node_key));
        shared.start()?;
        Ok(shared)
    }

    /// Ends everything in good order. Calling it again goes on waiting.
    ///
    /// # Errors
    /// `timeout`: the deadline came first; the store goes on closing. The error of the last write
    /// or sync, if it failed: the store is closed, and without what only that would have made
    /// durable.
    pub(crate) fn close(&self, timeout: Duration) -> Result<()> {
        let deadline = Instant::now() + timeout;
        self.queue().closing = true;
        self.queued.notify_all();
        self.wait_for_threads(1, deadline)?;
        {
            let mut checkpoints = lock(&self.checkpoints);
            checkpoints.stop = true;
            self.checkpoint_moved.notify_all();
        }
        self.wait_for_threads(2, deadline)?;
        let mut held = lock(&self.lock);
        if held.is_none() {
            return Ok(());
        }
        self.closed.store(true, Ordering::Release);
        let committer = lock(&self.committer);
        let good = !committer.has_unsynced() && !committer.journal.is_suspect();
        drop(committer);
        let result = if good { self.leave_clean() } else { Ok(()) };
        let lost = if good { None } else { lock(&self.trouble).clone() };
        self.tables.close();
        lock(&self.committer).journal.close();
        held.take();
        lock(&self.hooks).clear();
        lock(&self.damage_hooks).clear();
        self.signal.raise();
        self.live.close();
        self.news.end();
        if let Err(error) = result {
            // The journal holds what the tables lack; the next opening reads it.
            tracing::warn!(%error, "the last checkpoint failed");
        }
        lost.map_or(Ok(()), Err)
    }

    /// Moves everything to the tables, gives the journal's space back, and says so in a transaction
    /// of its own: then the one before it has everything, too, and either may be lost.
    fn leave_clean(&self) -> Result<()> {
        self.checkpoint()?;
        let mut committer = lock(&self.committer);
        committer.journal.shrink()?;
        let generation = committer.journal.generation();
        drop(committer);
        self.update_store_row(|row| {
            row.clean = true;
            row.generation = row.generation.max(generation);
        })
    }

    fn start(self: &Arc<Self>) -> Result<()> {
        let committer = self.clone();
        let checkpointer = self.clone();
        spawn("millpond-commit", move || {
            if catch_unwind(AssertUnwindSafe(|| committer.run_committer())).is_err() {
                committer.refuse_all();
            }
            committer.thread_ended();
        })?;
        spawn("millpond-checkpoint", move || {
            if catch_unwind(AssertUnwindSafe(|| checkpointer.run_checkpointer())).is_err() {
                lock(&checkpointer.checkpoints).stop = true;
                checkpointer.checkpoint_moved.notify_all();
            }
            checkpointer.thread_ended();
        })?;
        if self.state().tail_bytes > 0 {
            self.request_checkpoint();
        }
        Ok(())
    }

    fn thread_ended(&self) {
        self.queue().ended += 1;
        self.queued.notify_all();
    }

    fn wait_for_threads(&self, count: u32, deadline: Instant) -> Result<()> {
        let mut queue = self.queue();
        while queue.ended < count {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let message = "the log is still writing; close it again to go on waiting";
                return Err(Error::new(ErrorKind::Timeout, message));
            }
            let woken = self.queued.wait_timeout(queue, left);
            queue = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
        Ok(())
    }
}

/// Begins a thread.
pub(crate) fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<()> {
    let thread = std::thread::Builder::new().name(name.to_owned()).spawn(work);
    thread.map(drop).map_err(|error| {
        Error::new(ErrorKind::StorageFailed, format!("could not start the thread {name}: {error}"))
    })
}

fn assemble(
    options: LogOptions,
    store_lock: StoreLock,
    tables: Tables,
    state: State,
    journal: Journal,
    row: &StoreRow,
    node_key: NodeKey,
) -> Shared {
    let tips = state.streams.iter();
    let tips = tips.map(|(id, stream)| (*id, Tip { end: stream.end(), seal: stream.seal }));
    let committer = Committer {
        journal,
        tips: tips.collect(),
        lamport: state.lamport,
        own_number: row.own_number,
        opening: row.opening,
        windows: state.windows.clone(),
        unsynced: Vec::new(),
        record: Vec::new(),
        callers: 0,
        sync_time: Duration::ZERO,
    };
    let heard = tables.read(read_heard).unwrap_or_else(|error| {
        tracing::warn!(%error, "when other nodes were heard of is not known");
        Heard::new()
    });
    let outlook = Outlook { heard, ..Outlook::new((options.clock)()) };
    Shared {
        swarm: options.swarm,
        node: node_key.node_id(),
        options,
        node_key,
        own_number: AtomicU64::new(row.own_number),
        process: std::process::id(),
        tables,
        state: Mutex::new(state),
        queue: Mutex::new(Queue::default()),
        queued: Condvar::new(),
        committer: Mutex::new(committer),
        checkpoints: Mutex::new(Checkpoints::default()),
        checkpoint_moved: Condvar::new(),
        checkpointed: AtomicU64::new(row.checkpointed),
        cache: Mutex::default(),
        signal: Default::default(),
        live: Default::default(),
        hooks: Mutex::default(),
        closed: AtomicBool::new(false),
        counters: Default::default(),
        news: News::new(),
        quarantine: Mutex::default(),
        snapshots: Mutex::default(),
        damage_hooks: Mutex::default(),
        outlook: Mutex::new(Arc::new(outlook)),
        trouble: Mutex::new(None),
        lock: Mutex::new(Some(store_lock)),
    }
}

fn load_store_row(tables: &Tables) -> Result<Option<StoreRow>> {
    tables.read(|opened, transaction| {
        // A table with rows and not this one is damaged, and the store is not a new one.
        if opened.settings.is_empty(transaction)? {
            return Ok(None);
        }
        Ok(Some(read_store_row(opened, transaction)?))
    })
}

fn first_store_row(options: &LogOptions, fingerprint: &Fingerprint) -> Result<StoreRow> {
    let node_seed = options.node_key.as_ref().map_or(options.random, NodeKey::to_seed);
    if node_seed == [0; 32] {
        return invalid("a new store needs a node key or 32 random bytes");
    }
    Ok(StoreRow {
        format: FORMAT_VERSION,
        swarm: options.swarm,
        node_seed,
        own_number: 0,
        opening: None,
        checkpointed: 0,
        generation: 0,
        clean: false,
        fingerprint: fingerprint.clone(),
        open_count: 0,
        idempotency_next: 0,
    })
}

fn check_row(options: &LogOptions, row: &StoreRow) -> Result<()> {
    if row.swarm != options.swarm {
        return invalid(format!(
            "the store belongs to swarm {}, not to {}",
            row.swarm, options.swarm
        ));
    }
    let held = NodeKey::from_seed(&row.node_seed).node_id();
    match options.node_key.as_ref().map(NodeKey::node_id) {
        Some(given) if given != held => {
            invalid(format!("the store belongs to node {held}, not to {given}"))
        }
        _ => Ok(()),
    }
}

fn load_streams(tables: &Tables, checkpointed: u64) -> Result<State> {
    let mut state = State::new(checkpointed);
    tables.read(|opened, transaction| {
        state.load_forks(read_forks(opened, transaction)?.into_iter());
        for entry in opened.streams.iter(transaction)? {
            let (key, value) = entry?;
            let (head, seal) = read_stream_row(key, value)?;
            let count = head.count.checked_sub(seal.events()).ok_or_else(|| {
                Error::new(ErrorKind::Corrupt, "the row of a stream has a block before its start")
            })?;
            let begins = Indexed::before(state.windows.base(&head.stream));
            let indexed = match count == begins.count {
                true => begins,
                false => {
                    let lamport = stored_head(opened, transaction, &head.stream, count)?.lamport;
                    Indexed { count, lamport }
                }
            };
            state.load(head, seal, indexed);
        }
        Ok(())
    })?;
    Ok(state)
}

fn apply_replay(state: &mut State, replay: Replay) -> Result<()> {
    for (index, bytes) in replay.records {
        let body = Body::decode(&bytes).map_err(|error| {
            let error = error.in_context(format_args!("journal record {index}"));
            Error::new(ErrorKind::Corrupt, error.message())
        })?;
        let mut ends = BTreeMap::new();
        for range in &body.ranges {
            let stream = range.stream();
            let new = body.forks.iter().find(|(own, _)| *own == stream);
            let base = match new.and_then(|(_, row)| row.branch.as_ref()) {
                Some(branch) => Some(branch.base),
                None => state.windows.base(&stream),
            };
            let before = state.streams.get(&stream).map(|held| held.head.count);
            let before = before.unwrap_or(base.map_or(0, |base| base.count));
            let held = ends.insert(range.stream(), range.head.count).unwrap_or(before);
            if range.first != held {
                let message = format!(
                    "journal record {index} continues stream {} at {}, which has {held} events",
                    range.stream(),
                    range.first
                );
                return Err(Error::new(ErrorKind::Corrupt, message));
            }
        }
        state.apply(index, body);
    }
    Ok(())
}

/// Decides under which number the own stream goes on.
fn move_own_stream(row: &mut StoreRow, state: &State, key: &NodeKey, copied: bool, torn: bool) {
    let node = key.node_id();
    let held = |number| state.streams.contains_key(&StreamId { node, number });
    if row.opening.is_some() && held(row.own_number) {
        row.opening = None;
    }
    let reason = match (copied, torn) {
        (true, _) => OpeningReason::Copied,
        (false, true) => OpeningReason::JournalCut,
        (false, false) => return,
    };
    // A stream that never began needs no successor: nobody can hold an event of it. A cut journal
    // is different: the cut record may have been its first.
    if held(row.own_number) || reason == OpeningReason::JournalCut || row.own_number == 0 {
        // At the limit there is no further number, and appends are refused.
        let known = state.streams.keys().filter(|stream| stream.node == node);
        let last = known.map(|stream| stream.trunk().number).max().unwrap_or(0);
        row.own_number = (last.max(row.own_number) + 1).min(STREAMS_PER_NODE_MAX);
        row.opening = Some(reason);
    }
}

/// What a store row says of the file of tables at `path`, which is there.
pub(crate) fn read_fingerprint(path: &Path) -> Result<Fingerprint> {
    let (inode, born) = DiskFile::open(path)?.birth()?;
    let machine = std::fs::read_to_string("/etc/machine-id").unwrap_or_default();
    let machine = machine.trim();
    let machine = if machine.len() <= 64 { machine.to_owned() } else { String::new() };
    Ok(Fingerprint { inode, born, machine })
}

#[cfg(test)]
impl Shared {
    /// From here on nothing is checkpointed or merged but what a test asks for.
    pub(crate) fn end_checkpointer(&self) {
        lock(&self.checkpoints).stop = true;
        self.checkpoint_moved.notify_all();
        self.wait_for_threads(1, Instant::now() + Duration::from_secs(30)).unwrap();
    }

    /// Ends as `kill -9` would after the last sync: nothing is moved to the tables.
    pub(crate) fn abandon(&self) {
        self.queue().closing = true;
        self.queued.notify_all();
        let deadline = Instant::now() + Duration::from_secs(30);
        self.wait_for_threads(1, deadline).unwrap();
        lock(&self.checkpoints).stop = true;
        self.checkpoint_moved.notify_all();
        self.wait_for_threads(2, deadline).unwrap();
        self.closed.store(true, Ordering::Release);
        self.tables.close();
        lock(&self.lock).take();
    }
}
