//! Groups whose fish are made by code that is given along, on the thread that asks for states, and
//! worked on threads of ours: for shells in whose language any thread may call it.
//!
//! Rule: code of a fish is dropped as soon as nobody will call it any more; what makes fish lives
//! as long as the group's handle, or as the call that is under way when that is closed.

use crate::batch::EventBatch;
use crate::entry::entry;
use crate::errors::{FacadeError, Result};
use crate::fish::FishSpec;
use crate::fold::{FishWork, FoldHandle};
use crate::group::{GroupAnswer, GroupHandle, GroupStep, GroupView, close_step};
use crate::needs::rest;
use crate::node::NodeHandle;
use crate::options::ReadOptions;
use crate::wait::{Wait, deadline};
use millpond::ErrorKind;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, MutexGuard, TryLockError};

/// A fish that was made of a seed, with its code if it has any.
pub struct MadeFish {
    /// What it is.
    pub fish: FishSpec,
    /// What does the jobs of its fold, where that is the group's; `None` for one that is built in.
    pub work: Option<FishWork>,
}

/// Makes a fish of each of these events, or none; or says at which of them it failed, the first is
/// 0, and how.
pub type MakeFish = Box<dyn FnMut(EventBatch) -> Made + Send>;

/// What was made of some seeds.
pub type Made = std::result::Result<Vec<Option<MadeFish>>, (usize, String)>;

/// What makes the fish of a group.
pub(crate) struct Maker {
    make: MakeFish,
    /// What became of seeds, until it is handed in.
    answer: Option<GroupAnswer>,
    /// Code of fish that were made and not observed yet, by their ids.
    works: BTreeMap<String, FishWork>,
}

impl NodeHandle {
    /// As [`NodeHandle::observe_group`]; ask for states by [`GroupHandle::next_view`] only. `make`
    /// is called on the thread that does, and dropped after the group was closed.
    ///
    /// # Errors
    /// As there; `make` was dropped then.
    pub fn observe_group_worked(
        self,
        seeds: &str,
        only_first: bool,
        options: ReadOptions,
        make: MakeFish,
        wait: &Wait<'_>,
    ) -> Result<GroupHandle> {
        let group = self.observe_group(seeds, only_first, options, wait)?;
        let maker = Maker { make, answer: None, works: BTreeMap::new() };
        let kept = group.state().map(|state| drop(state.maker.set(Mutex::new(maker))));
        if kept.is_err() {
            let _ = group.close();
        }
        kept.map(|()| group)
    }
}

impl GroupHandle {
    /// What the fish show: first when all seeds are looked at and each fish has shown a state, then
    /// whenever that has changed; `None` when the group or its node was closed. What `make` makes
    /// of new seeds is observed before.
    ///
    /// A call that ended with `timeout` or `cancelled` loses nothing. One call at a time. The
    /// timeout bounds the waiting; code that makes fish is waited for.
    ///
    /// # Errors
    /// As [`GroupHandle::next_step`]; `invalid_argument`: another call is under way, or the group
    /// is not one of [`NodeHandle::observe_group_worked`]. `internal`: the system gives no thread.
    pub fn next_view(self, wait: &Wait<'_>) -> Result<Option<GroupView>> {
        entry("group_next_view", self.id(), || {
            let state = self.state()?;
            let maker = state.maker.get().ok_or_else(|| {
                FacadeError::invalid("nothing makes fish for this group: take its steps")
            })?;
            let mut maker = alone(maker)?;
            let end = deadline(wait.limit.timeout);
            loop {
                let left = Wait { limit: rest(wait.limit, end), ..*wait };
                let step = self.next_step(maker.answer.take(), &left);
                match step {
                    Ok(GroupStep::Seeds(seeds)) => maker.make_of(seeds),
                    Ok(GroupStep::Folds(folds)) => maker.begin(folds)?,
                    Err(error) if error.is(ErrorKind::Timeout) => return Err(error),
                    Err(error) if error.is(ErrorKind::Cancelled) => return Err(error),
                    step => {
                        // Whoever has no fold by now is folded by others.
                        maker.works.clear();
                        return shown(step);
                    }
                }
            }
        })
    }

    /// A descriptor for `poll`, `select` or an event loop: readable while `next_view` or
    /// `next_step` may have something to do. It may be readable although nothing is there, never
    /// the other way round.
    ///
    /// It belongs to the group and is valid until `close`. Never read or write it.
    ///
    /// # Errors
    /// `closed`; `limit_exceeded`: the process has too many open files.
    pub fn fd(self) -> Result<i32> {
        entry("group_fd", self.id(), || self.state()?.fd())
    }
}

impl Maker {
    /// Makes fish of seeds; what becomes of them goes with the next step.
    fn make_of(&mut self, seeds: EventBatch) {
        let made = catch_unwind(AssertUnwindSafe(|| (self.make)(seeds)));
        let made = made.unwrap_or_else(|_| Err((0, "it panicked".to_owned())));
        self.answer = Some(match made {
            Ok(made) => GroupAnswer::Made(made.into_iter().map(|fish| self.keep(fish?)).collect()),
            Err((index, message)) => GroupAnswer::Failed { index, message },
        });
    }

    /// Keeps the code of a fish until it is known whether that is needed.
    fn keep(&mut self, made: MadeFish) -> Option<FishSpec> {
        // Where there can be no such fish the group says so.
        if let (Some(work), Ok(id)) = (made.work, made.fish.id()) {
            // The newest: an older seed may have made another fish of this id.
            self.works.insert(id, work);
        }
        Some(made.fish)
    }

    /// Has folds worked, each by the code of its fish.
    fn begin(&mut self, folds: Vec<(String, FoldHandle)>) -> Result<()> {
        let mut works = std::mem::take(&mut self.works);
        let begun = folds.iter().try_for_each(|(id, fold)| match works.remove(id) {
            Some(work) => fold.work_on_thread(work),
            None => Err(FacadeError::invalid(format!("no code was given for the fish {id}"))),
        });
        if begun.is_err() {
            // Else nobody who observes these fish would ever see a state.
            close_step(&GroupStep::Folds(folds));
        }
        begun
    }
}

/// What a step says to who asks for states. The end, also when the group was closed meanwhile.
fn shown(step: Result<GroupStep>) -> Result<Option<GroupView>> {
    match step {
        Ok(GroupStep::States(view)) => Ok(Some(view)),
        Err(error) if !error.is(ErrorKind::Closed) => Err(error),
        _ => Ok(None),
    }
}

/// # Errors
/// `invalid_argument`: another call is under way.
fn alone(maker: &Mutex<Maker>) -> Result<MutexGuard<'_, Maker>> {
    match maker.try_lock() {
        Ok(maker) => Ok(maker),
        Err(TryLockError::Poisoned(poisoned)) => Ok(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => {
            let message = "another call waits with this handle already; one at a time";
            Err(FacadeError::invalid(message))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fold::{FishJob, JobAnswer};
    use std::sync::mpsc;

    #[test]
    fn a_fish_is_folded_by_the_code_that_was_given_for_it_last() {
        let (send, called) = mpsc::channel();
        let make: MakeFish = Box::new(|_| Ok(Vec::new()));
        let mut maker = Maker { make, answer: None, works: BTreeMap::new() };
        for version in [1, 2] {
            let own = send.clone();
            let work = move |_| {
                own.send(version).expect("somebody listens");
                JobAnswer::Loaded
            };
            let fish = FishSpec::code("orders", version, "FROM 'grain'");
            maker.keep(MadeFish { fish, work: Some(Box::new(work)) });
        }
        let mut work = maker.works.remove("orders").expect("it was given");
        work(FishJob::Load(None));
        assert_eq!(called.try_recv(), Ok(2));
    }
}
