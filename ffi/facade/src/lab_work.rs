//! What a lab is asked to do, and the jobs that this takes of a shell.

use crate::batch::EventBatch;
use crate::errors::{FacadeError, Result};
use crate::json;
use bytes::Bytes;
use millpond::event::cbor;
use millpond::pond::builtin::BuiltIn;
use millpond::pond::{Answer, CODEC_DEFAULT, Definition, Failure, Function};
use millpond::query::Query;
use std::time::Duration;

/// What a fish is, without its code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LabFish {
    /// One whose code the shell has.
    Code {
        /// 1 to 255 bytes of UTF-8.
        id: String,
        /// Of its code.
        version: u64,
        /// Which events it folds.
        query: String,
        /// How its states are encoded; one CBOR value each if nothing is said.
        codec: Option<String>,
    },
    /// One that takes no code.
    BuiltIn {
        /// Which events it folds.
        query: String,
        /// How, as JSON: docs/pond.md, "Built-in folds".
        fold: String,
    },
}

/// What is to be done that may need code of fish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LabTask {
    /// Let so much virtual time pass.
    Advance(Duration),
    /// Let time pass until nodes that reach each other hold the same.
    Settle,
    /// Heal the network, start all nodes, and settle.
    Calm,
    /// So many times something befalls the nodes, or time passes; 10.
    Chaos(Option<u64>),
    /// Have a fish catch up at a node, and judge its state: [`Lab::shown`] has it then.
    State {
        /// Index of the node.
        node: u64,
        /// The fish.
        fish: LabFish,
    },
    /// The same at each node that runs, more thoroughly.
    Check(LabFish),
}

/// A job for the code of a fish.
#[derive(Clone, Debug)]
pub struct LabJob {
    /// The number of the fish, as [`Lab::begin`] gave it.
    pub fish: u64,
    /// Which of its states the job is for; each begins with a load.
    pub owner: u64,
    /// What to do.
    pub work: LabWork,
}

/// What to do with a state.
#[derive(Clone, Debug)]
pub enum LabWork {
    /// Replace it by the initial one (`None`), or by the one that these bytes encode.
    Load(Option<Bytes>),
    /// Step over these events, in this order; where one is a reset, begin with the initial state
    /// before stepping over it.
    Apply(EventBatch),
    /// Encode it.
    Save,
}

/// How a job ended.
#[derive(Clone, Debug)]
pub enum LabAnswer {
    /// The state is loaded.
    Loaded,
    /// All events are in the state.
    Applied {
        /// Index of the last event that was a reset; the first is 0.
        last_reset: Option<u64>,
    },
    /// The state's bytes.
    Saved(Bytes),
    /// Code of the fish failed.
    Failed {
        /// `initial`, `step`, `is_reset`, `encode` or `decode`.
        function: String,
        /// At which event of the batch; the first is 0.
        index: Option<u64>,
        /// What the language says about it.
        message: String,
    },
}

impl LabFish {
    /// The core's form of it.
    ///
    /// # Errors
    /// `query_invalid`, `invalid_argument`, `limit_exceeded`.
    pub(crate) fn definition(&self) -> Result<Definition> {
        Ok(match self {
            LabFish::Code { id, version, query, codec } => {
                let codec = codec.as_deref().unwrap_or(CODEC_DEFAULT);
                Definition::new(id, *version, Query::parse(query)?, codec)?
            }
            LabFish::BuiltIn { query, fold } => {
                let fold = BuiltIn::from_cbor(&json::to_cbor(fold)?)?;
                Definition::of_builtin(Query::parse(query)?, fold)
            }
        })
    }
}

impl LabAnswer {
    /// With the default codec a state is one CBOR value in its deterministic encoding.
    pub(crate) fn checked(self, is_cbor: bool) -> Result<Answer> {
        Ok(match self {
            LabAnswer::Loaded => Answer::Loaded,
            LabAnswer::Applied { last_reset } => {
                Answer::Applied { last_reset: last_reset.map(index) }
            }
            LabAnswer::Saved(state) => match is_cbor.then(|| cbor::check(&state)) {
                Some(Err(error)) => {
                    let message = format!("the state is no CBOR value: {}", error.message());
                    Answer::Failed(Failure { function: Function::Encode, index: None, message })
                }
                _ => Answer::Saved(state),
            },
            LabAnswer::Failed { function, index: at, message } => {
                let all = [
                    Function::Initial,
                    Function::Step,
                    Function::IsReset,
                    Function::Encode,
                    Function::Decode,
                ];
                let known = all.into_iter().find(|own| own.name() == function);
                let function = known.ok_or_else(|| {
                    FacadeError::invalid(format!("a fish has no function {function:?}"))
                })?;
                Answer::Failed(Failure { function, index: at.map(index), message })
            }
        })
    }
}

/// What does not fit is no index of anything.
pub(crate) fn index(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
