//! Writes payload bytes in their deterministic encoding.

use super::reader::f64_to_half;
use super::value::Integer;
use crate::error::{Error, ErrorKind, Result};
use crate::event::limits::{NESTING_MAX, PAYLOAD_BYTES_MAX};

/// Builds one value, in order, depth first.
///
/// Maps may be given in any key order: `end_map` sorts the pairs. Errors do not poison: the first
/// one must simply be returned by the caller, and the writer dropped.
#[derive(Debug, Default)]
pub struct Writer {
    out: Vec<u8>,
    open: Vec<Open>,
}

#[derive(Debug)]
enum Open {
    Array {
        start: usize,
        count: u64,
    },
    /// `pairs` hold where each pair starts and where its key ends; `start` is that of the first.
    Map {
        start: usize,
        pairs: Vec<(usize, usize)>,
    },
}

impl Writer {
    /// An empty writer.
    pub fn new() -> Writer {
        Writer::default()
    }

    /// Null.
    ///
    /// # Errors
    /// `limit_exceeded`: the payload would exceed `PAYLOAD_BYTES_MAX`.
    pub fn null(&mut self) -> Result<()> {
        self.value(&[0xf6])
    }

    /// A truth value.
    ///
    /// # Errors
    /// `limit_exceeded`: the payload would exceed `PAYLOAD_BYTES_MAX`.
    pub fn bool(&mut self, value: bool) -> Result<()> {
        self.value(&[if value { 0xf5 } else { 0xf4 }])
    }

    /// A whole number.
    ///
    /// # Errors
    /// `limit_exceeded`: the payload would exceed `PAYLOAD_BYTES_MAX`.
    pub fn integer(&mut self, value: Integer) -> Result<()> {
        let number = value.value();
        let (major, argument) = if number < 0 { (1, -1 - number) } else { (0, number) };
        self.begin_value()?;
        put_head(&mut self.out, major, argument as u64);
        Ok(())
    }

    /// A finite float, in the shortest form that keeps its value.
    ///
    /// # Errors
    /// `invalid_argument`: it is NaN or infinite. `limit_exceeded`: the payload would be too large.
    pub fn float(&mut self, value: f64) -> Result<()> {
        if !value.is_finite() {
            let message = format!("payload: {value} is refused: NaN and infinities have no order");
            return Err(Error::new(ErrorKind::InvalidArgument, message));
        }
        self.begin_value()?;
        if let Some(half) = f64_to_half(value) {
            self.out.push(0xf9);
            self.out.extend_from_slice(&half.to_be_bytes());
        } else if f64::from(value as f32) == value {
            self.out.push(0xfa);
            self.out.extend_from_slice(&(value as f32).to_be_bytes());
        } else {
            self.out.push(0xfb);
            self.out.extend_from_slice(&value.to_be_bytes());
        }
        Ok(())
    }

    /// Text.
    ///
    /// # Errors
    /// `limit_exceeded`: the payload would exceed `PAYLOAD_BYTES_MAX`.
    pub fn text(&mut self, value: &str) -> Result<()> {
        self.begin_value()?;
        self.string(3, value.as_bytes())
    }

    /// Bytes.
    ///
    /// # Errors
    /// `limit_exceeded`: the payload would exceed `PAYLOAD_BYTES_MAX`.
    pub fn bytes(&mut self, value: &[u8]) -> Result<()> {
        self.begin_value()?;
        self.string(2, value)
    }

    /// Opens an array; its values follow, then [`Writer::end_array`].
    ///
    /// # Errors
    /// `limit_exceeded`: nested too deep, or the payload is too large.
    pub fn begin_array(&mut self) -> Result<()> {
        self.begin_value()?;
        self.check_depth()?;
        self.open.push(Open::Array { start: self.out.len(), count: 0 });
        Ok(())
    }

    /// Closes the array that was opened last.
    ///
    /// # Errors
    /// `internal`: no array is open.
    pub fn end_array(&mut self) -> Result<()> {
        let Some(Open::Array { start, count }) = self.open.pop() else {
            return Err(out_of_order("end_array without begin_array"));
        };
        self.insert_head(start, 4, count);
        Ok(())
    }

    /// Opens a map; pairs of [`Writer::key`] and a value follow, then [`Writer::end_map`].
    ///
    /// # Errors
    /// `limit_exceeded`: nested too deep, or the payload is too large.
    pub fn begin_map(&mut self) -> Result<()> {
        self.begin_value()?;
        self.check_depth()?;
        self.open.push(Open::Map { start: self.out.len(), pairs: Vec::new() });
        Ok(())
    }

    /// The key of the next pair.
    ///
    /// # Errors
    /// `internal`: no map is open. `limit_exceeded`: the payload would be too large.
    pub fn key(&mut self, key: &str) -> Result<()> {
        let start = self.out.len();
        self.string(3, key.as_bytes())?;
        let end = self.out.len();
        match self.open.last_mut() {
            Some(Open::Map { pairs, .. }) => pairs.push((start, end)),
            _ => return Err(out_of_order("a key outside a map")),
        }
        Ok(())
    }

    /// Closes the map that was opened last, its pairs sorted by their encoded keys.
    ///
    /// # Errors
    /// `invalid_argument`: a key stands twice. `internal`: no map is open.
    pub fn end_map(&mut self) -> Result<()> {
        let Some(Open::Map { start, pairs }) = self.open.pop() else {
            return Err(out_of_order("end_map without begin_map"));
        };
        let out = &self.out;
        let key = |pair: &(usize, usize)| &out[pair.0..pair.1];
        if !pairs.windows(2).all(|two| key(&two[0]) < key(&two[1])) {
            let mut order: Vec<usize> = (0..pairs.len()).collect();
            order.sort_by(|a, b| key(&pairs[*a]).cmp(key(&pairs[*b])));
            let twice = order.windows(2).find(|two| key(&pairs[two[0]]) == key(&pairs[two[1]]));
            if let Some(two) = twice {
                return Err(duplicate(key(&pairs[two[0]])));
            }
            let ends = pairs.iter().skip(1).map(|pair| pair.0).chain([out.len()]);
            let spans: Vec<(usize, usize)> = pairs.iter().map(|pair| pair.0).zip(ends).collect();
            let mut sorted = Vec::with_capacity(out.len() - start);
            order.iter().for_each(|at| sorted.extend_from_slice(&out[spans[*at].0..spans[*at].1]));
            self.out.truncate(start);
            self.out.extend_from_slice(&sorted);
        }
        self.insert_head(start, 5, pairs.len() as u64);
        Ok(())
    }

    /// The finished value.
    ///
    /// # Errors
    /// `internal`: an array or map is still open, or nothing was written. `limit_exceeded`: it is
    /// larger than `PAYLOAD_BYTES_MAX`.
    pub fn finish(self) -> Result<Vec<u8>> {
        if !self.open.is_empty() || self.out.is_empty() {
            return Err(out_of_order("the value is not complete"));
        }
        check_size(self.out.len())?;
        Ok(self.out)
    }

    fn value(&mut self, bytes: &[u8]) -> Result<()> {
        self.begin_value()?;
        self.out.extend_from_slice(bytes);
        Ok(())
    }

    fn begin_value(&mut self) -> Result<()> {
        check_size(self.out.len())?;
        if let Some(Open::Array { count, .. }) = self.open.last_mut() {
            *count += 1;
        }
        Ok(())
    }

    fn string(&mut self, major: u8, bytes: &[u8]) -> Result<()> {
        check_size(self.out.len().saturating_add(bytes.len()))?;
        put_head(&mut self.out, major, bytes.len() as u64);
        self.out.extend_from_slice(bytes);
        Ok(())
    }

    fn check_depth(&self) -> Result<()> {
        if self.open.len() < NESTING_MAX {
            return Ok(());
        }
        let message = format!("a payload is nested deeper than {NESTING_MAX}");
        Err(Error::new(ErrorKind::LimitExceeded, message))
    }

    /// Puts the head of a container before its contents, now that the count is known. The contents
    /// move by 1 to 9 bytes; for payloads of shop-floor size that is cheaper than counting first.
    fn insert_head(&mut self, start: usize, major: u8, count: u64) {
        let mut head = Vec::with_capacity(9);
        put_head(&mut head, major, count);
        self.out.splice(start..start, head);
    }
}

fn put_head(out: &mut Vec<u8>, major: u8, argument: u64) {
    let major = major << 5;
    match argument {
        0..=23 => out.push(major | argument as u8),
        24..=0xff => out.extend_from_slice(&[major | 24, argument as u8]),
        0x100..=0xffff => {
            out.push(major | 25);
            out.extend_from_slice(&(argument as u16).to_be_bytes());
        }
        0x1_0000..=0xffff_ffff => {
            out.push(major | 26);
            out.extend_from_slice(&(argument as u32).to_be_bytes());
        }
        _ => {
            out.push(major | 27);
            out.extend_from_slice(&argument.to_be_bytes());
        }
    }
}

pub(crate) fn check_size(bytes: usize) -> Result<()> {
    if bytes <= PAYLOAD_BYTES_MAX {
        return Ok(());
    }
    let message = format!(
        "a payload has {bytes} bytes or more; the limit is {PAYLOAD_BYTES_MAX}; \
         larger things are blobs"
    );
    Err(Error::new(ErrorKind::LimitExceeded, message))
}

fn duplicate(key: &[u8]) -> Error {
    let text = String::from_utf8_lossy(key);
    let message = format!("payload: the key {:?} stands twice in a map", text.trim_start());
    Error::new(ErrorKind::InvalidArgument, message)
}

fn out_of_order(what: &str) -> Error {
    Error::new(ErrorKind::Internal, format!("payload writer: {what}"))
}
