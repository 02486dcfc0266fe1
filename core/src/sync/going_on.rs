//! Beginning a session where the last one with the same peer stopped.
//!
//! Not here: what is kept between them (`memory`), telling and hearing itself (`summary`).

use crate::event::StreamId;
use crate::sync::memory::{Heard, Memory, Told};
use crate::sync::message::Hello;
use crate::sync::refusal::{Refusal, RefusalReason};
use crate::sync::session::{Effect, Session};
use crate::sync::shared::Shared;
use std::sync::Arc;

/// What of a session goes on in the next one.
#[derive(Debug, Default)]
pub(crate) struct GoingOn {
    /// What we told the peer, in this session and before.
    pub(crate) told: Told,
    /// How many words it told us in this session.
    pub(crate) heard: u64,
    /// The peer is to hear that we go on from what it has heard.
    pub(crate) is_due: bool,
    /// Something that the peer told was not looked at: it has to be told again.
    pub(crate) is_spoilt: bool,
    /// What our hello said that we have heard, until the peer goes on from there or does not.
    said: Option<Arc<Memory>>,
    /// When it began; streams had other names before.
    pub(super) epoch: u64,
}

impl GoingOn {
    /// The peer does not go on from what we have heard, or has said so.
    pub(super) fn told_anew(&mut self) {
        self.said = None;
    }

    /// Whether the peer may yet say that it holds events of `stream`.
    pub(super) fn may_tell(&self, stream: &StreamId) -> bool {
        self.said.as_ref().is_some_and(|memory| memory.known.count(stream) > 0)
    }
}

impl Session {
    /// The name by which both sides know this session.
    fn name(&self) -> [u8; 8] {
        *self.binding.first_chunk().expect("a binding is longer")
    }

    /// How much we heard in the last session with the peer.
    pub(super) fn say_what_was_heard(&mut self, shared: &Shared) -> Option<Heard> {
        self.going_on.said = shared.memories.get(&self.peer);
        self.going_on.said.as_ref().map(|memory| memory.heard)
    }

    /// From now on the peer hears what we hold: everything, or what it has not heard in an earlier
    /// session.
    pub(super) fn begin_telling(&mut self, hello: &Hello, shared: &Shared) {
        let memory = shared.memories.get(&self.peer);
        let told = hello.heard.as_ref().and_then(|heard| memory?.told(heard));
        self.going_on.is_due = told.is_some();
        let told = told.unwrap_or_default();
        let news = shared.streams.iter().filter(|(stream, state)| {
            told.held(stream).is_none_or(|held| held != state.durable_count())
        });
        self.announcements.begin(news.map(|(stream, _)| *stream));
        self.going_on.told = told;
    }

    /// The peer tells only what we have not heard in the last session.
    pub(super) fn on_going_on(&mut self, shared: &mut Shared) -> Result<Effect, Refusal> {
        let is_first = self.going_on.heard == 0 && !self.summary_is_complete;
        let Some(memory) = self.going_on.said.take().filter(|_| is_first) else {
            return Err(RefusalReason::Unexpected.into());
        };
        self.going_on.heard = 1;
        for (stream, count) in memory.known.iter() {
            let is_new = shared.streams.get(stream).is_some_and(|own| count > own.end_count());
            self.peer_holds(*stream, count);
            if is_new {
                shared.fetches.ask_from(*stream, shared.now);
            }
        }
        for head in memory.own_heads.values() {
            self.keep_own(head.clone(), shared);
        }
        Ok(Effect::Nothing)
    }

    /// The session is over. What of it holds for the next one is kept.
    pub(super) fn remember(self, shared: &mut Shared) {
        let has_account = |session: &Session| {
            let mut known = session.known.iter();
            known.all(|(stream, _)| shared.streams.get(stream).is_some())
        };
        if self.going_on.is_spoilt || !self.disputes.is_empty() || !has_account(&self) {
            return shared.memories.forget(&self.peer);
        }
        let heard = Heard { session: self.name(), count: self.going_on.heard };
        let Session { peer, known, own_heads, going_on, .. } = self;
        let memory = Memory { heard, known, own_heads, told: going_on.told };
        shared.memories.keep(peer, going_on.epoch, memory);
    }
}
