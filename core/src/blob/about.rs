//! What its owner says of a blob: for people and programs, never trusted.
//!
//! Rule: two nodes may say different things of the same bytes; the id is of the bytes alone.

use crate::blob::limits::{BLOB_TAGS_MAX, FILE_NAME_BYTES_MAX, MEDIA_TYPE_BYTES_MAX};
use crate::error::{Error, ErrorKind, Result};
use crate::event::codec::{Reader, bad, put_counted, put_varint};
use crate::event::limits::TAG_BYTES_MAX;
use crate::event::{Tag, TagSet};

/// What is said of a blob when it is added. All of it may be empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// A media type as of RFC 6838, such as `image/jpeg`, of at most 64 bytes; empty when unknown.
    pub media_type: String,
    /// A file name of at most 128 bytes of UTF-8, without a `/` or a control character; empty when
    /// there is none.
    pub name: String,
    /// What it is listed by here: at most 16.
    pub tags: TagSet,
}

impl About {
    /// Checks what is said, with the name brought to NFC.
    ///
    /// # Errors
    /// `invalid_argument`: no media type, or no file name. `limit_exceeded`: too long, or too many
    /// tags.
    pub(crate) fn checked(mut self) -> Result<About> {
        self.name = crate::event::to_nfc(&self.name).into_owned();
        let too_long = |what: &str, bytes: usize, max: usize| {
            let message = format!("{what} of a blob has {bytes} bytes; the limit is {max}");
            Err(Error::new(ErrorKind::LimitExceeded, message))
        };
        if self.media_type.len() > MEDIA_TYPE_BYTES_MAX {
            return too_long("the media type", self.media_type.len(), MEDIA_TYPE_BYTES_MAX);
        }
        if self.name.len() > FILE_NAME_BYTES_MAX {
            return too_long("the name", self.name.len(), FILE_NAME_BYTES_MAX);
        }
        if self.tags.len() > BLOB_TAGS_MAX {
            let count = self.tags.len();
            let message = format!("a blob has {count} tags; the limit is {BLOB_TAGS_MAX}");
            return Err(Error::new(ErrorKind::LimitExceeded, message));
        }
        if !self.media_type.is_empty() && !is_media_type(&self.media_type) {
            let message = format!("{:?} is no media type, such as image/jpeg", self.media_type);
            return Err(Error::new(ErrorKind::InvalidArgument, message));
        }
        if !is_file_name(&self.name) {
            let message = format!(
                "{:?} is no name of a blob: it has a `/` or a control character",
                self.name
            );
            return Err(Error::new(ErrorKind::InvalidArgument, message));
        }
        Ok(self)
    }

    /// True when nothing is said.
    pub fn is_empty(&self) -> bool {
        self.media_type.is_empty() && self.name.is_empty() && self.tags.is_empty()
    }

    /// What is said here, and where nothing is, what `other` says.
    pub(crate) fn or(mut self, other: About) -> About {
        if self.media_type.is_empty() {
            self.media_type = other.media_type;
        }
        if self.name.is_empty() {
            self.name = other.name;
        }
        if self.tags.is_empty() {
            self.tags = other.tags;
        }
        self
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        put_counted(out, self.media_type.as_bytes());
        put_counted(out, self.name.as_bytes());
        put_varint(out, self.tags.len() as u64);
        for tag in self.tags.iter() {
            put_counted(out, tag.as_str().as_bytes());
        }
    }

    /// Takes what `encode` gave off the front of `reader`.
    ///
    /// # Errors
    /// `corrupt`, `limit_exceeded`: it is not of that form.
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<About> {
        let media_type = text(reader.counted(MEDIA_TYPE_BYTES_MAX, "a media type")?)?;
        let name = text(reader.counted(FILE_NAME_BYTES_MAX, "a name")?)?;
        let count = reader.varint_max(BLOB_TAGS_MAX as u64, "the number of tags")?;
        let mut tags: Vec<Tag> = Vec::new();
        for _ in 0..count {
            let tag = Tag::verbatim(&text(reader.counted(TAG_BYTES_MAX, "a tag")?)?)?;
            if tags.last().is_some_and(|last| *last >= tag) {
                return Err(bad("the tags of a blob do not rise"));
            }
            tags.push(tag);
        }
        Ok(About { media_type, name, tags: TagSet::from_sorted(tags) })
    }
}

fn text(bytes: &[u8]) -> Result<String> {
    String::from_utf8(bytes.to_vec()).map_err(|_| bad("what is said of a blob is no text"))
}

/// `type/subtype` of the characters that RFC 6838 allows.
pub(crate) fn is_media_type(text: &str) -> bool {
    let is_part = |part: &str| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$&^_.+-".contains(&byte);
        !part.is_empty() && part.bytes().all(plain)
    };
    text.split_once('/').is_some_and(|(kind, own)| is_part(kind) && is_part(own))
}

pub(crate) fn is_file_name(text: &str) -> bool {
    !text.chars().any(|letter| letter == '/' || letter.is_control())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn about(media_type: &str, name: &str) -> About {
        let (media_type, name) = (media_type.to_owned(), name.to_owned());
        About { media_type, name, tags: TagSet::default() }
    }

    #[test]
    fn what_is_said_of_a_blob_has_its_limits_and_its_form() {
        for (media_type, name) in [
            ("", ""),
            ("image/jpeg", "défaut 3.jpg"),
            ("application/vnd.ms-excel+x", "a:b"),
            (&format!("a/{}", "b".repeat(62)), &"n".repeat(128)),
        ] {
            let said = about(media_type, name).checked().unwrap();
            let mut bytes = Vec::new();
            said.encode(&mut bytes);
            let mut reader = Reader::new(&bytes);
            assert_eq!(About::read(&mut reader).unwrap(), said);
            assert!(reader.is_empty());
        }
        for (media_type, name) in
            [("jpeg", ""), ("image/", ""), ("a/b/c", ""), ("a/b;c", ""), ("", "a/b"), ("", "a\n")]
        {
            let error = about(media_type, name).checked().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{media_type:?} {name:?}");
        }
        for (media_type, name) in
            [(format!("a/{}", "b".repeat(63)), String::new()), { (String::new(), "n".repeat(129)) }]
        {
            let error = about(&media_type, &name).checked().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::LimitExceeded);
        }
        let tags = TagSet::new((0..17).map(|number| format!("t{number}"))).unwrap();
        let error = About { tags, ..About::default() }.checked().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::LimitExceeded);
    }

    #[test]
    fn a_name_is_brought_to_nfc_and_later_words_fill_what_was_empty() {
        let said = about("", "caf\u{65}\u{301}").checked().unwrap();
        assert_eq!(said.name, "caf\u{e9}");
        let both = said.or(about("image/png", "other"));
        assert_eq!(both, about("image/png", "caf\u{e9}"));
    }
}
