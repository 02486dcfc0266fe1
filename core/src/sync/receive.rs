//! Taking events from a peer: duplicates cheaply, the rest only when it is what its author signed.

use crate::event::{SignedHead, StreamId};
use crate::sync::gap::{Place, place};
use crate::sync::io::{Output, SwarmEvent};
use crate::sync::message::{Decoded, Message, RangeClaims};
use crate::sync::refusal::{Refusal, RefusalReason};
use crate::sync::session::{Effect, Session};
use crate::sync::shared::Shared;
use crate::sync::streams::{RangeNews, Storing};
use bytes::Bytes;

impl Session {
    /// Takes a frame with events, none of it checked yet.
    pub(crate) fn on_range(
        &mut self,
        frame: &Bytes,
        claims: &RangeClaims,
        shared: &mut Shared,
    ) -> Result<Effect, Refusal> {
        let RangeClaims { head, first, cost } = claims;
        let (first, cost) = (*first, *cost);
        if !self.credit.receive(cost) {
            return Err(RefusalReason::CreditExceeded.into());
        }
        self.ranges_received += 1;
        self.range_at = shared.now;
        let is_kept = if self.is_nothing_new(head, first, shared) {
            false
        } else if shared.streams.is_too_new(&head.stream) {
            shared.learn_head(head, &self.peer)?;
            false
        } else {
            self.take_range(frame, cost, shared)
                .map_err(|refusal| name_range(refusal, head, first))?
        };
        if !is_kept {
            self.credit.processed(cost);
        }
        if shared.streams.get(&head.stream).is_some() {
            self.known.raise(head.stream, head.count);
        }
        Ok(Effect::Nothing)
    }

    /// True when there is nothing to learn from a range, whether or not it is genuine.
    fn is_nothing_new(&self, head: &SignedHead, first: u64, shared: &Shared) -> bool {
        let Some(state) = shared.streams.get(&head.stream) else { return false };
        place(first, head.count, state.end_count()) == Place::Duplicate && !state.contradicts(head)
    }

    /// True when the range went to the log, so that its bytes still count.
    fn take_range(
        &mut self,
        frame: &Bytes,
        cost: usize,
        shared: &mut Shared,
    ) -> Result<bool, Refusal> {
        let decoded = Message::decode(frame).map_err(Refusal::malformed)?;
        let Decoded::Message(message) = decoded else {
            return Err(RefusalReason::Malformed.into());
        };
        let Message::Range { before, range } = *message else {
            return Err(RefusalReason::Malformed.into());
        };
        let (stream, head) = (range.stream(), range.head.clone());
        let storing =
            Storing { end: head.count, connection: self.connection, node: self.peer, cost };
        let news = shared.streams.receive(range, before, storing, shared.now)?;
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
