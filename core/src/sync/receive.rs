//! Taking events from a peer: duplicates cheaply, the rest only when it is what its author signed.

use crate::event::{SignedHead, StreamId};
use crate::sync::gap::{Place, place};
use crate::sync::io::{Output, SwarmEvent};
use crate::sync::message::RangeClaims;
use crate::sync::opening::{Arrival, OpenedBlock};
use crate::sync::refusal::{Refusal, RefusalReason};
use crate::sync::session::Session;
use crate::sync::shared::Shared;
use crate::sync::streams::{RangeNews, Storing};
use bytes::Bytes;

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
            self.credit.processed(claims.cost);
            if shared.streams.get(&claims.head.stream).is_some() {
                self.known.raise(claims.head.stream, claims.head.count);
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
                shared.learn_head(&head, &self.peer)?;
                false
            } else {
                let taken = self.take_range(arrival, cost, shared);
                taken.map_err(|refusal| name_range(refusal, &head, first))?
            };
            if !is_kept {
                self.credit.processed(cost);
            }
            if shared.streams.get(&head.stream).is_some() {
                self.known.raise(head.stream, head.count);
            }
        }
        Ok(())
    }

    /// True when there is nothing to learn from a range, whether or not it is genuine.
    fn is_nothing_new(&self, claims: &RangeClaims, shared: &Shared) -> bool {
        let RangeClaims { head, first, .. } = claims;
        let Some(state) = shared.streams.get(&head.stream) else { return false };
        place(*first, head.count, state.end_count()) == Place::Duplicate && !state.contradicts(head)
    }

    /// True when the range went to the log, so that its bytes still count.
    fn take_range(
        &mut self,
        arrival: Arrival,
        cost: usize,
        shared: &mut Shared,
    ) -> Result<bool, Refusal> {
        let content = arrival.content().map_err(Refusal::malformed)?;
        let (stream, head) = (content.range.stream(), content.range.head.clone());
        let storing =
            Storing { end: head.count, connection: self.connection, node: self.peer, cost };
        let news = shared.streams.receive(content, storing, shared.now)?;
        match news {
            RangeNews::Store { range, before } => {
                shared.fetches.progressed(&stream, head.count, shared.now);
                let (range, from) = (*range, self.connection);
                shared.outputs.push_back(Output::Store { range, before, from });
                return Ok(true);
            }
            RangeNews::Duplicate | RangeNews::Dropped => {}
            RangeNews::Gap => shared.fetches.ask_from(stream, shared.now),
            RangeNews::Own => shared.check_own(head),
            RangeNews::Forked(fork) => {
                self.requests.insert(stream, (0, 0));
                shared.forked(*fork);
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
