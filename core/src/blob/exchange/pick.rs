//! Which group of which peer next.
//!
//! The most urgent blob goes first, those of one urgency take turns. Of a blob the first group in
//! the order of its segments that somebody with room has; of whom, the one with most room, then the
//! one that is asked for fewest blobs, then the smallest id. Neighbours go to the same one.

use super::exchange::Exchange;
use super::io::ConnectionNumber;
use super::peer::{Asked, Claim, Peer};
use super::want::Want;
use super::work::Touched;
use crate::blob::id::BlobId;
use crate::blob::limits::{
    ASK_OVERDUE, ASKED_GROUPS_ALL_MAX, PROBES_MAX, RUN_GROUPS_MAX, WANTS_ACTIVE_MAX,
};
use crate::blob::message::{Ask, BlobMessage};
use crate::blob::size::{BlobSize, GroupIndex, GroupRange};
use crate::event::NodeId;
use std::cmp::Reverse;
use std::collections::BTreeSet;

/// An ask that is to be made.
struct Choice {
    connection: ConnectionNumber,
    size: BlobSize,
    groups: GroupRange,
}

/// What makes one provider better than another, the lowest first.
type Rank = (Reverse<u32>, usize, NodeId, ConnectionNumber);

impl Exchange {
    /// Lets the most urgent blobs be active, `WANTS_ACTIVE_MAX` of them.
    pub(super) fn activate(&mut self) {
        let mut order: Vec<_> =
            self.wants.iter().map(|(id, want)| (want.urgency(), want.number, *id)).collect();
        order.sort_unstable();
        let active: BTreeSet<BlobId> =
            order.iter().take(WANTS_ACTIVE_MAX).map(|(_, _, id)| *id).collect();
        let mut ended = Vec::new();
        for (id, want) in &mut self.wants {
            let is_active = active.contains(id);
            if is_active == want.is_active {
                continue;
            }
            want.is_active = is_active;
            want.progress_at = self.now;
            self.is_curious = true;
            self.work.blobs.one(*id);
            if !is_active {
                ended.push(*id);
            }
        }
        ended.iter().for_each(|id| self.stop_asks(id));
    }

    /// Makes asks for these blobs while anybody has room.
    pub(super) fn pick(&mut self, touched: &Touched) {
        if self.is_full() || touched.is_empty() {
            return;
        }
        let active = self.wants.iter().filter(|(_, want)| want.is_active);
        let mut order: Vec<_> = active.filter(|(id, _)| touched.has(id)).collect();
        order.sort_by_key(|(id, want)| (want.urgency(), want.turn, **id));
        let mut order: Vec<_> = order.into_iter().map(|(id, want)| (want.urgency(), *id)).collect();
        while !order.is_empty() {
            let most_urgent = order[0].0;
            let mut again = Vec::new();
            // One run each, and round again those for which there was one.
            for (_, id) in order.iter().filter(|(urgency, _)| *urgency == most_urgent) {
                let room = ASKED_GROUPS_ALL_MAX.saturating_sub(self.asked_of_all());
                if room == 0 {
                    return;
                }
                if let Some(choice) = self.choose(id, room) {
                    self.ask_for(id, choice);
                    again.push((most_urgent, *id));
                }
            }
            order.retain(|(urgency, _)| *urgency != most_urgent);
            again.append(&mut order);
            order = again;
        }
    }

    fn ask_for(&mut self, id: &BlobId, choice: Choice) {
        let Choice { connection, size, groups } = choice;
        let at = self.now;
        self.turn += 1;
        let Some(peer) = self.peers.get_mut(&connection) else { return };
        peer.last_ask += 1;
        let transfer = peer.last_ask;
        peer.asks.insert(transfer, Asked { id: *id, size, groups, at, is_stopped: false });
        if let Some(want) = self.wants.get_mut(id) {
            want.turn = self.turn;
            if want.size() == Some(size) {
                for group in groups.iter() {
                    want.asked.entry(group.value()).or_default().push((connection, transfer));
                }
            } else {
                want.probes.insert(size, (connection, transfer));
            }
        }
        self.say(connection, &BlobMessage::Ask(Ask { transfer, id: *id, size, groups }));
    }

    fn choose(&mut self, id: &BlobId, room: u32) -> Option<Choice> {
        self.begin_size(id);
        let want = self.wants.get(id).filter(|want| want.is_loaded)?;
        let size = want.size()?;
        self.probe(id, want, size)
            .or_else(|| self.first_missing(id, want, size, room))
            .or_else(|| self.overdue(id, want, size))
    }

    /// Peers that may be asked for a blob now, with what they have of it.
    fn providers(&self, id: &BlobId) -> impl Iterator<Item = (Rank, &Peer, &Claim)> {
        self.peers.iter().filter_map(move |(connection, peer)| {
            let claim = peer.claims.get(id)?;
            let room = peer.room();
            if room == 0 || peer.is_paused(id, self.now) || self.is_liar(&peer.node) {
                return None;
            }
            let blobs: BTreeSet<&BlobId> = peer.asks.values().map(|asked| &asked.id).collect();
            Some(((Reverse(room), blobs.len(), peer.node, *connection), peer, claim))
        })
    }

    /// Goes by what a peer says while nothing is held: what the reference says, if anybody does.
    /// So it does again when those who said so are gone or have lied.
    fn begin_size(&mut self, id: &BlobId) {
        let Some(want) = self.wants.get(id).filter(|want| want.is_loaded) else { return };
        if let Some((size, held)) = &want.held {
            let mut claims = self.peers.values().filter_map(|peer| peer.claims.get(id));
            let is_said = claims.any(|claim| claim.size == *size);
            if is_said || want.is_proven || !held.is_empty() || !want.verifying.is_empty() {
                return;
            }
        }
        let said = want.said;
        let best =
            self.providers(id).min_by_key(|(rank, _, claim)| (Some(claim.size) != said, *rank));
        let size = best.map(|(_, _, claim)| claim.size);
        if let (Some(size), Some(want)) = (size, self.wants.get_mut(id)) {
            want.begin(size, false);
        }
    }

    /// The last group of a peer whose size differs from ours, which nobody has proven: it decides.
    fn probe(&self, id: &BlobId, want: &Want, size: BlobSize) -> Option<Choice> {
        let waits = |(connection, transfer): &&(ConnectionNumber, u64)| {
            let peer = self.peers.get(connection);
            let asked = peer.and_then(|peer| Some((peer, peer.asks.get(transfer)?)));
            asked.is_none_or(|(peer, asked)| peer.quiet_since(asked) + ASK_OVERDUE > self.now)
        };
        // Who brings nothing holds up no other for long.
        if want.is_proven || want.probes.values().filter(waits).count() >= PROBES_MAX {
            return None;
        }
        let open = |claim: &Claim| {
            let last = claim.size.last_group();
            claim.size != size
                && claim.has(last)
                && !want.probes.contains_key(&claim.size)
                && !want.verifying.contains_key(&(claim.size, last.value()))
        };
        let best = self.providers(id).filter(|(_, _, claim)| open(claim));
        let (rank, _, claim) = best.min_by_key(|(rank, ..)| *rank)?;
        let groups = GroupRange::one(claim.size.last_group());
        Some(Choice { connection: rank.3, size: claim.size, groups })
    }

    fn first_missing(
        &self,
        id: &BlobId,
        want: &Want,
        size: BlobSize,
        room_of_all: u32,
    ) -> Option<Choice> {
        let providers: Vec<_> =
            self.providers(id).filter(|(_, _, claim)| claim.size == size).collect();
        want.segments().into_iter().find_map(|segment| {
            let first = |claim: &Claim| {
                claim.within(segment).into_iter().find_map(|span| want.first_lacking(span))
            };
            let found = providers
                .iter()
                .filter_map(|(rank, _, claim)| first(claim).map(|group| (group, *rank, *claim)));
            let (group, rank, claim) = found.min_by_key(|(group, rank, _)| (*group, *rank))?;
            let Reverse(room) = rank.0;
            let most = RUN_GROUPS_MAX.min(room).min(room_of_all);
            let groups = run(group, segment, most, |next| want.lacks(next) && claim.has(next));
            Some(Choice { connection: rank.3, size, groups })
        })
    }

    /// A group that one peer has owed for long, of another one.
    fn overdue(&self, id: &BlobId, want: &Want, size: BlobSize) -> Option<Choice> {
        let is_overdue = |all: &Vec<(ConnectionNumber, u64)>| match all.as_slice() {
            [(connection, transfer)] => self.peers.get(connection).is_some_and(|peer| {
                peer.asks
                    .get(transfer)
                    .is_some_and(|asked| peer.quiet_since(asked) + ASK_OVERDUE <= self.now)
            }),
            _ => false,
        };
        let mut groups = want.asked.iter().filter(|(_, all)| is_overdue(all));
        groups.find_map(|(group, all)| {
            let groups = GroupRange::from_numbers(*group, group + 1);
            let group = groups.iter().next()?;
            let others = self.providers(id).filter(|(rank, _, claim)| {
                claim.size == size && claim.has(group) && rank.3 != all[0].0
            });
            let (rank, ..) = others.min_by_key(|(rank, ..)| *rank)?;
            Some(Choice { connection: rank.3, size, groups })
        })
    }

    /// Whether a peer that is connected and trusted says that it has something that is missing,
    /// whether or not it may be asked now.
    pub(super) fn has_provider(&self, id: &BlobId, want: &Want) -> bool {
        let trusted = self.peers.values().filter(|peer| !self.is_liar(&peer.node));
        let mut claims = trusted.filter_map(|peer| peer.claims.get(id));
        claims.any(|claim| match want.size() {
            None => true,
            Some(size) if size != claim.size => !want.is_proven,
            Some(_) => want.segments().into_iter().any(|segment| {
                claim.within(segment).into_iter().any(|span| want.first_lacking(span).is_some())
            }),
        })
    }
}

/// The groups from `first` on, `most` at most, within `segment`, as long as `goes_on` says so.
fn run(
    first: GroupIndex,
    segment: GroupRange,
    most: u32,
    goes_on: impl Fn(GroupIndex) -> bool,
) -> GroupRange {
    let last = segment.end().min(first.value() + most.max(1));
    let rest = GroupRange::from_numbers(first.value() + 1, last.max(first.value() + 1));
    let more = rest.iter().take_while(|group| goes_on(*group)).count() as u32;
    GroupRange::from_numbers(first.value(), first.value() + 1 + more)
}
