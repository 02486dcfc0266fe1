//! The event that one fish is made of.
//!
//! Rule: of all that are known the one with the least key; an older one that arrives takes its
//! place. So all nodes end with the same.

use crate::driver::node::Node;
use crate::driver::pond::all::SEEDS;
use crate::error::Result;
use crate::event::{EventBatch, EventKey, OffsetMap};
use crate::log::Follower;
use crate::query::Query;
use std::sync::Arc;

/// Tells which event the fish is made of, and each other one that takes its place. For those that
/// make and work fish themselves; see [`Node::observe_one`].
pub struct FirstSeed {
    seeds: Follower,
    first: Option<EventKey>,
    /// The event, if it was not given yet.
    ungiven: Option<EventBatch>,
}

impl Node {
    /// Which event with the least key `seeds` selects, as far as is known.
    ///
    /// # Errors
    /// `closed`, `forked_process`.
    pub fn first_seed(&self, seeds: &Query) -> Result<FirstSeed> {
        let seeds = self.log()?.subscribe(seeds, OffsetMap::new())?;
        Ok(FirstSeed { seeds, first: None, ungiven: None })
    }
}

impl FirstSeed {
    /// The event, alone in its batch, if it is another one than was given last; none also while
    /// there is none. Never waits.
    ///
    /// # Errors
    /// `corrupt`, `storage_failed`: the log cannot be read. `closed`, `forked_process`.
    pub fn try_next(&mut self) -> Result<Option<EventBatch>> {
        loop {
            let events = self.seeds.next_batch(SEEDS)?.events;
            // What comes first in it need not have the least key.
            let keys = events.iter().map(|event| event.key()).enumerate();
            let Some((place, key)) = keys.min_by_key(|(_, key)| *key) else {
                return Ok(self.ungiven.take());
            };
            if self.first.is_none_or(|first| key < first) {
                (self.first, self.ungiven) = (Some(key), Some(events.only(place)));
            }
        }
    }

    /// Calls `callback` whenever there may be more, and when the node closes, from a thread of
    /// millpond's, and once now if so; it must not block. Replaces an earlier one.
    pub fn on_ready(&self, callback: Arc<dyn Fn() + Send + Sync>) {
        self.seeds.on_ready(callback);
    }
}
