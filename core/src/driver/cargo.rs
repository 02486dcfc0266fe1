//! What passes between the swarm and the exchange of blobs within one turn. Decides nothing.

use crate::blob::exchange::BlameReason;
use crate::driver::blob::{BlobRoom, BlobTurn, Errand};
use crate::driver::clock;
use crate::driver::inbox::Inbox;
use crate::driver::network::Message;
use crate::driver::turn::Turn;
use crate::log::Log;
use crate::sync::{Input, Lane, Output, RefusalReason};
use std::sync::Arc;
use std::time::Instant;

/// The exchange of a node, whose jobs answer to the loop.
pub(crate) fn blobs(log: &Log, room: Arc<BlobRoom>, inbox: &Arc<Inbox<Turn>>) -> BlobTurn {
    let answers = inbox.clone();
    BlobTurn::new(log.node_id(), room, move |input| answers.push(Message::Blob(input)))
}

/// Takes what the swarm says of cargo.
pub(crate) fn take(blobs: &mut BlobTurn, output: Output) {
    match output {
        Output::CargoOpen { connection, peer } => blobs.opened(connection, peer),
        Output::Cargo { connection, lane, bytes } => {
            blobs.frame(connection, lane == Lane::Bulk, bytes);
        }
        Output::Carried { connection, lane, bytes } => {
            blobs.shipped(connection, lane == Lane::Bulk, bytes);
        }
        Output::CargoEnd { connection, .. } => blobs.ended(connection),
        other => unreachable!("{other:?} is no cargo"),
    }
}

impl Turn {
    /// Performs outputs of both until both wait; the first of the deadlines they wait for.
    pub(crate) fn drain(&mut self) -> Option<Instant> {
        loop {
            let swarm = self.drain_swarm();
            let mut errands = Vec::new();
            let blobs = self.blobs.drain(&mut |errand| errands.push(errand));
            if errands.is_empty() {
                return swarm.into_iter().chain(blobs).min();
            }
            for errand in errands {
                self.swarm.handle(on_the_way(errand), clock::now());
            }
        }
    }
}

fn on_the_way(errand: Errand) -> Input {
    match errand {
        Errand::Ship { connection, bulk, bytes } => {
            let lane = if bulk { Lane::Bulk } else { Lane::Live };
            Input::Carry { connection, lane, bytes }
        }
        Errand::Blame { connection, reason, detail } => {
            let reason = match reason {
                BlameReason::Forged => RefusalReason::Forged,
                BlameReason::Unexpected => RefusalReason::Unexpected,
                BlameReason::Malformed => RefusalReason::Malformed,
            };
            Input::Blame { connection, reason, detail }
        }
    }
}
