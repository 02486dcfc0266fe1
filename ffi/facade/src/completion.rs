//! Results for an event loop, which fetches them itself: no thread of ours enters the host.
//!
//! Invariant: the descriptor is readable exactly while `drain` has something to give.

use crate::batch::EventBatch;
use crate::blob_reader::BlobReaderHandle;
use crate::blob_work::BlobProgress;
use crate::blob_writer::{BlobWriterHandle, close_writer};
use crate::close::{self, Closed};
use crate::cursor::CursorHandle;
use crate::doing::{DoingHandle, StandingView};
use crate::entry::lock;
use crate::errors::Result;
use crate::explanation::Explanation;
use crate::fold::FishJob;
use crate::group::{GroupHandle, GroupStep, close_step};
use crate::node::NodeHandle;
use crate::observer::{Observation, close_observation};
use crate::process;
use crate::publish::Published;
use crate::signal::Signal;
use crate::state::StateView;
use crate::subscription::SubscriptionHandle;
use crate::turn::TurnHandle;
use crate::workers;
use bytes::Bytes;
use std::sync::{Arc, Mutex};

/// A queue of results. Clones are the same queue.
#[derive(Clone, Debug)]
pub struct CompletionQueue {
    inner: Arc<Mutex<Inner>>,
    fd: i32,
}

#[derive(Debug)]
struct Inner {
    completions: Vec<Completion>,
    signal: Signal,
    is_closed: bool,
}

/// One result, under the number that the shell gave the call.
#[derive(Clone, Debug)]
pub struct Completion {
    /// The shell's number.
    pub ticket: u64,
    /// How the call ended.
    pub outcome: Result<Outcome>,
}

/// What a call can give.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// Nothing but success.
    Unit,
    /// From a close.
    Closed(Closed),
    /// From an open.
    Node(NodeHandle),
    /// From a query.
    Cursor(CursorHandle),
    /// From a subscribe.
    Subscription(SubscriptionHandle),
    /// From a publish.
    Published(Published),
    /// From a next batch.
    Batch(EventBatch),
    /// From a question to a node: a ticket, or a status as JSON.
    Text(String),
    /// From an explain.
    Explanation(Explanation),
    /// From an observe.
    Observation(Observation),
    /// From a next state, or a state.
    State(StateView),
    /// From a next job of a fold.
    Job(FishJob),
    /// From a turn.
    Turn(TurnHandle),
    /// From an observe of several fish.
    Group(GroupHandle),
    /// From a next step of them.
    GroupStep(GroupStep),
    /// From an optimistic claim.
    Doing(DoingHandle),
    /// From a look for one: none stands.
    NoDoing,
    /// From a next standing.
    Standing(StandingView),
    /// From a next progress of work on blobs.
    BlobProgress(BlobProgress),
    /// From an open of a blob.
    BlobReader(BlobReaderHandle),
    /// From the beginning of a blob.
    BlobWriter(BlobWriterHandle),
    /// From a read of a blob.
    Bytes(Bytes),
}

macro_rules! outcome_from {
    ($($from:ty => $variant:ident),+) => {
        $(impl From<$from> for Outcome {
            fn from(value: $from) -> Outcome {
                Outcome::$variant(value)
            }
        })+
    };
}

outcome_from!(Closed => Closed, NodeHandle => Node, CursorHandle => Cursor,
    SubscriptionHandle => Subscription, Published => Published, EventBatch => Batch,
    String => Text, Explanation => Explanation, Observation => Observation, StateView => State,
    FishJob => Job, TurnHandle => Turn, GroupHandle => Group, GroupStep => GroupStep,
    DoingHandle => Doing, StandingView => Standing, BlobProgress => BlobProgress,
    BlobReaderHandle => BlobReader, BlobWriterHandle => BlobWriter, Bytes => Bytes);

impl From<Option<DoingHandle>> for Outcome {
    fn from(own: Option<DoingHandle>) -> Outcome {
        own.map_or(Outcome::NoDoing, Outcome::Doing)
    }
}

impl From<()> for Outcome {
    fn from((): ()) -> Outcome {
        Outcome::Unit
    }
}

impl CompletionQueue {
    /// An empty queue.
    ///
    /// # Errors
    /// `limit_exceeded`: the process has too many open files. `forked_process`.
    pub fn new() -> Result<CompletionQueue> {
        process::check()?;
        let mut signal = Signal::default();
        let fd = signal.fd()?;
        let inner = Inner { completions: Vec::new(), signal, is_closed: false };
        Ok(CompletionQueue { inner: Arc::new(Mutex::new(inner)), fd })
    }

    /// The descriptor to watch for reading. It lives as long as a clone of the queue. Never read
    /// it.
    pub fn fd(&self) -> i32 {
        self.fd
    }

    /// A `done` for any `*_start` call: puts the result here under `ticket`.
    pub fn done<T: Into<Outcome>>(
        &self,
        ticket: u64,
    ) -> impl FnOnce(Result<T>) + Send + use<T> + 'static {
        let inner = self.inner.clone();
        move |result| {
            let outcome = result.map(Into::into);
            let mut inner = lock(&inner);
            if inner.is_closed {
                drop(inner);
                return dispose(outcome);
            }
            inner.completions.push(Completion { ticket, outcome });
            inner.signal.raise();
        }
    }

    /// Takes everything that is there. Never waits.
    pub fn drain(&self) -> Vec<Completion> {
        if process::check().is_err() {
            return Vec::new();
        }
        let mut inner = lock(&self.inner);
        inner.signal.lower();
        std::mem::take(&mut inner.completions)
    }

    /// Nobody drains any more: what is there and what still comes is closed and dropped.
    pub fn close(&self) {
        if process::check().is_err() {
            return;
        }
        let left = {
            let mut inner = lock(&self.inner);
            inner.is_closed = true;
            inner.signal.lower();
            std::mem::take(&mut inner.completions)
        };
        left.into_iter().for_each(|completion| dispose(completion.outcome));
    }
}

/// Closes what nobody will ever close. May be called on a thread that must not block.
fn dispose(outcome: Result<Outcome>) {
    match outcome {
        Ok(Outcome::Node(node)) => {
            let _ = workers::submit(move || close::quietly(node));
        }
        Ok(Outcome::Cursor(cursor)) => drop(cursor.close()),
        Ok(Outcome::Subscription(subscription)) => drop(subscription.close()),
        Ok(Outcome::Observation(observation)) => close_observation(&observation),
        Ok(Outcome::Turn(turn)) => drop(turn.close()),
        Ok(Outcome::Group(group)) => drop(group.close()),
        Ok(Outcome::GroupStep(step)) => close_step(&step),
        Ok(Outcome::Doing(doing)) => drop(doing.close()),
        Ok(Outcome::BlobReader(reader)) => drop(reader.close()),
        // Its files are removed.
        Ok(Outcome::BlobWriter(writer)) => drop(workers::submit(move || close_writer(writer))),
        _ => {}
    }
}
