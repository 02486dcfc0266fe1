//! Healing forks: finding out what a peer's history is, and having the log keep it.
//!
//! All of it reads the log, so it happens in `poll`.
//! Source: docs/protocol.md, "Forks, and one's own stream".
//! Not here: the state of a dispute (`dispute`), where a range lies (`history`), names and windows
//! (`family`).
//! Rule: every range here is genuine: its head is signed and its chain is whole.
//! Begin with [`Swarm::heal`].

use crate::error::{self, Error};
use crate::event::{Branch, Chain, EventKind, HeldFork, SignedHead, StreamId};
use crate::planted;
use crate::sync::book::doubled;
use crate::sync::bound::Bound;
use crate::sync::comparisons::Comparison;
use crate::sync::constants::{
    FETCH_GRACE, FETCH_PENALTY_MAX, FETCH_TIMEOUT, FLUSH_DELAY, PROBE_GRACE, RELAY_DELAY,
    STORE_RETRY, STORE_RETRY_MAX,
};
use crate::sync::family::StoringFork;
use crate::sync::history::{self, Spot};
use crate::sync::io::{ConnectionId, LogRead, Output, SwarmEvent};
use crate::sync::opening::Content;
use crate::sync::refusal::{Refusal, RefusalReason};
use crate::sync::session::Session;
use crate::sync::shared::{Shared, Stray};
use crate::sync::stream::Storing;
use crate::sync::streams::forged;
use crate::sync::swarm::{End, Swarm};
use std::time::Duration;

/// Pause before our log is looked at again where it could not be read.
const UNREADABLE_RETRY: Duration = FETCH_TIMEOUT;

/// What came of an attempt to store a fork.
enum Attempt {
    /// The log has it in hand.
    Begun,
    /// The same again after this time.
    Later(Duration),
    /// The events from here on are needed.
    Needs(u64),
    /// Not ever, as far as we can see.
    Vain,
}

impl Swarm {
    /// One step of finding out; false when there is nothing to find out now.
    pub(crate) fn heal(&mut self, log: &dyn LogRead) -> bool {
        if let Some(comparison) = self.shared.comparisons.pop(self.shared.now) {
            let connection = comparison.connection;
            self.end_if(connection, |swarm| swarm.compare(comparison, log));
        } else if let Some(stray) = self.shared.strays.pop_front() {
            let connection = stray.connection;
            self.end_if(connection, |swarm| swarm.find_home(stray, log));
        } else if !self.disputes_are_seen
            && let Some((connection, stream)) = self.next_dispute()
        {
            self.pursue(connection, stream, log);
        } else {
            // No more come due before the next input.
            self.disputes_are_seen = true;
            return false;
        }
        self.disputes_are_seen = false;
        true
    }

    fn end_if(
        &mut self,
        connection: ConnectionId,
        act: impl FnOnce(&mut Swarm) -> Result<(), Refusal>,
    ) {
        if let Err(refusal) = act(self) {
            self.end(connection, End::ByUs(refusal));
        }
    }

    fn next_dispute(&self) -> Option<(ConnectionId, StreamId)> {
        let now = self.shared.now;
        let due = |session: &Session| Some((session.connection, session.disputes.first_due(now)?));
        self.sessions.values().find_map(due)
    }

    /// Looks whether a head that a peer has belongs to a history that we hold.
    fn compare(&mut self, comparison: Comparison, log: &dyn LogRead) -> Result<(), Refusal> {
        let Comparison { connection, head } = comparison;
        let shared = &mut self.shared;
        let Some(session) = self.sessions.get_mut(&connection) else { return Ok(()) };
        let Ok(is_held) = history::holds(&shared.streams, log, &head) else {
            session.going_on.is_spoilt = true;
            return Ok(());
        };
        if is_held {
            session.agreed.raise(head.stream, head.count);
            return Ok(());
        }
        let verified = head.verify(&shared.streams.swarm());
        verified.map_err(|error| forged(error.message()))?;
        let is_arriving = shared.streams.get(&head.stream).is_some_and(|state| {
            state.durable_count() < head.count && head.count <= state.end_count()
        });
        let (stream, is_new) = (head.stream, !session.disputes.contains(&head.stream));
        session.dispute(head, shared);
        if is_new && is_arriving {
            session.disputes.doubt(&stream);
        }
        Ok(())
    }

    /// Finds where a range belongs, and what to do about it.
    fn find_home(&mut self, stray: Stray, log: &dyn LogRead) -> Result<(), Refusal> {
        let shared = &mut self.shared;
        let Some(session) = self.sessions.get_mut(&stray.connection) else { return Ok(()) };
        let (stream, cost) = (stray.range.stream(), stray.cost);
        let is_storing = shared.streams.families.storing(&stream.trunk()).is_some();
        let is_held = shared.streams.is_held(&stream);
        let is_kept = match history::locate(&shared.streams, log, &stray.before, &stray.range) {
            Err(_) => session.leave_unread(stray, is_held, shared),
            Ok(spot) => {
                let spot = (!is_storing).then_some(spot);
                match is_held {
                    true => session.judge(stray, spot, shared, log)?,
                    false => session.judge_offer(stray, spot, shared, log)?,
                }
            }
        };
        if !is_kept {
            session.credit.wasted(cost);
        }
        Ok(())
    }

    /// Looks at a dispute whose time has come.
    fn pursue(&mut self, connection: ConnectionId, stream: StreamId, log: &dyn LogRead) {
        let now = self.shared.now;
        let shared = &mut self.shared;
        let Some(session) = self.sessions.get_mut(&connection) else { return };
        if let Some((_, asked_at)) = session.disputes.asked(&stream) {
            let is_busy = session.range_at + FETCH_TIMEOUT > now || session.credit.is_processing();
            if is_busy && now < asked_at + FETCH_PENALTY_MAX {
                return session.disputes.wait_on(stream, now);
            }
            return session.disputes.back_off(stream, now);
        }
        if shared.streams.families.storing(&stream.trunk()).is_some() {
            return session.disputes.look_at(stream, now + RELAY_DELAY);
        }
        match session.next_probe(&stream, shared, log) {
            Ok(Some(Probe::At(first))) => session.probe(stream, first, shared),
            Ok(Some(Probe::Later)) => session.disputes.look_at(stream, now + RELAY_DELAY),
            Ok(None) => {
                session.disputes.close(&stream);
                shared.fetches.ask_from(stream, now);
            }
            Err(_) => session.disputes.back_off(stream, now),
        }
    }

    /// The log holds a fork.
    pub(crate) fn on_forked(&mut self, fork: HeldFork) {
        let (trunk, now) = (fork.of.trunk(), self.shared.now);
        let is_new = self.shared.streams.forked(&fork);
        self.shared.memories.clear();
        self.finish_fork(&trunk);
        self.shared.fetches.end(&fork.of);
        let woken = self.shared.streams.families.wake(trunk, None);
        let branches = fork.branches.iter().map(|branch| branch.stream);
        for stream in woken.into_iter().chain(branches) {
            self.shared.fetches.ask_from(stream, now + FLUSH_DELAY);
        }
        for session in self.sessions.values_mut() {
            session.disputes.wake(trunk, now + FLUSH_DELAY);
        }
        if is_new {
            self.shared.tell(SwarmEvent::Forked(fork));
        }
    }

    /// The log could not store a fork. Who told of it is asked again.
    pub(crate) fn on_fork_failed(&mut self, branch: StreamId, error: &Error) {
        let storing = self.shared.streams.families.storing(&branch.trunk());
        if storing.is_none_or(|fork| fork.branch != branch) {
            return;
        }
        let Some(fork) = self.finish_fork(&branch.trunk()) else { return };
        let now = self.shared.now;
        let failures = self.shared.streams.note_failure(&fork.of);
        let pause = doubled(STORE_RETRY, failures.saturating_sub(1), STORE_RETRY_MAX);
        if error.reason() == Some(RefusalReason::Malformed.name()) {
            let refusal = Refusal::new(RefusalReason::Malformed, error.message());
            self.end(fork.storing.connection, End::ByUs(refusal));
        } else if let Some(session) = self.sessions.get_mut(&fork.storing.connection) {
            session.disputes.back_off(fork.told_as, now);
        }
        for stream in [fork.of, fork.told_as] {
            self.shared.fetches.ask_again_at(stream, now + pause);
        }
    }

    /// The log has answered: the sender may send as much again.
    fn finish_fork(&mut self, trunk: &StreamId) -> Option<StoringFork> {
        let fork = self.shared.streams.families.finish(trunk)?;
        self.release(&[fork.storing]);
        Some(fork)
    }
}

/// Where to look next.
enum Probe {
    At(u64),
    Later,
}

impl Session {
    /// The peer holds `head`, and we hold nothing that it vouches for.
    pub(crate) fn dispute(&mut self, head: SignedHead, shared: &mut Shared) {
        let (stream, now) = (head.stream, shared.now);
        if planted!("fork_ignored") {
            return;
        }
        let Some(state) = shared.streams.get(&stream) else { return };
        let wait = if state.is_sealed() { PROBE_GRACE } else { FLUSH_DELAY };
        let branch = shared.streams.families.branch(&stream);
        let low = branch.map_or_else(
            || (0, Chain::start(&shared.streams.swarm(), &stream)),
            |branch| (branch.base.count, branch.base.chain),
        );
        self.disputes.open(head, low, now + wait);
        // There are too many; it is told again another time.
        self.going_on.is_spoilt |= !self.disputes.contains(&stream);
    }

    /// Asks for events of `stream` from `first` on, to find out about its past.
    fn probe(&mut self, stream: StreamId, first: u64, shared: &mut Shared) {
        if shared.fetches.source(&stream) == Some(self.connection) {
            // Others may go on with what we hold.
            shared.fetches.ask_again_at(stream, shared.now);
        }
        self.requests.insert(stream, (first, first + 1));
        self.disputes.ask(stream, first, shared.now);
    }

    /// Where to look next; none when what the peer held is held.
    fn next_probe(
        &self,
        stream: &StreamId,
        shared: &Shared,
        log: &dyn LogRead,
    ) -> error::Result<Option<Probe>> {
        let Some(dispute) = self.disputes.get(stream) else { return Ok(None) };
        let streams = &shared.streams;
        if history::holds(streams, log, &dispute.head)? {
            // Who knows of no branches has told of the rest under the name of the trunk.
            let is_sealed = streams.get(stream).is_some_and(|state| state.is_sealed());
            let has_more = self.known.count(stream) > dispute.head.count;
            return Ok((is_sealed && has_more).then_some(Probe::At(dispute.head.count)));
        }
        let is_arriving = streams
            .get(stream)
            .is_some_and(|state| state.durable_count() < dispute.head.count.min(state.end_count()));
        if is_arriving || !streams.is_held(stream) {
            return Ok(Some(Probe::Later));
        }
        let is_open = streams
            .get(stream)
            .is_some_and(|state| !state.is_sealed() && state.end_count() < dispute.head.count);
        if dispute.is_doubt && is_open {
            // What was arriving did not: it is asked for as usual.
            return Ok(None);
        }
        let (low, chain) = dispute.low;
        let held = history::holder(streams, log, &stream.trunk(), low, &chain)?;
        let Some((ours, count)) = held else { return Ok(Some(Probe::Later)) };
        let offset = low.max((dispute.high - 1).saturating_sub(dispute.back)).min(count.max(1) - 1);
        if offset < low {
            return Ok(Some(Probe::At(low)));
        }
        let begin = log.block_start(&ours, offset)?;
        Ok(Some(begin.map_or(Probe::At(low), Probe::At)))
    }

    /// Our log could not be read: nothing can be said of the range until it can be.
    fn leave_unread(&mut self, stray: Stray, is_held: bool, shared: &mut Shared) -> bool {
        let (stream, now) = (stray.range.stream(), shared.now);
        if is_held {
            self.dispute(stray.range.head, shared);
            self.disputes.back_off(stream, now);
        } else {
            shared.fetches.ask_again_at(stream, now + UNREADABLE_RETRY);
        }
        false
    }

    /// Judges a range of a stream that is held or sealed. True when it went to the log.
    fn judge(
        &mut self,
        stray: Stray,
        spot: Option<Spot>,
        shared: &mut Shared,
        log: &dyn LogRead,
    ) -> Result<bool, Refusal> {
        let (now, head) = (shared.now, stray.range.head.clone());
        let stream = head.stream;
        match spot {
            None => {
                self.dispute(head, shared);
                self.disputes.look_at(stream, now + RELAY_DELAY);
            }
            Some(Spot::Unknown) => {
                self.dispute(head, shared);
                self.disputes.differs(stream, stray.range.first, now);
            }
            Some(Spot::Held) => {
                self.disputes.see(&head);
                self.disputes.agrees(stream, head.count, head.chain, now);
            }
            Some(Spot::Extends { on, .. }) => {
                self.dispute(head, shared);
                self.disputes.look_at(stream, now + RELAY_DELAY);
                return self.take_as(on, stray, shared);
            }
            Some(Spot::Forks { of, at, first }) => {
                self.dispute(head, shared);
                match self.attempt(stray, of, at, &first, shared, log)? {
                    Attempt::Begun => {
                        self.disputes.look_at(stream, now + FETCH_TIMEOUT);
                        return Ok(true);
                    }
                    Attempt::Later(pause) => self.disputes.look_at(stream, now + pause),
                    Attempt::Needs(begin) if !self.disputes.expects(&stream, begin) => {
                        self.probe(stream, begin, shared);
                    }
                    Attempt::Needs(_) | Attempt::Vain => self.disputes.back_off(stream, now),
                }
            }
        }
        Ok(false)
    }

    /// Judges the beginning of a branch that is not held. True when it went to the log.
    fn judge_offer(
        &mut self,
        stray: Stray,
        spot: Option<Spot>,
        shared: &mut Shared,
        log: &dyn LogRead,
    ) -> Result<bool, Refusal> {
        let (stream, first, now) = (stray.range.stream(), stray.range.first, shared.now);
        shared.fetches.end(&stream);
        let needs = match spot {
            None => {
                shared.fetches.ask_again_at(stream, now + FETCH_GRACE);
                return Ok(false);
            }
            Some(Spot::Unknown) => first,
            Some(Spot::Extends { from, .. }) => from,
            Some(Spot::Held) => u64::MAX,
            Some(Spot::Forks { of, at, first }) => {
                match self.attempt(stray, of, at, &first, shared, log)? {
                    Attempt::Begun => return Ok(true),
                    Attempt::Later(pause) => {
                        shared.fetches.ask_again_at(stream, now + pause);
                        return Ok(false);
                    }
                    Attempt::Needs(_) | Attempt::Vain => u64::MAX,
                }
            }
        };
        shared.streams.families.leave(stream, needs);
        Ok(false)
    }

    /// Takes a range as one of `stream`, which it goes on from.
    fn take_as(
        &mut self,
        stream: StreamId,
        stray: Stray,
        shared: &mut Shared,
    ) -> Result<bool, Refusal> {
        let Stray { before, mut range, cost, .. } = stray;
        range.head = range.head.on(stream);
        self.take_content(Content { before, range, is_genuine: true }, cost, shared)
    }

    /// Gives the log a range that differs from what `of` holds at offset `at`.
    fn attempt(
        &mut self,
        stray: Stray,
        of: StreamId,
        at: u64,
        first: &Chain,
        shared: &mut Shared,
        log: &dyn LogRead,
    ) -> Result<Attempt, Refusal> {
        let Stray { connection, node, mut range, cost, .. } = stray;
        let (theirs, name) = (range.head.clone(), of.branch(first));
        let streams = &mut shared.streams;
        let is_sealed = streams.get(&of).is_some_and(|state| state.window.seal == Some(at));
        let is_ours = of.trunk() == streams.own();
        if is_ours || streams.is_held(&name) {
            return Ok(Attempt::Vain);
        }
        if streams.families.branch(&name).is_some() {
            // How far it is durable we hear in a moment.
            return Ok(Attempt::Later(STORE_RETRY));
        }
        if !streams.families.has_room_for(of.trunk(), if is_sealed { 1 } else { 2 }) {
            return Ok(Attempt::Vain);
        }
        let Ok(Some(begin)) = log.block_start(&of, at) else {
            return Ok(Attempt::Later(UNREADABLE_RETRY));
        };
        if begin != range.first {
            return Ok(Attempt::Needs(begin));
        }
        let ours = streams.get(&of).and_then(|state| state.durable.clone());
        let base = history::end_at(streams, log, &of, begin);
        let (Some(ours), Ok(Some(base))) = (ours, base) else {
            return Ok(Attempt::Later(UNREADABLE_RETRY));
        };
        range.head = theirs.on(name);
        range.verify_chain(&base).map_err(|error| forged(error.message()))?;
        if range.records().iter().any(|record| record.kind() == EventKind::TooNew) {
            // The history that we hold goes on: we understand that one.
            if !streams.is_held(&theirs.stream) {
                streams.set_too_new(&theirs.stream);
            }
            return Ok(Attempt::Vain);
        }
        let required = range.head.lamport.value();
        let limit = streams.bound.limit(&name, shared.now);
        if required > limit {
            match streams.hold_back_offered(name, &node, required, shared.now) {
                Some(true) => shared.tell(SwarmEvent::Quarantined { stream: name, required }),
                Some(false) => {}
                None => return Ok(Attempt::Vain),
            }
            let relief = Bound::relief_time(required - limit);
            return Ok(Attempt::Later(relief.clamp(STORE_RETRY, FETCH_PENALTY_MAX)));
        }
        streams.bound.accept(&name, required, shared.now);
        let storing = Storing { end: range.head.count, connection, node, cost };
        let told_as = theirs.stream;
        streams.families.begin(StoringFork { branch: name, of, told_as, storing });
        let branch = Branch { stream: name, of, base, floor: at, proof: [ours, theirs] };
        shared.outputs.push_back(Output::Fork { branch, range, from: connection });
        Ok(Attempt::Begun)
    }
}
