//! Taking events from a peer: duplicates cheaply, the rest only when it is what its author signed.

use crate::event::{SignedHead, StreamId};
use crate::sync::constants::FETCH_PENALTY_MAX;
use crate::sync::gap::{Place, place};
use crate::sync::io::{ConnectionId, Output, SwarmEvent};
use crate::sync::message::RangeClaims;
use crate::sync::opening::{Content, OpenedBlock};
use crate::sync::refusal::{Refusal, RefusalReason};
use crate::sync::session::Session;
use crate::sync::shared::{Shared, Stray};
use crate::sync::stream::Storing;
use crate::sync::streams::RangeNews;
use crate::sync::swarm::Swarm;
use bytes::Bytes;

impl Swarm {
    /// What frames of events that brought nothing (duplicates, behind a gap, held back) and
    /// previews cost since this was last asked of the connection, as bytes of talk: whoever reads
    /// it may do so more slowly.
    pub fn take_waste(&mut self, connection: ConnectionId) -> usize {
        self.sessions.get_mut(&connection).map_or(0, |session| session.credit.take_waste())
    }
}

impl Session {
    /// Takes a frame with events, none of it checked yet.
    pub(crate) fn on_range(
        &mut self,
        frame: &Bytes,
        claims: RangeClaims,
        shared: &mut Shared,
    ) -> Result<(), Refusal> {
        if !self.credit.receive(claims.cost) {
            return Err(RefusalReason::CreditExceeded.into());
        }
        self.ranges_received += 1;
        self.range_at = shared.now;
        if self.is_nothing_new(&claims, shared) {
            shared.duplicates += claims.head.count - claims.first;
            self.credit.wasted(claims.cost);
            self.note_duplicate(&claims, shared);
            if shared.streams.get(&claims.head.stream).is_some() {
                self.peer_holds(claims.head.stream, claims.head.count);
            }
            return Ok(());
        }
        let swarm = shared.streams.swarm();
        let closed = self.arrivals.push(frame, claims, self.connection, swarm);
        shared.outputs.extend(closed.map(Output::Open));
        self.settle(shared)
    }

    /// Takes what came of a block.
    pub(crate) fn on_opened(
        &mut self,
        block: OpenedBlock,
        shared: &mut Shared,
    ) -> Result<(), Refusal> {
        self.arrivals.opened(block);
        self.settle(shared)
    }

    /// Takes all that came, at the end of the session, which must not be for misbehaviour.
    pub(crate) fn settle_rest(&mut self, shared: &mut Shared) -> Result<(), Refusal> {
        while !self.arrivals.is_empty() {
            self.arrivals.open_next();
            self.settle(shared)?;
        }
        Ok(())
    }

    /// Lets ranges take effect as far as they are open.
    fn settle(&mut self, shared: &mut Shared) -> Result<(), Refusal> {
        while let Some(arrival) = self.arrivals.pop() {
            let RangeClaims { head, first, cost, .. } = arrival.claims.clone();
            let is_kept = if self.is_nothing_new(&arrival.claims, shared) {
                shared.duplicates += head.count - first;
                false
            } else if shared.streams.is_too_new(&head.stream) {
                self.learn_head(&head, shared)?;
                false
            } else {
                let content = arrival.content().map_err(Refusal::malformed);
                let taken = content.and_then(|content| self.take_content(content, cost, shared));
                taken.map_err(|refusal| name_range(refusal, &head, first))?
            };
            if !is_kept {
                self.credit.wasted(cost);
            }
            if shared.streams.get(&head.stream).is_some() {
                self.peer_holds(head.stream, head.count);
            }
        }
        Ok(())
    }

    /// True when a range ends where we hold its stream already, whether or not it is genuine. That
    /// it is what we hold is looked up, unless it is plain.
    fn is_nothing_new(&self, claims: &RangeClaims, shared: &mut Shared) -> bool {
        let RangeClaims { head, first, .. } = claims;
        let Some(state) = shared.streams.get(&head.stream) else { return false };
        if place(*first, head.count, state.end_count()) != Place::Duplicate
            || shared.repairs.expects(self.connection, &head.stream, *first)
        {
            return false;
        }
        if state.recent_chain(head.count) == Some(head.chain) {
            return !self.disputes.expects(&head.stream, *first);
        }
        if head.stream == shared.streams.own() || self.disputes.expects(&head.stream, *first) {
            return false;
        }
        if self.agreed.count(&head.stream) < head.count {
            shared.comparisons.push(self.connection, head.clone());
        }
        true
    }

    /// True when the range went to the log, so that its bytes still count.
    pub(crate) fn take_content(
        &mut self,
        content: Content,
        cost: usize,
        shared: &mut Shared,
    ) -> Result<bool, Refusal> {
        if self.take_repair(&content, shared) {
            return Ok(false);
        }
        let (stream, head) = (content.range.stream(), content.range.head.clone());
        let is_probe = self.disputes.expects(&stream, content.range.first);
        let storing =
            Storing { end: head.count, connection: self.connection, node: self.peer, cost };
        let news = shared.streams.receive(content, storing, is_probe, shared.now)?;
        match news {
            RangeNews::Store { range, before } => {
                shared.fetches.progressed(&stream, head.count, shared.now);
                let (range, from) = (*range, self.connection);
                shared.outputs.push_back(Output::Store { range, before, from });
                return Ok(true);
            }
            RangeNews::Duplicate | RangeNews::Dropped => {}
            RangeNews::Gap => shared.fetches.ask_from(stream, shared.now),
            RangeNews::Own => self.keep_own(head, shared),
            RangeNews::ToLocate(content) => {
                let (connection, node) = (self.connection, self.peer);
                let Content { before, range, .. } = *content;
                shared.strays.push_back(Stray { connection, node, before, range, cost });
                return Ok(true);
            }
            RangeNews::Disputed => {
                self.dispute(head, shared);
                self.refuse_rest(stream, shared);
                match self.disputes.contains(&stream) {
                    true => shared.fetches.ask_from(stream, shared.now),
                    // There are too many to examine.
                    false => {
                        let later = shared.now + FETCH_PENALTY_MAX;
                        shared.fetches.ask_again_at(stream, later);
                    }
                }
            }
            RangeNews::TooNew => {
                self.refuse_rest(stream, shared);
                shared.tell(SwarmEvent::TooNew(stream));
            }
            RangeNews::Quarantined { required, new } => {
                self.refuse_rest(stream, shared);
                if new {
                    shared.tell(SwarmEvent::Quarantined { stream, required });
                }
            }
        }
        Ok(false)
    }

    /// The rest of an answer could not be taken either.
    fn refuse_rest(&mut self, stream: StreamId, shared: &mut Shared) {
        if shared.fetches.source(&stream) == Some(self.connection) {
            shared.fetches.end(&stream);
            self.requests.insert(stream, (0, 0));
        }
    }
}

/// Says which events a refusal is about; who sent them is added with the peer's name.
fn name_range(refusal: Refusal, head: &SignedHead, first: u64) -> Refusal {
    let detail =
        format!("events {first}..{} of stream {}: {}", head.count, head.stream, refusal.detail);
    Refusal::new(refusal.reason, detail)
}
