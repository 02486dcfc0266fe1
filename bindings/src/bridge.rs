//! The one object through which a language starts calls.
//!
//! Each call takes a ticket of the language's choosing and is answered once: by the start itself,
//! when it did not have to wait, or else through [`Bridge::take`]. Errors come the same way.
//! Invariant: a ticket can be called off from its start to its answer.

use crate::answer::Completion;
use crate::failure::{Answer, call};
use crate::options::of_millis;
use millpond_facade::{
    self as facade, CompletionQueue, Limit, NodeHandle, Result, Tickets, close_any, closed_error,
    guard,
};
use std::cell::Cell;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};

/// The calls of a language. One for each process; any thread may use it.
#[derive(uniffi::Object)]
pub struct Bridge {
    queue: CompletionQueue,
    tickets: Tickets,
    /// Nodes that were opened and not closed.
    nodes: Arc<Mutex<BTreeSet<u64>>>,
    is_shut: AtomicBool,
}

/// What is called with what an operation came to.
pub(crate) type Done<T> = Box<dyn FnOnce(Result<T>) + Send>;

/// So many calls in a row are answered on a thread by their start; the next one comes through the
/// queue, so that a loop over what is there already lets others have their turn.
const ANSWERS_MAX: u8 = 8;

thread_local! {
    /// How many were, since the last one that was not.
    static ANSWERED: Cell<u8> = const { Cell::new(0) };
}

/// Where a call ends while its start runs.
enum Slot {
    Starting,
    Answered(Box<Result<facade::Outcome>>),
    Started,
}

#[uniffi::export]
impl Bridge {
    /// A bridge without calls.
    #[uniffi::constructor]
    pub fn new() -> Answer<Arc<Bridge>> {
        let queue = call("bridge_new", CompletionQueue::new)?;
        let is_shut = AtomicBool::new(false);
        Ok(Arc::new(Bridge { queue, tickets: Tickets::default(), nodes: Arc::default(), is_shut }))
    }

    /// Calls that ended, at most so many; waits for one. Nothing comes when the time is over, and
    /// at once when the bridge is shut or this is a forked process: [`Bridge::is_shut`] tells.
    pub fn take(&self, count_max: u32, timeout_ms: Option<u64>) -> Vec<Completion> {
        let taken = guard("bridge_take", 0, || {
            let ended = self.queue.wait(count_max as usize, of_millis(timeout_ms));
            ended.into_iter().map(|ended| Ok(self.told(ended.ticket, ended.outcome))).collect()
        });
        // A bug of ours is not waited for again and again: the calls are lost, the bridge ends.
        taken.unwrap_or_else(|_| {
            self.is_shut.store(true, Ordering::Release);
            Vec::new()
        })
    }

    /// Calls off the call with this ticket. When this returns, that has ended: what it came to was
    /// answered or is there to be taken. A ticket that is not in use is none of our business.
    pub fn cancel(&self, ticket: u64) -> Answer<()> {
        call("bridge_cancel", || self.tickets.cancel(ticket))
    }

    /// Closes whatever a handle stands for, as often as you like; a node by its default deadline.
    pub fn release(&self, handle: u64) -> Answer<()> {
        call("bridge_release", || {
            self.nodes().remove(&handle);
            close_any(handle).map(drop)
        })
    }

    /// Closes every node that is open, all at once, and lets nobody wait any more. What still went
    /// on is never answered.
    pub fn shut(&self, timeout_ms: Option<u64>) {
        let shut = guard("bridge_shut", 0, || {
            self.is_shut.store(true, Ordering::Release);
            let nodes = std::mem::take(&mut *self.nodes());
            let (send, closed) = mpsc::channel();
            for node in nodes {
                let send = send.clone();
                let limit = Limit { timeout: of_millis(timeout_ms), cancel: None };
                NodeHandle::from_id(node).close_start(limit, move |result| {
                    // Nobody is left to tell: what was acknowledged is durable either way.
                    let _ = send.send(result.is_ok());
                });
            }
            drop(send);
            closed.iter().for_each(drop);
            self.queue.close();
            Ok(())
        });
        if shut.is_err() {
            self.queue.close();
        }
    }

    /// Whether nothing will be answered any more.
    pub fn is_shut(&self) -> bool {
        self.is_shut.load(Ordering::Acquire)
    }

    /// How many calls were not answered yet, for tests of shells.
    pub fn call_count(&self) -> u64 {
        self.tickets.count() as u64
    }
}

impl Bridge {
    /// Starts a call. `begin` converts what it was given, hands the `done` to the facade, and fails
    /// only if it did not.
    pub(crate) fn start<T: Into<facade::Outcome> + 'static>(
        &self,
        name: &'static str,
        ticket: u64,
        limit_ms: Option<u64>,
        begin: impl FnOnce(Limit, Done<T>) -> Result<()>,
    ) -> Option<Completion> {
        let limit = guard("bridge_start", 0, || {
            if self.is_shut() {
                return Err(closed_error("millpond was shut down in this process"));
            }
            self.tickets.begin(ticket, of_millis(limit_ms))
        });
        let limit = match limit {
            Ok(limit) => limit,
            Err(error) => return Some(Completion::failed(ticket, error)),
        };
        let may_answer = ANSWERED.get() < ANSWERS_MAX;
        let slot = Arc::new(Mutex::new(if may_answer { Slot::Starting } else { Slot::Started }));
        let done = self.done(ticket, Arc::clone(&slot));
        if let Err(error) = guard(name, 0, || begin(limit, done)) {
            self.tickets.end(ticket);
            return Some(Completion::failed(ticket, error));
        }
        let slot = std::mem::replace(&mut *locked(&slot), Slot::Started);
        match slot {
            Slot::Answered(outcome) => {
                ANSWERED.set(ANSWERED.get() + 1);
                Some(self.told(ticket, *outcome))
            }
            Slot::Starting | Slot::Started => {
                ANSWERED.set(0);
                None
            }
        }
    }

    /// Puts what a call came to where it is looked for.
    fn done<T: Into<facade::Outcome> + 'static>(
        &self,
        ticket: u64,
        slot: Arc<Mutex<Slot>>,
    ) -> Done<T> {
        let queued = self.queue.done::<facade::Outcome>(ticket);
        Box::new(move |result: Result<T>| {
            let outcome = result.map(Into::into);
            let mut place = locked(&slot);
            if matches!(*place, Slot::Starting) {
                *place = Slot::Answered(Box::new(outcome));
                drop(place);
            } else {
                drop(place);
                queued(outcome);
            }
        })
    }

    /// What the language is told; it has the handles of nodes from here on, and its ticket back.
    fn told(&self, ticket: u64, outcome: Result<facade::Outcome>) -> Completion {
        self.tickets.end(ticket);
        if let Ok(facade::Outcome::Node(node)) = &outcome {
            self.nodes().insert(node.id());
        }
        Completion::new(ticket, outcome)
    }

    /// A node was closed.
    pub(crate) fn forget(nodes: &Mutex<BTreeSet<u64>>, node: u64) {
        locked(nodes).remove(&node);
    }

    /// Nodes that are open.
    pub(crate) fn shared_nodes(&self) -> Arc<Mutex<BTreeSet<u64>>> {
        Arc::clone(&self.nodes)
    }

    fn nodes(&self) -> MutexGuard<'_, BTreeSet<u64>> {
        locked(&self.nodes)
    }
}

/// A panic while such a lock is held leaves something whole.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
