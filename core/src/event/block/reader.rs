//! From a block to its events: one, some of a frame, or all.
//!
//! Rule: bytes of any kind are refused or read; nothing panics, and nothing makes more bytes than
//! the block claims and a block may have. No I/O. Begin with [`BlockReader::open`].

use super::frame::{Frame, Ids};
use super::header::{HeaderShape, app_id, tags_of_whole};
use super::number::Number;
use super::rows::{FrameRows, Part};
use super::shape::{SLOTS_OF_BLOCK_MAX, Shape, Slot};
use super::text::Domain;
use super::{FRAME_EVENTS, bits};
use crate::error::Result;
use crate::event::codec::{Reader, bad, put_varint, zigzag};
use crate::event::event::EventKind;
use crate::event::limits::{BLOCK_BYTES_SEAL, BLOCK_EVENTS_MAX, RECORD_BYTES_MAX};
use crate::event::position::{Lamport, WallTime};
use crate::event::record::Record;
use std::borrow::Cow;
use std::cell::Cell;

/// Most bytes of the records of a block.
const RAW_BYTES_MAX: usize = BLOCK_BYTES_SEAL + RECORD_BYTES_MAX;
/// Bytes of a frame's entry at the end of the head.
const FRAME_ENTRY_BYTES: usize = 8;

/// An opened block.
#[derive(Debug)]
pub struct BlockReader<'a> {
    count: usize,
    raw_bytes: usize,
    lamports: Number,
    times: Number,
    header_ids: Number,
    payload_ids: Number,
    pub(super) headers: Vec<HeaderShape<'a>>,
    pub(super) payloads: Vec<Shape<'a>>,
    has_heap: bool,
    slots: usize,
    table: &'a [u8],
    frames: &'a [u8],
}

impl<'a> BlockReader<'a> {
    /// Opens a block. The frames are looked at when they are loaded.
    ///
    /// # Errors
    /// `corrupt`, `limit_exceeded`: the bytes are not a block.
    pub fn open(block: &'a [u8]) -> Result<BlockReader<'a>> {
        let mut reader = Reader::new(block);
        let head_bytes = reader.u32()? as usize;
        let mut head = Reader::new(reader.bytes(head_bytes)?);
        let frames = reader.rest();
        let (count, raw_bytes) = read_claims(&mut head)?;
        let count = count as usize;
        let [lamports, times, header_ids, payload_ids] = [
            Number::read(&mut head)?,
            Number::read(&mut head)?,
            Number::read(&mut head)?,
            Number::read(&mut head)?,
        ];
        let shapes = head.varint_max(BLOCK_EVENTS_MAX, "the shapes of headers")?;
        let headers: Vec<HeaderShape<'a>> =
            (0..shapes).map(|_| HeaderShape::read(&mut head)).collect::<Result<_>>()?;
        let shapes = head.varint_max(BLOCK_EVENTS_MAX, "the shapes of payloads")?;
        let payloads: Vec<Shape<'a>> =
            (0..shapes).map(|_| Shape::read(&mut head)).collect::<Result<_>>()?;
        let table = head.bytes(count.div_ceil(FRAME_EVENTS) * FRAME_ENTRY_BYTES)?;
        head.finish()?;
        let end = Reader::new(&table[table.len() - FRAME_ENTRY_BYTES..]).u32()? as usize;
        if end != frames.len() {
            return Err(bad("a block has another length than its frames"));
        }
        let shapes_of = || headers.iter().map(|header| &header.shape).chain(&payloads);
        let slot_count = shapes_of().map(|shape| shape.parts.len()).sum();
        if slot_count > SLOTS_OF_BLOCK_MAX {
            return Err(bad("a block has more slots than its events can use"));
        }
        let has_heap = shapes_of().flat_map(|shape| &shape.parts).any(|(_, slot)| slot.is_heap());
        Ok(BlockReader {
            count,
            raw_bytes,
            lamports,
            times,
            header_ids,
            payload_ids,
            headers,
            payloads,
            has_heap,
            slots: slot_count,
            table,
            frames,
        })
    }

    /// Events and bytes of the records that a block claims to have.
    ///
    /// # Errors
    /// `corrupt`, `limit_exceeded`: no block has so many, or there are fewer bytes than its head.
    pub fn claims(block: &[u8]) -> Result<(u64, usize)> {
        let mut reader = Reader::new(block);
        let head_bytes = reader.u32()? as usize;
        read_claims(&mut Reader::new(reader.bytes(head_bytes)?))
    }

    /// Bytes of a block up to the frames: what their checksums stand in.
    ///
    /// # Errors
    /// `corrupt`: there are fewer bytes.
    pub fn head_bytes(block: &[u8]) -> Result<&[u8]> {
        let mut reader = Reader::new(block);
        let head_bytes = reader.u32()? as usize;
        reader.bytes(head_bytes)?;
        Ok(&block[..4 + head_bytes])
    }

    /// Number of events, 1 to 1,024.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Bytes of the records.
    pub fn raw_bytes(&self) -> usize {
        self.raw_bytes
    }

    /// Bytes that this holds beside the block, with a loaded frame; about.
    pub fn bytes(&self) -> usize {
        let shapes = self.headers.len() + self.payloads.len();
        size_of::<Self>() + (self.slots + shapes) * (size_of::<(&[u8], Slot<'_>)>() + 64)
    }

    /// Number of frames.
    pub fn frame_count(&self) -> usize {
        self.count.div_ceil(FRAME_EVENTS)
    }

    /// Loads the frame number `index`, counted from 0, into `frame`.
    ///
    /// # Errors
    /// `corrupt`: it is damaged, or there is none.
    pub fn load(&self, index: usize, frame: &mut Frame<'a>) -> Result<()> {
        let bytes = self.frame_bytes(index)?;
        frame.first = index * FRAME_EVENTS;
        frame.count = FRAME_EVENTS.min(self.count - frame.first);
        frame.bytes = bytes;
        self.place(frame)
    }

    /// Looks at the checksums of all frames, and at nothing else of them.
    ///
    /// # Errors
    /// `corrupt`: one is damaged.
    pub fn check_frames(&self) -> Result<()> {
        (0..self.frame_count()).try_for_each(|index| self.frame_bytes(index).map(drop))
    }

    /// The bytes of a frame, after its checksum.
    fn frame_bytes(&self, index: usize) -> Result<&'a [u8]> {
        let entry = |index: usize| self.table.get(index * FRAME_ENTRY_BYTES..);
        let start = match index.checked_sub(1) {
            Some(before) => Reader::new(entry(before).unwrap_or_default()).u32()? as usize,
            None => 0,
        };
        let mut reader = Reader::new(entry(index).unwrap_or_default());
        let (end, crc) = (reader.u32()? as usize, reader.u32()?);
        let bytes = self.frames.get(start..end).ok_or_else(|| bad("a frame is outside"))?;
        if crc32c::crc32c(bytes) != crc {
            return Err(bad("a frame has a wrong checksum"));
        }
        Ok(bytes)
    }

    /// Computes where the columns of a frame begin.
    fn place(&self, frame: &mut Frame<'a>) -> Result<()> {
        let count = frame.count;
        let mut at = 0;
        frame.starts.clear();
        for number in [&self.lamports, &self.times, &self.header_ids, &self.payload_ids] {
            frame.starts.push(at as u32);
            at += bits::bytes_of(count, number.width);
        }
        let mut headers = std::mem::take(&mut frame.headers);
        headers.fill(frame, &self.header_ids, 2, self.headers.len())?;
        frame.headers = headers;
        let mut payloads = std::mem::take(&mut frame.payloads);
        payloads.fill(frame, &self.payload_ids, 3, self.payloads.len())?;
        frame.payloads = payloads;
        frame.shape_starts.clear();
        for (at_shape, shape) in self.shapes().enumerate() {
            let rows = self.rows_with_shape(frame, at_shape).count_ones() as usize;
            frame.shape_starts.push(frame.starts.len() as u32);
            for (_, slot) in &shape.parts {
                frame.starts.push(at as u32);
                at += bits::bytes_of(rows, slot.number.width);
            }
        }
        if self.has_heap {
            self.load_heap(frame, at)?;
            return self.place_heap(frame);
        }
        if at != frame.bytes.len() {
            return Err(bad("a frame has another length than its columns"));
        }
        Ok(())
    }

    /// The shapes of headers, then those of payloads.
    pub(super) fn shapes(&self) -> impl Iterator<Item = &Shape<'a>> {
        self.headers.iter().map(|header| &header.shape).chain(&self.payloads)
    }

    /// The ids of headers or payloads, and the id of a shape counted over both.
    fn ids_of<'f>(&self, frame: &'f Frame<'_>, shape: usize) -> (&'f Ids, usize) {
        match shape.checked_sub(self.headers.len()) {
            None => (&frame.headers, shape),
            Some(id) => (&frame.payloads, id),
        }
    }

    /// The rows of a frame with this shape, as bits; counted over headers and payloads.
    pub(super) fn rows_with_shape(&self, frame: &Frame<'_>, shape: usize) -> u64 {
        let (ids, id) = self.ids_of(frame, shape);
        ids.rows(id, frame.count)
    }

    /// The header shape of a row.
    #[inline]
    pub(super) fn header(&self, frame: &Frame<'_>, row: usize) -> &HeaderShape<'a> {
        &self.headers[frame.headers.of(row).0]
    }

    /// Finds where on the heap each value is.
    fn place_heap(&self, frame: &mut Frame<'a>) -> Result<()> {
        let mut used = 0;
        let mut heap_places = std::mem::take(&mut frame.heap_places);
        heap_places.clear();
        for (at_shape, shape) in self.shapes().enumerate() {
            let rows = self.rows_with_shape(frame, at_shape);
            let first_column = frame.shape_starts[at_shape] as usize;
            for (index, (_, slot)) in shape.parts.iter().enumerate() {
                let mut places = Vec::new();
                if slot.is_heap() {
                    places.reserve(rows.count_ones() as usize + 1);
                    places.push(used);
                    for (rank, row) in bits::ones(rows).enumerate() {
                        let length = frame.value(&slot.number, first_column + index, row, rank);
                        let length = u32::try_from(length).ok().filter(|length| {
                            u64::from(used) + u64::from(*length) <= frame.heap.len() as u64
                        });
                        used += length.ok_or_else(|| bad("a value is outside of its heap"))?;
                        places.push(used);
                    }
                }
                heap_places.push(places);
            }
        }
        frame.heap_places = heap_places;
        if used as usize != frame.heap.len() {
            return Err(bad("a heap has more bytes than its values"));
        }
        Ok(())
    }

    fn load_heap(&self, frame: &mut Frame<'a>, at: usize) -> Result<()> {
        let rest = frame.bytes.get(at..).ok_or_else(|| bad("a frame is too short"))?;
        let mut reader = Reader::new(rest);
        frame.heap = match reader.varint_max(self.raw_bytes as u64 + 1, "the bytes of a heap")? {
            0 => Cow::Borrowed(reader.rest()),
            bytes => {
                let capacity = bytes as usize - 1;
                let heap = zstd::bulk::decompress(reader.rest(), capacity)
                    .map_err(|error| bad(format!("a heap does not decompress: {error}")))?;
                if heap.len() != capacity {
                    return Err(bad("a heap has another length than it says"));
                }
                Cow::Owned(heap)
            }
        };
        Ok(())
    }

    /// Logical time of the event at `row` of the frame.
    ///
    /// # Errors
    /// `limit_exceeded`: the block is not one of ours.
    pub fn lamport(&self, frame: &Frame<'_>, row: usize) -> Result<Lamport> {
        Lamport::new(frame.value(&self.lamports, 0, row, row) as u64)
    }

    /// The author's clock of the event at `row` of the frame.
    pub fn time(&self, frame: &Frame<'_>, row: usize) -> WallTime {
        WallTime::from_micros(frame.value(&self.times, 1, row, row))
    }

    /// What kind of event stands at `row` of the frame.
    pub fn kind(&self, frame: &Frame<'_>, row: usize) -> EventKind {
        self.header(frame, row).kind
    }

    /// Appends the payload of the event at `row` of the frame.
    ///
    /// # Errors
    /// `corrupt`: its values cannot be.
    #[inline]
    pub fn put_payload(&self, frame: &Frame<'_>, row: usize, out: &mut Vec<u8>) -> Result<()> {
        let (id, rank) = frame.payloads.of(row);
        let (shape, at) = (&self.payloads[id], self.headers.len() + id);
        frame.put(shape, at, (row, rank), Domain::Payload, 0, out)
    }

    /// The app id of the event at `row` of the frame, of a kind that can be read.
    ///
    /// # Errors
    /// `corrupt`: it cannot be one.
    #[inline]
    pub fn app_id<'o>(
        &self,
        frame: &Frame<'_>,
        row: usize,
        scratch: &'o mut Vec<u8>,
    ) -> Result<&'o str>
    where
        'a: 'o,
    {
        let (id, rank) = frame.headers.of(row);
        let header = &self.headers[id];
        if let Some(outline) = &header.outline {
            return Ok(outline.app_id);
        }
        scratch.clear();
        frame.put(&header.shape, id, (row, rank), Domain::Header, 0, scratch)?;
        app_id(&mut Reader::new(scratch))
    }

    /// Appends the tags of the event at `row` of the frame, each counted, and returns how many they
    /// are. For kinds that can be read.
    ///
    /// # Errors
    /// `corrupt`: its values cannot be.
    #[inline]
    pub fn put_tags(
        &self,
        frame: &Frame<'_>,
        row: usize,
        out: &mut Vec<u8>,
        scratch: &mut Vec<u8>,
    ) -> Result<usize> {
        let (id, rank) = frame.headers.of(row);
        let header = &self.headers[id];
        if let Some(outline) = &header.outline {
            let skip = outline.tags_at;
            frame.put(&header.shape, id, (row, rank), Domain::Header, skip, out)?;
            return Ok(outline.tag_count);
        }
        scratch.clear();
        frame.put(&header.shape, id, (row, rank), Domain::Header, 0, scratch)?;
        let (count, tags) = tags_of_whole(scratch)?;
        out.extend_from_slice(tags);
        Ok(count)
    }

    /// Appends all records.
    ///
    /// # Errors
    /// `corrupt`: the block is damaged, or its records have another length than it says.
    pub fn put_records(&self, out: &mut Vec<u8>) -> Result<()> {
        self.put_checked(out, |_| Ok(()))
    }

    /// As `put_records`, with a look at each frame before its records.
    fn put_checked(
        &self,
        out: &mut Vec<u8>,
        check: impl Fn(&Frame<'_>) -> Result<()>,
    ) -> Result<()> {
        let start = out.len();
        let (mut frame, mut rows) = (Frame::default(), FrameRows::new(self)?);
        for index in 0..self.frame_count() {
            self.load(index, &mut frame)?;
            check(&frame)?;
            let is_written = rows.write(self, &frame, Part::Record)?;
            for row in 0..frame.count {
                match is_written {
                    true => out.extend_from_slice(rows.record(row)),
                    false => self.put_record(&frame, row, out)?,
                }
                if out.len() - start > self.raw_bytes {
                    return Err(bad("the records of a block are longer than it says"));
                }
            }
        }
        if out.len() - start != self.raw_bytes {
            return Err(bad("the records of a block are shorter than it says"));
        }
        Ok(())
    }

    /// All records; they share one buffer. Unless the block is `trusted`, it is also checked that
    /// whoever looks for a tag in it finds the events that have it.
    ///
    /// # Errors
    /// As [`BlockReader::put_records`] and, unless `trusted`, [`Record::take`]; `corrupt`: a slot
    /// of a header is not one tag.
    pub fn records(&self, trusted: bool) -> Result<Vec<Record>> {
        // A false claim costs no more than this.
        let mut bytes = Vec::with_capacity(self.raw_bytes.min(32 * self.frames.len()));
        let are_sound = Cell::new(trusted);
        if trusted {
            self.put_records(&mut bytes)?;
        } else {
            self.check_tag_slots()?;
            are_sound.set(self.are_payloads_sound());
            self.put_checked(&mut bytes, |frame| {
                are_sound.set(are_sound.get() && self.are_payloads_on_heap_sound(frame));
                self.check_tags_on_heap(frame)
            })?;
        }
        let mut rest = bytes::Bytes::from(bytes);
        let take = if are_sound.get() { Record::take_trusted } else { Record::take };
        let records: Vec<Record> =
            (0..self.count).map(|_| take(&mut rest)).collect::<Result<_>>()?;
        Reader::new(&rest).finish()?;
        Ok(records)
    }

    /// Appends a record, with the length of its header before it.
    pub(super) fn put_record(
        &self,
        frame: &Frame<'_>,
        row: usize,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        let (mut header, mut payload) = (Vec::new(), Vec::new());
        self.put_payload(frame, row, &mut payload)?;
        let (id, rank) = frame.headers.of(row);
        header.extend_from_slice(&self.headers[id].marks);
        put_varint(&mut header, self.lamport(frame, row)?.value());
        put_varint(&mut header, zigzag(self.time(frame, row).micros()));
        put_varint(&mut header, payload.len() as u64);
        frame.put(&self.headers[id].shape, id, (row, rank), Domain::Header, 0, &mut header)?;
        put_varint(out, header.len() as u64);
        out.extend_from_slice(&header);
        out.extend_from_slice(&payload);
        Ok(())
    }
}

/// Takes the number of events and the bytes of the records off the front of a head.
fn read_claims(head: &mut Reader<'_>) -> Result<(u64, usize)> {
    let count = head.varint_max(BLOCK_EVENTS_MAX, "the events of a block")?;
    let raw_bytes = head.varint_max(RAW_BYTES_MAX as u64, "the bytes of a block")? as usize;
    if count == 0 {
        return Err(bad("a block has no events"));
    }
    Ok((count, raw_bytes))
}
