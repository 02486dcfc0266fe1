//! What many events of a block have in common: literal bytes, and slots between them that differ.
//!
//! ```text
//! shape      = varint slot_count ‖ (counted literal ‖ slot) × slot_count ‖ counted literal
//! slot       = number column ‖ coding (1 byte) ‖ parameters
//! dictionary = varint entry_count ‖ varint bytes ‖ packed starts ‖ entries
//! ```
//! A slot's bytes follow from its number: an entry, an integer, a float, digits in a text, or as
//! many bytes of the heap. Not here: which slots there are (`split`, `column`).
//! No I/O. Source: docs/format.md, "Blocks on disk".

use super::bits;
use super::number::Number;
use super::text::{self, Domain};
use crate::error::Result;
use crate::event::codec::{Reader, bad};
use crate::event::limits::TAG_BYTES_MAX;

/// Most slots of a shape; what has more is kept whole.
pub(super) const SLOTS_MAX: usize = 64;
/// Most slots of all shapes of a block: twice 32 shapes with all theirs, and one for each event
/// and domain that is kept whole, are fewer.
pub(super) const SLOTS_OF_BLOCK_MAX: usize = 8192;

pub(super) const DICTIONARY: u8 = 0;
pub(super) const INTEGER: u8 = 1;
pub(super) const FLOAT: u8 = 2;
pub(super) const DECIMAL: u8 = 3;
pub(super) const DIGITS: u8 = 4;
pub(super) const HEAP: u8 = 5;

/// Most digits of a decimal fraction, and of a number in a text.
pub(super) const DECIMALS_MAX: u8 = 6;
pub(super) const DIGITS_MAX: u8 = 18;

/// Literal bytes and slots, in turns.
#[derive(Debug)]
pub(super) struct Shape<'a> {
    /// A slot and the literal before it.
    pub(super) parts: Vec<(&'a [u8], Slot<'a>)>,
    /// The literal behind the last slot.
    pub(super) tail: &'a [u8],
}

/// One thing that differs between the events of a shape.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slot<'a> {
    pub(super) number: Number,
    pub(super) coding: Coding<'a>,
}

/// How a number stands for bytes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Coding<'a> {
    /// The index of one of these byte strings.
    Dictionary(Dictionary<'a>),
    /// A CBOR integer.
    Integer,
    /// A CBOR float: the bits of 64.
    Float,
    /// A CBOR float: so many tenths, hundredths …
    Decimal(u8),
    /// A text: digits between two constants.
    Digits(Digits<'a>),
    /// The length of bytes on the heap.
    Heap,
}

/// Byte strings by index.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dictionary<'a> {
    count: usize,
    width: u32,
    starts: &'a [u8],
    entries: &'a [u8],
}

/// A text with a number in it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Digits<'a> {
    pub(super) prefix: &'a [u8],
    pub(super) suffix: &'a [u8],
    /// How many digits there are, with zeros in front; 0: as many as the number needs.
    pub(super) pad: u8,
}

impl<'a> Shape<'a> {
    /// Takes a shape off the front.
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Shape<'a>> {
        let slot_count = reader.varint_max(SLOTS_MAX as u64, "the slots of a shape")?;
        let mut parts = Vec::with_capacity(slot_count as usize);
        for _ in 0..slot_count {
            let literal = reader.counted(usize::MAX, "a literal")?;
            parts.push((literal, Slot::read(reader)?));
        }
        let tail = reader.counted(usize::MAX, "a literal")?;
        Ok(Shape { parts, tail })
    }
}

impl<'a> Slot<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Slot<'a>> {
        let number = Number::read(reader)?;
        let coding = match reader.u8()? {
            DICTIONARY => Coding::Dictionary(Dictionary::read(reader)?),
            INTEGER => Coding::Integer,
            FLOAT => Coding::Float,
            DECIMAL => Coding::Decimal(at_most(reader.u8()?, DECIMALS_MAX)?),
            DIGITS => Coding::Digits(Digits {
                prefix: reader.counted(usize::MAX, "a prefix")?,
                suffix: reader.counted(usize::MAX, "a suffix")?,
                pad: at_most(reader.u8()?, DIGITS_MAX)?,
            }),
            HEAP => Coding::Heap,
            other => return Err(bad(format!("a slot has the unknown coding {other}"))),
        };
        Ok(Slot { number, coding })
    }

    /// True when its bytes are on the heap.
    pub(super) fn is_heap(&self) -> bool {
        matches!(self.coding, Coding::Heap)
    }

    /// Appends the bytes that `value` stands for; of a heap slot nothing.
    ///
    /// # Errors
    /// `corrupt`: no such entry, or no such number in a text.
    #[inline]
    pub(super) fn put(&self, out: &mut Vec<u8>, domain: Domain, value: i64) -> Result<()> {
        match &self.coding {
            Coding::Dictionary(dictionary) => {
                out.extend_from_slice(dictionary.entry(value as u64)?);
            }
            Coding::Integer => text::integer(value).put(out),
            Coding::Float => text::float(f64::from_bits(value as u64))?.put(out),
            Coding::Decimal(places) => text::float(decimal(value, *places))?.put(out),
            Coding::Digits(digits) => digits.put(out, domain, value)?,
            Coding::Heap => {}
        }
        Ok(())
    }
}

/// The float that stands for so many parts of a power of ten.
pub(super) fn decimal(value: i64, places: u8) -> f64 {
    const POWERS: [f64; DECIMALS_MAX as usize + 1] = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6];
    value as f64 / POWERS[usize::from(places)]
}

impl<'a> Dictionary<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Dictionary<'a>> {
        let count = reader.varint_max(1024, "the entries of a dictionary")? as usize;
        let bytes = reader.varint()?;
        // All entries differ, so at most one is empty: few bytes cannot claim many entries.
        if count as u64 > bytes.saturating_add(1) {
            return Err(bad("a dictionary has more entries than bytes"));
        }
        let width = bits::width_of(bytes);
        let starts = reader.bytes(bits::bytes_of(count + 1, width))?;
        let entries = reader.bytes(usize::try_from(bytes).unwrap_or(usize::MAX))?;
        Ok(Dictionary { count, width, starts, entries })
    }

    /// The number of the entry that `meets`, if there is one.
    pub(super) fn position(&self, meets: impl Fn(&[u8]) -> bool) -> Result<Option<i64>> {
        for index in 0..self.count as u64 {
            if meets(self.entry(index)?) {
                return Ok(Some(index as i64));
            }
        }
        Ok(None)
    }

    /// True when each entry is one tag with its length before it, and none stands twice.
    pub(super) fn has_distinct_tags(&self) -> Result<bool> {
        let mut entries = Vec::with_capacity(self.count);
        for index in 0..self.count as u64 {
            let entry = self.entry(index)?;
            if !is_one_tag(entry) {
                return Ok(false);
            }
            entries.push((crc32c::crc32c(entry), entry));
        }
        entries.sort_unstable();
        Ok(entries.windows(2).all(|pair| pair[0] != pair[1]))
    }

    /// Appends all entries to `texts`, and to `starts` where each begins there and the last ends.
    ///
    /// # Errors
    /// `corrupt`: an entry is outside of the dictionary.
    pub(super) fn spread(&self, texts: &mut Vec<u8>, starts: &mut Vec<u32>) -> Result<()> {
        let base = texts.len();
        let places = (0..=self.count).map(|at| bits::get(self.starts, self.width, at) as usize);
        let mut before = 0;
        for place in places {
            if place < before || place > self.entries.len() {
                return Err(bad("a dictionary's entry is outside of it"));
            }
            before = place;
            starts.push((base + place) as u32);
        }
        texts.extend_from_slice(self.entries);
        Ok(())
    }

    /// The entry number `index`.
    #[inline]
    pub(super) fn entry(&self, index: u64) -> Result<&'a [u8]> {
        let index = index as usize;
        if index >= self.count {
            return Err(bad("an event names an entry that its dictionary lacks"));
        }
        let start = bits::get(self.starts, self.width, index) as usize;
        let end = bits::get(self.starts, self.width, index + 1) as usize;
        self.entries.get(start..end).ok_or_else(|| bad("a dictionary's entry is outside of it"))
    }
}

impl Digits<'_> {
    #[inline]
    fn put(&self, out: &mut Vec<u8>, domain: Domain, value: i64) -> Result<()> {
        let digits = self.digits_of(value)?;
        text::text_head(domain, self.prefix.len() + digits + self.suffix.len()).put(out);
        out.extend_from_slice(self.prefix);
        let start = out.len();
        out.resize(start + text::DIGITS_ROOM, 0);
        let end = text::write_digits(out, start, value as u64, digits);
        out.truncate(end);
        out.extend_from_slice(self.suffix);
        Ok(())
    }

    /// How many digits a number has here.
    ///
    /// # Errors
    /// `corrupt`: no text of ours has so many.
    #[inline]
    pub(super) fn digits_of(&self, value: i64) -> Result<usize> {
        let digits = text::digits_of(value as u64, self.pad);
        if value < 0 || digits > usize::from(DIGITS_MAX) {
            return Err(bad("a number in a text has too many digits"));
        }
        Ok(digits)
    }

    /// The number that makes this text, if one does.
    pub(super) fn number_of(&self, text: &[u8]) -> Option<i64> {
        let digits = text.strip_prefix(self.prefix)?.strip_suffix(self.suffix)?;
        super::text::number_of(digits, self.pad)
    }
}

/// True when the bytes are one tag with its length before it.
pub(super) fn is_one_tag(bytes: &[u8]) -> bool {
    let mut reader = Reader::new(bytes);
    reader.counted(TAG_BYTES_MAX, "a tag").is_ok() && reader.is_empty()
}

fn at_most(value: u8, max: u8) -> Result<u8> {
    if value > max {
        return Err(bad(format!("a slot has {value} digits, more than {max}")));
    }
    Ok(value)
}
