//! One connection: what its peer has, what we asked of it, what it asked of us.

use super::io::JobNumber;
use crate::blob::id::BlobId;
use crate::blob::limits::{
    ASK_PENALTY, ASK_PENALTY_MAX, ASKED_GROUPS_PER_PEER_MAX, BULK_UNSENT_BYTES_MAX,
    LIVE_UNSENT_BYTES_MAX, MESSAGE_BYTES_ENOUGH, PIECE_BYTES_MAX, SERVE_AHEAD_MAX,
};
use crate::blob::message::StopReason;
use crate::blob::size::{BlobSize, GroupIndex, GroupRange};
use crate::event::NodeId;
use bytes::Bytes;
use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

/// All that we owe one peer and that it owes us, while it is connected.
pub(super) struct Peer {
    pub(super) node: NodeId,
    /// It was blamed: nothing more of it is heard, and nothing more is sent.
    pub(super) is_blamed: bool,
    /// Groups that it may be asked for at a time: grows with each that verified.
    pub(super) window: u32,
    /// What we asked it for, by transfer. One that is stopped stays until its last answer came.
    pub(super) asks: BTreeMap<u64, Asked>,
    pub(super) last_ask: u64,
    /// Groups of it that are being verified.
    pub(super) verifying: u32,
    /// When something last came on its bulk lane.
    pub(super) bulk_heard: Option<Instant>,
    /// What it said that it has, of blobs that we asked it about.
    pub(super) claims: BTreeMap<BlobId, Claim>,
    /// What we asked it about.
    pub(super) found: BTreeMap<BlobId, Found>,
    /// How many of them it has not answered.
    pub(super) unanswered: usize,
    /// There is more to ask it about: when it has answered some.
    pub(super) is_behind: bool,
    /// Blobs that it was asked for and did not bring.
    pub(super) penalties: BTreeMap<BlobId, Penalty>,
    /// Blobs of which it is told changes, and when it last was.
    pub(super) watches: BTreeMap<BlobId, Option<Instant>>,
    /// Blobs of which it is to be told, and when.
    pub(super) to_tell: BTreeMap<BlobId, Instant>,
    /// The first of these.
    pub(super) next_tell: Option<Instant>,
    /// Blobs that we began to hold since then because it asks, and how many.
    pub(super) kept: (Instant, usize),
    /// What it asked for and has not been given, by transfer.
    pub(super) owed: BTreeMap<u64, Owed>,
    pub(super) last_owed: Option<u64>,
    /// What leaves on its bulk lane next, in this order.
    pub(super) slots: VecDeque<Slot>,
    /// Short frames that wait for room on its live lane.
    pub(super) short: VecDeque<Bytes>,
    pub(super) unsent_live: usize,
    pub(super) unsent_bulk: usize,
    /// Bytes of each frame on the bulk lane that has not left, the next one first.
    pub(super) unsent_frames: VecDeque<usize>,
}

/// An ask of ours.
pub(super) struct Asked {
    pub(super) id: BlobId,
    pub(super) size: BlobSize,
    /// What is still to come.
    pub(super) groups: GroupRange,
    pub(super) at: Instant,
    /// Taken back: what still comes is dropped.
    pub(super) is_stopped: bool,
}

/// A question of ours what it has.
#[derive(Clone, Copy)]
pub(super) struct Found {
    /// To be told of changes as well.
    pub(super) watch: bool,
    pub(super) is_answered: bool,
}

/// What a peer says that it has.
#[derive(PartialEq)]
pub(super) struct Claim {
    pub(super) size: BlobSize,
    /// None: all groups.
    pub(super) spans: Option<Vec<GroupRange>>,
}

/// A pause for one blob.
pub(super) struct Penalty {
    pub(super) until: Instant,
    pause: Duration,
}

/// An ask of the peer's.
pub(super) struct Owed {
    pub(super) id: BlobId,
    pub(super) size: BlobSize,
    /// Groups for which there is no job yet.
    pub(super) groups: GroupRange,
    /// Groups that have not been shipped.
    pub(super) left: u32,
    /// Whether it was looked up that all groups are held.
    pub(super) is_checked: bool,
    /// A stop is on its way.
    pub(super) is_stopped: bool,
}

/// What is to leave on the bulk lane.
pub(super) enum Slot {
    Piece { transfer: u64, job: JobNumber, ready: Option<Bytes> },
    Stop { transfer: u64, reason: StopReason },
}

impl Peer {
    pub(super) fn new(node: NodeId, now: Instant) -> Peer {
        Peer {
            node,
            is_blamed: false,
            window: 1,
            asks: BTreeMap::new(),
            last_ask: 0,
            verifying: 0,
            bulk_heard: None,
            claims: BTreeMap::new(),
            found: BTreeMap::new(),
            unanswered: 0,
            is_behind: false,
            penalties: BTreeMap::new(),
            watches: BTreeMap::new(),
            to_tell: BTreeMap::new(),
            next_tell: None,
            kept: (now, 0),
            owed: BTreeMap::new(),
            last_owed: None,
            slots: VecDeque::new(),
            short: VecDeque::new(),
            unsent_live: 0,
            unsent_bulk: 0,
            unsent_frames: VecDeque::new(),
        }
    }

    /// Bytes left for the transport.
    pub(super) fn has_left(&mut self, bulk: bool, bytes: usize) {
        if !bulk {
            self.unsent_live = self.unsent_live.saturating_sub(bytes);
            return;
        }
        self.unsent_bulk = self.unsent_bulk.saturating_sub(bytes);
        let mut left = bytes;
        while let Some(first) = self.unsent_frames.front_mut()
            && left > 0
        {
            let part = left.min(*first);
            *first -= part;
            left -= part;
            if *first == 0 {
                self.unsent_frames.pop_front();
            }
        }
    }

    /// Groups that it may be asked for now. Stopped ones count until they are answered.
    pub(super) fn room(&self) -> u32 {
        if self.is_blamed || !self.short.is_empty() {
            return 0;
        }
        let asked: u32 = self.asks.values().map(|asked| asked.groups.count()).sum();
        self.window.saturating_sub(asked + self.verifying)
    }

    /// A group of it verified: it may be asked for more.
    pub(super) fn has_proved(&mut self) {
        self.window = (self.window * 2).min(ASKED_GROUPS_PER_PEER_MAX);
    }

    /// Since when nothing came of an ask.
    pub(super) fn quiet_since(&self, asked: &Asked) -> Instant {
        self.bulk_heard.map_or(asked.at, |heard| heard.max(asked.at))
    }

    /// Whether it is not to be asked for this blob now.
    pub(super) fn is_paused(&self, id: &BlobId, now: Instant) -> bool {
        self.penalties.get(id).is_some_and(|penalty| penalty.until > now)
    }

    /// It did not bring a blob.
    pub(super) fn pause(&mut self, id: BlobId, now: Instant) {
        let before = self.penalties.get(&id).map(|penalty| penalty.pause * 2);
        let pause = before.unwrap_or(ASK_PENALTY).min(ASK_PENALTY_MAX);
        self.penalties.insert(id, Penalty { until: now + pause, pause });
    }

    /// Groups that it has asked for and not been given.
    pub(super) fn owed_groups(&self) -> u32 {
        self.owed.values().map(|owed| owed.left).sum()
    }

    /// Whether one more piece may be made for it: only what can leave as soon as it is ready. So a
    /// peer that does not read holds up nobody else.
    pub(super) fn may_serve(&self, being_made: usize) -> bool {
        let is_ready = |slot: &&Slot| matches!(slot, Slot::Piece { ready: Some(_), .. });
        let pieces = self.slots.iter().filter(is_ready).count() + being_made;
        let bytes = (pieces + 1) * PIECE_BYTES_MAX + self.unsent_bulk;
        !self.is_blamed && pieces < SERVE_AHEAD_MAX as usize && bytes <= BULK_UNSENT_BYTES_MAX
    }

    /// It is to be told of a blob at an instant, or earlier if it is to be told earlier.
    pub(super) fn tell_at(&mut self, id: BlobId, at: Instant) {
        let due = self.to_tell.entry(id).or_insert(at);
        *due = at.min(*due);
        self.next_tell = Some(self.next_tell.map_or(at, |next| next.min(at)));
    }

    /// Whether it reads what it is told.
    pub(super) fn may_be_told(&self) -> bool {
        self.short.is_empty() && self.has_live_room(2 * MESSAGE_BYTES_ENOUGH)
    }

    pub(super) fn has_live_room(&self, bytes: usize) -> bool {
        self.unsent_live + bytes <= LIVE_UNSENT_BYTES_MAX
    }
}

impl Claim {
    pub(super) fn has(&self, group: GroupIndex) -> bool {
        match &self.spans {
            None => self.size.has(group),
            Some(spans) => spans.iter().any(|span| span.contains(group)),
        }
    }

    /// The parts of `range` that it has, rising: 64 at most.
    pub(super) fn within(&self, range: GroupRange) -> Vec<GroupRange> {
        let all = [self.size.all()];
        let spans = self.spans.as_deref().unwrap_or(&all);
        let cut = |span: &GroupRange| {
            let first = span.first().max(range.first());
            let end = span.end().min(range.end());
            (first < end).then(|| GroupRange::from_numbers(first, end))
        };
        spans.iter().filter_map(cut).collect()
    }
}
