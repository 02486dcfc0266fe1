//! An open block or run, frame by frame: what of it matches, and the events themselves.
//!
//! Rule: where a block lies, in memory or in LMDB, makes no difference to who reads it.

use super::filter::Filter;
use super::run::Run;
use super::turn::frames_of;
use crate::error::Result;
use crate::event::block::{BlockReader, FRAME_EVENTS, Frame, FrameRows};
use crate::event::{BatchBuilder, Columns, Lamport, StreamId};
use std::sync::Arc;

/// Events of one block.
pub(crate) enum View<'t> {
    /// A block of LMDB.
    Stored(Box<StoredView<'t>>),
    /// A run in memory, and the frame that is looked at.
    Tail(Arc<Run>, usize),
}

/// A block of LMDB, and the frame that is loaded.
pub(crate) struct StoredView<'t> {
    reader: BlockReader<'t>,
    spare: Spare<'t>,
    loaded: Option<usize>,
    /// Events of the loaded frame that were delivered one by one.
    singles: usize,
    /// All of them written out, once it is clear that most are wanted.
    rows: Option<FrameRows<'t>>,
    are_rows_filled: bool,
}

/// Memory that one view leaves to the next.
#[derive(Default)]
pub(crate) struct Spare<'t> {
    frame: Frame<'t>,
    scratch: Vec<u8>,
}

/// After so many events of a frame one by one, the others are written out at once.
const SINGLES_MAX: usize = 2;

impl<'t> View<'t> {
    /// A view of a block of LMDB.
    pub(crate) fn stored(reader: BlockReader<'t>, spare: Spare<'t>) -> View<'t> {
        View::Stored(Box::new(StoredView {
            reader,
            spare,
            loaded: None,
            singles: 0,
            rows: None,
            are_rows_filled: false,
        }))
    }

    /// A view of a run in memory.
    pub(crate) fn tail(run: Arc<Run>) -> View<'t> {
        View::Tail(run, 0)
    }

    /// What the next view can use of one that is done with.
    pub(crate) fn into_spare(self) -> Option<Spare<'t>> {
        match self {
            View::Stored(stored) => {
                let mut spare = stored.spare;
                spare.frame.clear();
                Some(spare)
            }
            View::Tail(..) => None,
        }
    }

    /// Bytes that it holds, beside those of the block itself; about.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            View::Tail(..) => 0,
            View::Stored(stored) => {
                stored.reader.bytes()
                    + stored.spare.frame.bytes()
                    + stored.rows.as_ref().map_or(0, FrameRows::bytes)
            }
        }
    }

    /// Number of events.
    pub(crate) fn count(&self) -> usize {
        match self {
            View::Stored(stored) => stored.reader.count(),
            View::Tail(run, _) => run.records.len(),
        }
    }

    /// A bit for each frame.
    pub(crate) fn all_frames(&self) -> u16 {
        frames_of(self.count() as u64)
    }

    /// The lamports of the first and the last event.
    pub(crate) fn edges(&mut self) -> Result<(u64, u64)> {
        let last = self.count() - 1;
        self.load(0)?;
        let first = self.lamport(0)?;
        self.load(last / FRAME_EVENTS)?;
        Ok((first.value(), self.lamport(last % FRAME_EVENTS)?.value()))
    }

    /// Makes `frame` the one that is looked at.
    ///
    /// # Errors
    /// `corrupt`: it is damaged.
    pub(crate) fn load(&mut self, frame: usize) -> Result<()> {
        match self {
            View::Tail(_, loaded) => *loaded = frame,
            View::Stored(stored) if stored.loaded == Some(frame) => {}
            View::Stored(stored) => {
                (stored.loaded, stored.singles, stored.are_rows_filled) = (None, 0, false);
                stored.reader.load(frame, &mut stored.spare.frame)?;
                stored.loaded = Some(frame);
            }
        }
        Ok(())
    }

    /// The rows of the loaded frame that `filter` delivers, as bits.
    pub(crate) fn rows(&self, filter: &Filter, stream: &StreamId) -> Result<u64> {
        match self {
            View::Stored(stored) => filter.rows(stream, &stored.reader, &stored.spare.frame),
            View::Tail(run, frame) => Ok(filter.rows_of_records(stream, run, frame * FRAME_EVENTS)),
        }
    }

    /// Logical time of a row of the loaded frame.
    pub(crate) fn lamport(&self, row: usize) -> Result<Lamport> {
        match self {
            View::Stored(stored) => stored.reader.lamport(&stored.spare.frame, row),
            View::Tail(run, frame) => Ok(run.records[frame * FRAME_EVENTS + row].lamport()),
        }
    }

    /// Adds the event in a row of the loaded frame to a batch, as far as its columns go; so many of
    /// the frame, this one included, are wanted.
    ///
    /// # Errors
    /// `corrupt`: the frame is damaged; the batch is as it was.
    pub(crate) fn deliver(
        &mut self,
        row: usize,
        wanted: usize,
        stream: &StreamId,
        offset: u64,
        batch: &mut BatchBuilder,
    ) -> Result<()> {
        match self {
            View::Tail(run, frame) => {
                batch.push_record(stream, offset, &run.records[*frame * FRAME_EVENTS + row]);
                Ok(())
            }
            View::Stored(stored) => stored.deliver(row, wanted, stream, offset, batch),
        }
    }
}

impl StoredView<'_> {
    fn deliver(
        &mut self,
        row: usize,
        wanted: usize,
        stream: &StreamId,
        offset: u64,
        batch: &mut BatchBuilder,
    ) -> Result<()> {
        let Columns { tags, payload } = batch.columns();
        let is_filled = self.fill_for(wanted, batch.columns())?;
        let StoredView { reader, spare: Spare { frame, scratch }, rows, .. } = self;
        let (lamport, time) = (reader.lamport(frame, row)?, reader.time(frame, row));
        let app_id = reader.app_id(frame, row, scratch)?;
        batch.begin(stream, offset, lamport, time, app_id);
        match rows {
            Some(rows) if is_filled => {
                let (count, bytes) = rows.tags(row);
                batch.buffer().extend_from_slice(bytes);
                batch.end_tags(count);
                batch.buffer().extend_from_slice(rows.payload(row));
            }
            _ => {
                if tags {
                    let count = reader.put_tags(frame, row, batch.buffer(), scratch)?;
                    batch.end_tags(count);
                }
                if payload {
                    reader.put_payload(frame, row, batch.buffer())?;
                }
            }
        }
        batch.end_payload();
        Ok(())
    }

    /// Whether the loaded frame is written out, which is done when it pays.
    fn fill_for(&mut self, wanted: usize, columns: Columns) -> Result<bool> {
        let Columns { tags, payload } = columns;
        self.singles += 1;
        let pays = self.singles > SINGLES_MAX && 2 * wanted > FRAME_EVENTS && (tags || payload);
        if !self.are_rows_filled && pays {
            let rows = match &mut self.rows {
                Some(rows) => rows,
                None => self.rows.insert(FrameRows::new(&self.reader)?),
            };
            self.are_rows_filled = rows.fill(&self.reader, &self.spare.frame, (tags, payload))?;
        }
        Ok(self.are_rows_filled)
    }
}
