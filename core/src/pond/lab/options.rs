//! How a lab is made, and what publishing in it gives.

use crate::event::{AppId, EventKey, Offset, OffsetMap, WallTime};
use std::time::Duration;

/// Most nodes of a lab.
pub const LAB_NODES_MAX: usize = 64;

/// How a lab is made.
#[derive(Clone, Debug)]
pub struct LabOptions {
    /// Number of nodes, 1 to [`LAB_NODES_MAX`]. All of them run and reach each other at first.
    pub nodes: usize,
    /// All chance of the lab follows from it.
    pub seed: u64,
    /// The application that publishes; `com.example.lab` if nothing else is said.
    pub app_id: Option<AppId>,
    /// The wall clocks of the nodes are wrong by at most this; 5 minutes at first.
    pub skew_max: Duration,
}

impl LabOptions {
    /// So many nodes, and this seed.
    pub fn new(nodes: usize, seed: u64) -> LabOptions {
        LabOptions { nodes, seed, app_id: None, skew_max: Duration::from_secs(300) }
    }
}

/// Where published events stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabPublished {
    /// The key of each event, in the order in which they were given.
    pub keys: Vec<EventKey>,
    /// Offset of the first event in the node's stream; the others follow.
    pub first: Offset,
    /// The node's wall clock then: a claim.
    pub time: WallTime,
    /// What the node held with these events.
    pub offsets: OffsetMap,
}
