//! Who has what: questions to peers, their answers, and what we answer them.
//!
//! Rule: only what a node said itself counts as a copy; hearsay is a hint whom to ask.

use super::exchange::Exchange;
use super::io::{
    BlobNews, ConnectionNumber, Held, Holdings, Output, Provider, ProviderState, QuestionNumber,
};
use super::peer::{Found, Peer};
use crate::blob::id::BlobId;
use crate::blob::limits::{
    ANSWERS_PER_PEER_MAX, HAVE_PAUSE, HEARSAY_MAX, IDS_PER_MESSAGE_MAX, MESSAGE_BYTES_ENOUGH,
    OTHERS_MAX, QUESTION_TIMEOUT, SAID_NODES_MAX, SPANS_MAX, WATCHES_PER_PEER_MAX,
};
use crate::blob::message::{BlobMessage, Find, Have, Holding};
use crate::blob::size::BlobSize;
use crate::event::NodeId;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

/// A question who has a blob.
pub(super) struct Question {
    id: BlobId,
    /// Connections whose answer is awaited.
    awaited: BTreeSet<ConnectionNumber>,
    pub(super) until: Instant,
}

/// What a node has, as it said itself or as was said of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Said {
    pub(super) state: ProviderState,
    /// The size that it stated, if any.
    pub(super) size: Option<BlobSize>,
    pub(super) at: Instant,
}

impl Said {
    /// Whether asking this node may help.
    pub(super) fn may_have(&self) -> bool {
        self.state != ProviderState::Nothing
    }
}

impl Exchange {
    pub(super) fn ask(&mut self, question: QuestionNumber, id: BlobId) {
        // Who tells of changes, and has told how it stands, says no more when it is asked again.
        let is_told =
            |peer: &Peer| peer.found.get(&id).is_some_and(|of| of.watch && of.is_answered);
        let open = self.peers.iter().filter(|(_, peer)| !peer.is_blamed && !is_told(peer));
        let awaited = open.map(|(connection, _)| *connection).collect();
        let until = self.now + QUESTION_TIMEOUT;
        self.questions.insert(question, Question { id, awaited, until });
        // Also those who answered an earlier question say it anew.
        for peer in self.peers.values_mut() {
            if peer.found.get(&id).is_some_and(|found| !found.watch && found.is_answered) {
                peer.found.remove(&id);
            }
        }
        self.is_curious = true;
        self.work.questions = true;
    }

    /// A node said what it has, and who else may have it.
    pub(super) fn has_said(&mut self, node: NodeId, have: &Have) {
        let (id, at, own) = (have.id, self.now, self.own);
        let (state, size) = match have.holding {
            Holding::Nothing => (ProviderState::Nothing, None),
            Holding::Part { size, .. } => (ProviderState::Part, Some(size)),
            Holding::Whole { size } => (ProviderState::Whole, Some(size)),
        };
        self.note(&id, node, state, size);
        self.is_coming(&id, &node, &have.holding);
        let said = self.said.entry(id).or_default();
        for other in have.others.iter().filter(|other| **other != own) {
            let hearsay = Said { state: ProviderState::Hearsay, size: None, at };
            if said.len() < SAID_NODES_MAX && !said.contains_key(other) {
                said.insert(*other, hearsay);
                self.work.blobs.one(id);
            }
        }
        self.work.questions |= !self.questions.is_empty();
        let peers = &self.peers;
        for question in self.questions.values_mut().filter(|question| question.id == id) {
            let by = |of: &ConnectionNumber| peers.get(of).is_some_and(|peer| peer.node == node);
            question.awaited.retain(|connection| !by(connection));
        }
    }

    /// Keeps what a node said of itself.
    pub(super) fn note(
        &mut self,
        id: &BlobId,
        node: NodeId,
        state: ProviderState,
        size: Option<BlobSize>,
    ) {
        let at = self.now;
        let said = self.said.entry(*id).or_default();
        let before = said.insert(node, Said { state, size, at });
        if before.is_none_or(|before| (before.state, before.size) != (state, size)) {
            self.work.blobs.one(*id);
            self.work.copies.one(*id);
        }
        if said.len() > SAID_NODES_MAX {
            let oldest = said.iter().filter(|(other, _)| **other != node);
            let oldest =
                oldest.min_by_key(|(other, said)| (said.at, **other)).map(|(node, _)| *node);
            oldest.and_then(|oldest| said.remove(&oldest));
        }
    }

    /// What a node said of itself turned out not to be so.
    pub(super) fn unsay(&mut self, id: &BlobId, node: &NodeId, state: ProviderState) {
        if self.said.get(id).is_some_and(|said| said.contains_key(node)) {
            self.note(id, *node, state, None);
        }
    }

    /// A session ended: nobody waits for its answers.
    pub(super) fn nobody_awaits(&mut self) {
        let peers = &self.peers;
        for question in self.questions.values_mut() {
            question.awaited.retain(|connection| peers.contains_key(connection));
        }
    }

    /// Asks each peer about the blobs that somebody here cares about, and of no other.
    pub(super) fn be_curious(&mut self) {
        if !std::mem::take(&mut self.is_curious) {
            return;
        }
        let interests = self.interests();
        self.said.retain(|id, _| interests.contains_key(id));
        let mut asked = Vec::new();
        for (connection, peer) in &mut self.peers {
            if peer.is_blamed {
                for question in self.questions.values_mut() {
                    question.awaited.remove(connection);
                }
                continue;
            }
            let finds = peer.ask_about(&interests);
            asked.extend(finds.chunks(IDS_PER_MESSAGE_MAX).map(|all| (*connection, all.to_vec())));
        }
        for (connection, finds) in asked {
            self.say(connection, &BlobMessage::Find(finds));
        }
    }

    /// Blobs that somebody here cares about, and whether changes matter.
    fn interests(&self) -> BTreeMap<BlobId, bool> {
        let once = self.questions.values().map(|question| (question.id, false));
        let active =
            self.wants.iter().filter(|(_, want)| want.is_active).map(|(id, _)| (*id, true));
        let copies = self.copies.keys().map(|id| (*id, true));
        once.chain(active).chain(copies).collect()
    }

    /// Answers those questions to which all have answered, or that have waited long enough.
    pub(super) fn answer_questions(&mut self) {
        let now = self.now;
        let done = |question: &Question| question.awaited.is_empty() || question.until <= now;
        let ready: Vec<_> = self.questions.iter().filter(|(_, question)| done(question)).collect();
        let ready: Vec<_> = ready.into_iter().map(|(number, of)| (*number, of.id)).collect();
        for (question, id) in ready {
            self.questions.remove(&question);
            self.is_curious = true;
            let connected: BTreeSet<NodeId> = self.connected();
            let said = self.said.get(&id).into_iter().flatten();
            let providers = said.map(|(node, said)| Provider {
                node: *node,
                state: said.state,
                is_connected: connected.contains(node),
                since: said.at,
            });
            let providers = providers.collect();
            self.out.push_back(Output::Tell(BlobNews::Answer { question, id, providers }));
        }
    }

    /// Nodes with a session that nobody was blamed in.
    pub(super) fn connected(&self) -> BTreeSet<NodeId> {
        let open = self.peers.values().filter(|peer| !peer.is_blamed);
        open.map(|peer| peer.node).collect()
    }

    /// Tells peers what is held of what they asked about: when it is time, and as there is room.
    pub(super) fn tell(&mut self, holdings: &dyn Holdings) {
        self.note_changes(holdings);
        let due: Vec<ConnectionNumber> = self
            .peers
            .iter()
            .filter(|(_, peer)| peer.next_tell.is_some_and(|at| at <= self.now))
            .map(|(connection, _)| *connection)
            .collect();
        for connection in due {
            while let Some(all) = self.next_haves(connection, holdings) {
                self.say(connection, &BlobMessage::Have(all));
            }
        }
    }

    /// Watchers of blobs that have changed are told: at once when that is much, else now and then.
    fn note_changes(&mut self, holdings: &dyn Holdings) {
        for id in std::mem::take(&mut self.changed) {
            let watchers = || self.peers.values().any(|peer| peer.watches.contains_key(&id));
            if !watchers() {
                continue;
            }
            let held = holdings.held(&id).ok().flatten();
            let is_much = held.as_ref().is_none_or(Held::is_whole);
            for peer in self.peers.values_mut() {
                if let Some(told) = peer.watches.get(&id) {
                    let next = told.map_or(self.now, |told| told + HAVE_PAUSE);
                    let at = if is_much { self.now } else { next };
                    peer.tell_at(id, at);
                }
            }
        }
    }

    /// What one message tells a peer; none when nothing is due, or there is no room.
    fn next_haves(
        &mut self,
        connection: ConnectionNumber,
        holdings: &dyn Holdings,
    ) -> Option<Vec<Have>> {
        let now = self.now;
        let peer = self.peers.get_mut(&connection)?;
        if !peer.may_be_told() || peer.next_tell.is_none_or(|at| at > now) {
            return None;
        }
        let due: Vec<BlobId> =
            peer.to_tell.iter().filter(|(_, at)| **at <= now).map(|(id, _)| *id).collect();
        let (node, mut all, mut bytes) = (peer.node, Vec::new(), 0);
        for id in due.into_iter().take(IDS_PER_MESSAGE_MAX) {
            if bytes >= MESSAGE_BYTES_ENOUGH {
                break;
            }
            let holding = holding(holdings.held(&id).unwrap_or_default());
            let others = self.others(&id, &node);
            bytes += 64 + others.len() * 32;
            if let Holding::Part { spans, .. } = &holding {
                bytes += spans.len() * 8;
            }
            if let Some(peer) = self.peers.get_mut(&connection) {
                peer.to_tell.remove(&id);
                if let Some(told) = peer.watches.get_mut(&id) {
                    *told = Some(now);
                }
            }
            all.push(Have { id, holding, others });
        }
        if let Some(peer) = self.peers.get_mut(&connection) {
            peer.next_tell = peer.to_tell.values().min().copied();
        }
        (!all.is_empty()).then_some(all)
    }

    /// Nodes that told us themselves, not long ago, that they hold a blob whole.
    fn others(&self, id: &BlobId, peer: &NodeId) -> Vec<NodeId> {
        let fresh =
            |said: &Said| said.state == ProviderState::Whole && said.at + HEARSAY_MAX > self.now;
        let said = self.said.get(id).into_iter().flatten();
        let said = said.filter(|(node, said)| *node != peer && fresh(said));
        said.filter(|(node, _)| !self.is_liar(node))
            .map(|(node, _)| *node)
            .take(OTHERS_MAX)
            .collect()
    }

    /// Hands over short frames of one connection, as far as there is room.
    pub(super) fn ship_short(&mut self, connection: ConnectionNumber) {
        let Some(peer) = self.peers.get_mut(&connection) else { return };
        while let Some(bytes) = peer.short.pop_front() {
            if !peer.has_live_room(bytes.len()) {
                peer.short.push_front(bytes);
                return;
            }
            peer.unsent_live += bytes.len();
            self.out.push_back(Output::Ship { connection, bulk: false, bytes });
        }
    }
}

impl Peer {
    /// What to ask it next, so that it is asked about all of these and of no other: as much at a
    /// time as it keeps in mind.
    fn ask_about(&mut self, interests: &BTreeMap<BlobId, bool>) -> Vec<Find> {
        let past = |(id, found): &(&BlobId, &Found)| found.watch && !interests.contains_key(*id);
        let past = self.found.iter().filter(past).map(|(id, _)| Find { id: *id, watch: false });
        let mut finds: Vec<Find> = past.collect();
        self.found.retain(|id, _| interests.contains_key(id));
        self.claims.retain(|id, _| interests.contains_key(id));
        self.penalties.retain(|id, _| interests.contains_key(id));
        self.unanswered = self.found.values().filter(|found| !found.is_answered).count();
        let mut watches = self.found.values().filter(|found| found.watch).count();
        for (id, watch) in interests {
            let watch = *watch && watches < WATCHES_PER_PEER_MAX;
            let before = self.found.get(id);
            if before.is_some_and(|before| before.watch >= watch) {
                continue;
            }
            let is_new = before.is_none_or(|before| before.is_answered);
            if is_new && self.unanswered >= ANSWERS_PER_PEER_MAX {
                self.is_behind = true;
                break;
            }
            self.unanswered += usize::from(is_new);
            watches += usize::from(watch);
            self.found.insert(*id, Found { watch, is_answered: false });
            finds.push(Find { id: *id, watch });
        }
        finds
    }
}

/// What we say of what we hold. Whole is only what would survive a power cut: until then all groups
/// are a part.
fn holding(held: Option<Held>) -> Holding {
    match held {
        None => Holding::Nothing,
        Some(held) if held.is_whole() => Holding::Whole { size: held.size },
        Some(held) => match held.groups.spans(SPANS_MAX) {
            spans if spans.is_empty() => Holding::Nothing,
            spans => Holding::Part { size: held.size, spans },
        },
    }
}
