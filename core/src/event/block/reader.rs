//! From a block to its events: one, some of a frame, or all.
//!
//! Rule: bytes of any kind are refused or read; nothing panics, and nothing makes more bytes than
//! the block claims and a block may have. No I/O. Begin with [`BlockReader::open`].

use super::number::Number;
use super::shape::{Coding, Shape, Slot};
use super::text::Domain;
use super::{FRAME_EVENTS, bits};
use crate::error::Result;
use crate::event::codec::{Reader, bad, put_varint, zigzag};
use crate::event::event::EventKind;
use crate::event::limits::{
    APP_ID_BYTES_MAX, BLOCK_BYTES_SEAL, BLOCK_EVENTS_MAX, RECORD_BYTES_MAX, TAG_BYTES_MAX,
    TAGS_PER_EVENT_MAX,
};
use crate::event::position::{Lamport, WallTime};
use crate::event::record::Record;
use std::borrow::Cow;

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
    headers: Vec<HeaderShape<'a>>,
    payloads: Vec<Shape<'a>>,
    has_heap: bool,
    table: &'a [u8],
    frames: &'a [u8],
}

/// The header of many events, from the app id on.
#[derive(Debug)]
pub(super) struct HeaderShape<'a> {
    marks: [u8; 2],
    kind: EventKind,
    shape: Shape<'a>,
    /// What it says about app id and tags; nothing when it is kept whole.
    outline: Option<Outline<'a>>,
}

#[derive(Debug)]
struct Outline<'a> {
    app_id: &'a str,
    tag_count: usize,
    /// Where the tags begin in the first literal.
    tags_at: usize,
    tags: Vec<TagPart<'a>>,
}

#[derive(Clone, Copy, Debug)]
enum TagPart<'a> {
    Literal(&'a [u8]),
    /// The index of the slot.
    Slot(usize),
}

/// Up to 64 consecutive events of a block. Reused from frame to frame.
#[derive(Debug, Default)]
pub struct Frame<'a> {
    /// Position of the first event in the block.
    first: usize,
    count: usize,
    bytes: &'a [u8],
    heap: Cow<'a, [u8]>,
    /// The shape of each event, and how many before it in the frame have the same.
    header_ids: Vec<(u16, u16)>,
    payload_ids: Vec<(u16, u16)>,
    /// Where each packed column begins: the four of the head, then of all slots in turn.
    starts: Vec<u32>,
    /// The first of `starts` of each shape: of headers, then of payloads.
    shape_starts: Vec<u32>,
    /// For each heap column where its values begin on the heap, one after the other.
    heap_places: Vec<Vec<u32>>,
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
        let count = head.varint_max(BLOCK_EVENTS_MAX, "the events of a block")? as usize;
        let raw_bytes = head.varint_max(RAW_BYTES_MAX as u64, "the bytes of a block")? as usize;
        if count == 0 {
            return Err(bad("a block has no events"));
        }
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
        let slots = headers.iter().map(|header| &header.shape).chain(&payloads);
        let has_heap = slots.flat_map(|shape| &shape.parts).any(|(_, slot)| slot.is_heap());
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
            table,
            frames,
        })
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

    /// Number of frames.
    pub fn frame_count(&self) -> usize {
        self.count.div_ceil(FRAME_EVENTS)
    }

    /// Loads the frame number `index`, counted from 0, into `frame`.
    ///
    /// # Errors
    /// `corrupt`: it is damaged, or there is none.
    pub fn load(&self, index: usize, frame: &mut Frame<'a>) -> Result<()> {
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
        frame.first = index * FRAME_EVENTS;
        frame.count = FRAME_EVENTS.min(self.count - frame.first);
        frame.bytes = bytes;
        self.place(frame)
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
        let ids = [(&self.header_ids, 2), (&self.payload_ids, 3)];
        let [headers, payloads] = ids.map(|(number, column)| {
            let bytes = frame.bytes.get(frame.starts[column] as usize..).unwrap_or_default();
            let position = |row: usize| (frame.first + row) as u32;
            (0..count)
                .map(move |row| number.unpack(position(row), bits::get(bytes, number.width, row)))
        });
        let header_counts = rank(headers, self.headers.len(), &mut frame.header_ids)?;
        let payload_counts = rank(payloads, self.payloads.len(), &mut frame.payload_ids)?;
        frame.shape_starts.clear();
        frame.heap_places.clear();
        let shapes = self.headers.iter().map(|header| &header.shape).chain(&self.payloads);
        let counts = header_counts.into_iter().chain(payload_counts);
        for (shape, rows) in shapes.clone().zip(counts.clone()) {
            frame.shape_starts.push(frame.starts.len() as u32);
            for (_, slot) in &shape.parts {
                frame.starts.push(at as u32);
                at += bits::bytes_of(usize::from(rows), slot.number.width);
            }
        }
        if !self.has_heap {
            if at != frame.bytes.len() {
                return Err(bad("a frame has another length than its columns"));
            }
            return Ok(());
        }
        self.load_heap(frame, at)?;
        let mut used = 0;
        let mut start = frame.starts[4..].iter();
        let rows_of = self.rows_of(frame);
        for ((shape, rows), positions) in shapes.zip(counts).zip(rows_of) {
            for (_, slot) in &shape.parts {
                let start = *start.next().expect("pushed above") as usize;
                if !slot.is_heap() {
                    frame.heap_places.push(Vec::new());
                    continue;
                }
                let mut places = Vec::with_capacity(usize::from(rows) + 1);
                places.push(used);
                let bytes = &frame.bytes[start.min(frame.bytes.len())..];
                for (rank, position) in positions.iter().enumerate() {
                    let packed = bits::get(bytes, slot.number.width, rank);
                    let length = slot.number.unpack(*position, packed);
                    let length = u32::try_from(length).ok().filter(|length| {
                        u64::from(used) + u64::from(*length) <= frame.heap.len() as u64
                    });
                    used += length.ok_or_else(|| bad("a value is outside of its heap"))?;
                    places.push(used);
                }
                frame.heap_places.push(places);
            }
        }
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

    /// For each shape, of headers and then of payloads, the positions of its events in the block.
    fn rows_of(&self, frame: &Frame<'_>) -> Vec<Vec<u32>> {
        let mut rows = vec![Vec::new(); self.headers.len() + self.payloads.len()];
        for row in 0..frame.count {
            let position = (frame.first + row) as u32;
            rows[usize::from(frame.header_ids[row].0)].push(position);
            rows[self.headers.len() + usize::from(frame.payload_ids[row].0)].push(position);
        }
        rows
    }

    /// Logical time of the event at `row` of the frame.
    ///
    /// # Errors
    /// `limit_exceeded`: the block is not one of ours.
    pub fn lamport(&self, frame: &Frame<'_>, row: usize) -> Result<Lamport> {
        Lamport::new(frame.number(&self.lamports, 0, row) as u64)
    }

    /// The author's clock of the event at `row` of the frame.
    pub fn time(&self, frame: &Frame<'_>, row: usize) -> WallTime {
        WallTime::from_micros(frame.number(&self.times, 1, row))
    }

    /// What kind of event stands at `row` of the frame.
    pub fn kind(&self, frame: &Frame<'_>, row: usize) -> EventKind {
        self.headers[usize::from(frame.header_ids[row].0)].kind
    }

    /// Appends the payload of the event at `row` of the frame.
    ///
    /// # Errors
    /// `corrupt`: its values cannot be.
    #[inline]
    pub fn put_payload(&self, frame: &Frame<'_>, row: usize, out: &mut Vec<u8>) -> Result<()> {
        let (id, rank) = frame.payload_ids[row];
        let shape = &self.payloads[usize::from(id)];
        let at = self.headers.len() + usize::from(id);
        frame.put(shape, at, row, rank, Domain::Payload, 0, out)
    }

    /// Appends the tags of the event at `row` of the frame, each counted, and returns the app id
    /// and how many they are. For kinds that can be read.
    ///
    /// # Errors
    /// `corrupt`: its values cannot be.
    #[inline]
    pub fn put_tags<'o>(
        &self,
        frame: &Frame<'_>,
        row: usize,
        out: &mut Vec<u8>,
        scratch: &'o mut Vec<u8>,
    ) -> Result<(&'o str, usize)>
    where
        'a: 'o,
    {
        let (id, rank) = frame.header_ids[row];
        let header = &self.headers[usize::from(id)];
        if let Some(outline) = &header.outline {
            let skip = outline.tags_at;
            frame.put(&header.shape, usize::from(id), row, rank, Domain::Header, skip, out)?;
            return Ok((outline.app_id, outline.tag_count));
        }
        scratch.clear();
        frame.put(&header.shape, usize::from(id), row, rank, Domain::Header, 0, scratch)?;
        let mut reader = Reader::new(scratch);
        let app_id = text(reader.counted(APP_ID_BYTES_MAX, "an app id")?)?;
        let count = reader.varint_max(TAGS_PER_EVENT_MAX as u64, "the tags of an event")?;
        out.extend_from_slice(reader.rest());
        Ok((app_id, count as usize))
    }

    /// The rows of the frame whose events carry this tag, as bits; rows of kinds that cannot be
    /// read are left out.
    ///
    /// # Errors
    /// `corrupt`: values cannot be.
    pub fn rows_with_tag(&self, frame: &Frame<'_>, tag: &str) -> Result<u64> {
        let mut rows = 0;
        for (id, header) in self.headers.iter().enumerate() {
            rows |= match &header.outline {
                _ if !header.kind.is_readable() => 0,
                Some(outline) => self.rows_of_outline(frame, id, outline, tag)?,
                None => self.rows_of_whole(frame, id, |fields| has_tag(fields, tag))?,
            };
        }
        Ok(rows)
    }

    /// The rows of the frame whose events have this app id, as bits.
    ///
    /// # Errors
    /// `corrupt`: values cannot be.
    pub fn rows_with_app_id(&self, frame: &Frame<'_>, app_id: &str) -> Result<u64> {
        let mut rows = 0;
        for (id, header) in self.headers.iter().enumerate() {
            rows |= match &header.outline {
                _ if !header.kind.is_readable() => 0,
                Some(outline) if outline.app_id == app_id => frame.rows_of_header(id),
                Some(_) => 0,
                None => self.rows_of_whole(frame, id, |fields| {
                    let own = Reader::new(fields).counted(APP_ID_BYTES_MAX, "an app id");
                    own.is_ok_and(|own| own == app_id.as_bytes())
                })?,
            };
        }
        Ok(rows)
    }

    /// The rows of the frame whose events are published by applications, as bits.
    pub fn application_rows(&self, frame: &Frame<'_>) -> u64 {
        if let [header] = &self.headers[..] {
            return if header.kind == EventKind::Application { frame.all_rows() } else { 0 };
        }
        let is_meant = |row: &usize| self.kind(frame, *row) == EventKind::Application;
        (0..frame.count).filter(is_meant).fold(0, |rows, row| rows | 1 << row)
    }

    fn rows_of_outline(
        &self,
        frame: &Frame<'_>,
        id: usize,
        outline: &Outline<'_>,
        tag: &str,
    ) -> Result<u64> {
        let mut rows = 0;
        for part in &outline.tags {
            match part {
                TagPart::Literal(literal) if *literal == tag.as_bytes() => {
                    return Ok(frame.rows_of_header(id));
                }
                TagPart::Literal(_) => {}
                TagPart::Slot(index) => {
                    let slot = &self.headers[id].shape.parts[*index].1;
                    rows |= frame.rows_of_slot(id, *index, slot, tag.as_bytes())?;
                }
            }
        }
        Ok(rows)
    }

    fn rows_of_whole(
        &self,
        frame: &Frame<'_>,
        id: usize,
        meets: impl Fn(&[u8]) -> bool,
    ) -> Result<u64> {
        let mut rows = 0;
        let mut fields = Vec::new();
        for (row, (own, rank)) in frame.header_ids.iter().enumerate() {
            if usize::from(*own) == id {
                fields.clear();
                let shape = &self.headers[id].shape;
                frame.put(shape, id, row, *rank, Domain::Header, 0, &mut fields)?;
                rows |= u64::from(meets(&fields)) << row;
            }
        }
        Ok(rows)
    }

    /// Appends all records.
    ///
    /// # Errors
    /// `corrupt`: the block is damaged, or its records have another length than it says.
    pub fn put_records(&self, out: &mut Vec<u8>) -> Result<()> {
        let start = out.len();
        let (mut header, mut payload) = (Vec::new(), Vec::new());
        let mut frame = Frame::default();
        for index in 0..self.frame_count() {
            self.load(index, &mut frame)?;
            for row in 0..frame.count {
                payload.clear();
                self.put_payload(&frame, row, &mut payload)?;
                header.clear();
                self.put_header(&frame, row, payload.len(), &mut header)?;
                put_varint(out, header.len() as u64);
                out.extend_from_slice(&header);
                out.extend_from_slice(&payload);
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

    /// All records; they share one buffer.
    ///
    /// # Errors
    /// As [`BlockReader::put_records`] and, unless `trusted`, [`Record::take`].
    pub fn records(&self, trusted: bool) -> Result<Vec<Record>> {
        let mut bytes = Vec::new();
        self.put_records(&mut bytes)?;
        let mut rest = bytes::Bytes::from(bytes);
        let take = if trusted { Record::take_trusted } else { Record::take };
        let records: Vec<Record> =
            (0..self.count).map(|_| take(&mut rest)).collect::<Result<_>>()?;
        Reader::new(&rest).finish()?;
        Ok(records)
    }

    fn put_header(
        &self,
        frame: &Frame<'_>,
        row: usize,
        payload_bytes: usize,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        let (id, rank) = frame.header_ids[row];
        let header = &self.headers[usize::from(id)];
        out.extend_from_slice(&header.marks);
        put_varint(out, self.lamport(frame, row)?.value());
        put_varint(out, zigzag(self.time(frame, row).micros()));
        put_varint(out, payload_bytes as u64);
        frame.put(&header.shape, usize::from(id), row, rank, Domain::Header, 0, out)
    }
}

impl<'a> Frame<'a> {
    /// Number of events.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Position of the first event in the block.
    pub fn first(&self) -> usize {
        self.first
    }

    /// A bit for each event.
    pub fn all_rows(&self) -> u64 {
        u64::MAX >> (FRAME_EVENTS - self.count)
    }

    #[inline]
    fn number(&self, number: &Number, column: usize, row: usize) -> i64 {
        let bytes = self.bytes.get(self.starts[column] as usize..).unwrap_or_default();
        let packed = bits::get(bytes, number.width, row);
        number.unpack((self.first + row) as u32, packed)
    }

    fn rows_of_header(&self, id: usize) -> u64 {
        let is_own = |(_, (own, _)): &(usize, &(u16, u16))| usize::from(*own) == id;
        self.header_ids.iter().enumerate().filter(is_own).fold(0, |rows, (row, _)| rows | 1 << row)
    }

    /// Appends one header or payload, without the first `skip` bytes of its first literal.
    #[inline]
    #[allow(clippy::too_many_arguments)] // They say which event, which part of it, and where to.
    fn put(
        &self,
        shape: &Shape<'_>,
        shape_at: usize,
        row: usize,
        rank: u16,
        domain: Domain,
        skip: usize,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        let first_column = self.shape_starts[shape_at] as usize;
        let mut skip = skip;
        for (index, (literal, slot)) in shape.parts.iter().enumerate() {
            out.extend_from_slice(&literal[skip..]);
            skip = 0;
            let start = self.starts[first_column + index] as usize;
            let bytes = self.bytes.get(start..).unwrap_or_default();
            let packed = bits::get(bytes, slot.number.width, usize::from(rank));
            let value = slot.number.unpack((self.first + row) as u32, packed);
            match slot.coding {
                Coding::Heap => out.extend_from_slice(self.on_heap(first_column + index - 4, rank)),
                _ => slot.put(out, domain, value)?,
            }
        }
        out.extend_from_slice(&shape.tail[skip..]);
        Ok(())
    }

    fn on_heap(&self, column: usize, rank: u16) -> &[u8] {
        let places = &self.heap_places[column];
        let (start, end) = (places[usize::from(rank)], places[usize::from(rank) + 1]);
        &self.heap[start as usize..end as usize]
    }

    /// The rows whose slot of a header holds this tag.
    fn rows_of_slot(&self, id: usize, index: usize, slot: &Slot<'_>, tag: &[u8]) -> Result<u64> {
        let column = self.shape_starts[id] as usize + index;
        let bytes = self.bytes.get(self.starts[column] as usize..).unwrap_or_default();
        let wanted = match &slot.coding {
            Coding::Digits(digits) => digits.number_of(tag),
            Coding::Dictionary(dictionary) => {
                let is_it = |entry: &[u8]| {
                    Reader::new(entry).counted(TAG_BYTES_MAX, "a tag").ok() == Some(tag)
                };
                let mut found = None;
                for entry in 0..dictionary.len() {
                    if is_it(dictionary.entry(entry as u64)?) {
                        found = Some(entry as i64);
                    }
                }
                found
            }
            Coding::Heap => {
                let is_it = |rank: u16| {
                    let entry = self.on_heap(column - 4, rank);
                    Reader::new(entry).counted(TAG_BYTES_MAX, "a tag").ok() == Some(tag)
                };
                let own = self.header_ids.iter().enumerate();
                let own = own.filter(|(_, (own, rank))| usize::from(*own) == id && is_it(*rank));
                return Ok(own.fold(0, |rows, (row, _)| rows | 1 << row));
            }
            _ => None,
        };
        let Some(wanted) = wanted else { return Ok(0) };
        let mut rows = 0;
        for (row, (own, rank)) in self.header_ids.iter().enumerate() {
            let packed = bits::get(bytes, slot.number.width, usize::from(*rank));
            let value = slot.number.unpack((self.first + row) as u32, packed);
            rows |= u64::from(usize::from(*own) == id && value == wanted) << row;
        }
        Ok(rows)
    }
}

impl<'a> HeaderShape<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<HeaderShape<'a>> {
        let marks: [u8; 2] = reader.array()?;
        let kind = EventKind::of(marks[0], marks[1]);
        let shape = Shape::read(reader)?;
        let is_whole = !kind.is_readable()
            || shape.parts.first().is_some_and(|(literal, _)| literal.is_empty());
        let outline = if is_whole { None } else { Some(Outline::of(&shape)?) };
        Ok(HeaderShape { marks, kind, shape, outline })
    }
}

impl<'a> Outline<'a> {
    fn of(shape: &Shape<'a>) -> Result<Outline<'a>> {
        let literals = shape.parts.iter().map(|(literal, _)| *literal).chain([shape.tail]);
        let (mut tags, mut app_id, mut tag_count, mut tags_at) = (Vec::new(), "", 0, 0);
        for (index, literal) in literals.enumerate() {
            let mut reader = Reader::new(literal);
            if index == 0 {
                app_id = text(reader.counted(APP_ID_BYTES_MAX, "an app id")?)?;
                tag_count = reader.varint_max(TAGS_PER_EVENT_MAX as u64, "the tags of an event")?;
                tags_at = literal.len() - reader.rest().len();
            }
            while !reader.is_empty() {
                tags.push(TagPart::Literal(reader.counted(TAG_BYTES_MAX, "a tag")?));
            }
            if index < shape.parts.len() {
                tags.push(TagPart::Slot(index));
            }
        }
        if tags.len() as u64 != tag_count {
            return Err(bad("a header has another number of tags than it says"));
        }
        Ok(Outline { app_id, tag_count: tags.len(), tags_at, tags })
    }
}

/// For each row its shape and its rank among those before it; how many rows each shape has.
fn rank(
    ids: impl Iterator<Item = i64>,
    shapes: usize,
    out: &mut Vec<(u16, u16)>,
) -> Result<Vec<u16>> {
    let mut counts = vec![0u16; shapes];
    out.clear();
    for id in ids {
        let count = usize::try_from(id).ok().and_then(|id| counts.get_mut(id));
        let count = count.ok_or_else(|| bad("an event has a shape that its block lacks"))?;
        out.push((id as u16, *count));
        *count += 1;
    }
    Ok(counts)
}

fn has_tag(fields: &[u8], tag: &str) -> bool {
    let mut reader = Reader::new(fields);
    let mut next = |max| reader.counted(max, "a tag").ok();
    if next(APP_ID_BYTES_MAX).is_none() {
        return false;
    }
    let Ok(count) = reader.varint() else { return false };
    (0..count)
        .map_while(|_| reader.counted(TAG_BYTES_MAX, "a tag").ok())
        .any(|own| own == tag.as_bytes())
}

fn text(bytes: &[u8]) -> Result<&str> {
    std::str::from_utf8(bytes).map_err(|_| bad("a text in a header is not UTF-8"))
}
