//! Reasons in memory not to collect a blob.
//!
//! Rule: who takes a lease before looking at the row either finds the blob and keeps it, or finds
//! that it is gone; a collection under way is waited for.

use super::store::Store;
use crate::blob::BlobId;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// The leases of a store.
#[derive(Default)]
pub(crate) struct Leases {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    held: BTreeMap<BlobId, usize>,
    /// Of these the rows are being deleted right now.
    going: BTreeSet<BlobId>,
}

/// While it lives, its blob is not collected.
pub(crate) struct Lease {
    store: Arc<Store>,
    id: BlobId,
}

/// While it lives, nobody gets a lease of its blob.
pub(crate) struct Going<'a> {
    leases: &'a Leases,
    id: BlobId,
}

impl Store {
    /// Keeps a blob from being collected; waits for the commit of a collection that is deleting
    /// this very blob.
    pub(crate) fn lease(self: &Arc<Store>, id: BlobId) -> Lease {
        self.leases.take(id);
        Lease { store: self.clone(), id }
    }
}

impl Leases {
    fn take(&self, id: BlobId) {
        let mut state = self.lock();
        while state.going.contains(&id) {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        *state.held.entry(id).or_default() += 1;
    }

    fn give_back(&self, id: &BlobId) {
        let mut state = self.lock();
        if let Some(count) = state.held.get_mut(id) {
            *count -= 1;
            if *count == 0 {
                state.held.remove(id);
            }
        }
    }

    /// The right to delete; none while somebody has a lease, or is deleting it already.
    pub(crate) fn begin_deleting(&self, id: BlobId) -> Option<Going<'_>> {
        let mut state = self.lock();
        let is_held = state.held.contains_key(&id) && !crate::planted!("collected_while_leased");
        if is_held || !state.going.insert(id) {
            return None;
        }
        Some(Going { leases: self, id })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        // After a fork the lock may be held for ever, by a thread that only the parent has.
        if !self.store.is_forked() {
            self.store.leases.give_back(&self.id);
        }
    }
}

impl Drop for Going<'_> {
    fn drop(&mut self) {
        self.leases.lock().going.remove(&self.id);
        self.leases.changed.notify_all();
    }
}
