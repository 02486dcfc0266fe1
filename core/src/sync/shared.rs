//! What all sessions of a swarm share.

use crate::event::{Chain, EventRange, HeldFork, NodeId, SignedHead, StreamId};
use crate::planted;
use crate::sync::cap::Cap;
use crate::sync::comparisons::Comparisons;
use crate::sync::constants::STORE_RETRY;
use crate::sync::fetch::Fetches;
use crate::sync::io::{ConnectionId, LogRead, Output, SwarmEvent};
use crate::sync::learned::Remotes;
use crate::sync::memory::Memories;
use crate::sync::options::SwarmOptions;
use crate::sync::repair::Repairs;
use crate::sync::streams::Streams;
use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

/// Most heads of our own stream that wait to be compared; more are told again in other sessions.
const OWN_CHECKS_MAX: usize = 1024;

/// Streams, requests, time and outputs.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) options: SwarmOptions,
    /// Of the current secret first.
    pub(crate) admission_keys: Vec<[u8; 32]>,
    /// The time of the last input; never goes back.
    pub(crate) now: Instant,
    /// What may be sent to all peers together.
    pub(crate) cap: Cap,
    pub(crate) streams: Streams,
    pub(crate) fetches: Fetches,
    /// Blocks of our log that are damaged.
    pub(crate) repairs: Repairs,
    pub(crate) outputs: VecDeque<Output>,
    /// Events that came and were held already.
    pub(crate) duplicates: u64,
    /// Somebody here wants events before they are durable.
    pub(crate) wants_previews: bool,
    /// Peers that were admitted, and the connection that is kept for each.
    pub(crate) admitted: BTreeMap<NodeId, ConnectionId>,
    /// Where they are, as far as the transport has told.
    pub(crate) remotes: Remotes,
    /// Heads of the stream that we write, to be compared with our log.
    own_checks: Vec<SignedHead>,
    /// Those for which our log could not be read, and when they are looked at again.
    own_unread: (Vec<SignedHead>, Instant),
    /// Heads of other streams, to be compared with our log.
    pub(crate) comparisons: Comparisons,
    /// What is kept of sessions that have ended.
    pub(crate) memories: Memories,
    /// Ranges whose place in our log is to be found.
    pub(crate) strays: VecDeque<Stray>,
}

/// A genuine range that does not simply go on from what we hold under its name.
#[derive(Debug)]
pub(crate) struct Stray {
    pub(crate) connection: ConnectionId,
    pub(crate) node: NodeId,
    /// The chain that its sender has before it.
    pub(crate) before: Chain,
    pub(crate) range: EventRange,
    /// What it costs of the credit.
    pub(crate) cost: usize,
}

impl Shared {
    pub(crate) fn new(
        options: SwarmOptions,
        heads: Vec<SignedHead>,
        forks: Vec<HeldFork>,
        now: Instant,
    ) -> Shared {
        let swarm = options.secrets.swarm_id();
        Shared {
            admission_keys: options.secrets.admission_keys(),
            now,
            cap: Cap::new(options.send_caps.all_peers, now),
            streams: Streams::new(swarm, options.own_stream, heads, forks, now),
            fetches: Fetches::default(),
            repairs: Repairs::default(),
            outputs: VecDeque::new(),
            duplicates: 0,
            wants_previews: false,
            admitted: BTreeMap::new(),
            remotes: Remotes::new(),
            own_checks: Vec::new(),
            own_unread: (Vec::new(), now),
            comparisons: Comparisons::new(now),
            memories: Memories::default(),
            strays: VecDeque::new(),
            options,
        }
    }

    pub(crate) fn tell(&mut self, event: SwarmEvent) {
        self.outputs.push_back(Output::Tell(event));
    }

    /// Somebody has a head of the stream that we write; compared in the next poll.
    pub(crate) fn check_own(&mut self, head: SignedHead) {
        let is_known = self.own_checks.contains(&head) || self.own_unread.0.contains(&head);
        if !is_known && self.own_checks.len() + self.own_unread.0.len() < OWN_CHECKS_MAX {
            self.own_checks.push(head);
        }
    }

    /// When heads that could not be compared are looked at again.
    pub(crate) fn next_own_check(&self) -> Option<Instant> {
        let (unread, at) = &self.own_unread;
        (!unread.is_empty()).then_some(*at)
    }

    /// Compares one head of the stream that we write with our log. False when there is none.
    pub(crate) fn compare_own(&mut self, log: &dyn LogRead) -> bool {
        if self.next_own_check().is_some_and(|at| at <= self.now) {
            self.own_checks.append(&mut self.own_unread.0);
        }
        let Some(head) = self.own_checks.pop() else { return false };
        let own = self.streams.own();
        if head.stream.trunk() != own {
            return true;
        }
        let held = self.streams.get(&own).map_or(0, |state| state.durable_count());
        let is_ours = match log.chain_at(&own, head.count) {
            _ if head.count > held => false,
            Ok(chain) => chain == Some(head.chain),
            Err(_) if planted!("failed_read_taken_for_a_fork") => false,
            Err(_) => {
                // No proof of anything.
                self.own_unread.0.push(head);
                self.own_unread.1 = self.now + STORE_RETRY;
                return true;
            }
        };
        if !is_ours && self.streams.set_own_elsewhere() {
            self.memories.clear();
            let number = self.streams.highest_own_number();
            self.tell(SwarmEvent::OwnStreamElsewhere { number, head });
        }
        true
    }

    /// Our node writes another stream now. Unless somebody else wrote that one too, all is well.
    pub(crate) fn set_own(&mut self, stream: StreamId) {
        self.streams.set_own(stream);
        self.memories.clear();
        let claimed = self.streams.get(&stream).and_then(|state| state.claimed.clone());
        self.own_checks.extend(claimed);
    }
}
