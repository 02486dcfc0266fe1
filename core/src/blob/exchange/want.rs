//! One blob that is wanted: by whom, which groups, how urgently.

use super::io::{ConnectionNumber, FetchNumber, Held, JobNumber, Stall, Urgency};
use crate::blob::groups::GroupSet;
use crate::blob::limits::READ_AHEAD_GROUPS;
use crate::blob::size::{BlobSize, GroupIndex, GroupRange};
use crate::event::NodeId;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

/// Who waits for groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Waiter {
    Fetch(FetchNumber),
    /// Peers that asked us to hold the blob.
    Peers,
}

/// What one of them waits for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wish {
    /// None: all groups.
    pub(super) groups: Option<GroupRange>,
    pub(super) urgency: Urgency,
}

/// A blob that somebody waits for.
pub(super) struct Want {
    /// The lower, the earlier it is among the active ones.
    pub(super) number: u64,
    /// When it was last its turn to ask; the lowest goes first.
    pub(super) turn: u64,
    pub(super) is_active: bool,
    /// What is held has been looked up.
    pub(super) is_loaded: bool,
    /// What a reference says.
    pub(super) said: Option<BlobSize>,
    /// Groups that are held, under the size we go by; none while nobody said one.
    pub(super) held: Option<(BlobSize, GroupSet)>,
    pub(super) is_proven: bool,
    /// What was held would have survived a power cut when it was last looked up.
    is_durable: bool,
    /// Who was asked for a group under that size: one, or two when the first takes long.
    pub(super) asked: BTreeMap<u32, Vec<(ConnectionNumber, u64)>>,
    /// Groups that are being verified, under whatever size.
    pub(super) verifying: BTreeMap<(BlobSize, u32), JobNumber>,
    /// Other sizes whose last group was asked for, of whom.
    pub(super) probes: BTreeMap<BlobSize, (ConnectionNumber, u64)>,
    pub(super) wishes: BTreeMap<Waiter, Wish>,
    pub(super) hints: BTreeSet<NodeId>,
    /// Nodes that were to be dialled, and when.
    pub(super) reached: BTreeMap<NodeId, Instant>,
    /// When something last came, or it began.
    pub(super) progress_at: Instant,
    pub(super) stall: Option<Stall>,
}

impl Want {
    pub(super) fn new(number: u64, now: Instant) -> Want {
        Want {
            number,
            turn: 0,
            is_active: false,
            is_loaded: false,
            said: None,
            held: None,
            is_proven: false,
            is_durable: true,
            asked: BTreeMap::new(),
            verifying: BTreeMap::new(),
            probes: BTreeMap::new(),
            wishes: BTreeMap::new(),
            hints: BTreeSet::new(),
            reached: BTreeMap::new(),
            progress_at: now,
            stall: None,
        }
    }

    pub(super) fn size(&self) -> Option<BlobSize> {
        self.held.as_ref().map(|(size, _)| *size)
    }

    /// The most urgent of those who wait.
    pub(super) fn urgency(&self) -> Urgency {
        self.wishes.values().map(|wish| wish.urgency).min().unwrap_or(Urgency::Rule)
    }

    /// Takes over what the store holds.
    pub(super) fn load(&mut self, held: Option<Held>) {
        self.is_loaded = true;
        self.is_durable = held.as_ref().is_none_or(|held| held.is_durable);
        match held {
            Some(held) => {
                if self.size() != Some(held.size) {
                    self.asked.clear();
                }
                // What was proven once stays so: the store may not have heard of it yet.
                self.is_proven = held.is_proven || self.is_proven && self.size() == Some(held.size);
                self.held = Some((held.size, held.groups));
            }
            None => {
                self.held = self.size().map(|size| (size, GroupSet::empty(size)));
            }
        }
    }

    /// Goes by this size, with nothing held under it.
    pub(super) fn begin(&mut self, size: BlobSize, is_proven: bool) {
        self.held = Some((size, GroupSet::empty(size)));
        self.is_proven = is_proven;
        self.asked.clear();
    }

    /// A group of this size was verified and written; true when it counts.
    pub(super) fn has_come(&mut self, size: BlobSize, group: GroupIndex, now: Instant) -> bool {
        let is_last = group == size.last_group();
        if self.size() != Some(size) {
            // Another size is proven only by its last group, and never two of them.
            if !is_last || self.is_proven {
                return false;
            }
            self.begin(size, true);
        }
        self.is_proven |= is_last;
        self.progress_at = now;
        self.held.as_mut().is_some_and(|(_, held)| held.insert(group))
    }

    /// Whether this group is neither held nor asked for nor being verified.
    pub(super) fn lacks(&self, group: GroupIndex) -> bool {
        let Some((size, held)) = &self.held else { return false };
        let key = (*size, group.value());
        !held.contains(group)
            && !self.asked.contains_key(&group.value())
            && !self.verifying.contains_key(&key)
    }

    /// The first group of `range` that it lacks.
    pub(super) fn first_lacking(&self, range: GroupRange) -> Option<GroupIndex> {
        let (_, held) = self.held.as_ref()?;
        let mut from = range.first();
        loop {
            let missing = held.next_missing(from)?;
            if !range.contains(missing) {
                return None;
            }
            if self.lacks(missing) {
                return Some(missing);
            }
            from = missing.value() + 1;
        }
    }

    /// Where to look for groups to ask for, in this order.
    pub(super) fn segments(&self) -> Vec<GroupRange> {
        let Some((size, held)) = &self.held else { return Vec::new() };
        let of = |urgency: Urgency| -> Vec<GroupRange> {
            let wishes = self.wishes.values().filter(|wish| wish.urgency == urgency);
            let groups = wishes.map(|wish| wish.groups.unwrap_or(size.all()));
            groups.map(|groups| groups.below(size.groups())).collect()
        };
        let reading = of(Urgency::Reading);
        let mut segments = Vec::new();
        for range in &reading {
            let missing = held.next_missing(range.first());
            let missing = missing.filter(|missing| range.contains(*missing));
            segments.extend(missing.map(GroupRange::one));
        }
        if !self.is_proven {
            segments.push(GroupRange::one(size.last_group()));
        }
        segments.extend(&reading);
        for range in reading.iter().filter(|range| !range.is_empty()) {
            let end = (range.end() + READ_AHEAD_GROUPS).min(size.groups());
            segments.push(GroupRange::from_numbers(range.end(), end));
        }
        segments.extend(of(Urgency::Asked));
        segments.extend(of(Urgency::Rule));
        segments.retain(|segment| !segment.is_empty());
        segments
    }

    /// Whether all that a wish is about is held; where that reaches the end, the size is proven.
    /// Who wishes for all of a blob is told once that is durable: the store looks it up then.
    pub(super) fn is_granted(&self, wish: &Wish) -> bool {
        let Some((size, held)) = &self.held else { return false };
        if wish.groups.is_none() && !self.is_durable {
            return false;
        }
        let groups = wish.groups.unwrap_or(size.all());
        let to_the_end = groups.end() >= size.groups();
        let groups = groups.below(size.groups());
        let missing = held.next_missing(groups.first());
        (self.is_proven || !to_the_end)
            && missing.is_none_or(|missing| missing.value() >= groups.end())
    }
}
