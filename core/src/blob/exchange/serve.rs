//! What others asked for: read in turn, a few pieces ahead of what has left.
//!
//! Rule: the pieces of a transfer leave in order, and a stop behind them.

use super::exchange::{Exchange, Job};
use super::io::{ConnectionNumber, Holdings, JobNumber, Output, ServeFault, ServeJob};
use super::peer::{Owed, Peer, Slot};
use crate::blob::limits::{OWED_GROUPS_MAX, SERVE_AHEAD_ALL_MAX};
use crate::blob::message::{BlobMessage, StopReason};
use crate::blob::size::GroupRange;
use bytes::Bytes;
use std::ops::Bound;

impl Exchange {
    /// Gives out jobs, one for each peer in turn, while there is room.
    pub(super) fn serve(&mut self, holdings: &dyn Holdings) {
        while self.served_of_all() < SERVE_AHEAD_ALL_MAX
            && let Some((connection, transfer)) = self.next_to_serve()
        {
            self.served = connection;
            self.serve_one(connection, transfer, holdings);
        }
    }

    /// Pieces that are being made for others, also of transfers and sessions that have ended since:
    /// otherwise asking and stopping in turn would make any number of jobs.
    fn served_of_all(&self) -> u32 {
        self.jobs.values().filter(|job| matches!(job, Job::Give { .. })).count() as u32
    }

    fn served_of(&self, connection: ConnectionNumber) -> usize {
        let of_it = |job: &&Job| matches!(job, Job::Give { connection: of } if *of == connection);
        self.jobs.values().filter(of_it).count()
    }

    /// The next peer, after the one that was served last, that is owed something and has room.
    fn next_to_serve(&self) -> Option<(ConnectionNumber, u64)> {
        let after = self.peers.range((Bound::Excluded(self.served), Bound::Unbounded));
        let before = self.peers.range(..=self.served);
        after.chain(before).find_map(|(connection, peer)| {
            let is_open = |owed: &Owed| !owed.is_stopped && !owed.groups.is_empty();
            let (transfer, _) = peer.owed.iter().find(|(_, owed)| is_open(owed))?;
            peer.may_serve(self.served_of(*connection)).then_some((*connection, *transfer))
        })
    }

    fn serve_one(&mut self, connection: ConnectionNumber, transfer: u64, holdings: &dyn Holdings) {
        let job = self.next_job();
        let Some(peer) = self.peers.get_mut(&connection) else { return };
        let Some(owed) = peer.owed.get_mut(&transfer) else { return };
        if !owed.is_checked {
            let refused = match holdings.held(&owed.id) {
                Ok(Some(held)) if held.size != owed.size => Some(StopReason::OtherSize),
                Ok(Some(held)) if owed.groups.iter().all(|group| held.groups.contains(group)) => {
                    None
                }
                Ok(_) => Some(StopReason::NotHeld),
                Err(_) => Some(StopReason::NoTimeNow),
            };
            if let Some(reason) = refused {
                owed.is_stopped = true;
                return self.stop_serving(connection, transfer, reason);
            }
            owed.is_checked = true;
        }
        let (id, size) = (owed.id, owed.size);
        let Some(group) = owed.groups.iter().next() else { return };
        owed.groups = GroupRange::from_numbers(group.value() + 1, owed.groups.end());
        peer.slots.push_back(Slot::Piece { transfer, job, ready: None });
        self.jobs.insert(job, Job::Give { connection });
        self.out.push_back(Output::Give(ServeJob { job, transfer, id, size, group }));
    }

    /// A job for a peer has ended.
    pub(super) fn encoded(&mut self, job: JobNumber, result: Result<Bytes, ServeFault>) {
        let Some(Job::Give { connection }) = self.jobs.remove(&job) else { return };
        self.work.serve = true;
        self.work.ship.insert(connection);
        let Some(peer) = self.peers.get_mut(&connection) else { return };
        let ours = peer.slots.iter_mut().find_map(|slot| match slot {
            Slot::Piece { transfer, job: of, ready } if *of == job => Some((*transfer, ready)),
            _ => None,
        });
        let Some((transfer, ready)) = ours else { return };
        let reason = match result {
            Ok(frame) => {
                *ready = Some(frame);
                return;
            }
            Err(ServeFault::Gone) => StopReason::NotHeld,
            Err(ServeFault::Damaged) => StopReason::Damaged,
            Err(ServeFault::OtherSize) => StopReason::OtherSize,
            Err(ServeFault::Failed(_)) => StopReason::NoTimeNow,
        };
        if let Some(owed) = peer.owed.get_mut(&transfer) {
            owed.is_stopped = true;
        }
        self.fail_serving(connection, transfer, job, reason);
    }

    /// What stands before the failed piece still leaves; nothing behind it does.
    fn fail_serving(
        &mut self,
        connection: ConnectionNumber,
        transfer: u64,
        failed: JobNumber,
        reason: StopReason,
    ) {
        let Some(peer) = self.peers.get_mut(&connection) else { return };
        peer.slots.retain(|slot| match slot {
            Slot::Piece { transfer: of, job, .. } => *of != transfer || *job < failed,
            // One that a later job left behind: it stands behind this one, so it has not left.
            Slot::Stop { transfer: of, .. } => *of != transfer,
        });
        peer.slots.push_back(Slot::Stop { transfer, reason });
    }
}

impl Peer {
    /// The next frame for the bulk lane, if it is ready; there was room before it was begun.
    pub(super) fn next_bulk(&mut self) -> Option<Bytes> {
        let (transfer, bytes, is_stop) = match self.slots.front()? {
            Slot::Piece { transfer, ready, .. } => (*transfer, ready.clone()?, false),
            // Small as they are, somebody who does not read could have us queue any number of them.
            Slot::Stop { .. } if self.unsent_frames.len() >= OWED_GROUPS_MAX as usize => {
                return None;
            }
            Slot::Stop { transfer, reason } => {
                let (transfer, reason) = (*transfer, *reason);
                let stopped = BlobMessage::Stopped { transfer, reason };
                (transfer, stopped.encode(), true)
            }
        };
        self.slots.pop_front();
        if let Some(owed) = self.owed.get_mut(&transfer) {
            owed.left = owed.left.saturating_sub(1);
            if is_stop || (owed.left == 0 && !owed.is_stopped) {
                self.owed.remove(&transfer);
            }
        }
        Some(bytes)
    }
}
