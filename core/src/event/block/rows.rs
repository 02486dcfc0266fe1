//! All events of a frame at once, as a walk over everything and the copy of a block need them.
//!
//! One event alone is read where it stands (`frame`). A whole frame is quicker written column by
//! column: each event has a row with room for the longest one, and a slot is written to all rows
//! before the next slot. Copies have a fixed size; the slot that follows overwrites the surplus.
//! Rule: what is written is what `frame` writes, to the byte; a test compares them. Bytes of any
//! kind are refused or read. No I/O. Begin with [`FrameRows::fill`].

use super::FRAME_EVENTS;
use super::bits;
use super::frame::Frame;
use super::header::tags_of_whole;
use super::reader::BlockReader;
use super::script::{Form, Line, Quick, STRIDE, Script, Span};
use super::shape::{Digits, decimal};
use super::text::{self, Domain, EIGHT_DIGITS, FOUR_DIGITS, Short};
use crate::error::Result;
use crate::event::codec::{bad, varint_bytes, zigzag};
use std::array;
use std::ops::Range;

/// Room before a header: how long it is, its marks and numbers.
const FRONT_BYTES: usize = 40;
/// Room for how long it is.
const FRONT_LENGTH_BYTES: usize = 10;

/// Most bytes that the rows of a frame may need.
const ROWS_BYTES_MAX: usize = 1 << 17;

/// What is written of each event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// The tags, each counted, or the payload, or both.
    Event { tags: bool, payload: bool },
    /// The record, counted by the bytes of its header.
    Record,
}

impl Part {
    fn has_header(self) -> bool {
        !matches!(self, Part::Event { tags: false, .. })
    }

    fn has_payload(self) -> bool {
        !matches!(self, Part::Event { payload: false, .. })
    }
}

/// The events of a frame, written out. Reused from frame to frame of a block.
#[derive(Debug)]
pub struct FrameRows<'a> {
    script: Script<'a>,
    bytes: Vec<u8>,
    places: [Place; FRAME_EVENTS],
}

/// Where an event stands in the bytes.
#[derive(Clone, Copy, Debug, Default)]
struct Place {
    start: usize,
    header_end: usize,
    end: usize,
    tag_count: usize,
}

/// Rows while they are written.
struct Pen<'p, 'a> {
    script: &'p Script<'a>,
    frame: &'p Frame<'a>,
    bytes: &'p mut [u8],
    /// Where each row ends by now.
    ends: &'p mut [usize; FRAME_EVENTS],
}

/// The rows of one shape.
struct Rows {
    rows: [u8; FRAME_EVENTS],
    count: usize,
}

impl<'a> FrameRows<'a> {
    /// Room for the frames of this block.
    ///
    /// # Errors
    /// `corrupt`: an entry is outside of its dictionary.
    pub fn new(reader: &BlockReader<'a>) -> Result<FrameRows<'a>> {
        let (script, places) = (Script::new(reader)?, [Place::default(); FRAME_EVENTS]);
        Ok(FrameRows { script, bytes: Vec::new(), places })
    }

    /// Bytes that this holds; about.
    pub fn bytes(&self) -> usize {
        self.script.bytes() + self.bytes.capacity()
    }

    /// Writes out tags, payloads or both of all events of a loaded frame. False: they are so long
    /// that it would not be quicker; nothing is written.
    ///
    /// # Errors
    /// `corrupt`: values cannot be.
    pub fn fill(
        &mut self,
        reader: &BlockReader<'a>,
        frame: &Frame<'a>,
        (tags, payload): (bool, bool),
    ) -> Result<bool> {
        self.write(reader, frame, Part::Event { tags, payload })
    }

    /// The tags of the event at `row`, each counted, and how many they are. Nothing for kinds that
    /// cannot be read.
    #[inline]
    pub fn tags(&self, row: usize) -> (usize, &[u8]) {
        let place = &self.places[row];
        (place.tag_count, &self.bytes[place.start..place.header_end])
    }

    /// The payload of the event at `row`.
    #[inline]
    pub fn payload(&self, row: usize) -> &[u8] {
        let place = &self.places[row];
        &self.bytes[place.header_end..place.end]
    }

    /// The record at `row`, after `write` with `Part::Record`.
    #[inline]
    pub(super) fn record(&self, row: usize) -> &[u8] {
        let place = &self.places[row];
        &self.bytes[place.start..place.end]
    }

    /// As `fill`, for any part.
    pub(super) fn write(
        &mut self,
        reader: &BlockReader<'a>,
        frame: &Frame<'a>,
        part: Part,
    ) -> Result<bool> {
        let headers = reader.headers.len();
        let most = |lines: &[Line], first: usize| {
            let mosts = lines.iter().enumerate();
            mosts.map(|(at, line)| line.most + frame.heap_most(first + at)).max().unwrap_or(0)
        };
        let (of_headers, of_payloads) = self.script.lines.split_at(headers);
        let pitch = FRONT_BYTES + most(of_headers, 0) + most(of_payloads, headers) + STRIDE;
        if pitch.saturating_mul(frame.count) > ROWS_BYTES_MAX {
            return Ok(false);
        }
        if self.bytes.len() < pitch * frame.count + STRIDE {
            self.bytes.resize(pitch * frame.count + STRIDE, 0);
        }
        let mut ends = array::from_fn(|row| row * pitch + FRONT_BYTES);
        let mut pen = Pen { script: &self.script, frame, bytes: &mut self.bytes, ends: &mut ends };
        for (at, header) in reader.headers.iter().enumerate().filter(|_| part.has_header()) {
            let tags_at = header.outline.as_ref().map_or(0, |outline| outline.tags_at);
            let skip = if part == Part::Record { 0 } else { tags_at };
            pen.shape(at, reader.rows_with_shape(frame, at), skip)?;
        }
        for (row, place) in self.places[..frame.count].iter_mut().enumerate() {
            let (start, header_end) = (row * pitch + FRONT_BYTES, pen.ends[row]);
            *place = Place { start, header_end, end: header_end, tag_count: 0 };
        }
        for at in (headers..self.script.lines.len()).filter(|_| part.has_payload()) {
            pen.shape(at, reader.rows_with_shape(frame, at), 0)?;
        }
        for (row, end) in ends[..frame.count].iter().enumerate() {
            self.places[row].end = *end;
            match part {
                Part::Event { tags: true, .. } => self.find_tags(reader, frame, row)?,
                Part::Event { tags: false, .. } => {}
                Part::Record => self.put_front(reader, frame, row)?,
            }
        }
        Ok(true)
    }

    /// Counts the tags, and leaves out what is before them.
    fn find_tags(&mut self, reader: &BlockReader<'_>, frame: &Frame<'_>, row: usize) -> Result<()> {
        let (header, place) = (reader.header(frame, row), &mut self.places[row]);
        place.tag_count = match &header.outline {
            Some(outline) => outline.tag_count,
            None if !header.kind.is_readable() => {
                place.start = place.header_end;
                0
            }
            None => {
                let fields = &self.bytes[place.start..place.header_end];
                let (count, tags) = tags_of_whole(fields)?;
                place.start = place.header_end - tags.len();
                count
            }
        };
        Ok(())
    }

    /// Writes what a record has before the app id, up to there.
    fn put_front(&mut self, reader: &BlockReader<'_>, frame: &Frame<'_>, row: usize) -> Result<()> {
        let place = &mut self.places[row];
        let mut front = [0; FRONT_BYTES];
        let mut at = FRONT_LENGTH_BYTES;
        front[at..at + 2].copy_from_slice(&reader.header(frame, row).marks);
        at += 2;
        for number in [
            reader.lamport(frame, row)?.value(),
            zigzag(reader.time(frame, row).micros()),
            (place.end - place.header_end) as u64,
        ] {
            at = write_varint(&mut front, at, number);
        }
        let header_bytes = at - FRONT_LENGTH_BYTES + place.header_end - place.start;
        let first = FRONT_LENGTH_BYTES - varint_bytes(header_bytes as u64);
        write_varint(&mut front, first, header_bytes as u64);
        let start = place.start - (at - first);
        self.bytes[start..place.start].copy_from_slice(&front[first..at]);
        place.start = start;
        Ok(())
    }
}

impl Pen<'_, '_> {
    /// Writes the slots of a shape, without the first `skip` bytes of its first literal.
    fn shape(&mut self, shape: usize, rows: u64, skip: usize) -> Result<()> {
        if rows == 0 {
            return Ok(());
        }
        let script = self.script;
        let line = &script.lines[shape];
        let rows = Rows::of(rows);
        let first = self.frame.shape_starts[shape] as usize;
        let mut skip = skip;
        let mut values = [0; FRAME_EVENTS];
        for (index, step) in script.steps[line.first..line.end].iter().enumerate() {
            self.literal(&rows, step.literal.without(skip));
            skip = 0;
            let column = first + index;
            if !matches!(step.form, Form::Heap) {
                self.frame.unpack(&step.number, column, &rows.rows[..rows.count], &mut values);
            }
            let values = &values[..rows.count];
            match &step.form {
                Form::Entry(starts) => self.entries(&rows, starts.clone(), values)?,
                Form::Integer => self.shorts(&rows, values, |value| Ok(text::integer(value)))?,
                Form::Float => {
                    self.shorts(&rows, values, |value| text::float(f64::from_bits(value as u64)))?;
                }
                Form::Decimal(places) => {
                    self.shorts(&rows, values, |value| text::float(decimal(value, *places)))?;
                }
                Form::Digits(own) => self.digits(&rows, values, own, line.domain)?,
                Form::Quick(quick) => self.quick(&rows, values, quick, line)?,
                Form::Heap => self.heap(&rows, column),
            }
        }
        self.literal(&rows, line.tail.without(skip));
        Ok(())
    }

    fn literal(&mut self, rows: &Rows, span: Span) {
        if span.bytes > STRIDE {
            for row in rows.iter() {
                let end = &mut self.ends[row];
                *end = copy(self.bytes, *end, &self.script.texts, span.start, span.bytes);
            }
        } else if span.bytes > 0 {
            let stride: [u8; STRIDE] = *self.script.texts[span.start..].first_chunk().expect(ROOM);
            for row in rows.iter() {
                let end = &mut self.ends[row];
                *self.bytes[*end..].first_chunk_mut().expect(ROOM) = stride;
                *end += span.bytes;
            }
        }
    }

    fn entries(&mut self, rows: &Rows, starts: Range<usize>, values: &[i64]) -> Result<()> {
        let starts = &self.script.starts[starts];
        for (row, value) in rows.iter().zip(values) {
            let Some([start, end]) =
                starts.get(*value as usize..).and_then(|rest| rest.first_chunk())
            else {
                return Err(bad("an event names an entry that its dictionary lacks"));
            };
            let (start, bytes) = (*start as usize, (end - start) as usize);
            let end = &mut self.ends[row];
            *end = copy(self.bytes, *end, &self.script.texts, start, bytes);
        }
        Ok(())
    }

    #[inline(always)]
    fn shorts(
        &mut self,
        rows: &Rows,
        values: &[i64],
        short_of: impl Fn(i64) -> Result<Short>,
    ) -> Result<()> {
        for (row, value) in rows.iter().zip(values) {
            let end = &mut self.ends[row];
            *end = short(self.bytes, *end, short_of(*value)?);
        }
        Ok(())
    }

    fn digits(
        &mut self,
        rows: &Rows,
        values: &[i64],
        own: &Digits<'_>,
        domain: Domain,
    ) -> Result<()> {
        for (row, value) in rows.iter().zip(values) {
            let end = &mut self.ends[row];
            *end = digits(self.bytes, *end, own, domain, *value)?;
        }
        Ok(())
    }

    fn quick(&mut self, rows: &Rows, values: &[i64], quick: &Quick<'_>, line: &Line) -> Result<()> {
        let most = values.iter().fold(0, |most, value| most.max(*value as u64));
        if most >= EIGHT_DIGITS {
            rows.iter().for_each(|row| self.ends[row] -= quick.front);
            return self.digits(rows, values, &quick.own, line.domain);
        }
        let is_fixed = most < quick.fixed_below;
        match most < FOUR_DIGITS {
            true if is_fixed => self.fixed(rows, values, quick.pad, text::four_digits),
            true => self.counted(rows, values, quick, text::four_digits),
            false if is_fixed => self.fixed(rows, values, quick.pad, text::eight_digits),
            false => self.counted(rows, values, quick, text::eight_digits),
        }
        self.literal(rows, quick.suffix);
        Ok(())
    }

    /// As many digits for each row.
    #[inline(always)]
    fn fixed(&mut self, rows: &Rows, values: &[i64], count: usize, digits_of: impl Fn(u64) -> u64) {
        for (row, value) in rows.iter().zip(values) {
            let end = &mut self.ends[row];
            let digits = text::last_of(digits_of(*value as u64), count);
            *self.bytes[*end..].first_chunk_mut().expect(ROOM) = digits;
            *end += count;
        }
    }

    /// As many digits as each number has; the head says how many.
    #[inline(always)]
    fn counted(
        &mut self,
        rows: &Rows,
        values: &[i64],
        quick: &Quick<'_>,
        digits_of: impl Fn(u64) -> u64,
    ) {
        for (row, value) in rows.iter().zip(values) {
            let end = &mut self.ends[row];
            let digits = digits_of(*value as u64);
            let count = text::count_of(digits, quick.pad);
            self.bytes[*end - quick.front] = quick.head + count as u8;
            *self.bytes[*end..].first_chunk_mut().expect(ROOM) = text::last_of(digits, count);
            *end += count;
        }
    }

    fn heap(&mut self, rows: &Rows, column: usize) {
        for (rank, row) in rows.iter().enumerate() {
            let end = &mut self.ends[row];
            *end = exact(self.bytes, *end, self.frame.on_heap(column, rank));
        }
    }
}

impl Rows {
    fn of(bits: u64) -> Rows {
        let (mut rows, mut count) = ([0; FRAME_EVENTS], 0);
        for row in bits::ones(bits) {
            rows[count] = row as u8;
            count += 1;
        }
        Rows { rows, count }
    }

    #[inline(always)]
    fn iter(&self) -> impl Iterator<Item = usize> {
        self.rows[..self.count].iter().map(|row| usize::from(*row) % FRAME_EVENTS)
    }
}

/// Copies bytes of `from`, and up to a stride more; returns where they end.
#[inline(always)]
fn copy(out: &mut [u8], at: usize, from: &[u8], start: usize, bytes: usize) -> usize {
    let mut done = 0;
    loop {
        let stride: &[u8; STRIDE] = from[start + done..].first_chunk().expect(ROOM);
        *out[at + done..].first_chunk_mut().expect(ROOM) = *stride;
        done += STRIDE;
        if done >= bytes {
            return at + bytes;
        }
    }
}

/// Writes a varint at `at`, and returns where it ends.
#[inline]
fn write_varint(out: &mut [u8], mut at: usize, mut value: u64) -> usize {
    while value >= 0x80 {
        out[at] = value as u8 | 0x80;
        value >>= 7;
        at += 1;
    }
    out[at] = value as u8;
    at + 1
}

#[inline(always)]
fn short(out: &mut [u8], at: usize, bytes: Short) -> usize {
    bytes.write(out[at..].first_chunk_mut().expect(ROOM));
    at + bytes.len()
}

/// A text of any number of digits.
fn digits(
    out: &mut [u8],
    at: usize,
    own: &Digits<'_>,
    domain: Domain,
    value: i64,
) -> Result<usize> {
    let count = own.digits_of(value)?;
    let at = short(out, at, text::text_head(domain, own.prefix.len() + count + own.suffix.len()));
    let at = exact(out, at, own.prefix);
    let at = text::write_digits(out, at, value as u64, count);
    Ok(exact(out, at, own.suffix))
}

#[inline]
fn exact(out: &mut [u8], at: usize, bytes: &[u8]) -> usize {
    out[at..at + bytes.len()].copy_from_slice(bytes);
    at + bytes.len()
}

const ROOM: &str = "there is room for a stride";
