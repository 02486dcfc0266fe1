//! Answers of the core that are let go of as soon as nobody waits for them here.
//!
//! Rule: whoever drops an answer of the core ends its work or gives its turn to the next, so an
//! answer is never held longer than the call that asked for it.

use crate::entry::{guard_node, lock};
use crate::errors::{FacadeError, Result};
use crate::node::NodeState;
use crate::operation::{Calls, Operation, Slot};
use crate::wait::Wait;
use millpond::Pending;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

/// What was asked of a node.
pub(crate) type Asked<T> = (Arc<NodeState>, Pending<T>);

/// What is called with the answer.
type Then<T> = Box<dyn FnOnce(millpond::Result<T>) + Send>;

/// An answer that is waited for; its own waker.
struct Awaited<T> {
    waiting: Mutex<Option<(Pending<T>, Then<T>)>>,
}

/// Something that can be let go of.
trait LetGo: Send + Sync {
    fn let_go(&self);
}

/// Holds what a call waits for at the moment. Clones are the same place.
#[derive(Clone, Default)]
pub(crate) struct Place(Arc<Mutex<Option<Arc<dyn LetGo>>>>);

impl Place {
    /// Lets go of what is there.
    pub(crate) fn let_go(&self) {
        let held = lock(&self.0).take();
        if let Some(held) = held {
            held.let_go();
        }
    }

    /// Waits for `pending` here; `then` gets the answer, unless it is let go of before: at once if
    /// it is there, else on the thread that gives it.
    pub(crate) fn hold<T: Send + 'static>(
        &self,
        pending: Pending<T>,
        then: impl FnOnce(millpond::Result<T>) + Send + 'static,
    ) {
        let waiting = Mutex::new(Some((pending, Box::new(then) as Then<T>)));
        let awaited = Arc::new(Awaited { waiting });
        // What was there goes under no lock: whoever it belonged to has ended, and may be told so.
        let before = lock(&self.0).replace(awaited.clone());
        drop(before);
        awaited.look();
    }
}

impl<T: Send + 'static> Awaited<T> {
    fn look(self: &Arc<Self>) {
        let waker = Waker::from(self.clone());
        let mut waiting = lock(&self.waiting);
        let Some((pending, _)) = waiting.as_mut() else { return };
        let polled = Pin::new(pending).poll(&mut Context::from_waker(&waker));
        let Poll::Ready(result) = polled else { return };
        let taken = waiting.take();
        drop(waiting);
        if let Some((pending, then)) = taken {
            drop(pending);
            then(result);
        }
    }
}

impl<T: Send + 'static> Wake for Awaited<T> {
    fn wake(self: Arc<Self>) {
        self.look();
    }
}

impl<T: Send + 'static> LetGo for Awaited<T> {
    fn let_go(&self) {
        // Dropped under no lock: that may call into the core.
        let waiting = lock(&self.waiting).take();
        drop(waiting);
    }
}

/// Blocks for the answer of `node`; `then` makes the result of it.
pub(crate) fn block<T: Send + 'static, U: Send + 'static>(
    node: &Arc<NodeState>,
    pending: Pending<T>,
    wait: &Wait<'_>,
    then: impl FnOnce(T) -> Result<U> + Send + 'static,
) -> Result<U> {
    block_within(&[], node, pending, wait, then)
}

/// As [`block`]; the wait also ends with any of `others`.
pub(crate) fn block_within<T: Send + 'static, U: Send + 'static>(
    others: &[&Calls],
    node: &Arc<NodeState>,
    pending: Pending<T>,
    wait: &Wait<'_>,
    then: impl FnOnce(T) -> Result<U> + Send + 'static,
) -> Result<U> {
    let (slot, operation) = Slot::begin(wait);
    others.iter().for_each(|calls| calls.watch(&operation));
    let place = Place::default();
    end_with(&operation, &place, (node.clone(), pending), then);
    let result = slot.wait(&operation, wait, || {});
    place.let_go();
    result
}

/// Ends `operation` with the answer of a node, or with the error that there is in its place.
/// Whoever made the operation lets go of `place` when it ends.
pub(crate) fn start<T: Send + 'static, U: Send + 'static>(
    operation: &Arc<Operation<U>>,
    place: &Place,
    then: impl FnOnce(T) -> Result<U> + Send + 'static,
    question: impl FnOnce() -> Result<Asked<T>>,
) {
    if !operation.is_waiting() {
        return;
    }
    match question() {
        Ok(asked) => end_with(operation, place, asked, then),
        Err(error) => {
            operation.complete(Err(error));
        }
    }
}

fn end_with<T: Send + 'static, U: Send + 'static>(
    operation: &Arc<Operation<U>>,
    place: &Place,
    (node, pending): Asked<T>,
    then: impl FnOnce(T) -> Result<U> + Send + 'static,
) {
    let ending = operation.clone();
    place.hold(pending, move |answer| {
        // Who has no claim any more makes nothing of it that somebody would have to close.
        if let Some(claim) = ending.claim() {
            // On a thread of the core, which no panic must reach.
            let answer = || answer.map_err(FacadeError::from).and_then(then);
            claim.finish(guard_node("awaited_answer", &node, answer));
        }
    });
    if !operation.is_waiting() {
        place.let_go(); // It ended before the answer was held.
    }
}
