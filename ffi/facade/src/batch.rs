//! Events on their way out: one crossing per batch, then plain looks into it.

use crate::defaults::{SPARE_BATCHES_MAX, SPARE_BYTES_MAX};
use crate::entry::lock;
use crate::errors::{FacadeError, Result};
use crate::offsets::Offsets;
use crate::position::Position;
use crate::process;
use crate::puller::Item;
use millpond::event::{AppId, EventKey, StreamId, cbor};
use millpond::{Columns, Looks};
use std::mem;
use std::ops::Range;
use std::sync::{Arc, Mutex};

/// Some events, in order, with where the reader stands after them. Clones share the events.
#[derive(Clone, Debug, Default)]
pub struct EventBatch {
    held: Arc<Held>,
    /// Which of the events that are held.
    range: Range<usize>,
    is_end: bool,
    is_early: bool,
    caught_up: bool,
    lag: u64,
    position: Position,
    /// The way back in key order: what stays, if anything does.
    rewind: Option<Option<EventKey>>,
    looks: Looks,
}

#[derive(Debug, Default)]
struct Held {
    /// Shared with the fold that it is a job of.
    events: Arc<millpond::EventBatch>,
    /// The ids of the streams as texts, by the same index.
    streams: Vec<String>,
    /// Its memory is kept for the next ones in the end.
    is_spared: bool,
}

/// Memory of batches of queries that nobody looks at any more, which the next ones take, of
/// whichever node and query: a worker fills them and another thread drops them, so the system would
/// give new memory for each, page by page. There is none while no node is open.
static SPARES: Mutex<Vec<millpond::EventBatch>> = Mutex::new(Vec::new());

/// Memory for a batch of a query.
pub(crate) fn spare() -> millpond::EventBatch {
    SPARES.try_lock().ok().and_then(|mut spares| spares.pop()).unwrap_or_default()
}

/// Keeps the memory of a batch for a later one, if that is worth it. Waits for nobody: in a forked
/// process whoever has the lock is gone.
pub(crate) fn keep(events: millpond::EventBatch) {
    let (spare, memory) = events.emptied();
    if memory == 0 || memory > SPARE_BYTES_MAX {
        return;
    }
    let Ok(mut spares) = SPARES.try_lock() else { return };
    // Asked under the lock: who closes the last node clears them after that.
    if spares.len() < SPARE_BATCHES_MAX && process::is_at_home() {
        spares.push(spare);
    }
}

/// The last node was closed: nothing is kept.
pub(crate) fn clear_spares() {
    let spares = mem::take(&mut *lock(&SPARES));
    drop(spares);
}

impl Drop for Held {
    fn drop(&mut self) {
        if self.is_spared
            && let Some(events) = Arc::into_inner(mem::take(&mut self.events))
        {
            keep(events);
        }
    }
}

/// One event of a batch.
#[derive(Clone, Copy, Debug)]
pub struct EventView<'a> {
    event: millpond::EventView<'a>,
    stream: &'a str,
    columns: Columns,
}

/// How much of an event lies in [`EventBatch::bytes`]; nothing of columns that were left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EventSizes {
    /// Number of its tags.
    pub tags: usize,
    /// Bytes of its tags, each with its varint length.
    pub tags_bytes: usize,
    /// Bytes of its payload.
    pub payload_bytes: usize,
}

impl EventBatch {
    /// Some events of a subscription.
    pub(crate) fn new(
        events: millpond::EventBatch,
        caught_up: bool,
        lag: u64,
        position: Position,
    ) -> EventBatch {
        let batch = EventBatch::of(events.into(), position, false);
        EventBatch { caught_up, lag, ..batch }
    }

    /// The events of a job of a fold.
    pub(crate) fn of_job(events: Arc<millpond::EventBatch>) -> EventBatch {
        EventBatch::of(events, Position::default(), false)
    }

    /// The way back of a subscription in key order: what was delivered behind `to` comes again.
    pub(crate) fn rewind(to: Option<EventKey>, lag: u64, position: Position) -> EventBatch {
        EventBatch { rewind: Some(to), lag, position, ..EventBatch::default() }
    }

    /// Some events of a query.
    pub(crate) fn of_query(events: millpond::EventBatch, position: Offsets) -> EventBatch {
        EventBatch::of(events.into(), position.into(), true)
    }

    fn of(events: Arc<millpond::EventBatch>, position: Position, is_spared: bool) -> EventBatch {
        let streams = events.streams().iter().map(StreamId::to_string).collect();
        let range = 0..events.len();
        let held = Arc::new(Held { events, streams, is_spared });
        EventBatch { held, range, position, ..EventBatch::default() }
    }

    /// The same, read by a query that had looked at this much then.
    pub(crate) fn with_looks(self, looks: Looks) -> EventBatch {
        EventBatch { looks, ..self }
    }

    /// The same, before it is on this node's disk.
    pub(crate) fn not_durable(self) -> EventBatch {
        EventBatch { is_early: true, ..self }
    }

    /// The batch that says that nothing will follow.
    pub(crate) fn end(position: Position) -> EventBatch {
        EventBatch { is_end: true, position, ..EventBatch::default() }
    }

    /// Keeps the first `count` events and returns the others. Only for a query's answer, whose
    /// position is the same after each of them.
    pub(crate) fn split_off(&mut self, count: usize) -> EventBatch {
        let at = (self.range.start + count).min(self.range.end);
        let rest = EventBatch { range: at..self.range.end, ..self.clone() };
        self.range.end = at;
        rest
    }

    /// Number of events.
    pub fn len(&self) -> usize {
        self.range.len()
    }

    /// True when there is no event in it.
    pub fn is_empty(&self) -> bool {
        self.range.is_empty()
    }

    /// True when nothing will follow, and no event is in it: the query is answered, or the
    /// subscription or its node was closed.
    pub fn is_end(&self) -> bool {
        self.is_end
    }

    /// False when a live subscription was given these events before they were on this node's disk:
    /// then its position does not count them, and a power cut may take them back.
    pub fn is_durable(&self) -> bool {
        !self.is_early
    }

    /// True when a subscription has passed everything that was there. Always false for a query.
    pub fn caught_up(&self) -> bool {
        self.caught_up
    }

    /// Events of the log that the subscription had not passed yet, matching or not. 0 for a query.
    pub fn lag(&self) -> u64 {
        self.lag
    }

    /// True when events of a subscription in key order came late: whatever was delivered behind
    /// [`EventBatch::rewind_to`] is to be forgotten, and comes again in order with them. There is
    /// no event in it.
    pub fn is_rewind(&self) -> bool {
        self.rewind.is_some()
    }

    /// Of a rewind: the key of the last event that stays, `<lamport>/<stream id>`; `None` when none
    /// does.
    pub fn rewind_to(&self) -> Option<String> {
        self.rewind.flatten().map(|key| key.to_string())
    }

    /// Which events of the log a subscription has looked at after this batch; in arrival order
    /// another one can begin there. For a query: the offset map that it is answered at.
    pub fn position(&self) -> &Offsets {
        self.position.offsets()
    }

    /// Where another subscription of the same order can begin: the text form of a [`Position`].
    pub fn position_text(&self) -> String {
        self.position.to_string()
    }

    pub(crate) fn place(&self) -> &Position {
        &self.position
    }

    /// What its query had looked at when it was read, for [`crate::NodeHandle::explain_start`].
    /// Nothing for a subscription.
    pub fn looks(&self) -> Looks {
        self.looks
    }

    /// What was decoded of its events; reading another part of one is refused.
    pub fn columns(&self) -> Columns {
        self.held.events.columns()
    }

    /// The distinct stream ids of its events; there may be others beside them.
    pub fn streams(&self) -> &[String] {
        &self.held.streams
    }

    /// The distinct app ids of its events; there may be others beside them.
    pub fn app_ids(&self) -> impl ExactSizeIterator<Item = &str> {
        self.held.events.app_ids().iter().map(AppId::as_str)
    }

    /// Bytes that it holds in memory for tags and payloads.
    pub fn byte_count(&self) -> usize {
        self.held.events.byte_count()
    }

    /// The tags and payloads of its events, one after the other: of each first what
    /// [`EventView::tags_bytes`] gives, then its payload, as far as its columns go.
    pub fn bytes(&self) -> &[u8] {
        self.held.events.bytes_of(self.range.clone())
    }

    /// One event; `None` past the last.
    pub fn get(&self, index: usize) -> Option<EventView<'_>> {
        let index = self.range.clone().nth(index)?;
        self.held.events.get(index).map(|event| self.view(event))
    }

    /// The events, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = EventView<'_>> {
        let (first, count) = (self.range.start, self.range.len());
        self.held.events.iter().skip(first).take(count).map(|event| self.view(event))
    }

    fn view<'a>(&'a self, event: millpond::EventView<'a>) -> EventView<'a> {
        let (stream, columns) = (&self.held.streams[event.stream_index()], self.columns());
        EventView { event, stream, columns }
    }
}

impl Item for EventBatch {
    fn end(position: Position) -> EventBatch {
        EventBatch::end(position)
    }

    fn is_end(&self) -> bool {
        EventBatch::is_end(self)
    }

    fn position(&self) -> Option<&Position> {
        Some(self.place())
    }

    fn count(&self) -> usize {
        self.len()
    }

    fn byte_count(&self) -> usize {
        EventBatch::byte_count(self)
    }

    fn split_off(&mut self, count: usize) -> Option<EventBatch> {
        Some(EventBatch::split_off(self, count))
    }
}

impl<'a> EventView<'a> {
    /// Logical time: orders first.
    pub fn lamport(&self) -> u64 {
        self.event.lamport().value()
    }

    /// Index of its stream in [`EventBatch::streams`].
    pub fn stream_index(&self) -> usize {
        self.event.stream_index()
    }

    /// Its stream's id.
    pub fn stream(&self) -> &'a str {
        self.stream
    }

    /// Its place in the one order: `<lamport>/<stream id>`.
    pub fn key(&self) -> String {
        format!("{}/{}", self.lamport(), self.stream)
    }

    /// Its position in its stream.
    pub fn offset(&self) -> u64 {
        self.event.offset().value()
    }

    /// The author's wall clock, µs since 1970 UTC: a claim.
    pub fn time_micros(&self) -> i64 {
        self.event.time().micros()
    }

    /// Index of its app id in [`EventBatch::app_ids`].
    pub fn app_id_index(&self) -> usize {
        self.event.app_id_index()
    }

    /// The application that published it.
    pub fn app_id(&self) -> &'a str {
        self.event.app_id()
    }

    /// How much of it lies in [`EventBatch::bytes`].
    pub fn sizes(&self) -> EventSizes {
        let mut sizes = EventSizes::default();
        if self.columns.tags {
            sizes.tags = self.event.tags().len();
            sizes.tags_bytes = self.event.tags_bytes().len();
        }
        if self.columns.payload {
            sizes.payload_bytes = self.event.payload_bytes().len();
        }
        sizes
    }

    /// Its tags, rising.
    ///
    /// # Errors
    /// `invalid_argument`: the query left them out.
    pub fn tags(&self) -> Result<impl ExactSizeIterator<Item = &'a str> + use<'a>> {
        check(self.columns.tags, "tags")?;
        Ok(self.event.tags())
    }

    /// The same tags as bytes: for each a varint length, then UTF-8.
    ///
    /// # Errors
    /// As [`EventView::tags`].
    pub fn tags_bytes(&self) -> Result<&'a [u8]> {
        check(self.columns.tags, "tags")?;
        Ok(self.event.tags_bytes())
    }

    /// Its payload: one CBOR value.
    ///
    /// # Errors
    /// `invalid_argument`: the query left it out.
    pub fn payload(&self) -> Result<&'a [u8]> {
        check(self.columns.payload, "payload")?;
        Ok(self.event.payload_bytes())
    }

    /// A reader over its payload.
    ///
    /// # Errors
    /// As [`EventView::payload`].
    pub fn payload_reader(&self) -> Result<cbor::Reader<'a>> {
        self.payload().map(cbor::Reader::new)
    }
}

/// That a column can be read, so that an absent one is never taken for an empty one.
fn check(is_there: bool, column: &str) -> Result<()> {
    if is_there {
        return Ok(());
    }
    let message = format!(
        "the query's option `columns` leaves {column} out; name {column:?} in it, or leave the \
         option out"
    );
    Err(FacadeError::invalid(message).with_reason("column_left_out"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Draft, NodeHandle, OpenOptions, PublishOptions, QueryOptions, Wait};
    use std::sync::mpsc;
    use std::thread;
    use std::time::{Duration, Instant};

    /// The memory that is kept is one for all of these tests.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

    /// What takes longer hangs, also on a busy machine.
    const SOON: Duration = Duration::from_secs(120);

    fn open(folder: &tempfile::TempDir) -> NodeHandle {
        let options = OpenOptions {
            path: folder.path().join("store"),
            app_id: "batch-test".into(),
            swarm: Some("07".repeat(32)),
            network: Some(false),
            ..OpenOptions::default()
        };
        NodeHandle::open(options, &Wait::forever()).unwrap()
    }

    fn publish(node: NodeHandle, tag: &str, bytes: usize) {
        let payload = format!("\"{}\"", "x".repeat(bytes));
        for _ in 0..20 {
            let draft = Draft::from_json([tag], &payload).unwrap();
            node.publish(vec![draft], PublishOptions::default(), &Wait::forever()).unwrap();
        }
    }

    /// Reads an answer to its end, with each batch dropped before the next one.
    fn read(node: NodeHandle, tag: &str) {
        let cursor = node
            .query(&format!("FROM '{tag}'"), QueryOptions::default(), &Wait::forever())
            .unwrap();
        while !cursor.next_batch(None, &Wait::forever()).unwrap().is_end() {}
        cursor.close().unwrap();
    }

    /// The memory that is kept, taken from there.
    fn take_kept() -> Vec<usize> {
        let spares = mem::take(&mut *lock(&SPARES));
        spares.into_iter().map(|spare| spare.emptied().1).collect()
    }

    #[test]
    fn memory_of_batches_is_kept_up_to_its_bound_and_only_while_a_node_is_open() {
        let _alone = lock(&ONE_AT_A_TIME);
        let folder = tempfile::tempdir().unwrap();
        let node = open(&folder);
        publish(node, "small", 10_000);
        publish(node, "large", 1_000_000);
        drop(take_kept());
        read(node, "small");
        let kept = take_kept();
        assert!(kept.iter().any(|memory| *memory >= 200_000), "{kept:?}");
        for tag in ["large", "nothing"].repeat(2 * SPARE_BATCHES_MAX) {
            read(node, tag);
        }
        let kept = take_kept();
        let is_within = |memory: &usize| (1..=SPARE_BYTES_MAX).contains(memory);
        assert!(kept.iter().all(is_within), "{kept:?}");
        for _ in 0..2 * SPARE_BATCHES_MAX {
            read(node, "small");
        }
        assert!((1..=SPARE_BATCHES_MAX).contains(&lock(&SPARES).len()));
        let late = node.query("FROM 'small'", QueryOptions::default(), &Wait::forever()).unwrap();
        let late = late.next_batch(None, &Wait::forever()).unwrap();
        node.close(&Wait::forever()).unwrap();
        drop(late);
        // Another test may have a node open for a moment.
        let until = Instant::now() + SOON;
        while !lock(&SPARES).is_empty() {
            assert!(Instant::now() < until, "memory is kept without a node");
            thread::yield_now();
        }
    }

    #[test]
    fn who_drops_a_batch_waits_for_nobody_else_who_does() {
        let _alone = lock(&ONE_AT_A_TIME);
        let folder = tempfile::tempdir().unwrap();
        let node = open(&folder);
        publish(node, "small", 10);
        let cursor = node.query("FROM 'small'", QueryOptions::default(), &Wait::forever()).unwrap();
        let batch = cursor.next_batch(None, &Wait::forever()).unwrap();
        let (say, said) = mpsc::channel();
        let held = lock(&SPARES);
        thread::spawn(move || {
            drop(batch);
            drop(spare());
            say.send(()).unwrap();
        });
        let ended = said.recv_timeout(SOON);
        drop(held);
        ended.expect("it waits for the lock, which nobody gives back in a forked process");
        node.close(&Wait::forever()).unwrap();
    }
}
