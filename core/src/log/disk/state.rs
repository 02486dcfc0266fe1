//! What is durable, as readers see it: per stream its head and the tail that LMDB lacks.
//!
//! Not here: what is being committed (`commit`). Rule: nothing enters before it is durable, and the
//! tail lets go of events only after LMDB holds them. Locks are held for moments.
//! Begin with `State::apply`.

use super::body::{Body, KeyHash, Remembered};
use super::open_terms::OpenTerms;
use super::run::{Run, range_bytes};
use super::windows::{ForkRow, Windows};
use crate::event::{EventRange, Lamport, OffsetMap, SealRule, SignedHead, StreamEnd, StreamId};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// Everything durable.
pub(crate) struct State {
    pub(crate) streams: BTreeMap<StreamId, StreamState>,
    /// How far each stream is visible. Of a branch the events below its floor are counted.
    pub(crate) durable: Arc<OffsetMap>,
    /// What of each stream is visible where that is not all of it.
    pub(crate) windows: Arc<Windows>,
    /// Rows of it that LMDB lacks, each with its journal record.
    pub(crate) new_forks: BTreeMap<StreamId, u64>,
    /// The largest lamport of all events.
    pub(crate) lamport: Lamport,
    /// The last journal record that is in here.
    pub(crate) index: u64,
    pub(crate) tail_bytes: usize,
    /// What all `open_terms` take.
    pub(crate) open_terms_bytes: usize,
    /// How often the tail has let go of events.
    pub(crate) releases: u64,
    /// Idempotency keys that LMDB lacks, each with its journal record.
    pub(crate) recent: BTreeMap<KeyHash, (Remembered, u64)>,
}

/// The full blocks of a stream in LMDB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Indexed {
    /// Number of events.
    pub(crate) count: u64,
    /// The lamport of the last of them, zero when there is none.
    pub(crate) lamport: Lamport,
}

impl Indexed {
    /// None yet.
    pub(crate) const NONE: Indexed = Indexed { count: 0, lamport: Lamport::ZERO };

    /// Those of a stream that begins there and has none yet.
    pub(crate) fn before(base: Option<StreamEnd>) -> Indexed {
        base.map_or(Indexed::NONE, |base| Indexed { count: base.count, lamport: base.lamport })
    }
}

/// One stream.
#[derive(Clone)]
pub(crate) struct StreamState {
    /// The latest head; its count is what is durable.
    pub(crate) head: SignedHead,
    /// Where a branch begins; none of another stream, which begins with its first event.
    pub(crate) base: Option<StreamEnd>,
    /// Where the open block stands at the end.
    pub(crate) seal: SealRule,
    /// What LMDB holds: number of events.
    pub(crate) stored: u64,
    /// What of it is in full blocks, which the postings have.
    pub(crate) indexed: Indexed,
    /// The terms of the rest of it, when they are known and there is room for them.
    pub(crate) open_terms: Option<Arc<OpenTerms>>,
    /// The events from `stored` on.
    pub(crate) runs: VecDeque<Arc<Run>>,
    /// Heads at ends of blocks that LMDB lacks, by count.
    pub(crate) seals: BTreeMap<u64, SignedHead>,
}

impl State {
    /// Nothing held yet; journal records up to `index` are in LMDB.
    pub(crate) fn new(index: u64) -> State {
        State {
            streams: BTreeMap::new(),
            durable: Arc::default(),
            windows: Arc::default(),
            new_forks: BTreeMap::new(),
            lamport: Lamport::ZERO,
            index,
            tail_bytes: 0,
            open_terms_bytes: 0,
            releases: 0,
            recent: BTreeMap::new(),
        }
    }

    /// Adds what one journal record says, now that it is durable.
    pub(crate) fn apply(&mut self, index: u64, body: Body) {
        assert!(index > self.index, "journal records are applied in order");
        self.index = index;
        // A branch must be known before its first events come.
        for (stream, row) in &body.forks {
            Arc::make_mut(&mut self.windows).set(*stream, row.clone());
            self.new_forks.insert(*stream, index);
        }
        for range in body.ranges {
            self.lamport = self.lamport.max(range.head.lamport);
            self.tail_bytes += range_bytes(&range);
            let (stream, count) = (range.stream(), range.head.count);
            match self.streams.get_mut(&stream) {
                Some(state) => state.extend(range),
                None => {
                    let base = self.windows.base(&stream);
                    self.streams.insert(stream, StreamState::begin(range, base));
                }
            }
            self.show(&stream, count);
        }
        for (stream, _) in &body.forks {
            let held = self.streams.get(stream).map_or(0, |held| held.head.count);
            self.show(stream, held);
        }
        for (key, remembered) in body.remembered {
            self.recent.insert(key, (remembered, index));
        }
    }

    /// Adds a stream as LMDB holds it, while opening.
    pub(crate) fn load(&mut self, head: SignedHead, seal: SealRule, indexed: Indexed) {
        let (stream, count) = (head.stream, head.count);
        self.lamport = self.lamport.max(head.lamport);
        let base = self.windows.base(&stream);
        let (runs, seals) = (VecDeque::new(), BTreeMap::new());
        let (stored, open_terms) = (count, None);
        let state = StreamState { head, base, seal, stored, indexed, open_terms, runs, seals };
        self.streams.insert(stream, state);
        self.show(&stream, count);
    }

    /// Adds what LMDB holds about forks, before the streams.
    pub(crate) fn load_forks(&mut self, rows: impl Iterator<Item = (StreamId, ForkRow)>) {
        let windows = Arc::make_mut(&mut self.windows);
        rows.for_each(|(stream, row)| windows.set(stream, row));
    }

    /// What readers see, at one moment.
    pub(crate) fn visible(&self) -> (Arc<OffsetMap>, Arc<Windows>) {
        (self.durable.clone(), self.windows.clone())
    }

    /// A stream that is not hidden altogether.
    pub(crate) fn shown(&self, stream: &StreamId) -> Option<&StreamState> {
        self.streams.get(stream).filter(|_| !self.windows.is_hidden(stream))
    }

    /// Number of visible events.
    pub(crate) fn event_count(&self) -> u128 {
        self.durable.total().saturating_sub(self.windows.hidden_events())
    }

    /// Tells readers how far a stream is visible that holds so many events.
    fn show(&mut self, stream: &StreamId, held: u64) {
        let durable = Arc::make_mut(&mut self.durable);
        match self.windows.is_empty() {
            true => durable.raise(*stream, held),
            false => durable.set(*stream, self.windows.visible(stream, held)),
        }
    }

    /// Lets go of what LMDB now holds: of `stream` the first `count` events, and of these so many
    /// in full blocks.
    pub(crate) fn release(&mut self, stream: &StreamId, count: u64, indexed: Indexed) {
        let state = self.streams.get_mut(stream).expect("a stream is never forgotten");
        assert!(count >= state.stored && count <= state.head.count, "checkpoints move forward");
        self.releases += 1;
        state.stored = count;
        state.indexed = indexed;
        let forgotten = state.open_terms.take();
        self.open_terms_bytes -= forgotten.map_or(0, |terms| terms.bytes());
        state.seals.retain(|sealed, _| *sealed > count);
        while let Some(run) = state.runs.front_mut() {
            let before = run.cost();
            if run.end() <= count {
                state.runs.pop_front();
                self.tail_bytes -= before;
                continue;
            }
            if run.first < count {
                let run = Arc::make_mut(run);
                run.drop_before(count);
                self.tail_bytes -= before - run.cost();
            }
            break;
        }
    }

    /// Keeps the terms of the events of `stream` that are stored and in no full block, while all
    /// such take no more than `bytes_max`.
    pub(crate) fn keep_open_terms(
        &mut self,
        stream: &StreamId,
        terms: Arc<OpenTerms>,
        bytes_max: usize,
    ) {
        let state = self.streams.get_mut(stream).expect("a stream is never forgotten");
        let bytes = self.open_terms_bytes + terms.bytes();
        if state.open_terms.is_none() && bytes <= bytes_max {
            self.open_terms_bytes = bytes;
            state.open_terms = Some(terms);
        }
    }
}

impl StreamState {
    fn begin(range: EventRange, base: Option<StreamEnd>) -> StreamState {
        let indexed = Indexed::before(base);
        assert_eq!(range.first, indexed.count, "a new stream begins at its first event");
        let mut state = StreamState {
            head: range.head.clone(),
            base,
            seal: SealRule::new(),
            stored: indexed.count,
            indexed,
            open_terms: None,
            runs: VecDeque::new(),
            seals: BTreeMap::new(),
        };
        state.push(range);
        state
    }

    fn extend(&mut self, range: EventRange) {
        assert_eq!(range.first, self.head.count, "a stream has no gaps");
        self.head = range.head.clone();
        self.push(range);
    }

    fn push(&mut self, range: EventRange) {
        let begins = self.seal.events() == 0;
        let mut sealed = false;
        for record in range.records() {
            assert!(!sealed, "a range ends where a block ends");
            sealed = self.seal.push(record.as_bytes().len());
        }
        if sealed {
            self.seals.insert(range.head.count, range.head.clone());
        }
        let (first, block) = (range.first, range.block().cloned());
        let records = range.into_records();
        match self.runs.back_mut().filter(|run| !run.sealed) {
            Some(run) => Arc::make_mut(run).extend(records, sealed),
            None => {
                let run = match block {
                    Some(block) => {
                        assert!(begins && sealed, "only a whole block came as one");
                        Run::of_block(first, records, block)
                    }
                    None => Run::new(first, records, begins, sealed),
                };
                self.runs.push_back(Arc::new(run));
            }
        }
    }

    /// What will be in full blocks once LMDB holds all of this.
    pub(crate) fn indexed_then(&self) -> Indexed {
        let last = self.seals.last_key_value();
        last.map_or(self.indexed, |(count, head)| Indexed { count: *count, lamport: head.lamport })
    }

    /// The offset of the first event that is held.
    pub(crate) fn first(&self) -> u64 {
        self.base.map_or(0, |base| base.count)
    }

    /// Where the next event goes.
    pub(crate) fn end(&self) -> StreamEnd {
        StreamEnd::from(&self.head)
    }

    /// The run in memory that holds `offset`, if it is in memory.
    pub(crate) fn run_at(&self, offset: u64) -> Option<&Arc<Run>> {
        let index = self.runs.partition_point(|run| run.end() <= offset);
        self.runs.get(index).filter(|run| run.first <= offset)
    }
}
