//! What is said of blobs, as every shell says it and is told it.

use crate::batch::EventView;
use crate::errors::{FacadeError, Result};
use millpond::event::TagSet;
use millpond::{
    About, BlobId, BlobRef, BlobStat, BlobState, Blobs, BlobsCollected, BlobsVerified, ErrorKind,
    Export, ExportHow, Exported,
};
use serde_json::{Value, json};

/// What is said of a blob when it is added.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BlobAbout {
    /// A media type such as `image/jpeg`, of at most 64 bytes.
    pub media_type: Option<String>,
    /// A file name of at most 128 bytes, without a `/` or a control character.
    pub name: Option<String>,
    /// What it is listed by here: at most 16.
    pub tags: Vec<String>,
}

/// How a blob becomes a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BlobExportOptions {
    /// `auto` (default: shares blocks where the file system can, else copies), `copy`, or `link`:
    /// another name of the store's own file, where that is possible.
    pub how: Option<String>,
    /// Whether the file takes the place of one that is there (default no).
    pub overwrite: Option<bool>,
}

/// The blobs that an event with these tags refers to, by rising id, as one JSON array of objects:
/// `id`, `size` in bytes, `media_type`, `name`; null is unknown. Only the ids are sure: the rest is
/// what its publisher said.
pub fn event_blobs_json<'a>(tags: impl IntoIterator<Item = &'a str>) -> String {
    let blobs = BlobRef::of_tags(tags);
    Value::Array(blobs.iter().map(blob_value).collect()).to_string()
}

impl EventView<'_> {
    /// The blobs that it refers to: see [`event_blobs_json`].
    ///
    /// # Errors
    /// As [`EventView::tags`].
    pub fn blobs_json(&self) -> Result<String> {
        Ok(event_blobs_json(self.tags()?))
    }
}

/// What can come of work on blobs.
pub(crate) trait Told: Send + 'static {
    /// One JSON object.
    fn told(&self) -> String;
}

impl BlobAbout {
    pub(crate) fn read(self) -> Result<About> {
        let BlobAbout { media_type, name, tags } = self;
        let (media_type, name) = (media_type.unwrap_or_default(), name.unwrap_or_default());
        Ok(About { media_type, name, tags: tags_of(&tags)? })
    }
}

impl BlobExportOptions {
    pub(crate) fn read(self) -> Result<Export> {
        let how = match self.how.as_deref() {
            None | Some("auto") => ExportHow::Auto,
            Some("copy") => ExportHow::Copy,
            Some("link") => ExportHow::Link,
            Some(other) => {
                let message =
                    format!("a blob is exported by `auto`, `copy` or `link`, not {other:?}");
                return Err(FacadeError::invalid(message));
            }
        };
        Ok(Export { how, overwrite: self.overwrite == Some(true) })
    }
}

impl Told for BlobRef {
    fn told(&self) -> String {
        blob_value(self).to_string()
    }
}

impl Told for Exported {
    fn told(&self) -> String {
        json!({ "id": self.id.to_string(), "size": self.size }).to_string()
    }
}

impl Told for BlobsCollected {
    fn told(&self) -> String {
        json!({ "blobs": self.blobs, "bytes": self.bytes }).to_string()
    }
}

impl Told for BlobsVerified {
    fn told(&self) -> String {
        let damaged: Vec<String> = self.damaged.iter().map(ToString::to_string).collect();
        json!({
            "whole": self.whole, "bytes": self.bytes, "damaged": damaged, "strays": self.strays,
        })
        .to_string()
    }
}

/// The id that a text says.
pub(crate) fn blob_id(text: &str) -> Result<BlobId> {
    Ok(text.parse()?)
}

pub(crate) fn tags_of<T: AsRef<str>>(tags: &[T]) -> Result<TagSet> {
    Ok(TagSet::new(tags.iter().map(AsRef::as_ref))?)
}

/// A blob with what was said of it here; of one that is not here, its id.
pub(crate) fn said_here(blobs: &Blobs, id: &BlobId) -> Result<BlobRef> {
    match blobs.stat(id) {
        Ok(BlobStat { size, size_proven, about: About { media_type, name, .. }, .. }) => {
            Ok(BlobRef { id: *id, size: size_proven.then_some(size), media_type, name })
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(unsaid(id)),
        Err(error) => Err(error.into()),
    }
}

/// A blob of which nothing is known but its id.
pub(crate) fn unsaid(id: &BlobId) -> BlobRef {
    BlobRef { id: *id, size: None, media_type: String::new(), name: String::new() }
}

pub(crate) fn stat_json(stat: &BlobStat) -> String {
    stat_value(stat).to_string()
}

pub(crate) fn stats_json(stats: &[BlobStat]) -> String {
    Value::Array(stats.iter().map(stat_value).collect()).to_string()
}

fn blob_value(blob: &BlobRef) -> Value {
    json!({
        "id": blob.id.to_string(), "size": blob.size, "media_type": said(&blob.media_type),
        "name": said(&blob.name),
    })
}

fn stat_value(stat: &BlobStat) -> Value {
    let state = match stat.state {
        BlobState::Inline => "inline",
        BlobState::Whole => "whole",
        // Of states that are yet to come, too, nothing more can be said.
        _ => "part",
    };
    let About { media_type, name, tags } = &stat.about;
    json!({
        "id": stat.id.to_string(), "size": stat.size, "state": state,
        "held_bytes": stat.held_bytes, "media_type": said(media_type), "name": said(name),
        "tags": tags.iter().map(|tag| tag.as_str()).collect::<Vec<&str>>(),
        "touched": stat.touched.micros(),
    })
}

fn said(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}
