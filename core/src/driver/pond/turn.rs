//! The right to act on what a fish shows: one at a time for each fish of a node.
//!
//! Rule: who acts waits for no other turn. An effect that ran another one on the same fish would
//! wait for itself, and two that ran one on each other's fish for each other.

use crate::driver::node::{Node, PublishOptions};
use crate::driver::pond::watched::Watched;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{NewEvent, OffsetMap};
use crate::log::Appended;
use crate::pending::{Pending, pending};
use crate::pond::Emission;
use std::cell::Cell;
use std::marker::PhantomData;
use std::sync::Arc;

/// How often a turn in a session is asked for. The session may see more while a turn is on its way,
/// and mostly the next one is asked for with that; but where it ever sees more, faster than the
/// fish follows, the last is taken: a state of all that the session had seen when that was asked
/// for.
pub const TURN_ROUNDS_MAX: u32 = 3;

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

    /// Whether the state is one of all these events, under the names that streams have now.
    pub fn covers(&self, token: &OffsetMap) -> bool {
        let mut token = token.clone();
        // A log that has closed ends the fold, too.
        drop(self.watched.log.translate(&mut token));
        self.emission.offsets.covers(&token)
    }

    /// To be held while the effect runs, where that is on this thread: asking for a turn fails here
    /// meanwhile.
    pub fn acting(&self) -> Acting {
        ACTING.with(|acting| acting.set(acting.get() + 1));
        Acting { thread: PhantomData }
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
        if let Err(error) = self.watched.log.check_process() {
            return Pending::ready(Err(error));
        }
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

/// An effect runs on this thread, as long as this lives.
pub struct Acting {
    /// It belongs to a thread.
    thread: PhantomData<*const ()>,
}

thread_local! {
    /// How many effects run on this thread, one in the other.
    static ACTING: Cell<u32> = const { Cell::new(0) };
}

impl Acting {
    /// Refuses what would wait for a turn while this thread has one.
    ///
    /// # Errors
    /// `invalid_argument`, reason `nested_effect`.
    pub fn check_none() -> Result<()> {
        if ACTING.with(Cell::get) == 0 {
            return Ok(());
        }
        let message = "an effect runs on this thread, and what it runs could wait for it; give the \
                       events to publish back, or run the other effect when this one has ended";
        Err(Error::new(ErrorKind::InvalidArgument, message).with_reason("nested_effect"))
    }
}

impl Drop for Acting {
    fn drop(&mut self) {
        let _ = self.thread;
        ACTING.with(|acting| acting.set(acting.get().saturating_sub(1)));
    }
}

impl Drop for EffectTurn {
    fn drop(&mut self) {
        self.watched.end_turn();
    }
}
