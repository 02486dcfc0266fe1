//! Events that are verified and not durable here yet, for subscribers who want them at once.
//!
//! Not here: what one subscriber has seen (`shown`). Nothing of it is stored, counted as held, or
//! given to anybody but live subscribers. Rule: a stream's events here are consecutive and begin at
//! or before what is durable of it; later word about an offset replaces earlier word, with all that
//! came behind it. What does not fit the bound is left out: it is delivered once it is durable.
//! Begin with [`Live::offer`].

use super::disk::lock;
use super::watch::Signal;
use crate::event::{Lamport, OffsetMap, Preview, Record, StreamId};
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

/// Most bytes of events that are kept here, roughly.
pub(crate) const LIVE_BYTES_MAX: usize = 4 << 20;
/// Most bytes of them that one peer has shown: nobody may fill the place of all with events that
/// never become durable.
#[cfg(feature = "net")]
const PEER_BYTES_MAX: usize = LIVE_BYTES_MAX / 4;
/// What a record costs beside its bytes, roughly.
const RECORD_OVERHEAD_BYTES: usize = 64;

/// Told when the first live subscriber came, and when the last one went: `is_wanted` says which.
pub(crate) type InterestHook = Arc<dyn Fn() + Send + Sync>;

/// Told of own events before they are signed and written. It must be quick, may send, and must not
/// call the log.
pub(crate) type PreviewHook = Arc<dyn Fn(Preview) + Send + Sync>;

/// What is known beyond what is durable, while somebody wants it.
#[derive(Default)]
pub(crate) struct Live {
    /// Raised when live subscribers may have something to pull.
    pub(crate) signal: Signal,
    subscribers: AtomicUsize,
    /// The largest lamport of all that was ever offered. Own events do not count: each that the
    /// disk refuses would drive it up, and ours with it.
    lamport: AtomicU64,
    held: Mutex<Held>,
    hooks: Mutex<Vec<InterestHook>>,
    /// Peers want own events early.
    is_watched: AtomicBool,
    preview_hooks: Mutex<Vec<PreviewHook>>,
}

/// The events, by stream.
#[derive(Default)]
pub(crate) struct Held {
    pub(crate) streams: BTreeMap<StreamId, Ahead>,
    bytes: usize,
    /// Counts replacements, and streams that are begun.
    revisions: u64,
    /// Counts offers.
    offers: u64,
}

/// Consecutive events of one stream.
pub(crate) struct Ahead {
    /// Offset of the first.
    pub(crate) first: u64,
    pub(crate) records: VecDeque<Record>,
    /// What they cost.
    bytes: usize,
    /// Another one when what was here is here no more.
    pub(crate) revision: u64,
    /// When something last came, in offers.
    touched: u64,
}

impl Ahead {
    /// Offset behind the last event.
    pub(crate) fn end(&self) -> u64 {
        self.first + self.records.len() as u64
    }
}

impl Live {
    /// Whether anybody wants events early.
    pub(crate) fn is_wanted(&self) -> bool {
        self.subscribers.load(Ordering::Acquire) > 0
    }

    /// A subscriber came.
    pub(crate) fn begin(&self) {
        if self.subscribers.fetch_add(1, Ordering::AcqRel) == 0 {
            self.tell();
        }
    }

    /// A subscriber went.
    pub(crate) fn end(&self) {
        if self.subscribers.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.held().clear();
            self.tell();
        }
    }

    /// Calls `hook` now and when interest has begun or ended.
    #[cfg(feature = "net")]
    pub(crate) fn on_interest(&self, hook: InterestHook) {
        lock(&self.hooks).push(hook.clone());
        hook();
    }

    /// Calls `hook` with own events while peers want them early; see `watch`.
    #[cfg(feature = "net")]
    pub(crate) fn on_preview(&self, hook: PreviewHook) {
        lock(&self.preview_hooks).push(hook);
    }

    /// Whether peers want own events early.
    #[cfg(feature = "net")]
    pub(crate) fn watch(&self, is_watched: bool) {
        self.is_watched.store(is_watched, Ordering::Release);
    }

    /// Whether anybody at all wants own events early.
    pub(crate) fn takes_own(&self) -> bool {
        self.is_wanted() || self.is_watched.load(Ordering::Acquire)
    }

    /// Shows own events to peers and to subscribers, before they are written.
    pub(crate) fn preview(&self, preview: Preview, durable: u64) {
        // What they publish then sorts after it once it is written, and may take its place if not.
        self.keep(preview.stream, preview.first, &preview.records, durable);
        let bytes: usize = preview.records.iter().map(|record| record.as_bytes().len()).sum();
        if self.is_watched.load(Ordering::Acquire) && bytes <= Preview::BYTES_MAX {
            let hooks = lock(&self.preview_hooks).clone();
            hooks.iter().for_each(|hook| hook(preview.clone()));
        }
    }

    /// Lets go of who is told.
    pub(crate) fn close(&self) {
        lock(&self.hooks).clear();
        lock(&self.preview_hooks).clear();
        self.signal.raise();
    }

    fn tell(&self) {
        let hooks = lock(&self.hooks).clone();
        hooks.iter().for_each(|hook| hook());
    }

    /// What own events are to sort after, since a subscriber may have seen it.
    pub(crate) fn lamport(&self) -> Lamport {
        Lamport::new(self.lamport.load(Ordering::Acquire)).expect("it was one before")
    }

    /// Takes verified events from offset `first` on, of a stream that is durable up to `durable`,
    /// and wakes live subscribers if any of it is new.
    #[cfg(feature = "net")]
    pub(crate) fn offer(&self, stream: StreamId, first: u64, records: &[Record], durable: u64) {
        let Some(last) = records.last().filter(|_| self.is_wanted()) else { return };
        // Before anybody sees it: what they publish then is to sort after it.
        self.lamport.fetch_max(last.lamport().value(), Ordering::AcqRel);
        self.keep(stream, first, records, durable);
    }

    /// As `offer`, of what a peer has shown of its own stream, and has not signed.
    #[cfg(feature = "net")]
    pub(crate) fn offer_shown(&self, preview: &Preview, durable: u64) {
        let bytes: usize = preview.records.iter().map(cost).sum();
        if self.held().bytes_of(&preview.stream.node) + bytes <= PEER_BYTES_MAX {
            self.offer(preview.stream, preview.first, &preview.records, durable);
        }
    }

    fn keep(&self, stream: StreamId, first: u64, records: &[Record], durable: u64) {
        if self.is_wanted() && self.held().offer(stream, first, records, durable) {
            self.signal.raise();
        }
    }

    /// Lets go of what is durable by now, and wakes live subscribers for the rest of it.
    pub(crate) fn release(&self, durable: &OffsetMap) {
        if self.is_wanted() {
            self.held().release(durable);
            self.signal.raise();
        }
    }

    /// The events. No other lock of the log may be held but the committer's.
    pub(crate) fn held(&self) -> MutexGuard<'_, Held> {
        lock(&self.held)
    }
}

impl Held {
    /// True when there is something new.
    fn offer(&mut self, stream: StreamId, first: u64, records: &[Record], durable: u64) -> bool {
        if self.streams.get(&stream).is_some_and(|ahead| ahead.end() < durable) {
            self.forget(&stream);
        }
        let (start, end) =
            self.streams.get(&stream).map_or((durable, durable), |own| (own.first, own.end()));
        let records = &records[records.len().min(start.saturating_sub(first) as usize)..];
        let first = first.max(start);
        let bytes: usize = records.iter().map(cost).sum();
        if records.is_empty() || first > end {
            return false;
        }
        let at = (first - start) as usize;
        let known = self.streams.get(&stream).into_iter().flat_map(|own| &own.records);
        let is_same = |(own, new): &(&Record, &Record)| own.as_bytes() == new.as_bytes();
        let same = known.skip(at).zip(records).take_while(is_same).count();
        if same == records.len() || !self.make_room(bytes, &stream) {
            return false;
        }
        self.offers += 1;
        let begun = Ahead { first, records: VecDeque::new(), bytes: 0, revision: 0, touched: 0 };
        let ahead = self.streams.entry(stream).or_insert(begun);
        if ahead.revision == 0 || at + same < ahead.records.len() {
            self.revisions += 1;
            ahead.revision = self.revisions;
        }
        ahead.touched = self.offers;
        let gone: usize = ahead.records.drain(at + same..).map(|record| cost(&record)).sum();
        let come: usize = records[same..].iter().map(cost).sum();
        self.bytes = self.bytes - gone + come;
        ahead.bytes = ahead.bytes - gone + come;
        ahead.records.extend(records[same..].iter().cloned());
        true
    }

    /// Forgets other streams, first those that have not moved for longest: perhaps their authors
    /// have lost what they showed. False when that is not enough.
    fn make_room(&mut self, bytes: usize, stream: &StreamId) -> bool {
        while self.bytes + bytes > LIVE_BYTES_MAX {
            let others = self.streams.iter().filter(|(own, _)| *own != stream);
            let oldest = others.min_by_key(|(_, ahead)| ahead.touched).map(|(own, _)| *own);
            let Some(oldest) = oldest else { return false };
            self.forget(&oldest);
        }
        true
    }

    fn release(&mut self, durable: &OffsetMap) {
        let bytes = &mut self.bytes;
        self.streams.retain(|stream, ahead| {
            let count = durable.count(stream).saturating_sub(ahead.first) as usize;
            let gone = ahead.records.drain(..count.min(ahead.records.len()));
            let gone: usize = gone.map(|record| cost(&record)).sum();
            *bytes -= gone;
            ahead.bytes -= gone;
            ahead.first = ahead.first.max(durable.count(stream));
            !ahead.records.is_empty()
        });
    }

    fn forget(&mut self, stream: &StreamId) {
        self.bytes -= self.streams.remove(stream).map_or(0, |gone| gone.bytes);
    }

    /// How far the streams go here.
    pub(crate) fn ends(&self) -> OffsetMap {
        let mut ends = OffsetMap::new();
        self.streams.iter().for_each(|(stream, ahead)| ends.raise(*stream, ahead.end()));
        ends
    }

    /// What the events of all streams of `node` cost.
    #[cfg(feature = "net")]
    fn bytes_of(&self, node: &crate::event::NodeId) -> usize {
        let [first, last] = [0, u64::MAX].map(|number| StreamId { node: *node, number });
        self.streams.range(first..=last).map(|(_, ahead)| ahead.bytes).sum()
    }

    fn clear(&mut self) {
        self.streams.clear();
        self.bytes = 0;
    }
}

/// What a record takes here, roughly.
pub(crate) fn cost(record: &Record) -> usize {
    record.as_bytes().len() + RECORD_OVERHEAD_BYTES
}
