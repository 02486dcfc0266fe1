//! Answers a query in key order, newest first, or stream after stream, as lazily as it is asked.
//!
//! What is left to look at is a heap of pieces, each with the first place at which it can have
//! something: groups and segments of the postings, full blocks that the postings named, ends of
//! streams that they do not cover, and found rows. The piece whose turn it is is opened into
//! smaller ones; a found row whose turn it is is delivered, and the rows after it as long as they
//! come first.
//! So the newest ten of a million cost the last blocks only.
//! Rule: no transaction and no lock lives between two calls; held events never change, so what is
//! walked over is fixed by two offset maps. Begin with `Walk::fill`.

use super::directory::{Directory, Root};
use super::filter::Filter;
use super::groups::Bounds;
use super::postings::BlockEntry;
use super::read::{StoredBlock, missing, stored_block};
use super::shared::Shared;
use super::state::Indexed;
use super::tables::{Opened, TableResult};
use super::turn::{Piece, Place, Rows, Turn, Turns, bits_between};
use super::view::{Spare, View};
use super::views::Views;
use crate::error::{Error, Result};
use crate::event::block::FRAME_EVENTS;
use crate::event::{BatchBuilder, Lamport, NodeId, OffsetMap, StreamId};
use crate::log::explanation::Looks;
use crate::query::Order;
use heed::RoTxn;
use std::sync::Arc;

/// So many pieces are opened in one transaction at most.
const OPENED_MAX: usize = 1024;

/// A walk over selected events.
pub(crate) struct Walk {
    pub(crate) order: Order,
    /// By stream id, rising.
    pub(super) sources: Vec<Source>,
    pub(super) turns: Turns,
    /// Rises with each transaction; views of an earlier one are gone.
    epoch: u64,
    /// Of the postings, once the walk has begun.
    directory: Arc<Directory>,
    /// What was looked at so far.
    pub(crate) looks: Looks,
}

/// One stream of a walk.
pub(super) struct Source {
    pub(super) stream: StreamId,
    /// What is walked over, half-open.
    low: u64,
    pub(super) high: u64,
    /// Full blocks up to here come from the postings.
    indexed: u64,
    /// Behind the last event that was delivered, in a walk forwards.
    pub(super) delivered: u64,
}

/// How far one transaction came.
enum Progress {
    Full,
    AtEnd,
    GoOn,
}

impl Walk {
    /// A walk over the events from `lower` on and below `upper`, which are durable.
    pub(crate) fn new(
        shared: &Shared,
        filter: &Filter,
        order: Order,
        lower: &OffsetMap,
        upper: &OffsetMap,
    ) -> Walk {
        let (sources, turns, looks) = (Vec::new(), Turns::default(), Looks::default());
        let directory = Arc::default();
        let mut walk = Walk { order, sources, turns, epoch: 0, directory, looks };
        let mut indexed_any = false;
        let state = shared.state();
        for (stream, range) in upper.beyond(lower).filter(|(id, _)| filter.admits_stream(id)) {
            let held = state.streams.get(&stream);
            let indexed = held.map_or(Indexed::NONE, |held| held.indexed);
            let (low, high, delivered) = (range.start, range.end, range.start);
            indexed_any |= low < indexed.count;
            let source = walk.sources.len();
            walk.sources.push(Source { stream, low, high, indexed: indexed.count, delivered });
            let low = low.max(held.map_or(0, |held| held.first_to_look_at(filter)));
            if low < high {
                let last = held.map_or(u64::MAX, |held| held.head.lamport.value());
                walk.push_span(source, low, high, (indexed.lamport.value() + 1, last));
            }
        }
        drop(state);
        if indexed_any {
            // Which segments there are is found out with the first transaction.
            walk.push(walk.first_place(), Piece::Postings);
        }
        walk
    }

    /// Appends the next events: up to `count_max` in all, fewer when they are large; none at the
    /// end.
    ///
    /// # Errors
    /// `corrupt`, naming stream and offset: the walk stands before the damaged block.
    pub(crate) fn fill(
        &mut self,
        shared: &Shared,
        filter: &Filter,
        count_max: usize,
        batch: &mut BatchBuilder,
    ) -> Result<()> {
        self.run(shared, filter, Some(count_max), batch)
    }

    /// As `fill`; without a number it ends when the next match is found.
    pub(super) fn run(
        &mut self,
        shared: &Shared,
        filter: &Filter,
        count_max: Option<usize>,
        batch: &mut BatchBuilder,
    ) -> Result<()> {
        loop {
            self.epoch += 1;
            // Asked before the transaction begins: what left the tail until then it can see.
            let releases = shared.state().releases;
            let progress = shared.tables.read(|opened, transaction| {
                let views = Views::new();
                let (walk, is_stale) = (&mut *self, false);
                let mut step =
                    Step { walk, shared, filter, opened, transaction, views, releases, is_stale };
                step.work(count_max, batch)
            })?;
            if !matches!(progress, Progress::GoOn) {
                return Ok(());
            }
        }
    }

    /// The source that a block of the postings belongs to, if it is walked over.
    pub(super) fn wants(&self, block: &BlockEntry) -> Option<usize> {
        let source = self.sources.binary_search_by(|own| own.stream.cmp(&block.stream)).ok()?;
        let own = &self.sources[source];
        let end = block.first + u64::from(block.summary.count);
        // Newer ones belong to a span that was pushed at the start.
        let wanted = block.first < own.indexed && end > own.low && block.first < own.high;
        wanted.then_some(source)
    }

    fn backwards(&self) -> bool {
        self.order == Order::Descending
    }

    /// Before every place.
    fn first_place(&self) -> Place {
        let (lamport, byte) = if self.backwards() { (u64::MAX, 0xff) } else { (0, 0) };
        let stream = StreamId { node: NodeId::from_bytes([byte; 32]), number: lamport };
        Place { lamport, stream, offset: 0 }
    }

    fn place(&self, lamport: u64, stream: StreamId, offset: u64) -> Place {
        match self.order {
            Order::Stream => Place { lamport: 0, stream, offset },
            _ => Place { lamport, stream, offset: 0 },
        }
    }

    fn push(&mut self, place: Place, piece: Piece) {
        self.turns.push(Turn { place, backwards: self.backwards(), piece });
    }

    /// Whether nothing that is left can come before this place.
    fn is_first(&self, place: &Place) -> bool {
        self.turns.peek().is_none_or(|next| match self.backwards() {
            false => *place < next.place,
            true => *place > next.place,
        })
    }

    /// Events from `low` to `high`, whose lamports are within these bounds.
    fn push_span(&mut self, source: usize, low: u64, high: u64, lamports: (u64, u64)) {
        let lamport = if self.backwards() { lamports.1 } else { lamports.0 };
        let place = self.place(lamport, self.sources[source].stream, low);
        self.push(place, Piece::Span { source, low, high });
    }
}

/// The work within one transaction.
struct Step<'w, 't, 'e> {
    walk: &'w mut Walk,
    shared: &'w Shared,
    filter: &'w Filter,
    opened: &'w Opened,
    transaction: &'t RoTxn<'e>,
    views: Views<'t>,
    /// Checkpoints that this transaction can see.
    releases: u64,
    /// A later one moved something that is wanted.
    is_stale: bool,
}

impl<'t> Step<'_, 't, '_> {
    /// Delivers up to `count_max` events; without a number looks for the next match only.
    fn work(
        &mut self,
        count_max: Option<usize>,
        batch: &mut BatchBuilder,
    ) -> TableResult<Progress> {
        while self.views.opened < OPENED_MAX && !self.is_stale {
            let is_full = match count_max {
                Some(count_max) => batch.is_full(count_max),
                None => self.walk.is_settled(),
            };
            if is_full {
                return Ok(Progress::Full);
            }
            let Some(turn) = self.walk.turns.pop() else { return Ok(Progress::AtEnd) };
            let done = match turn.piece {
                Piece::Postings => self.open_postings(),
                Piece::Root(root) => self.open_root(root),
                Piece::Block { source, first, frames } => self.open_block(source, first, frames),
                Piece::Span { source, low, high } => self.open_span(source, low, high),
                Piece::Rows(rows) => self.deliver(rows, count_max.unwrap_or(0), batch),
            };
            if let Err(error) = done {
                let named = self.name(&turn.piece, error);
                // It is met again; until then nothing is lost.
                self.walk.turns.push(turn);
                return Err(named.into());
            }
        }
        Ok(Progress::GoOn)
    }

    /// Notes damage, and says where it is.
    fn name(&self, piece: &Piece, error: Error) -> Error {
        let (source, offset) = match piece {
            Piece::Postings | Piece::Root(_) => return error,
            Piece::Block { source, first, .. } => (*source, *first),
            Piece::Span { source, low, .. } => (*source, *low),
            Piece::Rows(rows) => (rows.source, rows.offset(self.walk.backwards())),
        };
        self.shared.quarantine(&self.walk.sources[source].stream, offset, error)
    }

    /// Takes down what to ask of the postings.
    fn open_postings(&mut self) -> Result<()> {
        let directory = self.shared.directory(self.opened, self.transaction);
        self.walk.directory = directory.map_err(|error| self.shared.tables.explain(error))?;
        for (root, bounds) in &self.walk.directory.clone().roots {
            self.push_root(*root, bounds);
        }
        Ok(())
    }

    fn push_root(&mut self, root: Root, bounds: &Bounds) {
        let place = match self.walk.order {
            Order::Ascending => Place { lamport: bounds.lamports.0, ..self.walk.first_place() },
            Order::Descending => Place { lamport: bounds.lamports.1, ..self.walk.first_place() },
            Order::Stream => {
                let (stream, offset) = bounds.first;
                Place { lamport: 0, stream, offset }
            }
        };
        self.walk.push(place, Piece::Root(root));
    }

    /// Opens a group into those of its segments that may have something, a segment into blocks.
    fn open_root(&mut self, root: Root) -> Result<()> {
        self.views.opened += 1;
        let explain = |error| self.shared.tables.explain(error);
        let place = (self.opened, self.transaction);
        let Root::Segment(number) = root else {
            let directory = &self.walk.directory;
            let segments = root.segments(self.shared, self.filter, place, directory);
            for (number, bounds) in segments.map_err(explain)? {
                self.push_root(Root::Segment(number), &bounds);
            }
            return Ok(());
        };
        let found = self.shared.blocks_in(self.filter, place, number);
        let (head, blocks) = found.map_err(explain)?;
        self.walk.looks.segments += 1;
        for (at, frames) in blocks {
            let block = &head.blocks[at];
            if let Some(source) = self.walk.wants(block) {
                let lamports = block.summary.lamports;
                let lamport = if self.walk.backwards() { lamports.1 } else { lamports.0 };
                let place = self.walk.place(lamport, block.stream, block.first);
                self.walk.push(place, Piece::Block { source, first: block.first, frames });
            }
        }
        Ok(())
    }

    fn open_block(&mut self, source: usize, first: u64, frames: u16) -> Result<()> {
        let view = self.view_stored(source, first)?;
        self.walk.looks.blocks += 1;
        let own = &self.walk.sources[source];
        let (low, high) = (own.low, own.high);
        self.find(Rows::unfound(source, first, (low, high), frames, view))
    }

    /// Opens what holds the first event of a span in walking order; the rest is a span again.
    fn open_span(&mut self, source: usize, low: u64, high: u64) -> Result<()> {
        let stream = self.walk.sources[source].stream;
        let at = if self.walk.backwards() { high - 1 } else { low };
        let (run, releases) = self.shared.tail_run_and_releases(&stream, at);
        let (mut view, first, mut frames, is_tail) = match run {
            None if releases != self.releases => {
                self.is_stale = true;
                let here = self.walk.place(self.walk.first_place().lamport, stream, low);
                self.walk.push(here, Piece::Span { source, low, high });
                return Ok(());
            }
            Some(run) => {
                let (first, frames) = (run.first, self.filter.frames_of_run(&run));
                (View::tail(run), first, frames, true)
            }
            None => {
                let block = self.stored(&stream, at)?;
                self.shared.learn_open_terms(&stream, &block);
                (View::stored(block.reader, Spare::default()), block.first, u16::MAX, false)
            }
        };
        let (end, lamports) = (first + view.count() as u64, view.edges()?);
        let own = (low.max(first), high.min(end));
        frames &= view.all_frames();
        let view = (self.views.add(view), self.walk.epoch);
        self.walk.looks.blocks += 1;
        self.find(Rows { is_tail, ..Rows::unfound(source, first, own, frames, view) })?;
        match self.walk.backwards() {
            true if first > low => self.walk.push_span(source, low, first, (0, lamports.0)),
            false if end < high => self.walk.push_span(source, end, high, (lamports.1, u64::MAX)),
            _ => {}
        }
        Ok(())
    }

    /// Looks for the next frame with a match, and gives its rows their turn.
    fn find(&mut self, mut rows: Rows) -> Result<()> {
        let backwards = self.walk.backwards();
        let stream = self.walk.sources[rows.source].stream;
        rows.view = self.view_of(&rows)?;
        let view = self.views.get_mut(rows.view.0);
        rows.frames &= view.all_frames();
        while rows.frames != 0 {
            let frame = match backwards {
                false => rows.frames.trailing_zeros(),
                true => 15 - rows.frames.leading_zeros(),
            };
            rows.frames &= !(1 << frame);
            rows.frame = frame as u8;
            let start = rows.first + u64::from(frame) * FRAME_EVENTS as u64;
            let clip =
                bits_between(rows.low.saturating_sub(start), rows.high.saturating_sub(start));
            if clip == 0 {
                continue;
            }
            view.load(frame as usize)?;
            self.walk.looks.frames += 1;
            rows.rows = view.rows(self.filter, &stream)? & clip;
            if rows.rows != 0 {
                let lamport = view.lamport(rows.row(backwards))?;
                self.push_found(rows, lamport);
                return Ok(());
            }
        }
        self.views.close(rows.view.0);
        Ok(())
    }

    fn push_found(&mut self, rows: Rows, lamport: Lamport) {
        let stream = self.walk.sources[rows.source].stream;
        let offset = rows.offset(self.walk.backwards());
        let place = self.walk.place(lamport.value(), stream, offset);
        self.walk.push(place, Piece::Rows(rows));
    }

    /// Delivers rows as long as it is their turn; without found ones looks for more.
    fn deliver(
        &mut self,
        mut rows: Rows,
        count_max: usize,
        batch: &mut BatchBuilder,
    ) -> Result<()> {
        let backwards = self.walk.backwards();
        if rows.is_tail && rows.view.1 != self.walk.epoch {
            // The tail may have moved since; what is left of these is looked up again.
            let (low, high) = rows.left(backwards);
            return if low < high { self.open_span(rows.source, low, high) } else { Ok(()) };
        }
        if rows.rows == 0 {
            return self.find(rows);
        }
        rows.view = self.view_of(&rows)?;
        let done = self.deliver_found(rows, count_max, batch);
        self.views.weigh(rows.view.0);
        done
    }

    /// Delivers found rows of an open view as long as it is their turn.
    fn deliver_found(
        &mut self,
        mut rows: Rows,
        count_max: usize,
        batch: &mut BatchBuilder,
    ) -> Result<()> {
        let backwards = self.walk.backwards();
        let stream = self.walk.sources[rows.source].stream;
        let most = if self.views.may_grow() { FRAME_EVENTS } else { 0 };
        let view = self.views.get_mut(rows.view.0);
        view.load(usize::from(rows.frame))?;
        let mut any = false;
        loop {
            let (row, offset) = (rows.row(backwards), rows.offset(backwards));
            let wanted = (rows.rows.count_ones() as usize).min(most);
            let wanted = wanted.min(count_max.saturating_sub(batch.len()));
            match view.deliver(row, wanted, &stream, offset, batch) {
                Ok(()) => {}
                // What was delivered stays delivered; the next turn meets the error.
                Err(_) if any => return self.again(rows),
                Err(error) => return Err(error),
            }
            any = true;
            self.walk.looks.events += 1;
            if !backwards {
                self.walk.sources[rows.source].delivered = offset + 1;
            }
            rows.rows &= !(1 << row);
            if rows.rows == 0 {
                // The next ones come after this one: a place that is early enough.
                let lamport = view.lamport(row)?;
                self.push_found(rows, lamport);
                return Ok(());
            }
            let lamport = view.lamport(rows.row(backwards))?;
            let is_full = batch.is_full(count_max);
            let place = self.walk.place(lamport.value(), stream, rows.offset(backwards));
            if is_full || !self.walk.is_first(&place) {
                self.push_found(rows, lamport);
                return Ok(());
            }
        }
    }

    fn again(&mut self, rows: Rows) -> Result<()> {
        let view = self.views.get(rows.view.0);
        let lamport = view.lamport(rows.row(self.walk.backwards()))?;
        self.push_found(rows, lamport);
        Ok(())
    }

    /// The view of these rows, opened again where it is gone.
    fn view_of(&mut self, rows: &Rows) -> Result<(usize, u64)> {
        let (at, epoch) = rows.view;
        if epoch == self.walk.epoch && self.views.is_open(at) {
            return Ok(rows.view);
        }
        self.view_stored(rows.source, rows.first)
    }

    fn view_stored(&mut self, source: usize, first: u64) -> Result<(usize, u64)> {
        let stream = self.walk.sources[source].stream;
        let block = self.stored(&stream, first)?;
        if block.first != first {
            return Err(missing());
        }
        Ok((self.views.add_stored(block.reader), self.walk.epoch))
    }

    fn stored(&self, stream: &StreamId, offset: u64) -> Result<StoredBlock<'t>> {
        stored_block(self.opened, self.transaction, stream, offset)
            .map_err(|error| self.shared.tables.explain(error))
    }
}
