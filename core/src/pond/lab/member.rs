//! One node of a lab.

use crate::event::{NodeId, OffsetMap, StreamId};
use crate::pond::lab::disk::Disk;
use crate::pond::lab::fold::LabFold;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// A node: what it holds durably, and what it has in memory while it runs.
pub(super) struct Member {
    pub(super) node: NodeId,
    /// Of the stream that it writes.
    pub(super) number: u64,
    /// Durable here. Of its own stream there may be more in the lab, which is not durable yet.
    pub(super) held: OffsetMap,
    /// The greatest that it has seen or used.
    pub(super) lamport: u64,
    pub(super) is_up: bool,
    /// It has lost its power since it ran last: by how much its clock is ahead when it starts, µs.
    pub(super) skew_after_power: Option<i64>,
    /// Counts the ends of its process.
    pub(super) life: u64,
    /// Counts the publishes in which it might die.
    pub(super) publishes: u64,
    /// Nodes of one group reach each other.
    pub(super) group: usize,
    /// Its wall clock is ahead by so much, µs.
    pub(super) skew_micros: i64,
    pub(super) disk: Disk,
    /// Of its own stream, what is not durable: to which count, and when it will be if the node
    /// runs then. Rising in both.
    pub(super) unsynced: VecDeque<(u64, Duration)>,
    /// By the number of their fish.
    pub(super) folds: BTreeMap<usize, LabFold>,
}

impl Member {
    pub(super) fn new(node: NodeId, skew_micros: i64) -> Member {
        Member {
            node,
            number: 0,
            held: OffsetMap::new(),
            lamport: 0,
            is_up: true,
            skew_after_power: None,
            life: 0,
            publishes: 0,
            group: 0,
            skew_micros,
            disk: Disk::default(),
            unsynced: VecDeque::new(),
            folds: BTreeMap::new(),
        }
    }

    /// The stream that it writes.
    pub(super) fn stream(&self) -> StreamId {
        StreamId { node: self.node, number: self.number }
    }
}
