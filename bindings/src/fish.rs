//! Fish, and what their code answers.

use millpond_facade::{self as facade, Bytes, FishFunction, Result, host_error};

/// What a fish is, without its code.
#[derive(Clone, Debug, uniffi::Enum)]
pub enum FishSpec {
    /// A fold by code of the application.
    Code {
        /// Its name.
        id: String,
        /// Another number whenever the code or the form of the state changes its meaning.
        version: u64,
        /// Which events it folds.
        query: String,
        /// How states become bytes.
        codec: Option<String>,
        /// The application says that its states only grow.
        is_grow_only: bool,
        /// It has resets.
        has_reset: bool,
    },
    /// A fold that takes no code.
    BuiltIn {
        /// Which events it folds.
        query: String,
        /// What to do with them, as JSON text.
        fold: String,
    },
}

impl From<FishSpec> for facade::FishSpec {
    fn from(fish: FishSpec) -> facade::FishSpec {
        match fish {
            FishSpec::Code { id, version, query, codec, is_grow_only, has_reset } => {
                facade::FishSpec::Code { id, version, query, codec, is_grow_only, has_reset }
            }
            FishSpec::BuiltIn { query, fold } => facade::FishSpec::BuiltIn { query, fold },
        }
    }
}

/// How a job of a fold ended.
#[derive(Clone, Debug, uniffi::Enum)]
pub enum JobAnswer {
    /// The state is loaded.
    Loaded,
    /// All events are in the state.
    Applied {
        /// Index of the last event that was a reset.
        last_reset: Option<u32>,
    },
    /// The state is encoded.
    Saved {
        /// As the codec has it, at most 16 MiB.
        bytes: Vec<u8>,
    },
    /// Code of the application failed.
    Failed {
        /// `initial`, `step`, `is_reset`, `encode` or `decode`.
        function: String,
        /// At which event of the batch.
        index: Option<u32>,
        /// What the language says about it.
        text: String,
    },
}

impl JobAnswer {
    pub(crate) fn into_facade(self) -> Result<facade::JobAnswer> {
        Ok(match self {
            JobAnswer::Loaded => facade::JobAnswer::Loaded,
            JobAnswer::Applied { last_reset } => {
                facade::JobAnswer::Applied { last_reset: last_reset.map(|index| index as usize) }
            }
            JobAnswer::Saved { bytes } => facade::JobAnswer::Saved(Bytes::from(bytes)),
            JobAnswer::Failed { function, index, text } => facade::JobAnswer::Failed {
                function: function_named(&function)?,
                index: index.map(|index| index as usize),
                message: text,
            },
        })
    }
}

/// What became of seeds.
#[derive(Clone, Debug, uniffi::Enum)]
pub enum GroupAnswer {
    /// A fish for each event, or none.
    Made {
        /// In the order of the events.
        fish: Vec<Option<FishSpec>>,
    },
    /// Code of the application failed.
    Failed {
        /// At which event.
        index: u32,
        /// What the language says about it.
        text: String,
    },
}

impl From<GroupAnswer> for facade::GroupAnswer {
    fn from(answer: GroupAnswer) -> facade::GroupAnswer {
        match answer {
            GroupAnswer::Made { fish } => {
                let made = fish.into_iter().map(|fish| fish.map(Into::into)).collect();
                facade::GroupAnswer::Made(made)
            }
            GroupAnswer::Failed { index, text } => {
                facade::GroupAnswer::Failed { index: index as usize, message: text }
            }
        }
    }
}

const FUNCTIONS: [FishFunction; 5] = [
    FishFunction::Initial,
    FishFunction::Step,
    FishFunction::IsReset,
    FishFunction::Encode,
    FishFunction::Decode,
];

fn function_named(name: &str) -> Result<FishFunction> {
    let named = FUNCTIONS.into_iter().find(|function| function.name() == name);
    named.ok_or_else(|| host_error(format!("no function of a fish is named {name:?}")))
}

/// What stands for code of the application that failed here: `effect`, a function of a fish, or
/// `grow_only`.
pub(crate) fn code_error(function: &str, text: String) -> facade::FacadeError {
    let names = FUNCTIONS.iter().map(|function| function.name()).chain(["effect", "grow_only"]);
    match names.into_iter().find(|name| *name == function) {
        Some(name) => facade::user_code_error(name, text),
        None => host_error(format!("no code is named {function:?}")),
    }
}
