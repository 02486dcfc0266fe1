//! Copies: others are asked to hold a blob, and we hold some because others ask.

use super::blame::Liar;
use super::exchange::Exchange;
use super::finder::Said;
use super::io::{BlobNews, ConnectionNumber, Held, Holdings, MayKeep, Output, ProviderState};
use super::want::Waiter;
use crate::blob::id::BlobId;
use crate::blob::limits::{KEEP_ANSWER, KEEP_PROGRESS, KEEP_RETRY, KEPT_MAX, KEPT_PER_PEER_MAX};
use crate::blob::message::{BlobMessage, Holding, KeepWord};
use crate::blob::size::BlobSize;
use crate::event::NodeId;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

/// How many nodes shall hold a blob, and who was asked to.
pub(super) struct Copies {
    wanted: u32,
    /// Nodes that were asked and have neither refused nor said that they hold it.
    asked: BTreeMap<NodeId, Request>,
    /// Nodes that will not, when they said so, and whether it is for want of room.
    refused: BTreeMap<NodeId, (Instant, bool)>,
    /// What is here; none when that is to be looked up.
    pub(super) here: Option<Here>,
    /// When to look again.
    pub(super) next: Option<Instant>,
    told: Option<BlobNews>,
}

/// What is here of a blob that others shall hold.
#[derive(Clone, Copy)]
pub(super) struct Here {
    is_whole: bool,
    /// Its size, if that is proven.
    size: Option<BlobSize>,
}

/// A request to hold a blob.
struct Request {
    /// When it was made, or when something last came of it.
    at: Instant,
    /// The node said that it is fetching.
    is_fetching: bool,
    /// Groups that it said that it has.
    groups: u32,
}

impl Request {
    /// From then on it counts for nothing, and another node is asked as well.
    fn late_at(&self) -> Instant {
        self.at + if self.is_fetching { KEEP_PROGRESS } else { KEEP_ANSWER }
    }
}

impl Exchange {
    pub(super) fn want_copies(&mut self, id: BlobId, wanted: u32) {
        let copies = self.copies.entry(id).or_insert_with(|| Copies {
            wanted,
            asked: BTreeMap::new(),
            refused: BTreeMap::new(),
            here: None,
            next: None,
            told: None,
        });
        copies.wanted = wanted;
        copies.told = None;
        self.is_curious = true;
        self.work.copies.one(id);
    }

    pub(super) fn end_copies(&mut self, id: &BlobId) {
        let Some(copies) = self.copies.remove(id) else { return };
        for node in copies.asked.keys() {
            self.say_to(node, *id, KeepWord::NoMore);
        }
        self.is_curious = true;
    }

    /// A node answered that it holds, fetches or refuses a blob; unasked it means nothing.
    pub(super) fn keep_answered(
        &mut self,
        connection: ConnectionNumber,
        id: BlobId,
        word: KeepWord,
    ) {
        let Some(node) = self.peers.get(&connection).map(|peer| peer.node) else { return };
        let now = self.now;
        let Some(copies) = self.copies.get_mut(&id) else { return };
        let Some(request) = copies.asked.get_mut(&node) else { return };
        match word {
            // Saying so again is no progress.
            KeepWord::Fetching if request.is_fetching => {}
            KeepWord::Fetching => (request.at, request.is_fetching) = (now, true),
            KeepWord::Held => {
                copies.asked.remove(&node);
                let size = self.said.get(&id).and_then(|said| said.get(&node)?.size);
                self.note(&id, node, ProviderState::Whole, size);
            }
            KeepWord::NoRoom | KeepWord::NotKnown => {
                copies.asked.remove(&node);
                copies.refused.insert(node, (now, word == KeepWord::NoRoom));
            }
            KeepWord::NoMore | KeepWord::Please | KeepWord::Other(_) => {}
        }
        self.work.copies.one(id);
    }

    /// A node that was asked to hold a blob has more of it than before.
    pub(super) fn is_coming(&mut self, id: &BlobId, node: &NodeId, holding: &Holding) {
        let Holding::Part { spans, .. } = holding else { return };
        let asked = self.copies.get_mut(id).and_then(|copies| copies.asked.get_mut(node));
        let groups = spans.iter().map(|span| span.count()).sum();
        if let Some(request) = asked.filter(|request| request.groups < groups) {
            (request.at, request.groups) = (self.now, groups);
            self.work.copies.one(*id);
        }
    }

    /// Copies whose time has come are to be looked at.
    pub(super) fn copies_in_time(&mut self) {
        let now = self.now;
        let due = |copies: &Copies| copies.next.is_some_and(|at| at <= now);
        for (id, _) in self.copies.iter().filter(|(_, copies)| due(copies)) {
            self.work.copies.one(*id);
        }
    }

    /// A peer does not ask us any more to hold a blob.
    pub(super) fn keep_no_more(&mut self, id: &BlobId, connection: ConnectionNumber) {
        let Some(askers) = self.kept.get_mut(id) else { return };
        askers.remove(&connection);
        if askers.is_empty() {
            self.kept.remove(id);
            self.release(id, Waiter::Peers);
        }
    }

    /// Both sides of it: what peers asked of us, and what we ask of them.
    pub(super) fn keep(&mut self, holdings: &dyn Holdings) {
        for (connection, id) in std::mem::take(&mut self.keep_asked) {
            self.consider(connection, id, holdings);
        }
        let kept = self.changed.iter().filter(|id| self.kept.contains_key(id));
        for id in kept.copied().collect::<Vec<BlobId>>() {
            if is_whole(holdings, &id) {
                self.release(&id, Waiter::Peers);
                for connection in self.kept.remove(&id).into_iter().flatten() {
                    self.say(connection, &BlobMessage::Keep(vec![(id, KeepWord::Held)]));
                }
            }
        }
        for id in std::mem::take(&mut self.work.copies).of(self.copies.keys()) {
            self.spread(&id, holdings);
        }
    }

    fn consider(&mut self, connection: ConnectionNumber, id: BlobId, holdings: &dyn Holdings) {
        let word = if is_whole(holdings, &id) {
            KeepWord::Held
        } else if !self.has_room_to_keep(connection, &id) {
            KeepWord::NoRoom
        } else {
            match holdings.may_keep(&id) {
                MayKeep::NoRoom => KeepWord::NoRoom,
                MayKeep::NotKnown => KeepWord::NotKnown,
                MayKeep::Yes => {
                    self.kept.entry(id).or_default().insert(connection);
                    self.fetch(Waiter::Peers, id, Exchange::FOR_PEERS);
                    KeepWord::Fetching
                }
            }
        };
        self.say(connection, &BlobMessage::Keep(vec![(id, word)]));
    }

    /// Whether one more blob may be held because this peer asks for it: one alone does not take all
    /// places, nor have us begin and end fetches without end.
    fn has_room_to_keep(&mut self, connection: ConnectionNumber, id: &BlobId) -> bool {
        let of_it = |askers: &&BTreeSet<ConnectionNumber>| askers.contains(&connection);
        let is_known = self.kept.get(id).is_some_and(|askers| askers.contains(&connection));
        let is_room = self.kept.contains_key(id) || self.kept.len() < KEPT_MAX;
        if is_known || !is_room || self.kept.values().filter(of_it).count() >= KEPT_PER_PEER_MAX {
            return is_known;
        }
        let now = self.now;
        let Some(peer) = self.peers.get_mut(&connection) else { return false };
        if peer.kept.0 + KEEP_RETRY <= now {
            peer.kept = (now, 0);
        }
        peer.kept.1 += 1;
        peer.kept.1 <= KEPT_MAX
    }

    /// Asks as many peers to hold a blob as there are copies missing, and tells how it stands.
    fn spread(&mut self, id: &BlobId, holdings: &dyn Holdings) {
        let (now, connected) = (self.now, self.connected());
        let Some(copies) = self.copies.get_mut(id) else { return };
        let here = *copies.here.get_or_insert_with(|| Here::look_up(holdings, id));
        let holders = self.holders(id, here.size);
        let untrusted =
            |(node, liar): &(&NodeId, &Liar)| liar.until > now && connected.contains(*node);
        let untrusted: BTreeMap<NodeId, Instant> =
            self.liars.iter().filter(untrusted).map(|(node, liar)| (*node, liar.until)).collect();
        let Some(copies) = self.copies.get_mut(id) else { return };
        copies.asked.retain(|node, request| {
            connected.contains(node)
                && !holders.contains(node)
                && request.late_at() + KEEP_RETRY > now
        });
        copies.refused.retain(|_, (at, _)| *at + KEEP_RETRY > now);
        let confirmed = u32::from(here.is_whole) + holders.len() as u32;
        let missing = copies.wanted.saturating_sub(confirmed) as usize;
        let free = |node: &&NodeId| {
            !holders.contains(node)
                && !untrusted.contains_key(node)
                && !copies.asked.contains_key(node)
                && !copies.refused.contains_key(node)
        };
        let in_time = copies.asked.values().filter(|request| request.late_at() > now).count();
        let more = missing.saturating_sub(in_time);
        let next: Vec<NodeId> = connected.iter().filter(free).take(more).copied().collect();
        let request = |node: &NodeId| (*node, Request { at: now, is_fetching: false, groups: 0 });
        copies.asked.extend(next.iter().map(request));
        let requests = copies.asked.values().map(Request::late_at);
        let again = copies.refused.values().map(|(at, _)| *at + KEEP_RETRY);
        let times = requests.flat_map(|late| [late, late + KEEP_RETRY]).chain(again);
        copies.next = times.chain(untrusted.into_values()).filter(|at| *at > now).min();
        let fetching = copies.asked.iter().filter(|(_, request)| request.is_fetching);
        let news = BlobNews::CopiesNow {
            id: *id,
            confirmed,
            connected: u32::from(here.is_whole) + holders.intersection(&connected).count() as u32,
            fetching: fetching.map(|(node, _)| *node).collect(),
            refused: copies.refused.iter().map(|(node, (_, full))| (*node, *full)).collect(),
        };
        if copies.told.as_ref() != Some(&news) {
            copies.told = Some(news.clone());
            self.out.push_back(Output::Tell(news));
        }
        for node in next {
            self.say_to(&node, *id, KeepWord::Please);
        }
    }

    /// Nodes that said themselves that they hold a blob whole, under the size that is proven here
    /// if one is, and have not lied since.
    fn holders(&self, id: &BlobId, here: Option<BlobSize>) -> BTreeSet<NodeId> {
        let want = self.wants.get(id).filter(|want| want.is_proven);
        let proven = here.or(want.and_then(|want| want.size()));
        let is_true = |said: &Said| match (said.size, proven) {
            (Some(size), Some(proven)) => size == proven,
            _ => true,
        };
        let said = self.said.get(id).into_iter().flatten();
        let whole = said.filter(|(_, said)| said.state == ProviderState::Whole && is_true(said));
        whole.filter(|(node, _)| !self.is_liar(node)).map(|(node, _)| *node).collect()
    }

    fn say_to(&mut self, node: &NodeId, id: BlobId, word: KeepWord) {
        let connection = self.peers.iter().find(|(_, peer)| peer.node == *node && !peer.is_blamed);
        if let Some(connection) = connection.map(|(connection, _)| *connection) {
            self.say(connection, &BlobMessage::Keep(vec![(id, word)]));
        }
    }
}

impl Here {
    fn look_up(holdings: &dyn Holdings, id: &BlobId) -> Here {
        let held = holdings.held(id).ok().flatten();
        let size = held.as_ref().filter(|held| held.is_proven).map(|held| held.size);
        Here { is_whole: held.as_ref().is_some_and(Held::is_whole), size }
    }
}

fn is_whole(holdings: &dyn Holdings, id: &BlobId) -> bool {
    holdings.held(id).ok().flatten().as_ref().is_some_and(Held::is_whole)
}
