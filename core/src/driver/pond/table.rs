//! The fish of a node that are observed: one fold for each.

use crate::driver::pond::watched::Watched;
use crate::error::Result;
use crate::pond::Definition;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Each by its id.
#[derive(Default)]
pub(crate) struct Ponds {
    fish: Mutex<BTreeMap<String, Arc<Watched>>>,
}

impl Ponds {
    /// The fish, with one observer more; true when it is new here, so that the caller is to have
    /// its work done.
    ///
    /// # Errors
    /// `conflict`: another fish of this id is observed.
    pub(super) fn join(&self, fish: &Arc<Definition>) -> Result<(Arc<Watched>, bool)> {
        let mut table = self.lock();
        if let Some(watched) = table.get(fish.id())
            && !watched.has_failed()
        {
            let same = watched.fish.check_same(fish);
            if same.is_ok() {
                watched.add_observer();
                return Ok((watched.clone(), false));
            }
            // The fold of one that nobody observes any more is about to end.
            if watched.is_observed() {
                same?;
            }
        }
        let watched = Arc::new(Watched::new(fish.clone()));
        watched.add_observer();
        table.insert(fish.id().to_owned(), watched.clone());
        Ok((watched, true))
    }

    /// Takes the fish out if nobody observes it; false when somebody does.
    pub(super) fn leave_unobserved(&self, watched: &Arc<Watched>) -> bool {
        let mut table = self.lock();
        if watched.is_observed() {
            return false;
        }
        remove(&mut table, watched);
        true
    }

    /// Takes the fish out.
    pub(super) fn leave(&self, watched: &Arc<Watched>) {
        remove(&mut self.lock(), watched);
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Watched>>> {
        self.fish.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Another fold of the same fish may have taken its place.
fn remove(table: &mut BTreeMap<String, Arc<Watched>>, watched: &Arc<Watched>) {
    if table.get(watched.fish.id()).is_some_and(|own| Arc::ptr_eq(own, watched)) {
        table.remove(watched.fish.id());
    }
}
