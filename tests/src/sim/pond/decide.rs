//! The application with the account: what it decides, by the rules of the core, and publishes.
//!
//! It keeps nothing over a crash: what it knows is in the log. Begin with `World::decide`.

use crate::sim::group::{Publish, Request};
use crate::sim::node::Node;
use crate::sim::world::{Event, World};
use millpond::event::{EventKey, NodeId, StreamId};
use millpond::planted;
use millpond::pond::escrow::{
    AccountState, Action, Change, Creation, GrantPolicy, OpenRequest, Operation, Share,
};
use std::collections::BTreeSet;
use std::time::Duration;

/// Rights that are given out at the beginning.
const SHARE: u64 = 200;
/// As in core/src/driver/answers.rs.
const ROUND: Duration = Duration::from_millis(500);

/// What a decision rested on.
#[derive(Debug)]
pub(in crate::sim) struct Decision {
    /// Publishes that its author knew of then.
    pub(super) known: BTreeSet<u64>,
}

impl World {
    /// The application decides something, if the account allows it.
    pub(in crate::sim) fn decide(&mut self, node: usize) {
        if self.is_quiet {
            return;
        }
        let (run, after) =
            (self.nodes[node].run, self.pond_random.around(2 * self.plan.publish_every));
        self.schedule(self.now + after, Event::Decide { node, run });
        if !self.desk_refreshes(node) {
            return;
        }
        let id = self.nodes[node].id;
        if self.nodes[node].pond.desk.fold.meant_by(&id).is_none() {
            if node == 0 && self.nodes[node].pond.desk.flights.is_empty() {
                let creation = self.creation();
                self.submit(node, Operation::Create(creation), 0);
            }
            return;
        }
        if self.recovers(node) {
            return;
        }
        let amount = self.pond_random.between(1, 150);
        match self.pond_random.below(12) {
            0..=3 => {
                self.try_to(node, amount, |state, own, flying| {
                    state.withdraw(own, amount, flying, None)
                });
                // A second one, before the first is durable.
                let second = self.pond_random.between(1, 150);
                if self.pond_random.chance(0.5) {
                    self.try_to(node, second, |state, own, flying| {
                        state.withdraw(own, second, flying, None)
                    });
                }
            }
            4 => self.try_to(node, 0, |state, own, _| state.deposit(own, amount / 2 + 1, None)),
            5 | 6 => {
                let to = self.pond_random.below(self.plan.honest as u64) as usize;
                let to = self.nodes[node].pond.desk.lineage.newest(self.nodes[to].id);
                self.try_to(node, amount, |state, own, flying| {
                    state.grant(own, to, amount, flying)
                });
            }
            7 | 8 => self.try_to(node, 0, |state, own, _| state.request(own, amount)),
            _ => self.answer_requests(node),
        }
    }

    fn creation(&mut self) -> Creation {
        let floor = *self.pond_random.pick(&[-50, 0, 50]);
        let others: Vec<NodeId> =
            self.nodes[1..self.plan.honest].iter().map(|node| node.id).collect();
        let all = SHARE as i64 * (others.len() as i64 + 1);
        let share = |node| Share { stream: StreamId { node, number: 0 }, amount: SHARE };
        let shares = others.into_iter().filter(|_| self.pond_random.chance(0.7)).map(share);
        let shares = shares.collect();
        let stream = self.nodes[0].log.own_stream().number;
        Creation { stream, amount: floor + all, floor, shares }
    }

    /// The fold goes on to what is durable; false when that shows a violation.
    pub(super) fn desk_refreshes(&mut self, node: usize) -> bool {
        let Node { log, pond, .. } = &mut self.nodes[node];
        if pond.shown.refresh(log, &self.oracle.incomparable) {
            // The others have not seen it.
            pond.shown.look_again();
        }
        let refreshed = pond.desk.refresh(&pond.shown, log, &self.oracle.incomparable);
        if let Err(what) = &refreshed {
            self.violated(Some(node), what.clone());
        }
        refreshed.is_ok()
    }

    /// Takes over what a former stream of its own has left, as far as the driver allows that.
    fn recovers(&mut self, node: usize) -> bool {
        let at = &self.nodes[node];
        let (own, desk) = (at.log.own_stream(), &at.pond.desk);
        let state = desk.fold.meant_by(&at.id).expect("there is an account");
        let mut former = state.holdings().into_iter().map(|holding| holding.stream);
        let Some(from) = former.find(|stream| stream.node == at.id && *stream != own) else {
            return false;
        };
        let live = at.live.as_ref().expect("its process runs");
        let mut missing = live.swarm.status().missing.into_iter();
        let is_known = !missing.any(|(stream, _)| stream.trunk() == from);
        if !desk.flights.is_empty() || !is_known || !live.swarm.reach().has_compared {
            return false;
        }
        self.try_to(node, 0, |state, own, _| state.recover(own, from));
        true
    }

    /// Gives what is due by a policy: see core/src/driver/answers.rs.
    fn answer_requests(&mut self, node: usize) {
        let now = self.now;
        let policy = GrantPolicy { reserve: 40 * (node as u64 % 3) };
        let at = &mut self.nodes[node];
        let own = at.log.own_stream();
        let desk = &mut at.pond.desk;
        let state = desk.fold.meant_by(&at.id).expect("there is an account");
        let name = |request: &OpenRequest| (request.key, request.outstanding);
        let open: BTreeSet<(EventKey, u64)> = state.requests().iter().map(name).collect();
        desk.open_since.retain(|request, _| open.contains(request));
        for request in open {
            desk.open_since.entry(request).or_insert(now);
        }
        let rounds = |request: &OpenRequest| {
            let since = desk.open_since.get(&name(request)).copied().unwrap_or(now);
            ((now - since).as_millis() / ROUND.as_millis()) as u32
        };
        let flying = desk.flights.values().sum();
        for share in policy.grants_due(state, own, flying, rounds) {
            let Share { stream, amount } = share;
            self.try_to(node, amount, |state, own, flying| {
                state.grant(own, stream, amount, flying)
            });
        }
    }

    /// Decides on all that is durable and on its way, and publishes what comes of it. A refusal is
    /// an answer, too.
    fn try_to(
        &mut self,
        node: usize,
        spends: u64,
        decision: impl FnOnce(&AccountState, StreamId, u64) -> millpond::Result<Operation>,
    ) {
        let at = &self.nodes[node];
        let flying = match planted!("decision_forgets_what_is_in_flight") {
            true => 0,
            false => at.pond.desk.flights.values().sum(),
        };
        let state = at.pond.desk.fold.meant_by(&at.id).expect("there is an account");
        if let Ok(operation) = decision(state, at.log.own_stream(), flying) {
            self.submit(node, operation, spends);
        }
    }

    fn submit(&mut self, node: usize, operation: Operation, spends: u64) {
        let key = self.next_key;
        self.next_key += 1;
        let payload = operation.to_payload().expect("amounts are within bounds");
        let is_debit = matches!(
            operation,
            Operation::Change(Change {
                action: Action::Withdraw(_) | Action::Grant { .. } | Action::Recover { .. },
                ..
            })
        );
        let pond = &mut self.nodes[node].pond;
        pond.desk.flights.insert(key, spends);
        if is_debit {
            let deeds = pond.shown.keys.values().filter(|own| own.is_deed);
            let known = deeds.map(|own| own.key).collect();
            self.oracle.decisions.insert(key, Decision { known });
        }
        self.request(
            node,
            Request::Append(Publish { key, count: 1, padding: 0, deed: Some(payload) }),
        );
    }

    /// What was decided has become durable, or came to nothing.
    pub(in crate::sim) fn landed(&mut self, node: usize, key: u64) {
        self.nodes[node].pond.desk.flights.remove(&key);
    }
}
