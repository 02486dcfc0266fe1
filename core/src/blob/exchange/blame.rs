//! Who sent what no honest node sends, and for how long it is not asked.

use super::exchange::Exchange;
use super::io::{BlameReason, BlobNews, ConnectionNumber, Output};
use crate::blob::id::BlobId;
use crate::blob::limits::{LIAR_PAUSE, LIAR_PAUSE_MAX, LIARS_MAX};
use crate::blob::size::GroupIndex;
use crate::error::Error;
use crate::event::NodeId;
use std::time::{Duration, Instant};

/// A node that sent a group that is not of its blob.
pub(super) struct Liar {
    pub(super) until: Instant,
    pause: Duration,
    pub(super) id: BlobId,
    pub(super) group: GroupIndex,
    pub(super) at: Instant,
}

impl Exchange {
    /// A piece did not hold: the node is remembered, and its session ends.
    pub(super) fn blame_forged(
        &mut self,
        connection: ConnectionNumber,
        node: NodeId,
        id: BlobId,
        group: GroupIndex,
    ) {
        let at = self.now;
        let before = self.liars.get(&node);
        // More of its pieces may have been on their way: one lie is punished once.
        if before.is_none_or(|liar| liar.until <= at) {
            let pause = before.map_or(LIAR_PAUSE, |liar| (liar.pause * 2).min(LIAR_PAUSE_MAX));
            self.liars.insert(node, Liar { until: at + pause, pause, id, group, at });
            if self.liars.len() > LIARS_MAX {
                let first = self.liars.iter().min_by_key(|(node, liar)| (liar.until, **node));
                let first = first.map(|(node, _)| *node);
                first.and_then(|first| self.liars.remove(&first));
            }
            // Nothing that it said of any blob is believed.
            for said in self.said.values_mut() {
                said.remove(&node);
            }
            self.work.copies.all();
            let news = BlobNews::Misbehaved { peer: node, id, group };
            self.out.push_back(Output::Tell(news));
        }
        let what = format!("sent group {group} of blob {} with other bytes", id.short());
        self.blame(connection, BlameReason::Forged, &what);
    }

    /// Ends a session. What its peer owes is free to be asked of others.
    pub(super) fn blame(&mut self, connection: ConnectionNumber, reason: BlameReason, what: &str) {
        let Some(peer) = self.peers.get_mut(&connection).filter(|peer| !peer.is_blamed) else {
            return;
        };
        peer.is_blamed = true;
        let node = peer.node;
        let asks = std::mem::take(&mut peer.asks);
        peer.claims.clear();
        peer.owed.clear();
        peer.slots.clear();
        peer.short.clear();
        peer.watches.clear();
        peer.to_tell.clear();
        peer.next_tell = None;
        for (transfer, asked) in &asks {
            self.forget_ask(connection, *transfer, &asked.id);
        }
        self.has_gone();
        let error = Exchange::misbehaviour(&node, what);
        self.out.push_back(Output::Blame { connection, peer: node, reason, error });
    }

    /// A frame that is no message.
    pub(super) fn blame_malformed(&mut self, connection: ConnectionNumber, error: &Error) {
        let what = format!("sent a frame of another form: {}", error.message());
        self.blame(connection, BlameReason::Malformed, &what);
    }

    /// Whether a node is not to be asked for blobs now.
    pub(super) fn is_liar(&self, node: &NodeId) -> bool {
        self.liars.get(node).is_some_and(|liar| liar.until > self.now)
    }
}
