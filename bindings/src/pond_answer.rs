//! What a language is told of the pond: states, and the work of folds and groups.

use crate::batch::Batch;
use millpond_facade::{self as facade, FishJob, FoldHandle, StateView};

/// A state.
#[derive(Clone, Debug, uniffi::Record)]
pub struct StateBytes {
    /// As the codec of the fish has it.
    pub bytes: Vec<u8>,
    /// Token text of what it is the fold of.
    pub token: String,
    /// Key of the last event in it.
    pub last: Option<String>,
    /// From 1 on, of its fold.
    pub number: u64,
    /// There will be no more, and this is none.
    pub is_end: bool,
}

impl From<StateView> for StateBytes {
    fn from(state: StateView) -> StateBytes {
        StateBytes {
            bytes: state.bytes().to_vec(),
            token: state.token(),
            last: state.last().map(str::to_owned),
            number: state.number(),
            is_end: state.is_end(),
        }
    }
}

/// Work for the code of a fish, on the one state that the worker of its fold holds.
#[derive(Clone, Debug, uniffi::Enum)]
pub enum Job {
    /// Replace the state.
    Load {
        /// By the one that these bytes encode, or by the initial one.
        bytes: Option<Vec<u8>>,
    },
    /// Step over these events in this order.
    Apply {
        /// The events, with all columns.
        batch: Batch,
    },
    /// Encode the state.
    Save,
    /// Nothing any more.
    Ended,
}

impl From<FishJob> for Job {
    fn from(job: FishJob) -> Job {
        match job {
            FishJob::Load(saved) => Job::Load { bytes: saved.map(|saved| saved.to_vec()) },
            FishJob::Apply(batch) => Job::Apply { batch: batch.into() },
            FishJob::Save => Job::Save,
            FishJob::Ended => Job::Ended,
        }
    }
}

/// A fold of one of several fish.
#[derive(Clone, Debug, uniffi::Record)]
pub struct GroupFold {
    /// Id of its fish.
    pub fish: String,
    /// The handle of the fold, to be worked here.
    pub fold: u64,
}

/// The state of one of several fish.
#[derive(Clone, Debug, uniffi::Record)]
pub struct GroupState {
    /// Id of its fish.
    pub fish: String,
    /// Its state.
    pub state: StateBytes,
}

/// What to do next for several fish, or what they show.
#[derive(Clone, Debug, uniffi::Enum)]
pub enum GroupStep {
    /// Make a fish of each of these events, and answer.
    Seeds {
        /// The events.
        batch: Batch,
    },
    /// Work these.
    Folds {
        /// Each by the code of the fish with its id.
        folds: Vec<GroupFold>,
    },
    /// What they show.
    States {
        /// By rising id.
        states: Vec<GroupState>,
        /// From 1 on.
        number: u64,
    },
    /// Nothing any more.
    Ended,
}

impl From<facade::GroupStep> for GroupStep {
    fn from(step: facade::GroupStep) -> GroupStep {
        match step {
            facade::GroupStep::Seeds(batch) => GroupStep::Seeds { batch: batch.into() },
            facade::GroupStep::Folds(folds) => {
                let fold = |(fish, fold): (String, FoldHandle)| GroupFold { fish, fold: fold.id() };
                GroupStep::Folds { folds: folds.into_iter().map(fold).collect() }
            }
            facade::GroupStep::States(view) => {
                let state =
                    |(fish, state): (String, StateView)| GroupState { fish, state: state.into() };
                let states = view.states.into_iter().map(state).collect();
                GroupStep::States { states, number: view.number }
            }
            facade::GroupStep::Ended => GroupStep::Ended,
        }
    }
}
