//! Telling a peer what we hold, and hearing what it holds.

use crate::event::limits::BRANCHES_PER_TRUNK_MAX;
use crate::event::{SignedHead, StreamId};
use crate::planted;
use crate::sync::constants::{PEERS_LISTED_MAX, PROGRESS_STREAMS_MAX, SUMMARY_HEADS_MAX};
use crate::sync::io::SwarmEvent;
use crate::sync::message::Message;
use crate::sync::refusal::Refusal;
use crate::sync::session::{Effect, Session};
use crate::sync::shared::Shared;
use crate::sync::streams::HeadNews;
use bytes::Bytes;

impl Session {
    /// Credit and acknowledgements, when they are due.
    pub(crate) fn make_progress(&mut self, shared: &Shared) -> Option<Bytes> {
        let held_is_due =
            !self.announcements.held.is_empty() && self.announcements.is_due(shared.now);
        if !held_is_due && !self.credit.grant_is_due() {
            return None;
        }
        let mut held = Vec::new();
        while held.len() < PROGRESS_STREAMS_MAX {
            let Some(stream) = self.announcements.held.pop_first() else { break };
            let count = shared.streams.get(&stream).map_or(0, |state| {
                match planted!("progress_told_before_durable") {
                    true => state.end_count(),
                    false => state.durable_count(),
                }
            });
            if !shared.streams.is_frozen(&stream) {
                self.going_on.told.pass();
                held.push((stream, count));
            }
        }
        self.announcements.flushed();
        Some(Message::Progress { credit: self.credit.grant(), held }.encode())
    }

    /// Our peers, or heads of streams, when they are due.
    pub(crate) fn make_announcement(&mut self, shared: &Shared) -> Option<Bytes> {
        if !self.announcements.is_due(shared.now) {
            return None;
        }
        if let Some(frame) = self.make_prune() {
            return Some(frame);
        }
        if std::mem::take(&mut self.announcements.peers_changed) {
            self.announcements.flushed();
            let nodes = shared.admitted.keys().copied().filter(|node| *node != self.peer);
            return Some(Message::Peers(nodes.take(PEERS_LISTED_MAX).collect()).encode());
        }
        let mut heads = Vec::new();
        while heads.len() < SUMMARY_HEADS_MAX {
            let Some(stream) = self.announcements.heads.pop_first() else { break };
            let state = shared.streams.get(&stream);
            let Some(head) = state.and_then(|state| state.durable.clone()) else { continue };
            self.going_on.told.note(stream, head.count);
            heads.push(head);
        }
        let is_last = !self.announcements.all_told && self.announcements.heads.is_empty();
        self.announcements.all_told |= is_last;
        self.announcements.flushed();
        if heads.is_empty() && !is_last {
            return None;
        }
        Some(Message::Summary { is_last, heads }.encode())
    }

    /// The peer holds the streams of `heads` up to them.
    pub(crate) fn on_summary(
        &mut self,
        is_last: bool,
        heads: &[SignedHead],
        shared: &mut Shared,
    ) -> Result<Effect, Refusal> {
        self.going_on.told_anew();
        for head in heads {
            self.going_on.heard += 1;
            self.hear(head, shared)?;
        }
        self.summary_is_complete |= is_last;
        if is_last {
            shared.fetches.may_share(self.connection);
        }
        Ok(Effect::Nothing)
    }

    /// The peer holds a stream up to `head`.
    fn hear(&mut self, head: &SignedHead, shared: &mut Shared) -> Result<(), Refusal> {
        self.learn_head(head, shared)?;
        // What we keep no account of now we may another time.
        self.going_on.is_spoilt |= shared.streams.get(&head.stream).is_none();
        if let Some(state) = shared.streams.get(&head.stream) {
            let is_new = head.count > state.end_count();
            self.peer_holds(head.stream, head.count);
            if is_new {
                shared.fetches.ask_from(head.stream, shared.now);
            }
        }
        Ok(())
    }

    /// Takes a head that the peer told.
    pub(crate) fn learn_head(
        &mut self,
        head: &SignedHead,
        shared: &mut Shared,
    ) -> Result<(), Refusal> {
        match shared.streams.learn(head, &self.peer)? {
            HeadNews::Claimed if planted!("higher_number_moves_us") => {
                let (own, head) = (shared.streams.own(), head.clone());
                if head.stream.node == own.node && head.stream.trunk().number > own.number {
                    let number = shared.streams.highest_own_number();
                    shared.tell(SwarmEvent::OwnStreamElsewhere { number, head });
                }
            }
            HeadNews::Nothing | HeadNews::Claimed => {}
            HeadNews::Own => self.keep_own(head.clone(), shared),
            HeadNews::Past => {
                if self.agreed.count(&head.stream) < head.count {
                    shared.comparisons.push(self.connection, head.clone());
                }
            }
        }
        Ok(())
    }

    /// The peer holds `head` of the stream that we write. Should we leave that stream, it is one
    /// like others, and heard of again.
    pub(crate) fn keep_own(&mut self, head: SignedHead, shared: &mut Shared) {
        let kept = self.own_heads.get(&head.stream);
        let is_further = kept.is_none_or(|kept| kept.count < head.count);
        let has_room = kept.is_some() || self.own_heads.len() <= BRANCHES_PER_TRUNK_MAX;
        if is_further && has_room {
            self.own_heads.insert(head.stream, head.clone());
        }
        shared.check_own(head);
    }

    /// We write another stream now: what was our stream is one like others.
    pub(crate) fn hear_own_again(
        &mut self,
        former: StreamId,
        shared: &mut Shared,
    ) -> Result<(), Refusal> {
        self.announcements.heads.insert(former);
        self.flush_soon(shared.now);
        for head in std::mem::take(&mut self.own_heads).into_values() {
            self.hear(&head, shared)?;
        }
        Ok(())
    }

    /// The peer grants credit, and holds the streams of `held` so far. Nothing of it is signed: it
    /// only tells what need not be sent, and whom to ask when nothing else helps.
    pub(crate) fn on_progress(
        &mut self,
        credit: u64,
        held: &[(StreamId, u64)],
        shared: &mut Shared,
    ) -> Effect {
        self.credit.add(credit);
        for (stream, count) in held {
            self.going_on.heard += 1;
            let Some(state) = shared.streams.get(stream) else { continue };
            let is_new = *count > state.end_count();
            self.peer_holds(*stream, *count);
            if is_new {
                let grace = self.grace(stream, shared);
                shared.fetches.ask_from(*stream, shared.now + grace);
            }
        }
        Effect::Nothing
    }
}
