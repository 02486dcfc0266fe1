//! Goes through everything that is held, once, while the log is used.
//!
//! First the journal and the pages of LMDB. Then blocks, segment by segment, in the order in which
//! they became full, each read and decoded once for its checksums, its chain and its postings; then
//! what no segment names, the open blocks and the tail; then the other tables. Several threads
//! share the blocks.
//! Rule: damage is noted and the rest goes on; no read transaction lives longer than one row or a
//! few small ones, and no lock is held while something is computed.

use super::check::{CheckedBlock, is_damage, wrong};
use super::checkpoint::read_stream_row;
use super::groups::{Group, HEAD_PART};
use super::heard::read_heard;
use super::journal::read_indexes;
use super::keys::{Rows, Tally};
use super::open::spawn;
use super::postings::{SegmentBuilder, SegmentHead, segment_key};
use super::shared::{Shared, lock};
use super::state::StreamState;
use super::tables::{
    BLOBS_NAME, FORKS_NAME, GROUPS_NAME, IDEMPOTENCY_NAME, ORDER_NAME, SNAPSHOTS_NAME,
};
use super::terms::Terms;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{StreamEnd, StreamId};
use crate::log::status::{DAMAGES_MAX, Damage};
use crate::log::upkeep::VerifyReport;
use crate::pending::Completer;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

/// More threads gain nothing: the disk is read by then as fast as it reads.
const THREADS_MAX: usize = 8;

/// Rows of the shelf that are read in one transaction: of 16 KiB at most, each.
const ROWS_AT_ONCE: usize = 64;

/// Whether to go on; asked between blocks, by all threads.
pub(crate) type Wanted<'a> = &'a (dyn Fn() -> bool + Sync);

/// One verification.
struct Scrub<'a> {
    shared: &'a Shared,
    wanted: Wanted<'a>,
    streams: BTreeMap<StreamId, StreamState>,
    found: Mutex<Found>,
}

#[derive(Default)]
struct Found {
    report: VerifyReport,
    damages: BTreeMap<(&'static str, Option<StreamId>, u64), Damage>,
    damaged_groups: Vec<Group>,
    /// Of each stream the offsets that segments name, as ranges.
    named: BTreeMap<StreamId, Vec<(u64, u64)>>,
}

/// What the threads take their blocks from.
#[derive(Default)]
struct Queue {
    /// Segments that were not begun.
    segments: Range<u64>,
    /// The last that was, and which of its blocks is the next.
    begun: Option<(Arc<Segment>, usize)>,
}

/// A segment whose blocks are being checked.
struct Segment {
    number: u64,
    row: Vec<u8>,
    head: SegmentHead,
    blocks: Mutex<SegmentBlocks>,
}

struct SegmentBlocks {
    /// How many are not checked yet.
    left: usize,
    /// Of each block what it is found by; none of a damaged one.
    terms: Vec<Option<Terms>>,
    /// A block is another than the segment says.
    unlike: bool,
}

impl Segment {
    /// Compares it with the terms of its blocks.
    fn check(&self, terms: Vec<Option<Terms>>, unlike: bool) -> Result<()> {
        let (mut again, mut damaged) = (SegmentBuilder::default(), 0);
        for ((entry, terms), bit) in self.head.blocks.iter().zip(terms).zip(0..) {
            damaged |= u64::from(terms.is_none()) << bit;
            again.add(*entry, &terms.unwrap_or_default());
        }
        if unlike {
            return Err(wrong("it says something else of a block than the block"));
        }
        again.check(&segment_key(self.number), &self.row, damaged)
    }
}

impl Shared {
    /// Verifies everything on a thread of its own, as long as it is `wanted`.
    ///
    /// # Errors
    /// `storage_failed`: there is no thread.
    pub(crate) fn start_verification(
        self: &Arc<Self>,
        wanted: Box<dyn Fn() -> bool + Send + Sync>,
        completer: Completer<VerifyReport>,
    ) -> Result<()> {
        let shared = self.clone();
        spawn("millpond-verify", move || completer.complete(shared.verify(&*wanted)))
    }

    /// Verifies everything, as long as it is `wanted`.
    ///
    /// # Errors
    /// `cancelled`: it was not wanted any more. `closed`, `storage_failed`. Damage is no error.
    pub(crate) fn verify(&self, wanted: Wanted<'_>) -> Result<VerifyReport> {
        let streams = self.state().streams.clone();
        let before = lock(&self.quarantine).places();
        let scrub = Scrub { shared: self, wanted, streams, found: Mutex::default() };
        scrub.journal()?;
        scrub.keep(self.tables.check_pages(&wanted), "pages", None, (0, 0))?;
        scrub.segments()?;
        scrub.groups()?;
        for (id, stream) in &scrub.streams {
            scrub.stream(id, stream)?;
        }
        scrub.forks()?;
        scrub.snapshots()?;
        scrub.shelf()?;
        scrub.small_rows()?;
        let found = scrub.found.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut report = found.report;
        report.streams = scrub.streams.len() as u64;
        report.damage_count = found.damages.len() as u64;
        report.damages = found.damages.into_values().take(DAMAGES_MAX).collect();
        lock(&self.quarantine).replace(&before, &report.damages);
        self.tell_damage();
        if !report.damages.is_empty() || !before.is_empty() {
            self.note_news();
        }
        // Now: what is mended meanwhile would be noted after that.
        found.damaged_groups.into_iter().for_each(|group| self.request_mending(group));
        Ok(report)
    }
}

impl Scrub<'_> {
    fn go_on(&self) -> Result<()> {
        if (self.wanted)() {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Cancelled, "the verification was called off"))
    }

    /// Notes damage; other errors end the verification.
    fn keep<T>(
        &self,
        result: Result<T>,
        table: &'static str,
        stream: Option<StreamId>,
        (first, end): (u64, u64),
    ) -> Result<Option<T>> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(error) if is_damage(&error) => {
                let message = error.message().to_owned();
                let damage = Damage { table, stream, first, end, message };
                lock(&self.found).damages.entry((table, stream, first)).or_insert(damage);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// All segments that there were when we began, their blocks shared among threads.
    fn segments(&self) -> Result<()> {
        let count =
            self.shared.tables.read(|opened, transaction| opened.segment_count(transaction));
        let Some(count) = self.keep(count, "postings", None, (0, 0))? else { return Ok(()) };
        let queue = Mutex::new(Queue { segments: 0..count, begun: None });
        let work = || {
            while let Some((segment, at)) = self.next_block(&queue)? {
                // The other threads end, too.
                let checked = self.block_of(&segment, at);
                checked.inspect_err(|_| *lock(&queue) = Queue::default())?;
            }
            Ok(())
        };
        let threads = std::thread::available_parallelism().map_or(1, usize::from).min(THREADS_MAX);
        std::thread::scope(|scope| {
            let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
            let own = work();
            let ended = others.into_iter().map(|other| match other.join() {
                Ok(result) => result,
                Err(panic) => std::panic::resume_unwind(panic),
            });
            ended.fold(own, Result::and)
        })
    }

    /// All groups that there were when we began, against their segments.
    fn groups(&self) -> Result<()> {
        let groups = self.keep(self.shared.groups(), GROUPS_NAME, None, (0, 0))?;
        for group in groups.into_iter().flatten() {
            let place = (group.segments().start, group.segments().end);
            let mut is_sound = true;
            for part in 0..=HEAD_PART {
                self.go_on()?;
                let checked = self.shared.check_group(group, part);
                let bytes = self.keep(checked, GROUPS_NAME, None, place)?;
                is_sound &= bytes.is_some();
                lock(&self.found).report.stored_bytes += bytes.unwrap_or(0);
            }
            if !is_sound {
                lock(&self.found).damaged_groups.push(group);
            }
        }
        Ok(())
    }

    /// What is known of forks, against the branches.
    fn forks(&self) -> Result<()> {
        let windows = self.shared.state().windows.clone();
        for (stream, _) in windows.iter() {
            self.go_on()?;
            let checked = self.shared.check_fork(stream);
            let bytes = self.keep(checked, FORKS_NAME, Some(*stream), (0, 0))?;
            lock(&self.found).report.stored_bytes += bytes.unwrap_or(0);
        }
        Ok(())
    }

    /// The saved states of fish.
    fn snapshots(&self) -> Result<()> {
        let numbers = self.shared.snapshot_numbers();
        let numbers = self.keep(numbers, SNAPSHOTS_NAME, None, (0, 0))?;
        for number in numbers.into_iter().flatten() {
            self.go_on()?;
            let place = (number, number.saturating_add(1));
            let checked = self.shared.check_snapshot(number);
            let bytes = self.keep(checked, SNAPSHOTS_NAME, None, place)?;
            lock(&self.found).report.stored_bytes += bytes.unwrap_or(0);
        }
        Ok(())
    }

    /// The rows that another room keeps here: their checksums.
    fn shelf(&self) -> Result<()> {
        // The least key that there is: LMDB takes no empty one.
        let (mut from, mut number) = (vec![0], 0);
        loop {
            self.go_on()?;
            let rows = self.shared.scan_shelf(&from, ROWS_AT_ONCE);
            let rows = self.keep(rows, BLOBS_NAME, None, (number, number))?.unwrap_or_default();
            let Some((last, _)) = rows.last() else { return Ok(()) };
            from = [last, &[0][..]].concat();
            for (key, row) in rows {
                let bytes = key.len() + 4;
                let row = self.keep(row, BLOBS_NAME, None, (number, number + 1))?;
                let row_bytes = row.map_or(0, |row| bytes + row.len());
                lock(&self.found).report.stored_bytes += row_bytes as u64;
                number += 1;
            }
        }
    }

    /// The next block that a segment names, for one thread.
    fn next_block(&self, queue: &Mutex<Queue>) -> Result<Option<(Arc<Segment>, usize)>> {
        let mut queue = lock(queue);
        loop {
            if let Some((segment, at)) = &mut queue.begun
                && *at < segment.head.blocks.len()
            {
                *at += 1;
                return Ok(Some((segment.clone(), *at - 1)));
            }
            let Some(number) = queue.segments.next() else { return Ok(None) };
            queue.begun = self.segment(number)?.map(|segment| (Arc::new(segment), 0));
        }
    }

    /// Reads a segment; none when it is damaged.
    fn segment(&self, number: u64) -> Result<Option<Segment>> {
        let key = segment_key(number);
        let row = self.shared.tables.read(|opened, transaction| {
            let row = opened.postings.get(transaction, &key)?.map(<[u8]>::to_vec);
            Ok(row.ok_or_else(|| wrong("the segment is missing"))?)
        });
        let place = (number, number + 1);
        let Some(row) = self.keep(row, "postings", None, place)? else { return Ok(None) };
        let head = SegmentHead::read(&key, &row);
        let Some(head) = self.keep(head, "postings", None, place)? else { return Ok(None) };
        lock(&self.found).report.stored_bytes += row.len() as u64;
        let terms = head.blocks.iter().map(|_| None).collect();
        let blocks = Mutex::new(SegmentBlocks { left: head.blocks.len(), terms, unlike: false });
        Ok(Some(Segment { number, row, head, blocks }))
    }

    /// One of the blocks that a segment names; with the last of them the segment itself.
    fn block_of(&self, segment: &Segment, at: usize) -> Result<()> {
        self.go_on()?;
        let entry = &segment.head.blocks[at];
        let end = entry.first + u64::from(entry.summary.count);
        let block = self.block(&entry.stream, (entry.first, end), None)?;
        let mut found = lock(&self.found);
        found.named.entry(entry.stream).or_default().push((entry.first, end));
        drop(found);
        let mut blocks = lock(&segment.blocks);
        let is_there = block.is_some();
        let like = block.filter(|block| block.summary == entry.summary && entry.summary.sealed);
        blocks.unlike |= is_there && like.is_none();
        blocks.terms[at] = like.map(|block| block.terms);
        blocks.left -= 1;
        if blocks.left > 0 {
            return Ok(());
        }
        let (terms, unlike) = (std::mem::take(&mut blocks.terms), blocks.unlike);
        drop(blocks);
        let place = (segment.number, segment.number + 1);
        self.keep(segment.check(terms, unlike), "postings", None, place).map(drop)
    }

    /// One block of LMDB, and what is told of it.
    fn block(
        &self,
        stream: &StreamId,
        (first, end): (u64, u64),
        state: Option<&StreamState>,
    ) -> Result<Option<CheckedBlock>> {
        let block = self.shared.check_block(stream, first, state);
        let Some(mut block) = self.keep(block, "events", Some(*stream), (first, end))? else {
            return Ok(None);
        };
        let count = first + u64::from(block.summary.count);
        let head = std::mem::replace(&mut block.head, Ok(()));
        self.keep(head, "heads", Some(*stream), (count, count))?;
        let report = &mut lock(&self.found).report;
        report.blocks += 1;
        report.events += u64::from(block.summary.count);
        report.record_bytes += u64::from(block.summary.raw_bytes);
        report.stored_bytes += block.stored_bytes;
        Ok(Some(block))
    }

    /// What of a stream no segment names: open blocks, and all of it where a segment is damaged.
    fn stream(&self, id: &StreamId, stream: &StreamState) -> Result<()> {
        let mut named = lock(&self.found).named.remove(id).unwrap_or_default();
        named.sort_unstable();
        let mut named = named.into_iter().peekable();
        let start = self.shared.start_of(id);
        let first = start.count;
        let (mut at, mut end) = (first, Some(start));
        loop {
            // A place that is named twice is an error of the postings; the block is good or not.
            while named.next_if(|(_, end)| *end <= at).is_some() {}
            if let Some((_, behind)) = named.next_if(|(first, _)| *first <= at) {
                (at, end) = (behind, None);
                continue;
            }
            if at >= stream.stored {
                break;
            }
            self.go_on()?;
            if at < stream.indexed.count && !self.lacks_segments() {
                let unnamed = Err::<(), _>(wrong("no segment of the postings names the block"));
                let behind = self.shared.block_around(id, at).map_or(at, |(_, behind)| behind);
                self.keep(unnamed, "postings", Some(*id), (at, behind))?;
            }
            let behind = self.shared.block_around(id, at).map_or(stream.stored, |found| found.1);
            match self.block(id, (at, behind), Some(stream))? {
                Some(block) => {
                    at += u64::from(block.summary.count);
                    end = block.end;
                }
                None => (at, end) = (behind.max(at + 1), None),
            }
        }
        if end.is_none() && at > first {
            let head = self.shared.own_head(id, at)?;
            end = head.ok().map(|head| StreamEnd::from(&head));
        }
        let tail = self.shared.check_tail(id, stream, end);
        let place = (stream.head.count, stream.head.count);
        if let Some((events, bytes)) = self.keep(tail, "streams", Some(*id), place)? {
            let report = &mut lock(&self.found).report;
            report.events += events;
            report.record_bytes += bytes;
        }
        if stream.stored > first {
            let row = self.shared.tables.read(|opened, transaction| {
                let key = id.to_bytes();
                let row = opened.streams.get(transaction, &key)?;
                let row = row.ok_or_else(|| wrong("the row of the stream is missing"))?;
                Ok(read_stream_row(&key, row).map(drop)?)
            });
            self.keep(row, "streams", Some(*id), place)?;
        }
        Ok(())
    }

    /// Whether a segment is damaged: then it is known why blocks are not named.
    fn lacks_segments(&self) -> bool {
        let found = lock(&self.found);
        found.damages.keys().any(|(table, stream, _)| *table == "postings" && stream.is_none())
    }

    /// The rows that are not about events.
    fn small_rows(&self) -> Result<()> {
        let heard = self.shared.tables.read(read_heard);
        self.keep(heard, "settings", None, (0, 0))?;
        let before = self.keep(self.shared.key_counts(), "settings", None, (0, 0))?;
        let read = |after: Option<&[u8]>, tally: &mut _| self.shared.check_keys(after, tally);
        let keys = self.rows(IDEMPOTENCY_NAME, read)?;
        // What is damaged there is not named again for lacking here.
        let (Some((next, _)), Some(keys)) = (before, keys) else { return Ok(()) };
        let read = |after: Option<&[u8]>, tally: &mut _| self.shared.check_key_order(after, tally);
        let Some(order) = self.rows(ORDER_NAME, read)? else { return Ok(()) };
        let after = self.keep(self.shared.key_counts(), "settings", None, (0, 0))?;
        let Some((next_then, [key_count, order_count])) = after else { return Ok(()) };
        // Keys that came meanwhile may be in one of the two walks only.
        let is_same = key_count == order_count && (next_then != next || keys == order);
        let other = || wrong("it has other keys than `idempotency`");
        self.keep(is_same.then_some(()).ok_or_else(other), ORDER_NAME, None, (0, 0)).map(drop)
    }

    /// Goes through a small table; `None` when something in it is wrong.
    fn rows(
        &self,
        table: &'static str,
        read: impl Fn(Option<&[u8]>, &mut Tally) -> Result<Rows>,
    ) -> Result<Option<Tally>> {
        let (mut tally, mut after, mut is_sound) = (Tally::default(), None::<Vec<u8>>, true);
        loop {
            self.go_on()?;
            let rows = read(after.as_deref(), &mut tally);
            let Some(rows) = self.keep(rows, "settings", None, (0, 0))? else { return Ok(None) };
            lock(&self.found).report.stored_bytes += rows.bytes;
            is_sound &= rows.wrong.is_empty();
            for error in rows.wrong {
                self.keep::<()>(Err(error), table, None, (0, 0))?;
            }
            match rows.last {
                Some(last) => after = Some(last),
                None => return Ok(is_sound.then_some(tally)),
            }
        }
    }

    /// The journal: it must hold all that the tables lack.
    fn journal(&self) -> Result<()> {
        let durable = self.shared.state().index;
        let path = &self.shared.options.path;
        // A segment that is cut to its usual size while it is read is read again.
        let (bytes, indexes) = read_indexes(path).or_else(|_| read_indexes(path))?;
        // Records up to here may have been written over while we read, and the tables hold them.
        let checkpointed = self.shared.checkpointed.load(Ordering::Acquire);
        lock(&self.found).report.stored_bytes += bytes;
        for index in checkpointed + 1..=durable {
            if !indexes.contains(&index) {
                let lost = Err::<(), _>(wrong("the record is damaged or missing"));
                self.keep(lost, "journal", None, (index, durable + 1))?;
                // Memory still has its events: the tables shall have them, too.
                self.shared.request_checkpoint();
                return Ok(());
            }
        }
        Ok(())
    }
}
