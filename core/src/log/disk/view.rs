//! An open block or run, frame by frame: what of it matches, and the events themselves.
//!
//! Rule: where a block lies, in memory or in LMDB, makes no difference to who reads it.

use super::filter::Filter;
use super::run::Run;
use super::turn::frames_of;
use crate::error::Result;
use crate::event::block::{BlockReader, FRAME_EVENTS, Frame};
use crate::event::{Lamport, StreamId};
use crate::log::batch::BatchBuilder;
use crate::log::columns::Columns;
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
    frame: Frame<'t>,
    loaded: Option<usize>,
    scratch: Vec<u8>,
}

impl<'t> View<'t> {
    /// A view of a block of LMDB.
    pub(crate) fn stored(reader: BlockReader<'t>) -> View<'t> {
        let (frame, scratch) = (Frame::default(), Vec::new());
        View::Stored(Box::new(StoredView { reader, frame, loaded: None, scratch }))
    }

    /// A view of a run in memory.
    pub(crate) fn tail(run: Arc<Run>) -> View<'t> {
        View::Tail(run, 0)
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
                stored.loaded = None;
                stored.reader.load(frame, &mut stored.frame)?;
                stored.loaded = Some(frame);
            }
        }
        Ok(())
    }

    /// The rows of the loaded frame that `filter` delivers, as bits.
    pub(crate) fn rows(&self, filter: &Filter, stream: &StreamId) -> Result<u64> {
        match self {
            View::Stored(stored) => filter.rows(stream, &stored.reader, &stored.frame),
            View::Tail(run, frame) => Ok(filter.rows_of_records(stream, run, frame * FRAME_EVENTS)),
        }
    }

    /// Logical time of a row of the loaded frame.
    pub(crate) fn lamport(&self, row: usize) -> Result<Lamport> {
        match self {
            View::Stored(stored) => stored.reader.lamport(&stored.frame, row),
            View::Tail(run, frame) => Ok(run.records[frame * FRAME_EVENTS + row].lamport()),
        }
    }

    /// Adds the event in a row of the loaded frame to a batch, as far as its columns go.
    ///
    /// # Errors
    /// `corrupt`: the frame is damaged; the batch is as it was.
    pub(crate) fn deliver(
        &mut self,
        row: usize,
        stream: &StreamId,
        offset: u64,
        batch: &mut BatchBuilder,
    ) -> Result<()> {
        match self {
            View::Tail(run, frame) => {
                batch.push_record(stream, offset, &run.records[*frame * FRAME_EVENTS + row]);
            }
            View::Stored(stored) => {
                let StoredView { reader, frame, scratch, .. } = &mut **stored;
                let (lamport, time) = (reader.lamport(frame, row)?, reader.time(frame, row));
                let app_id = reader.app_id(frame, row, scratch)?;
                batch.begin(stream, offset, lamport, time, app_id);
                let Columns { tags, payload } = batch.columns();
                if tags {
                    let count = reader.put_tags(frame, row, batch.buffer(), scratch)?;
                    batch.end_tags(count);
                }
                if payload {
                    reader.put_payload(frame, row, batch.buffer())?;
                }
                batch.end_payload();
            }
        }
        Ok(())
    }
}
