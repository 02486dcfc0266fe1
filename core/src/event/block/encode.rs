//! From records to a block: shapes are found, slots coded, frames written.
//!
//! No I/O. Rule: the block is read back before anybody relies on it; what does not come back to the
//! byte is kept whole. Begin with [`encode`].

use super::column::{Column, Valued};
use super::number::Number;
use super::reader::BlockReader;
use super::split::Split;
use super::text::Domain;
use super::{FRAME_EVENTS, bits};
use crate::event::codec::{put_counted, put_varint};
use crate::event::record::Record;
use std::collections::BTreeMap;
use std::ops::Range;

/// An outline that fewer events have is not worth a shape.
const SHAPE_EVENTS_MIN: usize = 4;
/// Most shapes with slots of their own, of headers and of payloads each.
const SHAPES_MAX: usize = 32;
/// A heap of fewer bytes is left as it is.
const HEAP_COMPRESSED_MIN: usize = 256;
const COMPRESSION_LEVEL: i32 = 1;

/// The block of 1 to 1,024 records.
///
/// # Panics
/// There is no record, or there are more.
pub fn encode(records: &[Record]) -> Vec<u8> {
    assert!((1..=1024).contains(&records.len()), "a block has 1 to 1,024 events");
    let block = Encoder::new(records, true).block();
    if reads_back(&block, records) {
        return block;
    }
    // A defect of ours, or bytes that no reader accepts; either way they are kept.
    tracing::error!("a block does not read back as it was written; its events are kept whole");
    let block = Encoder::new(records, false).block();
    assert!(reads_back(&block, records), "events that are kept whole come back");
    block
}

/// A block that is not as short as it could be, as another writer may make it.
#[cfg(test)]
pub(crate) fn encode_whole(records: &[Record]) -> Vec<u8> {
    Encoder::new(records, false).block()
}

fn reads_back(block: &[u8], records: &[Record]) -> bool {
    let compare = || {
        let reader = BlockReader::open(block)?;
        let mut bytes = Vec::with_capacity(reader.raw_bytes());
        reader.put_records(&mut bytes)?;
        Ok::<_, crate::error::Error>(bytes)
    };
    let Ok(bytes) = compare() else { return false };
    let mut rest = &bytes[..];
    records.iter().all(|record| match rest.strip_prefix(&record.as_bytes()[..]) {
        Some(behind) => {
            rest = behind;
            true
        }
        None => false,
    }) && rest.is_empty()
}

struct Encoder<'a> {
    records: &'a [Record],
    headers: Groups<'a>,
    payloads: Groups<'a>,
}

/// The events of a block by their outlines: of headers, or of payloads.
struct Groups<'a> {
    domain: Domain,
    /// The bytes of each event.
    whole: Vec<&'a [u8]>,
    /// Which shape each event has.
    ids: Vec<u32>,
    shapes: Vec<Group>,
}

/// One shape, coded.
struct Group {
    encoded: Vec<u8>,
    rows: Vec<u32>,
    columns: Vec<(Column, Vec<Range<usize>>)>,
}

impl<'a> Encoder<'a> {
    fn new(records: &'a [Record], splits: bool) -> Encoder<'a> {
        let fields = records.iter().map(|record| record.fields_bytes()).collect();
        let payloads = records.iter().map(|record| record.payload_bytes()).collect();
        let mut split_header = |split: &mut Split, record: &Record| {
            splits && record.kind().is_readable() && split.header(record.fields_bytes())
        };
        let mut split_payload = |split: &mut Split, record: &Record| {
            splits && record.kind().is_readable() && split.payload(record.payload_bytes())
        };
        let marks = |record: &Record| record.header_bytes()[..2].to_vec();
        let headers = Groups::of(Domain::Header, records, fields, &mut split_header, marks);
        let none = |_: &Record| Vec::new();
        let payloads = Groups::of(Domain::Payload, records, payloads, &mut split_payload, none);
        Encoder { records, headers, payloads }
    }

    fn block(&self) -> Vec<u8> {
        let raw_bytes: usize = self.records.iter().map(|record| record.as_bytes().len()).sum();
        let mut head = Vec::with_capacity(4096);
        put_varint(&mut head, self.records.len() as u64);
        put_varint(&mut head, raw_bytes as u64);
        let positioned = || (0u32..).zip(self.records);
        let lamports: Vec<(u32, i64)> = positioned()
            .map(|(position, record)| (position, record.lamport().value() as i64))
            .collect();
        let times: Vec<(u32, i64)> =
            positioned().map(|(position, record)| (position, record.time().micros())).collect();
        let points = [lamports, times, self.headers.points(), self.payloads.points()];
        let numbers = points.each_ref().map(|points| Number::fit(points));
        numbers.iter().for_each(|number| number.encode(&mut head));
        self.headers.put_shapes(&mut head);
        self.payloads.put_shapes(&mut head);

        let mut frames = Vec::with_capacity(raw_bytes / 8);
        for start in (0..self.records.len()).step_by(FRAME_EVENTS) {
            let rows = start..self.records.len().min(start + FRAME_EVENTS);
            let frame_start = frames.len();
            for (number, points) in numbers.iter().zip(&points) {
                let packed =
                    points[rows.clone()].iter().map(|(at, value)| number.pack(*at, *value));
                bits::put(&mut frames, number.width, packed);
            }
            let mut heap = Vec::new();
            self.headers.put_frame(&rows, &mut frames, &mut heap);
            self.payloads.put_frame(&rows, &mut frames, &mut heap);
            if self.headers.has_heap() || self.payloads.has_heap() {
                put_heap(&mut frames, &heap);
            }
            head.extend_from_slice(&(frames.len() as u32).to_le_bytes());
            head.extend_from_slice(&crc32c::crc32c(&frames[frame_start..]).to_le_bytes());
        }
        let mut block = Vec::with_capacity(4 + head.len() + frames.len());
        block.extend_from_slice(&(head.len() as u32).to_le_bytes());
        block.extend_from_slice(&head);
        block.extend_from_slice(&frames);
        block
    }
}

impl<'a> Groups<'a> {
    fn of(
        domain: Domain,
        records: &[Record],
        whole: Vec<&'a [u8]>,
        split_one: &mut dyn FnMut(&mut Split, &Record) -> bool,
        marks: impl Fn(&Record) -> Vec<u8>,
    ) -> Groups<'a> {
        // First which outlines there are, then which of them are worth a shape.
        let mut outlines: BTreeMap<Vec<u8>, usize> = BTreeMap::new();
        let mut found: Vec<(Vec<u8>, Vec<u32>)> = Vec::new();
        let mut split = Split::default();
        let (mut slots, mut starts) = (Vec::new(), Vec::with_capacity(records.len()));
        let mut last: Option<usize> = None;
        for (row, record) in (0u32..).zip(records) {
            if !split_one(&mut split, record) {
                split.whole(whole[row as usize]);
            }
            starts.push(slots.len());
            slots.extend_from_slice(&split.slots);
            let mark = marks(record);
            let is_last = last.is_some_and(|at| {
                let key = &found[at].0;
                key.len() == mark.len() + split.outline.len()
                    && key.starts_with(&mark)
                    && key.ends_with(&split.outline)
            });
            let at = if is_last {
                last.expect("just seen")
            } else {
                let key = [&mark[..], &split.outline].concat();
                *outlines.entry(key).or_insert_with_key(|key| {
                    found.push((key.clone(), Vec::new()));
                    found.len() - 1
                })
            };
            found[at].1.push(row);
            last = Some(at);
        }
        let slots_of = |row: u32| {
            let row = row as usize;
            &slots[starts[row]..starts.get(row + 1).copied().unwrap_or(slots.len())]
        };
        let mut groups = Groups { domain, whole, ids: vec![0; records.len()], shapes: Vec::new() };
        groups.choose(records, found, &marks, &slots_of);
        groups
    }

    fn choose<'s>(
        &mut self,
        records: &[Record],
        found: Vec<(Vec<u8>, Vec<u32>)>,
        marks: &impl Fn(&Record) -> Vec<u8>,
        slots_of: &impl Fn(u32) -> &'s [Range<usize>],
    ) {
        let mut rows_of: Vec<usize> = found.iter().map(|(_, rows)| rows.len()).collect();
        rows_of.sort_unstable_by(|one, other| other.cmp(one));
        let least = rows_of.get(SHAPES_MAX).map_or(0, |rows| rows + 1).max(SHAPE_EVENTS_MIN);
        // What is kept whole, by its marks.
        let mut rest: BTreeMap<Vec<u8>, Vec<u32>> = BTreeMap::new();
        for (_, rows) in found {
            if rows.len() >= least.min(records.len()) {
                let mark = marks(&records[rows[0] as usize]);
                self.add(mark, rows, slots_of);
            } else {
                for row in rows {
                    rest.entry(marks(&records[row as usize])).or_default().push(row);
                }
            }
        }
        for (mark, mut rows) in rest {
            rows.sort_unstable();
            let whole: Vec<Range<usize>> = self.whole.iter().map(|bytes| 0..bytes.len()).collect();
            self.add(mark, rows, &|row: u32| std::slice::from_ref(&whole[row as usize]));
        }
    }

    fn add<'s>(
        &mut self,
        marks: Vec<u8>,
        rows: Vec<u32>,
        slots_of: &impl Fn(u32) -> &'s [Range<usize>],
    ) {
        let id = self.shapes.len() as u32;
        rows.iter().for_each(|row| self.ids[*row as usize] = id);
        let first = rows[0];
        let bytes = self.whole[first as usize];
        let slots = slots_of(first);
        let mut columns = Vec::new();
        let mut parts = Vec::new();
        let mut literal = 0;
        let mut values: Vec<Valued<'_>> = Vec::with_capacity(rows.len());
        for (index, slot) in slots.iter().enumerate() {
            let place = |row: u32| slots_of(row)[index].clone();
            values.clear();
            values.extend(rows.iter().map(|row| (*row, &self.whole[*row as usize][place(*row)])));
            if values.iter().all(|(_, value)| *value == values[0].1) {
                continue;
            }
            let column = Column::of(self.domain, &values);
            put_counted(&mut parts, &bytes[literal..slot.start]);
            parts.extend_from_slice(&column.slot);
            literal = slot.end;
            let places = if column.is_heap {
                rows.iter().map(|row| place(*row)).collect()
            } else {
                Vec::new()
            };
            columns.push((column, places));
        }
        // A header's version and kind go first.
        let mut encoded = marks;
        put_varint(&mut encoded, columns.len() as u64);
        encoded.extend_from_slice(&parts);
        put_counted(&mut encoded, &bytes[literal..]);
        self.shapes.push(Group { encoded, rows, columns });
    }

    fn points(&self) -> Vec<(u32, i64)> {
        (0u32..).zip(self.ids.iter().map(|id| i64::from(*id))).collect()
    }

    fn put_shapes(&self, head: &mut Vec<u8>) {
        put_varint(head, self.shapes.len() as u64);
        self.shapes.iter().for_each(|shape| head.extend_from_slice(&shape.encoded));
    }

    fn has_heap(&self) -> bool {
        self.shapes.iter().any(|shape| shape.columns.iter().any(|(column, _)| column.is_heap))
    }

    /// Appends the packed columns of these rows, and what of them is on the heap.
    fn put_frame(&self, rows: &Range<usize>, out: &mut Vec<u8>, heap: &mut Vec<u8>) {
        for shape in &self.shapes {
            let start = shape.rows.partition_point(|row| (*row as usize) < rows.start);
            let end = shape.rows.partition_point(|row| (*row as usize) < rows.end);
            for (column, places) in &shape.columns {
                bits::put(out, column.width, column.packed[start..end].iter().copied());
                if column.is_heap {
                    for (row, place) in shape.rows[start..end].iter().zip(&places[start..end]) {
                        heap.extend_from_slice(&self.whole[*row as usize][place.clone()]);
                    }
                }
            }
        }
    }
}

/// Appends a heap: as it is, or compressed where that pays.
fn put_heap(out: &mut Vec<u8>, heap: &[u8]) {
    if heap.len() >= HEAP_COMPRESSED_MIN
        && let Ok(compressed) = zstd::bulk::compress(heap, COMPRESSION_LEVEL)
        && compressed.len() < heap.len() - heap.len() / 8
    {
        put_varint(out, heap.len() as u64 + 1);
        out.extend_from_slice(&compressed);
        return;
    }
    put_varint(out, 0);
    out.extend_from_slice(heap);
}
