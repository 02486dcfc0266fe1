//! What time does: asks that bring nothing are taken back, and what stands still is told.

use super::exchange::Exchange;
use super::finder::Said;
use super::io::{BlobNews, ConnectionNumber, Output, ProviderState, Stall};
use super::work::Touched;
use crate::blob::id::BlobId;
use crate::blob::limits::{
    ASK_OVERDUE, ASK_TIMEOUT, REACH_MAX, REACH_PAUSE, STALL_AFTER, STALLED_TURN, WANTS_ACTIVE_MAX,
};
use crate::blob::message::BlobMessage;
use crate::event::NodeId;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Instant;

impl Exchange {
    /// Peers that brought nothing for long are asked for nothing of these blobs for a while.
    pub(super) fn take_back_asks(&mut self) {
        let mut late = Vec::new();
        for (connection, peer) in &self.peers {
            for (transfer, asked) in &peer.asks {
                if !asked.is_stopped && peer.quiet_since(asked) + ASK_TIMEOUT <= self.now {
                    late.push((*connection, *transfer, asked.id));
                }
            }
        }
        let mut paused = BTreeSet::new();
        for (connection, transfer, id) in late {
            self.stop_ask(connection, transfer);
            if let Some(peer) = self.peers.get_mut(&connection)
                && paused.insert((connection, id))
            {
                peer.pause(id, self.now);
            }
        }
    }

    /// Takes an ask back. It counts as asked until the peer has answered.
    pub(super) fn stop_ask(&mut self, connection: ConnectionNumber, transfer: u64) {
        let Some(peer) = self.peers.get_mut(&connection) else { return };
        let Some(asked) = peer.asks.get_mut(&transfer).filter(|asked| !asked.is_stopped) else {
            return;
        };
        asked.is_stopped = true;
        let id = asked.id;
        self.work.blobs.all();
        self.forget_ask(connection, transfer, &id);
        self.say(connection, &BlobMessage::Stop { transfer });
    }

    /// Takes back all asks for a blob.
    pub(super) fn stop_asks(&mut self, id: &BlobId) {
        let of_it = |(connection, peer): (&ConnectionNumber, &super::peer::Peer)| {
            let asks = peer.asks.iter().filter(|(_, asked)| asked.id == *id && !asked.is_stopped);
            asks.map(|(transfer, _)| (*connection, *transfer)).collect::<Vec<_>>()
        };
        let asks: Vec<_> = self.peers.iter().flat_map(of_it).collect();
        for (connection, transfer) in asks {
            self.stop_ask(connection, transfer);
        }
    }

    /// Takes an ask back when none of its groups is awaited of this peer any more.
    pub(super) fn stop_if_done(
        &mut self,
        connection: ConnectionNumber,
        transfer: u64,
        id: &BlobId,
    ) {
        let ours = (connection, transfer);
        let is_awaited = self
            .wants
            .get(id)
            .is_some_and(|want| want.asked.values().any(|all| all.contains(&ours)));
        if !is_awaited {
            self.stop_ask(connection, transfer);
        }
    }

    /// Tells of blobs of which nothing comes because nobody has it, and whom to dial for them.
    pub(super) fn tell_stalls(&mut self, touched: &Touched) {
        let is_crowded = self.wants.len() > WANTS_ACTIVE_MAX;
        let stalled: Vec<BlobId> = self
            .wants
            .iter()
            .filter(|(id, want)| {
                touched.has(id)
                    && want.is_active
                    && want.asked.is_empty()
                    && want.verifying.is_empty()
                    && want.progress_at + STALL_AFTER <= self.now
                    && !self.has_provider(id, want)
            })
            .map(|(id, _)| *id)
            .collect();
        for id in stalled {
            self.reach(&id);
            self.turn += 1;
            let Some(want) = self.wants.get_mut(&id) else { continue };
            if want.stall.is_none() {
                want.stall = Some(Stall::NoProvider);
                let why = Some(Stall::NoProvider);
                self.out.push_back(Output::Tell(BlobNews::Stalled { id, why }));
            }
            if is_crowded && want.progress_at + STALLED_TURN <= self.now {
                want.number = self.turn;
                want.progress_at = self.now;
                self.work.wants = true;
            }
        }
    }

    /// Those who may have a blob and are not connected are dialled: in turn, and of two one that
    /// the wish names or that said so itself, so that names that were made up hold up nobody.
    fn reach(&mut self, id: &BlobId) {
        let connected = self.connected();
        let (now, own) = (self.now, self.own);
        let Some(want) = self.wants.get(id) else { return };
        let heard = self.said.get(id).into_iter().flatten().filter(|(_, said)| said.may_have());
        let is_named = |said: &Said| said.state != ProviderState::Hearsay;
        let mut nodes: BTreeMap<NodeId, bool> =
            heard.map(|(node, said)| (*node, is_named(said))).collect();
        nodes.extend(want.hints.iter().map(|node| (*node, true)));
        nodes.retain(|node, _| *node != own && !connected.contains(node) && !self.is_liar(node));
        let is_near =
            |node: &NodeId| want.reached.get(node).is_some_and(|at| *at + REACH_PAUSE > now);
        let under_way = want.reached.keys().filter(|node| is_near(node)).count();
        let mut named_under_way = nodes.iter().any(|(node, is_named)| *is_named && is_near(node));
        // Those that were not dialled yet, then those whose last time is longest ago.
        let waiting = |named: bool| {
            let of_it = nodes.iter().filter(|(node, is)| **is == named && !is_near(node));
            let mut all: Vec<_> =
                of_it.map(|(node, _)| (want.reached.get(node).copied(), *node)).collect();
            all.sort_unstable();
            VecDeque::from(all)
        };
        let (mut named, mut heard) = (waiting(true), waiting(false));
        let mut next = Vec::new();
        while under_way + next.len() < REACH_MAX {
            let (first, second) =
                if named_under_way { (&mut heard, &mut named) } else { (&mut named, &mut heard) };
            let Some((_, node)) = first.pop_front().or_else(|| second.pop_front()) else { break };
            named_under_way = !named_under_way;
            next.push(node);
        }
        let Some(want) = self.wants.get_mut(id) else { return };
        want.reached.retain(|node, at| nodes.contains_key(node) || *at + REACH_PAUSE > now);
        for peer in next {
            want.reached.insert(peer, now);
            self.out.push_back(Output::Reach { peer });
        }
    }

    /// When something is to be done without any input, but for telling peers what they asked.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let mut all: Vec<Instant> = Vec::new();
        for peer in self.peers.values() {
            for asked in peer.asks.values().filter(|asked| !asked.is_stopped) {
                let since = peer.quiet_since(asked);
                all.extend([since + ASK_OVERDUE, since + ASK_TIMEOUT]);
            }
            all.extend(peer.penalties.values().map(|penalty| penalty.until));
        }
        if !self.wants.is_empty() {
            all.extend(self.liars.values().map(|liar| liar.until));
            all.extend(self.full.map(|(until, _)| until));
        }
        for want in self.wants.values().filter(|want| want.is_active) {
            all.extend([want.progress_at + STALL_AFTER, want.progress_at + STALLED_TURN]);
            all.extend(want.reached.values().map(|at| *at + REACH_PAUSE));
        }
        all.extend(self.questions.values().map(|question| question.until));
        all.extend(self.copies.values().filter_map(|copies| copies.next));
        all.into_iter().filter(|at| *at > self.now).min()
    }
}
