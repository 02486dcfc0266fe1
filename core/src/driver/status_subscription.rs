//! A status that stays open: the first at once, then one each time something in it changed.

use crate::driver::node::{Handle, Node, closed_node};
use crate::driver::status::Status;
use crate::pending::{Completer, Pending, pending};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// Gives a status whenever something in it changed that matters: a peer's session or refusal, nodes
/// that are missed or back, a fork, a quarantine, damage, the disk, falling behind and catching up.
///
/// Not a queue: changes that come while nobody asks are one. What the network does is told at most
/// four times a second. Ends with a `closed` error when its node closes.
pub struct StatusSubscription {
    node: Weak<Handle>,
    /// The version of the last status that was given.
    seen: Arc<AtomicU64>,
}

impl StatusSubscription {
    pub(crate) fn new(node: Weak<Handle>) -> StatusSubscription {
        StatusSubscription { node, seen: Arc::default() }
    }

    /// The next status: the first at once, a later one when something changed since the last one.
    ///
    /// Dropping the answer loses nothing; the next call gives what it would have given.
    ///
    /// # Errors
    /// `closed`: the node is closed. `forked_process`.
    pub fn next_status(&mut self) -> Pending<Status> {
        let Some(handle) = self.node.upgrade() else {
            return Pending::ready(Err(closed_node()));
        };
        let (completer, answer) = pending(None);
        let waiting = Arc::new(Mutex::new(Some(completer)));
        let (asking, seen) = (waiting.clone(), self.seen.clone());
        let wanted = move || {
            let waiting = asking.lock().unwrap_or_else(PoisonError::into_inner);
            waiting.as_ref().is_some_and(Completer::is_awaited)
        };
        let next = Node::of(handle).next_status(self.seen.load(Ordering::Acquire), wanted);
        next.on_done(move |status| {
            let completer = waiting.lock().unwrap_or_else(PoisonError::into_inner).take();
            let Some(completer) = completer.filter(Completer::is_awaited) else { return };
            if let Ok(status) = &status {
                seen.store(status.version, Ordering::Release);
            }
            completer.complete(status);
        });
        answer
    }
}
