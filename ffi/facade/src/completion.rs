//! Results for a language that fetches them itself: no thread of ours enters the host.
//!
//! An event loop watches the descriptor and drains; a thread of the language's own waits.
//! Invariant: the descriptor is readable exactly while `drain` has something to give.

use crate::batch::EventBatch;
use crate::blob_reader::BlobReaderHandle;
use crate::blob_work::BlobProgress;
use crate::blob_writer::{BlobWriterHandle, close_writer};
use crate::close::{self, Closed};
use crate::cursor::CursorHandle;
use crate::defaults::WAIT_BYTES_MAX;
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
use crate::wait::deadline;
use crate::workers;
use bytes::Bytes;
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A queue of results. Clones are the same queue.
#[derive(Clone, Debug)]
pub struct CompletionQueue {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    inner: Mutex<Inner>,
    /// Rung for each completion, and at the end for all.
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Inner {
    completions: VecDeque<Completion>,
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
    /// `forked_process`.
    pub fn new() -> Result<CompletionQueue> {
        process::check()?;
        Ok(CompletionQueue { shared: Arc::default() })
    }

    /// The descriptor to watch for reading, made when it is first asked for. It lives as long as a
    /// clone of the queue. Never read it.
    ///
    /// # Errors
    /// `limit_exceeded`: the process has too many open files. `forked_process`.
    pub fn fd(&self) -> Result<i32> {
        process::check()?;
        lock(&self.shared.inner).signal.fd()
    }

    /// A `done` for any `*_start` call: puts the result here under `ticket`.
    pub fn done<T: Into<Outcome>>(
        &self,
        ticket: u64,
    ) -> impl FnOnce(Result<T>) + Send + use<T> + 'static {
        let shared = self.shared.clone();
        move |result| {
            let outcome = result.map(Into::into);
            let mut inner = lock(&shared.inner);
            if inner.is_closed {
                drop(inner);
                return dispose(outcome);
            }
            inner.completions.push_back(Completion { ticket, outcome });
            inner.signal.raise();
            drop(inner);
            shared.changed.notify_one();
        }
    }

    /// Takes everything that is there. Never waits.
    pub fn drain(&self) -> Vec<Completion> {
        if process::check().is_err() {
            return Vec::new();
        }
        let mut inner = lock(&self.shared.inner);
        inner.signal.lower();
        std::mem::take(&mut inner.completions).into()
    }

    /// Takes what is there, oldest first: at most `count_max` (1 at least), and no more than 16 MiB
    /// of batches after the first one. Waits for it at most `timeout`; `None` is no bound. Nothing
    /// comes when that is over, and at once after a close and in a forked process.
    pub fn wait(&self, count_max: usize, timeout: Option<Duration>) -> Vec<Completion> {
        if process::check().is_err() {
            return Vec::new();
        }
        let end = deadline(timeout);
        let mut inner = lock(&self.shared.inner);
        while inner.completions.is_empty() && !inner.is_closed {
            let changed = &self.shared.changed;
            inner = match end.map(|end| end.saturating_duration_since(Instant::now())) {
                None => changed.wait(inner).unwrap_or_else(PoisonError::into_inner),
                Some(Duration::ZERO) => return Vec::new(),
                Some(left) => {
                    changed.wait_timeout(inner, left).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
        inner.take(count_max)
    }

    /// Nobody takes any more: what is there and what still comes is closed and dropped, and whoever
    /// waits gets nothing.
    pub fn close(&self) {
        if process::check().is_err() {
            return;
        }
        let left = {
            let mut inner = lock(&self.shared.inner);
            inner.is_closed = true;
            inner.signal.lower();
            std::mem::take(&mut inner.completions)
        };
        self.shared.changed.notify_all();
        left.into_iter().for_each(|completion| dispose(completion.outcome));
    }
}

impl Inner {
    fn take(&mut self, count_max: usize) -> Vec<Completion> {
        let (mut taken, mut bytes) = (Vec::new(), 0);
        while taken.len() < count_max.max(1) {
            let Some(next) = self.completions.front() else { break };
            let more = next.byte_count();
            if !taken.is_empty() && bytes + more > WAIT_BYTES_MAX {
                break;
            }
            bytes += more;
            taken.extend(self.completions.pop_front());
        }
        if self.completions.is_empty() {
            self.signal.lower();
        }
        taken
    }
}

impl Completion {
    /// Bytes of events that it holds.
    fn byte_count(&self) -> usize {
        match &self.outcome {
            Ok(Outcome::Batch(batch)) => batch.bytes().len(),
            _ => 0,
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Draft, Lab, LabOptions, PublishOptions, ReadOptions};
    use std::thread;

    fn text(queue: &CompletionQueue, ticket: u64) {
        queue.done(ticket)(Ok(String::new()));
    }

    fn tickets(completions: &[Completion]) -> Vec<u64> {
        completions.iter().map(|completion| completion.ticket).collect()
    }

    #[test]
    fn wait_gives_what_ended_and_ends_with_close() {
        let queue = CompletionQueue::new().unwrap();
        assert!(queue.wait(8, Some(Duration::ZERO)).is_empty(), "not at all");
        assert!(queue.wait(8, Some(Duration::from_millis(1))).is_empty(), "a moment");
        (1..=3).for_each(|ticket| text(&queue, ticket));
        assert_eq!(tickets(&queue.wait(2, None)), [1, 2]);
        assert_eq!(tickets(&queue.wait(0, None)), [3], "one at least");
        thread::scope(|threads| {
            let waiting = threads.spawn(|| queue.wait(8, None));
            text(&queue, 4);
            assert_eq!(tickets(&waiting.join().unwrap()), [4]);
            let waiting = threads.spawn(|| queue.wait(8, None));
            queue.close();
            assert!(waiting.join().unwrap().is_empty(), "closed");
        });
        text(&queue, 5);
        assert!(queue.wait(8, None).is_empty(), "what comes after the close is dropped");
    }

    #[test]
    fn one_wait_gives_no_more_than_its_bytes_of_batches() {
        let lab = Lab::new(LabOptions::default()).unwrap();
        let payload = [&[0x5a, 0, 0x0f, 0, 0][..], &[7; 0xf_0000]].concat();
        let drafts = (0..10).map(|_| Draft::from_cbor(["big"], payload.clone()).unwrap());
        lab.publish(1, None, drafts.collect(), PublishOptions::default()).unwrap();
        let batch = lab.query(1, "FROM 'big'", ReadOptions::default()).unwrap();
        assert!(2 * batch.bytes().len() > WAIT_BYTES_MAX, "{}", batch.bytes().len());
        let queue = CompletionQueue::new().unwrap();
        (1..=3).for_each(|ticket| queue.done(ticket)(Ok(batch.clone())));
        text(&queue, 4);
        assert_eq!(tickets(&queue.wait(8, None)), [1]);
        assert_eq!(tickets(&queue.wait(8, None)), [2]);
        assert_eq!(tickets(&queue.wait(8, None)), [3, 4]);
    }
}
