//! What a language is told of a call that ended.

use crate::batch::Batch;
use crate::failure::Failure;
use crate::pond_answer::{GroupStep, Job, StateBytes};
use millpond_facade::{self as facade, Closed, FacadeError};

/// A call that ended.
#[derive(Clone, Debug, uniffi::Record)]
pub struct Completion {
    /// As it was given at the start.
    pub ticket: u64,
    /// What it came to.
    pub outcome: Outcome,
}

/// What a call came to.
#[derive(Clone, Debug, uniffi::Enum)]
pub enum Outcome {
    /// Nothing but success.
    Done,
    /// It failed.
    Failed {
        /// Why.
        failure: Failure,
    },
    /// A node, a cursor, a subscription, an observer, a turn, a group or a claim.
    Handle {
        /// To be given to [`Bridge::release`](crate::Bridge::release) in the end.
        handle: u64,
        /// Of an observer: a fold that is to be worked here.
        fold: Option<u64>,
    },
    /// There is none.
    NoHandle,
    /// From a close.
    Closed {
        /// It was closed before.
        before: bool,
    },
    /// From a publish, or from something that was done to an account or a claim.
    Stored {
        /// What was published.
        published: Published,
    },
    /// From a next batch.
    Events {
        /// The events.
        batch: Batch,
    },
    /// What was asked for: a ticket, figures, or JSON.
    Text {
        /// The text.
        text: String,
    },
    /// From a next state, or a state.
    State {
        /// The state.
        state: StateBytes,
    },
    /// From a next job of a fold.
    Work {
        /// The job.
        job: Job,
    },
    /// From a next step of a group.
    Step {
        /// The step.
        step: GroupStep,
    },
    /// How a claim stands.
    Standing {
        /// As JSON text.
        json: String,
        /// There will be no more.
        is_end: bool,
    },
}

/// What was published. Event `i` has offset `first_offset + i` and lamport `first_lamport + i`.
#[derive(Clone, Debug, uniffi::Record)]
pub struct Published {
    /// Stream id.
    pub stream: String,
    /// Offset of the first event.
    pub first_offset: u64,
    /// Lamport of the first event.
    pub first_lamport: u64,
    /// How many events.
    pub count: u64,
    /// Wall clock of this node, µs since 1970 UTC.
    pub time_micros: i64,
    /// Token text.
    pub token: String,
    /// An earlier call with this idempotency key stored them.
    pub replayed: bool,
}

impl From<facade::Published> for Published {
    fn from(published: facade::Published) -> Published {
        Published {
            first_offset: published.first_offset,
            first_lamport: published.first_lamport,
            count: published.count,
            time_micros: published.time_micros,
            token: published.token.token(),
            replayed: published.replayed,
            stream: published.stream,
        }
    }
}

impl Completion {
    pub(crate) fn new(ticket: u64, outcome: facade::Result<facade::Outcome>) -> Completion {
        let outcome = match outcome {
            Ok(outcome) => Outcome::from(outcome),
            Err(error) => return Completion::failed(ticket, error),
        };
        Completion { ticket, outcome }
    }

    pub(crate) fn failed(ticket: u64, error: FacadeError) -> Completion {
        Completion { ticket, outcome: Outcome::Failed { failure: error.into() } }
    }
}

impl From<facade::Outcome> for Outcome {
    fn from(outcome: facade::Outcome) -> Outcome {
        use facade::Outcome as Came;
        match outcome {
            Came::Unit => Outcome::Done,
            Came::Closed(closed) => Outcome::Closed { before: closed == Closed::Before },
            Came::Node(node) => handle(node.id()),
            Came::Cursor(cursor) => handle(cursor.id()),
            Came::Subscription(subscription) => handle(subscription.id()),
            Came::Published(published) => Outcome::Stored { published: published.into() },
            Came::Batch(batch) => Outcome::Events { batch: batch.into() },
            Came::Text(text) => Outcome::Text { text },
            Came::Explanation(explanation) => Outcome::Text { text: explanation.json() },
            Came::Observation(observation) => Outcome::Handle {
                handle: observation.observer.id(),
                fold: observation.fold.map(facade::FoldHandle::id),
            },
            Came::State(state) => Outcome::State { state: state.into() },
            Came::Job(job) => Outcome::Work { job: job.into() },
            Came::Turn(turn) => handle(turn.id()),
            Came::Group(group) => handle(group.id()),
            Came::GroupStep(step) => Outcome::Step { step: step.into() },
            Came::Doing(doing) => handle(doing.id()),
            Came::NoDoing => Outcome::NoHandle,
            Came::Standing(standing) => {
                Outcome::Standing { json: standing.json(), is_end: standing.is_end }
            }
            Came::BlobReader(reader) => handle(reader.id()),
            Came::BlobWriter(writer) => handle(writer.id()),
            // Nothing here starts what they would come of.
            Came::BlobProgress(_) | Came::Bytes(_) => {
                let error = facade::host_error("these bindings start no work on blobs");
                Outcome::Failed { failure: error.into() }
            }
        }
    }
}

fn handle(handle: u64) -> Outcome {
    Outcome::Handle { handle, fold: None }
}
