//! What all sessions of a swarm share.

use crate::event::{NodeId, SignedHead, StreamId};
use crate::planted;
use crate::sync::fetch::Fetches;
use crate::sync::io::{ConnectionId, Fork, LogRead, Output, SwarmEvent};
use crate::sync::options::SwarmOptions;
use crate::sync::refusal::Refusal;
use crate::sync::streams::{HeadNews, Streams};
use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

/// Streams, requests, time and outputs.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) options: SwarmOptions,
    pub(crate) admission_key: [u8; 32],
    /// The time of the last input; never goes back.
    pub(crate) now: Instant,
    pub(crate) streams: Streams,
    pub(crate) fetches: Fetches,
    pub(crate) outputs: VecDeque<Output>,
    /// Peers that were admitted, and the connection that is kept for each.
    pub(crate) admitted: BTreeMap<NodeId, ConnectionId>,
    /// Heads signed with our key, to be compared with our log.
    own_checks: BTreeMap<StreamId, SignedHead>,
    /// The head with the highest stream number that was signed with our key elsewhere.
    own_highest: Option<SignedHead>,
}

impl Shared {
    pub(crate) fn new(options: SwarmOptions, heads: Vec<SignedHead>, now: Instant) -> Shared {
        let swarm = options.secret.swarm_id();
        Shared {
            admission_key: options.secret.admission_key(),
            now,
            streams: Streams::new(swarm, options.own_stream, heads, now),
            fetches: Fetches::default(),
            outputs: VecDeque::new(),
            admitted: BTreeMap::new(),
            own_checks: BTreeMap::new(),
            own_highest: None,
            options,
        }
    }

    pub(crate) fn tell(&mut self, event: SwarmEvent) {
        self.outputs.push_back(Output::Tell(event));
    }

    /// Takes a head that a peer told us of.
    pub(crate) fn learn_head(&mut self, head: &SignedHead, from: &NodeId) -> Result<(), Refusal> {
        match self.streams.learn(head, from)? {
            HeadNews::Nothing | HeadNews::Claimed => {}
            HeadNews::Own => self.check_own(head.clone()),
            HeadNews::Forked(fork) => self.forked(*fork),
        }
        Ok(())
    }

    /// A stream has two histories: it stops here.
    pub(crate) fn forked(&mut self, fork: Fork) {
        if planted!("fork_ignored") {
            return;
        }
        self.fetches.end(&fork.held.stream);
        if self.streams.freeze(fork.clone()) {
            self.tell(SwarmEvent::Forked(fork));
        }
    }

    /// Somebody has a head signed with our key that we do not know; compared in the next poll.
    pub(crate) fn check_own(&mut self, head: SignedHead) {
        let known = self.own_checks.get(&head.stream);
        if known.is_none_or(|known| known.count < head.count) {
            self.own_checks.insert(head.stream, head);
        }
    }

    /// Compares one head signed with our key with our log. False when there is none to compare.
    pub(crate) fn compare_own(&mut self, log: &dyn LogRead) -> bool {
        let Some((stream, head)) = self.own_checks.pop_first() else { return false };
        let own = self.streams.own();
        let held = self.streams.get(&own).and_then(|state| state.durable.clone());
        let is_ahead =
            stream.number > own.number || held.as_ref().is_none_or(|held| held.count < head.count);
        if !is_ahead {
            match log.chain_at(&stream, head.count) {
                Ok(chain) if chain == Some(head.chain) => return true,
                Ok(_) => {}
                Err(_) if planted!("failed_read_taken_for_a_fork") => {}
                Err(_) => {
                    // No proof of anything; looked at again in the next poll.
                    self.check_own(head);
                    return false;
                }
            }
        }
        if let Some(held) = held.filter(|_| !is_ahead) {
            self.forked(Fork { held, other: head.clone() });
        }
        let highest = self.own_highest.as_ref();
        if highest.is_none_or(|highest| highest.stream.number < stream.number) {
            self.own_highest = Some(head.clone());
        }
        if self.streams.set_own_elsewhere() {
            let number = stream.number.max(own.number);
            self.tell(SwarmEvent::OwnStreamElsewhere { number, head });
        }
        true
    }

    /// Our node writes another stream now. Unless somebody else wrote that one too, all is well.
    pub(crate) fn set_own(&mut self, stream: StreamId) {
        self.streams.set_own(stream);
        let taken = self.own_highest.clone().filter(|head| head.stream.number >= stream.number);
        taken.into_iter().for_each(|head| self.check_own(head));
    }
}
