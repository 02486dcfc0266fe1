//! Cancel tokens: one token may call off any number of calls.

use crate::entry::{entry, lock};
use crate::errors::Result;
use crate::handles::handle;
use crate::operation::{Stoppable, WeakStop, cancelled};
use crate::{Closed, registry};
use std::sync::{Arc, Mutex};

handle! {
    /// A cancel token. Calls name it in their `Limit`; [`CancelHandle::cancel`] ends them all.
    CancelHandle
}

/// What a token knows.
#[derive(Default)]
pub(crate) struct CancelState {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    cancelled: bool,
    watched: Vec<WeakStop>,
    /// Ended calls are forgotten when the list has grown to this.
    prune_at: usize,
}

impl CancelHandle {
    /// A new token. Free it with [`CancelHandle::free`].
    ///
    /// # Errors
    /// `limit_exceeded`: too many handles are open.
    #[allow(clippy::new_ret_no_self)] // It may fail.
    pub fn new() -> Result<CancelHandle> {
        entry("cancel_new", 0, || {
            registry::insert(Arc::new(CancelState::default())).map(CancelHandle)
        })
    }

    /// Calls off every call that names this token, now and later; they end with `cancelled`.
    ///
    /// When this returns, none of their `done` closures runs any more (except one that makes this
    /// very call). Events that were handed over for publishing may still be stored.
    ///
    /// # Errors
    /// `closed`, `invalid_argument`: it is not an open token.
    pub fn cancel(self) -> Result<()> {
        entry("cancel_cancel", 0, || {
            registry::get::<CancelState>(self.id())?.cancel();
            Ok(())
        })
    }

    /// Frees the token; calls that name it go on and can no longer be cancelled.
    ///
    /// # Errors
    /// `invalid_argument`: it never was a token.
    pub fn free(self) -> Result<Closed> {
        entry("cancel_free", 0, || {
            Ok(Closed::from_removed(registry::remove::<CancelState>(self.id())?.is_some()))
        })
    }
}

impl CancelState {
    /// Whether it was cancelled.
    pub(crate) fn is_cancelled(&self) -> bool {
        lock(&self.inner).cancelled
    }

    /// Ends `operation` when the token is cancelled; at once if it was.
    pub(crate) fn watch(&self, operation: &Arc<dyn Stoppable>) {
        let mut inner = lock(&self.inner);
        if inner.cancelled {
            drop(inner);
            return operation.stop(cancelled());
        }
        if inner.watched.len() >= inner.prune_at {
            inner.watched.retain(|weak| weak.strong_count() > 0);
            inner.prune_at = 16.max(inner.watched.len() * 2);
        }
        inner.watched.push(Arc::downgrade(operation));
    }

    fn cancel(&self) {
        let watched = {
            let mut inner = lock(&self.inner);
            inner.cancelled = true;
            inner.watched.clone()
        };
        // A second canceller stops them too, and so waits for those that the first one is ending.
        for operation in watched.iter().filter_map(WeakStop::upgrade) {
            operation.stop(cancelled());
        }
        lock(&self.inner).watched.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FishSpec, Limit, NodeHandle, OpenOptions, ReadOptions, TurnKind, Wait};
    use std::sync::mpsc;

    #[test]
    fn a_turn_that_was_called_off_before_it_began_is_not_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let options = OpenOptions {
            path: folder.path().join("store"),
            app_id: "facade-test".into(),
            swarm: Some("07".repeat(32)),
            network: Some(false),
            ..OpenOptions::default()
        };
        let node = NodeHandle::open(options, &Wait::forever()).unwrap();
        // Nobody works its fold, so there never is a turn.
        let fish = FishSpec::code("orders", 1, "FROM 'grain'");
        let observed = node.observe(fish, ReadOptions::default(), &Wait::forever()).unwrap();
        let state = observed.observer.state_of().unwrap();
        let held = Arc::strong_count(&state);
        let cancel = CancelHandle::new().unwrap();
        cancel.cancel().unwrap();
        let (send, turns) = mpsc::channel();
        let limit = Limit { timeout: None, cancel: Some(cancel) };
        observed
            .observer
            .turn_start(TurnKind::Any, None, limit, move |turn| send.send(turn).unwrap());
        assert_eq!(turns.recv().unwrap().unwrap_err().name, "cancelled");
        assert_eq!(Arc::strong_count(&state), held, "the call holds nothing");
        drop(state);
        node.close(&Wait::forever()).unwrap();
    }
}
