//! What is remembered of a peer beyond its sessions.

use crate::error::Error;
use crate::sync::RefusalReason;
use std::collections::BTreeMap;
use std::time::Instant;

/// One peer, since the node opened.
#[derive(Clone, Debug, Default)]
pub(crate) struct Contact {
    /// Bytes of frames received in all its sessions.
    pub(crate) bytes_in: u64,
    /// Bytes of frames sent in all its sessions.
    pub(crate) bytes_out: u64,
    /// When it was last heard in a session.
    pub(crate) heard_at: Option<Instant>,
    /// When it was first dialled since the last session with it.
    pub(crate) trying_since: Option<Instant>,
    /// How the last attempt was refused, if no session came about since.
    pub(crate) refused: Option<Refused>,
}

/// How a session was refused.
#[derive(Clone, Debug)]
pub(crate) struct Refused {
    pub(crate) reason: RefusalReason,
    pub(crate) by_us: bool,
    pub(crate) error: Error,
    pub(crate) at: Instant,
}

/// What went over the network since the node opened.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    /// Bytes of frames received and sent, also from and to those who were refused.
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
    pub(crate) dials: u64,
    pub(crate) sessions: u64,
    /// Sessions refused, by reason and whether by us.
    pub(crate) refused: BTreeMap<(RefusalReason, bool), u64>,
    /// Events that came and were held already.
    pub(crate) duplicates: u64,
}
