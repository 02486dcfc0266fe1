//! The one byte codec below CBOR: fixed integers, minimal varints, counted bytes.
//!
//! Rule: a reader never trusts a claimed length; it compares with what is left before it takes or
//! allocates anything, and every number has exactly one encoding.

use crate::error::{Error, ErrorKind, Result};

/// Most bytes a varint takes.
pub const VARINT_BYTES_MAX: usize = 10;

/// Reads from the front of a byte slice, strictly.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// A reader over all of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { rest: bytes }
    }

    /// What has not been read yet.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// True when everything has been read.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next `count` bytes.
    ///
    /// # Errors
    /// `corrupt`: fewer are left.
    pub fn bytes(&mut self, count: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or_else(too_short)?;
        self.rest = rest;
        Ok(taken)
    }

    /// The next `N` bytes as an array.
    ///
    /// # Errors
    /// `corrupt`: fewer are left.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (taken, rest) = self.rest.split_first_chunk::<N>().ok_or_else(too_short)?;
        self.rest = rest;
        Ok(*taken)
    }

    /// One byte.
    ///
    /// # Errors
    /// `corrupt`: none is left.
    pub fn u8(&mut self) -> Result<u8> {
        Ok(self.array::<1>()?[0])
    }

    /// Four bytes, little end first.
    ///
    /// # Errors
    /// `corrupt`: fewer are left.
    pub fn u32(&mut self) -> Result<u32> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    /// Eight bytes, little end first.
    ///
    /// # Errors
    /// `corrupt`: fewer are left.
    pub fn u64(&mut self) -> Result<u64> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// Eight bytes, big end first: the order in which keys sort.
    ///
    /// # Errors
    /// `corrupt`: fewer are left.
    pub fn u64_be(&mut self) -> Result<u64> {
        Ok(u64::from_be_bytes(self.array()?))
    }

    /// An unsigned LEB128 number in its shortest form.
    ///
    /// # Errors
    /// `corrupt`: it does not end, exceeds 64 bits, or has a shorter form.
    #[inline]
    pub fn varint(&mut self) -> Result<u64> {
        if let [byte @ 0..=0x7f, rest @ ..] = self.rest {
            self.rest = rest;
            return Ok(u64::from(*byte));
        }
        self.long_varint()
    }

    fn long_varint(&mut self) -> Result<u64> {
        let mut value = 0u64;
        for index in 0..VARINT_BYTES_MAX {
            let byte = self.u8()?;
            let low = u64::from(byte & 0x7f);
            if index == VARINT_BYTES_MAX - 1 && byte > 1 {
                return Err(bad("a varint exceeds 64 bits"));
            }
            value |= low << (7 * index);
            if byte & 0x80 == 0 {
                if byte == 0 && index > 0 {
                    return Err(bad("a varint is longer than it needs to be"));
                }
                return Ok(value);
            }
        }
        Err(bad("a varint exceeds 64 bits"))
    }

    /// A varint that must not exceed `max`; `what` names it in the error.
    ///
    /// # Errors
    /// `corrupt` as [`Reader::varint`]; `limit_exceeded`: it is larger than `max`.
    pub fn varint_max(&mut self, max: u64, what: &str) -> Result<u64> {
        let value = self.varint()?;
        if value > max {
            let message = format!("{what} is {value}; the limit is {max}");
            return Err(Error::new(ErrorKind::LimitExceeded, message));
        }
        Ok(value)
    }

    /// A varint length of at most `max`, then that many bytes.
    ///
    /// # Errors
    /// `corrupt`: fewer are left; `limit_exceeded`: the length is larger than `max`.
    pub fn counted(&mut self, max: usize, what: &str) -> Result<&'a [u8]> {
        let count = self.varint_max(max as u64, what)?;
        self.bytes(count as usize)
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// `corrupt`: bytes are left over.
    pub fn finish(self) -> Result<()> {
        if self.rest.is_empty() {
            return Ok(());
        }
        Err(bad(format!("{} bytes are left over", self.rest.len())))
    }
}

/// Appends `value` as an unsigned LEB128 number in its shortest form.
pub fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Bytes that [`put_varint`] writes for `value`: 1 to 10.
pub const fn varint_bytes(value: u64) -> usize {
    let bits = 64 - (value | 1).leading_zeros() as usize;
    bits.div_ceil(7)
}

/// Appends a varint length and then `bytes`.
pub fn put_counted(out: &mut Vec<u8>, bytes: &[u8]) {
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Folds a signed number so that small magnitudes stay small: 0, -1, 1, -2 … become 0, 1, 2, 3 …
pub const fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

/// Undoes [`zigzag`].
pub const fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

fn too_short() -> Error {
    bad("the bytes end too early")
}

/// A `corrupt` error about bytes that do not decode.
pub(crate) fn bad(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Corrupt, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_varint_comes_back_and_has_one_form(value: u64) {
            let mut bytes = Vec::new();
            put_varint(&mut bytes, value);
            prop_assert_eq!(bytes.len(), varint_bytes(value));
            let mut reader = Reader::new(&bytes);
            prop_assert_eq!(reader.varint().unwrap(), value);
            prop_assert!(reader.is_empty());
        }

        #[test]
        fn whatever_reads_as_a_varint_writes_back_the_same(
            bytes in prop::collection::vec(any::<u8>(), 0..12),
        ) {
            let mut reader = Reader::new(&bytes);
            if let Ok(value) = reader.varint() {
                let mut again = Vec::new();
                put_varint(&mut again, value);
                prop_assert_eq!(&again[..], &bytes[..bytes.len() - reader.rest().len()]);
            }
        }

        #[test]
        fn a_signed_number_folds_and_unfolds(value: i64) {
            prop_assert_eq!(unzigzag(zigzag(value)), value);
        }
    }

    #[test]
    fn a_longer_form_is_refused() {
        for bytes in [
            &[0x80, 0x00][..],
            &[0xff; 11],
            &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2],
        ] {
            let error = Reader::new(bytes).varint().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt);
        }
    }

    #[test]
    fn a_claimed_length_beyond_the_bytes_is_refused_before_anything_is_taken() {
        let mut bytes = Vec::new();
        put_varint(&mut bytes, 1 << 40);
        assert_eq!(
            Reader::new(&bytes).counted(usize::MAX, "it").unwrap_err().kind(),
            ErrorKind::Corrupt
        );
        assert_eq!(
            Reader::new(&bytes).counted(9, "it").unwrap_err().kind(),
            ErrorKind::LimitExceeded
        );
    }
}
