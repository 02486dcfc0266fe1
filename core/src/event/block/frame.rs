//! A frame of a block: where the values of its events stand.
//!
//! Rule: every place was checked when the frame was loaded, or reads as zeros; nothing panics.
//! Not here: loading (`reader`), which rows have a tag (`header`). No I/O.

use super::number::Number;
use super::shape::{Coding, Shape};
use super::text::Domain;
use super::{FRAME_EVENTS, bits};
use crate::error::Result;
use crate::event::codec::bad;
use std::borrow::Cow;

/// Up to 64 consecutive events of a block. Reused from frame to frame.
#[derive(Debug, Default)]
pub struct Frame<'a> {
    /// Position of the first event in the block.
    pub(super) first: usize,
    pub(super) count: usize,
    pub(super) bytes: &'a [u8],
    pub(super) heap: Cow<'a, [u8]>,
    pub(super) headers: Ids,
    pub(super) payloads: Ids,
    /// Where each packed column begins: the four of the head, then of all slots in turn.
    pub(super) starts: Vec<u32>,
    /// The first of `starts` of each shape: of headers, then of payloads.
    pub(super) shape_starts: Vec<u32>,
    /// For each slot where its values begin on the heap, one after the other.
    pub(super) heap_places: Vec<Vec<u32>>,
}

/// The shape of each event of a frame.
#[derive(Debug, Default)]
pub(super) struct Ids {
    /// The shape of each row, and how many rows before it have the same. Empty: all have shape 0.
    of_rows: Vec<(u16, u16)>,
}

impl<'a> Frame<'a> {
    /// Number of events.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Bytes that this holds; about.
    pub fn bytes(&self) -> usize {
        let places: usize = self.heap_places.iter().map(Vec::capacity).sum();
        let heap = if let Cow::Owned(heap) = &self.heap { heap.capacity() } else { 0 };
        heap + (self.starts.capacity() + places) * size_of::<u32>()
    }

    /// Makes it fit for another block; its memory stays.
    pub fn clear(&mut self) {
        (self.heap, self.bytes, self.count) = (Cow::default(), &[], 0);
        self.heap_places.clear();
        self.starts.clear();
        self.shape_starts.clear();
    }

    /// Position of the first event in the block.
    pub fn first(&self) -> usize {
        self.first
    }

    /// A bit for each event.
    pub fn all_rows(&self) -> u64 {
        u64::MAX >> (FRAME_EVENTS - self.count)
    }

    /// The packed numbers of a column.
    #[inline]
    pub(super) fn column(&self, column: usize) -> &'a [u8] {
        self.bytes.get(self.starts[column] as usize..).unwrap_or_default()
    }

    /// The value of a column for the event at `row`, which is the number `rank` in the column.
    #[inline]
    pub(super) fn value(&self, number: &Number, column: usize, row: usize, rank: usize) -> i64 {
        let packed = bits::get(self.column(column), number.width, rank);
        number.unpack((self.first + row) as u32, packed)
    }

    /// The values of a column for the events at `rows`, one after the other.
    #[inline]
    pub(super) fn unpack(
        &self,
        number: &Number,
        column: usize,
        rows: &[u8],
        values: &mut [i64; FRAME_EVENTS],
    ) {
        let packed = self.column(column);
        if number.width == 0 {
            for (row, value) in rows.iter().zip(values) {
                *value = number.unpack((self.first + usize::from(*row)) as u32, 0);
            }
            return;
        }
        for (rank, (row, value)) in rows.iter().zip(values).enumerate() {
            let position = (self.first + usize::from(*row)) as u32;
            *value = number.unpack(position, bits::get(packed, number.width, rank));
        }
    }

    /// Most bytes that an event of this shape has on the heap.
    pub(super) fn heap_most(&self, shape: usize) -> usize {
        if self.heap_places.is_empty() {
            return 0;
        }
        let first = self.shape_starts[shape] as usize;
        let end = self.shape_starts.get(shape + 1).map_or(self.starts.len(), |end| *end as usize);
        let longest = |places: &Vec<u32>| places.windows(2).map(|pair| pair[1] - pair[0]).max();
        self.heap_places[first - 4..end - 4].iter().filter_map(longest).sum::<u32>() as usize
    }

    /// Appends one header or payload, without the first `skip` bytes of its first literal.
    #[inline]
    pub(super) fn put(
        &self,
        shape: &Shape<'_>,
        shape_at: usize,
        (row, rank): (usize, usize),
        domain: Domain,
        skip: usize,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        let first_column = self.shape_starts[shape_at] as usize;
        let mut skip = skip;
        for (index, (literal, slot)) in shape.parts.iter().enumerate() {
            out.extend_from_slice(&literal[skip..]);
            skip = 0;
            let column = first_column + index;
            match slot.coding {
                Coding::Heap => out.extend_from_slice(self.on_heap(column, rank)),
                _ => slot.put(out, domain, self.value(&slot.number, column, row, rank))?,
            }
        }
        out.extend_from_slice(&shape.tail[skip..]);
        Ok(())
    }

    /// The bytes of a heap slot.
    pub(super) fn on_heap(&self, column: usize, rank: usize) -> &[u8] {
        // The first four columns are those of the head.
        let places = &self.heap_places[column - 4];
        &self.heap[places[rank] as usize..places[rank + 1] as usize]
    }
}

impl Ids {
    /// The shape of a row, and its rank among the rows of that shape.
    #[inline]
    pub(super) fn of(&self, row: usize) -> (usize, usize) {
        match self.of_rows.get(row) {
            None => (0, row),
            Some((id, rank)) => (usize::from(*id), usize::from(*rank)),
        }
    }

    /// The rows with this shape, as bits.
    pub(super) fn rows(&self, id: usize, count: usize) -> u64 {
        if self.of_rows.is_empty() {
            return if id == 0 { u64::MAX >> (FRAME_EVENTS - count) } else { 0 };
        }
        let own = self.of_rows.iter().enumerate().filter(|(_, (own, _))| usize::from(*own) == id);
        own.fold(0, |rows, (row, _)| rows | 1 << row)
    }

    /// Reads the shapes of all rows of a frame from one of its columns.
    pub(super) fn fill(
        &mut self,
        frame: &Frame<'_>,
        number: &Number,
        column: usize,
        shapes: usize,
    ) -> Result<()> {
        self.of_rows.clear();
        if shapes == 1 && *number == Number::default() {
            return Ok(());
        }
        let mut counts = vec![0u16; shapes];
        for row in 0..frame.count {
            let id = frame.value(number, column, row, row);
            let count = usize::try_from(id).ok().and_then(|id| counts.get_mut(id));
            let count = count.ok_or_else(|| bad("an event has a shape that its block lacks"))?;
            self.of_rows.push((id as u16, *count));
            *count += 1;
        }
        Ok(())
    }
}
