//! Writes payload bytes in their deterministic encoding.

use super::reader::f64_to_half;
use super::value::Integer;
use crate::error::{Error, ErrorKind, Result};
use crate::event::limits::{NESTING_MAX, PAYLOAD_BYTES_MAX};

/// Builds one value, in order, depth first.
///
/// Maps may be given in any key order: `end_map` sorts the pairs. After an error nothing can be
/// finished: return the error and drop the writer.
#[derive(Debug)]
pub struct Writer {
    out: Vec<u8>,
    open: Vec<Open>,
    failed: bool,
    bytes_max: usize,
}

impl Default for Writer {
    fn default() -> Writer {
        Writer::within(PAYLOAD_BYTES_MAX)
    }
}

/// An array or map that is not closed yet.
#[derive(Debug)]
struct Open {
    /// Where its head lies: one byte, until the count is known.
    head: usize,
    /// Values of an array, keys of a map.
    count: u64,
    map: Option<Pairs>,
}

#[derive(Debug, Default)]
struct Pairs {
    /// Where each pair starts and where its key ends.
    keys: Vec<(usize, usize)>,
    value_next: bool,
}

impl Writer {
    /// An empty writer.
    pub fn new() -> Writer {
        Writer::default()
    }

    /// An empty writer of a value that is no payload, of at most `bytes_max` bytes.
    pub(crate) fn within(bytes_max: usize) -> Writer {
        Writer { out: Vec::new(), open: Vec::new(), failed: false, bytes_max }
    }

    /// Puts in a value as bytes that were checked.
    ///
    /// # Errors
    /// As [`Writer::null`].
    pub(crate) fn checked_value(&mut self, bytes: &[u8]) -> Result<()> {
        self.begin_value()?;
        self.check_room(bytes.len())?;
        self.out.extend_from_slice(bytes);
        Ok(())
    }

    /// Null.
    ///
    /// # Errors
    /// `limit_exceeded`: the payload would exceed `PAYLOAD_BYTES_MAX`. `internal`: no value belongs
    /// here, because the payload is complete or a key comes next. The other values as well.
    pub fn null(&mut self) -> Result<()> {
        self.value(&[0xf6])
    }

    /// A truth value.
    ///
    /// # Errors
    /// As [`Writer::null`].
    pub fn bool(&mut self, value: bool) -> Result<()> {
        self.value(&[if value { 0xf5 } else { 0xf4 }])
    }

    /// A whole number.
    ///
    /// # Errors
    /// As [`Writer::null`].
    pub fn integer(&mut self, value: Integer) -> Result<()> {
        let number = value.value();
        let (major, argument) = if number < 0 { (1, -1 - number) } else { (0, number) };
        let (head, length) = head(major, argument as u64);
        self.value(&head[..length])
    }

    /// A finite float, in the shortest form that keeps its value.
    ///
    /// # Errors
    /// As [`Writer::null`], and `invalid_argument`: it is NaN or infinite.
    pub fn float(&mut self, value: f64) -> Result<()> {
        if !value.is_finite() {
            let message = format!("payload: {value} is refused: NaN and infinities have no order");
            return self.fail(Error::new(ErrorKind::InvalidArgument, message));
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
    /// As [`Writer::null`].
    pub fn text(&mut self, value: &str) -> Result<()> {
        self.begin_value()?;
        self.string(3, value.as_bytes())
    }

    /// Bytes.
    ///
    /// # Errors
    /// As [`Writer::null`].
    pub fn bytes(&mut self, value: &[u8]) -> Result<()> {
        self.begin_value()?;
        self.string(2, value)
    }

    /// Opens an array; its values follow, then [`Writer::end_array`].
    ///
    /// # Errors
    /// As [`Writer::null`], and `limit_exceeded`: nested too deep.
    pub fn begin_array(&mut self) -> Result<()> {
        self.begin(None)
    }

    /// Closes the array that was opened last.
    ///
    /// # Errors
    /// `internal`: no array is open.
    pub fn end_array(&mut self) -> Result<()> {
        match self.open.pop() {
            Some(Open { head, count, map: None }) => {
                self.put_container_head(head, 4, count);
                Ok(())
            }
            _ => self.fail(out_of_order("end_array without begin_array")),
        }
    }

    /// Opens a map; pairs of [`Writer::key`] and a value follow, then [`Writer::end_map`].
    ///
    /// # Errors
    /// As [`Writer::null`], and `limit_exceeded`: nested too deep.
    pub fn begin_map(&mut self) -> Result<()> {
        self.begin(Some(Pairs::default()))
    }

    /// The key of the next pair.
    ///
    /// # Errors
    /// `internal`: no key belongs here. `limit_exceeded`: the payload would be too large.
    pub fn key(&mut self, key: &str) -> Result<()> {
        let start = self.out.len();
        match self.open.last_mut() {
            Some(Open { map: Some(pairs), .. }) if !pairs.value_next => pairs.value_next = true,
            _ => return self.fail(out_of_order("a key where none belongs")),
        }
        self.string(3, key.as_bytes())?;
        let end = self.out.len();
        if let Some(Open { map: Some(pairs), count, .. }) = self.open.last_mut() {
            pairs.keys.push((start, end));
            *count += 1;
        }
        Ok(())
    }

    /// Closes the map that was opened last, its pairs sorted by their encoded keys.
    ///
    /// # Errors
    /// `invalid_argument`: a key stands twice. `internal`: no map is open, or a key has no value.
    pub fn end_map(&mut self) -> Result<()> {
        match self.open.pop() {
            Some(Open { head, count, map: Some(pairs) }) if !pairs.value_next => {
                if let Err(error) = self.sort_pairs(&pairs.keys) {
                    return self.fail(error);
                }
                self.put_container_head(head, 5, count);
                Ok(())
            }
            _ => self.fail(out_of_order("end_map without begin_map, or before a value")),
        }
    }

    /// The finished value.
    ///
    /// # Errors
    /// `internal`: an array or map is still open, nothing was written, or there was an error
    /// before. `limit_exceeded`: it is larger than `PAYLOAD_BYTES_MAX`.
    pub fn finish(self) -> Result<Vec<u8>> {
        if self.failed || !self.open.is_empty() || self.out.is_empty() {
            return Err(out_of_order("the value is not complete"));
        }
        check_size_within(self.out.len(), self.bytes_max)?;
        Ok(self.out)
    }

    fn value(&mut self, bytes: &[u8]) -> Result<()> {
        self.begin_value()?;
        self.out.extend_from_slice(bytes);
        Ok(())
    }

    fn begin_value(&mut self) -> Result<()> {
        let belongs = match self.open.last_mut() {
            None => self.out.is_empty(),
            Some(Open { map: None, count, .. }) => {
                *count += 1;
                true
            }
            Some(Open { map: Some(pairs), .. }) => std::mem::take(&mut pairs.value_next),
        };
        if !belongs {
            return self.fail(out_of_order("a value where none belongs"));
        }
        self.check_room(1)
    }

    fn begin(&mut self, map: Option<Pairs>) -> Result<()> {
        self.begin_value()?;
        if self.open.len() == NESTING_MAX {
            let message = format!("a payload is nested deeper than {NESTING_MAX}");
            return self.fail(Error::new(ErrorKind::LimitExceeded, message));
        }
        self.open.push(Open { head: self.out.len(), count: 0, map });
        self.out.push(0);
        Ok(())
    }

    fn string(&mut self, major: u8, bytes: &[u8]) -> Result<()> {
        self.check_room(bytes.len().saturating_add(1))?;
        let (head, length) = head(major, bytes.len() as u64);
        self.out.extend_from_slice(&head[..length]);
        self.out.extend_from_slice(bytes);
        Ok(())
    }

    /// Brings the pairs that begin and have keys there into the order of their encoded keys.
    fn sort_pairs(&mut self, keys: &[(usize, usize)]) -> Result<()> {
        let out = &self.out;
        let key = |index: usize| &out[keys[index].0..keys[index].1];
        if (1..keys.len()).all(|index| key(index - 1) < key(index)) {
            return Ok(());
        }
        let mut order: Vec<usize> = (0..keys.len()).collect();
        order.sort_by(|a, b| key(*a).cmp(key(*b)));
        if let Some(two) = order.windows(2).find(|two| key(two[0]) == key(two[1])) {
            return Err(duplicate(key(two[0])));
        }
        let start = keys[0].0;
        let end = |index: usize| keys.get(index + 1).map_or(out.len(), |next| next.0);
        let mut sorted = Vec::with_capacity(out.len() - start);
        order.iter().for_each(|at| sorted.extend_from_slice(&out[keys[*at].0..end(*at)]));
        self.out.truncate(start);
        self.out.extend_from_slice(&sorted);
        Ok(())
    }

    /// Puts the head before the contents, now that the count is known. From 24 on they move by 1 to
    /// 8 bytes: each byte at most once for every level it is nested.
    fn put_container_head(&mut self, at: usize, major: u8, count: u64) {
        let (head, length) = head(major, count);
        self.out[at] = head[0];
        if length > 1 {
            self.out.splice(at + 1..at + 1, head[1..length].iter().copied());
        }
    }

    fn check_room(&mut self, bytes: usize) -> Result<()> {
        match check_size_within(self.out.len().saturating_add(bytes), self.bytes_max) {
            Ok(()) => Ok(()),
            Err(error) => self.fail(error),
        }
    }

    #[cold]
    fn fail<T>(&mut self, error: Error) -> Result<T> {
        self.failed = true;
        Err(error)
    }
}

/// The first bytes of an item and how many of them count: the major type, and its number in the
/// shortest form.
fn head(major: u8, argument: u64) -> ([u8; 9], usize) {
    let (low, length) = match argument {
        0..=23 => (argument as u8, 1),
        24..=0xff => (24, 2),
        0x100..=0xffff => (25, 3),
        0x1_0000..=0xffff_ffff => (26, 5),
        _ => (27, 9),
    };
    let mut head = [0; 9];
    head[0] = major << 5 | low;
    head[1..length].copy_from_slice(&argument.to_be_bytes()[9 - length..]);
    (head, length)
}

pub(crate) fn check_size(bytes: usize) -> Result<()> {
    check_size_within(bytes, PAYLOAD_BYTES_MAX)
}

fn check_size_within(bytes: usize, bytes_max: usize) -> Result<()> {
    if bytes <= bytes_max {
        return Ok(());
    }
    let what = if bytes_max == PAYLOAD_BYTES_MAX { "payload" } else { "state" };
    let message = format!(
        "a {what} has {bytes} bytes or more; the limit is {bytes_max}; larger things are blobs"
    );
    Err(Error::new(ErrorKind::LimitExceeded, message))
}

/// `key` is an encoded text: a head of 1, 2, 3 or 5 bytes, then UTF-8.
fn duplicate(key: &[u8]) -> Error {
    let head_bytes = [1, 2, 3, 5][usize::from(key[0] & 31).saturating_sub(23)];
    let text = String::from_utf8_lossy(&key[head_bytes..]);
    let shown: String = text.chars().take(80).collect();
    let message = format!("payload: the key {shown:?} stands twice in a map");
    Error::new(ErrorKind::InvalidArgument, message)
}

fn out_of_order(what: &str) -> Error {
    Error::new(ErrorKind::Internal, format!("payload writer: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::cbor::check;

    fn kind_of(write: impl FnOnce(&mut Writer) -> Result<()>) -> ErrorKind {
        let mut writer = Writer::new();
        let error = write(&mut writer).unwrap_err();
        assert!(writer.finish().is_err(), "after {error}");
        error.kind()
    }

    #[test]
    fn calls_out_of_order_never_finish_as_a_payload() {
        let wrong: [fn(&mut Writer) -> Result<()>; 8] = [
            |w| w.null().and_then(|()| w.null()),
            |w| w.key("a"),
            |w| w.begin_array().and_then(|()| w.key("a")),
            |w| w.begin_map().and_then(|()| w.null()),
            |w| w.begin_map().and_then(|()| w.key("a")).and_then(|()| w.key("b")),
            |w| w.begin_map().and_then(|()| w.key("a")).and_then(|()| w.end_map()),
            |w| w.begin_map().and_then(|()| w.end_array()),
            |w| w.begin_array().and_then(|()| w.end_map()),
        ];
        for write in wrong {
            assert_eq!(kind_of(write), ErrorKind::Internal);
        }
        assert!(Writer::new().finish().is_err());
        let mut open = Writer::new();
        open.begin_array().unwrap();
        assert!(open.finish().is_err());
    }

    #[test]
    fn a_writer_that_once_failed_never_finishes() {
        assert_eq!(kind_of(|w| w.float(f64::NAN)), ErrorKind::InvalidArgument);
        let mut writer = Writer::new();
        writer.begin_array().unwrap();
        writer.null().unwrap();
        writer.float(f64::INFINITY).unwrap_err();
        writer.end_array().unwrap();
        assert_eq!(writer.finish().unwrap_err().kind(), ErrorKind::Internal);
    }

    #[test]
    fn a_key_that_stands_twice_is_named() {
        for key in ["b", "a longer key than 23 bytes", &"x".repeat(300)] {
            let mut writer = Writer::new();
            writer.begin_map().unwrap();
            for _ in 0..2 {
                writer.key(key).unwrap();
                writer.null().unwrap();
            }
            let error = writer.end_map().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidArgument);
            let shown: String = key.chars().take(80).collect();
            assert!(error.message().contains(&format!("the key {shown:?} stands")), "{error}");
        }
    }

    #[test]
    fn the_largest_payload_is_one_of_exactly_the_limit() {
        let text = |bytes: usize| {
            let mut writer = Writer::new();
            writer.text(&"x".repeat(bytes))?;
            writer.finish()
        };
        let largest = text(PAYLOAD_BYTES_MAX - 5).unwrap();
        assert_eq!(largest.len(), PAYLOAD_BYTES_MAX);
        assert_eq!(text(PAYLOAD_BYTES_MAX - 4).unwrap_err().kind(), ErrorKind::LimitExceeded);
    }

    #[test]
    fn a_container_of_any_size_gets_its_shortest_head() {
        for count in [0, 1, 23, 24, 255, 256, 65_535, 65_536] {
            let mut writer = Writer::new();
            writer.begin_array().unwrap();
            writer.begin_array().unwrap();
            (0..count).try_for_each(|_| writer.bool(true)).unwrap();
            writer.end_array().unwrap();
            writer.end_array().unwrap();
            let bytes = writer.finish().unwrap();
            check(&bytes).unwrap();
            assert_eq!(bytes.len(), 1 + head(4, count).1 + count as usize);
        }
    }
}
