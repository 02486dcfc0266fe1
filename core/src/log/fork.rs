//! Forks as the driver meets them: a stream with two histories becomes branches.

use super::disk::{ForkRequest, Forked, Request};
use super::log::Log;
use crate::error::Result;
use crate::event::{Branch, EventRange, HeldFork, StreamId};
use crate::pending::Pending;

impl Log {
    /// Takes in the other history of a stream: `branch` says where it forked, `range` has its
    /// events from the base to beyond the fork.
    ///
    /// What is held of the stream from the fork on goes on in a branch, too. The stream is sealed:
    /// what it held beyond is no longer visible there, and comes again in the branches, all at one
    /// moment. A branch that is held already is answered at once, and the range is dropped. When
    /// the own stream is sealed, the next one has a number `step` above the first that is free.
    ///
    /// Takes as long as copying the events takes; others append meanwhile. What was copied when the
    /// log closed is not copied again.
    ///
    /// # Errors
    /// In the answer. `peer_misbehaved`, reason `forged`, `gap`, `lamport_order` or `malformed`: it
    /// is not a fork of what is held. `conflict`: the stream was sealed below it meanwhile, or does
    /// not reach it. `limit_exceeded`, reason `branches_per_trunk`. `format_too_new`. `corrupt`:
    /// what is held cannot be read. Storage errors as for [`Log::append`].
    pub fn fork(&self, branch: Branch, range: EventRange, step: u64) -> Pending<Forked> {
        if let Err(error) = self.shared().check_open() {
            return Pending::ready(Err(error));
        }
        let request = Box::new(ForkRequest { branch, range, step, vain_rounds: 0, left: u64::MAX });
        self.submit(|completer| Request::Fork(request, completer))
    }

    /// All streams with two histories, with the branches that are held, by stream and offset.
    pub fn forks(&self) -> Vec<HeldFork> {
        self.shared().state().windows.forks()
    }

    /// Where the block of `stream` begins that holds the event at `offset`. `None` when that is not
    /// held.
    ///
    /// # Errors
    /// `corrupt`, `closed`, `forked_process`, `storage_failed`.
    pub fn block_start(&self, stream: &StreamId, offset: u64) -> Result<Option<u64>> {
        self.shared().check_open()?;
        self.shared().block_start(stream, offset)
    }
}
