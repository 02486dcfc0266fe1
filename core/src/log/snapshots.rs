//! Saved states of fish, kept beside the events they were made of.
//!
//! Not here: what a state is, and which are worth keeping. Rule: they cost time when they are gone
//! and are never needed, so whoever asks must be able to go on without.

use super::disk::Owner;
use super::log::Log;
use super::options::invalid;
use super::registry::Handle;
use crate::error::Result;
use crate::event::limits::FISH_ID_BYTES_MAX;
use crate::event::{EventKey, KeyPosition};
use bytes::Bytes;
use std::sync::Arc;

/// The snapshots of one fish, as it is defined now.
///
/// All fish together have `snapshot_bytes_max` bytes. What is beyond goes: of the definition of a
/// fish that takes most, that which was put first.
#[derive(Clone)]
pub struct Snapshots {
    handle: Arc<Handle>,
    owner: Arc<Owner>,
}

/// A saved state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// What it is the state of: the matching events of `position.offsets` with a key up to
    /// `position.last`, by which it is found. At least one.
    pub position: KeyPosition,
    /// The key of the last of them that reset the state; nothing before it matters.
    pub reset: Option<EventKey>,
    /// The state as its codec gave it.
    pub state: Bytes,
}

/// That there is a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotEntry {
    /// Of the last event in it.
    pub key: EventKey,
    /// What it takes of the bound: whole pages of 4 KiB.
    pub bytes: u64,
}

impl Snapshot {
    /// Of the last event in it; none is no snapshot.
    pub fn key(&self) -> Option<EventKey> {
        self.position.last
    }
}

impl Log {
    /// The snapshots of the fish with this id (1 to 255 bytes) and this definition.
    ///
    /// # Errors
    /// `invalid_argument`: the id is too long, or empty. `closed`, `forked_process`.
    pub fn snapshots(&self, fish: &str, definition: [u8; 32]) -> Result<Snapshots> {
        self.shared().check_open()?;
        if fish.is_empty() || fish.len() > FISH_ID_BYTES_MAX {
            return invalid(format!("the id of a fish has 1 to {FISH_ID_BYTES_MAX} bytes"));
        }
        let owner = Arc::new(Owner { fish: fish.to_owned(), definition });
        Ok(Snapshots { handle: self.handle.clone(), owner })
    }

    /// Most bytes of the snapshots of all fish.
    pub(crate) fn snapshot_bytes_max(&self) -> u64 {
        self.shared().options.snapshot_bytes_max
    }
}

impl Snapshots {
    /// Those that there are, the one with the greatest key first. Reads nothing but for the first
    /// call of an opening, which looks at the head of each row.
    ///
    /// # Errors
    /// `corrupt`, `storage_failed`: the table cannot be read. `closed`, `forked_process`.
    pub fn list(&self) -> Result<Vec<SnapshotEntry>> {
        self.handle.shared.check_open()?;
        self.handle.shared.list_snapshots(&self.owner)
    }

    /// The snapshot with this key. None when there is none, or when it is damaged: then it is not
    /// listed any more, and deleted with the next change.
    ///
    /// # Errors
    /// As [`Snapshots::list`].
    pub fn load(&self, key: EventKey) -> Result<Option<Snapshot>> {
        self.handle.shared.check_open()?;
        self.handle.shared.load_snapshot(&self.owner, key)
    }

    /// Puts these, each in the place of one with the same key, and deletes those with the keys
    /// `delete`: all of it or nothing. On disk when this returns; costs a sync.
    ///
    /// # Errors
    /// `invalid_argument`: a snapshot is of no event. `limit_exceeded`: one takes more than all may
    /// together. `storage_full`, `storage_failed`, `closed`, `forked_process`. Nothing has changed
    /// then.
    pub fn change(&self, put: &[Snapshot], delete: &[EventKey]) -> Result<()> {
        self.handle.shared.check_open()?;
        let delete = delete.iter().copied().collect();
        self.handle.shared.change_snapshots(&self.owner, put, &delete)
    }
}
