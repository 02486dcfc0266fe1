//! How a lab is made, and what publishing in it gives.

use crate::event::{AppId, EventKey, Offset, OffsetMap, WallTime};
use std::collections::BTreeSet;
use std::time::Duration;

/// Longest time that may pass in a lab, and most that its wall clocks are wrong: a century.
pub(super) const TIME_MAX: Duration = Duration::from_secs(100 * 366 * 86_400);
/// Most nodes of a lab.
pub const LAB_NODES_MAX: usize = 64;

/// Which scenario a seed makes: another number where the same seed and calls give other deliveries
/// or befalls than before.
pub const LAB_SCHEDULE: u64 = 1;

/// How a lab is made.
#[derive(Clone, Debug)]
pub struct LabOptions {
    /// Number of nodes, 1 to [`LAB_NODES_MAX`]. All of them run and reach each other at first.
    pub nodes: usize,
    /// All chance of the lab follows from it.
    pub seed: u64,
    /// The application that publishes; `com.example.lab` if nothing else is said.
    pub app_id: Option<AppId>,
    /// The wall clocks of the nodes are wrong by at most this, up to a century; 5 minutes at first.
    pub skew_max: Duration,
    /// One in so many publishes, also of effects, and of deeds of accounts and claims is the last
    /// thing that its node does: it ends with `closed` and the node's process is gone, the events
    /// stored or not. 0, as at first: none is.
    pub faults: u64,
    /// Numbers of what does not befall ([`LabBefall`](super::LabBefall)), though it is drawn: all
    /// else is as without this. None, at first.
    pub without: BTreeSet<u64>,
}

impl LabOptions {
    /// So many nodes, and this seed.
    pub fn new(nodes: usize, seed: u64) -> LabOptions {
        let (app_id, skew_max, faults) = (None, Duration::from_secs(300), 0);
        LabOptions { nodes, seed, app_id, skew_max, faults, without: BTreeSet::new() }
    }
}

/// Where published events stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabPublished {
    /// Of the first event; the others follow.
    pub key: EventKey,
    /// How many events.
    pub count: u64,
    /// Offset of the first event in the node's stream; the others follow.
    pub first: Offset,
    /// The node's wall clock then: a claim.
    pub time: WallTime,
    /// What the node held with these events.
    pub offsets: OffsetMap,
}
