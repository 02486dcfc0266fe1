//! What a lab is asked to do, and the jobs that this takes of a shell.

use crate::fish::FishSpec;
use crate::fold::FishJob;
use crate::options::ReadOptions;
use std::time::Duration;

/// What is to be done that may need code of fish.
#[derive(Clone, Debug)]
pub enum LabTask {
    /// Let so much virtual time pass.
    Advance(Duration),
    /// Let time pass until nodes that reach each other hold the same.
    Settle,
    /// Heal the network, start all nodes, and settle.
    Calm,
    /// So many times something befalls the nodes, or time passes; 10.
    Chaos(Option<u64>),
    /// Have a fish catch up at a node, and judge its state: [`Lab::shown`](crate::Lab::shown) has
    /// it then.
    State {
        /// Index of the node.
        node: u64,
        /// The fish.
        fish: FishSpec,
        /// What the state must have seen: a lab does not wait for it.
        options: ReadOptions,
    },
    /// The same at each node that runs, more thoroughly.
    Check(FishSpec),
}

/// A job for the code of a fish.
#[derive(Clone, Debug)]
pub struct LabJob {
    /// The number of the fish, as [`Lab::begin`](crate::Lab::begin) gave it.
    pub fish: u64,
    /// Which of its states the job is for; each begins with a load.
    pub owner: u64,
    /// What to do; never the end.
    pub job: FishJob,
}

/// What does not fit is no index of anything.
pub(crate) fn index(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
