//! What holds of every bytes and texts that nobody thought of, decoder by decoder.
//!
//! `tests/fuzz` gives each of these to a fuzzer; the ordinary run replays the seeds, and what is
//! nearly a seed. Rule: a target that panics has found a bug, of itself or of millpond.
//! Begin with [`TARGETS`].

pub mod blob_frame;
pub mod block;
mod checksums;
pub mod deeds;
pub mod frame;
pub mod groups;
pub mod journal;
pub mod json;
pub mod offset_map;
pub mod packed;
pub mod payload;
pub mod query;
pub mod range;
pub mod record;
pub mod session;
mod store;
pub mod tables;
pub mod text;
pub mod ticket;

/// One of them.
pub struct Target {
    /// Its name in `tests/fuzz`.
    pub name: &'static str,
    /// Panics when bytes break what it claims.
    pub run: fn(&[u8]),
    /// How many alterations of each seed an ordinary run can afford.
    pub variations: u64,
}

/// All of them, by name.
pub const TARGETS: &[Target] = &[
    Target { name: "blob_frame", run: blob_frame::run, variations: 200 },
    Target { name: "block", run: block::run, variations: 200 },
    Target { name: "deeds", run: deeds::run, variations: 200 },
    Target { name: "frame", run: frame::run, variations: 200 },
    Target { name: "groups", run: groups::run, variations: 3 },
    Target { name: "journal", run: journal::run, variations: 6 },
    Target { name: "json", run: json::run, variations: 200 },
    Target { name: "offset_map", run: offset_map::run, variations: 200 },
    Target { name: "packed", run: packed::run, variations: 200 },
    Target { name: "payload", run: payload::run, variations: 200 },
    Target { name: "query", run: query::run, variations: 200 },
    Target { name: "range", run: range::run, variations: 200 },
    Target { name: "record", run: record::run, variations: 200 },
    Target { name: "session", run: session::run, variations: 200 },
    Target { name: "tables", run: tables::run, variations: 6 },
    Target { name: "text", run: text::run, variations: 200 },
    Target { name: "ticket", run: ticket::run, variations: 200 },
];
