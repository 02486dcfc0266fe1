//! What accounts and claims are called, and the tags that their events are found by.

use crate::error::{Error, ErrorKind, Result};
use crate::event::{RESERVED_TAG_PREFIX, Tag};
use std::fmt;
use std::sync::Arc;

/// Longest name, in bytes of UTF-8 after normalisation.
pub const NAME_BYTES_MAX: usize = 200;

/// The name of an account or a claim: 1 to `NAME_BYTES_MAX` bytes of UTF-8, in NFC.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Arc<str>);

impl Name {
    /// Brings `text` to NFC and takes it as a name.
    ///
    /// # Errors
    /// `invalid_argument`: it is empty. `limit_exceeded`: it is longer than `NAME_BYTES_MAX` bytes.
    pub fn new(text: &str) -> Result<Name> {
        let message = |bytes| {
            format!("a name has {bytes} bytes; the limit is {NAME_BYTES_MAX}; choose a shorter one")
        };
        if text.len() > NAME_BYTES_MAX * 4 {
            return Err(Error::new(ErrorKind::LimitExceeded, message(text.len())));
        }
        if text.is_empty() {
            return Err(Error::new(ErrorKind::InvalidArgument, "a name must not be empty"));
        }
        // The form of names is that of tags, and every name becomes part of one.
        let normal: Arc<str> = crate::event::to_nfc(text).into();
        if normal.len() > NAME_BYTES_MAX {
            return Err(Error::new(ErrorKind::LimitExceeded, message(normal.len())));
        }
        Ok(Name(normal))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The reserved tag `millpond:<kind>:<name>`.
    pub(crate) fn tag(&self, kind: &str) -> Tag {
        let text = format!("{RESERVED_TAG_PREFIX}{kind}:{}", self.0);
        Tag::new(&text).expect("a name leaves room for the prefix")
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Name({})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_in_nfc_and_leaves_room_for_its_tag() {
        assert_eq!(Name::new("caf\u{65}\u{301}").unwrap().as_str(), "caf\u{e9}");
        assert_eq!(Name::new("").unwrap_err().kind(), ErrorKind::InvalidArgument);
        let longest = Name::new(&"x".repeat(NAME_BYTES_MAX)).unwrap();
        assert!(longest.tag("escrow").as_str().starts_with("millpond:escrow:x"));
        for length in [NAME_BYTES_MAX + 1, NAME_BYTES_MAX * 8] {
            let error = Name::new(&"x".repeat(length)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::LimitExceeded);
        }
    }
}
