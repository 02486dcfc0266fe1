//! The right to act on what a fish shows: one at a time for each fish of a node.

use crate::driver::node::{Node, PublishOptions};
use crate::driver::pond::watched::Watched;
use crate::error::Result;
use crate::event::NewEvent;
use crate::log::Appended;
use crate::pending::{Pending, pending};
use crate::pond::Emission;
use std::sync::Arc;

/// A turn: a state of the fish that has all events which turns before it have published here, and
/// the right to publish on it. Ends when it is dropped, or when what it publishes is durable.
pub struct EffectTurn {
    watched: Arc<Watched>,
    emission: Emission,
}

impl EffectTurn {
    pub(super) fn new(watched: Arc<Watched>, emission: Emission) -> EffectTurn {
        EffectTurn { watched, emission }
    }

    /// The state to act on.
    pub fn emission(&self) -> &Emission {
        &self.emission
    }

    /// Publishes what follows from the state, and ends the turn then.
    ///
    /// # Errors
    /// As [`Node::publish`]; nothing was published, and the turn has ended.
    pub fn publish(
        self,
        node: &Node,
        events: Vec<NewEvent>,
        options: PublishOptions,
    ) -> Pending<Appended> {
        let (completer, answer) = pending(None);
        node.publish(events, options).on_done(move |appended: Result<Appended>| {
            if let Ok(appended) = &appended {
                self.watched.note_effect(&appended.token());
            }
            drop(self);
            completer.complete(appended);
        });
        answer
    }
}

impl Drop for EffectTurn {
    fn drop(&mut self) {
        self.watched.end_turn();
    }
}
