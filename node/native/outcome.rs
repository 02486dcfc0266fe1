//! What operations end with, on the thread that completes them.

use millpond_facade::{
    Closed, CursorHandle, DoingHandle, EventBatch, Explanation, FishJob, FoldHandle, GroupHandle,
    GroupStep, NodeHandle, Observation, Published, StandingView, StateView, SubscriptionHandle,
    TurnHandle, close_any,
};
use std::iter;

/// What an operation ended with.
pub(crate) enum Outcome {
    Unit,
    Node(NodeHandle),
    Cursor(CursorHandle),
    Subscription(SubscriptionHandle),
    Published(Box<Published>),
    Batch(Box<EventBatch>),
    Text(String),
    Observation(Observation),
    State(Box<StateView>),
    Job(Box<FishJob>),
    Turn(TurnHandle),
    Group(GroupHandle),
    GroupStep(Box<GroupStep>),
    Doing(Option<DoingHandle>),
    Standing(Box<StandingView>),
}

impl Outcome {
    /// The handles that came with it.
    pub(crate) fn handles(&self) -> Vec<u64> {
        match self {
            Outcome::Node(node) => vec![node.id()],
            Outcome::Cursor(cursor) => vec![cursor.id()],
            Outcome::Subscription(subscription) => vec![subscription.id()],
            Outcome::Observation(Observation { observer, fold }) => {
                iter::once(observer.id()).chain(fold.map(FoldHandle::id)).collect()
            }
            Outcome::Turn(turn) => vec![turn.id()],
            Outcome::Group(group) => vec![group.id()],
            Outcome::GroupStep(step) => match &**step {
                GroupStep::Folds(folds) => folds.iter().map(|(_, fold)| fold.id()).collect(),
                _ => Vec::new(),
            },
            Outcome::Doing(Some(doing)) => vec![doing.id()],
            _ => Vec::new(),
        }
    }

    /// Frees what came back after its environment ended.
    pub(crate) fn dispose(self) {
        self.handles().into_iter().for_each(|handle| drop(close_any(handle)));
    }
}

/// What the facade's completions carry.
pub(crate) trait IntoOutcome: Send + 'static {
    /// Runs on the completing thread.
    fn into_outcome(self) -> Outcome;
}

impl IntoOutcome for () {
    fn into_outcome(self) -> Outcome {
        Outcome::Unit
    }
}

impl IntoOutcome for String {
    fn into_outcome(self) -> Outcome {
        Outcome::Text(self)
    }
}

impl IntoOutcome for Explanation {
    fn into_outcome(self) -> Outcome {
        Outcome::Text(self.json())
    }
}

impl IntoOutcome for Closed {
    fn into_outcome(self) -> Outcome {
        Outcome::Unit
    }
}

impl IntoOutcome for NodeHandle {
    fn into_outcome(self) -> Outcome {
        Outcome::Node(self)
    }
}

impl IntoOutcome for CursorHandle {
    fn into_outcome(self) -> Outcome {
        Outcome::Cursor(self)
    }
}

impl IntoOutcome for SubscriptionHandle {
    fn into_outcome(self) -> Outcome {
        Outcome::Subscription(self)
    }
}

impl IntoOutcome for Published {
    fn into_outcome(self) -> Outcome {
        Outcome::Published(Box::new(self))
    }
}

impl IntoOutcome for EventBatch {
    fn into_outcome(self) -> Outcome {
        Outcome::Batch(Box::new(self))
    }
}

impl IntoOutcome for Observation {
    fn into_outcome(self) -> Outcome {
        Outcome::Observation(self)
    }
}

impl IntoOutcome for StateView {
    fn into_outcome(self) -> Outcome {
        Outcome::State(Box::new(self))
    }
}

impl IntoOutcome for FishJob {
    fn into_outcome(self) -> Outcome {
        Outcome::Job(Box::new(self))
    }
}

impl IntoOutcome for TurnHandle {
    fn into_outcome(self) -> Outcome {
        Outcome::Turn(self)
    }
}

impl IntoOutcome for GroupHandle {
    fn into_outcome(self) -> Outcome {
        Outcome::Group(self)
    }
}

impl IntoOutcome for GroupStep {
    fn into_outcome(self) -> Outcome {
        Outcome::GroupStep(Box::new(self))
    }
}

impl IntoOutcome for DoingHandle {
    fn into_outcome(self) -> Outcome {
        Outcome::Doing(Some(self))
    }
}

impl IntoOutcome for Option<DoingHandle> {
    fn into_outcome(self) -> Outcome {
        Outcome::Doing(self)
    }
}

impl IntoOutcome for StandingView {
    fn into_outcome(self) -> Outcome {
        Outcome::Standing(Box::new(self))
    }
}
