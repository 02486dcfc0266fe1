//! What a peer said: each frame is held against its bounds, and against what we asked for.

use super::exchange::Exchange;
use super::io::{BlameReason, ConnectionNumber, PieceJob, ProviderState};
use super::peer::{Claim, Owed, Slot};
use crate::blob::id::BlobId;
use crate::blob::limits::{
    ANSWERS_PER_PEER_MAX, HAVE_DELAY, OWED_GROUPS_MAX, PIECE_BYTES_MAX, UNREAD_MAX,
    WATCHES_PER_PEER_MAX,
};
use crate::blob::message::{
    Ask, BlobMessage, Find, Have, Holding, KeepWord, PieceFrame, StopReason,
};
use crate::blob::size::GroupRange;
use bytes::Bytes;

impl Exchange {
    pub(super) fn frame(&mut self, connection: ConnectionNumber, bulk: bool, bytes: Bytes) {
        if self.peers.get(&connection).is_none_or(|peer| peer.is_blamed) {
            return;
        }
        if bytes.len() > PIECE_BYTES_MAX {
            let what = format!("sent a frame of {} bytes", bytes.len());
            return self.blame(connection, BlameReason::Malformed, &what);
        }
        let message = match BlobMessage::decode(&bytes) {
            Ok(Some(message)) => message,
            Ok(None) => return,
            Err(error) => return self.blame_malformed(connection, &error),
        };
        let is_bulk = matches!(message, BlobMessage::Piece(_) | BlobMessage::Stopped { .. });
        if is_bulk != bulk {
            return self.unexpected(connection, "sent a message on the wrong channel");
        }
        match message {
            BlobMessage::Find(finds) => self.find_came(connection, &finds),
            BlobMessage::Have(all) => all.into_iter().for_each(|have| self.have(connection, have)),
            BlobMessage::Ask(ask) => self.ask_came(connection, ask),
            BlobMessage::Piece(frame) => self.piece(connection, frame),
            BlobMessage::Stop { transfer } => self.stop_came(connection, transfer),
            BlobMessage::Stopped { transfer, reason } => {
                self.stopped(connection, transfer, reason);
            }
            BlobMessage::Keep(all) => {
                all.into_iter().for_each(|(id, word)| self.keep_came(connection, id, word));
            }
        }
    }

    fn unexpected(&mut self, connection: ConnectionNumber, what: &str) {
        self.blame(connection, BlameReason::Unexpected, what);
    }

    fn find_came(&mut self, connection: ConnectionNumber, finds: &[Find]) {
        let at = self.now + HAVE_DELAY;
        let Some(peer) = self.peers.get_mut(&connection) else { return };
        for find in finds {
            if !find.watch {
                peer.watches.remove(&find.id);
            } else if peer.watches.len() < WATCHES_PER_PEER_MAX {
                peer.watches.entry(find.id).or_insert(None);
            }
            if peer.to_tell.len() < ANSWERS_PER_PEER_MAX || peer.to_tell.contains_key(&find.id) {
                peer.tell_at(find.id, at);
            }
        }
    }

    /// What a peer has of a blob that we asked it about; of any other it is ignored.
    fn have(&mut self, connection: ConnectionNumber, have: Have) {
        let Some(peer) = self.peers.get_mut(&connection).filter(|peer| !peer.is_blamed) else {
            return;
        };
        let Some(found) = peer.found.get_mut(&have.id) else { return };
        if !std::mem::replace(&mut found.is_answered, true) {
            peer.unanswered = peer.unanswered.saturating_sub(1);
            // Half at a time: each look at what to ask about next costs as much as there is of it.
            let is_low = peer.unanswered <= ANSWERS_PER_PEER_MAX / 2;
            self.is_curious |= is_low && std::mem::take(&mut peer.is_behind);
        }
        let node = peer.node;
        let claim = match &have.holding {
            Holding::Nothing => None,
            Holding::Part { size, spans } => {
                Some(Claim { size: *size, spans: Some(spans.clone()) })
            }
            Holding::Whole { size } => Some(Claim { size: *size, spans: None }),
        };
        if peer.claims.get(&have.id) != claim.as_ref() {
            match claim {
                Some(claim) => drop(peer.claims.insert(have.id, claim)),
                None => drop(peer.claims.remove(&have.id)),
            }
            self.work.blobs.one(have.id);
        }
        self.has_said(node, &have);
    }

    fn ask_came(&mut self, connection: ConnectionNumber, ask: Ask) {
        let Some(peer) = self.peers.get_mut(&connection) else { return };
        let Ask { transfer, id, size, groups } = ask;
        if peer.last_owed.is_some_and(|last| transfer <= last) {
            return self.unexpected(connection, "asked with a number that it had used");
        }
        peer.last_owed = Some(transfer);
        if peer.owed_groups() + groups.count() > OWED_GROUPS_MAX {
            let what = format!("asked for more than {OWED_GROUPS_MAX} groups at a time");
            return self.unexpected(connection, &what);
        }
        let left = groups.count();
        let owed = Owed { id, size, groups, left, is_checked: false, is_stopped: false };
        peer.owed.insert(transfer, owed);
        self.work.serve = true;
    }

    fn piece(&mut self, connection: ConnectionNumber, frame: PieceFrame) {
        let PieceFrame { transfer, group, piece } = frame;
        let now = self.now;
        let Some(peer) = self.peers.get_mut(&connection) else { return };
        let Some(asked) = peer.asks.get_mut(&transfer) else {
            return self.unexpected(connection, "sent a group that nobody asked for");
        };
        if asked.groups.first() != group.value() {
            return self.unexpected(connection, "sent another group than the next one");
        }
        if piece.len() != asked.size.piece_bytes(group) {
            let what = "sent a group of another length than its size says";
            return self.blame(connection, BlameReason::Malformed, what);
        }
        let (id, size, is_stopped) = (asked.id, asked.size, asked.is_stopped);
        asked.groups = GroupRange::from_numbers(group.value() + 1, asked.groups.end());
        peer.bulk_heard = Some(now);
        if asked.groups.is_empty() {
            peer.asks.remove(&transfer);
        }
        let ours = (connection, transfer);
        // It may be asked for more, and another peer for what of this one is dropped.
        self.work.blobs.all();
        let Some(want) = self.wants.get_mut(&id) else { return };
        let probe = want.probes.get(&size) == Some(&ours);
        if probe {
            want.probes.remove(&size);
        }
        let of_ours = want.size() == Some(size);
        let mut twice = Vec::new();
        if of_ours && let Some(mut all) = want.asked.remove(&group.value()) {
            all.retain(|one| *one != ours);
            twice = all;
        }
        let is_held = || want.held.as_ref().is_some_and(|(_, held)| held.contains(group));
        let is_known = want.verifying.contains_key(&(size, group.value()))
            || of_ours && is_held()
            || !of_ours && want.is_proven;
        // What was taken back, or came from another peer first, is not even opened.
        if is_stopped || is_known || !(of_ours || probe) {
            return;
        }
        for (other, transfer) in twice {
            self.stop_if_done(other, transfer, &id);
        }
        let job = self.next_job();
        self.take_piece(connection, PieceJob { job, id, size, group, piece });
    }

    /// Who asked says that it wants nothing more: what has not left is not sent.
    fn stop_came(&mut self, connection: ConnectionNumber, transfer: u64) {
        let Some(peer) = self.peers.get_mut(&connection) else { return };
        if let Some(owed) = peer.owed.get_mut(&transfer)
            && !owed.is_stopped
        {
            owed.is_stopped = true;
            self.stop_serving(connection, transfer, StopReason::AsYouSaid);
        }
    }

    /// Nothing more of a transfer comes.
    fn stopped(&mut self, connection: ConnectionNumber, transfer: u64, reason: StopReason) {
        let now = self.now;
        let Some(peer) = self.peers.get_mut(&connection) else { return };
        let Some(asked) = peer.asks.remove(&transfer) else {
            return self.unexpected(connection, "stopped what nobody asked for");
        };
        if reason == StopReason::AsYouSaid && !asked.is_stopped {
            return self.unexpected(connection, "stopped as we said, and we had not");
        }
        let node = peer.node;
        peer.bulk_heard = Some(now);
        if reason != StopReason::AsYouSaid {
            peer.pause(asked.id, now);
        }
        match reason {
            // It said that it had it, and has to say so anew.
            StopReason::NotHeld | StopReason::OtherSize => {
                peer.claims.remove(&asked.id);
                self.unsay(&asked.id, &node, ProviderState::Nothing);
            }
            StopReason::Damaged => self.unsay(&asked.id, &node, ProviderState::Part),
            StopReason::AsYouSaid | StopReason::NoTimeNow | StopReason::Other(_) => {}
        }
        self.work.blobs.all();
        self.forget_ask(connection, transfer, &asked.id);
    }

    fn keep_came(&mut self, connection: ConnectionNumber, id: BlobId, word: KeepWord) {
        match word {
            KeepWord::Please => {
                let waiting = self.peers.get(&connection).map_or(0, |peer| peer.short.len());
                if waiting < UNREAD_MAX && self.keep_asked.len() < ANSWERS_PER_PEER_MAX {
                    self.keep_asked.push((connection, id));
                } else if waiting < 2 * UNREAD_MAX {
                    // Who does not read its answers at all gets no more of them.
                    self.say(connection, &BlobMessage::Keep(vec![(id, KeepWord::NoRoom)]));
                }
            }
            KeepWord::NoMore => self.keep_no_more(&id, connection),
            KeepWord::Other(_) => {}
            answer => self.keep_answered(connection, id, answer),
        }
    }

    /// A transfer whose pieces are not sent any more: nothing of it leaves but a stop. Its jobs
    /// count until they are done.
    pub(super) fn stop_serving(
        &mut self,
        connection: ConnectionNumber,
        transfer: u64,
        reason: StopReason,
    ) {
        let Some(peer) = self.peers.get_mut(&connection) else { return };
        let of_it = |slot: &Slot| match slot {
            Slot::Piece { transfer: of, .. } | Slot::Stop { transfer: of, .. } => *of == transfer,
        };
        peer.slots.retain(|slot| !of_it(slot));
        peer.slots.push_back(Slot::Stop { transfer, reason });
        self.work.serve = true;
        self.work.ship.insert(connection);
    }
}
