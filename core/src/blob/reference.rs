//! How an event speaks of a blob: by tags of ours in its signed header, two for each blob.
//!
//! Rule: what is published has one form; what is received is read as far as it has that form, and
//! the rest means nothing and refuses nothing. Source: docs/format.md, "Blobs".

use crate::blob::about::{About, is_file_name, is_media_type};
use crate::blob::limits::{
    BLOB_BYTES_MAX, BLOBS_PER_EVENT_MAX, FILE_NAME_BYTES_MAX, MEDIA_TYPE_BYTES_MAX,
};
use crate::blob::{BlobId, BlobRef};
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Event, EventView, NewEvent, RESERVED_TAG_PREFIX, Tag, TagSet};
use std::collections::{BTreeMap, BTreeSet};

const BLOB: &str = "millpond:blob:";
const SAID: &str = "millpond:blob-is:";
/// Digits of an id by which what is said of a blob finds it.
const DIGITS: usize = 16;

impl NewEvent {
    /// The same event, which refers to these blobs too: each gets one tag with its id, and, where
    /// its size is known, one with what is said of it.
    ///
    /// To publish it each blob must be here whole, or an event that is held must refer to it.
    ///
    /// # Errors
    /// `limit_exceeded`: more than 16 blobs, or than 64 tags; a size above 2^40, a media type of
    /// more than 64 bytes, a name of more than 128. `invalid_argument`: a media type or a name has
    /// no such form; two different ids begin with the same 16 digits.
    pub fn with_blobs(self, blobs: &[BlobRef]) -> Result<NewEvent> {
        let mut tags: Vec<Tag> = self.tags.iter().cloned().collect();
        for blob in blobs {
            tags.push(blob_tag(&blob.id));
            tags.extend(said_tag(blob)?);
        }
        let tags = TagSet::new(tags.iter().map(Tag::as_str))?;
        referred(&tags)?;
        Ok(NewEvent { tags, ..self })
    }
}

impl BlobRef {
    /// What these tags of an event, in any order, refer to: as [`Event::blobs`].
    pub fn of_tags<'a>(tags: impl IntoIterator<Item = &'a str>) -> Vec<BlobRef> {
        references(tags.into_iter())
    }
}

impl Event {
    /// The blobs that it refers to, by rising id: at most 64, at most 16 when published by this
    /// library.
    pub fn blobs(&self) -> Vec<BlobRef> {
        references(self.tags.iter().map(Tag::as_str))
    }
}

impl EventView<'_> {
    /// The blobs that it refers to, by rising id, as [`Event::blobs`].
    ///
    /// # Panics
    /// The batch was read without tags; see [`EventBatch::columns`](crate::EventBatch::columns).
    pub fn blobs(&self) -> Vec<BlobRef> {
        references(self.tags())
    }
}

/// The tag by which events that refer to a blob are found.
pub(crate) fn blob_tag(id: &BlobId) -> Tag {
    Tag::new(&format!("{BLOB}{id}")).expect("it is short, and no letter has another form")
}

/// The blobs that an event to be published refers to.
///
/// # Errors
/// `invalid_argument`, reason `reserved_tag`: a tag of ours is none of those that
/// `NewEvent::with_blobs` makes. `invalid_argument`, `limit_exceeded`: as there.
pub(crate) fn referred(tags: &TagSet) -> Result<BTreeSet<BlobId>> {
    let mut ids = BTreeMap::new();
    for tag in tags.iter().filter_map(|tag| tag.as_str().strip_prefix(BLOB)) {
        let id: BlobId = tag.parse().map_err(|_| reserved(BLOB, tag))?;
        let digits = tag[..DIGITS].to_owned();
        if let Some(other) = ids.insert(digits, (id, false)) {
            let message = format!(
                "blobs {id} and {} begin with the same {DIGITS} digits; one event cannot refer to \
                 both",
                other.0
            );
            return Err(Error::new(ErrorKind::InvalidArgument, message));
        }
    }
    if ids.len() > BLOBS_PER_EVENT_MAX {
        let count = ids.len();
        let message =
            format!("an event refers to {count} blobs; {BLOBS_PER_EVENT_MAX} are allowed");
        return Err(Error::new(ErrorKind::LimitExceeded, message));
    }
    for tag in tags.iter().filter_map(|tag| tag.as_str().strip_prefix(SAID)) {
        let (digits, _) = said(tag).ok_or_else(|| reserved(SAID, tag))?;
        match ids.get_mut(digits) {
            Some((_, is_said)) if !*is_said => *is_said = true,
            _ => return Err(reserved(SAID, tag)),
        }
    }
    let is_other = |text: &str| !text.starts_with(BLOB) && !text.starts_with(SAID);
    let ours = |text: &&str| text.starts_with(RESERVED_TAG_PREFIX) && is_other(text);
    match tags.iter().map(Tag::as_str).find(ours) {
        Some(tag) => Err(reserved("", tag)),
        None => Ok(ids.into_values().map(|(id, _)| id).collect()),
    }
}

fn said_tag(blob: &BlobRef) -> Result<Option<Tag>> {
    let (media_type, name) = (blob.media_type.clone(), blob.name.clone());
    let About { media_type, name, .. } =
        About { media_type, name, tags: TagSet::default() }.checked()?;
    let Some(size) = blob.size else { return Ok(None) };
    if size > BLOB_BYTES_MAX {
        let message = format!("a blob of {size} bytes; the limit is {BLOB_BYTES_MAX}");
        return Err(Error::new(ErrorKind::LimitExceeded, message));
    }
    let id = blob.id.to_string();
    Tag::new(&format!("{SAID}{}:{size}:{media_type}:{name}", &id[..DIGITS])).map(Some)
}

/// What the tags of any event say.
fn references<'a>(tags: impl Iterator<Item = &'a str>) -> Vec<BlobRef> {
    let (mut ids, mut all_said) = (BTreeSet::new(), BTreeMap::<&str, (&str, Said<'_>)>::new());
    for tag in tags {
        if let Some(id) = tag.strip_prefix(BLOB) {
            ids.extend(id.parse::<BlobId>());
        } else if let Some(text) = tag.strip_prefix(SAID)
            && let Some((digits, said)) = said(text)
        {
            // The first by bytes counts, in whatever order they come.
            let first = all_said.entry(digits).or_insert((text, said));
            if text < first.0 {
                *first = (text, said);
            }
        }
    }
    let reference = |id: BlobId| {
        let text = id.to_string();
        let said = all_said.get(&text[..DIGITS]).map(|(_, said)| said);
        let (media_type, name) = said.map_or(("", ""), |said| (said.media_type, said.name));
        let (media_type, name) = (media_type.to_owned(), name.to_owned());
        BlobRef { id, size: said.map(|said| said.size), media_type, name }
    };
    ids.into_iter().map(reference).collect()
}

/// What one tag says of a blob.
#[derive(Clone, Copy)]
struct Said<'a> {
    size: u64,
    media_type: &'a str,
    name: &'a str,
}

/// The digits of the blob, and what is said of it; none when it has another form.
fn said(text: &str) -> Option<(&str, Said<'_>)> {
    let mut fields = text.splitn(4, ':');
    let (digits, size) = (fields.next()?, fields.next()?);
    let (media_type, name) = (fields.next()?, fields.next()?);
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if digits.len() != DIGITS || !digits.bytes().all(is_digit) {
        return None;
    }
    let value: u64 = size.parse().ok()?;
    // One form: no sign, no zero in front.
    if value > BLOB_BYTES_MAX || value.to_string() != size {
        return None;
    }
    let is_type = media_type.is_empty() || is_media_type(media_type);
    if !is_type || media_type.len() > MEDIA_TYPE_BYTES_MAX {
        return None;
    }
    if name.len() > FILE_NAME_BYTES_MAX || !is_file_name(name) {
        return None;
    }
    Some((digits, Said { size: value, media_type, name }))
}

fn reserved(prefix: &str, rest: &str) -> Error {
    let message = format!(
        "the tag {:?} begins with {RESERVED_TAG_PREFIX:?}, which is for accounts, claims and \
         blobs; use their calls, or another tag",
        format!("{prefix}{rest}")
    );
    Error::new(ErrorKind::InvalidArgument, message).with_reason("reserved_tag")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Payload;
    use proptest::prelude::*;

    fn blob(seed: u8, size: Option<u64>, media_type: &str, name: &str) -> BlobRef {
        let (media_type, name) = (media_type.to_owned(), name.to_owned());
        BlobRef { id: BlobId::of(&[seed]), size, media_type, name }
    }

    fn event(tags: &[&str]) -> NewEvent {
        NewEvent {
            tags: TagSet::new(tags).unwrap(),
            payload: Payload::from_value(&crate::event::cbor::Value::Null).unwrap(),
        }
    }

    fn read(tags: &TagSet) -> Vec<BlobRef> {
        references(tags.iter().map(Tag::as_str))
    }

    #[test]
    fn what_is_said_of_blobs_comes_back_from_the_tags_of_an_event() {
        let mut blobs = vec![
            blob(1, Some(0), "", ""),
            blob(2, Some(BLOB_BYTES_MAX), "image/jpeg", "press 3: left: side.jpg"),
            blob(3, Some(7), "", &"é".repeat(64)),
            blob(4, None, "", ""),
        ];
        let own = event(&["defect"]).with_blobs(&blobs).unwrap();
        blobs.sort_by_key(|blob| blob.id);
        assert_eq!(read(&own.tags), blobs);
        assert_eq!(own.tags.len(), 1 + 4 + 3);
        assert!(own.tags.contains("defect"));
        let ids = blobs.iter().map(|blob| blob.id).collect();
        assert_eq!(referred(&own.tags).unwrap(), ids);
        // Again is the same.
        assert_eq!(own.clone().with_blobs(&blobs).unwrap().tags, own.tags);
        assert!(read(&event(&["defect"]).tags).is_empty());
    }

    #[test]
    fn what_cannot_be_said_in_tags_is_refused() {
        let long = "x".repeat(129);
        let many: Vec<BlobRef> = (0..17).map(|seed| blob(seed, Some(1), "", "")).collect();
        assert!(event(&[]).with_blobs(&many[1..]).is_ok());
        for blobs in
            [&many[..], &[blob(1, Some(BLOB_BYTES_MAX + 1), "", "")], &[blob(1, None, "", &long)]]
        {
            let error = event(&[]).with_blobs(blobs).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::LimitExceeded, "{error}");
        }
        let mut near = blob(1, None, "", "");
        let mut bytes = *near.id.as_bytes();
        bytes[31] ^= 1;
        near.id = BlobId::from_bytes(bytes);
        for blobs in [
            &[blob(1, Some(1), "no", "")][..],
            &[blob(1, Some(1), "", "a/b")],
            &[blob(1, None, "", ""), near],
            // Two sayings of one blob.
            &[blob(1, Some(1), "", ""), blob(1, Some(2), "", "")],
        ] {
            let error = event(&[]).with_blobs(blobs).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
        }
    }

    #[test]
    fn tags_of_another_form_refer_to_nothing_and_are_not_published() {
        let id = BlobId::of(&[1]).to_string();
        let digits = &id[..16];
        let blob = format!("{BLOB}{id}");
        for wrong in [
            format!("{BLOB}{}", id.to_uppercase()),
            format!("{BLOB}{digits}"),
            format!("{SAID}{digits}:1"),
            format!("{SAID}{digits}:01::"),
            format!("{SAID}{digits}:+1::"),
            format!("{SAID}{digits}:1:no:"),
            format!("{SAID}{digits}:1::a/b"),
            format!("{SAID}{digits}:{}::", BLOB_BYTES_MAX + 1),
            format!("{SAID}{}:1::", "0".repeat(16)),
            "millpond:pin:a".to_owned(),
        ] {
            let own = event(&[&blob, &wrong]);
            let error = referred(&own.tags).unwrap_err();
            assert_eq!(error.reason(), Some("reserved_tag"), "{wrong}");
            let read = read(&own.tags);
            assert_eq!((read.len(), read[0].size), (1, None), "{wrong}");
        }
        // Of two that somebody signed the first by bytes counts.
        let two = [format!("{SAID}{digits}:2::b"), format!("{SAID}{digits}:1::c")];
        let own = event(&[&blob, &two[0], &two[1]]);
        assert_eq!(read(&own.tags)[0].size, Some(1));
        assert!(referred(&own.tags).is_err());
    }

    proptest! {
        #[test]
        fn any_tags_are_read_without_harm_and_what_is_published_reads_back(
            texts in prop::collection::vec("(millpond:blob(-is)?:)?[0-9a-f:/é.]{1,80}", 0..12),
        ) {
            let tags = TagSet::new(&texts).unwrap();
            let read = read(&tags);
            prop_assert!(read.len() <= tags.len());
            if let Ok(ids) = referred(&tags) {
                prop_assert_eq!(read.iter().map(|blob| blob.id).collect::<BTreeSet<_>>(), ids);
            }
        }
    }
}
