//! What time does: asks that bring nothing are taken back, and what stands still is told.

use super::exchange::Exchange;
use super::io::{BlobNews, ConnectionNumber, Output, Stall};
use super::want::Want;
use crate::blob::id::BlobId;
use crate::blob::limits::{
    ASK_OVERDUE, ASK_TIMEOUT, KEEP_RETRY, REACH_MAX, REACH_PAUSE, STALL_AFTER, STALLED_TURN,
    WANTS_ACTIVE_MAX,
};
use crate::blob::message::BlobMessage;
use crate::event::NodeId;
use std::collections::BTreeSet;
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
    pub(super) fn tell_stalls(&mut self) {
        let is_crowded = self.wants.len() > WANTS_ACTIVE_MAX;
        let stalled: Vec<BlobId> = self
            .wants
            .iter()
            .filter(|(id, want)| {
                want.is_active
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
            }
        }
    }

    /// Those who may have a blob and are not connected are dialled.
    fn reach(&mut self, id: &BlobId) {
        let connected: BTreeSet<NodeId> = self.peers.values().map(|peer| peer.node).collect();
        let (now, own) = (self.now, self.own);
        let heard = self.said.get(id).into_iter().flatten().filter(|(_, said)| said.may_have());
        let heard: Vec<NodeId> = heard.map(|(node, _)| *node).collect();
        let Some(want) = self.wants.get(id) else { return };
        let is_near = |want: &Want, node: &NodeId| {
            want.reached.get(node).is_some_and(|at| *at + REACH_PAUSE > now)
        };
        let nodes: BTreeSet<NodeId> = want.hints.iter().copied().chain(heard).collect();
        let under_way = want.reached.keys().filter(|node| is_near(want, node)).count();
        let next: Vec<NodeId> = nodes
            .into_iter()
            .filter(|node| *node != own && !connected.contains(node) && !self.is_liar(node))
            .filter(|node| !is_near(want, node))
            .take(REACH_MAX.saturating_sub(under_way))
            .collect();
        let Some(want) = self.wants.get_mut(id) else { return };
        want.reached.retain(|_, at| *at + REACH_PAUSE > now);
        for peer in next {
            want.reached.insert(peer, now);
            self.out.push_back(Output::Reach { peer });
        }
    }

    /// When something is to be done without any input.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let mut all: Vec<Instant> = Vec::new();
        for peer in self.peers.values() {
            for asked in peer.asks.values().filter(|asked| !asked.is_stopped) {
                let since = peer.quiet_since(asked);
                all.extend([since + ASK_OVERDUE, since + ASK_TIMEOUT]);
            }
            all.extend(peer.penalties.values().map(|penalty| penalty.until));
            if peer.has_live_room(crate::blob::limits::MESSAGE_BYTES_ENOUGH * 2) {
                all.extend(peer.to_tell.values());
            }
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
        let refused = self.copies.values().flat_map(|copies| copies.refused.values());
        all.extend(refused.map(|(at, _)| *at + KEEP_RETRY));
        all.into_iter().filter(|at| *at > self.now).min()
    }
}
