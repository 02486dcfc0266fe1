//! Events before they are durable at their author, for peers that want them early.
//!
//! Only the author sends them, and only in its own sessions, which show who it is: nothing is
//! signed that is not on its author's disk. Rule: a preview changes nothing of what either side
//! holds, knows of the other, or asks for; the same events come again as a range.
//! Source: docs/protocol.md, "Previews".

use crate::event::limits::STREAMS_PER_NODE_MAX;
use crate::event::{EventKind, Lamport, Preview, StreamEnd, StreamId};
use crate::planted;
use crate::sync::constants::PREVIEWED_STREAMS_MAX;
use crate::sync::io::{ConnectionId, Output};
use crate::sync::lane::Lane;
use crate::sync::message::Message;
use crate::sync::refusal::{Refusal, RefusalReason};
use crate::sync::session::{LENGTH_BYTES, Session};
use crate::sync::shared::Shared;
use crate::sync::streams::Streams;
use crate::sync::swarm::Swarm;
use bytes::Bytes;
use std::collections::BTreeMap;

/// What one session knows of previews.
#[derive(Debug, Default)]
pub(crate) struct Previews {
    /// The peer wants them.
    pub(crate) is_wanted: bool,
    /// What we last told the peer.
    is_told: bool,
    /// Where the peer's streams end with what it has shown.
    ends: BTreeMap<StreamId, StreamEnd>,
}

impl Swarm {
    /// The frames that show `preview`, of the stream that we write, to the peers that want it and
    /// have what comes before it. They are to be sent at once, in order with all others; nothing
    /// else comes of it.
    pub fn preview(&mut self, preview: &Preview) -> Vec<(ConnectionId, Bytes)> {
        let streams = &self.shared.streams;
        if streams.own() != preview.stream || streams.is_frozen(&preview.stream) {
            return Vec::new();
        }
        let durable = streams.get(&preview.stream).map_or(0, |state| state.durable_count());
        let mut frame: Option<Bytes> = None;
        let mut frames = Vec::new();
        for session in self.sessions.values_mut() {
            if session.is_shown_previews(&self.shared)
                && session.known.count(&preview.stream) >= durable
            {
                let encoded = || Message::Preview(preview.clone()).encode();
                let bytes = frame.get_or_insert_with(encoded).clone();
                session.credit.spend(bytes.len());
                session.note_preview(bytes.len(), self.shared.now);
                let cost = bytes.len() + LENGTH_BYTES;
                self.shared.cap.spend(Lane::Live, cost, self.shared.now);
                frames.push((session.connection, bytes));
            }
        }
        frames
    }

    /// Whether somebody here wants previews; each peer is told.
    pub(crate) fn set_live(&mut self, wanted: bool) {
        self.shared.wants_previews = wanted;
        self.ready.extend(self.sessions.keys());
    }

    /// Whether any peer wants previews now.
    pub fn wants_previews(&self) -> bool {
        self.sessions.values().any(|session| session.previews.is_wanted)
    }
}

impl Session {
    fn is_shown_previews(&self, shared: &Shared) -> bool {
        self.is_admitted()
            && self.previews.is_wanted
            && self.summary_is_complete
            && self.credit.has_for_live()
            && self.may_preview(shared)
    }

    /// Tells the peer whether we want previews, if it does not know.
    pub(crate) fn make_interest(&mut self, shared: &Shared) -> Option<Bytes> {
        let wanted = shared.wants_previews;
        let is_news = std::mem::replace(&mut self.previews.is_told, wanted) != wanted;
        is_news.then(|| Message::Live(wanted).encode())
    }

    /// Takes a preview: what goes on from what we hold, or from another preview, is passed on.
    pub(crate) fn on_preview(
        &mut self,
        preview: Preview,
        cost: usize,
        shared: &mut Shared,
    ) -> Result<(), Refusal> {
        if !self.credit.receive(cost) {
            return Err(RefusalReason::CreditExceeded.into());
        }
        let preview = Preview { stream: StreamId { node: self.peer, ..preview.stream }, ..preview };
        let after = self.end_after(&preview, shared)?;
        // It is kept by nobody who has to be waited for.
        let Some(after) = after else {
            self.credit.wasted(cost);
            return Ok(());
        };
        self.credit.shown(cost);
        if self.previews.ends.len() >= PREVIEWED_STREAMS_MAX {
            self.previews.ends.clear();
        }
        self.previews.ends.insert(preview.stream, after);
        shared.outputs.push_back(Output::Preview(preview));
        Ok(())
    }

    /// Where a stream of the peer ends with `preview`; none when that is passed over.
    fn end_after(&self, preview: &Preview, shared: &Shared) -> Result<Option<StreamEnd>, Refusal> {
        if !shared.wants_previews {
            return Ok(None);
        }
        let Some(held) = shared.streams.end_for_preview(&preview.stream) else { return Ok(None) };
        let earlier = self.previews.ends.get(&preview.stream);
        let Preview { first, before, .. } = *preview;
        let told = StreamEnd { count: first, chain: before, lamport: Lamport::ZERO };
        let believed = planted!("preview_goes_on_from_nothing").then_some(&told);
        let earlier = earlier.filter(|earlier| earlier.count > held.count);
        let bases = [Some(&held), earlier, believed];
        let mut after = None;
        for base in bases.into_iter().flatten() {
            let goes_on = preview.after(base);
            after = after
                .or(goes_on
                    .map_err(|error| Refusal::new(RefusalReason::Forged, error.message()))?);
        }
        let is_readable = preview.records.iter().all(|record| record.kind() != EventKind::TooNew);
        let limit = shared.streams.bound.limit(&preview.stream, shared.now);
        let is_taken = |after: &StreamEnd| is_readable && after.lamport.value() <= limit;
        Ok(after.filter(is_taken))
    }
}

impl Streams {
    /// Where the next event of `stream` goes that is taken; none when none is taken now.
    fn end_for_preview(&self, stream: &StreamId) -> Option<StreamEnd> {
        let is_whole = stream.number < STREAMS_PER_NODE_MAX && stream.trunk() != self.own();
        let state = self.get(stream);
        if !is_whole || (state.is_some() && !self.is_fetchable(stream)) {
            return None;
        }
        let end = state.and_then(|state| state.end.as_ref()).map(StreamEnd::from);
        Some(end.unwrap_or_else(|| StreamEnd::empty(&self.swarm(), stream)))
    }
}
