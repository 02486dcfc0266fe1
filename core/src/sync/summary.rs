//! Telling a peer what we hold, and hearing what it holds.

use crate::event::{SignedHead, StreamId};
use crate::planted;
use crate::sync::constants::{
    FETCH_GRACE, PEERS_LISTED_MAX, PROGRESS_STREAMS_MAX, SUMMARY_HEADS_MAX,
};
use crate::sync::message::Message;
use crate::sync::refusal::Refusal;
use crate::sync::session::{Effect, Session};
use crate::sync::shared::Shared;
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
        if std::mem::take(&mut self.announcements.peers_changed) {
            self.announcements.flushed();
            let nodes = shared.admitted.keys().copied().filter(|node| *node != self.peer);
            return Some(Message::Peers(nodes.take(PEERS_LISTED_MAX).collect()).encode());
        }
        let mut heads = Vec::new();
        while heads.len() < SUMMARY_HEADS_MAX {
            let Some(stream) = self.announcements.heads.pop_first() else { break };
            let state = shared.streams.get(&stream);
            heads.extend(state.and_then(|state| state.durable.clone()));
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
        for head in heads {
            shared.learn_head(head, &self.peer)?;
            if let Some(state) = shared.streams.get(&head.stream) {
                let is_new = head.count > state.end_count();
                self.known.raise(head.stream, head.count);
                if is_new {
                    shared.fetches.ask_from(head.stream, shared.now);
                }
            }
        }
        self.summary_is_complete |= is_last;
        Ok(Effect::Nothing)
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
            let Some(state) = shared.streams.get(stream) else { continue };
            let is_new = *count > state.end_count();
            self.known.raise(*stream, *count);
            if is_new {
                shared.fetches.ask_from(*stream, shared.now + FETCH_GRACE);
            }
        }
        Effect::Nothing
    }
}
