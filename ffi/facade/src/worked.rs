//! Fish whose code is given along, and called on a thread of ours: for shells in whose language any
//! thread may call it.
//!
//! Rule: the code is dropped as soon as nobody will call it any more, and before the call returns
//! that it was given to where that can be had.

use crate::close::Closed;
use crate::defaults;
use crate::entry::entry;
use crate::errors::Result;
use crate::fish::FishSpec;
use crate::fold::{FishWork, FoldState};
use crate::needs::rest;
use crate::node::NodeHandle;
use crate::observer::ObserverHandle;
use crate::options::ReadOptions;
use crate::state::StateView;
use crate::wait::{Wait, deadline};
use std::sync::Arc;

impl NodeHandle {
    /// As [`NodeHandle::observe`], of a fish with code. Where the fold is ours its jobs are done by
    /// `work`, as [`crate::FoldHandle::work_on_thread`] does; else `work` is dropped before this
    /// returns, and also when this fails.
    ///
    /// # Errors
    /// As there; `internal`: the system gives no thread.
    pub fn observe_worked(
        self,
        fish: FishSpec,
        options: ReadOptions,
        work: FishWork,
        wait: &Wait<'_>,
    ) -> Result<ObserverHandle> {
        self.join_worked(fish, options, work, wait).map(|(observer, _)| observer)
    }

    /// The state of a fish with code, once: of all that is durable here now, or of more. When this
    /// returns, also with an error, `work` is not running and was dropped, unless somebody else
    /// observes the fish by now, or it takes more than the default deadline of a close to return.
    ///
    /// # Errors
    /// As [`NodeHandle::observe_worked`] and [`ObserverHandle::state`].
    pub fn state_worked(
        self,
        fish: FishSpec,
        options: ReadOptions,
        work: FishWork,
        wait: &Wait<'_>,
    ) -> Result<StateView> {
        entry("node_state", self.id(), || {
            let end = deadline(wait.limit.timeout);
            let (observer, fold) = self.join_worked(fish, options, work, wait)?;
            let state = observer.state(&Wait { limit: rest(wait.limit, end), ..*wait });
            // A node that was closed meanwhile has closed it, too.
            let _: Result<Closed> = observer.close();
            if let Some(fold) = fold {
                fold.wait_unobserved(defaults::CLOSE_DEADLINE);
            }
            state
        })
    }

    /// Observes, with the fold worked if it is ours.
    fn join_worked(
        self,
        fish: FishSpec,
        options: ReadOptions,
        work: FishWork,
        wait: &Wait<'_>,
    ) -> Result<(ObserverHandle, Option<Arc<FoldState>>)> {
        let observed = self.observe(fish, options, wait)?;
        let Some(fold) = observed.fold else { return Ok((observed.observer, None)) };
        let working = fold.state().and_then(|state| fold.work_on_thread(work).map(|()| state));
        if working.is_err() {
            // First the observer: then the fold of a fish that nobody else observes just ends.
            let _: Result<Closed> = observed.observer.close();
            let _: Result<Closed> = fold.close();
        }
        working.map(|state| (observed.observer, Some(state)))
    }
}
