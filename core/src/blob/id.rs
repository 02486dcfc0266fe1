//! The name of a blob.

use crate::error::{Error, ErrorKind, Result};
use crate::event::{hex, shortened, unhex32};
use std::fmt;
use std::str::FromStr;

/// The BLAKE3 hash of a blob's bytes, without key or context: what `b3sum` prints.
///
/// Text form: 64 lower-case hex digits; it sorts like the bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlobId([u8; 32]);

impl BlobId {
    /// The id with these bytes. Whether any blob has it nobody can say.
    pub const fn from_bytes(bytes: [u8; 32]) -> BlobId {
        BlobId(bytes)
    }

    /// The id of the blob with these bytes. Takes one pass over them; for what is in memory.
    pub fn of(bytes: &[u8]) -> BlobId {
        BlobId(*blake3::hash(bytes).as_bytes())
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The first ten hex digits: enough for people to tell blobs apart in a message.
    pub fn short(&self) -> String {
        hex(&self.0[..5])
    }
}

impl fmt::Display for BlobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for BlobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BlobId({})", self.short())
    }
}

impl FromStr for BlobId {
    type Err = Error;

    fn from_str(text: &str) -> Result<BlobId> {
        unhex32(text).map(BlobId).ok_or_else(|| {
            let shown = shortened(text);
            let message = format!("a blob id is 64 lower-case hex digits, not {shown:?}");
            Error::new(ErrorKind::InvalidArgument, message)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_the_plain_hash_and_its_text_comes_back() {
        let empty = "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262";
        let id = BlobId::of(b"");
        assert_eq!(id.to_string(), empty);
        assert_eq!(empty.parse::<BlobId>().unwrap(), id);
        assert_eq!(id.short(), &empty[..10]);
    }

    #[test]
    fn any_other_text_is_refused() {
        let upper = "AF1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262";
        for text in ["", "af13", upper, &format!("{}0", BlobId::of(b"")), &"ä".repeat(32)] {
            let error = text.parse::<BlobId>().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{text}");
        }
    }
}
