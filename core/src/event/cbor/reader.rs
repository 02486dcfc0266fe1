//! Reads payload bytes item by item, and refuses every encoding but the deterministic one.

use super::value::Integer;
use crate::error::{Error, ErrorKind, Result};
use crate::event::limits::NESTING_MAX;

/// One step through a payload.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Item<'a> {
    /// No value.
    Null,
    /// A truth value.
    Bool(bool),
    /// A whole number of 64 bits.
    Integer(Integer),
    /// A finite float.
    Float(f64),
    /// Text.
    Text(&'a str),
    /// Bytes.
    Bytes(&'a [u8]),
    /// An array: this many values follow.
    Array(usize),
    /// A map: this many pairs follow, each a `Text` key and a value.
    Map(usize),
}

/// Walks over one value. After an `Array` or `Map`, call `next_item` for what is inside.
///
/// The claimed length of an array or map can be used to reserve memory: all claims together, also
/// of arrays within arrays, never exceed the number of bytes.
/// After an error every further call is an error too.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    position: usize,
    /// The innermost container; the outermost of all is as an array of the one value.
    open: Open,
    outer: Vec<Open>,
    /// Items that all open containers still need; each has at least one byte.
    owed: usize,
}

#[derive(Clone, Debug)]
struct Open {
    /// Values of an array; keys and values of a map.
    items_left: usize,
    is_map: bool,
    /// Where the last key of a map lies in the bytes; empty before the first.
    last_key: (usize, usize),
}

impl<'a> Reader<'a> {
    /// A reader over `bytes`, which must be exactly one value.
    pub fn new(bytes: &'a [u8]) -> Reader<'a> {
        let open = Open { items_left: 1, is_map: false, last_key: (0, 0) };
        Reader { bytes, position: 0, open, outer: Vec::new(), owed: 1 }
    }

    /// The next item, or `None` after the value has been read and nothing is left over.
    ///
    /// # Errors
    /// `invalid_argument`: the bytes are not one value of the subset in its deterministic encoding;
    /// the message names the byte position. `limit_exceeded`: nested too deep.
    pub fn next_item(&mut self) -> Result<Option<Item<'a>>> {
        let read = self.read_item();
        if read.is_err() {
            *self = Reader::new(&[]);
        }
        read
    }

    /// How many bytes have been read: where the next item begins, or the value ends.
    pub fn position(&self) -> usize {
        self.position
    }

    fn read_item(&mut self) -> Result<Option<Item<'a>>> {
        while self.open.items_left == 0 {
            match self.outer.pop() {
                Some(outer) => self.open = outer,
                None => return self.end(),
            }
        }
        let start = self.position;
        let is_key = self.open.is_map && self.open.items_left.is_multiple_of(2);
        self.open.items_left -= 1;
        self.owed -= 1;
        let item = self.item()?;
        match item {
            Item::Text(_) if is_key => self.check_key(start)?,
            _ if is_key => return Err(self.bad("a map key is not text")),
            Item::Array(count) => self.enter(count, false)?,
            Item::Map(count) => self.enter(count * 2, true)?,
            _ => {}
        }
        Ok(Some(item))
    }

    fn end(&self) -> Result<Option<Item<'a>>> {
        if self.position == self.bytes.len() {
            return Ok(None);
        }
        Err(self.bad("bytes are left over after the value"))
    }

    /// Keys rise strictly by their encoded bytes; this one stands from `start` to here.
    fn check_key(&mut self, start: usize) -> Result<()> {
        let last = &self.bytes[self.open.last_key.0..self.open.last_key.1];
        if last >= &self.bytes[start..self.position] {
            return Err(self.bad("map keys are not distinct and in order"));
        }
        self.open.last_key = (start, self.position);
        Ok(())
    }

    fn enter(&mut self, items: usize, is_map: bool) -> Result<()> {
        if self.outer.len() == NESTING_MAX {
            let message = format!("a payload is nested deeper than {NESTING_MAX}");
            return Err(Error::new(ErrorKind::LimitExceeded, message));
        }
        let inner = Open { items_left: items, is_map, last_key: (0, 0) };
        self.outer.push(std::mem::replace(&mut self.open, inner));
        self.owed += items;
        Ok(())
    }

    fn item(&mut self) -> Result<Item<'a>> {
        let first = self.take(1)?[0];
        match first >> 5 {
            0 => Ok(Item::Integer(Integer::from(self.argument(first)?))),
            1 => {
                let magnitude = i64::try_from(self.argument(first)?)
                    .map_err(|_| self.bad("an integer is below -2^63"))?;
                Ok(Item::Integer(Integer::from(-1 - magnitude)))
            }
            2 => {
                let count = self.length(first, 1)?;
                Ok(Item::Bytes(self.take(count)?))
            }
            3 => {
                let count = self.length(first, 1)?;
                let text = std::str::from_utf8(self.take(count)?);
                Ok(Item::Text(text.map_err(|_| self.bad("a text is not UTF-8"))?))
            }
            4 => Ok(Item::Array(self.length(first, 1)?)),
            5 => Ok(Item::Map(self.length(first, 2)?)),
            6 => Err(self.bad("CBOR tags are not part of a payload")),
            _ => self.simple(first),
        }
    }

    fn simple(&mut self, first: u8) -> Result<Item<'a>> {
        match first & 31 {
            20 => Ok(Item::Bool(false)),
            21 => Ok(Item::Bool(true)),
            22 => Ok(Item::Null),
            25 => {
                let bits = u16::from_be_bytes(self.array()?);
                self.finite(half_to_f64(bits))
            }
            26 => {
                let value = f32::from_be_bytes(self.array()?);
                if f64_to_half(f64::from(value)).is_some() {
                    return Err(self.bad("a float has a shorter form"));
                }
                self.finite(f64::from(value))
            }
            27 => {
                let value = f64::from_be_bytes(self.array()?);
                if f64::from(value as f32) == value {
                    return Err(self.bad("a float has a shorter form"));
                }
                self.finite(value)
            }
            _ => Err(self.bad("a simple value is not part of a payload")),
        }
    }

    fn finite(&self, value: f64) -> Result<Item<'a>> {
        if value.is_finite() {
            return Ok(Item::Float(value));
        }
        Err(self.bad("NaN and infinities are not part of a payload"))
    }

    /// The number in or behind the first byte, in its shortest form.
    fn argument(&mut self, first: u8) -> Result<u64> {
        let (value, least) = match first & 31 {
            small @ 0..=23 => (u64::from(small), 0),
            24 => (u64::from(self.array::<1>()?[0]), 24),
            25 => (u64::from(u16::from_be_bytes(self.array()?)), 1 << 8),
            26 => (u64::from(u32::from_be_bytes(self.array()?)), 1 << 16),
            27 => (u64::from_be_bytes(self.array()?), 1 << 32),
            31 => return Err(self.bad("indefinite lengths are not part of a payload")),
            _ => return Err(self.bad("a length or number is malformed")),
        };
        if value < least {
            return Err(self.bad("a length or number has a shorter form"));
        }
        Ok(value)
    }

    /// A length whose contents take at least `bytes_each` bytes apiece.
    fn length(&mut self, first: u8, bytes_each: usize) -> Result<usize> {
        let claimed = self.argument(first)?;
        let left = self.bytes.len() - self.position;
        let most = left.saturating_sub(self.owed) / bytes_each;
        if claimed > most as u64 {
            return Err(self.bad("a length exceeds the bytes that are left"));
        }
        Ok(claimed as usize)
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        let end = self.position.checked_add(count).filter(|end| *end <= self.bytes.len());
        let end = end.ok_or_else(|| self.bad("the bytes end too early"))?;
        let taken = &self.bytes[self.position..end];
        self.position = end;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let taken = self.take(N)?;
        Ok(taken.try_into().expect("take gave N bytes"))
    }

    #[cold]
    fn bad(&self, what: &str) -> Error {
        let message = format!("payload: {what} (near byte {})", self.position);
        Error::new(ErrorKind::InvalidArgument, message)
    }
}

/// Checks that `bytes` are exactly one value in its deterministic encoding.
///
/// # Errors
/// As [`Reader::next_item`].
pub fn check(bytes: &[u8]) -> Result<()> {
    let mut reader = Reader::new(bytes);
    while reader.next_item()?.is_some() {}
    Ok(())
}

/// As [`check`], and that an item begins at each of `places`, which rise.
///
/// # Errors
/// As [`check`]; `invalid_argument`: at one of them none does.
pub(crate) fn check_with_items_at(bytes: &[u8], places: &[usize]) -> Result<()> {
    let mut reader = Reader::new(bytes);
    let mut places = places.iter().peekable();
    loop {
        let start = reader.position;
        if reader.next_item()?.is_none() {
            break;
        }
        places.next_if(|place| **place == start);
    }
    match places.next() {
        Some(_) => Err(reader.bad("an item begins elsewhere")),
        None => Ok(()),
    }
}

/// The value of a 16-bit float.
pub(crate) fn half_to_f64(bits: u16) -> f64 {
    let exponent = i32::from(bits >> 10 & 31);
    let fraction = f64::from(bits & 1023);
    let magnitude = match exponent {
        0 => fraction * 2f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1.0 + fraction / 1024.0) * 2f64.powi(exponent - 15),
    };
    if bits & 0x8000 != 0 { -magnitude } else { magnitude }
}

/// The 16-bit float that equals `value` exactly, sign of zero included, if there is one.
pub(crate) fn f64_to_half(value: f64) -> Option<u16> {
    let bits = value.to_bits();
    let sign = (bits >> 48) as u16 & 0x8000;
    let exponent = (bits >> 52 & 0x7ff) as i32 - 1023;
    let fraction = bits & ((1 << 52) - 1);
    if value == 0.0 {
        return Some(sign);
    }
    let half = match exponent {
        -14..=15 => {
            let exact = fraction.trailing_zeros() >= 42;
            exact.then(|| ((exponent + 15) as u16) << 10 | (fraction >> 42) as u16)
        }
        -24..=-15 => {
            let shift = (28 - exponent) as u32;
            let significand = fraction | 1 << 52;
            (significand.trailing_zeros() >= shift).then(|| (significand >> shift) as u16)
        }
        _ => None,
    };
    half.map(|magnitude| sign | magnitude)
}
