//! The fish of a node that are observed: one fold for each.

use crate::driver::node::closed_node;
use crate::driver::pond::watched::{Effects, Watched};
use crate::error::Result;
use crate::log::Log;
use crate::pond::Definition;
use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

/// So long a node that closes waits for snapshots of states that were shown; without them the next
/// opening takes longer.
const KEEPING_MAX: Duration = Duration::from_secs(1);

/// Each by its id.
#[derive(Default)]
pub(crate) struct Ponds {
    table: Mutex<Table>,
    desk: Arc<Desk>,
    effects: Arc<Effects>,
}

/// Who writes snapshots just now.
#[derive(Default)]
struct Desk {
    writers: Mutex<usize>,
    left: Condvar,
}

/// Snapshots of a state that was shown are being written, as long as this lives.
pub(super) struct Keeping(Arc<Desk>);

impl Drop for Keeping {
    fn drop(&mut self) {
        *self.0.writers.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        self.0.left.notify_all();
    }
}

#[derive(Default)]
struct Table {
    fish: BTreeMap<String, Arc<Watched>>,
    /// What was taken out last of each id, as long as somebody has it: a turn may go on.
    former: BTreeMap<String, Weak<Watched>>,
    is_closed: bool,
}

impl Ponds {
    /// The fish, with one observer more; true when it is new here, so that the caller is to have
    /// its work done.
    ///
    /// # Errors
    /// `conflict`: another fish of this id is observed. `closed`.
    pub(super) fn join(&self, fish: &Arc<Definition>, log: &Log) -> Result<(Arc<Watched>, bool)> {
        let mut table = self.lock();
        if table.is_closed {
            return Err(closed_node());
        }
        if let Some(watched) = table.fish.get(fish.id())
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
        let watched = Arc::new(Watched::new(fish.clone(), log.clone(), self.effects.clone()));
        watched.add_observer();
        if let Some(former) = table.former(fish.id()) {
            watched.follow(&former);
        }
        let shares = table.shares();
        table.fish.insert(fish.id().to_owned(), watched.clone());
        let shrinks = table.shares() > shares;
        let others = shrinks.then(|| table.fish.values().cloned().collect::<Vec<_>>());
        drop(table);
        watched.begin_after_effects();
        others.into_iter().flatten().for_each(|other| other.work.raise());
        Ok((watched, true))
    }

    /// Takes the fish out if nobody observes it; false when somebody does.
    pub(super) fn leave_unobserved(&self, watched: &Arc<Watched>) -> bool {
        let mut table = self.lock();
        if watched.is_observed() {
            return false;
        }
        table.remove(watched);
        true
    }

    /// The node is closed: nobody observes a fish any more.
    pub(super) fn is_closed(&self) -> bool {
        self.lock().is_closed
    }

    /// Takes the fish out.
    pub(super) fn leave(&self, watched: &Arc<Watched>) {
        self.lock().remove(watched);
    }

    /// Into how many shares what all fish have is divided: so many that there is one for each, and
    /// rarely others than before.
    pub(super) fn shares(&self) -> usize {
        self.lock().shares()
    }

    /// The node closes: all who observe a fish are told, whatever its code is doing.
    pub(crate) fn close(&self) {
        let mut table = self.lock();
        table.is_closed = true;
        let fish = std::mem::take(&mut table.fish);
        drop(table);
        for watched in fish.into_values() {
            watched.fail(closed_node());
            watched.work.raise();
        }
        let writers = self.desk.writers.lock().unwrap_or_else(PoisonError::into_inner);
        let left = self.desk.left.wait_timeout_while(writers, KEEPING_MAX, |count| *count > 0);
        drop(left.unwrap_or_else(PoisonError::into_inner));
    }

    /// Snapshots of a state that is about to be shown will be written.
    pub(super) fn keeping(&self) -> Keeping {
        *self.desk.writers.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        Keeping(self.desk.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn shares(&self) -> usize {
        self.fish.len().next_power_of_two()
    }

    /// Another fold of the same fish may have taken its place.
    fn remove(&mut self, watched: &Arc<Watched>) {
        let id = watched.fish.id();
        if self.fish.get(id).is_some_and(|own| Arc::ptr_eq(own, watched)) {
            self.fish.remove(id);
            self.former.retain(|_, former| former.strong_count() > 0);
            self.former.insert(id.to_owned(), Arc::downgrade(watched));
        }
    }

    /// The fold whose place a new one takes.
    fn former(&mut self, id: &str) -> Option<Arc<Watched>> {
        let former = self.former.remove(id).as_ref().and_then(Weak::upgrade);
        self.fish.remove(id).or(former)
    }
}
