//! Streams about which there is something to say, so that nobody has to go through all of them to
//! find those.
//!
//! Invariant: each set holds just the streams of which its sentence is true.

use crate::event::StreamId;
use crate::sync::stream::StreamState;
use std::collections::BTreeSet;

/// Streams by what there is to say about them, rising.
#[derive(Debug, Default)]
pub(crate) struct Notable {
    /// They are signed for further than they are durable here.
    pub(crate) missing: BTreeSet<StreamId>,
    /// They go on in branches.
    pub(crate) sealed: BTreeSet<StreamId>,
    /// Only a later millpond understands how they go on.
    pub(crate) too_new: BTreeSet<StreamId>,
}

impl Notable {
    /// The stream has changed, or is forgotten.
    pub(crate) fn note(&mut self, stream: StreamId, state: Option<&StreamState>) {
        let is = |what: fn(&StreamState) -> bool| state.is_some_and(what);
        put(&mut self.missing, stream, is(|state| state.missing_count() > 0));
        put(&mut self.sealed, stream, is(StreamState::is_sealed));
        put(&mut self.too_new, stream, is(|state| state.is_too_new));
    }
}

fn put(set: &mut BTreeSet<StreamId>, stream: StreamId, belongs: bool) {
    if belongs {
        set.insert(stream);
    } else {
        set.remove(&stream);
    }
}
