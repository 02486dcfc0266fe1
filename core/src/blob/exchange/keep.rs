//! Copies: others are asked to hold a blob, and we hold some because others ask.

use super::exchange::Exchange;
use super::io::{BlobNews, ConnectionNumber, Held, Holdings, MayKeep, Output, ProviderState};
use super::want::Waiter;
use crate::blob::id::BlobId;
use crate::blob::limits::{KEEP_RETRY, KEPT_MAX};
use crate::blob::message::{BlobMessage, KeepWord};
use crate::event::NodeId;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

/// How many nodes shall hold a blob, and who was asked to.
pub(super) struct Copies {
    wanted: u32,
    /// Nodes that were asked and have not refused, and whether they said that they are fetching.
    asked: BTreeMap<NodeId, bool>,
    /// Nodes that will not, when they said so, and whether it is for want of room.
    pub(super) refused: BTreeMap<NodeId, (Instant, bool)>,
    told: Option<BlobNews>,
}

impl Exchange {
    pub(super) fn want_copies(&mut self, id: BlobId, wanted: u32) {
        let new =
            || Copies { wanted, asked: BTreeMap::new(), refused: BTreeMap::new(), told: None };
        let copies = self.copies.entry(id).or_insert_with(new);
        copies.wanted = wanted;
        copies.told = None;
        self.is_curious = true;
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
        let Some(is_fetching) = copies.asked.get_mut(&node) else { return };
        match word {
            KeepWord::Fetching => *is_fetching = true,
            KeepWord::Held => {
                copies.asked.remove(&node);
                self.note(&id, node, ProviderState::Whole);
            }
            KeepWord::NoRoom | KeepWord::NotKnown => {
                copies.asked.remove(&node);
                copies.refused.insert(node, (now, word == KeepWord::NoRoom));
            }
            KeepWord::NoMore | KeepWord::Please => {}
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
        let changed: Vec<BlobId> =
            self.kept.keys().filter(|id| self.changed.contains(id)).copied().collect();
        for id in changed {
            if is_whole(holdings, &id) {
                self.release(&id, Waiter::Peers);
                for connection in self.kept.remove(&id).into_iter().flatten() {
                    self.say(connection, &BlobMessage::Keep(vec![(id, KeepWord::Held)]));
                }
            }
        }
        let ids: Vec<BlobId> = self.copies.keys().copied().collect();
        for id in ids {
            self.spread(&id, is_whole(holdings, &id));
        }
    }

    fn consider(&mut self, connection: ConnectionNumber, id: BlobId, holdings: &dyn Holdings) {
        let word = if is_whole(holdings, &id) {
            KeepWord::Held
        } else if self.kept.len() >= KEPT_MAX && !self.kept.contains_key(&id) {
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

    /// Asks as many peers to hold a blob as there are copies missing, and tells how it stands.
    fn spread(&mut self, id: &BlobId, is_here: bool) {
        let connected = self.connected();
        let said = self.said.get(id).into_iter().flatten();
        let holders: BTreeSet<NodeId> = said
            .filter(|(_, said)| said.state == ProviderState::Whole)
            .map(|(node, _)| *node)
            .collect();
        let (now, here) = (self.now, u32::from(is_here));
        let liars: BTreeSet<NodeId> =
            connected.iter().filter(|node| self.is_liar(node)).copied().collect();
        let Some(copies) = self.copies.get_mut(id) else { return };
        copies.asked.retain(|node, _| connected.contains(node) && !holders.contains(node));
        copies.refused.retain(|_, (at, _)| *at + KEEP_RETRY > now);
        let confirmed = here + holders.len() as u32;
        let missing = copies.wanted.saturating_sub(confirmed) as usize;
        let free = |node: &&NodeId| {
            !holders.contains(node)
                && !liars.contains(node)
                && !copies.asked.contains_key(node)
                && !copies.refused.contains_key(node)
        };
        let more = missing.saturating_sub(copies.asked.len());
        let next: Vec<NodeId> = connected.iter().filter(free).take(more).copied().collect();
        copies.asked.extend(next.iter().map(|node| (*node, false)));
        let fetching = copies.asked.iter().filter(|(_, fetching)| **fetching);
        let news = BlobNews::CopiesNow {
            id: *id,
            confirmed,
            connected: here + holders.intersection(&connected).count() as u32,
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

    fn say_to(&mut self, node: &NodeId, id: BlobId, word: KeepWord) {
        let connection = self.peers.iter().find(|(_, peer)| peer.node == *node && !peer.is_blamed);
        if let Some(connection) = connection.map(|(connection, _)| *connection) {
            self.say(connection, &BlobMessage::Keep(vec![(id, word)]));
        }
    }
}

fn is_whole(holdings: &dyn Holdings, id: &BlobId) -> bool {
    holdings.held(id).ok().flatten().as_ref().is_some_and(Held::is_whole)
}
