//! The headers of a block: which rows of a frame have a tag, an app id, a kind.
//!
//! No I/O. Rule: a tag is looked for among the numbers of a column, without writing any tag out,
//! unless the header is kept whole.

use super::bits;
use super::frame::Frame;
use super::reader::BlockReader;
use super::shape::{Coding, Shape, Slot, is_one_tag};
use super::text::Domain;
use crate::error::Result;
use crate::event::codec::{Reader, bad};
use crate::event::event::EventKind;
use crate::event::ids::AppId;
use crate::event::limits::{APP_ID_BYTES_MAX, TAG_BYTES_MAX, TAGS_PER_EVENT_MAX};

/// The header of many events, from the app id on.
#[derive(Debug)]
pub(super) struct HeaderShape<'a> {
    pub(super) marks: [u8; 2],
    pub(super) kind: EventKind,
    pub(super) shape: Shape<'a>,
    /// What it says about app id and tags; nothing when it is kept whole.
    pub(super) outline: Option<Outline<'a>>,
}

/// Where an app id and tags stand in the literals and slots of a header.
#[derive(Debug)]
pub(super) struct Outline<'a> {
    pub(super) app_id: &'a str,
    pub(super) tag_count: usize,
    /// Where the tags begin in the first literal.
    pub(super) tags_at: usize,
    tags: Vec<TagPart<'a>>,
}

#[derive(Clone, Copy, Debug)]
enum TagPart<'a> {
    Literal(&'a [u8]),
    /// The index of the slot.
    Slot(usize),
}

impl<'a> HeaderShape<'a> {
    /// Takes a shape off the front, with the version and kind before it.
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<HeaderShape<'a>> {
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
        let (mut tags, mut own, mut tag_count, mut tags_at) = (Vec::new(), "", 0, 0);
        for (index, literal) in literals.enumerate() {
            let mut reader = Reader::new(literal);
            if index == 0 {
                own = app_id(&mut reader)?;
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
        Ok(Outline { app_id: own, tag_count: tags.len(), tags_at, tags })
    }
}

impl BlockReader<'_> {
    /// Checks that a slot between tags is always one tag, each with one number: else a search by
    /// numbers would pass over events that have it. What is on the heap is left out.
    pub(super) fn check_tag_slots(&self) -> Result<()> {
        let outlined = self.headers.iter().filter(|header| header.outline.is_some());
        for (_, slot) in outlined.flat_map(|header| &header.shape.parts) {
            let is_good = match &slot.coding {
                Coding::Dictionary(dictionary) => dictionary.has_distinct_tags()?,
                Coding::Digits(_) | Coding::Heap => true,
                Coding::Integer | Coding::Float | Coding::Decimal(_) => false,
            };
            if !is_good {
                return Err(bad("a slot of a header is not one tag"));
            }
        }
        Ok(())
    }

    /// The same for what the frame has on the heap.
    pub(super) fn check_tags_on_heap(&self, frame: &Frame<'_>) -> Result<()> {
        for (id, header) in self.headers.iter().enumerate() {
            for (index, (_, slot)) in header.shape.parts.iter().enumerate() {
                if !slot.is_heap() || header.outline.is_none() {
                    continue;
                }
                let column = frame.shape_starts[id] as usize + index;
                let rows = frame.headers.rows(id, frame.count).count_ones() as usize;
                if !(0..rows).all(|rank| is_one_tag(frame.on_heap(column, rank))) {
                    return Err(bad("a slot of a header is not one tag"));
                }
            }
        }
        Ok(())
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
                Some(outline) if outline.app_id == app_id => frame.headers.rows(id, frame.count),
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
                    return Ok(frame.headers.rows(id, frame.count));
                }
                TagPart::Literal(_) => {}
                TagPart::Slot(index) => {
                    let slot = &self.headers[id].shape.parts[*index].1;
                    rows |= self.rows_of_slot(frame, (id, *index), slot, tag.as_bytes())?;
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
        let mut found = 0;
        let mut fields = Vec::new();
        let shape = &self.headers[id].shape;
        for (rank, row) in bits::ones(frame.headers.rows(id, frame.count)).enumerate() {
            fields.clear();
            frame.put(shape, id, (row, rank), Domain::Header, 0, &mut fields)?;
            found |= u64::from(meets(&fields)) << row;
        }
        Ok(found)
    }

    /// The rows whose slot of a header holds this tag.
    fn rows_of_slot(
        &self,
        frame: &Frame<'_>,
        (id, index): (usize, usize),
        slot: &Slot<'_>,
        tag: &[u8],
    ) -> Result<u64> {
        let column = frame.shape_starts[id] as usize + index;
        let is_tag = |entry: &[u8]| {
            Reader::new(entry).counted(TAG_BYTES_MAX, "a tag").is_ok_and(|own| own == tag)
        };
        let rows = frame.headers.rows(id, frame.count);
        let wanted = match &slot.coding {
            Coding::Digits(digits) => digits.number_of(tag),
            Coding::Dictionary(dictionary) => dictionary.position(is_tag)?,
            Coding::Heap => {
                let ranked = bits::ones(rows).enumerate();
                let own = ranked.filter(|(rank, _)| is_tag(frame.on_heap(column, *rank)));
                return Ok(own.fold(0, |found, (_, row)| found | 1 << row));
            }
            Coding::Integer | Coding::Float | Coding::Decimal(_) => None,
        };
        let Some(wanted) = wanted else { return Ok(0) };
        if let Some(packed) = slot.number.level(wanted) {
            let found = bits::equal(frame.column(column), slot.number.width, packed, frame.count);
            if rows == frame.all_rows() {
                return Ok(found & rows);
            }
        }
        let ranked = bits::ones(rows).enumerate();
        Ok(ranked.fold(0, |found, (rank, row)| {
            let value = frame.value(&slot.number, column, row, rank);
            found | u64::from(value == wanted) << row
        }))
    }
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

/// The tags of a header that is kept whole, each counted, and how many they are.
pub(super) fn tags_of_whole(fields: &[u8]) -> Result<(usize, &[u8])> {
    let mut reader = Reader::new(fields);
    app_id(&mut reader)?;
    let count = reader.varint_max(TAGS_PER_EVENT_MAX as u64, "the tags of an event")?;
    Ok((count as usize, reader.rest()))
}

/// Takes an app id off the front of a header's fields.
pub(super) fn app_id<'a>(reader: &mut Reader<'a>) -> Result<&'a str> {
    let text = std::str::from_utf8(reader.counted(APP_ID_BYTES_MAX, "an app id")?);
    let text = text.map_err(|_| bad("an app id is not UTF-8"))?;
    AppId::check(text)?;
    Ok(text)
}
