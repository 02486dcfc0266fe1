//! What the threads of an open store share, and the gates in front of it.
//!
//! Locks, in the order in which they may be taken: `committer`, then `queue` or `state` or the
//! checkpoint's; `snapshots` before a write to the tables. None is held across user code; `state`
//! and `queue` are held for moments.

use super::commit::Committer;
use super::compact::Compaction;
use super::groups::Group;
use super::lock::StoreLock;
use super::quarantine::Quarantine;
use super::queue::Queue;
use super::read::Cache;
use super::repair::Repair;
use super::snapshots::SnapshotIndex;
use super::state::State;
use super::tables::Tables;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{NodeId, NodeKey, SwarmId};
use crate::log::counters::Counters;
use crate::log::live::Live;
use crate::log::news::News;
use crate::log::options::{DamageHook, GrowthHook, LogOptions, closed};
use crate::log::outlook::Outlook;
use crate::log::watch::Signal;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// An open store.
pub(crate) struct Shared {
    pub(crate) options: LogOptions,
    pub(crate) swarm: SwarmId,
    pub(crate) node_key: NodeKey,
    pub(crate) node: NodeId,
    /// Number of the stream that appends go to; the committer's word, for readers.
    pub(crate) own_number: AtomicU64,
    /// The process that opened the store; any other is a fork of it.
    pub(crate) process: u32,
    pub(crate) tables: Tables,
    pub(crate) state: Mutex<State>,
    pub(crate) queue: Mutex<Queue>,
    pub(crate) queued: Condvar,
    pub(crate) committer: Mutex<Committer>,
    pub(crate) checkpoints: Mutex<Checkpoints>,
    pub(crate) checkpoint_moved: Condvar,
    /// The last journal record that LMDB holds.
    pub(crate) checkpointed: AtomicU64,
    pub(crate) cache: Mutex<Cache>,
    pub(crate) signal: Signal,
    /// What is verified and not durable yet.
    pub(crate) live: Live,
    /// Told of each growth, with the new heads, before the appends are answered.
    pub(crate) hooks: Mutex<Vec<GrowthHook>>,
    pub(crate) closed: AtomicBool,
    pub(crate) counters: Counters,
    pub(crate) news: News,
    /// What is known of other nodes.
    pub(crate) outlook: Mutex<Arc<Outlook>>,
    /// What was found damaged.
    pub(crate) quarantine: Mutex<Quarantine>,
    /// Told when there is more of that.
    pub(crate) damage_hooks: Mutex<Vec<DamageHook>>,
    /// What there is of snapshots, once somebody asked.
    pub(crate) snapshots: Mutex<Option<SnapshotIndex>>,
    /// The last failure of the storage, until a commit succeeds again.
    pub(crate) trouble: Mutex<Option<Error>>,
    pub(crate) lock: Mutex<Option<StoreLock>>,
}

/// What waits for the checkpointer, and how it went.
#[derive(Default)]
pub(crate) struct Checkpoints {
    pub(crate) requested: u64,
    pub(crate) done: u64,
    /// How the last one ended.
    pub(crate) failed: Option<Error>,
    pub(crate) stop: bool,
    /// Compactions that are asked for.
    pub(crate) compactions: Vec<Compaction>,
    /// Groups of segments that were found damaged, each once.
    pub(crate) damaged_groups: Vec<Group>,
    /// Blocks that are to be put back.
    pub(crate) repairs: Vec<Repair>,
}

impl Shared {
    /// Refuses calls in a forked child and after the end.
    pub(crate) fn check_open(&self) -> Result<()> {
        self.check_process()?;
        if self.closed.load(Ordering::Acquire) { Err(closed()) } else { Ok(()) }
    }

    /// Refuses calls in a forked child.
    pub(crate) fn check_process(&self) -> Result<()> {
        if !self.is_forked() {
            return Ok(());
        }
        let message = format!(
            "the log was opened by process {}; after fork() the child must open its own store",
            self.process
        );
        Err(Error::new(ErrorKind::ForkedProcess, message))
    }

    /// True in a process forked from the one that opened the store.
    pub(crate) fn is_forked(&self) -> bool {
        std::process::id() != self.process
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    pub(crate) fn queue(&self) -> MutexGuard<'_, Queue> {
        lock(&self.queue)
    }

    /// Asks for a checkpoint and returns its number for `wait_for_checkpoint`.
    pub(crate) fn request_checkpoint(&self) -> u64 {
        let mut checkpoints = lock(&self.checkpoints);
        if checkpoints.requested <= checkpoints.done {
            checkpoints.requested = checkpoints.done + 1;
            self.checkpoint_moved.notify_all();
        }
        checkpoints.requested
    }

    /// Blocks until checkpoint `number` ended, and says how.
    pub(crate) fn wait_for_checkpoint(&self, number: u64) -> Result<()> {
        let mut checkpoints = lock(&self.checkpoints);
        while checkpoints.done < number {
            if checkpoints.stop {
                return Err(closed());
            }
            let moved = self.checkpoint_moved.wait(checkpoints);
            checkpoints = moved.unwrap_or_else(PoisonError::into_inner);
        }
        checkpoints.failed.clone().map_or(Ok(()), Err)
    }
}

/// Takes a lock; what a panicking thread left behind is refused one level up, by `trouble`.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
