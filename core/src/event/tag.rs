//! The labels that events are found by.
//!
//! Rule: publishing and querying bring a text to NFC, as far as the Unicode version at hand knows
//! its characters. Everything after that compares bytes, and nobody refuses a tag for its normal
//! form: Unicode grows, so nodes of different age could not agree on it, and a stream that some
//! nodes refuse is lost to them. Source: docs/format.md, "Events".

use crate::error::{Error, ErrorKind, Result};
use crate::event::limits::{TAG_BYTES_MAX, TAGS_PER_EVENT_MAX};
use std::borrow::{Borrow, Cow};
use std::fmt;
use std::sync::Arc;
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

/// Tags that begin so are ours: an application does not publish events with them itself.
pub const RESERVED_TAG_PREFIX: &str = "millpond:";

/// A label: 1 to `TAG_BYTES_MAX` bytes of UTF-8, in NFC when published by this library. Equal and
/// sorted by bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(Arc<str>);

impl Tag {
    /// Brings `text` to NFC and takes it as a tag.
    ///
    /// # Errors
    /// `invalid_argument`: it is empty. `limit_exceeded`: it is longer than `TAG_BYTES_MAX` bytes.
    pub fn new(text: &str) -> Result<Tag> {
        // A text in another form can only shrink so far; this bounds the work before normalising.
        if text.len() > TAG_BYTES_MAX * 4 {
            return Err(too_long(text.len()));
        }
        let normal = to_nfc(text);
        check(&normal)?;
        Ok(Tag(normal.as_ref().into()))
    }

    /// Takes `text` as it stands, for a tag of an event that exists already.
    ///
    /// # Errors
    /// As [`Tag::new`].
    pub fn verbatim(text: &str) -> Result<Tag> {
        check(text)?;
        Ok(Tag(text.into()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for Tag {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

/// The tags of one event: sorted by bytes, each once, at most `TAGS_PER_EVENT_MAX`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TagSet(Vec<Tag>);

impl TagSet {
    /// Brings each text to NFC, sorts them and drops duplicates.
    ///
    /// # Errors
    /// As [`Tag::new`]; `limit_exceeded`: more than `TAGS_PER_EVENT_MAX` different tags.
    pub fn new<T: AsRef<str>>(texts: impl IntoIterator<Item = T>) -> Result<TagSet> {
        let mut tags = Vec::new();
        for text in texts {
            tags.push(Tag::new(text.as_ref())?);
            if tags.len() > TAGS_PER_EVENT_MAX * 2 {
                tags.sort_unstable();
                tags.dedup();
                check_count(tags.len())?;
            }
        }
        tags.sort_unstable();
        tags.dedup();
        check_count(tags.len())?;
        Ok(TagSet(tags))
    }

    /// Tags that are known to rise strictly.
    pub(crate) fn from_sorted(tags: Vec<Tag>) -> TagSet {
        assert!(tags.windows(2).all(|pair| pair[0] < pair[1]), "tags must rise");
        TagSet(tags)
    }

    /// The tags, rising.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Tag> {
        self.0.iter()
    }

    /// True when `text`, compared by bytes, is one of them.
    pub fn contains(&self, text: &str) -> bool {
        self.0.binary_search_by(|tag| tag.as_str().cmp(text)).is_ok()
    }

    /// How many tags.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True when there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn check(text: &str) -> Result<()> {
    if text.is_empty() {
        return Err(Error::new(ErrorKind::InvalidArgument, "a tag must not be empty"));
    }
    if text.len() > TAG_BYTES_MAX { Err(too_long(text.len())) } else { Ok(()) }
}

fn check_count(count: usize) -> Result<()> {
    if count <= TAGS_PER_EVENT_MAX {
        return Ok(());
    }
    let message = format!("an event has {count} tags or more; the limit is {TAGS_PER_EVENT_MAX}");
    Err(Error::new(ErrorKind::LimitExceeded, message))
}

fn too_long(bytes: usize) -> Error {
    let message = format!("a tag has {bytes} bytes; the limit is {TAG_BYTES_MAX}");
    Error::new(ErrorKind::LimitExceeded, message)
}

/// `text` in normal form NFC; borrowed when it was already.
pub(crate) fn to_nfc(text: &str) -> Cow<'_, str> {
    if text.is_ascii() || is_nfc_quick(text.chars()) == IsNormalized::Yes {
        return Cow::Borrowed(text);
    }
    let normal: String = text.nfc().collect();
    if normal == text { Cow::Borrowed(text) } else { Cow::Owned(normal) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_come_out_sorted_once_and_in_nfc() {
        let set = TagSet::new(["mill", "grain", "caf\u{65}\u{301}", "mill"]).unwrap();
        let texts: Vec<&str> = set.iter().map(Tag::as_str).collect();
        assert_eq!(texts, ["caf\u{e9}", "grain", "mill"]);
        assert!(set.contains("grain") && !set.contains("flour"));
    }

    #[test]
    fn limits_hold_to_the_byte() {
        assert!(Tag::new(&"x".repeat(TAG_BYTES_MAX)).is_ok());
        let error = Tag::new(&"x".repeat(TAG_BYTES_MAX + 1)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::LimitExceeded);
        assert_eq!(Tag::new("").unwrap_err().kind(), ErrorKind::InvalidArgument);
        let many = |count: usize| TagSet::new((0..count).map(|i| format!("t{i}")));
        assert_eq!(many(TAGS_PER_EVENT_MAX).unwrap().len(), TAGS_PER_EVENT_MAX);
        assert_eq!(many(TAGS_PER_EVENT_MAX + 1).unwrap_err().kind(), ErrorKind::LimitExceeded);
        let repeated = TagSet::new(std::iter::repeat_n("grain", 10_000)).unwrap();
        assert_eq!(repeated.len(), 1);
    }

    #[test]
    fn publishing_normalises_and_an_existing_tag_stays_as_it_is() {
        let decomposed = "caf\u{65}\u{301}";
        assert_eq!(Tag::new(decomposed).unwrap().as_str(), "caf\u{e9}");
        assert_eq!(Tag::verbatim(decomposed).unwrap().as_str(), decomposed);
        assert!(Tag::verbatim("").is_err());
        assert!(Tag::verbatim(&"x".repeat(TAG_BYTES_MAX + 1)).is_err());
    }
}
