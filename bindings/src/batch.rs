//! Batches of events: one crossing each.

use millpond_facade::EventBatch;

/// Events, and where the reader stands after them.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct Batch {
    /// Numbers of each event, 48 bytes each: see `packed.rs` of the facade.
    pub rows: Vec<u8>,
    /// Tags and payloads, as the rows say.
    pub bytes: Vec<u8>,
    /// Stream ids and app ids, as the rows say.
    pub texts: Vec<String>,
    /// How many events.
    pub count: u32,
    /// Whether the tags are there.
    pub has_tags: bool,
    /// Whether the payloads are there.
    pub has_payload: bool,
    /// There will be no more.
    pub is_end: bool,
    /// On this node's disk.
    pub is_durable: bool,
    /// Caught up with the log as it was at the start.
    pub caught_up: bool,
    /// Events left to pass.
    pub lag: u64,
    /// Token text of where this batch ends.
    pub position: String,
    /// In key order: position text of the same.
    pub resume: Option<String>,
    /// The way back: what was delivered with a greater key than `rewind_to` is delivered again.
    pub is_rewind: bool,
    /// The key of what stays; none: nothing stays.
    pub rewind_to: Option<String>,
    /// What the query had looked at.
    pub looks: Looks,
}

/// What a query looked at.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct Looks {
    /// Segments of the postings.
    pub segments: u64,
    /// Blocks.
    pub blocks: u64,
    /// Frames of blocks.
    pub frames: u64,
    /// Events.
    pub events: u64,
}

impl From<EventBatch> for Batch {
    fn from(batch: EventBatch) -> Batch {
        let position = batch.position().token();
        let resume = Some(batch.position_text()).filter(|resume| *resume != position);
        let (columns, looks) = (batch.columns(), batch.looks());
        Batch {
            rows: batch.rows(),
            bytes: batch.bytes().to_vec(),
            texts: batch.texts(),
            count: batch.len() as u32,
            has_tags: columns.tags,
            has_payload: columns.payload,
            is_end: batch.is_end(),
            is_durable: batch.is_durable(),
            caught_up: batch.caught_up(),
            lag: batch.lag(),
            position,
            resume,
            is_rewind: batch.is_rewind(),
            rewind_to: batch.rewind_to(),
            looks: Looks {
                segments: looks.segments,
                blocks: looks.blocks,
                frames: looks.frames,
                events: looks.events,
            },
        }
    }
}

impl From<Looks> for millpond_facade::Looks {
    fn from(looks: Looks) -> millpond_facade::Looks {
        let Looks { segments, blocks, frames, events } = looks;
        millpond_facade::Looks { segments, blocks, frames, events }
    }
}
