//! What decisions rest on, folded in key order.

use crate::event::{EventKey, Offset};
use crate::pond::Lineage;
use crate::pond::claim::{ClaimFold, DoingFold};
use crate::pond::escrow::AccountFold;
use std::sync::Arc;

/// What is folded.
pub(crate) trait Folded: Clone {
    /// Of no events, in a log with these forks and streams.
    fn begin(&self, lineage: Arc<Lineage>) -> Self;
    /// Goes on by an event with a key above all before.
    fn apply(&mut self, key: EventKey, offset: Offset, payload: &[u8]);
    /// Learns of streams; the forks are those that it began with.
    fn meet(&mut self, lineage: &Arc<Lineage>);
    /// The greatest key so far.
    fn last(&self) -> Option<EventKey>;
}

impl Folded for AccountFold {
    fn begin(&self, lineage: Arc<Lineage>) -> AccountFold {
        AccountFold::new(self.name().clone(), lineage)
    }

    fn apply(&mut self, key: EventKey, offset: Offset, payload: &[u8]) {
        AccountFold::apply(self, key, offset, payload);
    }

    fn meet(&mut self, lineage: &Arc<Lineage>) {
        AccountFold::meet(self, lineage);
    }

    fn last(&self) -> Option<EventKey> {
        AccountFold::last(self)
    }
}

impl Folded for ClaimFold {
    fn begin(&self, lineage: Arc<Lineage>) -> ClaimFold {
        ClaimFold::new(self.what().clone(), lineage)
    }

    fn apply(&mut self, key: EventKey, offset: Offset, payload: &[u8]) {
        ClaimFold::apply(self, key, offset, payload);
    }

    fn meet(&mut self, lineage: &Arc<Lineage>) {
        ClaimFold::meet(self, lineage);
    }

    fn last(&self) -> Option<EventKey> {
        ClaimFold::last(self)
    }
}

impl Folded for DoingFold {
    fn begin(&self, _lineage: Arc<Lineage>) -> DoingFold {
        DoingFold::new()
    }

    fn apply(&mut self, key: EventKey, _offset: Offset, payload: &[u8]) {
        DoingFold::apply(self, key, payload);
    }

    fn meet(&mut self, _lineage: &Arc<Lineage>) {}

    fn last(&self) -> Option<EventKey> {
        DoingFold::last(self)
    }
}
