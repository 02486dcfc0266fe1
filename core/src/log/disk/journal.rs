//! Two segments used in turn: the file side of the journal.
//!
//! Not here: the bytes of a record (`segment`), who commits when (`commit`). Rule: a segment is
//! reused only when LMDB holds all of it; the next segment is begun only when the one before is
//! durable. After a failed write or sync nothing in the file is believed until it was read again.
//! Begin with `Journal::open`.

use super::segment::{RECORD_HEADER_BYTES, RecordHeader, evidence, padded, scan, seal_record};
use crate::error::{Error, ErrorKind, Result};
use crate::files::DiskFile;
use bytes::Bytes;
use std::collections::BTreeSet;
use std::path::Path;

/// Segments are extended by at least this many zeros at a time.
const STEP_BYTES_MIN: u64 = 1 << 20;
/// And by at most this many.
const STEP_BYTES_MAX: u64 = 8 << 20;
/// A record from this size on extends its segment itself: moving the metadata costs little beside
/// its own bytes, and writing them twice would cost more.
const EXTENDING_RECORD_BYTES_MIN: u64 = 128 << 10;
/// Their names in the directory of the store.
pub(crate) const SEGMENT_NAMES: [&str; 2] = ["journal-a", "journal-b"];

/// The writing end of the journal.
pub(crate) struct Journal {
    /// Two; none once it is closed.
    segments: Vec<Segment>,
    active: usize,
    generation: u64,
    /// The last record written, and behind it; `synced` is the part of it that is durable.
    written: Position,
    synced: Position,
    segment_bytes: u64,
    suspect: bool,
}

struct Segment {
    file: DiskFile,
    /// Bytes of the file that are written once, so that a sync moves no metadata.
    allocated: u64,
    /// Index of the last record in it; 0 when it holds none that counts.
    last_index: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Position {
    index: u64,
    end: u64,
    crc: u32,
}

/// What an opened journal held beyond the last checkpoint.
pub(crate) struct Replay {
    /// Index and body of each record, in order, without gaps.
    pub(crate) records: Vec<(u64, Bytes)>,
    /// True when the last record was cut off: we cannot show that it never was durable.
    pub(crate) torn: bool,
    /// The highest generation found.
    pub(crate) generation: u64,
}

impl Journal {
    /// Opens both segments and reads what follows record `checkpointed`.
    ///
    /// `generation` is the highest one known from elsewhere. `clean` skips reading: the last
    /// process left nothing behind.
    ///
    /// # Errors
    /// `corrupt`, naming file and byte: a record that was durable once is not readable.
    pub(crate) fn open(
        directory: &Path,
        checkpointed: u64,
        generation: u64,
        clean: bool,
        segment_bytes: u64,
    ) -> Result<(Journal, Replay)> {
        let segments = vec![open_segment(directory, 0)?, open_segment(directory, 1)?];
        let mut journal = Journal {
            segments,
            active: 0,
            generation,
            written: Position { index: checkpointed, ..Position::default() },
            synced: Position::default(),
            segment_bytes,
            suspect: false,
        };
        let mut replay = Replay { records: Vec::new(), torn: false, generation };
        if !clean {
            journal.replay(checkpointed, &mut replay)?;
        }
        journal.generation = generation.max(replay.generation) + 1;
        journal.synced = journal.written;
        Ok((journal, replay))
    }

    /// Makes what was read durable before anything rests on it: the process that wrote it may have
    /// ended before its sync.
    ///
    /// # Errors
    /// `storage_full`, `storage_failed`.
    pub(crate) fn begin(&mut self) -> Result<()> {
        let (zeroed, _) = self.segments[self.active].allocate(1, self.segment_bytes);
        zeroed?;
        self.segments.iter().try_for_each(|segment| segment.file.sync())
    }

    /// Gives the space back once LMDB holds everything. What stays is an empty record that names
    /// the last durable one, so that tables which lack something do not pass for whole.
    ///
    /// # Errors
    /// `storage_full`, `storage_failed`: the space stays taken.
    pub(crate) fn shrink(&mut self) -> Result<()> {
        assert_eq!(self.written.index, self.synced.index, "what is durable can be let go");
        for segment in &mut self.segments {
            segment.file.set_len(0)?;
            (segment.allocated, segment.last_index) = (0, 0);
        }
        self.take_into_use(0)?;
        self.append(&mut vec![0; RECORD_HEADER_BYTES])?;
        self.segments.iter().try_for_each(|segment| segment.file.sync())
    }

    /// Lets the files go. Nothing else may be called after it but `generation` and `is_suspect`.
    pub(crate) fn close(&mut self) {
        self.segments.clear();
    }

    /// The generation in use.
    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    /// Makes room for a record of `record_bytes`, header included.
    ///
    /// `false`: both segments are full; try again after a checkpoint beyond `checkpointed`.
    pub(crate) fn make_room(&mut self, record_bytes: usize, checkpointed: u64) -> Result<bool> {
        let needed = padded(record_bytes) as u64;
        if self.written.end > 0 && self.written.end + needed > self.segment_bytes {
            let other = 1 - self.active;
            if self.segments[other].last_index > checkpointed {
                return Ok(false);
            }
            self.sync()?;
            self.take_into_use(other)?;
        }
        let end = self.written.end + needed;
        let segment = &mut self.segments[self.active];
        if needed >= EXTENDING_RECORD_BYTES_MIN && end > segment.allocated {
            let from = segment.allocated;
            segment.file.reserve(from, end - from)?;
            return Ok(true);
        }
        let (zeroed, allocated) = segment.allocate(end, self.segment_bytes);
        // A failed sync may have dropped what was written before it.
        self.suspect |= zeroed.is_err() && allocated;
        zeroed.map(|()| true)
    }

    /// Whether the segment not in use waits for a checkpoint.
    pub(crate) fn waits_for_checkpoint(&self, checkpointed: u64) -> bool {
        self.segments[1 - self.active].last_index > checkpointed
    }

    /// Writes one record; the body stands behind `RECORD_HEADER_BYTES` free bytes. Not durable yet.
    ///
    /// Returns its index. `make_room` went before.
    pub(crate) fn append(&mut self, record: &mut Vec<u8>) -> Result<u64> {
        assert!(!self.suspect, "a suspect journal is verified first");
        let header = RecordHeader {
            body_bytes: 0,
            generation: self.generation,
            index: self.written.index + 1,
            synced_index: self.synced.index,
            previous_crc: self.written.crc,
        };
        let crc = seal_record(record, header);
        let segment = &mut self.segments[self.active];
        if let Err(error) = segment.file.write_at(record, self.written.end) {
            self.suspect = true;
            return Err(error);
        }
        let end = self.written.end + record.len() as u64;
        segment.allocated = segment.allocated.max(end);
        self.written = Position { index: header.index, end, crc };
        segment.last_index = header.index;
        Ok(header.index)
    }

    /// Returns when all records written are durable.
    pub(crate) fn sync(&mut self) -> Result<()> {
        if self.synced.index == self.written.index {
            return Ok(());
        }
        if let Err(error) = self.segments[self.active].file.sync() {
            self.suspect = true;
            return Err(error);
        }
        self.synced = self.written;
        Ok(())
    }

    /// Whether a write or a sync failed since the file was last read.
    pub(crate) fn is_suspect(&self) -> bool {
        self.suspect
    }

    /// After a failure: takes back what is not durable, and best effort on the medium too, so that
    /// a restart does not find what was refused.
    pub(crate) fn take_back(&mut self) {
        let segment = &mut self.segments[self.active];
        let _ = segment.file.write_at(&[0; RECORD_HEADER_BYTES], self.synced.end);
        segment.last_index = if self.synced.end > 0 { self.synced.index } else { 0 };
        self.written = self.synced;
    }

    /// Reads the active segment again and goes on behind what is durable, in a new generation.
    ///
    /// # Errors
    /// `storage_failed` when the file cannot be read or written; `corrupt` when durable records
    /// are gone from it.
    pub(crate) fn verify_again(&mut self) -> Result<()> {
        let segment = &self.segments[self.active];
        segment.file.forget_cached();
        let content = segment.file.read_all()?;
        let scan = scan(&content);
        let durable = scan.records.iter().find(|found| found.header.index == self.synced.index);
        let whole = self.synced.end == 0
            || durable.is_some_and(|found| {
                found.crc == self.synced.crc && padded(found.body.end) as u64 == self.synced.end
            });
        if !whole {
            return Err(damaged(segment.file.path(), scan.end, self.synced.index));
        }
        let room = self.segments[self.active].allocated - self.synced.end;
        if room >= RECORD_HEADER_BYTES as u64 {
            segment.file.write_at(&[0; RECORD_HEADER_BYTES], self.synced.end)?;
        }
        segment.file.sync()?;
        self.take_back();
        self.generation += 1;
        self.suspect = false;
        Ok(())
    }

    fn take_into_use(&mut self, other: usize) -> Result<()> {
        let segment = &mut self.segments[other];
        let normal = self.segment_bytes.saturating_add(STEP_BYTES_MAX);
        if segment.allocated > normal {
            segment.file.set_len(normal)?;
            segment.allocated = normal;
        }
        segment.last_index = 0;
        self.active = other;
        self.generation += 1;
        self.written.end = 0;
        self.written.crc = 0;
        self.synced = self.written;
        Ok(())
    }

    fn replay(&mut self, checkpointed: u64, replay: &mut Replay) -> Result<()> {
        let contents = [self.segments[0].file.read_all()?, self.segments[1].file.read_all()?];
        let contents = contents.map(Bytes::from);
        let scans = [scan(&contents[0]), scan(&contents[1])];
        let first = |which: usize| scans[which].records.first().map(|found| found.header.index);
        let order = if first(1) < first(0) { [1, 0] } else { [0, 1] };
        for which in order {
            for found in &scans[which].records {
                replay.generation = replay.generation.max(found.header.generation);
                let next = self.written.index + 1;
                if found.header.index == next {
                    let body = contents[which].slice(found.body.clone());
                    replay.records.push((next, body));
                }
                if found.header.index == next || found.header.index == self.written.index {
                    let end = padded(found.body.end) as u64;
                    self.written = Position { index: found.header.index, end, crc: found.crc };
                    self.active = which;
                    self.segments[which].last_index = found.header.index;
                }
            }
        }
        for which in order {
            let from = scans[which].end;
            let all =
                evidence(&contents[which], 0).filter(|(synced, _)| *synced > self.written.index);
            if let Some((synced, _)) = all {
                let file = self.segments[self.active].file.path();
                let position = if which == self.active { from as u64 } else { self.written.end };
                return Err(damaged(file, position as usize, synced));
            }
        }
        if self.written.index == checkpointed && replay.records.is_empty() && self.written.end == 0
        {
            // Neither segment continues the checkpoint: both are free.
            self.segments.iter_mut().for_each(|segment| segment.last_index = 0);
        }
        replay.torn = scans.iter().any(|scan| scan.is_torn(self.written.index + 1));
        Ok(())
    }
}

impl Segment {
    /// Zeros ahead of `end`, so that syncs of later records move no metadata. The second answer is
    /// whether a sync was tried.
    fn allocate(&mut self, end: u64, segment_bytes: u64) -> (Result<()>, bool) {
        if end <= self.allocated {
            return (Ok(()), false);
        }
        let step = self.allocated.clamp(STEP_BYTES_MIN, STEP_BYTES_MAX);
        let target = (end + step).min(segment_bytes.max(end)).next_multiple_of(4096);
        if let Err(error) = self.file.write_zeros(self.allocated, target - self.allocated) {
            return (Err(error), false);
        }
        let synced = self.file.sync();
        if synced.is_ok() {
            self.allocated = target;
        }
        (synced, true)
    }
}

/// Reads both segments from the side, while records may be written: their bytes, and the indexes
/// of the good records.
///
/// # Errors
/// `storage_failed`.
pub(crate) fn read_indexes(directory: &Path) -> Result<(u64, BTreeSet<u64>)> {
    let mut bytes = 0;
    let mut indexes = BTreeSet::new();
    for name in SEGMENT_NAMES {
        let content = DiskFile::open(&directory.join(name))?.read_all()?;
        let scan = scan(&content);
        bytes += scan.end as u64;
        indexes.extend(scan.records.iter().map(|found| found.header.index));
    }
    Ok((bytes, indexes))
}

/// Bytes of the files of both segments.
pub(crate) fn journal_bytes(directory: &Path) -> u64 {
    let bytes = |name| std::fs::metadata(directory.join(name)).map_or(0, |found| found.len());
    SEGMENT_NAMES.into_iter().map(bytes).sum()
}

fn open_segment(directory: &Path, which: usize) -> Result<Segment> {
    let file = DiskFile::open(&directory.join(SEGMENT_NAMES[which]))?;
    let allocated = file.len()?;
    Ok(Segment { file, allocated, last_index: 0 })
}

fn damaged(path: &Path, position: usize, synced: u64) -> Error {
    let message = format!(
        "{} is damaged at byte {position}: records up to {synced} were durable once and are not \
         readable; restore the file, or move the store away and let the peers send the events \
         again",
        path.display()
    );
    Error::new(ErrorKind::Corrupt, message).with_reason("journal_damaged").with_position(position)
}
