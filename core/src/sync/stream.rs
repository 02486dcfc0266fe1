//! What we know of one stream: what is held, what is on its way to the log, what was signed for.
//!
//! Invariants: `durable <= end`, in events; a claimed head was verified; a branch that is held is
//! held beyond its floor.

use crate::event::{Chain, NodeId, SignedHead};
use crate::sync::bound::Contribution;
use crate::sync::constants::RECENT_ENDS_MAX;
use crate::sync::io::ConnectionId;
use std::collections::VecDeque;

/// The account of one stream.
#[derive(Debug, Default)]
pub(crate) struct StreamState {
    /// The head up to which our log holds it.
    pub(crate) durable: Option<SignedHead>,
    /// The head up to which ranges were verified and given to the log.
    pub(crate) end: Option<SignedHead>,
    /// The head with the largest count whose signature was verified.
    pub(crate) claimed: Option<SignedHead>,
    /// Ends that the stream had here lately, oldest first.
    recent: VecDeque<(u64, Chain)>,
    /// Ranges given to the log, oldest first.
    pub(crate) storing: VecDeque<Storing>,
    /// Who brought the latest of them.
    pub(crate) feeder: Option<NodeId>,
    pub(crate) introduced_by: Option<NodeId>,
    /// A later millpond wrote in it what this one would have to understand.
    pub(crate) is_too_new: bool,
    /// Failed stores since the last that worked.
    pub(crate) store_failures: u32,
    pub(crate) window: Window,
}

/// Which events of a stream are shown under its name; see docs/protocol.md, "Forks".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Window {
    /// Where stored events begin; 0 unless it is a branch.
    pub(crate) base: u64,
    /// Where its own events begin; those before it are another stream's.
    pub(crate) floor: u64,
    /// Where they end because the stream forked there: it takes nothing more.
    pub(crate) seal: Option<u64>,
}

impl Window {
    /// How many of the first `count` events are shown.
    pub(crate) fn visible(&self, count: u64) -> u64 {
        count.min(self.seal.unwrap_or(u64::MAX)).saturating_sub(self.floor)
    }
}

/// A range that the log is storing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Storing {
    /// Count after it.
    pub(crate) end: u64,
    /// Who sent it.
    pub(crate) connection: ConnectionId,
    pub(crate) node: NodeId,
    /// What it cost of the credit.
    pub(crate) cost: usize,
}

impl StreamState {
    /// A stream that `node` told us of.
    pub(crate) fn introduced_by(node: NodeId) -> StreamState {
        StreamState { introduced_by: Some(node), ..StreamState::default() }
    }

    /// Events verified and given to the log.
    pub(crate) fn end_count(&self) -> u64 {
        self.end.as_ref().map_or(0, |head| head.count)
    }

    /// Events that are durable here.
    pub(crate) fn durable_count(&self) -> u64 {
        self.durable.as_ref().map_or(0, |head| head.count)
    }

    /// Events that the stream's node signed for, as far as we know.
    pub(crate) fn claimed_count(&self) -> u64 {
        self.claimed.as_ref().map_or(0, |head| head.count).max(self.end_count())
    }

    /// Events that are signed for and not durable here. None are of a sealed stream: they are its
    /// branches'.
    pub(crate) fn missing_count(&self) -> u64 {
        if self.is_sealed() { 0 } else { self.claimed_count() - self.durable_count() }
    }

    pub(crate) fn is_sealed(&self) -> bool {
        self.window.seal.is_some()
    }

    /// What the stream adds to the bound for lamports: each event counts under one name only.
    pub(crate) fn contribution(&self) -> Contribution {
        let visible = |count| self.window.visible(count);
        Contribution::new(visible(self.end_count()), visible(self.claimed_count()))
    }

    /// True when `head` is one that we verified or made.
    pub(crate) fn knows(&self, head: &SignedHead) -> bool {
        [&self.durable, &self.end, &self.claimed]
            .into_iter()
            .any(|known| known.as_ref() == Some(head))
    }

    /// The chain after `count` events, if the stream ended there lately.
    pub(crate) fn recent_chain(&self, count: u64) -> Option<Chain> {
        self.recent.iter().rev().find(|(at, _)| *at == count).map(|(_, chain)| *chain)
    }

    /// The stream ends, or ended, with `head` here.
    pub(crate) fn note_end(&mut self, head: &SignedHead) {
        if self.recent_chain(head.count).is_some() {
            return;
        }
        self.recent.push_back((head.count, head.chain));
        if self.recent.len() > RECENT_ENDS_MAX {
            self.recent.pop_front();
        }
    }

    /// The log is given a range.
    pub(crate) fn store(&mut self, storing: Storing) {
        self.feeder = Some(storing.node);
        self.storing.push_back(storing);
    }

    /// The ranges given to the log are lost.
    pub(crate) fn roll_back(&mut self) -> Vec<Storing> {
        if self.claimed.as_ref().map_or(0, |head| head.count) < self.end_count() {
            self.claimed = self.end.take();
        }
        self.end = self.durable.clone();
        self.recent.clear();
        self.store_failures = self.store_failures.saturating_add(1);
        self.storing.drain(..).collect()
    }
}
