//! Beginning a session where the last one with the same peer stopped.
//!
//! Not here: what is kept between them (`memory`), telling and hearing itself (`summary`).

use crate::event::{NodeId, StreamId};
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
    /// Nothing of it counts: the peer misbehaved, or goes on from what is not kept.
    pub(crate) is_void: bool,
    /// What our hello says that we have heard, until the peer goes on from there or does not.
    said: Option<Heard>,
    /// What we heard there. None while that session has not ended here.
    kept: Option<Arc<Memory>>,
    /// When it began; streams had other names before.
    pub(super) epoch: u64,
}

impl GoingOn {
    /// Begins in this epoch. `former` is the session with the peer that has not ended here, if
    /// there is one: the peer may have lost it.
    pub(super) fn new(former: Option<&Session>, peer: &NodeId, shared: &Shared) -> GoingOn {
        let epoch = shared.memories.epoch();
        // What is heard in a session that has not ended here is kept when it does.
        let (said, kept) = match former {
            Some(former) => former.heard_so_far(shared),
            None => {
                let kept = shared.memories.get(peer);
                (kept.as_ref().map(|memory| memory.heard), kept)
            }
        };
        GoingOn { said, kept, epoch, ..GoingOn::default() }
    }

    /// Another session with the peer has ended, of which this is kept.
    pub(super) fn former_ended(&mut self, memory: &Arc<Memory>) {
        let is_it = self.said.is_some_and(|said| said.session == memory.heard.session);
        if is_it && self.kept.is_none() {
            self.kept = Some(Arc::clone(memory));
        }
    }

    /// True while the peer may go on from what an earlier session has heard.
    pub(super) fn awaits_word(&self) -> bool {
        self.said.is_some()
    }

    /// The peer does not go on from what we have heard, or has said so.
    pub(super) fn told_anew(&mut self) {
        (self.said, self.kept) = (None, None);
    }
}

impl Session {
    /// The name by which both sides know this session.
    fn name(&self) -> [u8; 8] {
        *self.binding.first_chunk().expect("a binding is longer")
    }

    /// How much we heard in this session, if another one can go on from there; when nothing came,
    /// what this one was to go on from, which still stands, and what is kept of it.
    fn heard_so_far(&self, shared: &Shared) -> (Option<Heard>, Option<Arc<Memory>>) {
        let is_open = !self.disputes.is_empty()
            || self.going_on.is_spoilt
            || self.going_on.is_void
            || shared.comparisons.await_one_of(self.connection);
        let count = self.going_on.heard;
        let is_of_now = self.going_on.epoch == shared.memories.epoch();
        match self.is_mute() {
            _ if is_open => (None, None),
            true if is_of_now => (self.going_on.said, self.going_on.kept.clone()),
            true => (None, None),
            false => ((count > 0).then(|| Heard { session: self.name(), count }), None),
        }
    }

    /// True when the peer told nothing of streams in this session.
    fn is_mute(&self) -> bool {
        self.going_on.heard == 0 && !self.summary_is_complete
    }

    /// How much we heard in an earlier session with the peer.
    pub(super) fn say_what_was_heard(&self) -> Heard {
        self.going_on.said.unwrap_or(Heard::NOTHING)
    }

    /// From now on the peer hears what we hold: everything, or what it has not heard in an earlier
    /// session.
    pub(super) fn begin_telling(&mut self, hello: &Hello, shared: &Shared) {
        let memory = shared.memories.get(&self.peer);
        let heard = self.side(shared, false).heard(&shared.admission_keys, hello);
        let told = heard.and_then(|heard| memory?.told(&heard));
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
        let is_first = self.is_mute();
        if self.going_on.said.take().is_none() || !is_first {
            return Err(RefusalReason::Unexpected.into());
        }
        self.going_on.heard = 1;
        let Some(memory) = self.going_on.kept.take() else { return Err(self.begin_again(shared)) };
        for (stream, count) in memory.known.iter() {
            let held = shared.streams.get(stream).map(|state| state.end_count());
            let held = match held.or_else(|| self.claim_again(stream, shared)) {
                Some(held) => held,
                None => return Err(self.begin_again(shared)),
            };
            self.peer_holds(*stream, count);
            if count > held {
                shared.fetches.ask_from(*stream, shared.now);
            }
        }
        for head in memory.own_heads.values() {
            self.keep_own(head.clone(), shared);
        }
        Ok(Effect::Nothing)
    }

    /// We keep account of a stream again of which the peer told in an earlier session; how much of
    /// it we hold. None when there is nothing to do so with.
    fn claim_again(&self, stream: &StreamId, shared: &mut Shared) -> Option<u64> {
        let head = shared.memories.claim(stream)?.clone();
        shared.streams.learn_again(&head, &self.peer);
        shared.streams.get(stream).map(|state| state.end_count())
    }

    /// What the peer goes on from is not here any more, through no fault of its own: in another
    /// session it tells everything.
    fn begin_again(&mut self, shared: &mut Shared) -> Refusal {
        shared.memories.forget(&self.peer);
        self.going_on.is_void = true;
        RefusalReason::DuplicateConnection.into()
    }

    /// The session is over. What of it holds for the next one is kept, and returned, also for one
    /// that has begun.
    ///
    /// A question that is open now came up after a hello that said how much was heard, else it had
    /// not said so: what it is about comes again, as a word that was not heard by then, or when we
    /// ask again for what the peer holds. So that hello still stands; no other one says the like.
    pub(super) fn remember(self, shared: &mut Shared) -> Option<Arc<Memory>> {
        let is_void = self.going_on.is_void;
        let is_open = self.going_on.is_spoilt || !self.disputes.is_empty();
        if is_void || is_open {
            shared.memories.forget(&self.peer);
        }
        if is_void {
            return None;
        }
        // When nothing came, what came before still stands.
        let (name, is_mute) = (self.name(), self.is_mute());
        let Session { peer, known, own_heads, going_on, .. } = self;
        let GoingOn { told, heard, epoch, .. } = going_on;
        let former = shared.memories.get(&peer).filter(|_| is_mute);
        let memory = match former {
            Some(former) => Memory { told, told_in: name, ..(*former).clone() },
            None => {
                let heard = Heard { session: name, count: heard };
                Memory { heard, known, own_heads, told, told_in: name }
            }
        };
        let memory = Arc::new(memory);
        if !is_open {
            shared.memories.keep(peer, epoch, Arc::clone(&memory));
        }
        Some(memory)
    }
}
